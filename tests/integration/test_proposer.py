"""Proposers as they are run, ``matchmaker proposer``: what wakes them, what they commit, whom they never lose."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import pytest

from matchmaker import Match, Matchmaker, Ticket, TicketRequest, errors, parse_rules
from matchmaker.checker import check
from matchmaker.model import Side
from matchmaker.proposals import Pair, Slice
from matchmaker.server import proposer_name
from tests.faces import PATIENCE_SECONDS
from tests.faults.ears import reached
from tests.faults.processes import Worker, Workers, spin
from tests.faults.scene import at_length
from tests.integration import pairing
from tests.integration.terminal import Running
from tests.servers import StartServer
from workers.proposer import Proposer, run

PROMPT_SECONDS = 2.0
REREAD_SECONDS = 5.0
"""A proposer has looked again by then, whatever hint was lost."""

OWN = '[ladder]\nmatching = "own"\n'


def run_proposer(url: str, realm: str, function: str, tickets: int) -> None:
    """A proposer of the queue ``ladder``, as its command runs it."""
    run(url, realm, "ladder", getattr(pairing, function), tickets=tickets)


class Site:
    """One realm whose queue ``ladder`` has its matches proposed, and who works there."""

    def __init__(self, url: str, realm: str, folder: Path) -> None:
        self.url = url
        self.realm = realm
        self.mm = Matchmaker(url, realm)
        self.mm.apply_rules(parse_rules(OWN, "test"))
        self.workers = Workers(folder)
        self._ids = iter(range(1_000_000))

    def classes(self, further: str) -> None:
        """Further rules that change where tickets stand; carried out before anybody comes."""
        self.mm.apply_rules(parse_rules(OWN + further, "test"))
        assert not self.mm.attempt_match("ladder").work

    def matcher(self) -> Worker:
        return self.workers.matcher(self.url, self.realm)

    def proposer(self, function: str = "neighbours", tickets: int = 200) -> Worker:
        return self.workers.start(run_proposer, self.url, self.realm, function, tickets)

    def asleep(self, count: int = 1) -> None:
        """Waits until so many proposers are blocked in their pop."""
        name = proposer_name(self.realm, "ladder")

        def sleeping() -> int:
            clients = self.mm.redis.client_list()
            return sum(one["name"] == name and "b" in one["flags"] for one in clients)

        assert reached(lambda: sleeping() == count, PATIENCE_SECONDS), f"{sleeping()} of {count} asleep"

    def join(self, count: int, gap: float = 1.0, name: str = "p") -> list[Ticket]:
        requests = [TicketRequest(f"{name}{next(self._ids)}", 1500.0 + gap * place) for place in range(count)]
        tickets = self.mm.enqueue_many("ladder", requests)
        assert all(isinstance(ticket, Ticket) for ticket in tickets), tickets
        return [ticket for ticket in tickets if isinstance(ticket, Ticket)]

    def matched(self, tickets: list[Ticket], seconds: float = PATIENCE_SECONDS) -> list[Match]:
        """Waits for the matches of all of them; each ticket in one."""
        ends = time.monotonic() + seconds
        found = {m.id: m for m in (self.mm.wait_for_match(t, ends - time.monotonic()) for t in tickets)}
        counts = Counter(ticket.id for match in found.values() for ticket in match.tickets)
        assert set(counts.values()) == {1}
        assert all(match.proposed for match in found.values())
        return list(found.values())

    def judge(self) -> None:
        report = check(self.mm.redis, self.realm)
        assert report.ok, str(report)

    def close(self) -> None:
        self.workers.close()
        self.mm.close()


@pytest.fixture
def site(redis_url: str, realm: str, tmp_path: Path) -> Iterator[Site]:
    site = Site(redis_url, realm, tmp_path)
    yield site
    site.close()


def lines_with(worker: Worker, *words: str) -> int:
    """How many lines of its log hold all these words."""
    text = worker.log.read_text() if worker.log.exists() else ""
    return sum(all(word in line for word in words) for line in text.splitlines())


def logged(worker: Worker, *words: str) -> bool:
    return lines_with(worker, *words) > 0


# -- waking ------------------------------------------------------------------------------------------------------------


def test_an_arrival_is_paired_at_once(site: Site) -> None:
    """Given a matcher and a proposer asleep, when two arrive, then they are matched within 50 ms, the middle one of
    some; and the line is as it should be."""
    site.matcher()
    site.proposer()
    late = []
    for _ in range(5):
        site.asleep()
        tickets = site.join(2)
        (match,) = site.matched(tickets)
        late.append(match.at_ms - tickets[1].enqueued_ms)
    assert median(late) < 50, late
    assert max(late) < 1000, late
    site.judge()


def test_a_hint_that_was_lost_costs_time_and_no_more(site: Site) -> None:
    """Given a proposer asleep, when two arrive and no hint comes, then they are matched all the same."""
    site.proposer("neighbours")
    site.asleep()
    tickets = site.join(2)
    # No matcher runs: no pass hands the line over.
    site.matched(tickets, REREAD_SECONDS + 2)
    site.judge()


def test_a_function_that_asks_is_called_again_without_an_arrival(site: Site) -> None:
    """Given two whom the function pairs only after a wait, when nobody arrives, then it is called until it does."""
    site.matcher()
    worker = site.proposer("widening")
    site.asleep()
    tickets = site.join(2, gap=100.0)
    (match,) = site.matched(tickets)
    waited = match.at_ms - tickets[0].enqueued_ms
    assert 500 <= waited < 1500
    # And once nobody is left to widen for, it sleeps.
    site.asleep()
    assert worker.terminate() == 0


def test_who_waited_before_the_rules_changed_is_paired(site: Site) -> None:
    """Given tickets in a queue that passes match, when it is handed to the function, then that pairs them; and when it
    is handed back, then the function is not asked any more, though its proposer is there."""
    engine = parse_rules("[ladder]\nwillingness = { per_second = 0.0 }\n", "test")
    site.mm.apply_rules(engine)
    worker = site.proposer()
    site.matcher()
    assert reached(lambda: logged(worker, 'no queue with matching = "own"'), PATIENCE_SECONDS)
    waiting = site.join(4, gap=10.0)
    site.mm.apply_rules(parse_rules(OWN, "test"))
    site.matched(waiting)
    site.mm.apply_rules(engine)
    later = site.join(4, gap=10.0)
    assert reached(lambda: lines_with(worker, "no queue with") == 2, PATIENCE_SECONDS)
    assert site.mm.queue("ladder").queue_size() == len(later)
    site.judge()


# -- what is committed -------------------------------------------------------------------------------------------------


def test_what_may_not_be_proposed_is_refused_by_name_and_the_rest_is_made(site: Site) -> None:
    site.matcher()
    worker = site.proposer("careless")
    site.asleep()
    tickets = site.join(7)
    (match,) = site.matched(tickets[:2])
    assert {ticket.id for ticket in match.tickets} == {tickets[0].id, tickets[1].id}
    refusals = [
        ("one ticket twice", tickets[2].id),
        ("a ticket in two proposals", tickets[3].id, tickets[4].id),
        ("a ticket in two proposals", tickets[5].id, tickets[4].id),
        ("a ticket that is not in the slice", tickets[6].id, "t-stranger"),
        ("not a pair of tickets", "not a pair"),
    ]
    assert reached(lambda: all(logged(worker, "proposal refused", *words) for words in refusals), PATIENCE_SECONDS), (
        worker.log.read_text()
    )
    assert site.mm.queue("ladder").queue_size() == 5


def test_the_function_may_choose_the_sides_and_never_crosses_a_class(site: Site) -> None:
    """Given two classes of a queue with sides, when each has two who offer both, then each pairs its own, the side as
    the function said."""
    site.classes('sides = ["bw", "sc2"]\nsame = ["mode"]\n')
    site.matcher()
    site.proposer("first_side")
    tickets = []
    for number, mode in enumerate(["duel", "relay", "duel", "relay"]):
        offered = {"bw": Side(1500.0 + number), "sc2": Side(1600.0 - number)}
        tickets.append(
            site.mm.enqueue("ladder", f"p{number}", ticket=f"t{number}", sides=offered, attributes={"mode": mode})
        )
    pairs = {tuple((team.tickets[0].id, team.tickets[0].side) for team in m.teams) for m in site.matched(tickets)}
    assert pairs == {(("t2", "bw"), ("t0", "sc2")), (("t3", "bw"), ("t1", "sc2"))}
    site.judge()


def test_a_ticket_in_several_queues_is_shown_with_its_rating_here_and_leaves_all(site: Site) -> None:
    site.mm.apply_rules(parse_rules(OWN + "[casual]\nwillingness = { per_second = 0.0 }\n", "test"))
    site.matcher()
    site.proposer()
    tickets = [
        site.mm.enqueue(["casual", "ladder"], player, rating=100.0 * place, ratings={"ladder": Side(1500.0 - place)})
        for place, player in enumerate(["ann", "bob"])
    ]
    (match,) = site.matched(tickets)
    assert [(ticket.player, ticket.rating) for ticket in match.tickets] == [("bob", 1499.0), ("ann", 1500.0)]
    assert site.mm.queue("casual").queue_size() == 0
    site.judge()


def test_a_long_line_is_seen_whole(site: Site) -> None:
    """Given a line of many slices, when nobody else comes, then everyone but the odd one is paired."""
    tickets = site.join(1001)
    site.proposer(tickets=20)
    assert reached(lambda: site.mm.queue("ladder").queue_size() == 1, PATIENCE_SECONDS)
    assert site.mm.stats().matched == 1000
    assert len(tickets) == 1001
    site.judge()


def test_every_two_near_each_other_are_once_in_one_slice(site: Site) -> None:
    """Given a line that is looked at ten at a time, when the function pairs ends of slices only, then it was shown all
    parts of the line: those who stand five apart met."""
    site.join(25)
    site.proposer("farthest", tickets=10)
    assert reached(lambda: site.mm.stats().matched >= 6, PATIENCE_SECONDS)


def test_others_go_on_cancel_and_expire(site: Site) -> None:
    site.mm.apply_rules(parse_rules(OWN + "expire_after_seconds = 0.5\n", "test"))
    site.matcher()
    site.proposer()
    site.asleep()
    (alone,) = site.join(1)
    with pytest.raises(errors.TicketExpired):
        site.mm.wait_for_match(alone, PATIENCE_SECONDS)
    (other,) = site.join(1)
    site.mm.cancel(other)
    site.matched(site.join(2))
    site.judge()


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_a_function_that_fails_loses_nobody_and_is_tried_again(site: Site) -> None:
    """Given a function that fails for one player, when others wait beside that one, then the log says so in a
    line with queue and place, and has the traceback once; and when the player leaves, then the others are paired."""
    site.matcher()
    worker = site.proposer("choosy")
    site.asleep()
    (poison,) = site.join(1, name="poison")
    tickets = site.join(4)
    assert reached(lambda: lines_with(worker, "match function failed") > 1, PATIENCE_SECONDS)
    assert logged(worker, "match function failed", "queue=ladder", "ZeroDivisionError: of the test", "pairing.py:22")
    assert lines_with(worker, "Traceback (most recent call last)") == 1
    assert not logged(worker, "locals")
    assert worker.alive
    site.mm.cancel(poison)
    site.matched(tickets)
    site.judge()


def test_a_function_that_fails_in_one_class_serves_the_others(site: Site) -> None:
    site.classes('same = ["mode"]\n')
    site.matcher()
    site.proposer("choosy")
    modes = {"poison": "bad", "x": "bad", "y": "good", "z": "good"}
    tickets = [site.mm.enqueue("ladder", one, rating=1500, attributes={"mode": mode}) for one, mode in modes.items()]
    site.matched(tickets[2:])
    assert site.mm.queue("ladder").queue_size() == 2


def test_a_function_that_answers_nothing_is_told_so(site: Site) -> None:
    site.matcher()
    worker = site.proposer("broken")
    site.join(2)
    assert reached(lambda: logged(worker, "match function failed", "pairs of tickets of the slice"), PATIENCE_SECONDS)
    assert site.mm.queue("ladder").queue_size() == 2


@pytest.mark.timeout(120)
def test_proposers_killed_at_any_point_of_their_loop(site: Site) -> None:
    """Given three proposers under load, when one after the other is killed and replaced, then nobody is lost, nobody is
    matched twice, and everyone is matched by the rest of them."""
    rng = random.Random(1)
    site.matcher()
    crew = [site.proposer() for _ in range(3)]
    tickets = []
    for _ in range(at_length(40, 1000)):
        crew.append(site.proposer())
        tickets += site.join(2 * rng.randint(1, 10), gap=rng.choice([0.0, 3.0]))
        spin(rng.uniform(0, 0.01))
        crew.pop(0).kill()
    site.matched(tickets)
    assert site.mm.queue("ladder").queue_size() == 0
    site.judge()


def test_the_only_proposer_killed(site: Site) -> None:
    """Given one proposer, when it is killed around the moment a pair arrives and the next one starts, then the pair is
    matched."""
    rng = random.Random(2)
    site.matcher()
    for _ in range(at_length(8, 300)):
        worker = site.proposer()
        site.asleep()
        tickets = site.join(2)
        spin(rng.uniform(0, 0.008))
        worker.kill()
        site.proposer()
        site.matched(tickets)
        site.workers.close()
        site.matcher()
    site.judge()


def test_two_beside_each_other_whose_choices_clash(site: Site) -> None:
    """Given proposers that want the same tickets, when all look at once, then each ticket is in one match and no pair
    is left that any of them would have made."""
    site.matcher()
    for _ in range(3):
        site.proposer()
    tickets = []
    for _ in range(20):
        tickets += site.join(14, gap=0.0)
    site.matched(tickets)
    site.judge()


def test_whose_proposal_came_too_late_looks_again(site: Site) -> None:
    """Given three who wait, when one of two that are proposed leaves meanwhile, then the function is asked once more,
    without any arrival, and pairs those who are left."""
    tickets = site.join(3)
    shown: list[int] = []

    def late(given: Slice) -> list[Pair]:
        shown.append(len(given.tickets))
        if len(shown) == 1:
            site.mm.cancel(given.tickets[1])
        else:
            proposer.stop()
        return [(given.tickets[0], given.tickets[1])]

    proposer = Proposer(site.url, site.realm, "ladder", late)
    proposer.run()
    assert shown == [3, 2]
    assert (proposer.counts.committed, proposer.counts.changed) == (1, 1)
    site.matched([tickets[0], tickets[2]])
    site.judge()


def test_a_proposer_leaves_at_once_and_its_work_goes_on(site: Site) -> None:
    """Given an idle proposer and one in the middle of a long line, when they are told to leave, then they do, with exit
    code 0; and whoever comes next finishes."""
    idle = site.proposer()
    site.asleep()
    begun = time.monotonic()
    assert idle.terminate() == 0
    assert time.monotonic() - begun < PROMPT_SECONDS
    site.join(3000)
    busy = site.proposer(tickets=10)
    assert reached(lambda: site.mm.stats().matched > 0, PATIENCE_SECONDS)
    begun = time.monotonic()
    assert busy.terminate() == 0
    assert time.monotonic() - begun < PROMPT_SECONDS
    assert logged(busy, "proposer left", "queue=ladder")
    assert site.mm.queue("ladder").queue_size() > 0
    site.proposer()
    assert reached(lambda: site.mm.queue("ladder").queue_size() == 0, PATIENCE_SECONDS)
    site.judge()


def test_a_server_that_restarts_is_waited_for(own_server: StartServer, tmp_path: Path) -> None:
    server = own_server()
    with ExitStack() as stack:
        site = Site(server.url, "main", tmp_path)
        stack.callback(site.close)
        site.matcher()
        worker = site.proposer()
        site.asleep()
        server.kill()
        assert reached(lambda: logged(worker, "queue not served"), PATIENCE_SECONDS)
        server.restart()
        site.matched(site.join(2))


def test_a_queue_at_rest_costs_a_call_or_two_in_a_while(own_server: StartServer, tmp_path: Path) -> None:
    """Given a proposer and a line that nobody joins, when some seconds pass, then the function is not called."""
    server = own_server(appendonly=False)
    site = Site(server.url, "main", tmp_path)
    site.join(9)
    worker = site.proposer("farthest")
    site.asleep()
    with site.mm.redis.monitor() as monitor:
        begun = None
        sent = Counter[str]()
        while True:
            heard = monitor.next_command()
            begun = begun or heard["time"]
            if heard["time"] - begun > 1.5 * REREAD_SECONDS:
                break
            sent[heard["command"].split()[0]] += 1
    assert sent["EVALSHA"] == 0, sent
    assert 1 <= sent["BRPOP"] <= 4, sent
    assert worker.terminate() == 0
    assert logged(worker, "proposer left", "slices=1")
    site.close()


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ladder", "no_such_module:pairs"), "No module named 'no_such_module'"),
        (("ladder", "broken_module:pairs"), "SyntaxError"),
        (("ladder", "json:pairs"), "a name that json has"),
        (("ladder", "tests.integration.pairing:NOT_CALLABLE"), "something that can be called"),
        (("ladder", "pairing"), "MODULE:FUNCTION"),
        (("no queue", "json:loads"), "queue"),
    ],
)
def test_a_function_that_cannot_be_had_is_a_typed_error(
    arguments: tuple[str, str], words: str, redis_url: str, realm: str, tmp_path: Path
) -> None:
    (tmp_path / "broken_module.py").write_text("def pairs(:\n", encoding="utf-8")
    env = {"MATCHMAKER_REDIS_URL": redis_url, "MATCHMAKER_REALM": realm}
    with Running("proposer", *arguments, "--json", env=env, cwd=tmp_path) as process:
        code, error = process.ended(), json.loads(process.stderr())["error"]
    assert (code, error["code"]) == (2, "invalid_input")
    assert words in error["message"]
