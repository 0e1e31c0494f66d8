"""snapshot: a line in pages, lowest rating first."""

from __future__ import annotations

import pytest

from matchmaker import Ticket
from matchmaker.model import TicketRequest
from tests.lua.world import QUEUE, World


@pytest.fixture
def tickets(world: World) -> list[str]:
    """Given two dozen who wait, every second one tied with the one before, ratings of all kinds of digits."""
    ratings = [1500 + (n // 2) / 3 for n in range(20)] + [-1_000_000, 1e-9, 0.1, 1_000_000]
    world.mm.enqueue_many(QUEUE, [TicketRequest(f"p{n:02}", r, ticket=f"t{n:02}") for n, r in enumerate(ratings)])
    return [ticket for ticket, _ in world.line()]


def page(world: World, position: str, most: int) -> tuple[list[Ticket], str]:
    found: tuple[list[Ticket], str] = world.run(world.calls.snapshot(QUEUE, position, most))
    return found


@pytest.mark.parametrize("most", [1, 5, 24, 25, 1000])
def test_pages_hold_everybody_once_in_order(world: World, tickets: list[str], most: int) -> None:
    seen: list[str] = []
    position = ""
    while True:
        found, position = page(world, position, most)
        assert len(found) <= most
        seen += [ticket.id for ticket in found]
        if not position:
            break
    assert seen == tickets


def test_a_ticket_is_told_as_it_stands(world: World) -> None:
    ticket = world.enqueue("ann", 1500.25, deviation=70.0, data="x")
    assert page(world, "", 10) == ([ticket], "")


@pytest.mark.parametrize("gone", [True, False])
def test_it_goes_on_where_the_last_page_ended_also_when_that_ticket_left(
    world: World, tickets: list[str], gone: bool
) -> None:
    # Given a page whose last ticket is tied with the next
    found, position = page(world, "", 5)
    assert [ticket.id for ticket in found] == tickets[:5]
    if gone:
        world.mm.cancel(tickets[4])
    # Then the next page begins behind it; where it left, its ties may come again, and nobody is passed over
    following = [ticket.id for ticket in page(world, position, 100)[0]]
    assert following[-len(tickets[5:]) :] == tickets[5:]
    assert set(following) - set(tickets[5:]) <= {tickets[3]}


def test_the_whole_line_through_the_service(world: World, tickets: list[str]) -> None:
    assert [ticket.id for ticket in world.mm.snapshot(QUEUE)] == tickets


@pytest.mark.usefixtures("tickets")
def test_it_writes_nothing(world: World) -> None:
    before = world.dump(), world.client.get(world.keys.clock)
    page(world, "", 5)
    assert (world.dump(), world.client.get(world.keys.clock)) == before


def test_nobody_waits(world: World) -> None:
    assert page(world, "", 5) == ([], "")
