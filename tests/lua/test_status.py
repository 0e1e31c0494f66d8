"""status: what became of a ticket, or of a player's latest one."""

from __future__ import annotations

import pytest

from matchmaker import Ticket, TicketState
from matchmaker.errors import UnknownTicket
from matchmaker.rules import QueueRules
from tests.lua.world import QUEUE, World


def end(world: World, player: str, how: str) -> Ticket:
    """The player's ticket ``t-<player>`` comes and ends in one way or another."""
    world.enqueue(player, 1500)
    if how == "matched":
        world.enqueue(f"{player}-2", 1500)
        world.match_pass()
    elif how == "cancelled":
        world.mm.cancel(f"t-{player}")
    elif how == "expired":
        world.now += 60_000
        world.run(world.calls.expire(QUEUE, [f"t-{player}"]))
    return world.mm.status(f"t-{player}")


@pytest.fixture
def world(world: World) -> World:
    world.apply(QueueRules(expire_after_seconds=60))
    return world


# One in a ready check has a module of its own (test_ready_check).
@pytest.mark.parametrize("how", [how for how in TicketState if how is not TicketState.PROPOSED])
def test_ticket_and_player_answer_the_same(world: World, how: str) -> None:
    ticket = end(world, "ann", how)
    assert ticket.state == how
    assert ticket.player == "ann"
    assert (ticket.match_id is not None) == (how == "matched")
    assert world.mm.status_of_player("ann") == ticket


def test_it_writes_nothing_and_asks_for_no_clock(world: World) -> None:
    end(world, "ann", "matched")
    world.now += 10_000
    before = world.dump(), world.client.get(world.keys.clock)
    world.mm.status("t-ann")
    world.mm.status_of_player("ann")
    world.raw("status", "ticket", "nobody")
    assert (world.dump(), world.client.get(world.keys.clock)) == before


def test_the_live_ticket_comes_before_those_that_ended(world: World) -> None:
    end(world, "ann", "cancelled")
    world.enqueue("ann", 1500, ticket="t-2")
    assert world.mm.status_of_player("ann").id == "t-2"
    assert world.mm.status("t-ann").state is TicketState.CANCELLED


@pytest.mark.parametrize("rotations", [1, 2, 3])
def test_of_two_that_ended_the_later_is_the_players(world: World, rotations: int) -> None:
    """Given tickets that ended before and after what is remembered was rotated, whichever of the two hashes is newer,
    then the player's is the one that ended last."""
    retain_ms = int(world.meta()["retain_ms"])
    for turn in range(rotations):
        end(world, f"somebody-{turn}", "cancelled")
        world.now += retain_ms
    end(world, "ann", "cancelled")
    world.now += retain_ms
    world.enqueue("ann", 1500, ticket="t-later")
    world.mm.cancel("t-later")
    assert world.mm.status("t-ann").state is TicketState.CANCELLED
    assert world.mm.status_of_player("ann").id == "t-later"


def test_nobody_knows_it(world: World) -> None:
    with pytest.raises(UnknownTicket):
        world.mm.status("t-ann")
    with pytest.raises(UnknownTicket):
        world.mm.status_of_player("ann")
