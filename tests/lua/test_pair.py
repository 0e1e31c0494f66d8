"""pair: one match of two tickets that the caller chose, or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from matchmaker import Match, TicketState, parse_rules
from matchmaker.calls import Call
from matchmaker.errors import InvalidInput, TicketsChanged, UnknownQueue
from matchmaker.model import ReadyCheck, Side
from matchmaker.rules import QueueRules
from tests.lua.world import QUEUE, START_MS, World, new_world


def pair(world: World, one: str, other: str, queue: str = QUEUE) -> Match:
    match = world.mm.queue(queue).remove_matched_players(one, other)
    assert isinstance(match, Match)
    return match


@pytest.fixture
def world(world: World) -> World:
    """Given two tickets that are far from due, and one on either side of them."""
    for player, rating in [("low", 1000), ("ann", 1500), ("bob", 1900), ("top", 2400)]:
        world.enqueue(player, rating, data=f"of {player}")
    world.match_pass()
    world.now += 10_000
    return world


@pytest.mark.parametrize("order", [("t-ann", "t-bob"), ("t-bob", "t-ann")])
def test_both_leave_and_are_told_in_one_step(world: World, order: tuple[str, str]) -> None:
    enqueued = {told["player"]: id_ for id_, kind, told in world.events() if kind == "enqueued"}
    with world.ear() as ear:
        match = pair(world, *order)
        heard = ear.heard()
    # Then the match is of those two, the lower rating first, and says what it is worth
    assert match.players == ("ann", "bob")
    assert (match.gap, match.value, match.at_ms) == (400, 20 - 400, START_MS + 10_000)
    # And its event is the last of the stream, and both heard it as the one after their last
    event_id, kind, told = world.events()[-1]
    assert (kind, event_id) == ("matched", match.id)
    assert [team[0]["waited_ms"] for team in told["teams"]] == [10_000, 10_000]
    assert [team[0]["data"] for team in told["teams"]] == ["of ann", "of bob"]
    assert heard == [(player, {"id": event_id, "prev": enqueued[player], **told}) for player in ("ann", "bob")]
    # And nothing else is touched
    assert [ticket for ticket, _ in world.line()] == ["t-low", "t-top"]
    assert world.meta()["matched"] == "2"
    assert world.mm.status("t-bob").match == match
    world.assert_coherent()


def test_the_place_to_the_left_is_looked_at_again(world: World) -> None:
    pair(world, "t-ann", "t-bob")
    assert world.certificates()["t-low"] == world.now == world.due()[QUEUE]
    assert world.hints() != []


def test_the_same_proposal_again_gets_the_same_match(world: World) -> None:
    match = pair(world, "t-ann", "t-bob")
    before = world.dump()
    with world.ear() as ear:
        assert pair(world, "t-ann", "t-bob") == match
        assert pair(world, "t-bob", "t-ann") == match
        assert ear.heard() == []
    assert world.dump() == before


@pytest.mark.parametrize("how", ["cancelled", "matched with another", "elsewhere", "never known", "the same"])
def test_one_that_no_longer_waits_here_is_named_and_nothing_changes(world: World, how: str) -> None:
    other = "t-bob"
    if how == "cancelled":
        world.mm.cancel("t-bob")
    elif how == "matched with another":
        pair(world, "t-bob", "t-top")
    elif how == "elsewhere":
        world.apply(queue="other")
        world.enqueue("eve", 1500, queue="other")
        other = "t-eve"
    else:
        other = "t-nobody" if how == "never known" else "t-ann"
    before = world.dump()
    with pytest.raises(TicketsChanged) as refused:
        pair(world, "t-ann", other)
    assert refused.value.tickets == (other,)
    assert world.dump() == before
    assert world.mm.status("t-ann").state is TicketState.WAITING


def test_two_that_were_matched_with_others_are_both_named(world: World) -> None:
    pair(world, "t-low", "t-ann")
    pair(world, "t-bob", "t-top")
    with pytest.raises(TicketsChanged) as refused:
        pair(world, "t-ann", "t-bob")
    assert refused.value.tickets == ("t-ann", "t-bob")


def test_an_unknown_queue(world: World) -> None:
    before = world.dump()
    with pytest.raises(UnknownQueue):
        pair(world, "t-ann", "t-bob", "nowhere")
    assert world.dump() == before


def test_the_raw_reply_carries_the_event(world: World) -> None:
    reply = world.raw("pair", world.now, world.keys.channel_prefix, QUEUE, "t-ann", "t-bob")
    assert reply[0] == b"matched"
    event_id, _, told = world.events()[-1]
    assert (reply[1].decode(), json.loads(reply[2])) == (event_id, told)


# -- tickets with terms ------------------------------------------------------------------------------------------------

SIDED = 'sides = ["bw", "sc2"]\n'


def ruled(world: World, text: str, queue: str = QUEUE) -> None:
    world.apply(parse_rules(f"[{queue}]\n{text}", "test")[queue], queue)


def last_match(world: World) -> dict[str, Any]:
    kind, told = world.events()[-1][1:]
    assert kind == "matched"
    return told


def assert_gone(world: World, *queues: str) -> None:
    """Nothing is left of any ticket: no record, no place, no certificate, no count of a line."""
    live = world.live() | {ticket.decode() for ticket in world.client.hkeys(world.keys.terms)}
    assert live == set()
    assert world.client.hgetall(world.keys.lines) == {}
    for queue in queues:
        for key in world.client.scan_iter(match=f"{world.keys.prefix}*:{queue}*"):
            assert world.client.type(key) == b"list", key  # hints name lines, not tickets


@pytest.fixture
def sided(client: Any) -> Iterator[World]:
    """Given a queue with sides: ann offers both, bob the first, cid the second."""
    with new_world(client, parse_rules(f"[{QUEUE}]\n{SIDED}matching = 'own'\n", "test")[QUEUE]) as world:
        world.mm.enqueue(QUEUE, "ann", ticket="t-ann", sides={"bw": Side(1500, choice="zerg"), "sc2": 1900})
        world.mm.enqueue(QUEUE, "bob", ticket="t-bob", sides={"bw": 1800})
        world.mm.enqueue(QUEUE, "cid", ticket="t-cid", sides={"sc2": 1510})
        yield world


def sides_of(told: dict[str, Any]) -> list[tuple[str, str, float]]:
    return [(team[0]["player"], team[0]["side"], team[0]["rating"]) for team in told["teams"]]


@pytest.mark.parametrize("order", [("t-ann", "t-bob"), ("t-bob", "t-ann")])
def test_one_from_each_side_whichever_comes_first(sided: World, order: tuple[str, str]) -> None:
    match = pair(sided, *order)
    told = last_match(sided)
    assert sides_of(told) == [("bob", "bw", 1800), ("ann", "sc2", 1900)]
    assert (told["gap"], told["proposed"], match.proposed) == (100, True, True)
    assert {line.decode(): int(n) for line, n in sided.client.hgetall(sided.keys.lines).items()} == {QUEUE: 1}
    assert sided.live() == {"t-cid"}


@pytest.mark.parametrize("order", [("t-ann", "t-two"), ("t-two", "t-ann")])
def test_of_two_who_offer_both_the_better_way_round_unless_one_is_named(sided: World, order: tuple[str, str]) -> None:
    """Given two who offer both sides, when no side is named, then the smaller gap decides; when one is, then that."""
    sided.mm.enqueue(QUEUE, "two", ticket="t-two", sides={"bw": 1890, "sc2": 1600})
    before = [sided.calls.pair(QUEUE, *order, side="")]
    assert sides_of(_dry(sided, before[0])) == [("two", "bw", 1890), ("ann", "sc2", 1900)]
    named = sided.calls.pair(QUEUE, *order, side="bw" if order[0] == "t-ann" else "sc2")
    sided.run(named)
    told = last_match(sided)
    assert sides_of(told) == [("ann", "bw", 1500), ("two", "sc2", 1600)]
    assert told["teams"][0][0]["choice"] == "zerg"


def _dry(world: World, call: Call[Match | ReadyCheck]) -> dict[str, Any]:
    """What a match would say: it is made in a copy of the realm's keys, which goes again."""
    kept = [(key, world.client.dump(key)) for key in world.client.scan_iter(match=f"{world.keys.prefix}*")]
    world.run(call)
    told = last_match(world)
    for key in world.client.scan_iter(match=f"{world.keys.prefix}*"):
        world.client.delete(key)
    for key, value in kept:
        world.client.restore(key, 0, value)
    return told


@pytest.mark.parametrize(
    ("two", "side", "field"),
    [
        (("t-bob", "t-ann"), "sc2", "tickets"),
        (("t-bob", "t-ann"), "bw3", "side"),
        (("t-bob", "t-eve"), "", "tickets"),
    ],
)
def test_a_side_that_cannot_be_had_is_refused(sided: World, two: tuple[str, str], side: str, field: str) -> None:
    """Given bob who offers bw alone, and eve likewise, when no way round is left, then the field is named."""
    sided.mm.enqueue(QUEUE, "eve", ticket="t-eve", sides={"bw": 1800})
    before = sided.dump()
    with pytest.raises(InvalidInput) as refused:
        sided.run(sided.calls.pair(QUEUE, *two, side=side))
    assert refused.value.field == field
    assert sided.dump() == before


def test_a_side_in_a_queue_without_sides_is_refused(world: World) -> None:
    with pytest.raises(InvalidInput, match="none, in a queue without sides"):
        world.run(world.calls.pair(QUEUE, "t-ann", "t-bob", side="bw"))


def test_rules_that_changed_since_the_choice_refuse_it(world: World) -> None:
    version = world.mm.rules()[QUEUE].version
    world.apply(QueueRules(max_gap=500))
    before = world.dump()
    with pytest.raises(TicketsChanged) as refused:
        world.run(world.calls.pair(QUEUE, "t-ann", "t-bob", version=version))
    assert refused.value.tickets == ("t-ann", "t-bob")
    assert world.dump() == before
    assert world.run(world.calls.pair(QUEUE, "t-ann", "t-bob", version=version + 1)).players == ("ann", "bob")


def test_tickets_whose_places_new_rules_make_void_are_not_paired(world: World) -> None:
    """Given rules that begin to name sides, when two are proposed before the others were cancelled, then neither is."""
    world.mm.apply_rules(parse_rules(f"[{QUEUE}]\n{SIDED}", "test"))
    with pytest.raises(TicketsChanged):
        pair(world, "t-ann", "t-bob")


def test_the_match_says_what_the_rules_draw(client: Any) -> None:
    rules = parse_rules(
        f'[{QUEUE}]\nmatching = "own"\nlatency = {{ limit_ms = 60 }}\npool.map = ["a", "b"]\n'
        "distance.level = { points_per_unit = 2 }\n",
        "test",
    )[QUEUE]
    with new_world(client, rules) as world:
        for player, level, veto in [("ann", 1, "a"), ("bob", 4, "a")]:
            world.enqueue(player, 1500, attributes={"level": level}, pings={"eu": 20, "us": 50}, vetoes={"map": [veto]})
        pair(world, "t-ann", "t-bob")
        told = last_match(world)
        assert (told["region"], told["ping"], told["picks"], told["price"]) == ("eu", 20, {"map": "b"}, 6)
        assert told["proposed"] is True
        assert_gone(world, QUEUE)


def test_a_pair_of_one_class_leaves_its_line(client: Any) -> None:
    with new_world(client, parse_rules(f'[{QUEUE}]\nmatching = "own"\nsame = ["mode"]\n', "test")[QUEUE]) as world:
        for player in ("ann", "bob"):
            world.enqueue(player, 1500, attributes={"mode": "duel"})
        world.match_pass(queue=f"{QUEUE}=duel")
        pair(world, "t-ann", "t-bob")
        assert_gone(world, QUEUE)


def test_tickets_in_several_queues_are_gone_from_all(client: Any) -> None:
    """Given tickets in a plain queue and in one of one's own, when they are paired in the second, then both lines lose
    them, and whoever stands next to them in the plain one is looked at again."""
    with new_world(client) as world:
        ruled(world, 'matching = "own"\n', "own")
        world.enqueue("low", 1000)
        for player, rating in (("ann", 1500), ("bob", 1900)):
            world.mm.enqueue(
                [QUEUE, "own"], player, rating=rating, ticket=f"t-{player}", ratings={"own": Side(rating + 7)}
            )
        world.match_pass()
        world.match_pass(queue="own")
        match = pair(world, "t-ann", "t-bob", "own")
        assert [ticket.rating for ticket in match.tickets] == [1507, 1907]
        assert [ticket for ticket, _ in world.line()] == ["t-low"]
        assert world.certificates()["t-low"] <= world.now
        world.mm.cancel("t-low")
        assert_gone(world, QUEUE, "own")


# -- queues whose passes make no matches -------------------------------------------------------------------------------


def tokens(world: World, queue: str = QUEUE) -> list[str]:
    return [token.decode() for token in world.client.lrange(world.keys.propose(queue), 0, -1)]


def test_a_pass_hands_over_what_is_due_and_matches_nobody(client: Any) -> None:
    with new_world(client, QueueRules(matching="own")) as world:
        for number in range(4):
            world.enqueue(f"p{number}", 1500)
        report = world.match_pass()
        assert (report.made, report.looked, report.next_ms) == (0, 4, None)
        assert tokens(world) == [QUEUE]
        # And not again, and not twice.
        assert world.match_pass().looked == 0
        world.enqueue("late", 1500)
        world.match_pass()
        assert tokens(world) == [QUEUE]


def test_every_class_has_its_hint(client: Any) -> None:
    """Given more classes than matchers, when tickets came in each, then no hint is left out."""
    with new_world(client, QueueRules(matching="own", same=("mode",))) as world:
        lines = []
        for number in range(20):
            world.enqueue(f"p{number}", 1500, attributes={"mode": f"m{number}"})
            lines.append(f"{QUEUE}=m{number}")
            world.match_pass(queue=lines[-1])
        assert sorted(tokens(world)) == sorted(lines)


def test_arrivals_gather_for_the_interval(client: Any) -> None:
    with new_world(client, QueueRules(matching="own", interval_ms=500)) as world:
        world.enqueue("ann", 1500)
        assert world.match_pass().next_ms == world.now + 500
        assert tokens(world) == []
        assert world.match_pass(ahead=True).looked == 1
        assert tokens(world) == [QUEUE]


@pytest.mark.parametrize("before", ["", "avoid = 5\n", 'matching = "own"\n'])
def test_rules_that_turn_to_somebodys_own_function_and_back(client: Any, before: str) -> None:
    """Given tickets that wait, when the queue is handed to a function, then a hint tells of them; when it is given
    back, then passes match them, and no hint is left."""
    with new_world(client, parse_rules(f"[{QUEUE}]\nmax_gap = 500\n{before}", "test")[QUEUE]) as world:
        for number in range(4):
            world.enqueue(f"p{number}", 1500 + 200 * number)
        world.match_pass()
        ruled(world, 'max_gap = 500\nmatching = "own"\n avoid = 3\n')
        assert world.match_pass().made == 0
        assert tokens(world) == [QUEUE]
        ruled(world, f"willingness = {{ base = 500 }}\n{before if 'own' not in before else ''}")
        assert world.match_pass().made == 2
        assert tokens(world) == []
        assert world.live() == set()


def test_a_queue_that_is_removed_leaves_no_hint(client: Any) -> None:
    with new_world(client, QueueRules(matching="own")) as world:
        world.enqueue("ann", 1500)
        world.match_pass()
        world.apply(queue="other", prune=True)
        world.tend()
        assert tokens(world) == []
        assert set(world.mm.rules()) == {"other"}
