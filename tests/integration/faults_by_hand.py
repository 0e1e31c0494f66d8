"""Every fault that the checker knows of a realm's stream and state, done by raw commands, each in at least one way."""

from __future__ import annotations

import struct
from collections.abc import Callable

from matchmaker.checker import Code
from matchmaker.checker.records import unpack_record
from matchmaker.rules import QueueRules, parse_rules
from tests.integration.sound_realm import RULES, Scene, cancelled, enqueued
from tests.lua.world import START_MS

Harm = Callable[[Scene], object]
FAULTS: list[tuple[Code, str, Harm]] = []


def fault(code: Code) -> Callable[[Harm], Harm]:
    def enter(harm: Harm) -> Harm:
        FAULTS.append((code, harm.__name__, harm))
        return harm

    return enter


@fault(Code.EVENT_MALFORMED)
def an_entry_that_is_no_json(s: Scene) -> None:
    s.xadd(s.keys.events, {"event": "cancelled", "body": "{"}, id=f"{s.world.now}-0")


@fault(Code.EVENT_MALFORMED)
def an_entry_of_another_version(s: Scene) -> None:
    s.insert(s.world.now, {"v": 2, "event": "rules", "queue": "ladder", "version": 1, "change": "changed"})


@fault(Code.EVENT_MALFORMED)
def an_event_nobody_knows(s: Scene) -> None:
    s.insert(s.world.now, {"event": "beamed", "queue": "ladder", "ticket": "t-dot"})


@fault(Code.EVENT_TIME)
def an_event_of_another_moment(s: Scene) -> None:
    s.insert(s.world.now, {"event": "rules", "queue": "other", "version": 1, "change": "created", "at": START_MS})


@fault(Code.EVENT_DISAGREES)
def a_cancelled_event_with_another_rating(s: Scene) -> None:
    s.edit("cancelled", rating=1234)


@fault(Code.EVENT_DISAGREES)
def an_expired_event_with_another_wait(s: Scene) -> None:
    s.edit("expired", waited_ms=5499)


@fault(Code.ENQUEUED_TWICE)
def an_ended_ticket_enqueued_again(s: Scene) -> None:
    s.insert(s.world.now, enqueued("t-bob", "bob"))


@fault(Code.PLAYER_TWICE)
def a_second_ticket_of_a_player_who_waits(s: Scene) -> None:
    s.insert(START_MS + 500, enqueued("t-more", "cid"))
    s.insert(START_MS + 600, cancelled("t-more", "cid", 100))


@fault(Code.ENDED_TWICE)
def a_matched_event_doubled(s: Scene) -> None:
    s.insert(START_MS + 5_500, s.event("matched")[1])


@fault(Code.ENDED_UNKNOWN)
def the_end_of_a_ticket_that_never_began(s: Scene) -> None:
    s.insert(START_MS + 100, cancelled("t-never", "nobody"))


@fault(Code.EXPIRED_EARLY)
def rules_that_would_have_let_it_live(s: Scene) -> None:
    s.hset(s.keys.rules, "v:brief:1", QueueRules(expire_after_seconds=7).compiled())


@fault(Code.MATCH_SHAPE)
def a_match_of_one_team(s: Scene) -> None:
    teams = s.event("matched")[1]["teams"]
    s.edit("matched", teams=[[*teams[0], *teams[1]]])


@fault(Code.MATCH_GAP)
def a_match_with_another_gap(s: Scene) -> None:
    s.edit("matched", gap=11)


@fault(Code.MATCH_VALUE)
def a_match_with_another_value(s: Scene) -> None:
    s.edit("matched", value=1.00001)


@fault(Code.MATCH_RULES)
def rules_that_would_not_have_made_the_match(s: Scene) -> None:
    rules = parse_rules(RULES.replace("300", "9"), "queues.toml")["ladder"]
    s.hset(s.keys.rules, "v:ladder:1", rules.compiled())


@fault(Code.MATCH_RULES)
def a_match_by_a_version_not_in_force(s: Scene) -> None:
    s.insert(START_MS + 5000, {"event": "rules", "queue": "ladder", "version": 2, "change": "changed"})


@fault(Code.MATCH_RULES)
def two_tickets_that_were_not_due_made_a_match(s: Scene) -> None:
    s.world.mm.queue("ladder").remove_matched_players("t-dot", "t-eve")
    s.edit("matched", proposed=False)


@fault(Code.TICKET_LOST)
def a_record_gone(s: Scene) -> None:
    s.hdel(s.keys.tickets, "t-dot")


@fault(Code.TICKET_LOST)
def a_waiting_ticket_gone_without_a_trace(s: Scene) -> None:
    s.hdel(s.keys.tickets, "t-ann2")
    s.hdel(s.keys.players, "ann")
    for key in (s.keys.line("ladder"), s.keys.line_due("ladder"), s.keys.ends):
        s.zrem(key, "t-ann2")


@fault(Code.ENDED_BUT_LIVE)
def the_end_of_a_ticket_that_waits(s: Scene) -> None:
    s.insert(s.world.now, cancelled("t-ann2", "ann", 10_000))


@fault(Code.LIVE_AND_ENDED)
def a_waiting_ticket_among_the_ended(s: Scene) -> None:
    s.remember("t-dot", s.remembered("t-bob"))


@fault(Code.EVENT_MISSING)
def the_enqueued_event_of_a_waiting_ticket_gone(s: Scene) -> None:
    s.xdel(s.keys.events, unpack_record(s.hget(s.keys.tickets, "t-dot")).event)


@fault(Code.EVENT_MISSING)
def the_last_event_of_an_ended_ticket_gone(s: Scene) -> None:
    s.xdel(s.keys.events, s.event("expired")[0])


@fault(Code.EVENT_MISSING)
def both_events_of_an_ended_ticket_gone(s: Scene) -> None:
    s.xdel(s.keys.events, s.event("expired")[0])
    s.xdel(s.keys.events, next(id_ for id_, _, body in s.world.events() if body.get("ticket") == "t-hal"))


@fault(Code.RECORD_UNREADABLE)
def a_record_cut_short(s: Scene) -> None:
    s.hset(s.keys.tickets, "t-dot", s.hget(s.keys.tickets, "t-dot")[:-1])


@fault(Code.RECORD_UNREADABLE)
def a_record_of_one_byte(s: Scene) -> None:
    s.hset(s.keys.tickets, "t-dot", b"x")


@fault(Code.RECORD_UNREADABLE)
def a_remembered_ticket_cut_short(s: Scene) -> None:
    s.remember("t-hal", s.remembered("t-hal")[:-3])


@fault(Code.RECORD_DISAGREES)
def another_deviation(s: Scene) -> None:
    s.repack("t-dot", number=2, value=50.0)


@fault(Code.CHAIN_BROKEN)
def a_ticket_that_follows_nothing(s: Scene) -> None:
    packed = s.hget(s.keys.tickets, "t-ann2")
    matched = s.event("matched")[0].encode()
    assert matched in packed
    s.hset(s.keys.tickets, "t-ann2", packed.replace(matched, matched[:-1] + b"9"))


@fault(Code.TIME_IN_FUTURE)
def a_ticket_enqueued_tomorrow(s: Scene) -> None:
    s.repack("t-dot", number=1, value=s.world.now + 86_400_000.0)


@fault(Code.TIME_IN_FUTURE)
def a_ticket_that_ended_tomorrow(s: Scene) -> None:
    s.remember("t-hal", struct.pack("<d", s.world.now + 86_400_000.0) + s.remembered("t-hal")[8:])


@fault(Code.TIME_IN_FUTURE)
def housekeeping_done_tomorrow(s: Scene) -> None:
    s.hset(s.keys.meta, "kept_ms", s.world.now + 1)


@fault(Code.TIME_IN_FUTURE)
def an_event_of_tomorrow(s: Scene) -> None:
    s.insert(s.world.now + 1, {"event": "rules", "queue": "other", "version": 1, "change": "created"})


@fault(Code.NOT_FINITE)
def an_infinite_certificate(s: Scene) -> None:
    s.zadd(s.keys.line_due("ladder"), {"t-eve": float("inf")})


@fault(Code.NOT_FINITE)
def an_infinite_rating(s: Scene) -> None:
    s.zadd(s.keys.line("ladder"), {"t-eve": float("inf")})


@fault(Code.NOT_FINITE)
def a_rating_that_is_no_number(s: Scene) -> None:
    s.repack("t-dot", value=float("nan"))


@fault(Code.OFF_LINE)
def a_ticket_off_its_line(s: Scene) -> None:
    s.zrem(s.keys.line("ladder"), "t-ann2")


@fault(Code.LINE_GHOST)
def a_ghost_on_a_line(s: Scene) -> None:
    s.zadd(s.keys.line("ladder"), {"t-ghost": 1600})


@fault(Code.LINE_GHOST)
def an_ended_ticket_on_its_line(s: Scene) -> None:
    s.zadd(s.keys.line("ladder"), {"t-bob": 1510})


@fault(Code.LINE_GHOST)
def a_ticket_on_a_second_line(s: Scene) -> None:
    s.zadd(s.keys.line("duel"), {"t-dot": 1700})


@fault(Code.LINE_RATING)
def a_ticket_at_another_rating(s: Scene) -> None:
    s.zadd(s.keys.line("ladder"), {"t-eve": 1760.5})


@fault(Code.CERTIFICATE_GHOST)
def a_certificate_of_nobody(s: Scene) -> None:
    s.zadd(s.keys.line_due("ladder"), {"t-ghost": s.world.now + 10**9})


@fault(Code.ENDS_GHOST)
def an_expiry_of_nobody(s: Scene) -> None:
    s.zadd(s.keys.ends, {"t-ghost": s.world.now + 10**9})


@fault(Code.EXPIRY_WRONG)
def no_expiry(s: Scene) -> None:
    s.zrem(s.keys.ends, "t-dot")


@fault(Code.EXPIRY_WRONG)
def a_later_expiry(s: Scene) -> None:
    s.zincrby(s.keys.ends, 1, "t-dot")


@fault(Code.QUEUE_UNKNOWN)
def a_queue_without_rules(s: Scene) -> None:
    s.hdel(s.keys.rules, "q:duel")


@fault(Code.PLAYER_UNLINKED)
def a_player_without_a_ticket(s: Scene) -> None:
    s.hdel(s.keys.players, "dot")


@fault(Code.PLAYER_UNLINKED)
def a_player_with_somebody_elses_ticket(s: Scene) -> None:
    s.hset(s.keys.players, "dot", "t-eve")


@fault(Code.PLAYER_GHOST)
def a_player_who_does_not_wait(s: Scene) -> None:
    s.hset(s.keys.players, "bob", "t-bob")


@fault(Code.NOT_REMEMBERED)
def an_ended_ticket_forgotten(s: Scene) -> None:
    s.hdel(s.keys.ended[0], "t:t-hal")


@fault(Code.REMEMBERED_TWICE)
def an_ended_ticket_in_both_hashes(s: Scene) -> None:
    s.remember("t-hal", s.remembered("t-hal"), half=1)


@fault(Code.REMEMBERED_WRONG)
def an_ended_ticket_remembered_otherwise(s: Scene) -> None:
    s.remember("t-hal", s.remembered("t-hal").replace(b"expired", b"matched"))


@fault(Code.LAST_WRONG)
def a_players_last_ticket_forgotten(s: Scene) -> None:
    s.hdel(s.keys.ended[0], "p:hal")


@fault(Code.LAST_WRONG)
def a_players_last_ticket_somebody_elses(s: Scene) -> None:
    s.hset(s.keys.ended[0], "p:hal", "t-bob")


@fault(Code.LAST_WRONG)
def a_players_last_ticket_that_nobody_knows(s: Scene) -> None:
    s.hset(s.keys.ended[0], "p:nobody", "t-never")


@fault(Code.DUE_WRONG)
def a_line_due_later_than_its_certificates(s: Scene) -> None:
    s.zincrby(s.keys.due, 1, "ladder")


@fault(Code.DUE_WRONG)
def a_line_with_certificates_never_due(s: Scene) -> None:
    s.zrem(s.keys.due, "ladder")


@fault(Code.DUE_WRONG)
def a_line_without_rules_due(s: Scene) -> None:
    s.zadd(s.keys.due, {"nowhere": 1})


@fault(Code.DUE_WRONG)
def work_that_nobody_will_do(s: Scene) -> None:
    s.hset(s.keys.rules, "c:ladder", "")


@fault(Code.CERTIFICATE_LATE)
def a_certificate_too_late(s: Scene) -> None:
    for key, member in ((s.keys.line_due("ladder"), "t-dot"), (s.keys.due, "ladder")):
        s.zincrby(key, 2, member)


@fault(Code.CERTIFICATE_LATE)
def no_certificate(s: Scene) -> None:
    s.zrem(s.keys.line_due("duel"), "t-fay")
    s.zrem(s.keys.due, "duel")


@fault(Code.COUNTERS_WRONG)
def one_more_counted(s: Scene) -> None:
    s.hincrby(s.keys.meta, "cancelled", 1)


@fault(Code.RULES_BROKEN)
def rules_that_are_none(s: Scene) -> None:
    s.hset(s.keys.rules, "q:ladder", "{}")


@fault(Code.RULES_BROKEN)
def the_version_of_a_match_gone(s: Scene) -> None:
    s.hdel(s.keys.rules, "v:ladder:1")
