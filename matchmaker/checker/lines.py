"""What must hold for lines: their earliest moments, their certificates, and that nobody who is due is left waiting."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from matchmaker.checker.ledger import Ledger
from matchmaker.checker.picture import Picture, QueueView, queue_view
from matchmaker.checker.records import bytes_of, unpack_record
from matchmaker.checker.source import Commands, Source, realm_now
from matchmaker.checker.violation import Code, Violation
from matchmaker.keys import queue_of
from matchmaker.rules import QueueRules
from matchmaker.willingness import EPS, HORIZON_MS, Waiting, gap, is_due, pair_value, willingness

NEAREST: Final = 16
"""Under "both" a pair may be due though no neighbours are: so many places to the right are looked at."""

PAIRS_AT_ONCE: Final = 40


@dataclass(frozen=True, slots=True)
class Pair:
    """Two tickets of one queue, the left one first."""

    queue: str
    one: Waiting
    other: Waiting


# -- pairs that are due ------------------------------------------------------------------------------------------------


def points_over(rules: QueueRules, pair: Pair, at_ms: int) -> float:
    """By how many points the pair is due, negative when it is not; -infinity over the queue's ``max_gap``."""
    one, other = pair.one, pair.other
    apart = gap(one, other)
    if apart > rules.max_gap:
        return -math.inf
    if rules.accept == "sum":
        return pair_value(rules, one, other, at_ms)
    given = [willingness(rules, at_ms - ticket.enqueued_ms, ticket.deviation) for ticket in (one, other)]
    return (max(given) if rules.accept == "either" else min(given)) - apart


def _looked_at(rules: QueueRules, pair: Pair) -> int:
    """Realm ms from which on a pass may be expected to look at the pair."""
    return max(pair.one.enqueued_ms, pair.other.enqueued_ms) + rules.interval_ms


def is_overdue(rules: QueueRules, pair: Pair, since_ms: int, in_force_ms: int) -> bool:
    """Whether the pair has been due, by rules in force since ``in_force_ms``, ever since ``since_ms``."""
    return max(_looked_at(rules, pair), in_force_ms) <= since_ms and is_due(rules, pair.one, pair.other, since_ms)


def comes_late(rules: QueueRules, pair: Pair, certificates: tuple[float | None, float | None], now_ms: int) -> bool:
    """Whether neighbours fall due before the earlier of their certificates (realm ms; None: never).

    Judged by points, not by the moment: where willingness grows slowly, rounding alone moves the moment.
    """
    stored = min((moment for moment in certificates if moment is not None), default=None)
    if stored is not None and not math.isfinite(stored):
        return False  # a fault of its own
    last_chance = HORIZON_MS if stored is None else math.ceil(stored) - 1
    if last_chance < max(now_ms, _looked_at(rules, pair)):
        return False
    return points_over(rules, pair, last_chance) > EPS


# -- from a picture to suspects ----------------------------------------------------------------------------------------


def standing(picture: Picture, queue: str) -> list[Waiting]:
    """The line in its order, tickets that cannot be read left out."""
    found = []
    order = sorted((score, bytes_of(ticket), ticket) for ticket, score in picture.lines[queue].items())
    for score, _, ticket in order:
        packed = picture.records.get(ticket)
        waiting = _waiting(ticket, packed, score) if packed is not None else None
        if waiting is not None:
            found.append(waiting)
    return found


def _waiting(ticket: str, packed: bytes, score: float) -> Waiting | None:
    try:
        record = unpack_record(packed)
    except ValueError:
        return None
    if not all(map(math.isfinite, (record.rating, record.enqueued_ms, record.deviation))):
        return None
    # One with terms may stand in several lines: at which rating, the line tells.
    return Waiting(ticket, score if record.has_terms else record.rating, int(record.enqueued_ms), record.deviation)


def near_pairs(rules: QueueRules, queue: str, line: list[Waiting]) -> Iterator[Pair]:
    """The pairs that cover all others: neighbours, under "both" up to :data:`NEAREST` places apart."""
    if rules.accept != "both":
        for one, other in pairwise(line):
            yield Pair(queue, one, other)
        return
    for i, one in enumerate(line):
        for other in line[i + 1 : i + 1 + NEAREST]:
            if other.rating - one.rating > rules.max_gap:
                break
            yield Pair(queue, one, other)


# -- a closer look at suspects -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CloseLook:
    """A pair as it stands at one moment: ``ranks`` and ``certificates`` are None where there is none."""

    pair: Pair
    view: QueueView | None
    here: bool
    ranks: tuple[int | None, int | None]
    certificates: tuple[float | None, float | None]
    last_call_ms: int
    now_ms: int

    @property
    def rules(self) -> QueueRules | None:
        """The queue's rules, None while passes still bring the line up to them."""
        return self.view.rules if self.view is not None and self.view.work is None else None

    def is_near(self, rules: QueueRules) -> bool:
        """Whether the two stand as close as certificates look."""
        one, other = self.ranks
        if one is None or other is None:
            return False
        return abs(one - other) <= (NEAREST if rules.accept == "both" else 1)


def look_closely(source: Source, pairs: list[Pair]) -> Iterator[CloseLook]:
    """At most :data:`PAIRS_AT_ONCE` pairs, all at one moment."""
    keys = source.keys
    commands: Commands = source.clock()
    for pair in pairs:
        commands.append(("HMGET", keys.rules, f"q:{pair.queue}", f"n:{pair.queue}", f"c:{pair.queue}"))
        for ticket in (pair.one.ticket, pair.other.ticket):
            raw = bytes_of(ticket)
            commands += [
                ("HEXISTS", keys.tickets, raw),
                ("ZRANK", keys.line(pair.queue), raw),
                ("ZSCORE", keys.line_due(pair.queue), raw),
            ]
    replies: list[Any] = source.at_once(commands)
    last_call, now = realm_now(replies[:3])
    for i, pair in enumerate(pairs):
        rules, here1, rank1, moment1, here2, rank2, moment2 = replies[3 + 7 * i : 10 + 7 * i]
        view = queue_view(*rules)
        yield CloseLook(pair, view, bool(here1 and here2), (rank1, rank2), (moment1, moment2), last_call, now)


# -- the earliest moment of each line ----------------------------------------------------------------------------------


def judge_due(source: Source, lines: list[str]) -> Iterator[Violation]:
    """``due`` against ``due:<line>``, and the count in ``lines`` against ``ages:<line>``, each line at one moment."""
    keys = source.keys
    for line in lines:
        queue = queue_of(line)
        *clock, rules, due, first, own, aged, counted = source.at_once(
            [
                *source.clock(),
                ("HMGET", keys.rules, f"q:{queue}", f"n:{queue}", f"c:{queue}"),
                ("ZSCORE", keys.due, line),
                ("ZRANGE", keys.line_due(line), 0, 0, "WITHSCORES"),
                ("ZCARD", keys.line(line)),
                ("ZCARD", keys.line_ages(line)),
                ("HGET", keys.lines, line),
            ]
        )
        if int(counted or 0) != aged or counted == b"0":
            yield Violation(Code.LINE_COUNT, f"line {line!r} is said to hold {counted} tickets, it has {aged} ages")
        view, tickets = queue_view(*rules), own or aged
        earliest = float(first[1]) if first else None
        if view is None:
            if due is not None and not tickets:
                yield Violation(Code.DUE_WRONG, f"line {line!r} has no rules, yet is due at {due}")
        elif view.work is not None:
            if view.rules is not None and view.rules.constraints is not None:
                continue  # work goes from line to line there, and the others rest meanwhile
            if due is None or due > realm_now(clock)[0]:
                yield Violation(Code.DUE_WRONG, f"line {line!r} has {tickets} tickets to work on, yet is due at {due}")
        elif due != earliest:
            yield Violation(Code.DUE_WRONG, f"line {line!r} is due at {due}, its earliest certificate is {earliest}")


def in_force_since(ledger: Ledger, queue: str, version: int) -> int:
    """Realm ms since which this version of the rules is in force, 0 when that is long ago."""
    known = ledger.in_force.get(queue)
    return known[1] if known is not None and known[0] == version else 0
