"""What both faces of the NotificationService share: who listens to what, and what the doorbell's replies mean.

No I/O. The doorbell is one connection in subscriber mode, spoken to in RESP2, where every reply is an array whose first
element says what it is. ``SUBSCRIBE`` for everything that is wanted goes out at every connection, so its confirmations
mark each point from which on messages are complete: each one asks for a reading of the player.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from matchmaker import errors
from matchmaker.calls import Batch, Calls, Plan
from matchmaker.inbox import Inbox, alive_clock
from matchmaker.keys import Keys
from matchmaker.model import Event, checked_text, parse_message
from matchmaker.plans import first_page, whole_history
from matchmaker.reports import History
from matchmaker.scripts import Reply

PING_SECONDS = 10.0
"""A quiet doorbell is tried this often; two silent pings in a row mean that it is dead."""

ANSWER_SECONDS = 5.0
"""A connection that was taken and is not answered for so long is given up."""

CHANNELS_A_COMMAND = 500
PLAYERS_A_READING = 50
"""Players read in one pipelined batch; a history costs the server some 10 µs."""

AGAIN_SECONDS = 0.2
"""The pause before a server that refused a reading is asked again: a busy one answers at once, that it is busy."""


def connection_settings(kwargs: dict[str, Any]) -> dict[str, Any]:
    """The connection arguments of the caller's client, made fit for the doorbell: RESP2, bytes, no time limit on
    reads, and no retries hidden below us (a reconnection must be seen)."""
    changed: dict[str, Any] = {
        "protocol": 2,
        "decode_responses": False,
        "socket_timeout": None,
        "health_check_interval": 0,
        "retry": None,
        "retry_on_error": [],
        "retry_on_timeout": False,
    }
    dropped = (
        "maint_notifications_config",
        "maint_notifications_pool_handler",
        "oss_cluster_maint_notifications_handler",
    )
    return {**{name: value for name, value in kwargs.items() if name not in dropped}, **changed}


def read_message(text: bytes) -> Event | None:
    """The event that a channel carried; None for somebody else's message on it: the realm says what is true."""
    try:
        event = parse_message(text.decode())
        if event.prev:
            checked_text("after", event.prev)
        checked_text("after", event.id)
    # Text of any shape at all: numbers too large, objects where lists belong, nesting without end.
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, errors.InvalidInput):
        return None
    return event


class Switchboard:
    """The listeners of one process, by player, and those that must be read from the realm.

    ``wake`` is called whenever somebody is added to the latter. Not thread-safe: the owner holds a lock or is alone.
    """

    def __init__(self, keys: Keys, wake: Callable[[], None]) -> None:
        self._keys = keys
        self._wake = wake
        self._inboxes: dict[str, list[Inbox]] = {}
        self._unread: dict[int, Inbox] = {}
        self._confirmed: set[str] = set()
        self.last_alive = alive_clock()

    def __len__(self) -> int:
        return sum(len(inboxes) for inboxes in self._inboxes.values())

    def channels(self) -> list[str]:
        """Every channel that is wanted."""
        return [self._keys.channel(player) for player in self._inboxes]

    def add(self, inbox: Inbox) -> str | None:
        """Takes a listener; answers the channel to subscribe to, None if it is subscribed to or about to be."""
        others = self._inboxes.setdefault(inbox.player, [])
        others.append(inbox)
        if len(others) == 1:
            return self._keys.channel(inbox.player)
        if inbox.player in self._confirmed:
            self.ask(inbox)
        return None

    def remove(self, inbox: Inbox) -> str | None:
        """Lets a listener go; answers the channel to unsubscribe from, None while others listen to it."""
        inbox.closed = True
        self._unread.pop(id(inbox), None)
        others = self._inboxes.get(inbox.player, [])
        if inbox in others:
            others.remove(inbox)
        if others or inbox.player not in self._inboxes:
            return None
        del self._inboxes[inbox.player]
        self._confirmed.discard(inbox.player)
        return self._keys.channel(inbox.player)

    def everyone(self) -> list[Inbox]:
        return [inbox for inboxes in self._inboxes.values() for inbox in inboxes]

    def ask(self, inbox: Inbox) -> None:
        """The inbox wants to be read from the realm."""
        if not inbox.closed:
            self._unread[id(inbox)] = inbox
            self._wake()

    @property
    def wanting(self) -> bool:
        """Whether somebody is to be read."""
        return bool(self._unread)

    def disconnected(self) -> None:
        """Nothing that happens from now on is heard."""
        self._confirmed.clear()
        self._unread.clear()
        for inbox in self.everyone():
            inbox.lose_sync(self.last_alive)

    def take(self, reply: Any) -> None:
        """One reply of the doorbell."""
        self.last_alive = alive_clock()
        if not isinstance(reply, (list, tuple)) or len(reply) < 3:
            return
        player = self._keys.player_of(bytes(reply[1]).decode())
        if reply[0] == b"subscribe" and player in self._inboxes:
            self._confirmed.add(player)
            for inbox in self._inboxes[player]:
                self.ask(inbox)
        elif reply[0] == b"message":
            self._ring(self._inboxes.get(player, ()), bytes(reply[2]))

    def _ring(self, inboxes: Iterable[Inbox], text: bytes) -> None:
        event = read_message(text)
        for inbox in list(inboxes):
            if event is None:
                inbox.lose_sync(alive_clock())
            if event is None or inbox.receive(event):
                self.ask(inbox)

    def next_reading(self) -> list[Inbox]:
        """Inboxes to read now, at most :data:`PLAYERS_A_READING`."""
        chosen = list(self._unread.values())[:PLAYERS_A_READING]
        for inbox in chosen:
            del self._unread[id(inbox)]
            inbox.begin_reading()
        return chosen

    def read(self, inboxes: Sequence[Inbox], results: Sequence[History | errors.MatchmakerError]) -> bool:
        """What the reading brought. A refusal ends the listener; a server that was away is asked again later. Answers
        whether it was: then rest for :data:`AGAIN_SECONDS`."""
        for inbox, result in zip(inboxes, results, strict=True):
            if isinstance(result, errors.ServerUnavailable):
                self.ask(inbox)
            elif isinstance(result, errors.MatchmakerError):
                inbox.fail(result)
            elif inbox.player in self._confirmed and inbox.synchronise(result):
                self.ask(inbox)
        return any(isinstance(result, errors.ServerUnavailable) for result in results)


def readings_plan(calls: Calls, inboxes: Sequence[Inbox]) -> Plan[list[History | errors.MatchmakerError]]:
    """Each inbox's player read in one batch; the few with long histories go on one by one."""
    firsts = yield Batch([first_page(calls, inbox.player, inbox.cursor) for inbox in inboxes])
    results: list[History | errors.MatchmakerError] = []
    for inbox, first in zip(inboxes, firsts, strict=True):
        try:
            more = isinstance(first, History) and first.end is Reply.MORE
            results.append((yield from whole_history(calls, inbox.player, inbox.cursor, first)) if more else first)
        except errors.MatchmakerError as error:
            results.append(error)
    return results
