"""The database of an asyncio program, by both drivers: the same answers, the same errors, the same bounds."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import get_args

import pytest

from matchmaker import aio, errors
from matchmaker.aio.database import Driver
from matchmaker.calls import Lookup, Rated
from matchmaker.embedded_postgres import EmbeddedPostgres
from matchmaker.store import reads
from matchmaker.store.connect import Database
from matchmaker.store.lookup import AsyncRatingLookup
from matchmaker.store.queries import DatabasePlan, Query, Rows
from matchmaker.store.ratings import import_ratings, stored_ratings
from matchmaker.store.schema import upgrade
from tests.integration.recorded import Recorded

DRIVERS = get_args(Driver)
REALM, QUEUE = "r", "ladder"
DEFAULT = Rated(1500.0, 350.0)
PATIENCE_SECONDS = 20.0
GRACE_SECONDS = 2.0
"""What a busy machine, and the graces of the clocks, may add to a time limit."""


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> Driver:
    """Which driver: the test runs once for each."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
async def opened(driver: Driver, database_url: str) -> AsyncIterator[aio.Database]:
    """The test's own database, its tables up to date, by that driver."""
    upgrade(database_url)
    async with aio.Database(database_url, driver) as opened:
        yield opened


def ask(sql: str, **values: object) -> DatabasePlan[Rows]:
    return (yield Query(sql, values))


@contextmanager
def held_up(database: Database) -> Iterator[None]:
    """While nobody can read ratings."""
    link = database.connect()
    with link.cursor() as cursor:
        cursor.execute("LOCK TABLE ratings IN ACCESS EXCLUSIVE MODE")
    try:
        yield
    finally:
        link.close()


async def until_waiting(database: Database, count: int) -> None:
    """Until so many connections wait for a lock: the server says so, there is nothing else to wait on."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    query = (
        "SELECT count(*) FROM pg_stat_activity, (SELECT pg_stat_clear_snapshot()) AS fresh"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    while await asyncio.to_thread(database.run, ask(query)) != [(count,)]:
        assert time.monotonic() < deadline, f"not {count} connections wait"


class TestPlans:
    async def test_values_come_as_the_blocking_driver_has_them(self, opened: aio.Database, database: Database) -> None:
        def everything() -> DatabasePlan[Rows]:
            sql = (
                "SELECT %(text)s::text, %(number)s::bigint, %(real)s::float8, %(nothing)s::text, %(names)s::text[],"
                " '{\"a\": [1, 2.5, null]}'::jsonb, true, 7::smallint, '100 %%'::text"
            )
            names = ["zoë", "a'b\\c", "%s", "🦊", ""]
            return ask(sql, text="x\\'%s", number=2**53 + 1, real=1 / 3, nothing=None, names=names)

        found = await opened.run(everything())
        assert found == database.run(everything())
        assert found[0][:4] == ("x\\'%s", 2**53 + 1, 1 / 3, None)
        assert found[0][5] == {"a": [1, 2.5, None]}

    async def test_a_plan_is_one_transaction(self, opened: aio.Database) -> None:
        """Given a plan of two writes, when it ends, then both are there; when it fails, neither."""

        def both(player: str, *, fails: bool) -> DatabasePlan[int]:
            insert = "INSERT INTO players (realm, player, since_ms) VALUES ('r', %(player)s, 1)"
            assert (yield Query(insert, {"player": player})) == []
            yield Query(insert, {"player": player + " too"})
            if fails:
                raise errors.UnknownPlayer(player, REALM)
            return 2

        assert await opened.run(both("ann", fails=False), read_only=False) == 2
        with pytest.raises(errors.UnknownPlayer):
            await opened.run(both("bob", fails=True), read_only=False)
        assert await opened.run(ask("SELECT player FROM players ORDER BY 1")) == [("ann",), ("ann too",)]

    async def test_reads_may_not_write(self, opened: aio.Database) -> None:
        with pytest.raises(errors.DatabaseUnsuitable, match="read-only"):
            await opened.run(ask("DELETE FROM players"))

    async def test_a_long_answer_comes_whole(self, opened: aio.Database) -> None:
        rows = await opened.run(ask("SELECT i, repeat('x', 100) FROM generate_series(1, 3000) i"))
        assert [row[0] for row in rows] == list(range(1, 3001))

    async def test_an_error_is_thrown_into_the_plan(self, opened: aio.Database) -> None:
        def asked() -> DatabasePlan[str]:
            with pytest.raises(errors.DatabaseSchema):
                yield Query("SELECT * FROM nowhere", {})
            raise errors.UnknownPlayer("ann", REALM)

        with pytest.raises(errors.UnknownPlayer):
            await opened.run(asked())
        assert await opened.run(ask("SELECT 1")) == [(1,)]

    async def test_many_plans_share_a_few_connections(self, opened: aio.Database) -> None:
        query = "SELECT pg_backend_pid() FROM pg_sleep(0.01)"
        found = await asyncio.gather(*(opened.run(ask(query)) for _ in range(40)))
        assert 1 <= len({pid for ((pid,),) in found}) <= 4

    async def test_a_dead_connection_is_replaced(self, opened: aio.Database, database: Database) -> None:
        ((first,),) = await opened.run(ask("SELECT pg_backend_pid()"))
        database.run(ask("SELECT pg_terminate_backend(%(pid)s)", pid=first))
        gone = ask("SELECT count(*) FROM pg_stat_activity WHERE pid = %(pid)s", pid=first)
        assert database.run(gone) in ([(0,)], [(1,)])
        ((second,),) = await opened.run(ask("SELECT pg_backend_pid()"))
        assert second != first


class TestErrors:
    async def test_nobody_there(self, driver: Driver) -> None:
        async with aio.Database("postgresql://matchmaker:s3cret@127.0.0.1:1/none", driver) as nobody:
            with pytest.raises(errors.DatabaseUnavailable, match=r"127\.0\.0\.1") as caught:
                await nobody.run(ask("SELECT 1"))
            assert "s3cret" not in str(caught.value) + repr(caught.value.__cause__)
            assert "s3cret" not in nobody.shown

    async def test_a_database_that_is_not_there(self, driver: Driver, database_url: str) -> None:
        name = database_url.partition("?")[0].rpartition("/")[2]
        async with aio.Database(database_url.replace(name, "t_nowhere"), driver) as nowhere:
            with pytest.raises(errors.DatabaseUnsuitable, match="no such database"):
                await nowhere.run(ask("SELECT 1"))

    async def test_a_database_without_tables_names_the_upgrade(self, driver: Driver, database_url: str) -> None:
        async with aio.Database(database_url, driver) as empty:
            for plan in (reads.matches_plan("main"), reads.match_plan("main", "1-1"), reads.is_recorded_plan("main")):
                with pytest.raises(errors.DatabaseSchema, match=r"none yet.*db upgrade"):
                    await empty.run(plan)

    async def test_the_url_is_read_at_once_and_never_told(self, driver: Driver) -> None:
        for url in ("redis://u:s3cret@h", "postgresql://u:s3cret@[h/x"):
            with pytest.raises(errors.InvalidInput) as caught:
                aio.Database(url, driver)
            assert "s3cret" not in str(caught.value)

    def test_a_driver_that_is_none(self) -> None:
        with pytest.raises(errors.InvalidInput, match="driver"):
            aio.Database("postgresql://h/x", "fast")  # type: ignore[arg-type]


class TestBounds:
    async def test_a_query_that_takes_too_long(self, opened: aio.Database) -> None:
        began = time.monotonic()
        with pytest.raises(errors.DatabaseUnavailable):
            await opened.run(ask("SELECT pg_sleep(60)"), 0.2)
        assert 0.2 <= time.monotonic() - began < 0.2 + GRACE_SECONDS
        assert await opened.run(ask("SELECT 1")) == [(1,)]

    async def test_all_connections_busy(self, opened: aio.Database, database: Database) -> None:
        with held_up(database):
            stuck = [asyncio.create_task(opened.run(ask("SELECT * FROM ratings"))) for _ in range(4)]
            await until_waiting(database, 4)
            with pytest.raises(errors.DatabaseUnavailable, match="busy"):
                await opened.run(ask("SELECT 1"), 0.2)
        assert await asyncio.gather(*stuck) == [[]] * 4

    async def test_a_server_that_is_stopped(self, driver: Driver) -> None:
        """Given a server that says nothing any more, then who asks is refused in time; once it is back, it serves."""
        with EmbeddedPostgres(None, fast=True) as server:
            async with aio.Database(server.url, driver, connections=2) as opened:
                ((pid,),) = await opened.run(ask("SELECT pg_backend_pid()"))
                os.kill(server.pid, signal.SIGSTOP)
                os.kill(pid, signal.SIGSTOP)
                try:
                    began = time.monotonic()
                    asked = (opened.run(ask("SELECT 1"), 0.5) for _ in range(4))
                    found = await asyncio.gather(*asked, return_exceptions=True)
                    assert time.monotonic() - began < 0.5 + GRACE_SECONDS
                finally:
                    os.kill(pid, signal.SIGCONT)
                    os.kill(server.pid, signal.SIGCONT)
                assert [type(one) for one in found] == [errors.DatabaseUnavailable] * 4, found
                assert await opened.run(ask("SELECT 1")) == [(1,)]

    async def test_who_is_cancelled_leaves_the_others_alone(self, opened: aio.Database, database: Database) -> None:
        with held_up(database):
            one, other = (asyncio.create_task(opened.run(ask("SELECT * FROM ratings"))) for _ in range(2))
            await until_waiting(database, 2)
            began = time.monotonic()
            one.cancel()
            with pytest.raises(asyncio.CancelledError):
                await one
            assert time.monotonic() - began < GRACE_SECONDS
        assert await other == []

    async def test_closing_refuses_who_comes(self, opened: aio.Database) -> None:
        await opened.run(ask("SELECT 1"))
        await opened.close()
        with pytest.raises(errors.DatabaseUnavailable, match="closed"):
            await opened.run(ask("SELECT 1"))
        await opened.close()


class TestLookups:
    @pytest.fixture
    async def lookup(self, opened: aio.Database) -> AsyncIterator[AsyncRatingLookup]:
        made = AsyncRatingLookup(opened, REALM, seconds=PATIENCE_SECONDS)
        yield made
        await made.close()

    @staticmethod
    def of(*players: str) -> Lookup:
        return Lookup(QUEUE, players, DEFAULT)

    async def test_known_and_unknown(self, database: Database, lookup: AsyncRatingLookup) -> None:
        with database.transaction() as cursor:
            import_ratings(cursor, REALM, QUEUE, {"ann": Rated(1520.5, 70.25), "bob": Rated(1 / 3)})
        new = ["zoë", "a'b\\c", "%s", "🦊", "x" * 128]
        found = await lookup.awaited(self.of("ann", "bob", *new))
        assert found == {"ann": Rated(1520.5, 70.25), "bob": Rated(1 / 3), **dict.fromkeys(new, DEFAULT)}
        with database.transaction() as cursor:
            assert len(dict(stored_ratings(cursor, REALM, QUEUE))) == 7
        assert lookup.queries == 1

    async def test_a_default_without_a_deviation(self, lookup: AsyncRatingLookup) -> None:
        assert await lookup.awaited(Lookup(QUEUE, ("ann",), Rated(900.0))) == {"ann": Rated(900.0)}

    async def test_a_thousand_tasks_are_a_few_queries(self, lookup: AsyncRatingLookup) -> None:
        found = await asyncio.gather(*(lookup.awaited(self.of(f"p{i}")) for i in range(1_000)))
        assert found == [{f"p{i}": DEFAULT} for i in range(1_000)]
        assert 2 <= lookup.queries <= 10

    async def test_who_waits_too_long_is_told_so(self, opened: aio.Database, database: Database) -> None:
        lookup = AsyncRatingLookup(opened, REALM, seconds=0.2)
        with held_up(database):
            error = (await lookup.awaited(self.of("ann")))["ann"]
        assert isinstance(error, errors.DatabaseUnavailable)
        await lookup.close()

    async def test_a_task_that_is_cancelled_leaves_the_others_their_answer(
        self, database: Database, lookup: AsyncRatingLookup
    ) -> None:
        with held_up(database):
            one, other = (asyncio.create_task(lookup.awaited(self.of("ann"))) for _ in range(2))
            await until_waiting(database, 1)
            one.cancel()
            with pytest.raises(asyncio.CancelledError):
                await one
        assert await other == {"ann": DEFAULT}

    async def test_closing_refuses_who_waits_and_who_comes(self, opened: aio.Database, database: Database) -> None:
        lookup = AsyncRatingLookup(opened, REALM, seconds=PATIENCE_SECONDS)
        with held_up(database):
            waiting = asyncio.create_task(lookup.awaited(self.of("ann")))
            await until_waiting(database, 1)
            await lookup.close()
            assert isinstance((await waiting)["ann"], errors.DatabaseUnavailable)
        assert isinstance((await lookup.awaited(self.of("bob")))["bob"], errors.DatabaseUnavailable)

    async def test_a_read_only_database_still_tells_who_is_known(
        self, driver: Driver, database: Database, database_url: str
    ) -> None:
        with database.transaction() as cursor:
            import_ratings(cursor, REALM, QUEUE, {"ann": Rated(1520.0)})
            cursor.execute("SELECT current_database()")
            (name,) = cursor.fetchone() or ("",)
            cursor.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        async with aio.Database(database_url, driver) as read_only:
            lookup = AsyncRatingLookup(read_only, REALM)
            found = await lookup.awaited(self.of("ann", "bob"))
            await lookup.close()
        assert found["ann"] == Rated(1520.0)
        assert isinstance(found["bob"], errors.DatabaseUnsuitable)


class TestReads:
    async def test_every_read_answers_as_the_blocking_one(
        self, opened: aio.Database, database: Database, recorded: Recorded
    ) -> None:
        """Given matches of two queues, when read by this driver, then all is as the blocking functions have it."""
        assert recorded.play(40) >= 10
        recorded.drain()
        realm, page = recorded.realm, reads.matches(database, recorded.realm, most=5)
        assert len(page) == 5
        before = page[-1].match.id
        for options in ({}, {"queue": "ladder"}, {"player": "player 3"}, {"before": before, "most": 3}):
            plan = reads.matches_plan(realm, **options)
            assert await opened.run(plan) == reads.matches(database, realm, **options)
        assert await opened.run(reads.match_plan(realm, before)) == page[-1]
        assert await opened.run(reads.rule_history_plan(realm, "ladder")) == reads.rule_history(
            database, realm, "ladder"
        )
        assert await opened.run(reads.is_recorded_plan(realm)) is True
        assert await opened.run(reads.is_recorded_plan("another")) is False
        with pytest.raises(errors.UnknownMatch):
            await opened.run(reads.match_plan(realm, "1-1"))
        with pytest.raises(errors.InvalidInput, match="most"):
            reads.matches_plan(realm, most=0)
