"""How near passes come to the best matching where many pairs are forbidden.

Measured: value and number of the pairs that passes make when a line is looked at for the first time, by the real
scripts in a realm in virtual time. Every player speaks one to three of five languages, and ``any_of.language`` keeps
those apart who share none: 20, 50 or 80% of all pairs. Lines of 50 to 200 tickets, ratings 1500 ± 300, exponential
waits of 60 s in the mean, one point of willingness a second on top of 0 ("waits") or of 100 ("dense"), ``max_gap`` 300.
Against: the maximum-weight matching over all pairs of the line that are due and share a language, by blossom
(networkx), apart from the engine. The number of pairs is held against the optimum's own.

The value is the mean over lines, and the worst line is judged as well. The note says how many pairs were forbidden in
fact.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from matchmaker.model import TicketRequest
from matchmaker.willingness import Waiting, is_due, pair_value
from scripts.benchmarks.contests import (
    BASES,
    MEAN_WAIT_S,
    MOMENT_MS,
    Coming,
    Contest,
    Shares,
    best_of,
    shares_figures,
)
from scripts.benchmarks.harness import Figure, Row, Run
from scripts.benchmarks.site import site

NAME = "optimality-forbidden"
LANGUAGES = ("de", "en", "es", "ko", "pl")
SPOKEN = {20: (2, 2 - 3**0.5), 50: (1, 7**0.5 - 2), 80: (1, 0.0)}
"""Percent of forbidden pairs -> how many of the five everybody speaks, and the chance of one more. Two who speak one
each share none in 80% of cases, one and two in 60, two and two in 30, two and three in 10, three and three never: the
chances solve for the percentages."""

LINES = {50: 10, 100: 6, 200: 3}
QUICK_LINES = {50: 4, 100: 2}


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who waits, and what it speaks."""

    waiting: Waiting
    languages: frozenset[str]


def spoken(rng: random.Random, percent: int) -> frozenset[str]:
    few, more = SPOKEN[percent]
    return frozenset(rng.sample(LANGUAGES, few + (rng.random() < more)))


def a_line(rng: random.Random, size: int, percent: int) -> list[Speaker]:
    """In the order in which they came, all before the moment of the pass."""
    waits = sorted((rng.expovariate(1 / MEAN_WAIT_S) for _ in range(size)), reverse=True)
    return [
        Speaker(
            Waiting(f"t{number}", round(rng.gauss(1500.0, 300.0), 3), MOMENT_MS - round(1000 * wait)),
            spoken(rng, percent),
        )
        for number, wait in enumerate(waits)
    ]


def forbidden_share(line: Sequence[Speaker]) -> float:
    """Of all pairs, those that share no language."""
    return statistics.mean(not one.languages & other.languages for one, other in combinations(line, 2))


def comings(line: Sequence[Speaker]) -> list[Coming]:
    return [
        Coming(
            one.waiting.enqueued_ms,
            TicketRequest(
                f"p{one.waiting.ticket}",
                one.waiting.rating,
                ticket=one.waiting.ticket,
                attributes={"language": sorted(one.languages)},
            ),
        )
        for one in line
    ]


def share(contest: Contest, base: int, line: Sequence[Speaker]) -> Shares:
    """What passes reach of the best there is."""
    rules_text = f"any_of.language = {{}}\nwillingness = {{ base = {base}, per_second = 1 }}"
    reached, rules = contest.play(rules_text, comings(line))
    best = best_of(
        (a, b, pair_value(rules, line[a].waiting, line[b].waiting, MOMENT_MS))
        for a, b in combinations(range(len(line)), 2)
        if line[a].languages & line[b].languages and is_due(rules, line[a].waiting, line[b].waiting, MOMENT_MS)
    )
    return Shares.of(reached, best)


def measure(run: Run) -> Iterator[Figure]:
    rng = random.Random(run.seed)
    with site(run) as own, own.wire() as wire:
        contest = Contest(own, wire)
        for percent in SPOKEN:
            for size, count in (QUICK_LINES if run.quick else LINES).items():
                run.say(f"{percent}% forbidden, {size} tickets")
                shares, apart = [], []
                for base in BASES.values():
                    for _ in range(count):
                        line = a_line(rng, size, percent)
                        apart.append(forbidden_share(line))
                        shares.append(share(contest, base, line))
                note = f"{statistics.mean(apart):.1%} of pairs forbidden"
                yield from shares_figures(NAME, f"{percent}%, {size}", shares, note)


ROW = Row(NAME, "value and pairs at least 99% of the optimum's, 97% at worst, at 20, 50 and 80% forbidden", measure)
