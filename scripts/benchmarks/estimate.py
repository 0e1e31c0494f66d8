"""How often estimated waits hold.

Measured: arrivals of hours in virtual time, at several rates and with a rate that rises fivefold and falls again,
played through the real scripts. Every ten seconds a table is made from the newest events of the stream up to then, as
a matcher makes it, and only of the past. Each ticket takes an estimate when it joins, and another one at a random age
if it reaches that. The figure is the share of tickets that were found within the time they were told; who was never
found counts as not. Tickets of the first tenth of the time, of whom little could be known, are left out.

Against: the share itself. That is fair because an estimate is a promise about the share: 80% within p80 is what p80
says, no more and no less.
"""

from __future__ import annotations

import json
import math
import random
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from matchmaker.estimates import Estimate, Table, estimate, tables_of
from scripts.benchmarks.harness import Figure, Row, Run
from scripts.benchmarks.harness import Goal as Bound
from scripts.benchmarks.site import QUEUE, Site, site
from scripts.benchmarks.virtual import PAGE, START_MS, Arrival, Population, Replay
from scripts.benchmarks.wire import Wire

NAME = "estimate"
RULES = "willingness = { per_second = 1.0 }\nexpire_after_seconds = 0"
RATES: Final = (5.0, 20.0, 120.0)
SECONDS: Final = {5.0: 14_400.0, 20.0: 7_200.0, 120.0: 2_400.0}
RAMP_SECONDS: Final = 7_200.0
EVERY_MS: Final = 10_000
NEWEST: Final = 2_000
MEAN_AGE_MS: Final = 20_000
SHARES: Final = (0.5, 0.8, 0.95)

Entry = tuple[int, str, Mapping[str, Any]]
"""Realm ms, name and body of an event."""


@dataclass(slots=True)
class Score:
    """How many estimates were given, and how many held, by share."""

    given: int = 0
    held: dict[float, int] = field(default_factory=lambda: dict.fromkeys(SHARES, 0))

    def take(self, told: Estimate, left_seconds: float) -> None:
        self.take_seconds((told.p50_seconds, told.p80_seconds, told.p95_seconds), left_seconds)

    def take_seconds(self, told: Sequence[float | None], left_seconds: float) -> None:
        """What was told for each of :data:`SHARES`, and how long it was."""
        self.given += 1
        for share, seconds in zip(SHARES, told, strict=True):
            # Longer than anything seen: that holds whenever the wait is found at all.
            self.held[share] += left_seconds <= (math.inf if seconds is None else seconds) and left_seconds < math.inf

    def share(self, share: float) -> float:
        return self.held[share] / self.given if self.given else math.nan

    def __iadd__(self, other: Score) -> Score:
        self.given += other.given
        for share in SHARES:
            self.held[share] += other.held[share]
        return self


def ramp(rng: random.Random, population: Population, seconds: float) -> list[Arrival]:
    """From 12 a minute to 60 and back within the time, Poisson (by thinning)."""
    found = []
    for arrival in population.arrivals(rng, 60.0, seconds=seconds):
        rate = 12 + 48 * math.sin(math.pi * arrival.at / seconds) ** 2
        if rng.random() < rate / 60:
            found.append(arrival)
    return found


def log_of(wire: Wire, stream: str) -> list[Entry]:
    """The whole stream."""
    found: list[Entry] = []
    last: bytes = b"-"
    while True:
        entries = wire.ask("XRANGE", stream, last, "+", "COUNT", PAGE)
        for id_, fields in entries:
            found.append((int(id_.partition(b"-")[0]), fields[1].decode(), json.loads(fields[3])))
        if len(entries) < PAGE:
            return found
        last = b"(" + entries[-1][0]


def scores(log: Sequence[Entry], rng: random.Random, *, from_ms: int, until_ms: int) -> tuple[Score, Score]:
    """Of estimates at enqueue and while waiting, for tickets that came between the moments."""
    moments = [at for at, _, _ in log]
    tables: dict[int, Table | None] = {}

    def table_at(now: int) -> Table | None:
        checkpoint = now // EVERY_MS * EVERY_MS
        if checkpoint not in tables:
            end = bisect_right(moments, checkpoint)
            past = log[max(0, end - NEWEST) : end]
            made = tables_of(((name, body) for _, name, body in past), checkpoint) if past else {}
            tables[checkpoint] = made.get(QUEUE)
        return tables[checkpoint]

    ends = {
        ticket["ticket"]: at for at, name, body in log if name == "matched" for team in body["teams"] for ticket in team
    }
    joining, waiting = Score(), Score()
    for at, name, body in log:
        if name != "enqueued" or not from_ms <= at < until_ms:
            continue
        ended, rating = ends.get(body["ticket"], math.inf), float(body["rating"])
        told = estimate(table_at(at), rating)
        if told is not None:
            joining.take(told, (ended - at) / 1000)
        # An age that does not depend on how long the ticket waits: of those who reach it, all count.
        age = 1 + round(rng.expovariate(1 / MEAN_AGE_MS))
        told = estimate(table_at(at + age), rating, age) if at + age < ended else None
        if told is not None:
            waiting.take(told, (ended - at - age) / 1000)
    return joining, waiting


def season(
    own: Site, wire: Wire, arrivals: Sequence[Arrival], seconds: float, rng: random.Random
) -> tuple[Score, Score]:
    """Plays the arrivals and scores the estimates; the first tenth of the time is for learning."""
    replay = Replay(own, wire, RULES)
    replay.play(arrivals, None)
    log = log_of(wire, replay.stream)
    return scores(log, rng, from_ms=START_MS + round(100 * seconds), until_ms=START_MS + round(1000 * seconds))


def within(low: float, high: float) -> tuple[Bound, Bound]:
    return Bound("≥", low), Bound("≤", high)


def measure(run: Run) -> Iterator[Figure]:
    population = Population(run)
    low, high = within(0.75, 0.85)
    all_joining, all_waiting = Score(), Score()
    with site(run) as own, own.wire() as wire:
        for rate in (*RATES, 0.0):
            joining, waiting = Score(), Score()
            for number in range(run.pick(6, 2)):
                rng = random.Random(f"{run.seed} {rate} {number}")
                seconds = SECONDS.get(rate, RAMP_SECONDS)
                arrivals = population.arrivals(rng, rate, seconds=seconds) if rate else ramp(rng, population, seconds)
                one, other = season(own, wire, arrivals, seconds, rng)
                joining += one
                waiting += other
            all_joining += joining
            all_waiting += waiting
            name = f"{rate:g} a minute" if rate else "12 to 60 a minute"
            for kind, score in (("at enqueue", joining), ("while waiting", waiting)):
                for share in SHARES:
                    yield Figure(NAME, f"{name}, {kind}", score.share(share), f"within p{100 * share:.0f}")
    for kind, score in (("at enqueue", all_joining), ("while waiting", all_waiting)):
        held = score.share(0.8)
        yield Figure(
            NAME, f"all, {kind}", held, "within p80", low, note=f"{score.given:,} estimates; {population.stated}"
        )
        yield Figure(NAME, f"all, {kind}", held, "within p80", high)


ROW = Row(NAME, "p80 is met 75 to 85% of the time", measure)
