"""What a ticket weighs, waiting and ended.

Measured: growth of the server's ``used_memory`` over an empty realm, divided by the number of tickets, at 1,000,000:
first with all of them waiting, then with all of them matched (players and matches included). Against: the least with
which one could wait at all: id and rating in a bare sorted set and a hash, the same ids, the same ratings, in a
server of their own. Ids are as long as real ones (26 and 18 characters); no deviation, no data.

Everything that the engine keeps is in the figure of the goal, but one: the event stream, which grows with what
happened and not with who waits, and which an operator trims by consumers and ``retain``. Its share is listed by
itself. That is fair in so far as the bare pair could not be matched atomically, found by its player, expired or
remembered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matchmaker.model import TicketRequest
from scripts.benchmarks.harness import Figure, Row, Run, at_most
from scripts.benchmarks.lines import DENSE, Crowd, fill, settle
from scripts.benchmarks.site import Realm, Site, site
from scripts.benchmarks.wire import Wire, packed

NAME = "memory"
GOAL = at_most(3.0)
TICKETS_A_COMMAND = 100


def stream_bytes(realm: Realm) -> int:
    """Bytes of the realm's event stream, measured entry by entry."""
    return int(realm.mm.redis.memory_usage(realm.keys.events, samples=0) or 0)


def fill_bare(wire: Wire, tickets: Sequence[TicketRequest]) -> None:
    """The same tickets as id and rating only."""

    def commands() -> Iterator[bytes]:
        for first in range(0, len(tickets), TICKETS_A_COMMAND):
            some = tickets[first : first + TICKETS_A_COMMAND]
            scores = [part for ticket in some for part in (repr(ticket.rating), ticket.ticket)]
            fields = [part for ticket in some for part in (ticket.ticket, repr(ticket.rating))]
            yield packed("ZADD", "bare:line", *scores) + packed("HSET", "bare:ratings", *fields)

    for _ in wire.stream(commands(), replies_each=2):
        pass


def weigh(own: Site, wire: Wire, tickets: Sequence[TicketRequest]) -> tuple[float, float, float, float]:
    """Bytes a ticket: waiting, its part of the stream, ended, its part of the stream."""
    size = len(tickets)
    realm = Realm(own, DENSE)
    empty = own.memory()
    fill(realm, wire, tickets)
    waiting, waiting_stream = own.memory() - empty, stream_bytes(realm)
    settle(realm, wire)
    ended, ended_stream = own.memory() - empty, stream_bytes(realm)
    return (
        (waiting - waiting_stream) / size,
        waiting_stream / size,
        (ended - ended_stream) / size,
        ended_stream / size,
    )


def weigh_bare(own: Site, wire: Wire, tickets: Sequence[TicketRequest]) -> float:
    """Bytes a ticket."""
    empty = own.memory()
    fill_bare(wire, tickets)
    return (own.memory() - empty) / len(tickets)


def measure(run: Run) -> Iterator[Figure]:
    size = run.sizes[-1]
    run.say(f"{size:,} waiting")
    tickets = Crowd(run.seed).gaussian(size)
    with site(run) as own, own.wire() as wire:
        waiting, waiting_stream, ended, ended_stream = weigh(own, wire, tickets)
    with site(run) as own, own.wire() as wire:
        bare = weigh_bare(own, wire, tickets)
    yield Figure(NAME, size, waiting / bare, "× the bare pair, waiting", GOAL, (waiting / bare,))
    yield Figure(NAME, f"{size:,} ended", ended / bare, "× the bare pair, ended", GOAL, (ended / bare,))
    for what, value in (
        ("waiting", waiting),
        ("waiting, in the stream", waiting_stream),
        ("ended", ended),
        ("ended, in the stream", ended_stream),
        ("bare pair", bare),
    ):
        yield Figure(NAME, f"{size:,}: {what}", value, "bytes a ticket", samples=(value,))


ROW = Row(
    NAME, "a waiting ticket, and an ended one, at most 3 times id and rating in a bare sorted set and hash", measure
)
