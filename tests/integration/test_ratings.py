"""Joining without a rating, from both faces: the realm's, else the database's, else the queue's default."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from matchmaker import Matchmaker, aio, errors, parse_rules
from matchmaker.calls import Batch, Rated
from matchmaker.model import Ticket, TicketRequest
from matchmaker.store.connect import Database
from matchmaker.store.ratings import import_ratings, stored_ratings
from matchmaker.store.schema import upgrade
from tests.faces import face

RULES = "[ladder]\ndefault_rating = 1200\ndefault_deviation = 300\n[casual]\n"
NOBODY_THERE = "postgresql://matchmaker@127.0.0.1:1/none"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    upgrade(database_url)
    with Database(database_url) as opened:
        yield opened


@pytest.fixture
async def rated(kind: str, redis_url: str, realm: str, database: Database) -> AsyncIterator[aio.Matchmaker]:
    """A client of either face with a database, on a realm with the queues ladder and casual."""
    async with face(kind, redis_url, realm, database=database) as matchmaker:
        await matchmaker.apply_rules(parse_rules(RULES, "test"))
        yield matchmaker


def store(database: Database, realm: str, rated: dict[str, Rated], queue: str = "ladder") -> None:
    with database.transaction() as cursor:
        import_ratings(cursor, realm, queue, rated)


def stored(database: Database, realm: str, queue: str = "ladder") -> dict[str, Rated]:
    with database.transaction() as cursor:
        return dict(stored_ratings(cursor, realm, queue))


def worth(ticket: object) -> Rated:
    assert isinstance(ticket, Ticket), ticket
    return Rated(ticket.rating, ticket.players[0].deviation)


async def test_the_databases_rating(rated: aio.Matchmaker, database: Database, realm: str) -> None:
    """Given a player only the database knows, when the player joins, then with that rating and deviation."""
    store(database, realm, {"ann": Rated(1520.5, 70.25)})
    ticket = await rated.enqueue("ladder", "ann", data="eu", ticket="t-1")
    assert worth(ticket) == Rated(1520.5, 70.25)
    assert (ticket.id, ticket.data) == ("t-1", "eu")


async def test_the_queues_default_creates_the_player(rated: aio.Matchmaker, database: Database, realm: str) -> None:
    ticket = await rated.enqueue("ladder", "new")
    assert worth(ticket) == Rated(1200, 300)
    assert stored(database, realm) == {"new": Rated(1200, 300)}
    # And each queue has a default of its own
    await rated.cancel(ticket)
    assert worth(await rated.enqueue("casual", "new")) == Rated(1500)


async def test_a_default_that_changes_is_for_those_who_come_later(rated: aio.Matchmaker) -> None:
    await rated.cancel(await rated.enqueue("ladder", "old"))
    await rated.apply_rules(parse_rules("[ladder]\ndefault_rating = 900\n", "test"))
    assert worth(await rated.enqueue("ladder", "old")) == Rated(1200, 300)
    assert worth(await rated.enqueue("ladder", "new")) == Rated(900)


async def test_the_realms_rating_comes_before_the_databases(
    rated: aio.Matchmaker, database: Database, realm: str
) -> None:
    """Given a player the realm knows, when the database says something else, then nobody asks it."""
    await rated.cancel(await rated.enqueue("ladder", "ann"))
    store(database, realm, {"ann": Rated(1700)})
    assert worth(await rated.enqueue("ladder", "ann")) == Rated(1200, 300)


async def test_what_was_looked_up_once_needs_no_database(
    kind: str, rated: aio.Matchmaker, redis_url: str, realm: str
) -> None:
    await rated.cancel(await rated.enqueue("ladder", "ann"))
    async with face(kind, redis_url, realm) as without:
        assert worth(await without.enqueue("ladder", "ann")) == Rated(1200, 300)


async def test_a_deviation_of_ones_own_goes_with_the_known_rating(
    rated: aio.Matchmaker, database: Database, realm: str
) -> None:
    store(database, realm, {"ann": Rated(1520, 70)})
    assert worth(await rated.enqueue("ladder", "ann", deviation=5.0)) == Rated(1520, 5)
    # And is not what is remembered
    await rated.cancel_player("ann")
    assert worth(await rated.queue("ladder").add_player("ann")) == Rated(1520, 70)


async def test_add_player_of_the_plan(rated: aio.Matchmaker, database: Database, realm: str) -> None:
    store(database, realm, {"ann": Rated(1520)})
    assert worth(await rated.queue("ladder").add_player("ann")) == Rated(1520)
    assert worth(await rated.queue("ladder").add_player("bob", 1000)) == Rated(1000)
    assert worth(await rated.queue("ladder").add_player("cat", None, 9.0)) == Rated(1200, 9)


async def test_many_at_once_are_one_lookup(rated: aio.Matchmaker, database: Database, realm: str) -> None:
    """Given many who are known here, there and nowhere, when they join at once, then each has an answer of its own."""
    store(database, realm, {f"p{i}": Rated(1000 + i) for i in range(100)})
    waits = await rated.enqueue("ladder", "waits", rating=1)
    requests = [TicketRequest(f"p{i}") for i in range(150)]
    requests += [TicketRequest("given", 5.0), TicketRequest("waits"), TicketRequest("p3")]
    answers = await rated.enqueue_many("ladder", requests)
    assert [worth(one) for one in answers[:100]] == [Rated(1000 + i) for i in range(100)]
    assert [worth(one) for one in answers[100:150]] == [Rated(1200, 300)] * 50
    assert worth(answers[150]) == Rated(5)
    assert isinstance(answers[151], errors.AlreadyWaiting)
    assert answers[151].ticket == waits.id
    assert isinstance(answers[152], errors.AlreadyWaiting)
    assert await rated.queue("ladder").queue_size() == 152


async def test_the_same_again_is_the_same_ticket(rated: aio.Matchmaker, database: Database, realm: str) -> None:
    """Given a ticket that joined by a lookup, when its request comes again, then no rating is needed to answer it."""
    request = TicketRequest("ann", ticket="t-1")
    first = await rated.queue("ladder").add(request)
    store(database, realm, {"ann": Rated(1)})
    assert await rated.queue("ladder").add(request) == first
    await rated.cancel(first)
    assert (await rated.queue("ladder").add(request)).reason == "requested"


async def test_a_queue_that_is_not_there(rated: aio.Matchmaker, database: Database, realm: str) -> None:
    with pytest.raises(errors.UnknownQueue):
        await rated.enqueue("nowhere", "ann")
    assert stored(database, realm, "nowhere") == {}


async def test_an_import_that_comes_during_a_lookup_wins(
    rated: aio.Matchmaker, database: Database, realm: str, mm_plain: Matchmaker
) -> None:
    """Given a lookup under way, when an import reaches the realm first, then the ticket joins with the import's."""
    store(database, realm, {"ann": Rated(1520, 70)})
    link = database.connect()
    with link.cursor() as cursor:
        cursor.execute("LOCK TABLE ratings IN ACCESS EXCLUSIVE MODE")
        joining = asyncio.create_task(rated.enqueue("ladder", "ann"))
        await asyncio.to_thread(wait_for_lock, database)
        mm_plain.runner.batch(Batch(mm_plain.calls.store_ratings("ladder", {"ann": Rated(1800)})))
        link.rollback()
    link.close()
    assert worth(await joining) == Rated(1800)


def wait_for_lock(database: Database) -> None:
    """Until somebody waits for a lock; the server says so."""
    waiting = 0
    with database.transaction() as cursor:
        while not waiting:
            cursor.execute(
                "SELECT pg_stat_clear_snapshot(), count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            waiting = (cursor.fetchone() or (None, 0))[1]


@pytest.fixture
def mm_plain(redis_url: str, realm: str) -> Iterator[Matchmaker]:
    with Matchmaker(redis_url, realm) as mm:
        yield mm


async def test_virtual_time(kind: str, redis_url: str, realm: str, database: Database) -> None:
    moments = iter(range(1_000, 100_000))
    async with face(kind, redis_url, realm, lambda: next(moments), database) as mm:
        await mm.apply_rules(parse_rules(RULES, "test"))
        ticket = await mm.enqueue("ladder", "ann")
        assert worth(ticket) == Rated(1200, 300)
        assert ticket.enqueued_ms < 2_000


class TestWithoutAnAnswer:
    async def test_without_a_database(self, client: aio.Matchmaker) -> None:
        with pytest.raises(errors.RatingUnknown, match="give one, or a database to look it up in"):
            await client.enqueue("ladder", "ann")
        answers = await client.enqueue_many("ladder", [TicketRequest("ann"), TicketRequest("bob", 1.0)])
        assert isinstance(answers[0], errors.RatingUnknown)
        assert worth(answers[1]) == Rated(1)

    async def test_a_dead_database_refuses_only_those_who_need_it(
        self, kind: str, redis_url: str, realm: str, rated: aio.Matchmaker
    ) -> None:
        await rated.cancel(await rated.enqueue("ladder", "known"))
        async with face(kind, redis_url, realm, database=NOBODY_THERE) as mm:
            with pytest.raises(errors.DatabaseUnavailable, match=r"127\.0\.0\.1"):
                await mm.enqueue("ladder", "ann")
            requests = [TicketRequest("ann"), TicketRequest("bob", 1.0), TicketRequest("known"), TicketRequest("cat")]
            answers = await mm.enqueue_many("ladder", requests)
        assert isinstance(answers[0], errors.DatabaseUnavailable)
        assert worth(answers[1]) == Rated(1)
        assert worth(answers[2]) == Rated(1200, 300)
        assert isinstance(answers[3], errors.DatabaseUnavailable)

    async def test_a_database_without_tables(
        self, kind: str, redis_url: str, realm: str, mm_plain: Matchmaker, database_url: str
    ) -> None:
        mm_plain.apply_rules(parse_rules(RULES, "test"))
        async with face(kind, redis_url, realm, database=database_url) as mm:
            with pytest.raises(errors.DatabaseSchema, match="matchmaker db upgrade"):
                await mm.enqueue("ladder", "ann")

    @pytest.mark.parametrize("url", ["http://host", "", "postgresql://[", "postgresql://u:secret@h/d?nonsense=1"])
    def test_a_url_that_is_none(self, kind: str, redis_url: str, realm: str, url: str) -> None:
        with pytest.raises(errors.InvalidInput) as refused:
            face(kind, redis_url, realm, database=url)
        assert refused.value.field == "database_url"
        assert "secret" not in str(refused.value)


class TestWhoseDatabaseItIs:
    async def test_at_a_url_it_is_opened_and_closed_by_the_client(
        self, kind: str, redis_url: str, realm: str, mm_plain: Matchmaker, database: Database, database_url: str
    ) -> None:
        mm_plain.apply_rules(parse_rules(RULES, "test"))
        async with face(kind, redis_url, realm, database=database_url) as mm:
            await mm.enqueue("ladder", "ann")
        await asyncio.to_thread(wait_until_alone, database)

    async def test_the_callers_own_stays_open(self, rated: aio.Matchmaker, database: Database) -> None:
        await rated.enqueue("ladder", "ann")
        await rated.close()
        with database.transaction() as cursor:
            cursor.execute("SELECT count(*) FROM ratings")
            assert cursor.fetchone() == (1,)


def wait_until_alone(database: Database) -> None:
    """Until no other client is connected; a server notices a closed connection a moment later."""
    others = 1
    with database.transaction() as cursor:
        while others:
            cursor.execute(
                "SELECT pg_stat_clear_snapshot(), count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            others = (cursor.fetchone() or (None, 1))[1]


@pytest.mark.parametrize("code", ["import matchmaker", "import matchmaker.aio", "from matchmaker.store import lookup"])
def test_the_driver_is_loaded_only_for_those_who_have_a_database(code: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert "redis" in loaded
    assert not loaded & {"psycopg2", "sqlalchemy", "alembic"}
