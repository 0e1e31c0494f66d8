"""Writes batches of rows so that writing them again changes nothing.

Lines go by COPY into temporary tables and from there into the real ones with ON CONFLICT: a third of the cost of COPY
alone is the price of being idempotent, and four times less than rows one by one. A batch and the realm's place in its
stream are one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from io import StringIO
from typing import TYPE_CHECKING

from matchmaker.store.rows import Batch
from matchmaker.store.settle import STAGES

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

_STAGES = """
CREATE TEMP TABLE IF NOT EXISTS new_tickets (ticket text, enqueued_ms bigint, queue text, player text, state text,
    rating double precision, deviation double precision, data text, ended_ms bigint, reason text, ended_event text,
    terms jsonb)
    ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS new_players (player text, since_ms bigint) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS new_matches (match text, queue text, rules int, at_ms bigint, gap double precision,
    value double precision, price double precision, region text, ping double precision, server text, picks jsonb,
    proposed boolean) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS new_teams (match text, team smallint, place smallint, ticket text, player text,
    rating double precision, deviation double precision, at_ms bigint, waited_ms bigint, side text, choice text)
    ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS new_events (event text, kind text, queue text, at_ms bigint, body jsonb)
    ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS new_checks (check_id text, queue text, at_ms bigint, until_ms bigint, teams jsonb,
    ended_ms bigint, outcome text, match text, declined jsonb) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE IF NOT EXISTS new_reports (match text, by text, reporter text, queue text, at_ms bigint, ranks jsonb,
    left_players jsonb) ON COMMIT DELETE ROWS;
"""

# A replayed `enqueued` never reopens a ticket. An end that differs from the one in the table is the realm's newer word:
# a server that failed had lost the first.
_TICKETS = """
INSERT INTO tickets (realm, ticket, enqueued_ms, queue, player, state, rating, deviation, data, ended_ms, reason,
    ended_event, terms)
SELECT %(realm)s, ticket, enqueued_ms, queue, player, state, rating, deviation, data, ended_ms, reason, ended_event,
    terms
FROM new_tickets
ON CONFLICT (realm, ticket, enqueued_ms) DO UPDATE
SET state = EXCLUDED.state, ended_ms = EXCLUDED.ended_ms, reason = EXCLUDED.reason, ended_event = EXCLUDED.ended_event
WHERE EXCLUDED.ended_event IS NOT NULL AND tickets.ended_event IS DISTINCT FROM EXCLUDED.ended_event
"""
_PLAYERS = """
INSERT INTO players (realm, player, since_ms) SELECT %(realm)s, player, since_ms FROM new_players
ON CONFLICT DO NOTHING
"""
_MATCHES = """
INSERT INTO matches (realm, match, queue, rules, at_ms, gap, value, price, region, ping, server, picks, proposed)
SELECT %(realm)s, match, queue, rules, at_ms, gap, value, price, region, ping, server, picks, proposed FROM new_matches
ON CONFLICT DO NOTHING
"""
_TEAMS = """
INSERT INTO teams (realm, match, team, place, ticket, player, rating, deviation, at_ms, waited_ms, side, choice)
SELECT %(realm)s, match, team, place, ticket, player, rating, deviation, at_ms, waited_ms, side, choice FROM new_teams
ON CONFLICT DO NOTHING
"""
_EVENTS = """
INSERT INTO events (realm, event, kind, queue, at_ms, body)
SELECT %(realm)s, event, kind, queue, at_ms, body FROM new_events
ON CONFLICT DO NOTHING
"""
# What is told of a check in two batches comes together in one row; told again, it changes nothing.
_CHECKS = """
INSERT INTO checks AS stored (realm, check_id, queue, at_ms, until_ms, teams, ended_ms, outcome, match, declined)
SELECT %(realm)s, check_id, queue, at_ms, until_ms, teams, ended_ms, outcome, match, declined FROM new_checks
ON CONFLICT (realm, check_id) DO UPDATE
SET until_ms = coalesce(stored.until_ms, EXCLUDED.until_ms), teams = coalesce(stored.teams, EXCLUDED.teams),
    ended_ms = coalesce(stored.ended_ms, EXCLUDED.ended_ms), outcome = coalesce(stored.outcome, EXCLUDED.outcome),
    match = coalesce(stored.match, EXCLUDED.match),
    declined = coalesce(stored.declined || EXCLUDED.declined, stored.declined, EXCLUDED.declined)
WHERE EXCLUDED.outcome IS NOT NULL OR stored.until_ms IS NULL
"""
_REPORTS = """
INSERT INTO reports (realm, match, by, reporter, queue, at_ms, ranks, left_players)
SELECT %(realm)s, match, by, reporter, queue, at_ms, ranks, left_players FROM new_reports
ON CONFLICT DO NOTHING
"""
_RULES = """
INSERT INTO rule_versions (realm, queue, version, rules, event, at_ms)
VALUES (%(realm)s, %(queue)s, %(version)s, %(rules)s, %(event)s, %(at)s)
ON CONFLICT DO NOTHING
"""
_QUEUE = """
INSERT INTO queues (realm, queue, version, state, at_ms)
VALUES (%(realm)s, %(queue)s, %(version)s, %(state)s, %(at)s)
ON CONFLICT (realm, queue) DO UPDATE
SET version = EXCLUDED.version, state = EXCLUDED.state, at_ms = EXCLUDED.at_ms
WHERE (queues.version, queues.at_ms) <= (EXCLUDED.version, EXCLUDED.at_ms)
"""
_PLACE = """
INSERT INTO realms (realm, recorded, recorded_at, events) VALUES (%(realm)s, %(last)s, clock_timestamp(), %(events)s)
ON CONFLICT (realm) DO UPDATE
SET recorded = EXCLUDED.recorded, recorded_at = EXCLUDED.recorded_at, events = realms.events + EXCLUDED.events
"""


def prepare(cursor: cursor) -> None:
    """Makes the temporary tables of this session."""
    cursor.execute(_STAGES + STAGES)


def place_of(cursor: cursor, realm: str) -> str:
    """Id of the last event recorded, ``0-0`` before the first."""
    cursor.execute("SELECT recorded FROM realms WHERE realm = %s", (realm,))
    found = cursor.fetchone()
    return str(found[0]) if found else "0-0"


def set_place(cursor: cursor, realm: str, place: str, events: int = 0) -> None:
    """From where the next drain goes on; ``events`` more are recorded."""
    cursor.execute(_PLACE, {"realm": realm, "last": place, "events": events})


def write(cursor: cursor, realm: str, batch: Batch, rules: Mapping[tuple[str, int], str | None]) -> None:
    """All of the batch, and the place after it. ``rules`` holds the text of every version the batch tells of."""
    _copy(cursor, realm, "players", batch.players.values(), _PLAYERS)
    _copy(cursor, realm, "tickets", batch.tickets.values(), _TICKETS)
    _copy(cursor, realm, "matches", batch.matches, _MATCHES)
    _copy(cursor, realm, "teams", batch.teams, _TEAMS)
    _copy(cursor, realm, "events", batch.kept, _EVENTS)
    for queue, version, event, at in batch.rules:
        text = rules.get((queue, version))
        row = {"realm": realm, "queue": queue, "version": version, "event": event, "at": at, "rules": text}
        cursor.execute(_RULES, row)
        cursor.execute(_QUEUE, {**row, "state": "open"})
    for queue, version, at in batch.removed:
        cursor.execute(_QUEUE, {"realm": realm, "queue": queue, "version": version, "state": "removed", "at": at})
    _copy(cursor, realm, "checks", (one.line(check) for check, one in batch.checks.items()), _CHECKS)
    _copy(cursor, realm, "reports", (one.line() for one in batch.reports), _REPORTS)
    set_place(cursor, realm, batch.last, batch.events)


def _copy(cursor: cursor, realm: str, table: str, lines: Iterable[str], insert: str) -> None:
    text = "\n".join(lines)
    if text:
        cursor.copy_expert(f"COPY new_{table} FROM STDIN", StringIO(text))
        cursor.execute(insert, {"realm": realm})
