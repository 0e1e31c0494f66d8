"""The database of an asyncio program, by one of two drivers."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypeVar, get_args

from matchmaker.errors import InvalidInput
from matchmaker.store.queries import CONNECTIONS, TIMEOUT_SECONDS, AsyncDatabase, DatabasePlan
from matchmaker.store.threaded import ThreadedDatabase

if TYPE_CHECKING:
    from matchmaker.store.connect import Database as BlockingDatabase

T = TypeVar("T")

Driver = Literal["threads", "native"]


class Database:
    """A bounded pool of connections to Postgres that never blocks the event loop.

    :param url: ``postgresql://user:password@host:port/name?sslmode=require``.
    :param driver: ``threads`` waits in threads over psycopg2; ``native`` on the loop itself over psycopg 3, which the
        extra ``async`` installs, and belongs to one loop. Both answer the same and raise the same errors.
    :param connections: at most so many at a time. :param timeout_seconds: of a transaction that names no other.
    :raises InvalidInput: the URL, or the driver, is none. :raises ImportError: psycopg is not installed.
    """

    def __init__(
        self,
        url: str,
        driver: Driver = "threads",
        *,
        connections: int = CONNECTIONS,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self.driver = driver
        self._blocking: BlockingDatabase | None = None
        self._runs: AsyncDatabase
        if driver == "native":
            from matchmaker.store.native import NativeDatabase  # an extra, loaded for those who ask for it

            self._runs = NativeDatabase(url, connections=connections, timeout_seconds=timeout_seconds)
        elif driver == "threads":
            from matchmaker.store.connect import Database as BlockingDatabase  # with its driver, likewise

            self._blocking = BlockingDatabase(url, connections=connections, timeout_seconds=timeout_seconds)
            self._runs = ThreadedDatabase(self._blocking, connections=connections, timeout_seconds=timeout_seconds)
        else:
            raise InvalidInput("driver", driver, " or ".join(get_args(Driver)))

    @property
    def shown(self) -> str:
        """The URL without a password."""
        return self._runs.shown

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.close()

    async def run(self, plan: DatabasePlan[T], timeout_seconds: float | None = None, *, read_only: bool = True) -> T:
        """See :class:`~matchmaker.store.queries.AsyncDatabase`."""
        return await self._runs.run(plan, timeout_seconds, read_only=read_only)

    async def close(self) -> None:
        """Closes the connections; whoever comes from now on is refused."""
        await self._runs.close()
        if self._blocking is not None:
            self._blocking.close()
