"""NotificationService in an event loop; see ``matchmaker.notifications``, over the same core."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

import redis.asyncio
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
from matchmaker.runner import AsyncRunner


class Listener:
    """The events of one player, an ``asyncio.Queue`` behind it; see :class:`matchmaker.notifications.Listener`."""

    def __init__(self, service: NotificationService, player: str, after: str) -> None:
        self.cursor = after
        self._service = service
        self._queue: asyncio.Queue[Event | errors.MatchmakerError] = asyncio.Queue()
        self.inbox = Inbox(player, self._queue.put_nowait, self._queue.qsize, after)
        self._over: errors.MatchmakerError | None = None

    @property
    def player(self) -> str:
        return self.inbox.player

    async def ready(self, timeout: float) -> bool:
        """Waits until everything that happened before is in the listener; answers whether it is in ``timeout`` s."""
        return await self._service.wait_synced(self.inbox, timeout)

    async def get(self, timeout: float | None = None) -> Event | None:
        """The next event; None when none came within ``timeout`` seconds (None waits for ever).

        :raises EventsLost: what follows the cursor may be older than the realm remembers; the listener is over.
        :raises ListenerClosed: it was closed.
        """
        if self._queue.empty():
            self._service.caught_up(self.inbox)
            if self._over is not None:
                raise self._over
        try:
            async with asyncio.timeout(timeout):
                event = await self._queue.get()
        except TimeoutError:
            return None
        if isinstance(event, errors.MatchmakerError):
            self._over = event
            self._queue.put_nowait(event)
            raise event
        self.cursor = event.id
        return event

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Events until the listener is closed."""
        while True:
            try:
                event = await self.get()
            except errors.ListenerClosed:
                return
            if event is not None:
                yield event

    async def close(self) -> None:
        """Ends the listener; whoever waits in it is told."""
        await self._service.unsubscribe(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.close()


class NotificationService:
    """Listeners of one realm in one event loop; see :class:`matchmaker.notifications.NotificationService`.

    Three tasks of its own, from the first subscription on: one hears the doorbell, one tries it when it is quiet, one
    reads from the realm what it cannot vouch for.
    """

    def __init__(self, client: redis.asyncio.Redis, realm: str = "main") -> None:
        self._client = client
        self._runner = AsyncRunner(client)
        self._calls = Calls(checked_text("realm", realm))
        self._wanted = asyncio.Event()
        self._synced = asyncio.Condition()
        self._board = Switchboard(self._calls.keys, self._wanted.set)
        self._connection: Any = None
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False

    # -- verbs -----------------------------------------------------------------------------------------------------

    async def subscribe(self, player: str, after: str = "") -> Listener:
        """Listens to a player: from the latest ticket's first event on, or to all that follow the event ``after``."""
        if self._closing:
            raise errors.ListenerClosed("the notification service is closed")
        checked = checked_text("player", player)
        listener = Listener(self, checked, checked_text("after", after) if after else "")
        channel = self._board.add(listener.inbox)
        if not self._tasks:
            works = (self._hear_for_ever(), self._try_when_quiet(), self._read_for_ever())
            self._tasks = [asyncio.create_task(work) for work in works]
        if channel is not None:
            try:
                await self._send("SUBSCRIBE", channel)
            except asyncio.CancelledError:
                self._board.remove(listener.inbox)  # nobody will ever hold this listener
                raise
        return listener

    async def unsubscribe(self, listener: Listener) -> None:
        """Ends one listener. Twice is once."""
        listener.inbox.fail(errors.ListenerClosed("the listener is closed"))
        channel = self._board.remove(listener.inbox)
        if channel is not None:
            await self._send("UNSUBSCRIBE", channel)
        await self._tell_waiting()

    async def publish_match_found(self, match_id: str) -> int:
        """Rings the doorbell of a match again; listeners that have it take no notice."""
        return await self._runner.call(self._calls.ring(checked_text("after", match_id)))

    @property
    def subscriber_count(self) -> int:
        """How many listeners this service has."""
        return len(self._board)

    async def clear_all(self) -> int:
        """Ends every listener; answers how many there were."""
        inboxes = self._board.everyone()
        channels = []
        for inbox in inboxes:
            inbox.fail(errors.ListenerClosed("the listener is closed"))
            channel = self._board.remove(inbox)
            if channel is not None:
                channels.append(channel)
        for i in range(0, len(channels), CHANNELS_A_COMMAND):
            await self._send("UNSUBSCRIBE", *channels[i : i + CHANNELS_A_COMMAND])
        await self._tell_waiting()
        return len(inboxes)

    async def close(self) -> None:
        """Ends every listener and the tasks."""
        # First: nobody subscribes behind clear_all's back. The tasks look at it too, for before Python 3.12 the client
        # library sometimes swallows a cancellation.
        self._closing = True
        await self.clear_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    # -- for listeners ---------------------------------------------------------------------------------------------

    async def wait_synced(self, inbox: Inbox, timeout: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout), self._synced:
                await self._synced.wait_for(lambda: inbox.synced or inbox.closed or inbox.behind)
                return True
        return False

    async def _tell_waiting(self) -> None:
        async with self._synced:
            self._synced.notify_all()

    def caught_up(self, inbox: Inbox) -> None:
        if inbox.caught_up():
            self._board.ask(inbox)

    # -- tasks -----------------------------------------------------------------------------------------------------

    async def _send(self, *command: str) -> None:
        """Best effort: at every connection the hearing task subscribes to all that is wanted by then."""
        if self._connection is not None:
            with contextlib.suppress(exceptions.ConnectionError, exceptions.TimeoutError, OSError):
                await self._connection.send_command(*command)

    async def _hear_for_ever(self) -> None:
        pool = self._client.connection_pool
        pause = ExponentialWithJitterBackoff(base=0.05, cap=2.0)
        failures = 0
        while not self._closing:
            connection: Any = pool.connection_class(**connection_settings(pool.connection_kwargs))
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await connection.connect()
                await self._open(connection)
                failures = 0
                while not self._closing:
                    self._board.take(await connection.read_response(disable_decoding=True))
            except (exceptions.RedisError, OSError):
                failures += 1
            finally:
                self._connection = None
                self._board.disconnected()
                await connection.disconnect(nowait=True)
            await asyncio.sleep(pause.compute(failures))

    async def _open(self, connection: Any) -> None:
        channels = self._board.channels()
        # From here on _send adds to it; nothing awaits in between, so no channel falls through.
        self._connection = connection
        self._board.last_alive = alive_clock()
        for i in range(0, len(channels), CHANNELS_A_COMMAND):
            await connection.send_command("SUBSCRIBE", *channels[i : i + CHANNELS_A_COMMAND])

    async def _try_when_quiet(self) -> None:
        while not self._closing:
            await asyncio.sleep(PING_SECONDS)
            silent = alive_clock() - self._board.last_alive
            if self._connection is not None and silent > 2.5 * PING_SECONDS:
                await self._connection.disconnect(nowait=True)
            elif silent > 0.9 * PING_SECONDS:
                await self._send("PING")

    async def _read_for_ever(self) -> None:
        while not self._closing:
            await self._wanted.wait()
            self._wanted.clear()
            while self._board.wanting:
                inboxes = self._board.next_reading()
                results: list[Any]
                try:
                    results = await self._runner.run(readings_plan(self._calls, inboxes))
                except errors.MatchmakerError as error:
                    results = [error] * len(inboxes)
                away = self._board.read(inboxes, results)
                await self._tell_waiting()
                if away:
                    await asyncio.sleep(AGAIN_SECONDS)
