"""Matchers are killed while players bring terms: sides, languages, pings, vetoes, lists of whom they avoid, and tickets
in several queues, and while they cancel and expire.

What must hold: a ticket leaves all its queues, sides and classes in the one step in which it ends. So whatever a
SIGKILL interrupts, every acknowledged ticket ended in one way or waits in all its places, and no match breaks a rule.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from matchmaker import errors
from matchmaker.client import Matchmaker
from matchmaker.model import EventKind, Side, Ticket, TicketRequest, TicketState
from matchmaker.rules import parse_rules
from tests.faults.processes import spin
from tests.faults.scene import RECOVERY_SECONDS, Scene, at_length

RULES: Final = """
[ladder]
willingness = { per_second = 200.0 }
[arena]
sides = ["bw", "sc2"]
choices.bw = ["terran", "zerg"]
same = ["version"]
any_of.language = { relax_after_seconds = 1 }
range.level = { relax_after_seconds = 2 }
distance.level = { points_per_unit = 4.0, relax_after_seconds = 1 }
pool.map = ["Arkanoid", "Radeon", "Vermeer"]
avoid = 5
rematch = { after_seconds = 2, relax_after_seconds = 1 }
provisional = { deviation_from = 150, willingness = { per_second = 400.0 } }
expire_after_seconds = 1.5
willingness = { base = 20, per_second = 100.0, per_deviation = 0.1 }
[near]
latency = { limit_ms = 60, widen_ms_per_second = 40.0, most_ms = 200 }
avoid = 5
expire_after_seconds = 2
willingness = { base = 20, per_second = 100.0 }
[far]
accept = "either"
servers.eu = { eu = "fra", us = "nyc" }
expire_after_seconds = 1
willingness = { base = 20, per_second = 100.0 }
"""

QUEUES: Final[tuple[tuple[str, ...], ...]] = (
    ("arena",),
    ("near",),
    ("ladder", "near"),
    ("near", "far"),
    ("arena", "far"),
)
REGULARS: Final = [f"regular-{i}" for i in range(24)]
ENDINGS: Final = {
    TicketState.CANCELLED: EventKind.CANCELLED,
    TicketState.MATCHED: EventKind.MATCHED,
    TicketState.EXPIRED: EventKind.EXPIRED,
}


def demanding(rng: random.Random, player: str, queues: tuple[str, ...]) -> TicketRequest:
    """A ticket for these queues with what they ask for, and much of what they allow."""
    rating = round(rng.gauss(1500, 150), 1)
    terms: dict[str, Any] = {"rating": rating}
    if "arena" in queues:
        bw = Side(rating, rng.choice([None, 60.0, 180.0]), choice=rng.choice(["terran", "zerg"]))
        sides = {"bw": bw, "sc2": rating + rng.uniform(-100, 100)}
        offered = rng.choice([["bw"], ["sc2"], ["bw", "sc2"]])
        terms["sides"] = {side: sides[side] for side in offered}
        language = rng.sample(["de", "en", "fr"], rng.randint(1, 2))
        terms["attributes"] = {"version": rng.choice("112"), "language": language, "level": float(rng.randint(1, 9))}
        terms["vetoes"] = {"map": rng.sample(["Arkanoid", "Radeon", "Vermeer"], rng.randint(0, 2))}
        if rng.random() < 0.5:
            terms["accepts"] = {"level": (float(rng.randint(1, 4)), float(rng.randint(5, 9)))}
    if "near" in queues:
        regions = rng.sample(["eu", "us", "kr"], rng.randint(1, 3))
        terms["pings"] = {region: float(rng.randint(10, 150)) for region in regions}
    if "far" in queues:
        terms["region"] = rng.choice(["eu", "us"])
    if {"arena", "near"} & set(queues) and rng.random() < 0.5:
        terms["avoid"] = rng.sample(REGULARS, rng.randint(1, 3))
    if queues == ("near", "far"):
        terms["ratings"] = {"near": rating, "far": rating + 50}
    return TicketRequest(player, data=f"of {player}", **terms)


class Demanding:
    """Threads of players who come with such tickets and cancel some, until the ``with`` block ends."""

    def __init__(self, scene: Scene, threads: int = 2) -> None:
        self.acknowledged: dict[str, tuple[str, ...]] = {}
        self.cancelled: dict[str, TicketState] = {}
        self.faults: list[BaseException] = []
        self._scene = scene
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._live, args=(number,)) for number in range(threads)]

    def __enter__(self) -> Demanding:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self.faults:
            raise self.faults[0]

    def _live(self, number: int) -> None:
        try:
            with self._scene.connect() as mm:
                for _ in self._rounds(mm, random.Random(number), f"p{number}"):
                    if self._stop.wait(0.008):
                        return
        except BaseException as fault:
            self.faults.append(fault)
            raise

    def _rounds(self, mm: Matchmaker, rng: random.Random, name: str) -> Iterator[None]:
        count = 0
        while True:
            count += 1
            queues = rng.choice(QUEUES)
            players = [f"{name}-{count}-{i}" for i in range(rng.randint(1, 3))] + [rng.choice(REGULARS)]
            for answer in mm.enqueue_many(queues, [demanding(rng, player, queues) for player in players]):
                if isinstance(answer, Ticket):
                    self.acknowledged[answer.id] = queues
                    if rng.random() < 0.15:
                        self.cancelled[answer.id] = mm.cancel(answer).state
                elif not isinstance(answer, errors.AlreadyWaiting):
                    raise answer
            yield


@pytest.fixture
def scene(redis_url: str, realm: str, tmp_path: Path) -> Iterator[Scene]:
    """The suite's server, with all these queues."""
    stage = Scene(redis_url, realm, tmp_path)
    stage.mm.apply_rules(parse_rules(RULES, "queues.toml"))
    yield stage
    stage.close()


def assert_kept(scene: Scene, crowd: Demanding) -> None:
    """Every acknowledged ticket ended in one way or waits; every cancel was told the truth."""
    ledger = scene.ledger
    ledger.read()
    keys = scene.mm.calls.keys
    live = {ticket for ticket in ledger.enqueued if scene.client.hexists(keys.tickets, ticket)}
    # What leaves in between is told by the stream when it is read.
    ledger.read()
    ledger.assert_sound()
    for ticket in crowd.acknowledged:
        assert ticket in ledger.enqueued, f"acknowledged ticket {ticket} is nowhere"
        assert ticket in live or ticket in ledger.endings, f"ticket {ticket} neither waits nor ended"
    for ticket, state in crowd.cancelled.items():
        assert [event.kind for event in ledger.endings[ticket]] == [ENDINGS[state]]


def test_matchers_killed_while_players_bring_terms(scene: Scene) -> None:
    """Given two matchers under such players, when one is killed again and again and replaced, then all is sound at
    every look, and no pair stays due for 5 s."""
    rng = random.Random(1)
    crew = [scene.matcher(), scene.matcher()]
    with Demanding(scene) as crowd:
        for kill in range(at_length(50, 2000)):
            crew.append(scene.matcher())
            scene.matched(1)
            spin(rng.uniform(0, 0.005))
            crew.pop(0).kill()
            if kill % 20 == 10:
                scene.judge(longest_seconds=RECOVERY_SECONDS)
    assert_kept(scene, crowd)
    scene.judge(longest_seconds=RECOVERY_SECONDS)
    matches = scene.ledger.matches.values()
    assert {match.queue for match in matches} == {"ladder", "arena", "near", "far"}
    assert scene.ledger.count(EventKind.CANCELLED) > 0
    several = [ticket for match in matches for ticket in match.tickets if len(crowd.acknowledged[ticket.id]) > 1]
    assert len(several) > 20


def test_everybody_is_out_when_the_last_one_expired(scene: Scene) -> None:
    """Given matchers killed as tickets expire, when nobody comes any more, then nothing is left in any line."""
    crew = [scene.matcher(), scene.matcher()]
    with Demanding(scene) as crowd:
        scene.matched(20)
    for _ in range(at_length(5, 100)):
        crew.append(scene.matcher())
        crew.pop(0).kill()
    waiting = [ticket for ticket, queues in crowd.acknowledged.items() if queues[0] != "ladder"]
    scene.ledger.wait(lambda: scene.ledger.ended(waiting), 2 * RECOVERY_SECONDS, "everybody's end")
    for ticket in scene.ledger.waiting:
        scene.mm.cancel(ticket)
    assert_kept(scene, crowd)
    scene.judge(longest_seconds=RECOVERY_SECONDS)
    keys = scene.mm.calls.keys
    names = {name.decode().removeprefix(keys.prefix) for name in scene.client.scan_iter(f"{keys.prefix}*")}
    assert not {name for name in names if name.partition(":")[0] in {"line", "ages", "lines", "terms"}}
