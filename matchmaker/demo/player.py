"""The life of one player: it listens and enqueues, waits, perhaps gives up or goes away and comes back, and is told."""

from __future__ import annotations

import asyncio
import time

from matchmaker import errors
from matchmaker.aio import Listener, Matchmaker
from matchmaker.demo.arrivals import Arrival, Behaviour
from matchmaker.demo.messages import News
from matchmaker.model import Event, EventKind, TicketState

LINGER_SECONDS = 1.0
"""A player keeps listening for so long after the end of its ticket: an event that came twice would be heard."""


class Life:
    """One player. ``run`` ends when its ticket has and nothing more came, or when it is sent home."""

    __slots__ = ("_arrival", "_ending", "_got", "_home", "_listener", "_listening_since", "_mm", "_news", "_queue")

    def __init__(self, mm: Matchmaker, queue: str, arrival: Arrival, news: News) -> None:
        self._mm = mm
        self._queue = queue
        self._arrival = arrival
        self._news = news
        self._listener: Listener | None = None
        self._listening_since = 0.0
        self._got: list[str] = []
        self._ending = False
        self._home = asyncio.Event()

    def use(self, news: News) -> None:
        """Where to tell from now on."""
        self._news = news

    async def go_home(self) -> None:
        """The demo is over: whoever still waits stops listening; whoever was told that its ticket ends hears it out."""
        self._home.set()
        if self._listener is not None and not self._ending:
            await self._listener.close()

    async def run(self, due: float) -> None:
        """The whole life; ``due`` is the monotonic moment of the arrival, in seconds."""
        begun = time.monotonic()
        self._news.lag_ms.append(round(1000 * (begun - due), 3))
        try:
            if self._arrival.listens_first:
                await self._listen()
            await self._arrive()
            if not self._arrival.listens_first:
                await self._listen()
            await self._wait()
        except errors.ListenerClosed:
            pass  # sent home
        except errors.MatchmakerError as error:
            self._news.faults.append(f"{self._arrival.player}: {error}")
        finally:
            if self._listener is not None:
                await self._listener.close()
            self._news.finished.append((self._arrival.player, self._got))

    async def _arrive(self) -> None:
        asked = time.monotonic()
        await self._mm.enqueue(self._queue, self._arrival.player, rating=self._arrival.rating)
        self._news.enqueue_ms.append(round(1000 * (time.monotonic() - asked), 3))
        self._news.came += 1

    async def _listen(self, after: str = "") -> None:
        self._listening_since = 1000 * time.time()
        self._listener = await self._mm.listen(self._arrival.player, after)

    async def _wait(self) -> None:
        if self._arrival.behaviour is not Behaviour.WAITS and not await self._hear(self._arrival.after_s):
            if self._arrival.behaviour is Behaviour.CANCELS:
                await self._cancel()
            else:
                await self._leave()
        await self._hear(None)
        until = time.monotonic() + LINGER_SECONDS
        while (seconds := until - time.monotonic()) > 0:
            await self._next(seconds)

    async def _cancel(self) -> None:
        self._ending = True
        ticket = await self._mm.cancel_player(self._arrival.player)
        self._news.late += ticket.state is not TicketState.CANCELLED

    async def _leave(self) -> None:
        """Gone, and back with the id of the last event: everything since then must come, once."""
        listener = self._listener
        if listener is None:
            return
        self._listener = None
        await listener.close()
        try:
            async with asyncio.timeout(self._arrival.away_s):
                await self._home.wait()
        except TimeoutError:
            await self._listen(listener.cursor)
            self._news.resumed += 1
        else:
            raise errors.ListenerClosed("sent home while away")

    async def _hear(self, seconds: float | None) -> bool:
        """Takes events until the ticket has ended; False if it has not after so many seconds (None is for ever)."""
        until = None if seconds is None else time.monotonic() + seconds
        while not self._ending:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                return False
            await self._next(left)
        return True

    async def _next(self, seconds: float | None) -> None:
        event = await self._listener.get(seconds) if self._listener is not None else None
        if event is not None:
            self._take(event)

    def _take(self, event: Event) -> None:
        self._got.append(event.id)
        if event.kind is EventKind.ENQUEUED:
            return
        self._ending = True
        if event.match is None:
            return
        if event.at_ms < self._listening_since:
            self._news.caught_up += 1
        else:
            self._news.doorbell_ms.append(round(1000 * time.time() - event.at_ms, 3))
