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
    moment,
)
from matchmaker.model import Ticket, TicketRequest, TicketState, event_order
from matchmaker.recording import recording_plan
from matchmaker.reports import Elsewhere, History, PassReport, QueueChange, QueueStats, RealmStats, StoredRules
from matchmaker.rules import QueueRules
from matchmaker.scripts import Reply


def _chunks(requests: Sequence[TicketRequest]) -> list[list[TicketRequest]]:
    """Runs of requests, each small enough for one call in number and in data."""
    chunks: list[list[TicketRequest]] = []
    room = 0
    for request in requests:
        weight = len(request.data)
        if not chunks or len(chunks[-1]) == TICKETS_A_CALL or weight > room:
            chunks.append([])
            room = DATA_A_CALL
        chunks[-1].append(request)
        room -= weight
    return chunks


Answer = Ticket | errors.MatchmakerError


def _each(chunk: Sequence[TicketRequest], reply: Any) -> list[Answer]:
    """What a call says of each of its tickets; a call that was refused refuses them all."""
    return [reply] * len(chunk) if isinstance(reply, errors.MatchmakerError) else reply


def _looked_up(calls: Calls, queue: str, requests: Sequence[TicketRequest]) -> Plan[list[Answer] | None]:
    """The same again for tickets whose rating the realm does not have, once the database told it; None without one.

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
        batch: Batch[Any] = Batch([*remembered, calls.enqueue(queue, chunk)])
        replies = yield batch
        again += _each(chunk, replies[-1])
    answers = iter(again)
    known = (found[request.player] for request in requests)
    return [one if isinstance(one, errors.MatchmakerError) else next(answers) for one in known]


def _with_lookup(
    calls: Calls, queue: str, requests: Sequence[TicketRequest], answers: Sequence[Answer]
) -> Plan[list[Answer]]:
    """The answers, with those in place of "rating unknown" that a lookup brings."""
    unknown = [i for i, answer in enumerate(answers) if isinstance(answer, errors.RatingUnknown)]
    if not unknown:
        return list(answers)
    try:
        again = yield from _looked_up(calls, queue, [requests[i] for i in unknown])
    except errors.MatchmakerError as error:
        again = [error] * len(unknown)
    better = dict(zip(unknown, again, strict=True)) if again is not None else {}
    return [better.get(i, answer) for i, answer in enumerate(answers)]


def enqueue_plan(calls: Calls, queue: str, requests: Sequence[TicketRequest]) -> Plan[list[Answer]]:
    """All tickets, in as many calls as it takes."""
    chunks = _chunks(requests)
    answers: list[Answer] = []
    for i in range(0, len(chunks), CALLS_A_BATCH):
        sent = chunks[i : i + CALLS_A_BATCH]
        replies = yield Batch([calls.enqueue(queue, chunk) for chunk in sent])
        for chunk, reply in zip(sent, replies, strict=True):
            answers += _each(chunk, reply)
    return (yield from _with_lookup(calls, queue, requests, answers))


def enqueue_one_plan(calls: Calls, queue: str, request: TicketRequest) -> Plan[Ticket]:
    first: list[Answer] = yield calls.enqueue(queue, [request])
    (answer,) = yield from _with_lookup(calls, queue, [request], first)
    if isinstance(answer, errors.MatchmakerError):
        raise answer
    return answer


def cancel_plan(calls: Calls, queue: str, kind: str, id_: str, reason: str) -> Plan[Ticket]:
    """Asks the line that is likely, then the one that was named instead. A ticket never changes its queue, so a third
    question only follows when a player's ticket ended and a new one began elsewhere in between."""
    while True:
        answer: Ticket | Elsewhere = yield calls.cancel(queue, kind, id_, reason)
        if isinstance(answer, Ticket):
            return answer
        queue = answer.queue


def get_player_plan(calls: Calls, queue: str, player: str) -> Plan[Ticket | None]:
    """The player's ticket if it waits in this queue."""
    try:
        ticket: Ticket = yield calls.status("player", player)
    except errors.UnknownTicket:
        return None
    return ticket if ticket.state is TicketState.WAITING and ticket.queue == queue else None


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
    to do in the line, that work and another pass."""
    first: PassReport = yield calls.match_pass(queue, ahead=True, shown=shown)
    if not first.work:
        return first
    while True:
        tended: PassReport = yield calls.tend(queue)
        if not tended.work:
            break
    second: PassReport = yield calls.match_pass(queue, ahead=True, shown=shown)
    return replace(
        second,
        looked=first.looked + second.looked,
        made=first.made + second.made,
        value=first.value + second.value,
        matches=(first.matches + second.matches)[:shown],
    )


def stats_plan(calls: Calls) -> Plan[RealmStats]:
    """Counts of the realm; each number is right, together they are not one moment."""
    meta: dict[str, str] = yield calls.meta()
    if not meta:
        raise errors.UnknownRealm(calls.realm)
    stored: dict[str, StoredRules] = yield calls.stored_rules()
    keys = calls.keys
    sizes: list[int] = yield Batch([calls.size(queue) for queue in stored])
    moments: list[int | None] = yield Batch(
        [Command(("ZSCORE", keys.due, queue), lambda score: moment(str(score or ""))) for queue in stored]
    )
    events: int = yield Command(("XLEN", keys.events), int)
    clock: str = yield Command(("GET", keys.clock), str)
    jumps, absorbed = (int(part) for part in clock.split()[2:])
    recording = yield from recording_plan(calls)
    queues = tuple(
        QueueStats(queue, held.version, size, moment, held.closing)
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


def clear_plan(calls: Calls, queue: str) -> Plan[int]:
    """Cancels what waits in the queue now; tickets that come meanwhile stay."""
    cleared, until, position = 0, "", ""
    while True:
        count: int
        count, until, position = yield calls.clear(queue, until, position, TICKETS_A_CALL)
        cleared += count
        if not position:
            return cleared


def snapshot_plan(calls: Calls, queue: str) -> Plan[list[Ticket]]:
    """Every waiting ticket once, lowest rating first; consistent within a page of :data:`PAGE_TICKETS`."""
    tickets: dict[str, Ticket] = {}
    position = ""
    while True:
        page, position = yield calls.snapshot(queue, position, PAGE_TICKETS)
        tickets.update((ticket.id, ticket) for ticket in page)
        if not position:
            return list(tickets.values())


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
