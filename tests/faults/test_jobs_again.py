"""Every job is run three times, in any order, at once, in threads and in processes: RQ promises "at least once" only.

What must hold: the database is the one that each job once would have made.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matchmaker import Matchmaker
from matchmaker.store.connect import Database
from matchmaker.store.drain import Drain
from tests.faults.processes import Workers
from tests.faults.recorders import environment_of
from tests.faults.scene import at_length
from tests.integration.recorded import RULES, TABLES, Recorded
from workers import recorder

JOBS: dict[str, Callable[[str], None]] = {
    "drain": recorder.drain,
    "tick": recorder.tick,
    "reconcile": recorder.reconcile,
}
EACH_THRICE = [*JOBS] * 3
ORDERS = st.tuples(st.permutations(EACH_THRICE), st.sampled_from([1, 3, 10_000]), st.integers(1, 4))


def brief(batch_events: int) -> None:
    """Jobs of this process end as soon as there is nothing left, and write batches of that size."""
    vars(recorder).update(LINGER_SECONDS=0.0, Drain=partial(Drain, batch_events=batch_events))


@pytest.fixture
def played(
    redis_url: str,
    redis_client: redis.Redis,
    realm: str,
    database: Database,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Recorded]:
    """A realm in which much happened, and the environment that the jobs read."""
    monkeypatch.setattr(recorder, "LINGER_SECONDS", 0.0)
    monkeypatch.setattr(recorder, "Drain", Drain)
    for name, value in environment_of(redis_url, database_url, realm).items():
        monkeypatch.setenv(name, value)
    with Matchmaker(redis_client, realm) as mm:
        mm.apply_rules(RULES)
        recorded = Recorded(redis_client, mm, database)
        recorded.play(21)
        recorded.play(8, first=100)
        yield recorded
    for key in redis_client.scan_iter("rq:*"):
        redis_client.delete(key)


def once(recorded: Recorded) -> dict[str, list[str]]:
    """The rows that each job once makes, which are then taken away again."""
    for job in JOBS.values():
        job(recorded.realm)
    rows = recorded.rows()
    assert recorded.check().ok, str(recorded.check())
    assert len(rows["matches"]) >= 14
    forget(recorded)
    return rows


def forget(recorded: Recorded) -> None:
    with recorded.database.transaction() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(TABLES)}")


def test_thrice_in_any_order_and_at_once(played: Recorded) -> None:
    """Given what happened, when each job runs three times in any order, up to four at a time, with batches of any size,
    then the rows are those of each job once."""
    wanted = once(played)

    @settings(
        max_examples=at_length(12, 500), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(ORDERS)
    def run(order: tuple[list[str], int, int]) -> None:
        names, batch_events, at_once = order
        brief(batch_events)
        with ThreadPoolExecutor(at_once) as pool:
            for ended in [pool.submit(JOBS[name], played.realm) for name in names]:
                ended.result(60)
        JOBS["drain"](played.realm)  # a drain that found another at work for longer than its patience did nothing
        assert played.rows() == wanted
        assert played.check().ok, str(played.check())
        forget(played)

    run()


def test_thrice_while_more_happens(played: Recorded) -> None:
    """Given players who come and go, when jobs run over and over meanwhile, then at the end each event made its rows
    once."""
    rng = random.Random(3)
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            JOBS[rng.choice([*JOBS])](played.realm)

    with ThreadPoolExecutor(3) as pool:
        busy = [pool.submit(work) for _ in range(3)]
        for round_ in range(at_length(20, 500)):
            played.play(6, first=1000 + 10 * round_)
        over.set()
        for ended in busy:
            ended.result(60)
    JOBS["drain"](played.realm)
    rows = played.rows()
    assert played.check().ok, str(played.check())
    assert played.value("SELECT events FROM realms") == played.client.xlen(played.mm.calls.keys.events)
    forget(played)
    JOBS["drain"](played.realm)
    assert played.rows() == rows


def run_jobs(environment: dict[str, str], realm: str, names: list[str], batch_events: int) -> None:
    """In a process of its own: these jobs, one after the other."""
    os.environ.update(environment)
    brief(batch_events)
    for name in names:
        JOBS[name](realm)


def test_thrice_in_processes(played: Recorded, redis_url: str, database_url: str, tmp_path: Path) -> None:
    """Given what happened, when four processes run all jobs, each in an order of its own, and one of them is killed,
    then the rows are those of each job once."""
    wanted = once(played)
    environment = environment_of(redis_url, database_url, played.realm)
    for seed in range(at_length(2, 100)):
        rng, workers = random.Random(seed), Workers(tmp_path)
        crew = [
            workers.start(run_jobs, environment, played.realm, rng.sample(EACH_THRICE, len(EACH_THRICE)), size)
            for size in (1, 2, 5, 10_000)
        ]
        crew[rng.randrange(4)].kill()
        codes = sorted(worker.exit_code() for worker in crew)
        assert codes in ([-9, 0, 0, 0], [0, 0, 0, 0]), [worker.log.read_text() for worker in crew]
        JOBS["drain"](played.realm)
        assert played.rows() == wanted
        forget(played)
