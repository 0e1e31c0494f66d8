"""Every fault that the checker knows of terms, places and matches under constraints, done by raw commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from matchmaker.checker import Code
from matchmaker.rules import parse_rules
from tests.integration.constrained_realm import ARENA, CONSTRAINED, ConstrainedScene
from tests.lua.world import START_MS

Harm = Callable[[ConstrainedScene], object]
CONSTRAINED_FAULTS: list[tuple[Code, str, Harm]] = []

_PACK: Final = """
local members = cjson.decode(ARGV[2])
local t = cmsgpack.unpack(redis.call("HGET", KEYS[1], ARGV[1]))
for name, value in pairs(members) do t[name] = value ~= cjson.null and value or nil end
redis.call("HSET", KEYS[1], ARGV[1], cmsgpack.pack(t))
"""


def fault(code: Code) -> Callable[[Harm], Harm]:
    def enter(harm: Harm) -> Harm:
        CONSTRAINED_FAULTS.append((code, harm.__name__, harm))
        return harm

    return enter


def change_terms(s: ConstrainedScene, ticket: str, **members: Any) -> None:
    s.eval(_PACK, 1, s.keys.terms, ticket, json.dumps(members))


def matched_in(s: ConstrainedScene, queue: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes the event of the match in that queue."""

    def edit(entries: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
        change(next(body for _, body in entries if body["event"] == "matched" and body["queue"] == queue))
        return entries

    s.rewrite(edit)


def new_rules(s: ConstrainedScene, queue: str, old: str, new: str) -> None:
    """Has the version by which the queue's match was made be another one."""
    assert old in CONSTRAINED
    rules = parse_rules(CONSTRAINED.replace(old, new), "queues.toml")[queue]
    s.hset(s.keys.rules, f"v:{queue}:1", rules.compiled())


# -- terms and places --------------------------------------------------------------------------------------------------


@fault(Code.TERMS_WRONG)
def terms_gone(s: ConstrainedScene) -> None:
    s.hdel(s.keys.terms, "t-ivy")


@fault(Code.TERMS_WRONG)
def terms_of_a_ticket_without(s: ConstrainedScene) -> None:
    s.hset(s.keys.terms, "t-kim", s.hget(s.keys.terms, "t-liz"))


@fault(Code.TERMS_WRONG)
def a_record_that_tells_of_none(s: ConstrainedScene) -> None:
    s.repack("t-nat", number=2, value=0.0)
    s.hdel(s.keys.terms, "t-nat")


@fault(Code.TERMS_WRONG)
def another_language(s: ConstrainedScene) -> None:
    change_terms(s, "t-ivy", sets={"language": "de\0en"})


@fault(Code.TERMS_WRONG)
def no_level(s: ConstrainedScene) -> None:
    change_terms(s, "t-ann2", numbers=None)


@fault(Code.TERMS_WRONG)
def another_level(s: ConstrainedScene) -> None:
    change_terms(s, "t-ann2", numbers={"level": 6})


@fault(Code.TERMS_WRONG)
def no_veto(s: ConstrainedScene) -> None:
    change_terms(s, "t-ivy", vetoes=None)


@fault(Code.TERMS_WRONG)
def another_ping(s: ConstrainedScene) -> None:
    change_terms(s, "t-jon", pings={"eu": 21})


@fault(Code.TERMS_WRONG)
def another_region(s: ConstrainedScene) -> None:
    change_terms(s, "t-liz", region="eu")


@fault(Code.TERMS_WRONG)
def somebody_avoided(s: ConstrainedScene) -> None:
    change_terms(s, "t-nat", avoid=["ann"])


@fault(Code.TERMS_WRONG)
def others_accepted(s: ConstrainedScene) -> None:
    change_terms(s, "t-bob2", accepts={"level": [6, 7]})


@fault(Code.TERMS_WRONG)
def other_data(s: ConstrainedScene) -> None:
    change_terms(s, "t-ann2", tail=',"data":"x"')


@fault(Code.TERMS_WRONG)
def terms_of_somebody_else(s: ConstrainedScene) -> None:
    change_terms(s, "t-nat", player="zoe")


@fault(Code.TERMS_WRONG)
def a_place_less(s: ConstrainedScene) -> None:
    """One side of two, and off the line of the other."""
    change_terms(s, "t-ivy", at=[["arena=2.0", 1, 1400, 20, "", "bw"]])
    s.zrem(s.keys.line("arena=2.0", "sc2"), "t-ivy")


@fault(Code.TERMS_WRONG)
def a_place_in_another_class(s: ConstrainedScene) -> None:
    change_terms(s, "t-joe", at=[["arena=3.0", 2, 1550, 0, "", "sc2"]])


@fault(Code.RECORD_UNREADABLE)
def terms_cut_short(s: ConstrainedScene) -> None:
    s.hset(s.keys.terms, "t-ivy", s.hget(s.keys.terms, "t-ivy")[:-1])


@fault(Code.RECORD_UNREADABLE)
def terms_with_more_than_there_is(s: ConstrainedScene) -> None:
    change_terms(s, "t-ivy", colour="red")


@fault(Code.TERMS_GHOST)
def terms_of_an_ended_ticket(s: ConstrainedScene) -> None:
    s.hset(s.keys.terms, "t-bob", s.hget(s.keys.terms, "t-bob2"))


@fault(Code.OFF_LINE)
def a_ticket_off_one_of_its_sides(s: ConstrainedScene) -> None:
    s.zrem(s.keys.line("arena=2.0", "sc2"), "t-ivy")


@fault(Code.OFF_LINE)
def a_ticket_off_one_of_its_queues(s: ConstrainedScene) -> None:
    s.zrem(s.keys.line("open"), "t-jon")


@fault(Code.LINE_GHOST)
def a_ticket_on_the_side_it_does_not_offer(s: ConstrainedScene) -> None:
    s.zadd(s.keys.line("arena=2.0", "bw"), {"t-joe": 1550})


@fault(Code.LINE_GHOST)
def a_ticket_matched_in_one_queue_left_in_the_other(s: ConstrainedScene) -> None:
    s.zadd(s.keys.line("near"), {"t-leo": 1800})


@fault(Code.LINE_GHOST)
def an_ended_ticket_in_a_line_that_nobody_names(s: ConstrainedScene) -> None:
    """Nobody waits in the class any more."""
    for player in ("ann", "bob"):
        s.world.mm.cancel_player(player)
    assert s.hget(s.keys.lines, ARENA) is None
    s.zadd(s.keys.line(ARENA, "bw"), {"t-ann": 1500})


@fault(Code.LINE_RATING)
def another_rating_on_one_side(s: ConstrainedScene) -> None:
    s.zadd(s.keys.line("arena=2.0", "sc2"), {"t-ivy": 1600.5})


@fault(Code.AGE_WRONG)
def no_age(s: ConstrainedScene) -> None:
    s.zrem(s.keys.line_ages("far"), "t-liz")
    s.hdel(s.keys.lines, "far")


@fault(Code.AGE_WRONG)
def another_age(s: ConstrainedScene) -> None:
    s.zincrby(s.keys.line_ages("far"), 1, "t-liz")


@fault(Code.AGE_WRONG)
def an_age_in_a_line_without_constraints(s: ConstrainedScene) -> None:
    s.zadd(s.keys.line_ages("open"), {"t-jon": START_MS + 20_000})
    s.hset(s.keys.lines, "open", 1)


@fault(Code.AGE_WRONG)
def the_age_of_nobody(s: ConstrainedScene) -> None:
    s.zadd(s.keys.line_ages("far"), {"t-fin": START_MS})
    s.hincrby(s.keys.lines, "far", 1)


@fault(Code.LINE_COUNT)
def a_ticket_more_in_a_line(s: ConstrainedScene) -> None:
    s.hincrby(s.keys.lines, "arena=2.0", 1)


@fault(Code.LINE_COUNT)
def a_line_not_counted(s: ConstrainedScene) -> None:
    s.hdel(s.keys.lines, "arena=2.0")


@fault(Code.DEVIATION_LOW)
def a_deviation_forgotten(s: ConstrainedScene) -> None:
    s.hset(s.keys.meta, "deviation:arena=2.0", "19.5")


@fault(Code.CERTIFICATE_GHOST)
def a_certificate_of_another_class(s: ConstrainedScene) -> None:
    s.zadd(s.keys.line_due(ARENA), {"t-joe": s.world.now + 10**9})


@fault(Code.CERTIFICATE_LATE)
def a_certificate_too_late_by_two_seconds(s: ConstrainedScene) -> None:
    for ticket in ("t-ivy", "t-joe"):
        s.zadd(s.keys.line_due("arena=2.0"), {ticket: START_MS + 87_000})
    s.zadd(s.keys.due, {"arena=2.0": START_MS + 87_000})


@fault(Code.CERTIFICATE_LATE)
def nobody_looks_when_they_may_meet_again(s: ConstrainedScene) -> None:
    s.delete(s.keys.line_due(ARENA))
    s.zrem(s.keys.due, ARENA)


# -- meetings ----------------------------------------------------------------------------------------------------------


@fault(Code.MET_WRONG)
def a_meeting_forgotten(s: ConstrainedScene) -> None:
    for key in s.keys.met:
        s.hdel(key, "ann")


@fault(Code.MET_WRONG)
def a_meeting_that_never_was(s: ConstrainedScene) -> None:
    for key in s.keys.met:
        if s.hexists(key, "ann"):
            s.hset(key, "joe", s.hget(key, "ann"))


@fault(Code.MET_WRONG)
def a_ticket_that_does_not_know_whom_it_met(s: ConstrainedScene) -> None:
    change_terms(s, "t-ann2", met=None)


@fault(Code.RECORD_UNREADABLE)
def meetings_that_are_none(s: ConstrainedScene) -> None:
    s.hset(s.keys.met[0], "ann", b"\xc1")


# -- matches -----------------------------------------------------------------------------------------------------------


@fault(Code.EVENT_DISAGREES)
def a_match_with_another_choice(s: ConstrainedScene) -> None:
    matched_in(s, "arena", lambda body: body["teams"][0][0].update(choice="terran"))


@fault(Code.EVENT_DISAGREES)
def a_match_in_a_queue_that_it_never_joined(s: ConstrainedScene) -> None:
    matched_in(s, "open", lambda body: body.update(queue="made", proposed=True))


@fault(Code.MATCH_RULES)
def a_match_of_two_of_one_side(s: ConstrainedScene) -> None:
    matched_in(s, "arena", lambda body: body["teams"].reverse())


@fault(Code.MATCH_RULES)
def a_match_that_nobody_proposed(s: ConstrainedScene) -> None:
    """gil also avoids hal: who proposes need not care."""
    matched_in(s, "made", lambda body: body.pop("proposed"))


@fault(Code.MATCH_RULES)
def rules_that_accept_no_such_opponent(s: ConstrainedScene) -> None:
    new_rules(s, "near", "limit_ms = 60, widen_ms_per_second = 2.0", "limit_ms = 40, widen_ms_per_second = 2.0")


@fault(Code.MATCH_RULES)
def rules_with_a_smaller_gap(s: ConstrainedScene) -> None:
    new_rules(s, "arena", "max_gap = 300", "max_gap = 9")


@fault(Code.MATCH_RULES)
def a_match_of_two_who_met_just_before(s: ConstrainedScene) -> None:
    """As if the two had been matched again at once."""
    forgetful = CONSTRAINED.replace("after_seconds = 300", "after_seconds = 0.001")
    s.world.mm.apply_rules({"arena": parse_rules(forgetful, "queues.toml")["arena"]})
    s.world.tend("arena")
    s.world.match_pass(queue=ARENA)
    rules = s.hget(s.keys.rules, "v:arena:2").replace(b'"after_ms":1,', b'"after_ms":300000,')
    for version in (1, 2):
        s.hset(s.keys.rules, f"v:arena:{version}", rules)


@fault(Code.MATCH_VALUE)
def a_match_at_another_price(s: ConstrainedScene) -> None:
    """Gap, price and value agree with each other."""
    matched_in(s, "arena", lambda body: body.update(price=3, value=body["value"] + 1))


@fault(Code.MATCH_PLACE)
def a_match_in_another_region(s: ConstrainedScene) -> None:
    matched_in(s, "near", lambda body: body.update(region="us"))


@fault(Code.MATCH_PLACE)
def a_match_with_another_ping(s: ConstrainedScene) -> None:
    matched_in(s, "near", lambda body: body.update(ping=50))


@fault(Code.MATCH_PLACE)
def a_match_on_another_server(s: ConstrainedScene) -> None:
    matched_in(s, "far", lambda body: body.update(server="fra"))


@fault(Code.MATCH_PLACE)
def a_match_on_a_map_that_was_not_drawn(s: ConstrainedScene) -> None:
    matched_in(s, "arena", lambda body: body["picks"].update(map="Radeon"))
