"""Certificates after every random operation: nobody falls due earlier than the line says."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import combinations
from typing import Any

import redis
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from matchmaker.errors import MatchmakerError
from matchmaker.model import TicketRequest
from matchmaker.plans import clear_plan
from matchmaker.rules import QueueRules
from matchmaker.willingness import Waiting, due_at, is_due
from tests.lua.world import QUEUE, World, new_world
from tests.oracle import deviations, queue_rules, ratings

LOOK_BACK = 16
"""Under "both", so many places to either side of a ticket are promised to be looked at."""

MOST_WAITING = 60


def everyday_rules() -> st.SearchStrategy[QueueRules]:
    """Rules under which something happens within minutes."""
    tables = st.fixed_dictionaries(
        {"base": st.sampled_from([0.0, 5.0, 40.0]), "per_second": st.sampled_from([0.0, 0.3, 1.0, 7.5])},
        optional={"cap": st.sampled_from([0.0, 20.0, 90.0]), "per_deviation": st.sampled_from([0.1, 1.0])},
    )
    fields = {
        "accept": st.sampled_from(["sum", "either", "both"]),
        "max_gap": st.sampled_from([3.0, 60.0, 300.0]),
        "interval_ms": st.sampled_from([0, 0, 500, 60_000]),
        "expire_after_seconds": st.sampled_from([0.0, 120.0]),
        "willingness": tables,
    }
    return st.fixed_dictionaries(fields).map(QueueRules.model_validate)


def any_rules() -> st.SearchStrategy[QueueRules]:
    return everyday_rules() | queue_rules()


class Line(RuleBasedStateMachine):
    """One line under random operations, beside a list of who waits."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__()
        self.opened = new_world(client)
        self.world: World = self.opened.__enter__()
        self.rules = QueueRules()
        self.waiting: dict[str, Waiting] = {}
        self.moments: dict[tuple[str, str], int | None] = {}
        self.count = 0

    def teardown(self) -> None:
        self.opened.__exit__(None, None, None)

    # -- operations ----------------------------------------------------------------------------------------------

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

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.waiting)))
        self.world.mm.cancel(name)
        del self.waiting[name]

    @precondition(lambda self: len(self.waiting) > 1)
    @rule(data=st.data())
    def pair(self, data: st.DataObject) -> None:
        names = data.draw(st.lists(st.sampled_from(sorted(self.waiting)), min_size=2, max_size=2, unique=True))
        self.leave(self.world.mm.queue(QUEUE).remove_matched_players(*names).tickets)

    @rule(places=st.sampled_from([16, 40, 256]), ahead=st.booleans())
    def one_pass(self, places: int, ahead: bool) -> None:
        before = dict(self.waiting)
        report = self.world.match_pass(places, ahead=ahead, shown=1000)
        assert len(report.matches) == report.made
        for match in report.matches:
            a, b = (before[ticket.id] for ticket in match.tickets)
            assert is_due(self.rules, a, b, self.world.now), (a, b)
            self.leave(match.tickets)

    @rule(ms=st.sampled_from([1, 999, 5_000, 60_000]) | st.integers(1, 3_000_000))
    def advance(self, ms: int) -> None:
        self.world.now += ms

    @rule()
    def expire(self) -> None:
        listed = self.world.run(self.world.calls.overdue(self.world.now, 100))
        self.world.run(self.world.calls.expire(QUEUE, [name for name, _ in listed]))
        for name, _ in listed:
            del self.waiting[name]

    @rule(rules=any_rules(), places=st.sampled_from([2, 5, 256]))
    def change_rules(self, rules: QueueRules, places: int) -> None:
        """The new rules begin to be worked in."""
        self.world.mm.apply_rules({QUEUE: rules})
        self.rules = rules
        self.moments.clear()
        self.tend(places)

    @rule(places=st.sampled_from([2, 5, 256]))
    def tend(self, places: int) -> None:
        """A part of what is left to do."""
        self.world.run(self.world.calls.tend(QUEUE, places))

    @rule()
    def tend_to_the_end(self) -> None:
        self.world.tend(places=16)

    @rule()
    def clear(self) -> None:
        assert self.world.mm.runner.run(clear_plan(self.world.calls, QUEUE)) == len(self.waiting)
        self.waiting.clear()

    @rule()
    def come_to_rest(self) -> None:
        """What is due now is gone after some passes, and what falls due later is gone at its moment."""
        for _ in range(3 * MOST_WAITING):
            self.one_pass(256, False)
            self.tend(256)
            stored = self.world.due().get(QUEUE)
            if stored is None:
                break
            if stored > self.world.now:
                assert not self.due_now(), "due, and nobody looks"
                if stored > self.world.now + 3_600_000:
                    break
                self.world.now = int(stored)
            self.certified()
        else:
            raise AssertionError("the line does not come to rest")

    def leave(self, tickets: Iterable[Any]) -> None:
        for ticket in tickets:
            del self.waiting[ticket.id]

    # -- what holds ----------------------------------------------------------------------------------------------

    def at_work(self) -> bool:
        return bool(self.world.client.hexists(self.world.keys.rules, f"c:{QUEUE}"))

    def pairs_promised(self) -> list[tuple[Waiting, Waiting]]:
        line = [self.waiting[name] for name, _ in self.world.line()]
        if self.rules.accept == "both":
            return [(a, b) for i, a in enumerate(line) for b in line[i + 1 : i + 1 + LOOK_BACK]]
        return list(combinations(line, 2))

    def due_now(self) -> list[tuple[Waiting, Waiting]]:
        """Pairs that a pass may make now and that no interval holds back."""
        ready = self.world.now - self.rules.interval_ms
        return [
            (a, b)
            for a, b in self.pairs_promised()
            if max(a.enqueued_ms, b.enqueued_ms) <= ready and is_due(self.rules, a, b, self.world.now)
        ]

    def moment(self, a: Waiting, b: Waiting) -> int | None:
        """When the pair falls due, the interval of the later arrival included."""
        key = (a.ticket, b.ticket)
        if key not in self.moments:
            later = max(a.enqueued_ms, b.enqueued_ms)
            # A hair further apart: two ways of rounding may differ by so much, and slow growth makes long of it.
            hair = 1e-8 if abs(a.rating - b.rating) + 2e-8 < self.rules.max_gap else 0.0
            low, high = sorted((a, b), key=lambda one: one.rating)
            at = due_at(self.rules, low, replace(high, rating=high.rating + hair), later)
            self.moments[key] = None if at is None else max(at, later + self.rules.interval_ms)
        return self.moments[key]

    @invariant()
    def certified(self) -> None:
        line, certificates, due = self.world.line(), self.world.certificates(), self.world.due().get(QUEUE)
        assert [name for name, _ in line] == [
            one.ticket for one in sorted(self.waiting.values(), key=lambda one: (one.rating, one.ticket))
        ]
        assert certificates.keys() <= self.waiting.keys()
        assert all(map(math.isfinite, certificates.values()))
        if self.at_work():
            assert due is not None
            assert due <= self.world.now
            return
        stored = min(certificates.values(), default=None)
        assert due == stored
        moments = [moment for a, b in self.pairs_promised() if (moment := self.moment(a, b)) is not None]
        earliest = max(min(moments), self.world.now) if moments else None
        assert earliest is None or (stored is not None and stored <= earliest), (stored, earliest)


def test_no_pair_falls_due_before_the_stored_moment(client: redis.Redis) -> None:
    run_state_machine_as_test(lambda: Line(client), settings=settings(max_examples=1500, stateful_step_count=40, phases=[Phase.generate]))
