"""Both kinds of NotificationService behind one blocking interface, so that one test holds for both."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import redis
import redis.asyncio

from matchmaker import aio, errors
from matchmaker.client import Matchmaker
from matchmaker.connect import connection_options
from matchmaker.model import Event
from matchmaker.notifications import Listener, NotificationService
from tests.lua.world import World

T = TypeVar("T")

PATIENCE_SECONDS = 10.0
"""Longer than anything here takes: whoever waits this long waits in vain."""


class Ear(Protocol):
    """A listener."""

    @property
    def cursor(self) -> str: ...

    def ready(self) -> bool: ...

    def get(self, timeout: float | None = PATIENCE_SECONDS) -> Event | None: ...

    def close(self) -> None: ...

    def iterate(self) -> list[Event]:
        """Events until the listener is closed."""
        ...


class Station(Protocol):
    """A NotificationService with a connection of its own."""

    @property
    def subscriber_count(self) -> int: ...

    def subscribe(self, player: str, after: str = "") -> Ear: ...

    def unsubscribe(self, ear: Ear) -> None: ...

    def clear_all(self) -> int: ...

    def publish_match_found(self, match_id: str) -> int: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Connect(Protocol):
    """Makes a station of the kind under test, on the server or behind a proxy."""

    def __call__(self, url: str | None = None) -> Station: ...


def hear(ear: Ear, count: int) -> list[str]:
    """Ids of the next ``count`` events."""
    ids = []
    for number in range(count):
        event = ear.get()
        assert event is not None, f"event {number + 1} of {count} did not come"
        ids.append(event.id)
    return ids


def hear_until(ear: Ear, last: str) -> list[str]:
    """Ids of the next events up to this one, or up to the first that comes later."""
    ids = [""]
    while ids[-1] != last:
        event = ear.get()
        assert event is not None, f"{last} did not come, the last was {ids[-1]!r}"
        ids.append(event.id)
    return ids[1:]


# -- threads -----------------------------------------------------------------------------------------------------------


class ThreadEar:
    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.get = listener.get
        self.close = listener.close

    @property
    def cursor(self) -> str:
        return self.listener.cursor

    def ready(self) -> bool:
        return self.listener.ready(PATIENCE_SECONDS)

    def iterate(self) -> list[Event]:
        return list(self.listener)


class ThreadStation:
    def __init__(self, url: str, realm: str) -> None:
        self._client = redis.Redis.from_url(url, **connection_options(url))
        self.service = NotificationService(self._client, realm)
        self.clear_all = self.service.clear_all
        self.publish_match_found = self.service.publish_match_found
        self.close = self.service.close

    @property
    def subscriber_count(self) -> int:
        return self.service.subscriber_count

    def subscribe(self, player: str, after: str = "") -> ThreadEar:
        return ThreadEar(self.service.subscribe(player, after))

    def unsubscribe(self, ear: Ear) -> None:
        assert isinstance(ear, ThreadEar)
        self.service.unsubscribe(ear.listener)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.service.close()
        self._client.close()


# -- asyncio, in a loop of its own -------------------------------------------------------------------------------------


class AioEar:
    def __init__(self, station: AioStation, listener: aio.Listener) -> None:
        self.listener = listener
        self._station = station

    @property
    def cursor(self) -> str:
        return self.listener.cursor

    def ready(self) -> bool:
        return self._station.run(self.listener.ready(PATIENCE_SECONDS))

    def get(self, timeout: float | None = PATIENCE_SECONDS) -> Event | None:
        return self._station.run(self.listener.get(timeout))

    def close(self) -> None:
        self._station.run(self.listener.close())

    def iterate(self) -> list[Event]:
        async def collect() -> list[Event]:
            return [event async for event in self.listener]

        return self._station.run(collect())


class AioStation:
    def __init__(self, url: str, realm: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.run(self._open(url, realm))

    async def _open(self, url: str, realm: str) -> None:
        self._mm = aio.Matchmaker(url, realm)
        self.service = self._mm.notifications

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(2 * PATIENCE_SECONDS)

    @property
    def subscriber_count(self) -> int:
        return self.service.subscriber_count

    def subscribe(self, player: str, after: str = "") -> AioEar:
        return AioEar(self, self.run(self.service.subscribe(player, after)))

    def unsubscribe(self, ear: Ear) -> None:
        assert isinstance(ear, AioEar)
        self.run(self.service.unsubscribe(ear.listener))

    def clear_all(self) -> int:
        return self.run(self.service.clear_all())

    def publish_match_found(self, match_id: str) -> int:
        return self.run(self.service.publish_match_found(match_id))

    def close(self) -> None:
        self.run(self.service.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._mm.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self._loop.close()


KINDS: dict[str, Callable[[str, str], Station]] = {"threads": ThreadStation, "asyncio": AioStation}


def is_closed(ear: Ear) -> bool:
    """Whether the listener's end is the next thing it tells."""
    try:
        ear.get(0.0)
    except errors.ListenerClosed:
        return True
    return False


# -- what happens to their players -------------------------------------------------------------------------------------


def told(world: World, player: str) -> list[str]:
    """Ids of the player's events, from the stream."""
    return [id_ for id_, _, body in world.events() if json.dumps(player) in json.dumps(body)]


def rounds(world: World, player: str, count: int) -> None:
    """The player comes and goes so many times: two events each."""
    for _ in range(count):
        world.now += 1
        ticket = world.mm.enqueue("ladder", player, rating=1500)
        world.mm.cancel(ticket)


def match(world: World, player: str, other: str = "other") -> str:
    """The player is matched; answers the match."""
    for one in (player, other):
        world.mm.enqueue("ladder", one, rating=1500)
    return world.match_pass().matches[0].id


def pass_floor(world: World) -> None:
    """Lets so much time pass that everything up to now is forgotten."""
    for _ in range(3):
        world.now += 60_000
        world.match_pass()


def wait_for_floor(mm: Matchmaker, moment_ms: int) -> None:
    """Works in a realm in real time until nothing up to that moment is remembered."""
    while int(mm.redis.hget(mm.calls.keys.meta, "floor_ms") or 0) <= moment_ms:
        mm.attempt_match("ladder")
