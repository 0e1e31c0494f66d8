"""OpenSkill: the models of R. C. Weng and C.-J. Lin (JMLR 12, 2011), computed by the package of that name, in points.

The package counts in units of which a new player has 25; its parameters are scaled so that the numbers are its own
defaults in other units. The random ids that it gives its objects decide nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any, Final, Protocol

from matchmaker.ratings.skill import Skill, bounded
from matchmaker.rules.lifecycle_fields import OpenSkillModel

_EPSILON: Final = 0.012
"""The package's margin of a draw, 0.1, as a share of its starting deviation, 25/3."""

_REACH: Final = 300.0
"""Teams are at most this many times √2·β from the middle, so that ``exp`` stays well within a float (e^709)."""


class _Rated(Protocol):
    mu: float
    sigma: float


class _Model(Protocol):
    """What the models of the package have in common, each with a class of ratings of its own."""

    def rating(self, mu: float, sigma: float) -> Any: ...

    def rate(self, teams: list[list[Any]], ranks: list[float]) -> list[list[Any]]: ...


class OpenSkill:
    """One of the models, with ``beta`` half the starting deviation and ``tau`` a hundredth of it.

    Teams further apart than any expectation can tell are moved together as far as that is so. A deviation may grow by
    ``tau`` in a match that says little.
    """

    __slots__ = ("_model", "_reach", "_start_deviation")

    def __init__(self, model: OpenSkillModel, start_rating: float, start_deviation: float) -> None:
        self._model = _model_of(model, start_rating, start_deviation)
        self._start_deviation = start_deviation
        self._reach = _REACH * sqrt(2) * start_deviation / 2

    def rate(self, teams: Sequence[Sequence[Skill]], ranks: Sequence[int]) -> list[list[Skill]]:
        """As :meth:`RatingSystem.rate`."""
        means = self._near(teams)
        before = [
            [self._model.rating(mu, self._deviation(member)) for member, mu in zip(team, row, strict=True)]
            for team, row in zip(teams, means, strict=True)
        ]
        after: list[list[_Rated]] = self._model.rate(before, [float(rank) for rank in ranks])
        return [
            [
                bounded(_moved(member.rating, mu, rated.mu), rated.sigma, member.volatility)
                for member, mu, rated in zip(team, row, rated_team, strict=True)
            ]
            for team, row, rated_team in zip(teams, means, after, strict=True)
        ]

    def _deviation(self, skill: Skill) -> float:
        return self._start_deviation if skill.deviation is None else skill.deviation

    def _near(self, teams: Sequence[Sequence[Skill]]) -> list[list[float]]:
        """The ratings to compute with: their own, wherever a float can hold what comes of them."""
        own = [[member.rating for member in team] for team in teams]
        if max(abs(sum(row)) for row in own) <= self._reach:
            return own
        middle = sum(map(sum, own)) / sum(map(len, own))
        most = self._reach / max(map(len, own))
        return [[min(max(rating - middle, -most), most) for rating in row] for row in own]


def _moved(rating: float, before: float, after: float) -> float:
    """The rating after: as computed, or moved as far as the number that stood for it."""
    return after if before == rating else rating + (after - before)


def _model_of(name: OpenSkillModel, mu: float, sigma: float) -> _Model:
    # Imported where it is needed: who rates by another system, or not at all, does not load it.
    from openskill.models import BradleyTerryFull, PlackettLuce, ThurstoneMostellerFull

    beta, tau = sigma / 2, sigma / 100
    if name == "plackett_luce":
        return PlackettLuce(mu=mu, sigma=sigma, beta=beta, tau=tau)
    if name == "bradley_terry_full":
        return BradleyTerryFull(mu=mu, sigma=sigma, beta=beta, tau=tau)
    return ThurstoneMostellerFull(mu=mu, sigma=sigma, beta=beta, tau=tau, epsilon=_EPSILON * sigma)
