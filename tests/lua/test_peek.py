"""peek: what a matcher must know to sleep."""

from __future__ import annotations

from matchmaker.reports import Agenda
from matchmaker.rules import QueueRules
from tests.lua.world import QUEUE, START_MS, World


def peek(world: World, most: int = 16) -> Agenda:
    found: Agenda = world.run(world.calls.peek(most))
    return found


def test_a_realm_at_rest(world: World) -> None:
    world.now += 5
    assert peek(world) == Agenda(START_MS + 5, 0, None, None, ())


def test_the_earliest_of_everything(world: World) -> None:
    # Given two lines, one with an interval, and who expires
    world.apply(QueueRules(interval_ms=2_000, expire_after_seconds=90), "slow")
    world.apply(QueueRules(expire_after_seconds=60))
    world.enqueue("ann", 1500, queue="slow")
    world.now += 1_000
    world.enqueue("bob", 1500)
    # Then the agenda names the earliest of each, and the lines that are due by now
    found = peek(world)
    assert found.due_ms == START_MS + 1_000
    assert found.ends_ms == START_MS + 61_000
    assert found.overdue == ((QUEUE, START_MS + 1_000),)
    world.now += 1_000
    assert dict(peek(world).overdue) == {QUEUE: START_MS + 1_000, "slow": START_MS + 2_000}


def test_names_no_more_lines_than_asked_for_the_most_overdue_first(world: World) -> None:
    for number in range(4):
        world.apply(queue=f"q{number}")
        world.enqueue(f"p{number}", 1500, queue=f"q{number}")
        world.now += 10
    assert [line for line, _ in peek(world, 2).overdue] == ["q0", "q1"]
    assert peek(world, 0).overdue == ()


def test_it_moves_the_clock_and_nothing_else(world: World) -> None:
    world.enqueue("ann", 1500)
    before = world.dump()
    world.now += 60_000
    peek(world)
    assert world.dump() == before
    assert world.client.get(world.keys.clock) == f"{START_MS + 60_000} 0 0 0".encode()


def test_virtual_time_does_not_go_back(world: World) -> None:
    peek(world)
    world.now -= 10_000
    assert peek(world).now_ms == START_MS
