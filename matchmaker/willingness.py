"""The arithmetic of a pass in plain Python: what the scripts compute, written a second time to check them by.

Nothing here talks to Redis. All times are realm milliseconds; ratings, gaps, willingness and values are rating points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from matchmaker.rules import QueueRules

EPS: Final = 1e-6
"""Rating points by which two ways of rounding may differ; a pair this close to due is due."""

HORIZON_MS: Final = 2**53
"""The last moment anybody can name: beyond it a double no longer tells one millisecond from the next."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the arithmetic needs to know of a waiting ticket."""

    ticket: str
    rating: float
    enqueued_ms: int
    deviation: float = 0.0


def willingness(rules: QueueRules, waited_ms: int, deviation: float) -> float:
    """Points a ticket gives after ``waited_ms`` (negative counts as 0): never negative, never falling with time."""
    table = rules.willingness
    uncertain = table.per_deviation * max(0.0, deviation - table.deviation_above)
    cap = math.inf if table.cap is None else table.cap
    return min(cap, table.grown(max(0, waited_ms)) + uncertain)


def gap(a: Waiting, b: Waiting) -> float:
    """Distance of two ratings."""
    return abs(a.rating - b.rating)


def pair_value(rules: QueueRules, a: Waiting, b: Waiting, now_ms: int) -> float:
    """What a pass gains by matching ``a`` with ``b`` at ``now_ms``, whatever the queue accepts."""
    return _willing(rules, a, now_ms) + _willing(rules, b, now_ms) - gap(a, b)


def is_due(rules: QueueRules, a: Waiting, b: Waiting, now_ms: int) -> bool:
    """Whether a pass may match the two at ``now_ms``. Once true, it stays true."""
    if gap(a, b) > rules.max_gap:
        return False
    if rules.accept == "sum":
        return pair_value(rules, a, b, now_ms) >= -EPS
    choose = max if rules.accept == "either" else min
    return gap(a, b) <= choose(_willing(rules, a, now_ms), _willing(rules, b, now_ms)) + EPS


def due_at(rules: QueueRules, a: Waiting, b: Waiting, not_before_ms: int) -> int | None:
    """First millisecond, ``not_before_ms`` or later, at which the pair is due; ``None`` if none is by the horizon."""
    if is_due(rules, a, b, not_before_ms):
        return not_before_ms
    early, late = not_before_ms, HORIZON_MS
    if early >= late or not is_due(rules, a, b, late):
        return None
    while late - early > 1:  # not due at early, due at late
        middle = (early + late) // 2
        if is_due(rules, a, b, middle):
            late = middle
        else:
            early = middle
    return late


def _willing(rules: QueueRules, ticket: Waiting, now_ms: int) -> float:
    return willingness(rules, now_ms - ticket.enqueued_ms, ticket.deviation)
