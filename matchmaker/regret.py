"""Regret: what the matches of a window cost, over the least that hindsight could have paid for them. No I/O.

Costs are rating points. A match made at t costs ``gap + price + rate · (both waits until t)``, a ticket without one
``rate · wait`` until it left the line, or until the window's end if it did not; ``rate`` is what a second is worth.
Live is the sum over what happened. Hindsight is the cheapest matching of the same tickets, by blossom (Galil 1986, as
networkx has it), where a pair meets at the best of the moments that its rules offer: for plain rules when the later of
the two comes. This is the objective of min-cost matching with delays (Emek, Kutten, Wattenhofer: Online matching:
haste makes waste, 2016), against whose optimum online rules are measured. What happened is among what could have
been, so live is never below hindsight, and no rule that does not know the future reaches 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Final

from matchmaker.rules import Exponential, Linear, QueueRules

UNITS: Final = 1_000_000
"""Weights are compared as integers of this fraction of a point, so that rounding never decides between matchings."""

STAND_IN_RATE: Final = 1.0
"""Points a second is worth where willingness does not grow: were waiting free, never matching anybody would be best."""


@dataclass(frozen=True, slots=True)
class Stay:
    """A ticket's time in the line, from realm ms ``since_ms`` on.

    ``left_ms`` is when it was cancelled, expired or matched elsewhere; None of one that was matched here or waits: it
    would have stayed. ``body`` is the event that tells of its arrival. Two stays of one ``player`` ("" is nobody) never
    meet, however the first would have stayed.
    """

    ticket: str
    rating: float
    since_ms: int
    left_ms: int | None = None
    player: str = ""
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Meeting:
    """A match of two stays, by their places in the window; ``points`` is gap and price."""

    one: int
    other: int
    at_ms: int
    points: float


Offers = Callable[[Stay, Stay], Sequence[tuple[int, float]]]
"""Moments (realm ms, none before both are there) from which two could be matched, each with gap and price then.
Between two of them nothing gets better, so no other moment could be the best. None: never."""


@dataclass(frozen=True, slots=True)
class Regret:
    """The regret of one queue over its latest tickets.

    ``ratio`` is ``live`` over ``hindsight`` (points): 1.0 where both are 0, None where there are no tickets and where
    hindsight alone is 0, which no number of times makes up. ``matches`` and ``hindsight_matches`` count pairs of the
    ``tickets`` compared; ``outside`` counts those left out, who were matched with somebody from before the window.
    ``rate`` is points a second. ``window_ms`` is the time from the first arrival to the last arrival or match, at realm
    ms ``until_ms``. ``complete`` is False if reading stopped at its bound, short of the tickets asked for.
    """

    queue: str
    tickets: int
    matches: int
    hindsight_matches: int
    outside: int
    rate: float
    live: float
    hindsight: float
    ratio: float | None
    window_ms: int
    until_ms: int
    complete: bool = True


def rate_of(rules: QueueRules) -> float:
    """Points a second of waiting is worth to a queue: what its willingness grows by.

    Linear: ``per_second``. Stepped: a step, spread over its time. Exponential: the mean from base to cap. Growth of 0
    counts as :data:`STAND_IN_RATE`.
    """
    table = rules.willingness
    if isinstance(table, Linear):
        rate = table.per_second
    elif isinstance(table, Exponential):
        cap = rules.max_gap if table.cap is None else table.cap
        doublings = math.log2(cap / table.base) if cap > table.base else 0.0
        rate = (cap - table.base) / (doublings * table.doubling_seconds) if doublings else 0.0
    else:
        rate = table.step / table.every_seconds
    return rate if rate > 0 else STAND_IN_RATE


def plain_offers(max_gap: float) -> Offers:
    """Of rules without constraints: a pair may meet when the later one comes, ``max_gap`` points apart at most."""

    def offers(one: Stay, other: Stay) -> Sequence[tuple[int, float]]:
        gap = abs(one.rating - other.rating)
        return [(max(one.since_ms, other.since_ms), gap)] if gap <= max_gap else []

    return offers


def pair_cost(one: Stay, other: Stay, at_ms: int, points: float, rate: float) -> float:
    """Points that a match of the two at ``at_ms`` costs."""
    return points + rate * (2 * at_ms - one.since_ms - other.since_ms) / 1000


def alone_cost(stay: Stay, until_ms: int, rate: float) -> float:
    """Points that a ticket costs which nobody is found for."""
    return rate * max(0, _end(stay, until_ms) - stay.since_ms) / 1000


def best_costs(stays: Sequence[Stay], until_ms: int, rate: float, offers: Offers) -> dict[tuple[int, int], float]:
    """What each pair costs at the best moment at which both were there; without the pairs that never could meet."""
    found = {}
    for a, b in combinations(range(len(stays)), 2):
        one, other = stays[a], stays[b]
        last = min(_end(one, until_ms), _end(other, until_ms))
        if max(one.since_ms, other.since_ms) > last or (one.player and one.player == other.player):
            continue
        costs = [pair_cost(one, other, at_ms, points, rate) for at_ms, points in offers(one, other) if at_ms <= last]
        if costs:
            found[a, b] = min(costs)
    return found


def regret(
    stays: Sequence[Stay], meetings: Sequence[Meeting], until_ms: int, rate: float, offers: Offers, *, queue: str = ""
) -> Regret:
    """Live against hindsight up to ``until_ms``; a meeting after that did not happen yet.

    What was matched live hindsight may match for no more, even where ``offers`` (rules of today) would not.
    """
    alone = [alone_cost(stay, until_ms, rate) for stay in stays]
    costs = best_costs(stays, until_ms, rate, offers)
    paid, left, made = list(alone), list(alone), 0
    for meeting in meetings:
        if meeting.at_ms <= until_ms:
            made += 1
            pair = (min(meeting.one, meeting.other), max(meeting.one, meeting.other))
            for place in pair:
                paid[place] = meeting.points / 2 + rate * (meeting.at_ms - stays[place].since_ms) / 1000
                left[place] = max(alone[place], paid[place])
            cost = paid[pair[0]] + paid[pair[1]]
            costs[pair] = min(cost, costs.get(pair, cost))
    saved = {(a, b): left[a] + left[b] - cost for (a, b), cost in costs.items()}
    chosen = heaviest((a, b, points) for (a, b), points in saved.items() if points >= 0)
    best = (*left, *(-saved[pair] for pair in chosen))
    live, hindsight = (0.0 if abs(cost) < 1 / UNITS else cost for cost in (math.fsum(paid), math.fsum(best)))
    return Regret(
        queue=queue,
        tickets=len(stays),
        matches=made,
        hindsight_matches=len(chosen),
        outside=0,
        rate=rate,
        live=live,
        hindsight=hindsight,
        ratio=_ratio(live, hindsight) if stays else None,
        window_ms=max(0, until_ms - min((stay.since_ms for stay in stays), default=until_ms)),
        until_ms=until_ms,
    )


def heaviest(edges: Iterable[tuple[int, int, float]]) -> list[tuple[int, int]]:
    """The matching of the highest total weight, and of the most pairs among those. Weights are at least 0."""
    import networkx  # late: it takes a quarter of a second, and most programs never ask

    taken = list(edges)
    scale = len({place for a, b, _ in taken for place in (a, b)}) + 1
    graph = networkx.Graph()
    graph.add_weighted_edges_from((a, b, round(weight * UNITS) * scale + 1) for a, b, weight in taken)
    return [(min(pair), max(pair)) for pair in networkx.max_weight_matching(graph)]


def _end(stay: Stay, until_ms: int) -> int:
    return until_ms if stay.left_ms is None else min(stay.left_ms, until_ms)


def _ratio(live: float, hindsight: float) -> float | None:
    if hindsight > 0:
        return max(1.0, live / hindsight)  # sums in another order differ in their last digits
    return 1.0 if live == 0 else None
