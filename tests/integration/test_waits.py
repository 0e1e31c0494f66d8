"""Waiting for a match and listening, from both faces: whoever waits is told what became of it, and leaves nothing
behind."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import redis

from matchmaker import Event, EventKind, Match, Matchmaker, TicketRequest, aio, errors
from matchmaker.keys import Keys
from matchmaker.rules import QueueRules
from tests.faces import PATIENCE_SECONDS, eventually, face
from tests.lua.world import World
from tests.proxy import Proxy

Listening = Callable[[str, int], Awaitable[None]]


@pytest.fixture
def listening(redis_client: redis.Redis, realm: str) -> Listening:
    """``await listening(player, n)``: until n connections listen to the player, as the server sees it."""
    keys = Keys(realm)

    async def wait(player: str, connections: int) -> None:
        channel = keys.channel(player)
        await eventually(
            lambda: redis_client.pubsub_numsub(channel) == [(channel.encode(), connections)],
            f"{connections} listening to {player}",
        )

    return wait


@pytest.fixture
def judge(redis_url: str, realm: str) -> Matchmaker:
    """A blocking client to act with, for tests of asyncio that must not be disturbed by their own acting."""
    return Matchmaker(redis_url, realm)


async def make_match(client: aio.Matchmaker, *players: str) -> Match:
    """Those of the two who do not wait yet join; then they are matched. Nobody else may wait."""
    await client.enqueue_many("ladder", [TicketRequest(player, 1500) for player in players])
    (match,) = (await client.attempt_match("ladder")).matches
    assert set(match.players) == set(players)
    return match


# -- wait_for_match ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [0, 5])
async def test_a_match_that_is_there_already_is_answered_at_once(client: aio.Matchmaker, timeout: float) -> None:
    ticket = await client.enqueue("ladder", "ann", rating=1500)
    match = await make_match(client, "ann", "bob")
    assert await client.wait_for_match(ticket, timeout) == match
    assert await client.wait_for_match(ticket.id, timeout) == match


async def test_a_match_that_is_made_later_ends_the_wait(client: aio.Matchmaker, listening: Listening) -> None:
    ticket = await client.enqueue("ladder", "ann", rating=1500)
    wait = asyncio.create_task(client.wait_for_match(ticket, timeout=PATIENCE_SECONDS))
    await listening("ann", 1)
    match = await make_match(client, "ann", "bob")
    assert await wait == match
    assert match.opponents_of("ann") == ("bob",)
    await listening("ann", 0)


async def test_a_match_at_any_moment_of_the_wait_ends_it(client: aio.Matchmaker) -> None:
    """Given waits that begin while their matches are made, when both happen at once, many times, then none is
    missed."""
    for number in range(40):
        ticket = await client.enqueue("ladder", f"a{number}", rating=1500)
        wait = asyncio.create_task(client.wait_for_match(ticket, timeout=PATIENCE_SECONDS))
        for _ in range(number % 8):
            await client.ping()
        match = await make_match(client, f"a{number}", f"b{number}")
        assert await wait == match
    assert client.notifications.subscriber_count == 0


@pytest.mark.parametrize("moment", ["before", "meanwhile"])
async def test_a_cancelled_ticket_ends_the_wait(client: aio.Matchmaker, listening: Listening, moment: str) -> None:
    ticket = await client.enqueue("ladder", "ann", rating=1500)
    if moment == "before":
        await client.queue("ladder").remove_player("ann", reason="kicked")
    wait = asyncio.create_task(client.wait_for_match(ticket, timeout=PATIENCE_SECONDS))
    if moment == "meanwhile":
        await listening("ann", 1)
        await client.queue("ladder").remove_player("ann", reason="kicked")
    with pytest.raises(errors.TicketCancelled) as cancelled:
        await wait
    assert (cancelled.value.ticket, cancelled.value.reason) == (ticket.id, "kicked")


@pytest.mark.parametrize("moment", ["before", "meanwhile"])
async def test_an_expired_ticket_ends_the_wait(
    kind: str, redis_url: str, redis_client: redis.Redis, realm: str, listening: Listening, moment: str
) -> None:
    world = World(redis_client, realm)
    world.apply(QueueRules(expire_after_seconds=30))
    async with face(kind, redis_url, realm, lambda: world.now) as client:
        ticket = await client.enqueue("ladder", "ann", rating=1500)
        world.now += 30_000
        if moment == "before":
            assert world.run(world.calls.expire("ladder", [ticket.id])) == 1
        wait = asyncio.create_task(client.wait_for_match(ticket, timeout=PATIENCE_SECONDS))
        if moment == "meanwhile":
            await listening("ann", 1)
            assert world.run(world.calls.expire("ladder", [ticket.id])) == 1
        with pytest.raises(errors.TicketExpired) as expired:
            await wait
    assert (expired.value.ticket, expired.value.reason) == (ticket.id, "max_wait")


@pytest.mark.parametrize("timeout", [-1, 0, 0.05])
async def test_a_wait_that_is_over_leaves_the_ticket_waiting(
    client: aio.Matchmaker, listening: Listening, timeout: float
) -> None:
    ticket = await client.enqueue("ladder", "ann", rating=1500)
    with pytest.raises(errors.WaitTimeout) as over:
        await client.wait_for_match(ticket, timeout)
    assert isinstance(over.value, TimeoutError)
    assert (over.value.ticket, over.value.seconds) == (ticket.id, timeout)
    assert await client.status(ticket) == ticket
    assert client.notifications.subscriber_count == 0
    await listening("ann", 0)


async def test_two_who_wait_for_one_ticket_are_both_told(client: aio.Matchmaker, listening: Listening) -> None:
    """Given two waits for one ticket and one for its opponent, of which one gives up, then the others are told."""
    ticket = await client.enqueue("ladder", "ann", rating=1500)
    waits = [asyncio.create_task(client.wait_for_match(ticket, timeout=PATIENCE_SECONDS)) for _ in range(2)]
    await listening("ann", 1)
    await eventually(lambda: client.notifications.subscriber_count == 2, "two waits")
    with pytest.raises(errors.WaitTimeout):
        await client.wait_for_match(ticket.id, timeout=0.05)
    match = await make_match(client, "ann", "bob")
    assert await asyncio.gather(*waits) == [match, match]
    await listening("ann", 0)


async def test_a_wait_for_an_old_ticket_is_about_that_ticket(client: aio.Matchmaker) -> None:
    """Given a player whose earlier tickets were matched and cancelled and who waits anew, when somebody waits for one
    of the earlier ones, then the answer is how that one ended."""
    first = await client.enqueue("ladder", "ann", rating=1500)
    match = await make_match(client, "ann", "bob")
    second = await client.enqueue("ladder", "ann", rating=1500)
    await client.cancel(second)
    third = await client.enqueue("ladder", "ann", rating=1500)
    later = await make_match(client, "ann", "bob")
    await client.enqueue("ladder", "ann", rating=1500)
    assert await client.wait_for_match(first, timeout=0) == match
    with pytest.raises(errors.TicketCancelled):
        await client.wait_for_match(second, timeout=5)
    assert await client.wait_for_match(third.id, timeout=5) == later


async def test_a_wait_is_not_ended_by_the_match_of_a_newer_ticket(client: aio.Matchmaker, listening: Listening) -> None:
    """Given a wait for a ticket, when that is cancelled and the player is matched with a new one at once, then the wait
    tells of the cancellation."""
    ticket = await client.enqueue("ladder", "ann", rating=1500)
    wait = asyncio.create_task(client.wait_for_match(ticket, timeout=PATIENCE_SECONDS))
    await listening("ann", 1)
    await client.cancel(ticket)
    await make_match(client, "ann", "bob")
    with pytest.raises(errors.TicketCancelled):
        await wait


async def test_a_wait_for_a_ticket_nobody_knows_is_refused(client: aio.Matchmaker) -> None:
    with pytest.raises(errors.UnknownTicket):
        await client.wait_for_match("nobody", timeout=5)


async def test_closing_ends_the_waits(client: aio.Matchmaker, listening: Listening) -> None:
    ticket = await client.enqueue("ladder", "ann", rating=1500)
    wait = asyncio.create_task(client.wait_for_match(ticket, timeout=PATIENCE_SECONDS))
    await listening("ann", 1)
    await client.notifications.close()
    with pytest.raises(errors.ListenerClosed):
        await wait
    with pytest.raises(errors.ListenerClosed):
        await client.wait_for_match(ticket, timeout=5)


# -- listen ------------------------------------------------------------------------------------------------------------


async def test_a_listener_hears_the_whole_life_of_a_ticket_and_of_the_next(client: aio.Matchmaker) -> None:
    async with await client.listen("ann") as listener:
        assert await listener.ready(PATIENCE_SECONDS)
        await client.cancel(await client.enqueue("casual", "ann", rating=1500))
        match = await make_match(client, "ann", "bob")
        heard: list[Event] = []
        async for event in listener:
            heard.append(event)
            if len(heard) == 4:
                await listener.close()
    kinds = [EventKind.ENQUEUED, EventKind.CANCELLED, EventKind.ENQUEUED, EventKind.MATCHED]
    assert [event.kind for event in heard] == kinds
    assert [event.queue for event in heard] == ["casual", "casual", "ladder", "ladder"]
    assert heard[-1].match == match
    assert [event.prev for event in heard] == ["", *(event.id for event in heard[:-1])]
    assert listener.cursor == match.id


async def test_a_listener_resumes_after_an_event(client: aio.Matchmaker) -> None:
    first = await make_match(client, "ann", "bob")
    second = await make_match(client, "ann", "bob")
    async with await client.listen("ann", after=first.id) as listener:
        events = [await listener.get(PATIENCE_SECONDS) for _ in range(2)]
        assert [event.id for event in events if event][1:] == [second.id]
        assert await listener.get(0.0) is None
        assert (listener.player, listener.cursor) == ("ann", second.id)


@pytest.mark.parametrize("end", ["listener", "clear_all"])
async def test_whoever_waits_for_a_listener_to_be_ready_is_told_of_its_end(
    kind: str, proxy: Proxy, realm: str, end: str
) -> None:
    """Given a server that does not answer, when a listener ends before it was ever ready, then the wait for it does."""
    proxy.stall()
    async with face(kind, proxy.url, realm) as client:
        listener = await client.listen("ann")
        ready = asyncio.create_task(listener.ready(2 * PATIENCE_SECONDS))
        assert await listener.ready(0.02) is False
        await (listener.close() if end == "listener" else client.notifications.clear_all())
        assert await asyncio.wait_for(ready, PATIENCE_SECONDS)
        with pytest.raises(errors.ListenerClosed):
            await listener.get(0.0)
        proxy.resume()


async def test_a_listener_is_refused_names_that_are_none(client: aio.Matchmaker) -> None:
    for player, after, field in (("", "", "player"), ("a\nb", "", "player"), ("ann", "yesterday", "after")):
        with pytest.raises(errors.InvalidInput) as invalid:
            await client.listen(player, after)
        assert invalid.value.field == field
    assert client.notifications.subscriber_count == 0


# -- asyncio: tasks that are cancelled ---------------------------------------------------------------------------------


@pytest.fixture
async def loop_client(redis_url: str, realm: str, judge: Matchmaker) -> AsyncIterator[aio.Matchmaker]:
    """An asyncio client; somebody else acts."""
    judge.apply_rules({"ladder": QueueRules()})
    async with aio.Matchmaker(redis_url, realm) as client:
        yield client
    judge.close()


async def turns(count: int) -> None:
    """Lets the event loop go round so often."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_wait_that_is_cancelled_anywhere_leaves_nothing_behind(
    loop_client: aio.Matchmaker, judge: Matchmaker, listening: Listening
) -> None:
    """Given waits cancelled by their callers, each at another step, then no subscription stays, here or on the server;
    and whoever waits after them is served."""
    ticket = judge.enqueue("ladder", "ann", rating=1500)
    ended = 0
    for steps in range(60):
        wait = asyncio.create_task(loop_client.wait_for_match(ticket, timeout=PATIENCE_SECONDS))
        await turns(steps)
        if steps % 5 == 4:
            await eventually(lambda: loop_client.notifications.subscriber_count == 1, "the wait's listener")
        ended += wait.done()
        wait.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wait
        assert loop_client.notifications.subscriber_count == 0
    assert ended == 0
    await listening("ann", 0)
    wait = asyncio.create_task(loop_client.wait_for_match(ticket, timeout=PATIENCE_SECONDS))
    await listening("ann", 1)
    judge.enqueue("ladder", "bob", rating=1500)
    judge.attempt_match("ladder")
    assert set((await wait).players) == {"ann", "bob"}


async def test_a_get_that_is_cancelled_or_timed_out_loses_no_event(
    loop_client: aio.Matchmaker, judge: Matchmaker
) -> None:
    """Given a listener read by tasks that are cancelled or run out of time while events come, then what the others got
    is everything, once, in order."""
    rng = random.Random(5)
    listener = await loop_client.listen("ann")
    assert await listener.ready(PATIENCE_SECONDS)

    def come_and_go() -> None:
        for _ in range(150):
            judge.cancel(judge.enqueue("ladder", "ann", rating=1500))

    acting = asyncio.create_task(asyncio.to_thread(come_and_go))
    heard: list[str] = []
    cancelled = 0
    while len(heard) < 300:
        if rng.random() < 0.3:
            event = await listener.get(rng.choice([0.0, 0.0005]))
        else:
            getting = asyncio.create_task(listener.get(PATIENCE_SECONDS))
            await turns(rng.randrange(4))
            getting.cancel()
            event = None
            with contextlib.suppress(asyncio.CancelledError):
                event = await getting
            cancelled += getting.cancelled()
        heard += [event.id] if event else []
    await acting
    assert cancelled > 20
    stream: list[Any] = list(judge.redis.xrange(Keys(judge.calls.realm).events) or ())
    assert heard == [id_.decode() for id_, fields in stream if fields[b"event"] != b"rules"]
    assert await listener.get(0.0) is None


async def test_a_subscription_cancelled_while_it_is_sent_leaves_no_listener(
    loop_client: aio.Matchmaker, judge: Matchmaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a connection that takes no more for the moment, when a subscription over it is cancelled, then the listener
    nobody holds is not kept."""
    held = await loop_client.listen("ann")
    assert await held.ready(PATIENCE_SECONDS)
    service = loop_client.notifications
    sending = asyncio.Event()

    async def slow(*_: str) -> None:
        sending.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(service._connection, "send_command", slow)
        subscribing = asyncio.create_task(loop_client.listen("bob"))
        await sending.wait()
        subscribing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await subscribing
    assert service.subscriber_count == 1
    async with await loop_client.listen("bob") as listener:
        assert await listener.ready(PATIENCE_SECONDS)
        judge.enqueue("ladder", "bob", rating=1500)
        event = await listener.get(PATIENCE_SECONDS)
        assert event is not None
        assert event.kind is EventKind.ENQUEUED


async def test_calls_that_are_cancelled_anywhere_mix_up_no_replies(
    loop_client: aio.Matchmaker, judge: Matchmaker
) -> None:
    """Given many calls of which half are cancelled in the middle, then each of the others got its own answer, and
    connections are left for as many again."""
    judge.enqueue_many("ladder", [TicketRequest(f"p{i}", 1000.0 * i, ticket=f"t{i}") for i in range(100)])
    rng = random.Random(6)
    for _ in range(20):
        calls = [asyncio.create_task(loop_client.status(f"t{i}")) for i in range(100)]
        for call in rng.sample(calls, 50):
            await turns(rng.randrange(3))
            call.cancel()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        for i, answer in enumerate(answers):
            assert isinstance(answer, asyncio.CancelledError) or getattr(answer, "id", answer) == f"t{i}"
    every = await asyncio.gather(*(loop_client.status(f"t{i}") for i in range(100)))
    assert [ticket.id for ticket in every] == [f"t{i}" for i in range(100)]
