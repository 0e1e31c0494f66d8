"""Who met whom lately: what the stream tells of it, and what the realm keeps for queues with ``rematch``.

A meeting binds as long as it is remembered, and it is remembered for the ``after`` of the queue in which it was, and
among a player's last :data:`REMEMBERED`. What may be forgotten is held against nobody.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from matchmaker.checker.ledger import Ledger
from matchmaker.checker.picture import Picture
from matchmaker.checker.records import bytes_of, text_of
from matchmaker.checker.source import Commands, Source, realm_now
from matchmaker.checker.stories import Story
from matchmaker.checker.terms import read_met
from matchmaker.checker.versions import Versions
from matchmaker.checker.violation import Code, Violation
from matchmaker.model import event_order
from matchmaker.rules.fields import to_ms

REMEMBERED: Final = 32
_AT_ONCE: Final = 50


class Meeting(NamedTuple):
    """One meeting, as seen by one player. Realm ms. ``event`` is the match's."""

    other: str
    at_ms: int
    kept_ms: int
    event: str


class Meetings:
    """All meetings of a ledger's matches, by player, in order."""

    def __init__(self, ledger: Ledger, versions: Versions) -> None:
        self._ledger = ledger
        self.versions = versions
        self.of: dict[str, list[Meeting]] = defaultdict(list)
        if not versions.have_rematch:
            return
        for match in ledger.matches:
            rules = versions.of(match.queue, match.version)
            if rules is not None and rules.rematch is not None:
                kept = to_ms(rules.rematch.after_seconds)
                one, other = (ledger.tickets[ticket.ticket].player for ticket in (match.one, match.other))
                self.of[one].append(Meeting(other, match.at_ms, kept, match.event))
                self.of[other].append(Meeting(one, match.at_ms, kept, match.event))

    def remembered(self, player: str, at_ms: int) -> Iterator[Meeting]:
        """The meetings of the player that are surely remembered at that moment."""
        before = [meeting for meeting in self.of.get(player, ()) if meeting.at_ms <= at_ms]
        yield from (meeting for meeting in before[-REMEMBERED:] if at_ms - meeting.at_ms < meeting.kept_ms)

    def brought_by(self, story: Story) -> dict[str, int]:
        """Whom the ticket surely knows that its player met, and when last: nobody, where none of its queues asked."""
        if not any(self._asks(queue, story) for queue in story.queues):
            return {}
        # A ticket can come and be matched within one ms: its own match is none that it brought.
        return {
            meeting.other: meeting.at_ms
            for meeting in self.remembered(story.player, story.enqueued_ms)
            if not story.event or event_order(meeting.event) < event_order(story.event)
        }

    def _asks(self, queue: str, story: Story) -> bool:
        came_under = story.in_force.get(queue)
        rules = self.versions.of(queue, came_under[0]) if came_under else None
        return rules is not None and rules.rematch is not None

    def judge_stored(self, player: str, stored: Iterable[tuple[str, int]], at_ms: int) -> Iterator[str]:
        """What is wrong with what is kept, at that moment, of whom the player met."""
        told = {(meeting.other, meeting.at_ms) for meeting in self.of.get(player, ())}
        kept = set(stored)
        for other, at in sorted(kept - told):
            if self._ledger.knows(f"{at}-0"):
                yield f"is said to have met {other!r} at {at}, the stream tells of no such match"
        for meeting in self.remembered(player, at_ms):
            if (meeting.other, meeting.at_ms) not in kept:
                yield f"met {meeting.other!r} at {meeting.at_ms}, which is forgotten"

    def judge_terms(self, picture: Picture) -> Iterator[Violation]:
        """What waiting tickets brought of it. Neither ever changes: no second look."""
        for ticket in picture.packed_terms:
            story = self._ledger.tickets.get(ticket)
            try:
                terms = picture.terms(ticket)
            except ValueError:
                continue  # a fault of its own
            if terms is None or story is None or not story.event:
                continue
            asks = any(self._asks(queue, story) for queue in story.queues)
            if not asks and not terms.met:
                continue
            for what in self.judge_stored(story.player, terms.met, story.enqueued_ms if asks else 0):
                yield Violation(Code.MET_WRONG, f"ticket {ticket} of {story.player!r} {what}")


def judge_met(source: Source, ledger: Ledger, picture: Picture) -> Iterator[Violation]:
    """The meetings that the realm and its waiting tickets keep, against the stream."""
    versions = Versions(dict(source.hash_fields(source.keys.rules)))
    if not versions.have_rematch:
        return
    meetings = Meetings(ledger, versions)
    yield from meetings.judge_terms(picture)
    stored: dict[str, list[bytes]] = defaultdict(list)
    for key in source.keys.met:
        for player, packed in source.hash_fields(key):
            stored[text_of(player)].append(packed)
    doubtful = [player for player in {*stored, *meetings.of} if _faults(meetings, player, stored, picture.now_ms)]
    for i in range(0, len(doubtful), _AT_ONCE):
        yield from _second_look(source, ledger, doubtful[i : i + _AT_ONCE])


def _second_look(source: Source, ledger: Ledger, players: list[str]) -> Iterator[Violation]:
    commands: Commands = [*source.clock(), ("XREVRANGE", source.keys.events, "+", "-", "COUNT", 1)]
    for player in players:
        commands += [("HGET", key, bytes_of(player)) for key in source.keys.met]
    replies = source.at_once(commands)
    *clock, last = replies[: -2 * len(players)]
    if last:
        source.follow(ledger, last[0][0].decode())
    meetings = Meetings(ledger, Versions(dict(source.hash_fields(source.keys.rules))))
    stored: dict[str, list[bytes]] = {}
    for i, player in enumerate(players):
        both = replies[len(clock) + 1 + 2 * i :][:2]
        stored[player] = [packed for packed in both if packed is not None]
    for player in players:
        for fault in _faults(meetings, player, stored, realm_now(clock)[0])[:1]:
            yield Violation(fault[0], f"player {player!r} {fault[1]}")


def _faults(meetings: Meetings, player: str, stored: Mapping[str, list[bytes]], now_ms: int) -> list[tuple[Code, str]]:
    try:
        kept = [met for packed in stored.get(player, ()) for met in read_met(packed)]
    except ValueError as unreadable:
        return [(Code.RECORD_UNREADABLE, f"has meetings stored as {unreadable}")]
    return [(Code.MET_WRONG, what) for what in meetings.judge_stored(player, kept, now_ms)]
