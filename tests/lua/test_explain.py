"""explain: who is near, what keeps each away and until when; held against the plain Python and the pass."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from matchmaker import Matchmaker, TicketState, compatibility, willingness
from matchmaker.errors import InvalidInput, UnknownTicket
from matchmaker.explanation import Candidate, Explanation, sentences
from matchmaker.rules import QueueRules
from matchmaker.willingness import Waiting
from tests.lua.strategies import everyday_rules, examples
from tests.lua.termed import Person, constrained_rules, join, line_of, people, renamed
from tests.lua.world import QUEUE, START_MS, World, new_world

MOST = 20
EVERYTHING = {
    "sides": ["bw", "sc2"],
    "same": ["version"],
    "pool": {"map": ["Radeon", "Vermeer"]},
    "any_of": {"language": {"relax_after_seconds": 60}},
}


def rules(**table: Any) -> QueueRules:
    return QueueRules.model_validate(table)


def only(explanation: Explanation) -> Candidate:
    (line,) = explanation.lines
    (candidate,) = line.candidates
    return candidate


class TestPlainQueue:
    def test_the_reply_is_that_of_the_header(self, world: World) -> None:
        world.enqueue("ann", 1500)
        world.now += 10_000
        code, ticket, since, event, prev, body, now, lines = world.raw("explain", "player", "ann", 3)
        assert [code, ticket, prev] == [b"explained", b"t-ann", b""]
        assert (int(since), int(now)) == (START_MS, START_MS)  # virtual time is what the realm last saw
        assert (event.decode(), json.loads(body)["event"]) == (world.events()[-1][0], "enqueued")
        assert json.loads(lines)[0]["candidates"] == []

    def test_the_nearest_on_either_side_and_the_crowd(self, world: World) -> None:
        """Given many around, then as many as asked are told below and above, and all are counted."""
        for number, rating in enumerate([1100, 1300, 1450, 1480, 1500, 1500, 1530, 1540, 1900]):
            world.enqueue(f"p{number}", rating)
        (line,) = world.mm.explain("t-p4", most=2).lines
        assert [(one.player, one.gap) for one in line.candidates] == [("p5", 0), ("p3", 20), ("p6", 30), ("p7", 40)]
        (place,) = line.places
        assert (place.in_reach, place.below, place.beside, place.above) == (6, 4, 1, 3)
        assert (line.queue, line.rules, line.max_gap, line.soonest) == (QUEUE, 1, 300, "t-p5")

    def test_who_falls_due_first_is_told_however_far(self, world: World) -> None:
        """Given somebody further away who waits much longer, then that one is told beyond the number asked for."""
        world.enqueue("old", 1600)
        world.now += 500_000
        world.enqueue("near", 1510)
        world.enqueue("nearer", 1509)
        world.enqueue("ann", 1500)
        (line,) = world.mm.explain("t-ann", most=1).lines
        assert [(one.ticket, one.ticket == line.soonest) for one in line.candidates] == [
            ("t-nearer", False),
            ("t-old", True),
        ]
        assert [one.due_ms for one in line.candidates if one.ticket == line.soonest] == [world.now]

    def test_over_the_widest_gap(self, world: World) -> None:
        world.enqueue("ann", 1500)
        world.enqueue("bob", 1910)
        candidate = only(world.mm.explain("t-ann"))
        assert (candidate.rule, candidate.from_ms, candidate.due_ms) == ("max_gap", None, None)
        assert sentences(world.mm.explain("t-ann"))[0].endswith("gap 410 is over max_gap 300: never.")

    def test_nobody_at_all(self, world: World) -> None:
        world.enqueue("ann", 1500)
        (said,) = sentences(world.mm.explain_player("ann"))
        assert said == "ann waits 0 s in ladder at 1500 and would give 0 points. Nobody else waits there."

    def test_it_writes_nothing(self, world: World) -> None:
        world.enqueue("ann", 1500)
        world.enqueue("bob", 1510)
        world.now += 1_000
        before = world.dump(), world.client.get(world.keys.clock)
        world.mm.explain("t-ann")
        world.mm.explain_player("bob")
        world.raw("explain", "player", "nobody", 1)
        assert (world.dump(), world.client.get(world.keys.clock)) == before

    def test_server_time_goes_on(self, client: redis.Redis, realm: str) -> None:
        mm = Matchmaker(client, realm)
        mm.apply_rules({QUEUE: QueueRules()})
        ticket = mm.enqueue(QUEUE, "ann", rating=1500)
        first = mm.explain(ticket)
        second = mm.explain(ticket)
        assert ticket.enqueued_ms <= first.now_ms <= second.now_ms < ticket.enqueued_ms + 60_000

    def test_a_ticket_without_a_certificate(self, world: World) -> None:
        """Given two who will never be due and were looked at, then nothing but who comes can change that."""
        world.enqueue("ann", 1500)
        world.enqueue("bob", 1910)
        world.match_pass(ahead=True)
        (line,) = world.mm.explain("t-ann").lines
        assert line.looks_ms is None
        assert sentences(world.mm.explain("t-ann"))[-1] == "Only somebody who comes can change that."

    @pytest.mark.parametrize("name", ['a"b', "a\\b", "%s", "{x}", "zoë", "</a>", "\u202e"])
    def test_any_name(self, world: World, name: str) -> None:
        world.mm.enqueue(QUEUE, name, rating=1500, ticket="t-1")
        world.mm.enqueue(QUEUE, name * 2, rating=1510, ticket="t-2")
        assert world.mm.explain_player(name).ticket.player == name
        assert only(world.mm.explain("t-1")).player == name * 2

    @pytest.mark.parametrize("moment", [10**14, 10**15 - 1])
    def test_moments_to_the_millisecond(self, world: World, moment: int) -> None:
        """A moment has more digits than JSON of the server's own keeps."""
        world.now = moment - 1
        world.enqueue("ann", 1500.000000000001)
        world.enqueue("bob", 1501)
        explanation = world.mm.explain("t-ann")
        assert explanation.now_ms == moment - 1
        candidate = only(explanation)
        assert candidate.gap == 1501 - 1500.000000000001
        assert candidate.due_ms == moment - 1 + 500


class TestWaitsNoMore:
    @pytest.mark.parametrize("how", ["matched", "cancelled", "expired"])
    def test_says_how_it_ended(self, world: World, how: str) -> None:
        world.apply(QueueRules(expire_after_seconds=60))
        world.enqueue("ann", 1500)
        if how == "matched":
            world.enqueue("bob", 1500)
            world.match_pass()
        elif how == "cancelled":
            world.mm.cancel("t-ann")
        else:
            world.now += 60_000
            world.run(world.calls.expire(QUEUE, ["t-ann"]))
        explanation = world.mm.explain_player("ann")
        assert (explanation.ticket, explanation.lines) == (world.mm.status("t-ann"), ())
        assert explanation.as_dict()["state"] == how
        (said,) = sentences(explanation)
        assert how in said

    def test_nobody_knows_it(self, world: World) -> None:
        with pytest.raises(UnknownTicket):
            world.mm.explain("t-ann")
        with pytest.raises(UnknownTicket):
            world.mm.explain_player("ann")

    @pytest.mark.parametrize("most", [0, 21, -1])
    def test_too_few_or_too_many(self, world: World, most: int) -> None:
        with pytest.raises(InvalidInput, match="most"):
            world.mm.explain("t-ann", most)


class TestConstraints:
    def test_sides_classes_and_pools(self, world: World) -> None:
        world.apply(rules(**EVERYTHING))
        both = {"bw": 1500, "sc2": 1480}
        told = {"version": "1", "language": "en"}
        world.mm.enqueue(QUEUE, "ann", sides=both, attributes=told, vetoes={"map": ["Radeon"]}, ticket="t-ann")
        world.mm.enqueue(QUEUE, "bob", sides={"sc2": 1510}, attributes=told, vetoes={"map": ["Vermeer"]})
        world.mm.enqueue(QUEUE, "cy", sides={"bw": 1481}, attributes={**told, "language": "de"})
        world.mm.enqueue(QUEUE, "dan", sides={"bw": 1481}, attributes={**told, "version": "2"})
        explanation = world.mm.explain("t-ann")
        (line,) = explanation.lines
        assert (line.classes, line.elsewhere) == (("1",), 1)
        assert [(place.side, place.in_reach) for place in line.places] == [("bw", 1), ("sc2", 1)]
        cy, bob = line.candidates
        assert (bob.player, bob.own_side, bob.side, bob.rule, bob.from_ms) == ("bob", "bw", "sc2", "pool.map", None)
        assert (cy.player, cy.side, cy.rule, cy.from_ms) == ("cy", "bw", "any_of.language", world.now + 60_000)
        assert cy.relax_ms == 60_000

    @pytest.mark.parametrize(("waited", "rule"), [(0, "any_of.language"), (59_999, "any_of.language"), (60_000, "")])
    def test_a_rule_holds_up_to_the_millisecond(self, world: World, waited: int, rule: str) -> None:
        world.apply(rules(any_of={"language": {"relax_after_seconds": 60}}))
        opens = world.now + 60_000
        for name, language in (("ann", "en"), ("bob", "de")):
            world.mm.enqueue(QUEUE, name, rating=1500, attributes={"language": language}, ticket=f"t-{name}")
        world.now += waited
        world.run(world.calls.peek(1))
        candidate = only(world.mm.explain("t-ann"))
        assert (candidate.rule, candidate.from_ms, candidate.due_ms) == (rule, opens if rule else None, opens)

    def test_several_queues(self, world: World) -> None:
        world.apply(rules(avoid=3), "second")
        world.mm.enqueue([QUEUE, "second"], "ann", rating=1500, ticket="t-ann", avoid=["bob"])
        world.enqueue("cy", 1520)
        world.enqueue("bob", 1500, queue="second")
        first, second = world.mm.explain("t-ann").lines
        assert [(line.queue, line.candidates[0].player, line.candidates[0].rule) for line in (first, second)] == [
            (QUEUE, "cy", "value"),
            ("second", "bob", "avoid"),
        ]
        said = sentences(world.mm.explain("t-ann"))
        assert [text.split(" at ")[0] for text in said if text.startswith("ann")] == [
            "ann waits 0 s in ladder",
            "ann waits 0 s in second",
        ]

    def test_who_met_lately(self, world: World) -> None:
        world.apply(rules(rematch={"after_seconds": 300}))
        for _ in range(2):
            world.enqueue("ann", 1500, ticket=f"a{world.now}")
            world.enqueue("bob", 1500, ticket=f"b{world.now}")
            world.match_pass(ahead=True)
            world.now += 40_000
        world.run(world.calls.heartbeat(world.mm.status_of_player("ann").id))
        candidate = only(world.mm.explain_player("ann"))
        assert (candidate.rule, candidate.met_ms, candidate.from_ms) == ("rematch", START_MS, START_MS + 300_000)
        assert "they met 80 s ago: in 220 s" in sentences(world.mm.explain_player("ann"))[0].replace("4 min", "220 s")

    def test_a_function_of_the_operators_matches(self, world: World) -> None:
        world.apply(rules(matching="own"))
        world.enqueue("ann", 1500)
        world.enqueue("bob", 1500)
        world.enqueue("far", 2500)
        (line,) = world.mm.explain("t-ann").lines
        assert line.own
        assert [(one.player, one.rule, one.due_ms) for one in line.candidates] == [("bob", "", None), ("far", "", None)]
        said = " ".join(sentences(world.mm.explain("t-ann")))
        assert "A function of yours decides" in said
        assert not [word for word in ("never", "due now", "max_gap") if word in said]

    @pytest.mark.parametrize(
        ("rating", "vetoed", "bar"),
        [(1500, "Vermeer", "pool.map"), (1910, "Radeon", "max_gap"), (1590, "Radeon", "value")],
    )
    def test_a_rule_that_passes_and_one_that_never_does(
        self, world: World, rating: float, vetoed: str, bar: str
    ) -> None:
        """Given a first rule that will pass and another that never does, then both are told."""
        still = {"base": 1, "per_second": 0}
        asked = {"any_of": {"language": {"relax_after_seconds": 10}}, "pool": {"map": ["Radeon", "Vermeer"]}}
        world.apply(rules(**asked, willingness=still))
        for name, at, language, veto in (("ann", 1500, "en", "Radeon"), ("bob", rating, "de", vetoed)):
            told = {"language": language}
            world.mm.enqueue(QUEUE, name, rating=at, attributes=told, vetoes={"map": [veto]}, ticket=f"t-{name}")
        candidate = only(world.mm.explain("t-ann"))
        assert (candidate.rule, candidate.due_ms, candidate.bar) == ("any_of.language", None, bar)
        (said, *_) = sentences(world.mm.explain("t-ann"))
        assert "they share no language until both waited 10 s: in 10 s; then " in said
        assert said.endswith(": never.")

    @pytest.mark.parametrize("changed", [{}, {"sides": ["a", "b"]}, {"same": ["mode"]}])
    def test_new_sides_or_classes_while_the_old_tickets_go(self, world: World, changed: dict[str, Any]) -> None:
        world.apply(rules(**EVERYTHING))
        world.mm.enqueue(QUEUE, "ann", sides={"bw": 1500}, attributes={"version": "1", "language": "en"})
        world.mm.apply_rules({QUEUE: rules(**changed)})
        (line,) = world.mm.explain_player("ann").lines
        assert (line.work, line.candidates, line.places) == ("reshape", (), ())
        assert "will be cancelled" in sentences(world.mm.explain_player("ann"))[0]

    def test_a_queue_that_closes(self, world: World) -> None:
        world.enqueue("ann", 1500)
        world.mm.apply_rules({"other": QueueRules()}, prune=True)
        assert "is being removed" in sentences(world.mm.explain("t-ann"))[0]

    def test_constraints_that_came_later(self, world: World) -> None:
        """Given tickets of a plain queue that gets constraints, then they are told before they have terms and after."""
        world.enqueue("ann", 1500)
        world.enqueue("bob", 1520)
        world.mm.apply_rules({QUEUE: rules(avoid=3)})
        (line,) = world.mm.explain("t-ann").lines
        assert line.work.startswith("=")
        assert line.candidates[0].rule == "value"
        assert "New rules are being brought in" in sentences(world.mm.explain("t-ann"))[-1]
        world.tend()
        assert world.mm.explain("t-ann").lines[0].candidates == line.candidates


# -- what it says is what the pass does --------------------------------------------------------------------------------


def alone(world: World, keep: Sequence[str], everybody: Sequence[str], line: str) -> None:
    """All others leave, and passes take what is due."""
    for ticket in everybody:
        if ticket not in keep:
            world.mm.cancel(ticket)
    for _ in range(20):
        report = world.run(world.calls.match_pass(line, 256, ahead=True))
        if report.next_ms is None or report.next_ms > world.now:
            break


def assert_true(world: World, ticket: str, candidate: Candidate, everybody: Sequence[str], line: str) -> None:
    """A candidate that is due is matched with the ticket if both are alone, one that is not is not."""
    waiting = [one for one in everybody if world.mm.status(one).state is TicketState.WAITING]
    alone(world, [ticket, candidate.ticket], waiting, line)
    known = world.mm.status(ticket)
    if candidate.rule:
        assert known.state is TicketState.WAITING, candidate
    else:
        assert known.match is not None, candidate
        assert candidate.ticket in [one.id for one in known.match.tickets]


@examples(200, deadline=None)
@given(
    data=st.data(), asked=constrained_rules(), crowd=st.lists(people("x"), min_size=2, max_size=10), early=st.booleans()
)
def test_under_constraints(
    client: redis.Redis, data: st.DataObject, asked: QueueRules, crowd: list[Person], early: bool
) -> None:
    """Given a crowd, what explain says of each in reach is what the plain Python says, and what a pass then does."""
    with new_world(client) as world:
        world.apply(asked)
        named = {f"t{i}": renamed(person, f"p{i}") for i, person in enumerate(crowd)}
        standings = {}
        for ticket, person in named.items():
            world.now += data.draw(st.sampled_from([0, 700, 9_000, 30_000]))
            assert join(world, asked, person, ticket) == "waiting"
            standings[ticket] = person.standing(asked, ticket, world.now)
        ticket = data.draw(st.sampled_from(sorted(named)))
        line = line_of(asked, named[ticket])
        if early:
            world.run(world.calls.match_pass(line, 256))
        world.now += data.draw(st.sampled_from([0, 1_000, 200_000]) | st.integers(0, 45_000))
        world.run(world.calls.peek(1))  # moves the clock on
        explanation = world.mm.explain(ticket, MOST)
        if explanation.ticket.state is not TicketState.WAITING:
            return
        (told,) = explanation.lines
        assert explanation.now_ms == world.now
        assert (told.line, sentences(explanation) != []) == (line, True)
        for other in {one.ticket for one in told.candidates}:
            ways = [one for one in told.candidates if one.ticket == other]
            pair = asked, standings[ticket], standings[other]
            bar = compatibility.first_bar(*pair, world.now)
            due = min((one.due_ms for one in ways if one.due_ms is not None), default=None)
            assert due == compatibility.due_at(*pair, world.now), ways
            # Of two ways the better one is the pair's: one that is due, else one that may become so, else one in reach.
            best = min(ways, key=lambda one: (one.due_ms is None, one.due_ms, one.rule == "max_gap"))
            assert (best.rule, best.from_ms) == (("", None) if bar is None else bar)
            assert best.price == pytest.approx(compatibility.price(*pair, world.now))
        in_line = [one for one in named if one != ticket and line_of(asked, named[one]) == line]
        waiting = [one for one in in_line if world.mm.status(one).state is TicketState.WAITING]
        met = {one for one in waiting if compatibility._orientations(asked, standings[ticket], standings[one])}
        assert {one.ticket for one in told.candidates} == met
        if told.candidates:
            chosen = data.draw(st.sampled_from(told.candidates))
            ways = [one for one in told.candidates if one.ticket == chosen.ticket]
            best = min(ways, key=lambda one: one.rule != "")
            assert_true(world, ticket, best, sorted(named), line)


@examples(200, deadline=None)
@given(
    data=st.data(),
    asked=everyday_rules().map(lambda one: one.model_copy(update={"expire_after_seconds": 0.0})),
    ratings=st.lists(st.floats(1400, 1600), min_size=2, max_size=10),
    early=st.booleans(),
)
def test_in_a_plain_queue(
    client: redis.Redis, data: st.DataObject, asked: QueueRules, ratings: list[float], early: bool
) -> None:
    with new_world(client, asked) as world:
        crowd = []
        for i, rating in enumerate(ratings):
            world.now += data.draw(st.sampled_from([0, 700, 9_000]))
            crowd.append(Waiting(f"t{i}", rating, world.now, data.draw(st.sampled_from([0.0, 90.0]))))
        world.arrive(crowd)
        if early:
            world.match_pass()
        world.now += data.draw(st.sampled_from([0, 1_000, 200_000]) | st.integers(0, 45_000))
        world.run(world.calls.peek(1))
        mine = data.draw(st.sampled_from(crowd))
        explanation = world.mm.explain(mine.ticket, MOST)
        if explanation.ticket.state is not TicketState.WAITING:
            return
        (told,) = explanation.lines
        by_ticket = {one.ticket: one for one in crowd}
        for one in told.candidates:
            other = by_ticket[one.ticket]
            due = willingness.due_at(asked, mine, other, world.now)
            assert one.due_ms == due
            is_far = one.gap > asked.max_gap
            assert one.rule == ("max_gap" if is_far else "" if due == world.now else "value")
            assert one.value == pytest.approx(willingness.pair_value(asked, mine, other, world.now), abs=1e-6)
        if told.candidates:
            chosen = data.draw(st.sampled_from(told.candidates))
            assert_true(world, mine.ticket, chosen, sorted(by_ticket), QUEUE)
