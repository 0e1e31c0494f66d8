"""What must hold for matches and expiries under the rules they were made with. Events never change: no second look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from matchmaker.checker.ledger import Ledger
from matchmaker.checker.meetings import Meetings
from matchmaker.checker.pairs import Known, judge_constrained
from matchmaker.checker.stories import MatchStory
from matchmaker.checker.versions import Versions
from matchmaker.checker.violation import Code, Violation
from matchmaker.compatibility import NO_SIDE, Place, Standing, willing
from matchmaker.rules import QueueRules
from matchmaker.willingness import EPS, Waiting, gap, is_due

TOLD: Final = 1e-9
"""Events tell gap and value to ten digits."""


@dataclass(frozen=True, slots=True)
class Promptness:
    """How long a pair may be due before it is matched: ``grace_ms``, in which a matcher reacts. Counts from
    ``alive_since_ms`` on, the realm ms since which one lives; None: later matches are counted, not held against it."""

    grace_ms: int
    alive_since_ms: int | None = None


def judge_matches(
    ledger: Ledger, versions: Versions, promptness: Promptness, *, proposals: bool
) -> tuple[list[Violation], int]:
    """The faults of all matches and expiries, and how many matches were late.

    A match that says that it was proposed is bound by no rule. With ``proposals`` there may be older ones that do not
    say so.
    """
    violations, late = [], 0
    meetings = Meetings(ledger, versions)
    # One that a ready check made keeps the rules of the moment at which it was found.
    found = [match for match in ledger.matches if not match.check]
    for match in (*found, *ledger.proposals):
        rules = versions.of(match.queue, match.version)
        if rules is None:
            violations.append(
                Violation(
                    Code.RULES_BROKEN,
                    f"match {match.event} names version {match.version} of {match.queue!r}, which is not kept",
                )
            )
            continue
        violations += _faults(match, rules, ledger, meetings, proposals or match.proposed)
        if not match.proposed and _was_late(match, rules, promptness.grace_ms, 0):
            late += 1
            since = promptness.alive_since_ms
            if since is not None and _was_late(match, rules, promptness.grace_ms, since):
                what = f"match {match.event}: the pair had been due for more than {promptness.grace_ms} ms"
                violations.append(Violation(Code.MATCH_LATE, what))
    for expiry in ledger.expiries:
        earliest = versions.earliest_expiry_ms(expiry.queue)
        if earliest is None or expiry.waited_ms < earliest:
            what = f"ticket {expiry.ticket} expired after {expiry.waited_ms} ms, the rules say {earliest}"
            violations.append(Violation(Code.EXPIRED_EARLY, what))
    return violations, late


def _faults(
    match: MatchStory, rules: QueueRules, ledger: Ledger, meetings: Meetings, free: bool
) -> Iterator[Violation]:
    def fault(code: Code, message: str) -> Violation:
        one, other = match.one, match.other
        pair = f"{one.ticket} ({one.rating}) and {other.ticket} ({other.rating})"
        return Violation(code, f"match {match.event} of {pair} {message}")

    apart = gap(match.one, match.other)
    if not abs(match.gap - apart) <= max(EPS, TOLD * apart):
        yield fault(Code.MATCH_GAP, f"tells a gap of {match.gap}")
    given = (_given(rules, match.one, match.at_ms), _given(rules, match.other, match.at_ms))
    value = sum(given) - apart - match.price
    # Sums of large numbers differ in their last digits, whoever adds them up.
    if not abs(match.value - value) <= max(EPS, TOLD * abs(value), 1e-12 * max(*given, apart)):
        yield fault(Code.MATCH_VALUE, f"tells a value of {match.value}, it is {value}")
    if match.in_force is not None and match.version != match.in_force[0]:
        yield fault(Code.MATCH_RULES, f"is made by version {match.version}, version {match.in_force[0]} was in force")
    elif rules.constraints is not None:
        known = Known.of(match, rules, ledger, meetings)
        if known is not None:
            yield from (fault(*found) for found in judge_constrained(match, rules, known, given, free))
    elif not (free or is_due(rules, match.one, match.other, match.at_ms)):
        yield fault(Code.MATCH_RULES, f"was not due (gap {apart}, willingness {given[0]} and {given[1]})")


def _given(rules: QueueRules, ticket: Waiting, at_ms: int) -> float:
    """What the ticket gives, by the provisional rules if its deviation says so."""
    place = Standing(ticket.ticket, "", ticket.enqueued_ms, {NO_SIDE: Place(ticket.rating, ticket.deviation)})
    return willing(rules, place, NO_SIDE, at_ms)


def _was_late(match: MatchStory, rules: QueueRules, grace_ms: int, since_ms: int) -> bool:
    """Whether the pair was due all through the grace before it was matched: both there, looked at, these rules."""
    if rules.constraints is not None:
        return False  # a look there has a reach (lua/lib/view.lua): what lies beyond it may be due for longer
    before = match.at_ms - grace_ms
    came = max(match.one.enqueued_ms, match.other.enqueued_ms) + rules.interval_ms
    in_force_since = match.in_force[1] if match.in_force else before
    if max(came, in_force_since, since_ms, match.free_ms) > before:
        return False
    return is_due(rules, match.one, match.other, before)
