"""The rows, by name, in the order of the table. Each is a module of this package, named likewise."""

from __future__ import annotations

from importlib import import_module

from scripts.benchmarks.harness import Row

NAMES = (
    "pass-cost",
    "pass-cost-constraints",
    "own-function",
    "arrival-cost",
    "enqueue",
    "throughput",
    "doorbell-latency",
    "longest-hold",
    "memory",
    "idle-cost",
    "recorder",
    "answers",
    "settle",
    "loop-stall",
    "workers",
    "optimality-duels",
    "optimality-sides",
    "optimality-forbidden",
    "in-time",
    "regret",
    "estimate",
)


def load(name: str) -> tuple[Row, str]:
    """The row and what its module says about it.

    :raises KeyError: there is no such row.
    """
    if name not in NAMES:
        raise KeyError(name)
    module = import_module(f"scripts.benchmarks.{name.replace('-', '_')}")
    row: Row = module.ROW
    return row, module.__doc__ or ""
