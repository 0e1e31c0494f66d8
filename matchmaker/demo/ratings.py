"""Where the ratings of arriving players come from: a file, or a stated distribution."""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Sequence
from pathlib import Path

from matchmaker.errors import InvalidInput
from matchmaker.model import MOST_POINTS

COLUMN = "mmr"
MEAN, DEVIATION, LOWEST, HIGHEST = 1500.0, 350.0, 0.0, 3000.0
BUILT_IN = f"normal, mean {MEAN:,.0f}, deviation {DEVIATION:,.0f}, clipped to {LOWEST:,.0f} … {HIGHEST:,.0f}"

_FILE_BOUND = f"a csv file in UTF-8 with a column {COLUMN} of numbers, -{MOST_POINTS:,} to {MOST_POINTS:,}"


def draw(rng: random.Random, ratings: Sequence[float]) -> float:
    """One rating, in points: drawn with replacement, or of the built-in distribution when there are none."""
    if ratings:
        return rng.choice(ratings)
    return round(min(HIGHEST, max(LOWEST, rng.gauss(MEAN, DEVIATION))), 2)


def load_ratings(path: Path) -> list[float]:
    """The column ``mmr`` of a csv file, at least one number.

    :raises InvalidInput: names the file, the line and what stands there.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = csv.DictReader(stream)
            if COLUMN not in (rows.fieldnames or ()):
                raise InvalidInput(f"ratings: {path}", f"columns {', '.join(rows.fieldnames or ())}", _FILE_BOUND)
            ratings = [checked_rating(path, rows.line_num, row[COLUMN]) for row in rows]
    except OSError as error:
        raise InvalidInput("ratings", str(path), f"a file that can be read; {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput("ratings", str(path), f"{_FILE_BOUND}; {error}") from error
    if not ratings:
        raise InvalidInput(f"ratings: {path}", "no rows", _FILE_BOUND)
    return ratings


def checked_rating(path: Path, line: int, text: str | None) -> float:
    """The number that stands in a line of the file.

    :raises InvalidInput: there is none within bounds.
    """
    try:
        rating = float(text or "")
    except ValueError:
        rating = math.nan
    if not abs(rating) <= MOST_POINTS:  # NaN fails every comparison
        raise InvalidInput(f"ratings: {path}, line {line}, {COLUMN}", text, f"a number within ±{MOST_POINTS:,}")
    return rating
