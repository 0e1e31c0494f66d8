"""Players of a file with ratings on two sides, and what one of them offers on an evening."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from matchmaker.demo.ratings import COLUMN, checked_rating
from matchmaker.errors import InvalidInput
from matchmaker.terms import Side

COLUMNS: Final = ("player", "side", "race", COLUMN)
BOTH_SHARE: Final = 0.5
"""How many of those who can play both sides offer both; the others offer either."""

VETO_SHARES: Final = (0.5, 0.3, 0.2)
"""How many players strike no map, one map, two maps."""

Entrant = Mapping[str, Mapping[str, float]]
"""One player of the file: side -> race -> rating in points."""

_BOUND = f"a csv file in UTF-8 with the columns {', '.join(COLUMNS)}"


def load_roster(
    path: Path | None, sides: Sequence[str], choices: Mapping[str, Sequence[str]] | None = None
) -> list[Entrant]:
    """The players of the file, in its order, with every side and race they have a rating for.

    A race loses its side in front: ``bw_terran`` of side ``bw`` is ``terran``.

    :param sides: those that the rules know: there must be players of each, and of no other.
    :param choices: the races that rules know, by side; None where the rules will be made from the file.
    :raises InvalidInput: names the file, the line and what stands there; also if there is no file.
    """
    if path is None:
        raise InvalidInput("ratings", None, f"{_BOUND}: a queue with sides draws its players from it")
    roster: dict[str, dict[str, dict[str, float]]] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = csv.DictReader(stream)
            missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise InvalidInput(f"ratings: {path}", f"columns {', '.join(rows.fieldnames or ())}", _BOUND)
            for row in rows:
                player, side, race = (_text(path, rows.line_num, name, row[name]) for name in COLUMNS[:3])
                _refuse_other(f"ratings: {path}, line {rows.line_num}, side", side, sides)
                race = race.removeprefix(f"{side}_")
                if choices and side in choices:
                    _refuse_other(f"ratings: {path}, line {rows.line_num}, race", race, choices[side])
                rating = checked_rating(path, rows.line_num, row[COLUMN])
                roster.setdefault(player, {}).setdefault(side, {})[race] = rating
    except OSError as error:
        raise InvalidInput("ratings", str(path), f"a file that can be read; {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput("ratings", str(path), f"{_BOUND}; {error}") from error
    found = sorted({side for entrant in roster.values() for side in entrant})
    if len(found) < len(sides):
        raise InvalidInput(f"ratings: {path}", f"players of {', '.join(found) or 'no side'}", f"some of {_all(sides)}")
    return list(roster.values())


def races_of(roster: Iterable[Entrant]) -> dict[str, list[str]]:
    """Every side of the file and the races there are on it, both in the order of the alphabet."""
    found: dict[str, set[str]] = {}
    for entrant in roster:
        for side, races in entrant.items():
            found.setdefault(side, set()).update(races)
    return {side: sorted(found[side]) for side in sorted(found)}


def draw_offer(rng: random.Random, roster: Sequence[Entrant], choices: Mapping[str, Sequence[str]]) -> dict[str, Side]:
    """One of the players, drawn with replacement, and the sides it offers: one race of its own on each, which is its
    choice where the rules have ``choices`` for that side."""
    entrant = rng.choice(roster)
    sides = sorted(entrant)
    if len(sides) > 1 and rng.random() >= BOTH_SHARE:
        sides = [rng.choice(sides)]
    offered = {}
    for side in sides:
        race = rng.choice(sorted(entrant[side]))
        offered[side] = Side(entrant[side][race], None, race if side in choices else "")
    return offered


def draw_vetoes(
    rng: random.Random, pools: Mapping[str, Sequence[str]], most: Mapping[str, int]
) -> dict[str, list[str]]:
    """What the player strikes from each pool: as many names as the rules allow at ``most``."""
    struck = {}
    for pool, names in sorted(pools.items()):
        (count,) = rng.choices(range(len(VETO_SHARES)), VETO_SHARES)
        chosen = rng.sample(list(names), min(count, most[pool]))
        if chosen:
            struck[pool] = sorted(chosen)
    return struck


def _refuse_other(field: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise InvalidInput(field, value, f"one that the rules know: {_all(known)}")


def _all(names: Sequence[str]) -> str:
    return ", ".join(names)


def _text(path: Path, line: int, name: str, text: str | None) -> str:
    if not text:
        raise InvalidInput(f"ratings: {path}, line {line}, {name}", text, "a text that is not empty")
    return text
