"""Postgres is slow, frozen or gone: only those who join without a rating, and are not known to the realm, notice.

What must hold: they wait or are refused, within a bound and by a typed error; everybody else's calls, doorbells and
event loops are what they were. Afterwards all is well again without a restart.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, get_args

import pytest
import redis

from matchmaker import Matchmaker, aio, errors, parse_rules
from matchmaker.aio.database import Driver
from matchmaker.aio.reads_face import Records
from matchmaker.calls import Rated
from matchmaker.checker import check
from matchmaker.embedded_postgres import EmbeddedPostgres
from matchmaker.model import Ticket
from matchmaker.store import reads
from matchmaker.store.connect import Database
from matchmaker.store.lookup import QUERIES_AT_A_TIME, TIMEOUT_SECONDS
from matchmaker.store.queries import CONNECTIONS, DatabasePlan, Query
from matchmaker.store.ratings import import_ratings
from matchmaker.store.schema import upgrade
from scripts.benchmarks.slow_postgres import SlowPostgres
from scripts.benchmarks.stalls import StallProbe
from tests.faces import FACES, face

ANSWER_SECONDS = 0.5
MOST_STALL_MS = 10.0
WINDOWS = 3
BELLS = 25
GRACE_SECONDS = 2.0
"""What a busy machine may add to a time limit."""

NOBODY_THERE = "postgresql://matchmaker@127.0.0.1:1/none"
MATCHES = """
INSERT INTO matches (realm, match, queue, rules, at_ms, gap, value)
    SELECT %(realm)s, i || '-0', 'ladder', 1, i, 1, 1 FROM generate_series(1, %(matches)s) i;
INSERT INTO teams (realm, match, team, place, ticket, player, rating, at_ms, waited_ms)
    SELECT %(realm)s, i || '-0', 1 + p / 4, mod(p, 4), i || '-' || p, 'player ' || p, 1500, i, 1
    FROM generate_series(1, %(matches)s) i, generate_series(0, 7) p;
"""
NOT_READY = (errors.DatabaseUnavailable,)


@pytest.fixture
def ladder(redis_url: str, redis_client: redis.Redis, realm: str) -> Iterator[str]:
    """A realm with the queue ladder; at the end the checker has a look."""
    with Matchmaker(redis_url, realm) as mm:
        mm.apply_rules(parse_rules("[ladder]\ndefault_rating = 1200\n", "test"))
    yield realm
    report = check(redis_client, realm, proposals=True)
    assert report.ok, str(report)


@pytest.fixture
def slow(database_url: str, ladder: str) -> Iterator[SlowPostgres]:
    """An upgraded database that knows many players, behind a proxy that is not slow yet."""
    upgrade(database_url)
    with Database(database_url) as database, database.transaction() as cursor:
        import_ratings(cursor, ladder, "ladder", {f"known-{i}": Rated(1000.0 + i) for i in range(200)})
    with SlowPostgres(database_url) as proxy:
        yield proxy


@pytest.fixture(params=get_args(Driver))
async def pool(request: pytest.FixtureRequest, slow: SlowPostgres) -> AsyncIterator[aio.Database]:
    """The slow database by either driver: the test runs once for each. Its connections are there already, so that
    what follows is slow for one reason only."""
    async with aio.Database(slow.url, request.param) as pool:
        await asyncio.gather(*(pool.run(asleep()) for _ in range(CONNECTIONS)))
        yield pool


def asleep() -> DatabasePlan[None]:
    yield Query("SELECT pg_sleep(0.05)", {})


@pytest.fixture
async def client(redis_url: str, ladder: str, pool: aio.Database) -> AsyncIterator[aio.Matchmaker]:
    async with aio.Matchmaker(redis_url, ladder, database=pool) as mm:
        await warm(mm)
        yield mm


async def warm(mm: aio.Matchmaker) -> None:
    """Has all connections of the lookup made, so that what follows is slow for one reason only."""
    joined = await asyncio.gather(*(mm.enqueue("ladder", f"warm-{i}") for i in range(8 * QUERIES_AT_A_TIME)))
    for ticket in joined:
        await mm.cancel(ticket)


async def read(records: Records, player: str) -> None:
    """What a player's page shows: two reads at a time."""
    profile, changes = await asyncio.gather(records.profile(player), records.history(player, "ladder"))
    assert [record.queue for record in profile.records] == ["ladder"]
    assert isinstance(changes, list)


class Bell:
    """One player who joins with a rating and hears of it, again and again."""

    def __init__(self, mm: aio.Matchmaker, listener: aio.Listener) -> None:
        self._mm = mm
        self._listener = listener

    async def rings_ms(self, count: int) -> list[float]:
        """From each call to its event, in ms."""
        took = []
        for _ in range(count):
            began = time.perf_counter()
            ticket = await self._mm.enqueue("ladder", "bell", rating=1500)
            assert await self._listener.get(GRACE_SECONDS) is not None
            took.append(1000 * (time.perf_counter() - began))
            await self._mm.cancel(ticket)
            assert await self._listener.get(GRACE_SECONDS) is not None
        return took


async def test_while_postgres_answers_in_half_a_second_nobody_else_notices(
    client: aio.Matchmaker, pool: aio.Database, slow: SlowPostgres
) -> None:
    """Given a slow Postgres, when players join without a rating and profiles and histories are read, then no event loop
    stalls and every bell is as quick as without them; and they join once their rating is known."""
    records = Records(pool, client.calls.realm)
    slow.delay_seconds = ANSWER_SECONDS
    quiet: list[float] = []
    busy: list[float] = []
    async with await client.listen("bell") as listener, StallProbe() as probe:
        await listener.ready(GRACE_SECONDS)
        bell = Bell(client, listener)
        await bell.rings_ms(BELLS)
        for window in range(WINDOWS):
            quiet += await bell.rings_ms(BELLS)
            probe.cut()
            # When some join who are known and some whom nobody knows
            names = [f"known-{4 * window + i}" for i in range(4)] + [f"new-{window}"]
            began = time.perf_counter()
            joining = [asyncio.create_task(client.enqueue("ladder", name)) for name in names]
            reading = asyncio.create_task(read(records, f"known-{window}"))
            busy += await bell.rings_ms(BELLS)
            assert not any(task.done() for task in joining), "the lookups were over before the measurement was"
            joined = await asyncio.gather(*joining)
            took = time.perf_counter() - began
            await reading
            probe.cut()
            # Then they were delayed, and joined
            assert took >= ANSWER_SECONDS
            ratings = [1000.0 + 4 * window + i for i in range(4)] + [1200.0]
            assert [ticket.rating for ticket in joined] == ratings
    # And no loop was held up: the windows with lookups are every second one
    stalls = probe.windows_ms[1::2]
    assert min(stalls) < MOST_STALL_MS, stalls
    # And the doorbell was as quick as in the same run without them
    assert median(busy) < 2 * median(quiet) + 1.0, (median(busy), median(quiet))


async def test_a_long_answer_does_not_hold_the_loop_up(pool: aio.Database, ladder: str, database_url: str) -> None:
    """Given a thousand matches of eight players, when all are read at once, then the loop goes on meanwhile."""
    with Database(database_url) as database, database.transaction() as cursor:
        cursor.execute(MATCHES, {"realm": ladder, "matches": reads.MOST})
    found: list[reads.RecordedMatch] = []
    async with StallProbe() as probe:
        for _ in range(WINDOWS):
            found = await pool.run(reads.matches_plan(ladder, most=reads.MOST))
            probe.cut()
    assert len(found) == reads.MOST
    assert len(found[0].match.players) == 8
    assert probe.best_ms < MOST_STALL_MS, probe.windows_ms


def waits() -> None:
    """As a driver does that waits for its reply."""
    threading.Event().wait(0.03)


def works() -> None:
    """As a parser does with a long reply; by the thread's own clock, whoever else has the core."""
    until = time.thread_time() + 0.03
    while time.thread_time() < until:
        pass


@pytest.mark.parametrize("block", [waits, works])
async def test_a_blocked_loop_would_have_been_seen(block: Callable[[], None]) -> None:
    """The probe itself: given a loop that is blocked for 30 ms in each window, then every window says so."""
    async with StallProbe() as probe:
        for _ in range(3):
            block()
            assert probe.cut() >= 25
    assert probe.best_ms >= 25


@contextmanager
def frozen(server: EmbeddedPostgres) -> Iterator[None]:
    """Stops every process of a server, as a machine that swaps does."""
    pids = [server.pid]
    os.kill(server.pid, signal.SIGSTOP)  # first, so that it starts no others
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and parent(entry) == server.pid:
            pids.append(int(entry.name))
            os.kill(pids[-1], signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


def parent(entry: Path) -> int:
    """The parent of a process in /proc, 0 for one that just ended."""
    try:
        return int((entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


@pytest.mark.parametrize("kind", FACES)
async def test_a_frozen_postgres_refuses_in_time_and_comes_back(redis_url: str, ladder: str, kind: str) -> None:
    with EmbeddedPostgres(None, fast=True) as server:
        upgrade(server.url)
        async with face(kind, redis_url, ladder, database=server.url) as mm:
            await mm.cancel(await mm.enqueue("ladder", "ann"))
            async with StallProbe() as probe:
                with frozen(server):
                    for window in range(2):
                        await refused_in_time(mm, window)
                        probe.cut()
            if kind == "asyncio":
                assert probe.best_ms < MOST_STALL_MS, probe.windows_ms
            # And once it moves again, so do they
            assert (await until_ready(mm, "new-0-0")).rating == 1200


async def refused_in_time(mm: aio.Matchmaker, window: int) -> None:
    """Given a database that does not answer, then who needs it is refused in time, and who does not is not."""
    began = time.perf_counter()
    refused = [asyncio.create_task(outcome(mm, f"new-{window}-{i}")) for i in range(4)]
    own = await mm.enqueue("ladder", "own", rating=1500)
    known = await mm.enqueue("ladder", "ann")
    assert known.rating == 1200
    assert time.perf_counter() - began < GRACE_SECONDS
    for ticket in (own, known):
        await mm.cancel(ticket)
    for error in await asyncio.gather(*refused):
        assert isinstance(error, errors.DatabaseUnavailable), error
    assert time.perf_counter() - began < TIMEOUT_SECONDS + GRACE_SECONDS


async def outcome(mm: aio.Matchmaker, player: str) -> Ticket | errors.MatchmakerError:
    try:
        return await mm.enqueue("ladder", player)
    except errors.MatchmakerError as error:
        return error


async def until_ready(mm: aio.Matchmaker, player: str) -> Ticket:
    """The player's ticket, as soon as the database is back."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        answer = await outcome(mm, player)
        if isinstance(answer, Ticket):
            return answer
        assert isinstance(answer, NOT_READY), answer
    raise AssertionError("it did not come back")


@pytest.mark.parametrize("kind", FACES)
async def test_a_dead_postgres_refuses_at_once(redis_url: str, ladder: str, kind: str) -> None:
    async with face(kind, redis_url, ladder, database=NOBODY_THERE) as mm:
        began = time.perf_counter()
        with pytest.raises(errors.DatabaseUnavailable, match=r"127\.0\.0\.1"):
            await mm.enqueue("ladder", "ann")
        assert time.perf_counter() - began < GRACE_SECONDS
        assert (await mm.enqueue("ladder", "ann", rating=1500)).rating == 1500


class Counting(Database):
    """Counts its transactions."""

    count = 0

    def transaction(self, *args: Any, **kwargs: Any) -> Any:
        self.count += 1
        return super().transaction(*args, **kwargs)


async def test_a_crowd_costs_a_slow_postgres_a_few_queries(redis_url: str, ladder: str, slow: SlowPostgres) -> None:
    """Given a slow Postgres, when a thousand who are known nowhere join at once, then it is asked ten times at most."""
    with Counting(slow.url) as database:
        async with aio.Matchmaker(redis_url, ladder, database=database) as mm:
            await warm(mm)
            database.count = 0
            slow.delay_seconds = 0.2
            joined = await asyncio.gather(*(outcome(mm, f"new-{i}") for i in range(1_000)))
        assert {type(one) for one in joined} == {Ticket}
        assert 1 <= database.count <= 10
