"""Fixtures: the command line, clients of either face, and listeners of both kinds on a realm in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
import structlog

from matchmaker import Matchmaker, aio, parse_rules
from matchmaker.checker import check
from matchmaker.cli import main
from matchmaker.rules import QueueRules
from matchmaker.store.connect import Database
from tests.faces import FACES, face
from tests.integration.played import RULES as PLAYED_RULES
from tests.integration.played import Played, season_of
from tests.integration.recorded import RULES as RECORDED_RULES
from tests.integration.recorded import Recorded
from tests.integration.stations import KINDS, Connect, Station
from tests.integration.terminal import Cli, Result
from tests.lua.world import World
from tests.proxy import Proxy

RULES = "[ladder]\n[casual]\nmax_gap = 100\n"


# -- the command line --------------------------------------------------------------------------------------------------


@pytest.fixture
def bare_cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    """Runs commands here, with no server set and an empty data folder."""
    monkeypatch.delenv("MATCHMAKER_REDIS_URL", raising=False)
    monkeypatch.delenv("MATCHMAKER_DATABASE_URL", raising=False)
    monkeypatch.delenv("MATCHMAKER_REALM", raising=False)
    monkeypatch.setenv("MATCHMAKER_DATA_DIR", str(tmp_path / "data"))

    def run(*args: object) -> Result:
        code = main([str(arg) for arg in args])
        printed = capsys.readouterr()
        return Result(code, printed.out, printed.err)

    return run


@pytest.fixture
def cli(bare_cli: Cli, monkeypatch: pytest.MonkeyPatch, redis_url: str, realm: str) -> Cli:
    """Runs commands here, on the suite's server and a realm of the test's own."""
    monkeypatch.setenv("MATCHMAKER_REDIS_URL", redis_url)
    monkeypatch.setenv("MATCHMAKER_REALM", realm)
    return bare_cli


@pytest.fixture
def mm(redis_url: str, realm: str) -> Iterator[Matchmaker]:
    """The same realm from Python, with the queues ladder and casual."""
    with Matchmaker(redis_url, realm) as matchmaker:
        matchmaker.apply_rules(parse_rules(RULES, "test"))
        yield matchmaker


@pytest.fixture
def environment(redis_url: str, realm: str, tmp_path: Path) -> dict[str, str]:
    """For processes: the suite's server and the test's realm."""
    return {
        "MATCHMAKER_REDIS_URL": redis_url,
        "MATCHMAKER_REALM": realm,
        "MATCHMAKER_DATA_DIR": str(tmp_path / "data"),
    }


# -- clients -----------------------------------------------------------------------------------------------------------


@pytest.fixture(params=FACES)
def kind(request: pytest.FixtureRequest) -> str:
    """Which face of the package: the test runs once for each."""
    return str(request.param)


@pytest.fixture
async def client(kind: str, redis_url: str, redis_client: redis.Redis, realm: str) -> AsyncIterator[aio.Matchmaker]:
    """A client of that kind on a realm with the queues ladder and casual. At the end the checker has a look."""
    async with face(kind, redis_url, realm) as matchmaker:
        await matchmaker.apply_rules(parse_rules(RULES, "test"))
        yield matchmaker
    report = check(redis_client, realm, proposals=True)
    assert report.ok, str(report)


# -- listeners ---------------------------------------------------------------------------------------------------------


@pytest.fixture(params=KINDS)
def connect(request: pytest.FixtureRequest, redis_url: str, realm: str) -> Iterator[Connect]:
    """Makes stations of one kind; the test runs once for each."""
    with ExitStack() as stack:

        def make(url: str | None = None) -> Station:
            return stack.enter_context(KINDS[request.param](url or redis_url, realm))

        yield make


@pytest.fixture
def proxy(redis_url: str) -> Iterator[Proxy]:
    with Proxy(redis_url) as proxy:
        yield proxy


@pytest.fixture
def world(redis_client: redis.Redis, realm: str) -> World:
    """A realm in virtual time that remembers for a minute, and matches whoever is next to each other."""
    world = World(redis_client, realm)
    world.apply(QueueRules.model_validate({"willingness": {"base": 50.0}}), retain_seconds=60)
    return world


# -- records -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def recorded(redis_client: redis.Redis, realm: str, database: Database) -> Iterator[Recorded]:
    """A realm with the queues ladder and side, and the database it is recorded in."""
    with Matchmaker(redis_client, realm) as mm:
        mm.apply_rules(RECORDED_RULES)
        yield Recorded(redis_client, mm, database)


@pytest.fixture
def db_cli(cli: Cli, monkeypatch: pytest.MonkeyPatch, database_url: str) -> Cli:
    """Runs commands here, on the suite's server and on a database that has no tables unless ``database`` is there."""
    monkeypatch.setenv("MATCHMAKER_DATABASE_URL", database_url)
    return cli


@pytest.fixture(autouse=True)
def _fresh_logging() -> None:
    """A command run in this process may have told the log to write to a stream that is closed by now."""
    structlog.reset_defaults()


@pytest.fixture
def played(redis_client: redis.Redis, realm: str, database: Database) -> Iterator[Played]:
    """A realm whose matches have results, its season, and the database it is recorded in."""
    with Matchmaker(redis_client, realm) as mm:
        mm.apply_rules(PLAYED_RULES)
        yield Played(Recorded(redis_client, mm, database), season_of(redis_client, mm))
