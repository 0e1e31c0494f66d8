"""A small realm of queues with constraints in which all is well and everything has happened."""

from __future__ import annotations

from typing import Any, Final

from matchmaker.model import Side
from matchmaker.rules import parse_rules
from tests.integration.sound_realm import Scene
from tests.lua.world import World

CONSTRAINED: Final = """
[arena]
sides = ["bw", "sc2"]
choices.bw = ["terran", "zerg"]
same = ["version"]
any_of.language = { relax_after_seconds = 900 }
range.level = {}
distance.level = { points_per_unit = 2.0 }
pool.map = ["Arkanoid", "Radeon", "Vermeer"]
avoid = 5
rematch = { after_seconds = 300 }
max_gap = 300
willingness = { base = 20, per_second = 1.0, per_deviation = 0.1 }
[near]
latency = { limit_ms = 60, widen_ms_per_second = 2.0, most_ms = 200 }
willingness = { base = 20, per_second = 1.0 }
[far]
servers.eu = { eu = "fra", us = "nyc" }
willingness = { base = 20, per_second = 1.0 }
[open]
willingness = { base = 20, per_second = 1.0 }
[made]
matching = "own"
avoid = 5
willingness = { base = 20, per_second = 1.0 }
"""

ARENA: Final = "arena=1.0"


def arena(**more: Any) -> dict[str, Any]:
    """What the queue asks of everybody."""
    attributes = {"version": "1.0", "language": ["en"], "level": 5.0} | more.pop("attributes", {})
    return {"queue": "arena", "attributes": attributes, **more}


class ConstrainedScene(Scene):
    """A sound realm at rest, 30 s old.

    ``ann`` and ``bob`` were matched in the arena, and wait there again: only that they met keeps them apart. ``ivy``
    offers both sides of another version, ``joe`` one of them; they fall due 65 s after they came. ``cid`` and ``dan``
    met in ``near``, ``eve`` and ``fin`` in ``far``, ``gil`` and ``hal`` in ``made``, by proposal. ``leo`` and ``mia``,
    who waited in two queues, met in ``open``. ``jon`` waits in ``open`` and ``near``, ``kim`` in ``open``, ``liz`` in
    ``far``. ``nat`` waits in ``made``.
    """

    @classmethod
    def build(cls, world: World) -> ConstrainedScene:
        rules = parse_rules(CONSTRAINED, "queues.toml")
        world.mm.apply_rules(rules)
        for queue in rules:
            world.tend(queue)
        scene = cls(world)
        scene._come_and_go()
        scene.at(20)
        scene._come_and_stay()
        for line in ("arena=2.0", ARENA, "near", "far", "open"):
            world.match_pass(queue=line)
        scene.at(30)
        return scene

    def join(self, player: str, ticket: str = "", **more: Any) -> None:
        queue = more.pop("queue")
        self.world.mm.enqueue(queue, player, ticket=ticket or f"t-{player}", **more)

    def _come_and_go(self) -> None:
        world = self.world
        bw = {"bw": Side(1500.0, 50.0, choice="zerg")}
        self.join("ann", sides=bw, vetoes={"map": ["Radeon"]}, avoid=["zoe"], data="a", **arena())
        self.join("bob", sides={"sc2": 1510.0}, accepts={"level": (1.0, 9.0)}, **arena(attributes={"level": 7.0}))
        self.join("cid", rating=1500.0, pings={"eu": 30.0, "us": 90.0}, queue="near")
        self.join("dan", rating=1500.0, pings={"eu": 50.5}, queue="near")
        self.join("eve", rating=1500.0, region="eu", queue="far")
        self.join("fin", rating=1500.0, region="us", queue="far")
        self.join("gil", rating=1500.0, avoid=["hal"], queue="made")
        self.join("hal", rating=1900.0, queue="made")
        for player, elsewhere in (("leo", 1800.0), ("mia", 2500.0)):
            ratings: dict[str, Side | float] = {"open": 1500.0, "near": elsewhere}
            self.join(player, ratings=ratings, pings={"kr": 10.0}, queue=["open", "near"])
        self.at(1)
        for line in (ARENA, "near", "far", "open"):
            world.match_pass(queue=line)
        world.mm.queue("made").remove_matched_players("t-gil", "t-hal")

    def _come_and_stay(self) -> None:
        self.join("ann", "t-ann2", sides={"bw": 1500.0}, **arena())
        self.join("bob", "t-bob2", sides={"sc2": 1505.0}, **arena())
        both = {"bw": Side(1400.0, 20.0), "sc2": Side(1600.0)}
        self.join("ivy", sides=both, vetoes={"map": ["Radeon"]}, **arena(attributes={"version": "2.0"}))
        level = {"version": "2.0", "level": 15.0}
        self.join("joe", sides={"sc2": 1550.0}, **arena(attributes=level))
        self.join("jon", ratings={"open": 1500.0, "near": 1700.0}, pings={"eu": 20.0}, queue=["open", "near"])
        self.join("kim", rating=1600.0, queue="open")
        self.join("liz", rating=1600.0, region="us", queue="far")
        self.join("nat", rating=1600.0, queue="made")
