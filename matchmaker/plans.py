"""Plans: several calls that make one operation (see ``calls.py``). No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from matchmaker import errors
from matchmaker.calls import (
    CALLS_A_BATCH,
    DATA_A_CALL,
    HISTORY_TICKETS,
    PAGE_TICKETS,
    TICKETS_A_CALL,
    Batch,
    Call,
    Calls,
    Command,
    Found,
    Lookup,
    Plan,
    Rated,
)
from matchmaker.keys import lines_of, size_of
from matchmaker.misfits import misfit
from matchmaker.model import Ticket, TicketRequest, TicketState, event_order
from matchmaker.recording import recording_plan
from matchmaker.reports import Elsewhere, History, PassReport, QueueChange, QueueStats, RealmStats, StoredRules
from matchmaker.rules import QueueRules
from matchmaker.scripts import Reply
from matchmaker.terms import has_terms

Queues = str | Sequence[str]
"""One queue, or up to eight."""

Answer = Ticket | errors.MatchmakerError


def _weight(request: TicketRequest) -> int:
    """Characters that a call checks and copies because of this ticket, the names that all have left out."""
    return len(request.as_json()) if has_terms(request) else len(request.data)


def _chunks(requests: Sequence[TicketRequest]) -> list[list[TicketRequest]]:
    """Runs of requests, each small enough for one call in number and in data."""
    chunks: list[list[TicketRequest]] = []
    room = 0
    for request in requests:
        weight = _weight(request)
        if not chunks or len(chunks[-1]) == TICKETS_A_CALL or weight > room:
            chunks.append([])
            room = DATA_A_CALL
        chunks[-1].append(request)
        room -= weight
    return chunks


def _each(chunk: Sequence[TicketRequest], reply: Any) -> list[Answer]:
    """What a call says of each of its tickets; a call that was refused refuses them all."""
    return [reply] * len(chunk) if isinstance(reply, errors.MatchmakerError) else reply


def _settled(calls: Calls, queues: Queues, chunk: list[TicketRequest], reply: Any) -> Plan[list[Answer]]:
    """As :func:`_each`, but who is refused for what is wrong with one ticket joins without it."""
    misfits: dict[int, Answer] = {}
    there = list(range(len(chunk)))
    while (found := misfit(reply)) is not None:
        misfits[there.pop(found[0])] = found[1]
        (reply,) = yield Batch([calls.enqueue(queues, [chunk[i] for i in there])])
    joined = dict(zip(there, _each([chunk[i] for i in there], reply), strict=True))
    return [(misfits | joined)[i] for i in range(len(chunk))]


def _sent(calls: Calls, queues: Queues, requests: Sequence[TicketRequest]) -> Plan[list[Answer]]:
    """All tickets, in as many calls as it takes."""
    chunks = _chunks(requests)
    answers: list[Answer] = []
    for i in range(0, len(chunks), CALLS_A_BATCH):
        some = chunks[i : i + CALLS_A_BATCH]
        replies = yield Batch([calls.enqueue(queues, chunk) for chunk in some])
        for chunk, reply in zip(some, replies, strict=True):
            answers += yield from _settled(calls, queues, chunk, reply)
    return answers


def _looked_up(
    calls: Calls, queues: Queues, queue: str, requests: Sequence[TicketRequest]
) -> Plan[list[Answer] | None]:
    """The same again for tickets whose rating in ``queue`` the realm does not have, once the database told it; None
    without one.

    One lookup for all of them. Who could not be told is refused with the reason, and nobody else.
    """
    default: Rated = yield calls.default_rating(queue)
    found: Found | None = yield Lookup(queue, tuple({request.player: None for request in requests}), default)
    if found is None:
        return None
    rated = {player: known for player, known in found.items() if isinstance(known, Rated)}
    again: list[Answer] = []
    for chunk in _chunks([request for request in requests if request.player in rated]):
        remembered = calls.remember_ratings(queue, {request.player: rated[request.player] for request in chunk})
        batch: Batch[Any] = Batch([*remembered, calls.enqueue(queues, chunk)])
        replies = yield batch
        again += yield from _settled(calls, queues, chunk, replies[-1])
    answers = iter(again)
    known = (found[request.player] for request in requests)
    return [one if isinstance(one, errors.MatchmakerError) else next(answers) for one in known]


def _with_lookup(
    calls: Calls, queues: Queues, requests: Sequence[TicketRequest], answers: Sequence[Answer]
) -> Plan[list[Answer]]:
    """The answers, with those in place of "rating unknown" that lookups bring: one a queue that lacks any."""
    better = list(answers)
    asked: set[str] = set()
    while True:
        lacking = {
            i: answer.queue
            for i, answer in enumerate(better)
            if isinstance(answer, errors.RatingUnknown) and answer.queue not in asked
        }
        if not lacking:
            return better
        queue = next(iter(lacking.values()))
        asked.add(queue)
        unknown = [i for i in lacking if lacking[i] == queue]
        try:
            again = yield from _looked_up(calls, queues, queue, [requests[i] for i in unknown])
        except errors.MatchmakerError as error:
            again = [error] * len(unknown)
        for i, answer in zip(unknown, again or [better[i] for i in unknown], strict=True):
            better[i] = answer


def enqueue_plan(calls: Calls, queues: Queues, requests: Sequence[TicketRequest]) -> Plan[list[Answer]]:
    """All tickets, in as many calls as it takes."""
    answers: list[Answer] = yield from _sent(calls, queues, requests)
    return (yield from _with_lookup(calls, queues, requests, answers))


def enqueue_one_plan(calls: Calls, queues: Queues, request: TicketRequest) -> Plan[Ticket]:
    first: list[Answer] = yield calls.enqueue(queues, [request])
    (answer,) = yield from _with_lookup(calls, queues, [request], first)
    if isinstance(answer, errors.MatchmakerError):
        raise answer
    return answer


def cancel_plan(calls: Calls, queue: str, kind: str, id_: str, reason: str) -> Plan[Ticket]:
    """Asks the line that is likely, then the one that was named instead. A ticket never changes its queue, so a third
    question only follows when a player's ticket ended and a new one began elsewhere in between."""
    while True:
        answer: Ticket | Elsewhere = yield calls.cancel(queue, kind, id_, reason)
        # One that still waits was in a ready check whose time was over: the call ended that, and nothing of the ticket.
        if isinstance(answer, Ticket) and answer.state is not TicketState.WAITING:
            return answer
        queue = answer.queue


def get_player_plan(calls: Calls, queue: str, player: str) -> Plan[Ticket | None]:
    """The player's ticket if it waits in this queue."""
    try:
        ticket: Ticket = yield calls.status("player", player)
    except errors.UnknownTicket:
        return None
    return ticket if ticket.state is TicketState.WAITING and queue in ticket.queues else None


def apply_plan(
    calls: Calls, rules: Mapping[str, QueueRules], *, prune: bool, dry: bool, retain_seconds: int, max_backlog: int
) -> Plan[list[QueueChange]]:
    compiled = [(queue, rules[queue].compiled()) for queue in rules]
    changes: list[QueueChange] = yield calls.apply(
        compiled, prune=prune, dry=dry, retain_ms=1000 * retain_seconds, max_backlog=max_backlog
    )
    return changes


def attempt_plan(calls: Calls, queue: str, shown: int) -> Plan[PassReport]:
    """One pass over what is due, arrivals that wait for the queue's interval included; and if new rules had left work
    to do in the line, that work and another pass. A queue whose rules keep classes apart gets a pass for each."""
    lines: dict[str, int]
    report: PassReport
    lines, report = yield from _both(calls.lines(), calls.match_pass(queue, ahead=True, shown=shown))
    report = yield from _tended(calls, queue, shown, report)
    for line in lines_of(queue, lines):
        if line != queue:
            further: PassReport = yield calls.match_pass(line, ahead=True, shown=shown)
            report = _together(report, (yield from _tended(calls, line, shown, further)), shown)
    return report


def _both(one: Call[Any] | Command[Any], other: Call[Any] | Command[Any]) -> Plan[list[Any]]:
    """Two calls in one round trip; raises what either was refused with."""
    replies: list[Any] = yield Batch([one, other])
    for reply in replies:
        if isinstance(reply, errors.MatchmakerError):
            raise reply
    return replies


def _tended(calls: Calls, line: str, shown: int, first: PassReport) -> Plan[PassReport]:
    if not first.work:
        return first
    while True:
        tended: PassReport = yield calls.tend(line)
        if not tended.work:
            break
    second: PassReport = yield calls.match_pass(line, ahead=True, shown=shown)
    return replace(_together(first, second, shown), next_ms=second.next_ms)


def _together(one: PassReport, other: PassReport, shown: int) -> PassReport:
    """Two passes as one; the realm is as the second left it."""
    moments = [report.next_ms for report in (one, other) if report.next_ms is not None]
    return replace(
        other,
        looked=one.looked + other.looked,
        made=one.made + other.made,
        value=one.value + other.value,
        next_ms=min(moments, default=None),
        matches=(one.matches + other.matches)[:shown],
        checks=(one.checks + other.checks)[:shown],
    )


def stats_plan(calls: Calls) -> Plan[RealmStats]:
    """Counts of the realm; each number is right, together they are not one moment."""
    meta: dict[str, str] = yield calls.meta()
    if not meta:
        raise errors.UnknownRealm(calls.realm)
    stored: dict[str, StoredRules] = yield calls.stored_rules()
    keys = calls.keys
    counts: Batch[Any] = Batch([calls.lines(), *(calls.size(queue) for queue in stored)])
    lines, *sizes = yield counts
    moments: list[int | None] = yield Batch([calls.next_due(queue, lines) for queue in stored])
    events: int = yield Command(("XLEN", keys.events), int)
    clock: str = yield Command(("GET", keys.clock), str)
    jumps, absorbed = (int(part) for part in clock.split()[2:])
    recording = yield from recording_plan(calls)
    queues = tuple(
        QueueStats(queue, held.version, size_of(queue, size, lines), moment, held.closing)
        for (queue, held), size, moment in zip(stored.items(), sizes, moments, strict=True)
    )
    return RealmStats(
        realm=calls.realm,
        queues=queues,
        enqueued=int(meta.get("enqueued", 0)),
        matched=int(meta.get("matched", 0)),
        cancelled=int(meta.get("cancelled", 0)),
        expired=int(meta.get("expired", 0)),
        events=events,
        full=meta["full"],
        clock_jumps=jumps,
        clock_absorbed_ms=absorbed,
        recording=recording,
    )


def size_plan(calls: Calls, queue: str) -> Plan[int]:
    """How many tickets wait in the queue, in all its lines."""
    lines, own = yield from _both(calls.lines(), calls.size(queue))
    return size_of(queue, int(own), lines)


def clear_plan(calls: Calls, queue: str) -> Plan[int]:
    """Cancels what waits in the queue now; tickets that come meanwhile stay."""
    lines, first = yield from _both(calls.lines(), calls.clear(queue, "", "", TICKETS_A_CALL))
    cleared: int
    cleared, until, position = first
    count: int
    while position:
        count, until, position = yield calls.clear(queue, until, position, TICKETS_A_CALL)
        cleared += count
    for line in lines_of(queue, lines):
        position = ""
        while True:
            count, until, position = yield calls.clear(queue, until, position, TICKETS_A_CALL, line=line)
            cleared += count
            if not position:
                break
    return cleared


def snapshot_plan(calls: Calls, queue: str) -> Plan[list[Ticket]]:
    """Every waiting ticket once, lowest rating first; consistent within a page of :data:`PAGE_TICKETS`."""
    lines, (page, position) = yield from _both(calls.lines(), calls.snapshot(queue, "", PAGE_TICKETS))
    tickets: dict[str, Ticket] = {ticket.id: ticket for ticket in page}
    while position:
        page, position = yield calls.snapshot(queue, position, PAGE_TICKETS)
        tickets.update((ticket.id, ticket) for ticket in page)
    constrained = lines_of(queue, lines)
    for line in constrained:
        position = ""
        while True:
            page, position = yield calls.snapshot(queue, position, PAGE_TICKETS, line=line)
            tickets.update((ticket.id, ticket) for ticket in page)
            if not position:
                break
    found = list(tickets.values())
    return sorted(found, key=lambda ticket: (ticket.rating, ticket.id)) if constrained else found


def first_page(calls: Calls, player: str, after: str) -> Call[History]:
    """The newest part of the player's history after ``after``; with "" the events of the latest ticket, and no more."""
    return calls.history(player, after, "", HISTORY_TICKETS if after else 1)


def whole_history(calls: Calls, player: str, after: str, first: History) -> Plan[History]:
    """The rest of a history whose newest page is ``first``, all of it in order."""
    events, last = list(first.events), first
    while last.end is Reply.MORE:
        last = yield calls.history(player, after, last.further, HISTORY_TICKETS)
        events = [*last.events, *events]
    events.sort(key=lambda event: event_order(event.id))
    return History(last.end, last.floor_ms, first.now_ms, "", tuple(events))


def history_plan(calls: Calls, player: str, after: str) -> Plan[History]:
    """The player's events after ``after``, however many, or those of the latest ticket."""
    first: History = yield first_page(calls, player, after)
    return (yield from whole_history(calls, player, after, first))
