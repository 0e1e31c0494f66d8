"""A small realm in which all is well and everything has happened, and the means to harm it."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matchmaker.checker import Report, check
from matchmaker.rules import parse_rules
from tests.lua.world import START_MS, World

RULES: Final = """
[ladder]
willingness = { per_second = 1.0, cap = 40 }
max_gap = 300
[duel]
accept = "both"
willingness = { per_second = 1.0, cap = 40 }
[brief]
expire_after_seconds = 5
"""

Entry = tuple[str, dict[str, Any]]


@dataclass
class Scene:
    """A sound realm at rest, 30 s old, in which everything happened that can happen to a ticket.

    ``ann`` and ``bob`` were matched as soon as they were due; ann waits again, next to ``dot`` and ``eve``, who are due
    with each other 20 s from now. ``fay`` and ``gus`` wait in the other queue. ``cid`` cancelled, so long ago that it
    may be forgotten; ``hal`` expired.
    """

    world: World

    @classmethod
    def build(cls, world: World) -> Scene:
        world.mm.apply_rules(parse_rules(RULES, "queues.toml"), retain_seconds=25)
        for queue in ("ladder", "duel", "brief"):
            world.tend(queue)
        for player, queue, rating in (("ann", "ladder", 1500), ("bob", "ladder", 1510), ("cid", "duel", 2000)):
            world.enqueue(player, rating, queue=queue)
        world.enqueue("hal", 1200, queue="brief")
        scene = cls(world)
        scene.at(1)
        world.mm.cancel("t-cid")
        scene.at(5.5)
        world.match_pass()
        world.run(world.calls.expire("brief", ["t-hal"]))
        scene.at(20)
        world.enqueue("ann", 1500, ticket="t-ann2")
        for player, queue, rating in (
            ("dot", "ladder", 1700),
            ("eve", "ladder", 1760),
            ("fay", "duel", 1500),
            ("gus", "duel", 1535),
        ):
            world.enqueue(player, rating, queue=queue)
        for queue in ("ladder", "duel"):
            world.match_pass(queue=queue)
        scene.at(30)
        return scene

    def at(self, seconds: float) -> None:
        """Moves the realm's clock."""
        self.world.now = START_MS + round(1000 * seconds)
        self.world.run(self.world.calls.peek(0))

    def __getattr__(self, name: str) -> Any:
        """Commands of the server's, on the realm's keys."""
        return getattr(self.world.client, name)

    @property
    def keys(self) -> Any:
        return self.world.keys

    def check(self, **options: Any) -> Report:
        return check(self.world.client, self.world.realm, **options)

    def rewrite(self, change: Callable[[list[Entry]], Sequence[Entry]]) -> None:
        """Replaces the stream by what ``change`` makes of its entries (id, body)."""
        entries = [(id_.decode(), json.loads(fields[b"body"])) for id_, fields in self.xrange(self.keys.events)]
        changed = change(entries)
        self.delete(self.keys.events)
        for id_, body in changed:
            fields: Any = {"event": body["event"], "body": json.dumps(body)}
            self.xadd(self.keys.events, fields, id=id_)

    def edit(self, event: str, ticket: str = "", **members: Any) -> None:
        """Changes the last event of that kind (and ticket)."""

        def change(entries: list[Entry]) -> list[Entry]:
            body = next(b for _, b in reversed(entries) if b["event"] == event and ticket in ("", b.get("ticket")))
            body.update(members)
            return entries

        self.rewrite(change)

    def insert(self, at_ms: int, *bodies: dict[str, Any]) -> None:
        """Adds events as if they had been written at that moment."""

        def change(entries: list[Entry]) -> list[Entry]:
            made = [(f"{at_ms}-{1000 + i}", {"v": 1, "at": at_ms, **body}) for i, body in enumerate(bodies)]
            return sorted([*entries, *made], key=lambda entry: tuple(map(int, entry[0].split("-"))))

        self.rewrite(change)

    def event(self, kind: str) -> Entry:
        """The last event of that kind."""
        entries = reversed(self.world.events())
        return next((id_, body) for id_, event, body in entries if event == kind)

    def repack(self, ticket: str, *, number: int | None = None, value: float = 0.0) -> None:
        """Changes the number at that place of the ticket's record."""
        packed = bytearray(self.hget(self.keys.tickets, ticket) or b"")
        struct.pack_into("<d", packed, 8 * (number or 0), value)
        self.hset(self.keys.tickets, ticket, bytes(packed))

    def remembered(self, ticket: str) -> bytes:
        return bytes(self.hget(self.keys.ended[0], f"t:{ticket}") or b"")

    def remember(self, ticket: str, packed: bytes, half: int = 0) -> None:
        self.hset(self.keys.ended[half], f"t:{ticket}", packed)


def enqueued(ticket: str, player: str, queue: str = "ladder") -> dict[str, Any]:
    return {"event": "enqueued", "queue": queue, "ticket": ticket, "player": player, "rating": 1500}


def cancelled(ticket: str, player: str, waited_ms: int = 0) -> dict[str, Any]:
    return enqueued(ticket, player) | {"event": "cancelled", "waited_ms": waited_ms, "reason": "requested"}
