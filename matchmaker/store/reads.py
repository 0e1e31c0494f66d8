"""What the records tell: matches, newest first, and the versions of a queue's rules. Reads only.

Each read is one transaction that begins by checking the schema: a plan (``queries.py``), and for blocking programs a
function that runs it. Ids of matches order as events do: by realm ms, then by
number within it.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from matchmaker.errors import InvalidInput, UnknownMatch, UnknownQueue
from matchmaker.model import EVENT_PATTERN, Match, Player, Team, Ticket, TicketState, checked_text, event_order
from matchmaker.rules import QueueRules
from matchmaker.store import schema
from matchmaker.store.queries import DatabasePlan, Query, Rows, Transactions
from matchmaker.terms import Frozen

MOST: Final = 1_000
"""Matches that one read answers at most."""


@dataclass(frozen=True, slots=True)
class Change:
    """A player's rating before and after a match, in points, and the deviation after it."""

    before: float
    after: float
    deviation: float | None = None


@dataclass(frozen=True, slots=True)
class RecordedResult:
    """How a match ended: ``played`` (then ``ranks`` has a number for each team, 1 for the best, equal for a tie),
    ``aborted`` or ``abandoned``; by whom or what; who ``left`` early. ``number`` counts the rated matches of the realm,
    None for one that was not rated. ``at_ms`` is realm ms."""

    outcome: str
    ranks: tuple[int, ...]
    by: str
    who: str
    reason: str
    left: tuple[str, ...]
    at_ms: int
    number: int | None = None


@dataclass(frozen=True, slots=True)
class RecordedMatch:
    """A match as it was made, and what became of it.

    ``lost_ms`` is when reconciliation found that a server which failed no longer had it, by the database's clock in
    Unix ms; None for every other. ``result`` is None where none is awaited, or until there is one. ``changes``: what a
    rated match made of its players' ratings.
    """

    match: Match
    lost_ms: int | None = None
    result: RecordedResult | None = None
    changes: Mapping[str, Change] = field(default_factory=dict)


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

_HEAD: Final = 21
"""Columns of :data:`_ALL` that tell of the match; the others tell of a member."""

# A page of ids and then all about them. The name of a match is checked and holds its place in the order.
_ALL = """
SELECT m.match, m.queue, m.rules, m.at_ms, m.gap, m.value, (extract(epoch FROM m.lost_at) * 1000)::bigint,
    m.price, m.region, m.ping, m.server, m.picks, m.proposed,
    r.outcome, r.ranks, r.by, r.who, r.reason, r.left_players, r.at_ms, r.n,
    t.team, c.before, c.rating, c.deviation,
    t.ticket, t.player, t.rating, t.deviation, t.waited_ms, coalesce(k.data, ''), t.side, t.choice
FROM page m
JOIN teams t ON t.realm = m.realm AND t.match = m.match
LEFT JOIN results r ON r.realm = m.realm AND r.match = m.match
LEFT JOIN rating_changes c ON c.realm = r.realm AND c.n = r.n AND c.part = 0 AND c.player = t.player
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
    database: Transactions,
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
    return database.run(matches_plan(realm, queue=queue, player=player, before=before, most=most))


def matches_plan(
    realm: str, *, queue: str | None = None, player: str | None = None, before: str | None = None, most: int = 50
) -> DatabasePlan[list[RecordedMatch]]:
    """See :func:`matches`."""
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
    return _page(Query(template.format(older="true" if before is None else _OLDER) + _ALL, values))


def _page(query: Query) -> DatabasePlan[list[RecordedMatch]]:
    yield from schema.required()
    return _matches_of((yield query))


def match(database: Transactions, realm: str, match_id: str) -> RecordedMatch:
    """One match, all of it.

    :raises UnknownMatch: none of that id is recorded. :raises InvalidInput: it is no id.
    """
    return database.run(match_plan(realm, match_id))


def match_plan(realm: str, match_id: str) -> DatabasePlan[RecordedMatch]:
    """See :func:`match`."""
    values = {"realm": checked_text("realm", realm), "match": _checked_id("match", match_id)}
    return _one(match_id, Query(_OF_ID + _ALL, values))


def _one(match_id: str, query: Query) -> DatabasePlan[RecordedMatch]:
    found = yield from _page(query)
    if not found:
        raise UnknownMatch(match_id)
    return found[0]


def _checked_id(name: str, value: str) -> str:
    if not re.match(EVENT_PATTERN, value) or value.endswith("\n"):
        raise InvalidInput(name, value, "a match's id, as in 1732374000123-0")
    return value


def _matches_of(members: Rows) -> list[RecordedMatch]:
    """Rows in the order of :data:`_ALL`, one a member, those of a match together."""
    found = []
    for head, group in itertools.groupby(members, key=lambda row: row[:_HEAD]):
        rows = list(group)
        match_id, queue, rules, at_ms, gap, value, lost_ms, price, region, ping, server, picks, proposed = head[:13]
        teams = tuple(
            Team(tuple(_ticket(match_id, queue, at_ms, row[_HEAD + 4 :]) for row in team))
            for _, team in itertools.groupby(rows, key=lambda row: row[_HEAD])
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
        changes = {row[_HEAD + 5]: Change(*row[_HEAD + 1 : _HEAD + 4]) for row in rows if row[_HEAD + 1] is not None}
        found.append(RecordedMatch(match, lost_ms, _result(head[13:]), changes))
    return found


def _result(row: Sequence[Any]) -> RecordedResult | None:
    outcome, ranks, by, who, reason, left, at_ms, number = row
    if outcome is None:
        return None
    return RecordedResult(outcome, tuple(ranks or ()), by, who or "", reason, tuple(left or ()), at_ms, number)


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


def is_recorded(database: Transactions, realm: str) -> bool:
    """Whether anything of the realm was ever recorded."""
    return database.run(is_recorded_plan(realm))


def is_recorded_plan(realm: str) -> DatabasePlan[bool]:
    """See :func:`is_recorded`."""
    query = Query("SELECT true FROM realms WHERE realm = %(realm)s", {"realm": checked_text("realm", realm)})

    def asked() -> DatabasePlan[bool]:
        yield from schema.required()
        return bool((yield query))

    return asked()


def rule_history(database: Transactions, realm: str, queue: str) -> list[RuleChange]:
    """Every change of the queue's rules, the first one first.

    :raises UnknownQueue: nothing of that queue is recorded.
    """
    return database.run(rule_history_plan(realm, queue))


def rule_history_plan(realm: str, queue: str) -> DatabasePlan[list[RuleChange]]:
    """See :func:`rule_history`."""
    return _changes_of(checked_text("realm", realm), checked_text("queue", queue))


def _changes_of(realm: str, queue: str) -> DatabasePlan[list[RuleChange]]:
    yield from schema.required()
    values = {"realm": realm, "queue": queue}
    versions = yield Query(_VERSIONS, values)
    rows = yield Query(_CHANGES, values)
    events = {event: (change, version, at_ms) for event, change, version, at_ms in rows}
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
