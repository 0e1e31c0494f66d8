"""The tables as the database itself describes them: the second part of ``docs/schema.md`` and its picture.

``python -m matchmaker.store.describe docs/schema.md [docs/images/schema.png]`` renews both from an embedded Postgres
that is made for it, empty and upgraded.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from matchmaker.store.connect import Database
from matchmaker.store.schema import upgrade

if TYPE_CHECKING:
    from psycopg2.extensions import cursor

BEGIN: Final = "<!-- From here on written by `python -m matchmaker.store.describe docs/schema.md`. -->"

TABLES: Final = (
    "tickets",
    "matches",
    "teams",
    "players",
    "ratings",
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
    "kind": "`rules`, `cancelled`, `expired`, one that a newer program wrote, or `unreadable`.",
    "body": "The event as the stream has it.",
    "state": "As it stands.",
    "changed_at": "When it was last written, by this server's clock.",
    "one": "Always true: there is one row.",
    "oldest_program": "The oldest program that may use these tables, by the version it was made for.",
}
"""Of columns that mean the same in every table; a COMMENT in the schema says what is peculiar to one."""

SERVES: Final[Mapping[str, str]] = {
    "ratings_by_rating": "the ranking of a queue",
    "tickets_by_player": "a player's tickets, newest first",
    "tickets_open": "who waits by the records: reconciliation",
    "matches_by_time": "the matches of a queue, newest first, and of a stretch of time",
    "teams_by_player": "a player's matches, newest first",
    "events_by_queue": "what happened in a queue, newest first",
}
"""The queries for which an index is there. A primary key finds a row by its name."""


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


# -- the page ----------------------------------------------------------------------------------------------------------


def page_part(tables: Sequence[Table]) -> str:
    """Every table, column and index, as Markdown."""
    return "\n".join(line for table in tables for line in _lines(table))


def renewed(text: str, tables: Sequence[Table]) -> str:
    """The page with its written part kept and the rest made anew."""
    written, mark, _ = text.partition(BEGIN)
    if not mark:
        raise ValueError(f"the page lacks its mark: {BEGIN}")
    return f"{written}{BEGIN}\n\n{page_part(tables)}"


def _lines(table: Table) -> Iterator[str]:
    yield f"## `{table.name}`"
    yield ""
    yield table.meaning
    yield ""
    yield "| column | type | | meaning |"
    yield "|---|---|---|---|"
    for column in table.columns:
        marks = ["key"] if column.key else []
        marks += ["null"] if column.nullable else []
        marks += [f"default `{column.default}`"] if column.default else []
        yield f"| `{column.name}` | {column.type} | {', '.join(marks)} | {_cell(column.meaning)} |"
    yield ""
    key = [column.name for column in sorted(table.columns, key=lambda one: one.key) if column.key]
    yield f"- Primary key: `{', '.join(key)}`."
    for constraint in table.constraints:
        yield f"- `{constraint}`"
    for name, definition in table.indexes.items():
        yield f"- Index `{name}` {definition.partition(' ')[0]} `{definition.partition(' ')[2]}`: {SERVES[name]}."
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(page: str, picture: str = "") -> None:
    from matchmaker.embedded_postgres import EmbeddedPostgres

    with EmbeddedPostgres(None, fast=True) as server, Database(server.url) as database:
        upgrade(database)
        tables = described(database)
    path = Path(page)
    path.write_text(renewed(path.read_text(encoding="utf-8"), tables), encoding="utf-8")
    if picture:
        from matchmaker.store.picture import draw

        draw(tables, Path(picture))


if __name__ == "__main__":
    main(*sys.argv[1:])
