"""What must hold for one ticket and for one player: the state against itself and against the stream."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from matchmaker.checker.ledger import Ledger
from matchmaker.checker.picture import Picture, line_of
from matchmaker.checker.records import Ended, Record
from matchmaker.checker.stories import Story
from matchmaker.checker.termed import judge_places, place_text
from matchmaker.checker.violation import Code, Violation
from matchmaker.model import event_order
from matchmaker.rules.fields import to_ms


def judge_ticket(picture: Picture, ledger: Ledger, ticket: str) -> Violation | None:
    """The first thing that is wrong with a ticket; what follows from it is not told again."""
    return next(_ticket_faults(picture, ledger, ticket), None)


def judge_player(picture: Picture, ledger: Ledger, player: str) -> Violation | None:
    """The first thing that is wrong with what is stored by player, tickets aside that are wrong themselves."""
    return next(_player_faults(picture, ledger, player), None)


def _ticket_faults(picture: Picture, ledger: Ledger, ticket: str) -> Iterator[Violation]:
    def fault(code: Code, message: str) -> Violation:
        return Violation(code, f"ticket {ticket} {message}")

    told = ledger.tickets.get(ticket)
    try:
        record, ended = picture.record(ticket), picture.remembered(ticket)
        picture.terms(ticket)
    except ValueError as unreadable:
        yield fault(Code.RECORD_UNREADABLE, f"is stored as {unreadable}")
        return
    yield from (fault(*found) for found in _numbers(picture, ticket, record))
    if _twice(picture, told, ticket):
        yield fault(Code.REMEMBERED_TWICE, "is remembered in both hashes")
    if record is not None:
        if ended is not None:
            yield fault(Code.LIVE_AND_ENDED, f"waits in {record.queue!r} and is remembered as {ended.how}")
        yield from (fault(*found) for found in _live(picture, ledger, ticket, record))
    else:
        yield from (fault(*found) for found in _gone(picture, ledger, ticket, ended, told))
    on = {line_of(name)[0] for name, line in picture.lines.items() if ticket in line}
    for queue in sorted(queue for queue, moments in picture.certificates.items() if ticket in moments):
        if queue not in on:
            yield fault(Code.CERTIFICATE_GHOST, f"has a certificate in {queue!r} without standing there")


Found = tuple[Code, str]


def _twice(picture: Picture, told: Story | None, ticket: str) -> bool:
    """Whether it is remembered in both hashes. Events after its end may bring it into the newer one as well."""
    one, other = (ended.get(ticket) for ended in picture.ended)
    if one is None or other is None:
        return False
    return one != other or (told is not None and told.latest == told.end_event)


def _numbers(picture: Picture, ticket: str, record: Record | None) -> Iterator[Found]:
    """Stored numbers that no script stores."""
    stored: list[tuple[str, float]] = []
    if record is not None:
        stored += [("rating", record.rating), ("enqueued", record.enqueued_ms), ("deviation", record.deviation)]
    stored += [(f"place in {place_text(name)}", line[ticket]) for name, line in picture.lines.items() if ticket in line]
    stored += [
        (f"certificate in {queue!r}", moments[ticket])
        for queue, moments in picture.certificates.items()
        if ticket in moments
    ]
    if ticket in picture.ends:
        stored.append(("expiry", picture.ends[ticket]))
    for name, number in stored:
        if not math.isfinite(number):
            yield Code.NOT_FINITE, f"is stored with {name} {number}"


def _live(picture: Picture, ledger: Ledger, ticket: str, record: Record) -> Iterator[Found]:
    told = ledger.tickets.get(ticket)
    if record.enqueued_ms > picture.now_ms:
        yield Code.TIME_IN_FUTURE, f"is enqueued at {record.enqueued_ms:.0f}, the realm is at {picture.now_ms}"
    if told is None:
        if ledger.knows(record.event):
            yield Code.EVENT_MISSING, f"waits, but the stream has no event {record.event}"
    elif told.how:
        yield Code.ENDED_BUT_LIVE, f"waits, but {told.end_event} tells that it was {told.how}"
    elif told.event:
        newest = _newest(ledger, told.newest, record.event)
        stored = (record.player, record.queue, record.rating, record.deviation, record.enqueued_ms, record.event)
        wanted = (told.player, told.queue, told.rating, told.deviation, told.enqueued_ms, newest)
        if stored != wanted:
            yield Code.RECORD_DISAGREES, f"is stored as {stored}, its event tells {wanted}"
    yield from _chain(ledger, told, picture.retain_ms, record.prev_event, record.prev_ticket)
    yield from judge_places(picture, ticket, record, told)
    yield from _linked(picture, ticket, record)
    yield from _checked(picture, ledger, ticket)
    if ticket not in picture.checking:
        yield from _expiry(picture, ticket, record)
    elif ticket in picture.ends:
        yield Code.ENDS_GHOST, f"has an expiry in the ready check {picture.checking[ticket]}"


def _checked(picture: Picture, ledger: Ledger, ticket: str) -> Iterator[Found]:
    """The ready check it is in, if it is in one."""
    stored, told = picture.checking.get(ticket), ledger.stages.check_of.get(ticket)
    if stored != told and (told is not None or ledger.knows(stored or "")):
        yield Code.CHECKING_WRONG, f"is said to be in the ready check {stored}, the stream tells {told}"


def _linked(picture: Picture, ticket: str, record: Record) -> Iterator[Found]:
    if record.queue not in picture.queues and ticket not in picture.checking:
        yield Code.QUEUE_UNKNOWN, f"waits in {record.queue!r}, which has no rules"
    holder = picture.players.get(record.player)
    if holder != ticket:
        yield Code.PLAYER_UNLINKED, f"waits for player {record.player!r}, whose ticket is {holder}"


def _expiry(picture: Picture, ticket: str, record: Record) -> Iterator[Found]:
    """Its entry in ``ends``. While passes bring a line up to new rules, either rules may have set it."""
    queue = picture.queues.get(record.queue)
    if queue is None or queue.rules is None or queue.work is not None:
        return
    longest, lease = to_ms(queue.rules.expire_after_seconds), to_ms(queue.rules.heartbeat_seconds)
    found = picture.ends.get(ticket)
    latest = record.enqueued_ms + longest if longest else math.inf
    if lease:
        latest = min(latest, picture.now_ms + lease)
        wrong = found is None or found > latest
    else:
        wrong = found != (latest if longest else None)
    if wrong:
        yield Code.EXPIRY_WRONG, f"expires at {found}, the rules say {latest:.0f}" + (" at the latest" if lease else "")


def _gone(picture: Picture, ledger: Ledger, ticket: str, ended: Ended | None, told: Story | None) -> Iterator[Found]:
    if ended is None:
        if told is not None and not told.how:
            yield Code.TICKET_LOST, f"of player {told.player!r} was enqueued by {told.event} and is nowhere"
        if told is not None and told.how and picture.now_ms - told.end_ms < picture.retain_ms:
            yield Code.NOT_REMEMBERED, f"was {told.how} by {told.end_event} and is forgotten"
    else:
        yield from _remembered(picture, ledger, ended, told)
    for name in sorted(name for name, line in picture.lines.items() if ticket in line):
        yield Code.LINE_GHOST, f"stands in {place_text(name)} but does not wait"
    for line in sorted(line for line, ages in picture.ages.items() if ticket in ages):
        yield Code.AGE_WRONG, f"has an age in {line!r} but does not wait"
    if ticket in picture.packed_terms:
        yield Code.TERMS_GHOST, "has terms but does not wait"
    if ticket in picture.ends:
        yield Code.ENDS_GHOST, "has an expiry but does not wait"
    if ticket in picture.checking:
        yield Code.CHECKING_WRONG, f"is said to be in the ready check {picture.checking[ticket]} but does not live"


def _remembered(picture: Picture, ledger: Ledger, ended: Ended, told: Story | None) -> Iterator[Found]:
    if ended.at_ms > picture.now_ms:
        yield Code.TIME_IN_FUTURE, f"is {ended.how} at {ended.at_ms:.0f}, the realm is at {picture.now_ms}"
    if told is None or not told.how:
        if ledger.knows(ended.end_event):
            yield Code.EVENT_MISSING, f"is remembered as {ended.how} by {ended.end_event}, which is not in the stream"
        return
    stored = (ended.how, ended.at_ms, ended.queue, ended.player, ended.event if told.event else "", ended.end_event)
    newest = _newest(ledger, told.newest, stored[4])
    wanted = (told.how, told.end_ms, told.queue, told.player, newest, told.end_event)
    if stored != wanted:
        yield Code.REMEMBERED_WRONG, f"is remembered as {stored}, its events tell {wanted}"
    yield from _chain(ledger, told, picture.retain_ms, ended.prev_event, ended.prev_ticket)


def _chain(ledger: Ledger, told: Story | None, retain_ms: int, prev_event: str, prev_ticket: str) -> Iterator[Found]:
    """The player's ending before this ticket. It may be left out only when it was forgotten already."""
    if told is None or not told.event:
        return
    if told.prev is None:
        broken = ledger.knows(prev_event) and _saw_end(ledger, prev_ticket)
    else:
        before, event, at = told.prev
        forgotten = told.enqueued_ms - at >= retain_ms and (prev_event, prev_ticket) == ("", "")
        newest = _newest(ledger, event, prev_event) if prev_ticket == before else event
        broken = (prev_event, prev_ticket) != (newest, before) and not forgotten
    if broken:
        wanted = told.prev[:2] if told.prev else None
        yield Code.CHAIN_BROKEN, f"follows ticket {prev_ticket!r} and event {prev_event!r}, the stream tells {wanted}"


def _newest(ledger: Ledger, told: str, stored: str) -> str:
    """The ticket's newest event. Of a match that began before the ledger did, nobody can say whom it rang later."""
    unsure = ledger.complete_from_ms and told and stored and event_order(stored) > event_order(told)
    return stored if unsure else told


def _saw_end(ledger: Ledger, ticket: str) -> bool:
    """Whether the ledger would hold the end of that ticket: one may be told of events long after it."""
    story = ledger.tickets.get(ticket)
    return not ledger.complete_from_ms or (story is not None and story.end_ms >= ledger.complete_from_ms)


def _player_faults(picture: Picture, ledger: Ledger, player: str) -> Iterator[Violation]:
    def fault(code: Code, message: str) -> Violation:
        return Violation(code, f"player {player!r} {message}")

    def sound(tickets: Iterable[str]) -> bool:
        return all(judge_ticket(picture, ledger, ticket) is None for ticket in tickets)

    live = picture.players.get(player)
    waits = [ticket for ticket in (live, ledger.live.get(player)) if ticket is not None]
    if live is not None and (live not in picture.records or picture.player_of(live) != player) and sound(waits):
        yield fault(Code.PLAYER_GHOST, f"is said to wait with {live}, which is not so")
    latest = ledger.last.get(player)
    for ended, last in zip(picture.ended, picture.last, strict=True):
        named = last.get(player)
        if named is not None and (named not in ended or picture.player_of(named) != player) and sound([named]):
            yield fault(Code.LAST_WRONG, f"has {named} as last ended ticket, which is not remembered there")
        if latest is not None and latest.ticket in ended and named != latest.ticket and sound([latest.ticket]):
            yield fault(Code.LAST_WRONG, f"has {named} as last ended ticket, it was {latest.ticket}")


def in_order(violations: Iterable[Violation]) -> tuple[Violation, ...]:
    """Each once, by code and message."""
    return tuple(sorted(set(violations), key=lambda violation: (violation.code, violation.message)))
