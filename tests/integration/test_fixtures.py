"""What the suite promises about servers it is lent, and the fixtures that keep the promise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import redis

from matchmaker.keys import Keys
from tests.servers import StartServer

ROOT = Path(__file__).parent.parent.parent


def suite_on(url: str) -> subprocess.CompletedProcess[str]:
    """Runs one small test of this file, in a suite of its own, against the server at ``url``."""
    test = f"{__file__}::test_a_realm_is_fresh_and_may_be_filled"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
    environment = {**os.environ, "MATCHMAKER_TEST_REDIS_URL": url}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_a_realm_is_fresh_and_may_be_filled(redis_client: redis.Redis, realm: str) -> None:
    keys = Keys(realm)
    assert not list(redis_client.scan_iter(match=keys.prefix + "*"))
    redis_client.set(keys.meta, "1")
    redis_client.zadd(keys.line("ladder"), {"a": 1.0})
    assert redis_client.get(keys.meta) == b"1"


def test_a_server_that_was_lent_is_left_as_it_was(own_server: StartServer) -> None:
    server = own_server()
    run = suite_on(server.url)
    assert run.returncode == 0, run.stdout + run.stderr
    with redis.Redis.from_url(server.url) as client:
        assert client.dbsize() == 0
        assert client.info("commandstats")["cmdstat_zadd"]["calls"] == 1, "the test did not run there"


def test_a_server_with_keys_in_it_is_refused_and_not_touched(own_server: StartServer) -> None:
    server = own_server()
    with redis.Redis.from_url(server.url) as client:
        client.set("theirs", "1")
        run = suite_on(server.url)
        assert run.returncode == 2
        assert "empty one" in run.stdout + run.stderr
        assert client.keys() == [b"theirs"]


def test_own_servers_are_private_and_take_options(own_server: StartServer, redis_url: str) -> None:
    first, second = own_server("--maxmemory", "5mb"), own_server()
    assert len({first.url, second.url, redis_url}) == 3
    with redis.Redis.from_url(first.url, decode_responses=True) as client:
        assert client.config_get("maxmemory") == {"maxmemory": "5242880"}
