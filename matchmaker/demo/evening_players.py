"""Who plays on the evenings of a ladder, how good everybody really is, and what they do. No I/O; a seed fixes it all.

Each player has a rating, as the file has it, and a hidden skill, which nobody is told: it alone decides games. At the
beginning the two differ as much as the deviation of an unknown player says, so there is something to be learned.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from matchmaker.demo.ratings import draw
from matchmaker.demo.roster import Entrant

UNSURE_POINTS: Final = 200.0
"""Standard deviation of hidden skills around the ratings of the file; the rules say as much of who has not played."""

DIVISOR: Final = 400.0
"""So many points more are 10 wins out of 11."""

BUILT_IN_PLAYERS: Final = 250
COMING_SHARE: Final = 0.75
LOGIN_SHARE: Final = 0.7
"""Players come in this first part of an evening, at any moment of it."""

STAY_HOURS: Final = (1.0, 3.0)
BOTH_SHARE: Final = 0.5
GAME_MINUTES: Final = (8.0, 25.0)
DRAWN_SHARE: Final = 0.02
DECLINING_SHARE: Final = 0.04
SILENT_SHARE: Final = 0.02
ABORTED_SHARE: Final = 0.015
ABANDONING_SHARE: Final = 0.02
SERVER_SHARE: Final = 0.15
UNREPORTED_SHARE: Final = 0.04
LYING_SHARE: Final = 0.03
REPORT_SECONDS: Final = (2, 90)
REST_SECONDS: Final = (20, 300)
ANSWER_SECONDS: Final = (1, 12)


class Answer(StrEnum):
    """To a ready check."""

    ACCEPT = "accept"
    DECLINE = "decline"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Person:
    """A player; ratings of the file and hidden skills by side, in points, "" where the ladder has no sides."""

    name: str
    ratings: Mapping[str, float]
    skills: Mapping[str, float]
    races: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Visit:
    """One player on one evening: from the login until it goes home, in seconds from the evening's beginning."""

    name: str
    login_s: int
    home_s: int


@dataclass(frozen=True, slots=True)
class Game:
    """What will happen in a match of two, in seconds from its beginning.

    ``ranks`` is the truth. ``aborts`` and ``leaves`` name the place (0 or 1) of who does that at ``ends_s``, if anyone
    does. Else a server reports, or each place says ``reports`` at ``told_s``; None: it does not.
    """

    ends_s: int
    ranks: tuple[int, int]
    aborts: int | None = None
    leaves: int | None = None
    by_server: bool = False
    reports: tuple[tuple[int, int] | None, tuple[int, int] | None] = (None, None)
    told_s: tuple[int, int] = (0, 0)


def people_of_roster(rng: random.Random, roster: Mapping[str, Entrant]) -> list[Person]:
    """Everybody of a file with sides, with the best race on each."""
    found = []
    for name, entrant in roster.items():
        races = {side: max(sorted(rated), key=rated.__getitem__) for side, rated in sorted(entrant.items())}
        ratings = {side: entrant[side][race] for side, race in races.items()}
        found.append(Person(name, ratings, _skills(rng, ratings), races))
    return found


def people_rated(rng: random.Random, ratings: Sequence[float]) -> list[Person]:
    """A player for each rating, or :data:`BUILT_IN_PLAYERS` of the built-in distribution."""
    rated = ratings or [draw(rng, ()) for _ in range(BUILT_IN_PLAYERS)]
    everybody = ({"": rating} for rating in rated)
    return [Person(f"p{i:04d}", one, _skills(rng, one), {}) for i, one in enumerate(everybody, start=1)]


def _skills(rng: random.Random, ratings: Mapping[str, float]) -> dict[str, float]:
    return {side: rng.gauss(rating, UNSURE_POINTS) for side, rating in ratings.items()}


def visits(rng: random.Random, people: Sequence[Person], hours: float) -> Iterator[Visit]:
    """Who comes this evening, in the order of ``people``; everybody is home when it ends."""
    end = round(3600 * hours)
    for person in people:
        if rng.random() < COMING_SHARE:
            login = round(rng.uniform(0, LOGIN_SHARE * end))
            stay = round(3600 * rng.uniform(*STAY_HOURS))
            yield Visit(person.name, login, min(end, login + stay))


def offered(rng: random.Random, person: Person) -> list[str]:
    """The sides that a player of several offers this time: all or one."""
    sides = sorted(person.ratings)
    return sides if len(sides) == 1 or rng.random() < BOTH_SHARE else [rng.choice(sides)]


def answer(rng: random.Random) -> tuple[Answer, int]:
    """What a player says to a ready check, and after how many seconds."""
    share, seconds = rng.random(), rng.randint(*ANSWER_SECONDS)
    if share < DECLINING_SHARE:
        return Answer.DECLINE, seconds
    return (Answer.NOTHING if share < DECLINING_SHARE + SILENT_SHARE else Answer.ACCEPT), seconds


def expected(skill: float, other: float) -> float:
    """The chance of the first to beat the second, draws aside: a logistic of the difference of hidden skills."""
    return 1.0 / (1.0 + math.pow(10.0, (other - skill) / DIVISOR))


def game(rng: random.Random, skills: tuple[float, float]) -> Game:
    """The game of two with these hidden skills."""
    seconds = round(60 * rng.uniform(*GAME_MINUTES))
    ranks = _ranks(rng, skills)
    share, place = rng.random(), rng.randrange(2)
    if share < ABORTED_SHARE:
        return Game(rng.randint(10, 120), ranks, aborts=place)
    if share < ABORTED_SHARE + ABANDONING_SHARE:
        return Game(rng.randint(60, seconds), (2, 1) if place == 0 else (1, 2), leaves=place)
    if rng.random() < SERVER_SHARE:
        return Game(seconds, ranks, by_server=True)
    told = (rng.randint(*REPORT_SECONDS), rng.randint(*REPORT_SECONDS))
    return Game(seconds, ranks, reports=(_report(rng, ranks, 0), _report(rng, ranks, 1)), told_s=told)


def _ranks(rng: random.Random, skills: tuple[float, float]) -> tuple[int, int]:
    if rng.random() < DRAWN_SHARE:
        return 1, 1
    return (1, 2) if rng.random() < expected(*skills) else (2, 1)


def _report(rng: random.Random, ranks: tuple[int, int], place: int) -> tuple[int, int] | None:
    """The truth mostly; now and then nothing, and now and then a player who did not win says it did."""
    share = rng.random()
    if share < UNREPORTED_SHARE:
        return None
    if share < UNREPORTED_SHARE + LYING_SHARE and ranks[place] == max(ranks):
        return (1, 2) if place == 0 else (2, 1)
    return ranks
