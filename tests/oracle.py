"""Exact answers to compare the engine with, and Hypothesis strategies for what it is asked.

Nothing here shares code with the sweep: the optimum comes from blossom matching (networkx), and for a handful of
tickets from trying every matching.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, Final

import networkx
from hypothesis import strategies as st

from matchmaker.rules import Exponential, Linear, QueueRules, Stepped
from matchmaker.willingness import EPS, Waiting, is_due, pair_value

Pair = tuple[str, str]

QUANTUM: Final = 1e-9
"""Values are compared in multiples of this, as integers: rounding in the last bits never decides between matchings."""


def _units(value: float) -> int:
    """A value as an integer; one that is negative by rounding only counts as 0."""
    return max(0, round(value / QUANTUM))


def _allowed(values: Mapping[Pair, float]) -> dict[Pair, float]:
    return {pair: value for pair, value in values.items() if value >= -EPS}


def best_matching(values: Mapping[Pair, float]) -> tuple[set[Pair], float]:
    """The matching with the highest total value and, among those, the most pairs; with its total.

    ``values``: pair of names -> value. A pair under -``EPS`` or absent is forbidden; one of exactly 0 is taken. The
    pairs come back spelled as they were given.
    """
    allowed = _allowed(values)
    # Python's integers do not overflow, so a whole value outweighs any number of pairs and blossom stays exact.
    scale = len({name for pair in allowed for name in pair}) + 1
    graph = networkx.Graph()
    for (a, b), value in allowed.items():
        graph.add_edge(a, b, weight=_units(value) * scale + 1)
    chosen = networkx.max_weight_matching(graph)
    pairs = {(a, b) if (a, b) in allowed else (b, a) for a, b in chosen}
    return pairs, sum(allowed[pair] for pair in pairs)


def brute_force_matching(values: Mapping[Pair, float]) -> tuple[float, int]:
    """Total value and number of pairs of the best matching, by trying all of them. For up to about ten names."""
    allowed = sorted(_allowed(values).items())

    def best(start: int, used: frozenset[str]) -> tuple[int, int, float]:
        result = (0, 0, 0.0)
        for place in range(start, len(allowed)):
            pair, value = allowed[place]
            if used.isdisjoint(pair):
                units, count, total = best(place + 1, used | set(pair))
                result = max(result, (units + _units(value), count + 1, total + value))
        return result

    _, count, total = best(0, frozenset())
    return total, count


def due_values(rules: QueueRules, waiting: Iterable[Waiting], now_ms: int) -> dict[Pair, float]:
    """Every pair that a pass may match at ``now_ms``, with its value."""
    pairs = combinations(waiting, 2)
    return {(a.ticket, b.ticket): pair_value(rules, a, b, now_ms) for a, b in pairs if is_due(rules, a, b, now_ms)}


def line_optimum(rules: QueueRules, waiting: Sequence[Waiting], now_ms: int) -> tuple[float, int]:
    """What the best possible pass over the whole line reaches at ``now_ms``: total value and number of pairs."""
    pairs, total = best_matching(due_values(rules, waiting, now_ms))
    return total, len(pairs)


# -- strategies ------------------------------------------------------------------------------------------------------


def _points(high: float) -> st.SearchStrategy[float]:
    """0, everyday amounts, amounts that no binary fraction holds, and the extremes."""
    return st.one_of(
        st.sampled_from([0.0, 0.1, 0.5, 1.0, 2.5, 50.0, 100.0, high]),
        st.integers(0, int(high)).map(float),
        st.floats(0.0, high, allow_nan=False),
    )


def _seconds(low_ms: int) -> st.SearchStrategy[float]:
    return st.one_of(st.sampled_from([1_000, 45_000, 1_800_000]), st.integers(low_ms, 604_800_000)).map(
        lambda ms: ms / 1000
    )


@st.composite
def willingness_tables(draw: st.DrawFn) -> Linear | Stepped | Exponential:
    """All kinds: with and without a cap (0 too) and a share of deviation; growth 0 is common."""
    shared: dict[str, Any] = {
        "cap": draw(st.none() | _points(2_000_000)),
        "per_deviation": draw(st.just(0.0) | _points(1_000_000)),
        "deviation_above": draw(st.just(0.0) | _points(1_000_000)),
    }
    kind = draw(st.sampled_from(["linear", "stepped", "exponential"]))
    base, growth = draw(st.just(0.0) | _points(1_000_000)), draw(_points(1_000_000))
    if kind == "linear":
        return Linear(base=base, per_second=growth, **shared)
    if kind == "stepped":
        return Stepped(kind="stepped", base=base, step=growth, every_seconds=draw(_seconds(1)), **shared)
    return Exponential(kind="exponential", base=max(0.001, base), doubling_seconds=draw(_seconds(1)), **shared)


@st.composite
def queue_rules(draw: st.DrawFn) -> QueueRules:
    """Any rules that are valid."""
    return QueueRules(
        accept=draw(st.sampled_from(["sum", "either", "both"])),
        max_gap=max(0.001, draw(st.just(300.0) | _points(2_000_000))),
        interval_ms=draw(st.sampled_from([0, 500, 60_000]) | st.integers(0, 60_000)),
        expire_after_seconds=draw(st.just(0.0) | _seconds(0)),
        heartbeat_seconds=draw(st.just(0.0) | st.integers(1_000, 3_600_000).map(lambda ms: ms / 1000)),
        willingness=draw(willingness_tables()),
        default_rating=draw(st.just(1500.0) | ratings()),
        default_deviation=draw(st.none() | deviations()),
    )


def ratings() -> st.SearchStrategy[float]:
    """Crowded around a few values, so that ties and small gaps are common; now and then at the ends of the scale."""
    return st.one_of(
        st.integers(1495, 1505).map(float),
        st.integers(8 * 1000, 8 * 2000).map(lambda eighths: eighths / 8),
        st.floats(-1_000_000, 1_000_000, allow_nan=False),
        st.sampled_from([-1_000_000.0, 0.0, 1_000_000.0]),
    )


def deviations() -> st.SearchStrategy[float]:
    """None, everyday, tiny and huge."""
    return st.sampled_from([0.0, 350.0, 1e-9, 1_000_000.0]) | st.floats(0.0, 1_000_000, allow_nan=False)


@st.composite
def waitings(draw: st.DrawFn, *, min_size: int = 0, max_size: int = 12, until_ms: int = 600_000) -> list[Waiting]:
    """A line of tickets ``t0, t1, …`` that came between 0 and ``until_ms``, some at the same time or rating."""
    arrivals = st.sampled_from([0, until_ms // 2, until_ms]) | st.integers(0, until_ms)
    places = draw(st.lists(st.tuples(ratings(), arrivals, deviations()), min_size=min_size, max_size=max_size))
    return [Waiting(f"t{index}", *place) for index, place in enumerate(places)]
