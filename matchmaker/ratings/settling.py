"""One match: inactivity, then rating."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf, isfinite, sqrt
from typing import Final

from matchmaker.errors import InvalidInput
from matchmaker.ratings.skill import RatingSystem, Skill
from matchmaker.ratings.systems import starting_deviation
from matchmaker.rules import EloRules, QueueRules
from matchmaker.rules.fields import MAX_POINTS

DAY_MS: Final = 86_400_000


def grown(deviation: float, days: float, growth_per_day: float, most: float) -> float:
    """A deviation after ``days`` without a match: ``√(deviation² + growth² · days)``, no more than ``most``.

    One that is above ``most`` already stays what it is: time makes nobody more certain. Points.
    """
    if days <= 0 or growth_per_day == 0:
        return deviation
    return max(deviation, min(most, sqrt(deviation * deviation + growth_per_day * growth_per_day * days)))


def settle_match(
    system: RatingSystem,
    rules: QueueRules,
    teams: Sequence[Sequence[tuple[Skill, int | None]]],
    ranks: Sequence[int],
    at_ms: int,
) -> list[list[Skill]]:
    """Every player's skill after a match that finished at ``at_ms`` (realm time), in the places of ``teams``.

    ``teams`` has each player's skill and when they last finished a rated match (None: never). First the deviation grows
    by the time since then, then the match is rated. Who left early is rated like the rest of the team. Raises
    :class:`InvalidInput` for ranks or ratings that are none.
    """
    _check(teams, ranks)
    rested = [[_rested(rules, skill, played_ms, at_ms) for skill, played_ms in team] for team in teams]
    return system.rate(rested, ranks)


def _rested(rules: QueueRules, skill: Skill, played_ms: int | None, at_ms: int) -> Skill:
    """A skill with the deviation that has grown since the player's last match."""
    rating = rules.rating
    if rating is None or isinstance(rating, EloRules) or skill.deviation is None or played_ms is None:
        return skill
    most = starting_deviation(rules)
    if rating.deviation_growth_per_day == 0 or most is None:
        return skill
    deviation = grown(skill.deviation, (at_ms - played_ms) / DAY_MS, rating.deviation_growth_per_day, most)
    return replace(skill, deviation=deviation)


def _check(teams: Sequence[Sequence[tuple[Skill, int | None]]], ranks: Sequence[int]) -> None:
    if len(teams) < 2 or not all(teams):
        raise InvalidInput("teams", [len(team) for team in teams], "two teams or more, each with a player")
    count = len(teams)
    if len(ranks) != count or min(ranks) != 1 or max(ranks) > count:
        raise InvalidInput("ranks", list(ranks), f"{count} numbers, 1 … {count}, the best of them 1")
    for team in teams:
        for skill, _ in team:
            _check_points("rating", skill.rating, -MAX_POINTS)
            if skill.deviation is not None:
                _check_points("deviation", skill.deviation, 0)
            if skill.volatility is not None and not 0 < skill.volatility < inf:
                raise InvalidInput("volatility", skill.volatility, "a finite number above 0")


def _check_points(field: str, points: float, low: int) -> None:
    if not (isfinite(points) and low <= points <= MAX_POINTS):
        raise InvalidInput(field, points, f"a finite number, {low:,} … {MAX_POINTS:,}".replace("-", "−"))
