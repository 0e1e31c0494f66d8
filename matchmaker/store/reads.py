"""What the records tell: matches, newest first, and the versions of a queue's rules. Reads only.

Each read is one transaction that begins by checking the schema. Ids of matches order as events do: by realm ms, then by
number within it.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from matchmaker.errors import InvalidInput, UnknownMatch, UnknownQueue
from matchmaker.model import EVENT_PATTERN, Match, Player, Team, Ticket, TicketState, checked_text, event_order
from matchmaker.rules import QueueRules
from matchmaker.store import schema
from matchmaker.terms import Frozen

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

    from matchmaker.store.connect import Database

MOST: Final = 1_000
"""Matches that one read answers at most."""


@dataclass(frozen=True, slots=True)
class RecordedMatch:
    """A match as it was made. ``lost_ms`` is when reconciliation found that a server which failed no longer had it, by
    the database's clock in Unix ms; None for every other."""

    match: Match
    lost_ms: int | None = None


@dataclass(frozen=True, slots=True)
class RuleChange:
    """One change of a queue: ``created``, ``changed`` or ``removed``, at a moment of realm ms.

    ``rules`` are those in force from then on, by the names of a rules file; by those of the compiled form where a newer
    program wrote what this one cannot read; None for a removal, and where the realm had forgotten them before they were
    recorded.
    """

    queue: str
    version: int
    change: str
    at_ms: int
    rules: Mapping[str, Any] | None = None


# -- matches -----------------------------------------------------------------------------------------------------------

# A page of ids and then all about them. The name of a match is checked and holds its place in the order.
_ALL = """
SELECT m.match, m.queue, m.rules, m.at_ms, m.gap, m.value, (extract(epoch FROM m.lost_at) * 1000)::bigint,
    m.price, m.region, m.ping, m.server, m.picks, m.proposed,
    t.team, t.ticket, t.player, t.rating, t.deviation, t.waited_ms, coalesce(k.data, ''), t.side, t.choice
FROM page m
JOIN teams t ON t.realm = m.realm AND t.match = m.match
LEFT JOIN tickets k ON k.realm = t.realm AND k.ticket = t.ticket AND k.enqueued_ms = t.at_ms - t.waited_ms
ORDER BY m.at_ms DESC, split_part(m.match, '-', 2)::bigint DESC, t.team, t.place
"""
_COUNT = "split_part(m.match, '-', 2)::bigint"
_OLDER = f"m.at_ms <= %(before_ms)s AND (m.at_ms, {_COUNT}) < (%(before_ms)s, %(before_count)s)"
_NEWEST = f"ORDER BY m.at_ms DESC, {_COUNT} DESC LIMIT %(most)s"

# The index is by queue and time, so that a page of all queues is the newest of each queue's own page. Which queues
# there are is found by leaps through the same index.
_OF_REALM = f"""
WITH RECURSIVE names AS (
    (SELECT queue FROM matches WHERE realm = %(realm)s ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT n.queue FROM matches n WHERE n.realm = %(realm)s AND n.queue > names.queue ORDER BY n.queue LIMIT 1)
    FROM names WHERE names.queue IS NOT NULL
), page AS (
    SELECT m.* FROM names CROSS JOIN LATERAL (
        SELECT * FROM matches m WHERE m.realm = %(realm)s AND m.queue = names.queue AND {{older}} {_NEWEST}
    ) m {_NEWEST}
)"""
_OF_QUEUE = f"""
WITH page AS (SELECT m.* FROM matches m WHERE m.realm = %(realm)s AND m.queue = %(queue)s AND {{older}} {_NEWEST})
"""
_OF_PLAYER = f"""
WITH page AS (
    SELECT found.* FROM teams m JOIN matches found ON found.realm = m.realm AND found.match = m.match
    WHERE m.realm = %(realm)s AND m.player = %(player)s AND (%(queue)s::text IS NULL OR found.queue = %(queue)s)
        AND {{older}} {_NEWEST}
)"""
_OF_ID = "WITH page AS (SELECT * FROM matches WHERE realm = %(realm)s AND match = %(match)s)"


def matches(
    database: Database,
    realm: str,
    *,
    queue: str | None = None,
    player: str | None = None,
    before: str | None = None,
    most: int = 50,
) -> list[RecordedMatch]:
    """The newest matches, of one queue or player if named; the next page begins ``before`` the last one's id.

    :raises InvalidInput: ``most`` is not 1 to 1,000, or a name is none. :raises DatabaseUnavailable: and the other
        errors of :class:`~matchmaker.store.connect.Database`.
    """
    if not 1 <= most <= MOST:
        raise InvalidInput("most", most, f"a whole number, 1 … {MOST:,}")
    values = {"realm": checked_text("realm", realm), "most": most, "queue": None, "before_ms": 0, "before_count": 0}
    if before is not None:
        values["before_ms"], values["before_count"] = event_order(_checked_id("before", before))
    template = _OF_REALM
    if queue is not None:
        values["queue"], template = checked_text("queue", queue), _OF_QUEUE
    if player is not None:
        values["player"], template = checked_text("player", player), _OF_PLAYER
    with database.transaction(read_only=True) as cursor:
        schema.require(cursor)
        cursor.execute(template.format(older="true" if before is None else _OLDER) + _ALL, values)
        return _matches_of(cursor)


def match(database: Database, realm: str, match_id: str) -> RecordedMatch:
    """One match, all of it.

    :raises UnknownMatch: none of that id is recorded. :raises InvalidInput: it is no id.
    """
    values = {"realm": checked_text("realm", realm), "match": _checked_id("match", match_id)}
    with database.transaction(read_only=True) as cursor:
        schema.require(cursor)
        cursor.execute(_OF_ID + _ALL, values)
        found = _matches_of(cursor)
    if not found:
        raise UnknownMatch(match_id)
    return found[0]


def _checked_id(name: str, value: str) -> str:
    if not re.match(EVENT_PATTERN, value) or value.endswith("\n"):
        raise InvalidInput(name, value, "a match's id, as in 1732374000123-0")
    return value


def _matches_of(cursor: cursor) -> list[RecordedMatch]:
    """Rows in the order of :data:`_ALL`, one a member, those of a match together."""
    found = []
    for head, rows in itertools.groupby(cursor.fetchall(), key=lambda row: row[:13]):
        match_id, queue, rules, at_ms, gap, value, lost_ms, price, region, ping, server, picks, proposed = head
        teams = tuple(
            Team(tuple(_ticket(match_id, queue, at_ms, row[14:]) for row in members))
            for _, members in itertools.groupby(rows, key=lambda row: row[13])
        )
        match = Match(
            match_id,
            queue,
            rules,
            at_ms,
            gap,
            value,
            teams,
            price=price or 0.0,
            region=region or "",
            ping=ping,
            server=server or "",
            picks=Frozen(picks or {}),
            proposed=bool(proposed),
        )
        found.append(RecordedMatch(match, lost_ms))
    return found


def _ticket(match_id: str, queue: str, at_ms: int, row: Sequence[Any]) -> Ticket:
    ticket, player, rating, deviation, waited_ms, data, side, choice = row
    return Ticket(
        ticket,
        queue,
        (Player(player, rating, deviation),),
        at_ms - waited_ms,
        TicketState.MATCHED,
        data,
        ended_ms=at_ms,
        match_id=match_id,
        side=side or "",
        choice=choice or "",
    )


# -- rules -------------------------------------------------------------------------------------------------------------

_VERSIONS = """
SELECT version, rules, at_ms, event FROM rule_versions WHERE realm = %(realm)s AND queue = %(queue)s
"""
_CHANGES = """
SELECT event, body->>'change', (body->>'version')::int, at_ms FROM events
WHERE realm = %(realm)s AND queue = %(queue)s AND kind = 'rules'
"""


def is_recorded(database: Database, realm: str) -> bool:
    """Whether anything of the realm was ever recorded."""
    with database.transaction(read_only=True) as cursor:
        schema.require(cursor)
        cursor.execute("SELECT EXISTS (SELECT FROM realms WHERE realm = %s)", (checked_text("realm", realm),))
        return cursor.fetchone() == (True,)


def rule_history(database: Database, realm: str, queue: str) -> list[RuleChange]:
    """Every change of the queue's rules, the first one first.

    :raises UnknownQueue: nothing of that queue is recorded.
    """
    values = {"realm": checked_text("realm", realm), "queue": checked_text("queue", queue)}
    with database.transaction(read_only=True) as cursor:
        schema.require(cursor)
        cursor.execute(_VERSIONS, values)
        versions = cursor.fetchall()
        cursor.execute(_CHANGES, values)
        events = {event: (change, version, at_ms) for event, change, version, at_ms in cursor.fetchall()}
    found = {}
    for version, rules, at_ms, event in versions:
        change = events.pop(event, ("created" if version == 1 else "changed", version, at_ms))[0]
        found[event] = RuleChange(queue, version, change, at_ms, None if rules is None else _as_written(rules))
    for event, (change, version, at_ms) in events.items():
        found[event] = RuleChange(queue, version, change, at_ms)
    if not found:
        raise UnknownQueue(queue, realm)
    return [found[event] for event in sorted(found, key=event_order)]


def _as_written(compiled: Mapping[str, Any]) -> Mapping[str, Any]:
    """By the names of a rules file. The database keeps the compiled rules without their order."""
    text = json.dumps(compiled, sort_keys=True, separators=(",", ":"))
    try:
        return QueueRules.from_compiled(text).model_dump(mode="json")
    except InvalidInput:
        return compiled
