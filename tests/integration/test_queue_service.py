"""Every verb on one queue, over both faces, and what happens when several of them want the same tickets at once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from matchmaker import Match, Matchmaker, Ticket, TicketRequest, TicketState, aio, errors, parse_rules
from matchmaker.calls import PAGE_TICKETS
from matchmaker.checker import check
from matchmaker.model import ReadyCheck
from matchmaker.queues import QueueService
from matchmaker.reports import PassReport
from matchmaker.rules import QueueRules


@pytest.fixture
def ladder(client: aio.Matchmaker) -> aio.QueueService:
    return client.queue("ladder")


# -- joining and leaving -----------------------------------------------------------------------------------------------


async def test_a_player_who_joins_is_in_the_queue(ladder: aio.QueueService) -> None:
    ticket = await ladder.add_player("ann", 1500.5, 70.0, data="x")
    assert (ticket.player, ticket.rating, ticket.players[0].deviation) == ("ann", 1500.5, 70.0)
    assert (ticket.queue, ticket.data) == ("ladder", "x")
    assert await ladder.is_player_in_queue("ann")
    assert await ladder.get_player("ann") == ticket
    assert await ladder.queue_size() == 1
    assert await ladder.get_snapshot() == [ticket]


async def test_a_player_joins_once(client: aio.Matchmaker, ladder: aio.QueueService) -> None:
    ticket = await ladder.add_player("ann", 1500)
    for queue in (ladder, client.queue("casual")):
        with pytest.raises(errors.AlreadyWaiting) as waiting:
            await queue.add_player("ann", 1600)
        assert (waiting.value.ticket, waiting.value.queue) == (ticket.id, "ladder")
    assert await ladder.get_snapshot() == [ticket]


async def test_a_request_of_ones_own_may_be_repeated(ladder: aio.QueueService) -> None:
    request = TicketRequest("ann", 1500, ticket="mine")
    first = await ladder.add(request)
    assert await ladder.add(request) == first
    ended = await ladder.remove_player("ann")
    assert await ladder.add(request) == ended
    assert await ladder.queue_size() == 0


async def test_many_join_at_once(ladder: aio.QueueService) -> None:
    await ladder.add_player("held", 1500)
    answers = await ladder.add_many([TicketRequest("ann", 1500), TicketRequest("held", 1500), TicketRequest("bob", 1)])
    assert [type(answer) for answer in answers] == [Ticket, errors.AlreadyWaiting, Ticket]
    assert next(ticket.player for ticket in await ladder.get_snapshot()) == "bob"
    assert await ladder.queue_size() == 3


async def test_a_player_who_leaves_is_told_how_the_ticket_ended(ladder: aio.QueueService) -> None:
    ann = await ladder.add_player("ann", 1500)
    left = await ladder.remove_player("ann", reason="went:home")
    assert (left.id, left.state, left.reason) == (ann.id, TicketState.CANCELLED, "went:home")
    assert await ladder.remove_player("ann", reason="again") == left
    bob, cid = await ladder.add_player("bob", 1500), await ladder.add_player("cid", 1500)
    assert (await ladder.attempt_match()).made == 1
    late = await ladder.remove_player("bob")
    assert (late.id, late.state) == (bob.id, TicketState.MATCHED)
    assert late.match is not None
    assert late.match.ticket_of(cid.id) is not None


@pytest.mark.parametrize("reason", ["", "two words", "x" * 65, 'a"b', "ü"])
async def test_a_reason_that_is_none_is_refused_and_nobody_leaves(ladder: aio.QueueService, reason: str) -> None:
    await ladder.add_player("ann", 1500)
    with pytest.raises(errors.InvalidInput) as invalid:
        await ladder.remove_player("ann", reason)
    assert invalid.value.field.endswith("reason")
    assert await ladder.is_player_in_queue("ann")


async def test_a_player_nobody_knows_is_named(ladder: aio.QueueService) -> None:
    with pytest.raises(errors.UnknownTicket):
        await ladder.remove_player("nobody")
    assert await ladder.get_player("nobody") is None
    assert not await ladder.is_player_in_queue("nobody")


async def test_a_player_who_waits_elsewhere_is_not_in_this_queue(
    client: aio.Matchmaker, ladder: aio.QueueService
) -> None:
    """…but can be removed by whoever asks: a player has one ticket in the realm."""
    casual = client.queue("casual")
    ticket = await casual.add_player("ann", 1500)
    assert await ladder.get_player("ann") is None
    assert not await ladder.is_player_in_queue("ann")
    assert await casual.is_player_in_queue("ann")
    left = await ladder.remove_player("ann")
    assert (left.id, left.queue, left.state) == (ticket.id, "casual", TicketState.CANCELLED)
    assert await casual.get_player("ann") is None


async def test_names_that_are_none_are_refused(client: aio.Matchmaker, ladder: aio.QueueService) -> None:
    with pytest.raises(errors.InvalidInput) as name:
        client.queue("Not A Name")
    assert name.value.field == "queue"
    with pytest.raises(errors.InvalidInput) as player:
        await ladder.get_player("")
    assert player.value.field == "player"
    with pytest.raises(errors.InvalidInput) as ticket:
        await ladder.remove_matched_players("a", "b c")
    assert ticket.value.field == "ticket"


async def test_clearing_lets_everybody_go_and_nobody_else(client: aio.Matchmaker, ladder: aio.QueueService) -> None:
    """Given more players than one call clears, also at one rating, when the queue is cleared, then all are cancelled,
    each with an event, and the other queue is as it was."""
    count = PAGE_TICKETS + 31
    answers = await ladder.add_many([TicketRequest(f"p{i}", 1500.0 + i % 3) for i in range(count)])
    other = await client.queue("casual").add_player("ann", 1500)
    assert await ladder.clear() == count
    assert (await ladder.queue_size(), await ladder.get_snapshot()) == (0, [])
    for answer in (answers[0], answers[-1]):
        assert isinstance(answer, Ticket)
        ended = await client.status(answer)
        assert (ended.state, ended.reason) == (TicketState.CANCELLED, "cleared")
    stats = await client.stats()
    assert (stats.cancelled, stats.events) == (count, 2 + count + 1 + count)
    assert await client.queue("casual").get_snapshot() == [other]
    assert await ladder.clear() == 0


# -- matches -----------------------------------------------------------------------------------------------------------


async def test_a_pair_that_somebody_chose_becomes_a_match(client: aio.Matchmaker, ladder: aio.QueueService) -> None:
    """Given two who are not due, far over the queue's max_gap, when somebody pairs them, then they are a match like any
    other; and asked again, the same one."""
    ann, bob = await ladder.add_player("ann", 2500), await ladder.add_player("bob", 1500)
    match = await ladder.remove_matched_players(ann.id, bob.id)
    assert isinstance(match, Match)
    assert set(match.players) == {"ann", "bob"}
    assert (match.queue, match.gap, match.rules_version) == ("ladder", 1000.0, 1)
    assert match.value < 0
    assert await ladder.queue_size() == 0
    for ticket in (ann, bob):
        ended = await client.status(ticket)
        assert (ended.state, ended.match, ended.match_id) == (TicketState.MATCHED, match, match.id)
    assert await ladder.remove_matched_players(ann.id, bob.id) == match
    assert await ladder.remove_matched_players(bob.id, ann.id) == match
    assert (await client.stats()).matches == 1


async def test_a_pair_of_which_one_is_gone_changes_nothing(client: aio.Matchmaker, ladder: aio.QueueService) -> None:
    ann, bob = await ladder.add_player("ann", 1500), await ladder.add_player("bob", 1600)
    cid = await client.queue("casual").add_player("cid", 1500)
    dan = await ladder.remove_player((await ladder.add_player("dan", 1500)).player)
    for pair, gone in (
        ((ann.id, dan.id), (dan.id,)),
        ((cid.id, bob.id), (cid.id,)),
        ((dan.id, "nobody"), (dan.id, "nobody")),
        ((ann.id, ann.id), (ann.id,)),
    ):
        with pytest.raises(errors.TicketsChanged) as changed:
            await ladder.remove_matched_players(*pair)
        assert changed.value.tickets == gone
    assert await ladder.get_snapshot() == [ann, bob]
    assert await client.queue("casual").get_snapshot() == [cid]
    assert (await client.stats()).matched == 0


async def test_an_attempt_repeats_as_many_matches_as_are_asked_for(ladder: aio.QueueService) -> None:
    for shown, repeated in ((2, 2), (0, 0), (100, 4)):
        players = [f"p{i}" for i in range(8)]
        await ladder.add_many([TicketRequest(player, 1500.0) for player in players])
        report = await ladder.attempt_match(shown)
        assert (report.made, len(report.matches)) == (4, repeated)
        assert await ladder.queue_size() == 0


async def test_a_queue_that_is_none_has_nobody(client: aio.Matchmaker) -> None:
    arena = client.queue("arena")
    assert (await arena.queue_size(), await arena.get_snapshot()) == (0, [])
    assert await arena.get_player("ann") is None
    for call in (arena.add_player("ann", 1500), arena.attempt_match(), arena.remove_matched_players("a", "b")):
        with pytest.raises(errors.UnknownQueue):
            await call


# -- races -------------------------------------------------------------------------------------------------------------

ROUNDS = 300


def raced(works: list[Callable[[], object]], pool: ThreadPoolExecutor) -> list[object]:
    """Does all of it at once; answers what each came to, a typed error included."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> object:
        start.wait()
        try:
            return work()
        except errors.MatchmakerError as error:
            return error

    return [one.result() for one in [pool.submit(run, work) for work in works]]


def test_of_a_chosen_pair_a_pass_and_a_removal_each_ticket_has_one_outcome(
    redis_url: str, redis_client: redis.Redis, realm: str
) -> None:
    """Given four players of whom all neighbours are due, when one caller pairs the middle two, a pass matches whom it
    likes and one of the middle leaves, all at once, many times, then everybody who acted is told what is true, each
    ticket ends once, and every one of the three was first at times."""
    firsts: Counter[str] = Counter()
    with Matchmaker(redis_url, realm) as mm, ThreadPoolExecutor(3) as pool:
        mm.apply_rules({"ladder": QueueRules.model_validate({"willingness": {"base": 50.0}})})
        queue = mm.queue("ladder")
        pool.map(lambda _: mm.ping(), range(3))
        for number in range(ROUNDS):
            requests = [TicketRequest(f"{name}{number}", 1500.0 + 10 * i) for i, name in enumerate("abcd")]
            tickets = [ticket.id for ticket in queue.add_many(requests) if isinstance(ticket, Ticket)]
            paired, passed, left = raced(
                [
                    lambda tickets=tickets: queue.remove_matched_players(tickets[1], tickets[2]),  # type: ignore[misc]
                    queue.attempt_match,
                    lambda number=number: queue.remove_player(f"b{number}"),  # type: ignore[misc]
                ],
                pool,
            )
            assert isinstance(passed, PassReport)
            assert isinstance(left, Ticket)
            stands = mm.status(tickets[1])
            assert left == stands
            if isinstance(paired, Match):
                assert stands.match == paired == mm.status(tickets[2]).match
                firsts["pair"] += 1
            else:
                assert isinstance(paired, errors.TicketsChanged)
                assert tickets[1] in paired.tickets or tickets[2] in paired.tickets
                firsts["pass" if stands.state is TicketState.MATCHED else "removal"] += 1
                assert (stands.match in passed.matches) == (stands.state is TicketState.MATCHED)
            queue.clear()
    report = check(redis_client, realm, proposals=True)
    assert report.ok, str(report)
    assert report.tickets == 4 * ROUNDS == 2 * report.matches + report.cancelled
    assert min(firsts[who] for who in ("pair", "pass", "removal")) > 0, firsts


def test_two_chosen_pairs_that_share_a_ticket_are_never_both_made(
    redis_url: str, redis_client: redis.Redis, realm: str
) -> None:
    """Given three players, when each two of them are paired by another caller at once, then there is one match, and the
    others are told whose ticket is gone."""
    with Matchmaker(redis_url, realm) as mm, ThreadPoolExecutor(3) as pool:
        mm.apply_rules(parse_rules("[ladder]\n", "test"))
        queue = mm.queue("ladder")
        for number in range(ROUNDS // 3):
            one, two, three = (queue.add_player(f"{name}{number}", 1500).id for name in "abc")
            answers = raced([pairing(queue, *pair) for pair in ((one, two), (two, three), (three, one))], pool)
            (match,) = [answer for answer in answers if isinstance(answer, Match)]
            gone = {ticket.id for ticket in match.tickets}
            for answer in answers:
                if isinstance(answer, errors.TicketsChanged):
                    assert set(answer.tickets) <= gone
                else:
                    assert answer is match
            assert queue.clear() == 1
    report = check(redis_client, realm, proposals=True)
    assert report.ok, str(report)
    assert report.matches == ROUNDS // 3


def pairing(queue: QueueService, one: str, other: str) -> Callable[[], Match | ReadyCheck]:
    return lambda: queue.remove_matched_players(one, other)


def test_clearing_while_players_come_and_are_matched_loses_nobody(
    redis_url: str, redis_client: redis.Redis, realm: str
) -> None:
    """Given players who keep coming and passes that keep matching, when the queue is cleared again and again, then
    every ticket ended once, matched or cancelled, or still waits."""
    with Matchmaker(redis_url, realm) as mm, ThreadPoolExecutor(3) as pool:
        mm.apply_rules(parse_rules("[ladder]\n", "test"))
        queue = mm.queue("ladder")
        over = threading.Event()

        def come() -> list[Ticket]:
            came: list[Ticket] = []
            for part in range(30):
                requests = [TicketRequest(f"p{part}-{i}", 1000.0 + 100 * (i % 7) + part) for i in range(40)]
                came += [ticket for ticket in queue.add_many(requests) if isinstance(ticket, Ticket)]
            over.set()
            return came

        def keep(work: Callable[[], int]) -> int:
            done = 0
            while not over.is_set():
                done += work()
            return done

        coming = pool.submit(come)
        matching = pool.submit(keep, lambda: queue.attempt_match(0).made)
        clearing = pool.submit(keep, queue.clear)
        came, made, cleared = coming.result(), matching.result(), clearing.result()
        states = Counter(mm.status(ticket).state for ticket in came)
    assert len(came) == 1200
    assert states[TicketState.MATCHED] == 2 * made > 0
    assert states[TicketState.CANCELLED] == cleared > 0
    report = check(redis_client, realm)
    assert report.ok, str(report)
    assert report.waiting == states[TicketState.WAITING]
