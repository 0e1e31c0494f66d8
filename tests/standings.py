"""Hypothesis strategies for queues with constraints and for tickets in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from matchmaker.compatibility import NO_SIDE, Place, Standing
from matchmaker.rules import QueueRules

SIDES = ("bw", "sc2")
LANGUAGES = ("de", "en", "fr")
REGIONS = ("eu", "us", "asia")
MAPS = ("Radeon", "Death Valley", "Ladder")
PLAYERS = ("p0", "p1", "p2", "p3")

_RELAX = st.fixed_dictionaries({}, optional={"relax_after_seconds": st.sampled_from([0.001, 5.0, 60.0])})
_WILLINGNESS = st.one_of(
    st.fixed_dictionaries({"base": st.sampled_from([0.0, 40.0]), "per_second": st.sampled_from([0.0, 0.7, 3.0])}),
    st.just({"kind": "stepped", "step": 25.0, "every_seconds": 15.0}),
    st.just({"kind": "exponential", "base": 2.0, "doubling_seconds": 10.0}),
)
CONSTRAINTS: Mapping[str, st.SearchStrategy[Any]] = {
    "sides": st.just(SIDES),
    "same": st.just(("version",)),
    "any_of": st.fixed_dictionaries({"language": _RELAX}),
    "range": st.fixed_dictionaries({"level": _RELAX}),
    "distance": st.fixed_dictionaries(
        {
            "level": st.tuples(_RELAX, st.sampled_from([0.5, 3.0])).map(
                lambda pair: {**pair[0], "points_per_unit": pair[1]}
            )
        }
    ),
    "pool": st.just({"map": MAPS}),
    "avoid": st.just(2),
    "rematch": st.sampled_from([{"after_seconds": 60.0}, {"after_seconds": 60.0, "relax_after_seconds": 20.0}]),
    "provisional": _WILLINGNESS.map(lambda table: {"deviation_from": 200.0, "willingness": table}),
}
_PLACES: tuple[dict[str, st.SearchStrategy[Any]], ...] = (
    {"latency": st.just({"limit_ms": 60, "widen_ms_per_second": 2.0, "most_ms": 90})},
    {"servers": st.just({"eu": {"eu": "frankfurt", "us": "newyork"}})},
    {},
)


def constrained_rules() -> st.SearchStrategy[QueueRules]:
    """Rules of a queue with any number of constraints."""
    plain = {
        "accept": st.sampled_from(["sum", "either", "both"]),
        "max_gap": st.sampled_from([20.0, 300.0]),
        "willingness": _WILLINGNESS,
    }
    kinds = [st.fixed_dictionaries(plain, optional={**CONSTRAINTS, **place}) for place in _PLACES]
    return st.one_of(kinds).map(QueueRules.model_validate)


@st.composite
def standings(draw: st.DrawFn, name: str) -> Standing:
    """A ticket that brings whatever any of these rules asks for."""
    place = st.builds(Place, st.integers(0, 60).map(float), st.sampled_from([0.0, 80.0, 350.0]))
    offered = draw(st.sets(st.sampled_from(SIDES), min_size=1))
    low = draw(st.integers(0, 10))
    return Standing(
        ticket=f"t{name}",
        player=f"p{name}",
        since=draw(st.integers(0, 100_000)),
        at={NO_SIDE: draw(place), **{side: draw(place) for side in sorted(offered)}},
        same={"version": draw(st.sampled_from(["1", "1", "2"]))},
        sets={"language": frozenset(draw(st.sets(st.sampled_from(LANGUAGES), min_size=1, max_size=2)))},
        numbers={"level": draw(st.integers(0, 12)) / 2},
        accepts={"level": (low / 2, (low + draw(st.integers(0, 10))) / 2)} if draw(st.booleans()) else {},
        pings={region: float(draw(st.integers(0, 110))) for region in draw(st.sets(st.sampled_from(REGIONS)))},
        region=draw(st.sampled_from(["eu", "us"])),
        vetoes={"map": frozenset(draw(st.sets(st.sampled_from(MAPS), max_size=2)))},
        avoid=frozenset(draw(st.sets(st.sampled_from(PLAYERS), max_size=2)) - {f"p{name}"}),
        met=draw(st.dictionaries(st.sampled_from(PLAYERS), st.integers(0, 100_000), max_size=2)),
    )
