"""Inboxes without a server: events and histories to give them, and a listener that reads when the test says so."""

from __future__ import annotations

from collections.abc import Sequence

from matchmaker import errors
from matchmaker.inbox import Inbox
from matchmaker.model import Event, EventKind
from matchmaker.reports import History
from matchmaker.scripts import Reply


def event(number: int, prev: int | None = None) -> Event:
    """The event ``number-0`` that follows ``prev-0``; by default the one before it, none before the first."""
    before = number - 1 if prev is None else prev
    return Event(f"{number}-0", EventKind.ENQUEUED, number, "ladder", f"{before}-0" if before else "")


def history(
    events: Sequence[Event] = (), end: Reply = Reply.REACHED, *, floor_ms: int = 0, now_ms: int = 10_000
) -> History:
    return History(end, floor_ms, now_ms, "", tuple(events))


class Box(Inbox):
    """An inbox whose listener reads when the test says so."""

    def __init__(self, cursor: str = "", player: str = "ann") -> None:
        self.queue: list[Event | errors.MatchmakerError] = []
        super().__init__(player, self.queue.append, lambda: len(self.queue), cursor)

    def told(self) -> list[str]:
        """What is in the listener's queue: ids, and names of errors; taken out."""
        words = [one.id if isinstance(one, Event) else type(one).__name__ for one in self.queue]
        self.queue.clear()
        return words
