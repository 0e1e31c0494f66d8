"""What clients connect over, share and leave behind: any settings of the caller's, any address, threads and tasks."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio

from matchmaker import (
    EventKind,
    Matchmaker,
    Ticket,
    TicketRequest,
    TicketState,
    aio,
    errors,
    notifications,
    parse_rules,
)
from matchmaker.aio import notifications as aio_notifications
from matchmaker.checker import check
from matchmaker.rules import QueueRules
from tests.faces import PATIENCE_SECONDS, eventually, face
from tests.integration.conftest import RULES
from tests.proxy import Proxy
from tests.servers import StartServer

THREADS = 16

LONGEST_STALL_SECONDS = 0.05
"""Nothing in this package keeps an event loop from its other work for longer."""


def own_client(kind: str, url: str, **options: Any) -> Any:
    """A client of the caller's, with settings of the caller's."""
    return redis.asyncio.Redis.from_url(url, **options) if kind == "asyncio" else redis.Redis.from_url(url, **options)


async def close_client(client: Any) -> None:
    if isinstance(client, redis.asyncio.Redis):
        await client.aclose()
    else:
        client.close()


async def try_everything(client: aio.Matchmaker) -> None:
    """Uses every kind of reply there is: of scripts, batches, plain commands and the doorbell."""
    await client.apply_rules(parse_rules(RULES, "test"))
    async with await client.listen("ännchen") as listener:
        assert await listener.ready(PATIENCE_SECONDS)
        ann = TicketRequest("ännchen", 1500.5, 50.0, '{"ü": 1}')
        requests = [ann, TicketRequest("bob", 1500.5), TicketRequest("bob", 9)]
        answers = await client.enqueue_many("ladder", requests)
        tickets = [answer for answer in answers if isinstance(answer, Ticket)]
        assert [ticket.player for ticket in tickets] == ["ännchen", "bob"]
        assert await client.snapshot("ladder") == tickets
        assert await client.status(tickets[0]) == tickets[0] == await client.heartbeat(tickets[0])
        waiting = {one.queue: one.waiting for one in (await client.stats()).queues}
        assert waiting == {"ladder": 2, "casual": 0}
        assert await client.queue("ladder").queue_size() == 2
        wait = asyncio.create_task(client.wait_for_match(tickets[1], timeout=PATIENCE_SECONDS))
        (match,) = (await client.attempt_match("ladder")).matches
        assert await wait == match
        events = [await listener.get(PATIENCE_SECONDS) for _ in range(2)]
        assert [event.kind for event in events if event] == [EventKind.ENQUEUED, EventKind.MATCHED]
        assert [event.match for event in events if event] == [None, match]
    await client.cancel(await client.enqueue("casual", "cid", rating=1))
    assert {name: one.version for name, one in (await client.rules()).items()} == {"ladder": 1, "casual": 1}
    await client.ping()


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("decode", [False, True], ids=["bytes", "text"])
async def test_a_client_of_the_callers_works_whatever_its_settings_and_stays_open(
    kind: str, redis_url: str, redis_client: redis.Redis, realm: str, protocol: int, decode: bool
) -> None:
    """Given the caller's own client, when a Matchmaker on it is used and closed, then the client goes on, as it was
    set; and the connection on which the Matchmaker listened is gone."""
    name = f"own-{realm}"
    own = own_client(kind, redis_url, protocol=protocol, decode_responses=decode, client_name=name)
    async with face(kind, own, realm) as client:
        await try_everything(client)
        listener = await client.listen("ann")
        assert await listener.ready(PATIENCE_SECONDS)
        assert [one["name"] == name for one in redis_client.client_list(_type="pubsub")].count(True) == 1
    assert not any(one["name"] == name for one in redis_client.client_list(_type="pubsub"))
    pong = own.ping()
    assert await pong if kind == "asyncio" else pong
    await close_client(own)
    assert check(redis_client, realm).ok


async def test_a_unix_socket_is_an_address(
    kind: str, own_server: StartServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("s") / "sock"
    own_server("--unixsocket", str(path), appendonly=False)
    async with face(kind, f"unix://{path}", "main") as client:
        await try_everything(client)


async def test_a_database_of_ones_own_is_kept_to(kind: str, own_server: StartServer) -> None:
    """Given a URL with a database, then all is in there, and the listener hears of nothing but it."""
    server = own_server(appendonly=False)
    async with face(kind, f"{server.url}/3", "main") as client:
        await try_everything(client)
    with redis.Redis.from_url(server.url) as first, redis.Redis.from_url(f"{server.url}/3") as third:
        assert first.dbsize() == 0
        assert third.dbsize() > 0


# -- the end -----------------------------------------------------------------------------------------------------------


def sockets() -> set[str]:
    """This process's open sockets."""
    found = set()
    for handle in Path("/proc/self/fd").iterdir():
        try:
            target = str(handle.readlink())
        except FileNotFoundError:  # the handle with which the folder is read
            continue
        found |= {target} if target.startswith("socket:") else set()
    return found


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("matchmaker")]


async def test_closing_leaves_no_thread_task_or_connection(
    kind: str, redis_url: str, redis_client: redis.Redis, realm: str
) -> None:
    """Given clients that listen, wait and call, when they are closed, then nothing of them is left, here or on the
    server; and closing again does nothing."""
    redis_client.ping()  # what the test needs itself is there before
    tasks, open_sockets = asyncio.all_tasks(), sockets()
    for number in range(5):
        name = f"brief-{realm}-{number}"
        client = face(kind, f"{redis_url}?client_name={name}", realm)
        await client.apply_rules({"ladder": QueueRules()})
        ticket = await client.enqueue("ladder", f"p{number}", rating=1000.0 * number)
        listeners = [await client.listen(f"p{n}") for n in range(20)]
        assert await listeners[number].ready(PATIENCE_SECONDS)
        assert await client.status(ticket) == ticket
        assert any(one["name"] == name for one in redis_client.client_list())
        await client.close()
        await client.close()
        assert threads() == []
        assert asyncio.all_tasks() == tasks
        assert sockets() == open_sockets
        await eventually(lambda: all(one["name"] != name for one in redis_client.client_list()), "the server to see it")  # noqa: B023


async def test_closing_a_client_that_was_never_used_does_no_harm(kind: str, redis_url: str) -> None:
    async with face(kind, redis_url, "main"):
        pass


async def test_whoever_subscribes_while_it_closes_is_told_too(kind: str, redis_url: str, realm: str) -> None:
    """Given tasks that subscribe without end, when the client is closed under them, then every listener that any of
    them got has ended."""

    async def subscribe_for_ever(client: aio.Matchmaker) -> list[aio.Listener]:
        listeners: list[aio.Listener] = []
        while True:
            try:
                listeners.append(await client.listen(f"p{len(listeners)}"))
            except errors.ListenerClosed:
                return listeners
            await asyncio.sleep(0)

    for _ in range(10):
        client = face(kind, redis_url, realm)
        await client.apply_rules({"ladder": QueueRules()})
        subscribing = [asyncio.create_task(subscribe_for_ever(client)) for _ in range(4)]
        await eventually(lambda: client.notifications.subscriber_count > 50, "some listeners")  # noqa: B023
        await client.close()
        for listeners in await asyncio.gather(*subscribing):
            for listener in listeners:
                with pytest.raises(errors.ListenerClosed):
                    await listener.get(0.0)
        assert client.notifications.subscriber_count == 0


# -- the doorbell ------------------------------------------------------------------------------------------------------


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A doorbell with little patience, so that its loss of it can be waited for."""
    for module in (notifications, aio_notifications):
        monkeypatch.setattr(module, "PING_SECONDS", 0.1)
        monkeypatch.setattr(module, "ANSWER_SECONDS", 0.2)


@pytest.mark.usefixtures("hasty")
async def test_a_connection_that_is_taken_and_never_answered_is_given_up(kind: str, proxy: Proxy, realm: str) -> None:
    """Given a network that takes connections and passes nothing on, when a listener connects over it, then it does not
    wait for ever, but tries again, and is there when the network is."""
    proxy.stall()
    async with face(kind, proxy.url, realm) as client:
        await client.listen("ann")
        assert await asyncio.to_thread(proxy.wait_accepted, 3, PATIENCE_SECONDS)
        proxy.resume()
        await client.apply_rules({"ladder": QueueRules()})
        async with await client.listen("bob") as listener:
            assert await listener.ready(PATIENCE_SECONDS)


@pytest.mark.usefixtures("hasty")
async def test_a_doorbell_that_nobody_listens_to_stays_connected_after_an_outage(
    kind: str, proxy: Proxy, realm: str
) -> None:
    """Given a client whose listeners are gone, when the network was away for longer than silence is borne, then the
    doorbell connects once, and not over and over for the silence before."""
    async with face(kind, proxy.url, realm) as client:
        await client.apply_rules({"ladder": QueueRules()})
        async with await client.listen("ann") as listener:
            assert await listener.ready(PATIENCE_SECONDS)
        proxy.stall()
        assert await asyncio.to_thread(proxy.wait_accepted, proxy.accepted + 2, PATIENCE_SECONDS)
        proxy.resume()
        proxy.cut()
        assert await asyncio.to_thread(proxy.wait_accepted, proxy.accepted + 1, PATIENCE_SECONDS)
        assert not await asyncio.to_thread(proxy.wait_accepted, proxy.accepted + 2, 1.0)


# -- shared ------------------------------------------------------------------------------------------------------------


def test_sixteen_threads_share_one_client(redis_url: str, redis_client: redis.Redis, realm: str) -> None:
    """Given one Matchmaker, when sixteen threads come, ask, leave, are matched, wait and listen through it at once,
    then each gets its own answers, and the realm is sound."""
    with Matchmaker(redis_url, realm) as shared:
        shared.apply_rules({"ladder": QueueRules()})
        start = threading.Barrier(THREADS)

        def play(number: int) -> list[str]:
            rng, player, partner = random.Random(number), f"p{number}", f"q{number}"
            place = 1000.0 * number
            start.wait()
            heard: list[str] = []
            with shared.listen(player) as listener:
                assert listener.ready(PATIENCE_SECONDS)
                for _ in range(15):
                    ticket = shared.enqueue("ladder", player, rating=place)
                    assert shared.status(ticket) == ticket
                    if rng.random() < 0.5:
                        assert shared.cancel(ticket).state is TicketState.CANCELLED
                    else:
                        shared.enqueue("ladder", partner, rating=place)
                        shared.attempt_match("ladder")
                        match = shared.wait_for_match(ticket, timeout=PATIENCE_SECONDS)
                        assert set(match.players) == {player, partner}
                    assert len(shared.snapshot("ladder")) <= 2 * THREADS
                for _ in range(30):
                    event = listener.get(PATIENCE_SECONDS)
                    assert event is not None
                    heard.append(event.id)
            return heard

        with ThreadPoolExecutor(THREADS) as pool:
            heard = dict(enumerate(pool.map(play, range(THREADS))))
        assert shared.notifications.subscriber_count == 0
        assert shared.snapshot("ladder") == []
    report = check(redis_client, realm)
    assert report.ok, str(report)
    for number, ids in heard.items():
        assert ids == report.ledger.events_of[f"p{number}"]


# -- the event loop ----------------------------------------------------------------------------------------------------


async def longest_stall(work: Callable[[], Any]) -> float:
    """Seconds for which the loop did not come round while it did this."""
    longest, last, over = 0.0, time.perf_counter(), False
    loop = asyncio.get_running_loop()

    def come_round() -> None:
        nonlocal longest, last
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
        if not over:
            loop.call_later(0.001, come_round)

    loop.call_soon(come_round)
    await work()
    over = True
    return longest


async def test_no_call_holds_the_event_loop(redis_url: str, realm: str) -> None:
    """Given an event loop with other things to do, when a thousand tickets are sent, read, counted and cleared, then
    the loop never waits for it. The best of a few tries, for a busy machine holds loops too."""
    async with aio.Matchmaker(redis_url, realm) as client:
        await client.apply_rules({"ladder": QueueRules()})
        queue = client.queue("ladder")
        stalls: dict[str, list[float]] = {"enqueue_many": [], "snapshot": [], "listen": [], "clear": []}
        for turn in range(3):
            requests = [TicketRequest(f"p{turn}-{i}", 10.0 * i) for i in range(1000)]
            stalls["enqueue_many"].append(await longest_stall(lambda: client.enqueue_many("ladder", requests)))  # noqa: B023
            stalls["snapshot"].append(await longest_stall(lambda: client.snapshot("ladder")))

            async def listen(turn: int = turn) -> None:
                listeners = [await client.listen(f"p{turn}-{i}") for i in range(1000)]
                assert await listeners[-1].ready(PATIENCE_SECONDS)
                assert await client.notifications.clear_all() == 1000

            stalls["listen"].append(await longest_stall(listen))
            stalls["clear"].append(await longest_stall(queue.clear))
    assert {name: min(some) for name, some in stalls.items() if min(some) >= LONGEST_STALL_SECONDS} == {}
