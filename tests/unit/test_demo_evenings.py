"""The demo's evenings without a server: who comes, what they do, what is told of it, and what the proofs notice."""

from __future__ import annotations

import math
import random
from collections import Counter
from pathlib import Path

import pytest

from matchmaker.calls import Rated
from matchmaker.demo import evening_players as players
from matchmaker.demo.evening_options import SYSTEMS, EveningOptions, System, ladder_of, rules_text
from matchmaker.demo.evening_players import Answer, Game, Person, answer, expected, game, offered, visits
from matchmaker.demo.evening_proof import Proof, check_hearing, computed_again
from matchmaker.demo.evening_report import learned, spearman
from matchmaker.demo.evening_story import Story
from matchmaker.demo.evening_world import Told
from matchmaker.errors import InvalidInput
from matchmaker.ratings import RatedPlayer, RatedResult
from matchmaker.rules import parse_rules

SIDED = "player,side,race,mmr\np1,bw,bw_zerg,1600\np1,bw,bw_terran,1500\np1,sc2,sc2_protoss,1700\np2,sc2,sc2_zerg,900\n"
MANY = 20_000


def file(folder: Path, text: str) -> Path:
    path = folder / "ratings.csv"
    path.write_text(text, encoding="utf-8")
    return path


def games(skills: tuple[float, float] = (1500, 1500), number: int = MANY) -> list[Game]:
    rng = random.Random(1)
    return [game(rng, skills) for _ in range(number)]


# -- who plays ---------------------------------------------------------------------------------------------------------


def test_players_of_a_file_with_sides_have_their_best_race_on_each(tmp_path: Path) -> None:
    ladder = ladder_of(EveningOptions(1, ratings=file(tmp_path, SIDED)))
    one, other = ladder.people
    assert ladder.sides == ("bw", "sc2")
    assert (one.name, one.ratings, one.races) == (
        "p1",
        {"bw": 1600.0, "sc2": 1700.0},
        {"bw": "zerg", "sc2": "protoss"},
    )
    assert (other.name, other.ratings) == ("p2", {"sc2": 900.0})


def test_players_of_a_file_without_sides_are_its_rows(tmp_path: Path) -> None:
    ladder = ladder_of(EveningOptions(1, ratings=file(tmp_path, "mmr\n1500\n1600.5\n")))
    assert not ladder.sides
    assert [person.ratings for person in ladder.people] == [{"": 1500.0}, {"": 1600.5}]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file"):
        ladder_of(EveningOptions(1, ratings=tmp_path / "missing.csv"))


def test_hidden_skills_differ_from_ratings_as_much_as_the_rules_say() -> None:
    """Given 20,000 players, then skills are about their ratings, with the deviation of who has not played."""
    people = players.people_rated(random.Random(1), [1500.0] * MANY)
    errors = [person.skills[""] - 1500 for person in people]
    assert abs(sum(errors) / MANY) < 8
    assert abs(math.sqrt(sum(error**2 for error in errors) / MANY) - players.UNSURE_POINTS) < 6


def test_a_seed_names_the_same_players_and_another_others() -> None:
    assert ladder_of(EveningOptions(1)).people == ladder_of(EveningOptions(1)).people
    assert ladder_of(EveningOptions(1)).people != ladder_of(EveningOptions(2)).people


def test_visits_are_within_the_evening() -> None:
    people = players.people_rated(random.Random(1), [1500.0] * 2000)
    came = list(visits(random.Random(2), people, 4.0))
    assert abs(len(came) / 2000 - players.COMING_SHARE) < 0.05
    assert all(0 <= visit.login_s < visit.home_s <= 4 * 3600 for visit in came)
    assert len({visit.name for visit in came}) == len(came)


def test_who_plays_both_sides_offers_both_or_either() -> None:
    person = Person("p", {"bw": 1.0, "sc2": 2.0}, {}, {})
    rng = random.Random(1)
    assert {tuple(offered(rng, person)) for _ in range(100)} == {("bw",), ("sc2",), ("bw", "sc2")}
    assert offered(rng, Person("p", {"sc2": 2.0}, {}, {})) == ["sc2"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_rules_have_everything_from_ready_check_to_rating(system: System) -> None:
    rules = parse_rules(rules_text("ladder", system), "rules")["ladder"]
    assert rules.lifecycle_fields()
    assert rules.rating is not None
    assert rules.rating.system == system


# -- what they do ------------------------------------------------------------------------------------------------------


def test_most_accept_some_decline_and_some_say_nothing() -> None:
    rng = random.Random(1)
    said = Counter(answer(rng)[0] for _ in range(MANY))
    assert abs(said[Answer.DECLINE] / MANY - players.DECLINING_SHARE) < 0.01
    assert abs(said[Answer.NOTHING] / MANY - players.SILENT_SHARE) < 0.01
    rules = parse_rules(rules_text("ladder", "elo"), "rules")["ladder"]
    assert rules.ready_check is not None
    assert max(answer(rng)[1] for _ in range(1000)) < rules.ready_check.seconds


def test_skill_decides_games_by_a_logistic() -> None:
    """Given 400 points more, then ten of eleven games that are not drawn are won."""
    assert expected(1900, 1500) == pytest.approx(10 / 11)
    assert expected(1500, 1900) == pytest.approx(1 / 11)
    ends = Counter(one.ranks for one in games((1900, 1500)) if one.leaves is None)
    assert ends[1, 2] / (ends[1, 2] + ends[2, 1]) == pytest.approx(10 / 11, abs=0.01)
    assert ends[1, 1] / MANY == pytest.approx(players.DRAWN_SHARE, abs=0.005)


def test_games_end_in_every_way() -> None:
    found = games()
    assert sum(one.aborts is not None for one in found) / MANY == pytest.approx(players.ABORTED_SHARE, abs=0.005)
    assert sum(one.leaves is not None for one in found) / MANY == pytest.approx(players.ABANDONING_SHARE, abs=0.005)
    assert any(one.by_server for one in found)
    assert all(one.ranks == ((2, 1), (1, 2))[one.leaves] for one in found if one.leaves is not None)


def test_only_who_did_not_win_lies_and_only_of_having_won() -> None:
    reports = [
        (one.ranks, place, report) for one in games() for place, report in enumerate(one.reports) if report is not None
    ]
    lies = [(ranks, place, report) for ranks, place, report in reports if report != ranks]
    assert lies
    assert all(report[place] == 1 and ranks != report for ranks, place, report in lies)
    assert all(report[place] < report[1 - place] for _, place, report in lies)


# -- what is told of it ------------------------------------------------------------------------------------------------


def told(number: int, kind: str, **body: object) -> Told:
    return Told(f"{number}-0", kind, number, {"event": kind, "at": number, "queue": "ladder", **body})


def teams(**more: object) -> list[list[dict[str, object]]]:
    return [[{"player": name, "ticket": f"t-{name}", "rating": 1500.0, **more}] for name in ("ann", "bob")]


def test_the_story_knows_whom_each_event_is_for() -> None:
    """Given a match from check to rating, then both hear all of it but declines, and each only their own return."""
    story = Story()
    for event in (
        told(1, "enqueued", player="ann", ticket="t-ann"),
        told(2, "proposed", teams=teams(waited_ms=1)),
        told(3, "accepted", check="2-0", player="ann"),
        told(4, "declined", check="2-0", player="bob", how="declined"),
        told(5, "returned", check="2-0", player="ann", ticket="t-ann"),
        told(6, "cancelled", player="bob", ticket="t-bob", reason="declined"),
        told(7, "matched", teams=teams(waited_ms=9), gap=3.0),
        told(8, "reported", match="7-0", who="ann"),
        told(9, "finished", match="7-0", rules=1, outcome="played", by="players", ranks=[1, 2], teams=teams()),
        told(10, "rated", n=1, match="7-0", players=[{"player": "ann", "rating": 1516.0, "before": 1500, "game": 1}]),
    ):
        story.take(event)
    both = ["2-0", "3-0", "7-0", "8-0", "9-0"]
    assert story.events_of["ann"] == sorted([*both, "1-0", "5-0", "10-0"], key=lambda id_: int(id_[:-2]))
    assert story.events_of["bob"] == ["2-0", "3-0", "6-0", "7-0", "8-0", "9-0"]
    assert story.counts["returned and matched"] == 1
    assert story.shown["ann", ""] == Rated(1516.0)
    assert [result.ranks for result in story.played] == [(1, 2)]
    assert (list(story.waits_ms), list(story.gaps)) == ([9.0, 9.0], [3.0])


# -- proofs ------------------------------------------------------------------------------------------------------------


def test_what_is_computed_again_begins_with_what_was_imported() -> None:
    rules = parse_rules(rules_text("ladder", "elo"), "rules")["ladder"]
    result = RatedResult("7-0", "ladder", 1, 9, (1, 2), ((RatedPlayer("ann", 1.0),), (RatedPlayer("bob", 1.0),)))
    imported = {("ladder", name, ""): Rated(1500.0) for name in ("ann", "bob", "cy")}
    rows, changes = computed_again([result], lambda *_: rules, imported)
    assert {player: row.skill.rating for (_, player, _), row in rows.items()} == {"ann": 1516, "bob": 1484, "cy": 1500}
    assert len(changes) == 2


def test_one_bit_is_a_difference() -> None:
    proof = Proof()
    proof.hold("Redis", "ann", (1516.0,), (1516.0,))
    assert not proof.differences
    proof.hold("Redis", "ann", (1516.0,), (math.nextafter(1516.0, 0),))
    proof.hold("Redis", "bob", (1500.0,), None)
    assert len(proof.differences) == 2


@pytest.mark.parametrize(
    ("heard", "fault"),
    [
        (["1-0", "3-0"], "missed 2-0"),
        (["1-0", "2-0", "2-0", "3-0"], "2 times"),
        (["1-0", "3-0", "2-0"], "out of order"),
        (["1-0", "2-0", "3-0", "4-0"], "not theirs"),
    ],
)
def test_each_fault_of_hearing_is_named(heard: list[str], fault: str) -> None:
    wanted = {"ann": ["1-0", "2-0", "3-0"]}
    assert not check_hearing(wanted, wanted).faults
    (found,) = check_hearing(wanted, {"ann": heard}).faults
    assert fault in found


def test_learned_is_the_error_and_the_order() -> None:
    skills = {("ann", ""): 1500.0, ("bob", ""): 1600.0, ("cy", ""): 1700.0}
    shown = {key: Rated(skill + 10) for key, skill in skills.items()}
    assert learned(shown, skills).error == pytest.approx(10)
    assert learned(shown, skills).spearman == pytest.approx(1)
    assert spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert spearman([1, 1, 2], [1, 2, 3]) == pytest.approx(math.sqrt(3) / 2)
