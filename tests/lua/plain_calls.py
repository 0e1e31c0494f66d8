"""One ordinary call of every script, by its raw arguments."""

from __future__ import annotations

import json
from typing import Any

from matchmaker.rules import QueueRules
from tests.lua.world import QUEUE, World


def ticket(name: str, **more: Any) -> str:
    """A ticket as enqueue takes it; player and ticket have one name."""
    return json.dumps({"ticket": name, "player": name, "rating": 1500, **more})


def plain_calls(world: World) -> dict[str, list[Any]]:
    """Script -> its ARGV, for a realm in which ``t-ann`` and ``t-bob`` wait."""
    line = [world.now, world.keys.channel_prefix, QUEUE]
    return {
        "apply": [world.now, "0", "0", 600_000, 1_000, "other", QueueRules().compiled()],
        "cancel": [*line, "ticket", "t-ann", "requested"],
        "clear": [*line, "", "", 10],
        "enqueue": [*line, ticket("eve", rating=700_000)],
        "expire": [*line, "t-ann"],
        "explain": ["ticket", "t-ann", 3],
        "heartbeat": [world.now, "t-ann"],
        "history": ["ann", "0-1", "", 10],
        "overdue": [world.now, 10],
        "pair": [*line, "t-ann", "t-bob"],
        "pass": [*line, 256, 0, 10],
        "peek": [world.now, 10],
        "ring": ["", world.keys.channel_prefix, world.events()[-1][0]],
        "snapshot": ["", 10],
        "status": ["ticket", "t-ann"],
        "tend": [*line, 256],
    }
