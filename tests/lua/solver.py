"""Instances for the solver of constrained lines, how it is asked on the server, and what holds of its every answer."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import redis

from matchmaker.willingness import EPS
from tests.oracle import best_matching

LIBRARIES = ("willingness", "two_heaps", "first_pairs", "augment", "solve_line", "solve_sides")

Edge = tuple[int, int]


class Entry(NamedTuple):
    """A node's place on one side. x in rating points, w its willingness in points."""

    node: int
    x: float
    w: float


@dataclass(frozen=True)
class Instance:
    """One line (``b`` is None), or two sides. Nodes count from 1; entries stand in order of x."""

    a: Sequence[Entry]
    b: Sequence[Entry] | None = None
    kinds: Mapping[int, int] = field(default_factory=dict)
    """Node -> kind, from 1; kind 1 unless given."""
    prices: Sequence[Sequence[float]] = ((0.0,),)
    """What a pair of two kinds costs in points; below 0 = forbidden."""

    @property
    def exact(self) -> bool:
        return self.prices == ((0.0,),)

    def value(self, one: Entry, other: Entry) -> float | None:
        price = self.prices[self.kinds.get(one.node, 1) - 1][self.kinds.get(other.node, 1) - 1]
        value = one.w + other.w - abs(one.x - other.x) - price
        return value if one.node != other.node and price >= 0 and value >= -EPS else None

    def directed(self) -> dict[Edge, float]:
        """Node on the first side, node on the second -> value, of all pairs that may be made; a line's both ways."""
        others = self.a if self.b is None else self.b
        found = ((one.node, other.node, self.value(one, other)) for one in self.a for other in others)
        return {(u, v): value for u, v, value in found if value is not None}

    def wire(self) -> dict[str, Any]:
        nodes = max((entry.node for entry in [*self.a, *(self.b or ())]), default=0)
        shared = {"kinds": [self.kinds.get(node, 1) for node in range(1, nodes + 1)], "prices": self.prices}
        if self.b is None:
            return {"line": self.a, **shared}
        return {"a": self.a, "b": self.b, "exact": self.exact, **shared}


class Reached(NamedTuple):
    """What an answer is worth."""

    value: float
    pairs: int

    def share_of(self, best: Reached) -> tuple[float, float]:
        """The shares of the best value and of its pairs."""
        return (self.value / best.value if best.value > 0 else 1.0, self.pairs / best.pairs if best.pairs else 1.0)


@cache
def _source() -> str:
    lua = resources.files("matchmaker").joinpath("lua", "lib")
    libraries = [lua.joinpath(f"{name}.lua").read_text(encoding="utf-8") for name in LIBRARIES]
    return "\n".join([*libraries, Path(__file__).with_name("solver_harness.lua").read_text(encoding="utf-8")])


def solve(client: redis.Redis, instances: Sequence[Instance]) -> list[Reached]:
    """Solves them on the server; each answer is found valid and maximal."""
    reached = []
    for start in range(0, len(instances), 20):
        batch = instances[start : start + 20]
        answers: Any = client.eval(_source(), 0, json.dumps([one.wire() for one in batch]))
        reached += [check(one, answer) for one, answer in zip(batch, answers, strict=True)]
    return reached


def check(instance: Instance, answer: Sequence[int]) -> Reached:
    """No node twice, only pairs that may be made, on their best sides, and none left that might be added."""
    values = instance.directed()
    used: set[int] = set()
    total = 0.0
    for u, v, side in zip(answer[::3], answer[1::3], answer[2::3], strict=True):
        assert u < v, "harness: the lower node first"
        assert used.isdisjoint((u, v)), (u, v)
        used |= {u, v}
        first, second = (v, u) if side == 2 else (u, v)
        assert (first, second) in values, (first, second)
        value, other = values[first, second], values.get((second, first))
        if instance.b is not None and other is not None:
            assert value >= other - EPS, "it is worth more the other way round"
            assert side == 1 or value > other, "a tie: the lower node plays the first side"
        total += value
    left = [pair for pair in values if used.isdisjoint(pair)]
    assert left == []
    return Reached(total, len(used) // 2)


def optimum(instance: Instance) -> Reached:
    """The best value, and the most pairs that have it, by blossom matching."""
    best: dict[tuple[str, str], float] = {}
    for (u, v), value in instance.directed().items():
        pair = (str(min(u, v)), str(max(u, v)))
        best[pair] = max(value, best.get(pair, value))
    pairs, total = best_matching(best)
    return Reached(total, len(pairs))


# -- instances -------------------------------------------------------------------------------------------------------


def willingness(rng: random.Random, shape: str) -> float:
    """dense: a wave's; about everybody is due with many. wait: grown with exponential waits; many are due with none."""
    return 100.0 + 50.0 * rng.randrange(4) if shape == "dense" else round(rng.expovariate(1 / 30), 3)


def some_prices(rng: random.Random, forbidden: float, kinds: int = 12) -> tuple[tuple[float, ...], ...]:
    """Symmetric; so great a share of the pairs of kinds is forbidden, and a tenth of the others costs something."""
    table = [[0.0] * kinds for _ in range(kinds)]
    for i in range(kinds):
        for j in range(i, kinds):
            price = -1.0 if rng.random() < forbidden else rng.choice([0.0] * 9 + [25.0])
            table[i][j] = table[j][i] = price
    return tuple(map(tuple, table))


def random_line(seed: str, size: int, shape: str, forbidden: float) -> Instance:
    rng = random.Random(seed)
    places = sorted(round(rng.gauss(1500, 300), 2) for _ in range(size))
    line = [Entry(node, x, willingness(rng, shape)) for node, x in enumerate(places, 1)]
    return Instance(line, None, {node: rng.randint(1, 12) for node in range(1, size + 1)}, some_prices(rng, forbidden))


def random_sides(
    seed: str, a_only: int, b_only: int, both: int, shape: str, forbidden: float = 0.0, spread: float = 300.0
) -> Instance:
    """``both`` tickets have two ratings that differ by a hundred points or so."""
    rng = random.Random(seed)
    a, b = [], []
    count = a_only + b_only + both
    for node in range(1, count + 1):
        x, w = round(rng.gauss(1500, spread), 2), willingness(rng, shape)
        if node <= a_only or node > a_only + b_only:
            a.append(Entry(node, x, w))
        if node > a_only:
            b.append(Entry(node, round(x + rng.gauss(0, 100), 2) if node > a_only + b_only else x, w))
    sides = sorted(a, key=lambda entry: entry.x), sorted(b, key=lambda entry: entry.x)
    if not forbidden:
        return Instance(*sides)
    return Instance(*sides, {node: rng.randint(1, 12) for node in range(1, count + 1)}, some_prices(rng, forbidden))
