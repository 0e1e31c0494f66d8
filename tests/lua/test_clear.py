"""clear: cancels who waits in one queue, a few a call."""

from __future__ import annotations

import pytest

from matchmaker import TicketState
from matchmaker.model import TicketRequest
from tests.lua.world import QUEUE, World


def crowd(world: World, size: int, *, ties: bool = False) -> None:
    world.mm.enqueue_many(
        QUEUE, [TicketRequest(f"p{n:03}", 1500 if ties else 1500 + 10 * n, ticket=f"t-p{n:03}") for n in range(size)]
    )


def clear_all(world: World, most: int) -> list[int]:
    """How many left in each call."""
    counts, until, position = [], "", ""
    while True:
        count, until, position = world.run(world.calls.clear(QUEUE, until, position, most))
        counts.append(count)
        assert len(counts) < 100
        if not position:
            return counts


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("most", [1, 7, 10, 100])
def test_everybody_who_waits_leaves_with_an_event(world: World, most: int, ties: bool) -> None:
    crowd(world, 20, ties=ties)
    world.apply(queue="other")
    world.enqueue("eve", 1500, queue="other")
    with world.ear() as ear:
        counts = clear_all(world, most)
        heard = ear.heard()
    assert sum(counts) == 20
    assert max(counts) <= most
    assert [player for player, _ in heard] == [f"p{n:03}" for n in range(20)]
    assert all((told["event"], told["reason"]) == ("cancelled", "cleared") for _, told in heard)
    assert world.mm.status("t-p007").state is TicketState.CANCELLED
    assert world.line() == []
    assert world.due().get(QUEUE) is None
    assert [ticket for ticket, _ in world.line("other")] == ["t-eve"]
    assert world.meta()["cancelled"] == "20"


def test_who_comes_meanwhile_stays(world: World) -> None:
    # Given a clearing that has begun
    crowd(world, 10)
    _, until, position = world.run(world.calls.clear(QUEUE, "", "", 4))
    # When others join before it goes on, below, between and at the very places
    world.now += 1
    for player, rating in [("low", 1), ("tie", 1530), ("between", 1555), ("high", 9999)]:
        world.enqueue(player, rating)
    while position:
        _, until, position = world.run(world.calls.clear(QUEUE, until, position, 4))
    # Then they are left
    assert [ticket for ticket, _ in world.line()] == ["t-low", "t-tie", "t-between", "t-high"]
    world.assert_coherent()


def test_again_there_is_nothing_to_do(world: World) -> None:
    crowd(world, 3)
    assert world.mm.queue(QUEUE).clear() == 3
    before = world.dump()
    assert world.mm.queue(QUEUE).clear() == 0
    assert world.dump() == before


def test_more_than_a_call_takes(world: World) -> None:
    crowd(world, 250)
    assert world.mm.queue(QUEUE).clear() == 250
    assert world.line() == []
