"""Where a demo plays: an embedded server of its own, or a realm of its own on a server that is given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import redis

from matchmaker.connect import SOCKET_TIMEOUT_SECONDS, connection_options
from matchmaker.embedded import EmbeddedServer
from matchmaker.keys import Keys
from matchmaker.model import new_ticket_id
from matchmaker.runner import typed_errors
from matchmaker.server import inspect_server, refuse_unsuitable


@dataclass(frozen=True, slots=True)
class Place:
    """A server and a realm on it. ``name`` is ``valkey`` or ``redis``."""

    url: str
    realm: str
    name: str
    version: str


@contextmanager
def open_place(url: str | None) -> Iterator[Place]:
    """A place to play; what was played with goes afterwards: the embedded server, or the realm's keys.

    :raises EmbeddedServerError: no server could be started.
    :raises ServerUnavailable: the given one does not answer. :raises ServerUnsuitable: it is not fit for a realm.
    """
    if url is None:
        with EmbeddedServer(None) as server:
            yield Place(server.url, "demo", server.name, server.version)
        return
    options = connection_options(url)
    with redis.Redis.from_url(url, socket_timeout=SOCKET_TIMEOUT_SECONDS, **options) as client:
        facts = inspect_server(client)
        refuse_unsuitable(facts)
        place = Place(url, f"demo-{new_ticket_id().lower()}", facts.name or "unknown", facts.version or "unknown")
        try:
            yield place
        finally:
            with typed_errors():
                for key in client.scan_iter(match=Keys(place.realm).prefix + "*", count=1000):
                    client.unlink(key)
