"""Hypothesis strategies for rules with constraints."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st

from matchmaker.rules import Distance, Latency, Provisional, QueueRules, Relax, Rematch
from tests.oracle import queue_rules, willingness_tables

SIDES: Final = ("bw", "sc2", "a", "0-_")
NAMES: Final = ("version", "mode", "language", "level", "rank.solo", "a-b", "0", "x_1")

_seconds = st.sampled_from([0.001, 60.0, 604_800.0]) | st.integers(1, 604_800_000).map(lambda ms: ms / 1000)
_after = st.none() | _seconds
_points = st.sampled_from([0.1, 1.0, 2.5, 1_000_000.0]) | st.floats(0.001, 1_000_000)
_pings = st.sampled_from([0.0, 60.0, 0.1, 10_000.0]) | st.floats(0, 10_000)
_texts = st.sampled_from(["zerg", "Death Valley", "é" * 32, '"', "\\", "x" * 64]) | st.text(
    st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=16
)
_lists = st.lists(_texts, min_size=1, max_size=6, unique=True).map(tuple)


@st.composite
def _attributes(draw: st.DrawFn) -> dict[str, Any]:
    """``same``, ``any_of``, ``range`` and ``distance``: an attribute in one of the three places it may have."""
    names = draw(st.permutations(NAMES))
    cuts = sorted(draw(st.tuples(st.integers(0, 4), st.integers(0, 8))))
    numbers = names[cuts[1] :]
    ranged = numbers[: draw(st.integers(0, len(numbers)))]
    priced = numbers[draw(st.integers(0, len(numbers))) :]
    return {
        "same": tuple(names[: cuts[0]]),
        "any_of": {name: Relax(relax_after_seconds=draw(_after)) for name in names[cuts[0] : cuts[1]]},
        "range": {name: Relax(relax_after_seconds=draw(_after)) for name in ranged},
        "distance": {
            name: Distance(points_per_unit=draw(_points), relax_after_seconds=draw(_after)) for name in priced
        },
    }


@st.composite
def _place(draw: st.DrawFn) -> dict[str, Any]:
    """``latency``, ``servers`` or neither."""
    which = draw(st.sampled_from(["", "latency", "servers"]))
    if which == "latency":
        limit, most = sorted((draw(_pings), draw(_pings)))
        return {"latency": Latency(limit_ms=limit, widen_ms_per_second=draw(_pings), most_ms=most)}
    if which == "servers":
        regions = st.sampled_from(NAMES)
        pairs = draw(st.dictionaries(st.tuples(regions, regions).map(sorted).map(tuple), _texts, min_size=1))
        table: dict[str, dict[str, str]] = {}
        for (one, other), server in pairs.items():
            table.setdefault(one, {})[other] = server
        return {"servers": table}
    return {}


@st.composite
def _pools(draw: st.DrawFn) -> dict[str, Any]:
    pools = draw(st.dictionaries(st.sampled_from(NAMES), _lists, max_size=3))
    bounded = [pool for pool in pools if draw(st.booleans())]
    return {"pool": pools, "vetoes": {pool: draw(st.integers(0, len(pools[pool]) - 1)) for pool in bounded}}


@st.composite
def constraint_fields(draw: st.DrawFn) -> dict[str, Any]:
    """Any constraints that are valid, as arguments of :class:`QueueRules`; none at all too."""
    fields = draw(_attributes()) | draw(_place()) | draw(_pools())
    sides = draw(st.just(()) | st.lists(st.sampled_from(SIDES), min_size=2, max_size=2, unique=True).map(tuple))
    if sides:
        fields["sides"] = sides
        fields["choices"] = {side: draw(_lists) for side in sides if draw(st.booleans())}
    optional = {
        "avoid": st.integers(1, 100),
        "rematch": st.builds(Rematch, after_seconds=_seconds, relax_after_seconds=_after),
        "provisional": st.builds(Provisional, deviation_from=_points, willingness=willingness_tables()),
        "matching": st.sampled_from(["engine", "own"]),
    }
    fields |= {name: draw(strategy) for name, strategy in optional.items() if draw(st.booleans())}
    return {name: value for name, value in fields.items() if value}


@st.composite
def constrained_rules(draw: st.DrawFn) -> QueueRules:
    """Any rules that are valid, most of them with constraints."""
    plain = draw(queue_rules())
    basics = {name: getattr(plain, name) for name in plain.model_dump()}
    return QueueRules(**basics, **draw(constraint_fields()))
