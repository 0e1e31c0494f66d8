"""Ratings: from the ranks of a finished match to what its players' ratings are afterwards.

Pure functions: no input or output, no clock, no chance. The same match settled twice gives the same bits, which is
what lets a season be recomputed (:func:`recompute`) and compared.
"""

from __future__ import annotations

from matchmaker.ratings.letters import REST, letter_of
from matchmaker.ratings.recompute import Key, RatedPlayer, RatedResult, RatingChange, Row, recompute, settle_one
from matchmaker.ratings.settling import DAY_MS, grown, settle_match
from matchmaker.ratings.skill import RatingSystem, Skill
from matchmaker.ratings.systems import starting, starting_deviation, system_of

__all__ = [
    "DAY_MS",
    "REST",
    "Key",
    "RatedPlayer",
    "RatedResult",
    "RatingChange",
    "RatingSystem",
    "Row",
    "Skill",
    "grown",
    "letter_of",
    "recompute",
    "settle_match",
    "settle_one",
    "starting",
    "starting_deviation",
    "system_of",
]
