"""Who arrives when, with which rating, and does what: the whole crowd of a demo, fixed by its seed.

Arrivals are Poisson and open loop: they come by the clock, however slowly the system answers. Each player process makes
its own part of them; independent Poisson streams of rate/parts add up to one of the full rate.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from matchmaker.demo.ratings import draw
from matchmaker.demo.roster import Entrant, draw_offer, draw_vetoes
from matchmaker.terms import Side

CANCELLING_SHARE = 0.03
LEAVING_SHARE = 0.05
MEAN_PATIENCE_SECONDS = 1.0
MEAN_STAY_SECONDS = 0.5
AWAY_SECONDS = (0.5, 2.0)


class Behaviour(StrEnum):
    """What a player does while it waits: nothing, give up after ``after_s``, or be gone from then on for ``away_s``."""

    WAITS = "waits"
    CANCELS = "cancels"
    LEAVES = "leaves"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One new player. Times are seconds: ``at_s`` from the demo's start, ``after_s`` from the enqueue.

    ``listens_first`` players subscribe and then enqueue, the others the other way round: neither may miss anything.
    Where the queue has sides, a player offers ``sides`` instead of a rating, and strikes ``vetoes`` from its pools.
    """

    at_s: float
    player: str
    rating: float | None
    listens_first: bool
    behaviour: Behaviour
    after_s: float
    away_s: float
    sides: Mapping[str, Side] = field(default_factory=dict)
    vetoes: Mapping[str, Sequence[str]] = field(default_factory=dict)


def arrivals(
    *,
    seed: int,
    part: int,
    parts: int,
    rate: float,
    seconds: float,
    ratings: Sequence[float],
    roster: Sequence[Entrant] = (),
    constraints: Mapping[str, Any] | None = None,
) -> Iterator[Arrival]:
    """Part ``part`` of ``parts`` of the crowd, in the order of arrival; the same arguments give the same players.

    With a ``roster`` they are players of that, for a queue with sides and these ``constraints`` (as compiled).
    """
    rng = random.Random(f"matchmaker demo {seed} {part}/{parts}")
    rules = constraints or {}
    at, number = 0.0, 0
    while True:
        at += rng.expovariate(rate / parts)
        if at >= seconds:
            return
        number += 1
        player = f"p{part}-{number:06d}"
        if roster:
            sides = draw_offer(rng, roster, rules.get("choices", {}))
            vetoes = draw_vetoes(rng, rules.get("pool", {}), rules.get("vetoes", {}))
            yield Arrival(at, player, None, rng.random() < 0.5, *_behaviour(rng), sides, vetoes)
        else:
            yield Arrival(at, player, draw(rng, ratings), rng.random() < 0.5, *_behaviour(rng))


def _behaviour(rng: random.Random) -> tuple[Behaviour, float, float]:
    share, away_s = rng.random(), rng.uniform(*AWAY_SECONDS)
    if share < CANCELLING_SHARE:
        return Behaviour.CANCELS, rng.expovariate(1 / MEAN_PATIENCE_SECONDS), 0.0
    if share < CANCELLING_SHARE + LEAVING_SHARE:
        return Behaviour.LEAVES, rng.expovariate(1 / MEAN_STAY_SECONDS), away_s
    return Behaviour.WAITS, 0.0, 0.0
