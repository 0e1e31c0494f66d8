"""What it costs not to know who comes next.

Measured: the cost of the matches that the real scripts make in virtual time (``accept = "sum"``, 1 point a second,
base 0), a point of gap costing as much as a second that somebody waits: gap + rate · (both waits), summed over all
matches. Against: the cheapest way to pair the same arrivals in hindsight, by blossom (networkx), where a pair costs
its gap and the time between its two arrivals: nobody can be matched before both are there. 150 arrivals, so that the
optimum is exact; 5, 20 and 120 a minute, real ratings if a file is given (otherwise the stated distribution).

Both sides must match everybody (the number is even, ``max_gap`` is out of the way), so neither can make its cost
smaller by leaving the awkward ones alone; the last few, for whom nobody comes any more, are in the live cost, and
weigh the more the shorter the 150 arrivals take. A second figure, without a goal, ends with the last arrival instead:
whoever is left, live or in hindsight, pays for the wait so far. The value is the mean of the ratios over several
draws, the note has its 95% confidence interval, the samples are the draws. No rule that does not know the future can
reach 1.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator, Sequence

from matchmaker.regret import Meeting, Stay, best_costs, pair_cost, plain_offers, regret
from scripts.benchmarks.harness import Figure, Goal, Row, Run, at_most
from scripts.benchmarks.matchings import cheapest_perfect
from scripts.benchmarks.site import site
from scripts.benchmarks.virtual import Arrival, Pairing, Population, Replay

NAME = "regret"
GOALS = {5: at_most(1.60), 20: at_most(1.67), 120: at_most(2.03)}
POINTS_A_SECOND = 1.0
MAX_GAP = 100_000
RULES = f"max_gap = {MAX_GAP}\nexpire_after_seconds = 0\nwillingness = {{ base = 0, per_second = {POINTS_A_SECOND} }}"


def stays_of(arrivals: Sequence[Arrival]) -> list[Stay]:
    return [Stay(f"t{number}", one.rating, round(1000 * one.at)) for number, one in enumerate(arrivals)]


def meetings_of(arrivals: Sequence[Arrival], matches: Sequence[Pairing]) -> list[Meeting]:
    return [
        Meeting(
            match.one,
            match.other,
            round(1000 * match.at),
            abs(arrivals[match.one].rating - arrivals[match.other].rating),
        )
        for match in matches
    ]


def to_the_end(replay: Replay, arrivals: Sequence[Arrival]) -> float:
    """Live cost over hindsight's, everybody matched.

    :raises RuntimeError: somebody was not matched live.
    """
    matches = replay.play(arrivals, None)
    if 2 * len(matches) != len(arrivals):
        raise RuntimeError(f"{len(arrivals) - 2 * len(matches)} of {len(arrivals)} arrivals were not matched")
    stays = stays_of(arrivals)
    live = sum(
        pair_cost(stays[met.one], stays[met.other], met.at_ms, met.points, POINTS_A_SECOND)
        for met in meetings_of(arrivals, matches)
    )
    costs = best_costs(stays, stays[-1].since_ms, POINTS_A_SECOND, plain_offers(MAX_GAP))
    return live / sum(costs[pair] for pair in cheapest_perfect(len(stays), costs))


def to_the_last_arrival(replay: Replay, arrivals: Sequence[Arrival]) -> float:
    """Live cost over hindsight's, where it is also allowed to be left over, at the price of the wait until then.

    :raises RuntimeError: hindsight paid nothing.
    """
    stays = stays_of(arrivals)
    meetings = meetings_of(arrivals, replay.play(arrivals, arrivals[-1].at))
    found = regret(stays, meetings, stays[-1].since_ms, POINTS_A_SECOND, plain_offers(MAX_GAP))
    if found.ratio is None:
        raise RuntimeError(f"{len(arrivals)} arrivals cost nothing in hindsight")
    return found.ratio


def measure(run: Run) -> Iterator[Figure]:
    population = Population(run)
    count, draws = run.pick(150, 60), run.pick(16, 6)
    with site(run) as own, own.wire() as wire:
        for rate, goal in GOALS.items():
            run.say(f"{rate} arrivals a minute, {draws} draws; {population.stated}")
            crowds = [
                population.arrivals(random.Random(seed), rate, count=count)
                for seed in range(run.seed, run.seed + draws)
            ]
            full = [to_the_end(Replay(own, wire, RULES), crowd) for crowd in crowds]
            yield _figure(f"{rate} a minute", full, goal, f"{count} arrivals a draw; {population.stated}")
            cut = [to_the_last_arrival(Replay(own, wire, RULES), crowd) for crowd in crowds]
            yield _figure(f"{rate} a minute: to the last arrival", cut, None, f"{count} arrivals a draw")


def _figure(size: str, ratios: Sequence[float], goal: Goal | None, note: str) -> Figure:
    mean = statistics.mean(ratios)
    margin = 1.96 * statistics.stdev(ratios) / len(ratios) ** 0.5
    interval = f"95%: {mean - margin:.3f} … {mean + margin:.3f}; {note}"
    return Figure(NAME, size, mean, "× the hindsight optimum", goal, tuple(ratios), interval)


ROW = Row(NAME, "at most 1.60, 1.67 and 2.03 times the hindsight optimum at 5, 20 and 120 a minute", measure)
