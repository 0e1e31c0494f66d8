"""One test for both faces of the package: the blocking one is awaited too, from a thread each call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Self, cast

import redis
import redis.asyncio

from matchmaker import aio
from matchmaker.calls import Clock
from matchmaker.client import Matchmaker
from matchmaker.store.queries import AsyncDatabase, Transactions

FACES = ("threads", "asyncio")

PATIENCE_SECONDS = 10.0
"""Longer than anything here takes: whoever waits this long waits in vain."""


class _Awaitable:
    """A blocking object whose methods can be awaited. What is no method is what it is."""

    def __init__(self, blocking: Any) -> None:
        self._blocking = blocking

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._blocking, name)
        if not callable(found):
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await asyncio.to_thread(found, *args, **kwargs)

        return call

    @property
    def notifications(self) -> _Awaitable:
        return _Awaitable(self._blocking.notifications)

    @property
    def standings(self) -> _Awaitable:
        return _Awaitable(self._blocking.standings)

    @property
    def records(self) -> _Awaitable:
        return _Awaitable(self._blocking.records)

    def queue(self, name: str) -> _Awaitable:
        return _Awaitable(self._blocking.queue(name))

    async def listen(self, player: str, after: str = "") -> _Awaitable:
        return _Awaitable(await asyncio.to_thread(self._blocking.listen, player, after))

    async def __aiter__(self) -> AsyncIterator[Any]:
        each = iter(self._blocking)
        while (event := await asyncio.to_thread(next, each, None)) is not None:
            yield event

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._blocking.__enter__)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._blocking.__exit__, kind, error, trace)


def face(
    kind: str,
    server: str | redis.Redis | redis.asyncio.Redis,
    realm: str,
    clock: Clock | None = None,
    database: AsyncDatabase | Transactions | str | None = None,
) -> aio.Matchmaker:
    """A client of that kind, spoken to as the asyncio one. The blocking one takes no asyncio database."""
    if kind == "asyncio":
        return aio.Matchmaker(cast("str | redis.asyncio.Redis", server), realm, database=database, clock=clock)
    blocking = Matchmaker(
        cast("str | redis.Redis", server), realm, database=cast("Transactions | str | None", database), clock=clock
    )
    return cast(aio.Matchmaker, _Awaitable(blocking))


async def eventually(condition: Callable[[], bool], what: str) -> None:
    """Waits until the condition holds; it is looked at every few milliseconds, for want of anything to wait on.

    :raises AssertionError: it did not come to hold.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    tick = asyncio.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS:g} s: {what}"
        asyncio.get_running_loop().call_later(0.005, tick.set)
        await tick.wait()
        tick.clear()
