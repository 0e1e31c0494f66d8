"""How long an event loop was held up: what no timer can hide.

A probe asks its loop to be called every millisecond and notes how late it is. On a busy machine a tick is also late
because another process had the core. Linux tells how long a thread was ready to run and had none
(``/proc/thread-self/schedstat``, second number): that much is taken off, so what is left is time in which the loop's
own thread worked, or waited for something. Other systems do not tell it, and a virtual machine's own core may be taken
away, so one long tick still proves nothing. What proves something is a stall that comes every time: a measurement is
cut into windows in each of which the suspected work is done, and :func:`best` takes the window with the shortest of the
longest stalls. Work that blocks the loop does so in all of them; the machine does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

TICK_SECONDS = 0.001
SCHEDSTAT = Path("/proc/thread-self/schedstat")


class StallProbe:
    """Watches the running loop between ``async with`` and its end."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._stat: TextIO | None = None
        self._due = 0.0
        self._robbed = 0.0
        self._longest = 0.0
        self.windows_ms: list[float] = []
        """The longest stall of each window that was cut, in ms."""

    async def __aenter__(self) -> Self:
        self._open()
        self._wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            self._handle.cancel()
        if self._stat is not None:
            self._stat.close()

    def cut(self) -> float:
        """Ends a window and begins the next; answers the longest stall in it, in ms."""
        # A stall that is going on right now has no tick yet: it ends with whoever calls this, and is not counted twice.
        self._note()
        self._due, self._robbed = max(self._due, self._loop.time()), self._robbed_seconds()
        longest, self._longest = self._longest, 0.0
        self.windows_ms.append(1000 * longest)
        return 1000 * longest

    @property
    def best_ms(self) -> float:
        """See :func:`best`."""
        return best(self.windows_ms)

    def _open(self) -> None:
        if SCHEDSTAT.exists():
            self._stat = SCHEDSTAT.open(encoding="ascii")  # of this thread, whoever reads it

    def _robbed_seconds(self) -> float:
        """How long this thread was ready and had no core, since it began; 0 where nobody tells."""
        if self._stat is None:
            return 0.0
        self._stat.seek(0)
        return int(self._stat.read().split()[1]) / 1e9

    def _wait(self) -> None:
        self._due = self._loop.time() + TICK_SECONDS
        self._robbed = self._robbed_seconds()
        self._handle = self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        self._note()
        self._wait()

    def _note(self) -> None:
        late = self._loop.time() - self._due - (self._robbed_seconds() - self._robbed)
        self._longest = max(self._longest, late)


def best(windows_ms: Sequence[float]) -> float:
    """The stall that every window has at least, in ms."""
    assert windows_ms, "no window was cut"
    return min(windows_ms)
