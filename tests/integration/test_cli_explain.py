"""``matchmaker explain``: what a user reads who asks why somebody still waits."""

from __future__ import annotations

import pytest

from matchmaker import Matchmaker, parse_rules
from matchmaker.cli.exits import Exit
from tests.integration.terminal import Cli, Running

EVOLADDER = """
[ladder]
[evoladder]
sides = ["bw", "sc2"]
same = ["version"]
pool.map = ["Radeon", "Vermeer"]
any_of.language = { relax_after_seconds = 600 }
"""


@pytest.fixture
def mm(mm: Matchmaker) -> Matchmaker:
    mm.apply_rules(parse_rules(EVOLADDER, "test"))
    mm.attempt_match("evoladder")  # brings the new rules in
    return mm


def test_who_is_nearest_and_when_it_will_be_due(environment: dict[str, str], mm: Matchmaker) -> None:
    """Given two who wait, when one is asked about in a terminal, then the other and the moment are told."""
    mm.enqueue("ladder", "alice", rating=1520)
    mm.enqueue("ladder", "bob", rating=1561)
    with Running("explain", "alice", env=environment) as running:
        first = running.line()
        second = running.line()
        assert running.ended() == 0
    assert first.startswith("alice waits ")
    assert " in ladder at 1520 and would give " in first
    assert ". Nearest: bob 1561 (gap 41, gives " in first
    assert "): due in " in first
    assert second == "1 other: 1 above; 1 within max_gap 300."


def test_every_side_of_a_ticket_is_told(cli: Cli, mm: Matchmaker) -> None:
    others = [("bob", "sc2", 1500, "de", "1"), ("eve", "bw", 1900, "en", "1"), ("dan", "sc2", 1530, "en", "2")]
    for name, side, rating, language, version in others:
        attributes = {"version": version, "language": language}
        mm.enqueue("evoladder", name, sides={side: rating}, attributes=attributes)
    sides = {"bw": 1500, "sc2": 1480}
    mm.enqueue("evoladder", "alice", sides=sides, attributes={"version": "1", "language": "en"})
    done = cli("explain", "alice")
    assert (done.code, done.err) == (0, "")
    first, *rest = done.out.splitlines()
    assert "in evoladder (1) as bw at 1500 and would give " in first
    assert ", as sc2 at 1480 and would give " in first
    assert "Nearest: bob as sc2 1500 (gap 0, gives " in first
    assert "they share no language until both waited 10 min: in " in first
    assert "eve as bw 1900 (gap 420" in rest[0]
    assert rest[0].endswith(": gap 420 is over max_gap 300: never.")
    assert rest[-1] == "1 ticket of other classes cannot be met."


def test_as_json(cli: Cli, mm: Matchmaker) -> None:
    ticket = mm.enqueue("ladder", "alice", rating=1520)
    mm.enqueue("ladder", "bob", rating=1561)
    done = cli("explain", "--ticket", ticket.id, "--json")
    assert done.document["ticket"] == ticket.id
    assert done.document["state"] == "waiting"
    (line,) = done.document["lines"]
    assert (line["queue"], line["places"][0]["rating"]) == ("ladder", 1520)
    (candidate,) = line["candidates"]
    assert (candidate["player"], candidate["gap"], candidate["rule"]) == ("bob", 41, "value")
    assert candidate["due_ms"] > done.document["now_ms"]


def test_a_ticket_that_ended(cli: Cli, mm: Matchmaker) -> None:
    mm.enqueue("ladder", "alice", rating=1520)
    mm.cancel_player("alice")
    done = cli("explain", "alice")
    assert done.code == 0
    assert done.out.startswith("alice waits no more: the ticket was cancelled ")
    assert done.out.endswith(" in ladder (requested).\n")


@pytest.mark.usefixtures("mm")
def test_nobody_knows_the_player(cli: Cli) -> None:
    done = cli("explain", "nobody")
    assert (done.code, done.out) == (Exit.NOT_FOUND, "")
    assert "nobody" in done.err


@pytest.mark.usefixtures("mm")
@pytest.mark.parametrize("args", [[], ["alice", "--ticket", "T"], ["alice", "--most", "0"], ["alice", "--most", "21"]])
def test_what_cannot_be_asked(cli: Cli, args: list[str]) -> None:
    done = cli("explain", *args)
    assert (done.code, done.out) == (2, "")


def test_a_hostile_name_does_not_reach_the_terminal(cli: Cli, mm: Matchmaker) -> None:
    mm.enqueue("ladder", "a\u202eb", rating=1520)
    mm.enqueue("ladder", "x\u2028y", rating=1521)
    assert "\u202e" not in cli("explain", "a\u202eb").out
    assert "x\\u2028y" in cli("explain", "a\u202eb").out
