"""What must hold for lines of queues with constraints: of every pair that may be made, one is looked at in time.

A look there sees everybody within :data:`~matchmaker.checker.ledger.CROWD` places and bounds when all others fall due.
What lies further away is looked at again after a pause that grows with the wait: where a line is or was that long, a
certificate that such a pause explains is held against nobody. A queue whose matches are proposed has no such promise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

from matchmaker.checker.ledger import Ledger
from matchmaker.checker.lines import NEAREST, PAIRS_AT_ONCE, in_force_since
from matchmaker.checker.picture import Picture, QueueView, line_of, queue_view
from matchmaker.checker.records import bytes_of
from matchmaker.checker.source import Commands, Source, realm_now
from matchmaker.checker.violation import Code, Violation
from matchmaker.compatibility import NO_SIDE, Standing, open_from, price, willing
from matchmaker.keys import queue_of
from matchmaker.rules import QueueRules
from matchmaker.willingness import EPS, HORIZON_MS

WHOLE: Final = 48
"""Of a line of at most so many tickets all pairs are looked at, of a longer one those of near places."""

PAUSE_MS: Final = 1000
PAUSE_PART: Final = 8


@dataclass(frozen=True)
class TermedPair:
    """Two tickets of one line, as their terms have them."""

    line: str
    one: Standing
    other: Standing


def points_over(rules: QueueRules, one: Standing, other: Standing, at_ms: int) -> float:
    """By how many points the pair is due, the better way round; -infinity while a rule forbids it."""
    opened = open_from(rules, one, other)
    if opened is None or opened > at_ms:
        return -math.inf
    sides = rules.sides or (NO_SIDE, NO_SIDE)
    costs, most = price(rules, one, other, at_ms), -math.inf
    for mine, others in {(sides[0], sides[1]), (sides[1], sides[0])}:
        if mine not in one.at or others not in other.at:
            continue
        apart = abs(one.at[mine].rating - other.at[others].rating)
        if apart <= rules.max_gap:
            given = willing(rules, one, mine, at_ms), willing(rules, other, others, at_ms)
            total = {"sum": sum(given), "either": max(given), "both": min(given)}[rules.accept]
            most = max(most, total - apart - costs)
    return most


def _looked_at(rules: QueueRules, pair: TermedPair) -> int:
    return max(pair.one.since, pair.other.since) + rules.interval_ms


def _pause_ends(since: float, crowded_ms: int) -> float:
    """The last moment to which a look in a crowd may have put off the next one; 0 where there was no crowd."""
    return crowded_ms + max(PAUSE_MS, (crowded_ms - since) / PAUSE_PART) if crowded_ms else 0.0


@dataclass(frozen=True)
class Judge:
    """What both looks at a pair ask."""

    ledger: Ledger
    grace_ms: int

    def comes_late(
        self, rules: QueueRules, pair: TermedPair, certificates: tuple[float | None, float | None], now_ms: int
    ) -> bool:
        """Whether the two fall due before the earlier of their certificates."""
        stored = min((moment for moment in certificates if moment is not None), default=None)
        if stored is not None and not math.isfinite(stored):
            return False  # a fault of its own
        last_chance = HORIZON_MS if stored is None else math.ceil(stored) - 1
        if last_chance < max(now_ms, _looked_at(rules, pair)):
            return False
        crowded = self._crowded(pair, now_ms)
        for ticket, moment in zip((pair.one, pair.other), certificates, strict=True):
            if moment is not None and moment <= _pause_ends(ticket.since, crowded):
                return False
        return points_over(rules, pair.one, pair.other, last_chance) > EPS

    def is_overdue(self, rules: QueueRules, pair: TermedPair, version: int, now_ms: int) -> bool:
        """Whether nobody matched the two though they are due since before the grace began."""
        since = now_ms - self.grace_ms
        pause = _pause_ends(min(pair.one.since, pair.other.since), self._crowded(pair, now_ms))
        queue = queue_of(pair.line)
        back = max(self.ledger.returned_ms.get(name, 0) for name in (pair.one.ticket, pair.other.ticket))
        if max(_looked_at(rules, pair), in_force_since(self.ledger, queue, version), pause, back) > since:
            return False
        return points_over(rules, pair.one, pair.other, since) >= -EPS

    def _crowded(self, pair: TermedPair, now_ms: int) -> int:
        known = self.ledger.crowded_until(queue_of(pair.line))
        return now_ms if known is None else known


def judged(view: QueueView | None) -> QueueRules | None:
    """The rules by which the lines of a queue are judged here; None where they are not."""
    if view is None or view.rules is None or view.work is not None or view.rules.constraints is None:
        return None
    return None if view.rules.matching == "own" else view.rules


def suspects(
    picture: Picture, judge: Judge, moment: int, matchers_alive: bool
) -> tuple[list[TermedPair], list[TermedPair]]:
    """Pairs whose certificates seem to come late, and with ``matchers_alive`` those that seem overdue."""
    late, overdue = [], []
    for line, certificates in picture.certificates.items():
        view = picture.queues.get(queue_of(line))
        rules = judged(view)
        if view is None or rules is None:
            continue
        for pair in near_pairs(picture, line, rules):
            stored = certificates.get(pair.one.ticket), certificates.get(pair.other.ticket)
            if judge.comes_late(rules, pair, stored, picture.now_ms):
                late.append(pair)
            if matchers_alive and judge.is_overdue(rules, pair, view.version, moment):
                overdue.append(pair)
    return late, overdue


def near_pairs(picture: Picture, line: str, rules: QueueRules) -> Iterator[TermedPair]:
    """All pairs of a short line; of a longer one those of the nearest :data:`NEAREST` places."""
    places = []
    for name, scores in picture.lines.items():
        if line_of(name)[0] == line:
            places += [(score, ticket, line_of(name)[1]) for ticket, score in scores.items() if math.isfinite(score)]
    places.sort()
    known = {ticket: _standing(picture, ticket, line) for _, ticket, _ in places}
    here = [standing for standing in known.values() if standing is not None]
    if len(here) <= WHOLE:
        yield from (TermedPair(line, one, other) for one, other in combinations(here, 2))
        return
    for i, (score, ticket, side) in enumerate(places):
        one, seen = known[ticket], 0
        for further, partner, theirs in places[i + 1 : i + 1 + 4 * NEAREST]:
            if seen == NEAREST or further - score > rules.max_gap:
                break
            other = known[partner]
            if one is not None and other is not None and ticket != partner and (not side or side != theirs):
                seen += 1
                yield TermedPair(line, one, other)


def _standing(picture: Picture, ticket: str, line: str) -> Standing | None:
    try:
        terms = picture.terms(ticket) if ticket in picture.records else None
    except ValueError:
        return None
    if terms is None or not math.isfinite(terms.since):
        return None
    standing = terms.standing(ticket, line)
    return standing if standing.at else None


# -- a closer look at suspects -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TermedLook:
    """A pair at one moment."""

    pair: TermedPair
    view: QueueView | None
    here: bool
    certificates: tuple[float | None, float | None]
    last_call_ms: int
    now_ms: int


def confirmed(
    source: Source, pairs: list[TermedPair], holds: Callable[[QueueRules, TermedLook], bool], code: Code, what: str
) -> Iterator[Violation]:
    """Those of the pairs of which it still holds when they are looked at again."""
    for i in range(0, len(pairs), PAIRS_AT_ONCE):
        for look in _look_closely(source, pairs[i : i + PAIRS_AT_ONCE]):
            rules = judged(look.view)
            if look.here and rules is not None and holds(rules, look):
                names = f"{look.pair.one.ticket} and {look.pair.other.ticket}"
                yield Violation(code, f"in {look.pair.line!r} {names} {what} {look.certificates}")


def _look_closely(source: Source, pairs: list[TermedPair]) -> Iterator[TermedLook]:
    keys = source.keys
    commands: Commands = source.clock()
    for pair in pairs:
        queue = queue_of(pair.line)
        commands.append(("HMGET", keys.rules, f"q:{queue}", f"n:{queue}", f"c:{queue}"))
        for ticket in (pair.one.ticket, pair.other.ticket):
            raw = bytes_of(ticket)
            commands += [("ZSCORE", keys.line_ages(pair.line), raw), ("ZSCORE", keys.line_due(pair.line), raw)]
    replies: list[Any] = source.at_once(commands)
    last_call, now = realm_now(replies[:3])
    for i, pair in enumerate(pairs):
        rules, since_one, due_one, since_other, due_other = replies[3 + 5 * i : 8 + 5 * i]
        here = (since_one, since_other) == (pair.one.since, pair.other.since)
        yield TermedLook(pair, queue_view(*rules), here, (due_one, due_other), last_call, now)
