"""``matchmaker functions``: what is loaded, replaced, removed, and how a server that refuses is reported."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from matchmaker import __version__
from matchmaker.functions import LIBRARY, library_source, load, script_names, status, unload
from matchmaker.scripts import SCHEMA
from tests.integration.terminal import Cli
from tests.protocol.programs import redis_cli
from tests.servers import StartServer


@pytest.fixture(autouse=True)
def no_library(redis_client: redis.Redis) -> Iterator[None]:
    """Functions belong to the whole server: the suite's has none before and after."""
    unload(redis_client)
    yield
    unload(redis_client)


def test_load_says_what_it_did_and_status_what_is_there(cli: Cli, redis_client: redis.Redis) -> None:
    """Given a server without functions, when they are loaded twice, then the second time changes nothing."""
    before = cli("functions", "status")
    first, again = cli("functions", "load"), cli("functions", "load")
    after = cli("functions", "status")

    digest = status(redis_client).digest
    assert before.code == 1
    assert before.out.splitlines()[0] == "mm1  absent"
    assert "`matchmaker functions load`" in before.out
    assert (first.code, first.out) == (0, f"mm1  loaded  version {__version__}  {digest}\n")
    assert (again.code, again.out) == (0, f"mm1  unchanged  version {__version__}  {digest}\n")
    assert (after.code, after.out) == (0, f"mm1  current  version {__version__}  {digest}\n")
    (found,) = redis_client.function_list(LIBRARY)
    names = {one[b"name"].decode() for one in _functions(found)}
    assert names == {f"mm1_{name}" for name in (*script_names(), "version")}


def test_another_version_differs_and_is_replaced(cli: Cli, redis_client: redis.Redis) -> None:
    """Given the functions of an older package, when ours are loaded, then they take the old ones' place."""
    redis_client.function_load(library_source(LIBRARY, "0.0.9"))

    differs = cli("functions", "status", "--json")
    replaced = cli("functions", "load", "--json")

    assert differs.code == 1
    assert {**differs.document, "digest": "", "own_digest": ""} == {
        "library": LIBRARY,
        "state": "differs",
        "version": "0.0.9",
        "digest": "",
        "own_version": __version__,
        "own_digest": "",
    }
    assert differs.document["digest"] != differs.document["own_digest"]
    assert (replaced.code, replaced.document["done"]) == (0, "replaced")
    assert replaced.document["before"]["version"] == "0.0.9"
    assert replaced.document["after"]["state"] == "current"
    assert redis_client.fcall("mm1_version", 0) == [b"version", __version__.encode(), SCHEMA.encode()]


def test_a_library_of_somebody_else_of_our_name_differs(cli: Cli, redis_client: redis.Redis) -> None:
    redis_client.function_load("#!lua name=mm1\nredis.register_function('mm1_x', function() return 1 end)")
    done = cli("functions", "status")
    assert done.code == 1
    assert done.out.startswith("mm1  differs  version unknown  ")


def test_unload(cli: Cli, redis_client: redis.Redis) -> None:
    """Given the library, when it is unloaded twice, then it is gone and the second time says so."""
    load(redis_client)
    assert cli("functions", "unload").out == "mm1  unloaded\n"
    assert redis_client.function_list(LIBRARY) == []
    assert cli("functions", "unload", "--json").document == {"library": "mm1", "done": "absent"}


def test_show_prints_what_redis_cli_loads(bare_cli: Cli, redis_client: redis.Redis, redis_url: str) -> None:
    """Given no server is set, when the library is shown and piped into redis-cli, then the server has just it."""
    shown = bare_cli("functions", "show")
    command = [redis_cli(), "-u", redis_url, "-x", "FUNCTION", "LOAD", "REPLACE"]
    subprocess.run(command, input=shown.out, text=True, check=True, capture_output=True)
    assert shown.code == 0
    assert shown.out == library_source()
    assert redis_client.fcall("mm1_version", 0)[0] == b"version"
    assert status(redis_client).state == "current"
    assert bare_cli("functions", "show", "--json").document == {"library": "mm1", "source": library_source()}


# -- servers that refuse -----------------------------------------------------------------------------------------------


def test_a_user_who_may_not_load_is_told(bare_cli: Cli, own_server: StartServer) -> None:
    server = own_server()
    with redis.Redis.from_url(server.url) as client:
        client.execute_command("ACL", "SETUSER", "guest", "on", ">pw", "~*", "&*", "+@all", "-function")
    done = bare_cli("functions", "load", "--json", "--url", f"redis://guest:pw@127.0.0.1:{server.port}")
    assert (done.code, done.error["code"]) == (5, "server_unsuitable")
    assert "function" in done.error["message"]


def test_a_server_without_functions_is_told_apart(bare_cli: Cli, own_server: StartServer, tmp_path: Path) -> None:
    settings = tmp_path / "server.conf"
    settings.write_text('rename-command FUNCTION ""\n')
    server = own_server("--include", str(settings))
    done = bare_cli("functions", "status", "--url", server.url)
    assert (done.code, done.out) == (5, "")
    assert done.err.startswith("error: the Redis server has no functions")
    assert "Redis 7 or Valkey 8" in done.err


def test_no_server_at_all(bare_cli: Cli) -> None:
    done = bare_cli("functions", "status")
    assert done.code == 5
    assert "matchmaker up" in done.err


def test_another_librarys_functions_of_our_names(bare_cli: Cli, own_server: StartServer) -> None:
    """Given somebody's library with a function of our name, when ours is loaded, then nothing of either changes."""
    server = own_server()
    with redis.Redis.from_url(server.url) as client:
        client.function_load("#!lua name=other\nredis.register_function('mm1_enqueue', function() return 1 end)")
        done = bare_cli("functions", "load", "--url", server.url)
        assert done.code == 5
        assert "mm1_enqueue" in done.err
        assert client.fcall("mm1_enqueue", 0) == 1
        assert client.function_list(LIBRARY) == []


def _functions(library: object) -> list[dict[bytes, bytes]]:
    """The functions of one entry of FUNCTION LIST, flat or mapped as the protocol version has it."""
    fields = library if isinstance(library, dict) else dict(zip(library[::2], library[1::2], strict=True))  # type: ignore[index]
    return [
        one if isinstance(one, dict) else dict(zip(one[::2], one[1::2], strict=True)) for one in fields[b"functions"]
    ]
