"""How listeners end, and what they make of messages that are none of the realm's."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from matchmaker import EventKind, aio, errors
from matchmaker.doorbell import PING_SECONDS
from matchmaker.notifications import NotificationService
from tests.faces import PATIENCE_SECONDS
from tests.faults.ears import reached
from tests.integration.stations import Connect, Ear, hear, is_closed, rounds, told
from tests.lua.world import World


@contextmanager
def own_service(url: str, realm: str) -> Iterator[NotificationService]:
    """The threads' service, from inside."""
    with redis.Redis.from_url(url) as client:
        service = NotificationService(client, realm)
        try:
            yield service
        finally:
            service.close()


# -- the end of listeners ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("world")
def test_listeners_are_counted(connect: Connect) -> None:
    station, other = connect(), connect()
    assert station.subscriber_count == 0
    ears = [station.subscribe(player) for player in ("ann", "ann", "bob")]
    assert station.subscriber_count == 3
    assert other.subscriber_count == 0
    station.unsubscribe(ears[0])
    station.unsubscribe(ears[0])
    assert station.subscriber_count == 2
    assert station.clear_all() == 2
    assert station.subscriber_count == 0
    assert station.clear_all() == 0


def test_a_closed_listener_hands_out_what_it_has_and_then_its_end(world: World, connect: Connect) -> None:
    station = connect()
    ear, other = station.subscribe("ann"), station.subscribe("ann")
    rounds(world, "ann", 1)
    assert hear(other, 2) == told(world, "ann")
    ear.close()
    rounds(world, "ann", 1)
    assert hear(other, 2) == told(world, "ann")[-2:]
    assert [event.id for event in ear.iterate()] == told(world, "ann")[:2]
    assert is_closed(ear)
    assert is_closed(ear)


@pytest.mark.parametrize("end", ["unsubscribe", "clear_all", "close"])
@pytest.mark.usefixtures("world")
def test_whoever_waits_is_told_of_the_end(connect: Connect, end: str) -> None:
    """Given a thread that waits in a listener without a limit, when the listener ends, then the wait does."""
    station = connect()
    ear = station.subscribe("ann")
    assert ear.ready()
    raised: list[errors.MatchmakerError] = []

    def wait() -> None:
        try:
            ear.get(None)
        except errors.MatchmakerError as error:
            raised.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    if end == "unsubscribe":
        station.unsubscribe(ear)
    else:
        getattr(station, end)()
    waiting.join(20)
    assert [type(error) for error in raised] == [errors.ListenerClosed]


def test_all_threads_that_wait_in_one_listener_are_told_of_its_end(redis_url: str, world: World) -> None:
    """Given two threads that wait in the same listener, when it ends, then both waits do."""
    with own_service(redis_url, world.realm) as service, ThreadPoolExecutor(2) as pool:
        listener = service.subscribe("ann")
        waits = [pool.submit(listener.get, 10.0) for _ in range(2)]
        blocked: Any = listener._queue.not_empty
        assert reached(lambda: len(blocked._waiters) == 2, PATIENCE_SECONDS)
        listener.close()
        assert [type(wait.exception()) for wait in waits] == [errors.ListenerClosed] * 2


async def test_all_tasks_that_wait_in_one_listener_are_told_of_its_end(redis_url: str, world: World) -> None:
    """The same in an event loop."""
    async with aio.Matchmaker(redis_url, world.realm) as mm:
        listener = await mm.listen("ann")
        waits = [asyncio.create_task(listener.get(10.0)) for _ in range(2)]
        await asyncio.sleep(0)  # one turn of the loop, in which both begin to wait
        queue: Any = listener._queue
        assert len(queue._getters) == 2
        await listener.close()
        ends = await asyncio.gather(*waits, return_exceptions=True)
        assert [type(end) for end in ends] == [errors.ListenerClosed] * 2


def test_a_doorbell_that_was_closed_under_its_thread_rings_again(redis_url: str, world: World) -> None:
    """Given a sender whose failure closed the doorbell while its thread took a message (here: in that very moment),
    when something happens to the player, then the listener hears it soon, and not when the silence is noticed."""
    with own_service(redis_url, world.realm) as service:
        listener = service.subscribe("ann")
        assert listener.ready(PATIENCE_SECONDS)
        take = service._board.take
        closed = threading.Event()

        def take_closed(reply: Any) -> None:
            if reply[0] == b"message" and not closed.is_set():
                closed.set()
                service._connection.disconnect()
            take(reply)

        service._board.take = take_closed  # type: ignore[method-assign]
        world.enqueue("ann", 1500)
        assert listener.get(PATIENCE_SECONDS) is not None
        assert closed.is_set()
        world.mm.cancel("t-ann")
        heard = listener.get(PING_SECONDS)
        assert heard is not None
        assert heard.kind is EventKind.CANCELLED


def test_subscribing_waits_for_an_unsubscribing_that_was_decided_before(redis_url: str, world: World) -> None:
    """Given a thread that ended a player's last listener and has not told the server yet, when another subscribes to
    the player, then the server hears of both in that order and the new listener hears its player."""
    with own_service(redis_url, world.realm) as service:
        first = service.subscribe("ann")
        assert first.ready(PATIENCE_SECONDS)
        send = service._send
        leaving, came = threading.Event(), threading.Event()

        def send_late(*command: str) -> None:
            if command[0] == "UNSUBSCRIBE":
                leaving.set()
                came.wait(0.5)  # whoever may overtake does so within this
            send(*command)
            if command[0] == "SUBSCRIBE":
                came.set()

        service._send = send_late  # type: ignore[method-assign]
        with ThreadPoolExecutor(1) as pool:
            closing = pool.submit(first.close)
            assert leaving.wait(PATIENCE_SECONDS)
            second = service.subscribe("ann")
            closing.result()
        assert second.ready(PATIENCE_SECONDS)
        world.enqueue("ann", 1500)
        assert second.get(PING_SECONDS) is not None


def test_after_clear_all_one_may_subscribe_again_after_close_not(world: World, connect: Connect) -> None:
    station = connect()
    station.subscribe("ann")
    station.clear_all()
    ear = station.subscribe("ann")
    assert ear.ready()
    rounds(world, "ann", 1)
    assert hear(ear, 2) == told(world, "ann")
    station.close()
    station.close()
    with pytest.raises(errors.ListenerClosed):
        station.subscribe("ann")


def test_unsubscribing_and_subscribing_in_one_breath_leaves_a_listener_that_hears(
    world: World, connect: Connect
) -> None:
    station = connect()
    ear = station.subscribe("ann")
    for _ in range(50):
        ear.close()
        ear = station.subscribe("ann")
    assert ear.ready()
    rounds(world, "ann", 1)
    assert hear(ear, 2) == told(world, "ann")


@pytest.mark.usefixtures("world")
@pytest.mark.timeout(30)
async def test_closing_at_any_step_of_connecting_ends(redis_url: str, realm: str) -> None:
    """Given listeners that were just made, when their service is closed so many turns of the loop later, it does."""
    for turns in range(60):
        async with aio.Matchmaker(redis_url, realm) as mm:
            for player in ("ann", "ann", "bob"):
                await mm.listen(player)
            for _ in range(turns):
                await asyncio.sleep(0)


# -- foreign messages --------------------------------------------------------------------------------------------------

ENQUEUED: dict[str, Any] = {"v": 1, "event": "enqueued", "queue": "ladder", "ticket": "t", "player": "ann", "rating": 1}


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\xff\xfe",
        b"7",
        b"[]",
        b"{}",
        b"null",
        b"[" * 20_000,
        b'{"id":"1-1","prev":"","v":1,"event":"enqueued","at":1e999,"queue":"q"}',
        b'{"id":"1-1","prev":"","v":1,"event":"matched","at":1,"queue":"q","rules":1,"gap":1,"value":1,"teams":7}',
        b'{"id":"1-1","prev":"","v":1,"event":"matched","at":1,"queue":"q","rules":1,"gap":1,"value":1,"teams":["x"]}',
        json.dumps({"id": "not an id", "prev": "", "at": 1, **ENQUEUED}).encode(),
        json.dumps({"id": 5, "prev": "", "at": 1, **ENQUEUED}).encode(),
        json.dumps({"id": "1-1", "prev": 5, "at": 1, **ENQUEUED}).encode(),
        json.dumps({"id": "1-1", "prev": "", "at": 1, **ENQUEUED}).encode(),
        json.dumps({"id": "9999999999999-0", "prev": "9999999999998-0", "at": 9999999999999, **ENQUEUED}).encode(),
    ],
    ids=lambda garbage: garbage[:70].decode("latin-1"),
)
def test_foreign_messages_disturb_nobody(world: World, connect: Connect, garbage: bytes) -> None:
    """Given a listener, when somebody else's messages come over its channel, then it hears its own events only, each
    once, and the realm is not asked over and over."""
    ear: Ear = connect().subscribe("ann")
    assert ear.ready()
    rounds(world, "ann", 1)
    assert hear(ear, 2) == told(world, "ann")
    for _ in range(3):
        assert world.client.publish(world.keys.channel("ann"), garbage) == 1
        rounds(world, "ann", 1)
        assert hear(ear, 2) == told(world, "ann")[-2:]
    world.client.config_resetstat()
    assert ear.get(0.2) is None
    assert world.client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"] <= 2
