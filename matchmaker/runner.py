"""Runs calls and plans over a Redis connection, blocking or asyncio.

A call is sent by its script's hash; a server that does not know the script (restarted, flushed, failed over) gets the
text with the same call. The client library may send a call again after a lost reply: every script answers the same
request the same way twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar, cast

import redis
import redis.asyncio
from redis import exceptions

from matchmaker import errors
from matchmaker.calls import Batch, Call, Command, Found, Lookup, Plan

T = TypeVar("T")


class Ratings(Protocol):
    """Where a runner looks ratings up (see ``store/lookup.py``). Each answer is bounded in time."""

    def find(self, wanted: Lookup) -> Found: ...


class AsyncRatings(Protocol):
    """As :class:`Ratings`, awaited."""

    async def awaited(self, wanted: Lookup) -> Found: ...


_PASSING = {"BUSY", "CLUSTERDOWN", "MASTERDOWN", "MISCONF", "NOREPLICAS", "READONLY", "TRYAGAIN", "UNBLOCKED"}
"""First words of refusals that pass: a fail-over under way, a script that takes too long, a full disk."""


def as_text(reply: Any) -> Any:
    """The reply with bytes decoded and numbers as text, nested lists kept: the same from any client's settings."""
    if isinstance(reply, bytes):
        return reply.decode()
    if isinstance(reply, (list, tuple)):  # entries of streams come as tuples
        return [as_text(part) for part in reply]
    if isinstance(reply, dict):
        return {as_text(key): as_text(value) for key, value in reply.items()}
    return "" if reply is None else str(reply)


def parsed(call: Call[T] | Command[T], reply: Any) -> T:
    """What the server's reply means.

    :raises ScriptFault: it is not what the script's header promises.
    """
    try:
        return call.parse(as_text(reply))
    except (ValueError, IndexError, KeyError, TypeError) as fault:
        name = call.script.name if isinstance(call, Call) else call.args[0]
        raise errors.ScriptFault(name, reply) from fault


@contextmanager
def typed_errors() -> Iterator[None]:
    """The client library's errors as this package's."""
    try:
        yield
    except (exceptions.AuthenticationError, exceptions.NoPermissionError) as fault:
        raise errors.ServerUnsuitable(f"the Redis server refuses this user: {fault}") from fault
    except exceptions.OutOfMemoryError as fault:
        raise errors.BacklogFull("the Redis server is at its maxmemory") from fault
    except (exceptions.ConnectionError, exceptions.TimeoutError) as fault:
        raise errors.ServerUnavailable(f"the Redis server does not answer: {fault}") from fault
    except exceptions.ResponseError as fault:
        if (fault.status_code or str(fault).partition(" ")[0]) in _PASSING:
            raise errors.ServerUnavailable(f"the Redis server does not serve now: {fault}") from fault
        raise errors.ServerUnsuitable(f"the Redis server refuses: {fault}") from fault


def request_of(call: Call[Any] | Command[Any]) -> tuple[Any, ...]:
    """The command that makes the call, its script named by hash."""
    if isinstance(call, Command):
        return call.args
    return ("EVALSHA", call.script.sha, len(call.keys), *call.keys, *call.args)


def _with_text(call: Call[Any] | Command[Any]) -> tuple[Any, ...]:
    if isinstance(call, Command):
        return call.args
    return ("EVAL", call.script.source, len(call.keys), *call.keys, *call.args)


def _one_result(call: Call[Any] | Command[Any], reply: Any) -> Any:
    """The parsed reply, or the error it stands for, as a value."""
    try:
        with typed_errors():
            if isinstance(reply, Exception):
                raise reply
            return parsed(call, reply)
    except errors.MatchmakerError as error:
        return error


class Runner:
    """Drives plans over a blocking client.

    :param ratings: what answers lookups; None where there is no database.
    """

    def __init__(self, client: redis.Redis, ratings: Ratings | None = None) -> None:
        self.client = client
        self.ratings = ratings
        self._execute: Callable[..., Any] = client.execute_command

    def call(self, call: Call[T] | Command[T]) -> T:
        with typed_errors():
            try:
                reply = self._execute(*request_of(call))
            except exceptions.NoScriptError:
                reply = self._execute(*_with_text(call))
        return parsed(call, reply)

    def batch(self, batch: Batch[T]) -> list[T | errors.MatchmakerError]:
        with typed_errors():
            pipeline: Any = self.client.pipeline(transaction=False)
            for call in batch.calls:
                pipeline.execute_command(*request_of(call))
            replies = pipeline.execute(raise_on_error=False)
            for i, call in enumerate(batch.calls):
                if isinstance(replies[i], exceptions.NoScriptError):
                    replies[i] = self._execute(*_with_text(call))
        return [_one_result(call, reply) for call, reply in zip(batch.calls, replies, strict=True)]

    def _resolved(self, wanted: Call[Any] | Command[Any] | Batch[Any] | Lookup) -> Any:
        if isinstance(wanted, Lookup):
            return self.ratings.find(wanted) if self.ratings else None
        return self.batch(wanted) if isinstance(wanted, Batch) else self.call(wanted)

    def run(self, plan: Plan[T]) -> T:
        try:
            wanted = next(plan)
            while True:
                try:
                    result = self._resolved(wanted)
                except errors.MatchmakerError as error:
                    wanted = plan.throw(error)
                else:
                    wanted = plan.send(result)
        except StopIteration as done:
            return cast(T, done.value)


@contextmanager
def _cancellable() -> Iterator[None]:
    """Raises a cancellation that was swallowed within: before Python 3.12 ``asyncio.wait_for``, through which the
    client
    library sends, loses one that comes as the sending ends, and whoever cancelled would wait for the reply to all."""
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    yield
    if task and task.cancelling() > before:
        raise asyncio.CancelledError


class AsyncRunner:
    """Drives plans over an asyncio client; the same steps as :class:`Runner`, awaited."""

    def __init__(self, client: redis.asyncio.Redis, ratings: AsyncRatings | None = None) -> None:
        self.client = client
        self.ratings = ratings
        self._execute: Callable[..., Awaitable[Any]] = client.execute_command

    async def call(self, call: Call[T] | Command[T]) -> T:
        with _cancellable(), typed_errors():
            try:
                reply = await self._execute(*request_of(call))
            except exceptions.NoScriptError:
                reply = await self._execute(*_with_text(call))
        return parsed(call, reply)

    async def batch(self, batch: Batch[T]) -> list[T | errors.MatchmakerError]:
        with _cancellable(), typed_errors():
            pipeline: Any = self.client.pipeline(transaction=False)
            for call in batch.calls:
                pipeline.execute_command(*request_of(call))
            replies = await pipeline.execute(raise_on_error=False)
            for i, call in enumerate(batch.calls):
                if isinstance(replies[i], exceptions.NoScriptError):
                    replies[i] = await self._execute(*_with_text(call))
        return [_one_result(call, reply) for call, reply in zip(batch.calls, replies, strict=True)]

    async def _resolved(self, wanted: Call[Any] | Command[Any] | Batch[Any] | Lookup) -> Any:
        if isinstance(wanted, Lookup):
            return await self.ratings.awaited(wanted) if self.ratings else None
        return await (self.batch(wanted) if isinstance(wanted, Batch) else self.call(wanted))

    async def run(self, plan: Plan[T]) -> T:
        try:
            wanted = next(plan)
            while True:
                try:
                    result = await self._resolved(wanted)
                except errors.MatchmakerError as error:
                    wanted = plan.throw(error)
                else:
                    wanted = plan.send(result)
        except StopIteration as done:
            return cast(T, done.value)
