"""enqueue: a ticket joins completely, with its event, or nothing of it is written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from matchmaker import TicketState
from matchmaker.errors import AlreadyWaiting, MatchmakerError, TicketReused, UnknownQueue
from matchmaker.model import TicketRequest
from matchmaker.rules import QueueRules
from tests.lua.world import QUEUE, START_MS, World


def body(ticket: str, player: str, rating: float = 1500.0, **more: Any) -> str:
    return json.dumps({"ticket": ticket, "player": player, "rating": rating, **more})


class TestJoining:
    def test_everything_a_ticket_is_stands_in_the_realm(self, world: World) -> None:
        # When a player joins under rules with an interval and an expiry
        world.apply(QueueRules(interval_ms=500, expire_after_seconds=60))
        ticket = world.enqueue("ann", 1520.5, deviation=80.0, data='a "note" / ö')
        # Then the ticket is answered as it stands
        assert ticket.state is TicketState.WAITING
        assert (ticket.id, ticket.player, ticket.rating, ticket.enqueued_ms) == ("t-ann", "ann", 1520.5, START_MS)
        assert (ticket.players[0].deviation, ticket.data) == (80.0, 'a "note" / ö')
        # And its line, certificate, expiry and the line's moment are set
        assert world.line() == [("t-ann", 1520.5)]
        assert world.certificates() == {"t-ann": START_MS + 500}
        assert world.due() == {QUEUE: START_MS + 500}
        assert world.ends() == {"t-ann": START_MS + 60_000}
        assert world.meta()["enqueued"] == "1"
        world.assert_coherent()

    def test_its_event_goes_to_the_stream_and_to_its_player(self, world: World) -> None:
        with world.ear() as ear:
            world.enqueue("ann", 1520, data="x")
            heard = ear.heard()
        event_id, kind, told = world.events()[-1]
        assert kind == "enqueued"
        assert told == {
            "v": 1, "event": "enqueued", "at": START_MS, "queue": QUEUE, "ticket": "t-ann", "player": "ann",
            "rating": 1520, "data": "x",
        }  # fmt: skip
        assert heard == [("ann", {"id": event_id, "prev": "", **told})]

    def test_event_ids_carry_realm_time(self, world: World) -> None:
        world.now += 123
        world.enqueue("ann", 1500)
        assert world.events()[-1][0].startswith(f"{START_MS + 123}-")

    def test_the_next_ticket_of_a_player_names_the_event_before_it(self, world: World) -> None:
        # Given a player whose first ticket was cancelled
        world.enqueue("ann", 1500)
        world.mm.cancel("t-ann")
        ended = world.events()[-1][0]
        with world.ear() as ear:
            # When the player joins again
            world.enqueue("ann", 1500, ticket="t-2")
            # Then the new ticket's event follows that one
            assert [told["prev"] for _, told in ear.heard()] == [ended]

    @pytest.mark.parametrize(
        ("fields", "after_ms"),
        [
            ({"expire_after_seconds": 0}, None),
            ({"expire_after_seconds": 90}, 90_000),
            ({"expire_after_seconds": 0, "heartbeat_seconds": 5}, 5_000),
            ({"expire_after_seconds": 90, "heartbeat_seconds": 5}, 5_000),
            ({"expire_after_seconds": 3, "heartbeat_seconds": 5}, 3_000),
        ],
    )
    def test_it_expires_after_the_longest_wait_or_the_first_missed_heartbeat(
        self, world: World, fields: dict[str, float], after_ms: int | None
    ) -> None:
        world.apply(QueueRules.model_validate(fields))
        world.enqueue("ann", 1500)
        assert world.ends() == ({} if after_ms is None else {"t-ann": START_MS + after_ms})

    def test_a_sleeping_matcher_is_woken_when_the_line_is_due_earlier_than_known(self, world: World) -> None:
        # Given a line at rest until far in the future
        world.enqueue("ann", 1500)
        world.enqueue("bob", 1700)
        world.match_pass()
        world.client.delete(world.keys.wake)
        later = world.due()[QUEUE]
        # When somebody joins
        world.now += 10
        world.enqueue("cat", 3000)
        # Then the line is due now, and said so once however many follow
        world.enqueue("dan", 4000)
        assert world.due()[QUEUE] == START_MS + 10 < later
        assert world.hints() == [QUEUE]

    def test_many_in_one_call_are_answered_in_order(self, world: World) -> None:
        # Given a player who waits already
        world.enqueue("bob", 1500)
        requests = [
            TicketRequest(name, 1400 + 10 * i, ticket=f"n-{name}") for i, name in enumerate(["ann", "bob", "cat"])
        ]
        # When three join at once, then the two others do, and the refusal stands in its place
        answers = world.mm.enqueue_many(QUEUE, requests)
        assert [getattr(answer, "id", None) for answer in answers] == ["n-ann", None, "n-cat"]
        assert isinstance(answers[1], AlreadyWaiting)
        assert {ticket for ticket, _ in world.line()} == {"n-ann", "t-bob", "n-cat"}
        assert world.meta()["enqueued"] == "3"
        world.assert_coherent()


class TestAskingAgain:
    def test_while_it_waits_the_first_answer_comes_again_and_nothing_is_written(self, world: World) -> None:
        # Given a ticket whose reply was lost
        first = world.enqueue("ann", 1500)
        before = world.dump()
        with world.ear() as ear:
            # When the call is sent again, even with another rating
            again = world.enqueue("ann", 1777)
            # Then it gets the first answer, and the realm is what it was
            assert again == first
            assert ear.heard() == []
        assert world.dump() == before

    @pytest.mark.parametrize("how", ["matched", "cancelled", "expired"])
    def test_after_its_end_it_is_told_the_end(self, world: World, how: str) -> None:
        # Given a ticket that ended
        world.apply(QueueRules(expire_after_seconds=60))
        world.enqueue("ann", 1500)
        if how == "matched":
            world.enqueue("bob", 1500)
            world.match_pass()
        elif how == "cancelled":
            world.mm.cancel("t-ann")
        else:
            world.now += 60_000
            world.run(world.calls.expire(QUEUE, ["t-ann"]))
        before = world.dump()
        # When its enqueue comes again
        ticket = world.enqueue("ann", 1500)
        # Then it is answered with its end, with its match if it has one, and never lives again
        assert ticket.state == how
        assert (ticket.match is not None) == (how == "matched")
        if ticket.match:
            assert ticket.match.opponents_of("ann") == ("bob",)
        assert world.dump() == before

    def test_also_when_its_queue_was_removed_meanwhile(self, world: World) -> None:
        # Given a ticket that was matched before its queue was removed
        world.enqueue("ann", 1500)
        world.enqueue("bob", 1500)
        world.match_pass()
        world.apply(queue="other", prune=True)
        # When its enqueue comes again, then it is told of the match
        assert world.enqueue("ann", 1500).match is not None
        # And who was not known is told that there is no such queue
        with pytest.raises(UnknownQueue):
            world.enqueue("cat", 1500)

    def test_twice_in_one_call_is_one_ticket(self, world: World) -> None:
        request = TicketRequest("ann", 1500, ticket="t1")
        one, other = world.mm.enqueue_many(QUEUE, [request, request])
        assert one == other
        assert len(world.line()) == 1
        assert world.meta()["enqueued"] == "1"

    def test_it_is_answered_even_when_the_realm_is_full(self, world: World) -> None:
        first = world.enqueue("ann", 1500)
        world.client.hset(world.keys.meta, "full", "of something")
        assert world.enqueue("ann", 1500) == first


class TestRefusals:
    def refused(self, world: World, queue: str, request: TicketRequest) -> MatchmakerError:
        """The error; the realm is the same before and after, and nobody hears anything."""
        before = world.dump()
        with world.ear() as ear:
            (answer,) = world.mm.enqueue_many(queue, [request])
            assert ear.heard() == []
        assert isinstance(answer, MatchmakerError)
        assert world.dump() == before
        return answer

    def test_a_second_ticket_names_the_first_and_its_queue(self, world: World) -> None:
        world.apply(queue="other")
        world.enqueue("ann", 1500)
        error = self.refused(world, "other", TicketRequest("ann", 1500))
        assert isinstance(error, AlreadyWaiting)
        assert (error.player, error.ticket, error.queue) == ("ann", "t-ann", QUEUE)

    @pytest.mark.parametrize("ended", [False, True])
    def test_the_id_of_somebody_elses_ticket(self, world: World, ended: bool) -> None:
        world.enqueue("ann", 1500)
        if ended:
            world.mm.cancel("t-ann")
        error = self.refused(world, QUEUE, TicketRequest("bob", 1500, ticket="t-ann"))
        assert isinstance(error, TicketReused)
        assert (error.ticket, error.player, error.queue) == ("t-ann", "ann", QUEUE)

    @pytest.mark.parametrize("ended", [False, True])
    def test_the_players_own_id_in_another_queue(self, world: World, ended: bool) -> None:
        world.apply(queue="other")
        world.enqueue("ann", 1500)
        if ended:
            world.mm.cancel("t-ann")
        error = self.refused(world, "other", TicketRequest("ann", 1500, ticket="t-ann"))
        assert isinstance(error, TicketReused)

    def test_an_unknown_queue(self, world: World) -> None:
        assert isinstance(self.refused(world, "nowhere", TicketRequest("ann", 1500)), UnknownQueue)

    def test_a_queue_that_is_closing(self, world: World) -> None:
        world.enqueue("ann", 1500)
        world.apply(queue="other", prune=True)
        assert isinstance(self.refused(world, QUEUE, TicketRequest("bob", 1500)), UnknownQueue)

    def test_one_invalid_ticket_refuses_its_whole_call_and_is_named(self, world: World) -> None:
        before = world.dump()
        tickets = [body("t1", "ann"), body("t2", "bob"), body("t3", "")]
        ((code, *said),) = world.raw("enqueue", world.now, world.keys.channel_prefix, QUEUE, *tickets)
        assert code == b"invalid"
        assert said[0] == b"tickets[3].player"
        assert world.dump() == before
