"""What every row shares: figures with their goals, settings of a run, and A B A B.

A figure is a median over samples. Comparisons take both sides in turns within one run, so that a machine that grows
slower, or shares its cores with somebody, is slow for both.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
QUICK_SIZES: Final = (1_000, 10_000)


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on a figure, in the figure's unit."""

    kind: Literal["≤", "≥", "<"]
    bound: float

    def met(self, value: float) -> bool:
        """Whether ``value`` keeps it. NaN keeps none."""
        if self.kind == "≥":
            return value >= self.bound
        return value < self.bound if self.kind == "<" else value <= self.bound

    def __str__(self) -> str:
        return f"{self.kind} {self.bound:,.6g}"


def at_most(bound: float) -> Goal:
    return Goal("≤", bound)


def at_least(bound: float) -> Goal:
    return Goal("≥", bound)


def under(bound: float) -> Goal:
    return Goal("<", bound)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. ``size`` is a number of tickets, or says in words what was varied.

    ``samples`` are what ``value`` was made of (the median, unless the row's docstring says otherwise). Without a goal
    the figure explains another one. ``note`` is for the reader of the table.
    """

    row: str
    size: int | str
    value: float
    unit: str
    goal: Goal | None = None
    samples: tuple[float, ...] = ()
    note: str = ""

    @property
    def ok(self) -> bool | None:
        """Whether the goal is met; None without one."""
        return None if self.goal is None else self.goal.met(self.value)

    def as_json(self) -> dict[str, object]:
        """The entry of ``--json``."""
        return {
            "row": self.row,
            "size": self.size,
            "value": self.value,
            "unit": self.unit,
            "goal": None if self.goal is None else str(self.goal),
            "ok": self.ok,
            "samples": list(self.samples),
        }


@dataclass(frozen=True, slots=True)
class Run:
    """Settings of one run. ``say`` tells the person at the terminal what is going on."""

    quick: bool = False
    seed: int = 1
    ratings: Path | None = None
    binary: Path | None = None
    say: Callable[[str], None] = field(default=lambda _text: None)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of waiting tickets."""
        return QUICK_SIZES if self.quick else SIZES

    def pick(self, full: int, quick: int) -> int:
        """The number for this kind of run."""
        return quick if self.quick else full


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the list. ``measure`` yields its figures as they come; ``goal`` is the whole goal in words."""

    name: str
    goal: str
    measure: Callable[[Run], Iterator[Figure]]


def median_of(row: str, size: int | str, samples: Sequence[float], unit: str, goal: Goal | None = None) -> Figure:
    """The figure whose value is the samples' median."""
    return Figure(row, size, statistics.median(samples), unit, goal, tuple(samples))


def alternate(rounds: int, *sides: Callable[[], float]) -> list[tuple[float, ...]]:
    """A B A B …: each round takes one sample of every side, in turns in the other order, after one that is thrown
    away. Answers for each side its samples."""
    taken: list[tuple[float, ...]] = []
    for number in range(rounds + 1):
        order = range(len(sides)) if number % 2 == 0 else reversed(range(len(sides)))
        found = dict.fromkeys(range(len(sides)), 0.0)
        for side in order:
            found[side] = sides[side]()
        if number:
            taken.append(tuple(found[side] for side in range(len(sides))))
    return list(zip(*taken, strict=True))


def ratios(samples: Sequence[float], baseline: Sequence[float]) -> tuple[float, ...]:
    """Round by round, so that what slows a whole round down cancels out."""
    return tuple(a / b for a, b in zip(samples, baseline, strict=True))


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least ``share`` (0 to 1) of them do not exceed."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]
