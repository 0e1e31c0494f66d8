"""Ready checks and open matches asked by raw calls, and what they leave behind."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from matchmaker.rules import QueueRules
from tests.lua.world import QUEUE, World

WINDOW_MS: Final = 20_000
LADDER_MS: Final = (0, 60_000, 300_000)
DECAY_MS: Final = 86_400_000
WITHIN_MS: Final = 600_000
ABORT_MS: Final = 60_000

READY: Final[dict[str, Any]] = {"ready_check": {"seconds": WINDOW_MS / 1000}}
PENALTIES: Final[dict[str, Any]] = {
    "penalties": {"seconds": [ms / 1000 for ms in LADDER_MS], "decay_seconds": DECAY_MS / 1000}
}
RESULTS: Final[dict[str, Any]] = {
    "results": {
        "by": "players", "within_seconds": WITHIN_MS / 1000, "alone": "counts", "abort_seconds": ABORT_MS / 1000,
    }
}  # fmt: skip

KEPT: Final = ("checks", "checking", "bodies", "matches", "playing", "penalties")
"""Hashes of what goes on."""


def rules(*parts: Mapping[str, Any], **more: Any) -> QueueRules:
    """Rules under which everybody within 500 points is matched at once, and these tables of them."""
    table: dict[str, Any] = {"willingness": {"base": 250.0}, "max_gap": 500.0}
    for part in (*parts, more):
        table |= part
    return QueueRules.model_validate(table)


def results(**changed: Any) -> dict[str, Any]:
    """The table of results with some of it changed."""
    return {"results": RESULTS["results"] | changed}


class Lifecycle:
    """Raw calls to a world: replies are lists of text, the code first."""

    def __init__(self, world: World) -> None:
        self.world = world

    def raw(self, name: str, *args: Any) -> list[str]:
        reply = self.world.raw(name, self.world.now, self.world.keys.channel_prefix, *args)
        return [part.decode() if isinstance(part, bytes) else str(part) for part in reply]

    def enqueue(self, player: str, rating: float = 1500, ticket: str | None = None, **more: Any) -> list[str]:
        """The player joins ``queues``, or the usual one; with ``sides`` it has no rating but theirs."""
        queues = more.pop("queues", QUEUE)
        body = {"ticket": ticket or f"t-{player}", "player": player, **more}
        if "sides" not in more:
            body["rating"] = rating
        reply = self.world.raw(
            "enqueue",
            self.world.now,
            self.world.keys.channel_prefix,
            queues,
            json.dumps(body),
            line=queues.split(",")[0],
        )
        return [part.decode() for part in reply[0]]

    def match_pass(self, queue: str = QUEUE) -> list[str]:
        """Ids of what the pass made."""
        reply = self.world.raw("pass", self.world.now, self.world.keys.channel_prefix, queue, 256, 0, 100, line=queue)
        return [id_.decode() for id_ in reply[10::2]]

    def made(self, *players: str, rating: float = 1500, queue: str = QUEUE) -> str:
        """Two players join and a pass makes one ready check or match of them: its id."""
        for player in players:
            self.enqueue(player, rating, queues=queue)
        (one,) = self.match_pass(queue)
        return one

    def accepted(self, check: str, *players: str) -> str:
        """All players accept: the match's id."""
        replies = [self.accept(check, player) for player in players]
        assert replies[-1][0] == "matched"
        return replies[-1][1]

    def accept(self, check: str, player: str) -> list[str]:
        return self.raw("accept", check, player)

    def decline(self, check: str, player: str) -> list[str]:
        return self.raw("decline", check, player)

    def report(
        self, match: str, who: str, ranks: Sequence[int], left: Sequence[str] = (), by: str = "player"
    ) -> list[str]:
        return self.raw("report", match, by, who, json.dumps(list(ranks)), json.dumps(list(left)))

    def abort(self, match: str, who: str, by: str = "player", reason: str = "sorry") -> list[str]:
        return self.raw("abort", match, by, who, reason)

    def leave(self, match: str, player: str) -> list[str]:
        return self.raw("leave", match, player)

    def lapse(self, most: int = 100) -> int:
        """How many were looked at."""
        return int(self.raw("lapse", most)[2])

    def rate(self, n: int, match: str, ratings: Mapping[str, float], queue: str = QUEUE) -> list[str]:
        players = [{"player": p, "rating": r, "before": 1500, "game": n} for p, r in ratings.items()]
        return self.raw("rate", json.dumps({"n": n, "match": match, "queue": queue, "players": players}))

    def cancel(self, player: str, queue: str = QUEUE) -> list[str]:
        args = [self.world.now, self.world.keys.channel_prefix, queue, "player", player, "requested"]
        return [part.decode() for part in self.world.raw("cancel", *args, line=queue)]

    def status(self, player: str) -> list[str]:
        return [part.decode() for part in self.world.raw("status", "player", player)]

    def state(self, id_: str) -> tuple[str, dict[str, Any]]:
        """How a match or a ready check stands, and the JSON of it."""
        reply = [part.decode() for part in self.world.raw("match", id_)]
        return reply[0], json.loads(reply[2]) if len(reply) > 2 else {}

    def history(self, player: str, after: str) -> tuple[str, list[str]]:
        """How it ended, and the ids of the events told, newest first."""
        reply = [part.decode() for part in self.world.raw("history", player, after, "", 1000)]
        return reply[0], reply[5::3]

    def kept(self, name: str) -> dict[str, str]:
        """One of the hashes of what goes on."""
        found = self.world.client.hgetall(self.world.keys.prefix + name)
        return {field.decode(): value.decode(errors="replace") for field, value in found.items()}

    def deadlines(self) -> dict[str, float]:
        found = self.world.client.zrange(self.world.keys.prefix + "deadlines", 0, -1, withscores=True)
        return {name.decode(): at for name, at in found}

    def told(self, event: str) -> list[dict[str, Any]]:
        """The bodies of all events of a kind."""
        return [body for _, kind, body in self.world.events() if kind == event]

    def nothing_goes_on(self) -> bool:
        """Nothing is left of any ready check or open match."""
        return not self.deadlines() and not any(self.kept(name) for name in KEPT if name != "penalties")
