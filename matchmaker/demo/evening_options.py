"""What the evenings of a ladder are asked to be, and the rules they are played by."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from matchmaker.demo.evening_players import UNSURE_POINTS, Person, people_of_roster, people_rated
from matchmaker.demo.options import MAPS, SIDES
from matchmaker.demo.ratings import load_ratings
from matchmaker.demo.roster import COLUMNS, load_roster, races_of
from matchmaker.rules import QueueRules, parse_rules

System = Literal["elo", "glicko2", "openskill"]
SYSTEMS: Final[tuple[System, ...]] = ("glicko2", "elo", "openskill")
MOST_EVENINGS: Final = 100
MOST_HOURS: Final = 12.0
GROWTH_POINTS: Final = 15
"""By which a deviation grows in a day without a match."""


@dataclass(frozen=True, slots=True)
class EveningOptions:
    """Evenings of so many virtual ``hours`` each, a day apart. The seed fixes all that happens, to the last bit.

    ``ratings`` is a csv file or None for the built-in distribution; URLs as in
    :class:`~matchmaker.demo.options.DemoOptions`.
    """

    seed: int
    evenings: int = 3
    hours: float = 4.0
    queue: str = "ladder"
    system: System = "glicko2"
    ratings: Path | None = None
    json: Path | None = None
    plots: Path = Path("demo")
    redis_url: str | None = None
    database_url: str | None = None
    rq_url: str | None = None


@dataclass(frozen=True, slots=True)
class Ladder:
    """Who plays, by which rules. ``sides`` are those of the queue, none where the file has none."""

    people: list[Person]
    rules: QueueRules
    sides: tuple[str, ...] = ()
    pools: Mapping[str, Sequence[str]] = field(default_factory=dict)


def ladder_of(options: EveningOptions) -> Ladder:
    """The players of the file, with sides where it has them.

    :raises InvalidInput: the file cannot be used; names the line and what stands there.
    """
    rng = random.Random(f"matchmaker evenings {options.seed} people")
    if options.ratings is None or not _has_sides(options.ratings):
        ratings = [] if options.ratings is None else load_ratings(options.ratings)
        rules = parse_rules(rules_text(options.queue, options.system), "the demo's rules")
        return Ladder(people_rated(rng, ratings), rules[options.queue])
    roster = load_roster(options.ratings, SIDES)
    people = people_of_roster(rng, dict(zip(_names(options.ratings), roster, strict=True)))
    races = races_of(roster)
    text = rules_text(options.queue, options.system, races)
    return Ladder(people, parse_rules(text, "the demo's rules")[options.queue], SIDES, {"map": MAPS})


def rules_text(queue: str, system: System, races: Mapping[str, Sequence[str]] | None = None) -> str:
    """The rules of the evenings: everything from the ready check to the rating."""
    growth = "" if system == "elo" else f", deviation_growth_per_day = {GROWTH_POINTS}"
    text = (
        f"[{queue}]\nwillingness = {{ per_second = 1.0, base = 20.0 }}\nmax_gap = 500\nexpire_after_seconds = 1800\n"
        f"default_deviation = {UNSURE_POINTS:g}\n"
        "ready_check = { seconds = 20 }\n"
        "penalties = { seconds = [0, 60, 300, 900], decay_seconds = 43200 }\n"
        'results = { by = "either", within_seconds = 2700, alone = "counts", abort_seconds = 180 }\n'
        f'rating = {{ system = "{system}"{growth} }}\n'
    )
    if races is None:
        return text
    choices = "".join(f"choices.{side} = {json.dumps(list(races[side]))}\n" for side in SIDES)
    return (
        f"{text}sides = {json.dumps(list(SIDES))}\n{choices}pool.map = {json.dumps(list(MAPS))}\n"
        "rematch = { after_seconds = 1200, relax_after_seconds = 120 }\n"
    )


def _has_sides(path: Path) -> bool:
    """Whether the file names a side and a race for each rating; one that cannot be read is refused later, in words."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            return set(COLUMNS) <= set(csv.DictReader(stream).fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error):
        return False


def _names(path: Path) -> list[str]:
    """The players of the file in its order, as :func:`~matchmaker.demo.roster.load_roster` has them."""
    with path.open(newline="", encoding="utf-8-sig") as stream:
        return list(dict.fromkeys(row["player"] for row in csv.DictReader(stream)))
