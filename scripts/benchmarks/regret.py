"""What it costs not to know who comes next.

Measured: the cost of the matches that the real scripts make in virtual time (``accept = "sum"``, 1 point a second, base 0),
a point of gap costing as much as a second that somebody waits: gap + rate · (both waits), summed over all matches. Against:
the cheapest way to pair the same arrivals in hindsight, by blossom (networkx), where a pair costs its gap and the time
between its two arrivals: nobody can be matched before both are there. 150 arrivals, so that the optimum is exact; 5, 20 and
120 a minute, real ratings if a file is given (otherwise the stated distribution).

Both sides must match everybody (the number is even, ``max_gap`` is out of the way), so neither can make its cost smaller by
leaving the awkward ones alone; the last few, for whom nobody comes any more, are in the live cost. The value is the mean of
the ratios over several draws, the note has its 95% confidence interval, the samples are the draws. No rule that does not
know the future can reach 1.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator, Sequence
from itertools import combinations

from scripts.benchmarks.harness import Figure, Row, Run, at_most
from scripts.benchmarks.matchings import cheapest_perfect
from scripts.benchmarks.site import Site, site
from scripts.benchmarks.virtual import Arrival, Population, Replay
from scripts.benchmarks.wire import Wire

NAME = "regret"
GOALS = {5: at_most(1.60), 20: at_most(1.67), 120: at_most(2.03)}
POINTS_A_SECOND = 1.0
RULES = f"max_gap = 100000\nexpire_after_seconds = 0\nwillingness = {{ base = 0, per_second = {POINTS_A_SECOND} }}"


def live_cost(own: Site, wire: Wire, arrivals: Sequence[Arrival]) -> float:
    """Points, over all matches.

    :raises RuntimeError: somebody was not matched.
    """
    matches = Replay(own, wire, RULES).play(arrivals, None)
    if 2 * len(matches) != len(arrivals):
        raise RuntimeError(f"{len(arrivals) - 2 * len(matches)} of {len(arrivals)} arrivals were not matched")
    cost = 0.0
    for match in matches:
        one, other = arrivals[match.one], arrivals[match.other]
        cost += abs(one.rating - other.rating) + POINTS_A_SECOND * (2 * match.at - one.at - other.at)
    return cost


def hindsight_cost(arrivals: Sequence[Arrival]) -> float:
    """Points, over the best possible matches."""
    costs = {
        (a, b): abs(arrivals[a].rating - arrivals[b].rating)
        + POINTS_A_SECOND * abs(arrivals[a].at - arrivals[b].at)
        for a, b in combinations(range(len(arrivals)), 2)
    }
    return sum(costs[pair] for pair in cheapest_perfect(len(arrivals), costs))


def measure(run: Run) -> Iterator[Figure]:
    population = Population(run)
    count, draws = run.pick(150, 60), run.pick(24, 6)
    with site(run) as own, own.wire() as wire:
        for rate, goal in GOALS.items():
            run.say(f"{rate} arrivals a minute, {draws} draws; {population.stated}")
            found = []
            for seed in range(run.seed, run.seed + draws):
                arrivals = population.arrivals(random.Random(seed), rate, count=count)
                found.append(live_cost(own, wire, arrivals) / hindsight_cost(arrivals))
            mean = statistics.mean(found)
            margin = 1.96 * statistics.stdev(found) / len(found) ** 0.5
            note = f"95%: {mean - margin:.3f} … {mean + margin:.3f}; {count} arrivals a draw; {population.stated}"
            yield Figure(NAME, f"{rate} a minute", mean, "× the hindsight optimum", goal, tuple(found), note)


ROW = Row(NAME, "at most 1.60, 1.67 and 2.03 times the hindsight optimum at 5, 20 and 120 a minute", measure)
