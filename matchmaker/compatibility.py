"""Which pairs a queue's rules allow, from when on and at what price: what the scripts compute, a second time in Python.

The rules are those of ``docs/rules.md``. All of them read a pair the same way from both ends, and what they allow once
they allow for ever. What a ticket does not bring, having come under older rules, binds nobody. Nothing here talks to
Redis. Times are realm ms, ratings, gaps, prices and values are points, pings are ms.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from matchmaker.rules import QueueRules
from matchmaker.willingness import EPS, HORIZON_MS

ALWAYS: Final = 0
"""A moment before all others: nothing has to be waited for."""

NO_SIDE: Final = ""
"""The one side of a queue that has none."""


class Place(NamedTuple):
    """Where a ticket stands: its rating and deviation there, in points."""

    rating: float
    deviation: float = 0.0


@dataclass(frozen=True)
class Standing:
    """What the rules of one queue read of a waiting ticket. ``at`` are its places by side, :data:`NO_SIDE` in a queue
    without; ``met`` are players and when it met them."""

    ticket: str
    player: str
    since: int
    at: Mapping[str, Place]
    same: Mapping[str, str] = field(default_factory=dict)
    sets: Mapping[str, frozenset[str]] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    accepts: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    pings: Mapping[str, float] = field(default_factory=dict)
    region: str | None = None
    vetoes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    avoid: frozenset[str] = frozenset()
    met: Mapping[str, int] = field(default_factory=dict)


class Best(NamedTuple):
    """The better way to pair two tickets: the sides of the first and of the second, gap, price and value in points."""

    sides: tuple[str, str]
    gap: float
    price: float
    value: float


Moment = int | None
"""When a rule lets a pair through; None for never."""


@functools.lru_cache(maxsize=256)
def _constraints(rules: QueueRules) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(rules.compiled()).get("constraints", {})
    return found


# -- what forbids ------------------------------------------------------------------------------------------------------


def open_from(rules: QueueRules, a: Standing, b: Standing) -> Moment:
    """The first ms at which every rule but gap and value lets the pair through, :data:`ALWAYS` where nothing has to be
    waited for; None for never."""
    moments = [moment for _, moment in _bars(rules, a, b)]
    known = [moment for moment in moments if moment is not None]
    return None if len(known) < len(moments) else max(known, default=ALWAYS)


def first_bar(rules: QueueRules, a: Standing, b: Standing, now: int) -> tuple[str, Moment] | None:
    """The first rule that does not let the pair through at ``now``, and when it will; None for a pair that is due.

    In the order sides, same, any_of, range, latency, servers, pool, avoid, rematch, max_gap, value. Rules of an
    attribute or a pool tell which: ``any_of.language``.
    """
    for rule, moment in _bars(rules, a, b):
        if moment is None or moment > now:
            return rule, moment
    if not _ways(rules, a, b, now):
        return "max_gap", None
    if not _is_enough(rules, a, b, now):
        return "value", due_at(rules, a, b, now)
    return None


def _bars(rules: QueueRules, a: Standing, b: Standing) -> Iterator[tuple[str, Moment]]:
    """Each rule with its moment, those that always hold left out."""
    c = _constraints(rules)
    if a.ticket == b.ticket or not _orientations(rules, a, b):
        yield "sides", None
    for name in c.get("same", ()):
        if a.same.get(name) != b.same.get(name):
            yield f"same.{name}", None
    for name, relax in sorted(c.get("any_of", {}).items()):
        if name in a.sets and name in b.sets and a.sets[name].isdisjoint(b.sets[name]):
            yield f"any_of.{name}", _relaxed(relax, a, b)
    for name, relax in sorted(c.get("range", {}).items()):
        demanding = [one for one, other in ((a, b), (b, a)) if not _accepts(one, other, name)]
        if demanding:
            yield f"range.{name}", _relaxed(relax, *demanding)
    if "latency" in c and a.pings and b.pings:
        yield "latency", _near_enough(c["latency"], a, b)
    if "servers" in c and a.region is not None and b.region is not None and server_of(rules, a, b) is None:
        yield "servers", None
    for pool in sorted(c.get("pool", {})):
        if not left_in_pool(rules, pool, a, b):
            yield f"pool.{pool}", None
    if "avoid" in c and (b.player in a.avoid or a.player in b.avoid):
        yield "avoid", None
    if "rematch" in c:
        yield "rematch", _rested(c["rematch"], a, b)


def _relaxed(relax_ms: int, *demanding: Standing) -> Moment:
    """When all of those who demand have waited long enough to demand no more; -1 is never."""
    return None if relax_ms < 0 else max(one.since for one in demanding) + relax_ms


def _accepts(one: Standing, other: Standing, name: str) -> bool:
    if name not in one.accepts or name not in other.numbers:
        return True
    low, high = one.accepts[name]
    return low <= other.numbers[name] <= high


def _bears_from(latency: Mapping[str, float], one: Standing, ping: float) -> Moment:
    """When the ticket's limit reaches this ping."""
    if ping <= latency["limit_ms"]:
        return ALWAYS
    if ping > latency["most_ms"] or latency["widen_ms_per_second"] <= 0:
        return None
    return one.since + math.ceil(1000 * (ping - latency["limit_ms"]) / latency["widen_ms_per_second"])


def _allowed_from(latency: Mapping[str, float], a: Standing, b: Standing, region: str) -> Moment:
    moments = _bears_from(latency, a, a.pings[region]), _bears_from(latency, b, b.pings[region])
    return None if None in moments else max(moment for moment in moments if moment is not None)


def _near_enough(latency: Mapping[str, float], a: Standing, b: Standing) -> Moment:
    moments = (_allowed_from(latency, a, b, region) for region in a.pings.keys() & b.pings.keys())
    return min((moment for moment in moments if moment is not None), default=None)


def _rested(rematch: Mapping[str, int], a: Standing, b: Standing) -> Moment:
    met = [one.met[other.player] for one, other in ((a, b), (b, a)) if other.player in one.met]
    if not met:
        return ALWAYS
    cooled, relaxed = max(met) + rematch["after_ms"], _relaxed(rematch["relax_after_ms"], a, b)
    return cooled if relaxed is None else min(cooled, relaxed)


# -- what it is worth --------------------------------------------------------------------------------------------------


def price(rules: QueueRules, a: Standing, b: Standing, now: int) -> float:
    """Points that the pair costs beyond its gap: none of a rule that both have waited long enough for."""
    points = 0.0
    for name, one in sorted(_constraints(rules).get("distance", {}).items()):
        if name in a.numbers and name in b.numbers:
            relaxed = _relaxed(one["relax_after_ms"], a, b)
            if relaxed is None or relaxed > now:
                points += one["points_per_unit"] * abs(a.numbers[name] - b.numbers[name])
    return points


def willing(rules: QueueRules, one: Standing, side: str, now: int) -> float:
    """Points the ticket would give now for a match on this side, by the provisional rules if its deviation there says
    so."""
    deviation = one.at[side].deviation
    table = rules.willingness_of(deviation)
    uncertain = table.per_deviation * max(0.0, deviation - table.deviation_above)
    return min(math.inf if table.cap is None else table.cap, table.grown(max(0, now - one.since)) + uncertain)


def _orientations(rules: QueueRules, a: Standing, b: Standing) -> list[tuple[str, str]]:
    """The sides on which the two can play each other; of two ways the one with the older ticket on the first side
    comes first."""
    sides = _constraints(rules).get("sides")
    if sides is None:
        return [(NO_SIDE, NO_SIDE)]
    first, second = sides
    a_first = (a.since, a.ticket) <= (b.since, b.ticket)
    ways = [(first, second), (second, first)] if a_first else [(second, first), (first, second)]
    return [(one, other) for one, other in ways if one in a.at and other in b.at]


class _Way(NamedTuple):
    best: Best
    willing: tuple[float, float]

    def is_enough(self, accept: str) -> bool:
        if accept == "sum":
            return self.best.value >= -EPS
        choose = max if accept == "either" else min
        return self.best.gap + self.best.price <= choose(self.willing) + EPS


def _ways(rules: QueueRules, a: Standing, b: Standing, now: int) -> list[_Way]:
    """Every way to pair the two within the queue's ``max_gap``."""
    costs, found = price(rules, a, b, now), []
    for sides in _orientations(rules, a, b):
        gap = abs(a.at[sides[0]].rating - b.at[sides[1]].rating)
        if gap <= rules.max_gap:
            given = willing(rules, a, sides[0], now), willing(rules, b, sides[1], now)
            found.append(_Way(Best(sides, gap, costs, given[0] + given[1] - gap - costs), given))
    return found


def best_pair(rules: QueueRules, a: Standing, b: Standing, now: int) -> Best | None:
    """How the two would be paired now: the way of the highest value among those that are enough for what the queue
    accepts, else of all within ``max_gap``; at equal value the older of the two plays the first side. None if there is
    no way. Says nothing of the rules that forbid."""
    ways = _ways(rules, a, b, now)
    enough = [way for way in ways if way.is_enough(rules.accept)]
    return max((way.best for way in enough or ways), key=lambda best: best.value, default=None)


def _is_enough(rules: QueueRules, a: Standing, b: Standing, now: int) -> bool:
    return any(way.is_enough(rules.accept) for way in _ways(rules, a, b, now))


def is_due(rules: QueueRules, a: Standing, b: Standing, now: int) -> bool:
    """Whether a pass may match the two at ``now``. Once true, it stays true."""
    opened = open_from(rules, a, b)
    return opened is not None and opened <= now and _is_enough(rules, a, b, now)


def due_at(rules: QueueRules, a: Standing, b: Standing, not_before: int) -> Moment:
    """First ms, ``not_before`` or later, at which the pair is due; None if none is by the horizon."""
    opened = open_from(rules, a, b)
    if opened is None:
        return None
    early, late = max(opened, not_before), HORIZON_MS
    if _is_enough(rules, a, b, early):
        return early
    if early >= late or not _is_enough(rules, a, b, late):
        return None
    while late - early > 1:  # not due at early, due at late; what is given never falls, what is asked never rises
        middle = (early + late) // 2
        if _is_enough(rules, a, b, middle):
            late = middle
        else:
            early = middle
    return late


# -- what the match gets -----------------------------------------------------------------------------------------------


def region_of(rules: QueueRules, a: Standing, b: Standing, now: int) -> tuple[str, float] | None:
    """Where the two would play and the worse of their pings to it: the least of those allowed now, ties by name. None
    without a latency rule, and where nothing is allowed."""
    latency = _constraints(rules).get("latency")
    if latency is None:
        return None
    found = []
    for region in a.pings.keys() & b.pings.keys():
        moment = _allowed_from(latency, a, b, region)
        if moment is not None and moment <= now:
            found.append((max(a.pings[region], b.pings[region]), region))
    if not found:
        return None
    worst, region = min(found)
    return region, worst


def server_of(rules: QueueRules, a: Standing, b: Standing) -> str | None:
    """The server that the regions of the two lead to; None where there is none."""
    server: str | None = _constraints(rules).get("servers", {}).get(a.region, {}).get(b.region)
    return server


def left_in_pool(rules: QueueRules, pool: str, a: Standing, b: Standing) -> tuple[str, ...]:
    """The names of the pool that neither vetoed, in the rules' order."""
    gone = a.vetoes.get(pool, frozenset()) | b.vetoes.get(pool, frozenset())
    return tuple(name for name in _constraints(rules)["pool"][pool] if name not in gone)


def draw(rules: QueueRules, pool: str, first: Standing, second: Standing) -> str:
    """What the match of the two draws from the pool; ``first`` is the ticket of team 1. Anybody can draw it again."""
    left = left_in_pool(rules, pool, first, second)
    seed = f"{pool}:{first.ticket}:{second.ticket}".encode()
    # Not for secrecy: scripts have no other hash.
    return left[int(hashlib.sha1(seed, usedforsecurity=False).hexdigest()[:8], 16) % len(left)]
