"""What is told of ready checks and open matches: read, refused and said in words, without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from matchmaker import errors
from matchmaker.calls import Call, Calls
from matchmaker.cli.tidings import outcome_words, result_words, returned, told
from matchmaker.match_plans import Told, report_plan
from matchmaker.model import By, EventKind, Outcome, Result, TicketState, parse_event, ticket_of_event
from matchmaker.outcomes import checked_left, checked_ranks, winner_ranks
from matchmaker.reports import Lapsed, MatchState, OpenMatch, Pending
from matchmaker.scripts import refusal

CHECK, MATCH = "1700000000000-0", "1700000005000-0"
AT = 1_700_000_005_000


def member(player: str, **more: Any) -> dict[str, Any]:
    return {"ticket": f"t-{player}", "player": player, "rating": 1500, "waited_ms": 4000, **more}


def event(kind: str, **body: Any) -> Any:
    return parse_event(MATCH, "", json.dumps({"v": 1, "event": kind, "at": AT, "queue": "ladder", **body}))


FINISHED = {"rules": 1, "match": MATCH, "matched_ms": AT - 9, "teams": [[member("ann")], [member("bob")]]}
STATE = {
    "queue": "ladder",
    "rules": 3,
    "at": AT,
    "until": AT + 9,
    "state": "disputed",
    "teams": [["ann"], ["bob"]],
    "tickets": {"ann": "t-ann", "bob": "t-bob"},
    "reports": {"ann": {"ranks": [1, 2], "left": ["bob"]}},
    "told": {"server:eu": {"ranks": [2, 1]}},
    "left": {"bob": True},
}

# -- events ------------------------------------------------------------------------------------------------------------


def test_a_proposed_event_is_a_check_whose_tickets_wait_for_it() -> None:
    teams = [[member("ann", side="bw")], [member("bob")]]
    found = event("proposed", rules=2, gap=1, value=2, teams=teams, until=AT + 20_000)
    check = found.check
    assert (check.id, check.rules_version, check.until_ms, check.players) == (MATCH, 2, AT + 20_000, ("ann", "bob"))
    assert (check.outcome, check.accepted, found.match, found.check_id) == ("", frozenset(), None, MATCH)
    ticket = ticket_of_event(found, "t-ann")
    assert ticket is not None
    assert (ticket.state, ticket.check, ticket.enqueued_ms) == (TicketState.PROPOSED, check, AT - 4000)
    assert (ticket.ended_ms, ticket.match_id, ticket.side) == (None, None, "bw")
    assert ticket_of_event(found, "t-eve") is None


def test_a_matched_event_names_its_check_and_its_deadline() -> None:
    teams = [[member("ann")], [member("bob")]]
    match = event("matched", rules=2, gap=1, value=2, teams=teams, check=CHECK, until=AT + 9).match
    assert (match.check, match.until_ms) == (CHECK, AT + 9)
    plain = event("matched", rules=2, gap=1, value=2, teams=teams).match
    assert (plain.check, plain.until_ms) == ("", None)


def test_a_returned_ticket_waits_since_it_was_enqueued() -> None:
    found = event("returned", **member("ann"), check=CHECK, reason="declined", by=["bob"])
    assert (found.ticket.state, found.ticket.enqueued_ms, found.ticket.reason) == (TicketState.WAITING, AT - 4000, "")
    assert found.check_id == CHECK


def test_a_finished_event_is_a_result() -> None:
    result = event("finished", **FINISHED, outcome="played", by="server", who="eu", ranks=[2, 1], left=["ann"]).result
    assert result == Result(
        MATCH, "ladder", Outcome.PLAYED, (2, 1), "server", "eu", ("ann",), AT, "", (("ann",), ("bob",))
    )
    assert result.winner == 2
    aborted = event("finished", **FINISHED, outcome="aborted", by="player", who="ann", reason="lag").result
    assert (aborted.ranks, aborted.winner, aborted.reason) == ((), None, "lag")


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        ("accepted", {"check": CHECK, "player": "ann", "accepted": 1, "needed": 2}, "ann accepted: 1 of 2"),
        ("declined", {"check": CHECK, "player": "ann", "ticket": "t", "how": "no_answer"}, "ann did not answer"),
        (
            "reported",
            {"match": MATCH, "by": "player", "who": "ann", "ranks": [1, 2], "left": ["bob"]},
            "ann reported team 1 won; left: bob",
        ),
        ("left", {"match": MATCH, "player": "ann"}, "ann left"),
        (
            "disputed",
            {"match": MATCH, "reports": [{"player": "ann", "ranks": [1, 1]}, {"player": "bob", "ranks": [2, 1]}]},
            "an operator decides: ann a draw, bob team 2 won",
        ),
        (
            "finished",
            {**FINISHED, "outcome": "played", "by": "players", "ranks": [1, 2]},
            "played: team 1 won (the players agree)",
        ),
        (
            "rated",
            {"match": MATCH, "n": 1, "players": [{"player": "ann", "rating": 1490.5, "before": 1500, "game": 3}]},
            "1500 → 1490.5 (−9.5)",
        ),
    ],
)
def test_every_event_is_told_in_words(kind: str, body: dict[str, Any], words: str) -> None:
    found = event(kind, **body)
    assert (found.kind, told(found, "ann")) == (EventKind(kind), words)
    assert found.ticket is found.match is found.check is None


def test_words_of_ends() -> None:
    assert returned({"reason": "no_answer", "by": ["ann", "bob"]}) == "ann, bob did not answer"
    assert returned({"reason": "something new"}) == "the check failed"
    assert outcome_words([2, 1, 3]) == "places 2 1 3"
    result = Result(MATCH, "ladder", Outcome.ABORTED, (), "operator", "olga", ("ann",), AT, "void")
    assert result_words(result) == "aborted (by operator olga, void); left: ann"


# -- replies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "error", "says"),
    [
        (["in_match", "ann", MATCH], errors.PlayerInMatch, {"player": "ann", "match": MATCH}),
        (["penalised", "ann", str(AT), "1500"], errors.Penalised, {"until_ms": AT, "seconds": 1.5}),
        (["check_over", CHECK, "declined"], errors.CheckOver, {"check": CHECK, "outcome": "declined"}),
        (["stranger", MATCH, "eve"], errors.NotInMatch, {"field": "player", "match": MATCH, "player": "eve"}),
        (["already_reported", MATCH, "ann", "[1,2]"], errors.AlreadyReported, {"field": "ranks", "ranks": (1, 2)}),
        (["match_over", MATCH, "aborted"], errors.MatchOver, {"match": MATCH, "outcome": "aborted"}),
        (["too_late", MATCH, "30000"], errors.TooLate, {"match": MATCH, "seconds": 30.0}),
        (["unknown_check", CHECK], errors.UnknownCheck, {"check": CHECK}),
    ],
)
def test_refusals(reply: list[str], error: type[errors.MatchmakerError], says: dict[str, Any]) -> None:
    found = refusal("main", reply)
    assert type(found) is error
    assert {name: getattr(found, name) for name in says} == says


def test_open_matches_are_read_page_by_page() -> None:
    command = Calls("main").open_matches("0")
    assert command.args[:3] == ("HSCAN", "mm:{main}:matches", "0")
    cursor, (match,) = command.parse(["7", [MATCH, json.dumps(STATE)]])
    assert (cursor, match.id, match.state, match.left) == ("7", MATCH, MatchState.DISPUTED, ("bob",))
    assert {who: one.ranks for who, one in match.reports.items()} == {"ann": (1, 2), "server:eu": (2, 1)}


def test_a_lapse_tells_the_agenda() -> None:
    lapsed = Calls("main").lapse(5).parse(["lapsed", "10", "2", "11", "!open", ""])
    assert lapsed == Lapsed(10, 2, 11, "!open", None)


# -- what callers tell ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ranks", [[1, 2], (1, 1), [2, 1, 2]])
def test_ranks_that_may_be(ranks: list[int]) -> None:
    assert checked_ranks(ranks, len(ranks)) == tuple(ranks)


@pytest.mark.parametrize("ranks", [[], [1], [2, 2], [0, 1], [1, 3], [1, True], [1, 1.0], "12", None, 5, [1] * 65])
def test_ranks_that_may_not(ranks: Any) -> None:
    with pytest.raises(errors.InvalidInput) as refused:
        checked_ranks(ranks)
    assert refused.value.field == "ranks"


def test_who_left_is_told_once_and_in_order() -> None:
    assert checked_left(["bob", "ann", "bob"], ["ann", "bob"]) == ("ann", "bob")
    assert winner_ranks(2, 3) == (2, 1, 2)


def test_a_winner_by_name_is_asked_of_the_realm_first() -> None:
    """Given only a match's id, when a player of it is named the winner, then its teams are read, and ranks are sent."""
    plan = report_plan(Calls("main"), MATCH, By.PLAYER, "ann", Told(winner="bob", left=["ann"]))
    asked = next(plan)
    assert isinstance(asked, Call)
    assert (asked.script.name, asked.args) == ("match", (MATCH,))
    state: OpenMatch = asked.parse(["open", MATCH, json.dumps({**STATE, "state": "open"}), ""])
    sent = plan.send(state)
    assert isinstance(sent, Call)
    assert sent.args[2:] == (MATCH, "player", "ann", "[2,1]", '["ann"]')
    with pytest.raises(StopIteration) as done:
        plan.send(sent.parse(["reported", MATCH, "5"]))
    assert done.value.value == Pending(MATCH, MatchState.OPEN)
