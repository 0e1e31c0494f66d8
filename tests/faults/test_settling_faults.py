"""Matches are settled while drains are killed, while Postgres is killed, and by jobs that run too often.

What must hold: every match is rated once, in order, and told once; the season computed anew gives the same bits.
"""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial

import pytest
import redis

from matchmaker import Matchmaker, errors
from matchmaker.embedded_postgres import EmbeddedPostgres
from matchmaker.store import schema
from matchmaker.store.connect import Database
from matchmaker.store.drain import Drain
from tests.faults.ears import reached
from tests.faults.recorders import environment_of
from tests.faults.scene import at_length
from tests.integration.played import RULES, Played, a_season, judge, season_of
from tests.integration.recorded import Recorded
from tests.integration.terminal import ROOT
from workers import recorder

SECONDS = 20.0
DRAINING = """
import sys, redis
from matchmaker.store.connect import Database
from matchmaker.store.drain import Drain
url, database_url, realm = sys.argv[1:]
with Database(database_url) as database, redis.Redis.from_url(url) as client:
    while True:
        with Drain(client, database, realm, batch_events=3, patience_seconds=5) as drain:
            drain.run(linger_seconds=1)
"""
"""A process that settles a match at a time, until it is killed."""


@pytest.fixture
def played(redis_client: redis.Redis, realm: str, database: Database) -> Iterator[Played]:
    """A realm whose matches have results, its season, and the database it is recorded in."""
    with Matchmaker(redis_client, realm) as mm:
        mm.apply_rules(RULES)
        yield Played(Recorded(redis_client, mm, database), season_of(redis_client, mm))


def has_settled(played: Played, matches: int) -> bool:
    return played.recorded.count("results") >= matches


def has_more(failures: list[errors.MatchmakerError], than: int) -> bool:
    return len(failures) > than


@pytest.mark.timeout(120)
def test_drains_are_killed(played: Played, redis_url: str, database_url: str) -> None:
    """Given matches that finish all the time, when whoever settles them is killed at any moment, again and again, then
    each is rated and told once."""
    rng, realm = random.Random(3), played.recorded.realm
    command = [sys.executable, "-P", "-c", DRAINING, redis_url, database_url, realm]
    for i in range(at_length(4, 40)):
        a_season(played, 40, seed=i)
        settled = played.recorded.count("results") + rng.randint(1, 30)
        with subprocess.Popen(command, env={"PYTHONPATH": str(ROOT)}) as process:
            assert reached(partial(has_settled, played, settled), SECONDS)
            process.kill()
    played.recorded.drain(patience_seconds=5)
    judge(played)


@pytest.mark.timeout(120)
def test_postgres_is_killed(redis_client: redis.Redis, realm: str) -> None:
    """Given a drain that is started again whenever it fails, when Postgres is killed in the middle of it and comes
    back, again and again, then no rating is applied twice and none is missing."""
    with (
        EmbeddedPostgres(None, fast=True, extra_settings={"synchronous_commit": "on"}) as server,
        Database(server.url) as database,
        Matchmaker(redis_client, realm) as mm,
    ):
        schema.upgrade(server.url)
        mm.apply_rules(RULES)
        played = Played(Recorded(redis_client, mm, database), season_of(redis_client, mm))
        ended = threading.Event()
        failures: list[errors.MatchmakerError] = []

        def work() -> None:
            while not ended.is_set():
                try:
                    with Drain(redis_client, database, realm, batch_events=5) as drain:
                        drain.run(linger_seconds=0.05)
                except errors.DatabaseUnavailable as failure:
                    failures.append(failure)

        worker = threading.Thread(target=work)
        worker.start()
        try:
            for i in range(at_length(3, 20)):
                before = played.recorded.count("results")
                a_season(played, 150, seed=i)
                assert reached(partial(has_settled, played, before + 10), SECONDS)
                failed = len(failures)
                server.kill()
                assert reached(partial(has_more, failures, failed), SECONDS)
                server.restart()
            assert reached(partial(has_settled, played, len(played.season.finished)), SECONDS)
        finally:
            ended.set()
            worker.join(SECONDS)
        played.recorded.drain(patience_seconds=5)
        judge(played)


@pytest.mark.timeout(60)
def test_jobs_run_three_times(
    played: Played, redis_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a season, when every job runs three times in any order, then the ratings are those of each job once."""
    monkeypatch.setattr(recorder, "LINGER_SECONDS", 0.0)
    for name, value in environment_of(redis_url, database_url, played.recorded.realm).items():
        monkeypatch.setenv(name, value)
    jobs = [recorder.drain, recorder.tick, recorder.reconcile, recorder.rest]
    for seed in range(2):
        a_season(played, seed=seed)
        for job in random.Random(seed).sample(jobs * 3, 12):
            job(played.recorded.realm)
        judge(played)
    for key in played.season.client.scan_iter("rq:*"):
        played.season.client.delete(key)
