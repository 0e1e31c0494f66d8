"""The kicker: asks for a drain after matches were made, and never gets in the matcher's way."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import pytest
import redis

from matchmaker import Matchmaker, parse_rules
from matchmaker.errors import InvalidInput
from matchmaker.model import ReadyCheck
from tests.faults.ears import reached
from tests.integration.matchers import MatcherProcess
from tests.proxy import Proxy
from tests.servers import StartServer
from workers.jobs import Jobs
from workers.kicker import PAUSE_SECONDS, Kicker

SOON_SECONDS = 3.0
AT_ONCE_SECONDS = 0.05


@pytest.fixture
def jobs(own_server: StartServer) -> Iterator[Jobs]:
    """RQ's queue on a server of the test's own, where nobody works."""
    with redis.Redis.from_url(own_server().url) as client:
        yield Jobs(client)


@pytest.fixture
def url(jobs: Jobs) -> str:
    told = jobs.client.connection_pool.connection_kwargs
    return f"redis://{told['host']}:{told['port']}"


@pytest.fixture
def kicker(url: str) -> Iterator[Kicker]:
    one = Kicker(url)
    yield one
    one.close()


def asked(jobs: Jobs) -> list[str]:
    return sorted(jobs.queue.get_job_ids())


def test_a_ring_is_a_drain(kicker: Kicker, jobs: Jobs) -> None:
    """Given realms in which matches were made, then each has a drain queued, once."""
    for realm in ("one", "two", "one"):
        kicker.ring(realm)
    assert reached(lambda: asked(jobs) == ["drain-one", "drain-two"], SOON_SECONDS)
    for _ in range(1000):
        kicker.ring("one")
    kicker.close()
    assert asked(jobs) == ["drain-one", "drain-two"]


def test_a_match_made_as_a_drain_leaves(kicker: Kicker, jobs: Jobs) -> None:
    """Given a ring while a drain is at work, when that one leaves without having seen the match, then another is asked
    for although nobody rings again."""
    jobs.drain("one")
    kicker.ring("one")
    jobs.client.delete(jobs.queue.key, "rq:job:drain-one")
    assert reached(lambda: asked(jobs) == ["drain-one"], PAUSE_SECONDS + SOON_SECONDS)


def test_rings_cost_the_matcher_nothing(kicker: Kicker, jobs: Jobs) -> None:
    """Given ten thousand rings, then they take no time, and RQ's server is asked a few times only."""
    before = jobs.client.info("stats")["total_commands_processed"]
    begun = time.monotonic()
    for _ in range(10_000):
        kicker.ring("one")
    assert time.monotonic() - begun < 1.0
    assert reached(lambda: asked(jobs) == ["drain-one"], SOON_SECONDS)
    assert jobs.client.info("stats")["total_commands_processed"] - before < 500


def test_a_server_that_is_away_or_silent(jobs: Jobs, url: str) -> None:
    """Given RQ's server behind a network that passes nothing on, then ringing takes no time, nothing is raised, and
    leaving takes a second; through a network that works the ring arrives."""
    with Proxy(url) as proxy:
        kicker = Kicker(proxy.url)
        proxy.stall()
        begun = time.monotonic()
        kicker.ring("one")
        assert time.monotonic() - begun < AT_ONCE_SECONDS
        assert proxy.wait_accepted(1, SOON_SECONDS)
        begun = time.monotonic()
        kicker.close()
        assert time.monotonic() - begun < PAUSE_SECONDS + SOON_SECONDS
        proxy.resume()
        assert reached(lambda: asked(jobs) == ["drain-one"], SOON_SECONDS)


def test_it_goes_on_when_its_server_is_back(own_server: StartServer) -> None:
    """Given RQ's server that dies and comes back within the client's patience, then what was rung meanwhile is
    asked."""
    server = own_server()
    kicker = Kicker(server.url)
    try:
        with redis.Redis.from_url(server.url) as client:
            jobs = Jobs(client)
            kicker.ring("one")
            assert reached(lambda: asked(jobs) == ["drain-one"], SOON_SECONDS)
            server.kill()
            kicker.ring("two")
            server.restart()
            assert reached(lambda: "drain-two" in asked(jobs), 3 * SOON_SECONDS)
    finally:
        kicker.close()


def test_closing_asks_for_what_was_rung_last(url: str, jobs: Jobs) -> None:
    """Given a ring, when the matcher leaves at that moment, then the drain is asked for, its thread ends, and a second
    close is none."""
    for number in range(20):
        kicker = Kicker(url)
        kicker.ring(f"realm-{number}")
        kicker.close()
        assert f"drain-realm-{number}" in asked(jobs)
        kicker.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "matchmaker-kicker"]


def test_a_url_that_is_none() -> None:
    """Given something that is no server's URL, then the one who makes the kicker is told, not a thread."""
    with pytest.raises(InvalidInput, match="redis_url"):
        Kicker("http://nowhere")


def test_a_record_that_rq_cannot_read_is_removed(kicker: Kicker, jobs: Jobs) -> None:
    """Given what a flush of RQ's server in the wrong moment leaves of a job, when the realm rings, then a drain is
    queued, and the kicker lives."""
    client = jobs.client
    jobs.drain("one")
    client.delete(jobs.queue.key)
    client.hset("rq:job:drain-one", "status", "failed")
    client.zadd("rq:executions:drain-one", {"e1": time.time() + 1000})
    client.hset("rq:execution:drain-one:e1", "last_heartbeat", "x")
    client.hset("rq:job:drain-two", "status", "failed")
    for realm in ("one", "two"):
        kicker.ring(realm)
    assert reached(lambda: asked(jobs) == ["drain-one", "drain-two"], SOON_SECONDS)
    kicker.ring("three")
    assert reached(lambda: "drain-three" in asked(jobs), PAUSE_SECONDS + SOON_SECONDS)


def test_what_players_do_is_recorded_soon(jobs: Jobs, url: str) -> None:
    """Given a match that its players make and finish, and no pass that made anything since, then a matcher hears of it
    and has a drain asked for, after the last accept and again after the last report."""
    queue = parse_rules("[duel]\nready_check = { seconds = 60 }\nresults = {}\n", "queues.toml")
    with Matchmaker(url, "ladder") as mm, contextlib.closing(MatcherProcess("workers", url, "ladder", rq_url=url)):
        mm.apply_rules(queue)
        for player in ("ann", "bob"):
            mm.enqueue("duel", player, rating=1500)
        check = mm.wait_for_check(mm.status_of_player("ann"), 10 * SOON_SECONDS)
        assert isinstance(check, ReadyCheck)

        def forget() -> None:
            """Whatever was asked for before has been asked for."""
            time.sleep(2.5 * PAUSE_SECONDS)
            jobs.client.delete(jobs.queue.key, "rq:job:drain-ladder")

        forget()
        for player in ("ann", "bob"):
            mm.accept(check, player)
        assert reached(lambda: asked(jobs) == ["drain-ladder"], SOON_SECONDS)
        forget()
        match = mm.status_of_player("ann").match
        assert match is not None
        for player in ("ann", "bob"):
            mm.report(match, player, winner=1)
        assert reached(lambda: asked(jobs) == ["drain-ladder"], SOON_SECONDS)
