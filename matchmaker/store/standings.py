"""What the records tell of players: ratings in every queue, how they came to be, and how two did against each other.

Plans (``queries.py``) of reads by index. Ids of players are the caller's, moments realm ms, ratings points.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from matchmaker.errors import InvalidInput, UnknownPlayer
from matchmaker.store import schema
from matchmaker.store.queries import DatabasePlan, Query
from matchmaker.values import BOUNDS, NAME_PATTERN, checked_text

MOST: Final = 1_000
"""Changes that one page of a history has, at most."""


@dataclass(frozen=True, slots=True)
class QueueRecord:
    """A player in one queue, or on one side of it. ``games`` are rated matches; ``highest`` and ``played_ms`` are None
    before the first of them, ``deviation`` where nobody said."""

    queue: str
    side: str
    rating: float
    deviation: float | None
    games: int
    won: int
    lost: int
    drawn: int
    highest: float | None
    played_ms: int | None


@dataclass(frozen=True, slots=True)
class Profile:
    """All ratings of a player, by queue and side. ``since_ms``: the first ticket, or the first rating."""

    player: str
    since_ms: int
    records: tuple[QueueRecord, ...]


@dataclass(frozen=True, slots=True)
class RatingChange:
    """One change of a rating: by a match, or by an import, which has neither ``match`` nor ``rank``.

    ``before`` is None where an import brought the first one. ``game`` counts the rated matches by then. ``id`` is what
    the next page begins before.
    """

    id: str
    match: str | None
    at_ms: int
    game: int
    before: float | None
    rating: float
    deviation: float | None
    rank: int | None


@dataclass(frozen=True, slots=True)
class Meetings:
    """How two players did against each other in one queue."""

    queue: str
    won: int
    lost: int
    drawn: int
    last_match: str
    last_ms: int


@dataclass(frozen=True, slots=True)
class HeadToHead:
    """How ``player`` did against ``other``, by queue; matches in one team do not count."""

    player: str
    other: str
    queues: tuple[Meetings, ...]

    @property
    def won(self) -> int:
        return sum(one.won for one in self.queues)

    @property
    def lost(self) -> int:
        return sum(one.lost for one in self.queues)

    @property
    def drawn(self) -> int:
        return sum(one.drawn for one in self.queues)


# Which queues there are is found by leaps through the primary key, which begins with realm and queue.
_QUEUES = """
WITH RECURSIVE names AS (
    (SELECT queue FROM {table} WHERE realm = %(realm)s ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT n.queue FROM {table} n WHERE n.realm = %(realm)s AND n.queue > names.queue ORDER BY n.queue LIMIT 1)
    FROM names WHERE names.queue IS NOT NULL
)"""
_SINCE = "SELECT player, since_ms FROM players WHERE realm = %(realm)s AND player = ANY(%(players)s)"
_PROFILE = (
    _QUEUES.format(table="ratings")
    + """
SELECT r.queue, r.side, r.rating, r.deviation, r.games, r.won, r.lost, r.drawn, r.highest, r.played_ms
FROM names CROSS JOIN LATERAL (
    SELECT * FROM ratings r WHERE r.realm = %(realm)s AND r.queue = names.queue AND r.player = %(player)s
) r ORDER BY r.queue, r.side
"""
)
_CHANGES = """
SELECT game, n, part, match, at_ms, before, rating, deviation, rank FROM rating_changes
WHERE realm = %(realm)s AND player = %(player)s AND queue = %(queue)s AND side = %(side)s{older}
ORDER BY game DESC, n DESC, part DESC LIMIT %(most)s
"""
_OLDER = " AND game <= %(game)s AND (game, n, part) < (%(game)s, %(n)s, %(part)s)"
_MEETINGS = (
    _QUEUES.format(table="meetings")
    + """
SELECT m.queue, m.one, m.one_won, m.other_won, m.drawn, m.last_match, m.last_ms
FROM names
CROSS JOIN (VALUES (%(player)s::text, %(other)s::text), (%(other)s::text, %(player)s::text)) pair (one, other)
CROSS JOIN LATERAL (
    SELECT * FROM meetings m
    WHERE m.realm = %(realm)s AND m.queue = names.queue AND m.one = pair.one AND m.other = pair.other
) m ORDER BY m.queue
"""
)


def profile_plan(realm: str, player: str) -> DatabasePlan[Profile]:
    """:raises UnknownPlayer: nobody of that name ever joined, or was rated. :raises InvalidInput: it is no name."""
    return _profile({"realm": checked_text("realm", realm), "player": checked_text("player", player)})


def _profile(names: Mapping[str, str]) -> DatabasePlan[Profile]:
    yield from schema.required()
    since = yield from _since(names["realm"], names["player"])
    rows = yield Query(_PROFILE, names)
    return Profile(names["player"], since[names["player"]], tuple(QueueRecord(*row) for row in rows))


def _since(realm: str, *players: str) -> DatabasePlan[Mapping[str, int]]:
    """When each was first seen."""
    found: dict[str, int] = dict((yield Query(_SINCE, {"realm": realm, "players": list(players)})))
    for player in players:
        if player not in found:
            raise UnknownPlayer(player, realm)
    return found


def history_plan(
    realm: str, player: str, queue: str, *, side: str = "", before: str | None = None, most: int = 50
) -> DatabasePlan[list[RatingChange]]:
    """Every change of a player's rating in a queue, newest first; none for who has no rating there.

    :param before: the last one's id, for the next page.
    :raises InvalidInput: ``most`` is not 1 to 1,000, or a name is none.
    """
    if not 1 <= most <= MOST:
        raise InvalidInput("most", most, f"a whole number, 1 … {MOST:,}")
    if side and not re.fullmatch(NAME_PATTERN, side):
        raise InvalidInput("side", side, BOUNDS["queue"])
    values: dict[str, Any] = {
        "realm": checked_text("realm", realm),
        "player": checked_text("player", player),
        "queue": checked_text("queue", queue),
        "side": side,
        "most": most,
    }
    if before is not None:
        if not re.fullmatch(r"[0-9]{1,9}\.[0-9]{1,15}\.[0-9]{1,4}", before):
            raise InvalidInput("before", before, "a change's id, as in 12.3456.0")
        values |= dict(zip(("game", "n", "part"), map(int, before.split(".")), strict=True))
    return _history(Query(_CHANGES.format(older="" if before is None else _OLDER), values))


def _history(query: Query) -> DatabasePlan[list[RatingChange]]:
    yield from schema.required()
    rows = yield query
    return [RatingChange(f"{game}.{n}.{part}", match, at, game, *rest) for game, n, part, match, at, *rest in rows]


def head_to_head_plan(realm: str, player: str, other: str) -> DatabasePlan[HeadToHead]:
    """:raises UnknownPlayer: one of them never joined, nor was rated. :raises InvalidInput: they are one player."""
    names = {"realm": checked_text("realm", realm), "player": checked_text("player", player)}
    if checked_text("player", other) == player:
        raise InvalidInput("player", other, "two different players")
    return _head_to_head({**names, "other": other})


def _head_to_head(names: Mapping[str, str]) -> DatabasePlan[HeadToHead]:
    yield from schema.required()
    yield from _since(names["realm"], names["player"], names["other"])
    rows = yield Query(_MEETINGS, names)
    found = []
    for queue, one, one_won, other_won, drawn, last_match, last_ms in rows:
        won, lost = (one_won, other_won) if one == names["player"] else (other_won, one_won)
        found.append(Meetings(queue, won, lost, drawn, last_match, last_ms))
    return HeadToHead(names["player"], names["other"], tuple(found))
