"""Matchers as they are run, ``python -m workers`` and ``matchmaker worker``: what wakes them, what they leave, what
they cost. Their deaths are in ``tests/faults/test_killed_matchers.py``, their punctuality in ``test_idle_matchers.py``
there."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from statistics import median

import pytest
import redis

from matchmaker import Matchmaker, Ticket, TicketRequest, TicketState, errors, parse_rules
from matchmaker.checker import check
from matchmaker.keys import Keys
from matchmaker.model import Match
from matchmaker.rules import QueueRules
from matchmaker.willingness import Waiting, due_at
from tests.faces import PATIENCE_SECONDS
from tests.faults.ears import reached
from tests.integration.matchers import COMMANDS, MatcherProcess, StartMatcher
from tests.servers import StartServer, remove_keys

PROMPT_SECONDS = 2.0
"""In which a matcher that is told to leave has left, however busy the machine; it takes some milliseconds."""

IDLE_SECONDS = 10.0

RULES = "[ladder]\nwillingness = { per_second = 100.0 }\n"


@pytest.fixture
def matcher() -> Iterator[StartMatcher]:
    with ExitStack() as stack:

        def start(command: str, url: str, *realms: str) -> MatcherProcess:
            process = MatcherProcess(command, url, *realms)
            stack.callback(process.close)
            return process

        yield start


@pytest.fixture
def ladder(redis_url: str, realm: str) -> Iterator[Matchmaker]:
    """A client on a realm where an ordinary pair falls due within a second or so."""
    with Matchmaker(redis_url, realm) as mm:
        mm.apply_rules(parse_rules(RULES, "test"))
        yield mm


def pair(mm: Matchmaker, name: str, gap: float = 0.0, queue: str = "ladder") -> tuple[Ticket, Ticket]:
    """Two players so far apart join, alone in their part of the line."""
    return mm.enqueue(queue, f"{name}-a", rating=1500), mm.enqueue(queue, f"{name}-b", rating=1500 + gap)


def late_ms(mm: Matchmaker, tickets: tuple[Ticket, Ticket], rules: QueueRules) -> int:
    """Waits for the match of the two; answers the ms by which it came after they were due."""
    match = mm.wait_for_match(tickets[1], PATIENCE_SECONDS)
    assert match.tickets == mm.wait_for_match(tickets[0], PATIENCE_SECONDS).tickets
    one, other = (Waiting(ticket.id, ticket.rating, ticket.enqueued_ms) for ticket in tickets)
    due = due_at(rules, one, other, max(one.enqueued_ms, other.enqueued_ms))
    assert due is not None
    return match.at_ms - due


def matched(mm: Matchmaker, name: str) -> Match:
    """A pair joins and is matched."""
    return mm.wait_for_match(pair(mm, name)[0], PATIENCE_SECONDS)


# -- waking ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_a_pair_wakes_a_sleeping_matcher_at_once_and_a_moment_does_in_time(
    matcher: StartMatcher, redis_url: str, redis_client: redis.Redis, ladder: Matchmaker, command: str
) -> None:
    """Given one matcher asleep and no other traffic, when the second of a pair arrives, then the match is made within
    50 ms; when a pair falls due later, within 100 ms of that moment. The middle one of some, for a busy machine may
    hold up any single one; none by a second."""
    process = matcher(command, redis_url, ladder.calls.realm)
    rules = ladder.rules()["ladder"].rules
    at_once, in_time = [], []
    for number in range(5):
        process.asleep(redis_client)
        at_once.append(late_ms(ladder, pair(ladder, f"now{number}"), rules))
        process.asleep(redis_client)
        in_time.append(late_ms(ladder, pair(ladder, f"later{number}", gap=40.0), rules))
    assert min(at_once + in_time) >= 0
    assert median(at_once) < 50, at_once
    assert median(in_time) < 100, in_time
    assert max(at_once + in_time) < 1000
    report = check(redis_client, ladder.calls.realm, matchers_alive=True)
    assert report.ok, str(report)


def test_arrivals_that_gather_are_looked_at_after_the_interval(
    matcher: StartMatcher, redis_url: str, redis_client: redis.Redis, ladder: Matchmaker
) -> None:
    """Given a queue that lets arrivals gather for 300 ms, when a pair arrives, then it is matched after that, not
    before."""
    ladder.apply_rules(parse_rules("[ladder]\ninterval_ms = 300\n", "test"))
    process = matcher("workers", redis_url, ladder.calls.realm)
    for number in range(3):
        process.asleep(redis_client)
        first, second = pair(ladder, f"p{number}")
        match = ladder.wait_for_match(first, PATIENCE_SECONDS)
        assert 300 <= match.at_ms - first.enqueued_ms < 1300
        assert match.at_ms >= second.enqueued_ms


def test_tickets_expire_in_time(
    matcher: StartMatcher, redis_url: str, redis_client: redis.Redis, ladder: Matchmaker
) -> None:
    """Given more tickets than one call ends, when their time is over, then all expire within a second, with a
    reason."""
    ladder.apply_rules(parse_rules("[brief]\nexpire_after_seconds = 0.5\n", "test"))
    matcher("workers", redis_url, ladder.calls.realm).asleep(redis_client)
    answers = ladder.enqueue_many("brief", [TicketRequest(f"p{i}", 1000.0 * i) for i in range(120)])
    tickets = [ticket for ticket in answers if isinstance(ticket, Ticket)]
    for ticket in tickets:
        with pytest.raises(errors.TicketExpired) as expired:
            ladder.wait_for_match(ticket, PATIENCE_SECONDS)
        assert expired.value.reason == "max_wait"
        ended = ladder.status(ticket)
        assert ended.ended_ms is not None
        assert 500 <= ended.ended_ms - ticket.enqueued_ms < 1500
    assert ladder.stats().expired == 120


# -- realms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_one_matcher_serves_several_realms_also_one_that_comes_later(
    matcher: StartMatcher, redis_url: str, redis_client: redis.Redis, realm: str, command: str
) -> None:
    """Given a matcher for three realms, one of which does not exist yet, when pairs arrive in each, then each is
    matched at once; and so in the third as soon as somebody makes it, and in the others while one is flooded."""
    realms = [f"{realm}-{name}" for name in ("a", "b", "c")]
    with ExitStack() as stack:
        for name in realms:
            stack.callback(remove_keys, redis_client, name)
        clients = [stack.enter_context(Matchmaker(redis_url, name)) for name in realms]
        rules = parse_rules(RULES, "test")
        for mm in clients[:2]:
            mm.apply_rules(rules)
        process = matcher(command, redis_url, *realms)
        process.asleep(redis_client)
        late = [late_ms(mm, pair(mm, f"p{i}"), rules["ladder"]) for i in range(4) for mm in clients[:2]]
        process.asleep(redis_client)
        clients[2].apply_rules(rules)
        late += [late_ms(clients[2], pair(clients[2], f"p{i}"), rules["ladder"]) for i in range(4)]
        assert median(late) < 50, late
        flood = [TicketRequest(f"f{i}", 1500.0 + i % 200) for i in range(3000)]
        with ThreadPoolExecutor(1) as pool:
            flooding = pool.submit(clients[0].enqueue_many, "ladder", flood)
            calm: list[float] = []
            while not flooding.done() or not calm:
                calm.append(late_ms(clients[1], pair(clients[1], f"c{len(calm)}"), rules["ladder"]))
        assert max(late + calm) < 1000, calm
        assert reached(lambda: clients[0].queue("ladder").queue_size() < 2, PATIENCE_SECONDS)
        for name in realms:
            report = check(redis_client, name, matchers_alive=True)
            assert report.ok, str(report)


def test_a_realm_that_cannot_be_served_does_not_stop_the_others(
    matcher: StartMatcher, redis_url: str, redis_client: redis.Redis, ladder: Matchmaker
) -> None:
    """Given a matcher for a realm in virtual time, one of another schema and a sound one, when it starts, then it names
    the first two and serves the third."""
    realm = ladder.calls.realm
    simulated, foreign = f"{realm}-v", f"{realm}-f"
    with ExitStack() as stack:
        for name in (simulated, foreign):
            stack.callback(remove_keys, redis_client, name)
            Matchmaker(redis_client, name, clock=lambda: 1).apply_rules({"ladder": QueueRules()})
        redis_client.hset(Keys(foreign).meta, "schema", "9999")
        process = matcher("workers", redis_url, simulated, foreign, realm)
        process.until("realm refused", simulated, "virtual")
        process.until("realm refused", foreign, "9999")
        process.asleep(redis_client)
        matched(ladder, "sound")
        assert process.leave()[0] == 0


# -- rules -------------------------------------------------------------------------------------------------------------


def test_new_rules_are_carried_out_on_whoever_waits(
    matcher: StartMatcher, redis_url: str, redis_client: redis.Redis, ladder: Matchmaker
) -> None:
    """Given a line longer than a call looks at, certified under rules that match nobody, when wider rules are applied
    and nothing else happens, then everybody is matched; when a queue is removed, then everybody in it is let go."""
    ladder.apply_rules(parse_rules("[ladder]\nwillingness = { per_second = 0.0 }\n[casual]\n", "test"))
    process = matcher("workers", redis_url, ladder.calls.realm)
    for queue in ("ladder", "casual"):
        ladder.enqueue_many(queue, [TicketRequest(f"{queue}{i}", 1000.0 * i / 10) for i in range(400)])
    process.asleep(redis_client)
    assert reached(
        lambda: all(one.next_ms is None or one.queue == "casual" for one in ladder.stats().queues), PATIENCE_SECONDS
    )
    ladder.apply_rules(parse_rules("[ladder]\nwillingness = { base = 60.0 }\n", "test"), prune=True)
    assert reached(
        lambda: ladder.queue("ladder").queue_size() + ladder.queue("casual").queue_size() == 0, PATIENCE_SECONDS
    )
    assert reached(lambda: set(ladder.rules()) == {"ladder"}, PATIENCE_SECONDS)
    stats = ladder.stats()
    assert (stats.matched, stats.cancelled) == (400, 400)
    ended = ladder.status_of_player("casual7")
    assert (ended.state, ended.reason) == (TicketState.CANCELLED, "queue_removed")
    report = check(redis_client, ladder.calls.realm, matchers_alive=True)
    assert report.ok, str(report)


# -- what it costs -----------------------------------------------------------------------------------------------------


def test_matchers_with_nothing_to_do_ask_less_than_once_a_second(
    matcher: StartMatcher, own_server: StartServer
) -> None:
    """Given two matchers of a realm where some wait and nobody falls due, and one of a realm
    that does not exist, when ten seconds pass, then each sends less than a command a second."""
    server = own_server(appendonly=False)
    with Matchmaker(server.url, "calm") as mm, redis.Redis.from_url(server.url, decode_responses=True) as client:
        mm.apply_rules(parse_rules("[ladder]\nwillingness = { per_second = 0.1 }\n[casual]\n", "test"))
        mm.enqueue_many("ladder", [TicketRequest(f"p{i}", 250.0 * i) for i in range(50)])
        one, _, ghost = (matcher("workers", server.url, name) for name in ("calm", "calm", "ghost"))
        one.asleep(client, alike=2)
        ghost.asleep(client)
        while mm.attempt_match("ladder").looked:
            pass
        sent: Counter[str] = Counter()
        with client.monitor() as monitor:
            begun = None
            while True:
                # Each matcher calls every 4 s at least, so the last answer is not long in coming.
                heard = monitor.next_command()
                begun = begun or heard["time"]
                if heard["time"] - begun > IDLE_SECONDS:
                    break
                if heard["client_type"] != "lua":
                    sent["calm" if "{calm}" in heard["command"] else heard["command"]] += 1
    of_ghost = sum(count for command, count in sent.items() if "{ghost}" in command)
    assert 2 * IDLE_SECONDS / 5 < sent["calm"] < 2 * IDLE_SECONDS, sent
    assert 0 < of_ghost < IDLE_SECONDS, sent
    assert sum(sent.values()) == sent["calm"] + of_ghost, sent


# -- the end -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "number"),
    [("workers", signal.SIGTERM), ("cli", signal.SIGTERM), ("cli", signal.SIGINT)],
)
def test_a_matcher_leaves_at_once_and_in_good_order(
    matcher: StartMatcher,
    redis_url: str,
    redis_client: redis.Redis,
    ladder: Matchmaker,
    command: str,
    number: signal.Signals,
) -> None:
    """Given an idle matcher and one under load, when they are told to leave, then they do at once, with exit code 0,
    and what they had begun is whole; whoever comes next goes on."""
    idle, busy = (matcher(command, redis_url, ladder.calls.realm) for _ in range(2))
    idle.asleep(redis_client, alike=2)
    code, seconds = idle.leave(number)
    assert code == 0
    assert seconds < PROMPT_SECONDS
    over = threading.Event()

    def load() -> int:
        count = 0
        while not over.is_set():
            ladder.enqueue_many("ladder", [TicketRequest(f"p{count + i}", 1500.0 + i % 50) for i in range(100)])
            count += 100
        return count

    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load)
        assert reached(lambda: ladder.stats().matches > 100, PATIENCE_SECONDS)
        code, seconds = busy.leave(number)
        over.set()
        count = loading.result()
    assert code == 0
    assert seconds < PROMPT_SECONDS
    matcher(command, redis_url, ladder.calls.realm)
    assert reached(lambda: ladder.stats().matched == count, PATIENCE_SECONDS)
    report = check(redis_client, ladder.calls.realm)
    assert report.ok, str(report)


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_a_server_that_comes_later_is_waited_for(matcher: StartMatcher, own_server: StartServer) -> None:
    """Given a server that is down, when matchers are started, then they say so and wait, and serve it when it is up."""
    server = own_server()
    url = server.url
    server.kill()
    waiting = [matcher(command, url, "main") for command in COMMANDS]
    for process in waiting:
        process.until("server unavailable")
    server.restart()
    with Matchmaker(url) as mm:
        mm.apply_rules(parse_rules(RULES, "test"))
        matched(mm, "first")
        for process in waiting:
            process.asleep(mm.redis, alike=len(waiting))
        late = [late_ms(mm, pair(mm, f"p{i}"), mm.rules()["ladder"].rules) for i in range(5)]
        assert median(late) < 50, late
    assert [process.leave()[0] for process in waiting] == [0, 0]


def spoil(mm: Matchmaker, ticket: Ticket) -> None:
    """Damages the ticket's record, so that every script that reads it fails."""
    mm.redis.hset(mm.calls.keys.tickets, ticket.id, b"spoilt")


def failed_calls(client: redis.Redis) -> int:
    """Scripts that failed since the server's counts were set back."""
    counted = client.info("commandstats").get("cmdstat_evalsha", {"failed_calls": 0})
    return int(counted["failed_calls"])


def test_a_line_that_cannot_be_served_does_not_keep_the_others_waiting(
    matcher: StartMatcher, redis_url: str, redis_client: redis.Redis, ladder: Matchmaker
) -> None:
    """Given a line with a record that makes every pass over it fail, when pairs arrive in another, then they are
    matched at once or in time all the same, and the log names the line; it is not tried over and over."""
    ladder.apply_rules(parse_rules("[spoilt]\n", "test"))
    rules = ladder.rules()["ladder"].rules
    spoil(ladder, pair(ladder, "s", queue="spoilt")[0])
    process = matcher("workers", redis_url, ladder.calls.realm)
    process.until("pass refused", ladder.calls.realm, "line=spoilt")
    late = [late_ms(ladder, pair(ladder, f"p{i}", gap), rules) for i, gap in enumerate([0.0, 40.0] * 3)]
    assert median(late[::2]) < 50, late
    assert max(late) < 1000, late
    redis_client.config_resetstat()
    begun = time.monotonic()
    assert reached(lambda: failed_calls(redis_client) >= 6, PATIENCE_SECONDS)
    assert time.monotonic() - begun > 0.5
    assert process.leave()[0] == 0


def test_a_ticket_that_cannot_expire_does_not_end_the_matcher(
    matcher: StartMatcher, redis_url: str, ladder: Matchmaker
) -> None:
    """Given a ticket whose record is damaged and whose time is over, when the matcher comes to it, then it logs what is
    wrong and goes on to match others."""
    ladder.apply_rules(parse_rules("[brief]\nexpire_after_seconds = 0.001\n", "test"))
    spoil(ladder, ladder.enqueue("brief", "ann", rating=1500))
    process = matcher("workers", redis_url, ladder.calls.realm)
    process.until("expiry refused", ladder.calls.realm)
    rules = ladder.rules()["ladder"].rules
    late = [late_ms(ladder, pair(ladder, f"p{i}", gap), rules) for i, gap in enumerate([0.0, 40.0] * 2)]
    assert max(late) < 1000, late
    assert process.leave()[0] == 0


def test_a_realm_whose_agenda_cannot_be_read_does_not_end_the_matcher(
    matcher: StartMatcher, redis_url: str, redis_client: redis.Redis, ladder: Matchmaker
) -> None:
    """Given a realm in which a stranger put something else in the place of its expiries, when one matcher serves it and
    a sound one, then it logs what is wrong and matches the sound one's pairs in time."""
    broken = Matchmaker(redis_client, f"{ladder.calls.realm}-broken")
    try:
        broken.apply_rules(parse_rules(RULES, "test"))
        redis_client.set(broken.calls.keys.ends, "not a sorted set")
        process = matcher("workers", redis_url, broken.calls.realm, ladder.calls.realm)
        process.until("realm refused", broken.calls.realm)
        rules = ladder.rules()["ladder"].rules
        late = [late_ms(ladder, pair(ladder, f"p{i}", gap), rules) for i, gap in enumerate([0.0, 40.0] * 2)]
        assert max(late) < 1000, late
        assert process.leave()[0] == 0
    finally:
        remove_keys(redis_client, broken.calls.realm)


def test_expiries_of_tickets_that_are_no_more_do_not_stop_the_others(
    matcher: StartMatcher, redis_url: str, redis_client: redis.Redis, ladder: Matchmaker
) -> None:
    """Given more tickets than one look lists, whose records a stranger deleted and whose time is over, when another
    ticket's time is over, then it expires all the same."""
    ladder.apply_rules(parse_rules("[brief]\nmax_gap = 0.001\nexpire_after_seconds = 0.05\n", "test"))
    for i in range(60):
        gone = ladder.enqueue("brief", f"gone-{i}", rating=1000.0 + i)
        redis_client.hdel(ladder.calls.keys.tickets, gone.id)
        redis_client.zrem(ladder.calls.keys.line("brief"), gone.id)
    last = ladder.enqueue("brief", "last", rating=1500)
    matcher("workers", redis_url, ladder.calls.realm)
    with pytest.raises(errors.TicketExpired):
        ladder.wait_for_match(last, PATIENCE_SECONDS)
    assert reached(lambda: redis_client.zcard(ladder.calls.keys.ends) == 0, PATIENCE_SECONDS)


def test_matches_are_counted_also_when_new_rules_are_worked_in(
    matcher: StartMatcher, redis_url: str, ladder: Matchmaker
) -> None:
    """Given a pair that is due in a line with new rules to work in, when a matcher matches it and tends the line in one
    look, then its log counts the match."""
    pair(ladder, "p")
    process = matcher("workers", redis_url, ladder.calls.realm)
    assert reached(lambda: ladder.stats().matched == 2, PATIENCE_SECONDS)
    process.process.send_signal(signal.SIGTERM)
    process.until("matcher left", "'matches': 1")
