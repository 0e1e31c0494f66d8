"""What a rating system knows of a player, and what every system does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from matchmaker.rules.fields import MAX_POINTS


@dataclass(frozen=True, slots=True)
class Skill:
    """A player's rating in points, its deviation in points, and its volatility; None where nobody knows.

    A system keeps what it has no use for (Elo a deviation, OpenSkill a volatility) as it is.
    """

    rating: float
    deviation: float | None = None
    volatility: float | None = None


class RatingSystem(Protocol):
    """Rates one match."""

    def rate(self, teams: Sequence[Sequence[Skill]], ranks: Sequence[int]) -> list[list[Skill]]:
        """Every player's skill after the match, in the places of ``teams``.

        ``ranks`` has a number for each team: less is better, equal is a draw. Two teams or more, none empty. What comes
        back is finite: ratings within ±1,000,000, deviations within 0 … 1,000,000.
        """
        ...  # pragma: no cover


def bounded(rating: float, deviation: float | None, volatility: float | None) -> Skill:
    """A skill within bounds: what goes beyond stays at the bound, where tickets could not bring it otherwise."""
    if deviation is not None:
        deviation = min(max(deviation, 0.0), float(MAX_POINTS))
    return Skill(min(max(rating, -float(MAX_POINTS)), float(MAX_POINTS)), deviation, volatility)


def score(own_rank: int, other_rank: int) -> float:
    """1 for the better rank, 0 for the worse one, 0.5 for a draw."""
    return 0.5 if own_rank == other_rank else float(own_rank < other_rank)
