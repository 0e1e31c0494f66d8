"""How clients are made from URLs: bounded waits, retries; a URL that is none is named without its secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.exceptions import ConnectionError, TimeoutError

from matchmaker import Matchmaker, aio
from matchmaker.connect import (
    CONNECT_TIMEOUT_SECONDS,
    CONNECTIONS,
    RETRIES,
    SOCKET_TIMEOUT_SECONDS,
    connection_options,
    open_async_client,
    open_client,
)
from matchmaker.errors import InvalidInput

OPENERS: dict[str, Callable[[str], Any]] = {"blocking": open_client, "asyncio": open_async_client}


@pytest.fixture(params=OPENERS)
def opened(request: pytest.FixtureRequest) -> Callable[[str], Any]:
    """Makes a client of either library; it connects at its first call only."""
    return OPENERS[request.param]


@pytest.mark.parametrize(
    "url", ["redis://h:1/2", "rediss://user:word@h:1", "redis://[::1]:7", "redis://h?client_name=x"]
)
def test_a_network_address_gets_bounded_waits_and_retries(opened: Callable[[str], Any], url: str) -> None:
    pool = opened(url).connection_pool
    settings = pool.connection_kwargs
    assert settings["socket_timeout"] == SOCKET_TIMEOUT_SECONDS
    assert settings["socket_connect_timeout"] == CONNECT_TIMEOUT_SECONDS
    assert settings["socket_keepalive"]
    assert settings["retry"].get_retries() == RETRIES
    assert {ConnectionError, TimeoutError} <= set(settings["retry_on_error"])
    assert (pool.max_connections, pool.timeout) == (CONNECTIONS, SOCKET_TIMEOUT_SECONDS)


def test_what_the_url_says_arrives(opened: Callable[[str], Any]) -> None:
    settings = opened("redis://ann:s%20x@h:1234/5?client_name=here").connection_pool.connection_kwargs
    assert {name: settings[name] for name in ("host", "port", "db", "username", "password", "client_name")} == {
        "host": "h",
        "port": 1234,
        "db": 5,
        "username": "ann",
        "password": "s x",
        "client_name": "here",
    }


def test_each_library_gets_its_own_kind_of_pool_and_retry() -> None:
    blocking, awaited = open_client("redis://h"), open_async_client("redis://h")
    assert isinstance(blocking.connection_pool, redis.BlockingConnectionPool)
    assert isinstance(awaited.connection_pool, redis.asyncio.BlockingConnectionPool)
    assert isinstance(awaited.connection_pool.connection_kwargs["retry"], redis.asyncio.retry.Retry)
    assert not isinstance(blocking.connection_pool.connection_kwargs["retry"], redis.asyncio.retry.Retry)


def test_a_unix_socket_gets_nothing_that_only_a_network_has(opened: Callable[[str], Any]) -> None:
    settings = opened("unix:///run/x.sock?db=2").connection_pool.connection_kwargs
    assert (settings["path"], settings["db"], settings["socket_timeout"]) == ("/run/x.sock", 2, SOCKET_TIMEOUT_SECONDS)
    assert "socket_keepalive" not in settings
    assert "socket_connect_timeout" not in settings


def test_two_clients_share_no_state_of_retrying() -> None:
    one, two = connection_options("redis://h"), connection_options("redis://h")
    assert one["retry"] is not two["retry"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h:6379",
        "http://h",
        "redis:h",
        "REDIS//h",
        "redis://h:port",
        "redis://h:99999999",
        "redis://[::1",
        "valkey://u:secret@h",
        "redis://u:secret@h:port",
    ],
)
def test_a_url_that_is_none_is_refused_without_its_secret(opened: Callable[[str], Any], url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        opened(url)
    assert refused.value.field == "redis_url"
    assert "redis://" in refused.value.bound
    assert "secret" not in str(refused.value)
    assert "secret" not in repr(refused.value.value)


@pytest.mark.parametrize("make", [Matchmaker, aio.Matchmaker])
def test_a_client_says_so_as_well_and_checks_its_realm(make: Callable[..., Any]) -> None:
    with pytest.raises(InvalidInput) as url:
        make("http://h")
    assert url.value.field == "redis_url"
    with pytest.raises(InvalidInput) as realm:
        make("redis://h", "No Realm")
    assert realm.value.field == "realm"
