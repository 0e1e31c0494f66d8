"""What valid lifecycle fields probably do not mean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from matchmaker.rules.lifecycle_fields import EloRules, Glicko2Rules, OpenSkillRules
from matchmaker.rules.model import QueueRules

SHORT_CHECK_SECONDS: Final = 10
"""A realm is called by its matchers at least every 4 s, so that a silence under 6 s says nothing."""


def warn_lifecycle(rules: QueueRules) -> list[str]:
    """Sentences about ready check, penalties, results and rating that are allowed but rarely meant."""
    return [*_ready_check(rules), *_penalties(rules), *_results(rules), *_rating(rules)]


def _ready_check(rules: QueueRules) -> Iterator[str]:
    check, expire = rules.ready_check, rules.expire_after_seconds
    if check is not None and check.seconds < SHORT_CHECK_SECONDS:
        yield (
            f"ready_check.seconds = {check.seconds:g} is short: a failure of up to six seconds is not told from quiet, "
            f"and could cost players all of their time. From {SHORT_CHECK_SECONDS} s on they have time left."
        )
    if check is not None and expire and check.seconds >= expire:
        yield (
            f"ready_check.seconds = {check.seconds:g} is not shorter than expire_after_seconds = {expire:g}: "
            "a ticket whose match was not accepted has expired when it comes back."
        )


def _penalties(rules: QueueRules) -> Iterator[str]:
    if rules.penalties is not None and not any(rules.penalties.seconds):
        yield "penalties.seconds are all 0: nobody is ever kept from joining."


def _results(rules: QueueRules) -> Iterator[str]:
    results = rules.results
    if results is None:
        return
    if results.by == "server" and results.alone != "counts":
        yield f'results.alone = "{results.alone}" does nothing with by = "server": a server\'s report is final.'
    if results.abort_seconds >= results.within_seconds:
        yield (
            f"results.abort_seconds = {results.abort_seconds:g} is not shorter than within_seconds = "
            f"{results.within_seconds:g}: a match can be aborted as long as it is open."
        )


def _rating(rules: QueueRules) -> Iterator[str]:
    rating = rules.rating
    if rating is None:
        return
    if isinstance(rating, EloRules) and rating.deviation_growth_per_day:
        yield 'rating.deviation_growth_per_day does nothing with system = "elo", which knows no deviation.'
    if rules.default_deviation is None and isinstance(rating, Glicko2Rules | OpenSkillRules):
        start = "350" if isinstance(rating, Glicko2Rules) else "a third of default_rating"
        yield (
            f'default_deviation is not set: with rating.system = "{rating.system}" players without a rating start '
            f"with a deviation of {start}, and it never grows beyond that. Set default_deviation to what you mean."
        )
    if "D" in rating.letters and min(rating.letters.values()) > 0:
        yield 'rating.letters names "D", which those below every percentile get too: begin a letter at 0.'
