"""The recorder's ordinary life: it starts, records what happens, shares its work, and leaves when it is asked."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
from rq.job import Job
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer

from matchmaker import Matchmaker
from matchmaker.embedded_postgres import EmbeddedPostgres
from matchmaker.store import schema
from matchmaker.store.connect import Database
from tests.faults.ears import reached
from tests.faults.processes import Workers, spin
from tests.faults.recorders import (
    READY_SECONDS,
    RECORDED_SECONDS,
    RecorderProcess,
    StartRecorder,
    environment_of,
    hurry,
    recorders,
    run_ringing_matcher,
)
from tests.faults.scene import at_length
from tests.integration.recorded import RULES, Recorded
from tests.servers import StartServer, database_at
from workers.jobs import QUEUE, Jobs
from workers.recorder import YIELD_SECONDS

LEAVE_SECONDS = 3.0
PROMPT_SECONDS = 2.0
"""From a match to its row, where a recorder has nothing else to do."""

FAIR_SECONDS = 2 * YIELD_SECONDS + 5
"""A drain leaves when it had its turn and another waits."""

PLAIN = ("-m", "rq.cli", "worker", "--with-scheduler", "--serializer", "rq.serializers.JSONSerializer", QUEUE)


@pytest.fixture
def recorder() -> Iterator[StartRecorder]:
    with recorders() as start:
        yield start


@pytest.fixture
def server_url(own_server: StartServer) -> str:
    """A server of the test's own: recorders share one queue of jobs on it."""
    return own_server().url


@pytest.fixture
def realms(server_url: str, database: Database) -> Iterator[Callable[[str], Recorded]]:
    """Makes realms that are recorded in the database."""
    with ExitStack() as stack:

        def make(name: str) -> Recorded:
            mm = stack.enter_context(Matchmaker(server_url, name))
            mm.apply_rules(RULES)
            return Recorded(mm.redis, mm, database)

        yield make


@pytest.fixture
def recorded(realms: Callable[[str], Recorded]) -> Recorded:
    return realms("main")


@pytest.fixture
def environment(server_url: str, database_url: str) -> dict[str, str]:
    return environment_of(server_url, database_url, "main")


def all_in(recorded: Recorded, process: RecorderProcess, within_seconds: float = RECORDED_SECONDS) -> None:
    """Waits until everything of the realm is recorded, as the realm tells, and has a close look."""

    def nothing_behind() -> bool:
        told = recorded.mm.stats().recording
        return told is not None and told.behind == 0

    assert reached(nothing_behind, within_seconds), process.log
    verdict = recorded.check()
    assert verdict.ok, str(verdict)


def job_of(recorded: Recorded, id_: str) -> Job:
    return Job.fetch(id_, connection=recorded.client, serializer=JSONSerializer)


# -- from its start to its end -----------------------------------------------------------------------------------------


def test_it_records_and_leaves(recorded: Recorded, environment: dict[str, str], recorder: StartRecorder) -> None:
    """Given a realm in which something happened, when a recorder starts, then that is recorded, so is what comes later,
    and on SIGTERM it leaves at once with nothing left behind."""
    recorded.play(6)
    process = recorder(environment)
    process.until("recorder started", "realms=['main']")
    all_in(recorded, process)
    recorded.play(6, first=100)
    all_in(recorded, process)
    assert recorded.count("matches") == 6
    process.scheduler().close()
    code, seconds = process.leave()
    assert (code, seconds < LEAVE_SECONDS) == (0, True), (seconds, process.log)
    assert process.gone()
    assert "recorder left" in process.log
    assert "error" not in process.log


def test_it_leaves_while_much_is_to_do(
    recorded: Recorded, environment: dict[str, str], recorder: StartRecorder
) -> None:
    """Given a long stream that is being recorded, when it is asked to leave, then it does so soon, what is written
    stays, and the next one goes on from there."""
    recorded.flood(6_000)
    process = recorder(environment)
    assert reached(lambda: recorded.count("matches") > 0, RECORDED_SECONDS), process.log
    code, seconds = process.leave(signal.SIGINT)
    assert (code, seconds < LEAVE_SECONDS) == (0, True), (seconds, process.log)
    assert process.gone()
    assert recorded.check(drained=False).ok
    all_in(recorded, recorder(environment))
    assert recorded.count("matches") == 6_000


def test_it_leaves_as_soon_as_it_started(
    recorded: Recorded, environment: dict[str, str], recorder: StartRecorder
) -> None:
    """Given a recorder that just began, when it is asked to leave at any moment of that, then it does."""
    recorded.play(4)
    rng = random.Random(4)
    for _ in range(at_length(3, 100)):
        process = recorder(environment)
        process.until("recorder started")
        spin(rng.uniform(0, 0.1))
        code, seconds = process.leave()
        assert (code, seconds < LEAVE_SECONDS) == (0, True), (seconds, process.log)
        assert process.gone(), process.log


def test_it_waits_for_its_database(server_url: str, recorder: StartRecorder, tmp_path: Path) -> None:
    """Given no Postgres yet, when a recorder starts, then it says so and waits; what happened is recorded once there is
    one."""
    server = EmbeddedPostgres(tmp_path / "pg", fast=True, extra_settings={"synchronous_commit": "on"})
    with Matchmaker(server_url) as mm:
        mm.apply_rules(RULES)
        with server:
            schema.upgrade(server.url)
            url = server.url
            server.kill()
            process = recorder(environment_of(server_url, url, "main"))
            process.until("database unavailable", "does not answer")
            process.until("drain-main", "does not answer")
            server.restart()
            with Database(url) as database:
                all_in(Recorded(mm.redis, mm, database), process)


def test_it_waits_for_its_server(own_server: StartServer, database: Database, recorder: StartRecorder) -> None:
    """Given no Redis server yet, when a recorder starts, then it says so, waits, and records once there is one."""
    server = own_server()
    server.kill()
    url = database_url_of(database)
    process = recorder(environment_of(server.url, url, "main"))
    process.until("recorder begins again", "onnect")
    server.restart()
    with Matchmaker(server.url) as mm:
        mm.apply_rules(RULES)
        recorded = Recorded(mm.redis, mm, database)
        recorded.play(4)
        all_in(recorded, process)


def database_url_of(database: Database) -> str:
    """Its URL, which holds no password in this suite."""
    assert "***" not in database.shown
    return database.shown


def test_a_realm_that_comes_later(
    server_url: str, recorder: StartRecorder, environment: dict[str, str], database: Database
) -> None:
    """Given a recorder for a realm that nobody has made, when it is made, then it is recorded by the next tick."""
    process = recorder(environment)
    process.scheduler().close()
    with redis.Redis.from_url(server_url) as client:
        assert reached(lambda: client.zscore(f"rq:scheduled:{QUEUE}", "tick-main") is not None, READY_SECONDS)
        assert reached(lambda: not client.exists("rq:job:drain-main"), READY_SECONDS), process.log
    with Matchmaker(server_url) as mm:
        mm.apply_rules(RULES)
        hurry(mm.redis)
        all_in(Recorded(mm.redis, mm, database), process)


# -- who shares the work -----------------------------------------------------------------------------------------------


def test_two_realms_share_a_recorder(
    realms: Callable[[str], Recorded], server_url: str, database_url: str, recorder: StartRecorder
) -> None:
    """Given one recorder for a busy realm and a quiet one, when the busy one never rests, then what happens in the
    quiet one is recorded soon all the same."""
    busy, quiet = realms("busy"), realms("quiet")
    busy.play(4)
    process = recorder(environment_of(server_url, database_url, "busy"), "--realm", "busy", "--realm", "quiet")
    process.until("recorder started", "realms=['busy', 'quiet']")
    jobs = Jobs(busy.client)
    assert reached(lambda: busy.count("matches", "realm = 'busy'") > 0, RECORDED_SECONDS), process.log
    quiet.play(4)
    number, begun = 0, time.monotonic()

    def shared() -> bool:
        nonlocal number
        number += 1
        busy.play(4, first=10 * number)
        jobs.drain("quiet")
        jobs.drain("busy")
        return quiet.count("matches", "realm = 'quiet'") == 2

    assert reached(shared, RECORDED_SECONDS), process.log
    assert time.monotonic() - begun < FAIR_SECONDS
    for recorded in (busy, quiet):
        assert recorded.check(drained=False).ok


def test_two_recorders_share_two_realms(
    realms: Callable[[str], Recorded], server_url: str, database_url: str, recorder: StartRecorder
) -> None:
    """Given two recorders and two busy realms, then each recorder has a job at work at the same time."""
    one, two = realms("one"), realms("two")
    for realm in (one, two):
        realm.play(20)
    arguments = ("--realm", "one", "--realm", "two")
    crew = [recorder(environment_of(server_url, database_url, "one"), *arguments) for _ in range(2)]
    assert reached(lambda: all(process.horses() for process in crew), READY_SECONDS), [p.log for p in crew]
    for realm in (one, two):
        all_in(realm, crew[0])
    assert sum(len(process.schedulers()) for process in crew) == 1
    for process in crew:
        code, seconds = process.leave()
        assert (code, seconds < LEAVE_SECONDS) == (0, True), process.log


def test_jobs_on_a_server_of_their_own(
    recorded: Recorded, own_server: StartServer, server_url: str, database_url: str, recorder: StartRecorder
) -> None:
    """Given MATCHMAKER_RQ_URL, then RQ writes nothing where the realm is."""
    jobs_url = own_server().url
    recorded.play(4)
    process = recorder(environment_of(server_url, database_url, "main", jobs_url))
    all_in(recorded, process)
    assert list(recorded.client.scan_iter("rq:*")) == []
    with redis.Redis.from_url(jobs_url) as client:
        assert client.exists("rq:job:drain-main") == 1
        assert list(client.scan_iter("mm:*")) == []


def test_a_plain_rq_worker_does_too(
    recorded: Recorded, server_url: str, database_url: str, recorder: StartRecorder
) -> None:
    """Given RQ's own worker command, when somebody asks for a drain, then it records, and leaves on SIGTERM."""
    environment = {**environment_of(server_url, database_url, "main"), "RQ_REDIS_URL": server_url}
    process = recorder(environment, command=PLAIN)
    process.until("Listening on")
    jobs = Jobs(recorded.client)
    recorded.play(4)
    jobs.keep_ticking(["main"])
    assert jobs.drain("main")
    all_in(recorded, process)
    assert reached(lambda: recorded.client.zscore(f"rq:scheduled:{QUEUE}", "tick-main") is not None, RECORDED_SECONDS)


# -- how it is asked ---------------------------------------------------------------------------------------------------


def test_what_jobs_are_like(recorded: Recorded) -> None:
    """Given no recorder, when jobs are asked for, then each is there once under its fixed id, takes the realm's name
    and nothing else, is retried, and comes again where it should."""
    jobs = Jobs(recorded.client)
    assert jobs.drain("main")
    assert not jobs.drain("main")
    jobs.keep_ticking(["main"])
    jobs.keep_ticking(["main"])
    assert jobs.queue.get_job_ids() == ["drain-main", "tick-main", "reconcile-main", "rest-main"]
    drain = job_of(recorded, "drain-main")
    assert (drain.func_name, drain.args, drain.kwargs) == ("workers.recorder.drain", ["main"], {})
    assert (drain.retries_left, drain.retry_intervals) == (4, [1, 2, 5, 10])
    assert (drain.result_ttl, drain.failure_ttl, drain.timeout) == (0, 86_400, 180)
    assert job_of(recorded, "tick-main").repeat_intervals == [30]
    assert job_of(recorded, "reconcile-main").repeat_intervals == [600]


def test_lost_jobs_come_again(recorded: Recorded, environment: dict[str, str], recorder: StartRecorder) -> None:
    """Given an idle recorder and no matcher, when its drain and its tick are deleted by hand, then the tick comes
    again, and with it what happened meanwhile is recorded."""
    process = recorder(environment)
    all_in(recorded, process)
    process.rest()
    recorded.play(4)
    scheduled = f"rq:scheduled:{QUEUE}"
    recorded.client.delete("rq:job:drain-main", "rq:job:tick-main")
    recorded.client.zrem(scheduled, "drain-main", "tick-main")
    all_in(recorded, process)
    assert recorded.count("matches") == 2


def test_a_lost_drain_comes_with_the_tick(
    recorded: Recorded, environment: dict[str, str], recorder: StartRecorder
) -> None:
    """Given an idle recorder and no matcher, when the next tick is due, then what happened is recorded."""
    process = recorder(environment)
    all_in(recorded, process)
    process.rest()
    recorded.play(4)
    recorded.client.delete("rq:job:drain-main")
    hurry(recorded.client)
    all_in(recorded, process)


def test_a_job_whose_worker_died_on_taking_it(recorded: Recorded) -> None:
    """Given a drain that a worker took out of the queue and never began, when one is asked for a little later, then it
    is queued again, and nothing is left of the first."""
    jobs = Jobs(recorded.client)
    assert jobs.drain("main")
    recorded.client.lmove(jobs.queue.key, jobs.queue.intermediate_queue_key)
    assert not jobs.drain("main"), "it may just begin"
    recorded.client.hset("rq:job:drain-main", "enqueued_at", "2026-01-01T00:00:00.000000Z")
    assert jobs.drain("main")
    assert jobs.queue.get_job_ids() == ["drain-main"]
    assert recorded.client.llen(jobs.queue.intermediate_queue_key) == 0


def test_a_match_is_soon_recorded(
    recorded: Recorded, server_url: str, environment: dict[str, str], recorder: StartRecorder, tmp_path: Path
) -> None:
    """Given an idle recorder whose drain has left, when a matcher makes a match, then it is a row within two
    seconds."""
    process = recorder(environment)
    workers = Workers(tmp_path)
    workers.start(run_ringing_matcher, server_url, ["main"], server_url)
    try:
        took = []
        for number in range(2):
            all_in(recorded, process)
            process.rest()
            one, _ = [recorded.mm.enqueue("ladder", f"{name} {number}", rating=1) for name in ("ann", "bob")]
            assert recorded.mm.wait_for_match(one, timeout=5).queue == "ladder"
            begun = time.monotonic()
            assert reached(lambda: recorded.count("matches") == number + 1, RECORDED_SECONDS), process.log  # noqa: B023
            took.append(time.monotonic() - begun)
        assert max(took) < PROMPT_SECONDS, took
    finally:
        workers.close()


# -- what fails --------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(90)
def test_a_failure_is_kept_with_its_reason(
    server_url: str, postgres: EmbeddedPostgres, recorder: StartRecorder, database_url: str, database: Database
) -> None:
    """Given a recorder that runs, when its database refuses for good, then the log and RQ's registry of failures name
    the reason and what to do, and no secret."""
    with Matchmaker(server_url) as mm:
        mm.apply_rules(RULES)
        recorded = Recorded(mm.redis, mm, database)
        url = f"{database_at(postgres.url, database_url.partition('?')[0].rpartition('/')[2])}&password=s3cr%40t"
        process = recorder(environment_of(server_url, url, "main"))
        all_in(recorded, process)
        process.rest()
        with database.transaction() as cursor:
            cursor.execute("UPDATE schema SET version = '9999', oldest_program = '9999'")
        Jobs(mm.redis).drain("main")
        line = process.until("drain-main", "DatabaseSchema")
        assert "upgrade this program" in line
        failures = FailedJobRegistry(QUEUE, connection=mm.redis, serializer=JSONSerializer)

        def failed() -> bool:
            hurry(mm.redis)
            return "drain-main" in failures.get_job_ids()

        assert reached(failed, RECORDED_SECONDS), process.log
        reason = job_of(recorded, "drain-main").latest_result()
        assert reason is not None
        assert "schema is 9999" in str(reason.exc_string)
        assert "upgrade this program" in str(reason.exc_string)
        assert "s3cr" not in process.log + str(reason.exc_string)
        dumped = b"".join(value for key in mm.redis.scan_iter("rq:*") if (value := mm.redis.dump(key)))
        assert b"s3cr" not in dumped
        assert_nowhere_in_ps("s3cr")


def assert_nowhere_in_ps(secret: str) -> None:
    """No process shows it in its command line."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                shown = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            assert secret.encode() not in shown, shown
