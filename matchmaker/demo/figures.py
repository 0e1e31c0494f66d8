"""Percentiles and means of what was measured."""

from __future__ import annotations

import math
from collections.abc import Iterable

PERCENTILES = (50, 95, 99)


def percentile(ordered: list[float], percent: float) -> float:
    """Of values in order, at least one; interpolated between the two nearest."""
    place = (len(ordered) - 1) * percent / 100
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def figures(values: Iterable[float]) -> dict[str, float | None]:
    """``p50, p95, p99, mean`` in the unit of the values, to three places; all None when there are none."""
    ordered = sorted(values)
    if not ordered:
        return dict.fromkeys([*(f"p{percent}" for percent in PERCENTILES), "mean"])
    found = {f"p{percent}": percentile(ordered, percent) for percent in PERCENTILES}
    found["mean"] = math.fsum(ordered) / len(ordered)
    return {name: round(value, 3) for name, value in found.items()}
