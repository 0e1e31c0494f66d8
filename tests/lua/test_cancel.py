"""cancel: a waiting ticket leaves, or the caller learns how it had ended before."""

from __future__ import annotations

import pytest

from matchmaker import TicketState
from matchmaker.errors import InvalidInput, UnknownTicket
from matchmaker.rules import QueueRules
from tests.lua.world import QUEUE, START_MS, World


def test_the_ticket_leaves_everything_and_is_remembered(world: World) -> None:
    # Given two tickets, one of which waits for 7 s
    world.enqueue("ann", 1500, deviation=50.0)
    world.enqueue("bob", 1900)
    world.now += 7_000
    # When it is cancelled
    ticket = world.mm.cancel("t-ann")
    # Then the answer says so, and only the other is left
    assert (ticket.state, ticket.ended_ms, ticket.enqueued_ms) == (TicketState.CANCELLED, START_MS + 7_000, START_MS)
    assert ticket.reason == "requested"
    assert world.line() == [("t-bob", 1900)]
    assert world.meta()["cancelled"] == "1"
    assert world.mm.status("t-ann") == ticket
    world.assert_coherent()


def test_its_event_follows_the_one_before(world: World) -> None:
    world.enqueue("ann", 1500)
    enqueued = world.events()[-1][0]
    world.now += 1_500
    with world.ear() as ear:
        world.mm.queue(QUEUE).remove_player("ann", "left_game")
        heard = ear.heard()
    event_id, kind, told = world.events()[-1]
    assert kind == "cancelled"
    assert told == {
        "v": 1, "event": "cancelled", "at": START_MS + 1_500, "queue": QUEUE, "ticket": "t-ann", "player": "ann",
        "rating": 1500, "waited_ms": 1_500, "reason": "left_game",
    }  # fmt: skip
    assert heard == [("ann", {"id": event_id, "prev": enqueued, **told})]


def test_again_gets_the_same_answer_and_writes_nothing(world: World) -> None:
    world.enqueue("ann", 1500)
    first = world.mm.cancel("t-ann")
    before = world.dump()
    with world.ear() as ear:
        assert world.mm.cancel("t-ann") == first
        assert world.mm.cancel_player("ann") == first
        assert ear.heard() == []
    assert world.dump() == before


@pytest.mark.parametrize("how", ["matched", "expired"])
def test_the_loser_is_told_who_won(world: World, how: str) -> None:
    # Given a ticket that ended otherwise just before
    world.apply(QueueRules(expire_after_seconds=5))
    world.enqueue("ann", 1500)
    if how == "matched":
        world.enqueue("bob", 1500)
        world.match_pass()
    else:
        world.now += 5_000
        world.run(world.calls.expire(QUEUE, ["t-ann"]))
    before = world.dump()
    # When it is cancelled, then the answer is that end, and nothing changes
    ticket = world.mm.cancel("t-ann")
    assert ticket.state == how
    assert (ticket.match is not None) == (how == "matched")
    assert world.dump() == before


def test_a_player_is_found_in_whichever_queue(world: World) -> None:
    # Given a player who waits in another queue than the one that is asked
    world.apply(queue="other")
    world.enqueue("ann", 1500, queue="other")
    before = world.dump()
    # When that one is asked by a raw call, then it names the right one and writes nothing
    args = [world.now, world.keys.channel_prefix, QUEUE, "player", "ann", "requested"]
    assert world.raw("cancel", *args) == [b"elsewhere", b"other"]
    assert world.dump() == before
    # And the library asks there
    assert world.mm.cancel_player("ann").queue == "other"
    assert world.line("other") == []


def test_the_place_to_the_left_is_looked_at_again(world: World) -> None:
    # Given three tickets at rest
    for player, rating in [("ann", 1500), ("bob", 1600), ("cat", 1700)]:
        world.enqueue(player, rating)
    world.match_pass()
    world.client.delete(world.keys.wake)
    # When the middle one leaves
    world.mm.cancel("t-bob")
    # Then its left neighbour, whose neighbour is new, is due for a look at once, and a matcher is woken
    assert world.certificates()["t-ann"] == world.now == world.due()[QUEUE]
    assert world.hints() == [QUEUE]


def test_the_last_of_a_line_leaves_nothing_behind(world: World) -> None:
    world.enqueue("ann", 1500)
    world.mm.cancel("t-ann")
    assert world.due() == {}
    for key in (world.keys.line(QUEUE), world.keys.line_due(QUEUE), world.keys.tickets, world.keys.ends):
        assert not world.client.exists(key)


def test_nobody_knows_it(world: World) -> None:
    world.enqueue("ann", 1500)
    before = world.dump()
    with pytest.raises(UnknownTicket):
        world.mm.cancel("t-bob")
    with pytest.raises(UnknownTicket):
        world.mm.cancel_player("bob")
    assert world.dump() == before


@pytest.mark.parametrize("reason", ['"', "a\nb", "\\", "", "x" * 65, 'x","reason":"y'])
def test_a_reason_that_is_no_word_is_refused(world: World, reason: str) -> None:
    """It goes into the event's JSON, so it must not end it."""
    world.enqueue("ann", 1500)
    before = world.dump()
    with pytest.raises(InvalidInput, match="reason"):
        world.mm.queue(QUEUE).remove_player("ann", reason)
    assert world.dump() == before
