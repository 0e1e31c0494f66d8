"""history: the events of a player that a listener may have missed."""

from __future__ import annotations

import pytest

from matchmaker.errors import UnknownRealm
from matchmaker.model import event_order
from matchmaker.plans import history_plan
from matchmaker.reports import History
from matchmaker.scripts import Reply
from tests.lua.world import START_MS, World


def history(world: World, player: str, after: str = "", ticket: str = "", most: int = 32) -> History:
    found: History = world.run(world.calls.history(player, after, ticket, most))
    return found


def kinds(found: History) -> list[str]:
    return [event.kind.value for event in found.events]


def play(world: World, player: str, games: int) -> list[str]:
    """The player joins and leaves so many times; the ids of all the events, in order."""
    ids = []
    for game in range(games):
        world.now += 1_000
        world.enqueue(player, 1500, ticket=f"t-{player}-{game}")
        ids.append(world.events()[-1][0])
        world.now += 1_000
        world.mm.cancel(f"t-{player}-{game}")
        ids.append(world.events()[-1][0])
    return ids


class TestWithoutAnEventToFollow:
    def test_a_waiting_player_has_the_event_of_the_ticket(self, world: World) -> None:
        world.enqueue("ann", 1500)
        found = history(world, "ann")
        assert found.end is Reply.REACHED
        assert kinds(found) == ["enqueued"]
        assert found.events[0].id == world.events()[-1][0]

    def test_a_matched_player_has_those_of_the_latest_ticket_only(self, world: World) -> None:
        play(world, "ann", 2)
        world.enqueue("ann", 1500)
        world.enqueue("bob", 1500)
        world.match_pass()
        found = history(world, "ann")
        assert found.end is Reply.REACHED
        assert kinds(found) == ["enqueued", "matched"]
        assert [event.prev for event in found.events][1] == found.events[0].id

    def test_nothing_is_known_of_a_stranger(self, world: World) -> None:
        found = history(world, "ann")
        assert (found.end, found.events) == (Reply.START, ())


class TestAfterAnEvent:
    @pytest.mark.parametrize("missed", range(7))
    def test_all_that_followed_comes_once_in_order(self, world: World, missed: int) -> None:
        ids = play(world, "ann", 3)
        play(world, "bob", 2)
        after = [*ids[::-1], "0-1"][missed]
        found = history(world, "ann", after)
        assert [event.id for event in found.events] == ids[len(ids) - missed :]
        assert found.end is (Reply.REACHED if missed < 6 else Reply.START)
        # And each names the one before it
        chain = ["", *ids]
        assert [event.prev for event in found.events] == chain[len(chain) - 1 - missed : -1]

    def test_an_event_that_is_not_the_players_own_divides_as_well(self, world: World) -> None:
        """A listener that began after some event knows no better."""
        play(world, "ann", 1)
        between = play(world, "bob", 1)[-1]
        later = play_once(world, "ann", "t-x")
        found = history(world, "ann", between)
        assert [event.id for event in found.events] == [later]
        assert found.end is Reply.REACHED

    def test_nothing_came_since(self, world: World) -> None:
        ids = play(world, "ann", 2)
        found = history(world, "ann", ids[-1])
        assert (found.end, found.events) == (Reply.REACHED, ())

    def test_a_long_one_comes_in_pages(self, world: World) -> None:
        ids = play(world, "ann", 5)
        first = history(world, "ann", ids[0], most=2)
        assert first.end is Reply.MORE
        assert first.further == "t-ann-2"
        assert [event.id for event in first.events] == ids[6:]
        whole: History = world.mm.runner.run(history_plan(world.calls, "ann", ids[0]))
        assert [event.id for event in whole.events] == ids[1:]

    def test_more_than_a_page_of_tickets(self, world: World) -> None:
        ids = play(world, "ann", 70)
        whole: History = world.mm.runner.run(history_plan(world.calls, "ann", ids[0]))
        assert [event.id for event in whole.events] == ids[1:]
        assert whole.end is Reply.REACHED

    @pytest.mark.parametrize("turns", [1, 2])
    def test_it_goes_back_over_what_was_rotated(self, world: World, turns: int) -> None:
        """Whichever of the two hashes is the newer one, the player's chain begins at its last ticket."""
        retain_ms = int(world.meta()["retain_ms"])
        play(world, "bob", 1)
        for _ in range(turns):
            world.now += retain_ms
            play(world, "bob", 1)
        ids = [play_once(world, "ann", "t-1"), cancel(world, "t-1")]
        world.now += retain_ms
        ids += [play_once(world, "ann", "t-2"), cancel(world, "t-2")]
        found = history(world, "ann", ids[0])
        assert [event.id for event in found.events] == ids[1:]
        assert found.end is Reply.REACHED

    def test_what_is_forgotten_is_said_to_be(self, world: World) -> None:
        # Given a player whose first ticket ended so long ago that it is forgotten
        retain_ms = int(world.meta()["retain_ms"])
        ids = play(world, "ann", 1)
        for _ in range(3):
            world.now += retain_ms
            play(world, "bob", 1)
        later = play_once(world, "ann", "t-later")
        # When a listener asks for what followed its first event, then it is told that not all of it is known
        found = history(world, "ann", ids[0])
        assert found.end in (Reply.FORGOTTEN, Reply.START)
        assert [event.id for event in found.events] == [later]
        assert found.floor_ms > event_order(ids[0])[0]


def play_once(world: World, player: str, ticket: str) -> str:
    world.now += 1_000
    world.enqueue(player, 1500, ticket=ticket)
    return world.events()[-1][0]


def cancel(world: World, ticket: str) -> str:
    world.now += 1_000
    world.mm.cancel(ticket)
    return world.events()[-1][0]


def test_it_writes_nothing(world: World) -> None:
    play(world, "ann", 2)
    before = world.dump(), world.client.get(world.keys.clock)
    history(world, "ann", "0-1")
    assert (world.dump(), world.client.get(world.keys.clock)) == before


def test_its_moment_is_the_realms(world: World) -> None:
    world.now = START_MS + 77
    play(world, "ann", 1)
    assert history(world, "ann").now_ms == world.now


def test_a_realm_that_nobody_made(world: World) -> None:
    world.client.delete(world.keys.meta)
    with pytest.raises(UnknownRealm):
        history(world, "ann")
