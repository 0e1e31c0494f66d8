"""A match settled: inactivity, starting skills, letters; and a season recomputed from its log."""

from __future__ import annotations

import ast
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

import matchmaker.ratings
from matchmaker.errors import InvalidInput
from matchmaker.ratings import (
    DAY_MS,
    Key,
    RatedPlayer,
    RatedResult,
    RatingSystem,
    Row,
    Skill,
    grown,
    letter_of,
    recompute,
    settle_match,
    settle_one,
    starting,
    system_of,
)
from matchmaker.rules import QueueRules, parse_rules

NOW: Final = 1_732_374_000_000
LETTERS: Final = {"S": 95.0, "A": 80.0, "B": 50.0, "C": 20.0}


def rules_of(body: str) -> QueueRules:
    return parse_rules("[ladder]\nresults = {}\n" + body, "queues.toml")["ladder"]


def system(rules: QueueRules) -> RatingSystem:
    found = system_of(rules)
    assert found is not None
    return found


def always(rules: QueueRules) -> Callable[[str, int], QueueRules]:
    """The same rules for every queue and version."""
    return lambda _queue, _version: rules


GLICKO: Final = rules_of('default_deviation = 350\nrating = { system = "glicko2", deviation_growth_per_day = 30 }')
OPENSKILL: Final = rules_of('default_deviation = 500\nrating = { system = "openskill", deviation_growth_per_day = 30 }')
ELO: Final = rules_of('rating = { system = "elo", deviation_growth_per_day = 30 }')


class TestGrown:
    def test_it_is_the_root_of_the_sum_of_squares(self) -> None:
        assert grown(30, 1, 40, 350) == pytest.approx(50)
        assert grown(30, 0.25, 80, 350) == pytest.approx(50)

    def test_it_ends_at_the_most_and_takes_nothing_away(self) -> None:
        assert grown(30, 10_000, 40, 350) == 350
        assert grown(400, 10, 40, 350) == 400

    @pytest.mark.parametrize(("days", "growth"), [(0, 40), (-5, 40), (5, 0)])
    def test_without_time_or_growth_it_stays_what_it_was(self, days: float, growth: float) -> None:
        assert grown(30.1, days, growth, 350) == 30.1

    @given(st.floats(0, 1e6), st.floats(0, 1e5), st.floats(0, 1e5), st.floats(0, 1e6))
    def test_two_absences_are_one_long_one(self, deviation: float, one: float, other: float, growth: float) -> None:
        once = grown(deviation, one + other, growth, 1e6)
        assert grown(grown(deviation, one, growth, 1e6), other, growth, 1e6) == pytest.approx(once, abs=1e-6)


class TestLetters:
    @pytest.mark.parametrize(
        ("percentile", "letter"),
        [(100, "S"), (95, "S"), (94.99, "A"), (80, "A"), (50, "B"), (20, "C"), (19.99, "D"), (0, "D")],
    )
    def test_a_letter_begins_at_its_percentile(self, percentile: float, letter: str) -> None:
        assert letter_of(percentile, LETTERS) == letter

    def test_without_letters_everybody_is_the_rest(self) -> None:
        assert letter_of(100, {}) == "D"


class TestStarting:
    def test_a_ticket_says_more_than_the_rules(self) -> None:
        assert starting(GLICKO, 1620, 80) == Skill(1620, 80, 0.06)
        assert starting(GLICKO, 1620) == Skill(1620, 350, 0.06)
        assert starting(GLICKO) == Skill(1500, 350, 0.06)

    @pytest.mark.parametrize(
        ("rating", "skill"),
        [
            ('{ system = "elo" }', Skill(1200, None, None)),
            ('{ system = "glicko2", volatility = 0.1 }', Skill(1200, 350, 0.1)),
            ('{ system = "openskill" }', Skill(1200, 400, None)),
        ],
    )
    def test_where_nobody_says_a_deviation_the_system_does(self, rating: str, skill: Skill) -> None:
        assert starting(rules_of(f"default_rating = 1200\nrating = {rating}")) == skill


class TestSystemOf:
    def test_a_queue_without_rating_has_none(self) -> None:
        assert system_of(rules_of("")) is None

    def test_it_takes_every_number_from_the_rules(self) -> None:
        teams, ranks = [[Skill(1500)], [Skill(1700)]], [1, 2]
        for one, other in [
            ('{ system = "elo" }', '{ system = "elo", k = 31 }'),
            ('{ system = "elo" }', '{ system = "elo", divisor = 399 }'),
            ('{ system = "glicko2" }', '{ system = "glicko2", tau = 0.6 }'),
            ('{ system = "glicko2" }', '{ system = "glicko2", volatility = 0.07 }'),
            ('{ system = "glicko2" }', '{ system = "glicko2" }\ndefault_deviation = 349'),
            ('{ system = "openskill" }', '{ system = "openskill" }\ndefault_deviation = 499'),
            ('{ system = "openskill" }', '{ system = "openskill" }\ndefault_rating = 1499'),
            ('{ system = "openskill" }', '{ system = "openskill", model = "thurstone_mosteller_full" }'),
        ]:
            first, second = (system(rules_of(f"rating = {rating}")).rate(teams, ranks) for rating in (one, other))
            assert first != second, other


class TestSettleMatch:
    @pytest.mark.parametrize("rules", [GLICKO, OPENSKILL])
    def test_who_was_away_is_uncertain_again_before_the_match_is_rated(self, rules: QueueRules) -> None:
        """Given one who last played 16 days ago, then it is as with a deviation of √(50² + 30²·16) = 130."""
        away, other = Skill(1500, 50, 0.06), Skill(1600, 80, 0.06)
        settled = settle_match(system(rules), rules, [[(away, NOW - 16 * DAY_MS)], [(other, NOW)]], [1, 2], NOW)
        wanted = system(rules).rate([[Skill(1500, 130, 0.06)], [other]], [1, 2])
        assert settled == wanted
        assert settled != system(rules).rate([[away], [other]], [1, 2])

    def test_nobody_is_less_certain_than_a_newcomer(self) -> None:
        years = [[(Skill(1500, 50, 0.06), 0)], [(Skill(1600, 80, 0.06), NOW)]]
        wanted = system(GLICKO).rate([[Skill(1500, 350, 0.06)], [Skill(1600, 80, 0.06)]], [2, 1])
        assert settle_match(system(GLICKO), GLICKO, years, [2, 1], NOW) == wanted

    @pytest.mark.parametrize("played_ms", [None, NOW, NOW + 5_000])
    def test_who_was_not_away_is_rated_as_they_are(self, played_ms: int | None) -> None:
        """A first match, the next in the same moment, and one that a clock set back puts before the last."""
        one, other = Skill(1500, 50, 0.06), Skill(1600, 80, 0.06)
        settled = settle_match(system(GLICKO), GLICKO, [[(one, played_ms)], [(other, NOW)]], [1, 2], NOW)
        assert settled == system(GLICKO).rate([[one], [other]], [1, 2])

    def test_elo_leaves_deviations_alone(self) -> None:
        settled = settle_match(system(ELO), ELO, [[(Skill(1500, 50), 0)], [(Skill(1500), 0)]], [1, 2], NOW)
        assert settled == [[Skill(1516, 50)], [Skill(1484)]]

    @pytest.mark.parametrize(
        ("teams", "ranks", "field"),
        [
            ([], [], "teams"),
            ([[Skill(1500)]], [1], "teams"),
            ([[Skill(1500)], []], [1, 2], "teams"),
            ([[Skill(1500)], [Skill(1500)]], [1], "ranks"),
            ([[Skill(1500)], [Skill(1500)]], [1, 3], "ranks"),
            ([[Skill(1500)], [Skill(1500)]], [2, 2], "ranks"),
            ([[Skill(1500)], [Skill(1500)]], [0, 1], "ranks"),
            ([[Skill(float("nan"))], [Skill(1500)]], [1, 2], "rating"),
            ([[Skill(1500)], [Skill(float("inf"))]], [1, 2], "rating"),
            ([[Skill(1500)], [Skill(-1_000_001)]], [1, 2], "rating"),
            ([[Skill(1500, -1)], [Skill(1500)]], [1, 2], "deviation"),
            ([[Skill(1500, float("nan"))], [Skill(1500)]], [1, 2], "deviation"),
            ([[Skill(1500, 50, 0)], [Skill(1500)]], [1, 2], "volatility"),
            ([[Skill(1500, 50, float("nan"))], [Skill(1500)]], [1, 2], "volatility"),
        ],
    )
    def test_what_is_no_match_is_refused(self, teams: list[list[Skill]], ranks: list[int], field: str) -> None:
        known: Any = [[(skill, None) for skill in team] for team in teams]
        with pytest.raises(InvalidInput) as caught:
            settle_match(system(GLICKO), GLICKO, known, ranks, NOW)
        assert caught.value.field == field


def result(number: int, one: str, other: str, ranks: tuple[int, int] = (1, 2), **fields: Any) -> RatedResult:
    teams = ((RatedPlayer(one, 1500),), (RatedPlayer(other, 1600, 90),))
    return replace(RatedResult(f"m{number}", "ladder", 1, NOW + number * DAY_MS, ranks, teams), **fields)


class TestRecompute:
    def test_a_season_is_one_match_after_the_other(self) -> None:
        """Given three matches, when they are replayed, then each starts from what the one before left."""
        log = [result(1, "alice", "bob"), result(2, "alice", "carol", (2, 1)), result(3, "bob", "alice", (1, 1))]
        changes = list(recompute(log, always(GLICKO), {}))
        alice = [change for change in changes if change.key == ("ladder", "alice", "")]
        assert [change.game for change in alice] == [1, 2, 3]
        assert [change.rank for change in alice] == [1, 2, 1]
        assert [change.match for change in changes] == ["m1", "m1", "m2", "m2", "m3", "m3"]
        assert alice[0].before == Skill(1500, 350, 0.06)
        assert [change.before for change in alice[1:]] == [change.after for change in alice[:-1]]
        assert alice[2].row == Row(alice[2].after, 3, log[2].at_ms)
        bob, last = [change for change in changes if change.key == ("ladder", "bob", "")]
        assert bob.before == Skill(1600, 90, 0.06)
        before = [[(bob.after, log[0].at_ms)], [(alice[1].after, log[1].at_ms)]]
        wanted = settle_match(system(GLICKO), GLICKO, before, (1, 1), log[2].at_ms)
        assert wanted == [[last.after], [alice[2].after]] != [[bob.after], [alice[1].after]]

    def test_it_goes_on_from_where_a_season_stood(self) -> None:
        """Given the first half's ratings, when the second half is replayed, then the numbers are those of the whole."""
        log = [result(number, "alice", "bob", (1, 2) if number % 3 else (2, 1)) for number in range(1, 21)]
        whole = list(recompute(log, always(GLICKO), {}))
        rows: dict[Key, Row] = {}
        for change in recompute(log[:10], always(GLICKO), rows):
            rows[change.key] = change.row
        assert list(recompute(log[10:], always(GLICKO), rows)) == whole[20:]

    def test_what_it_starts_from_is_left_alone(self) -> None:
        rows = {("ladder", "alice", ""): Row(Skill(1700, 60, 0.06), 40, NOW)}
        before = dict(rows)
        (first, _) = recompute([result(1, "alice", "bob")], always(GLICKO), rows)
        assert (first.before, first.game) == (Skill(1700, 60, 0.06), 41)
        assert rows == before

    def test_queues_and_sides_have_ratings_of_their_own(self) -> None:
        bw, sc2 = RatedPlayer("alice", 1500, side="bw"), RatedPlayer("alice", 1600, side="sc2")
        bob = RatedPlayer("bob", 1500, side="bw")
        log = [
            result(1, "alice", "bob", teams=((bw,), (RatedPlayer("carol", 1500, side="sc2"),))),
            result(2, "bob", "alice", teams=((bob,), (sc2,))),
            result(3, "alice", "bob", queue="other", teams=((bw,), (RatedPlayer("carol", 1500, side="sc2"),))),
        ]
        changes = list(recompute(log, always(GLICKO), {}))
        assert [(change.key, change.game) for change in changes if change.key[1] == "alice"] == [
            (("ladder", "alice", "bw"), 1),
            (("ladder", "alice", "sc2"), 1),
            (("other", "alice", "bw"), 1),
        ]

    def test_each_match_is_rated_by_the_rules_it_had(self) -> None:
        versions = {1: ELO, 2: rules_of(""), 3: rules_of('rating = { system = "elo", k = 10 }')}
        log = [
            result(
                version,
                "alice",
                "bob",
                rules_version=version,
                teams=((RatedPlayer("alice", 1500),), (RatedPlayer("bob", 1500),)),
            )
            for version in (1, 2, 3)
        ]
        asked: list[tuple[str, int]] = []

        def rules(queue: str, version: int) -> QueueRules:
            asked.append((queue, version))
            return versions[version]

        changes = list(recompute([*log, log[1]], rules, {}))
        assert [change.match for change in changes] == ["m1", "m1", "m3", "m3"]
        assert changes[0].after.rating - 1500 == 16
        assert 4 < changes[2].after.rating - changes[2].before.rating < 5
        assert asked == [("ladder", 1), ("ladder", 2), ("ladder", 3)]

    def test_a_match_that_cannot_be_rated_changes_nothing(self) -> None:
        rows: dict[Key, Row] = {}
        with pytest.raises(InvalidInput):
            settle_one(result(1, "alice", "bob", (2, 2)), GLICKO, system(GLICKO), rows)
        assert rows == {}

    @pytest.mark.parametrize("rules", [ELO, GLICKO, OPENSKILL])
    def test_another_process_gets_the_same_bits(self, rules: QueueRules) -> None:
        """Given a season of 300 matches, when a fresh interpreter with other hashes replays it, then no bit differs."""
        code = (
            "import sys; from matchmaker.ratings import recompute; from matchmaker.rules import QueueRules\n"
            "from tests.unit.test_ratings_settling import always, season\n"
            "rules = QueueRules.from_compiled(sys.argv[1])\n"
            "for c in recompute(season(), always(rules), {}): print(c.key, c.after)"
        )
        run = subprocess.run(
            [sys.executable, "-c", code, rules.compiled()],
            cwd=Path(__file__).parents[2], env={"PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        here = [f"{change.key} {change.after}" for change in recompute(season(), always(rules), {})]
        assert run.stdout.splitlines() == here
        assert len(here) == 600


def season() -> list[RatedResult]:
    """Three hundred matches of twenty players, in which the earlier one in the alphabet tends to win."""
    chance = random.Random(5)
    log = []
    for number in range(300):
        one, other = sorted(chance.sample(range(20), 2))
        ranks = chance.choices([(1, 2), (2, 1), (1, 1)], [6, 3, 1])[0]
        log.append(result(number, f"p{one:02}", f"p{other:02}", ranks, at_ms=NOW + number * 7_654_321))
    return log


def test_nothing_in_the_package_reads_a_clock_a_file_or_chance() -> None:
    allowed = {"__future__", "collections", "dataclasses", "itertools", "math", "typing", "matchmaker", "openskill"}
    for path in Path(matchmaker.ratings.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
                assert {name.partition(".")[0] for name in names} <= allowed, path


def test_openskill_is_loaded_only_where_it_rates() -> None:
    code = (
        "import sys; from matchmaker.ratings import system_of; from matchmaker.rules import QueueRules, EloRules\n"
        "system_of(QueueRules(results={}, rating={'system': 'elo'}))\n"
        "print('openskill' in sys.modules)\n"
        "system_of(QueueRules(results={}, rating={'system': 'openskill'}))\n"
        "print('openskill' in sys.modules)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["False", "True"]
