"""What there is in the database, for an operator: the server, how far each realm is recorded, how many rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from psycopg2 import sql

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

    from matchmaker.store.connect import Database

TABLES: Final = (
    "realms",
    "queues",
    "rule_versions",
    "players",
    "ratings",
    "tickets",
    "matches",
    "teams",
    "events",
    "checks",
    "reports",
    "results",
    "rating_changes",
    "meetings",
)
COUNTED_ROWS: Final = 100_000
"""Up to here rows are counted; above, the planner's estimate is taken, which costs nothing."""


@dataclass(frozen=True, slots=True)
class RecordedRealm:
    """One realm's place in its stream, the events recorded so far, and when the last of them were (Unix ms, by the
    database's clock)."""

    realm: str
    place: str
    events: int
    recorded_ms: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a table; ``exact`` is False for an estimate."""

    count: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """``server`` is the version of Postgres. ``realms`` and ``rows`` are empty where the tables are not there yet."""

    server: str
    realms: tuple[RecordedRealm, ...]
    rows: Mapping[str, Rows]


def overview(database: Database) -> Overview:
    """Asks the server for all of it, in one transaction.

    :raises DatabaseUnavailable: and the other errors of :class:`~matchmaker.store.connect.Database`.
    """
    with database.transaction(read_only=True) as cursor:
        cursor.execute("SELECT split_part(current_setting('server_version'), ' ', 1)")
        server = str(_value(cursor))
        present = [table for table in TABLES if _is_there(cursor, table)]
        realms: tuple[RecordedRealm, ...] = ()
        if "realms" in present:
            cursor.execute(
                "SELECT realm, recorded, events, (extract(epoch FROM recorded_at) * 1000)::bigint FROM realms"
                " ORDER BY realm"
            )
            realms = tuple(RecordedRealm(*row) for row in cursor.fetchall())
        return Overview(server, realms, {table: _rows(cursor, table) for table in present})


def _value(cursor: cursor) -> object:
    row = cursor.fetchone()
    return None if row is None else row[0]


def _is_there(cursor: cursor, table: str) -> bool:
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (table,))
    return _value(cursor) is True


def _rows(cursor: cursor, table: str) -> Rows:
    bounded = sql.SQL("SELECT count(*) FROM (SELECT FROM {} LIMIT %s) bounded").format(sql.Identifier(table))
    cursor.execute(bounded, (COUNTED_ROWS + 1,))
    count = int(str(_value(cursor)))
    if count <= COUNTED_ROWS:
        return Rows(count, exact=True)
    cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(%s)", (table,))
    return Rows(max(count, int(str(_value(cursor)))), exact=False)
