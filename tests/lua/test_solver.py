"""The solver of constrained lines against exact matching: valid, maximal, and the best there is or close to it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from tests.lua.solver import Entry, Instance, Reached, optimum, random_line, random_sides, solve
from tests.lua.strategies import examples

Record = Callable[[str, object], None]


def assert_near(
    client: redis.Redis, instances: Sequence[Instance], record: Record, *, mean: float = 0.99, worst: float = 0.97
) -> None:
    """Such shares of the optimum's value and of its pairs; one pair may be missing where the value is right."""
    shares = []
    for instance, reached in zip(instances, solve(client, instances), strict=True):
        best = optimum(instance)
        value, count = reached.share_of(best)
        shares.append((value, count))
        assert value >= worst
        assert count >= worst or reached.pairs == best.pairs - 1
    values, counts = zip(*shares, strict=True)
    record("value_mean", statistics.mean(values))
    record("value_minimum", min(values))
    record("count_mean", statistics.mean(counts))
    record("count_minimum", min(counts))
    assert statistics.mean(values) >= mean
    assert statistics.mean(counts) >= mean


def prefix_optimum(a: Sequence[Entry], b: Sequence[Entry]) -> Reached:
    """The best of two sides where nothing is forbidden, by trying every imbalance at every place: a selection costs the
    distance along which one side is ahead, times by how many."""
    steps = sorted([(entry.x, 1, entry.w) for entry in a] + [(entry.x, -1, entry.w) for entry in b])
    best = {0: (0.0, 0)}
    before = steps[0][0]
    for x, way, w in steps:
        moved = {ahead: (value - abs(ahead) * (x - before), taken) for ahead, (value, taken) in best.items()}
        best, before = dict(moved), x
        for ahead, (value, taken) in moved.items():
            with_it = (round(value + w, 7), taken + 1)
            best[ahead + way] = max(with_it, best.get(ahead + way, (-math.inf, 0)))
    value, taken = best[0]
    return Reached(value, taken // 2)


class TestOneSideEach:
    """Nobody offers both sides and nothing is forbidden: the optimum itself."""

    @pytest.mark.parametrize("shape", ["dense", "wait"])
    def test_the_optimum_of_small_lines(self, client: redis.Redis, shape: str) -> None:
        shapes = [(10, 20), (20, 30), (1, 15), (12, 12)]
        instances = [
            random_sides(f"{shape} {seed}", *shapes[seed % 4], 0, shape, spread=[300.0, 30.0][seed % 2])
            for seed in range(60)
        ]
        for instance, reached in zip(instances, solve(client, instances), strict=True):
            best = optimum(instance)
            assert reached.value == pytest.approx(best.value, abs=1e-4)
            assert reached.pairs == best.pairs

    @pytest.mark.parametrize("shape", ["dense", "wait"])
    @pytest.mark.parametrize(("a", "b"), [(50, 80), (200, 200)])
    def test_the_optimum_of_long_lines(self, client: redis.Redis, shape: str, a: int, b: int) -> None:
        instances = [random_sides(f"long {shape} {seed}", a, b, 0, shape) for seed in range(2)]
        for instance, reached in zip(instances, solve(client, instances), strict=True):
            assert instance.b is not None
            best = prefix_optimum(instance.a, instance.b)
            assert reached.value == pytest.approx(best.value, abs=1e-3)
            assert reached.pairs == best.pairs

    @examples(200)
    @given(data=st.data())
    def test_ties_and_pairs_worth_nothing(self, client: redis.Redis, data: st.DataObject) -> None:
        """On a coarse grid: equal ratings, values of exactly 0, empty sides."""
        coarse = st.lists(st.tuples(st.integers(0, 12), st.sampled_from([0.0, 0.5, 1.0, 3.0])), max_size=12)
        a, b = (sorted(data.draw(coarse)) for _ in range(2))
        instance = Instance(
            [Entry(node, x, w) for node, (x, w) in enumerate(a, 1)],
            [Entry(node, x, w) for node, (x, w) in enumerate(b, len(a) + 1)],
        )
        (reached,) = solve(client, [instance])
        best = optimum(instance)
        assert reached.value == pytest.approx(best.value, abs=1e-4)
        assert reached.pairs == best.pairs

    def test_all_on_one_point(self, client: redis.Redis) -> None:
        a = [Entry(node, 1500.0, 0.0) for node in range(1, 31)]
        b = [Entry(node, 1500.0, 0.0) for node in range(31, 51)]
        assert solve(client, [Instance(a, b)]) == [(0.0, 20)]

    def test_sides_with_nobody(self, client: redis.Redis) -> None:
        one = [Entry(1, 1500.0, 50.0)]
        assert solve(client, [Instance([], []), Instance(one, []), Instance([], one)]) == [(0.0, 0)] * 3


class TestBothSides:
    """Some offer both sides."""

    @pytest.mark.parametrize("shape", ["dense", "wait"])
    @pytest.mark.parametrize("who", [(10, 10, 10), (0, 0, 40), (15, 20, 20)])
    def test_close_to_the_optimum(
        self, client: redis.Redis, record_property: Record, shape: str, who: tuple[int, int, int]
    ) -> None:
        instances = [random_sides(f"both {who} {shape} {seed}", *who, shape) for seed in range(6)]
        assert_near(client, instances, record_property)

    def test_the_better_way_round(self, client: redis.Redis) -> None:
        """check() holds the sides against the values: 100 apart one way round, 10 the other."""
        a = [Entry(1, 1500.0, 50.0), Entry(2, 1520.0, 50.0)]
        b = [Entry(1, 1510.0, 50.0), Entry(2, 1600.0, 50.0)]
        assert solve(client, [Instance(a, b)]) == [(90.0, 1)]

    def test_nobody_plays_themselves(self, client: redis.Redis) -> None:
        lone = [Entry(1, 1500.0, 50.0)]
        assert solve(client, [Instance(lone, lone)]) == [(0.0, 0)]


class TestForbidden:
    """Pairs are forbidden, or cost something."""

    @pytest.mark.parametrize("shape", ["dense", "wait"])
    @pytest.mark.parametrize("forbidden", [0.2, 0.5, 0.8])
    def test_one_line(self, client: redis.Redis, record_property: Record, shape: str, forbidden: float) -> None:
        instances = [random_line(f"{shape} {forbidden} {seed}", 40, shape, forbidden) for seed in range(6)]
        instances.append(random_line(f"{shape} {forbidden}", 90, shape, forbidden))
        assert_near(client, instances, record_property)

    @pytest.mark.parametrize("shape", ["dense", "wait"])
    @pytest.mark.parametrize("forbidden", [0.2, 0.5, 0.8])
    def test_two_sides(self, client: redis.Redis, record_property: Record, shape: str, forbidden: float) -> None:
        shapes = [(15, 20, 0), (10, 10, 10), (0, 0, 30), (25, 25, 0)]
        instances = [
            random_sides(f"{shape} {forbidden} {seed}", *shapes[seed % 4], shape, forbidden) for seed in range(8)
        ]
        assert_near(client, instances, record_property)

    def test_a_partner_beyond_the_nearest(self, client: redis.Redis) -> None:
        """A hundred between them are forbidden to both, and so is everybody to everybody else."""
        line = [Entry(node, float(node), 100.0) for node in range(1, 103)]
        kinds = dict.fromkeys(range(2, 102), 2)
        sides = Instance([Entry(1, 1.0, 100.0), *line[1:101]], [line[101]], kinds, ((0.0, -1.0), (-1.0, -1.0)))
        apart = Instance(line, None, kinds, ((0.0, -1.0), (-1.0, -1.0)))
        assert solve(client, [apart, sides]) == [(99.0, 1), (99.0, 1)]

    def test_all_may_play_one_only(self, client: redis.Redis) -> None:
        line = [Entry(node, float(node), 100.0) for node in range(1, 61)]
        star = Instance(line, None, dict.fromkeys(range(2, 61), 2), ((0.0, 0.0), (0.0, -1.0)))
        assert solve(client, [star]) == [(199.0, 1)]


@st.composite
def any_instances(draw: st.DrawFn) -> Instance:
    """Small and arbitrary: lines and sides, ties, three kinds, extreme ratings and willingness."""
    size = draw(st.integers(0, 10))
    points = st.integers(0, 20).map(float) | st.floats(-1_000_000, 1_000_000)
    gives = st.sampled_from([0.0, 0.5, 2.0, 10.0, 1e300]) | st.floats(0, 2_000_000)
    places = [draw(st.lists(st.tuples(points, gives), min_size=size, max_size=size)) for _ in range(2)]
    prices = draw(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=6, max_size=6))
    table = tuple(tuple(prices[min(i, j) + max(i, j) * (max(i, j) + 1) // 2] for j in range(3)) for i in range(3))
    kinds = {node: draw(st.integers(1, 3)) for node in range(1, size + 1)}
    if draw(st.booleans()):
        return Instance([Entry(node, x, w) for node, (x, w) in enumerate(sorted(places[0]), 1)], None, kinds, table)
    offers = draw(st.lists(st.sampled_from([1, 2, 3]), min_size=size, max_size=size))
    a, b = (
        sorted(
            (
                Entry(node, *place)
                for node, (place, offer) in enumerate(zip(side, offers, strict=True), 1)
                if offer & bit
            ),
            key=lambda entry: entry.x,
        )
        for bit, side in zip((1, 2), places, strict=True)
    )
    return Instance(a, b, kinds, table) if draw(st.booleans()) else Instance(a, b)


@examples(200)
@given(instance=any_instances())
def test_every_answer_is_valid_and_maximal(client: redis.Redis, instance: Instance) -> None:
    """check() has the assertions; and nothing is better than the best, where that can be told."""
    (reached,) = solve(client, [instance])
    if any(entry.w > 2_000_000 for entry in [*instance.a, *(instance.b or ())]):
        return
    best = optimum(instance)
    assert reached.value <= best.value + 1e-3 + 1e-9 * best.value
