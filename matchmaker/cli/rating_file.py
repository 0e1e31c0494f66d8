"""Ratings as csv files: taken whole or refused whole, and written so that they can be read back."""

from __future__ import annotations

import contextlib
import csv
import os
import re
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from matchmaker.calls import Rated
from matchmaker.cli.numbers import plain_number
from matchmaker.errors import InvalidInput
from matchmaker.model import TicketRequest

STANDARD: Final = "-"
HEADER: Final = ("player", "rating", "deviation")
SIDE: Final = "side"
SIDE_PATTERN: Final = "([a-z0-9][a-z0-9_-]{0,31})?"

Row = tuple[str, Rated]
Ratings = dict[str, dict[str, Rated]]
"""By side and player; the side is "" where a file names none."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns hold what. ``deviation`` None: the one of that name, if there is one. ``side`` None: as an export
    has it, else none."""

    player: str = "player"
    rating: str = "rating"
    deviation: str | None = None
    where: tuple[tuple[str, str], ...] = ()
    """Only rows with this text in that column count."""

    side: str | None = None


def read_ratings(file: str, columns: Columns, *, highest: bool = False) -> Ratings:
    """The ratings in a csv file, or on standard input for ``-``.

    :param highest: of several rows of a player the one with the highest rating counts; otherwise they are refused.
    :raises InvalidInput: names line, column, value and bound of the first row at fault, and how many more there are.
    """
    name = "standard input" if file == STANDARD else file
    try:
        with _opened(file) as stream:
            return _read(stream, name, columns, highest=highest)
    except OSError as error:
        raise InvalidInput("file", file, f"a file that can be read; {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput("file", name, f"csv in UTF-8; {error.reason}") from error
    except ValueError as error:  # a NUL in the path
        raise InvalidInput("file", file, f"a file that can be read; {error}") from error


def _read(stream: TextIO, name: str, columns: Columns, *, highest: bool) -> Ratings:
    rows = csv.reader(stream, strict=True)
    try:
        reader = _Reader(name, columns, next(rows, []), highest=highest)
        for row in rows:
            reader.take(rows.line_num, row)
    except csv.Error as error:
        raise InvalidInput(f"{name}, line {rows.line_num}", "this line", f"a row of csv; {error}") from error
    return reader.ratings()


@contextlib.contextmanager
def _opened(file: str) -> Iterator[TextIO]:
    if file != STANDARD:
        with Path(file).open(newline="", encoding="utf-8-sig") as stream:
            yield stream
        return
    descriptor = os.dup(sys.stdin.fileno())
    with os.fdopen(descriptor, newline="", encoding="utf-8-sig") as stream:
        yield stream


class _Reader:
    """Rows in, ratings or the first fault out."""

    def __init__(self, name: str, columns: Columns, header: list[str], *, highest: bool) -> None:
        self._name = name
        self._columns = columns
        self._width = len(header)
        self._highest = highest
        self._rated: Ratings = {}
        self._lines: dict[tuple[str, str], int] = {}
        self._faults: list[InvalidInput] = []
        self._at = {column: self._place(header, column) for column in (columns.player, columns.rating)}
        self._where = [(self._place(header, column), text) for column, text in columns.where]
        self._deviation = columns.deviation or (HEADER[2] if HEADER[2] in header else None)
        if self._deviation:
            self._at[self._deviation] = self._place(header, self._deviation)
        self._side = columns.side or (SIDE if header == [*HEADER, SIDE] else None)
        if self._side:
            self._at[self._side] = self._place(header, self._side)

    def _place(self, header: list[str], column: str) -> int:
        if header.count(column) != 1:
            shown = ", ".join(header) if header else "no columns"
            other = "; --player-column, --rating-column and --deviation-column name others"
            raise InvalidInput(f"{self._name}, line 1", shown, f"a header that names the column {column} once{other}")
        return header.index(column)

    def take(self, line: int, row: list[str]) -> None:
        """One row; ``line`` is where it ends in the file."""
        if not row:
            return
        if len(row) != self._width:
            self._refuse(line, None, f"{len(row)} fields", f"{self._width} fields, as in the header")
        elif all(row[place] == text for place, text in self._where):
            self._keep(line, row)

    def _keep(self, line: int, row: list[str]) -> None:
        player = row[self._at[self._columns.player]]
        rating = plain_number(row[self._at[self._columns.rating]].strip())
        written = row[self._at[self._deviation]].strip() if self._deviation else ""
        deviation = plain_number(written) if written else None
        try:
            TicketRequest(player, rating, deviation, ticket="t")
        except InvalidInput as fault:
            column = {"player": self._columns.player, "rating": self._columns.rating}.get(fault.field, self._deviation)
            self._refuse(line, column, fault.value, fault.bound)
            return
        side = row[self._at[self._side]].strip() if self._side else ""
        if not re.fullmatch(SIDE_PATTERN, side):
            self._refuse(line, self._side, side, "nothing, or a side: 1 to 32 of a-z 0-9 _ -")
            return
        ratings = self._rated.setdefault(side, {})
        known = ratings.get(player)
        if known is not None and not self._highest:
            before = f"one row a player, or --highest (another is on line {self._lines[side, player]:,})"
            self._refuse(line, self._columns.player, player, before)
        elif known is None or rating > known.rating:
            ratings[player] = Rated(rating, deviation)
            self._lines[side, player] = line

    def _refuse(self, line: int, column: str | None, value: object, bound: str) -> None:
        place = f"{self._name}, line {line}" + (f", {column}" if column else "")
        self._faults.append(InvalidInput(place, value, bound))

    def ratings(self) -> Ratings:
        """Everybody's.

        :raises InvalidInput: there was a fault, or no row at all.
        """
        if self._faults:
            first, more = self._faults[0], len(self._faults) - 1
            if not more:
                raise first
            further = f"{more:,} further {'row is' if more == 1 else 'rows are'} refused too"
            raise InvalidInput(first.field, first.value, f"{first.bound}; {further}")
        if not self._rated:
            chosen = " with what --where asks for" if self._where else ""
            raise InvalidInput(self._name, "no rows", f"at least one row{chosen} under the header")
        return self._rated


def _written(number: float | None) -> str:
    """The number so that it reads back as the same: 1520, 1520.5; "" for none."""
    if number is None:
        return ""
    return str(int(number)) if number.is_integer() else repr(number)


def write_ratings(stream: TextIO, by_side: Sequence[tuple[str, Iterable[Row]]]) -> int:
    """Writes a header and the rows, with a column of sides if there are any; answers how many rows these were."""
    writer = csv.writer(stream, lineterminator="\n")
    has_sides = any(side for side, _ in by_side)
    writer.writerow((*HEADER, SIDE) if has_sides else HEADER)
    count = 0
    for side, rows in by_side:
        for player, rated in rows:
            numbers = (player, _written(rated.rating), _written(rated.deviation))
            writer.writerow((*numbers, side) if has_sides else numbers)
            count += 1
    return count


def replace_file(file: str, write: Callable[[TextIO], int]) -> int:
    """Has a file written next to ``file`` and then put in its place, with its owner and mode: nobody ever sees half of
    it. A link is followed. What is no file, such as a pipe, is written to as it is.

    :raises InvalidInput: it cannot be written.
    """
    path = Path(os.path.realpath(file))
    made: str | None = None
    try:
        there = _stat(file)
        if there is not None and not stat.S_ISREG(there.st_mode):
            with Path(file).open("w", newline="", encoding="utf-8") as stream:
                return write(stream)
        descriptor, made = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "w", newline="", encoding="utf-8") as stream:
            count = write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        if there is not None:
            with contextlib.suppress(PermissionError):
                os.chown(made, there.st_uid, there.st_gid)
        Path(made).chmod(0o666 & ~_umask() if there is None else stat.S_IMODE(there.st_mode))
        Path(made).replace(path)
        made = None
    except OSError as error:
        raise InvalidInput("file", file, f"a file that can be written; {error.strerror}") from error
    finally:
        if made is not None:
            Path(made).unlink(missing_ok=True)
    return count


def _stat(file: str) -> os.stat_result | None:
    """What ``file`` is, behind any links; None if there is nothing."""
    try:
        return Path(file).stat()
    except FileNotFoundError:
        return None


def _umask() -> int:
    """What new files are not allowed; it can only be read by setting it."""
    current = os.umask(0o077)
    os.umask(current)
    return current
