"""Plans in an asyncio program, over psycopg 3 (the extra ``async``): no threads, the event loop itself waits.

The same clocks as ``connect.py``: ``statement_timeout`` on the server, a timer that cuts the connection of a server
that says nothing, and a bound to the wait for a connection. psycopg meets a cancellation by asking the server to cancel
and waiting for it to do so, and a server that is stopped never does; so work is a task of its own that nobody cancels.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import Final, TypeVar

try:
    import psycopg
except ImportError as fault:  # pragma: no cover
    raise ImportError("the native driver needs psycopg: pip install 'matchmaker[async]'") from fault
from psycopg import AsyncConnection

from matchmaker.errors import DatabaseUnavailable, MatchmakerError
from matchmaker.store.connect import ROWS_A_FETCH, options_of, shown_url
from matchmaker.store.faults import typed
from matchmaker.store.queries import (
    CONNECTIONS,
    GRACE_SECONDS,
    TIMEOUT_SECONDS,
    DatabasePlan,
    Done,
    Query,
    Rows,
    step,
)

T = TypeVar("T")

ROWS_ON_THE_LOOP: Final = 100
"""A longer answer is read by a thread: a thousand matches are some 30 ms of work."""


class NativeDatabase:
    """A bounded pool of psycopg's asyncio connections. It belongs to the event loop that uses it.

    :param url: and the others: see :class:`matchmaker.store.connect.Database`.
    :raises InvalidInput: the URL is none; the message holds no password.
    """

    def __init__(self, url: str, *, connections: int = CONNECTIONS, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._options = options_of(url)
        self.shown = shown_url(url)
        self.timeout_seconds = timeout_seconds
        self._most = connections
        self._free = asyncio.Semaphore(connections)
        self._idle: list[AsyncConnection] = []
        self._busy: set[AsyncConnection] = set()
        self._tasks: set[asyncio.Task[object]] = set()
        self._closed = False

    async def run(self, plan: DatabasePlan[T], timeout_seconds: float | None = None, *, read_only: bool = True) -> T:
        """See :class:`~matchmaker.store.queries.AsyncDatabase`."""
        seconds = self.timeout_seconds if timeout_seconds is None else timeout_seconds
        task = asyncio.create_task(self._bounded(plan, seconds, read_only=read_only))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked may be gone: then nobody else looks at it

    async def close(self) -> None:
        """Cuts the connections under work, too: who waits for them is refused."""
        self._closed = True
        for link in self._busy:
            _cut(link)
        idle, self._idle = self._idle, []
        for link in idle:
            await link.close()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _bounded(self, plan: DatabasePlan[T], seconds: float, *, read_only: bool) -> T:
        """Waits for a connection and works on it."""
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                await self._free.acquire()
        except TimeoutError:
            raise DatabaseUnavailable(
                f"the database {self.shown}: all {self._most} connections were busy for {seconds:g} s"
            ) from None
        try:
            return await self._transaction(plan, deadline, seconds, read_only=read_only)
        finally:
            self._free.release()

    async def _transaction(self, plan: DatabasePlan[T], deadline: float, seconds: float, *, read_only: bool) -> T:
        link, timer = await self._begun(deadline, read_only=read_only)
        self._busy.add(link)
        healthy = False
        try:
            answer = await self._driven(link, plan)
            await self._execute(link, "COMMIT")
            healthy = True
        except BaseException as error:
            healthy = await _rolled_back(link)
            if timer.cut and isinstance(error, DatabaseUnavailable):
                raise DatabaseUnavailable(f"the database {self.shown} did not answer within {seconds:g} s") from error
            raise
        finally:
            timer.end()
            self._busy.discard(link)
            if healthy and not timer.cut and not self._closed and not link.closed:
                self._idle.append(link)
            else:
                await link.close()
        return answer

    async def _begun(self, deadline: float, *, read_only: bool) -> tuple[AsyncConnection, _Timer]:
        """A connection in a transaction with its time bound set. One that lay idle may have died: then another."""
        loop = asyncio.get_running_loop()
        while True:
            if self._closed:
                raise DatabaseUnavailable(f"the database {self.shown}: its connections were closed")
            reused = bool(self._idle)
            link = self._idle.pop() if reused else await self._connected(deadline)
            timer = _Timer(link, deadline)
            left = max(1, round(1000 * (deadline - loop.time())))
            try:
                # One round trip: without values several statements may travel together.
                only = " READ ONLY" if read_only else ""
                await self._execute(link, f"BEGIN{only}; SET LOCAL statement_timeout = {left}")
            except MatchmakerError as error:
                timer.end()
                await link.close()
                if not (reused and isinstance(error, DatabaseUnavailable)):
                    raise
                if loop.time() >= deadline:
                    raise DatabaseUnavailable(f"the database {self.shown} did not answer in time") from error
            else:
                return link, timer

    async def _connected(self, deadline: float) -> AsyncConnection:
        try:
            async with asyncio.timeout_at(deadline):
                # Nothing is prepared: a pooler in between may give the next transaction another server's connection.
                return await AsyncConnection.connect(autocommit=True, prepare_threshold=None, **self._options)
        except TimeoutError:
            raise DatabaseUnavailable(f"the database {self.shown} did not answer in time") from None
        except psycopg.Error as fault:
            raise self._error(fault) from fault

    async def _driven(self, link: AsyncConnection, plan: DatabasePlan[T]) -> T:
        answer: Rows | MatchmakerError | None = None
        while True:
            wanted: Query | Done[T]
            if isinstance(answer, list) and len(answer) > ROWS_ON_THE_LOOP:
                wanted = await asyncio.to_thread(step, plan, answer)
            else:
                wanted = step(plan, answer)
            if isinstance(wanted, Done):
                return wanted.value
            try:
                answer = await self._rows(link, wanted)
            except MatchmakerError as error:
                answer = error

    async def _rows(self, link: AsyncConnection, query: Query) -> Rows:
        rows: Rows = []
        try:
            cursor = link.cursor()
            await cursor.execute(query.sql.encode(), query.values or None)
            while cursor.description and (some := await cursor.fetchmany(ROWS_A_FETCH)):
                rows += some
                await asyncio.sleep(0)  # else the loop would stand still for all of a long answer
        except psycopg.Error as fault:
            raise self._error(fault) from fault
        return rows

    async def _execute(self, link: AsyncConnection, statements: str) -> None:
        try:
            await link.execute(statements.encode())
        except psycopg.Error as fault:
            raise self._error(fault) from fault

    def _error(self, fault: psycopg.Error) -> MatchmakerError:
        lost = isinstance(fault, (psycopg.OperationalError, psycopg.InterfaceError))
        return typed(fault.sqlstate or "", str(fault), lost=lost, shown=self.shown)


async def _rolled_back(link: AsyncConnection) -> bool:
    try:
        await link.execute(b"ROLLBACK")
    except psycopg.Error:
        return False
    return True


def _cut(link: AsyncConnection) -> None:
    """Whoever reads from the connection is let go."""
    with contextlib.suppress(OSError, psycopg.Error):
        end = socket.socket(fileno=os.dup(link.fileno()))
        with end:
            end.shutdown(socket.SHUT_RDWR)


class _Timer:
    """Cuts a connection after its deadline. ``cut`` says that it did."""

    def __init__(self, link: AsyncConnection, deadline: float) -> None:
        self.cut = False
        self._link = link
        self._handle = asyncio.get_running_loop().call_at(deadline + GRACE_SECONDS, self._over)

    def _over(self) -> None:
        self.cut = True
        _cut(self._link)

    def end(self) -> None:
        self._handle.cancel()
