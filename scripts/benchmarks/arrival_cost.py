"""What one arrival costs, with a thousand waiting and with a million.

Measured: CPU of the server (``INFO cpu``) for an enqueue of one ticket followed by a pass, both sent as a matcher and
a client send them but pipelined, on a line where nobody can be matched for hours: ratings 1 point apart and 0.00001
points of willingness a second, every ticket with its certificate. Arrivals come at random places. Against: the same
on a line of 1,000 on the same server, in turns. Arrivals are cancelled again between turns (not measured), so that
each line keeps its size.

That is fair because both lines are at work in one server with one cache: what grows with the line shows, be it places
looked at or memory that is no longer near. The number of places a pass looks at is listed too; it should not grow.
"""

from __future__ import annotations

from collections.abc import Iterator

from matchmaker.model import TicketRequest
from scripts.benchmarks.harness import Figure, Row, Run, alternate, at_most, median_of, ratios
from scripts.benchmarks.lines import SPARSE, Crowd, rest, settle, spread
from scripts.benchmarks.site import QUEUE, Realm, Site, site
from scripts.benchmarks.wire import Wire, packed_call

NAME = "arrival-cost"
GOAL = at_most(1.3)
SMALL = 1_000
ARRIVALS = 400
PLACES_LOOKED_AT = 2
"""Position in the reply of a pass (``matchmaker/lua/pass.lua``)."""


class QuietLine:
    """A realm whose line of ``size`` is at rest."""

    def __init__(self, site: Site, wire: Wire, name: str, size: int, crowd: Crowd) -> None:
        self.realm = Realm(site, SPARSE, name=name)
        self.looked = 0
        self._site = site
        self._wire = wire
        self._size = size
        self._crowd = crowd
        ratings = list(spread(size, 1.0))
        crowd.rng.shuffle(ratings)
        rest(self.realm, wire, crowd.at(ratings), SPARSE)

    def arrivals(self) -> float:
        """CPU of an arrival, in µs."""
        half = self._size / 2
        tickets = self._crowd.at(self._crowd.rng.uniform(-half, half) for _ in range(ARRIVALS))
        cpu = self._site.cpu_of(lambda: self._arrive(tickets))
        for ticket in tickets:
            self.realm.run(self._wire, self.realm.calls.cancel(QUEUE, "ticket", ticket.ticket, "requested"))
        settle(self.realm, self._wire)
        return cpu / ARRIVALS

    def _arrive(self, tickets: list[TicketRequest]) -> None:
        calls = self.realm.calls
        passing = packed_call(calls.match_pass(QUEUE))
        commands = (packed_call(calls.enqueue(QUEUE, [ticket])) + passing for ticket in tickets)
        replies = list(self._wire.stream(commands, 16, replies_each=2))
        self.looked = sum(reply[PLACES_LOOKED_AT] for reply in replies[1::2])


def measure(run: Run) -> Iterator[Figure]:
    for size in run.sizes[1:]:
        run.say(f"{size:,} waiting")
        with site(run) as own, own.wire() as wire:
            crowd = Crowd(run.seed)
            small = QuietLine(own, wire, "small", SMALL, crowd)
            large = QuietLine(own, wire, "large", size, crowd)
            at_large, at_small = alternate(run.pick(15, 7), large.arrivals, small.arrivals)
        yield median_of(NAME, size, ratios(at_large, at_small), f"× the cost at {SMALL:,}", GOAL)
        yield median_of(NAME, f"{size:,}: arrival", at_large, "µs CPU")
        yield median_of(NAME, f"{size:,}: arrival at {SMALL:,}", at_small, "µs CPU")
        yield Figure(NAME, f"{size:,}: looked at", large.looked / ARRIVALS, "places a pass")


ROW = Row(NAME, f"at most 1.3 times the cost at {SMALL:,} waiting", measure)
