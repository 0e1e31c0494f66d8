"""Glicko-2, after M. E. Glickman, "Example of the Glicko-2 system" (2022 edition); steps are numbered as there.

It is our own because the one kept package on PyPI (glicko2 2.1.0) is not sound: where the equation of step 5 has the
square of the deviation, it takes the square of the rating, so that the same match a thousand points higher up gives
other numbers; and its tau is shared by the whole process.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, fsum, log, pi, sqrt
from typing import Final, NamedTuple

from matchmaker.ratings.skill import Skill, bounded, score

SCALE: Final = 173.7178
"""Points in a unit of Glicko-2's own scale. Its zero plays no part: only differences of ratings do."""

MIN_VOLATILITY: Final = 0.0001
MAX_VOLATILITY: Final = 1.0
"""Volatility stays within these, as in a rules file. The equation of step 5 may have another root far beyond."""

_CONVERGED: Final = 0.000001
_MOST_STEPS: Final = 100
_MOST_APART: Final = 20.0
"""Beyond this many units (3,474 points and more) an expectation counts as if the two were this far apart: it is
within 2·10⁻⁹ of 0 or 1, and a little further a float no longer tells it from them."""


class Game(NamedTuple):
    """A game as its player sees it: the opponent's rating and deviation in points, and one's score (0 … 1)."""

    rating: float
    deviation: float
    score: float


@dataclass(frozen=True, slots=True)
class Glicko2:
    """Each match is a rating period of its own.

    Teams: a player is rated against a *composite opponent* for each other team, as if it were one player: with the mean
    rating of its members and the root mean square of their deviations. Each of more than two teams gives one game of
    the same period. ``start`` gives what a skill lacks: a deviation in points and a volatility.

    A deviation may grow by a match that says little, but by no more than the volatility: that is step 6.
    """

    tau: float
    start_deviation: float
    start_volatility: float

    def rate(self, teams: Sequence[Sequence[Skill]], ranks: Sequence[int]) -> list[list[Skill]]:
        """As :meth:`RatingSystem.rate`."""
        opponents = [self._composite(team) for team in teams]
        rated = []
        for own, team in enumerate(teams):
            games = [
                Game(*opponent, score(ranks[own], ranks[other]))
                for other, opponent in enumerate(opponents)
                if other != own
            ]
            rated.append([self.after_period(member, games) for member in team])
        return rated

    def after_period(self, skill: Skill, games: Sequence[Game]) -> Skill:
        """A player's skill after a rating period with these games, all against opponents as before the period."""
        phi = (self.start_deviation if skill.deviation is None else skill.deviation) / SCALE
        sigma = self.start_volatility if skill.volatility is None else skill.volatility
        sigma = min(max(sigma, MIN_VOLATILITY), MAX_VOLATILITY)
        information, surprise = _evidence(skill.rating, games)
        if information > 0:
            sigma = _new_volatility(self.tau, sigma, phi * phi, 1 / information, surprise / information)
        wide = phi * phi + sigma * sigma  # step 6
        narrow = wide / (1 + wide * information)  # step 7
        return bounded(skill.rating + SCALE * narrow * surprise, SCALE * sqrt(narrow), sigma)

    def _composite(self, team: Sequence[Skill]) -> tuple[float, float]:
        """Rating and deviation, in points, of the one opponent that a team is."""
        if len(team) == 1:
            (only,) = team
            return only.rating, self.start_deviation if only.deviation is None else only.deviation
        deviations = [self.start_deviation if one.deviation is None else one.deviation for one in team]
        rating = fsum(one.rating for one in team) / len(team)
        return rating, sqrt(fsum(deviation * deviation for deviation in deviations) / len(team))


def _evidence(rating: float, games: Iterable[Game]) -> tuple[float, float]:
    """Steps 3 and 4: the sum that ``v`` is the inverse of, and the one that ``delta`` is ``v`` times."""
    information, surprise = [], []
    for game in games:
        opponent = game.deviation / SCALE
        weight = 1 / sqrt(1 + 3 * opponent * opponent / (pi * pi))
        apart = min(max(weight * (rating - game.rating) / SCALE, -_MOST_APART), _MOST_APART)
        chance = 1 / (1 + exp(-apart))
        information.append(weight * weight * chance * (1 - chance))
        surprise.append(weight * (game.score - chance))
    return fsum(information), fsum(surprise)


def _new_volatility(tau: float, sigma: float, phi2: float, v: float, delta: float) -> float:
    """Step 5: the root of ``f`` by the Illinois method, sought no higher than :data:`MAX_VOLATILITY`."""
    a = log(sigma * sigma)
    delta2 = delta * delta

    def f(x: float) -> float:
        e = exp(x)
        both = phi2 + v + e
        return e * (delta2 - both) / (2 * both * both) - (x - a) / (tau * tau)

    low, f_low = a, f(a)
    if delta2 > phi2 + v:
        high = min(log(delta2 - phi2 - v), 2 * log(MAX_VOLATILITY))
    else:
        k = 1
        while f(a - k * tau) < 0:
            k += 1
        high = a - k * tau
    f_high = f(high)
    if f_low * f_high > 0:  # the root is beyond the bound
        return MAX_VOLATILITY
    for _ in range(_MOST_STEPS):
        if abs(high - low) <= _CONVERGED or f_high == f_low:
            break
        x = low + (low - high) * f_low / (f_high - f_low)
        f_x = f(x)
        if f_x * f_high <= 0:
            low, f_low = high, f_high
        else:
            f_low /= 2
        high, f_high = x, f_x
    return min(max(exp(low / 2), MIN_VOLATILITY), MAX_VOLATILITY)
