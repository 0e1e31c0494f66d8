"""Every event of a player once, in order, whatever happened to the connection; or an error, never silence."""

from __future__ import annotations

import random
import threading

import pytest
import redis

from matchmaker import errors
from matchmaker.checker import Ledger, check, check_listeners
from matchmaker.client import Matchmaker
from matchmaker.inbox import MOST_UNREAD
from matchmaker.model import TicketRequest
from matchmaker.rules import QueueRules
from tests.integration.stations import (
    Connect,
    hear,
    hear_until,
    is_closed,
    match,
    pass_floor,
    rounds,
    told,
    wait_for_floor,
)
from tests.lua.world import World
from tests.proxy import Proxy

# -- messages that are lost --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nth", [1, 2, 3, 5])
@pytest.mark.parametrize("cut", [False, True], ids=["silently", "with-the-connection"])
def test_every_nth_message_lost_the_last_one_included(
    world: World, connect: Connect, proxy: Proxy, nth: int, cut: bool
) -> None:
    """Given a network that loses every nth message, the last too, when the connection is remade, then nothing is
    missing and nothing comes twice."""
    ear = connect(proxy.url).subscribe("ann")
    assert ear.ready()
    proxy.lose_messages(nth, cut=cut)
    heard = []
    for _ in range(nth):
        rounds(world, "ann", 1)
        match(world, "ann")
        heard += hear_until(ear, told(world, "ann")[-1]) if cut else []
    if not cut:
        assert proxy.wait_dropped(4, 20), "nothing was lost"
        proxy.lose_messages(0)
        proxy.cut()
        heard = hear_until(ear, told(world, "ann")[-1])
    assert proxy.dropped >= (1 if cut else 4)
    verdict = check_listeners(check(world.client, world.realm), {"ann": heard})
    assert verdict.ok, verdict
    assert verdict.expected == 4 * nth
    assert ear.get(0.05) is None


def test_a_message_lost_without_a_word_is_noticed_at_the_next_one(world: World, connect: Connect, proxy: Proxy) -> None:
    """Given a listener whose connection lives but lost a message, when the next comes, then both are delivered."""
    ear = connect(proxy.url).subscribe("ann")
    assert ear.ready()
    proxy.lose_messages(3)
    rounds(world, "ann", 2)
    assert hear(ear, 4) == told(world, "ann")
    assert proxy.dropped == 1


def test_ringing_a_match_again_reaches_whoever_did_not_hear_it_and_nobody_else(
    world: World, connect: Connect, proxy: Proxy
) -> None:
    """Given two of whom one lost the match's message, when it is rung again, then that one has it, the other once."""
    near, far = connect(), connect(proxy.url)
    ann, other = far.subscribe("ann"), near.subscribe("other")
    assert ann.ready()
    assert other.ready()
    proxy.lose_messages(2)
    found = match(world, "ann")
    assert hear_until(other, found) == told(world, "other")
    assert hear(ann, 1) == told(world, "ann")[:1]
    assert proxy.wait_dropped(1, 20)
    proxy.lose_messages(0)
    assert near.publish_match_found(found) == 2
    assert hear(ann, 1) == [found]
    assert near.publish_match_found(found) == 2
    world.now += 1
    rounds(world, "ann", 1)
    rounds(world, "other", 1)
    for ear, player in ((ann, "ann"), (other, "other")):
        assert hear(ear, 2) == told(world, player)[-2:]


@pytest.mark.usefixtures("world")
def test_ringing_a_match_that_nobody_knows_is_an_error(connect: Connect) -> None:
    with pytest.raises(errors.UnknownMatch):
        connect().publish_match_found("1-1")


# -- where a listener begins -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["before", "between", "after"])
def test_subscribing_before_or_after_the_match_makes_no_difference(world: World, connect: Connect, moment: str) -> None:
    station = connect()
    ears = [station.subscribe("ann")] if moment == "before" else []
    world.mm.enqueue("ladder", "ann", rating=1500)
    ears += [station.subscribe("ann")] if moment == "between" else []
    world.mm.enqueue("ladder", "bob", rating=1510)
    world.match_pass()
    ears += [station.subscribe("ann")] if moment == "after" else []
    assert hear(ears[0], 2) == told(world, "ann")


def test_without_a_cursor_a_listener_begins_with_the_latest_ticket(world: World, connect: Connect) -> None:
    rounds(world, "ann", 3)
    ear = connect().subscribe("ann")
    assert hear(ear, 2) == told(world, "ann")[-2:]
    rounds(world, "ann", 1)
    assert hear(ear, 2) == told(world, "ann")[-2:]


def test_a_cursor_resumes_after_any_event_of_a_chain_of_tickets(world: World, connect: Connect) -> None:
    """Given a player who cancelled, was matched, expired, cancelled and waits, then after each event all others do."""
    rounds(world, "ann", 1)
    match(world, "ann")
    ticket = world.mm.enqueue("ladder", "ann", rating=1500)
    world.now += 1_800_000
    world.run(world.calls.expire("ladder", [ticket.id]))
    rounds(world, "ann", 1)
    world.now += 1
    world.mm.enqueue("ladder", "ann", rating=1500)
    ids, station = told(world, "ann"), connect()
    assert len(ids) == 9
    for place, after in enumerate(ids):
        ear = station.subscribe("ann", after)
        assert ear.ready()
        assert hear(ear, len(ids) - place - 1) == ids[place + 1 :]
        assert ear.cursor == ids[-1]
        assert ear.get(0.0) is None
        ear.close()


def test_a_history_longer_than_a_page_is_read_whole(world: World, connect: Connect) -> None:
    rounds(world, "ann", 75)
    ids = told(world, "ann")
    assert hear(connect().subscribe("ann", ids[0]), 149) == ids[1:]


def test_after_an_event_that_is_too_old_comes_an_error(world: World, connect: Connect) -> None:
    """Given a cursor from before anything is remembered, when there may have been events since, then that is said."""
    rounds(world, "ann", 1)
    cursor = told(world, "ann")[0]
    pass_floor(world)
    rounds(world, "ann", 1)
    ear = connect().subscribe("ann", cursor)
    with pytest.raises(errors.EventsLost) as lost:
        ear.get(20)
    assert (lost.value.player, lost.value.after) == ("ann", cursor)
    with pytest.raises(errors.EventsLost):
        ear.get(0)


def test_an_old_cursor_is_good_while_its_ticket_lives(world: World, connect: Connect) -> None:
    """Given a player who waits since before the floor, when the wait ends, then the listener is told, not refused."""
    ticket = world.mm.enqueue("ladder", "ann", rating=1500)
    cursor = told(world, "ann")[0]
    pass_floor(world)
    ear = connect().subscribe("ann", cursor)
    assert ear.ready()
    world.mm.cancel(ticket)
    assert hear(ear, 1) == told(world, "ann")[-1:]


def test_a_listener_that_is_there_all_the_time_never_hears_that_something_was_lost(
    world: World, connect: Connect, proxy: Proxy
) -> None:
    """Given a listener in sync, when the floor passes its last event and the connection breaks, then it goes on."""
    ear = connect(proxy.url).subscribe("ann")
    rounds(world, "ann", 1)
    assert hear(ear, 2) == told(world, "ann")
    pass_floor(world)
    proxy.cut()
    assert ear.ready()
    rounds(world, "ann", 1)
    assert hear(ear, 2) == told(world, "ann")[-2:]


def test_a_listener_cut_off_for_longer_than_the_realm_remembers_is_told_so(
    redis_url: str, realm: str, connect: Connect, proxy: Proxy
) -> None:
    """Given a listener without a connection, when its player's events are forgotten meanwhile, then silence would be a
    lie. In real time, with a realm that remembers for a second."""
    with Matchmaker(redis_url, realm) as mm:
        mm.apply_rules({"ladder": QueueRules()}, retain_seconds=1)
        ear = connect(proxy.url).subscribe("ann")
        mm.enqueue("ladder", "ann", rating=1500)
        assert len(hear(ear, 1)) == 1
        mm.cancel_player("ann")
        cursor = hear(ear, 1)[0]
        proxy.stall()
        proxy.cut()
        missed = mm.cancel(mm.enqueue("ladder", "ann", rating=1500))
        assert missed.ended_ms is not None
        wait_for_floor(mm, missed.ended_ms)
        proxy.resume()
        with pytest.raises(errors.EventsLost) as lost:
            ear.get(20)
    assert lost.value.after == cursor


# -- listeners that do not read, and many of them ----------------------------------------------------------------------


def test_a_listener_that_does_not_read_finds_everything_when_it_does(world: World, connect: Connect) -> None:
    """Given more events than are kept for a listener, when it reads at last, then it gets them all and new ones too."""
    ear = connect().subscribe("ann")
    assert ear.ready()
    rounds(world, "ann", MOST_UNREAD // 2 + 200)
    heard = hear_until(ear, told(world, "ann")[-1])
    rounds(world, "ann", 1)
    heard += hear_until(ear, told(world, "ann")[-1])
    assert heard == told(world, "ann")


def test_a_listener_that_does_not_read_for_longer_than_the_realm_remembers_is_told_so(
    redis_url: str, realm: str, connect: Connect
) -> None:
    """Given more events than are kept for a listener, when those beyond are forgotten before it reads, then it gets
    what was kept, and an error in place of the rest."""
    with Matchmaker(redis_url, realm) as mm:
        mm.apply_rules({"ladder": QueueRules()}, retain_seconds=1)
        ear = connect().subscribe("ann")
        assert ear.ready()
        for _ in range(MOST_UNREAD // 2 + 2):
            mm.cancel(mm.enqueue("ladder", "ann", rating=1500))
        wait_for_floor(mm, mm.status_of_player("ann").ended_ms or 0)
        assert len(set(hear(ear, MOST_UNREAD))) == MOST_UNREAD
        with pytest.raises(errors.EventsLost):
            ear.get(20)


def test_two_listeners_of_one_player_each_hear_everything(world: World, connect: Connect) -> None:
    station = connect()
    one = station.subscribe("ann")
    assert one.ready()
    rounds(world, "ann", 1)
    two = station.subscribe("ann", told(world, "ann")[0])
    rounds(world, "ann", 1)
    assert hear(one, 4) == told(world, "ann")
    assert hear(two, 3) == told(world, "ann")[1:]
    one.close()
    assert station.subscriber_count == 1
    rounds(world, "ann", 1)
    assert hear(two, 2) == told(world, "ann")[-2:]
    assert is_closed(one)


def test_killed_connections_under_load_lose_and_repeat_nothing(
    redis_url: str, redis_client: redis.Redis, realm: str, connect: Connect, proxy: Proxy
) -> None:
    """Given fifty players at play, when the server kills every listening connection, again and again, then each
    listener heard what the stream tells."""
    players = [f"p{i}" for i in range(50)]
    station = connect(proxy.url)
    with Matchmaker(redis_url, realm) as mm:
        mm.apply_rules({"ladder": QueueRules.model_validate({"willingness": {"base": 50.0}})})
        ears = {player: station.subscribe(player) for player in players}
        assert all(ear.ready() for ear in ears.values())
        rng, kills = random.Random(7), 0
        ledger = Ledger()
        while ledger.events < 1500:
            some = rng.sample(players, 10)
            mm.enqueue_many("ladder", [TicketRequest(player, rng.gauss(1500, 100)) for player in some])
            mm.attempt_match("ladder")
            connections = proxy.accepted
            killed = int(redis_client.client_kill_filter(_type="pubsub"))
            kills += killed
            if killed and kills % 3 == 0:
                assert proxy.wait_accepted(connections + 1, 20)
            report = check(redis_client, realm, ledger=ledger)
            assert report.ok, str(report)
        assert kills > 5
        heard = {player: hear_until(ear, ledger.events_of[player][-1]) for player, ear in ears.items()}
    verdict = check_listeners(ledger, heard)
    assert verdict.ok, verdict
    assert verdict.expected > 1400


def test_a_connection_that_breaks_while_it_is_spoken_to_is_remade(world: World, connect: Connect, proxy: Proxy) -> None:
    """Given a connection that is cut while listeners come and go, every time at another point, then it comes back."""
    station = connect(proxy.url)
    ear = station.subscribe("ann")
    for number in range(30):
        assert ear.ready()
        cutting = threading.Thread(target=proxy.cut)
        cutting.start()
        passing = [station.subscribe(f"p{i}") for i in range(number)]
        cutting.join()
        rounds(world, "ann", 1)
        assert hear(ear, 2) == told(world, "ann")[-2:]
        for other in passing:
            other.close()
