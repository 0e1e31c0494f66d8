"""Reads and writes of ratings: what a player is worth in a queue when an enqueue gives no rating."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matchmaker.calls import Rated

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

ROWS_A_FETCH = 5_000

_LOOK_UP = """
SELECT player, rating, deviation FROM ratings
WHERE realm = %(realm)s AND queue = %(queue)s AND player = ANY(%(players)s)
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
SELECT %(realm)s, %(queue)s, player, %(rating)s, %(deviation)s, 'default' FROM unknown
ON CONFLICT DO NOTHING
RETURNING player, rating, deviation
"""
_GIVEN = """
CREATE TEMPORARY TABLE given (player text PRIMARY KEY, rating double precision, deviation double precision)
ON COMMIT DROP
"""
_COMPARE = """
SELECT count(*) FILTER (WHERE stored.player IS NULL),
       count(*) FILTER (WHERE stored.player IS NOT NULL AND
                        (stored.rating, stored.deviation) IS DISTINCT FROM (given.rating, given.deviation)),
       count(*)
FROM given LEFT JOIN ratings AS stored
     ON stored.realm = %(realm)s AND stored.queue = %(queue)s AND stored.player = given.player
"""
_PLAYERS = """
INSERT INTO players (realm, player, since_ms)
SELECT %(realm)s, player, (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM given ORDER BY player
ON CONFLICT DO NOTHING
"""
_UPSERT = """
INSERT INTO ratings AS stored (realm, queue, player, rating, deviation, source)
SELECT %(realm)s, %(queue)s, player, rating, deviation, 'import' FROM given ORDER BY player
ON CONFLICT (realm, queue, player) DO UPDATE
SET rating = excluded.rating, deviation = excluded.deviation, source = 'import', changed_at = now()
WHERE (stored.rating, stored.deviation) IS DISTINCT FROM (excluded.rating, excluded.deviation)
"""
_EXPORT = """
SELECT player, rating, deviation FROM ratings WHERE realm = %(realm)s AND queue = %(queue)s
ORDER BY rating DESC, player COLLATE "C"
"""


@dataclass(frozen=True, slots=True)
class ImportCount:
    """Players whom the queue had no rating of, had another of, and had this very one of."""

    new: int
    changed: int
    unchanged: int


def _rated(cursor: cursor) -> dict[str, Rated]:
    return {player: Rated(rating, deviation) for player, rating, deviation in cursor}


def look_up(cursor: cursor, realm: str, queue: str, players: Sequence[str]) -> dict[str, Rated]:
    """The ratings of those who have one in the queue, by one query."""
    cursor.execute(_LOOK_UP, {"realm": realm, "queue": queue, "players": list(players)})
    return _rated(cursor)


def settle_unknown(cursor: cursor, realm: str, queue: str, players: Sequence[str], default: Rated) -> dict[str, Rated]:
    """Creates players nobody knew, with the default rating; answers what stands then.

    That is not the default for whom somebody else rated in the same moment.
    """
    given = {"realm": realm, "queue": queue, "players": list(players)}
    cursor.execute(_SETTLE, {**given, "rating": default.rating, "deviation": default.deviation})
    stand = _rated(cursor)
    rest = [player for player in players if player not in stand]
    if rest:
        stand |= look_up(cursor, realm, queue, rest)
    return stand


def import_ratings(
    cursor: cursor, realm: str, queue: str, rated: Mapping[str, Rated], *, dry: bool = False
) -> ImportCount:
    """Stores these ratings over those that are there, all or nothing; with ``dry`` only tells what would change."""
    names = {"realm": realm, "queue": queue}
    cursor.execute(_GIVEN)
    cursor.copy_expert("COPY given FROM STDIN", io.StringIO("".join(map(_copy_row, rated, rated.values()))))
    cursor.execute("ANALYZE given")
    cursor.execute(_COMPARE, names)
    new, changed, all_ = cursor.fetchone() or (0, 0, 0)
    if not dry:
        cursor.execute(_PLAYERS, names)
        cursor.execute(_UPSERT, names)
    return ImportCount(new, changed, all_ - new - changed)


def _copy_row(player: str, rated: Rated) -> str:
    """COPY's text form. A player's id has no control characters, so a backslash is all there is to escape."""
    deviation = "\\N" if rated.deviation is None else repr(float(rated.deviation))
    return f"{player.replace(chr(92), chr(92) * 2)}\t{float(rated.rating)!r}\t{deviation}\n"


def stored_ratings(cursor: cursor, realm: str, queue: str) -> Iterator[tuple[str, Rated]]:
    """Every rating of the queue, the highest first, without holding them all in memory."""
    with cursor.connection.cursor(name="stored_ratings") as rows:
        rows.itersize = ROWS_A_FETCH
        rows.execute(_EXPORT, {"realm": realm, "queue": queue})
        for player, rating, deviation in rows:
            yield player, Rated(rating, deviation)
