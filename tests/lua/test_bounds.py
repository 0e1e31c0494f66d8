"""A pass is short however long the line is, and passes end."""

from __future__ import annotations

import pytest

from matchmaker.model import TicketRequest
from matchmaker.reports import PassReport
from matchmaker.rules import Linear, QueueRules
from tests.lua.world import QUEUE, World

SLICE = 129 + 49
"""Places of the widest slice and of the closer look that went before it."""


def crowd(world: World, size: int, apart: float, deviation: float | None = None) -> None:
    requests = [TicketRequest(f"p{n}", apart * (n % 7919), deviation, ticket=f"t{n}") for n in range(size)]
    world.mm.enqueue_many(QUEUE, requests)


def come_to_rest(world: World, places: int) -> list[PassReport]:
    """Passes until the line is at rest; it always ends, and nobody is left due."""
    reports: list[PassReport] = []
    while not reports or (reports[-1].next_ms is not None and reports[-1].next_ms <= world.now):
        reports.append(world.match_pass(places))
        assert len(reports) < 5_000, "the passes do not end"
    return reports


@pytest.mark.parametrize("places", [1, 256])
@pytest.mark.parametrize("accept", ["sum", "either", "both"])
def test_places_looked_at_are_bounded_in_a_line_of_ten_thousand(world: World, accept: str, places: int) -> None:
    # Given ten thousand who are all due with their neighbours
    rules = {"accept": accept, "willingness": {"base": 1.0}}
    world.apply(QueueRules.model_validate(rules))
    crowd(world, 10_000, 0.5)
    # When passes clear a part of the line, then none looks at more than its budget and one slice
    for _ in range(20):
        assert 0 < world.match_pass(places).looked <= places + SLICE


def test_a_line_of_ten_thousand_is_cleared_to_the_last(world: World) -> None:
    world.apply(QueueRules(willingness=Linear(base=1.0)))
    crowd(world, 10_000, 0.5)
    reports = come_to_rest(world, 256)
    assert sum(report.made for report in reports) >= 4_990
    assert max(report.looked for report in reports) <= 256 + SLICE
    assert len(reports) < 500


@pytest.mark.parametrize("accept", ["sum", "either", "both"])
@pytest.mark.parametrize(
    ("size", "apart", "table"),
    [
        (301, 0.0, {"per_second": 0.0}),  # all tied, all of one moment, no growth
        (300, 1e-6, {"per_second": 0.0}),  # apart by what rounding is allowed
        (300, 10.0, {"per_second": 0.0}),  # nobody ever due
        (300, 10.0, {"per_second": 0.0, "base": 5.0}),  # due with a value of exactly nothing, under "sum"
        (300, 10.0, {"per_second": 1.0, "cap": 0.0}),
        (300, 0.1, {"kind": "stepped", "step": 1e-300, "every_seconds": 0.001}),
        (300, 0.1, {"per_second": 1e-300}),
        (300, 0.1, {"per_second": 1e-9}),
        (300, 0.0, {"kind": "exponential", "base": 0.001, "doubling_seconds": 604_800}),
        (300, 1.0, {"kind": "exponential", "base": 1e6, "doubling_seconds": 0.001, "cap": 2e6}),
        (300, 1.0, {"per_second": 1e6, "base": 1e6, "per_deviation": 1e6}),
    ],
)
def test_passes_end_whatever_the_rules(
    world: World, accept: str, size: int, apart: float, table: dict[str, object]
) -> None:
    world.apply(QueueRules.model_validate({"accept": accept, "willingness": table}))
    crowd(world, size, apart, deviation=300.0)
    reports = come_to_rest(world, 256)
    assert len(reports) < 100
    # And at rest nothing is looked at any more
    assert world.match_pass().looked == 0
    assert all(moment < 2**53 for moment in world.certificates().values())


def test_rounding_leaves_nobody_due_for_ever(world: World) -> None:
    """Given two whose gap is all but EPS, beside a pair worth so much that sums of values round it away, when passes
    run, then the two are not looked at again and again: they are matched or they are not due."""
    world.apply(QueueRules(willingness=Linear(per_second=0, per_deviation=1)))
    for player in ("rich", "richer"):
        world.enqueue(player, 1000, deviation=61750.11503477437)
    world.enqueue("ann", 1694.9382601562709)
    world.enqueue("bob", 1694.9382611562705)
    reports = come_to_rest(world, 256)
    assert sum(report.made for report in reports) == 2
