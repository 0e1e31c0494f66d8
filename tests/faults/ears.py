"""Listeners who write down every event they are given, to be compared with the stream."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

from matchmaker import aio
from matchmaker.client import Matchmaker
from matchmaker.errors import ListenerClosed
from matchmaker.model import Event
from matchmaker.notifications import Listener
from tests.faults.ledger import Ledger

READY_SECONDS = 20.0


class Ears(Protocol):
    """What both kinds of listener offer to a test."""

    heard: dict[str, list[Event]]
    delays: list[float]

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def delay(event: Event) -> float:
    """Seconds since the event happened, for a realm whose clock never stepped."""
    return time.time() - event.at_ms / 1000


class ThreadEars:
    """One blocking listener a player, each in a thread, all over one connection."""

    def __init__(self, url: str, realm: str, players: Sequence[str]) -> None:
        self.heard: dict[str, list[Event]] = {player: [] for player in players}
        self.delays: list[float] = []
        self._mm = Matchmaker(url, realm)
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        for player in self.heard:
            listener = self._mm.listen(player)
            assert listener.ready(READY_SECONDS), f"the listener of {player} is not ready"
            thread = threading.Thread(target=self._hear, args=(listener,))
            self._threads.append(thread)
            thread.start()
        return self

    def _hear(self, listener: Listener) -> None:
        for event in listener:
            self.delays.append(delay(event))
            self.heard[listener.player].append(event)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._mm.close()
        for thread in self._threads:
            thread.join(READY_SECONDS)


class AsyncEars:
    """One asyncio listener a player, all over one connection, in an event loop of their own thread."""

    def __init__(self, url: str, realm: str, players: Sequence[str]) -> None:
        self.heard: dict[str, list[Event]] = {player: [] for player in players}
        self.delays: list[float] = []
        self._url, self._realm = url, realm
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    async def _run(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with aio.Matchmaker(self._url, self._realm) as mm, asyncio.TaskGroup() as group:
            listeners = [await mm.listen(player) for player in self.heard]
            for listener in listeners:
                assert await listener.ready(READY_SECONDS), f"the listener of {listener.player} is not ready"
                group.create_task(self._hear(listener))
            self._ready.set()
            await self._over.wait()
            for listener in listeners:
                await listener.close()

    async def _hear(self, listener: aio.Listener) -> None:
        try:
            while (event := await listener.get()) is not None:
                self.delays.append(delay(event))
                self.heard[listener.player].append(event)
        except ListenerClosed:
            return

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(READY_SECONDS), "the listeners are not ready"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._over is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(READY_SECONDS)


def assert_heard(ears: Ears, ledger: Ledger, within_seconds: float) -> None:
    """Every listener has every event of its player exactly once, in order, at the latest after so long."""
    ledger.read()
    wanted = {player: ledger.of_player.get(player, []) for player in ears.heard}

    def told() -> dict[str, list[str]]:
        return {player: [event.id for event in events] for player, events in ears.heard.items()}

    reached(lambda: all(len(ids) >= len(wanted[player]) for player, ids in told().items()), within_seconds)
    for player, ids in told().items():
        missed = [one for one in wanted[player] if one not in set(ids)]
        assert ids == wanted[player], (
            f"{player} heard {len(ids)} of {len(wanted[player])} events, missed {missed[:5]}, "
            f"{len(ids) - len(set(ids))} of them twice"
        )


def reached(condition: Callable[[], bool], within_seconds: float) -> bool:
    """Whether the condition comes to hold in time; it is looked at every few milliseconds."""
    deadline = time.monotonic() + within_seconds
    tick = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            return False
        tick.wait(0.005)
    return True
