"""The predicate in plain Python: by hand, and what must hold of any two tickets."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchmaker.compatibility import (
    ALWAYS,
    Best,
    Place,
    Standing,
    best_pair,
    draw,
    due_at,
    first_bar,
    is_due,
    left_in_pool,
    open_from,
    price,
    region_of,
    server_of,
)
from matchmaker.rules import QueueRules
from matchmaker.willingness import Waiting
from matchmaker.willingness import due_at as plain_due_at
from tests.oracle import queue_rules
from tests.standings import constrained_rules, standings

MOMENTS = st.integers(0, 400_000)
BASE = {"willingness": {"base": 100.0, "per_second": 1.0}}


def rules(**more: Any) -> QueueRules:
    return QueueRules.model_validate({**BASE, **more})


def a(rating: float = 1500, **more: Any) -> Standing:
    return Standing(**{"ticket": "ta", "player": "ann", "since": 1000, "at": {"": Place(rating)}, **more})


def b(rating: float = 1500, **more: Any) -> Standing:
    return Standing(**{"ticket": "tb", "player": "bob", "since": 5000, "at": {"": Place(rating)}, **more})


# -- what forbids ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "one", "other", "bar", "opens"),
    [
        # nothing forbids
        ({"any_of": {"language": {}}}, {"sets": {"language": {"de", "en"}}}, {"sets": {"language": {"en"}}}, None, 0),
        # who came before the rule brings nothing
        ({"any_of": {"language": {}}}, {"sets": {"language": {"de"}}}, {}, None, 0),
        ({"any_of": {"language": {}}}, {"sets": {"language": {"de"}}}, {"sets": {"language": {"en"}}}, "never", None),
        # both have to wait long enough, so the later one counts
        (
            {"any_of": {"language": {"relax_after_seconds": 60}}},
            {"sets": {"language": {"de"}}},
            {"sets": {"language": {"en"}}},
            "any_of.language",
            65_000,
        ),
        # of a range only the one whose demand is not met
        (
            {"range": {"level": {"relax_after_seconds": 60}}},
            {"numbers": {"level": 9}, "accepts": {"level": (5, 20)}},
            {"numbers": {"level": 4}},
            "range.level",
            61_000,
        ),
        (
            {"range": {"level": {"relax_after_seconds": 60}}},
            {"numbers": {"level": 9}, "accepts": {"level": (5, 20)}},
            {"numbers": {"level": 4}, "accepts": {"level": (1, 5)}},
            "range.level",
            65_000,
        ),
        (
            {"range": {"level": {}}},
            {"numbers": {"level": 5}, "accepts": {"level": (5, 20)}},
            {"numbers": {"level": 20}, "accepts": {"level": (5, 20)}},
            None,
            0,
        ),
        # limit 60, 2 ms a second: 64 ms is reached 2 s after the later one came, 30 ms at once
        (
            {"latency": {"limit_ms": 60, "widen_ms_per_second": 2.0, "most_ms": 80}},
            {"pings": {"eu": 30, "us": 79}},
            {"pings": {"eu": 64, "us": 79}},
            "latency",
            7_000,
        ),
        (
            {"latency": {"limit_ms": 60, "widen_ms_per_second": 2.0, "most_ms": 80}},
            {"pings": {"eu": 30}},
            {"pings": {"eu": 81}},
            "never",
            None,
        ),
        ({"latency": {"limit_ms": 60, "most_ms": 60}}, {"pings": {"eu": 30}}, {"pings": {"us": 30}}, "never", None),
        ({"servers": {"eu": {"eu": "f"}, "us": {"us": "n"}}}, {"region": "eu"}, {"region": "us"}, "never", None),
        ({"servers": {"eu": {"us": "n"}}}, {"region": "us"}, {"region": "eu"}, None, 0),
        ({"pool": {"map": ["R", "D"]}}, {"vetoes": {"map": {"R"}}}, {"vetoes": {"map": {"D"}}}, "never", None),
        ({"pool": {"map": ["R", "D"]}}, {"vetoes": {"map": {"R"}}}, {"vetoes": {"map": {"R"}}}, None, 0),
        ({"avoid": 5}, {"avoid": {"bob"}}, {}, "never", None),
        ({"avoid": 5}, {"avoid": {"eve"}}, {"avoid": {"ann"}}, "never", None),
        ({"same": ["version"]}, {"same": {"version": "1"}}, {"same": {"version": "2"}}, "never", None),
        # the latest of their meetings; whichever ends first, cooling down or both waiting
        ({"rematch": {"after_seconds": 300}}, {"met": {"bob": 2000}}, {"met": {"ann": 3000}}, "rematch", 303_000),
        (
            {"rematch": {"after_seconds": 300, "relax_after_seconds": 120}},
            {"met": {"bob": 2000}},
            {},
            "rematch",
            125_000,
        ),
        ({"rematch": {"after_seconds": 300}}, {"met": {"eve": 2000}}, {}, None, 0),
        # of several rules the last to open
        (
            {"any_of": {"language": {"relax_after_seconds": 60}}, "rematch": {"after_seconds": 300}},
            {"sets": {"language": {"de"}}, "met": {"bob": 0}},
            {"sets": {"language": {"en"}}},
            "any_of.language",
            300_000,
        ),
    ],
)
def test_when_a_rule_lets_two_pass(
    table: dict[str, Any], one: dict[str, Any], other: dict[str, Any], bar: str | None, opens: int | None
) -> None:
    """Given one rule and two tickets, then the bar is that rule until the moment, and gone from then on."""
    queue, ann, bob = rules(**table), a(**_frozen(one)), b(**_frozen(other))
    assert open_from(queue, ann, bob) == opens
    if bar is None:
        assert first_bar(queue, ann, bob, 5000) is None
        return
    found = first_bar(queue, ann, bob, 5000)
    assert found is not None
    assert found[0].partition(".")[0] in table
    if opens is None:
        assert found[1] is None
        assert first_bar(queue, ann, bob, 2**52) == found
        return
    assert found[0] == bar
    assert not is_due(queue, ann, bob, opens - 1)
    assert is_due(queue, ann, bob, opens)
    assert due_at(queue, ann, bob, 0) == opens


def _frozen(terms: dict[str, Any]) -> dict[str, Any]:
    """Sets as the standing keeps them."""
    return {
        name: frozenset(value)
        if isinstance(value, set)
        else {key: frozenset(one) if isinstance(one, set) else one for key, one in value.items()}
        if isinstance(value, dict)
        else value
        for name, value in terms.items()
    }


def test_the_bars_come_in_order() -> None:
    """Given two whom everything keeps apart, when one reason after the other goes, then the next is named."""
    queue = rules(
        sides=["bw", "sc2"],
        same=["version"],
        any_of={"language": {}},
        range={"level": {}},
        latency={"limit_ms": 60, "most_ms": 60},
        pool={"map": ["R", "D"]},
        avoid=3,
        rematch={"after_seconds": 300},
        max_gap=50,
        willingness={"per_second": 1.0},
    )
    ann = Standing("ta", "ann", 0, {"bw": Place(1000)}, avoid=frozenset({"bob"}), met={"bob": 0})
    ann = dataclasses.replace(ann, same={"version": "1"}, sets={"language": frozenset({"de"})})
    ann = dataclasses.replace(ann, numbers={"level": 3}, accepts={"level": (3, 4)}, pings={"eu": 10})
    ann = dataclasses.replace(ann, vetoes={"map": frozenset({"R"})})
    bob = Standing("tb", "bob", 0, {"bw": Place(1000)}, vetoes={"map": frozenset({"D"})}, pings={"us": 10})
    bob = dataclasses.replace(bob, same={"version": "2"}, sets={"language": frozenset({"en"})}, numbers={"level": 9})
    changes: list[tuple[str, dict[str, Any]]] = [
        ("sides", {"at": {"sc2": Place(1100)}}),
        ("same.version", {"same": {"version": "1"}}),
        ("any_of.language", {"sets": {"language": frozenset({"de"})}}),
        ("range.level", {"numbers": {"level": 4}}),
        ("latency", {"pings": {"eu": 60}}),
        ("pool.map", {"vetoes": {}}),
    ]
    for bar, change in changes:
        assert first_bar(queue, ann, bob, 1000) == (bar, None)
        bob = dataclasses.replace(bob, **change)
    assert first_bar(queue, ann, bob, 1000) == ("avoid", None)
    ann = dataclasses.replace(ann, avoid=frozenset())
    assert first_bar(queue, ann, bob, 1000) == ("rematch", 300_000)
    ann = dataclasses.replace(ann, met={})
    assert first_bar(queue, ann, bob, 1000) == ("max_gap", None)
    bob = dataclasses.replace(bob, at={"sc2": Place(1040)})
    assert first_bar(queue, ann, bob, 1000) == ("value", 20_000)
    assert first_bar(queue, ann, bob, 20_000) is None


def test_servers_bar_before_pools() -> None:
    queue = rules(servers={"eu": {"eu": "f"}, "us": {"us": "n"}}, pool={"map": ["R"]})
    assert first_bar(queue, a(region="eu"), b(region="us"), 5000) == ("servers", None)


def test_nobody_plays_themselves() -> None:
    """Given one ticket that offers both sides, then it is no pair of its own."""
    both = a(at={"bw": Place(1500), "sc2": Place(1500)})
    for queue in (rules(), rules(sides=["bw", "sc2"])):
        alone = both if queue.sides else a()
        assert open_from(queue, alone, alone) is None
        assert first_bar(queue, alone, alone, 5000) == ("sides", None)
        assert due_at(queue, alone, alone, 0) is None


# -- what it is worth --------------------------------------------------------------------------------------------------


def test_a_distance_costs_until_both_have_waited() -> None:
    queue = rules(distance={"level": {"points_per_unit": 2.0, "relax_after_seconds": 90}})
    ann, bob = a(1500, numbers={"level": 3}), b(1510, numbers={"level": 7.5})
    assert price(queue, ann, bob, 94_999) == 9
    assert price(queue, ann, bob, 95_000) == 0
    assert price(queue, ann, b(1510), 5000) == 0
    assert best_pair(queue, ann, bob, 5000) == Best(("", ""), 10, 9, 104 + 100 - 10 - 9)


def test_a_price_lets_a_pair_wait_longer() -> None:
    """Given 40 points of gap and 30 of price, then willingness has to cover both, or the gap alone once it is gone."""
    queue = rules(
        willingness={"per_second": 1.0}, distance={"level": {"points_per_unit": 10.0, "relax_after_seconds": 30}}
    )
    ann, bob = a(1500, since=0, numbers={"level": 1}), b(1540, since=0, numbers={"level": 4})
    assert due_at(queue, ann, bob, 0) == 30_000
    assert due_at(rules(willingness={"per_second": 1.0}), ann, bob, 0) == 20_000
    assert due_at(queue, ann, b(1600, since=0, numbers={"level": 4}), 0) == 50_000


@pytest.mark.parametrize(("accept", "due"), [("sum", 15_000), ("either", 20_000), ("both", 30_000)])
def test_a_price_counts_whatever_is_accepted(accept: str, due: int) -> None:
    queue = rules(accept=accept, willingness={"per_second": 1.0}, distance={"level": {"points_per_unit": 1.0}})
    ann, bob = a(1500, since=0, numbers={"level": 1}), b(1512, since=10_000, numbers={"level": 9})
    assert due_at(queue, ann, bob, 0) == due


def test_who_is_uncertain_goes_by_the_provisional_rules() -> None:
    queue = rules(
        willingness={"base": 0.0, "per_second": 0.0},
        provisional={"deviation_from": 200, "willingness": {"base": 25.0, "per_second": 0.0}},
    )
    assert due_at(queue, a(1500), b(1520), 0) is None
    assert due_at(queue, a(at={"": Place(1500, 199)}), b(1520), 0) is None
    assert due_at(queue, a(at={"": Place(1500, 200)}), b(1520), 0) == 0
    assert due_at(queue, a(at={"": Place(1500, 200)}), b(1530), 0) is None


def both_sides(bw: float, sc2: float) -> dict[str, Place]:
    return {"bw": Place(bw), "sc2": Place(sc2)}


def test_who_offers_both_sides_plays_where_it_is_worth_more() -> None:
    queue = rules(sides=["bw", "sc2"])
    ann, bob = a(at=both_sides(1500, 1900)), b(at={"bw": Place(1890), "sc2": Place(1530)})
    assert best_pair(queue, ann, bob, 5000) == Best(("sc2", "bw"), 10, 0, 104 + 100 - 10)
    assert best_pair(queue, bob, ann, 5000) == Best(("bw", "sc2"), 10, 0, 104 + 100 - 10)
    assert best_pair(queue, ann, b(at={"bw": Place(2300)}), 5000) is None


def test_of_two_equal_ways_the_older_plays_the_first_side() -> None:
    queue = rules(sides=["bw", "sc2"])
    ann, bob = a(at=both_sides(1500, 1500)), b(at=both_sides(1500, 1500))
    for one, other in ((ann, bob), (bob, ann)):
        best = best_pair(queue, one, other, 5000)
        assert best is not None
        assert best.sides == (("bw", "sc2") if one is ann else ("sc2", "bw"))
    twin = dataclasses.replace(bob, since=ann.since)
    best = best_pair(queue, twin, ann, 5000)
    assert best is not None
    assert best.sides == ("sc2", "bw")


def test_a_way_that_is_enough_comes_before_one_of_more_value() -> None:
    """Given one way of high value that the less willing refuses, and one of less that both take, then that is it."""
    queue = rules(
        accept="both",
        sides=["bw", "sc2"],
        willingness={"per_second": 0.0, "per_deviation": 1.0},
    )
    ann = a(at={"bw": Place(1500, 0.0), "sc2": Place(1500, 25.0)})
    bob = b(at={"sc2": Place(1510, 100.0), "bw": Place(1520, 25.0)})
    assert best_pair(queue, ann, bob, 5000) == Best(("sc2", "bw"), 20, 0, 30)
    assert is_due(queue, ann, bob, 5000)


# -- what the match gets -----------------------------------------------------------------------------------------------


def test_the_region_is_the_one_of_the_least_worst_ping() -> None:
    queue = rules(latency={"limit_ms": 60, "widen_ms_per_second": 1.0, "most_ms": 100})
    ann, bob = a(pings={"eu": 20, "us": 50, "asia": 5}), b(pings={"eu": 62, "us": 40, "asia": 50})
    assert region_of(queue, ann, bob, 5000) == ("asia", 50)
    assert region_of(queue, a(pings={"eu": 20}), bob, 6999) is None
    assert region_of(queue, a(pings={"eu": 20}), bob, 7000) == ("eu", 62)
    assert region_of(rules(), ann, bob, 5000) is None


def test_the_server_is_where_both_regions_lead() -> None:
    queue = rules(servers={"eu": {"eu": "frankfurt", "us": "newyork"}, "us": {"us": "dallas"}})
    assert server_of(queue, a(region="us"), b(region="eu")) == "newyork"
    assert server_of(queue, a(region="us"), b(region="us")) == "dallas"
    assert server_of(queue, a(region="mars"), b(region="us")) is None


def test_the_draw_can_be_repeated() -> None:
    """Given the teams' tickets, then anyone draws the same; the other way round it is another draw."""
    queue = rules(pool={"map": ["A", "B", "C", "D", "E"]}, vetoes={"map": 3})
    ann, bob = a(vetoes={"map": frozenset("B")}), b(vetoes={"map": frozenset("E")})
    assert left_in_pool(queue, "map", ann, bob) == ("A", "C", "D")
    # sha1("map:ta:tb") begins with b5cd5d09, sha1("map:tb:ta") with 4008b642
    assert draw(queue, "map", ann, bob) == ("A", "C", "D")[0xB5CD5D09 % 3] == "D"
    assert draw(queue, "map", a(), b()) == "ABCDE"[0xB5CD5D09 % 5] == "D"
    assert draw(queue, "map", b(), a()) == "ABCDE"[0x4008B642 % 5] == "A"


# -- of any two tickets ------------------------------------------------------------------------------------------------


@given(constrained_rules(), standings("0"), standings("1"), MOMENTS)
def test_a_pair_is_the_same_from_both_ends(queue: QueueRules, one: Standing, other: Standing, now: int) -> None:
    assert open_from(queue, one, other) == open_from(queue, other, one)
    assert first_bar(queue, one, other, now) == first_bar(queue, other, one, now)
    assert is_due(queue, one, other, now) == is_due(queue, other, one, now)
    assert due_at(queue, one, other, now) == due_at(queue, other, one, now)
    assert price(queue, one, other, now) == price(queue, other, one, now)
    assert region_of(queue, one, other, now) == region_of(queue, other, one, now)
    assert server_of(queue, one, other) == server_of(queue, other, one)
    best, back = best_pair(queue, one, other, now), best_pair(queue, other, one, now)
    if best is None or back is None:
        assert best == back
    else:
        assert best == back._replace(sides=back.sides[::-1])


@given(constrained_rules(), standings("0"), standings("1"), MOMENTS, MOMENTS)
def test_what_is_allowed_stays_so(queue: QueueRules, one: Standing, other: Standing, first: int, second: int) -> None:
    early, late = sorted((first, second))
    if first_bar(queue, one, other, early) is None:
        assert first_bar(queue, one, other, late) is None
    assert is_due(queue, one, other, early) <= is_due(queue, one, other, late)
    assert price(queue, one, other, early) >= price(queue, one, other, late)
    before, after = region_of(queue, one, other, early), region_of(queue, one, other, late)
    if before is not None:
        assert after is not None
        assert after[1] <= before[1]


@given(constrained_rules(), standings("0"), standings("1"), MOMENTS)
def test_a_pair_falls_due_to_the_millisecond(queue: QueueRules, one: Standing, other: Standing, now: int) -> None:
    due = due_at(queue, one, other, now)
    if due is None:
        assert not is_due(queue, one, other, 2**53)
    else:
        assert due >= now
        assert is_due(queue, one, other, due)
        assert due == now or not is_due(queue, one, other, due - 1)


@given(constrained_rules(), standings("0"), standings("1"), MOMENTS)
def test_nothing_bars_a_pair_that_is_due(queue: QueueRules, one: Standing, other: Standing, now: int) -> None:
    """Given any pair, then it is due exactly if no rule bars it, and a bar with a moment is gone at that moment."""
    bar = first_bar(queue, one, other, now)
    assert is_due(queue, one, other, now) == (bar is None)
    if bar is not None and bar[1] is not None:
        assert bar[1] > now
        after = first_bar(queue, one, other, bar[1])
        assert after is None or after[0] != bar[0]


@given(queue_rules(), standings("0"), standings("1"), MOMENTS)
def test_a_queue_without_constraints_is_as_it_was(queue: QueueRules, one: Standing, other: Standing, now: int) -> None:
    def waiting(ticket: Standing) -> Waiting:
        return Waiting(ticket.ticket, ticket.at[""].rating, ticket.since, ticket.at[""].deviation)

    assert open_from(queue, one, other) == ALWAYS
    assert due_at(queue, one, other, now) == plain_due_at(queue, waiting(one), waiting(other), now)
