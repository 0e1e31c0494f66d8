"""``leaderboard``, ``profile`` and ``versus``: what a person and a program are told."""

from __future__ import annotations

import pytest

from matchmaker import Matchmaker, parse_rules
from matchmaker.cli.standings import result_of
from matchmaker.model import Match
from matchmaker.store.connect import Database
from matchmaker.store.reads import RecordedMatch, RecordedResult
from tests.integration.terminal import Cli

RULES = """
[ladder]
results = { by = "players", within_seconds = 60 }
rating = { system = "elo", letters = { S = 95, A = 80, B = 50, C = 20 } }
[casual]
[race]
sides = ["bw", "sc2"]
"""


@pytest.fixture
def rated(mm: Matchmaker) -> Matchmaker:
    """A hundred players in the ladder, two of them equal, and one on a side."""
    mm.apply_rules(parse_rules(RULES, "test"))
    keys = mm.calls.keys
    mm.redis.zadd(keys.ratings("ladder"), {f"p{i:02}": 1000.0 + 10 * max(i, 3) for i in range(2, 102)})
    mm.redis.zadd(keys.ratings("race", "bw"), {"ann": 1500.25})
    return mm


class TestLeaderboard:
    def test_the_top_as_a_person_reads_it(self, cli: Cli, rated: Matchmaker) -> None:
        assert rated.rules().keys() >= {"ladder"}
        shown = cli("leaderboard", "ladder", "--most", 2).out.splitlines()
        assert [line.split() for line in shown[:3]] == [
            ["rank", "player", "rating", "percentile", "letter"],
            ["1", "p101", "2010", "100.0", "S"],
            ["2", "p100", "2000", "99.0", "S"],
        ]
        assert shown[4] == "places 1 to 2 of 100 in ladder"

    def test_around_a_player_marks_the_line(self, cli: Cli, rated: Matchmaker) -> None:
        assert rated.rules()
        shown = cli("leaderboard", "ladder", "--around", "p03", "--most", 3).out.splitlines()
        assert [line.split() for line in shown[1:4]] == [
            ["98", "p04", "1040", "2.0", "D"],
            ["99", "p03", "1030", "1.0", "D", "<"],
            ["99", "p02", "1030", "1.0", "D"],
        ]
        body = cli("leaderboard", "ladder", "--around", "p03", "--most", 3, "--json").document
        assert (body["first"], body["of"], body["lines"][1]["player"]) == (98, 100, "p03")

    def test_a_side_and_places_beyond(self, cli: Cli, rated: Matchmaker) -> None:
        assert rated.rules()
        shown = cli("leaderboard", "race", "--side", "bw").out.splitlines()
        assert shown[1].split() == ["1", "ann", "1500.2", "100.0"]
        assert cli("leaderboard", "casual").out == "nobody is rated in casual yet\n"
        assert cli("leaderboard", "race", "--side", "bw", "--first", 9).out.startswith("race, bw has 1 rated player")

    def test_who_has_no_rating_and_what_is_no_queue(self, cli: Cli, rated: Matchmaker) -> None:
        assert rated.rules()
        stranger = cli("leaderboard", "ladder", "--around", "ann")
        assert (stranger.code, stranger.err) == (
            3,
            f"error: player: 'ann' has no rating in queue 'ladder' of realm '{rated.calls.realm}'\n",
        )
        assert cli("leaderboard", "nowhere").code == 3
        assert cli("leaderboard", "race", "--side", "wow").code == 2


@pytest.fixture
def played(database: Database, realm: str) -> str:
    """A realm of which two players are recorded, with one match that bob won."""
    with database.transaction() as cursor:
        cursor.execute(
            """
            INSERT INTO players VALUES (%(r)s, 'ann', 1732374000000), (%(r)s, 'bob', 1732374000000);
            INSERT INTO ratings (realm, queue, player, side, rating, deviation, source, games, won, lost, drawn,
                played_ms, highest) VALUES (%(r)s, 'ladder', 'ann', '', 1484.5, 80, 'match', 1204, 600, 603, 1,
                1732374000123, 1530);
            INSERT INTO matches (realm, match, queue, rules, at_ms, gap, value)
                VALUES (%(r)s, '1732374000123-0', 'ladder', 1, 1732374000123, 1, 1);
            INSERT INTO teams (realm, match, team, place, ticket, player, rating, at_ms, waited_ms) VALUES
                (%(r)s, '1732374000123-0', 1, 1, 't1', 'ann', 1500, 1732374000123, 1),
                (%(r)s, '1732374000123-0', 2, 1, 't2', 'bob', 1500, 1732374000123, 1);
            INSERT INTO results (realm, match, queue, rules, at_ms, matched_ms, outcome, by, ranks, n, event) VALUES
                (%(r)s, '1732374000123-0', 'ladder', 1, 2, 1, 'played', 'players', '[2, 1]', 1, '2-0');
            INSERT INTO rating_changes (realm, n, queue, player, match, at_ms, game, before, rating, rank) VALUES
                (%(r)s, 1, 'ladder', 'ann', '1732374000123-0', 2, 1, 1500, 1484.5, 2);
            INSERT INTO meetings VALUES (%(r)s, 'ladder', 'ann', 'bob', 3, 1204, 1, '1732374000123-0', 1732374000123),
                (%(r)s, 'race', 'ann', 'bob', 1, 0, 0, '1732374000124-0', 1732374000124);
            """,
            {"r": realm},
        )
    return realm


class TestRecords:
    def test_a_profile_as_a_person_reads_it(self, db_cli: Cli, played: str) -> None:
        shown = db_cli("profile", "ann").out.splitlines()
        assert shown[0].startswith("ann, since 2024-11-2")
        assert shown[2].split()[:6] == ["queue", "rating", "deviation", "games", "won", "lost"]
        assert shown[3].split()[:8] == ["ladder", "1484.5", "80", "1,204", "600", "603", "1", "1530"]
        last = shown[6].split()
        assert last[2:] == ["1732374000123-0", "ladder", "bob", "lost", "1484.5", "(−15.5)"]
        body = db_cli("profile", "ann", "--json").document
        assert (body["realm"], body["records"][0]["games"]) == (played, 1204)
        assert body["matches"][0]["result"]["ranks"] == [2, 1]
        assert body["matches"][0]["changes"] == {"ann": {"before": 1500.0, "after": 1484.5, "deviation": None}}

    def test_two_against_each_other(self, db_cli: Cli, played: str) -> None:
        shown = db_cli("versus", "bob", "ann").out.splitlines()
        assert shown[0].split() == ["queue", "bob", "ann", "drawn", "last", "match", "on"]
        assert [line.split()[:4] for line in shown[1:]] == [
            ["ladder", "1,204", "3", "1"],
            ["race", "0", "1", "0"],
            ["all", "1,204", "4", "1"],
        ]
        body = db_cli("versus", "ann", "bob", "--json").document
        assert (body["realm"], body["won"], body["lost"], body["drawn"]) == (played, 4, 1204, 1)

    def test_strangers(self, db_cli: Cli, played: str) -> None:
        assert db_cli("profile", "nobody").err == f"error: player: 'nobody' is not known in realm {played!r}\n"
        assert db_cli("versus", "ann", "nobody").code == 3
        assert db_cli("versus", "ann", "ann").code == 2


@pytest.mark.parametrize(
    ("ranks", "words"),
    [((1, 2), ["won", "lost"]), ((2, 1), ["lost", "won"]), ((1, 1), ["drawn", "drawn"]), ((3, 1, 1), ["3 of 3"])],
)
def test_a_result_in_words(ranks: tuple[int, ...], words: list[str]) -> None:
    match = Match("1-0", "ladder", 1, 1, 0.0, 0.0, ())
    played = RecordedMatch(match, None, RecordedResult("played", ranks, "players", "", "", (), 1))
    assert [result_of(played, team) for team in range(len(words))] == words
    aborted = RecordedMatch(match, None, RecordedResult("aborted", (), "player", "ann", "", (), 1))
    assert result_of(aborted, 0) == "aborted"
    assert result_of(RecordedMatch(match), 0) == ""
