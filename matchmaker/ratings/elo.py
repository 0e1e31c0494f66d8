"""Elo's system (A. E. Elo, "The Rating of Chessplayers, Past and Present", 1978), for any number of teams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import fsum
from typing import Final

from matchmaker.ratings.skill import Skill, bounded, score

_EXPONENT: Final = 300.0
"""A float ends at 10^308. At 10^-300 an expectation is no longer distinct from 0."""


def expected(rating: float, other: float, divisor: float) -> float:
    """The expected score, 0 … 1: ``1 / (1 + 10^((other − rating) / divisor))``."""
    exponent = min(max((other - rating) / divisor, -_EXPONENT), _EXPONENT)
    return float(1 / (1 + 10.0**exponent))


@dataclass(frozen=True, slots=True)
class Elo:
    """``k`` points times (score − expected score).

    A team counts by the mean rating of its members, and each of them gains or loses the same. Of more than two teams
    each meets each other one, and the changes of a team are averaged over its opponents, so that a match of any number
    of teams moves at most ``k`` points. What one team gains from another is what the other loses to it, bit by bit.
    """

    k: float
    divisor: float

    def rate(self, teams: Sequence[Sequence[Skill]], ranks: Sequence[int]) -> list[list[Skill]]:
        """As :meth:`RatingSystem.rate`. Deviations and volatilities are kept."""
        means = [fsum(member.rating for member in team) / len(team) for team in teams]
        share = self.k / (len(teams) - 1)
        gains: list[list[float]] = [[] for _ in teams]
        for one, other in combinations(range(len(teams)), 2):
            gain = share * (score(ranks[one], ranks[other]) - expected(means[one], means[other], self.divisor))
            gains[one].append(gain)
            gains[other].append(-gain)
        return [
            [bounded(member.rating + change, member.deviation, member.volatility) for member in team]
            for team, change in zip(teams, map(fsum, gains), strict=True)
        ]
