"""heartbeat: a lease begins anew, up to the longest wait."""

from __future__ import annotations

import pytest

from matchmaker import TicketState
from matchmaker.errors import UnknownTicket
from matchmaker.rules import QueueRules
from tests.lua.world import START_MS, World


@pytest.fixture
def world(world: World) -> World:
    """Given a queue whose players must be heard every ten seconds and wait for thirty at most."""
    world.apply(QueueRules(expire_after_seconds=30, heartbeat_seconds=10))
    return world


def test_the_lease_begins_anew(world: World) -> None:
    ticket = world.enqueue("ann", 1500)
    world.now += 9_000
    assert world.mm.heartbeat("t-ann") == ticket
    assert world.ends() == {"t-ann": START_MS + 19_000}


def test_the_longest_wait_bounds_it(world: World) -> None:
    world.enqueue("ann", 1500)
    world.now += 25_000
    world.mm.heartbeat("t-ann")
    assert world.ends() == {"t-ann": START_MS + 30_000}


def test_twice_at_one_moment_is_once(world: World) -> None:
    world.enqueue("ann", 1500)
    world.now += 1
    world.mm.heartbeat("t-ann")
    before = world.dump()
    world.mm.heartbeat("t-ann")
    assert world.dump() == before


def test_where_heartbeats_are_off_it_changes_nothing(world: World) -> None:
    world.apply(QueueRules(expire_after_seconds=30), "calm")
    world.enqueue("ann", 1500, queue="calm")
    before = world.dump()
    assert world.mm.heartbeat("t-ann").state is TicketState.WAITING
    assert world.dump() == before


def test_it_tells_nobody(world: World) -> None:
    world.enqueue("ann", 1500)
    events = world.events()
    with world.ear() as ear:
        world.mm.heartbeat("t-ann")
        assert ear.heard() == []
    assert world.events() == events


@pytest.mark.parametrize("how", ["matched", "cancelled"])
def test_who_is_gone_is_told_how(world: World, how: str) -> None:
    world.enqueue("ann", 1500)
    world.enqueue("bob", 1500)
    if how == "matched":
        world.match_pass()
    else:
        world.mm.cancel("t-ann")
    before = world.dump()
    assert world.mm.heartbeat("t-ann").state == how
    assert world.dump() == before


def test_nobody_knows_it(world: World) -> None:
    before = world.dump()
    with pytest.raises(UnknownTicket):
        world.mm.heartbeat("t-ann")
    assert world.dump() == before
