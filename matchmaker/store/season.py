"""A season once more, out of the records: every match rated again and held against the numbers that are stored.

A player begins with what stood before its first match in the stretch, and whatever was imported since counts from its
place on. The same code rates as when the matches were settled, so equal means equal to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from matchmaker.errors import UnknownMatch
from matchmaker.ratings import Key, RatedPlayer, RatedResult, RatingChange, Row, Skill, settle_one, system_of
from matchmaker.store.settle import Rated, stored_rules

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

ROWS_A_FETCH: Final = 5_000
_MATCHES: Final = """
SELECT n, match, results.rules, results.at_ms, ranks, team, player, coalesce(side, ''), teams.rating, teams.deviation
FROM results JOIN teams USING (realm, match)
WHERE realm = %(realm)s AND results.queue = %(queue)s AND n BETWEEN %(first)s AND %(last)s
ORDER BY n, team, place
"""
_CHANGES: Final = """
SELECT n, part, player, side, game, before, deviation_before, volatility_before, rating, deviation, volatility
FROM rating_changes
WHERE realm = %(realm)s AND queue = %(queue)s AND n BETWEEN %(first)s AND %(last)s ORDER BY n, part
"""
_LAST_PLAYED: Final = """
SELECT max(at_ms) FROM rating_changes
WHERE realm = %s AND queue = %s AND player = %s AND side = %s AND part = 0 AND n < %s
"""
_NUMBERS: Final = ("before", "deviation_before", "volatility_before", "rating", "deviation", "volatility", "game")
_CORRECT: Final = """
UPDATE rating_changes SET before = %s, deviation_before = %s, volatility_before = %s, rating = %s, deviation = %s,
    volatility = %s, game = %s
WHERE realm = %s AND n = %s AND part = 0 AND player = %s AND side = %s
"""
_STAND: Final = """
UPDATE ratings SET rating = %s, deviation = %s, volatility = %s, games = %s, played_ms = %s, changed_at = now(),
    highest = (SELECT max(rating) FROM rating_changes AS one WHERE one.realm = ratings.realm
        AND one.player = ratings.player AND one.queue = ratings.queue AND one.side = ratings.side AND one.part = 0)
WHERE realm = %s AND queue = %s AND player = %s AND side = %s
"""

Numbers = tuple[float | None, float | None, float | None, float | None, float | None, float | None, int]


@dataclass(frozen=True, slots=True)
class Difference:
    """A number of a rating change that came out otherwise; None where there is none."""

    n: int
    match: str
    player: str
    side: str
    number: str
    stored: float | None
    computed: float | None


@dataclass(slots=True)
class Replay:
    """What a stretch of a season came to. ``final`` are the ratings at its end, ``corrected`` the changes that
    differ, by match and key."""

    matches: int = 0
    changes: int = 0
    differences: list[Difference] = field(default_factory=list)
    corrected: dict[tuple[int, Key], Numbers] = field(default_factory=dict)
    final: dict[Key, Row] = field(default_factory=dict)


def number_of(cursor: cursor, realm: str, queue: str, match: str) -> int:
    """Which of the rated matches it is. :raises UnknownMatch: the queue has no rated match of that id."""
    cursor.execute("SELECT n FROM results WHERE realm = %s AND queue = %s AND match = %s", (realm, queue, match))
    found = cursor.fetchone()
    if found is None or found[0] is None:
        raise UnknownMatch(match)
    return int(found[0])


def replay(cursor: cursor, realm: str, queue: str, first: int, last: int) -> Replay:
    """Rates the matches numbered ``first`` to ``last`` again. Memory: a row a player, not the season."""
    return _Replaying(cursor, realm, queue, first, last).run()


class _Replaying:
    def __init__(self, cursor: cursor, realm: str, queue: str, first: int, last: int) -> None:
        self._cursor = cursor
        self._realm = realm
        self._queue = queue
        self._names = {"realm": realm, "queue": queue, "first": first, "last": last}
        self._rules: dict[int, Rated] = {}
        self._found = Replay()

    def run(self) -> Replay:
        matches = self._rows("matches", _MATCHES)
        results = (self._result(list(rows)) for _, rows in groupby(matches, key=lambda row: row[0]))
        waiting: tuple[int, RatedResult] | None = None
        for (n, part), rows in groupby(self._rows("changes", _CHANGES), key=lambda row: row[:2]):
            if part:
                self._import(rows)
                continue
            waiting = waiting or next(results, None)
            stored: dict[Key, Numbers] = {(self._queue, row[2], row[3]): (*row[5:], row[4]) for row in rows}
            if waiting and waiting[0] == n:
                self._compare(n, waiting[1], stored)
                waiting = None
        return self._found

    def _rows(self, name: str, query: str) -> Iterator[tuple[Any, ...]]:
        with self._cursor.connection.cursor(name=f"season_{name}") as rows:
            rows.itersize = ROWS_A_FETCH
            rows.execute(query, self._names)
            yield from rows

    def _result(self, rows: list[tuple[Any, ...]]) -> tuple[int, RatedResult]:
        n, match, rules, at_ms, ranks = rows[0][:5]
        teams = tuple(
            tuple(RatedPlayer(player, rating, deviation, side) for *_, player, side, rating, deviation in team)
            for _, team in groupby(rows, key=lambda row: row[5])
        )
        return n, RatedResult(match, self._queue, rules, at_ms, tuple(ranks), teams)

    def _import(self, rows: Iterator[tuple[Any, ...]]) -> None:
        """From here on players are worth what was imported; their matches stay."""
        for _, _, player, side, _, _, _, _, rating, deviation, volatility in rows:
            key = (self._queue, player, side)
            row = self._found.final.get(key)
            if row is not None:
                self._found.final[key] = Row(Skill(rating, deviation, volatility), row.games, row.played_ms)

    def _compare(self, n: int, result: RatedResult, stored: dict[Key, Numbers]) -> None:
        rules, system = self._rated(result.rules_version)
        rows = self._found.final
        for key, numbers in stored.items():
            if key not in rows:
                rows[key] = self._start(n, key, numbers)
        self._found.matches += 1
        for change in settle_one(result, rules, system, rows):
            rows[change.key] = change.row
            self._found.changes += 1
            self._hold(n, change, stored.get(change.key, (None,) * 6 + (0,)))

    def _hold(self, n: int, change: RatingChange, stored: Numbers) -> None:
        before, after = change.before, change.after
        computed = (
            *(before.rating, before.deviation, before.volatility),
            *(after.rating, after.deviation, after.volatility, change.game),
        )
        if computed == stored:
            return
        _, player, side = change.key
        self._found.corrected[n, change.key] = computed
        self._found.differences += [
            Difference(n, change.match, player, side, name, was, now)
            for name, was, now in zip(_NUMBERS, stored, computed, strict=True)
            if was != now
        ]

    def _start(self, n: int, key: Key, stored: Numbers) -> Row:
        """What stood before a player's first match of the stretch."""
        before, deviation, volatility, *_, game = stored
        played_ms = None
        if game > 1:
            self._cursor.execute(_LAST_PLAYED, (self._realm, *key, n))
            (played_ms,) = self._cursor.fetchone() or (None,)
        return Row(Skill(before or 0.0, deviation, volatility), game - 1, played_ms)

    def _rated(self, version: int) -> Rated:
        if version not in self._rules:
            rules = stored_rules(self._cursor, self._realm, self._queue, version)
            system = system_of(rules) if rules else None
            if rules is None or system is None:  # a rated match has both
                raise UnknownMatch(f"rules {version} of {self._queue}")
            self._rules[version] = rules, system
        return self._rules[version]


def correct(cursor: cursor, realm: str, found: Replay) -> None:
    """Stores what came out: in the changes that differ, and in the ratings of those players as they stand now.

    The stretch must reach to the season's end, and the caller holds :func:`matchmaker.store.settle.lock`.
    """
    for (n, (_, player, side)), numbers in found.corrected.items():
        cursor.execute(_CORRECT, (*numbers, realm, n, player, side))
    for key in {key for _, key in found.corrected}:
        row = found.final[key]
        skill = row.skill
        stands = (skill.rating, skill.deviation, skill.volatility, row.games, row.played_ms)
        cursor.execute(_STAND, (*stands, realm, *key))
