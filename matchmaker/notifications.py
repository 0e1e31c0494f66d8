"""NotificationService: every event of a player, once, in order, over one connection for all listeners of a process.

For threads; ``matchmaker.aio`` has its asyncio twin over the same core (``doorbell.py``, ``inbox.py``).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import redis
from redis import exceptions
from redis.backoff import ExponentialWithJitterBackoff

from matchmaker import errors
from matchmaker.calls import Calls
from matchmaker.doorbell import (
    AGAIN_SECONDS,
    ANSWER_SECONDS,
    CHANNELS_A_COMMAND,
    PING_SECONDS,
    Switchboard,
    connection_settings,
    readings_plan,
)
from matchmaker.inbox import Inbox, alive_clock
from matchmaker.model import Event, checked_text
from matchmaker.runner import Runner

CLOSING_SECONDS = 2.0
"""How long closing waits for its threads: a server that hangs must not hang its clients' end."""


def _once(*_args: object, **_kwargs: object) -> None:
    raise exceptions.ConnectionError("the doorbell was closed")


class Listener:
    """The events of one player. Iterate it, or :meth:`get` one; ``cursor`` is the last one read, to resume after."""

    def __init__(self, service: NotificationService, player: str, after: str) -> None:
        self.cursor = after
        self._service = service
        self._queue: queue.Queue[Event | errors.MatchmakerError] = queue.Queue()
        self.inbox = Inbox(player, self._queue.put, self._queue.qsize, after)
        self._over: errors.MatchmakerError | None = None

    @property
    def player(self) -> str:
        """Whose events these are."""
        return self.inbox.player

    def ready(self, timeout: float) -> bool:
        """Waits until everything that happened before is in the listener; answers whether it is in ``timeout`` s."""
        return self._service.wait_synced(self.inbox, timeout)

    def get(self, timeout: float | None = None) -> Event | None:
        """The next event; None when none came within ``timeout`` seconds (None waits for ever).

        :raises EventsLost: what follows the cursor may be older than the realm remembers; the listener is over.
        :raises ListenerClosed: it was closed.
        """
        if self._queue.empty():
            self._service.caught_up(self.inbox)
        if self._over is not None and self._queue.empty():
            raise self._over
        try:
            event = self._queue.get(timeout=None if timeout is None else max(0.0, timeout))
        except queue.Empty:
            return None
        if isinstance(event, errors.MatchmakerError):
            self._over = event
            self._queue.put(event)  # for whoever else waits
            raise event
        self.cursor = event.id
        return event

    def __iter__(self) -> Iterator[Event]:
        """Events until the listener is closed."""
        while True:
            try:
                event = self.get()
            except errors.ListenerClosed:
                return
            if event is not None:
                yield event

    def close(self) -> None:
        """Ends the listener; whoever waits in it is told."""
        self._service.unsubscribe(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


class NotificationService:
    """Listeners of one realm. Two threads of its own, from the first subscription on: one hears the doorbell, one reads
    from the realm what the doorbell cannot vouch for."""

    def __init__(self, client: redis.Redis, realm: str = "main") -> None:
        self._client = client
        self._runner = Runner(client)
        self._calls = Calls(checked_text("realm", realm))
        self._changed = threading.Condition()
        self._board = Switchboard(self._calls.keys, self._changed.notify_all)
        self._connection: Any = None
        self._connected = False
        self._sending = threading.RLock()
        self._threads: list[threading.Thread] = []
        self._closing = False

    # -- verbs -----------------------------------------------------------------------------------------------------

    def subscribe(self, player: str, after: str = "") -> Listener:
        """Listens to a player: from the latest ticket's first event on, or to all that follow the event ``after``."""
        checked = checked_text("player", player)
        listener = Listener(self, checked, checked_text("after", after) if after else "")
        with self._sending:  # decided and sent in one order
            with self._changed:
                if self._closing:
                    raise errors.ListenerClosed("the notification service is closed")
                channel = self._board.add(listener.inbox)
                self._start()
            if channel is not None:
                self._send("SUBSCRIBE", channel)
        return listener

    def unsubscribe(self, listener: Listener) -> None:
        """Ends one listener. Twice is once."""
        with self._sending:
            with self._changed:
                listener.inbox.fail(errors.ListenerClosed("the listener is closed"))
                channel = self._board.remove(listener.inbox)
                self._changed.notify_all()
            if channel is not None:
                self._send("UNSUBSCRIBE", channel)

    def publish_match_found(self, match_id: str) -> int:
        """Rings the doorbell of a match again; listeners that have it take no notice. Answers how many were rung.

        The pass itself has rung it, in the step that made the match: this is for operators and tests.
        """
        return self._runner.call(self._calls.ring(checked_text("after", match_id)))

    @property
    def subscriber_count(self) -> int:
        """How many listeners this process has."""
        with self._changed:
            return len(self._board)

    def clear_all(self) -> int:
        """Ends every listener; answers how many there were."""
        with self._changed:
            inboxes = self._board.everyone()
            channels = []
            for inbox in inboxes:
                inbox.fail(errors.ListenerClosed("the listener is closed"))
                channel = self._board.remove(inbox)
                if channel is not None:
                    channels.append(channel)
            self._changed.notify_all()
        for i in range(0, len(channels), CHANNELS_A_COMMAND):
            self._send("UNSUBSCRIBE", *channels[i : i + CHANNELS_A_COMMAND])
        return len(inboxes)

    def close(self) -> None:
        """Ends every listener and both threads."""
        with self._changed:
            self._closing = True  # first: nobody subscribes behind clear_all's back
        self.clear_all()
        self._send("PING")  # its answer wakes the hearing thread; closing the socket under it would be a race
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(CLOSING_SECONDS)
        self._threads.clear()

    # -- for listeners ---------------------------------------------------------------------------------------------

    def wait_synced(self, inbox: Inbox, timeout: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: inbox.synced or inbox.closed or inbox.behind, timeout)

    def caught_up(self, inbox: Inbox) -> None:
        with self._changed:
            if inbox.caught_up():
                self._board.ask(inbox)

    # -- threads ---------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        if not self._threads:
            for name, work in (("doorbell", self._hear_for_ever), ("reading", self._read_for_ever)):
                thread = threading.Thread(target=work, name=f"matchmaker-{name}", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _send(self, *command: str) -> None:
        """Best effort: at every connection the doorbell's own thread subscribes to all that is wanted by then."""
        with self._sending:
            if self._connected:
                try:
                    self._connection.send_command(*command)
                except (exceptions.ConnectionError, exceptions.TimeoutError, OSError):
                    self._connected = False  # the hearing thread meets the same fault and starts anew

    def _hear_for_ever(self) -> None:
        pool = self._client.connection_pool
        pause = ExponentialWithJitterBackoff(base=0.05, cap=2.0)
        failures = 0
        while not self._closing:
            # Reads wait in can_read; what they find, and a greeting, is there or comes at once.
            settings = {**connection_settings(pool.connection_kwargs), "socket_timeout": ANSWER_SECONDS}
            connection = pool.connection_class(**settings)
            try:
                connection.connect()
                connection.connect_check_health = _once  # can_read would connect anew, subscribed to nothing
                self._open(connection)
                failures = 0
                while not self._closing:
                    self._hear(connection)
            except (exceptions.RedisError, OSError):
                failures += 1
            finally:
                with self._sending:
                    self._connected = False
                connection.disconnect()
                with self._changed:
                    self._board.disconnected()
                    if failures and not self._closing:
                        self._changed.wait_for(lambda: self._closing, pause.compute(failures))

    def _open(self, connection: Any) -> None:
        with self._sending:
            with self._changed:
                self._connection = connection
                self._board.last_alive = alive_clock()
                channels = self._board.channels()
            for i in range(0, len(channels), CHANNELS_A_COMMAND):
                connection.send_command("SUBSCRIBE", *channels[i : i + CHANNELS_A_COMMAND])
            self._connected = True

    def _hear(self, connection: Any) -> None:
        try:
            reply = connection.read_response(disable_decoding=True) if connection.can_read(PING_SECONDS) else None
        except (TypeError, ValueError, AttributeError) as fault:
            # A sender met the fault first, and the library closed the socket under us.
            raise exceptions.ConnectionError("the doorbell was closed") from fault
        if reply is not None:
            with self._changed:
                self._board.take(reply)
            return
        if alive_clock() - self._board.last_alive > 2.5 * PING_SECONDS:
            raise exceptions.TimeoutError("the doorbell is silent")
        self._send("PING")

    def _read_for_ever(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._board.wanting)
                if self._closing:
                    return
                inboxes = self._board.next_reading()
            try:
                results = self._runner.run(readings_plan(self._calls, inboxes))
            except errors.MatchmakerError as error:
                results = [error] * len(inboxes)
            with self._changed:
                away = self._board.read(inboxes, results)
                self._changed.notify_all()
                if away:
                    self._changed.wait_for(lambda: self._closing, AGAIN_SECONDS)
