"""From found to finished through both faces: ready checks, reports, ends, every refusal by its field."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest

from matchmaker import EventKind, Match, TicketState, aio, errors, parse_rules
from matchmaker.model import Outcome, ReadyCheck, Result
from matchmaker.reports import Accepted, MatchState, OpenMatch, Pending
from tests.faces import PATIENCE_SECONDS, face

RULES = """
[ranked]
ready_check = { seconds = 600 }
penalties = { seconds = [60], decay_seconds = 86400 }
results = { by = "players", within_seconds = 7200, abort_seconds = 600 }

[arena]
results = { by = "server", within_seconds = 7200 }

[either]
results = { by = "either", within_seconds = 7200 }

[plain]
"""
NEVER = "1700000000000-0"


@pytest.fixture
async def mm(kind: str, redis_url: str, realm: str) -> AsyncIterator[aio.Matchmaker]:
    async with face(kind, redis_url, realm) as client:
        await client.apply_rules(parse_rules(RULES, "test"))
        yield client


async def proposed(mm: aio.Matchmaker, one: str = "ann", other: str = "bob") -> ReadyCheck:
    """The ready check of two who have just joined."""
    for player in (one, other):
        await mm.enqueue("ranked", player, rating=1500, ticket=f"t-{player}")
    (check,) = (await mm.attempt_match("ranked")).checks
    return check


async def playing(mm: aio.Matchmaker, queue: str = "either", one: str = "ann", other: str = "bob") -> Match:
    """The open match of two who have just joined a queue without ready checks."""
    for player in (one, other):
        await mm.enqueue(queue, player, rating=1500)
    (match,) = (await mm.attempt_match(queue)).matches
    return match


async def refused(asked: Awaitable[Any]) -> errors.InvalidInput:
    with pytest.raises(errors.InvalidInput) as caught:
        await asked
    return caught.value


async def played(mm: aio.Matchmaker, check: ReadyCheck) -> Match:
    """Both accept."""
    await mm.accept(check, "ann")
    match = await mm.accept(check, "bob")
    assert isinstance(match, Match)
    return match


async def test_the_whole_way(mm: aio.Matchmaker) -> None:
    """Given two in a queue with ready checks and results, when they accept and report the same, then the match is
    finished, and each was told every step once, in order."""
    check = await proposed(mm)
    ticket = await mm.status("t-ann")
    assert (ticket.state, ticket.check) == (TicketState.PROPOSED, check)
    assert await mm.wait_for_check("t-bob", PATIENCE_SECONDS) == check
    first = await mm.accept(check, "ann")
    assert first == await mm.accept(check.id, "ann") == Accepted(check.id, 1, 2)
    assert (await mm.match_state(check.id)).accepted == {"ann"}  # type: ignore[union-attr]
    match = await mm.accept(check, "bob")
    assert isinstance(match, Match)
    assert (match.check, set(match.players)) == (check.id, {"ann", "bob"})
    assert await mm.accept(check, "ann") == match
    assert await mm.wait_for_match("t-ann", PATIENCE_SECONDS) == await mm.wait_for_check("t-ann", 1) == match
    (is_open,) = await mm.open_matches()
    assert (is_open.id, is_open.state, is_open.until_ms) == (match.id, MatchState.OPEN, match.until_ms)
    assert await mm.report(match, "ann", winner="ann") == Pending(match.id, MatchState.OPEN)
    result = await mm.report(match.id, "bob", winner="ann", left=["bob"])
    assert isinstance(result, Result)
    team = 1 + [team.players for team in match.teams].index(("ann",))
    assert (result.outcome, result.winner, result.by, result.left) == (Outcome.PLAYED, team, "players", ("bob",))
    assert await mm.match_state(match.id) == await mm.report(match, "bob", winner="ann", left=["bob"]) == result
    assert await mm.open_matches() == []
    async with await mm.listen("ann") as listener:
        told = [await listener.get(PATIENCE_SECONDS) for _ in range(8)]
    kinds = ["enqueued", "proposed", "accepted", "accepted", "matched", "reported", "reported", "finished"]
    assert [str(event.kind) for event in told if event] == kinds


async def test_a_decline_sends_the_others_back_with_their_wait(mm: aio.Matchmaker) -> None:
    """Given a ready check, when one declines, then the other waits as before and knows why; the one is barred."""
    check = await proposed(mm)
    before = await mm.status("t-bob")
    declined = await mm.decline(check, "ann")
    assert (declined.ticket, await mm.decline(check.id, "ann")) == ("t-ann", declined)
    after = await mm.status("t-bob")
    assert (after.state, after.enqueued_ms, after.check) == (TicketState.WAITING, before.enqueued_ms, None)
    assert (await mm.status("t-ann")).reason == "declined"
    async with await mm.listen("bob") as listener:
        events = [await listener.get(PATIENCE_SECONDS) for _ in range(3)]
    last = events[-1]
    assert last is not None
    assert last.ticket is not None
    assert (last.kind, last.ticket.state, last.ticket.enqueued_ms) == (
        EventKind.RETURNED,
        "waiting",
        before.enqueued_ms,
    )
    assert (last.body["by"], last.check_id) == (["ann"], check.id)
    with pytest.raises(errors.Penalised) as barred:
        await mm.enqueue("ranked", "ann", rating=1500)
    assert barred.value.until_ms == declined.penalty_until_ms
    assert 0 < barred.value.seconds <= 60
    with pytest.raises(errors.CheckOver, match="declined"):
        await mm.accept(check, "bob")
    over = await mm.match_state(check.id)
    assert isinstance(over, ReadyCheck)
    assert (over.outcome, set(over.players), over.until_ms) == ("declined", {"ann", "bob"}, check.until_ms)


async def test_a_cancel_in_a_ready_check_declines(mm: aio.Matchmaker) -> None:
    check = await proposed(mm)
    ended = await mm.cancel("t-ann")
    assert (ended.state, ended.reason) == (TicketState.CANCELLED, "declined")
    assert (await mm.match_state(check.id)).outcome == "declined"  # type: ignore[union-attr]
    assert (await mm.status("t-bob")).state is TicketState.WAITING


async def test_a_wait_goes_through_a_check_that_failed(mm: aio.Matchmaker) -> None:
    """Given one whose first check failed, when a wait for a check begins, then the failed one does not end it."""
    await mm.decline(await proposed(mm), "ann")
    with pytest.raises(errors.WaitTimeout):
        await mm.wait_for_check("t-bob", 0.2)
    await mm.enqueue("ranked", "cid", rating=1500)
    (second,) = (await mm.attempt_match("ranked")).checks
    assert await mm.wait_for_check("t-bob", PATIENCE_SECONDS) == second


async def test_a_wait_for_a_check_gets_the_match_where_there_is_none(mm: aio.Matchmaker) -> None:
    match = await playing(mm, "plain")
    assert await mm.wait_for_check(match.tickets[0].id, PATIENCE_SECONDS) == match


async def test_different_reports_are_for_an_operator(mm: aio.Matchmaker) -> None:
    """Given two who both say they won, when an operator decides, then that is the result, and players were free."""
    match = await playing(mm)
    await mm.report(match, "ann", winner="ann")
    assert await mm.report(match, "bob", winner="bob") == Pending(match.id, MatchState.DISPUTED)
    state = await mm.match_state(match.id)
    assert isinstance(state, OpenMatch)
    assert (state.state, set(state.reports), state.match) == (MatchState.DISPUTED, {"ann", "bob"}, match)
    await mm.enqueue("either", "ann", rating=1500)
    result = await mm.resolve(match, "olga", draw=True)
    assert isinstance(result, Result)
    assert (result.ranks, result.by, result.who, result.winner) == ((1, 1), "operator", "olga", None)


async def test_an_operator_may_void_a_match(mm: aio.Matchmaker) -> None:
    match = await playing(mm)
    result = await mm.resolve(match.id, "olga", void=True)
    assert (result, await mm.match_state(match.id)) == (await mm.resolve(match.id, "olga", void=True), result)
    assert isinstance(result, Result)
    assert (result.outcome, result.ranks, result.reason) == (Outcome.ABORTED, (), "void")


async def test_a_server_has_the_last_word_where_it_is_trusted(mm: aio.Matchmaker) -> None:
    match = await playing(mm, "arena")
    assert (await refused(mm.report(match, "ann", winner=1))).field == "player"
    result = await mm.report_as_server(match.id, "eu-1", ranks=[2, 1])
    assert isinstance(result, Result)
    assert (result.winner, result.by, result.who) == (2, "server", "eu-1")


async def test_who_leaves_last_loses(mm: aio.Matchmaker) -> None:
    match = await playing(mm)
    result = await mm.leave(match, "bob")
    assert isinstance(result, Result)
    assert (result.by, result.left, result.teams[(result.winner or 0) - 1]) == ("leaving", ("bob",), ("ann",))


async def test_strangers_and_ids_that_never_were(mm: aio.Matchmaker) -> None:
    check = await proposed(mm)
    for asked in (mm.accept(check, "eve"), mm.decline(check, "eve")):
        with pytest.raises(errors.NotInMatch) as stranger:
            await asked
        assert (stranger.value.field, stranger.value.player, stranger.value.match) == ("player", "eve", check.id)
    match = await played(mm, check)
    for told in (mm.report(match, "eve", winner=1), mm.leave(match, "eve"), mm.abort(match, player="eve")):
        with pytest.raises(errors.NotInMatch):
            await told
    for unknown in (mm.accept(NEVER, "ann"), mm.decline(NEVER, "ann")):
        with pytest.raises(errors.UnknownCheck):
            await unknown
    for never in (mm.report(NEVER, "ann", winner=1), mm.leave(NEVER, "ann"), mm.match_state(NEVER)):
        with pytest.raises(errors.UnknownMatch):
            await never
    with pytest.raises(errors.UnknownMatch):
        await mm.report(check.id, "ann", winner=1)
    assert (await refused(mm.report("no id", "ann", winner=1))).field == "match"
    assert (await refused(mm.accept("no id", "ann"))).field == "check"


async def test_a_second_different_report_is_refused_and_changes_nothing(mm: aio.Matchmaker) -> None:
    match = await playing(mm)
    await mm.report(match, "ann", winner=1)
    with pytest.raises(errors.AlreadyReported) as refusal:
        await mm.report(match, "ann", winner=2)
    assert (refusal.value.field, refusal.value.ranks) == ("ranks", (1, 2))
    state = await mm.match_state(match.id)
    assert isinstance(state, OpenMatch)
    assert state.reports["ann"].ranks == (1, 2)


async def test_a_match_that_is_over_takes_no_report(mm: aio.Matchmaker) -> None:
    match = await played(mm, await proposed(mm))
    await mm.abort(match, player="ann", reason="lag")
    for asked in (mm.report(match, "bob", winner=1), mm.leave(match, "bob"), mm.resolve(match, "olga", draw=True)):
        with pytest.raises(errors.MatchOver) as over:
            await asked
        assert over.value.outcome == "aborted"


async def test_who_comes_too_late_may_not_abort(mm: aio.Matchmaker) -> None:
    """Given a queue whose players may not abort, and one where somebody has reported, then an abort is too late."""
    match = await playing(mm)
    with pytest.raises(errors.TooLate) as late:
        await mm.abort(match, player="ann")
    assert late.value.seconds == 0


async def test_who_plays_may_not_join_where_results_are_awaited(mm: aio.Matchmaker) -> None:
    match = await playing(mm)
    with pytest.raises(errors.PlayerInMatch) as refusal:
        await mm.enqueue("either", "ann", rating=1500)
    assert (refusal.value.player, refusal.value.match) == ("ann", match.id)


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({}, "ranks"),
        ({"winner": 1, "draw": True}, "ranks"),
        ({"ranks": [1]}, "ranks"),
        ({"ranks": [2, 2]}, "ranks"),
        ({"ranks": [1, 3]}, "ranks"),
        ({"ranks": [1, 2, 3]}, "ranks"),
        ({"ranks": [1, float("nan")]}, "ranks"),
        ({"ranks": "12"}, "ranks"),
        ({"draw": "yes"}, "draw"),
        ({"winner": 0}, "winner"),
        ({"winner": 3}, "winner"),
        ({"winner": True}, "winner"),
        ({"winner": "eve"}, "winner"),
        ({"winner": 1, "left": "bob"}, "left"),
        ({"winner": 1, "left": ["eve"]}, "left"),
        ({"ranks": [1, 2], "left": ["eve"]}, "left"),
        ({"ranks": [1, 2], "left": ["b\nb"]}, "left"),
    ],
)
async def test_a_result_that_cannot_be_is_refused_by_its_field(mm: aio.Matchmaker, told: Any, field: str) -> None:
    """Given an open match, when a result that it cannot have is told, by the match or by its id, then the field is
    named and nothing changed."""
    match = await playing(mm)
    for which in (match, match.id):
        assert (await refused(mm.report(which, "ann", **told))).field == field
    state = await mm.match_state(match.id)
    assert isinstance(state, OpenMatch)
    assert not state.reports


async def test_aborts_name_who_and_why(mm: aio.Matchmaker) -> None:
    match = await playing(mm)
    assert (await refused(mm.abort(match))).field == "player"
    assert (await refused(mm.abort(match, player="ann", server="eu-1"))).field == "player"
    assert (await refused(mm.abort(match, operator="olga", reason="no word"))).field == "reason"
    assert (await refused(mm.abort(match, operator=""))).field == "operator"
    assert (await mm.abort(match, operator="olga")).who == "olga"
