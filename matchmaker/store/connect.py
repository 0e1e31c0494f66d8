"""A bounded pool of Postgres connections on which nothing waits for ever, and every refusal has a name.

Three clocks bound each transaction: ``statement_timeout`` on the server; a watchdog here that cuts the connection of a
server that no longer answers at all (stopped, or behind a broken network); and the time a caller waits for a
connection of the pool. Threads share a :class:`Database`; a forked child makes its own.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import psycopg2
from psycopg2 import extensions

from matchmaker.errors import DatabaseUnavailable, InvalidInput
from matchmaker.settings import DATABASE_URL_BOUND, is_ambiguous, redacted_url
from matchmaker.store.faults import error_of
from matchmaker.store.queries import (
    CONNECTIONS,
    GRACE_SECONDS,
    TIMEOUT_SECONDS,
    DatabasePlan,
    Query,
    Rows,
    drive,
)

if TYPE_CHECKING:
    from psycopg2.extensions import connection, cursor

CONNECT_SECONDS = 2
"""The least that libpq takes."""

ROWS_A_FETCH = 500
"""Rows made into Python's at a time: in one go, other threads would wait for a long answer."""

T = TypeVar("T")


def options_of(url: str) -> dict[str, Any]:
    """Parameters of the URL over our own.

    libpq's own message about a URL quotes it, password and all, so it is never passed on.
    """
    if url.partition("://")[0] not in ("postgresql", "postgres"):
        raise InvalidInput("database_url", shown_url(url), DATABASE_URL_BOUND)
    try:
        named = None if is_ambiguous(url) else extensions.parse_dsn(url)
    except (psycopg2.ProgrammingError, ValueError):
        named = None
    if named is None:
        raise InvalidInput("database_url", shown_url(url), DATABASE_URL_BOUND)
    ours = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "matchmaker",
        "client_encoding": "UTF8",
        "tcp_user_timeout": 10_000,
        "keepalives_idle": 10,
    }
    return {**ours, **named}


def shown_url(url: str) -> str:
    """The URL as messages may show it."""
    try:
        return redacted_url(url)
    except ValueError:
        return "(unreadable)"


class Database:
    """Connections to one database, made when needed.

    :param url: as libpq reads it: ``postgresql://user:password@host:port/name?sslmode=require``.
    :param connections: at most so many at a time; who comes then waits for one.
    :param timeout_seconds: of a transaction that names no other.
    :raises InvalidInput: the URL is none; the message holds no password.
    """

    def __init__(self, url: str, *, connections: int = CONNECTIONS, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._options = options_of(url)
        self.shown = shown_url(url)
        self.timeout_seconds = timeout_seconds
        self._most = connections
        self._free = threading.BoundedSemaphore(connections)
        self._idle: list[connection] = []
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Closes what is idle now, and the others when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for link in idle:
            link.close()

    @contextlib.contextmanager
    def transaction(self, timeout_seconds: float | None = None, *, read_only: bool = False) -> Iterator[cursor]:
        """A cursor in a transaction that is committed at the end, or rolled back by an error.

        :raises DatabaseUnavailable: it does not answer, or not in time. :raises DatabaseUnsuitable: it refuses.
        :raises DatabaseSchema: a table or column is not there.
        """
        seconds = self.timeout_seconds if timeout_seconds is None else timeout_seconds
        deadline = time.monotonic() + seconds
        if not self._free.acquire(timeout=seconds):
            raise DatabaseUnavailable(
                f"the database {self.shown}: all {self._most} connections were busy for {seconds:g} s"
            )
        try:
            with self._watched(deadline, seconds, read_only=read_only) as link, link.cursor() as cursor:
                yield cursor
        finally:
            self._free.release()

    def run(self, plan: DatabasePlan[T], timeout_seconds: float | None = None, *, read_only: bool = True) -> T:
        """All of a plan, in one transaction; see :class:`~matchmaker.store.queries.Transactions`."""
        with self.transaction(timeout_seconds, read_only=read_only) as cursor:
            return drive(plan, lambda query: self._rows(cursor, query))

    def _rows(self, cursor: cursor, query: Query) -> Rows:
        rows: Rows = []
        with self.errors():
            cursor.execute(query.sql, query.values or None)
            while cursor.description and (some := cursor.fetchmany(ROWS_A_FETCH)):
                rows += some
        return rows

    def connect(self) -> connection:
        """A connection of the caller's own, outside the pool.

        :raises DatabaseUnavailable: nobody answers. :raises DatabaseUnsuitable: the user or the password is refused.
        """
        try:
            link: connection = psycopg2.connect(**self._options)
        except psycopg2.Error as fault:
            raise error_of(fault, self.shown) from fault
        return link

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turns psycopg2's errors into this package's."""
        try:
            yield
        except psycopg2.Error as fault:
            raise error_of(fault, self.shown) from fault

    # -- one transaction -----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _watched(self, deadline: float, seconds: float, *, read_only: bool) -> Iterator[connection]:
        link, watchdog = self._begun(deadline, read_only=read_only)
        healthy = False
        try:
            yield link
            link.commit()
            healthy = True
        except psycopg2.Error as fault:
            if watchdog.cut:
                raise DatabaseUnavailable(f"the database {self.shown} did not answer within {seconds:g} s") from fault
            healthy = self._rolled_back(link)
            raise error_of(fault, self.shown) from fault
        except BaseException as error:
            healthy = self._rolled_back(link)
            if watchdog.cut and isinstance(error, DatabaseUnavailable):
                raise DatabaseUnavailable(f"the database {self.shown} did not answer within {seconds:g} s") from error
            raise
        finally:
            watchdog.end()
            self._put_back(link, healthy=healthy and not watchdog.cut)

    def _begun(self, deadline: float, *, read_only: bool) -> tuple[connection, Watchdog]:
        """A connection in a transaction with its time bound set. One that lay idle may have died: then another."""
        while True:
            with self._lock:
                link, reused = (self._idle.pop(), True) if self._idle else (None, False)
            link = link or self.connect()
            watchdog = Watchdog(link, deadline)
            left = max(1, round(1000 * (deadline - time.monotonic())))
            try:
                with link.cursor() as cursor:
                    only = "SET TRANSACTION READ ONLY; " if read_only else ""
                    cursor.execute(f"{only}SET LOCAL statement_timeout = {left}")
            except psycopg2.Error as fault:
                watchdog.end()
                link.close()
                if not (reused and isinstance(fault, (psycopg2.OperationalError, psycopg2.InterfaceError))):
                    raise error_of(fault, self.shown) from fault
                if time.monotonic() >= deadline:
                    raise DatabaseUnavailable(f"the database {self.shown} did not answer in time") from fault
            else:
                return link, watchdog

    @staticmethod
    def _rolled_back(link: connection) -> bool:
        try:
            link.rollback()
        except psycopg2.Error:
            return False
        return True

    def _put_back(self, link: connection, *, healthy: bool) -> None:
        with self._lock:
            if healthy and not self._closed and not link.closed:
                self._idle.append(link)
                return
        link.close()


class Watchdog:
    """Cuts a connection at its deadline, so that whoever reads from it is let go. ``cut`` says that it did."""

    def __init__(self, link: connection, deadline: float) -> None:
        self.cut = False
        # A descriptor of its own: the connection's may be closed, and its number reused, while the timer runs.
        self._socket = socket.socket(fileno=os.dup(link.fileno()))
        self._lock = threading.Lock()
        self._timer = threading.Timer(max(0.0, deadline - time.monotonic()) + GRACE_SECONDS, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def _cut(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._socket.fileno() >= 0:
                self.cut = True
                self._socket.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """Leaves the connection alone from now on."""
        self._timer.cancel()
        with self._lock:
            self._socket.close()
