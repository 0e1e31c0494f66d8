"""Plans without a server: what they ask, and what they make of replies that are put into them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from matchmaker import errors
from matchmaker.calls import Batch, Call, Calls, Command, Lookup, Plan, Rated
from matchmaker.keys import Keys, class_line, lines_of, queue_of, size_of
from matchmaker.model import Side, Ticket, TicketRequest
from matchmaker.plans import attempt_plan, clear_plan, enqueue_one_plan, enqueue_plan, size_plan, snapshot_plan
from matchmaker.rules import QueueRules
from matchmaker.runner import as_text
from tests.lua.headers import header

CALLS = Calls("main")
KEYS = Keys("main")

Server = Callable[[Call[Any] | Command[Any]], Any]


def run(plan: Plan[Any], server: Server, found: Any = None) -> tuple[Any, int]:
    """The plan's result and how many round trips it took, with a server that answers each call in the raw."""

    def answer(call: Call[Any] | Command[Any]) -> Any:
        try:
            return call.parse(as_text(server(call)))
        except errors.MatchmakerError as error:
            return error

    trips, reply = 0, None
    try:
        wanted = next(plan)
        while True:
            if isinstance(wanted, Lookup):
                wanted = plan.send(found)
                continue
            trips += 1
            reply = [answer(call) for call in wanted.calls] if isinstance(wanted, Batch) else answer(wanted)
            wanted = plan.throw(reply) if isinstance(reply, errors.MatchmakerError) else plan.send(reply)
    except StopIteration as done:
        return done.value, trips


def waiting(ticket: str, player: str, rating: float = 1500, **more: Any) -> list[str]:
    body = {"v": 1, "event": "enqueued", "at": 5, "queue": "ladder", "ticket": ticket, "player": player}
    return ["waiting", ticket, "5", "5-0", "", json.dumps({**body, "rating": rating, **more})]


# -- enqueue -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("queues", "said"), [("ladder", "ladder"), (["ladder", "casual"], "ladder,casual")])
def test_queues_are_named_in_one_argument_and_the_first_has_its_keys(queues: Any, said: str) -> None:
    call = CALLS.enqueue(queues, [TicketRequest("ann", 1)])
    assert call.args[2] == said
    assert call.keys == KEYS.line_keys("ladder")


@pytest.mark.parametrize(
    ("queues", "request_", "asks"),
    [
        ("ladder", TicketRequest("ann", 1), False),
        ("ladder", TicketRequest("ann"), True),
        ("ladder", TicketRequest("ann", attributes={"a": "b"}), True),
        ("ladder", TicketRequest("ann", sides={"bw": 1}), False),
        (["ladder", "casual"], TicketRequest("ann", sides={"bw": 1}), True),
        (["ladder", "casual"], TicketRequest("ann", ratings={"ladder": 1, "casual": 2}), False),
        (["ladder", "casual"], TicketRequest("ann", ratings={"ladder": 1}), True),
    ],
)
def test_ratings_are_asked_of_the_realm_only_if_one_may_be_wanting(
    queues: Any, request_: TicketRequest, asks: bool
) -> None:
    assert len(CALLS.enqueue(queues, [request_]).keys) == (15 if asks else 13)


def test_a_misfit_is_told_by_the_callers_names() -> None:
    """Given a script that refuses a place in the one ticket, then the error has the field and the value of it."""
    request = TicketRequest("ann", 1, sides={"bw": Side(5, None, "zerg")})
    plan = enqueue_one_plan(CALLS, "ladder", request)
    with pytest.raises(errors.InvalidInput) as refused:
        run(plan, lambda _: [["invalid", "tickets[1].sides.bw.choice", "one of: terran"]])
    assert (refused.value.field, refused.value.value) == ("sides.bw.choice", "zerg")
    assert refused.value.bound == "one of: terran"


def test_one_misfit_does_not_keep_the_others_out() -> None:
    """Given several tickets of which a script refuses two, each time with the whole call, then the others join."""
    requests = [
        TicketRequest(name, 1, ticket=f"t-{name}", attributes={"a": name}) for name in ("x1", "ok", "x2", "ok2")
    ]

    def server(call: Call[Any] | Command[Any]) -> Any:
        tickets = [json.loads(text) for text in call.args[3:]]
        for number, ticket in enumerate(tickets, 1):
            if ticket["player"].startswith("x"):
                return [["invalid", f"tickets[{number}].attributes.a", "another"]]
        return [waiting(ticket["ticket"], ticket["player"]) for ticket in tickets]

    answers, trips = run(enqueue_plan(CALLS, "ladder", requests), server)
    assert trips == 3
    assert [one.player for one in answers if isinstance(one, Ticket)] == ["ok", "ok2"]
    assert [(one.field, one.value) for one in answers[::2]] == [("attributes.a", "x1"), ("attributes.a", "x2")]


def test_a_whole_call_that_is_refused_refuses_all() -> None:
    requests = [TicketRequest("ann", 1), TicketRequest("bob", 1)]
    answers, trips = run(enqueue_plan(CALLS, "ladder", requests), lambda _: [["invalid", "tickets", "at most 200"]])
    assert (trips, [one.field for one in answers]) == (1, ["tickets", "tickets"])


def test_each_queue_that_lacks_a_rating_is_looked_up_once() -> None:
    """Given a ticket in two queues that know no rating, then both are looked up, and it joins; unless nobody knows."""
    known: set[str] = set()

    def server(call: Call[Any] | Command[Any]) -> Any:
        if isinstance(call, Command):
            if call.args[0] == "ZADD":
                known.add(call.args[1].rpartition(":")[2])
                return 1
            return compiled
        lacking = [queue for queue in ("ladder", "casual") if queue not in known]
        return (
            [["rating_unknown", "ann", lacking[0]]] if lacking else [waiting("t", "ann", queues=["ladder", "casual"])]
        )

    compiled = QueueRules().compiled()
    request = TicketRequest("ann", ticket="t")
    ticket, _ = run(enqueue_one_plan(CALLS, ["ladder", "casual"], request), server, {"ann": Rated(1500)})
    assert ticket.queues == ("ladder", "casual")
    known.clear()
    with pytest.raises(errors.RatingUnknown):
        run(enqueue_one_plan(CALLS, ["ladder", "casual"], request), server, None)


# -- lines -------------------------------------------------------------------------------------------------------------


def test_lines_have_names_of_their_own() -> None:
    assert class_line("ladder", ["1.2", "duel"]) == "ladder=1.2,duel"
    assert class_line("ladder", []) == "ladder"
    assert queue_of("ladder=1.2,duel") == queue_of("ladder") == "ladder"
    assert KEYS.line("ladder=1.2", "bw") == "mm:{main}:line:ladder=1.2:bw"
    assert KEYS.line("ladder") == "mm:{main}:line:ladder"
    assert KEYS.line_ages("ladder=1.2") == "mm:{main}:ages:ladder=1.2"
    assert KEYS.line_due("ladder=1.2") == "mm:{main}:due:ladder=1.2"
    assert (KEYS.lines, KEYS.terms, KEYS.met) == (
        "mm:{main}:lines",
        "mm:{main}:terms",
        ("mm:{main}:met:0", "mm:{main}:met:1"),
    )
    assert KEYS.page_keys("a=b") == (*KEYS.realm_keys(), KEYS.line_ages("a=b"), KEYS.line_due("a=b"))
    assert len(KEYS.page_keys("a")) == header("snapshot").keys == header("clear").keys


LINES = {"ladder=1": 2, "ladder=2": 3, "ladder-two": 7, "casual": 4}


@pytest.mark.parametrize(
    ("queue", "own", "size"), [("ladder", 0, 5), ("casual", 4, 4), ("plain", 9, 9), ("none", 0, 0)]
)
def test_a_queue_is_as_long_as_its_lines(queue: str, own: int, size: int) -> None:
    """Given lines of several queues, then each queue counts its own, a line with constraints once."""
    assert size_of(queue, own, LINES) == size
    server: Server = lambda call: {b"HGETALL": LINES, b"ZCARD": own}[str(call.args[0]).encode()]  # noqa: E731
    assert run(size_plan(CALLS, queue), server) == (size, 1)


def test_lines_of_a_queue_are_not_those_of_its_namesake() -> None:
    assert lines_of("ladder", LINES) == ["ladder=1", "ladder=2"]
    assert lines_of("ladder-two", LINES) == ["ladder-two"]


def paged(lines: dict[str, int], pages: dict[str, list[list[str]]]) -> Server:
    """A server whose snapshots and clears page through these sorted sets, two pages each."""

    def server(call: Call[Any] | Command[Any]) -> Any:
        if isinstance(call, Command):
            return lines
        tickets = pages.get(call.keys[11].partition("}:")[2], [])
        if call.script.name == "clear":
            position = call.args[4]
            here = tickets[:1] if not position else tickets[1:]
            return ["cleared", str(len(here)), call.args[3] or "77", "1 x" if not position and tickets[1:] else ""]
        position = call.args[0]
        here = tickets[:1] if not position else tickets[1:]
        flat = [part for ticket in here for part in (ticket[1], *ticket[3:])]
        return ["page", "1 x" if not position and tickets[1:] else "", *flat]

    return server


def test_a_plain_queue_is_paged_as_ever_in_as_many_trips() -> None:
    server = paged({"casual": 1}, {"line:ladder": [waiting("b", "bob", 9), waiting("a", "ann", 1)]})
    tickets, trips = run(snapshot_plan(CALLS, "ladder"), server)
    assert ([ticket.id for ticket in tickets], trips) == (["b", "a"], 2)
    assert run(clear_plan(CALLS, "ladder"), server) == (2, 2)


def test_all_lines_of_a_queue_are_paged_and_put_in_order() -> None:
    """Given a queue of two classes, then a snapshot has all by rating, each once, and a clear counts all."""
    pages = {
        "ages:ladder=1": [waiting("b", "bob", 9), waiting("a", "ann", 1)],
        "ages:ladder=2": [waiting("c", "cid", 5), waiting("b", "bob", 9)],
    }
    server = paged({"ladder=1": 2, "ladder=2": 2, "casual": 3}, pages)
    tickets, _ = run(snapshot_plan(CALLS, "ladder"), server)
    assert [ticket.id for ticket in tickets] == ["a", "c", "b"]
    assert run(clear_plan(CALLS, "ladder"), server)[0] == 4


def test_an_attempt_looks_at_every_line() -> None:
    asked = []

    def server(call: Call[Any] | Command[Any]) -> Any:
        if isinstance(call, Command):
            return {"ladder=1": 2, "ladder=2": 2, "other=1": 1}
        asked.append(call.args[2])
        following = {"ladder": "", "ladder=1": "90", "ladder=2": "80"}[call.args[2]]
        return ["passed", "10", "5", "1", "2.5", following, "80", "ladder=2", "", "0"]

    report, trips = run(attempt_plan(CALLS, "ladder", 10), server)
    assert asked == ["ladder", "ladder=1", "ladder=2"]
    assert (report.made, report.looked, report.value, report.next_ms, trips) == (3, 15, 7.5, 80, 3)
