"""Profiles, histories and head to head out of the database, by the blocking pool and both asyncio drivers; by index."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, get_args

import pytest

from matchmaker import aio, errors
from matchmaker.aio.database import Driver
from matchmaker.store import reads, standings
from matchmaker.store.connect import Database
from matchmaker.store.queries import DatabasePlan, Query, Rows, drive
from matchmaker.store.ratings import look_up
from tests.integration.recorded import Recorded

T = TypeVar("T")
REALM = "r"
RunPlan = Callable[[DatabasePlan[Any]], Awaitable[Any]]


@pytest.fixture(params=("blocking", *get_args(Driver)))
async def run(request: pytest.FixtureRequest, database: Database, database_url: str) -> Any:
    """Runs plans on the test's own database: the test runs once for each driver."""
    if request.param == "blocking":

        async def blocking(plan: DatabasePlan[T]) -> T:
            return database.run(plan)

        yield blocking
        return
    async with aio.Database(database_url, request.param) as opened:
        yield opened.run


def fill(database: Database, *statements: str) -> None:
    with database.transaction() as cursor:
        for statement in statements:
            cursor.execute(statement)


PLAYERS = """
INSERT INTO players (realm, player, since_ms) VALUES
    ('r', 'ann', 100), ('r', 'bob', 200), ('r', 'Zoë', 300), ('r', 'new', 400), ('x', 'ann', 1)
"""
RATINGS = """
INSERT INTO ratings
    (realm, queue, player, side, rating, deviation, source, games, won, lost, drawn, played_ms, highest) VALUES
    ('r', 'ladder', 'ann', '', 1520, 70.5, 'match', 5, 3, 1, 1, 9000, 1530),
    ('r', 'race', 'ann', 'bw', 1400, NULL, 'match', 2, 0, 2, 0, 8000, 1500),
    ('r', 'race', 'ann', 'sc2', 1500, NULL, 'import', 0, 0, 0, 0, NULL, NULL),
    ('r', 'ladder', 'bob', '', 1, NULL, 'import', 0, 0, 0, 0, NULL, NULL),
    ('x', 'ladder', 'ann', '', 7, NULL, 'import', 0, 0, 0, 0, NULL, NULL)
"""
CHANGES = """
INSERT INTO rating_changes
    (realm, n, part, queue, player, side, match, at_ms, game, before, deviation_before, rating, deviation, rank) VALUES
    ('r', 0, 1, 'ladder', 'ann', '', NULL, 50, 0, NULL, NULL, 1500, 350, NULL),
    ('r', 3, 0, 'ladder', 'ann', '', '70-0', 75, 1, 1500, 350, 1516, 300, 1),
    ('r', 3, 1, 'ladder', 'ann', '', NULL, 80, 1, 1516, 300, 1600, 90, NULL),
    ('r', 3, 2, 'ladder', 'ann', '', NULL, 81, 1, 1600, 90, 1601, 90, NULL),
    ('r', 12, 0, 'ladder', 'ann', '', '90-1', 95, 2, 1601, 95, 1590, 88, 2),
    ('r', 12, 0, 'ladder', 'bob', '', '90-1', 95, 1, 1000, NULL, 1011, NULL, 1),
    ('r', 13, 0, 'race', 'ann', 'bw', '99-0', 99, 1, 1500, NULL, 1484, NULL, 2)
"""
MEETINGS = """
INSERT INTO meetings (realm, queue, one, other, one_won, other_won, drawn, last_match, last_ms) VALUES
    ('r', 'ladder', 'ann', 'bob', 5, 2, 1, '90-1', 95), ('r', 'race', 'ann', 'bob', 0, 3, 0, '80-1', 85),
    ('r', 'ladder', 'Zoë', 'ann', 7, 0, 0, '60-1', 65), ('x', 'ladder', 'ann', 'bob', 9, 9, 9, '1-1', 1)
"""


async def test_a_profile_has_every_queue_and_side(database: Database, run: RunPlan) -> None:
    fill(database, PLAYERS, RATINGS)
    profile = await run(standings.profile_plan(REALM, "ann"))
    assert (profile.player, profile.since_ms) == ("ann", 100)
    assert profile.records == (
        standings.QueueRecord("ladder", "", 1520.0, 70.5, 5, 3, 1, 1, 1530.0, 9000),
        standings.QueueRecord("race", "bw", 1400.0, None, 2, 0, 2, 0, 1500.0, 8000),
        standings.QueueRecord("race", "sc2", 1500.0, None, 0, 0, 0, 0, None, None),
    )
    # And who has no rating yet has none; who was never here is refused
    assert (await run(standings.profile_plan(REALM, "new"))).records == ()
    with pytest.raises(errors.UnknownPlayer, match="nobody"):
        await run(standings.profile_plan(REALM, "nobody"))


async def test_a_history_comes_in_pages_that_lose_nothing(database: Database, run: RunPlan) -> None:
    fill(database, PLAYERS, CHANGES)
    whole = await run(standings.history_plan(REALM, "ann", "ladder"))
    assert [(one.id, one.match, one.before, one.rating) for one in whole] == [
        ("2.12.0", "90-1", 1601.0, 1590.0),
        ("1.3.2", None, 1600.0, 1601.0),
        ("1.3.1", None, 1516.0, 1600.0),
        ("1.3.0", "70-0", 1500.0, 1516.0),
        ("0.0.1", None, None, 1500.0),
    ]
    assert (whole[0].at_ms, whole[0].game, whole[0].deviation, whole[0].rank) == (95, 2, 88.0, 2)
    for most in (1, 2, 3):
        pages: list[standings.RatingChange] = []
        while page := await run(
            standings.history_plan(REALM, "ann", "ladder", before=pages[-1].id if pages else None, most=most)
        ):
            assert len(page) <= most
            pages += page
        assert pages == whole
    (side,) = await run(standings.history_plan(REALM, "ann", "race", side="bw"))
    assert side.rating == 1484.0
    assert await run(standings.history_plan(REALM, "ann", "race", side="sc2")) == []


async def test_head_to_head_is_told_from_either_side(database: Database, run: RunPlan) -> None:
    fill(database, PLAYERS, MEETINGS)
    found = await run(standings.head_to_head_plan(REALM, "ann", "bob"))
    assert found.queues == (
        standings.Meetings("ladder", 5, 2, 1, "90-1", 95),
        standings.Meetings("race", 0, 3, 0, "80-1", 85),
    )
    assert (found.won, found.lost, found.drawn) == (5, 5, 1)
    turned = await run(standings.head_to_head_plan(REALM, "bob", "ann"))
    assert [(one.won, one.lost, one.drawn) for one in turned.queues] == [(2, 5, 1), (3, 0, 0)]
    # And whatever order the database would put their names in
    assert (await run(standings.head_to_head_plan(REALM, "ann", "Zoë"))).lost == 7
    assert (await run(standings.head_to_head_plan(REALM, "new", "Zoë"))).queues == ()
    with pytest.raises(errors.UnknownPlayer, match="nobody"):
        await run(standings.head_to_head_plan(REALM, "ann", "nobody"))


async def test_a_match_has_its_result_and_what_it_changed(database: Database, recorded: Recorded, run: RunPlan) -> None:
    """Given two matches of which one was played, when read, then it has its result and its players' changes."""
    recorded.play(4)
    recorded.drain()
    newer, older = reads.matches(database, recorded.realm)
    assert (newer.result, older.result, dict(newer.changes)) == (None, None, {})
    (ann,), (bob,) = (team.players for team in newer.match.teams)
    names = (recorded.realm, newer.match.id)
    with database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO results (realm, match, queue, rules, at_ms, matched_ms, outcome, by, who, ranks, left_players,"
            " n, event) VALUES (%s, %s, 'ladder', 1, 77, 66, 'played', 'players', NULL, '[2, 1]', %s, 5, '77-0'),"
            " (%s, %s, 'ladder', 1, 78, 66, 'aborted', 'player', 'x', NULL, NULL, NULL, '78-0')",
            (*names, f'["{ann}"]', recorded.realm, older.match.id),
        )
        for player, rating in ((ann, 1484.0), (bob, 1517.0)):
            cursor.execute(
                "INSERT INTO rating_changes (realm, n, queue, player, match, at_ms, game, before, rating, rank)"
                " VALUES (%s, 5, 'ladder', %s, %s, 77, 1, 1500, %s, 1)",
                (recorded.realm, player, newer.match.id, rating),
            )
    for plan in (
        reads.matches_plan(recorded.realm),
        reads.matches_plan(recorded.realm, queue="ladder"),
        reads.matches_plan(recorded.realm, player=ann),
    ):
        found = (await run(plan))[0]
        assert found.match == newer.match
        assert found.result == reads.RecordedResult("played", (2, 1), "players", "", "", (ann,), 77, 5)
        assert found.changes == {ann: reads.Change(1500.0, 1484.0), bob: reads.Change(1500.0, 1517.0)}
    other = await run(reads.match_plan(recorded.realm, older.match.id))
    assert other.result == reads.RecordedResult("aborted", (), "player", "x", "", (), 78)
    assert dict(other.changes) == {}


@pytest.mark.parametrize(
    ("field", "plan"),
    [
        ("player", lambda: standings.profile_plan(REALM, "")),
        ("realm", lambda: standings.profile_plan("R", "ann")),
        ("most", lambda: standings.history_plan(REALM, "ann", "ladder", most=1_001)),
        ("before", lambda: standings.history_plan(REALM, "ann", "ladder", before="1.2")),
        ("side", lambda: standings.history_plan(REALM, "ann", "ladder", side="A:B")),
        ("player", lambda: standings.head_to_head_plan(REALM, "ann", "ann")),
    ],
)
def test_bad_input_is_refused_before_anything_is_asked(field: str, plan: Callable[[], object]) -> None:
    with pytest.raises(errors.InvalidInput) as caught:
        plan()
    assert caught.value.field == field


# -- by index ----------------------------------------------------------------------------------------------------------

LARGE = (
    "INSERT INTO players SELECT 'r', 'p' || i, 1 FROM generate_series(1, 30000) i",
    "INSERT INTO ratings (realm, queue, player, rating, source)"
    " SELECT 'r', 'q' || i % 3, 'p' || i, i, 'import' FROM generate_series(1, 30000) i",
    "INSERT INTO rating_changes (realm, n, queue, player, match, at_ms, game, before, rating)"
    " SELECT 'r', i / 2, 'q' || i % 3, 'p' || i % 3000, (i / 2) || '-0', i, i / 3000, 1, 2"
    " FROM generate_series(1, 60000) i",
    "INSERT INTO meetings SELECT 'r', 'q' || i % 3, 'p' || i, 'p' || i + 1, 1, 0, 0, '1-1', 1"
    " FROM generate_series(1, 30000) i",
    "INSERT INTO matches (realm, match, queue, rules, at_ms, gap, value)"
    " SELECT 'r', i || '-0', 'q' || i % 3, 1, i, 0, 0 FROM generate_series(1, 30000) i",
    "INSERT INTO teams (realm, match, team, place, ticket, player, rating, at_ms, waited_ms)"
    " SELECT 'r', i || '-0', t, 1, 't' || 2 * i + t, 'p' || (i + t) % 3000, 1, i, 1"
    " FROM generate_series(1, 30000) i, generate_series(1, 2) t",
    "INSERT INTO tickets (realm, ticket, enqueued_ms, queue, player, state, rating)"
    " SELECT 'r', ticket, at_ms - 1, 'q1', player, 'matched', 1 FROM teams",
    "INSERT INTO results (realm, match, queue, rules, at_ms, matched_ms, outcome, by, n, event)"
    " SELECT 'r', i || '-0', 'q' || i % 3, 1, i, i, 'played', 'players', i, i || '-1'"
    " FROM generate_series(1, 30000) i",
    "ANALYZE",
)


def test_no_read_scans_a_large_table(database: Database) -> None:
    """Given tables of tens of thousands of rows, then no query of any read goes through all of one, nor reads many
    rows of an index to give a few."""
    fill(database, *LARGE)
    plans: dict[str, DatabasePlan[Any]] = {
        "profile": standings.profile_plan(REALM, "p77"),
        "history": standings.history_plan(REALM, "p77", "q2"),
        "older history": standings.history_plan(REALM, "p77", "q2", before="9.14000.0", most=3),
        "head to head": standings.head_to_head_plan(REALM, "p77", "p78"),
        "look up": look_up(REALM, "q1", [f"p{i}" for i in range(500)]),
        "matches": reads.matches_plan(REALM),
        "matches of a queue": reads.matches_plan(REALM, queue="q1", before="20000-0"),
        "matches of a player": reads.matches_plan(REALM, player="p77"),
        "older matches of a player": reads.matches_plan(REALM, player="p77", before="20000-0", most=3),
        "match": reads.match_plan(REALM, "100-0"),
        "rules": reads.rule_history_plan(REALM, "q1"),
    }
    for name, plan in plans.items():
        with database.transaction() as cursor:

            def explained(query: Query, name: str = name, cursor: Any = cursor) -> Rows:
                cursor.execute("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) " + query.sql, query.values)
                lines = [line for (line,) in cursor.fetchall()]
                text = "\n".join(lines)
                scanned = set(re.findall(r"Seq Scan on (\w+)", text)) - {"schema", "events", "rule_versions"}
                assert not scanned, f"{name}: {text}"
                filtered = [int(count) for count in re.findall(r"Rows Removed by (?:Filter|Join Filter): (\d+)", text)]
                assert sum(filtered) < 200, f"{name}: {text}"
                cursor.execute(query.sql, query.values or None)
                return list(cursor.fetchall())

            try:
                drive(plan, explained)
            except errors.UnknownQueue:
                assert name == "rules"
