"""The checker on Postgres: each fault is done to sound rows by hand, and it must name that one and no other."""

from __future__ import annotations

import pytest

from matchmaker.checker import Code
from tests.integration.recorded import Recorded

A_MATCH = "(SELECT min(match) FROM matches)"
A_TICKET = "(SELECT min(ticket) FROM tickets WHERE state = 'matched')"
FAULTS = [
    ("a match without its row", Code.ROW_MISSING, f"DELETE FROM matches WHERE match = {A_MATCH}"),
    ("a match without teams", Code.ROW_MISSING, f"DELETE FROM teams WHERE match = {A_MATCH}"),
    ("a ticket without its row", Code.ROW_MISSING, f"DELETE FROM tickets WHERE ticket = {A_TICKET}"),
    ("rules without their row", Code.ROW_MISSING, "DELETE FROM rule_versions WHERE queue = 'side'"),
    ("rules without their event", Code.ROW_MISSING, "DELETE FROM events WHERE kind = 'rules' AND queue = 'side'"),
    ("another gap", Code.ROW_DISAGREES, f"UPDATE matches SET gap = gap + 1 WHERE match = {A_MATCH}"),
    (
        "a match that is said to be lost",
        Code.ROW_DISAGREES,
        f"UPDATE matches SET lost_at = now() WHERE match = {A_MATCH}",
    ),
    (
        "another player in the team",
        Code.ROW_DISAGREES,
        f"UPDATE teams SET player = 'x' WHERE match = {A_MATCH} AND team = 1",
    ),
    ("a wait that was longer", Code.ROW_DISAGREES, f"UPDATE teams SET place = 2 WHERE match = {A_MATCH} AND team = 2"),
    (
        "a ticket that waits again",
        Code.ROW_DISAGREES,
        f"UPDATE tickets SET state = 'waiting' WHERE ticket = {A_TICKET}",
    ),
    ("a ticket of another rating", Code.ROW_DISAGREES, f"UPDATE tickets SET rating = 7 WHERE ticket = {A_TICKET}"),
    ("other data", Code.ROW_DISAGREES, f"UPDATE tickets SET data = 'y' WHERE ticket = {A_TICKET}"),
    (
        "a match that never was",
        Code.ROW_UNKNOWN,
        "INSERT INTO matches SELECT realm, at_ms + 1000 || '-77', queue, rules, at_ms + 1000, gap, value FROM matches"
        f" WHERE match = {A_MATCH}",
    ),
    (
        "a cancel that never was",
        Code.ROW_UNKNOWN,
        "INSERT INTO tickets SELECT realm, 'T', enqueued_ms, queue, player, 'cancelled', rating, deviation, data,"
        f" enqueued_ms + 1000, 'requested', enqueued_ms + 1000 || '-77' FROM tickets WHERE ticket = {A_TICKET}",
    ),
]


def codes(recorded: Recorded, *, drained: bool = True) -> set[Code]:
    return {violation.code for violation in recorded.check(drained=drained).violations}


@pytest.mark.parametrize(("code", "harm"), [fault[1:] for fault in FAULTS], ids=[name for name, _, _ in FAULTS])
def test_each_fault_is_named_and_no_other(recorded: Recorded, code: Code, harm: str) -> None:
    """Given rows that are right, when one is harmed, then the checker names exactly that."""
    recorded.play(6)
    recorded.drain()
    assert recorded.check().ok, str(recorded.check())
    with recorded.database.transaction() as cursor:
        cursor.execute(harm)
        assert cursor.rowcount == 1 or "teams" in harm
    assert codes(recorded) == {code}, str(recorded.check())


def test_a_ticket_in_two_matches(recorded: Recorded) -> None:
    """Given a second match with the same two lives of tickets, then it is both unknown and one too many."""
    recorded.play(2)
    recorded.drain()
    with recorded.database.transaction() as cursor:
        other = "at_ms + 1000 || '-77'"
        cursor.execute(
            f"INSERT INTO matches SELECT realm, {other}, queue, rules, at_ms + 1000, gap, value FROM matches"
        )
        cursor.execute(
            f"INSERT INTO teams SELECT realm, {other}, team, place, ticket, player, rating, deviation, at_ms + 1000,"
            " waited_ms + 1000 FROM teams"
        )
    assert codes(recorded) == {Code.ROW_UNKNOWN, Code.ROW_TWICE}


def test_what_is_not_recorded_yet(recorded: Recorded) -> None:
    """Given events after the place, then they are counted, and a fault only when everything should be recorded."""
    recorded.play(4)
    recorded.drain()
    recorded.play(4, first=10)
    report = recorded.check(drained=False)
    assert (report.ok, report.behind) == (True, 4 + 2 + 4)
    assert codes(recorded) == {Code.RECORDS_BEHIND}


def test_a_realm_that_was_never_recorded(recorded: Recorded) -> None:
    recorded.play(2)
    report = recorded.check(drained=False)
    assert (report.ok, report.events, report.behind) == (True, 0, 2 + 2 + 1 + 4)
