"""Realms in virtual time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from tests.lua.world import World


@pytest.fixture(scope="session")
def client(redis_url: str) -> Iterator[redis.Redis]:
    """A client on the suite's server for all examples of a property."""
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def world(client: redis.Redis, realm: str) -> World:
    """A realm in virtual time, with the queue ``ladder`` under the default rules."""
    world = World(client, realm)
    world.apply()
    return world
