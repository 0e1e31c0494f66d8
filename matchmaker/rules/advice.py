"""What a valid file probably does not mean. Advice never refuses anything."""

from __future__ import annotations

from typing import Final

from matchmaker.rules.advice_constraints import warn_constraints
from matchmaker.rules.advice_lifecycle import warn_lifecycle
from matchmaker.rules.fields import to_ms
from matchmaker.rules.model import QueueRules

_FOR_EVER_MS: Final = 2**53


def warnings_for(rules: QueueRules) -> list[str]:
    """Sentences about the rules of one queue that are allowed but rarely meant; empty when there is nothing to say."""
    found = _warn_early(rules) + _warn_reach(rules)
    willingness = rules.willingness
    if willingness.deviation_above > 0 and willingness.per_deviation == 0:
        found.append("willingness.deviation_above does nothing without willingness.per_deviation.")
    expire_ms = to_ms(rules.expire_after_seconds)
    if expire_ms and rules.interval_ms >= expire_ms:
        found.append(
            f"interval_ms = {rules.interval_ms} is not shorter than expire_after_seconds = "
            f"{rules.expire_after_seconds:g}: tickets expire before they are looked at."
        )
    if expire_ms and rules.heartbeat_seconds >= rules.expire_after_seconds:
        found.append(
            f"heartbeat_seconds = {rules.heartbeat_seconds:g} is not shorter than expire_after_seconds = "
            f"{rules.expire_after_seconds:g}: it never ends a ticket."
        )
    if not expire_ms and not rules.heartbeat_seconds:
        found.append(
            "expire_after_seconds = 0 with heartbeat_seconds = 0: the ticket of a player who left waits until somebody "
            "cancels it."
        )
    return found + warn_constraints(rules) + warn_lifecycle(rules)


def _warn_early(rules: QueueRules) -> list[str]:
    """A base over 0 takes the first neighbour in reach before a better one can come."""
    base = min(rules.willingness.base, _cap(rules))
    if base == 0 or rules.interval_ms > 0:
        return []
    reach = min(rules.max_gap, base * _willing(rules))
    return [
        f"willingness.base = {rules.willingness.base:g} with interval_ms = 0 pairs too early: two players up to "
        f"{reach:g} points apart are matched on arrival. Set interval_ms (such as 500), or a smaller base."
    ]


def _warn_reach(rules: QueueRules) -> list[str]:
    """Compare the widest gap that waiting can ever cover with ``max_gap``. Deviation may add to it; it is left out."""
    lasts_ms = to_ms(rules.expire_after_seconds) or _FOR_EVER_MS
    reach = min(_cap(rules), rules.willingness.grown(lasts_ms)) * _willing(rules)
    if reach >= rules.max_gap:
        return []
    by_deviation = rules.willingness.per_deviation > 0 and _cap(rules) > 0
    beyond = " unless their deviation adds to it" if by_deviation else ""
    if reach == 0:
        return [f"willingness stays 0 however long a ticket waits: only equal ratings are matched{beyond}."]
    return [
        f"waiting covers gaps up to {reach:g} points{beyond}, so max_gap = {rules.max_gap:g} is never reached: "
        "whoever has no one nearer is not matched."
    ]


def _cap(rules: QueueRules) -> float:
    cap = rules.willingness.cap
    return float("inf") if cap is None else cap


def _willing(rules: QueueRules) -> int:
    """How many players' willingness counts towards a gap."""
    return 2 if rules.accept == "sum" else 1
