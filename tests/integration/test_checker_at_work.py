"""The checker on a realm at work: nothing is found where all is well, and what is wrong shows through."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from typing import Final

import redis

from matchmaker import errors
from matchmaker.checker import Code, Ledger, check
from matchmaker.client import Matchmaker
from matchmaker.model import TicketRequest
from matchmaker.rules import QueueRules, parse_rules
from tests.servers import StartServer

BUSY: Final = """
[ladder]
willingness = { base = 20, per_second = 400.0 }
[duel]
accept = "both"
interval_ms = 50
heartbeat_seconds = 60
willingness = { per_second = 300.0 }
[shrinking]
willingness = { per_second = 200.0 }
"""


class Traffic:
    """Players who come, cancel and come back, and passes, in threads, until it is stopped. Real time."""

    def __init__(self, url: str, realm: str) -> None:
        self._url, self._realm = url, realm
        self._stop = threading.Event()
        self.failures: list[BaseException] = []
        works = [self._players, self._players, self._passes, self._rules]
        self._threads = [threading.Thread(target=self._run, args=(i, work)) for i, work in enumerate(works)]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int, work: Callable[[Matchmaker, random.Random], Iterator[object]]) -> None:
        try:
            with Matchmaker(self._url, self._realm) as mm:
                for _ in work(mm, random.Random(number)):
                    if self._stop.is_set():
                        return
        except BaseException as failure:
            self.failures.append(failure)
            raise

    def _players(self, mm: Matchmaker, rng: random.Random) -> Iterator[object]:
        while True:
            queue = rng.choice(["ladder", "duel", "shrinking"])
            players = rng.sample(range(2000), 20)
            yield mm.enqueue_many(queue, [TicketRequest(f"p{i}", rng.gauss(1500, 200), float(i)) for i in players])
            for player in rng.sample(players, 5):
                try:
                    yield mm.cancel_player(f"p{player}")
                except errors.UnknownTicket:
                    continue

    def _passes(self, mm: Matchmaker, rng: random.Random) -> Iterator[object]:
        while True:
            queue = rng.choice(["ladder", "duel", "shrinking"])
            yield mm.attempt_match(queue)
            yield mm.runner.call(mm.calls.tend(queue, 64))

    def _rules(self, mm: Matchmaker, rng: random.Random) -> Iterator[object]:
        while not self._stop.wait(0.2):
            growth = rng.choice(["100.0", "200.0", "300.0"])
            yield mm.apply_rules(parse_rules(BUSY.replace("200.0", growth), "queues.toml"))


def test_a_busy_realm_is_sound_at_every_look_and_a_fault_shows_through(
    redis_url: str, redis_client: redis.Redis, realm: str
) -> None:
    """Given traffic, when it is checked again and again, then nothing is found; when a ticket is lost, that one is."""
    with Matchmaker(redis_url, realm) as mm:
        mm.apply_rules(parse_rules(BUSY, "queues.toml"))
        queue = QueueRules(willingness={"per_second": 0.0})  # type: ignore[arg-type]
        mm.apply_rules({"quiet": queue})
        mm.enqueue("quiet", "victim", rating=1500, ticket="victim")
    ledger = Ledger()
    with Traffic(redis_url, realm) as traffic:
        while ledger.events < 6000:
            report = check(redis_client, realm, ledger=ledger)
            assert report.ok, str(report)
        assert check(redis_client, realm).ok
        redis_client.hdel(f"mm:{{{realm}}}:tickets", "victim")
        report = check(redis_client, realm)
    assert not traffic.failures
    assert [violation.code for violation in report.violations] == [Code.TICKET_LOST], str(report)
    assert report.matches > 1000
    assert report.cancelled > 300


def test_a_large_realm_is_read_without_holding_the_server(own_server: StartServer) -> None:
    """Given 12,000 tickets, a third of them waiting, then no command of the checker takes 5 ms, and it finds faults."""
    server = own_server(appendonly=False)
    rng = random.Random(1)
    with Matchmaker(server.url, "large") as mm, redis.Redis.from_url(server.url) as client:
        mm.apply_rules(parse_rules('[ladder]\nwillingness = { base = 30 }\n[duel]\naccept = "both"', "queues.toml"))
        for queue, count in (("ladder", 8000), ("duel", 4000)):
            mm.enqueue_many(queue, [TicketRequest(f"{queue}{i}", rng.gauss(1500, 300)) for i in range(count)])
        for queue in ("ladder", "duel"):
            while mm.runner.call(mm.calls.tend(queue, 256)).work:
                pass
        while mm.runner.call(mm.calls.match_pass("ladder")).made:
            pass
        client.config_set("slowlog-log-slower-than", 5000)
        client.config_resetstat()
        report = check(client, "large", matchers_alive=True, grace_seconds=60)
        assert report.ok, str(report)
        assert (report.tickets, report.waiting) == (12_000, 12_000 - 2 * report.matches)
        assert report.matches > 3000
        assert any(_slow_commands(client, "large") == [] for _ in range(3))
        # The log has the commands inside a transaction one by one; together they are what EXEC takes.
        took = {name: stats["usec_per_call"] for name, stats in client.info("commandstats").items()}
        assert took["cmdstat_exec"] < 2000
        assert max(took[f"cmdstat_{name}"] for name in ("xrange", "hscan", "zscan")) < 2000
        client.zrem("mm:{large}:ends", next(iter(mm.snapshot("duel"))).id)
        assert [violation.code for violation in check(client, "large").violations] == [Code.EXPIRY_WRONG]


def _slow_commands(client: redis.Redis, realm: str) -> list[bytes]:
    """What took over 5 ms in one check, by the server's clock; on a busy machine that is sometimes the scheduler."""
    client.slowlog_reset()
    check(client, realm)
    return [entry["command"] for entry in client.slowlog_get() if b"SLOWLOG" not in entry["command"]]
