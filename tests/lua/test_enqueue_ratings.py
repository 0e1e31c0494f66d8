"""enqueue without a rating: the one the realm has of the player in the queue, or a refusal of that ticket alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from matchmaker import Ticket, TicketState
from matchmaker.calls import Batch, Rated
from matchmaker.errors import (
    AlreadyWaiting,
    BacklogFull,
    InvalidInput,
    MatchmakerError,
    RatingUnknown,
    TicketReused,
    UnknownQueue,
)
from matchmaker.model import TicketRequest
from matchmaker.rules import QueueRules
from matchmaker.willingness import Waiting
from tests.lua.world import QUEUE, World


def know(world: World, player: str, rating: float, deviation: float | None = None, queue: str = QUEUE) -> None:
    """Given that the realm has a rating of the player."""
    for answer in world.mm.runner.batch(Batch(world.calls.store_ratings(queue, {player: Rated(rating, deviation)}))):
        assert not isinstance(answer, MatchmakerError)


def enqueue(world: World, player: str, queue: str = QUEUE, **more: Any) -> Ticket | MatchmakerError:
    (answer,) = world.run(world.calls.enqueue(queue, [TicketRequest(player, **{"ticket": f"t-{player}", **more})]))
    assert isinstance(answer, (Ticket, MatchmakerError))
    return answer


def joined(world: World, player: str, **more: Any) -> Ticket:
    answer = enqueue(world, player, **more)
    assert isinstance(answer, Ticket), answer
    return answer


def raw(world: World, *tickets: dict[str, Any], keys: tuple[str, ...] | None = None) -> list[list[bytes]]:
    texts = [json.dumps(ticket) for ticket in tickets]
    brought = world.keys.rated_keys(QUEUE) if keys is None else keys
    return list(world.raw("enqueue", world.now, world.keys.channel_prefix, QUEUE, *texts, keys=brought))


class TestKnown:
    def test_rating_and_deviation_are_those_of_the_realm(self, world: World) -> None:
        know(world, "ann", 1520.5, 70.25)
        ticket = joined(world, "ann")
        assert (ticket.rating, ticket.players[0].deviation) == (1520.5, 70.25)
        assert world.line() == [("t-ann", 1520.5)]
        told = world.events()[-1][2]
        assert (told["rating"], told["deviation"]) == (1520.5, 70.25)
        world.assert_coherent()

    @pytest.mark.parametrize("rating", [0.1, 1 / 3, -1_000_000, 1_000_000, 0, 1500, 1e-9, 123456.789012345])
    def test_every_number_comes_back_as_it_was(self, world: World, rating: float) -> None:
        know(world, "ann", rating, abs(rating))
        ticket = joined(world, "ann")
        assert (ticket.rating, ticket.players[0].deviation) == (rating, abs(rating))

    def test_a_rating_without_deviation(self, world: World) -> None:
        know(world, "ann", 1520)
        assert joined(world, "ann").players[0].deviation is None
        assert "deviation" not in world.events()[-1][2]

    def test_a_deviation_of_the_tickets_own_wins(self, world: World) -> None:
        know(world, "ann", 1520, 70)
        assert joined(world, "ann", deviation=10.0).players[0].deviation == 10

    def test_a_rating_of_the_tickets_own_wins_and_takes_no_deviation(self, world: World) -> None:
        know(world, "ann", 1520, 70)
        ticket = joined(world, "ann", rating=1000)
        assert (ticket.rating, ticket.players[0].deviation) == (1000, None)
        assert world.client.zscore(world.keys.ratings(QUEUE), "ann") == 1520

    def test_each_queue_has_its_own(self, world: World) -> None:
        world.apply(queue="other")
        know(world, "ann", 1520, 70)
        know(world, "ann", 1720, queue="other")
        ticket = joined(world, "ann", queue="other")
        assert (ticket.rating, ticket.players[0].deviation) == (1720, None)

    def test_it_counts_in_a_match_as_a_given_one_does(self, world: World) -> None:
        # Given a line on which one rating was given and one was known, and rules that ask for a deviation
        world.apply(QueueRules.model_validate({"willingness": {"per_deviation": 1.0, "deviation_above": 50.0}}))
        know(world, "ann", 1500, 90)
        joined(world, "ann")
        world.enqueue("bob", 1530)
        # Then ann's deviation of 90 gives the 40 points that their gap of 30 needs
        assert world.match_pass().matches[0].gap == 30

    def test_many_of_them_travel_with_those_who_bring_theirs(self, world: World) -> None:
        know(world, "ann", 1510, 70)
        know(world, "cat", 1530)
        requests = [
            TicketRequest("ann", ticket="a"),
            TicketRequest("bob", 1520, ticket="b"),
            TicketRequest("cat", deviation=5.0, ticket="c"),
        ]
        assert not {type(one) for one in world.run(world.calls.enqueue(QUEUE, requests))} - {Ticket}
        assert world.line() == [("a", 1510), ("b", 1520), ("c", 1530)]


class TestUnknown:
    def test_only_that_ticket_is_refused_and_nothing_of_it_is_written(self, world: World) -> None:
        know(world, "ann", 1510)
        before = world.dump()
        error = enqueue(world, "bob")
        assert isinstance(error, RatingUnknown)
        assert (error.player, error.queue) == ("bob", QUEUE)
        assert world.dump() == before
        requests = [TicketRequest("ann", ticket="a"), TicketRequest("bob", ticket="b"), TicketRequest("cat", 1)]
        one, other, third = world.run(world.calls.enqueue(QUEUE, requests))
        assert isinstance(one, Ticket)
        assert isinstance(other, RatingUnknown)
        assert isinstance(third, Ticket)
        assert "b" not in world.live()
        assert world.meta()["enqueued"] == "2"
        world.assert_coherent()

    def test_a_rating_in_another_queue_does_not_help(self, world: World) -> None:
        world.apply(queue="other")
        know(world, "ann", 1520)
        assert isinstance(enqueue(world, "ann", queue="other"), RatingUnknown)

    def test_a_call_of_an_older_client_brings_no_keys_to_look_in(self, world: World) -> None:
        know(world, "ann", 1520)
        tickets = ({"ticket": "a", "player": "ann"}, {"ticket": "b", "player": "bob", "rating": 1500})
        one, other = raw(world, *tickets, keys=world.keys.line_keys(QUEUE))
        assert one == [b"rating_unknown", b"ann", QUEUE.encode()]
        assert other[0] == b"waiting"

    @pytest.mark.parametrize("value", ["inf", "-inf", 1_000_001, -1_000_000.5])
    def test_what_is_no_rating_is_none(self, world: World, value: Any) -> None:
        """Somebody else wrote it there."""
        world.client.zadd(world.keys.ratings(QUEUE), {"ann": value})
        assert isinstance(enqueue(world, "ann"), RatingUnknown)

    @pytest.mark.parametrize("value", ["", "nan", "-1", "1e9", "0x10z", "many"])
    def test_what_is_no_deviation_is_none(self, world: World, value: str) -> None:
        know(world, "ann", 1520)
        world.client.hset(world.keys.deviations(QUEUE), "ann", value)
        assert joined(world, "ann").players[0].deviation is None

    @pytest.mark.parametrize("value", [None, "", "1500", [], True])
    def test_a_rating_that_is_given_has_to_be_one(self, world: World, value: Any) -> None:
        know(world, "ann", 1520)
        before = world.dump()
        ((code, field, _),) = raw(world, {"ticket": "a", "player": "ann", "rating": value})
        assert (code, field) == (b"invalid", b"tickets[1].rating")
        assert world.dump() == before


class TestOtherAnswersComeFirst:
    """Who needs no rating to be answered is answered without."""

    def test_a_retry_while_it_waits(self, world: World) -> None:
        know(world, "ann", 1520, 70)
        first = joined(world, "ann")
        world.client.delete(world.keys.ratings(QUEUE))
        before = world.dump()
        assert enqueue(world, "ann") == first
        assert world.dump() == before

    def test_a_retry_after_its_end(self, world: World) -> None:
        know(world, "ann", 1520)
        joined(world, "ann")
        world.mm.cancel("t-ann")
        world.client.delete(world.keys.ratings(QUEUE))
        assert joined(world, "ann").state is TicketState.CANCELLED

    def test_a_player_who_waits_already(self, world: World) -> None:
        world.enqueue("ann", 1500)
        error = enqueue(world, "ann", ticket="other")
        assert isinstance(error, AlreadyWaiting)
        assert error.ticket == "t-ann"

    def test_the_id_of_somebody_elses_ticket(self, world: World) -> None:
        world.enqueue("ann", 1500)
        assert isinstance(enqueue(world, "bob", ticket="t-ann"), TicketReused)

    def test_twice_in_one_call_is_one_ticket(self, world: World) -> None:
        know(world, "ann", 1520)
        request = TicketRequest("ann", ticket="t")
        one, other = world.run(world.calls.enqueue(QUEUE, [request, request]))
        assert one == other
        assert len(world.line()) == 1

    def test_a_second_ticket_in_one_call(self, world: World) -> None:
        know(world, "ann", 1520)
        requests = [TicketRequest("ann", ticket="t"), TicketRequest("ann", ticket="u")]
        _, other = world.run(world.calls.enqueue(QUEUE, requests))
        assert isinstance(other, AlreadyWaiting)

    def test_a_queue_that_is_not_there(self, world: World) -> None:
        assert isinstance(enqueue(world, "ann", queue="nowhere"), UnknownQueue)

    def test_a_full_realm(self, world: World) -> None:
        world.client.hset(world.keys.meta, "full", "of something")
        assert isinstance(enqueue(world, "ann"), BacklogFull)

    def test_a_ticket_that_is_invalid_refuses_the_call(self, world: World) -> None:
        ((code, field, _),) = raw(world, {"ticket": "a", "player": "ann"}, {"ticket": "b", "player": ""})
        assert (code, field) == (b"invalid", b"tickets[2].player")


class TestWhatIsRemembered:
    def remember(self, world: World, rated: dict[str, Rated]) -> None:
        for answer in world.mm.runner.batch(Batch(world.calls.remember_ratings(QUEUE, rated))):
            assert not isinstance(answer, MatchmakerError)

    def test_what_a_lookup_found_is_there_for_the_next_ticket(self, world: World) -> None:
        self.remember(world, {"ann": Rated(1520.5, 70), "bob": Rated(1 / 3)})
        assert joined(world, "ann").players[0].deviation == 70
        assert joined(world, "bob").rating == 1 / 3

    @pytest.mark.parametrize("deviation", [None, 80.0])
    def test_an_import_that_came_meanwhile_stays_as_it_is(self, world: World, deviation: float | None) -> None:
        # Given a lookup that read the old rating, and an import since then
        know(world, "ann", 1700, deviation)
        # When the lookup writes what it found
        self.remember(world, {"ann": Rated(1520, 70)})
        # Then it is the import's, whole
        ticket = joined(world, "ann")
        assert (ticket.rating, ticket.players[0].deviation) == (1700, deviation)

    def test_an_import_takes_an_old_deviation_away(self, world: World) -> None:
        know(world, "ann", 1520, 70)
        know(world, "ann", 1520)
        assert joined(world, "ann").players[0].deviation is None

    def test_callers_who_bring_ratings_send_no_further_keys(self, world: World) -> None:
        assert len(world.calls.enqueue(QUEUE, [TicketRequest("ann", 1)]).keys) == 13
        assert len(world.calls.enqueue(QUEUE, [TicketRequest("ann", 1), TicketRequest("bob")]).keys) == 15

    def test_the_largest_call_without_any_rating(self, world: World) -> None:
        """200 tickets, none of which brings a rating, are one call."""
        rated = {f"p{i}": Rated(1000 + i, 1.0) for i in range(200)}
        for commands in world.mm.runner.batch(Batch(world.calls.store_ratings(QUEUE, rated))):
            assert not isinstance(commands, MatchmakerError)
        answers = world.run(world.calls.enqueue(QUEUE, [TicketRequest(player) for player in rated]))
        assert [answer.rating for answer in answers] == [one.rating for one in rated.values()]


def test_no_database_means_that_a_rating_has_to_be_given(world: World) -> None:
    """Given a client without a database, then both ways to join refuse by the same error."""
    with pytest.raises(RatingUnknown, match="MATCHMAKER_DATABASE_URL"):
        world.mm.enqueue(QUEUE, "ann")
    (answer,) = world.mm.enqueue_many(QUEUE, [TicketRequest("ann")])
    assert isinstance(answer, RatingUnknown)
    with pytest.raises(InvalidInput):
        world.mm.enqueue(QUEUE, "ann", deviation=-1)


def test_known_ratings_need_no_database(world: World) -> None:
    know(world, "ann", 1520, 70)
    assert world.mm.enqueue(QUEUE, "ann").rating == 1520
    world.arrive([Waiting("bob", 1600.0, world.now)])
    assert len(world.line()) == 2
