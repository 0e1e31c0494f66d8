"""``accept``, ``decline`` and ``matches report | abort | resolve | open`` on the suite's server."""

from __future__ import annotations

import pytest

from matchmaker import Matchmaker, parse_rules
from matchmaker.cli.exits import Exit
from tests.integration.terminal import Cli

RULES = """
[ranked]
ready_check = { seconds = 600 }
penalties = { seconds = [60], decay_seconds = 86400 }
results = { by = "either", within_seconds = 7200 }
"""


@pytest.fixture
def check(mm: Matchmaker) -> str:
    """The ready check of ann and bob."""
    mm.apply_rules(parse_rules(RULES, "test"))
    for player in ("ann", "bob"):
        mm.enqueue("ranked", player, rating=1500, ticket=f"t-{player}")
    return mm.attempt_match("ranked").checks[0].id


@pytest.fixture
def match(mm: Matchmaker, check: str) -> str:
    mm.accept(check, "ann")
    mm.accept(check, "bob")
    return mm.open_matches()[0].id


def test_a_check_is_shown_and_accepted(cli: Cli, check: str) -> None:
    """Given a ready check, when its players look and accept, then they are told what to accept, and then the match."""
    assert f"accept check {check} until " in cli("status", "t-ann").out
    document = cli("status", "t-ann", "--json").document
    assert (document["state"], document["check"]["id"], document["check"]["accepted"]) == ("proposed", check, [])
    assert "is asked to accept a match with bob in ranked" in cli("explain", "ann").out
    assert cli("accept", check, "ann").out == "ann is ready: 1 of 2 are\n"
    made = cli("accept", check, "bob", "--json").document
    assert made["match"]["check"] == check
    assert "match.found  t-ann  ann (1500) vs bob (1500)  gap 0  report until " in cli("accept", check, "ann").out
    assert cli("accept", check, "eve").code == Exit.CONFLICT
    assert cli("accept", "1700000000000-0", "ann").code == Exit.NOT_FOUND
    assert cli("decline", check, "ann").code == Exit.NO


def test_a_decline_is_told_with_its_penalty(cli: Cli, check: str) -> None:
    told = cli("decline", check, "ann")
    assert told.out.startswith("ann declined, ticket t-ann is cancelled; barred until ")
    assert cli("enqueue", "ranked", "ann", "--rating", 1500).code == Exit.CONFLICT
    lines = cli("watch", "bob", "--for", 0.3).out.splitlines()
    assert [line.split()[1] for line in lines] == ["enqueued", "ready.check", "returned"]
    assert lines[-1].endswith("waits on: ann declined")


def test_reports_that_agree_finish_a_match(cli: Cli, match: str) -> None:
    assert cli("matches", "report", match, "--player", "ann", "--winner", "ann").out == (
        f"match {match} is open: others have yet to report\n"
    )
    document = cli("matches", "open", "--json").document
    assert [one["id"] for one in document["matches"]] == [match]
    assert document["matches"][0]["reports"]["ann"]["left"] == []
    finished = cli("matches", "report", match, "--player", "bob", "--winner", "ann", "--json").document
    assert (finished["state"], finished["outcome"], finished["by"]) == ("finished", "played", "players")
    assert cli("matches", "open", "--json").document["matches"] == []
    spoken = [line.split()[1] for line in cli("watch", "ann", "--for", 0.3).out.splitlines()]
    assert spoken[-3:] == ["reported", "reported", "finished"]


def test_a_dispute_is_listed_and_resolved(cli: Cli, match: str) -> None:
    cli("matches", "report", match, "--player", "ann", "--ranks", "1,2")
    assert "disputed: an operator decides" in cli("matches", "report", match, "--player", "bob", "--ranks", "2,1").out
    listed = cli("matches", "open").out
    assert "disputed" in listed
    assert "ann: team 1 won; bob: team 2 won" in listed
    resolved = cli("matches", "resolve", match, "--operator", "olga", "--draw", "--left", "bob")
    assert resolved.out == f"match {match} is finished: played: a draw (by operator olga); left: bob\n"
    assert cli("matches", "resolve", match, "--void").code == Exit.NO


def test_an_abort_and_what_is_refused(cli: Cli, match: str) -> None:
    assert cli("matches", "report", match, "--winner", "1").code == Exit.INPUT
    assert cli("matches", "abort", match).code == Exit.INPUT
    refused = cli("matches", "report", match, "--server", "eu", "--ranks", "1,x", "--json")
    assert (refused.code, refused.error["field"]) == (Exit.INPUT, "ranks")
    assert cli("matches", "abort", match, "--player", "ann").code == Exit.NO
    aborted = cli("matches", "abort", match, "--operator", "olga", "--reason", "lag")
    assert aborted.out == f"match {match} is finished: aborted (by operator olga, lag)\n"
