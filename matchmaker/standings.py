"""Who stands where in a queue: rank, percentile and letter, out of the sorted set of its ratings. No I/O.

Plans of plain reads (``calls.py``), each O(log n) in the rated players plus the page, in one to three round trips.
Every number is right, together they are not one moment. The rank is that of competitions: 1 + how many are rated
strictly higher, so equals share one and leave the next ones out. Among equals the order is by id, byte by byte, the
last first: the sorted set's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matchmaker import errors
from matchmaker.calls import Batch, Calls, Command, Plan
from matchmaker.rules import QueueRules
from matchmaker.values import BOUNDS, NAME_PATTERN, checked_text

MOST: Final = 1_000
"""Lines of one page, at most."""

REST: Final = "D"
"""The letter of those below every percentile that the rules name one for."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """One player among the rated ones of a queue, or of a side of it.

    ``percentile``: the share of the others who are not above, in percent; 100 for who is alone. ``letter`` is "" where
    the queue's rules have no ``rating``.
    """

    player: str
    rating: float
    rank: int
    of: int
    percentile: float
    letter: str


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """A page: ``lines`` with the highest rating first. ``first`` is the place of the first one in the whole list, from
    1; ``of`` how many there are in it."""

    queue: str
    side: str
    of: int
    first: int
    lines: tuple[Ranked, ...]


def percentile(rank: int, of: int) -> float:
    """See :class:`Ranked`. The two may be of different moments: never under 0 or over 100."""
    if of <= 1:
        return 100.0
    return min(100.0, max(0.0, 100.0 * (of - rank) / (of - 1)))


def letter_of(percent: float, letters: Mapping[str, float]) -> str:
    """The letter with the highest bound that is reached, "" where there are no letters."""
    reached = [(bound, letter) for letter, bound in letters.items() if percent >= bound]
    return max(reached)[1] if reached else REST if letters else ""


# -- plans -------------------------------------------------------------------------------------------------------------


def top_plan(calls: Calls, queue: str, side: str, most: int, first: int) -> Plan[Leaderboard]:
    """A page that begins at a place of the list: one round trip for the first page, two for others.

    :raises UnknownQueue: :raises InvalidInput: there is no such side, or a number is out of its bounds.
    """
    key = _checked_key(calls, queue, side)
    _check_page(most, first)
    page, of, letters = yield from _all(calls, queue, side, [_range(key, first - 1, most), _size(key)])
    lines = yield from _lines(key, first, page, of, letters)
    return Leaderboard(queue, side, of, first, lines)


def around_plan(calls: Calls, queue: str, player: str, side: str, most: int) -> Plan[Leaderboard]:
    """A page with the player in the middle, or as near to it as the ends of the list allow: two or three round trips.

    :raises UnknownPlayer: who has no rating there. :raises UnknownQueue: :raises InvalidInput: as :func:`top_plan`.
    """
    key = _checked_key(calls, queue, side)
    _check_page(most, 1)
    checked_text("player", player)
    place, of, letters = yield from _all(calls, queue, side, [_place(key, player), _size(key)])
    if place is None:
        raise errors.UnknownPlayer(player, calls.realm, queue)
    start = max(0, min(place - most // 2, of - most))
    page: list[tuple[str, float]] = yield _range(key, start, most)
    lines = yield from _lines(key, start + 1, page, of, letters)
    return Leaderboard(queue, side, of, start + 1, lines)


def of_plan(calls: Calls, queue: str, player: str, side: str) -> Plan[Ranked]:
    """One player's standing: two round trips.

    :raises UnknownPlayer: who has no rating there. :raises UnknownQueue: :raises InvalidInput: as :func:`top_plan`.
    """
    key = _checked_key(calls, queue, side)
    checked_text("player", player)
    rating, letters = yield from _all(calls, queue, side, [_rating(key, player)])
    if rating is None:
        raise errors.UnknownPlayer(player, calls.realm, queue)
    above, of = yield from _replies([_above(key, rating), _size(key)])
    return _ranked(player, rating, above + 1, of, letters)


def _all(calls: Calls, queue: str, side: str, commands: Sequence[Command[Any]]) -> Plan[list[Any]]:
    """The commands' replies and then the queue's letters, in one round trip."""
    *replies, rules = yield from _replies([*commands, _rules(calls, queue)])
    if side and side not in (rules.sides or {}):
        sides = ", ".join(rules.sides or {})
        raise errors.InvalidInput("side", side, f"one of {sides}" if sides else "nothing: the queue has no sides")
    return [*replies, {} if rules.rating is None else rules.rating.letters]


def _replies(commands: Sequence[Command[Any]]) -> Plan[list[Any]]:
    replies: list[Any] = yield Batch(commands)
    for reply in replies:
        if isinstance(reply, errors.MatchmakerError):
            raise reply
    return replies


def _lines(
    key: str, first: int, page: list[tuple[str, float]], of: int, letters: Mapping[str, float]
) -> Plan[tuple[Ranked, ...]]:
    """Ranks the lines of a page. Only the first one's equals may lie before it: how many are above is asked of it."""
    rank = first
    if page and first > 1:
        rank = 1 + (yield _above(key, page[0][1]))
    lines: list[Ranked] = []
    for place, (player, rating) in enumerate(page, first):
        if lines and rating != lines[-1].rating:
            rank = place
        lines.append(_ranked(player, rating, rank, of, letters))
    return tuple(lines)


def _ranked(player: str, rating: float, rank: int, of: int, letters: Mapping[str, float]) -> Ranked:
    percent = percentile(rank, of)
    return Ranked(player, rating, rank, max(of, rank), percent, letter_of(percent, letters))


# -- commands ----------------------------------------------------------------------------------------------------------


def _range(key: str, start: int, most: int) -> Command[list[tuple[str, float]]]:
    def parse(reply: list[Any]) -> list[tuple[str, float]]:
        pairs = reply if reply and isinstance(reply[0], list) else zip(reply[::2], reply[1::2], strict=True)
        return [(player, float(rating)) for player, rating in pairs]

    return Command(("ZREVRANGE", key, str(start), str(start + most - 1), "WITHSCORES"), parse)


def _size(key: str) -> Command[int]:
    return Command(("ZCARD", key), int)


def _above(key: str, rating: float) -> Command[int]:
    return Command(("ZCOUNT", key, f"({rating!r}", "+inf"), int)


def _place(key: str, player: str) -> Command[int | None]:
    return Command(("ZREVRANK", key, player), lambda reply: int(reply) if reply else None)


def _rating(key: str, player: str) -> Command[float | None]:
    return Command(("ZSCORE", key, player), lambda reply: float(reply) if reply else None)


def _rules(calls: Calls, queue: str) -> Command[QueueRules]:
    def parse(compiled: str) -> QueueRules:
        if not compiled:
            raise errors.UnknownQueue(queue, calls.realm)
        return QueueRules.from_compiled(compiled)

    return Command(("HGET", calls.keys.rules, f"q:{queue}"), parse)


def _checked_key(calls: Calls, queue: str, side: str) -> str:
    checked_text("queue", queue)
    if side and not re.fullmatch(NAME_PATTERN, side):
        raise errors.InvalidInput("side", side, BOUNDS["queue"])
    return calls.keys.ratings(queue, side)


def _check_page(most: int, first: int) -> None:
    if not 1 <= most <= MOST:
        raise errors.InvalidInput("most", most, f"a whole number, 1 … {MOST:,}")
    if first < 1:
        raise errors.InvalidInput("first", first, "a place in the list, from 1")
