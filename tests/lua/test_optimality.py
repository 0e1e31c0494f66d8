"""The pass against exact matching: disjoint, allowed, and the best there is."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from matchmaker import Match
from matchmaker.rules import QueueRules
from matchmaker.willingness import Waiting, is_due, pair_value
from tests.lua.strategies import any_rules, everyday_rules, examples
from tests.lua.world import START_MS, World, new_world
from tests.oracle import line_optimum, waitings

WAIT_MS = 600_000


def on_grid() -> st.SearchStrategy[list[Waiting]]:
    """Lines whose values are equal or clearly different: ties abound."""
    places = st.tuples(st.integers(1495 * 2, 1525 * 2), st.integers(0, 40), st.sampled_from([0.0, 0.0, 80.0, 200.0]))
    return st.lists(places, max_size=14).map(
        lambda line: [Waiting(f"t{i}", rating / 2, 1_000 * at, dev) for i, (rating, at, dev) in enumerate(line)]
    )


def passes(world: World, most: int = 100) -> list[Match]:
    """Passes until nobody is due, over arrivals that the interval holds back too."""
    matches: list[Match] = []
    for _ in range(most):
        report = world.match_pass(ahead=True, shown=1000)
        matches += report.matches
        if report.made == 0 and (report.next_ms is None or report.next_ms > world.now):
            return matches
        if report.made == 0 and report.looked == 0:
            return matches
    raise AssertionError("the passes do not end")


def matched(client: redis.Redis, rules: QueueRules, line: Sequence[Waiting], now_ms: int) -> tuple[float, int]:
    """Total value and number of the pairs that passes make of the line; each of them allowed, all of them disjoint."""
    with new_world(client, rules) as world:
        shifted = {one.ticket: replace(one, enqueued_ms=one.enqueued_ms + START_MS) for one in line}
        world.arrive(list(shifted.values()))
        world.now = now_ms + START_MS
        total = 0.0
        matches = passes(world)
        for match in matches:
            a, b = (shifted.pop(ticket.id) for ticket in match.tickets)
            assert is_due(rules, a, b, world.now), (a, b)
            value = pair_value(rules, a, b, world.now)
            assert match.value == pytest.approx(value, abs=1e-6, rel=1e-9)
            assert match.gap == pytest.approx(abs(a.rating - b.rating), rel=1e-9)
            total += value
        assert {ticket for ticket, _ in world.line()} == shifted.keys()
        world.assert_coherent()
        return total, len(matches)


class TestSum:
    @examples(200)
    @given(rules=everyday_rules("sum"), line=on_grid(), later=st.integers(0, 60))
    def test_the_value_and_then_the_number_of_pairs_are_the_optimum(
        self, client: redis.Redis, rules: QueueRules, line: list[Waiting], later: int
    ) -> None:
        now = 40_000 + 1_000 * later
        total, count = matched(client, rules, line, now)
        best, most = line_optimum(rules, line, now)
        assert total == pytest.approx(best, abs=1e-3)
        assert count == most

    @examples(200)
    @given(rules=any_rules(), line=waitings(), later=st.integers(0, WAIT_MS))
    def test_under_any_rules(self, client: redis.Redis, rules: QueueRules, line: list[Waiting], later: int) -> None:
        """Rules at the ends of their bounds; what "either" and "both" make is no better than the best."""
        now = WAIT_MS + later
        total, _ = matched(client, rules, line, now)
        best, _ = line_optimum(rules, line, now)
        if rules.accept == "sum":
            assert total == pytest.approx(best, abs=1e-3, rel=1e-9)
        else:
            assert total <= best + 1e-3 + 1e-9 * best

    @pytest.mark.parametrize("first", ["lowest", "highest", "any"])
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("size", [30, 65, 100])
    def test_a_line_that_fits_a_slice(self, client: redis.Redis, size: int, seed: int, first: str) -> None:
        """Wherever on the line the pass begins, which is with the ticket that came first."""
        rules, line, now = random_line("sum", size, seed)
        if first != "any":
            end = (min if first == "lowest" else max)(range(size), key=lambda place: line[place].rating)
            line[end] = replace(line[end], enqueued_ms=0)
        total, count = matched(client, rules, line, now)
        best, most = line_optimum(rules, line, now)
        assert total == pytest.approx(best, abs=1e-3)
        assert count == most


def random_line(accept: str, size: int, seed: int) -> tuple[QueueRules, list[Waiting], int]:
    """A line in which about everything is due, the harder kind: crowded, waits from none to a minute."""
    rng = random.Random(f"{accept} {size} {seed}")
    rules = QueueRules.model_validate(
        {
            "accept": accept,
            "max_gap": rng.choice([20.0, 100.0, 300.0]),
            "willingness": rng.choice(
                [
                    {"per_second": 1.0},
                    {"per_second": 1.0, "cap": 30.0},
                    {"per_second": 0.5, "per_deviation": 0.25, "deviation_above": 50.0},
                    {"kind": "stepped", "step": 20.0, "every_seconds": 15.0},
                    {"kind": "exponential", "base": 2.0, "doubling_seconds": 12.0},
                ]
            ),
        }
    )
    spread = rng.choice([20, 60, 150])
    line = [
        Waiting(
            f"t{i}", round(rng.gauss(1500, spread) * 8) / 8, rng.randrange(1, 60_000), rng.choice([0.0, 80.0, 350.0])
        )
        for i in range(size)
    ]
    return rules, line, 60_000


@pytest.mark.parametrize(("accept", "mean"), [("either", 0.995), ("both", 0.98)])
def test_gated_pairs_come_close_to_the_optimum(
    client: redis.Redis, record_property: Callable[[str, object], None], accept: str, mean: float
) -> None:
    """Pairs gated by more than their value are matched by a heuristic; its least share of the optimum is recorded."""
    shares = []
    for seed in range(40):
        rules, line, now = random_line(accept, 10 + seed, seed)
        total, _ = matched(client, rules, line, now)
        best, _ = line_optimum(rules, line, now)
        shares.append(total / best if best > 0 else 1.0)
    record_property(f"{accept}_mean", statistics.mean(shares))
    record_property(f"{accept}_minimum", min(shares))
    assert statistics.mean(shares) >= mean
