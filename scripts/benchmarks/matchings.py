"""Exact matchings to compare with: blossom (networkx) and the Hungarian method, which share no idea with the engine."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

from matchmaker.regret import UNITS, heaviest

__all__ = ["cheapest_perfect", "heaviest", "heaviest_across"]


def cheapest_perfect(count: int, cost_of: dict[tuple[int, int], float]) -> list[tuple[int, int]]:
    """The cheapest way to pair 0 … ``count`` − 1 (an even number) with nobody left. ``cost_of`` has every pair."""
    import networkx

    dearest = max(cost_of.values())
    graph = networkx.Graph()
    for pair in combinations(range(count), 2):
        graph.add_edge(*pair, weight=round((dearest - cost_of[pair]) * UNITS))
    return [(min(pair), max(pair)) for pair in networkx.max_weight_matching(graph, maxcardinality=True)]


def heaviest_across(weights: Mapping[tuple[int, int], float]) -> list[tuple[int, int]]:
    """As :func:`heaviest` where each pair has its first place on one side and its second on the other: the Hungarian
    method, shortest augmenting paths by rows (Jonker and Volgenant 1987), for lines that blossom would take minutes
    for. Everybody may also stay alone, for a weight of 0."""
    import numpy as np

    rows, columns = (sorted({pair[side] for pair in weights}) for side in (0, 1))
    row_of, column_of = ({place: i for i, place in enumerate(places)} for places in (rows, columns))
    # A column for each row stands for staying alone; a weight of 0 must not look like a pair that cannot be.
    scale = len(rows) + len(columns) + 1
    costs = np.zeros((len(rows), len(columns) + len(rows)))
    for (a, b), weight in weights.items():
        costs[row_of[a], column_of[b]] = -(round(weight * UNITS) * scale + 1)
    taken = _assigned(costs)
    return [
        (place, columns[column])
        for place, column in zip(rows, taken, strict=True)
        if column < len(columns) and (place, columns[column]) in weights
    ]


def _assigned(costs: Any) -> list[int]:
    """For each row the column of its own that makes the sum of ``costs`` least; there are at least as many columns."""
    import numpy as np

    count, width = costs.shape
    by_row, by_column = np.zeros(count), np.zeros(width)
    owner = np.full(width, -1)
    for start in range(count):
        least, before = np.full(width, np.inf), np.full(width, -1)
        open_, row, column = np.ones(width, dtype=bool), start, -1
        reached: list[tuple[int, int]] = []
        while True:
            slack = costs[row] - by_row[row] - by_column
            if column >= 0:
                slack = slack + least[column]
            nearer = open_ & (slack < least)
            least[nearer], before[nearer] = slack[nearer], column
            column = int(np.where(open_, least, np.inf).argmin())
            if owner[column] < 0:
                break
            open_[column] = False
            reached.append((int(owner[column]), column))
            row = int(owner[column])
        shortest = least[column]
        by_row[start] += shortest
        for passed, at in reached:
            by_row[passed] += shortest - least[at]
            by_column[at] += least[at] - shortest
        while column >= 0:
            origin = int(before[column])
            owner[column] = start if origin < 0 else owner[origin]
            column = origin
    taken = [0] * count
    for column, row in enumerate(owner):
        if row >= 0:
            taken[row] = column
    return taken
