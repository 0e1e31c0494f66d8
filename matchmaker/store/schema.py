"""The database's schema: which version it has, whether this program can work with it, and how it is brought up to date.

Programs of two versions may share a database while a fleet is upgraded. The table ``schema`` holds the version that is
in place and the oldest program that it leaves at work; :func:`require` compares both with :data:`VERSION`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from matchmaker.errors import DatabaseSchema, DatabaseUnsuitable
from matchmaker.store.faults import UPGRADE
from matchmaker.store.queries import DatabasePlan, Query

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from psycopg2.extensions import cursor
    from sqlalchemy import Connection

    from matchmaker.store.connect import Database

VERSION = "0003"
"""The newest version in ``migrations/versions``; a test compares."""

OLDEST_SERVER = 14
LOCK_SECONDS = 60
_LOCK = 0x6D6D_7363_6865  # "mmsche": any number will do that nobody else locks

_TABLE = """
CREATE TABLE IF NOT EXISTS schema (
    one             boolean PRIMARY KEY DEFAULT true CHECK (one),
    version         text NOT NULL,
    oldest_program  text NOT NULL
);
COMMENT ON COLUMN schema.version IS 'The newest version that was applied.';
COMMENT ON TABLE schema IS 'The version of these tables and the oldest program that may use them.'
"""


@dataclass(frozen=True, slots=True)
class SchemaState:
    """``version`` is what the database has ("" for none), ``oldest_program`` who may use it. ``pending`` versions are
    those that an upgrade would add."""

    version: str
    oldest_program: str
    pending: tuple[str, ...]

    @property
    def current(self) -> bool:
        return self.version == VERSION

    @property
    def fault(self) -> DatabaseSchema | None:
        """Why this program cannot work with it."""
        if self.version == "":
            return DatabaseSchema("none yet", VERSION, UPGRADE)
        if self.version < VERSION:
            return DatabaseSchema(self.version, VERSION, UPGRADE)
        if self.oldest_program > VERSION:
            return DatabaseSchema(
                self.version, VERSION, f"upgrade this program: it takes one of schema {self.oldest_program} or newer"
            )
        return None


def _stored(cursor: cursor) -> tuple[str, str]:
    cursor.execute("SELECT to_regclass('schema')")
    if cursor.fetchone() == (None,):
        return "", ""
    cursor.execute("SELECT version, oldest_program FROM schema")
    found = cursor.fetchone()
    return (str(found[0]), str(found[1])) if found else ("", "")


def require(cursor: cursor) -> None:
    """One query that lets a program go on.

    :raises DatabaseSchema: names the version found, the one wanted, and which side to upgrade.
    """
    fault = SchemaState(*_stored(cursor), ()).fault
    if fault is not None:
        raise fault


def required() -> DatabasePlan[None]:
    """As :func:`require`, for plans."""
    try:
        rows = yield Query("SELECT version, oldest_program FROM schema", {})
    except DatabaseSchema:
        rows = []
    version, oldest = map(str, rows[0]) if rows else ("", "")
    fault = SchemaState(version, oldest, ()).fault
    if fault is not None:
        raise fault


def status(database: Database) -> SchemaState:
    """What is there and what an upgrade would add."""
    with database.transaction(read_only=True) as cursor:
        version, oldest = _stored(cursor)
    return SchemaState(version, oldest, tuple(one for one in _versions(_config(())) if one > version))


def upgrade(database: Database | str, *, folders: Sequence[str] = ()) -> list[str]:
    """Brings the tables up to date; answers the versions that were added, [] when there was nothing to do.

    All of it is one transaction under a lock: run from two machines at once, the second waits and then finds nothing to
    do. A schema from the future is left alone.

    :param folders: where further versions are, besides those of the package.
    :raises DatabaseUnsuitable: the server is older than Postgres 14, or the database is not in UTF-8.
    """
    import psycopg2

    from matchmaker.store.connect import Database

    if isinstance(database, str):
        with Database(database) as opened:
            return upgrade(opened, folders=folders)
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import NullPool

    engine = create_engine("postgresql+psycopg2://", creator=database.connect, poolclass=NullPool)
    try:
        with database.errors(), engine.begin() as connection:
            return _upgraded(connection, _config(folders))
    except DBAPIError as fault:
        if not isinstance(fault.orig, psycopg2.Error):
            raise
        with database.errors():
            raise fault.orig from None
        raise
    finally:
        engine.dispose()


def _upgraded(connection: Connection, config: Config) -> list[str]:
    from alembic import command
    from alembic.util import CommandError
    from sqlalchemy import text

    _refuse_unsuitable(connection)
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
    connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    connection.execute(text(_TABLE))
    found = connection.execute(text("SELECT version FROM schema")).scalar() or ""
    known = _versions(config)
    if found > known[-1]:
        return []
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as unknown:
        remedy = "upgrade this program, or correct the table alembic_version"
        raise DatabaseSchema(f"one that it does not know ({unknown})", VERSION, remedy) from unknown
    newest = _scripts(config).get_revision(known[-1])
    assert newest is not None
    connection.execute(
        text(
            "INSERT INTO schema (version, oldest_program) VALUES (:version, :oldest)"
            " ON CONFLICT (one) DO UPDATE SET version = :version, oldest_program = :oldest"
        ),
        {"version": known[-1], "oldest": newest.module.oldest_program},
    )
    return [version for version in known if version > found]


def _refuse_unsuitable(connection: Connection) -> None:
    from sqlalchemy import text

    number, encoding = connection.execute(
        text("SELECT current_setting('server_version_num')::int, current_setting('server_encoding')")
    ).one()
    if number // 10_000 < OLDEST_SERVER:
        raise DatabaseUnsuitable(f"Postgres {number // 10_000} is too old (allowed: {OLDEST_SERVER} or newer)")
    if encoding != "UTF8":
        raise DatabaseUnsuitable(f"the database's encoding is {encoding}: create one with ENCODING 'UTF8'")


def _config(folders: Sequence[str]) -> Config:
    from alembic.config import Config

    here = resources.files("matchmaker.store") / "migrations"
    config = Config()
    config.set_main_option("script_location", str(here).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    places = [str(here / "versions"), *folders]
    config.set_main_option("version_locations", "\n".join(place.replace("%", "%%") for place in places))
    return config


def _scripts(config: Config) -> ScriptDirectory:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(config)


def _versions(config: Config) -> list[str]:
    """All there are, oldest first."""
    return sorted(revision.revision for revision in _scripts(config).walk_revisions())
