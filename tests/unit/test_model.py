"""What callers send is checked when it is made, and what scripts write is read back as it was meant."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchmaker.errors import InvalidInput
from matchmaker.model import (
    DATA_BYTES,
    MOST_POINTS,
    PLAYER_BYTES,
    Event,
    EventKind,
    Match,
    Player,
    Team,
    Ticket,
    TicketRequest,
    TicketState,
    checked_text,
    event_order,
    new_ticket_id,
    parse_event,
    parse_message,
    ticket_of_event,
)

ENQUEUED = {
    "v": 1,
    "event": "enqueued",
    "at": 1000,
    "queue": "ladder",
    "ticket": "t1",
    "player": "ann",
    "rating": 1500.5,
    "deviation": 70,
    "data": "x",
}
MEMBER_A = {"ticket": "t1", "player": "ann", "rating": 1500.5, "waited_ms": 700, "deviation": 70, "data": "x"}
MEMBER_B = {"ticket": "t2", "player": "bob", "rating": 1510, "waited_ms": 0}
MATCHED = {
    "v": 1,
    "event": "matched",
    "at": 2000,
    "queue": "ladder",
    "rules": 3,
    "gap": 9.5,
    "value": 12.25,
    "teams": [[MEMBER_A], [MEMBER_B]],
}


def parsed(body: dict[str, Any], prev: str = "") -> Event:
    return parse_event("2000-1", prev, json.dumps(body))


# -- requests ----------------------------------------------------------------------------------------------------------


def test_a_request_needs_a_player_and_a_rating() -> None:
    request = TicketRequest("ann", 1500)
    assert (request.deviation, request.data) == (None, "")
    assert checked_text("ticket", request.ticket) == request.ticket
    assert TicketRequest("ann", 1500).ticket != request.ticket
    assert json.loads(request.as_json()) == {"ticket": request.ticket, "player": "ann", "rating": 1500.0}


def test_a_request_carries_all_it_was_given() -> None:
    request = TicketRequest("ü {x}", -1.5, 0, "é\u2028", ticket="A.b:c_d-9")
    assert json.loads(request.as_json()) == {
        "ticket": "A.b:c_d-9",
        "player": "ü {x}",
        "rating": -1.5,
        "deviation": 0.0,
        "data": "é\u2028",
    }


@pytest.mark.parametrize(
    "values",
    [
        {"rating": MOST_POINTS},
        {"rating": -MOST_POINTS},
        {"deviation": 0},
        {"deviation": MOST_POINTS},
        {"player": "p" * PLAYER_BYTES},
        {"player": "ü" * (PLAYER_BYTES // 2)},
        {"data": "d" * DATA_BYTES},
        {"ticket": "t" * 64},
        {"player": " "},
    ],
    ids=repr,
)
def test_the_bounds_themselves_are_allowed(values: dict[str, Any]) -> None:
    TicketRequest(**{"player": "ann", "rating": 1500, **values})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rating", MOST_POINTS + 0.001),
        ("rating", -MOST_POINTS - 1),
        ("rating", float("nan")),
        ("rating", float("-inf")),
        ("rating", "1500"),
        ("rating", True),
        ("deviation", -0.001),
        ("deviation", MOST_POINTS + 1),
        ("deviation", float("inf")),
        ("deviation", "70"),
        ("player", ""),
        ("player", "p" * (PLAYER_BYTES + 1)),
        ("player", "ü" * (PLAYER_BYTES // 2) + "x"),
        ("player", "a\x00b"),
        ("player", "a\nb"),
        ("player", "\x7f"),
        ("player", "\ud800"),
        ("player", b"ann"),
        ("data", "d" * (DATA_BYTES + 1)),
        ("data", "a\tb"),
        ("data", None),
        ("ticket", ""),
        ("ticket", "t" * 65),
        ("ticket", "a b"),
        ("ticket", "a\n"),
        ("ticket", "ü"),
        ("ticket", 7),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_outside_is_refused_by_name(field: str, value: Any) -> None:
    """The error names the field, the value and what is allowed; the message does too, whatever the value."""
    with pytest.raises(InvalidInput) as refused:
        TicketRequest(**{"player": "ann", "rating": 1500, field: value})
    assert refused.value.field == field
    assert refused.value.value is value
    assert str(refused.value).startswith(f"{field}: ")
    assert "allowed" in str(refused.value)
    assert len(str(refused.value)) < 250


def test_of_several_faults_the_first_is_named() -> None:
    with pytest.raises(InvalidInput) as refused:
        TicketRequest("", float("nan"), -1)
    assert refused.value.field == "player"


def test_a_rating_may_be_left_to_what_is_known() -> None:
    request = TicketRequest("ann", ticket="t")
    assert request.rating is None
    assert json.loads(request.as_json()) == {"ticket": "t", "player": "ann"}


@given(
    player=st.text(
        st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cs"]), min_size=1, max_size=32
    ),
    rating=st.floats(-MOST_POINTS, MOST_POINTS) | st.integers(-MOST_POINTS, MOST_POINTS),
    deviation=st.none() | st.floats(0, MOST_POINTS),
)
def test_what_a_request_says_is_what_its_json_says(player: str, rating: float, deviation: float | None) -> None:
    body = json.loads(TicketRequest(player, rating, deviation, ticket="t").as_json())
    assert (body["player"], body["rating"], body.get("deviation")) == (player, rating, deviation)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("queue", ["a", "0", "ladder-1v1_b", "a" * 64], ["", "A", "-a", "a" * 65, "a b", "a\n", "{a}", None, 7]),
        ("realm", ["main"], ["", "Main", "a:b", "a}"]),
        ("ticket", ["A.:_-9"], ["", "a/b"]),
        ("player", ["anybody at all"], ["", "\x1b"]),
        (
            "after",
            ["0-0", "1732374000123-0"],
            ["", "1", "1-", "-1", "a-b", "1-1-1", "1-1\n", "12345678901234567-0", "²-1"],
        ),
    ],
)
def test_names_are_checked(name: str, good: list[str], bad: list[Any]) -> None:
    assert [checked_text(name, value) for value in good] == good
    for value in bad:
        with pytest.raises(InvalidInput) as refused:
            checked_text(name, value)
        assert (refused.value.field, refused.value.value) == (name, value)


def test_fresh_ticket_ids_are_different_and_in_order_of_time() -> None:
    ids = [new_ticket_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(checked_text("ticket", one) for one in ids)
    assert ids[0][:8] <= ids[-1][:8]


# -- events ------------------------------------------------------------------------------------------------------------


def test_an_enqueued_event_holds_the_waiting_ticket() -> None:
    event = parsed(ENQUEUED, "1999-0")
    assert (event.id, event.prev, event.kind, event.at_ms, event.queue) == (
        "2000-1",
        "1999-0",
        EventKind.ENQUEUED,
        1000,
        "ladder",
    )
    assert event.ticket == Ticket("t1", "ladder", (Player("ann", 1500.5, 70),), 1000, data="x")
    assert event.ticket.state is TicketState.WAITING
    assert event.match is None
    assert event.body == ENQUEUED


@pytest.mark.parametrize("how", ["cancelled", "expired"])
def test_an_ending_event_holds_the_ticket_as_it_ended(how: str) -> None:
    event = parsed({**ENQUEUED, "event": how, "at": 5000, "waited_ms": 4000, "reason": "requested"})
    assert event.ticket is not None
    assert (event.ticket.state, event.ticket.reason) == (TicketState(how), "requested")
    assert (event.ticket.enqueued_ms, event.ticket.ended_ms) == (1000, 5000)
    assert (event.ticket.player, event.ticket.rating, event.ticket.data) == ("ann", 1500.5, "x")
    assert ticket_of_event(event, "t1") is event.ticket


def test_a_matched_event_holds_the_match() -> None:
    event = parsed(MATCHED)
    assert event.ticket is None
    match = event.match
    assert match is not None
    assert (match.id, match.queue, match.rules_version, match.at_ms) == ("2000-1", "ladder", 3, 2000)
    assert (match.gap, match.value) == (9.5, 12.25)
    assert match.players == ("ann", "bob")
    ann, bob = match.tickets
    assert ann == Ticket(
        "t1", "ladder", (Player("ann", 1500.5, 70),), 1300, TicketState.MATCHED, "x", ended_ms=2000, match_id="2000-1"
    )
    assert (bob.enqueued_ms, bob.players, bob.data) == (2000, (Player("bob", 1510.0, None),), "")


def test_a_rules_event_holds_neither() -> None:
    event = parsed({"v": 1, "event": "rules", "at": 1, "queue": "ladder", "version": 2, "change": "changed"})
    assert (event.kind, event.ticket, event.match) == (EventKind.RULES, None, None)
    assert event.body["version"] == 2


def test_a_message_says_which_event_it_is() -> None:
    event = parse_message(json.dumps({"id": "7-1", "prev": "5-0", **ENQUEUED}))
    assert (event.id, event.prev) == ("7-1", "5-0")


def test_the_ticket_of_a_match_comes_with_it() -> None:
    event = parsed(MATCHED)
    ticket = ticket_of_event(event, "t2")
    assert ticket is not None
    assert ticket.match == event.match
    assert dataclasses.replace(ticket, match=None) in event.match.tickets if event.match else False
    assert ticket_of_event(event, "t3") is None


@pytest.mark.parametrize(
    "body",
    [
        {**ENQUEUED, "event": "unheard-of"},
        {name: value for name, value in ENQUEUED.items() if name != "player"},
        {**MATCHED, "teams": [[{"ticket": "t"}]]},
        {**MATCHED, "gap": "wide"},
    ],
    ids=["kind", "member", "team", "number"],
)
def test_what_no_script_writes_is_not_guessed_at(body: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError)):
        parsed(body)


def test_event_ids_are_ordered_as_numbers() -> None:
    ids = ["2-0", "10-0", "9-10", "9-9"]
    assert sorted(ids, key=event_order) == ["2-0", "9-9", "9-10", "10-0"]


# -- matches -----------------------------------------------------------------------------------------------------------


def match_of(*teams: tuple[str, ...]) -> Match:
    """A match of these players, one ticket each."""
    made = (Team(tuple(Ticket(f"t-{name}", "q", (Player(name, 0.0),), 0) for name in team)) for team in teams)
    return Match("1-0", "q", 1, 0, 0.0, 0.0, tuple(made))


def test_opponents_are_everybody_in_the_other_teams() -> None:
    match = match_of(("ann", "amy"), ("bob",), ("cid",))
    assert match.opponents_of("amy") == ("bob", "cid")
    assert match.opponents_of("cid") == ("ann", "amy", "bob")
    assert match.players == ("ann", "amy", "bob", "cid")
    with pytest.raises(InvalidInput) as refused:
        match.opponents_of("eve")
    assert "ann, amy, bob, cid" in str(refused.value)


def test_a_match_finds_its_tickets() -> None:
    match = match_of(("ann",), ("bob",))
    assert match.ticket_of("t-bob") is match.tickets[1]
    assert match.ticket_of("t-eve") is None


@pytest.mark.parametrize(
    "thing", [match_of(("ann",)), parsed(ENQUEUED), TicketRequest("ann", 1), Player("ann", 1.0), Team(())]
)
def test_nothing_of_it_can_be_changed(thing: Any) -> None:
    field = dataclasses.fields(thing)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(thing, field, "other")
