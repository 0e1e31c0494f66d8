"""Whole lines looked at for the first time, at one moment: what passes make of them, against the best there is."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from matchmaker.model import TicketRequest
from matchmaker.rules import QueueRules
from scripts.benchmarks.harness import Figure, Goal, at_least
from scripts.benchmarks.lines import passes
from scripts.benchmarks.matchings import heaviest
from scripts.benchmarks.site import QUEUE, Realm, Site
from scripts.benchmarks.wire import Wire, packed_call

MOMENT_MS = 2_000_000_000_000
EXACT = at_least(0.9999999)  # 100% but for the last digits of a sum of doubles
MEAN = at_least(0.99)
WORST = at_least(0.97)
BASES = {"waits": 0, "dense": 100}
"""Points given on arrival: with 0 few pairs are due, and by waiting alone; with 100 most of the line is."""

MEAN_WAIT_S = 60.0

Edge = tuple[int, int, float]
"""Two places of the line that may be matched, and the value of it."""


@dataclass(frozen=True, slots=True)
class Coming:
    """A ticket and the realm ms at which it joins."""

    at_ms: int
    request: TicketRequest


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was matched: the sum of the values in points, and how many pairs."""

    value: float
    pairs: int


@dataclass(frozen=True, slots=True)
class Shares:
    """Of the optimum's value and of its number of pairs."""

    value: float
    pairs: float

    @classmethod
    def of(cls, reached: Outcome, best: Outcome) -> Shares:
        """1 of nothing where there is nothing."""
        return cls(reached.value / best.value if best.value else 1.0, reached.pairs / best.pairs if best.pairs else 1.0)


class Contest:
    """Lines in realms of their own, in virtual time."""

    def __init__(self, own: Site, wire: Wire) -> None:
        self._own = own
        self._wire = wire
        self._now_ms = 0

    def play(self, rules: str, line: Sequence[Coming]) -> tuple[Outcome, QueueRules]:
        """Everybody joins, oldest first; then passes at :data:`MOMENT_MS` until nothing is due. Answers what they
        made, and the rules as the realm holds them.

        :raises RuntimeError: a ticket was refused.
        """
        self._own.empty()
        self._now_ms = line[0].at_ms - 1
        realm = Realm(self._own, rules, clock=lambda: self._now_ms)
        for (answer,) in self._wire.stream(self._arrivals(realm, line)):
            if answer[0] != b"waiting":
                raise RuntimeError(f"a ticket of the benchmark was refused: {answer!r}")
        self._now_ms = MOMENT_MS
        reports = list(passes(realm, self._wire))
        reached = Outcome(sum(report.value for report in reports), sum(report.made for report in reports))
        return reached, realm.mm.rules()[QUEUE].rules

    def _arrivals(self, realm: Realm, line: Sequence[Coming]) -> Iterator[bytes]:
        for coming in line:
            self._now_ms = coming.at_ms
            yield packed_call(realm.calls.enqueue(QUEUE, [coming.request]))


def best_of(edges: Iterable[Edge]) -> Outcome:
    """The highest total value, and the most pairs among the matchings that reach it; by blossom."""
    values = {(a, b): max(0.0, value) for a, b, value in edges}
    chosen = heaviest((a, b, value) for (a, b), value in values.items())
    return Outcome(sum(values[pair] for pair in chosen), len(chosen))


def shares_figures(
    row: str, size: str, shares: Sequence[Shares], note: str = "", *, exact: bool = False
) -> Iterator[Figure]:
    """Value and count, in the mean with all samples and of the worst line; all to the last digit if ``exact``."""
    mean: Goal = EXACT if exact else MEAN
    worst: Goal = EXACT if exact else WORST
    for what, samples in (("value", [one.value for one in shares]), ("pairs", [one.pairs for one in shares])):
        unit = f"of the optimum's {what}"
        yield Figure(row, f"{size}: {what}", statistics.mean(samples), unit, mean, tuple(samples), note)
        yield Figure(row, f"{size}: worst {what}", min(samples), unit, worst, note=f"of {len(samples)} lines")
