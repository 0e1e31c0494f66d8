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
from itertools import combinations

from scripts.benchmarks.harness import Figure, Goal, Row, Run, at_most
from scripts.benchmarks.matchings import cheapest_perfect, heaviest
from scripts.benchmarks.site import site
from scripts.benchmarks.virtual import Arrival, Population, Replay

NAME = "regret"
GOALS = {5: at_most(1.60), 20: at_most(1.67), 120: at_most(2.03)}
POINTS_A_SECOND = 1.0
RULES = f"max_gap = 100000\nexpire_after_seconds = 0\nwillingness = {{ base = 0, per_second = {POINTS_A_SECOND} }}"


def pair_cost(one: Arrival, other: Arrival, at: float) -> float:
    """Points that a match made at ``at`` s costs."""
    return abs(one.rating - other.rating) + POINTS_A_SECOND * (2 * at - one.at - other.at)


def hindsight_costs(arrivals: Sequence[Arrival]) -> dict[tuple[int, int], float]:
    """What each pair costs at the moment at which the later of the two arrives."""
    return {
        (a, b): pair_cost(arrivals[a], arrivals[b], max(arrivals[a].at, arrivals[b].at))
        for a, b in combinations(range(len(arrivals)), 2)
    }


def to_the_end(replay: Replay, arrivals: Sequence[Arrival]) -> float:
    """Live cost over hindsight's, everybody matched.

    :raises RuntimeError: somebody was not matched live.
    """
    matches = replay.play(arrivals, None)
    if 2 * len(matches) != len(arrivals):
        raise RuntimeError(f"{len(arrivals) - 2 * len(matches)} of {len(arrivals)} arrivals were not matched")
    live = sum(pair_cost(arrivals[match.one], arrivals[match.other], match.at) for match in matches)
    costs = hindsight_costs(arrivals)
    return live / sum(costs[pair] for pair in cheapest_perfect(len(arrivals), costs))


def to_the_last_arrival(replay: Replay, arrivals: Sequence[Arrival]) -> float:
    """Live cost over hindsight's, where it is also allowed to be left over, at the price of the wait until then."""
    end = arrivals[-1].at
    alone = [POINTS_A_SECOND * (end - arrival.at) for arrival in arrivals]
    live = sum(alone)
    for match in replay.play(arrivals, end):
        live += pair_cost(arrivals[match.one], arrivals[match.other], match.at) - alone[match.one] - alone[match.other]
    saved = {(a, b): alone[a] + alone[b] - cost for (a, b), cost in hindsight_costs(arrivals).items()}
    chosen = heaviest((a, b, points) for (a, b), points in saved.items() if points > 0)
    return live / (sum(alone) - sum(saved[pair] for pair in chosen))


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
