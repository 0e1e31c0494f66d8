"""The life of one player: it listens and enqueues, waits, perhaps gives up or goes away and comes back, and is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from matchmaker import errors
from matchmaker.aio import Listener, Matchmaker
from matchmaker.demo.arrivals import Arrival, Behaviour
from matchmaker.demo.messages import News
from matchmaker.model import Event, EventKind, TicketState

LINGER_SECONDS = 1.0
"""A player keeps listening for so long after the end of its ticket: an event that came twice would be heard."""


class Life:
    """One player. ``run`` ends a while after its ticket has, or when the player is sent home.

    ``news`` answers where to write down what happens; it may be another one every time.
    """

    __slots__ = (
        "_arrival",
        "_cancelling",
        "_got",
        "_home",
        "_listener",
        "_mm",
        "_news",
        "_over",
        "_queue",
        "_since_ms",
    )

    def __init__(self, mm: Matchmaker, queue: str, arrival: Arrival, news: Callable[[], News]) -> None:
        self._mm = mm
        self._queue = queue
        self._arrival = arrival
        self._news = news
        self._listener: Listener | None = None
        self._since_ms = 0.0
        self._got: list[str] = []
        self._cancelling = False
        self._over = False
        self._home = asyncio.Event()

    async def go_home(self, *, hear_out: bool) -> None:
        """The demo is over: the player stops listening, unless it may ``hear_out`` the end of a ticket it knows of."""
        self._home.set()
        if self._listener is not None and not (hear_out and (self._over or self._cancelling)):
            await self._listener.close()

    async def run(self, due: float) -> None:
        """The whole life; ``due`` is the moment at which it was to begin, in monotonic seconds."""
        self._news().lag_ms.append(_ms(time.monotonic() - due))
        try:
            if self._arrival.listens_first:
                await self._listen()
            await self._enqueue()
            if not self._arrival.listens_first:
                await self._listen()
            await self._wait()
        except errors.ListenerClosed:
            pass  # sent home
        except errors.MatchmakerError as error:
            self._news().faults.append(f"{self._arrival.player}: {error}")
        finally:
            if self._listener is not None:
                await self._listener.close()
            self._news().finished.append((self._arrival.player, self._got))

    async def _enqueue(self) -> None:
        asked = time.monotonic()
        arrival = self._arrival
        terms: dict[str, Any] = {"rating": arrival.rating}
        if arrival.sides:
            terms = {"sides": arrival.sides, "vetoes": arrival.vetoes or None}
        await self._mm.enqueue(self._queue, arrival.player, **terms)
        news = self._news()
        news.enqueue_ms.append(_ms(time.monotonic() - asked))
        news.came += 1

    async def _listen(self, after: str = "") -> None:
        self._since_ms = 1000 * time.time()
        self._listener = await self._mm.listen(self._arrival.player, after)
        if self._home.is_set():
            raise errors.ListenerClosed("sent home before it listened")

    async def _wait(self) -> None:
        if self._arrival.behaviour is Behaviour.WAITS:
            await self._hear_out()
            return
        until = time.monotonic() + self._arrival.after_s
        while not self._over and (seconds := until - time.monotonic()) > 0:
            await self._next(seconds)
        if not self._over:
            await (self._cancel() if self._arrival.behaviour is Behaviour.CANCELS else self._leave())
        await self._hear_out()

    async def _cancel(self) -> None:
        self._cancelling = True
        ticket = await self._mm.cancel_player(self._arrival.player)
        self._news().late += ticket.state is not TicketState.CANCELLED

    async def _leave(self) -> None:
        """Gone, and back with the id of the last event: everything since then must come, once."""
        cursor = ""
        if self._listener is not None:
            await self._listener.close()
            cursor, self._listener = self._listener.cursor, None
        try:
            async with asyncio.timeout(self._arrival.away_s):
                await self._home.wait()
        except TimeoutError:
            await self._listen(cursor)
            self._news().resumed += 1

    async def _hear_out(self) -> None:
        """Takes events until the ticket has ended, and then what should not come any more."""
        while not self._over:
            await self._next(None)
        until = time.monotonic() + LINGER_SECONDS
        while (seconds := until - time.monotonic()) > 0:
            await self._next(seconds)

    async def _next(self, seconds: float | None) -> None:
        if self._listener is None:
            raise errors.ListenerClosed("sent home while away")
        event = await self._listener.get(seconds)
        if event is not None:
            self._take(event)

    def _take(self, event: Event) -> None:
        self._got.append(event.id)
        if event.kind is EventKind.ENQUEUED:
            return
        self._over = True
        if event.match is None:
            return
        if event.at_ms < self._since_ms:
            self._news().caught_up += 1
        else:
            self._news().doorbell_ms.append(round(1000 * time.time() - event.at_ms, 3))


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 3)
