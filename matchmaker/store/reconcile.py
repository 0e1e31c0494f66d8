"""Holds the database's last word against the realm's, and names what the realm has lost.

After a fail-over, or a crash with ``appendfsync everysec``, the server may no longer know its last writes, and with
them tickets it had acknowledged and matches it had announced. What was recorded before the failure tells of them:

- a match whose event is not in the stream, though the stream reaches back further, is marked ``lost_at``;
- so is a result, which stands all the same: what it did to ratings is in the database and shown;
- a ticket that such an event ended waits again if the realm has it, else its state is ``lost``;
- a ticket that waits here, while the realm neither has it nor has ended it, is ``lost``.

What was not recorded yet either is known to its caller alone, whose next question about the ticket is answered with
``unknown_ticket``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import redis

from matchmaker.keys import Keys
from matchmaker.model import event_order
from matchmaker.runner import typed_errors
from matchmaker.store import schema
from matchmaker.store.connect import Database

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

T = TypeVar("T")

PAGE = 500
SECONDS = 30.0
SETTLED_MS = 60_000
"""A ticket that waits for less than this is not judged: the recorder may be about to tell its end."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What was found this time, by id. ``reopened`` tickets wait again: the match or the end they had was lost. Of
    ``lost_results`` the match, whose result stands."""

    realm: str
    lost_tickets: tuple[str, ...] = ()
    lost_matches: tuple[str, ...] = ()
    reopened: tuple[str, ...] = ()
    lost_results: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        return not (self.lost_tickets or self.lost_matches or self.reopened or self.lost_results)


def reconcile(client: redis.Redis, database: Database, realm: str, *, settled_ms: int = SETTLED_MS) -> Reconciliation:
    """Marks and names what the realm lost; finds nothing the second time. Safe beside a recorder and a matcher.

    :param settled_ms: how long, in realm ms behind the last recorded event, a ticket's absence must be old to count.
    :raises DatabaseUnavailable: or another error of the database or the server; nothing is marked then.
    """
    keys = Keys(realm)
    with database.transaction(SECONDS) as cursor:
        schema.require(cursor)
        # Nobody records meanwhile: the row is what a drain moves with each batch.
        cursor.execute("SELECT recorded FROM realms WHERE realm = %s FOR UPDATE", (realm,))
        found = cursor.fetchone()
        if found is None or found[0] == "0-0":
            return Reconciliation(realm)
        place = str(found[0])
        first = _edge(client, keys, "-")
        gone = _not_in_stream(client, keys, _recorded_ends(cursor, realm, _ms(first))) if first else set[str]()
        matches = _lose_matches(cursor, realm, gone)
        results = _lose_results(client, cursor, keys, _ms(first)) if first else []
        reopened, lost = _reopen(client, cursor, keys, gone)
        if _is_fresh(client, keys, place):
            lost += _lose_waiting(client, cursor, keys, _ms(place) - settled_ms)
        return Reconciliation(
            realm, tuple(sorted(set(lost))), tuple(sorted(matches)), tuple(sorted(reopened)), tuple(results)
        )


def _pages(items: Iterable[T]) -> Iterator[list[T]]:
    page: list[T] = []
    for item in items:
        page.append(item)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page


def _recorded_ends(cursor: cursor, realm: str, since_ms: int) -> list[str]:
    """Ids of the events since then that ended a ticket, matches included."""
    cursor.execute(
        "SELECT match FROM matches WHERE realm = %(realm)s AND at_ms > %(since)s AND lost_at IS NULL"
        " UNION SELECT ended_event FROM tickets WHERE realm = %(realm)s AND ended_ms > %(since)s"
        " AND ended_event IS NOT NULL",
        {"realm": realm, "since": since_ms},
    )
    return [str(row[0]) for row in cursor.fetchall()]


def _not_in_stream(client: redis.Redis, keys: Keys, events: Sequence[str]) -> set[str]:
    gone: set[str] = set()
    for page in _pages(events):
        with typed_errors():
            pipeline: Any = client.pipeline(transaction=False)
            for event in page:
                pipeline.xrange(keys.events, event, event, count=1)
            gone.update(event for event, entry in zip(page, pipeline.execute(), strict=True) if not entry)
    return gone


def _lose_matches(cursor: cursor, realm: str, gone: set[str]) -> list[str]:
    cursor.execute(
        "UPDATE matches SET lost_at = clock_timestamp() WHERE realm = %s AND match = ANY(%s) AND lost_at IS NULL"
        " RETURNING match",
        (realm, sorted(gone)),
    )
    return [str(row[0]) for row in cursor.fetchall()]


def _lose_results(client: redis.Redis, cursor: cursor, keys: Keys, since_ms: int) -> list[str]:
    """Matches whose end is gone from the stream, sorted."""
    cursor.execute(
        "SELECT event FROM results WHERE realm = %s AND split_part(event, '-', 1)::bigint > %s AND lost_at IS NULL",
        (keys.realm, since_ms),
    )
    gone = _not_in_stream(client, keys, [str(row[0]) for row in cursor.fetchall()])
    cursor.execute(
        "UPDATE results SET lost_at = clock_timestamp() WHERE realm = %s AND event = ANY(%s) AND lost_at IS NULL"
        " RETURNING match",
        (keys.realm, sorted(gone)),
    )
    return sorted(str(row[0]) for row in cursor.fetchall())


def _reopen(client: redis.Redis, cursor: cursor, keys: Keys, gone: set[str]) -> tuple[list[str], list[str]]:
    """Tickets whose end is gone: those that wait again, and those that are lost with it."""
    cursor.execute(
        "SELECT ticket, enqueued_ms FROM tickets WHERE realm = %s AND ended_event = ANY(%s)",
        (keys.realm, sorted(gone)),
    )
    ended = [(str(ticket), int(at)) for ticket, at in cursor.fetchall()]
    waiting = _living(client, keys, [ticket for ticket, _ in ended])
    for ticket, at in ended:
        cursor.execute(
            "UPDATE tickets SET state = %s, ended_ms = NULL, ended_event = NULL, reason = ''"
            " WHERE realm = %s AND ticket = %s AND enqueued_ms = %s",
            ("waiting" if ticket in waiting else "lost", keys.realm, ticket, at),
        )
    return [ticket for ticket, _ in ended if ticket in waiting], [t for t, _ in ended if t not in waiting]


def _is_fresh(client: redis.Redis, keys: Keys, place: str) -> bool:
    """Whether the realm still remembers everything that ended since the place: else a ticket that is absent may have
    ended in an event that waits to be recorded."""
    following, newest = _edge(client, keys, f"({place}"), _edge(client, keys, "+")
    with typed_errors():
        retain: Any = client.hget(keys.meta, "retain_ms")
    if not following or retain is None:
        return True
    return _ms(newest) - _ms(following) < int(retain) / 2


def _edge(client: redis.Redis, keys: Keys, start: str) -> str:
    """Id of the first entry from ``start`` on ("+": of the last one); "" if there is none."""
    with typed_errors():
        found: Any = (
            client.xrevrange(keys.events, count=1) if start == "+" else client.xrange(keys.events, start, count=1)
        )
    return str(found[0][0].decode()) if found else ""


def _ms(event: str) -> int:
    return event_order(event)[0]


def _lose_waiting(client: redis.Redis, cursor: cursor, keys: Keys, until_ms: int) -> list[str]:
    """Tickets that wait by the database and not by the realm, which did not end them in what is not recorded yet
    either."""
    cursor.execute(
        "SELECT ticket FROM tickets WHERE realm = %s AND state = 'waiting' AND enqueued_ms <= %s",
        (keys.realm, until_ms),
    )
    tickets = [str(row[0]) for row in cursor.fetchall()]
    living = _living(client, keys, tickets)
    absent = [ticket for ticket in tickets if ticket not in living]
    lost = sorted(set(absent) - _ended(client, keys, absent))
    cursor.execute(
        "UPDATE tickets SET state = 'lost' WHERE realm = %s AND state = 'waiting' AND enqueued_ms <= %s"
        " AND ticket = ANY(%s)",
        (keys.realm, until_ms, lost),
    )
    return lost


def _living(client: redis.Redis, keys: Keys, tickets: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for page in _pages(tickets):
        with typed_errors():
            records: Any = client.hmget(keys.tickets, page)
        found.update(ticket for ticket, record in zip(page, records, strict=True) if record is not None)
    return found


def _ended(client: redis.Redis, keys: Keys, tickets: Sequence[str]) -> set[str]:
    """Those that the realm remembers to have ended."""
    found: set[str] = set()
    for page in _pages(tickets):
        for ended in keys.ended:
            with typed_errors():
                records: Any = client.hmget(ended, [f"t:{ticket}" for ticket in page])
            found.update(ticket for ticket, record in zip(page, records, strict=True) if record is not None)
    return found
