"""Rating systems: what was published about each, and what holds for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import exp, isfinite, log, pi, sqrt
from typing import Any, Final

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from matchmaker.ratings import RatingSystem, Skill, system_of
from matchmaker.ratings.elo import Elo, expected
from matchmaker.ratings.glicko2 import MAX_VOLATILITY, MIN_VOLATILITY, SCALE, Game, Glicko2
from matchmaker.ratings.weng_lin import OpenSkill
from matchmaker.rules import QueueRules
from matchmaker.rules.lifecycle_fields import OpenSkillModel

MODELS: Final[tuple[OpenSkillModel, ...]] = ("plackett_luce", "bradley_terry_full", "thurstone_mosteller_full")
TABLES: Final[list[dict[str, Any]]] = [
    {"system": "elo"},
    {"system": "elo", "k": 20, "divisor": 200},
    {"system": "glicko2"},
    {"system": "glicko2", "tau": 1.2, "volatility": 0.1},
    *({"system": "openskill", "model": model} for model in MODELS),
]


def system(table: dict[str, Any], **queue: Any) -> RatingSystem:
    found = system_of(QueueRules.model_validate({"results": {}, "rating": table} | queue))
    assert found is not None
    return found


SYSTEMS: Final = st.sampled_from([system(table) for table in TABLES])


def everyday_skills() -> st.SearchStrategy[Skill]:
    return st.builds(Skill, st.floats(500, 2500), st.none() | st.floats(30, 350), st.none() | st.floats(0.03, 0.2))


def any_skills() -> st.SearchStrategy[Skill]:
    """Everyday ones, and whatever the bounds allow."""
    ratings = st.sampled_from([-1e6, 0.0, 1e6]) | st.floats(-1e6, 1e6)
    deviations = st.none() | st.sampled_from([0.0, 1e-300, 1e6]) | st.floats(0, 1e6)
    volatilities = st.none() | st.sampled_from([MIN_VOLATILITY, MAX_VOLATILITY]) | st.floats(0.0001, 1)
    return everyday_skills() | st.builds(Skill, ratings, deviations, volatilities)


def teams_of(skills: st.SearchStrategy[Skill], teams: int = 2) -> st.SearchStrategy[list[list[Skill]]]:
    return st.lists(st.lists(skills, min_size=1, max_size=4), min_size=teams, max_size=teams)


@st.composite
def ranked(draw: st.DrawFn, skills: st.SearchStrategy[Skill]) -> tuple[list[list[Skill]], list[int]]:
    """Two to five teams with ranks as in competitions: 1, 1, 3."""
    teams = draw(teams_of(skills, draw(st.integers(2, 5))))
    places = [draw(st.integers(1, len(teams))) for _ in teams]
    return teams, [1 + sum(other < place for other in places) for place in places]


def ratings(teams: Sequence[Sequence[Skill]]) -> list[float]:
    return [skill.rating for team in teams for skill in team]


def numbers(teams: Sequence[Sequence[Skill]]) -> list[float]:
    """All that is known of all players; −1 for what is not."""
    found = (number for team in teams for one in team for number in (one.rating, one.deviation, one.volatility))
    return [-1 if number is None else number for number in found]


class TestElo:
    @pytest.mark.parametrize(
        ("ahead", "chance"),
        [(0, 0.50), (50, 0.57), (100, 0.64), (150, 0.70), (200, 0.76), (250, 0.81), (300, 0.85)],
    )
    def test_expectations_are_those_of_fides_table(self, ahead: float, chance: float) -> None:
        """FIDE rating regulations 8.1.2: difference in rating to expected score, in two digits."""
        assert round(expected(1500 + ahead, 1500, 400), 2) == chance
        assert expected(1500 - ahead, 1500, 400) == pytest.approx(1 - expected(1500 + ahead, 1500, 400))

    def test_a_divisor_ahead_is_ten_of_eleven(self) -> None:
        assert expected(1900, 1500, 400) == pytest.approx(10 / 11)
        assert expected(1700, 1500, 200) == pytest.approx(10 / 11)

    def test_the_five_games_of_the_usual_example(self) -> None:
        """1613 loses to 1609, draws with 1477, beats 1388 and 1586, loses to 1720: 2.5 of 2.87, so 1601 at K = 32."""
        games = [(1609, [2, 1]), (1477, [1, 1]), (1388, [1, 2]), (1586, [1, 2]), (1720, [2, 1])]
        rated = [Elo(32, 400).rate([[Skill(1613)], [Skill(opponent)]], ranks)[0][0] for opponent, ranks in games]
        assert sum(expected(1613, opponent, 400) for opponent, _ in games) == pytest.approx(2.867, abs=0.0005)
        assert round(1613 + sum(skill.rating - 1613 for skill in rated)) == 1601

    @pytest.mark.parametrize(("k", "change"), [(40, 20), (20, 10), (10, 5)])
    def test_a_win_against_an_equal_is_half_of_k(self, k: float, change: float) -> None:
        """FIDE's K of 40 for newcomers, 20, and 10 from 2400 on."""
        rated = Elo(k, 400).rate([[Skill(2400)], [Skill(2400)]], [1, 2])
        assert ratings(rated) == [2400 + change, 2400 - change]

    def test_teams_count_by_their_mean_and_gain_alike(self) -> None:
        rated = Elo(32, 400).rate([[Skill(1400), Skill(1800)], [Skill(1600)]], [1, 2])
        assert ratings(rated) == [1416, 1816, 1584]

    def test_more_teams_share_one_k(self) -> None:
        """Given three equals, when one wins and two draw, then the winner gains half of K, which both others lose."""
        rated = Elo(32, 400).rate([[Skill(1500)], [Skill(1500)], [Skill(1500)]], [2, 1, 2])
        assert ratings(rated) == [1492, 1516, 1492]

    def test_what_it_does_not_know_is_kept(self) -> None:
        rated = Elo(32, 400).rate([[Skill(1500, 80, 0.05)], [Skill(1500)]], [1, 2])
        assert rated == [[Skill(1516, 80, 0.05)], [Skill(1484)]]

    @given(
        st.integers(1, 4).flatmap(
            lambda size: st.lists(st.lists(everyday_skills(), min_size=size, max_size=size), min_size=2, max_size=5)
        ),
        st.data(),
    )
    def test_what_is_won_is_lost(self, teams: list[list[Skill]], data: st.DataObject) -> None:
        ranks = data.draw(st.permutations(range(1, len(teams) + 1)))
        assert sum(ratings(Elo(32, 400).rate(teams, ranks))) == pytest.approx(sum(ratings(teams)), abs=1e-8)

    @given(ranked(any_skills()))
    def test_no_match_moves_more_than_k(self, match: tuple[list[list[Skill]], list[int]]) -> None:
        teams, ranks = match
        changes = [
            after - before for before, after in zip(ratings(teams), ratings(Elo(32, 1).rate(teams, ranks)), strict=True)
        ]
        assert max(map(abs, changes)) <= 32 + 1e-9


class TestGlicko2:
    GLICKO: Final = Glicko2(0.5, 350, 0.06)

    def test_glickmans_example(self) -> None:
        """ "Example of the Glicko-2 system": 1500/200/0.06 against 1400/30, 1550/100 and 1700/300."""
        games = [Game(1400, 30, 1), Game(1550, 100, 0), Game(1700, 300, 0)]
        after = self.GLICKO.after_period(Skill(1500, 200, 0.06), games)
        assert after.rating == pytest.approx(1464.06, abs=0.02)  # the paper rounds on its way
        assert after.deviation == pytest.approx(151.52, abs=0.01)
        assert after.volatility == pytest.approx(0.05999, abs=0.00001)

    def test_the_scale_has_no_middle(self) -> None:
        """Given the same games a thousand points higher, then all that is other is the thousand points."""
        games = [Game(1400, 30, 1), Game(1550, 100, 0), Game(1700, 300, 0)]
        here = self.GLICKO.after_period(Skill(1500, 200, 0.06), games)
        there = self.GLICKO.after_period(
            Skill(2500, 200, 0.06), [game._replace(rating=game.rating + 1000) for game in games]
        )
        moved = [[Skill(there.rating - 1000, there.deviation, there.volatility)]]
        assert numbers(moved) == pytest.approx(numbers([[here]]), rel=1e-12)

    def test_a_period_without_games_only_widens(self) -> None:
        """Step 6 of the paper."""
        after = self.GLICKO.after_period(Skill(1500, 200, 0.06), [])
        assert numbers([[after]]) == pytest.approx([1500, sqrt(200**2 + (SCALE * 0.06) ** 2), 0.06])

    def test_a_surprise_makes_more_volatile_and_an_expected_result_less(self) -> None:
        strong, weak = Skill(1900, 50, 0.06), Skill(1400, 50, 0.06)
        upset, usual = self.GLICKO.rate([[strong], [weak]], [2, 1]), self.GLICKO.rate([[strong], [weak]], [1, 2])
        assert (upset[0][0].volatility or 0) > 0.06 > (usual[0][0].volatility or 1)

    @given(
        st.floats(0.2, 1.5),
        st.builds(Skill, st.just(1500.0), st.floats(30, 350), st.floats(0.03, 0.2)),
        st.builds(Game, st.floats(500, 2500), st.floats(30, 350), st.sampled_from([0.0, 0.5, 1.0])),
    )
    @example(0.9, Skill(1500, 60, 0.06), Game(2300, 60, 1.0))
    def test_volatility_is_what_solves_its_equation(self, tau: float, before: Skill, game: Game) -> None:
        """The root of ``f`` in step 5, written out as the paper has it."""
        after = Glicko2(tau, 350, 0.06).after_period(before, [game])
        assert before.volatility is not None
        assert before.deviation is not None
        assert after.volatility is not None
        phi, phi_j = before.deviation / SCALE, game.deviation / SCALE
        g = 1 / sqrt(1 + 3 * phi_j**2 / pi**2)
        chance = 1 / (1 + exp(-g * (before.rating - game.rating) / SCALE))
        v = 1 / (g**2 * chance * (1 - chance))
        delta = v * g * (game.score - chance)
        x, a = log(after.volatility**2), log(before.volatility**2)
        left = exp(x) * (delta**2 - phi**2 - v - exp(x)) / (2 * (phi**2 + v + exp(x)) ** 2)
        assert left == pytest.approx((x - a) / tau**2, abs=1e-4)

    def test_the_greatest_surprise_does_not_carry_volatility_off(self) -> None:
        """Given an upset over 2,500 points, where step 5 has a second root far beyond, then the near one is found."""
        after = self.GLICKO.rate([[Skill(3000, 30, 0.06)], [Skill(500, 30, 0.06)]], [2, 1])[0][0]
        assert after.volatility == pytest.approx(0.06, abs=0.001)
        assert 2980 < after.rating < 3000

    @pytest.mark.parametrize(("strange", "bound"), [(1e-300, MIN_VOLATILITY), (50.0, MAX_VOLATILITY)])
    def test_a_volatility_beyond_its_bounds_counts_as_the_bound(self, strange: float, bound: float) -> None:
        rated = [self.GLICKO.rate([[Skill(1500, 80, one)], [Skill(1500)]], [1, 2]) for one in (strange, bound)]
        assert rated[0] == rated[1]

    def test_a_team_is_one_opponent(self) -> None:
        """Mean rating, root mean square deviation: against 1400/30 and 1600/42 it is as against 1500/36.5."""
        alone = [[Skill(1450, 100, 0.06)], [Skill(1500, sqrt((30**2 + 42**2) / 2), 0.06)]]
        team = [[Skill(1450, 100, 0.06)], [Skill(1400, 30, 0.06), Skill(1600, 42, 0.06)]]
        assert self.GLICKO.rate(team, [1, 2])[0] == self.GLICKO.rate(alone, [1, 2])[0]

    def test_more_teams_are_games_of_one_period(self) -> None:
        teams = [[Skill(1500, 200, 0.06)], [Skill(1400, 30)], [Skill(1550, 100)], [Skill(1700, 300)]]
        after = self.GLICKO.rate(teams, [3, 4, 1, 1])[0][0]
        assert after.rating == pytest.approx(1464.06, abs=0.02)

    def test_what_a_skill_lacks_is_a_newcomers(self) -> None:
        whole = self.GLICKO.rate([[Skill(1500, 350, 0.06)], [Skill(1600, 350, 0.06), Skill(1500, 350, 0.06)]], [1, 2])
        assert self.GLICKO.rate([[Skill(1500)], [Skill(1600), Skill(1500)]], [1, 2]) == whole

    @given(ranked(any_skills()), st.floats(0.01, 10))
    def test_a_deviation_grows_by_no_more_than_the_volatility(
        self, match: tuple[list[list[Skill]], list[int]], tau: float
    ) -> None:
        teams, ranks = match
        for team, rated in zip(teams, Glicko2(tau, 350, 0.06).rate(teams, ranks), strict=True):
            for before, after in zip(team, rated, strict=True):
                assert after.deviation is not None
                assert after.volatility is not None
                assert MIN_VOLATILITY <= after.volatility <= MAX_VOLATILITY
                widest = sqrt(
                    (350 if before.deviation is None else before.deviation) ** 2 + (SCALE * after.volatility) ** 2
                )
                assert after.deviation <= widest * (1 + 1e-12)


class TestOpenSkill:
    def test_the_example_of_its_readme(self) -> None:
        """Four newcomers of 25 in two teams: 26.9643 and 23.0357 with a deviation of 8.17796."""
        new = Skill(25, 25 / 3)
        rated = OpenSkill("plackett_luce", 25, 25 / 3).rate([[new, new], [new, new]], [1, 2])
        assert ratings(rated) == pytest.approx([26.964294621803063] * 2 + [23.035705378196937] * 2, rel=1e-12)
        assert [one.deviation for team in rated for one in team] == pytest.approx([8.177962604389991] * 4, rel=1e-12)

    @pytest.mark.parametrize("model", MODELS)
    def test_points_are_another_unit(self, model: OpenSkillModel) -> None:
        """Given 60 points for each of its units, when the same match is rated, then each number is 60 times its own."""
        small, large = OpenSkill(model, 25, 25 / 3), OpenSkill(model, 1500, 500)
        teams = [[Skill(27, 5), Skill(20, 8)], [Skill(24, 2)], [Skill(30, 1)]]
        scaled = [[Skill(one.rating * 60, (one.deviation or 0) * 60) for one in team] for team in teams]
        for ranks in ([1, 2, 3], [3, 1, 1], [1, 1, 1]):
            assert ratings(large.rate(scaled, ranks)) == pytest.approx(
                [60 * one for one in ratings(small.rate(teams, ranks))]
            )

    @pytest.mark.parametrize(
        ("model", "start", "ranks", "wanted"),
        [
            ("plackett_luce", (20.35125162611535, 8.33148112355601), [1, 2],
             [(23.855123082692877, 8.22447878583752), (16.84738016953782, 8.179571171464575)]),
            ("plackett_luce", (20.35125162611535, 8.33148112355601), [1, 2, 1],
             [(21.63766806988004, 8.310709773172306), (19.53956360838512, 8.268148437657915),
              (19.87652320008089, 8.237522411103104)]),
            ("bradley_terry_full", (16.03354781649136, 12.429396412128556), [1, 2],
             [(20.686574848684717, 12.190916868103495), (11.380520784298003, 12.090638819927161)]),
            ("bradley_terry_full", (16.03354781649136, 12.429396412128556), [1, 2, 1],
             [(22.368878389960223, 12.064304058091345), (9.40905558180175, 11.91450441624131),
              (16.32270947771211, 11.999970481449761)]),
            ("thurstone_mosteller_full", (17.369819397619647, 5.379790119094205), [1, 2],
             [(22.64925412780908, 5.105413295791267), (12.090384667430214, 4.987055119379737)]),
            ("thurstone_mosteller_full", (17.369819397619647, 5.379790119094205), [1, 2, 1],
             [(29.3305463246164, 4.860405772327232), (11.673700042291802, 4.910478681463609),
              (11.105211825950738, 4.877671631940031)]),
        ],
    )  # fmt: skip
    def test_the_numbers_of_its_own_tests(
        self, model: OpenSkillModel, start: tuple[float, float], ranks: list[int], wanted: list[tuple[float, float]]
    ) -> None:
        """A team of one, a team of two and, where three are ranked, a team of three; all members are alike."""
        teams = [[Skill(*start)] * size for size in range(1, len(ranks) + 1)]
        rated = OpenSkill(model, 25, 25 / 3).rate(teams, ranks)
        assert [(one.rating, one.deviation) for team in rated for one in team] == [
            pytest.approx(numbers, rel=1e-12) for size, numbers in enumerate(wanted, start=1) for _ in range(size)
        ]

    @pytest.mark.parametrize("model", MODELS)
    def test_ratings_far_from_zero_are_rated_like_others(self, model: OpenSkillModel) -> None:
        """Given a duel at the end of the scale, where ``exp`` overflows, then it is rated as near zero."""
        rated = OpenSkill(model, 1500, 500)
        far = rated.rate([[Skill(900_000, 100)], [Skill(900_100, 200)]], [1, 2])
        near = rated.rate([[Skill(0, 100)], [Skill(100, 200)]], [1, 2])
        assert [one - 900_000 for one in ratings(far)] == pytest.approx(ratings(near), abs=1e-6)

    def test_a_deviation_ends_where_those_of_tickets_do(self) -> None:
        """Given the widest deviation in a match that says next to nothing, then tau adds nothing to it."""
        high, low = [Skill(1e6, 1e6)] + [Skill(1e6, 0)] * 7, [Skill(-1e6, 0)] * 8
        rated = OpenSkill("plackett_luce", 1500, 1e6).rate([high, low], [1, 2])
        assert rated[0][0].deviation == 1_000_000

    @given(ranked(any_skills()), st.sampled_from(MODELS))
    def test_a_deviation_grows_by_no_more_than_tau(
        self, match: tuple[list[list[Skill]], list[int]], model: OpenSkillModel
    ) -> None:
        teams, ranks = match
        for team, rated in zip(teams, OpenSkill(model, 1500, 500).rate(teams, ranks), strict=True):
            for before, after in zip(team, rated, strict=True):
                assert after.deviation is not None
                assert after.volatility == before.volatility
                deviation = 500 if before.deviation is None else before.deviation
                assert after.deviation <= sqrt(deviation**2 + 5**2) * (1 + 1e-9)


class TestEverySystem:
    @given(SYSTEMS, teams_of(any_skills()))
    def test_who_wins_loses_no_points_and_who_loses_wins_none(
        self, system: RatingSystem, teams: list[list[Skill]]
    ) -> None:
        winners, losers = system.rate(teams, [1, 2])
        assert all(after.rating >= before.rating for before, after in zip(teams[0], winners, strict=True))
        assert all(after.rating <= before.rating for before, after in zip(teams[1], losers, strict=True))

    @given(SYSTEMS, everyday_skills(), everyday_skills())
    def test_a_win_is_worth_something(self, system: RatingSystem, one: Skill, other: Skill) -> None:
        ((winner,), (loser,)) = system.rate([[one], [other]], [1, 2])
        assert winner.rating > one.rating
        assert loser.rating < other.rating

    @given(SYSTEMS, everyday_skills())
    def test_a_draw_between_equals_moves_nobody(self, system: RatingSystem, skill: Skill) -> None:
        assert ratings(system.rate([[skill], [skill]], [1, 1])) == pytest.approx([skill.rating] * 2, abs=1e-9)

    @given(SYSTEMS, everyday_skills(), everyday_skills())
    def test_a_draw_brings_two_nearer(self, system: RatingSystem, one: Skill, other: Skill) -> None:
        assume(one.rating > other.rating + 1)
        ((first,), (second,)) = system.rate([[one], [other]], [1, 1])
        assert first.rating <= one.rating
        assert second.rating >= other.rating

    @given(SYSTEMS, teams_of(everyday_skills()), st.sampled_from([(1, 2), (2, 1), (1, 1)]))
    def test_which_team_is_named_first_does_not_matter(
        self, system: RatingSystem, teams: list[list[Skill]], ranks: tuple[int, int]
    ) -> None:
        there = system.rate(teams, ranks)
        back = system.rate(teams[::-1], ranks[::-1])[::-1]
        assert numbers(back) == pytest.approx(numbers(there), rel=1e-9)

    @given(SYSTEMS, ranked(everyday_skills()))
    def test_the_order_of_members_does_not_matter(
        self, system: RatingSystem, match: tuple[list[list[Skill]], list[int]]
    ) -> None:
        teams, ranks = match
        there = system.rate(teams, ranks)
        back = [team[::-1] for team in system.rate([team[::-1] for team in teams], ranks)]
        assert numbers(back) == pytest.approx(numbers(there), rel=1e-9)

    @given(SYSTEMS, everyday_skills(), st.permutations([1, 2, 3, 4]))
    def test_among_equals_the_better_rank_ends_higher(
        self, system: RatingSystem, skill: Skill, ranks: list[int]
    ) -> None:
        rated = ratings(system.rate([[skill]] * 4, ranks))
        in_order = [rating for _, rating in sorted(zip(ranks, rated, strict=True))]
        assert all(better > worse for better, worse in pairwise(in_order))

    @given(
        st.sampled_from(TABLES),
        st.sampled_from([{}, {"default_deviation": 1}, {"default_rating": -1e6, "default_deviation": 1e6}]),
        ranked(any_skills()),
    )
    def test_numbers_stay_within_bounds(
        self, table: dict[str, Any], queue: dict[str, Any], match: tuple[list[list[Skill]], list[int]]
    ) -> None:
        teams, ranks = match
        rated = system(table, **queue).rate(teams, ranks)
        assert [len(team) for team in rated] == [len(team) for team in teams]
        for team in rated:
            for skill in team:
                assert isfinite(skill.rating)
                assert -1_000_000 <= skill.rating <= 1_000_000
                assert skill.deviation is None or 0 <= skill.deviation <= 1_000_000

    @given(SYSTEMS, ranked(any_skills()))
    def test_the_same_match_gives_the_same_bits(
        self, system: RatingSystem, match: tuple[list[list[Skill]], list[int]]
    ) -> None:
        assert system.rate(*match) == system.rate(*match)
