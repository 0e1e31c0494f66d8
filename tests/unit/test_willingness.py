"""The Python model of the pass's arithmetic, and the oracle that tests compare passes with."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchmaker.rules import Exponential, Linear, QueueRules, Stepped
from matchmaker.willingness import EPS, HORIZON_MS, Waiting, due_at, is_due, pair_value, willingness
from tests.oracle import (
    best_matching,
    brute_force_matching,
    deviations,
    due_values,
    line_optimum,
    queue_rules,
    waitings,
)

MOMENTS = st.one_of(st.integers(-1_000, 700_000), st.integers(0, 2**53), st.just(2**53))


def a_at(rating: float, enqueued_ms: int = 0, deviation: float = 0.0) -> Waiting:
    return Waiting("a", rating, enqueued_ms, deviation)


def b_at(rating: float, enqueued_ms: int = 0, deviation: float = 0.0) -> Waiting:
    return Waiting("b", rating, enqueued_ms, deviation)


class TestWillingness:
    @pytest.mark.parametrize(("waited_ms", "points"), [(-5, 10), (0, 10), (500, 11), (20_000, 50), (10**9, 60)])
    def test_linear(self, waited_ms: int, points: float) -> None:
        rules = QueueRules(willingness=Linear(base=10, per_second=2, cap=60))
        assert willingness(rules, waited_ms, 0) == points

    @pytest.mark.parametrize(
        ("waited_ms", "points"), [(0, 10), (44_999, 10), (45_000, 60), (90_001, 110), (10**9, 120)]
    )
    def test_stepped(self, waited_ms: int, points: float) -> None:
        rules = QueueRules(willingness=Stepped(kind="stepped", base=10, step=50, every_seconds=45, cap=120))
        assert willingness(rules, waited_ms, 0) == points

    @pytest.mark.parametrize(("waited_ms", "points"), [(0, 4), (10_000, 8), (30_000, 32), (10**15, 300)])
    def test_exponential(self, waited_ms: int, points: float) -> None:
        rules = QueueRules(willingness=Exponential(kind="exponential", base=4, doubling_seconds=10))
        assert willingness(rules, waited_ms, 0) == points

    @pytest.mark.parametrize(("deviation", "points"), [(0, 5), (75, 5), (95, 15), (1_000_000, 100)])
    def test_deviation_counts_above_its_threshold_and_under_the_cap(self, deviation: float, points: float) -> None:
        rules = QueueRules(willingness=Linear(per_second=1, per_deviation=0.5, deviation_above=75, cap=100))
        assert willingness(rules, 5_000, deviation) == points

    def test_without_a_cap_nothing_ends_it(self) -> None:
        assert willingness(QueueRules(), 10**9, 0) == 10**6

    @given(queue_rules(), MOMENTS, MOMENTS, deviations())
    def test_is_never_negative_and_never_falls(self, rules: QueueRules, one: int, other: int, deviation: float) -> None:
        early, late = sorted((one, other))
        assert 0 <= willingness(rules, early, deviation) <= willingness(rules, late, deviation)

    @given(queue_rules(), MOMENTS, deviations(), deviations())
    def test_never_falls_with_deviation(self, rules: QueueRules, waited_ms: int, one: float, other: float) -> None:
        low, high = sorted((one, other))
        assert willingness(rules, waited_ms, low) <= willingness(rules, waited_ms, high)

    @given(queue_rules(), MOMENTS, deviations())
    def test_never_exceeds_the_cap(self, rules: QueueRules, waited_ms: int, deviation: float) -> None:
        cap = rules.willingness.cap
        assert cap is None or willingness(rules, waited_ms, deviation) <= cap


class TestDue:
    def test_value_is_both_willingnesses_less_the_gap(self) -> None:
        assert pair_value(QueueRules(), a_at(1500, 0), b_at(1541, 3_000), 12_000) == 12 + 9 - 41

    @pytest.mark.parametrize(("accept", "first"), [("sum", 15_000), ("either", 20_000), ("both", 30_000)])
    def test_what_is_accepted_decides_when(self, accept: str, first: int) -> None:
        # Given tickets 20 points apart, one of which came 10 s after the other
        rules = QueueRules.model_validate({"accept": accept})
        a, b = a_at(1500, 0), b_at(1520, 10_000)
        # Then the pair is due from the moment the sum, the larger or the smaller willingness covers the gap
        assert due_at(rules, a, b, 0) == first
        assert not is_due(rules, a, b, first - 1)
        assert is_due(rules, a, b, first)

    def test_max_gap_is_inclusive_and_final(self) -> None:
        rules = QueueRules(max_gap=100)
        assert due_at(rules, a_at(0), b_at(100), 0) == 50_000
        assert due_at(rules, a_at(0), b_at(100.001), 0) is None
        assert not is_due(rules, a_at(0), b_at(100.001), HORIZON_MS)

    def test_a_value_of_exactly_zero_is_due(self) -> None:
        assert is_due(QueueRules(willingness=Linear(per_second=0)), a_at(1500), b_at(1500), 0)

    def test_rounding_does_not_make_a_pair_late(self) -> None:
        # 0.1 + 0.2 against 0.3: equal but for the last bit
        rules = QueueRules(willingness=Linear(per_second=0.1))
        assert due_at(rules, a_at(0, 0), b_at(0.3, 1_000), 0) == 2_000

    @pytest.mark.parametrize("accept", ["sum", "either", "both"])
    def test_a_gap_too_wide_by_less_than_eps_is_covered(self, accept: str) -> None:
        rules = QueueRules.model_validate({"accept": accept, "willingness": {"base": 10, "per_second": 0}})
        reach = 20 if accept == "sum" else 10
        assert is_due(rules, a_at(0), b_at(reach + EPS / 2), 0)
        assert not is_due(rules, a_at(0), b_at(reach + 2 * EPS), 0)

    @pytest.mark.parametrize("accept", ["sum", "either", "both"])
    def test_without_growth_a_pair_is_due_at_once_or_never(self, accept: str) -> None:
        rules = QueueRules.model_validate({"accept": accept, "willingness": {"base": 10, "per_second": 0}})
        reach = 20 if accept == "sum" else 10
        assert due_at(rules, a_at(0), b_at(reach), 77) == 77
        assert due_at(rules, a_at(0), b_at(reach + 0.01), 77) is None

    @pytest.mark.parametrize(("gap", "due"), [(80, 40_000), (80.01, None)])
    def test_two_capped_tickets_reach_the_sum_of_their_caps(self, gap: float, due: int | None) -> None:
        assert due_at(QueueRules(willingness=Linear(cap=40)), a_at(0), b_at(gap), 0) == due

    def test_growth_too_slow_for_the_horizon_is_never(self) -> None:
        slow = QueueRules(willingness=Linear(per_second=1e-12))
        assert due_at(slow, a_at(0), b_at(300), 0) is None
        assert due_at(slow, a_at(0), b_at(1), 0) is not None

    def test_steps_are_due_on_the_step(self) -> None:
        rules = QueueRules(willingness=Stepped(kind="stepped", step=10, every_seconds=45))
        assert due_at(rules, a_at(0, 0), b_at(30, 1), 0) == 90_000
        assert due_at(rules, a_at(0, 0), b_at(40, 1), 0) == 90_001

    def test_a_moment_past_the_horizon_is_not_searched(self) -> None:
        assert due_at(QueueRules(), a_at(0), b_at(0), HORIZON_MS + 5) == HORIZON_MS + 5
        assert due_at(QueueRules(max_gap=1), a_at(0), b_at(2), HORIZON_MS + 5) is None

    @given(queue_rules(), waitings(min_size=2, max_size=2), MOMENTS)
    def test_due_at_is_the_first_moment(self, rules: QueueRules, pair: list[Waiting], not_before: int) -> None:
        a, b = pair
        due = due_at(rules, a, b, not_before)
        assert due == due_at(rules, b, a, not_before)
        if due is None:
            assert not is_due(rules, a, b, HORIZON_MS)
        else:
            assert due >= not_before
            assert is_due(rules, a, b, due)
            assert due == not_before or not is_due(rules, a, b, due - 1)

    @given(queue_rules(), waitings(min_size=2, max_size=2), MOMENTS, MOMENTS)
    def test_what_is_due_stays_due(self, rules: QueueRules, pair: list[Waiting], one: int, other: int) -> None:
        a, b = pair
        early, late = sorted((one, other))
        assert is_due(rules, a, b, late) or not is_due(rules, a, b, early)

    @given(queue_rules(), waitings(min_size=2, max_size=2), MOMENTS)
    def test_a_due_pair_is_worth_having(self, rules: QueueRules, pair: list[Waiting], now: int) -> None:
        a, b = pair
        assert pair_value(rules, a, b, now) >= -EPS or not is_due(rules, a, b, now)

    @given(queue_rules(), waitings(min_size=3, max_size=8), MOMENTS)
    def test_if_no_neighbours_are_due_nobody_is(self, rules: QueueRules, line: list[Waiting], now: int) -> None:
        """The ground the kinetic line stands on, for sum and either."""
        line = sorted(line, key=lambda ticket: ticket.rating)
        neighbours = any(is_due(rules, a, b, now) for a, b in pairwise(line))
        anybody = any(_clearly_due(rules, a, b, now) for a, b in combinations(line, 2))
        assert neighbours or not anybody or rules.accept == "both"


def _clearly_due(rules: QueueRules, a: Waiting, b: Waiting, now: int) -> bool:
    """Due without the help of ``EPS``, which does not add up over neighbours."""
    distance = abs(a.rating - b.rating)
    w_a = willingness(rules, now - a.enqueued_ms, a.deviation)
    w_b = willingness(rules, now - b.enqueued_ms, b.deviation)
    reach = {"sum": w_a + w_b, "either": max(w_a, w_b), "both": min(w_a, w_b)}[rules.accept]
    return distance <= min(reach, rules.max_gap)


PAIR_VALUES = st.dictionaries(
    st.sampled_from(list(combinations("abcdefg", 2))),
    st.integers(-3, 6).map(float) | st.sampled_from([0.1, 0.2, 0.3, -EPS / 2, -2 * EPS]),
    max_size=14,
)


class TestOracle:
    @pytest.mark.parametrize(
        ("values", "pairs", "total"),
        [
            ({}, set(), 0),
            ({("a", "b"): -1.0}, set(), 0),
            ({("a", "b"): 0.0}, {("a", "b")}, 0),
            ({("a", "b"): -EPS / 2}, {("a", "b")}, -EPS / 2),
            # the best pair alone is worth less than its two neighbours together
            ({("a", "b"): 2.0, ("b", "c"): 3.0, ("c", "d"): 2.0}, {("a", "b"), ("c", "d")}, 4),
            # value comes before the number of pairs
            ({("a", "b"): 1.0, ("b", "c"): 3.0, ("c", "d"): 1.0}, {("b", "c")}, 3),
            # at equal value, more pairs
            ({("a", "b"): 1.0, ("c", "b"): 2.0, ("c", "d"): 1.0}, {("a", "b"), ("c", "d")}, 2),
        ],
    )
    def test_best_matching(
        self, values: dict[tuple[str, str], float], pairs: set[tuple[str, str]], total: float
    ) -> None:
        assert best_matching(values) == (pairs, total)

    @given(PAIR_VALUES)
    def test_blossom_agrees_with_trying_everything(self, values: dict[tuple[str, str], float]) -> None:
        pairs, total = best_matching(values)
        names = [name for pair in pairs for name in pair]
        assert len(names) == len(set(names))
        assert pairs <= values.keys()
        assert all(values[pair] >= -EPS for pair in pairs)
        best_total, best_count = brute_force_matching(values)
        assert len(pairs) == best_count
        assert total == pytest.approx(best_total, abs=7 * EPS)

    @given(queue_rules(), waitings(max_size=8), st.integers(0, 700_000))
    def test_line_optimum_takes_only_due_pairs(self, rules: QueueRules, line: list[Waiting], now: int) -> None:
        total, count = line_optimum(rules, line, now)
        values = due_values(rules, line, now)
        assert count <= len(line) // 2
        assert (count == 0) == (not values)
        assert total >= max(values.values(), default=0.0) - EPS

    def test_line_optimum_of_a_known_line(self) -> None:
        # Given four tickets after 10 s: a 5-gap inside two 8-gaps
        line = [Waiting(name, rating, 0) for name, rating in [("a", 0), ("b", 8), ("c", 13), ("d", 21)]]
        # Then two pairs of value 20 - 8 beat the nearest pair's 20 - 5
        assert line_optimum(QueueRules(), line, 10_000) == (24, 2)
