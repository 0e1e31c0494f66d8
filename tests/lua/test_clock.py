"""Realm time on a server whose clock is set: small steps pass, large ones are absorbed, and it never goes back.

Nobody sets the server's clock here: what the realm remembers of it is rewritten, which looks the same to it.
"""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from matchmaker import Matchmaker, TicketState
from matchmaker.reports import Agenda
from matchmaker.rules import QueueRules
from tests.lua.strategies import examples
from tests.lua.world import QUEUE
from tests.servers import remove_keys

HOUR_MS = 3_600_000
SLOW_MS = 10_000
"""More than a call takes on the slowest machine."""


class Clockwork:
    """A realm in server time, and the hand that sets its clock."""

    def __init__(self, client: redis.Redis, realm: str) -> None:
        self.client: Any = client
        self.mm = Matchmaker(client, realm)
        self.mm.apply_rules({QUEUE: QueueRules(expire_after_seconds=60)})
        self.tend()

    def tend(self) -> None:
        while self.mm.runner.call(self.mm.calls.tend(QUEUE)).work:
            pass

    def peek(self) -> Agenda:
        return self.mm.runner.call(self.mm.calls.peek(16))

    def step(self, ms: int) -> None:
        """The server's clock is set forward by so much (backward if negative)."""
        last, offset, *counts = self.client.get(self.mm.calls.keys.clock).decode().split()
        # As if the clock had been off by so much up to now, and realm time not.
        self.client.set(self.mm.calls.keys.clock, " ".join([str(int(last) - ms), str(int(offset) + ms), *counts]))

    def goes_on(self) -> bool:
        """Whether realm time moves at all. Bounded by calls, of which a ms holds but a few hundred."""
        before = self.peek().now_ms
        return any(self.peek().now_ms > before for _ in range(100_000))


@pytest.fixture
def clockwork(client: redis.Redis, realm: str) -> Clockwork:
    return Clockwork(client, realm)


def test_it_begins_as_the_servers_clock(clockwork: Clockwork) -> None:
    seconds, micros = clockwork.client.time()
    assert 0 <= clockwork.peek().now_ms - (seconds * 1000 + micros // 1000) < SLOW_MS
    assert clockwork.goes_on()


@pytest.mark.parametrize("step_ms", [HOUR_MS, -HOUR_MS, 30_001 + SLOW_MS, -30_001 - SLOW_MS, 10**11, -(10**11)])
class TestLargeSteps:
    def test_realm_time_stands_still_over_it_and_says_so(self, clockwork: Clockwork, step_ms: int) -> None:
        before = clockwork.peek()
        clockwork.step(step_ms)
        after = clockwork.peek()
        assert after.now_ms == before.now_ms
        assert 0 <= after.absorbed_ms - step_ms < SLOW_MS
        stats = clockwork.mm.stats()
        assert (stats.clock_jumps, stats.clock_absorbed_ms) == (1, after.absorbed_ms)
        assert clockwork.goes_on()
        assert clockwork.mm.stats().clock_jumps == 1

    def test_nobody_expires_and_nobodys_moment_comes(self, clockwork: Clockwork, step_ms: int) -> None:
        # Given two who fall due in 20 s and expire in 60
        clockwork.mm.enqueue(QUEUE, "ann", rating=1500, ticket="t-ann")
        clockwork.mm.enqueue(QUEUE, "bob", rating=1540, ticket="t-bob")
        report = clockwork.mm.attempt_match(QUEUE)
        assert report.next_ms is not None
        # When the clock is set
        clockwork.step(step_ms)
        # Then both wait on, as long as before
        assert clockwork.mm.attempt_match(QUEUE).made == 0
        now = clockwork.peek().now_ms
        assert now - report.now_ms < SLOW_MS
        assert clockwork.mm.runner.call(clockwork.mm.calls.overdue(now, 10)) == []
        assert clockwork.mm.runner.call(clockwork.mm.calls.expire(QUEUE, ["t-ann", "t-bob"])) == 0
        assert clockwork.mm.status("t-ann").state is TicketState.WAITING
        # And what is stored for them is still ahead
        assert clockwork.mm.stats().queues[0].next_ms == report.next_ms > now

    def test_forward_and_back_leaves_no_trace_but_the_count(self, clockwork: Clockwork, step_ms: int) -> None:
        start = clockwork.peek().now_ms
        end = clockwork.peek()
        for _ in range(3):
            for there_or_back in (step_ms, -step_ms):
                clockwork.step(there_or_back)
                end = clockwork.peek()
        assert 0 <= end.now_ms - start < SLOW_MS
        assert abs(end.absorbed_ms) < SLOW_MS
        assert clockwork.mm.stats().clock_jumps == 6


@pytest.mark.parametrize("step_ms", [1, 1_000, 29_000 - SLOW_MS])
def test_a_step_as_long_as_a_silence_passes(clockwork: Clockwork, step_ms: int) -> None:
    before = clockwork.peek()
    clockwork.step(step_ms)
    after = clockwork.peek()
    assert step_ms <= after.now_ms - before.now_ms < step_ms + SLOW_MS
    assert after.absorbed_ms == 0
    assert clockwork.mm.stats().clock_jumps == 0


@pytest.mark.parametrize("step_ms", [-1_000, -20_000])
def test_a_small_step_back_stands_still_and_is_made_up(clockwork: Clockwork, step_ms: int) -> None:
    before = clockwork.peek()
    clockwork.step(step_ms)
    after = clockwork.peek()
    assert after.now_ms == before.now_ms
    assert after.absorbed_ms == 0
    assert clockwork.mm.stats().clock_jumps == 0
    assert clockwork.goes_on()


@examples(50)
@given(steps=st.lists(st.integers(-90_000, 90_000), max_size=12))
def test_whatever_the_steps_it_never_goes_back_nor_far_ahead(client: redis.Redis, steps: list[int]) -> None:
    clockwork = Clockwork(client, f"t-{uuid.uuid4().hex[:16]}")
    try:
        last = clockwork.peek().now_ms
        for step_ms in steps:
            clockwork.step(step_ms)
            now = clockwork.peek().now_ms
            assert 0 <= now - last <= 30_000
            last = now
    finally:
        remove_keys(client, clockwork.mm.calls.realm)


def test_events_follow_realm_time(clockwork: Clockwork) -> None:
    """A clock set back would make the stream refuse ids; realm time does not."""
    clockwork.mm.enqueue(QUEUE, "ann", rating=1500)
    clockwork.step(-HOUR_MS)
    clockwork.mm.enqueue(QUEUE, "bob", rating=2500)
    clockwork.step(HOUR_MS)
    clockwork.mm.cancel_player("ann")
    ids = [id_.decode().split("-") for id_, _ in clockwork.client.xrange(clockwork.mm.calls.keys.events)]
    moments = [int(ms) for ms, _ in ids]
    assert moments == sorted(moments)
    assert moments[-1] - moments[0] < SLOW_MS
