"""What a listener knows, and how a gap is closed: no I/O in here.

Pub/sub is the doorbell, state is the truth. A message is delivered at once when it follows the last event the listener
has. Whenever that cannot be known (a new subscription, a reconnection, a message whose ``prev`` is another) the
listener's player is read from the realm, and what was missed is delivered in order. Messages that come meanwhile are
not kept, only the newest id of those since the reading began: if it is not in there, the player is read again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from matchmaker import errors
from matchmaker.model import Event, event_order
from matchmaker.reports import History
from matchmaker.scripts import Reply

MOST_UNREAD = 1000
"""Events kept for a listener that does not read; past that they stay in the realm until it does."""

_BEGINNING = "0-0"


def alive_clock() -> float:
    """Seconds that also count while the machine sleeps, where the system can tell."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@dataclass(slots=True)
class Inbox:
    """The events of one player for one listener, every one once, in order.

    ``deliver`` puts an event or a final error into the listener's queue, ``unread`` says how many are in there. The
    inbox starts out of sync: the owner reads the player's history (after ``cursor``) and hands it to
    :meth:`synchronise`.
    """

    player: str
    deliver: Callable[[Event | errors.MatchmakerError], None]
    unread: Callable[[], int]
    cursor: str = ""
    synced: bool = False
    closed: bool = False
    behind: bool = False
    silent_since: float | None = None
    _newest_seen: str = _BEGINNING
    _ever_synced: bool = field(default=False, init=False)
    _fresh: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._fresh = self.cursor == ""

    def receive(self, event: Event) -> bool:
        """Takes a message; answers whether the player must be read from the realm."""
        if self.closed:
            return False
        if event_order(event.id) > event_order(self._newest_seen):
            self._newest_seen = event.id
        if not self.synced:
            return False
        if event_order(event.id) <= event_order(self.cursor):
            return False
        # An event without a predecessor follows everything: this connection has carried all since the last reading.
        if event.prev not in ("", self.cursor):
            self.lose_sync(alive_clock())
            return True
        self._hand_over(event)
        return False

    def lose_sync(self, since: float) -> None:
        """Messages may have been missed since then, a moment of :func:`alive_clock`."""
        self.synced = False
        if self.silent_since is None:
            self.silent_since = since

    def begin_reading(self) -> None:
        """The player is about to be read: what was heard up to now will be in it, unless it is somebody else's."""
        self._newest_seen = _BEGINNING

    def synchronise(self, history: History) -> bool:
        """Takes the player's history after ``cursor``; answers whether it must be read once more."""
        if self.closed:
            return False
        if self._may_have_lost(history):
            self.fail(errors.EventsLost(self.player, self.cursor))
            return False
        self._fresh = False
        self._ever_synced = True
        self.silent_since = None
        self.cursor = self.cursor or _BEGINNING
        self.synced = True
        for event in history.events:
            if event_order(event.id) > event_order(self.cursor):
                self._hand_over(event)
        if self.synced and event_order(self._newest_seen) > event_order(self.cursor):
            self.lose_sync(alive_clock())
            return True
        return False

    def caught_up(self) -> bool:
        """The listener has read all it was handed; answers whether more waits for it in the realm."""
        if self.behind and not self.closed:
            self.behind = False
            return True
        return False

    def fail(self, error: errors.MatchmakerError) -> None:
        """Ends the listener with an error, behind what it has not read yet."""
        if not self.closed:
            self.closed = True
            self.deliver(error)

    def _hand_over(self, event: Event) -> None:
        if self.behind or self.unread() >= MOST_UNREAD:
            self.behind = True
            self.lose_sync(alive_clock())
            return
        self.cursor = event.id
        self.deliver(event)

    def _may_have_lost(self, history: History) -> bool:
        if self._fresh or history.end is Reply.REACHED:
            return False
        if history.events and history.events[0].prev == self.cursor:
            return False
        if event_order(self.cursor)[0] >= history.floor_ms and self.cursor != _BEGINNING:
            return False
        if not self._ever_synced:
            return history.floor_ms > 0 or history.end is Reply.FORGOTTEN
        silent_ms = 0.0 if self.silent_since is None else (alive_clock() - self.silent_since) * 1000
        return history.now_ms - silent_ms < history.floor_ms
