"""Finished matches into ratings: each once, in order, whatever is written, read or told twice."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from matchmaker.calls import Rated
from matchmaker.store import season
from matchmaker.store.announce import show_imported
from matchmaker.store.drain import Drain
from matchmaker.store.ratings import import_ratings
from matchmaker.store.reconcile import reconcile
from matchmaker.store.resting import realm_now, show_grown
from tests.integration.played import DAY_MS, Played, a_season, judge


def test_a_match_is_rated_shown_and_told(played: Played) -> None:
    """Given a finished match of two who came with 1500, when it is drained, then the rows, the realm and an event say
    that 16 points went from one to the other."""
    match = played.season.play("elo", [["ann"], ["bob"]], [1, 2])
    report = played.recorded.drain()
    assert (report.results, report.rated, report.announced) == (1, 1, 1)
    assert played.stored("elo") == played.shown("elo") == {"ann": 1516.0, "bob": 1484.0}
    (told,) = played.told()
    assert (told["n"], told["match"], told["queue"]) == (1, match, "elo")
    assert sorted((one["player"], one["before"], one["rating"], one["game"]) for one in told["players"]) == [
        ("ann", 1500, 1516, 1),
        ("bob", 1500, 1484, 1),
    ]
    assert played.recorded.count("results", f"match = '{match}' AND n = 1 AND ranks = '[1, 2]'") == 1
    assert played.recorded.count("reports", f"match = '{match}' AND by = 'player'") == 2
    assert played.recorded.count("ratings", "source = 'match' AND games = 1 AND highest = rating") == 2
    assert played.recorded.value("SELECT (won, lost, drawn)::text FROM ratings WHERE player = 'ann'") == "(1,0,0)"
    assert played.recorded.value("SELECT (one, other, one_won, other_won)::text FROM meetings") == "(ann,bob,1,0)"


@pytest.mark.parametrize("batch_events", [1, 7, 10_000])
def test_a_season_in_batches_of_any_size(played: Played, batch_events: int) -> None:
    a_season(played)
    report = played.recorded.drain(batch_events=batch_events)
    assert (report.results, report.announced) == (60, report.rated)
    judge(played)


def test_the_stream_read_again_changes_nothing(played: Played) -> None:
    """Given a settled season, when all of it is read and written again, then no row and no event is another."""
    a_season(played)
    played.recorded.drain()
    before, told = played.recorded.rows(), played.told()
    assert played.recorded.drain(again=True).rated == 0
    with played.database.transaction() as cursor:
        cursor.execute("UPDATE realms SET recorded = '0-0', events = 0")
    played.recorded.drain(batch_events=3)
    after = played.recorded.rows()
    assert {name: rows for name, rows in after.items() if name != "realms"} == {
        name: rows for name, rows in before.items() if name != "realms"
    }
    assert played.told() == told
    judge(played)


def test_a_match_that_is_finished_twice(played: Played) -> None:
    """Given two ends of one match, as of a server that lost the first, then the first stands and is rated once."""
    match, members = played.season.match("elo", [["ann"], ["bob"]])
    for ranks in ([1, 2], [2, 1]):
        played.season.finish("elo", match, members, outcome="played", ranks=ranks)
        played.recorded.drain()
    assert played.stored("elo") == played.shown("elo") == {"ann": 1516.0, "bob": 1484.0}
    assert played.recorded.count("results") == len(played.told()) == 1


class Unannounced(Drain):
    """A drain whose process ends between a commit and what it would tell the realm."""

    def _announce(self) -> None:
        if self.report.results:
            raise ProcessEnded


class ProcessEnded(BaseException):
    pass


def test_what_a_drain_left_untold_the_next_one_tells(played: Played) -> None:
    a_season(played, 20)
    played.recorded.drain()
    a_season(played, 20)
    drain = Unannounced(played.season.client, played.database, played.recorded.realm)
    with drain, pytest.raises(ProcessEnded):
        drain.run()
    assert len(played.told()) < played.recorded.value("SELECT settled FROM realms")
    assert played.recorded.drain().announced > 0
    judge(played)


def test_two_drains_at_once(played: Played) -> None:
    a_season(played, 200)
    with ThreadPoolExecutor(2) as both:
        drains = [both.submit(played.recorded.drain, batch_events=20, patience_seconds=20) for _ in range(2)]
        assert sum(one.result().results for one in drains) == 200
    judge(played)


def test_an_emptied_realm_is_filled_and_not_told_again(played: Played) -> None:
    """Given a realm that forgot what it was told and shows no ratings, when the next match is settled, then all
    ratings stand there again and old matches are not told a second time."""
    a_season(played)
    played.recorded.drain()
    keys = played.mm.calls.keys
    played.season.client.delete(keys.ratings("elo"), keys.ratings("glicko", "bw"), keys.deviations("open"))
    played.season.client.hdel(keys.meta, "rated")
    told = len(played.told())
    assert played.recorded.drain().announced == 0
    assert len(played.told()) == told
    played.season.play("elo", [["ann"], ["bob"]])
    assert played.recorded.drain().announced == 1
    judge(played)


NOT_A_RESULT: dict[str, dict[str, Any]] = {
    "a rating that is not finite": {"rating": math.nan},
    "an infinite deviation": {"deviation": math.inf},
    "a rating beyond the bound": {"rating": 1e7},
    "a rating that is text": {"rating": "1500"},
    "no best rank": {"ranks": [2, 2]},
    "a rank too many": {"ranks": [1, 2, 3]},
    "half a rank": {"ranks": [1, 1.5]},
    "an unknown outcome": {"outcome": "won"},
    "a match that cannot be": {"match": "x"},
    "a player without a name": {"player": ""},
}


@pytest.mark.parametrize("what", NOT_A_RESULT)
def test_what_no_script_writes_settles_nothing(played: Played, what: str) -> None:
    """Given an end that breaks a bound, written by hand, then it is kept as unreadable, and later ones are settled."""
    wrong = NOT_A_RESULT[what]
    match, members = played.season.match("elo", [["ann"], ["bob"]])
    for name in ("rating", "deviation", "player"):
        if name in wrong:
            members[0][0][name] = wrong[name]
    told = {name: value for name, value in wrong.items() if name in ("ranks", "outcome", "match")}
    played.season.finish("elo", told.pop("match", match), members, **{"outcome": "played", "ranks": [1, 2], **told})
    played.season.play("elo", [["cat"], ["dan"]])
    assert played.recorded.drain().rated == 1
    assert played.stored("elo") == played.shown("elo") == {"cat": 1516.0, "dan": 1484.0}
    assert played.recorded.count("events", "kind = 'unreadable'") == 1


def test_an_import_in_mid_season(played: Played) -> None:
    """Given matches before and after an import, then each is rated with what stood there then, the realm shows it, and
    the season can be computed anew over it."""
    played.season.play("elo", [["ann"], ["bob"]])
    played.recorded.drain()
    played.season.play("elo", [["bob"], ["ann"]])
    with played.database.transaction() as cursor:
        import_ratings(cursor, played.recorded.realm, "elo", {"ann": Rated(2000.0, 50.0), "new": Rated(1000.0)})
        show_imported(played.season.client, cursor, played.mm.calls.keys, "elo", ["ann", "new"])
    assert played.shown("elo") == {"ann": 2000.0, "bob": 1484.0, "new": 1000.0}
    played.recorded.drain()
    assert played.stored("elo") == played.shown("elo")
    assert played.stored("elo")["ann"] < 1975
    assert played.recorded.value("SELECT games FROM ratings WHERE player = 'ann'") == 2
    with played.database.transaction() as cursor:
        assert season.replay(cursor, played.recorded.realm, "elo", 1, 2).differences == []
    imports = "SELECT array_agg((n, part, player, before)::text ORDER BY player) FROM rating_changes WHERE part > 0"
    assert played.recorded.value(imports) == ["(1,1,ann,1516)", "(1,1,new,)"]


def test_recomputing_finds_and_corrects_what_was_changed(played: Played) -> None:
    a_season(played)
    played.recorded.drain()
    before = played.recorded.rows()
    with played.database.transaction() as cursor:
        cursor.execute("SELECT n, player FROM rating_changes WHERE queue = 'elo' AND game = 2 ORDER BY n LIMIT 1")
        n, player = cursor.fetchone() or (0, "")
        cursor.execute("UPDATE rating_changes SET rating = rating + 1e-9 WHERE (n, player) = (%s, %s)", (n, player))
        found = season.replay(cursor, played.recorded.realm, "elo", 1, 60)
        assert [(one.n, one.player, one.number) for one in found.differences] == [(n, player, "rating")]
        season.correct(cursor, played.recorded.realm, found)
    after = played.recorded.rows()
    assert (after["rating_changes"], after["ratings"]) == (before["rating_changes"], before["ratings"])


def test_a_ready_check_and_what_was_answered(played: Played) -> None:
    """Given checks that ended in a match and by a decline, told in batches of one, then each is one row."""
    add, asked = played.season.add, [[{"ticket": "t1", "player": "ann"}], [{"ticket": "t2", "player": "bob"}]]
    members = [[{**team[0], "rating": 1500.0, "waited_ms": 5}] for team in asked]
    checks = [add("proposed", "elo", rules=1, gap=0, value=1, teams=members, until=9) for _ in range(2)]
    add("accepted", "elo", check=checks[0], player="ann", accepted=1, needed=2)
    match, _ = played.season.match("elo", [["ann"], ["bob"]], check=checks[0])
    add("declined", "elo", check=checks[1], player="ann", ticket="t1", how="declined", penalty_until=99)
    returned = {"player": "bob", "rating": 1500, "waited_ms": 5, "reason": "declined", "by": ["ann"]}
    add("returned", "elo", check=checks[1], ticket="t2", **returned)
    for again in (False, True):
        played.recorded.drain(batch_events=1, again=again)
        rows = played.recorded.value("SELECT array_agg((outcome, match, declined)::text ORDER BY at_ms) FROM checks")
        declined = '{""ann"": {""how"": ""declined"", ""penalty_until"": 99}}'
        assert rows == [f"(matched,{match},)", f'(declined,,"{declined}")']
    assert played.recorded.count("events", "kind IN ('accepted', 'declined', 'returned')") == 3


def test_who_does_not_play_is_shown_less_certain(played: Played) -> None:
    """Given two who played 90 days ago, when that is shown anew, then their deviations have grown in the realm as the
    next match would take them, and stand in the database as they were."""
    client, keys = played.season.client, played.mm.calls.keys
    played.season.at_ms = realm_now(client, keys) - 90 * DAY_MS
    played.season.play("glicko", [["ann"], ["bob"]])
    played.season.play("elo", [["ann"], ["bob"]])
    played.recorded.drain()
    before = played.recorded.rows()
    stored = float(played.recorded.value("SELECT deviation FROM ratings WHERE queue = 'glicko' AND player = 'ann'"))
    assert show_grown(client, played.database, played.recorded.realm) == 2
    shown: Any = client.hget(keys.deviations("glicko"), "ann")
    assert float(shown) == pytest.approx(math.sqrt(stored**2 + 20**2 * 90), abs=0.01)
    assert played.shown("glicko") == played.stored("glicko")
    assert played.recorded.rows() == before


def test_a_result_that_the_server_lost_is_named(played: Played) -> None:
    """Given a settled match whose end a failed server no longer has, then reconciliation names it once, and what it did
    to ratings stands."""
    played.season.play("elo", [["ann"], ["bob"]])
    lost = played.season.play("elo", [["cat"], ["dan"]])
    played.season.play("elo", [["eve"], ["fay"]])
    played.recorded.drain()
    event = played.recorded.value(f"SELECT event FROM results WHERE match = '{lost}'")
    played.season.client.xdel(played.season.stream, event)
    found = [reconcile(played.season.client, played.database, played.recorded.realm) for _ in range(2)]
    assert [one.lost_results for one in found] == [(lost,), ()]
    assert played.stored("elo")["cat"] == played.shown("elo")["cat"] == 1516.0
