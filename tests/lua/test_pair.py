"""pair: one match of two tickets that the caller chose, or nothing."""

from __future__ import annotations

import json

import pytest

from matchmaker import Match, TicketState
from matchmaker.errors import TicketsChanged, UnknownQueue
from tests.lua.world import QUEUE, START_MS, World


def pair(world: World, one: str, other: str, queue: str = QUEUE) -> Match:
    return world.mm.queue(queue).remove_matched_players(one, other)


@pytest.fixture
def world(world: World) -> World:
    """Given two tickets that are far from due, and one on either side of them."""
    for player, rating in [("low", 1000), ("ann", 1500), ("bob", 1900), ("top", 2400)]:
        world.enqueue(player, rating, data=f"of {player}")
    world.match_pass()
    world.now += 10_000
    return world


@pytest.mark.parametrize("order", [("t-ann", "t-bob"), ("t-bob", "t-ann")])
def test_both_leave_and_are_told_in_one_step(world: World, order: tuple[str, str]) -> None:
    enqueued = {told["player"]: id_ for id_, kind, told in world.events() if kind == "enqueued"}
    with world.ear() as ear:
        match = pair(world, *order)
        heard = ear.heard()
    # Then the match is of those two, the lower rating first, and says what it is worth
    assert match.players == ("ann", "bob")
    assert (match.gap, match.value, match.at_ms) == (400, 20 - 400, START_MS + 10_000)
    # And its event is the last of the stream, and both heard it as the one after their last
    event_id, kind, told = world.events()[-1]
    assert (kind, event_id) == ("matched", match.id)
    assert [team[0]["waited_ms"] for team in told["teams"]] == [10_000, 10_000]
    assert [team[0]["data"] for team in told["teams"]] == ["of ann", "of bob"]
    assert heard == [(player, {"id": event_id, "prev": enqueued[player], **told}) for player in ("ann", "bob")]
    # And nothing else is touched
    assert [ticket for ticket, _ in world.line()] == ["t-low", "t-top"]
    assert world.meta()["matched"] == "2"
    assert world.mm.status("t-bob").match == match
    world.assert_coherent()


def test_the_place_to_the_left_is_looked_at_again(world: World) -> None:
    pair(world, "t-ann", "t-bob")
    assert world.certificates()["t-low"] == world.now == world.due()[QUEUE]
    assert world.hints() != []


def test_the_same_proposal_again_gets_the_same_match(world: World) -> None:
    match = pair(world, "t-ann", "t-bob")
    before = world.dump()
    with world.ear() as ear:
        assert pair(world, "t-ann", "t-bob") == match
        assert pair(world, "t-bob", "t-ann") == match
        assert ear.heard() == []
    assert world.dump() == before


@pytest.mark.parametrize("how", ["cancelled", "matched with another", "elsewhere", "never known", "the same"])
def test_one_that_no_longer_waits_here_is_named_and_nothing_changes(world: World, how: str) -> None:
    other = "t-bob"
    if how == "cancelled":
        world.mm.cancel("t-bob")
    elif how == "matched with another":
        pair(world, "t-bob", "t-top")
    elif how == "elsewhere":
        world.apply(queue="other")
        world.enqueue("eve", 1500, queue="other")
        other = "t-eve"
    else:
        other = "t-nobody" if how == "never known" else "t-ann"
    before = world.dump()
    with pytest.raises(TicketsChanged) as refused:
        pair(world, "t-ann", other)
    assert refused.value.tickets == (other,)
    assert world.dump() == before
    assert world.mm.status("t-ann").state is TicketState.WAITING


def test_two_that_were_matched_with_others_are_both_named(world: World) -> None:
    pair(world, "t-low", "t-ann")
    pair(world, "t-bob", "t-top")
    with pytest.raises(TicketsChanged) as refused:
        pair(world, "t-ann", "t-bob")
    assert refused.value.tickets == ("t-ann", "t-bob")


def test_an_unknown_queue(world: World) -> None:
    before = world.dump()
    with pytest.raises(UnknownQueue):
        pair(world, "t-ann", "t-bob", "nowhere")
    assert world.dump() == before


def test_the_raw_reply_carries_the_event(world: World) -> None:
    reply = world.raw("pair", world.now, world.keys.channel_prefix, QUEUE, "t-ann", "t-bob")
    assert reply[0] == b"matched"
    event_id, _, told = world.events()[-1]
    assert (reply[1].decode(), json.loads(reply[2])) == (event_id, told)
