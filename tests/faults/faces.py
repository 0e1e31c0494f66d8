"""One test for both faces of the package: the blocking one is awaited too, from a thread each call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, cast

from matchmaker import aio
from matchmaker.client import Matchmaker

FACES = ("threads", "asyncio")


class _Awaitable:
    """A blocking object whose methods can be awaited."""

    def __init__(self, blocking: Any) -> None:
        self._blocking = blocking

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._blocking, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await asyncio.to_thread(method, *args, **kwargs)

        return call

    @property
    def notifications(self) -> _Awaitable:
        return _Awaitable(self._blocking.notifications)

    def queue(self, name: str) -> _Awaitable:
        return _Awaitable(self._blocking.queue(name))

    async def listen(self, player: str, after: str = "") -> _Awaitable:
        return _Awaitable(await asyncio.to_thread(self._blocking.listen, player, after))

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._blocking.__enter__)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._blocking.__exit__, kind, error, trace)


def face(kind: str, url: str, realm: str) -> aio.Matchmaker:
    """A client of that kind, spoken to as the asyncio one."""
    if kind == "asyncio":
        return aio.Matchmaker(url, realm)
    return cast(aio.Matchmaker, _Awaitable(Matchmaker(url, realm)))
