"""How near the passes over a line come to the best matching there is.

Measured: the total value of what passes match when a whole line is looked at for the first time, at one moment, by
the real scripts in a realm in virtual time. Lines of 20 to 400 tickets, ratings 1500 ± 300, exponential waits of 60 s
in the mean, one point of willingness a second on top of 0 ("waits") or of 100 ("dense"), for each ``accept``.
Against: the maximum-weight matching over all pairs of the line that are due, by blossom (networkx), computed apart
from the engine.

Values are the engine's own definition, so this says how well a pass optimises, not whether its aim is the right one:
for that see in-time and regret. The value is the mean over lines; the worst line is in the note and among the
samples. A line of up to 65 tickets always fits one slice.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator, Sequence
from itertools import combinations

from matchmaker.model import TicketRequest
from matchmaker.willingness import Waiting, is_due, pair_value
from scripts.benchmarks.harness import Figure, Goal, Row, Run, at_least
from scripts.benchmarks.lines import passes
from scripts.benchmarks.matchings import heaviest
from scripts.benchmarks.site import QUEUE, Realm, Site, site
from scripts.benchmarks.wire import Wire, packed_call

NAME = "optimality-duels"
EXACT = at_least(0.9999999)  # 100% but for the last digits of a sum of doubles
NEARLY = at_least(0.995)
GATED = at_least(0.98)
ONE_SLICE = 65
LINES = {20: 20, 50: 20, 100: 10, 200: 6, 400: 2}
QUICK_LINES = {20: 6, 50: 4, 100: 2}
BASES = {"waits": 0, "dense": 100}
MOMENT_MS = 2_000_000_000_000


def goal_for(accept: str, size: int) -> Goal:
    if accept == "both":
        return GATED
    return EXACT if accept == "sum" and size <= ONE_SLICE else NEARLY


def a_line(size: int, rng: random.Random) -> list[Waiting]:
    """Tickets in the order in which they came, all before the moment of the pass."""
    waits = sorted((rng.expovariate(1 / 60.0) for _ in range(size)), reverse=True)
    return [
        Waiting(f"t{number}", round(rng.gauss(1500.0, 300.0), 3), MOMENT_MS - round(1000 * wait))
        for number, wait in enumerate(waits)
    ]


class Contest:
    """Lines in realms of their own, in virtual time."""

    def __init__(self, own: Site, wire: Wire) -> None:
        self._own = own
        self._wire = wire
        self._now_ms = 0

    def share(self, accept: str, base: int, line: Sequence[Waiting]) -> float:
        """The value that passes reach, over the best one."""
        self._own.empty()
        self._now_ms = line[0].enqueued_ms - 1
        rules = f'accept = "{accept}"\nwillingness = {{ base = {base}, per_second = 1 }}'
        realm = Realm(self._own, rules, clock=lambda: self._now_ms)
        for _ in self._wire.stream(self._arrivals(realm, line)):
            pass
        self._now_ms = MOMENT_MS
        reached = sum(report.value for report in passes(realm, self._wire))
        stored = realm.mm.rules()[QUEUE].rules
        due = [
            (a, b, max(0.0, pair_value(stored, line[a], line[b], MOMENT_MS)))
            for a, b in combinations(range(len(line)), 2)
            if is_due(stored, line[a], line[b], MOMENT_MS)
        ]
        values = {(a, b): value for a, b, value in due}
        best = sum(values[pair] for pair in heaviest(due))
        return reached / best if best else 1.0

    def _arrivals(self, realm: Realm, line: Sequence[Waiting]) -> Iterator[bytes]:
        for ticket in line:
            self._now_ms = ticket.enqueued_ms
            request = TicketRequest(f"p{ticket.ticket}", ticket.rating, ticket=ticket.ticket)
            yield packed_call(realm.calls.enqueue(QUEUE, [request]))


def measure(run: Run) -> Iterator[Figure]:
    rng = random.Random(run.seed)
    with site(run) as own, own.wire() as wire:
        contest = Contest(own, wire)
        for size, count in (QUICK_LINES if run.quick else LINES).items():
            for accept in ("sum", "either", "both"):
                run.say(f"{accept}, {size} tickets")
                shares = {
                    kind: [contest.share(accept, base, a_line(size, rng)) for _ in range(count)]
                    for kind, base in BASES.items()
                }
                everything = [share for kind in shares.values() for share in kind]
                means = ", ".join(f"{kind} {statistics.mean(some):.4f}" for kind, some in shares.items())
                note = f"worst {min(everything):.4f}; {means}"
                mean = statistics.mean(everything)
                goal = goal_for(accept, size)
                yield Figure(NAME, f"{accept}, {size}", mean, "of the best value", goal, tuple(everything), note)


ROW = Row(NAME, "sum: all of the best value in one slice, else 99.5%; either: 99.5%; both: 98% in the mean", measure)
