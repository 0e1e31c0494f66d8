"""How long an event loop was held up: what no timer can hide.

A probe asks its loop to be called every millisecond and notes how late it is. On a busy machine a tick is also late
because another process had the core, so one long tick proves nothing. What proves something is a stall that comes
every time: a measurement is cut into windows in each of which the suspected work is done, and :func:`best` takes the
window with the shortest of the longest stalls. Work that blocks the loop does so in all of them; the machine does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

TICK_SECONDS = 0.001


class StallProbe:
    """Watches the running loop between ``async with`` and its end."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._longest = 0.0
        self.windows_ms: list[float] = []
        """The longest stall of each window that was cut, in ms."""

    async def __aenter__(self) -> Self:
        self._wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def cut(self) -> float:
        """Ends a window and begins the next; answers the longest stall in it, in ms."""
        # A stall that is going on right now has no tick yet: it ends with whoever calls this.
        self._note()
        longest, self._longest = self._longest, 0.0
        self.windows_ms.append(1000 * longest)
        return 1000 * longest

    @property
    def best_ms(self) -> float:
        """See :func:`best`."""
        return best(self.windows_ms)

    def _wait(self) -> None:
        self._due = self._loop.time() + TICK_SECONDS
        self._handle = self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        self._note()
        self._wait()

    def _note(self) -> None:
        self._longest = max(self._longest, self._loop.time() - self._due)


def best(windows_ms: Sequence[float]) -> float:
    """The stall that every window has at least, in ms."""
    assert windows_ms, "no window was cut"
    return min(windows_ms)
