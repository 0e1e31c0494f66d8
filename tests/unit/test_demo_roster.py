"""The demo's players of two sides: read from a file, drawn from it; and the rules made for them."""

from __future__ import annotations

import json
import random
import tomllib
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from matchmaker.demo.arrivals import Arrival, arrivals
from matchmaker.demo.casting import casting
from matchmaker.demo.messages import Crowd, line
from matchmaker.demo.options import MAPS, SIDES, DemoOptions, sided_rules_text
from matchmaker.demo.roster import draw_offer, draw_vetoes, load_roster, races_of
from matchmaker.errors import InvalidInput
from matchmaker.terms import Side

HEAD = "player,side,race,mmr\n"
ROWS = "p1,bw,bw_zerg,1600\np1,bw,bw_terran,1500.5\np1,sc2,sc2_protoss,1700\np2,bw,bw_zerg,1200\np3,sc2,random,900\n"
ROSTER = [
    {"bw": {"zerg": 1600.0, "terran": 1500.5}, "sc2": {"protoss": 1700.0}},
    {"bw": {"zerg": 1200.0}},
    {"sc2": {"random": 900.0}},
]
CHOICES = {"bw": ["terran", "zerg"], "sc2": ["protoss", "random"]}
CONSTRAINTS: dict[str, Any] = {"choices": CHOICES, "pool": {"map": list(MAPS)}, "vetoes": {"map": 3}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ratings.csv"
    path.write_text(HEAD + ROWS, encoding="utf-8")
    return path


def crowd(seed: int = 5) -> list[Arrival]:
    found = arrivals(
        seed=seed, part=0, parts=1, rate=500, seconds=10, ratings=[], roster=ROSTER, constraints=CONSTRAINTS
    )
    return list(islice(found, 2000))


# -- reading -----------------------------------------------------------------------------------------------------------


def test_a_player_has_every_side_and_race_of_the_file(file: Path) -> None:
    roster = load_roster(file, SIDES)
    assert roster == ROSTER
    assert races_of(roster) == CHOICES
    assert load_roster(file, SIDES, CHOICES) == ROSTER


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("player,side,mmr\n", "ratings: {}", "columns player, side, mmr"),
        (HEAD, "ratings: {}", "players of no side"),
        (HEAD + "p1,bw,zerg,1500\n", "ratings: {}", "players of bw"),
        (HEAD + "p1,bw,zerg,much\n", "ratings: {}, line 2, mmr", "much"),
        (HEAD + "p1,bw,zerg,nan\n", "ratings: {}, line 2, mmr", "nan"),
        (HEAD + "p1,aoe,mongols,1500\n", "ratings: {}, line 2, side", "aoe"),
        (HEAD + ",bw,zerg,1500\n", "ratings: {}, line 2, player", ""),
        (HEAD + "p1,bw,zerg\n", "ratings: {}, line 2, mmr", None),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path: Path, text: str, field: str, value: str | None) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput) as refused:
        load_roster(path, SIDES)
    assert (refused.value.field, refused.value.value) == (field.format(path), value)


def test_a_race_that_the_rules_do_not_know_is_refused(file: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        load_roster(file, SIDES, {"bw": ["terran"]})
    assert (refused.value.field, refused.value.value) == (f"ratings: {file}, line 2, race", "zerg")


# -- drawing -----------------------------------------------------------------------------------------------------------


def test_an_offer_is_one_race_of_the_players_own_on_each_side_it_plays() -> None:
    """Given many draws, then each is some player's, one side or both, with the rating of the race; and all occur."""
    rng = random.Random(3)
    found: Counter[tuple[tuple[str, Side], ...]] = Counter()
    for _ in range(2000):
        found[tuple(sorted(draw_offer(rng, ROSTER, CHOICES).items(), key=lambda item: item[0]))] += 1
    terran, zerg, protoss = Side(1500.5, None, "terran"), Side(1600.0, None, "zerg"), Side(1700.0, None, "protoss")
    assert found.keys() == {
        (("bw", terran), ("sc2", protoss)),
        (("bw", zerg), ("sc2", protoss)),
        (("bw", terran),),
        (("bw", zerg),),
        (("sc2", protoss),),
        (("bw", Side(1200.0, None, "zerg")),),
        (("sc2", Side(900.0, None, "random")),),
    }
    both = sum(count for offer, count in found.items() if len(offer) == 2)
    assert both / 2000 == pytest.approx(1 / 6, abs=0.04)


def test_a_side_without_choices_in_the_rules_gets_none() -> None:
    assert draw_offer(random.Random(1), [{"bw": {"zerg": 5.0}}], {}) == {"bw": Side(5.0)}


def test_no_more_is_struck_than_the_rules_allow() -> None:
    rng = random.Random(2)
    counts = Counter(len(draw_vetoes(rng, {"map": MAPS}, {"map": 1}).get("map", ())) for _ in range(500))
    assert counts.keys() == {0, 1}
    counts = Counter(len(draw_vetoes(rng, {"map": MAPS}, {"map": 3}).get("map", ())) for _ in range(500))
    assert counts.keys() == {0, 1, 2}
    assert draw_vetoes(rng, {}, {}) == {}


def test_a_crowd_of_sides_is_fixed_by_its_seed_and_nobody_comes_twice() -> None:
    """Given one seed twice and another, then the first two are the same crowd; offers, no ratings; ids all differ."""
    first = crowd()
    assert first == crowd()
    assert first != crowd(6)
    assert len({arrival.player for arrival in first}) == len(first) == 2000
    assert all(arrival.rating is None and arrival.sides for arrival in first)
    assert {len(arrival.vetoes.get("map", ())) for arrival in first} == {0, 1, 2}


def test_a_crowd_without_sides_is_as_it_always_was() -> None:
    """Given no roster, then arrivals have a rating and nothing else, and those of seed 1 are who they were."""
    crowd = list(islice(arrivals(seed=1, part=0, parts=2, rate=100, seconds=9, ratings=[1.0, 2.0, 3.0]), 6))
    assert not any(arrival.sides or arrival.vetoes for arrival in crowd)
    assert [(arrival.player, arrival.rating, arrival.listens_first, arrival.behaviour.value) for arrival in crowd] == [
        ("p0-000001", 1.0, False, "waits"),
        ("p0-000002", 3.0, False, "waits"),
        ("p0-000003", 1.0, False, "waits"),
        ("p0-000004", 2.0, False, "cancels"),
        ("p0-000005", 1.0, True, "waits"),
        ("p0-000006", 2.0, True, "waits"),
    ]


def test_a_crowd_with_a_roster_travels_as_one_line() -> None:
    """Given what a player process is told, when it was JSON, then it draws the same players."""
    told = Crowd("redis://x", "r", "q", 5, 0, 1, 500.0, 10.0, [], ROSTER, CONSTRAINTS)  # type: ignore[arg-type]
    read = Crowd(**json.loads(line(told)))
    assert (read.roster, read.constraints) == (ROSTER, CONSTRAINTS)


# -- rules -------------------------------------------------------------------------------------------------------------


def test_the_rules_are_made_of_the_files_races() -> None:
    table = tomllib.loads(sided_rules_text("evoladder", {"bw": ['a "b"', "ü"], "sc2": ["zerg"]}))["evoladder"]
    assert table["sides"] == list(SIDES)
    assert table["choices"] == {"bw": ['a "b"', "ü"], "sc2": ["zerg"]}
    assert table["pool"]["map"] == list(MAPS)
    assert table["rematch"].keys() == {"after_seconds", "relax_after_seconds"}


def test_the_queue_evoladder_needs_a_file(file: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        casting(DemoOptions(1, queue="evoladder"))
    assert refused.value.field == "ratings"
    with pytest.raises(InvalidInput) as refused:
        casting(DemoOptions(1, queue="evoladder", ratings=file.with_name("none.csv")))
    assert refused.value.field == "ratings"


def test_the_queue_evoladder_has_sides_and_the_files_players(file: Path) -> None:
    rules, cast = casting(DemoOptions(1, queue="evoladder", ratings=file))
    assert list(rules) == ["evoladder"]
    assert (cast.roster, cast.ratings) == (ROSTER, [])
    assert cast.constraints["sides"] == list(SIDES)
    assert cast.constraints["choices"] == CHOICES
    assert cast.constraints["vetoes"] == {"map": 3}


def test_any_other_queue_is_plain_and_draws_the_column(file: Path) -> None:
    rules, cast = casting(DemoOptions(1, ratings=file))
    assert list(rules) == ["ladder"]
    assert (cast.roster, cast.ratings, cast.constraints) == ([], [1600.0, 1500.5, 1700.0, 1200.0, 900.0], {})


def test_rules_of_ones_own_may_have_sides_but_nothing_that_players_do_not_know(tmp_path: Path, file: Path) -> None:
    rules = tmp_path / "queues.toml"
    rules.write_text('[arena]\nsides = ["bw", "sc2"]\n', encoding="utf-8")
    assert casting(DemoOptions(1, queue="arena", rules=rules, ratings=file))[1].roster == ROSTER
    with pytest.raises(InvalidInput) as refused:
        casting(DemoOptions(1, queue="arena", rules=rules))
    assert refused.value.field == "ratings"
    rules.write_text('[arena]\nsame = ["version"]\n', encoding="utf-8")
    with pytest.raises(InvalidInput) as refused:
        casting(DemoOptions(1, queue="arena", rules=rules))
    assert (refused.value.field, refused.value.value) == ("rules", "arena: same")
