"""The tables as the database itself describes them: the second part of ``docs/schema.md`` and its picture.

``python -m matchmaker.store.describe docs/schema.md [docs/images/schema.png]`` renews both from an embedded Postgres
that is made for it, empty and upgraded.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from matchmaker.store.connect import Database
from matchmaker.store.picture import draw
from matchmaker.store.schema import upgrade
from matchmaker.store.tables import Table, described

BEGIN: Final = "<!-- From here on written by `python -m matchmaker.store.describe docs/schema.md`. -->"

SERVES: Final[Mapping[str, str]] = {
    "ratings_by_rating": "the ranking of a queue, or of a side in it",
    "results_by_number": "the season in the order in which it was rated",
    "results_by_time": "results of a queue, newest first, and of a stretch of time",
    "rating_changes_of_player": "how a player's rating came about",
    "checks_by_time": "ready checks of a queue, newest first",
    "tickets_by_player": "a player's tickets, newest first",
    "tickets_open": "who waits by the records: reconciliation",
    "matches_by_time": "the matches of a queue, newest first, and of a stretch of time",
    "teams_by_player": "a player's matches, newest first",
    "events_by_queue": "what happened in a queue, newest first",
    "events_of_rules": "changes of a queue's rules, among many other events",
}
"""The queries for which an index is there. A primary key finds a row by its name."""


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
        draw(tables, Path(picture))


if __name__ == "__main__":
    main(*sys.argv[1:])
