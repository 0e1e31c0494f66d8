"""The benchmarks: every row is there and says what it does, figures have their shape, floors are what they claim."""

from __future__ import annotations

import itertools
import json
import math
import random
import statistics
from pathlib import Path

import pytest
from click.testing import CliRunner

from matchmaker.rules import parse_rules
from scripts.benchmarks import rows
from scripts.benchmarks.__main__ import main
from scripts.benchmarks.contests import MOMENT_MS, Outcome, Shares, best_of, shares_figures
from scripts.benchmarks.enqueue import monitored
from scripts.benchmarks.harness import Figure, Run, alternate, at_least, at_most, percentile, ratios, under
from scripts.benchmarks.in_time import outcome, waves
from scripts.benchmarks.matchings import cheapest_perfect, heaviest, heaviest_across
from scripts.benchmarks.optimality_forbidden import SPOKEN, a_line, forbidden_share
from scripts.benchmarks.optimality_sides import USUAL, People, Player, Shape, best_matching, edges_of, rules_text
from scripts.benchmarks.pass_cost import Backlog
from scripts.benchmarks.plots import plot
from scripts.benchmarks.site import site
from scripts.benchmarks.virtual import Arrival
from scripts.benchmarks.wire import packed

PLANNED = [
    "pass-cost",
    "pass-cost-constraints",
    "own-function",
    "arrival-cost",
    "enqueue",
    "throughput",
    "doorbell-latency",
    "longest-hold",
    "memory",
    "idle-cost",
    "recorder",
    "answers",
    "settle",
    "loop-stall",
    "workers",
    "optimality-duels",
    "optimality-sides",
    "optimality-forbidden",
    "in-time",
    "regret",
    "estimate",
]
KEYS = {"row", "size", "value", "unit", "goal", "ok", "samples"}


def run_bench(*arguments: str) -> str:
    """What the command prints. It must have ended well."""
    result = CliRunner().invoke(main, [*arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_list_has_the_rows_that_were_planned() -> None:
    assert list(rows.NAMES) == PLANNED


@pytest.mark.parametrize("name", rows.NAMES)
def test_a_row_says_what_it_measures_and_against_what(name: str) -> None:
    row, text = rows.load(name)
    assert row.name == name
    assert any(character.isdigit() for character in row.goal)
    assert "Measured:" in text
    assert "Against:" in text


def test_list_prints_each_row_with_its_goal_and_measures_nothing() -> None:
    printed = run_bench("--list")
    for name in rows.NAMES:
        assert f"{name}: {rows.load(name)[0].goal}" in printed


def test_an_unknown_row_is_refused_with_the_names_there_are() -> None:
    result = CliRunner().invoke(main, ["pass-price"])
    assert result.exit_code == 2
    assert "pass-cost" in result.output


@pytest.mark.timeout(180)
def test_rows_measured_in_quick_mode_have_the_shape_that_was_promised(tmp_path: Path) -> None:
    """Given three cheap rows, when they are measured, then JSON, table, verdicts and pictures agree."""
    chosen = ("arrival-cost", "memory", "optimality-duels")
    printed = run_bench("--quick", "--json", str(tmp_path / "out.json"), "--plots", str(tmp_path / "plots"), *chosen)

    figures = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert {figure["row"] for figure in figures} == set(chosen)
    for figure in figures:
        assert set(figure) == KEYS
        assert isinstance(figure["size"], int | str)
        assert math.isfinite(figure["value"])
        assert figure["value"] > 0
        assert figure["unit"]
        assert all(isinstance(sample, float | int) for sample in figure["samples"])
        if figure["goal"] is None:
            assert figure["ok"] is None
        else:
            kind, bound = figure["goal"].split()
            wanted = {"≤": float.__le__, "≥": float.__ge__, "<": float.__lt__}[kind]
            # A goal is printed with six digits.
            assert figure["ok"] is wanted(float(figure["value"]), float(bound)) or figure["value"] == pytest.approx(
                float(bound), rel=1e-5
            )
    judged = [figure for figure in figures if figure["ok"] is not None]
    short = [figure for figure in judged if not figure["ok"]]
    assert {figure["row"] for figure in judged} == set(chosen)
    assert f"{len(judged) - len(short)} of {len(judged)} goals are met." in printed
    assert printed.count("falls short:") == len(short)
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {f"{name}.png" for name in chosen}


def test_what_falls_short_says_so() -> None:
    assert Figure("row", 1_000, 1.6, "×", at_most(1.5)).as_json()["ok"] is False
    assert Figure("row", 1_000, 1.5, "×", at_most(1.5)).ok is True
    assert Figure("row", 1_000, 5.0, "ms", under(5.0)).ok is False
    assert Figure("row", 1_000, 0.7, "×", at_least(0.7)).ok is True
    assert Figure("row", 1_000, math.nan, "×", at_least(0.7)).ok is False
    assert Figure("row", 1_000, math.nan, "×", at_most(0.7)).ok is False
    assert Figure("row", 1_000, 9.9, "µs").ok is None


def test_sides_are_measured_in_turns_and_the_first_round_is_thrown_away() -> None:
    """Given two sides that note when they were called, then neither always goes first."""
    order: list[str] = []
    numbers = itertools.count()

    def side(name: str) -> float:
        order.append(name)
        return float(next(numbers))

    a, b = alternate(2, lambda: side("A"), lambda: side("B"))
    assert "".join(order) == "ABBAAB"
    assert (a, b) == ((3.0, 4.0), (2.0, 5.0))
    assert ratios((3.0, 4.0), (2.0, 5.0)) == (1.5, 0.8)


def test_a_percentile_is_the_smallest_sample_that_covers_its_share() -> None:
    samples = [float(number) for number in range(1_000, 0, -1)]
    assert [percentile(samples, share) for share in (0.0, 0.5, 0.99, 0.999, 1.0)] == [1, 500, 990, 999, 1000]
    assert percentile([7.0], 0.999) == 7.0


def test_pictures_are_drawn_of_what_has_goals(tmp_path: Path) -> None:
    figures = [Figure("a-row", 1_000, 1.2, "×", at_most(1.5), (1.1, 1.3)), Figure("other", 1, 2.0, "µs")]
    assert [path.name for path in plot(tmp_path, figures)] == ["a-row.png"]


# -- floors and baselines --------------------------------------------------------------------------------------------


def test_the_floor_of_a_pass_does_all_the_writing_and_is_caught_if_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a small backlog, then pass and floor each account for what they took; a floor that writes less fails."""
    floor = Path("scripts/benchmarks/floor.lua").read_text(encoding="utf-8")
    with site(Run(quick=True)) as own:
        backlog = Backlog(own, 300, seed=1)
        assert backlog.by_pass() > 0
        assert backlog.by_floor() > 0

        lazy = floor.replace('call("HDEL", PLAYERS, unpack(players))', "")
        assert lazy != floor
        monkeypatch.setattr(backlog, "_floor_sha", own.client.script_load(lazy))
        with pytest.raises(RuntimeError, match="changed by"):
            backlog.by_floor()
        backlog.wire.close()


def test_a_monitored_command_is_read_back_byte_for_byte() -> None:
    """Given a command of all bytes there are, when MONITOR shows it, then it is read as it was sent."""
    command = [b"ECHO", bytes(range(256)) + b'\\x41 "quoted" \\'], [b"ECHO", b""]
    with site(Run(quick=True)) as own, own.wire() as monitor, own.wire() as wire:
        monitor.ask("MONITOR")
        for sent in command:
            wire.send(packed(*sent))
            wire.replies(1)
            (line,) = monitor.replies(1)
            assert monitored(line) == sent


@pytest.mark.parametrize("seed", range(5))
def test_matchings_to_compare_with_are_the_best_there_are(seed: int) -> None:
    """Given a handful of places, then no other matching is heavier, and no other perfect one cheaper."""
    rng = random.Random(seed)
    weights = {pair: rng.randint(0, 5) / 2 for pair in itertools.combinations(range(6), 2) if rng.random() < 0.7}
    costs = {pair: rng.uniform(0.0, 9.0) for pair in itertools.combinations(range(6), 2)}

    def matchings(places: tuple[int, ...]) -> list[list[tuple[int, int]]]:
        if len(places) < 2:
            return [[]]
        first, rest = places[0], places[1:]
        found = matchings(rest)
        for other in rest:
            left = tuple(place for place in rest if place != other)
            found += [[(first, other), *more] for more in matchings(left)]
        return found

    every = matchings(tuple(range(6)))
    allowed = [pairs for pairs in every if all(pair in weights for pair in pairs)]
    chosen = heaviest((a, b, weight) for (a, b), weight in weights.items())
    best = max((sum(weights[pair] for pair in pairs), len(pairs)) for pairs in allowed)
    assert (sum(weights[pair] for pair in chosen), len(chosen)) == best

    perfect = cheapest_perfect(6, costs)
    assert len(perfect) == 3
    cheapest = min(sum(costs[pair] for pair in pairs) for pairs in every if len(pairs) == 3)
    assert sum(costs[pair] for pair in perfect) == pytest.approx(cheapest, abs=1e-5)


@pytest.mark.parametrize("seed", range(20))
def test_across_two_sides_both_methods_find_the_same(seed: int) -> None:
    """Given a random line of two sides, some pairs without value, then the Hungarian method is as good as blossom."""
    rng = random.Random(seed)
    count, width = rng.randint(0, 9), rng.randint(1, 9)
    weights = {
        (a, 100 + b): rng.choice([0.0, 0.5, rng.uniform(0.0, 9.0)])
        for a, b in itertools.product(range(count), range(width))
        if rng.random() < 0.6
    }
    across = heaviest_across(weights)
    assert len({place for pair in across for place in pair}) == 2 * len(across)
    by_blossom = heaviest((a, b, weight) for (a, b), weight in weights.items())
    assert len(across) == len(by_blossom)
    assert sum(weights[pair] for pair in across) == pytest.approx(sum(weights[pair] for pair in by_blossom), abs=1e-5)


def test_who_offers_both_sides_plays_the_one_that_is_worth_more() -> None:
    """Given one who plays bw only, one who plays both and one who plays sc2 only, then each pair counts at its better
    orientation, and the two of one side never meet."""
    rules = parse_rules(f"[line]\n{rules_text(100, USUAL)}", "test")["line"]
    line = [
        Player({"bw": 1500.0}, MOMENT_MS),
        Player({"bw": 1400.0, "sc2": 1520.0}, MOMENT_MS),
        Player({"sc2": 1410.0}, MOMENT_MS - 5000),
        Player({"bw": 2900.0}, MOMENT_MS),
    ]
    values = {(a, b): value for a, b, value in edges_of(rules, line)}
    assert values == {(0, 1): 180.0, (0, 2): 115.0, (1, 2): 195.0}
    assert best_matching(rules, line) == best_of(edges_of(rules, line)) == Outcome(195.0, 1)
    alone = [line[0], line[2], line[3]]
    assert best_matching(rules, alone) == best_of(edges_of(rules, alone)) == Outcome(115.0, 1)


def test_lines_of_sides_have_the_shape_that_was_asked_for() -> None:
    line = People(Run()).line(random.Random(4), Shape(10, 20, 5, 1, 1))
    assert sorted(tuple(sorted(player.ratings)) for player in line) == [
        *[("bw",)] * 10,
        *[("bw", "sc2")] * 5,
        *[("sc2",)] * 20,
    ]
    assert [player.since_ms for player in line] == sorted(player.since_ms for player in line)


@pytest.mark.parametrize("percent", SPOKEN)
def test_as_many_pairs_are_forbidden_as_the_row_says(percent: int) -> None:
    rng = random.Random(1)
    assert statistics.mean(forbidden_share(a_line(rng, 200, percent)) for _ in range(5)) == pytest.approx(
        percent / 100, abs=0.04
    )


def test_mean_and_worst_line_are_judged_apart() -> None:
    """Given two perfect lines and one at 95%, then the mean of 98.3% and the worst line both fall short."""
    shares = [Shares(1.0, 1.0), Shares(1.0, 1.0), Shares(0.95, 1.0)]
    figures = {str(figure.size): figure.ok for figure in shares_figures("row", "10v20", shares)}
    assert figures == {
        "10v20: value": False,
        "10v20: worst value": False,
        "10v20: pairs": True,
        "10v20: worst pairs": True,
    }
    assert not any(figure.ok for figure in shares_figures("row", "x", [Shares(0.999, 0.999)], exact=True))
    assert Shares.of(Outcome(0.0, 0), Outcome(0.0, 0)) == Shares(1.0, 1.0)


def test_the_wave_widens_its_window_and_takes_the_smallest_gap_first() -> None:
    """Given three near players and one apart, then the nearest two meet at once, the others when a window reaches."""
    arrivals = [Arrival(0.0, 1500.0), Arrival(10.0, 1590.0), Arrival(20.0, 1610.0), Arrival(50.0, 1290.0)]
    matches = waves(arrivals, 200.0)
    assert [(match.one, match.other, match.at) for match in matches] == [(1, 2, 45.0), (0, 3, 180.0)]

    result = outcome(arrivals, matches[:1], 200.0)
    assert result.wait == statistics.mean([200.0, 35.0, 25.0, 150.0])
    assert result.gap == 20.0
    assert result.left == 2
