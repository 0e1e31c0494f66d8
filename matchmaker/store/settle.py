"""Settles finished matches: their results, and what they do to ratings, in the transaction that records them.

**Exactly once.** The row of ``results`` is the memory of it: a match that has one is never rated again, whatever is
written or read twice, and both go into the database by one commit. **In order.** Matches are rated in the order of
their events, and numbered so from 1; a match of a queue that is not rated has a result and no number. The rules are
those of the version under which the match was made.

One drain a realm works at a time. Who else writes ratings (an import) takes :func:`lock` for it, so that every rating
is read after the last one was written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Final

from matchmaker.ratings import RatingChange, RatingSystem, Row, settle_one, system_of
from matchmaker.rules import QueueRules
from matchmaker.store.copying import as_line
from matchmaker.store.lifecycle_rows import Finished
from matchmaker.store.standing_rows import (
    Key,
    Meetings,
    Standing,
    add_meetings,
    change_line,
    keys_of,
    rated_result,
    standing_of,
)

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

_LOCK: Final = "matchmaker ratings "
STAGES: Final = """
CREATE TEMP TABLE IF NOT EXISTS new_ratings (queue text, player text, side text, rating double precision,
    deviation double precision, volatility double precision, games int, won int, lost int, drawn int, played_ms bigint,
    highest double precision) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS new_meetings (queue text, one text, other text, one_won int, other_won int, drawn int,
    last_match text, last_ms bigint) ON COMMIT DELETE ROWS;
"""
_STANDINGS: Final = """
SELECT queue, player, side, stored.rating, stored.deviation, stored.volatility, stored.games, stored.won, stored.lost,
    stored.drawn, stored.played_ms, stored.highest
FROM unnest(%(queues)s::text[], %(players)s::text[], %(sides)s::text[]) AS wanted (queue, player, side)
JOIN ratings AS stored USING (queue, player, side)
WHERE stored.realm = %(realm)s
"""
_RATINGS: Final = """
INSERT INTO ratings (realm, queue, player, side, rating, deviation, volatility, games, won, lost, drawn, played_ms,
    highest, source)
SELECT %(realm)s, queue, player, side, rating, deviation, volatility, games, won, lost, drawn, played_ms, highest,
    'match'
FROM new_ratings ORDER BY queue, player, side
ON CONFLICT (realm, queue, player, side) DO UPDATE
SET rating = EXCLUDED.rating, deviation = EXCLUDED.deviation, volatility = EXCLUDED.volatility,
    games = EXCLUDED.games, won = EXCLUDED.won, lost = EXCLUDED.lost, drawn = EXCLUDED.drawn,
    played_ms = EXCLUDED.played_ms, highest = EXCLUDED.highest, source = EXCLUDED.source, changed_at = now()
"""
_MEETINGS: Final = """
INSERT INTO meetings AS stored (realm, queue, one, other, one_won, other_won, drawn, last_match, last_ms)
SELECT %(realm)s, queue, one, other, one_won, other_won, drawn, last_match, last_ms FROM new_meetings
ON CONFLICT (realm, queue, one, other) DO UPDATE
SET one_won = stored.one_won + EXCLUDED.one_won, other_won = stored.other_won + EXCLUDED.other_won,
    drawn = stored.drawn + EXCLUDED.drawn, last_match = EXCLUDED.last_match, last_ms = EXCLUDED.last_ms
"""
_RESULT_COLUMNS: Final = (
    "realm, match, queue, rules, at_ms, matched_ms, outcome, by, who, reason, ranks, left_players, n, event"
)
_CHANGE_COLUMNS: Final = (
    "realm, n, queue, player, side, match, at_ms, game, before, deviation_before, volatility_before, rating, deviation,"
    " volatility, rank"
)

Rated = tuple[QueueRules, RatingSystem]


@dataclass(frozen=True, slots=True)
class Settled:
    """What one batch settled. ``last`` is the number of the last match that was ever rated in the realm.

    ``without_rules`` are matches whose rules nobody knows any more: they have a result and are not rated.
    """

    last: int
    results: int = 0
    rated: int = 0
    without_rules: tuple[str, ...] = ()


def lock(cursor: cursor, realm: str) -> None:
    """Nobody else writes a rating of the realm until this transaction ends."""
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (_LOCK + realm,))


def settled_of(cursor: cursor, realm: str) -> int:
    """Number of the last rated match, 0 before the first."""
    cursor.execute("SELECT settled FROM realms WHERE realm = %s", (realm,))
    found = cursor.fetchone()
    return int(found[0]) if found else 0


class Settler:
    """Settles the matches of one realm. Remembers the rules it has read: a version never changes."""

    def __init__(self, realm: str) -> None:
        self._realm = realm
        self._rules: dict[tuple[str, int], Rated | None] = {}

    def settle(self, cursor: cursor, finished: Sequence[Finished]) -> Settled:
        """Writes what is new among these, in their order; the row of ``realms`` must be there."""
        lock(cursor, self._realm)
        last = settled_of(cursor, self._realm)
        new = self._new(cursor, finished)
        if not new:
            return Settled(last)
        self._read_rules(cursor, {(one.queue, one.rules) for one in new})
        results, changes, meetings = [], list[str](), Meetings()
        without = []
        standings = self._standings(cursor, new)
        first = last
        for one in new:
            n, version = None, (one.queue, one.rules)
            if one.ranks:
                add_meetings(meetings, one)
                rated = self._rules.get(version)
                if rated:
                    last = n = last + 1
                    changes += [change_line(self._realm, n, change) for change in _rate(one, rated, standings)]
                elif version not in self._rules:
                    without.append(one.match)
            results.append(self._result(one, n))
        _copy(cursor, f"results ({_RESULT_COLUMNS})", results)
        _copy(cursor, f"rating_changes ({_CHANGE_COLUMNS})", changes)
        played = (standing.line(key) for key, standing in standings.items() if standing.row.games)
        self._merge(cursor, "new_ratings", played, _RATINGS)
        self._merge(cursor, "new_meetings", _meeting_lines(meetings), _MEETINGS)
        cursor.execute("UPDATE realms SET settled = %s WHERE realm = %s", (last, self._realm))
        return Settled(last, len(new), last - first, tuple(without))

    def _new(self, cursor: cursor, finished: Sequence[Finished]) -> list[Finished]:
        """Each match once, and none that has a result: the first word stands."""
        by_match: dict[str, Finished] = {}
        for one in finished:
            by_match.setdefault(one.match, one)
        cursor.execute("SELECT match FROM results WHERE realm = %s AND match = ANY(%s)", (self._realm, list(by_match)))
        for (match,) in cursor.fetchall():
            del by_match[match]
        return list(by_match.values())

    def _read_rules(self, cursor: cursor, versions: set[tuple[str, int]]) -> None:
        """The rules of these versions; one whose text is lost is not remembered, for it may be found again."""
        for queue, version in sorted(versions - self._rules.keys()):
            rules = stored_rules(cursor, self._realm, queue, version)
            if rules is not None:
                system = system_of(rules)
                self._rules[queue, version] = (rules, system) if system else None

    def _standings(self, cursor: cursor, new: Sequence[Finished]) -> dict[Key, Standing]:
        """What is known of the players of rated matches."""
        rated = [one for one in new if one.ranks and self._rules.get((one.queue, one.rules))]
        keys = list(dict.fromkeys(key for one in rated for key in keys_of(one)))
        if not keys:
            return {}
        queues, players, sides = (list(column) for column in zip(*keys, strict=True))
        names = {"realm": self._realm, "queues": queues, "players": players, "sides": sides}
        cursor.execute(_STANDINGS, names)
        return {(row[0], row[1], row[2]): standing_of(row[3:]) for row in cursor.fetchall()}

    def _result(self, one: Finished, n: int | None) -> str:
        return as_line(
            *(self._realm, one.match, one.queue, one.rules, one.at_ms, one.matched_ms, one.outcome, one.by, one.who),
            *(one.reason, one.ranks or None, one.left or None, n, one.event),
        )

    def _merge(self, cursor: cursor, stage: str, lines: Iterable[str], insert: str) -> None:
        if _copy(cursor, stage, lines):
            cursor.execute(insert, {"realm": self._realm})


def stored_rules(cursor: cursor, realm: str, queue: str, version: int) -> QueueRules | None:
    """The rules of a queue in that version, None if their text is not recorded."""
    cursor.execute(
        "SELECT rules FROM rule_versions WHERE realm = %s AND queue = %s AND version = %s",
        (realm, queue, version),
    )
    found = cursor.fetchone()
    if found is None or found[0] is None:
        return None
    # The database keeps them without their order.
    return QueueRules.from_compiled(json.dumps(found[0], sort_keys=True, separators=(",", ":")))


def _rate(one: Finished, rated: Rated, standings: dict[Key, Standing]) -> list[RatingChange]:
    """One match; ``standings`` are as they stand after it then."""
    rules, system = rated
    result = rated_result(one)
    rows = {key: standings[key].row for key in keys_of(one) if key in standings}
    changes = settle_one(result, rules, system, rows)
    for change in changes:
        standing = standings.setdefault(change.key, Standing(Row(change.before)))
        standing.take(change, shared=one.ranks.count(change.rank) > 1)
    return changes


def _meeting_lines(meetings: Meetings) -> Iterable[str]:
    for (queue, player, other), one in meetings.items():
        yield as_line(queue, player, other, one.one_won, one.other_won, one.drawn, one.last_match, one.last_ms)


def _copy(cursor: cursor, target: str, lines: Iterable[str]) -> bool:
    text = "\n".join(lines)
    if text:
        cursor.copy_expert(f"COPY {target} FROM STDIN", StringIO(text))
    return bool(text)
