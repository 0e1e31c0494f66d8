"""What every test may ask for: a real server, a client on it, a realm of its own, further servers to break."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg2
import pytest
import redis
from hypothesis import settings as hypothesis_settings

from matchmaker.embedded import EmbeddedServer
from matchmaker.embedded_postgres import EmbeddedPostgres
from matchmaker.store import schema
from matchmaker.store.connect import Database
from tests.servers import StartServer, database_at, remove_keys

# Runs are bounded by examples and the per-test time-out: a deadline an example would fail on a busy machine.
hypothesis_settings.register_profile("ci", max_examples=50, deadline=None, print_blob=True)
hypothesis_settings.register_profile("nightly", max_examples=10_000, deadline=None, print_blob=True)
hypothesis_settings.load_profile(os.environ.get("MATCHMAKER_TEST_PROFILE", "ci"))


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """URL of the suite's server: MATCHMAKER_TEST_REDIS_URL, which must be empty, or an embedded one.

    Somebody else's server is never flushed: each test removes what it wrote, and the suite fails if anything is left.
    """
    foreign = os.environ.get("MATCHMAKER_TEST_REDIS_URL")
    if foreign is None:
        with EmbeddedServer(None) as server:
            yield server.url
        return
    with redis.Redis.from_url(foreign) as client:
        if client.dbsize():
            pytest.exit("MATCHMAKER_TEST_REDIS_URL names a database with keys in it: give the suite an empty one", 2)
        yield foreign
        left = client.dbsize()
    assert left == 0, f"{left} keys were left in the database of MATCHMAKER_TEST_REDIS_URL"


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    """A client on the suite's server that answers with bytes."""
    with redis.Redis.from_url(redis_url, decode_responses=False) as client:
        yield client


@pytest.fixture
def realm(redis_client: redis.Redis) -> Iterator[str]:
    """The name of a realm nobody else uses; its keys go when the test ends."""
    name = f"t-{uuid.uuid4().hex[:16]}"
    yield name
    remove_keys(redis_client, name)


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """Starts further servers, each private to the test: ``own_server("--maxmemory", "5mb", appendonly=False)``.

    Each has a folder that outlives it until the test ends, so that it may be killed and restarted.
    """
    with ExitStack() as stack:

        def start(*extra_args: str, data_dir: Path | None = None, appendonly: bool = True) -> EmbeddedServer:
            folder = data_dir or tmp_path_factory.mktemp("server")
            return stack.enter_context(EmbeddedServer(folder, appendonly=appendonly, extra_args=extra_args))

        yield start


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """The suite's own Postgres, started by the first test that asks for it."""
    with EmbeddedPostgres(None, fast=True) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(request: pytest.FixtureRequest) -> str:
    """URL of a Postgres on which databases may be made: MATCHMAKER_TEST_DATABASE_URL, or the suite's own."""
    foreign = os.environ.get("MATCHMAKER_TEST_DATABASE_URL")
    if foreign is not None:
        return foreign
    server: EmbeddedPostgres = request.getfixturevalue("postgres")
    return server.url


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """URL of an empty database nobody else uses; it goes when the test ends, whoever is still connected."""
    name = f"t_{uuid.uuid4().hex[:16]}"
    link = psycopg2.connect(postgres_url)
    link.autocommit = True
    try:
        with link.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
            try:
                yield database_at(postgres_url, name)
            finally:
                cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        link.close()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database of the test's own, its tables up to date."""
    with Database(database_url) as database:
        schema.upgrade(database)
        yield database
