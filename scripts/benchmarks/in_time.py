"""Waits and gaps over an hour, against matching in waves.

Measured: mean wait and mean gap when the same players arrive, in virtual time, through the real scripts with passes
at the arrivals and at the stored due moments: 5, 20 and 120 a minute (Poisson, an hour), real ratings if a file is
given (otherwise the stated distribution), at 0.25, 0.5, 1, 2 and 4 points of willingness a second, everything else as
a queue has it by default (``max_gap`` 300 included), no expiry. Against: a wave every 45 s that pairs greedily,
smallest gap first, wherever the gap is within the window of either player, which is 100 points and 50 more for each
wave waited.

Every arrival counts: who is left at the end has waited until then, on both sides alike, and the note says how many
there were. The gap is the mean over matches. The judged figure is, for the best growth at that rate, the larger of
its two ratios to the wave, wait over wait and gap over gap, of means over the same seeds: below 1 is better on both
at once.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from scripts.benchmarks.harness import Figure, Row, Run, under
from scripts.benchmarks.site import site
from scripts.benchmarks.virtual import Arrival, Pairing, Population, Replay

NAME = "in-time"
GOAL = under(1.0)
RATES = (5, 20, 120)
GROWTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
WAVE = 45.0
WINDOW, WIDER = 100.0, 50.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one hour: mean wait in s over all arrivals, mean gap in points over all matches, how many were left."""

    wait: float
    gap: float
    left: int


def outcome(arrivals: Sequence[Arrival], matches: Sequence[Pairing], end: float) -> Outcome:
    """What came of the arrivals; those in no match have waited until ``end``."""
    ended = {place: match.at for match in matches for place in (match.one, match.other)}
    waits = [ended.get(place, end) - arrival.at for place, arrival in enumerate(arrivals)]
    gaps = [abs(arrivals[match.one].rating - arrivals[match.other].rating) for match in matches]
    return Outcome(statistics.mean(waits), statistics.mean(gaps), len(arrivals) - len(ended))


def waves(arrivals: Sequence[Arrival], end: float) -> list[Pairing]:
    """The baseline: who waits at a wave is paired greedily, smallest gap first."""
    matches: list[Pairing] = []
    waited: dict[int, int] = {}
    coming = iter(enumerate(arrivals))
    following = next(coming, None)
    at = WAVE
    while at <= end:
        while following is not None and following[1].at <= at:
            waited[following[0]] = 0
            following = next(coming, None)
        window = {place: WINDOW + WIDER * count for place, count in waited.items()}
        gaps = ((abs(arrivals[a].rating - arrivals[b].rating), a, b) for a, b in combinations(window, 2))
        for _, a, b in sorted(pair for pair in gaps if pair[0] <= max(window[pair[1]], window[pair[2]])):
            if a in waited and b in waited:
                matches.append(Pairing(a, b, at))
                del waited[a], waited[b]
        waited = {place: count + 1 for place, count in waited.items()}
        at += WAVE
    return matches


def mean_of(outcomes: Sequence[Outcome]) -> Outcome:
    return Outcome(
        statistics.mean(one.wait for one in outcomes),
        statistics.mean(one.gap for one in outcomes),
        round(statistics.mean(one.left for one in outcomes)),
    )


def worse_ratio(live: Outcome, wave: Outcome) -> float:
    """The larger of the two ratios: below 1, the live rule is better on both."""
    return max(live.wait / wave.wait, live.gap / wave.gap)


def measure(run: Run) -> Iterator[Figure]:
    population = Population(run)
    seeds = range(run.seed, run.seed + run.pick(6, 2))
    seconds = run.pick(80, 30) * WAVE  # an hour, or less, and whole waves
    with site(run) as own, own.wire() as wire:
        for rate in RATES:
            run.say(f"{rate} arrivals a minute, {len(seeds)} seeds; {population.stated}")
            crowds = [population.arrivals(random.Random(seed), rate, seconds=seconds) for seed in seeds]
            wave = [outcome(crowd, waves(crowd, seconds), seconds) for crowd in crowds]
            live = {
                growth: [
                    outcome(crowd, Replay(own, wire, rules_for(growth)).play(crowd, seconds), seconds)
                    for crowd in crowds
                ]
                for growth in GROWTHS
            }
            yield from figures_at(rate, wave, live, population.stated)


def rules_for(growth: float) -> str:
    return f"expire_after_seconds = 0\nwillingness = {{ base = 0, per_second = {growth} }}"


def figures_at(rate: int, wave: Sequence[Outcome], live: dict[float, list[Outcome]], stated: str) -> Iterator[Figure]:
    """The judged figure of one rate, and what it is made of."""
    baseline = mean_of(wave)
    best = min(GROWTHS, key=lambda growth: worse_ratio(mean_of(live[growth]), baseline))
    by_seed = tuple(worse_ratio(one, other) for one, other in zip(live[best], wave, strict=True))
    ratio = worse_ratio(mean_of(live[best]), baseline)
    note = f"{best:g} points a second; {stated}"
    yield Figure(NAME, f"{rate} a minute", ratio, "× the wave, the larger of wait and gap", GOAL, by_seed, note)
    for what, outcomes in (("wave", list(wave)), *((f"{growth:g} a second", live[growth]) for growth in GROWTHS)):
        mean = mean_of(outcomes)
        left = f"{mean.left} left at the end"
        size = f"{rate} a minute, {what}"
        yield Figure(NAME, f"{size}: wait", mean.wait, "s", samples=tuple(one.wait for one in outcomes), note=left)
        yield Figure(NAME, f"{size}: gap", mean.gap, "points", samples=tuple(one.gap for one in outcomes))


ROW = Row(NAME, "at 5, 20 and 120 a minute some growth is better than the wave on waiting and gap at once", measure)
