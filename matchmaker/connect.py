"""How this package connects: bounded waits, retries that the scripts are made for, no surprises in URLs."""

from __future__ import annotations

from typing import Any

from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError, TimeoutError
from redis.retry import Retry

from matchmaker.errors import InvalidInput
from matchmaker.settings import redacted_url

SOCKET_TIMEOUT_SECONDS = 5.0
CONNECT_TIMEOUT_SECONDS = 2.0
RETRIES = 8
"""Some 3 s of trying again, with jitter so that a fleet does not return as a herd. Scripts are idempotent."""

SCHEMES = ("redis", "rediss", "unix")


def checked_url(url: str) -> str:
    """The URL if its scheme is one of :data:`SCHEMES`.

    :raises InvalidInput: with the password left out of the message.
    """
    scheme, found, _ = url.partition("://")
    if not found or scheme not in SCHEMES:
        raise InvalidInput("redis_url", redacted_url(url), "redis://, rediss:// or unix:// followed by an address")
    return url


def connection_options(url: str) -> dict[str, Any]:
    """Options for a client of the blocking library made from this URL, timeouts of replies aside."""
    checked_url(url)
    options: dict[str, Any] = {
        "retry": Retry(ExponentialWithJitterBackoff(base=0.02, cap=1.0), RETRIES),
        "retry_on_error": [ConnectionError, TimeoutError],
    }
    if not url.startswith("unix"):
        options["socket_connect_timeout"] = CONNECT_TIMEOUT_SECONDS
        options["socket_keepalive"] = True
    return options
