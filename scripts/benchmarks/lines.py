"""Lines to measure on: who waits, with which rating, and how they got there fast."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence

from matchmaker.calls import TICKETS_A_CALL
from matchmaker.model import TicketRequest
from matchmaker.reports import PassReport
from scripts.benchmarks.site import QUEUE, Realm
from scripts.benchmarks.wire import Wire, packed_call

DENSE = "willingness = { base = 100, per_second = 1 }"
"""Rules under which a Gaussian line of 1,000 and more is due all over, on arrival."""

SPARSE = "willingness = { base = 0, per_second = 0.00001 }"
"""Rules under which tickets a point apart are not due for hours, yet each has its certificate."""


class Crowd:
    """Tickets that were never there before. Ids are as long as real ones: a ULID, and an 18-digit player."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self._numbers = itertools.count(1)

    def gaussian(self, count: int) -> list[TicketRequest]:
        """Ratings as of a ladder: mean 1500, standard deviation 300."""
        return [self._ticket(self.rng.gauss(1500.0, 300.0)) for _ in range(count)]

    def at(self, ratings: Iterable[float]) -> list[TicketRequest]:
        """One ticket a rating."""
        return [self._ticket(rating) for rating in ratings]

    def skip(self, count: int) -> None:
        """Leaves so many numbers to others."""
        self._numbers = itertools.count(next(self._numbers) + count)

    def _ticket(self, rating: float) -> TicketRequest:
        number = next(self._numbers)
        return TicketRequest(f"p{number:017d}", round(rating, 4), ticket=f"t{number:025d}")


def spread(count: int, step: float) -> Iterator[float]:
    """Ratings ``step`` apart around 0."""
    return (step * (place - count / 2) for place in range(count))


def batches(realm: Realm, tickets: Sequence[TicketRequest], size: int = TICKETS_A_CALL) -> Iterator[bytes]:
    """The enqueue calls that bring the tickets, as ``enqueue_many`` makes them, packed."""
    for first in range(0, len(tickets), size):
        yield packed_call(realm.calls.enqueue(QUEUE, tickets[first : first + size]))


def fill(realm: Realm, wire: Wire, tickets: Sequence[TicketRequest]) -> None:
    """Brings all tickets in.

    :raises RuntimeError: one of them was refused.
    """
    for reply in wire.stream(batches(realm, tickets)):
        for answer in reply:
            if answer[0] != b"waiting":
                raise RuntimeError(f"a ticket of the benchmark was refused: {answer!r}")


def rest(realm: Realm, wire: Wire, tickets: Sequence[TicketRequest], rules: str) -> None:
    """Brings in tickets that ``rules`` pair with nobody for now, each with its certificate.

    The certificates are made as after a change of rules, in the order of the line, a hundred and more a pass: one by
    one, as after an arrival, a million of them would take minutes.
    """
    realm.apply(rules + "\ninterval_ms = 60000")
    fill(realm, wire, tickets)
    realm.apply(rules)
    settle(realm, wire)


def passes(realm: Realm, wire: Wire) -> Iterator[PassReport]:
    """Passes until nothing is due, and what new rules left to do; yields their reports."""
    while True:
        report = realm.run(wire, realm.calls.match_pass(QUEUE))
        yield report
        if report.work:
            report = realm.run(wire, realm.calls.tend(QUEUE))
            yield report
        if report.next_ms is None or report.next_ms > report.now_ms:
            return


def settle(realm: Realm, wire: Wire) -> int:
    """Runs all :func:`passes`; answers how many matches they made."""
    return sum(report.made for report in passes(realm, wire))
