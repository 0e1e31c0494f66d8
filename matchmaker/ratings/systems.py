"""From a queue's rules to its rating system, and to what a new player starts with."""

from __future__ import annotations

from typing import Final

from matchmaker.ratings.elo import Elo
from matchmaker.ratings.glicko2 import Glicko2
from matchmaker.ratings.skill import RatingSystem, Skill
from matchmaker.ratings.weng_lin import OpenSkill
from matchmaker.rules import EloRules, Glicko2Rules, OpenSkillRules, QueueRules

GLICKO_DEVIATION: Final = 350.0
"""Glickman's deviation of a player nobody knows."""


def system_of(rules: QueueRules) -> RatingSystem | None:
    """The rating system of a queue; None where matches are not rated. Keep it: OpenSkill's takes some time to make."""
    rating = rules.rating
    if isinstance(rating, EloRules):
        return Elo(rating.k, rating.divisor)
    if isinstance(rating, Glicko2Rules):
        return Glicko2(rating.tau, _glicko_deviation(rules), rating.volatility)
    if isinstance(rating, OpenSkillRules):
        return OpenSkill(rating.model, rules.default_rating, _openskill_deviation(rules))
    return None


def starting_deviation(rules: QueueRules) -> float | None:
    """The deviation of a player of whom nobody says one, and the most that growth leads to; None: Elo needs none."""
    if isinstance(rules.rating, Glicko2Rules):
        return _glicko_deviation(rules)
    if isinstance(rules.rating, OpenSkillRules):
        return _openskill_deviation(rules)
    return rules.default_deviation


def starting(rules: QueueRules, rating: float | None = None, deviation: float | None = None) -> Skill:
    """What a player without a rating starts with: what the ticket brought, and the queue's defaults for the rest."""
    return Skill(
        rules.default_rating if rating is None else rating,
        starting_deviation(rules) if deviation is None else deviation,
        rules.rating.volatility if isinstance(rules.rating, Glicko2Rules) else None,
    )


def _glicko_deviation(rules: QueueRules) -> float:
    return GLICKO_DEVIATION if rules.default_deviation is None else rules.default_deviation


def _openskill_deviation(rules: QueueRules) -> float:
    return rules.default_rating / 3 if rules.default_deviation is None else rules.default_deviation
