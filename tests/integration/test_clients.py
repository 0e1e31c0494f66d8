"""``Matchmaker`` and ``aio.Matchmaker``: one suite, run over both.

Tickets, rules and readings. Waiting for a match is in ``test_waits.py``, connections in ``test_connections.py``, the
verbs on one queue in ``test_queue_service.py``.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import pytest
import redis

from matchmaker import Match, Ticket, TicketRequest, TicketState, aio, errors, parse_rules
from matchmaker.calls import PAGE_TICKETS, TICKETS_A_CALL, Calls
from matchmaker.reports import QueueChange
from matchmaker.rules import QueueRules
from matchmaker.runner import Runner
from tests.faces import face
from tests.integration.conftest import RULES
from tests.lua.world import START_MS, World
from tests.servers import StartServer


async def make_match(client: aio.Matchmaker, *players: str) -> str:
    """The two are matched; answers the match's id. Nobody else may wait."""
    for player in players:
        await client.enqueue("ladder", player, rating=1500)
    report = await client.attempt_match("ladder")
    assert [set(match.players) for match in report.matches] == [set(players)]
    return report.matches[0].id


# -- enqueue -----------------------------------------------------------------------------------------------------------


async def test_a_ticket_carries_what_was_asked(client: aio.Matchmaker) -> None:
    ticket = await client.enqueue("ladder", "ann", rating=1520.5, deviation=80, data='{"map": "Ä"}', ticket="t:1")
    assert ticket.id == "t:1"
    assert (ticket.queue, ticket.state, ticket.data) == ("ladder", TicketState.WAITING, '{"map": "Ä"}')
    assert (ticket.player, ticket.rating, ticket.players[0].deviation) == ("ann", 1520.5, 80.0)
    assert (ticket.match, ticket.match_id, ticket.ended_ms) == (None, None, None)
    assert await client.status("t:1") == ticket
    assert await client.snapshot("ladder") == [ticket]


async def test_the_same_request_again_gets_the_same_answer_also_after_its_match(client: aio.Matchmaker) -> None:
    first = await client.enqueue("ladder", "ann", rating=1500, ticket="again")
    assert await client.enqueue("ladder", "ann", rating=1500, ticket="again") == first
    await client.enqueue("ladder", "bob", rating=1500)
    found = (await client.attempt_match("ladder")).matches[0]
    again = await client.enqueue("ladder", "ann", rating=1500, ticket="again")
    assert (again.state, again.match) == (TicketState.MATCHED, found)
    assert await client.snapshot("ladder") == []


async def test_refusals_of_a_ticket_name_what_is_in_the_way(client: aio.Matchmaker) -> None:
    ann = await client.enqueue("ladder", "ann", rating=1500)
    with pytest.raises(errors.AlreadyWaiting) as waiting:
        await client.enqueue("casual", "ann", rating=1500)
    assert (waiting.value.player, waiting.value.ticket, waiting.value.queue) == ("ann", ann.id, "ladder")
    with pytest.raises(errors.TicketReused) as reused:
        await client.enqueue("ladder", "bob", rating=1500, ticket=ann.id)
    assert (reused.value.ticket, reused.value.player, reused.value.queue) == (ann.id, "ann", "ladder")
    with pytest.raises(errors.UnknownQueue) as unknown:
        await client.enqueue("arena", "bob", rating=1500)
    assert unknown.value.queue == "arena"
    with pytest.raises(errors.InvalidInput) as invalid:
        await client.enqueue("ladder", "bob", rating=float("nan"))
    assert invalid.value.field == "rating"
    assert await client.snapshot("ladder") == [ann]


async def test_a_realm_nobody_made_is_named(kind: str, redis_url: str, realm: str) -> None:
    async with face(kind, redis_url, realm) as client:
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: client.enqueue("ladder", "ann", rating=1500),
            lambda: client.cancel("t"),
            lambda: client.attempt_match("ladder"),
            client.stats,
        ]
        for call in calls:
            with pytest.raises(errors.UnknownRealm) as unknown:
                await call()
            assert unknown.value.realm == realm
        assert await client.rules() == {}


async def test_many_at_once_each_get_their_own_answer_in_order(client: aio.Matchmaker) -> None:
    """Given more requests than one call takes, some of them impossible, then each has its ticket or its refusal, in the
    order of the requests; and the refused ones cost the others nothing."""
    held = await client.enqueue("casual", "held", rating=1500)
    requests = [TicketRequest(f"p{i}", 1000.0 + 10 * i) for i in range(2 * TICKETS_A_CALL + 7)]
    wrong = {
        3: TicketRequest("held", 1500),
        TICKETS_A_CALL: TicketRequest("thief", 1500, ticket=held.id),
        TICKETS_A_CALL + 1: TicketRequest("p0", 1500),
        2 * TICKETS_A_CALL + 2: requests[1],
    }
    for place, request in wrong.items():
        requests[place] = request
    answers = await client.enqueue_many("ladder", requests)
    assert [type(answers[place]) for place in wrong] == [
        errors.AlreadyWaiting,
        errors.TicketReused,
        errors.AlreadyWaiting,
        Ticket,
    ]
    assert answers[2 * TICKETS_A_CALL + 2] == answers[1]
    accepted = [(place, answer) for place, answer in enumerate(answers) if isinstance(answer, Ticket)]
    assert len(accepted) == len(requests) - 3
    for place, ticket in accepted:
        assert (ticket.id, ticket.player) == (requests[place].ticket, requests[place].player)
    waiting = {ticket.id for ticket in await client.snapshot("ladder")}
    assert waiting == {ticket.id for _, ticket in accepted}


@pytest.mark.parametrize("count", [1, 2, TICKETS_A_CALL + 1])
async def test_many_into_a_queue_that_is_none_are_all_refused(client: aio.Matchmaker, count: int) -> None:
    answers = await client.enqueue_many("arena", [TicketRequest(f"p{i}", 1500) for i in range(count)])
    assert [type(answer) for answer in answers] == count * [errors.UnknownQueue]


async def test_nobody_at_once_is_nobody(client: aio.Matchmaker) -> None:
    assert await client.enqueue_many("ladder", []) == []


async def test_a_thousand_at_once_and_again(client: aio.Matchmaker) -> None:
    """Given a batch of 1,000 that was sent, when it is sent again, then nobody is there twice."""
    requests = [TicketRequest(f"p{i}", random.Random(i).gauss(1500, 300)) for i in range(1000)]
    answers = await client.enqueue_many("ladder", requests)
    assert [answer.id for answer in answers if isinstance(answer, Ticket)] == [one.ticket for one in requests]
    assert await client.enqueue_many("ladder", requests) == answers
    waiting = await client.snapshot("ladder")
    assert sorted(waiting, key=lambda ticket: ticket.player) == sorted(
        (answer for answer in answers if isinstance(answer, Ticket)), key=lambda ticket: ticket.player
    )
    assert [ticket.rating for ticket in waiting] == sorted(one.rating or 0.0 for one in requests)


# -- how a ticket ends and stands --------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", ["ticket", "id"])
async def test_a_cancelled_ticket_leaves_and_stays_cancelled(client: aio.Matchmaker, known: str) -> None:
    """Given a ticket in some queue, when it is cancelled, by itself or by its id alone, twice, then the answer is the
    same both times, and the player is free."""
    ticket = await client.enqueue("casual", "ann", rating=1500)
    ended = await client.cancel(ticket if known == "ticket" else ticket.id)
    assert (ended.id, ended.queue, ended.state) == (ticket.id, "casual", TicketState.CANCELLED)
    assert ended.reason == "requested"
    assert ended.ended_ms is not None
    assert ended.ended_ms >= ticket.enqueued_ms
    assert await client.cancel(ticket) == ended
    assert await client.status(ticket.id) == ended
    assert await client.snapshot("casual") == []
    assert (await client.enqueue("ladder", "ann", rating=1500)).state is TicketState.WAITING


async def test_a_cancel_that_comes_after_the_match_is_answered_with_the_match(client: aio.Matchmaker) -> None:
    ann = await client.enqueue("ladder", "ann", rating=1500)
    await client.enqueue("ladder", "bob", rating=1512.5)
    match = await client.queue("ladder").remove_matched_players(ann.id, (await client.status_of_player("bob")).id)
    for answer in (await client.cancel(ann), await client.cancel(ann.id), await client.cancel_player("ann")):
        assert (answer.id, answer.state, answer.match) == (ann.id, TicketState.MATCHED, match)
        assert answer.match_id == match.id
    assert isinstance(match, Match)
    assert match.opponents_of("ann") == ("bob",)
    assert match.gap == 12.5


async def test_a_player_is_cancelled_in_whichever_queue(client: aio.Matchmaker) -> None:
    for queue in ("ladder", "casual"):
        ticket = await client.enqueue(queue, "ann", rating=1500)
        ended = await client.cancel_player("ann")
        assert (ended.id, ended.queue, ended.state) == (ticket.id, queue, TicketState.CANCELLED)
        assert await client.cancel_player("ann") == ended


async def test_a_ticket_or_player_nobody_knows_is_named(client: aio.Matchmaker) -> None:
    calls: list[Callable[[str], Awaitable[Ticket]]] = [
        client.cancel,
        client.status,
        client.heartbeat,
        client.cancel_player,
        client.status_of_player,
    ]
    for call in calls:
        with pytest.raises(errors.UnknownTicket) as unknown:
            await call("nobody")
        assert unknown.value.ticket == "nobody"


async def test_the_status_of_a_player_is_the_waiting_ticket_else_the_last(client: aio.Matchmaker) -> None:
    first = await client.enqueue("ladder", "ann", rating=1500)
    assert await client.status_of_player("ann") == first
    cancelled = await client.cancel(first)
    assert await client.status_of_player("ann") == cancelled
    second = await client.enqueue("casual", "ann", rating=1500)
    assert await client.status_of_player("ann") == second
    assert await client.status(first) == cancelled


async def test_a_heartbeat_puts_the_end_off_up_to_the_longest_wait(
    kind: str, redis_url: str, redis_client: redis.Redis, realm: str
) -> None:
    """Given a queue that lets go of whoever is silent for 10 s, when a player gives signs of life, then the ticket
    lives on, but not past the queue's longest wait."""
    world = World(redis_client, realm)
    world.apply(QueueRules(heartbeat_seconds=10, expire_after_seconds=25))
    async with face(kind, redis_url, realm, lambda: world.now) as client:
        ticket = await client.enqueue("ladder", "ann", rating=1500)
        for seconds in (8, 16, 24):
            world.now = START_MS + 1000 * seconds
            assert world.run(world.calls.expire("ladder", [ticket.id])) == 0
            assert await client.heartbeat(ticket) == ticket
        world.now = START_MS + 25_000
        assert world.run(world.calls.expire("ladder", [ticket.id])) == 1
        ended = await client.heartbeat(ticket.id)
        assert (ended.state, ended.reason) == (TicketState.EXPIRED, "max_wait")
        assert await client.status(ticket) == ended == await client.cancel(ticket)


# -- reading -----------------------------------------------------------------------------------------------------------


async def test_a_snapshot_of_many_pages_with_ties_has_everybody_once_lowest_first(client: aio.Matchmaker) -> None:
    """Given more than two pages on a line where many stand at the same rating, also across the pages' ends."""
    ratings = [(-7.5, 1500.0, 1500.25)[i % 3] for i in range(2 * PAGE_TICKETS + 33)]
    answers = await client.enqueue_many("ladder", [TicketRequest(f"p{i}", one) for i, one in enumerate(ratings)])
    snapshot = await client.snapshot("ladder")
    assert [ticket.rating for ticket in snapshot] == sorted(ratings)
    assert {ticket.id: ticket for ticket in snapshot} == {one.id: one for one in answers if isinstance(one, Ticket)}
    assert len(snapshot) == len(ratings)
    assert await client.snapshot("casual") == []


async def test_a_pass_on_demand_does_not_wait_for_the_interval(
    client: aio.Matchmaker, redis_client: redis.Redis, realm: str
) -> None:
    """Given a queue that lets arrivals gather for a minute, when somebody asks for a pass, then it takes them now, and
    the report tells of it."""
    await client.apply_rules(parse_rules("[ladder]\ninterval_ms = 60000\n", "test"))
    for player, rating in (("ann", 1500.0), ("bob", 1500.0), ("cid", 9000.0)):
        await client.enqueue("ladder", player, rating=rating)
    matcher = Runner(redis_client)
    assert matcher.call(Calls(realm).match_pass("ladder")).made == 0
    report = await client.attempt_match("ladder")
    assert report.made == len(report.matches) == 1
    assert set(report.matches[0].players) == {"ann", "bob"}
    assert report.looked >= 3
    assert report.value == pytest.approx(report.matches[0].value)
    assert report.next_ms is None
    assert (await client.attempt_match("ladder")).made == 0


async def test_a_pass_on_demand_after_new_rules_uses_them(client: aio.Matchmaker) -> None:
    """Given a long line that was certified under narrow rules, when they are widened, then one attempt tends the whole
    line and begins to match it."""
    await client.apply_rules(parse_rules("[ladder]\nwillingness = { per_second = 0.0 }\n", "test"))
    await client.enqueue_many("ladder", [TicketRequest(f"p{i}", 100.0 * i) for i in range(300)])
    while (await client.attempt_match("ladder")).looked:
        pass
    await client.apply_rules(parse_rules("[ladder]\nwillingness = { base = 60.0 }\n", "test"))
    made = 0
    while (report := await client.attempt_match("ladder")).made:
        made += report.made
    assert made == 150
    assert await client.snapshot("ladder") == []


async def test_stats_count_what_happened(client: aio.Matchmaker, realm: str) -> None:
    await make_match(client, "ann", "bob")
    await client.cancel(await client.enqueue("ladder", "cid", rating=1500))
    await client.enqueue("casual", "dan", rating=1500)
    await client.enqueue("casual", "eve", rating=1590)
    report = await client.attempt_match("casual")
    stats = await client.stats()
    assert (stats.realm, stats.full, stats.clock_jumps) == (realm, "", 0)
    assert (stats.enqueued, stats.matched, stats.cancelled, stats.expired, stats.matches) == (5, 2, 1, 0, 1)
    assert stats.events == 2 + 5 + 1 + 1
    queues = {one.queue: one for one in stats.queues}
    assert {name: (one.waiting, one.version, one.closing) for name, one in queues.items()} == {
        "ladder": (0, 1, False),
        "casual": (2, 1, False),
    }
    assert queues["ladder"].next_ms is None
    assert queues["casual"].next_ms == report.next_ms
    assert report.next_ms is not None
    assert report.next_ms > report.now_ms


async def test_ping_tells_of_life_or_of_none(
    client: aio.Matchmaker, kind: str, own_server: StartServer, realm: str
) -> None:
    await client.ping()
    server = own_server(appendonly=False)
    library = redis.asyncio if kind == "asyncio" else redis
    async with face(kind, library.Redis.from_url(server.url, retry=None), realm) as other:
        await other.ping()
        server.kill()
        with pytest.raises(errors.ServerUnavailable):
            await other.ping()
        if kind == "asyncio":
            await other.redis.aclose()


# -- rules -------------------------------------------------------------------------------------------------------------


def changes(answer: list[QueueChange]) -> list[tuple[str, str, int]]:
    return sorted((one.queue, one.change, one.version) for one in answer)


async def test_rules_are_told_as_they_were_applied(client: aio.Matchmaker) -> None:
    stored = await client.rules()
    assert {name: (one.queue, one.version, one.rules, one.closing) for name, one in stored.items()} == {
        name: (name, 1, rules, False) for name, rules in parse_rules(RULES, "test").items()
    }


async def test_the_same_rules_again_change_nothing(client: aio.Matchmaker) -> None:
    before = await client.stats()
    again = await client.apply_rules(parse_rules(RULES, "test"), prune=True)
    assert changes(again) == [("casual", "unchanged", 1), ("ladder", "unchanged", 1)]
    assert await client.stats() == before


async def test_a_dry_run_tells_what_would_change_and_changes_nothing(client: aio.Matchmaker) -> None:
    before, stored = await client.stats(), await client.rules()
    wanted = parse_rules("[ladder]\nmax_gap = 50\n[arena]\n", "test")
    told = await client.apply_rules(wanted, prune=True, dry=True)
    assert changes(told) == [("arena", "created", 1), ("casual", "removed", 1), ("ladder", "changed", 2)]
    assert (await client.stats(), await client.rules()) == (before, stored)
    assert changes(await client.apply_rules(wanted, prune=True)) == changes(told)


async def test_a_dry_run_makes_no_realm(kind: str, redis_url: str, redis_client: redis.Redis, realm: str) -> None:
    async with face(kind, redis_url, realm) as client:
        told = await client.apply_rules(parse_rules(RULES, "test"), dry=True)
    assert changes(told) == [("casual", "created", 1), ("ladder", "created", 1)]
    assert not list(redis_client.scan_iter(match=f"mm:{{{realm}}}:*"))


async def test_a_queue_that_is_no_longer_named_stays_unless_it_is_pruned(client: aio.Matchmaker) -> None:
    """Given players in a queue, when it is pruned, then it takes nobody any more, those who wait are let go with a
    reason by the passes that follow, and then it is gone; it can come back, with its versions going on."""
    tickets = await client.enqueue_many("casual", [TicketRequest(f"p{i}", 1000.0 * i) for i in range(120)])
    ladder = parse_rules("[ladder]\n", "test")
    assert changes(await client.apply_rules(ladder)) == [("ladder", "unchanged", 1)]
    assert set(await client.rules()) == {"ladder", "casual"}
    assert changes(await client.apply_rules(ladder, prune=True)) == [
        ("casual", "removed", 1),
        ("ladder", "unchanged", 1),
    ]
    assert (await client.rules())["casual"].closing
    with pytest.raises(errors.UnknownQueue):
        await client.enqueue("casual", "late", rating=1500)
    with pytest.raises(errors.UnknownQueue):
        await client.attempt_match("casual")
    assert set(await client.rules()) == {"ladder"}
    for ticket in tickets:
        assert isinstance(ticket, Ticket)
        ended = await client.status(ticket)
        assert (ended.state, ended.reason) == (TicketState.CANCELLED, "queue_removed")
    assert changes(await client.apply_rules(parse_rules("[casual]\n", "test"))) == [("casual", "created", 2)]
