"""Standings and records as programs call them: by the blocking and the asyncio client, with each kind of database."""

from __future__ import annotations

import pytest

from matchmaker import aio, errors, parse_rules
from matchmaker.aio.database import Driver
from matchmaker.aio.reads_face import Records as AsyncRecords
from matchmaker.aio.reads_face import Standings as AsyncStandings
from matchmaker.calls import Rated
from matchmaker.reads_face import Records, Standings
from matchmaker.store.connect import Database
from matchmaker.store.queries import DatabasePlan, Query, Rows
from matchmaker.store.ratings import import_ratings
from tests.faces import FACES, face
from tests.integration.recorded import Recorded


@pytest.mark.parametrize(
    ("kind", "driver"), [("threads", None), *(("asyncio", one) for one in (None, "threads", "native"))]
)
async def test_all_reads_of_a_client(
    kind: str, driver: Driver | None, redis_url: str, recorded: Recorded, database_url: str
) -> None:
    """Given a realm with matches, when each read is called, then it answers; the caller's own pool stays open."""
    recorded.play(6)
    recorded.drain()
    with recorded.database.transaction() as cursor:
        import_ratings(cursor, recorded.realm, "ladder", {"player 1": Rated(1500.0)})
    recorded.client.zadd(recorded.mm.calls.keys.ratings("ladder"), {"player 1": 1500.0, "player 2": 1400.0})
    own = aio.Database(database_url, driver) if driver else None
    async with face(kind, redis_url, recorded.realm, database=own or database_url) as mm:
        board = await mm.standings.top("ladder")
        assert [line.player for line in board.lines] == ["player 1", "player 2"]
        assert (await mm.standings.around("ladder", "player 2", most=1)).lines == board.lines[1:]
        assert await mm.standings.of("ladder", "player 1") == board.lines[0]
        assert [one.queue for one in (await mm.records.profile("player 1")).records] == ["ladder"]
        assert isinstance(await mm.records.history("player 1", "ladder"), list)
        assert (await mm.records.head_to_head("player 1", "player 2")).queues == ()
        (newest,) = await mm.records.matches(player="player 1")
        assert await mm.records.match(newest.match.id) == newest
        assert [change.version for change in await mm.records.rule_history("ladder")] == [1]
    if own is not None:
        assert await AsyncRecords(own, recorded.realm).match(newest.match.id) == newest
        await own.close()


@pytest.mark.parametrize("kind", FACES)
async def test_a_pool_of_blocking_connections_serves_both_faces(
    kind: str, redis_url: str, recorded: Recorded, database: Database
) -> None:
    recorded.play(2)
    recorded.drain()
    async with face(kind, redis_url, recorded.realm, database=database) as mm:
        assert len(await mm.records.matches()) == 1
    assert database.run(one()) == [(1,)]


def one() -> DatabasePlan[Rows]:
    return (yield Query("SELECT 1", {}))


@pytest.mark.parametrize("kind", FACES)
async def test_records_without_a_database_say_so(kind: str, redis_url: str, realm: str) -> None:
    async with face(kind, redis_url, realm) as mm:
        await mm.apply_rules(parse_rules("[ladder]\n", "test"))
        with pytest.raises(errors.DatabaseUnavailable, match="none was given"):
            await mm.records.profile("ann")
        assert (await mm.standings.top("ladder")).lines == ()


def test_both_faces_have_the_same_reads() -> None:
    for blocking, awaited in ((Standings, AsyncStandings), (Records, AsyncRecords)):
        assert {name for name in vars(blocking) if name[0] != "_"} == {name for name in vars(awaited) if name[0] != "_"}
