"""``docs/schema.md`` and its picture against a database that was just upgraded."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from matchmaker.store import picture
from matchmaker.store.connect import Database
from matchmaker.store.describe import SERVES, renewed
from matchmaker.store.tables import TABLES, Table, described
from tests.integration.recorded import Recorded

PAGE = Path(__file__).parent.parent.parent / "docs" / "schema.md"
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def tables(database: Database) -> list[Table]:
    return described(database)


def test_the_page_is_what_the_database_says(tables: list[Table]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert renewed(text, tables) == text, "run: python -m matchmaker.store.describe docs/schema.md"


def test_a_page_without_its_mark_is_not_overwritten() -> None:
    with pytest.raises(ValueError, match="mark"):
        renewed("# What Postgres keeps\n", [])


def test_everything_has_a_meaning_and_a_place(tables: list[Table]) -> None:
    """Given the live tables, then each has a place on the page and in the picture, and every column a meaning."""
    assert tuple(table.name for table in tables) == TABLES
    assert sorted(name for column in picture.SPOTS for name in column) == sorted(TABLES)
    assert [f"{t.name}.{c.name}" for t in tables for c in t.columns if not c.meaning] == []
    assert [table.name for table in tables if not table.meaning] == []
    assert {name for table in tables for name in table.indexes} == SERVES.keys()


def test_the_picture_is_drawn(tables: list[Table], tmp_path: Path) -> None:
    picture.draw(tables, tmp_path / "schema.png")
    assert (tmp_path / "schema.png").read_bytes().startswith(b"\x89PNG")
    columns = {(table.name, column.name) for table in tables for column in table.columns}
    assert {(one.table, one.column) for one in picture.LINKS} <= columns
    assert {(one.to_table, one.to_column) for one in picture.LINKS} <= columns


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_the_queries_of_the_page_run_and_find(recorded: Recorded, query: str) -> None:
    """Given what the page speaks of, when its queries are run as they stand, then each finds rows."""
    recorded.mm.enqueue("ladder", "alice", rating=1500)
    recorded.mm.enqueue("ladder", "bob", rating=1510)
    recorded.mm.attempt_match("ladder")
    recorded.drain()
    with recorded.database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO ratings (realm, queue, player, rating, source) VALUES (%s, 'ladder', 'alice', 1500, 'import')",
            (recorded.realm,),
        )
        cursor.execute(query.replace("'main'", f"'{recorded.realm}'"))
        assert cursor.fetchall()
