"""Results and ratings in Postgres: against the stream, against each other, and computed anew.

Every rating change has one cause, a match that was finished as played, and the numbers of rated matches have no gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import redis

from matchmaker.checker.violation import Code, Violation
from matchmaker.keys import Keys
from matchmaker.model import Event, EventKind, event_order
from matchmaker.runner import typed_errors

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

_RESULTS: Final = """
SELECT match, event, queue, rules, at_ms, matched_ms, outcome, by, coalesce(who, ''), coalesce(reason, ''),
    coalesce(ranks, '[]'), coalesce(left_players, '[]')
FROM results WHERE realm = %s AND match = ANY(%s)
"""
_TOLD: Final = """
SELECT results.n, match, player, coalesce(side, ''), rating, deviation, before, game
FROM results JOIN rating_changes AS change USING (realm, match)
WHERE realm = %s AND results.n = ANY(%s) AND change.n = results.n AND part = 0
"""
_COUNTS: Final = """
SELECT (SELECT coalesce(max(settled), 0) FROM realms WHERE realm = %(realm)s), count(n), count(DISTINCT n),
    coalesce(min(n), 0), coalesce(max(n), 0), count(*)
FROM results WHERE realm = %(realm)s
"""
_CAUSES: Final = """
SELECT coalesce(results.n, change.n), coalesce(results.match, change.match) FROM
    (SELECT * FROM results WHERE realm = %(realm)s AND n IS NOT NULL) AS results
FULL JOIN (SELECT n, match, count(*) FROM rating_changes WHERE realm = %(realm)s AND part = 0
    GROUP BY n, match) AS change USING (n, match)
WHERE results.realm IS NULL OR change.n IS NULL OR outcome <> 'played'
    OR change.count <> (SELECT count(*) FROM teams WHERE teams.realm = %(realm)s AND teams.match = results.match)
ORDER BY 1 LIMIT 20
"""
_STANDS: Final = """
SELECT queue, player, side, stands.rating, last.rating, stands.games, last.game
FROM (SELECT DISTINCT ON (queue, player, side) * FROM rating_changes WHERE realm = %(realm)s AND part = 0
      ORDER BY queue, player, side, n DESC) AS last
LEFT JOIN (SELECT * FROM ratings WHERE realm = %(realm)s) AS stands USING (queue, player, side)
WHERE stands.rating IS NULL OR stands.games <> last.game OR (stands.source = 'match'
    AND (stands.rating, stands.deviation, stands.volatility)
    IS DISTINCT FROM (last.rating, last.deviation, last.volatility))
LIMIT 20
"""
_SHOWN: Final = """
SELECT queue, side, player, rating FROM ratings
WHERE realm = %s AND games > 0 ORDER BY queue, side, player
"""


def judge_results(cursor: cursor, keys: Keys, page: Sequence[Event]) -> Iterator[Violation]:
    """The rows of those events of one page that end a match or tell its ratings."""
    finished = {event.match_id: event for event in reversed(page) if event.kind is EventKind.FINISHED}
    if finished:
        cursor.execute(_RESULTS, (keys.realm, list(finished)))
        rows = {row[0]: row[1:] for row in cursor.fetchall()}
        for match, event in finished.items():
            row, wanted = rows.get(match), _as_told(event)
            if row is None:
                yield Violation(Code.ROW_MISSING, f"match {match} has no result")
            elif row[0] == event.id and row != wanted:
                yield Violation(Code.ROW_DISAGREES, f"match {match} ended as {row}, the stream tells {wanted}")
            elif row[0] != event.id and event_order(row[0]) > event_order(event.id):
                yield Violation(Code.ROW_DISAGREES, f"match {match} ended by {row[0]}, the stream tells {event.id}")
    rated = {int(event.body["n"]): event.body for event in page if event.kind is EventKind.RATED}
    if rated:
        yield from _judge_told(cursor, keys, rated)


def _as_told(event: Event) -> tuple[Any, ...]:
    body = event.body
    return (
        *(event.id, event.queue, int(body["rules"]), event.at_ms, int(body["matched_ms"]), body["outcome"], body["by"]),
        *(body.get("who", ""), body.get("reason", ""), list(body.get("ranks", ())), list(body.get("left", ()))),
    )


def _judge_told(cursor: cursor, keys: Keys, rated: Mapping[int, Mapping[str, Any]]) -> Iterator[Violation]:
    """What players were told of their ratings."""
    cursor.execute(_TOLD, (keys.realm, list(rated)))
    rows: dict[int, set[tuple[Any, ...]]] = {n: set() for n in rated}
    for n, *row in cursor.fetchall():
        rows[n].add(tuple(row))
    for n, body in rated.items():
        told = {
            (
                *(body["match"], one["player"], one.get("side", ""), float(one["rating"])),
                *(one.get("deviation"), float(one["before"]), int(one["game"])),
            )
            for one in body["players"]
        }
        if told != rows[n]:
            yield Violation(Code.SETTLED_WRONG, f"number {n} was told as {told}, it is {rows[n]}")


def judge_settled(client: redis.Redis, cursor: cursor, keys: Keys) -> Iterator[Violation]:
    """The rows against each other, the matches rated anew, and the ratings that the realm shows."""
    names = {"realm": keys.realm}
    cursor.execute(_COUNTS, names)
    settled, numbered, distinct, first, last, results = cursor.fetchone() or (0,) * 6
    if not results:
        return
    if {numbered, distinct, last} != {settled} or first != min(1, settled):
        what = f"{numbered} matches are numbered {first} to {last}, {settled} are said to be settled"
        yield Violation(Code.SETTLED_WRONG, what)
    cursor.execute(_CAUSES, names)
    causes = cursor.fetchall()
    for n, match in causes:
        yield Violation(Code.SETTLED_WRONG, f"number {n}, {match}, has not the changes of a match that was played")
    cursor.execute(_STANDS, names)
    for queue, player, side, rating, wanted, games, game in cursor.fetchall():
        what = f"{player!r} stands at {rating} in {queue!r} {side} after {games}, by its last match {wanted}, {game}"
        yield Violation(Code.SETTLED_WRONG, what)
    if not causes:
        yield from _computed_anew(cursor, keys, last)
    yield from _shown(client, cursor, keys, settled)


def _computed_anew(cursor: cursor, keys: Keys, last: int) -> Iterator[Violation]:
    from matchmaker.store import season

    cursor.execute("SELECT DISTINCT queue FROM results WHERE realm = %s AND n IS NOT NULL", (keys.realm,))
    for (queue,) in cursor.fetchall():
        for one in season.replay(cursor, keys.realm, queue, 1, last).differences:
            what = f"{one.number} of {one.player!r} in {one.match} ({one.n}) is {one.stored}, computed {one.computed}"
            yield Violation(Code.SETTLED_WRONG, what)


def _shown(client: redis.Redis, cursor: cursor, keys: Keys, settled: int) -> Iterator[Violation]:
    """Ratings in the realm, once all that was settled has been announced there."""
    with typed_errors():
        announced: Any = client.hget(keys.meta, "rated")
    if int(announced or 0) != settled:
        return
    cursor.execute(_SHOWN, (keys.realm,))
    rows = cursor.fetchall()
    for i in range(0, len(rows), 250):
        few = rows[i : i + 250]
        with typed_errors():
            pipeline = client.pipeline(transaction=False)
            for queue, side, player, _ in few:
                pipeline.zscore(keys.ratings(queue, side), player)
            scores = pipeline.execute()
            again: Any = client.hget(keys.meta, "rated")
        if again != announced:
            return  # it goes on
        for (queue, side, player, rating), score in zip(few, scores, strict=True):
            if score != rating:
                what = f"{player!r} is shown with {score} in {queue!r} {side}, the database has {rating}"
                yield Violation(Code.SETTLED_WRONG, what)
