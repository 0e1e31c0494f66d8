"""Many want the same thing at once: matchers the same tickets, a cancel and a pass one ticket, a player two places.

What must hold: with any number of matchers no player is in two matches; of a cancel and a pass exactly one wins and the
other is told; a player has one live ticket, and whoever asks for a second is told which; an id is one request for ever.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from matchmaker import aio, errors
from matchmaker.calls import Batch, Call
from matchmaker.client import Matchmaker
from matchmaker.model import EventKind, Ticket, TicketRequest, TicketState
from matchmaker.reports import Elsewhere
from tests.faults.scene import Scene, at_length

TOGETHER = 100


def test_eight_matchers_and_ten_thousand_tickets(scene: Scene) -> None:
    """Given eight matchers on one realm, when ten thousand tickets arrive at once, then no player is in two matches and
    nobody with a possible opponent is left."""
    tickets = at_length(10_000, 200_000)
    for _ in range(8):
        scene.matcher()
    scene.asleep(8)

    def arrive(part: int) -> None:
        rng = random.Random(part)
        with scene.connect() as mm:
            for start in range(0, tickets // 4, 500):
                requests = [TicketRequest(f"p{part}-{start + i}", rng.gauss(1500, 200)) for i in range(500)]
                answers = mm.enqueue_many("ladder", requests)
                assert all(isinstance(answer, Ticket) for answer in answers)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(arrive, range(4)))
    scene.at_rest(within_seconds=20)
    scene.judge()
    players = Counter(player for match in scene.ledger.matches.values() for player in match.players)
    assert max(players.values()) == 1
    assert len(players) > 0.99 * tickets
    assert scene.mm.stats().matches == len(scene.ledger.matches)


def cancel(mm: Matchmaker, request: TicketRequest) -> Call[Ticket | Elsewhere]:
    return mm.calls.cancel("ladder", "ticket", request.ticket, "requested")


def test_a_cancel_races_the_pass(scene: Scene) -> None:
    """Given pairs that matchers are about to match, when one ticket of each is cancelled in that moment, 10,000 times,
    then exactly one of the two wins, the cancel is told which, and both win often."""
    races = at_length(10_000, 500_000)
    # A pair is looked at 4 ms after it came: about when its cancel arrives.
    scene.mm.apply_rules({"ladder": scene.rules.model_copy(update={"interval_ms": 4})})
    for _ in range(2):
        scene.matcher()
    scene.asleep(2)

    def race(part: int) -> Counter[TicketState]:
        rng = random.Random(part)
        told: Counter[TicketState] = Counter()
        with scene.connect() as mm:
            number = 0
            while sum(told.values()) < races // 4:
                number += 1
                count = rng.randint(4, 8)
                # Pairs so far apart that each has only itself to match.
                places = [1000.0 * (part + 4 * (number * 8 + i) % 800) for i in range(count)]
                names = [f"r{part}-{number}-{i}" for i in range(count)]
                pairs = zip(names, places, strict=True)
                requests = [TicketRequest(name + side, place) for name, place in pairs for side in "ab"]
                for ticket in mm.enqueue_many("ladder", requests)[::2]:
                    assert isinstance(ticket, Ticket)
                    answers[ticket.id] = mm.cancel(ticket).state
                    told[answers[ticket.id]] += 1
                # Whoever is left alone leaves too; who was matched is told so.
                rest = mm.runner.batch(Batch([cancel(mm, request) for request in requests[1::2]]))
                for one, other in zip(requests[::2], rest, strict=True):
                    assert isinstance(other, Ticket)
                    assert other.state is answers[one.ticket]
                    answers[other.id] = other.state
        return told

    answers: dict[str, TicketState] = {}
    with ThreadPoolExecutor(4) as pool:
        told = sum(pool.map(race, range(4)), Counter())
    scene.judge()
    for ticket, state in answers.items():
        assert [event.kind.value for event in scene.ledger.endings[ticket]] == [state.value]
    assert min(told[TicketState.MATCHED], told[TicketState.CANCELLED]) > races // 50, told


def test_a_cancel_races_a_chosen_pair(scene: Scene) -> None:
    """Given two tickets, when a caller makes them a match and a player cancels at once, 1,000 times, then exactly one
    wins; the caller is told which ticket is gone, the player that there was a match."""
    wins: Counter[str] = Counter()
    gone: list[tuple[tuple[str, ...], str]] = []
    with scene.connect() as other, ThreadPoolExecutor(1) as pool:
        queue = scene.mm.queue("ladder")
        for i in range(at_length(1000, 50_000)):
            start = threading.Barrier(2)
            one, two = queue.add_player(f"a{i}", 1500), queue.add_player(f"b{i}", 1500)

            def leave(ticket: Ticket = one, start: threading.Barrier = start, behind: int = i % 3) -> Ticket:
                start.wait()
                # Now one, now the other is ahead, however fast either call is made here.
                for _ in range(behind):
                    other.ping()
                return other.cancel(ticket)

            cancelled = pool.submit(leave)
            start.wait()
            try:
                match = queue.remove_matched_players(one.id, two.id)
            except errors.TicketsChanged as refusal:
                gone.append((refusal.tickets, one.id))
                assert cancelled.result().state is TicketState.CANCELLED
                assert scene.mm.cancel(two).state is TicketState.CANCELLED
                wins["cancel"] += 1
            else:
                assert cancelled.result().match == match
                assert set(match.players) == {f"a{i}", f"b{i}"}
                wins["pair"] += 1
    scene.judge()
    assert min(wins["cancel"], wins["pair"]) > 5, wins
    assert all(named == (cancelled,) for named, cancelled in gone)


def assert_one_ticket(answers: list[Ticket | errors.MatchmakerError]) -> Ticket:
    """One of the answers is a ticket; all others say that the player waits already, and with which."""
    tickets = [answer for answer in answers if isinstance(answer, Ticket)]
    others = [answer for answer in answers if isinstance(answer, errors.AlreadyWaiting)]
    assert len(tickets) == 1
    assert len(others) == TOGETHER - 1
    assert {(error.ticket, error.queue, error.player) for error in others} == {
        (tickets[0].id, "ladder", tickets[0].player)
    }
    return tickets[0]


def attempt(mm: Matchmaker, request: TicketRequest, start: threading.Barrier) -> Ticket | errors.MatchmakerError:
    mm.ping()
    start.wait()
    try:
        return mm.queue("ladder").add(request)
    except errors.AlreadyWaiting as refusal:
        return refusal


def test_one_player_enqueued_by_a_hundred_threads(scene: Scene) -> None:
    """Given a hundred connections, when all enqueue one player at once, then there is one ticket, and ninety-nine are
    told its id."""
    start = threading.Barrier(TOGETHER)
    with ThreadPoolExecutor(TOGETHER) as pool:
        tries = [pool.submit(attempt, scene.mm, TicketRequest("same", 1500), start) for _ in range(TOGETHER)]
        ticket = assert_one_ticket([one.result() for one in tries])
    scene.ledger.read()
    assert list(scene.ledger.enqueued) == [ticket.id]
    assert [waiting.id for waiting in scene.mm.snapshot("ladder")] == [ticket.id]


async def test_one_player_enqueued_by_a_hundred_tasks(scene: Scene) -> None:
    """The same with asyncio, over as many connections."""
    async with aio.Matchmaker(scene.url, scene.realm) as mm:
        queue = mm.queue("ladder")
        tries = [queue.add(TicketRequest("same", 1500)) for _ in range(TOGETHER)]
        answers = await asyncio.gather(*tries, return_exceptions=True)
    ticket = assert_one_ticket([answer for answer in answers if isinstance(answer, (Ticket, errors.MatchmakerError))])
    assert [waiting.id for waiting in scene.mm.snapshot("ladder")] == [ticket.id]


def test_one_request_sent_a_hundred_times_at_once(scene: Scene) -> None:
    """Given one ticket id, when its request is sent a hundred times at once, then all get the same ticket, which came
    once."""
    start = threading.Barrier(TOGETHER)
    request = TicketRequest("same", 1500)
    with ThreadPoolExecutor(TOGETHER) as pool:
        tries = [pool.submit(attempt, scene.mm, request, start) for _ in range(TOGETHER)]
        answers = {one.result() for one in tries}
    assert len(answers) == 1
    scene.ledger.read()
    assert list(scene.ledger.enqueued) == [request.ticket]


@pytest.mark.parametrize("ending", [EventKind.MATCHED, EventKind.CANCELLED])
def test_a_ticket_id_again_after_its_end(scene: Scene, ending: EventKind) -> None:
    """Given a ticket that was matched (cancelled), when its request is sent again, many times at once, then the answer
    is how it ended; the player joins no line; and another player cannot have the id."""
    request = TicketRequest("early", 1500)
    queue = scene.mm.queue("ladder")
    queue.add(request)
    if ending is EventKind.MATCHED:
        queue.add_player("partner", 1500)
        assert queue.attempt_match().made == 1
    else:
        scene.mm.cancel(request.ticket)
    start = threading.Barrier(TOGETHER)
    with ThreadPoolExecutor(TOGETHER) as pool:
        tries = [pool.submit(attempt, scene.mm, request, start) for _ in range(TOGETHER)]
        answers = {one.result() for one in tries}
    (answer,) = answers
    assert isinstance(answer, Ticket)
    assert answer.state.value == ending.value
    if ending is EventKind.MATCHED:
        assert answer.match is not None
        assert answer.match.opponents_of("early") == ("partner",)
    with pytest.raises(errors.TicketReused):
        queue.add(TicketRequest("late", 1500, ticket=request.ticket))
    assert scene.mm.snapshot("ladder") == []
    scene.judge()
