"""Certificates after every random operation: nobody falls due earlier than the line says."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Callable, Iterable
from itertools import combinations, pairwise
from typing import Any

import pytest
import redis
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from matchmaker import Ticket
from matchmaker.errors import MatchmakerError
from matchmaker.model import TicketRequest, TicketState
from matchmaker.plans import clear_plan
from matchmaker.rules import QueueRules
from matchmaker.willingness import HORIZON_MS, Waiting, is_due
from tests.lua.strategies import any_rules, examples
from tests.lua.world import QUEUE, World, new_world
from tests.oracle import deviations, ratings

LOOK_BACK = 16
"""Under "both", so many places to either side of a ticket are promised to be looked at."""

HAIR = 1e-8
"""Points by which two ways of rounding may differ; slow growth makes long of it."""

MOST_WAITING = 200
FEW_WAITING = 40


class Line(RuleBasedStateMachine):
    """One line under random operations, beside a list of who waits."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__()
        self.opened = new_world(client)
        self.world: World = self.opened.__enter__()
        self.in_force = QueueRules()
        self.waiting: dict[str, Waiting] = {}
        self.count = 0

    def teardown(self) -> None:
        self.opened.__exit__(None, None, None)

    # -- operations ------------------------------------------------------------------------------------------------

    @initialize(rules=any_rules())
    def begin(self, rules: QueueRules) -> None:
        self.change_rules(rules, 256)

    @precondition(lambda self: len(self.waiting) < MOST_WAITING)
    @rule(places=st.lists(st.tuples(ratings(), deviations()), min_size=1, max_size=12))
    def enqueue(self, places: list[tuple[float, float]]) -> None:
        requests = []
        for rating, deviation in places:
            name = f"t{self.count}"
            self.count += 1
            requests.append(TicketRequest(name, rating, deviation or None, ticket=name))
            self.waiting[name] = Waiting(name, rating, self.world.now, deviation)
        answers = self.world.mm.enqueue_many(QUEUE, requests)
        assert not any(isinstance(answer, MatchmakerError) for answer in answers)

    @precondition(lambda self: len(self.waiting) < MOST_WAITING)
    @rule(seed=st.integers(0, 1000), size=st.sampled_from([30, 60]), spread=st.sampled_from([3, 60, 2000]))
    def crowd(self, seed: int, size: int, spread: int) -> None:
        """So many at once that no slice holds them all."""
        rng = random.Random(seed)
        ratings_ = [round(rng.gauss(1500, spread) * 8) / 8 for _ in range(size)]
        self.enqueue(list(zip(ratings_, rng.choices([0.0, 60.0, 350.0], weights=[6, 2, 1], k=size), strict=True)))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        for name in data.draw(st.lists(st.sampled_from(sorted(self.waiting)), min_size=1, max_size=4, unique=True)):
            self.cancel_one(name)

    def cancel_one(self, name: str) -> None:
        self.world.mm.cancel(name)
        del self.waiting[name]

    @precondition(lambda self: len(self.waiting) > 1)
    @rule(data=st.data())
    def pair(self, data: st.DataObject) -> None:
        names = data.draw(st.lists(st.sampled_from(sorted(self.waiting)), min_size=2, max_size=2, unique=True))
        self.leave(self.world.mm.queue(QUEUE).remove_matched_players(*names).tickets)

    @rule(places=st.sampled_from([16, 40, 256]), ahead=st.booleans())
    def one_pass(self, places: int, ahead: bool) -> None:
        report = self.world.match_pass(places, ahead=ahead, shown=1000)
        assert len(report.matches) == report.made
        for match in report.matches:
            a, b = (self.waiting[ticket.id] for ticket in match.tickets)
            assert is_due(self.in_force, a, b, self.world.now), (a, b)
            self.leave(match.tickets)

    @rule(ms=st.sampled_from([1, 999, 5_000, 60_000]) | st.integers(1, 3_000_000))
    def advance(self, ms: int) -> None:
        self.world.now += ms

    @rule()
    def expire(self) -> None:
        """Those whom only the rules of before would end are left alone, and are not overdue any more."""
        listed = [name for name, _ in self.world.run(self.world.calls.overdue(self.world.now, 100))]
        ended = self.world.run(self.world.calls.expire(QUEUE, listed))
        gone = [name for name in listed if self.world.mm.status(name).state is TicketState.EXPIRED]
        assert ended == len(gone)
        for name in gone:
            del self.waiting[name]
        again = {name for name, _ in self.world.run(self.world.calls.overdue(self.world.now, 100))}
        assert again.isdisjoint(listed)

    @rule(rules=any_rules(), places=st.sampled_from([2, 20, 256]))
    def change_rules(self, rules: QueueRules, places: int) -> None:
        """The new rules begin to be worked in; passes and arrivals go on meanwhile."""
        self.world.mm.apply_rules({QUEUE: rules})
        self.in_force = rules
        self.tend(places)

    @rule(places=st.sampled_from([2, 20, 256]))
    def tend(self, places: int) -> None:
        """A part of what is left to do."""
        self.world.run(self.world.calls.tend(QUEUE, places))

    @rule()
    def tend_to_the_end(self) -> None:
        self.world.tend(places=20)

    @rule()
    def clear(self) -> None:
        assert self.world.mm.runner.run(clear_plan(self.world.calls, QUEUE)) == len(self.waiting)
        self.waiting.clear()

    @rule(within_ms=st.just(3_600_000))
    def come_to_rest(self, within_ms: int) -> None:
        """What is due now is gone after some passes, and what falls due later is gone at its moment: see certified."""
        end = self.world.now + within_ms
        for _ in range(8 * MOST_WAITING):
            self.one_pass(256, False)
            self.tend(256)
            self.certified()
            stored = self.world.due().get(QUEUE, math.inf)
            if stored > end:
                return
            self.world.now = max(self.world.now, int(stored))
        raise AssertionError("the line does not come to rest")

    def leave(self, tickets: Iterable[Ticket]) -> None:
        for ticket in tickets:
            del self.waiting[ticket.id]

    # -- what holds ------------------------------------------------------------------------------------------------

    def promised_pairs(self, line: list[Waiting]) -> Iterable[tuple[Waiting, Waiting]]:
        """The pairs whose moments the line keeps. If no neighbours are due then nobody is, other than under "both"."""
        if self.in_force.accept == "both":
            return ((a, b) for i, a in enumerate(line) for b in line[i + 1 : i + 1 + LOOK_BACK])
        return combinations(line, 2) if len(line) <= FEW_WAITING else pairwise(line)

    def due_pair(self, line: list[Waiting], now_ms: int) -> tuple[Waiting, Waiting] | None:
        """A pair that is due at that moment, if there is one; arrivals that the interval holds back then left out."""
        ready = {one.ticket for one in line if one.enqueued_ms <= now_ms - self.in_force.interval_ms}
        if self.in_force.accept != "both":
            line = [one for one in line if one.ticket in ready]
        for low, high in self.promised_pairs(line):
            if not {low.ticket, high.ticket} <= ready:
                continue
            gap = high.rating - low.rating
            apart = Waiting(high.ticket, high.rating + HAIR, high.enqueued_ms, high.deviation)
            if is_due(self.in_force, low, apart if gap + 2 * HAIR < self.in_force.max_gap else high, now_ms):
                return low, high
        return None

    @invariant()
    def certified(self) -> None:
        certificates, due = self.world.certificates(), self.world.due().get(QUEUE)
        line = sorted(self.waiting.values(), key=lambda one: (one.rating, one.ticket))
        assert self.world.line() == [(one.ticket, one.rating) for one in line]
        assert certificates.keys() <= self.waiting.keys()
        assert all(map(math.isfinite, certificates.values()))
        if self.world.client.hexists(self.world.keys.rules, f"c:{QUEUE}"):
            assert due is not None
            assert due <= self.world.now
            return
        assert due == min(certificates.values(), default=None)
        # Whoever is due stays due: looking at the last moment before the stored one tells of all before it.
        before = (HORIZON_MS if due is None else int(due)) - 1
        assert before < self.world.now or self.due_pair(line, before) is None


def test_nobody_falls_due_before_the_stored_moment(client: redis.Redis) -> None:
    machine: Any = functools.partial(Line, client)
    run_state_machine_as_test(machine, settings=examples(60, stateful_step_count=30))


WILLINGNESS = [
    {"per_second": 1.0},
    {"per_second": 0.5, "per_deviation": 0.5, "deviation_above": 50},
    {"per_second": 0.1, "per_deviation": 1.0},
    {"per_second": 2.0, "cap": 40},
    {"per_second": 0.00001, "base": 5.0},
    {"kind": "stepped", "step": 20, "every_seconds": 15},
    {"kind": "exponential", "base": 1, "doubling_seconds": 8},
]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("accept", ["sum", "either", "both"])
def test_the_same_in_long_lines(client: redis.Redis, accept: str, seed: int) -> None:
    """Lines of a hundred and more, which come to rest and are stirred again: what small examples rarely reach."""
    rng = random.Random(seed)
    line = Line(client)

    def rules() -> QueueRules:
        return QueueRules.model_validate(
            {
                "accept": accept,
                "max_gap": rng.choice([20, 100, 300]),
                "interval_ms": rng.choice([0, 0, 500]),
                "willingness": rng.choice(WILLINGNESS),
            }
        )

    spread = rng.choice([20, 200, 2000])

    def crowd(most: int) -> None:
        if len(line.waiting) < MOST_WAITING:
            line.crowd(rng.randrange(2**32), rng.randint(1, most), spread)

    def cancel() -> None:
        """Some of those that a pass would look at next, and others."""
        due = [name for name, at in line.world.certificates().items() if at <= line.world.now]
        names = rng.sample(due, min(len(due), 3)) + rng.sample(sorted(line.waiting), min(len(line.waiting), 2))
        for name in dict.fromkeys(names):
            line.cancel_one(name)

    steps: list[Callable[[], None]] = [
        lambda: crowd(3),
        lambda: crowd(90),
        lambda: line.one_pass(256, False),
        lambda: line.one_pass(40, rng.random() < 0.5),
        lambda: line.advance(rng.choice([1, 500, 2_000])),
        lambda: line.advance(rng.choice([5_000, 30_000])),
        cancel,
        lambda: line.come_to_rest(2_000),
        lambda: line.change_rules(rules(), 20),
        line.tend_to_the_end,
    ]
    try:
        line.change_rules(rules(), 256)
        for step in rng.choices(steps, weights=[3, 3, 4, 4, 3, 0.5, 2, 0.5, 0.3, 1], k=80):
            step()
            line.certified()
    finally:
        line.teardown()
