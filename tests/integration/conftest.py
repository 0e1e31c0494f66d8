"""Listeners of both kinds, on a realm in virtual time, with or without a proxy between them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import redis

from matchmaker.rules import QueueRules
from tests.integration.stations import KINDS, Connect, Station
from tests.lua.world import World
from tests.proxy import Proxy


@pytest.fixture(params=KINDS)
def connect(request: pytest.FixtureRequest, redis_url: str, realm: str) -> Iterator[Connect]:
    with ExitStack() as stack:

        def make(url: str | None = None) -> Station:
            return stack.enter_context(KINDS[request.param](url or redis_url, realm))

        yield make


@pytest.fixture
def proxy(redis_url: str) -> Iterator[Proxy]:
    with Proxy(redis_url) as proxy:
        yield proxy


@pytest.fixture
def world(redis_client: redis.Redis, realm: str) -> World:
    """A realm in virtual time that remembers for a minute, and matches whoever is next to each other."""
    world = World(redis_client, realm)
    world.apply(QueueRules.model_validate({"willingness": {"base": 50.0}}), retain_seconds=60)
    return world
