"""Postgres is stopped under load and comes back; it is killed in the middle of commits; it is away until the realm's
stream is full.

What must hold: matching and its doorbells notice nothing; the realm says how far its records are behind; afterwards
there is one row for a match, whatever was half-way through when the database went.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import redis

from matchmaker import Matchmaker, errors, parse_rules
from matchmaker.embedded_postgres import EmbeddedPostgres
from matchmaker.model import TicketRequest
from matchmaker.reports import Recording
from matchmaker.store import schema
from matchmaker.store.connect import Database
from matchmaker.store.drain import Drain, DrainReport
from tests.faults.ears import assert_heard, reached
from tests.faults.processes import spin
from tests.faults.recorders import (
    RECORDED_SECONDS,
    StartRecorder,
    all_recorded,
    behind,
    environment_of,
    run_ringing_matcher,
)
from tests.faults.scene import MATCHED_SECONDS, RECOVERY_SECONDS, Scene, at_length
from tests.integration.recorded import Recorded
from tests.servers import StartServer

REGULARS = [f"regular-{i}" for i in range(6)]
AWAY_SECONDS = at_length(5, 30)
PAGE = 200


@pytest.fixture
def own_postgres() -> Iterator[EmbeddedPostgres]:
    """A Postgres that may be broken, its tables made: quick, but what it committed survives its own crash."""
    with EmbeddedPostgres(None, fast=True, extra_settings={"synchronous_commit": "on"}) as server:
        schema.upgrade(server.url)
        yield server


@pytest.mark.timeout(180)
def test_away_under_load(
    own_server: StartServer,
    own_postgres: EmbeddedPostgres,
    scene_at: Callable[[str], Scene],
    recorder: StartRecorder,
) -> None:
    """Given players, listeners, matchers and a recorder, when Postgres is killed and stays away, then matches go on
    and everybody hears of them at once; the realm falls behind and says so; when Postgres is back all is recorded,
    each match once."""
    server = own_server()
    scene = scene_at(server.url)
    process = recorder(environment_of(server.url, own_postgres.url, scene.realm))
    for _ in range(2):
        scene.workers.start(run_ringing_matcher, scene.url, [scene.realm], scene.url)
    with (
        Database(own_postgres.url) as database,
        scene.ears("threads", REGULARS) as ears,
        scene.crowd(regulars=REGULARS) as crowd,
    ):
        recorded = Recorded(scene.client, scene.mm, database)
        assert reached(lambda: recorded.count("matches") >= 20, RECORDED_SECONDS), process.log
        own_postgres.kill()
        away_since, heard = time.monotonic(), sum(len(events) for events in ears.heard.values())
        lags = [behind(scene)]
        while time.monotonic() - away_since < AWAY_SECONDS:
            # Matches go on, and the realm tells that its records do not
            assert scene.matched(20) < RECOVERY_SECONDS
            lags.append(behind(scene))
            assert oldest_ms(scene) > 0
        assert max(lags) > 100
        assert lags[-1] > lags[1]
        assert oldest_ms(scene) > 1000 * (AWAY_SECONDS - 2)
        assert sum(len(events) for events in ears.heard.values()) > heard
        own_postgres.restart()
        back = time.monotonic()
        assert reached(lambda: behind(scene) < 50, RECORDED_SECONDS), process.log
        assert time.monotonic() - back < RECORDED_SECONDS
        crowd.stop()
        scene.at_rest()
        all_recorded(scene, recorded)
        assert_heard(ears, scene.ledger, RECOVERY_SECONDS)
        assert max(ears.delays) < MATCHED_SECONDS
        assert "does not answer" in process.log
        scene.judge(crowd)


def oldest_ms(scene: Scene) -> int:
    recording = scene.mm.stats().recording
    assert isinstance(recording, Recording)
    return recording.oldest_ms or 0


class Drains:
    """Drains a realm in a thread, again and again until all is recorded, whatever becomes of the database."""

    def __init__(self, recorded: Recorded, url: str) -> None:
        self.failed: list[errors.MatchmakerError] = []
        self.odd: list[BaseException] = []
        self.batches = 0
        self._before = 0
        self.done = threading.Event()
        self._recorded = recorded
        self._url = url
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        pause = threading.Event()
        try:
            while not self.done.is_set():
                try:
                    with (
                        Database(self._url) as database,
                        Drain(
                            self._recorded.client, database, self._recorded.realm, batch_events=PAGE, patience_seconds=5
                        ) as drain,
                    ):
                        self._before = self.batches
                        drain.run(leave=lambda: self._count(drain.report))
                    self.done.set()
                except errors.DatabaseUnavailable as fault:
                    self.failed.append(fault)
                    pause.wait(0.01)
        except BaseException as fault:
            self.odd.append(fault)
            self.done.set()
            raise

    def _count(self, report: DrainReport) -> bool:
        self.batches = self._before + report.batches
        return False

    def went_on(self, batches: int) -> bool:
        """Whether more than so many were written soon, or all is."""
        return reached(lambda: self.batches > batches or self.done.is_set(), RECORDED_SECONDS)

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)
        assert not self._thread.is_alive()
        if self.odd:
            raise self.odd[0]


@pytest.mark.timeout(600)
def test_killed_while_it_commits(own_server: StartServer, own_postgres: EmbeddedPostgres) -> None:
    """Given thousands of events to record, when Postgres is killed with SIGKILL within the commits, again and again,
    then nothing is there twice and nothing is missing."""
    rng = random.Random(2)
    kills = at_length(10, 200)
    server = own_server()
    with redis.Redis.from_url(server.url) as client, Matchmaker(client, "kills") as mm:
        mm.apply_rules(parse_rules("[ladder]\nmax_gap = 300\ninterval_ms = 1\nwillingness = { base = 100 }\n", "test"))
        with Database(own_postgres.url) as database:
            recorded = Recorded(client, mm, database)
            recorded.flood(100)
            drains = Drains(recorded, own_postgres.url)
            for number in range(kills):
                before = drains.batches
                for i in range(2):
                    flood(mm, 4 * PAGE, f"{number}-{i}")
                assert drains.went_on(before)
                if drains.done.is_set():
                    drains.join(1)
                    drains = Drains(recorded, own_postgres.url)
                spin(rng.uniform(0, 0.02))
                own_postgres.kill()
                own_postgres.restart()
            drains.join(RECORDED_SECONDS)
            assert recorded.drain().behind is False
            verdict = recorded.check()
            assert verdict.ok, str(verdict)
            assert verdict.matches > 400 * kills
            assert recorded.count("matches") == verdict.matches
            assert recorded.count("tickets") == recorded.count("teams") == 2 * verdict.matches
            assert recorded.value("SELECT events FROM realms") == client.xlen(mm.calls.keys.events)


def flood(mm: Matchmaker, tickets: int, name: str) -> None:
    """So many tickets, all matched in pairs."""
    answers = mm.enqueue_many("ladder", [TicketRequest(f"{name}-{i}", 1500.0 + i // 2) for i in range(tickets)])
    assert not any(isinstance(answer, errors.MatchmakerError) for answer in answers)
    while mm.attempt_match("ladder").made:
        pass


@pytest.mark.timeout(90)
def test_away_until_the_stream_is_full(
    own_server: StartServer, own_postgres: EmbeddedPostgres, recorder: StartRecorder
) -> None:
    """Given a realm that keeps few events and a Postgres that is away, when they are used up, then enqueue is refused
    by name, who waits is matched or may leave; when Postgres is back and all is recorded, tickets are taken again."""
    server = own_server()
    with (
        Matchmaker(server.url, "full") as mm,
        Database(own_postgres.url) as database,
    ):
        mm.apply_rules(
            parse_rules("[ladder]\nmax_gap = 300\nwillingness = { per_second = 1000 }\n", "test"),
            retain_seconds=1,
            max_backlog=500,
        )
        recorded = Recorded(mm.redis, mm, database)
        assert recorded.drain().events == 1
        own_postgres.kill()
        process = recorder(environment_of(server.url, own_postgres.url, "full"))
        waiting = mm.enqueue("ladder", "stays", rating=-9000)
        pair = [mm.enqueue("ladder", name, rating=9000) for name in ("left", "right")]
        names = (f"player-{i}" for i in range(100_000))
        refused: list[errors.MatchmakerError] = []

        def full() -> bool:
            answers = mm.enqueue_many("ladder", [TicketRequest(next(names), 1500.0) for _ in range(20)])
            refused.extend(answer for answer in answers if isinstance(answer, errors.MatchmakerError))
            return bool(refused)

        assert reached(full, 20)
        # Then it says why, and does nothing
        assert {type(refusal) for refusal in refused} == {errors.BacklogFull}
        assert "events are kept, the bound is 500" in str(refused[0])
        with pytest.raises(errors.BacklogFull):
            mm.enqueue("ladder", "late", rating=1)
        # And passes and cancels go on
        while mm.attempt_match("ladder").made:
            pass
        assert mm.status(pair[0]).match is not None
        assert mm.cancel(waiting).state == "cancelled"
        lag = mm.stats().recording
        assert lag is not None
        assert (lag.behind or 0) >= 500

        own_postgres.restart()
        assert reached(lambda: taken(mm), RECORDED_SECONDS), process.log
        assert reached(lambda: nothing_behind(mm), RECORDED_SECONDS), process.log
        code, _ = process.leave()
        assert code == 0
        verdict = recorded.check()
        assert verdict.ok, str(verdict)
        assert recorded.count("matches") == recorded.count("tickets", "state = 'matched'") / 2 >= 200
        assert recorded.count("players", "player = 'late'") == 1


def taken(mm: Matchmaker) -> bool:
    """Whether the one who was refused is let in now."""
    try:
        return mm.enqueue("ladder", "late", rating=1).state == "waiting"
    except errors.BacklogFull:
        return False


def nothing_behind(mm: Matchmaker) -> bool:
    recording = mm.stats().recording
    return recording is not None and recording.behind == 0
