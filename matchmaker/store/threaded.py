"""Plans in an asyncio program, over the blocking pool: each waits in a thread, the event loop in none."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from matchmaker.errors import DatabaseUnavailable
from matchmaker.store.queries import CONNECTIONS, GRACE_SECONDS, TIMEOUT_SECONDS, DatabasePlan, Transactions

T = TypeVar("T")

_LATE_SECONDS: Final = 2 * GRACE_SECONDS
"""A connection is cut after one grace; whoever waits is let go after another, whatever the thread does."""


class ThreadedDatabase:
    """Runs plans of a blocking database in threads of its own, as many as it has connections.

    Any number of event loops may share one. The database stays open when this is closed.
    """

    def __init__(
        self, database: Transactions, *, connections: int = CONNECTIONS, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self.shown = database.shown
        self.timeout_seconds = timeout_seconds
        self._database = database
        self._most = connections
        self._closed = False
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="database")

    async def run(self, plan: DatabasePlan[T], timeout_seconds: float | None = None, *, read_only: bool = True) -> T:
        """See :class:`~matchmaker.store.queries.AsyncDatabase`."""
        seconds = self.timeout_seconds if timeout_seconds is None else timeout_seconds
        deadline = time.monotonic() + seconds

        def work() -> T:
            left = deadline - time.monotonic()
            self._refuse_closed()
            if left <= 0:
                raise self._busy(seconds)
            return self._database.run(plan, left, read_only=read_only)

        self._refuse_closed()
        future = self._threads.submit(work)
        try:
            async with asyncio.timeout(seconds + _LATE_SECONDS):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            if future.cancelled():
                raise self._busy(seconds) from None
            raise DatabaseUnavailable(f"the database {self.shown} did not answer within {seconds:g} s") from None

    async def close(self) -> None:
        """What runs is left to end by itself; what waits for a thread is refused."""
        self._closed = True
        self._threads.shutdown(wait=False)

    def _busy(self, seconds: float) -> DatabaseUnavailable:
        return DatabaseUnavailable(f"the database {self.shown}: all {self._most} threads were busy for {seconds:g} s")

    def _refuse_closed(self) -> None:
        if self._closed:
            raise DatabaseUnavailable(f"the database {self.shown}: its connections were closed")
