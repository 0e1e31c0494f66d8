"""overdue and expire: whose time is over leaves; who was extended or ended meanwhile is left alone."""

from __future__ import annotations

import pytest

from matchmaker import TicketState
from matchmaker.rules import QueueRules
from tests.lua.world import QUEUE, START_MS, World


@pytest.fixture
def world(world: World) -> World:
    """Given a queue whose tickets live for a minute, and one whose players must be heard every five seconds."""
    world.apply(QueueRules(expire_after_seconds=60))
    world.apply(QueueRules(expire_after_seconds=600, heartbeat_seconds=5), "beating")
    return world


def overdue(world: World, most: int = 100) -> list[tuple[str, str]]:
    listed: list[tuple[str, str]] = world.run(world.calls.overdue(world.now, most))
    return listed


def expire(world: World, *tickets: str, queue: str = QUEUE) -> int:
    ended: int = world.run(world.calls.expire(queue, tickets))
    return ended


class TestOverdue:
    def test_lists_whose_time_is_over_earliest_first_with_their_queues(self, world: World) -> None:
        world.enqueue("ann", 1500, queue="beating")
        world.enqueue("bob", 1500)
        world.now += 4_999
        assert overdue(world) == []
        world.now += 1
        assert overdue(world) == [("t-ann", "beating")]
        world.now += 55_000
        assert overdue(world) == [("t-ann", "beating"), ("t-bob", QUEUE)]

    def test_lists_no_more_than_asked_for(self, world: World) -> None:
        for number in range(5):
            world.enqueue(f"p{number}", 1500)
        world.now += 60_000
        assert len(overdue(world, 3)) == 3

    def test_writes_nothing(self, world: World) -> None:
        world.enqueue("ann", 1500)
        world.now += 60_000
        before = world.dump()
        overdue(world)
        assert world.dump() == before


class TestExpire:
    def test_the_ticket_leaves_with_its_event(self, world: World) -> None:
        world.enqueue("ann", 1500)
        enqueued = world.events()[-1][0]
        world.now += 60_000
        with world.ear() as ear:
            assert expire(world, "t-ann") == 1
            heard = ear.heard()
        event_id, kind, told = world.events()[-1]
        assert kind == "expired"
        assert told == {
            "v": 1, "event": "expired", "at": START_MS + 60_000, "queue": QUEUE, "ticket": "t-ann", "player": "ann",
            "rating": 1500, "waited_ms": 60_000, "reason": "max_wait",
        }  # fmt: skip
        assert heard == [("ann", {"id": event_id, "prev": enqueued, **told})]
        assert world.mm.status("t-ann").state is TicketState.EXPIRED
        assert world.meta()["expired"] == "1"
        assert world.line() == []
        world.assert_coherent()

    def test_a_missed_heartbeat_is_another_reason(self, world: World) -> None:
        world.enqueue("ann", 1500, queue="beating")
        world.now += 5_000
        expire(world, "t-ann", queue="beating")
        assert world.mm.status("t-ann").reason == "heartbeat"

    def test_a_player_who_was_heard_to_the_last_expires_by_the_longest_wait(self, world: World) -> None:
        world.enqueue("ann", 1500, queue="beating")
        for _ in range(150):
            world.now += 4_000
            world.mm.heartbeat("t-ann")
        assert overdue(world) == [("t-ann", "beating")]
        expire(world, "t-ann", queue="beating")
        assert world.mm.status("t-ann").reason == "max_wait"

    def test_again_ends_nobody_and_writes_nothing(self, world: World) -> None:
        world.enqueue("ann", 1500)
        world.now += 60_000
        expire(world, "t-ann")
        before = world.dump()
        assert expire(world, "t-ann") == 0
        assert world.dump() == before

    @pytest.mark.parametrize("meanwhile", ["heard", "cancelled", "matched", "elsewhere", "too early", "never known"])
    def test_who_has_no_time_over_is_left_alone(self, world: World, meanwhile: str) -> None:
        # Given a ticket that was listed as overdue, and what happened since
        world.enqueue("ann", 1500, queue="beating")
        world.enqueue("bob", 1500, queue="beating")
        if meanwhile != "too early":
            world.now += 5_000
        if meanwhile == "heard":
            world.mm.heartbeat("t-ann")
        elif meanwhile == "cancelled":
            world.mm.cancel("t-ann")
        elif meanwhile == "matched":
            world.match_pass(queue="beating")
        before = world.dump()
        # When it is to expire, then it does not, and nothing changes
        queue = QUEUE if meanwhile == "elsewhere" else "beating"
        assert expire(world, "t-cat" if meanwhile == "never known" else "t-ann", queue=queue) == 0
        assert world.dump() == before

    def test_the_ticket_to_the_left_is_looked_at_again(self, world: World) -> None:
        world.apply(QueueRules(expire_after_seconds=60, max_gap=100))
        for player, rating in [("ann", 1500), ("bob", 1800), ("cat", 2100)]:
            world.enqueue(player, rating)
        world.match_pass()
        world.now += 60_000
        expire(world, "t-bob")
        assert world.certificates() == {"t-ann": world.now}
        assert world.due()[QUEUE] == world.now
        assert world.hints() != []


class TestRulesThatChangedMeanwhile:
    """Given tickets whose time is over by rules that were replaced and are not worked in yet."""

    def test_nobody_ends_by_rules_that_are_no_more(self, world: World) -> None:
        world.enqueue("ann", 1500)
        world.mm.apply_rules({QUEUE: QueueRules(expire_after_seconds=0)})
        world.now += 60_000
        assert overdue(world) == [("t-ann", QUEUE)]
        assert expire(world, "t-ann") == 0
        assert world.ends() == {}
        assert world.mm.status("t-ann").state is TicketState.WAITING

    def test_a_longer_time_counts_from_the_beginning(self, world: World) -> None:
        world.enqueue("ann", 1500)
        world.mm.apply_rules({QUEUE: QueueRules(expire_after_seconds=90)})
        world.now += 60_000
        assert expire(world, "t-ann") == 0
        assert world.ends() == {"t-ann": START_MS + 90_000}

    def test_a_longer_lease_begins_anew(self, world: World) -> None:
        world.enqueue("ann", 1500, queue="beating")
        world.mm.apply_rules({"beating": QueueRules(expire_after_seconds=600, heartbeat_seconds=60)})
        world.now += 5_000
        assert expire(world, "t-ann", queue="beating") == 0
        assert world.ends() == {"t-ann": START_MS + 65_000}
        # And once they are worked in, they end whom they must
        world.tend("beating")
        world.now += 60_000
        assert expire(world, "t-ann", queue="beating") == 1


def test_a_moment_without_a_ticket_is_listed_without_a_queue_and_dropped(world: World) -> None:
    """Given an expiry whose ticket a stranger deleted, it does not stand before all others for ever."""
    world.enqueue("ann", 1500)
    world.client.hdel(world.keys.tickets, "t-ann")
    world.now += 60_000
    assert overdue(world) == [("t-ann", "")]
    assert expire(world, "t-ann", queue="any") == 0
    assert world.ends() == {}
