"""The network loses the answer to a request that the server has carried out.

What must hold: the client tries again by itself, and the same request gets the same answer; nothing is done twice. An
answer that is lost more often than the client tries is a typed error within a bounded time, and the caller's own retry
with the same ticket id is answered as the first would have been. A matcher that loses its answers only loses time.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator

import pytest

from matchmaker import aio, errors
from matchmaker.connect import RETRIES
from matchmaker.model import EventKind, Ticket, TicketRequest, TicketState
from tests.faces import FACES, face
from tests.faults.ears import assert_heard
from tests.faults.scene import MATCHED_SECONDS, RECOVERY_SECONDS, Scene, at_length
from tests.proxy import Proxy

LOSSES = [1, 4]
"""Answers lost in a row."""

SCRIPTS = b"EVALSHA"


@pytest.fixture
def proxy(scene: Scene) -> Iterator[Proxy]:
    """Between the client and the server, which knows all scripts already: the answer lost is the script's own."""
    scene.teach()
    with Proxy(scene.url) as between:
        yield between


@pytest.fixture(params=FACES)
async def client(request: pytest.FixtureRequest, scene: Scene, proxy: Proxy) -> AsyncIterator[aio.Matchmaker]:
    """A client behind the proxy, blocking or asyncio."""
    async with face(request.param, proxy.url, scene.realm) as mm:
        await mm.ping()
        yield mm


@pytest.mark.parametrize("losses", LOSSES)
async def test_of_enqueue(scene: Scene, proxy: Proxy, client: aio.Matchmaker, losses: int) -> None:
    """Given an enqueue whose answers are lost, then the ticket came once, and the listener heard so once."""
    listener = scene.mm.listen("alice")
    assert listener.ready(RECOVERY_SECONDS)
    proxy.drop_replies(losses, to=SCRIPTS)
    ticket = await client.enqueue("ladder", "alice", rating=1520, ticket="t1")
    assert proxy.dropped == losses
    assert ticket == await client.enqueue("ladder", "alice", rating=1520, ticket="t1") == scene.mm.status("t1")
    scene.mm.cancel("t1")
    assert [event.kind for event in (listener.get(5), listener.get(5)) if event] == ["enqueued", "cancelled"]
    scene.judge()
    assert len(scene.ledger.of_player["alice"]) == 2


@pytest.mark.parametrize("losses", LOSSES)
async def test_of_enqueue_many(scene: Scene, proxy: Proxy, client: aio.Matchmaker, losses: int) -> None:
    """Given a pipeline of enqueues whose answers are lost, then every ticket came once and in its place."""
    requests = [TicketRequest(f"p{i}", 1500 + i) for i in range(250)]
    proxy.drop_replies(losses, to=SCRIPTS)
    answers = await client.enqueue_many("ladder", requests)
    assert proxy.dropped == losses
    assert [answer.id for answer in answers if isinstance(answer, Ticket)] == [request.ticket for request in requests]
    scene.judge()
    assert len(scene.ledger.waiting) == 250
    assert await client.queue("ladder").queue_size() == 250


@pytest.mark.parametrize("losses", LOSSES)
async def test_of_cancel(scene: Scene, proxy: Proxy, client: aio.Matchmaker, losses: int) -> None:
    """Given a cancel whose answers are lost, then the ticket was cancelled once, and the answer says so."""
    ticket = await client.enqueue("ladder", "alice", rating=1520)
    proxy.drop_replies(losses, to=SCRIPTS)
    cancelled = await client.cancel(ticket)
    assert proxy.dropped == losses
    assert cancelled.state is TicketState.CANCELLED
    assert cancelled == await client.cancel(ticket) == scene.mm.status(ticket)
    scene.judge()
    assert [event.kind for event in scene.ledger.endings[ticket.id]] == [EventKind.CANCELLED]


@pytest.mark.parametrize("losses", LOSSES)
async def test_of_a_pass(scene: Scene, proxy: Proxy, client: aio.Matchmaker, losses: int) -> None:
    """Given a pass whose answers are lost, then each match was made once, and the players are told."""
    requests = [TicketRequest(f"p{i}", 1500) for i in range(10)]
    await client.enqueue_many("ladder", requests)
    proxy.drop_replies(losses, to=SCRIPTS)
    await client.attempt_match("ladder")
    assert proxy.dropped == losses
    scene.judge()
    assert scene.ledger.ended(request.ticket for request in requests)
    match = await client.wait_for_match(requests[0].ticket, timeout=5)
    assert match == scene.ledger.matches[match.id]


@pytest.mark.parametrize("losses", LOSSES)
async def test_of_a_chosen_pair(scene: Scene, proxy: Proxy, client: aio.Matchmaker, losses: int) -> None:
    """Given a match of the caller's choice whose answers are lost, then it was made once, and the answer is it."""
    queue = client.queue("ladder")
    one, two = await queue.add_player("alice", 1500), await queue.add_player("bob", 1900)
    proxy.drop_replies(losses, to=SCRIPTS)
    match = await queue.remove_matched_players(one.id, two.id)
    assert proxy.dropped == losses
    assert match == await queue.remove_matched_players(one.id, two.id)
    scene.judge()
    assert match == scene.ledger.matches[match.id]
    assert set(match.players) == {"alice", "bob"}


async def test_more_often_than_the_client_tries(scene: Scene, proxy: Proxy, client: aio.Matchmaker) -> None:
    """Given answers that never come, then the error is typed and comes within seconds; the same ticket id later gets
    the answer, and the ticket came once."""
    proxy.drop_replies(RETRIES + 1, to=SCRIPTS)
    begun = time.monotonic()
    with pytest.raises(errors.ServerUnavailable):
        await client.enqueue("ladder", "alice", rating=1520, ticket="t1")
    assert time.monotonic() - begun < 10
    ticket = await client.enqueue("ladder", "alice", rating=1520, ticket="t1")
    assert ticket.state is TicketState.WAITING
    with pytest.raises(errors.AlreadyWaiting) as refusal:
        await client.enqueue("ladder", "alice", rating=1520)
    assert refusal.value.ticket == "t1"
    scene.judge()
    assert len(scene.ledger.of_player["alice"]) == 1


@pytest.mark.parametrize("command", [b"BRPOP", SCRIPTS])
def test_of_a_matcher(scene: Scene, proxy: Proxy, command: bytes) -> None:
    """Given the only matcher, idle, when the answer to its pop (its next script) is lost as a pair arrives, then the
    pair is matched within a second, once."""
    scene.workers.matcher(proxy.url, scene.realm)
    for i in range(at_length(8, 500)):
        scene.asleep(1)
        proxy.drop_replies(1, to=command)
        scene.mm.enqueue_many("ladder", [TicketRequest(f"{side}{i}", 1500) for side in "ab"])
        assert proxy.wait_dropped(i + 1, RECOVERY_SECONDS)
        scene.at_rest()
    scene.judge()
    scene.assert_prompt(MATCHED_SECONDS)


@pytest.mark.parametrize("kind", FACES)
def test_of_everybody(scene: Scene, proxy: Proxy, kind: str) -> None:
    """Given players, listeners and two matchers behind a network that loses an answer again and again, whichever comes,
    then all is well in the end, and every listener heard everything once."""
    regulars = [f"regular{i}" for i in range(8)]
    direct, scene.url = scene.url, proxy.url
    for _ in range(2):
        scene.matcher()
    with scene.ears(kind, regulars) as ears, scene.crowd(regulars=regulars) as crowd:
        for i in range(at_length(60, 3000)):
            proxy.drop_replies(1)
            assert proxy.wait_dropped(i + 1, RECOVERY_SECONDS)
            scene.matched(1)
        crowd.stop()
        scene.at_rest()
        assert_heard(ears, scene.ledger, RECOVERY_SECONDS)
    scene.url = direct
    assert not crowd.away
    scene.judge(crowd)
    scene.assert_prompt(MATCHED_SECONDS)
