"""A Postgres that refuses, is broken, or is not there: each time an error of its own that names what to do, within a
bound, and never a password.

The servers are real: authentication by scram, a disk that is full, a standby. What each error says is looked at where
it is read: from Python, from the command line and in the log of a recorder.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg2
import pytest
import redis

from matchmaker import Matchmaker, errors
from matchmaker._guards.cluster import DATABASE, USER
from matchmaker._guards.identity import as_identity, choose_identity
from matchmaker.calls import Rated
from matchmaker.embedded_postgres import EmbeddedPostgres, find_binaries
from matchmaker.settings import redacted_url
from matchmaker.store import schema
from matchmaker.store.connect import CONNECT_SECONDS, Database
from matchmaker.store.drain import Drain
from matchmaker.store.ratings import import_ratings
from tests.faults.ears import reached
from tests.faults.recorders import StartRecorder, environment_of, recorders
from tests.faults.test_slow_database import frozen
from tests.integration.recorded import RULES, Recorded
from tests.integration.terminal import Cli
from tests.servers import database_at

SECRET = "zq@x:w/v%k#y?j"
PIECES = ("zq", "x:w", "x%3Aw", "v%k", "v%25k", "y?j")
"""What of the secret, as it is or encoded, would be seen in a text that shows any of it."""

START_SECONDS = 20.0
GRACE_SECONDS = 2.0
"""What a busy machine may add to a time limit."""


def without_secret(*texts: str) -> None:
    for text in texts:
        assert not [piece for piece in PIECES if piece in text], text


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[EmbeddedPostgres]:
    """A server whose users other than its owner need a password."""
    with EmbeddedPostgres(None, fast=True) as server:
        with owner(server.url) as cursor:
            cursor.execute("CREATE ROLE app LOGIN PASSWORD %s", (SECRET,))
            cursor.execute("CREATE ROLE crowded LOGIN PASSWORD %s CONNECTION LIMIT 0", (SECRET,))
            cursor.execute("CREATE DATABASE records ENCODING 'UTF8' TEMPLATE template0")
        rules = server.data_dir / "data" / "pg_hba.conf"
        rules.write_text(f"local all app,crowded scram-sha-256\n{rules.read_text()}")
        with owner(server.url) as cursor:
            cursor.execute("SELECT pg_reload_conf()")
        schema.upgrade(database_at(server.url, "records"))
        yield server


@contextmanager
def owner(url: str) -> Iterator[psycopg2.extensions.cursor]:
    """A cursor of the server's owner, outside of transactions."""
    link = psycopg2.connect(url)
    link.autocommit = True
    try:
        with link.cursor() as cursor:
            yield cursor
    finally:
        link.close()


def url_of(server: EmbeddedPostgres, user: str = "app", password: str = SECRET, name: str = "records") -> str:
    """The server as somebody who needs a password."""
    parts = urlsplit(server.url)
    return f"postgresql://{user}:{quote(password, safe='')}@/{name}?" + parts.query.replace("&user=matchmaker", "")


def refused(url: str) -> errors.MatchmakerError:
    """What a first transaction on it raises."""
    with Database(url) as database, pytest.raises(errors.MatchmakerError) as caught:
        schema.status(database)
    without_secret("".join(traceback.format_exception(caught.value)))
    return caught.value


@pytest.fixture
def cli_on(bare_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[int, str]]:
    """``db status`` on a database: exit code and what standard error says."""

    def run(url: str) -> tuple[int, str]:
        monkeypatch.setenv("MATCHMAKER_DATABASE_URL", url)
        result = bare_cli("db", "status")
        without_secret(result.out, result.err)
        return result.code, result.err

    return run


@pytest.fixture
def recorder() -> Iterator[StartRecorder]:
    with recorders() as start:
        yield start


# -- who may not come in -----------------------------------------------------------------------------------------------


def test_a_password_with_everything_in_it(own_postgres: EmbeddedPostgres) -> None:
    """Given a password full of what URLs are made of, percent-encoded, then it opens the door, and no view shows it."""
    with owner(database_at(own_postgres.url, "records")) as cursor:
        cursor.execute("GRANT SELECT ON schema TO app")
    with Database(url_of(own_postgres)) as database:
        assert schema.status(database).fault is None
        without_secret(database.shown, repr(database))
        assert ":***@" in database.shown
    with owner(database_at(own_postgres.url, "records")) as cursor:
        cursor.execute("REVOKE SELECT ON schema FROM app")


REFUSALS: dict[str, tuple[Callable[[EmbeddedPostgres], str], type[errors.MatchmakerError], str]] = {
    "wrong password": (
        lambda server: url_of(server, password=SECRET + "!"),
        errors.DatabaseUnsuitable,
        "check the user and the password in MATCHMAKER_DATABASE_URL",
    ),
    "no password": (
        lambda server: url_of(server).replace(f":{quote(SECRET, safe='')}@", "@"),
        errors.DatabaseUnsuitable,
        "check the user and the password in MATCHMAKER_DATABASE_URL",
    ),
    "no such user": (
        lambda server: server.url.replace("user=matchmaker", "user=nobody"),
        errors.DatabaseUnsuitable,
        "check MATCHMAKER_DATABASE_URL and the server's pg_hba.conf",
    ),
    "no such database": (
        lambda server: url_of(server, name="nowhere"),
        errors.DatabaseUnsuitable,
        "create it, or correct MATCHMAKER_DATABASE_URL",
    ),
    "no right": (url_of, errors.DatabaseUnsuitable, "grant it, or give a user that owns the tables"),
    "too many connections": (
        lambda server: url_of(server, user="crowded"),
        errors.DatabaseUnsuitable,
        "raise its max_connections or run fewer processes",
    ),
    "no server": (lambda _: "postgresql://app:zq%40x%3Aw@127.0.0.1:1/d", errors.DatabaseUnavailable, "does not answer"),
    "no such host": (
        lambda _: "postgresql://app:zq%40x%3Aw@nowhere.invalid/d",
        errors.DatabaseUnavailable,
        "could not translate host name",
    ),
    "no route": (lambda _: "postgresql://app:zq%40x%3Aw@192.0.2.1/d", errors.DatabaseUnavailable, "does not answer"),
}


@pytest.mark.parametrize("why", REFUSALS)
def test_who_is_refused_is_told_why(
    own_postgres: EmbeddedPostgres, cli_on: Callable[[str], tuple[int, str]], why: str
) -> None:
    """Given a database that does not let us in, then Python gets an error of the right class within seconds, and the
    command line exit code 5 and the same words."""
    make_url, kind, words = REFUSALS[why]
    url = make_url(own_postgres)
    begun = time.monotonic()
    error = refused(url)
    assert time.monotonic() - begun < CONNECT_SECONDS + GRACE_SECONDS
    assert type(error) is kind
    assert words in str(error)
    assert redacted_url(url) in str(error)
    code, said = cli_on(url)
    assert (code, words in said) == (5, True), said


RAW = ["zq@x:w", "zq/x:w", "zq%x:w", "zq#x:w", "zq?x:w", "zq[x:w", "zq@/x:w", "zq@x:w@"]


@pytest.mark.parametrize("password", RAW)
def test_a_password_as_it_is_does_not_leak(cli_on: Callable[[str], tuple[int, str]], password: str) -> None:
    """Given a password that is not percent-encoded, then the URL is refused with how it is written, and no part of the
    password is taken for a host and shown."""
    url = f"postgresql://app:{password}@127.0.0.1:1/d"
    code, said = cli_on(url)
    assert (code, "%40" in said) == (2, True), said
    with pytest.raises(errors.InvalidInput) as caught, Database(url) as database:
        database.connect()
    without_secret("".join(traceback.format_exception(caught.value)))
    without_secret(redacted_url(url.replace("[", "")))


STARTS = ["wrong password", "no such database", "no right"]


@pytest.mark.parametrize("why", STARTS)
def test_a_recorder_that_is_refused_ends(
    own_postgres: EmbeddedPostgres, redis_url: str, realm: str, recorder: StartRecorder, why: str
) -> None:
    """Given a database that no waiting will open, when a recorder starts, then it ends with exit code 5 and says
    what to do."""
    make_url, _, words = REFUSALS[why]
    process = recorder(environment_of(redis_url, make_url(own_postgres), realm))
    assert process.ended() == 5
    assert words in process.log
    without_secret(process.log)


# -- which tables ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "words"),
    [("", "run `matchmaker db upgrade`"), ("0000", "run `matchmaker db upgrade`"), ("9999", "upgrade this program")],
)
def test_tables_of_another_version(
    database_url: str,
    redis_client: redis.Redis,
    realm: str,
    recorder: StartRecorder,
    redis_url: str,
    version: str,
    words: str,
) -> None:
    """Given no tables, older ones or ones from the future, then whoever records is told which side to upgrade, and a
    recorder does not start."""
    if version:
        schema.upgrade(database_url)
        with owner(database_url) as cursor:
            cursor.execute("UPDATE schema SET version = %s, oldest_program = %s", (version, version))
    with (
        Database(database_url) as database,
        pytest.raises(errors.DatabaseSchema) as caught,
        Drain(redis_client, database, realm),
    ):
        pytest.fail("it began")
    assert words in str(caught.value)
    process = recorder(environment_of(redis_url, database_url, realm))
    assert process.ended() == 5
    assert words in process.log


# -- what cannot be written --------------------------------------------------------------------------------------------


def recorded_in(client: redis.Redis, realm: str, database: Database) -> Recorded:
    mm = Matchmaker(client, realm)
    mm.apply_rules(RULES)
    recorded = Recorded(client, mm, database)
    recorded.play(6)
    return recorded


def test_a_read_only_database(database_url: str, redis_client: redis.Redis, realm: str) -> None:
    """Given a database that was made read-only, then what is recorded can be read, a drain is refused by name, and goes
    on as soon as that is over."""
    schema.upgrade(database_url)
    name = database_url.partition("?")[0].rpartition("/")[2]
    with owner(database_url) as cursor:
        cursor.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with Database(database_url) as database:
        recorded = recorded_in(redis_client, realm, database)
        with pytest.raises(errors.DatabaseUnsuitable, match=r"read-only.*point MATCHMAKER_DATABASE_URL at the primary"):
            recorded.drain()
        with pytest.raises(errors.DatabaseUnsuitable, match="read-only"), database.transaction() as cursor:
            import_ratings(cursor, realm, "ladder", {"ann": Rated(1500.0)})
        assert recorded.count("matches") == 0
        with owner(database_url) as cursor:
            cursor.execute("SET default_transaction_read_only = off")
            cursor.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        recorded.drain()
        assert recorded.check().ok


def test_a_standby(redis_client: redis.Redis, realm: str, own_standby: str) -> None:
    """Given the URL of a standby, then a recorder is told to use the primary."""
    with Database(own_standby) as database:
        recorded = recorded_in(redis_client, realm, database)
        assert schema.status(database).fault is None
        with pytest.raises(errors.DatabaseUnsuitable, match=r"read-only.*point MATCHMAKER_DATABASE_URL at the primary"):
            recorded.drain()


@pytest.fixture
def own_standby(tmp_path: Path) -> Iterator[str]:
    """A server in recovery, which answers reads and takes no writes: the folder of a primary that is gone."""
    with EmbeddedPostgres(tmp_path / "pg", fast=True, extra_settings={"wal_level": "replica"}) as server:
        schema.upgrade(server.url)
    data, place = tmp_path / "pg" / "data", Path(tempfile.mkdtemp(prefix="standby-"))
    # The embedded server waits for one that takes writes, so this one is started from its programs, as the same user.
    program = find_binaries().folder / "postgres"
    identity = choose_identity(tmp_path / "pg", data, program)
    (data / "standby.signal").touch()
    for mine in (data / "standby.signal", place):
        identity.own(mine)
    settings = {"listen_addresses": "", "unix_socket_directories": place, "dynamic_shared_memory_type": "mmap"}
    process = subprocess.Popen(
        [program, "-D", data, *(part for name, value in settings.items() for part in ("-c", f"{name}={value}"))],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=as_identity(identity),  # noqa: PLW1509 - it allocates nothing that a thread could hold
    )
    try:
        url = f"postgresql:///{DATABASE}?host={quote(str(place), safe='')}&port=5432&user={USER}"
        assert reached(lambda: answers(url), START_SECONDS)
        yield url
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(START_SECONDS)
        shutil.rmtree(place)


def answers(url: str) -> bool:
    try:
        psycopg2.connect(url).close()
    except psycopg2.OperationalError:
        return False
    return True


FULL = Path("/dev/full")


def test_a_full_disk(tmp_path: Path, redis_client: redis.Redis, realm: str) -> None:
    """Given a disk without room for another page of a table, then a drain is refused by the system's own error, which
    becomes ours and says what to do; nothing is half written; with room again everything is recorded."""
    with EmbeddedPostgres(tmp_path / "pg", fast=True) as server:
        schema.upgrade(server.url)
        with owner(server.url) as cursor:
            cursor.execute("SELECT pg_relation_filepath('matches')")
            found = cursor.fetchone()
            assert found is not None
        server.stop()
    file = tmp_path / "pg" / "data" / str(found[0])
    assert file.stat().st_size == 0
    file.rename(file.with_suffix(".kept"))
    file.symlink_to(FULL)  # the system's file on which there is never any room
    with EmbeddedPostgres(tmp_path / "pg", fast=True) as server, Database(server.url) as database:
        recorded = recorded_in(redis_client, realm, database)
        with pytest.raises(errors.DatabaseUnsuitable, match=r"disk is full: free some space.*No space left") as caught:
            recorded.drain()
        assert "tried again" in str(caught.value)
        assert recorded.count("tickets") == recorded.count("realms") == 0
        server.stop()
    file.unlink()
    file.with_suffix(".kept").rename(file)
    with EmbeddedPostgres(tmp_path / "pg", fast=True) as server, Database(server.url) as database:
        recorded = Recorded(redis_client, recorded.mm, database)
        recorded.drain()
        assert recorded.check().ok
        assert recorded.count("matches") == 3


STATES = {
    "53100": (errors.DatabaseUnsuitable, "free some space"),
    "53200": (errors.DatabaseUnsuitable, "out of memory"),
    "53300": (errors.DatabaseUnsuitable, "raise its max_connections"),
    "58030": (errors.DatabaseUnsuitable, "look at its log"),
    "25006": (errors.DatabaseUnsuitable, "point MATCHMAKER_DATABASE_URL at the primary"),
    "42501": (errors.DatabaseUnsuitable, "grant it"),
    "42P01": (errors.DatabaseSchema, "run `matchmaker db upgrade`"),
    "57P01": (errors.DatabaseUnavailable, "does not serve now"),
    "57P03": (errors.DatabaseUnavailable, "does not serve now"),
    "57014": (errors.DatabaseUnavailable, "does not serve now"),
    "40001": (errors.DatabaseUnavailable, "does not serve now"),
    "XX000": (errors.DatabaseUnsuitable, "refuses"),
}


@pytest.mark.parametrize("state", STATES)
def test_what_a_write_is_refused_with(database_url: str, redis_client: redis.Redis, realm: str, state: str) -> None:
    """Given a table whose writes fail with this SQLSTATE, then a drain raises the class and the remedy it stands for,
    nothing is half written, and the next drain is whole."""
    kind, words = STATES[state]
    schema.upgrade(database_url)
    with owner(database_url) as cursor:
        cursor.execute(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE EXCEPTION 'as told' USING ERRCODE = '{state}'; END $$;"
            "CREATE TRIGGER fail BEFORE INSERT ON matches EXECUTE FUNCTION fail()"
        )
    with Database(database_url) as database:
        recorded = recorded_in(redis_client, realm, database)
        with pytest.raises(errors.MatchmakerError) as caught:
            recorded.drain()
        assert (type(caught.value), words in str(caught.value)) == (kind, True), caught.value
        assert "as told" in str(caught.value)
        assert recorded.count("tickets") == recorded.count("realms") == 0
        with owner(database_url) as cursor:
            cursor.execute("DROP TRIGGER fail ON matches")
        recorded.drain()
        assert recorded.check().ok


# -- what does not answer ----------------------------------------------------------------------------------------------


def test_a_frozen_server_is_given_up() -> None:
    """Given a server whose processes stand still, then a transaction on an open connection and one on a new connection
    each end in time, typed; when it moves again the same pool works, and holds no more connections than it may."""
    with EmbeddedPostgres(None, fast=True) as server, Database(server.url, connections=2) as database:
        with database.transaction() as cursor:
            cursor.execute("SELECT 1")
        with frozen(server):
            for _ in range(2):
                begun = time.monotonic()
                with pytest.raises(errors.DatabaseUnavailable, match="answer"), database.transaction(0.5) as cursor:
                    cursor.execute("SELECT 1")
                assert time.monotonic() - begun < 0.5 + CONNECT_SECONDS + GRACE_SECONDS
        for _ in range(3):
            with database.transaction() as cursor:
                cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'matchmaker'")
                assert cursor.fetchone() in ((1,), (2,))


def test_a_server_that_died_while_it_was_idle() -> None:
    """Given connections that lay idle while the server was restarted, then the next transaction makes another."""
    with EmbeddedPostgres(None, fast=True) as server, Database(server.url) as database:
        with database.transaction() as cursor:
            cursor.execute("SELECT 1")
        server.kill()
        with pytest.raises(errors.DatabaseUnavailable, match="does not answer"), database.transaction():
            pytest.fail("it began")
        server.restart()
        with database.transaction() as cursor:
            cursor.execute("SELECT 1")


def test_a_pool_that_is_used_up(database_url: str) -> None:
    """Given a pool of one that somebody uses, then the next one waits as long as it may and is told why; afterwards it
    works."""
    with Database(database_url, connections=1) as database:
        with database.transaction():
            begun = time.monotonic()
            with (
                pytest.raises(errors.DatabaseUnavailable, match=r"all 1 connections were busy for 0\.2 s"),
                database.transaction(0.2),
            ):
                pytest.fail("there was one more")
            assert 0.2 <= time.monotonic() - begun < 0.2 + GRACE_SECONDS
        with database.transaction() as cursor:
            cursor.execute("SELECT 1")


def test_a_statement_that_takes_too_long(database_url: str) -> None:
    with Database(database_url, connections=1) as database:
        with pytest.raises(errors.DatabaseUnavailable, match="statement timeout"), database.transaction(0.2) as cursor:
            cursor.execute("SELECT pg_sleep(30)")
        with database.transaction() as cursor:
            cursor.execute("SELECT 1")
