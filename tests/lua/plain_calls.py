"""One ordinary call of every script, by its raw arguments."""

from __future__ import annotations

import json
from typing import Any

from matchmaker.rules import QueueRules
from tests.lua.lifecycle import READY, RESULTS, Lifecycle, rules
from tests.lua.world import QUEUE, World

DUEL = "duel"
"""The queue of :func:`go_on`."""


def ticket(name: str, **more: Any) -> str:
    """A ticket as enqueue takes it; player and ticket have one name."""
    return json.dumps({"ticket": name, "player": name, "rating": 1500, **more})


def go_on(world: World) -> None:
    """In a queue of their own, ``flo`` and ``gus`` get an open match, and ``dan`` and ``eva`` a ready check."""
    play = Lifecycle(world)
    world.apply(rules(READY, RESULTS), DUEL)
    play.accepted(play.made("flo", "gus", queue=DUEL), "flo", "gus")
    play.made("dan", "eva", queue=DUEL)


def plain_calls(world: World) -> dict[str, list[Any]]:
    """Script -> its ARGV, for a realm in which ``t-ann`` and ``t-bob`` wait, and what :func:`go_on` makes goes on."""
    clock = [world.now, world.keys.channel_prefix]
    line = [*clock, QUEUE]
    newest = {kind: id_ for id_, kind, _ in world.events()}
    match, check = newest.get("matched", "1-1"), newest.get("proposed", "1-1")
    settled = {
        "n": 1,
        "match": match,
        "queue": DUEL,
        "players": [{"player": "flo", "rating": 9, "before": 8, "game": 1}],
    }
    return {
        "abort": [*clock, match, "operator", "root", "void"],
        "accept": [*clock, check, "dan"],
        "apply": [world.now, "0", "0", 600_000, 1_000, "other", QueueRules().compiled()],
        "cancel": [*line, "ticket", "t-ann", "requested"],
        "clear": [*line, "", "", 10],
        "decline": [*clock, check, "eva"],
        "enqueue": [*line, ticket("eve", rating=700_000)],
        "expire": [*line, "t-ann"],
        "explain": ["ticket", "t-ann", 3],
        "heartbeat": [world.now, "t-ann"],
        "history": ["ann", "0-1", "", 10],
        "lapse": [*clock, 10],
        "leave": [*clock, match, "gus"],
        "match": [match],
        "overdue": [world.now, 10],
        "pair": [*line, "t-ann", "t-bob"],
        "pass": [*line, 256, 0, 10],
        "peek": [world.now, 10],
        "rate": [*clock, json.dumps(settled)],
        "report": [*clock, match, "player", "flo", "[1,2]", "[]"],
        "ring": ["", world.keys.channel_prefix, match],
        "snapshot": ["", 10],
        "status": ["ticket", "t-ann"],
        "tend": [*line, 256],
    }
