"""How far a realm is recorded, as ``stats`` tells it without Postgres; and ``stats --watch``."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import sys
import termios
from typing import Any

import pytest
import redis

from matchmaker import Matchmaker, aio
from matchmaker.reports import RECORDER, Recording
from matchmaker.store import drain
from tests.integration.recorded import Recorded
from tests.integration.terminal import ROOT, Cli, Running
from tests.servers import StartServer

# -- the figure --------------------------------------------------------------------------------------------------------


def test_the_group_has_one_name() -> None:
    assert drain.GROUP == RECORDER


async def test_recording_is_told_by_both_faces(recorded: Recorded, redis_url: str) -> None:
    """Given a realm that nobody records, one that is recorded and one that is behind, then the stats say which."""
    mm = recorded.mm
    async with aio.Matchmaker(redis_url, recorded.realm) as other:
        assert mm.stats().recording is (await other.stats()).recording is None
        events = recorded.drain().events
        assert mm.stats().recording == (await other.stats()).recording == Recording(0, None, events)
        mm.enqueue("ladder", "late", rating=1)
        mm.enqueue("ladder", "later", rating=999)
        behind = (await other.stats()).recording
        assert behind is not None
        assert (behind.behind, behind.recorded) == (2, events)
        assert behind.oldest_ms is not None
        assert 0 <= behind.oldest_ms < 20_000


def test_what_the_server_cannot_tell_is_none(recorded: Recorded) -> None:
    """Given a group whose count was lost, when asked, then the counts are None and the age is still known."""
    recorded.drain()
    keys = recorded.mm.calls.keys
    recorded.mm.enqueue("ladder", "a", rating=1)
    recorded.mm.enqueue("ladder", "late", rating=999)
    newest: Any = recorded.client.xrevrange(keys.events, count=2)
    middle = newest[1][0]
    recorded.client.xgroup_setid(keys.events, RECORDER, middle, entries_read=-1)
    found = recorded.mm.stats().recording
    assert found is not None
    assert (found.behind, found.recorded) == (None, None)
    assert found.oldest_ms is not None


def test_a_user_who_may_not_ask_still_gets_the_counts(own_server: StartServer) -> None:
    server = own_server(appendonly=False)
    with redis.Redis.from_url(server.url) as client, Matchmaker(server.url) as mm:
        mm.apply_rules({})
        client.xgroup_create(mm.calls.keys.events, RECORDER, "0", mkstream=True)
        assert mm.stats().recording is not None
        client.execute_command("ACL", "SETUSER", "guest", "on", ">pw", "~*", "&*", "+@all", "-xinfo")
    with Matchmaker(server.url.replace("://", "://guest:pw@")) as guest:
        assert guest.stats().recording is None


# -- the command, once -------------------------------------------------------------------------------------------------


def test_stats_tells_how_far_it_is_recorded(cli: Cli, recorded: Recorded) -> None:
    assert not re.search("^(recorded|behind)", cli("stats").out, re.MULTILINE)
    assert cli("stats", "--json").document["recording"] is None
    recorded.drain()
    assert re.search(r"^recorded +all$", cli("stats").out, re.MULTILINE)
    recorded.mm.enqueue("ladder", "late", rating=1)
    assert re.search(r"^behind +1  event, the oldest \S+ s ago$", cli("stats").out, re.MULTILINE)
    recorded.mm.enqueue("ladder", "later", rating=999)
    assert re.search(r"^behind +2  events, the oldest \S+ s ago$", cli("stats").out, re.MULTILINE)
    document = cli("stats", "--json").document["recording"]
    assert document["behind"] == 2
    assert document["oldest_ms"] >= 0


@pytest.mark.parametrize("interval", ["0", "nan", "-1", "x", "3601"])
def test_an_interval_that_is_none(cli: Cli, mm: Matchmaker, interval: str) -> None:
    del mm
    done = cli("stats", "--watch", "--interval", interval)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: interval: ")


# -- again and again ---------------------------------------------------------------------------------------------------


def test_watch_as_json_is_a_line_an_interval(recorded: Recorded, environment: dict[str, str]) -> None:
    """Given a watcher, when players come between two readings, then their rate is told; Ctrl-C ends it with 130."""
    with Running("stats", "--watch", "--interval", "0.1", "--json", env=environment) as watcher:
        first = watcher.document()
        assert (first["per_second"], first["enqueued"]) == (None, 0)
        recorded.play(4)
        seen = first
        while seen["enqueued"] < 6:
            before, seen = seen, watcher.document()
            if seen["enqueued"] > before["enqueued"]:
                assert seen["per_second"]["enqueued"] > 0
        recorded.drain()
        while seen["recording"] is None or seen["recording"]["behind"]:
            seen = watcher.document()
        watcher.signal(signal.SIGINT)
        assert watcher.ended() == 130
        assert watcher.stderr() == ""


def test_watch_of_a_server_that_goes_and_comes(own_server: StartServer, environment: dict[str, str]) -> None:
    """Given a watcher, when its server is restarted, then it says so meanwhile and goes on."""
    server = own_server()
    with Matchmaker(server.url) as mm:
        mm.apply_rules({})
    env = {**environment, "MATCHMAKER_REDIS_URL": server.url, "MATCHMAKER_REALM": "main"}
    env["MATCHMAKER_SOCKET_TIMEOUT_SECONDS"] = "0.5"
    with Running("stats", "--watch", "--interval", "0.1", "--json", env=env) as watcher:
        assert watcher.document()["realm"] == "main"
        os.kill(server.pid, signal.SIGSTOP)
        assert json.loads(watcher.error_line())["error"]["code"] == "server_unavailable"
        os.kill(server.pid, signal.SIGCONT)
        assert watcher.document()["realm"] == "main"
        watcher.signal(signal.SIGINT)
        assert watcher.ended() == 130


def test_watch_in_a_pipe_prints_one_below_the_other(recorded: Recorded, environment: dict[str, str]) -> None:
    recorded.drain()
    with Running("stats", "--watch", "--interval", "0.1", env=environment) as watcher:
        heads = 0
        while heads < 3:
            line = watcher.line()
            assert "\x1b" not in line
            heads += line.startswith("queue ")
        watcher.signal(signal.SIGINT)
        assert watcher.ended() == 130


def test_watch_on_a_terminal_draws_in_place(recorded: Recorded, environment: dict[str, str]) -> None:
    """Given a terminal, when watching, then each picture takes the place of the one before, and Ctrl-C gives the cursor
    back."""
    recorded.drain()
    process, terminal = pty.fork()
    if process == 0:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MATCHMAKER_")}
        args = [sys.executable, "-P", "-m", "matchmaker.cli", "stats", "--watch", "--interval", "0.1"]
        os.execve(args[0], args, {**inherited, **environment, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 120, 0, 0))
    drawn = b""
    while drawn.count(b"recorded") < 3:
        drawn += os.read(terminal, 65536)
    os.write(terminal, b"\x03")
    try:
        while piece := os.read(terminal, 65536):
            drawn += piece
    except OSError:  # Linux says so when the other end is gone
        pass
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 130
    assert b"\x1b[2K\x1b[1A" in drawn
    assert drawn.endswith(b"\x1b[?25h")
    assert b"Traceback" not in drawn
