"""How this package connects: bounded waits, retries that the scripts are made for, no surprises in URLs."""

from __future__ import annotations

from typing import Any, TypeVar

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError, TimeoutError
from redis.retry import Retry

from matchmaker.errors import InvalidInput
from matchmaker.settings import redacted_url

SOCKET_TIMEOUT_SECONDS = 5.0
CONNECT_TIMEOUT_SECONDS = 2.0
RETRIES = 8
"""Some 3 s of trying again, with jitter so that a fleet does not return as a herd. Scripts are idempotent."""

CONNECTIONS = 32
"""Connections of one client, at most; calls are short, so more would only queue in the server."""

SCHEMES = ("redis", "rediss", "unix")


P = TypeVar("P", redis.BlockingConnectionPool, redis.asyncio.BlockingConnectionPool)


def _backoff() -> ExponentialWithJitterBackoff:
    return ExponentialWithJitterBackoff(base=0.02, cap=1.0)


def _refused_url(url: str) -> InvalidInput:
    """With the password left out of the message."""
    try:
        shown = redacted_url(url)
    except ValueError:
        shown = "(unreadable)"
    return InvalidInput("redis_url", shown, "redis://, rediss:// or unix:// followed by an address")


def connection_options(url: str) -> dict[str, Any]:
    """Options for a client of the blocking library made from this URL, timeouts of replies aside.

    :raises InvalidInput: for another scheme.
    """
    if url.partition("://")[0] not in SCHEMES:
        raise _refused_url(url)
    options: dict[str, Any] = {
        "retry": Retry(_backoff(), RETRIES),
        "retry_on_error": [ConnectionError, TimeoutError],
    }
    if not url.startswith("unix"):
        options["socket_connect_timeout"] = CONNECT_TIMEOUT_SECONDS
        options["socket_keepalive"] = True
    return options


def _pool(kind: type[P], url: str, **options: Any) -> P:
    try:
        return kind.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=SOCKET_TIMEOUT_SECONDS,
            socket_timeout=SOCKET_TIMEOUT_SECONDS,
            **options,
        )
    except ValueError as fault:
        raise _refused_url(url) from fault


def open_client(url: str) -> redis.Redis:
    """A client for any number of threads: those over :data:`CONNECTIONS` wait for a connection instead of failing.

    :raises InvalidInput: the URL is none.
    """
    return redis.Redis.from_pool(_pool(redis.BlockingConnectionPool, url, **connection_options(url)))


def open_async_client(url: str) -> redis.asyncio.Redis:
    """The same for any number of tasks of one event loop."""
    options = {**connection_options(url), "retry": AsyncRetry(_backoff(), RETRIES)}
    return redis.asyncio.Redis.from_pool(_pool(redis.asyncio.BlockingConnectionPool, url, **options))
