"""The checker on results and ratings in Postgres: each fault by hand, and it must name that one and no other."""

from __future__ import annotations

import pytest

from matchmaker.checker import Code
from tests.integration.played import Played, a_season

A_MATCH = "(SELECT min(match) FROM results WHERE n IS NOT NULL)"
LAST = "(SELECT max(n) FROM results)"
FAULTS = [
    ("a result without its row", Code.ROW_MISSING, "DELETE FROM results WHERE n IS NULL AND outcome = 'played'"),
    ("another word", Code.ROW_DISAGREES, f"UPDATE results SET by = 'server' WHERE match = {A_MATCH}"),
    ("other ranks", Code.ROW_DISAGREES, "UPDATE results SET ranks = '[1, 3]' WHERE n IS NULL AND outcome = 'played'"),
    ("a number too many", Code.SETTLED_WRONG, "UPDATE realms SET settled = settled + 1"),
    ("a change without its cause", Code.SETTLED_WRONG, f"UPDATE rating_changes SET n = n + 1000 WHERE n = {LAST}"),
    ("a match that changed nothing", Code.SETTLED_WRONG, f"DELETE FROM rating_changes WHERE match = {A_MATCH}"),
    ("a rating of nobody's match", Code.SETTLED_WRONG, "UPDATE ratings SET rating = rating + 1 WHERE queue = 'elo'"),
    ("a game that is not counted", Code.SETTLED_WRONG, "UPDATE ratings SET games = games + 1 WHERE queue = 'elo'"),
    ("another sum", Code.SETTLED_WRONG, f"UPDATE rating_changes SET before = before + 1 WHERE match = {A_MATCH}"),
]


@pytest.mark.parametrize(("code", "harm"), [fault[1:] for fault in FAULTS], ids=[name for name, _, _ in FAULTS])
def test_each_fault_is_named_and_no_other(played: Played, code: Code, harm: str) -> None:
    """Given results and ratings that are right, when they are harmed, then the checker names exactly that."""
    a_season(played, 20)
    played.recorded.drain()
    before = played.recorded.check(drained=False)
    assert before.ok, str(before)
    with played.database.transaction() as cursor:
        cursor.execute(harm)
        assert cursor.rowcount >= 1
    after = played.recorded.check(drained=False)
    assert {one.code for one in after.violations} == {code}, str(after)


def test_a_rating_that_is_shown_otherwise(played: Played) -> None:
    """Given a rating in the realm that the database does not have, then that is told, once all is announced."""
    a_season(played, 20)
    played.recorded.drain()
    key = played.mm.calls.keys.ratings("elo")
    played.season.client.zincrby(key, 1, next(iter(played.shown("elo"))))
    found = played.recorded.check(drained=False)
    assert [one.code for one in found.violations] == [Code.SETTLED_WRONG], str(found)
    played.season.client.hincrby(played.mm.calls.keys.meta, "rated", -1)
    assert played.recorded.check(drained=False).ok
