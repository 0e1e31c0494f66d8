"""Exact matchings to compare with: blossom (networkx), which shares no idea with the engine's sweep."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

UNITS = 1_000_000
"""Values are compared as integers of this fraction of a point, so that rounding never decides between matchings."""


def heaviest(edges: Iterable[tuple[int, int, float]]) -> list[tuple[int, int]]:
    """The matching of the highest total weight, and of the most pairs among those. Weights are at least 0."""
    import networkx

    taken = list(edges)
    scale = len({place for a, b, _ in taken for place in (a, b)}) + 1
    graph = networkx.Graph()
    graph.add_weighted_edges_from((a, b, round(weight * UNITS) * scale + 1) for a, b, weight in taken)
    return [(min(pair), max(pair)) for pair in networkx.max_weight_matching(graph)]


def cheapest_perfect(count: int, cost_of: dict[tuple[int, int], float]) -> list[tuple[int, int]]:
    """The cheapest way to pair 0 … ``count`` − 1 (an even number) with nobody left. ``cost_of`` has every pair."""
    import networkx

    dearest = max(cost_of.values())
    graph = networkx.Graph()
    for pair in combinations(range(count), 2):
        graph.add_edge(*pair, weight=round((dearest - cost_of[pair]) * UNITS))
    return [(min(pair), max(pair)) for pair in networkx.max_weight_matching(graph, maxcardinality=True)]
