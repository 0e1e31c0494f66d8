"""What must hold for matches and expiries under the rules they were made with. Events never change: no second look."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from matchmaker.checker.ledger import Ledger, MatchStory
from matchmaker.checker.picture import read_rules
from matchmaker.checker.violation import Code, Violation
from matchmaker.rules import QueueRules
from matchmaker.rules.fields import to_ms
from matchmaker.willingness import EPS, gap, is_due, pair_value, willingness

TOLD: Final = 1e-9
"""Events tell gap and value to ten digits."""


class Versions:
    """Every version of every queue's rules that the realm keeps."""

    def __init__(self, fields: Mapping[bytes, bytes]) -> None:
        self.broken: list[str] = []
        self._rules: dict[tuple[str, int], QueueRules] = {}
        self._of_queue: dict[str, list[QueueRules]] = defaultdict(list)
        for name, compiled in fields.items():
            kind, _, rest = name.decode().partition(":")
            queue, _, version = rest.partition(":")
            if kind not in ("q", "v"):
                continue
            rules = read_rules(compiled)
            if rules is None:
                self.broken.append(name.decode())
            elif kind == "v":
                self._rules[queue, int(version)] = rules
                self._of_queue[queue].append(rules)

    def of(self, queue: str, version: int) -> QueueRules | None:
        return self._rules.get((queue, version))

    def earliest_expiry_ms(self, queue: str) -> int | None:
        """The shortest wait after which any version lets a ticket expire; None if none does."""
        waits = [to_ms(rules.expire_after_seconds) for rules in self._of_queue[queue]]
        waits += [to_ms(rules.heartbeat_seconds) for rules in self._of_queue[queue]]
        return min((wait for wait in waits if wait > 0), default=None)


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

    With ``proposals`` callers may have made matches of their own, which no rules bind and no event tells apart.
    """
    violations, late = [], 0
    for match in ledger.matches:
        rules = versions.of(match.queue, match.version)
        if rules is None:
            violations.append(
                Violation(
                    Code.RULES_BROKEN,
                    f"match {match.event} names version {match.version} of {match.queue!r}, which is not kept",
                )
            )
            continue
        violations += _faults(match, rules, proposals)
        if _was_late(match, rules, promptness.grace_ms, 0):
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


def _faults(match: MatchStory, rules: QueueRules, proposals: bool) -> Iterator[Violation]:
    def fault(code: Code, message: str) -> Violation:
        one, other = match.one, match.other
        pair = f"{one.ticket} ({one.rating}) and {other.ticket} ({other.rating})"
        return Violation(code, f"match {match.event} of {pair} {message}")

    apart = gap(match.one, match.other)
    if not abs(match.gap - apart) <= max(EPS, TOLD * apart):
        yield fault(Code.MATCH_GAP, f"tells a gap of {match.gap}")
    given = [
        willingness(rules, match.at_ms - ticket.enqueued_ms, ticket.deviation) for ticket in (match.one, match.other)
    ]
    value = pair_value(rules, match.one, match.other, match.at_ms)
    # Sums of large numbers differ in their last digits, whoever adds them up.
    if not abs(match.value - value) <= max(EPS, TOLD * abs(value), 1e-12 * max(*given, apart)):
        yield fault(Code.MATCH_VALUE, f"tells a value of {match.value}, it is {value}")
    if match.in_force is not None and match.version != match.in_force[0]:
        yield fault(Code.MATCH_RULES, f"is made by version {match.version}, version {match.in_force[0]} was in force")
    elif not proposals and not is_due(rules, match.one, match.other, match.at_ms):
        yield fault(Code.MATCH_RULES, f"was not due (gap {apart}, willingness {given[0]} and {given[1]})")


def _was_late(match: MatchStory, rules: QueueRules, grace_ms: int, since_ms: int) -> bool:
    """Whether the pair was due all through the grace before it was matched: both there, looked at, these rules."""
    before = match.at_ms - grace_ms
    came = max(match.one.enqueued_ms, match.other.enqueued_ms) + rules.interval_ms
    in_force_since = match.in_force[1] if match.in_force else before
    if max(came, in_force_since, since_ms) > before:
        return False
    return is_due(rules, match.one, match.other, before)
