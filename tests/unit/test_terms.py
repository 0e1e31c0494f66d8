"""What tickets bring besides one rating: its shape is checked where a request is made, and events give it back."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matchmaker.errors import InvalidInput
from matchmaker.model import MOST_POINTS, Side, Ticket, TicketRequest, parse_event, parse_message
from matchmaker.terms import MEMBERS, Frozen, value_at
from matchmaker.values import checked_queues

EVERYTHING: dict[str, Any] = {
    "ratings": {"casual": Side(1400, 90.5), "ladder": 1500},
    "sides": {"bw": 1500, "sc2": Side(1900, 80, "zerg")},
    "attributes": {"version": "1.2", "language": {"en", "de"}, "level": 12},
    "accepts": {"level": (5, 20.5)},
    "pings": {"eu": 31},
    "region": "eu",
    "vetoes": {"map": ("Radeon",)},
    "avoid": ("bob",),
}
WIRE = {
    "ratings": {"casual": {"rating": 1400, "deviation": 90.5}, "ladder": {"rating": 1500}},
    "sides": {"bw": {"rating": 1500}, "sc2": {"rating": 1900, "deviation": 80, "choice": "zerg"}},
    "attributes": {"version": "1.2", "language": ["de", "en"], "level": 12},
    "accepts": {"level": [5, 20.5]},
    "pings": {"eu": 31},
    "region": "eu",
    "vetoes": {"map": ["Radeon"]},
    "avoid": ["bob"],
}


# -- requests ----------------------------------------------------------------------------------------------------------


def test_a_plain_request_is_sent_as_it_always_was() -> None:
    """Given a ticket without terms, then its JSON has the bytes it had before there were any."""
    request = TicketRequest("ü", 1500, 70, "x", "t")
    assert request.as_json() == '{"ticket":"t","player":"ü","rating":1500.0,"deviation":70.0,"data":"x"}'
    empty = TicketRequest("ü", 1500, 70, "x", "t", sides={}, attributes={}, vetoes={"map": []}, avoid=[])
    assert json.loads(empty.as_json()).keys() - {"vetoes"} == json.loads(request.as_json()).keys()


def test_all_terms_are_sent_by_their_names() -> None:
    request = TicketRequest("ann", ticket="t", **EVERYTHING)
    assert json.loads(request.as_json()) == {"ticket": "t", "player": "ann", **WIRE}
    assert tuple(WIRE) == MEMBERS


@pytest.mark.parametrize("name", MEMBERS)
def test_only_what_is_set_is_sent(name: str) -> None:
    request = TicketRequest("ann", 1, ticket="t", **{name: EVERYTHING[name]})
    assert json.loads(request.as_json()) == {"ticket": "t", "player": "ann", "rating": 1, name: WIRE[name]}


@pytest.mark.parametrize(
    "terms",
    [
        {"sides": {"a" * 32: Side(-MOST_POINTS, MOST_POINTS, "é" * 32)}},
        {"sides": {f"s{i}": 1 for i in range(16)}},
        {"ratings": {"q" * 64: 1}},
        {"attributes": {"a.b-c_9": "x" * 64}},
        {"attributes": {"a": ["x"] * 16}},
        {"attributes": {"a": -1_000_000_000}},
        {"accepts": {"a": (7, 7)}},
        {"pings": {f"r{i}": 10_000 for i in range(16)}},
        {"pings": {"eu": 0}},
        {"avoid": ["p" * 128] * 100},
    ],
    ids=lambda terms: str(terms)[:40],
)
def test_the_bounds_themselves_are_allowed(terms: dict[str, Any]) -> None:
    TicketRequest("ann", 1, **terms)


@pytest.mark.parametrize(
    ("terms", "field", "value", "bound"),
    [
        ({"sides": {"bw": "x"}}, "sides.bw.rating", "x", "a finite number, −1,000,000 … 1,000,000"),
        ({"sides": {"bw": Side(1.5, -1)}}, "sides.bw.deviation", -1, "a finite number, 0 … 1,000,000, or nothing"),
        ({"sides": {"bw": Side(1.5, None, "\n")}}, "sides.bw.choice", "\n", "at most 64 bytes"),
        ({"sides": {"bw": Side(1.5, None, "x" * 65)}}, "sides.bw.choice", "x" * 65, "at most 64 bytes"),
        ({"sides": {"BW": 1}}, "sides.BW", "BW", "a-z 0-9"),
        ({"sides": [1]}, "sides", [1], "a table"),
        ({"sides": {"bw": None}}, "sides.bw.rating", None, "a finite number"),
        ({"ratings": {"Ladder": 1}}, "ratings.Ladder", "Ladder", "queues"),
        ({"ratings": {"ladder": Side(1, None, "x")}}, "ratings.ladder.choice", "x", "side"),
        ({"ratings": {f"q{i}": 1 for i in range(9)}}, "ratings", None, "at most 8"),
        ({"attributes": {"a": []}}, "attributes.a", [], "1 to 16"),
        ({"attributes": {"a": ["x"] * 17}}, "attributes.a", ["x"] * 17, "1 to 16"),
        ({"attributes": {"a": ["x", ""]}}, "attributes.a[2]", "", "1 to 64 bytes"),
        ({"attributes": {"a": True}}, "attributes.a", True, "number"),
        ({"attributes": {"a": 1_000_000_001}}, "attributes.a", 1_000_000_001, "1,000,000,000"),
        ({"attributes": {"a": float("nan")}}, "attributes.a", None, "finite"),
        ({"attributes": {"a b": "x"}}, "attributes.a b", "a b", "a-z 0-9"),
        ({"attributes": {f"a{i}": "x" for i in range(33)}}, "attributes", None, "at most 32"),
        ({"accepts": {"level": (5, 2)}}, "accepts.level", [5, 2], "two numbers, the lower first"),
        ({"accepts": {"level": (5,)}}, "accepts.level", [5], "two numbers"),
        ({"accepts": {"level": (5, "x")}}, "accepts.level[2]", "x", "finite number"),
        ({"pings": {"eu": -1}}, "pings.eu", -1, "0 … 10,000"),
        ({"pings": {"eu": 10_001}}, "pings.eu", 10_001, "0 … 10,000"),
        ({"pings": {f"r{i}": 1 for i in range(17)}}, "pings", None, "at most 16"),
        ({"region": ""}, "region", "", "a-z 0-9"),
        ({"region": "Eu"}, "region", "Eu", "a-z 0-9"),
        ({"vetoes": {"map": "Radeon"}}, "vetoes.map", "Radeon", "a list"),
        ({"vetoes": {"map": ["a", "b\x00"]}}, "vetoes.map[2]", "b\x00", "64 bytes"),
        ({"avoid": ["a", ""]}, "avoid[2]", "", "1 to 128 bytes"),
        ({"avoid": "bob"}, "avoid", "bob", "a list of at most 100 players"),
        ({"avoid": ["p"] * 101}, "avoid", None, "a list of at most 100 players"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_outside_is_refused_by_its_place(terms: dict[str, Any], field: str, value: Any, bound: str) -> None:
    """The error names the dotted field, the value and what is allowed there; nothing was sent yet."""
    with pytest.raises(InvalidInput) as refused:
        TicketRequest("ann", 1, **terms)
    assert refused.value.field == field
    assert bound in refused.value.bound
    if value is not None:
        assert refused.value.value == value


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
                lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
                max_leaves=5,
            )
            for name in MEMBERS
        },
    )
)
def test_anything_is_taken_or_refused_by_name(terms: dict[str, Any]) -> None:
    """Given any JSON in place of terms, then it is sent or one :class:`InvalidInput` names a place in it."""
    refused = ""
    sent: dict[str, Any] = {}
    try:
        sent = json.loads(TicketRequest("ann", 1, **terms).as_json())
    except InvalidInput as error:
        refused = error.field.partition(".")[0].partition("[")[0]
    assert refused in {"", *terms}
    assert sent.keys() <= {"ticket", "player", "rating", *terms}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sides.sc2.choice", "zerg"),
        ("sides.bw.rating", 1500),
        ("attributes.language", ["de", "en"]),
        ("attributes.langauge", None),
        ("accepts.level[2]", 20.5),
        ("vetoes.map[1]", "Radeon"),
        ("vetoes.map[2]", None),
        ("avoid[1]", "bob"),
        ("region", "eu"),
        ("sides", {"bw": 1500, "sc2": Side(1900, 80, "zerg")}),
        ("nonsense[x].y", None),
    ],
)
def test_what_a_script_refuses_is_found_in_the_request(field: str, value: object) -> None:
    assert value_at(TicketRequest("ann", 1, **EVERYTHING), field) == value


def test_names_with_dots_are_found() -> None:
    request = TicketRequest("ann", 1, attributes={"a": "short", "a.b": ["x"]})
    assert value_at(request, "attributes.a.b[1]") == "x"
    assert value_at(request, "attributes.a") == "short"


@pytest.mark.parametrize("good", ["ladder", ["ladder"], ("a", "b"), [f"q{i}" for i in range(8)]])
def test_one_queue_or_up_to_eight(good: Any) -> None:
    assert checked_queues(good) == ((good,) if isinstance(good, str) else tuple(good))


@pytest.mark.parametrize("bad", ["Ladder", [], ["a", "a"], [f"q{i}" for i in range(9)], ["a", "B"], None, {"a": 1}])
def test_other_queues_are_refused(bad: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^queue: "):
        checked_queues(bad)


# -- events ------------------------------------------------------------------------------------------------------------

ENQUEUED = {"v": 1, "event": "enqueued", "at": 5, "queue": "ladder", "ticket": "t", "player": "ann", "rating": 1500}
MATCHED = {
    "v": 1,
    "event": "matched",
    "at": 2000,
    "queue": "casual",
    "rules": 3,
    "gap": 9.5,
    "value": 2,
    "price": 7.5,
    "teams": [
        [{"ticket": "t", "player": "ann", "rating": 1500, "side": "bw", "choice": "zerg", "waited_ms": 700}],
        [{"ticket": "u", "player": "bob", "rating": 1510, "side": "sc2", "waited_ms": 0}],
    ],
    "region": "eu",
    "ping": 45,
    "server": "frankfurt",
    "picks": {"map": "Radeon"},
    "proposed": True,
}


@pytest.mark.parametrize("more", [{}, {"event": "cancelled", "waited_ms": 1, "reason": "requested"}])
def test_a_ticket_has_its_terms_as_given(more: dict[str, Any]) -> None:
    event = parse_event("1-0", "", json.dumps({**ENQUEUED, **WIRE, "queues": ["ladder", "casual"], **more}))
    ticket = event.ticket
    assert ticket is not None
    assert (ticket.queue, ticket.queues) == ("ladder", ("ladder", "casual"))
    assert ticket.terms == Frozen(WIRE)
    assert ticket.terms["sides"]["sc2"]["choice"] == "zerg"
    assert ticket.terms["attributes"]["language"] == ("de", "en")


def test_a_plain_ticket_has_one_queue_and_no_terms() -> None:
    ticket = parse_event("1-0", "", json.dumps(ENQUEUED)).ticket
    assert ticket is not None
    assert (ticket.queues, ticket.terms, ticket.side, ticket.choice) == (("ladder",), {}, "", "")


def test_a_match_has_what_its_rules_gave() -> None:
    match = parse_message(json.dumps({"id": "7-1", "prev": "", **MATCHED})).match
    assert match is not None
    assert (match.price, match.region, match.ping, match.server, match.proposed) == (7.5, "eu", 45, "frankfurt", True)
    assert match.picks == {"map": "Radeon"}
    ann, bob = match.tickets
    assert (ann.side, ann.choice, ann.queues) == ("bw", "zerg", ("casual",))
    assert (bob.side, bob.choice) == ("sc2", "")


@pytest.mark.parametrize("name", ["price", "region", "server", "picks", "proposed"])
def test_each_of_them_may_come_alone(name: str) -> None:
    bare = {key: value for key, value in MATCHED.items() if key in {*list(MATCHED)[:7], "teams", name}}
    match = parse_event("1-0", "", json.dumps(bare)).match
    assert match is not None
    assert getattr(match, name) == MATCHED[name]


def test_a_ticket_with_terms_stays_what_a_value_is() -> None:
    """Given a ticket with terms, then it can be hashed, copied and pickled, and nothing in it changed."""
    ticket = parse_event("1-0", "", json.dumps({**ENQUEUED, **WIRE})).ticket
    assert ticket is not None
    for same in (copy.deepcopy(ticket), pickle.loads(pickle.dumps(ticket))):
        assert isinstance(same, Ticket)
        assert (same, hash(same)) == (ticket, hash(ticket))
    with pytest.raises(TypeError):
        ticket.terms["sides"] = {}  # type: ignore[index]
    assert repr(Frozen({"a": [1]})) == "{'a': (1,)}"
