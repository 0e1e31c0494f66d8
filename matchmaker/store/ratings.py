"""Reads and writes of ratings: what a player is worth in a queue when an enqueue gives no rating."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matchmaker.calls import Rated
from matchmaker.store.copying import as_line
from matchmaker.store.queries import DatabasePlan, Query, Rows
from matchmaker.store.settle import lock

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

ROWS_A_FETCH = 5_000

_LOOK_UP = """
SELECT player, rating, deviation FROM ratings
WHERE realm = %(realm)s AND queue = %(queue)s AND side = '' AND player = ANY(%(players)s)
"""
# Sorted, so that two who create the same players wait for each other and never in a circle.
_SETTLE = """
WITH unknown AS (SELECT DISTINCT player FROM unnest(%(players)s::text[]) AS player ORDER BY player),
created AS (
    INSERT INTO players (realm, player, since_ms)
    SELECT %(realm)s, player, (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM unknown
    ON CONFLICT DO NOTHING
)
INSERT INTO ratings (realm, queue, player, rating, deviation, source)
SELECT %(realm)s, %(queue)s, player, %(rating)s, %(deviation)s::double precision, 'default' FROM unknown
ON CONFLICT DO NOTHING
RETURNING player, rating, deviation
"""
_GIVEN = """
CREATE TEMPORARY TABLE IF NOT EXISTS given (player text PRIMARY KEY, rating double precision,
    deviation double precision) ON COMMIT DROP;
TRUNCATE given
"""
_COMPARE = """
SELECT count(*) FILTER (WHERE stored.player IS NULL),
       count(*) FILTER (WHERE stored.player IS NOT NULL AND
                        (stored.rating, stored.deviation) IS DISTINCT FROM (given.rating, given.deviation)),
       count(*)
FROM given LEFT JOIN ratings AS stored
     ON stored.realm = %(realm)s AND stored.queue = %(queue)s AND stored.player = given.player
     AND stored.side = %(side)s
"""
_PLAYERS = """
INSERT INTO players (realm, player, since_ms)
SELECT %(realm)s, player, (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM given ORDER BY player
ON CONFLICT DO NOTHING
"""
# Between two rated matches: a season that is computed anew takes the numbers from here on.
_CHANGES = """
INSERT INTO rating_changes (realm, n, part, queue, player, side, at_ms, game, before, deviation_before,
    volatility_before, rating, deviation, volatility)
SELECT %(realm)s, realms.settled, part, %(queue)s, given.player, %(side)s,
    (extract(epoch FROM clock_timestamp()) * 1000)::bigint, coalesce(stored.games, 0), stored.rating, stored.deviation,
    stored.volatility, given.rating, given.deviation, stored.volatility
FROM realms CROSS JOIN given
CROSS JOIN (
    SELECT 1 + coalesce(max(part), 0) AS part FROM rating_changes
    WHERE realm = %(realm)s AND n = (SELECT settled FROM realms WHERE realm = %(realm)s)
) AS last
LEFT JOIN ratings AS stored ON stored.realm = %(realm)s AND stored.queue = %(queue)s AND stored.player = given.player
    AND stored.side = %(side)s
WHERE realms.realm = %(realm)s
    AND (stored.player IS NULL OR (stored.rating, stored.deviation) IS DISTINCT FROM (given.rating, given.deviation))
"""
_UPSERT = """
INSERT INTO ratings AS stored (realm, queue, player, side, rating, deviation, source)
SELECT %(realm)s, %(queue)s, player, %(side)s, rating, deviation, 'import' FROM given ORDER BY player
ON CONFLICT (realm, queue, player, side) DO UPDATE
SET rating = excluded.rating, deviation = excluded.deviation, source = 'import', changed_at = now()
WHERE (stored.rating, stored.deviation) IS DISTINCT FROM (excluded.rating, excluded.deviation)
"""
_EXPORT = """
SELECT player, rating, deviation FROM ratings
WHERE realm = %(realm)s AND queue = %(queue)s AND side = %(side)s
ORDER BY rating DESC, player COLLATE "C"
"""
_SIDES = """
SELECT DISTINCT side COLLATE "C" FROM ratings WHERE realm = %(realm)s AND queue = %(queue)s ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class ImportCount:
    """Players whom the queue had no rating of, had another of, and had this very one of."""

    new: int
    changed: int
    unchanged: int


def _rated(rows: Rows) -> dict[str, Rated]:
    return {player: Rated(rating, deviation) for player, rating, deviation in rows}


def look_up(realm: str, queue: str, players: Sequence[str]) -> DatabasePlan[dict[str, Rated]]:
    """The ratings of those who have one in the queue, by one query."""
    rows = yield Query(_LOOK_UP, {"realm": realm, "queue": queue, "players": list(players)})
    return _rated(rows)


def settle_unknown(realm: str, queue: str, players: Sequence[str], default: Rated) -> DatabasePlan[dict[str, Rated]]:
    """Creates players nobody knew, with the default rating; answers what stands then.

    That is not the default for whom somebody else rated in the same moment.
    """
    given = {"realm": realm, "queue": queue, "players": list(players)}
    rows = yield Query(_SETTLE, {**given, "rating": default.rating, "deviation": default.deviation})
    stand = _rated(rows)
    rest = [player for player in players if player not in stand]
    if rest:
        stand |= yield from look_up(realm, queue, rest)
    return stand


def import_ratings(
    cursor: cursor, realm: str, queue: str, rated: Mapping[str, Rated], *, side: str = "", dry: bool = False
) -> ImportCount:
    """Stores these ratings over those that are there, all or nothing; with ``dry`` only tells what would change.

    No match is settled meanwhile (:func:`matchmaker.store.settle.lock`): those before it and those after it are told
    apart by ``rating_changes``.
    """
    names = {"realm": realm, "queue": queue, "side": side}
    if not dry:
        lock(cursor, realm)
    cursor.execute(_GIVEN)
    cursor.copy_expert("COPY given FROM STDIN", io.StringIO("".join(map(_copy_row, rated, rated.values()))))
    cursor.execute("ANALYZE given")
    cursor.execute(_COMPARE, names)
    new, changed, all_ = cursor.fetchone() or (0, 0, 0)
    if not dry:
        cursor.execute(_PLAYERS, names)
        cursor.execute(_CHANGES, names)
        cursor.execute(_UPSERT, names)
    return ImportCount(new, changed, all_ - new - changed)


def _copy_row(player: str, rated: Rated) -> str:
    return as_line(player, float(rated.rating), rated.deviation) + "\n"


def rated_sides(cursor: cursor, realm: str, queue: str) -> list[str]:
    """The sides of which the queue has ratings, "" for all of them first."""
    cursor.execute(_SIDES, {"realm": realm, "queue": queue})
    return [str(side) for (side,) in cursor.fetchall()]


def stored_ratings(cursor: cursor, realm: str, queue: str, side: str = "") -> Iterator[tuple[str, Rated]]:
    """Every rating of the queue, or of that side of it, the highest first, without holding them all in memory."""
    with cursor.connection.cursor(name="stored_ratings") as rows:
        rows.itersize = ROWS_A_FETCH
        rows.execute(_EXPORT, {"realm": realm, "queue": queue, "side": side})
        for player, rating, deviation in rows:
            yield player, Rated(rating, deviation)
