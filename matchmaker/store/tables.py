"""The tables of a database, as its own catalogue and the COMMENTs of the migrations describe them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

    from matchmaker.store.connect import Database

TABLES: Final = (
    "tickets",
    "matches",
    "teams",
    "players",
    "results",
    "ratings",
    "rating_changes",
    "meetings",
    "checks",
    "reports",
    "queues",
    "rule_versions",
    "events",
    "realms",
    "schema",
)
"""In the order of the page: what one looks for most comes first."""

MEANINGS: Final[Mapping[str, str]] = {
    "realm": "The realm: the queues that share players.",
    "queue": "The queue.",
    "player": "The player's id, as the program that enqueues gives it.",
    "ticket": "The ticket's id.",
    "match": "The match's id.",
    "rating": "Rating, in points.",
    "deviation": "Uncertainty of the rating, in points; null where nobody said.",
    "data": "The caller's text, as every event of the ticket carries it.",
    "version": "Version of the rules, from 1.",
    "at_ms": "Realm ms.",
    "enqueued_ms": "Realm ms at which it began to wait.",
    "ended_ms": "Realm ms at which it ended; null while it waits.",
    "waited_ms": "How long the ticket waited, in ms.",
    "reason": "Why it was cancelled or expired.",
    "gap": "Distance of the teams, in points.",
    "value": "What the pass saw in the pair, in points: willingness less gap.",
    "team": "Number of the team in the match, from 1.",
    "place": "Number of the member in the team, from 1.",
    "event": "The event's id in the stream.",
    "kind": "`rules`, `cancelled`, `accepted`, …, one that a newer program wrote, or `unreadable`.",
    "body": "The event as the stream has it.",
    "state": "As it stands.",
    "changed_at": "When it was last written, by this server's clock.",
    "one": "Always true: there is one row.",
    "oldest_program": "The oldest program that may use these tables, by the version it was made for.",
}
"""Of columns that mean the same in every table; a COMMENT in the schema says what is peculiar to one."""


@dataclass(frozen=True, slots=True)
class Column:
    """``key`` is its place in the primary key, 0 for none."""

    name: str
    type: str
    nullable: bool
    default: str
    meaning: str
    key: int


@dataclass(frozen=True, slots=True)
class Table:
    """``constraints`` and ``indexes`` are as Postgres prints them, the primary key left out."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    constraints: tuple[str, ...]
    indexes: Mapping[str, str]


def described(database: Database) -> list[Table]:
    """The tables of the database, in the order of :data:`TABLES`."""
    with database.transaction(read_only=True) as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"
            " AND relname <> 'alembic_version'"
        )
        present = {str(row[0]) for row in cursor.fetchall()}
        names = [name for name in TABLES if name in present] + sorted(present - set(TABLES))
        return [_table(cursor, name) for name in names]


def _rows(cursor: cursor, query: str, table: str) -> list[tuple[Any, ...]]:
    cursor.execute(query, {"table": table, "common": json.dumps(MEANINGS)})
    return cursor.fetchall()


def _table(cursor: cursor, name: str) -> Table:
    ((meaning,),) = _rows(cursor, "SELECT coalesce(obj_description(%(table)s::regclass), '')", name)
    columns = _rows(
        cursor,
        "SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull,"
        " coalesce(pg_get_expr(adbin, adrelid), ''),"
        " coalesce(col_description(attrelid, attnum), %(common)s::jsonb->>attname, ''),"
        " coalesce(array_position(conkey, attnum), 0)"
        " FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum"
        " LEFT JOIN pg_constraint ON conrelid = attrelid AND contype = 'p'"
        " WHERE attrelid = %(table)s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        name,
    )
    # Postgres 18 lists NOT NULL among the constraints; here it stands with its column.
    constraints = _rows(
        cursor,
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %(table)s::regclass"
        " AND contype IN ('c', 'f', 'u') ORDER BY contype, conname",
        name,
    )
    indexes = _rows(
        cursor,
        "SELECT relname, pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
        " WHERE indrelid = %(table)s::regclass AND NOT indisprimary ORDER BY relname",
        name,
    )
    return Table(
        name,
        meaning,
        tuple(Column(*column) for column in columns),
        tuple(str(one) for (one,) in constraints),
        {index: definition.partition(" USING ")[2] for index, definition in indexes},
    )
