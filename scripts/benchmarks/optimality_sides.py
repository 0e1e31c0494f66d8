"""How near passes come to the best matching where a match takes one from each of two sides.

Measured: value and number of the pairs that passes make when a line is looked at for the first time, by the real
scripts in a realm in virtual time. Shapes of a StarCraft ladder in the evening: 10 who play one side against 20 who
play the other, 20 against 30, 50 against 80, 200 against 400; and the same with players between them who offer both
sides, with a rating for each. Real ratings if a file with sides is given, otherwise the stated distribution;
exponential waits of 60 s in the mean, one point of willingness a second on top of 0 ("waits") or of 100 ("dense").
Against: the exact optimum over all pairs of the line that are due, the better orientation of each: of one side each by
the Hungarian method, else by blossom (networkx), both apart from the engine. The number of pairs is held against the
optimum's own, which is below the most pairs possible.

One side each is judged as exact where ``max_gap`` is not in the way. With the default ``max_gap``, and where some offer
both, the mean over lines and the worst line are judged. Values are the mean over lines.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matchmaker.demo.options import SIDES
from matchmaker.demo.roster import Entrant, load_roster
from matchmaker.errors import InvalidInput
from matchmaker.model import TicketRequest
from matchmaker.rules import QueueRules
from matchmaker.willingness import EPS, willingness
from scripts.benchmarks.contests import (
    BASES,
    MEAN_WAIT_S,
    MOMENT_MS,
    Coming,
    Contest,
    Edge,
    Outcome,
    Shares,
    best_of,
    shares_figures,
)
from scripts.benchmarks.harness import Figure, Row, Run
from scripts.benchmarks.matchings import heaviest_across
from scripts.benchmarks.site import site

NAME = "optimality-sides"
WIDE, USUAL = 1_000_000, 300
BUILT_IN = "normal, 1500 ± 300, the two of one player 150 ± off that"


@dataclass(frozen=True, slots=True)
class Shape:
    """So many who play only the first side, only the second, and both; of so many lines, or fewer in quick mode."""

    first: int
    second: int
    both: int
    lines: int
    quick: int

    def __str__(self) -> str:
        return f"{self.first}v{self.second}" + (f" and {self.both} both" if self.both else "")


SHAPES = (
    Shape(10, 20, 0, 30, 8),
    Shape(20, 30, 0, 30, 6),
    Shape(50, 80, 0, 15, 3),
    Shape(200, 400, 0, 4, 1),
    Shape(10, 20, 10, 30, 8),
    Shape(20, 30, 20, 20, 4),
    Shape(50, 80, 40, 8, 2),
    Shape(200, 400, 60, 1, 0),
)


@dataclass(frozen=True, slots=True)
class Player:
    """Side -> rating, for the sides on offer; waiting since realm ms."""

    ratings: dict[str, float]
    since_ms: int


class People:
    """Where ratings come from: the players of the run's file, else the stated distribution."""

    def __init__(self, run: Run) -> None:
        self._roster: list[Entrant] = []
        self.stated = f"ratings: {BUILT_IN}"
        if run.ratings is not None:
            try:
                self._roster = load_roster(run.ratings, SIDES)
                self.stated = f"ratings: {run.ratings.name}"
            except InvalidInput as other:  # a file of ratings without sides serves the other rows
                self.stated = f"ratings: {BUILT_IN}; {other.field} has no sides"

    def ratings(self, rng: random.Random, sides: Sequence[str]) -> dict[str, float]:
        """Of one player, a rating on each of these sides."""
        if not self._roster:
            worth = rng.gauss(1500.0, 300.0)
            return {side: round(worth + rng.gauss(0.0, 150.0), 3) for side in sides}
        able = [entrant for entrant in self._roster if all(side in entrant for side in sides)]
        entrant = rng.choice(able)
        return {side: rng.choice(sorted(entrant[side].values())) for side in sides}

    def line(self, rng: random.Random, shape: Shape) -> list[Player]:
        """In the order in which they came, all before the moment of the pass; who plays what is shuffled."""
        offers = [*[SIDES[:1]] * shape.first, *[SIDES[1:]] * shape.second, *[SIDES] * shape.both]
        rng.shuffle(offers)
        waits = sorted((rng.expovariate(1 / MEAN_WAIT_S) for _ in offers), reverse=True)
        return [
            Player(self.ratings(rng, sides), MOMENT_MS - round(1000 * wait))
            for sides, wait in zip(offers, waits, strict=True)
        ]


def rules_text(base: int, max_gap: int) -> str:
    sides = ", ".join(f'"{side}"' for side in SIDES)
    return f"sides = [{sides}]\nmax_gap = {max_gap}\nwillingness = {{ base = {base}, per_second = 1 }}"


def edges_of(rules: QueueRules, line: Sequence[Player]) -> Iterator[Edge]:
    """Every pair that is due, at its better orientation."""
    given = [willingness(rules, MOMENT_MS - player.since_ms, 0.0) for player in line]
    for b, other in enumerate(line):
        for a, one in enumerate(line[:b]):
            gaps = [
                abs(one.ratings[side] - other.ratings[opposite])
                for side, opposite in (SIDES, SIDES[::-1])
                if side in one.ratings and opposite in other.ratings
            ]
            gap = min(gaps, default=float("inf"))
            if gap <= rules.max_gap and given[a] + given[b] - gap >= -EPS:
                yield a, b, given[a] + given[b] - gap


def best_matching(rules: QueueRules, line: Sequence[Player]) -> Outcome:
    """The exact optimum."""
    if any(len(player.ratings) > 1 for player in line):
        return best_of(edges_of(rules, line))
    values = {}
    for a, b, value in edges_of(rules, line):
        first, second = (a, b) if SIDES[0] in line[a].ratings else (b, a)
        values[first, second] = max(0.0, value)
    chosen = heaviest_across(values)
    return Outcome(sum(values[pair] for pair in chosen), len(chosen))


def comings(line: Sequence[Player]) -> list[Coming]:
    return [
        Coming(player.since_ms, TicketRequest(f"p{number}", sides=player.ratings, ticket=f"t{number}"))
        for number, player in enumerate(line)
    ]


def measure(run: Run) -> Iterator[Figure]:
    rng, people = random.Random(run.seed), People(run)
    with site(run) as own, own.wire() as wire:
        contest = Contest(own, wire)
        for shape in SHAPES:
            for max_gap in (USUAL,) if shape.both else (WIDE, USUAL):
                shares: list[Shares] = []
                for kind, base in BASES.items():
                    run.say(f"{shape}, max_gap {max_gap:,}, {kind}; {people.stated}")
                    for _ in range(run.pick(shape.lines, shape.quick)):
                        line = people.line(rng, shape)
                        reached, rules = contest.play(rules_text(base, max_gap), comings(line))
                        shares.append(Shares.of(reached, best_matching(rules, line)))
                if shares:
                    size = f"{shape}" + ("" if shape.both or max_gap == WIDE else f", max_gap {USUAL}")
                    yield from shares_figures(NAME, size, shares, people.stated, exact=max_gap == WIDE)


ROW = Row(NAME, "one side each: 100%; else value and pairs at least 99% of the optimum's, 97% at worst", measure)
