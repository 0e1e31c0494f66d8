"""Migrations: safe to run twice and from many places at once, and programs of two versions share a database."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from matchmaker import errors
from matchmaker.store import reads, schema
from matchmaker.store.connect import Database
from matchmaker.store.tables import described
from tests.integration.recorded import Recorded
from tests.integration.terminal import Running

VERSIONS = Path(schema.__file__).parent / "migrations" / "versions"

ALL = tuple(f"{number:04}" for number in range(1, int(schema.VERSION) + 1))
"""Every version there is."""

Newer = Callable[[str], str]
"""A folder with a version 0004 in it; given is the oldest program that it leaves at work."""


@pytest.fixture
def newer(tmp_path: Path) -> Newer:
    def make(oldest_program: str) -> str:
        (tmp_path / "0004_newer.py").write_text(
            "from alembic import op\n"
            f"revision, down_revision, oldest_program = '0004', '0003', '{oldest_program}'\n"
            "def upgrade():\n"
            "    op.execute(\"ALTER TABLE matches ADD COLUMN novel text NOT NULL DEFAULT 'new'\")\n"
            "    op.execute('CREATE TABLE novelties (x int)')\n"
            "def downgrade():\n"
            "    op.execute('DROP TABLE novelties')\n"
        )
        return str(tmp_path)

    return make


def stored_version(database: Database) -> str:
    return schema.status(database).version


def test_the_program_is_of_the_newest_version() -> None:
    names = sorted(path.name for path in VERSIONS.glob("[0-9]*.py"))
    assert all(re.fullmatch(r"\d{4}_[a-z_]+\.py", name) for name in names)
    assert names[-1].partition("_")[0] == schema.VERSION


def test_upgrade_twice_is_upgrade_once(database_url: str) -> None:
    with Database(database_url) as database:
        before = schema.status(database)
        assert (before.version, before.current, before.pending) == ("", False, ALL)
        assert schema.upgrade(database) == list(ALL)
        tables = described(database)
        assert schema.upgrade(database) == []
        after = schema.status(database)
        assert (after.version, after.current, after.pending, after.fault) == (schema.VERSION, True, (), None)
        assert described(database) == tables


def test_eight_processes_upgrade_at_once(database_url: str, environment: dict[str, str]) -> None:
    """Given an empty database, when eight programs upgrade it at once, then one adds the tables and all are content."""
    env = {**environment, "MATCHMAKER_DATABASE_URL": database_url}
    running = [Running("db", "upgrade", "--json", env=env) for _ in range(8)]
    try:
        answers = [one.document() for one in running]
        assert [one.ended() for one in running] == [0] * 8
    finally:
        for one in running:
            one.__exit__(None, None, None)
    assert sorted(len(answer["added"]) for answer in answers) == [0] * 7 + [len(ALL)]
    with Database(database_url) as database:
        assert schema.status(database).current


def test_old_programs_work_on_over_one_migration(recorded: Recorded, newer: Newer) -> None:
    """Given rows, and a newer program that adds a column, when this one records and reads on, then nothing fails."""
    recorded.play(4)
    recorded.drain()
    assert schema.upgrade(recorded.database, folders=[newer("0003")]) == ["0004"]
    state = schema.status(recorded.database)
    assert (state.version, state.oldest_program, state.fault, state.pending) == ("0004", "0003", None, ())
    recorded.play(4, first=4)
    assert recorded.drain().matches == 2
    assert len(reads.matches(recorded.database, recorded.realm)) == 4
    assert reads.rule_history(recorded.database, recorded.realm, "ladder")
    assert recorded.count("matches", "novel = 'new'") == 4
    assert schema.upgrade(recorded.database) == []  # and does not take it back
    assert stored_version(recorded.database) == "0004"


OLD_ROWS = """
INSERT INTO tickets (realm, ticket, enqueued_ms, queue, player, state, rating, data, ended_ms, ended_event)
VALUES (%(realm)s, 'a' || %(match)s, 1, 'q', 'ann', 'matched', 1, '', 9, %(match)s),
    (%(realm)s, 'b' || %(match)s, 1, 'q', 'bob', 'matched', 2, '', 9, %(match)s);
INSERT INTO matches (realm, match, queue, rules, at_ms, gap, value) VALUES (%(realm)s, %(match)s, 'q', 1, 9, 1, 0);
INSERT INTO teams (realm, match, team, place, ticket, player, rating, at_ms, waited_ms)
VALUES (%(realm)s, %(match)s, 1, 1, 'a' || %(match)s, 'ann', 1, 9, 8),
    (%(realm)s, %(match)s, 2, 1, 'b' || %(match)s, 'bob', 2, 9, 8)
"""
"""What a program of version 0001 writes of a match."""


def test_rows_of_the_first_version_are_read(database: Database) -> None:
    """Given a match of before the newest tables, and one that an old program writes into them, then both are read."""
    engine = create_engine("postgresql+psycopg2://", creator=database.connect, poolclass=NullPool)
    with engine.begin() as connection:
        config = schema._config(())  # nothing but a test goes back
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
    engine.dispose()
    with database.transaction() as cursor:
        cursor.execute("UPDATE schema SET version = '0001', oldest_program = '0001'")
        cursor.execute(OLD_ROWS, {"realm": "main", "match": "9-0"})
    assert schema.upgrade(database) == list(ALL[1:])
    assert schema.status(database).oldest_program == "0001"
    with database.transaction() as cursor:
        cursor.execute(OLD_ROWS, {"realm": "main", "match": "9-1"})
    newer, older = (one.match for one in reads.matches(database, "main"))
    assert (newer.id, older.id, newer.players, older.players) == ("9-1", "9-0", ("ann", "bob"), ("ann", "bob"))
    assert (older.price, older.region, older.ping, older.picks, older.proposed) == (0, "", None, {}, False)
    assert older.tickets[0].side == newer.tickets[1].choice == ""


def test_a_schema_from_the_future_is_refused_before_any_write(recorded: Recorded, newer: Newer) -> None:
    """Given a newer program that leaves this one behind, when this one records or reads, then it is told which side to
    upgrade and has changed nothing."""
    recorded.play(4)
    schema.upgrade(recorded.database, folders=[newer("0004")])
    before = recorded.rows()
    for act in (
        recorded.drain,
        lambda: reads.matches(recorded.database, recorded.realm),
        lambda: reads.match(recorded.database, recorded.realm, "1-1"),
        lambda: reads.rule_history(recorded.database, recorded.realm, "ladder"),
    ):
        with pytest.raises(errors.DatabaseSchema, match="0004, this program works with 0003: upgrade this program"):
            act()
    assert recorded.rows() == before
    assert recorded.client.xinfo_groups(recorded.mm.calls.keys.events) == []
    assert schema.upgrade(recorded.database) == []
    assert stored_version(recorded.database) == "0004"


def test_a_migration_that_fails_leaves_nothing(database_url: str, newer: Newer) -> None:
    """Given a version whose second step fails, when upgrading from nothing, then there is nothing afterwards either."""
    folder = newer("0003")
    path = Path(folder, "0004_newer.py")
    path.write_text(path.read_text().replace("CREATE TABLE novelties (x int)", "CREATE TABLE matches (x int)"))
    with Database(database_url) as database:
        with pytest.raises(errors.DatabaseUnsuitable, match="already exists"):
            schema.upgrade(database, folders=[folder])
        assert described(database) == []
        assert schema.upgrade(database) == list(ALL)


def test_a_read_only_database_is_told_apart(database_url: str) -> None:
    with Database(database_url) as database, database.transaction() as cursor:
        cursor.execute("SELECT current_database()")
        (name,) = cursor.fetchone() or ("",)
        cursor.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with Database(database_url) as database:
        with pytest.raises(errors.DatabaseUnsuitable, match=r"read-only .*primary"):
            schema.upgrade(database)
        assert stored_version(database) == ""


def test_a_database_of_another_encoding_is_refused(postgres_url: str, database_url: str) -> None:
    """Given a database that cannot hold every player's name, when upgraded, then it is refused and stays empty."""
    latin = f"{database_url.rpartition('/')[2].partition('?')[0]}_latin"
    url = database_url.replace(latin.removesuffix("_latin"), latin)
    with Database(postgres_url) as server:
        link = server.connect()
        link.autocommit = True
        with link.cursor() as cursor:
            libc = "LOCALE_PROVIDER libc" if link.server_version >= 150_000 else ""
            cursor.execute(
                f"CREATE DATABASE {latin} TEMPLATE template0 ENCODING 'LATIN1' {libc} LC_COLLATE 'C' LC_CTYPE 'C'"
            )
            try:
                with Database(url) as database:
                    with pytest.raises(errors.DatabaseUnsuitable, match="LATIN1"):
                        schema.upgrade(database)
                    assert described(database) == []
            finally:
                cursor.execute(f"DROP DATABASE {latin} WITH (FORCE)")
        link.close()


def test_every_migration_can_be_taken_back(database: Database) -> None:
    """Given the newest tables, when going back to none and forth again, then they are the same."""
    tables = described(database)
    engine = create_engine("postgresql+psycopg2://", creator=database.connect, poolclass=NullPool)
    with engine.begin() as connection:
        config = schema._config(())  # nothing but a test goes back
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    engine.dispose()
    assert [table.name for table in described(database)] == ["schema"]
    schema.upgrade(database)
    assert described(database) == tables


def test_a_revision_that_nobody_knows(database: Database) -> None:
    """Given that only Alembic's own table names another version, then that is one clear error."""
    with database.transaction() as cursor:
        cursor.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(errors.DatabaseSchema, match="9999"):
        schema.upgrade(database)
