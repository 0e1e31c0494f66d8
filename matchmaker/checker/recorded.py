"""Postgres against the stream: one row for what happened, and none for what did not.

The stream is read from its beginning to the place up to which the realm is recorded; for each event the rows it must
have left are compared column by column. Then the rows are asked for events that the stream should hold and does not.
Shares no code with what writes the rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import redis

from matchmaker.checker.settled import judge_results, judge_settled
from matchmaker.checker.violation import Code, Violation
from matchmaker.keys import Keys
from matchmaker.model import Event, EventKind, Match, Ticket, checked_text, event_order, parse_event
from matchmaker.runner import typed_errors

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

    from matchmaker.store.connect import Database

PAGE_EVENTS: Final = 250
SECONDS: Final = 120.0
MOST_NAMED: Final = 20

Life = tuple[str, int]
"""A ticket and when it was enqueued, in realm ms."""


@dataclass(frozen=True, slots=True)
class RecordsReport:
    """The verdict on one realm's rows. ``events`` and ``matches`` were compared; ``behind`` is the number of events
    after the place."""

    realm: str
    violations: tuple[Violation, ...]
    events: int
    matches: int
    behind: int

    @property
    def ok(self) -> bool:
        return not self.violations

    def __str__(self) -> str:
        counted = f"{self.events:,} events, {self.matches:,} matches compared with Postgres"
        if self.ok:
            return f"ok ({counted})"
        return "\n".join([f"{len(self.violations):,} violations ({counted})", *map(str, self.violations[:MOST_NAMED])])


def check_records(client: redis.Redis, database: Database, realm: str, *, drained: bool = False) -> RecordsReport:
    """Everything in the rows that the stream gives the lie to, and the other way round.

    :param drained: everything should be recorded by now; what is not is a violation.
    :raises DatabaseUnavailable: or another error of the database or the server.
    """
    keys = Keys(checked_text("realm", realm))
    with database.transaction(SECONDS) as cursor:
        # The rows of one moment, however far a recorder goes on meanwhile.
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SELECT recorded FROM realms WHERE realm = %s", (realm,))
        found = cursor.fetchone()
        return _Comparison(client, cursor, keys, str(found[0]) if found else "0-0").run(drained)


@dataclass(slots=True)
class _Comparison:
    client: redis.Redis
    cursor: cursor
    keys: Keys
    place: str
    found: list[Violation] = field(default_factory=list)
    ends: set[str] = field(default_factory=set)
    first: str = ""
    events: int = 0
    matches: int = 0
    behind: int = 0

    def run(self, drained: bool) -> RecordsReport:
        for page in self._pages():
            self._compare(page)
        if self.first:
            self._unknown()
        self._twice()
        self.found += judge_settled(self.client, self.cursor, self.keys)
        if drained and self.behind:
            what = f"{self.behind} events after {self.place} are not recorded"
            self.found.append(Violation(Code.RECORDS_BEHIND, what))
        return RecordsReport(self.keys.realm, tuple(self.found), self.events, self.matches, self.behind)

    def _pages(self) -> Iterator[list[Event]]:
        """What the stream holds up to the place; what follows is counted."""
        start = "-"
        while True:
            with typed_errors():
                entries: Any = self.client.xrange(self.keys.events, start, count=PAGE_EVENTS)
            page = []
            for entry, fields in entries:
                event = entry.decode()
                self.first = self.first or event
                start = f"({event}"
                if event_order(event) > event_order(self.place):
                    self.behind += 1
                elif fields[b"event"].decode() in set(EventKind):
                    page.append(parse_event(event, "", fields[b"body"].decode()))
            self.events += len(page)
            if page:
                yield page
            if len(entries) < PAGE_EVENTS:
                return

    # -- from the stream to the rows -----------------------------------------------------------------------------------

    def _compare(self, page: Sequence[Event]) -> None:
        matches = {event.id: event.match for event in page if event.match is not None}
        self.matches += len(matches)
        tickets: dict[Life, Ticket] = {}
        for event in page:
            for ticket in event.match.tickets if event.match else [event.ticket] if event.ticket else []:
                tickets[ticket.id, ticket.enqueued_ms] = ticket
                if ticket.ended_ms is not None:
                    self.ends.add(event.id)
        self._compare_tickets(page, tickets)
        self._compare_matches(matches)
        self.found += judge_results(self.cursor, self.keys, page)
        for event in page:
            if event.kind is EventKind.RULES:
                self._compare_rules(event)

    def _compare_tickets(self, page: Sequence[Event], told: dict[Life, Ticket]) -> None:
        self.cursor.execute(
            "SELECT ticket, enqueued_ms, player, data, state, ended_ms, reason, ended_event, queue, rating, deviation,"
            " terms FROM tickets WHERE realm = %s AND ticket = ANY(%s)",
            (self.keys.realm, [ticket for ticket, _ in told]),
        )
        rows = {(row[0], row[1]): row[2:] for row in self.cursor.fetchall()}
        begun = {(event.ticket.id, event.at_ms): event for event in page if _begins(event) and event.ticket}
        enders = {
            (ticket.id, ticket.enqueued_ms): event.id
            for event in page
            for ticket in (event.match.tickets if event.match else [event.ticket] if event.ticket else [])
            if ticket.ended_ms is not None
        }
        for life, ticket in told.items():
            row = rows.get(life)
            if row is None:
                self._add(Code.ROW_MISSING, f"ticket {life[0]}, enqueued at {life[1]}, has none")
                continue
            want: tuple[Any, ...] = (ticket.players[0].id, ticket.data)
            have = tuple(row[:2])
            if life in enders:  # what began only may have ended in a later page
                want += (ticket.state.value, ticket.ended_ms, ticket.reason, enders[life])
                have += tuple(row[2:6])
            beginning = begun.get(life)
            if beginning is not None and beginning.ticket is not None:
                want += (*_stands(beginning.ticket), _terms(beginning))
                have += tuple(row[6:])
            elif row[9] is None:  # one with terms is matched where its match says, and the row tells how it began
                want += _stands(ticket)
                have += tuple(row[6:9])
            if want != have:
                self._add(Code.ROW_DISAGREES, f"ticket {life[0]} is {have}, the stream tells {want}")

    def _compare_matches(self, told: dict[str, Match]) -> None:
        self.cursor.execute(
            "SELECT match, queue, rules, at_ms, gap, value, lost_at, coalesce(price, 0), coalesce(region, ''), ping,"
            " coalesce(server, ''), coalesce(picks, '{}'), coalesce(proposed, false)"
            " FROM matches WHERE realm = %s AND match = ANY(%s)",
            (self.keys.realm, list(told)),
        )
        rows = {row[0]: row[1:] for row in self.cursor.fetchall()}
        self.cursor.execute(
            "SELECT match, team, place, ticket, player, rating, deviation, at_ms, waited_ms, coalesce(side, ''),"
            " coalesce(choice, '') FROM teams WHERE realm = %s AND match = ANY(%s) ORDER BY match, team, place",
            (self.keys.realm, list(told)),
        )
        teams = defaultdict(list)
        for row in self.cursor.fetchall():
            teams[row[0]].append(tuple(row[1:]))
        for id_, match in told.items():
            want = (
                *(match.queue, match.rules_version, match.at_ms, match.gap, match.value, None, match.price),
                *(match.region, match.ping, match.server, dict(match.picks), match.proposed),
            )
            want_teams = [
                (
                    *(number, place, ticket.id, ticket.player, ticket.rating, ticket.players[0].deviation),
                    *(match.at_ms, match.at_ms - ticket.enqueued_ms, ticket.side, ticket.choice),
                )
                for number, team in enumerate(match.teams, 1)
                for place, ticket in enumerate(team.tickets, 1)
            ]
            if id_ not in rows or id_ not in teams:
                self._add(Code.ROW_MISSING, f"match {id_} has none, or no teams")
            elif rows[id_] != want or teams[id_] != want_teams:
                what = f"match {id_} is {rows[id_]} {teams[id_]}, the stream tells {want} {want_teams}"
                self._add(Code.ROW_DISAGREES, what)

    def _compare_rules(self, event: Event) -> None:
        version, removed = int(event.body["version"]), event.body["change"] == "removed"
        self.cursor.execute(
            "SELECT EXISTS (SELECT FROM events WHERE realm = %(realm)s AND event = %(event)s),"
            " EXISTS (SELECT FROM rule_versions WHERE realm = %(realm)s AND queue = %(queue)s"
            " AND version = %(version)s AND rules IS NOT NULL)",
            {"realm": self.keys.realm, "event": event.id, "queue": event.queue, "version": version},
        )
        kept, stored = self.cursor.fetchone() or (False, False)
        if not (kept and (stored or removed)):
            self._add(Code.ROW_MISSING, f"version {version} of the rules of {event.queue!r} has none ({event.id})")

    # -- from the rows to the stream -----------------------------------------------------------------------------------

    def _unknown(self) -> None:
        """Rows of events younger than the stream's first that it does not hold."""
        asked = {"realm": self.keys.realm, "since": event_order(self.first)[0]}
        self.cursor.execute(
            "SELECT match FROM matches WHERE realm = %(realm)s AND at_ms > %(since)s AND lost_at IS NULL"
            " UNION SELECT ended_event FROM tickets WHERE realm = %(realm)s AND ended_ms > %(since)s"
            " AND ended_event IS NOT NULL",
            asked,
        )
        for (event,) in self.cursor.fetchall():
            if event not in self.ends:
                self._add(Code.ROW_UNKNOWN, f"event {event} is not in the stream, which begins at {self.first}")

    def _twice(self) -> None:
        self.cursor.execute(
            "SELECT t.ticket, array_agg(t.match) FROM teams t JOIN matches m USING (realm, match)"
            " WHERE t.realm = %s AND m.lost_at IS NULL GROUP BY t.ticket, t.at_ms - t.waited_ms HAVING count(*) > 1",
            (self.keys.realm,),
        )
        for ticket, matches in self.cursor.fetchall():
            self._add(Code.ROW_TWICE, f"ticket {ticket} is in the matches {', '.join(matches)}")

    def _add(self, code: Code, message: str) -> None:
        self.found.append(Violation(code, message))


def _begins(event: Event) -> bool:
    return event.kind is EventKind.ENQUEUED


def _stands(ticket: Ticket) -> tuple[str, float, float | None]:
    """Where the ticket stands: queue, rating, deviation."""
    return ticket.queue, ticket.rating, ticket.players[0].deviation


_TERMS: Final = ("queues", "ratings", "sides", "attributes", "accepts", "pings", "region", "vetoes", "avoid")


def _terms(event: Event) -> dict[str, Any] | None:
    """What the ticket brought besides one rating, as the event has it."""
    return {name: event.body[name] for name in _TERMS if name in event.body} or None
