"""Publishes how long tickets wait lately, off the matcher's thread and without ever being in its way.

Only a matcher that found somebody has news. Of those of a realm one at a time makes the tables: a key that lapses by
itself says that somebody just did. The events are read in pages, so no read is long.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import redis
import structlog
from pydantic_core import from_json, to_json

from matchmaker.connect import open_client
from matchmaker.estimates import tables_of
from matchmaker.keys import Keys

PAUSE_SECONDS = 5.0
PAGE_EVENTS = 250
MOST_EVENTS = 2_000
BODY_BYTES = 20_000
"""A longer body is passed over: data of its tickets, of no use here."""

log = structlog.get_logger()


class Estimator:
    """One thread, idle until :meth:`ring`."""

    def __init__(self, url: str) -> None:
        self._client = open_client(url)
        self._rung: set[str] = set()
        self._awake = threading.Condition()
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="matchmaker-estimator", daemon=True)
        self._thread.start()

    def ring(self, realm: str) -> None:
        """Somebody was found in the realm. Takes no time and raises nothing."""
        with self._awake:
            self._rung.add(realm)
            self._awake.notify()

    def close(self) -> None:
        """Ends the thread."""
        self._leaving.set()
        with self._awake:
            self._awake.notify()
        self._thread.join(1.0)

    def _run(self) -> None:
        with contextlib.closing(self._client) as client:
            while not self._leaving.is_set():
                with self._awake:
                    self._awake.wait_for(lambda: self._rung or self._leaving.is_set())
                    realms, self._rung = self._rung, set()
                for realm in sorted(realms):
                    if self._leaving.is_set():
                        return
                    try:
                        publish(client, realm)
                    except redis.RedisError as fault:
                        log.warning("no estimates published", realm=realm, error=str(fault))
                self._leaving.wait(PAUSE_SECONDS)


def publish(client: redis.Redis, realm: str) -> bool:
    """Makes the realm's tables anew, unless somebody just did. Answers whether it did."""
    keys = Keys(realm)
    if not client.set(keys.estimating, "1", nx=True, px=int(1000 * PAUSE_SECONDS * 0.8)):
        return False
    entries = list(_newest(client, keys.events))
    if not entries:
        return False
    entries.reverse()
    tables = tables_of(((name, body) for _, name, body in entries), entries[-1][0])
    if tables:
        client.hset(keys.estimates, mapping={queue: to_json(table).decode() for queue, table in tables.items()})
    return True


def _newest(client: redis.Redis, stream: str) -> Iterator[tuple[int, str, Mapping[str, Any]]]:
    """Realm ms, name and body of the newest events, newest first."""
    before, read = "+", 0
    while read < MOST_EVENTS:
        page: Any = client.xrevrange(stream, before, "-", PAGE_EVENTS)
        for entry, fields in page:
            text = fields.get(b"body", b"")
            if len(text) > BODY_BYTES:
                continue
            try:
                body = from_json(text)
            except ValueError:
                continue  # somebody else wrote into the stream
            if isinstance(body, dict):
                yield int(entry.partition(b"-")[0]), fields.get(b"event", b"").decode("utf-8", "replace"), body
        if len(page) < PAGE_EVENTS:
            return
        read += len(page)
        before = "(" + page[-1][0].decode()
