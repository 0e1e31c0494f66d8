"""How the checker reads a realm: pages that hold the server for well under a millisecond, and small atomic reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import redis
from redis.exceptions import ResponseError

from matchmaker.checker.ledger import Ledger
from matchmaker.checker.records import text_of
from matchmaker.connect import SOCKET_TIMEOUT_SECONDS
from matchmaker.doorbell import connection_settings
from matchmaker.keys import Keys
from matchmaker.model import event_order

PAGE_EVENTS: Final = 250
PAGE_FIELDS: Final = 250
MOST_COMMANDS: Final = 500
"""Commands of one atomic read; some 0.5 ms of the server."""

Commands = list[tuple[Any, ...]]


class Source:
    """One realm, read over a connection of its own that answers with bytes whatever the caller's is set to."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self.keys = keys
        self.has_stages = False
        """Whether the realm may have ready checks and open matches."""
        self._client: Any = client

    @classmethod
    @contextmanager
    def open(cls, client: redis.Redis, keys: Keys) -> Iterator[Source]:
        """A source on the server of the caller's client."""
        pool = client.connection_pool
        settings = connection_settings(pool.connection_kwargs)
        settings["socket_timeout"] = SOCKET_TIMEOUT_SECONDS
        own = redis.Redis(connection_pool=redis.ConnectionPool(connection_class=pool.connection_class, **settings))
        try:
            yield cls(own, keys)
        finally:
            own.connection_pool.disconnect()
            own.close()

    # -- pages: nothing between two of them is one moment --------------------------------------------------------------

    def hash_fields(self, key: str) -> Iterator[tuple[bytes, bytes]]:
        """Every field that is there from the first page to the last; some of those that come or go; a few twice."""
        cursor = 0
        while True:
            cursor, fields = self._client.hscan(key, cursor, count=PAGE_FIELDS)
            yield from fields.items()
            if cursor == 0:
                return

    def scores(self, key: str) -> Iterator[tuple[str, float]]:
        """Members of a sorted set, as :meth:`hash_fields`."""
        cursor = 0
        while True:
            cursor, members = self._client.zscan(key, cursor, count=PAGE_FIELDS)
            yield from ((text_of(member), float(score)) for member, score in members)
            if cursor == 0:
                return

    # -- one moment ----------------------------------------------------------------------------------------------------

    def at_once(self, commands: Commands) -> list[Any]:
        """The replies to commands (:data:`MOST_COMMANDS` or about that) that nothing came in between of."""
        pipeline = self._client.pipeline(transaction=True)
        for command in commands:
            pipeline.execute_command(*command)
        return list(pipeline.execute(raise_on_error=False))

    def clock(self) -> Commands:
        """Commands for :func:`realm_now`."""
        return [("TIME",), ("GET", self.keys.clock), ("HGET", self.keys.meta, "time")]

    def follow(self, ledger: Ledger, until: str = "+") -> None:
        """Brings the ledger up to date: to the event ``until``, which exists, or to the end of the stream.

        Reading to the end also settles whether events were trimmed that the ledger never saw: every page comes with
        the number of entries that were ever added.
        """
        if until != "+" and event_order(until) <= event_order(ledger.last_id):
            return
        keys = self.keys
        while True:
            page, stream, (floor, retain) = self.at_once(
                [
                    ("XRANGE", keys.events, f"({ledger.last_id}", until, "COUNT", PAGE_EVENTS),
                    ("XINFO STREAM", keys.events),
                    ("HMGET", keys.meta, "floor_ms", "retain_ms"),
                ]
            )
            ledger.retain_ms = int(retain)
            if until != "+" and int(floor) > event_order(ledger.last_id)[0]:
                ledger.forget(int(floor))
            for entry, fields in page:
                ledger.fold(
                    entry.decode(),
                    fields.get(b"event", b"").decode(),
                    fields.get(b"body", b"").decode("utf-8", "replace"),
                )
            if len(page) < PAGE_EVENTS:
                break
        if until == "+":
            added = 0 if isinstance(stream, ResponseError) else int(stream["entries-added"])
            if added - ledger.events > ledger.unseen:
                ledger.unseen = added - ledger.events
                ledger.forget(int(floor))


def realm_now(replies: Sequence[Any]) -> tuple[int, int]:
    """From the replies to :meth:`Source.clock`: the realm ms of its last call, and what it would be now.

    As ``lua/lib/realm.lua`` has it: time stands still over steps of more than 30 s, and in a virtual realm between
    calls.
    """
    (seconds, micros), stored, mode = replies
    last, offset = (int(part) for part in (stored or b"0 0").split()[:2])
    server = int(seconds) * 1000 + int(micros) // 1000
    step = server - last
    if mode == b"virtual" or not 0 <= step <= 30_000:
        return last + offset, last + offset
    return last + offset, server + offset
