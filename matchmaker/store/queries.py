"""Plans of the database: what one transaction asks, without doing I/O.

A plan is a generator that yields queries and is sent their rows, or has the typed error of one thrown in. Three drivers
run plans: the blocking pool (``connect.py``), threads for asyncio (``threaded.py``) and an asyncio driver of its own
(``native.py``). So every face of the package asks the same questions and reads the answers by the same lines.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from matchmaker.errors import MatchmakerError

TIMEOUT_SECONDS: Final = 5.0
"""One transaction, from asking for a connection to the end of its commit."""

GRACE_SECONDS: Final = 0.5
"""After the end of its time a server that says nothing is given so long to say that the time is over."""

CONNECTIONS: Final = 4
"""Of one pool, at most."""

T = TypeVar("T")

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Query:
    """One statement; ``values`` stand in it as ``%(name)s``."""

    sql: str
    values: Mapping[str, Any]


DatabasePlan = Generator[Query, Rows, T]
"""One transaction's work. It is run once, by one driver, and must not swallow an error of a query and go on: the
transaction is over then."""


class Transactions(Protocol):
    """Runs plans, each in a transaction of its own (:class:`matchmaker.store.connect.Database` does)."""

    @property
    def shown(self) -> str:
        """The database's URL without a password."""

    def run(self, plan: DatabasePlan[T], timeout_seconds: float | None = None, *, read_only: bool = True) -> T:
        """Blocks until the plan is through, at most as long as it may take.

        :raises DatabaseUnavailable: and the other errors of a database; nothing was changed then.
        """


class AsyncDatabase(Protocol):
    """As :class:`Transactions`, without blocking an event loop. Who is cancelled leaves the transaction to end by
    itself, within its time."""

    @property
    def shown(self) -> str: ...

    async def run(
        self, plan: DatabasePlan[T], timeout_seconds: float | None = None, *, read_only: bool = True
    ) -> T: ...

    async def close(self) -> None:
        """Refuses whoever comes from now on, and closes the connections."""


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """A plan's end and what it answers."""

    value: T


def step(plan: DatabasePlan[T], answer: Rows | MatchmakerError | None) -> Query | Done[T]:
    """One step of a plan: the next query, or its end. ``answer`` is that of the query before, None for the first."""
    try:
        if answer is None:
            return next(plan)
        if isinstance(answer, MatchmakerError):
            return plan.throw(answer)
        return plan.send(answer)
    except StopIteration as end:
        return Done(end.value)


def drive(plan: DatabasePlan[T], ask: Callable[[Query], Rows]) -> T:
    """Runs a plan; ``ask`` answers a query's rows or raises a typed error."""
    answer: Rows | MatchmakerError | None = None
    while isinstance(wanted := step(plan, answer), Query):
        try:
            answer = ask(wanted)
        except MatchmakerError as error:
            answer = error
    return wanted.value
