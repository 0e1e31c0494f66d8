"""``up`` and ``worker`` as real processes: they start what they say, survive what dies, and leave nothing behind."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from matchmaker import Matchmaker, parse_rules
from matchmaker._guards import postgres
from matchmaker._guards.valkey import running_server
from matchmaker.checker import check_records
from matchmaker.cli.command import POSTGRES_FOLDER
from matchmaker.store.connect import Database
from tests.faults.ears import reached
from tests.integration.terminal import Cli, Running
from tests.servers import Process, StartServer

RECORD_SECONDS = 45.0
GONE_SECONDS = 15.0
"""Everything has ended so long after its parent was killed, however busy the machine."""


class Up(Running):
    """``up --json`` with handles on all it started, taken when it was ready."""

    def __init__(self, folder: Path, *args: object, cwd: Path | None = None) -> None:
        super().__init__("up", "--json", *args, env={"MATCHMAKER_DATA_DIR": str(folder)}, cwd=cwd)
        self.folder = folder
        self.handles = ExitStack()

    def ready(self) -> dict[str, Any]:
        """The first line, and from then on :attr:`children`."""
        told: dict[str, Any] = self.document()
        assert told["event"] == "ready"
        servers = [running_server(self.folder), postgres.running_server(self.folder / POSTGRES_FOLDER)]
        pids = [*told["matchers"], *told["recorders"], *(server["pid"] for server in servers if server)]
        self.children = [self.handles.enter_context(Process(pid)) for pid in pids]
        return told

    def until(self, event: str) -> dict[str, Any]:
        """The next line that tells of this."""
        while True:
            told: dict[str, Any] = self.document()
            if told["event"] == event:
                return told

    def all_gone(self) -> bool:
        return all(child.ended(GONE_SECONDS) for child in self.children)

    def __exit__(self, *exc: Any) -> None:
        super().__exit__(*exc)
        self.handles.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@pytest.fixture
def rules_file(tmp_path: Path) -> Path:
    file = tmp_path / "queues.toml"
    file.write_text("[ladder]\n")
    return file


def test_up_is_a_whole_installation(folder: Path, rules_file: Path) -> None:
    """Given `up --rules`, when two players enqueue, then they are matched; SIGTERM ends it all in good order."""
    with Up(folder, "--matchers", 2, "--rules", rules_file) as up:
        told = up.ready()
        assert (told["data_dir"], told["realms"], len(told["matchers"]), told["pid"]) == (
            str(folder),
            ["main"],
            2,
            up.pid,
        )
        assert told["rules"] == {"main": [{"queue": "ladder", "change": "created", "version": 1}]}
        with Matchmaker(told["url"]) as mm:
            mm.enqueue("ladder", "alice", rating=1)
            ticket = mm.enqueue("ladder", "bob", rating=1)
            assert mm.wait_for_match(ticket, timeout=30).opponents_of("bob") == ("alice",)
        up.signal(signal.SIGTERM)
        assert up.document() == {"event": "leaving"}
        assert up.ended() == 0
        assert len(up.children) == 2 + 1 + 2
        assert up.all_gone()


def recorded_matches(told: dict[str, Any]) -> int:
    """Matches that are in the database of `up`, which must agree with its realm."""
    with Database(told["database"]) as database, redis.Redis.from_url(told["url"]) as client:
        report = check_records(client, database, "main")
    assert report.ok, str(report)
    return report.matches


def pair(mm: Matchmaker, name: str) -> None:
    """Two players come, and hear of each other."""
    mm.enqueue("ladder", f"{name} 1", rating=1)
    mm.wait_for_match(mm.enqueue("ladder", f"{name} 2", rating=1), timeout=30)


def test_what_is_matched_is_recorded_whoever_dies(folder: Path, rules_file: Path) -> None:
    """Given `up`, when the recorder is killed and then the database, then both are started again and every match is
    recorded."""
    with Up(folder, "--rules", rules_file) as up:
        told = up.ready()
        with Matchmaker(told["url"]) as mm:
            pair(mm, "first")
            assert reached(lambda: recorded_matches(told) == 1, GONE_SECONDS)
            (pid,) = told["recorders"]
            signal_process(pid, signal.SIGKILL)
            pair(mm, "second")
            assert up.until("recorder_ended")["how"] == "SIGKILL"
            up.until("recorder_started")
            assert reached(lambda: recorded_matches(told) == 2, GONE_SECONDS)
            server = postgres.running_server(folder / POSTGRES_FOLDER)
            assert server is not None
            signal_process(server["pid"], signal.SIGKILL)
            pair(mm, "third")
            assert up.until("database_ended")["url"] == told["database"]
            assert up.until("database_started")["url"] == told["database"]
            assert reached(lambda: recorded_matches(told) == 3, RECORD_SECONDS)


def test_up_without_a_database(folder: Path, rules_file: Path) -> None:
    with Up(folder, "--rules", rules_file, "--no-database") as up:
        told = up.ready()
        assert (told["database"], told["recorders"]) == (None, [])
        assert not (folder / POSTGRES_FOLDER).exists()


def test_up_with_a_database_that_is_not_prepared(
    folder: Path, database_url: str, bare_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a database of the operator's without tables, then `up` names the command that makes them and leaves."""
    monkeypatch.setenv("MATCHMAKER_DATABASE_URL", database_url)
    done = bare_cli("up", "--data-dir", folder)
    assert done.code == 5
    assert "run `matchmaker db upgrade`" in done.err


def test_what_waited_still_waits_after_the_next_up(folder: Path, rules_file: Path) -> None:
    """Given a ticket, when `up` is left with Ctrl-C and started again on the same folder, then the ticket waits."""
    with Up(folder, "--rules", rules_file) as up:
        with Matchmaker(up.ready()["url"]) as mm:
            mm.enqueue("ladder", "alice", rating=1, ticket="A")
        up.signal(signal.SIGINT)
        assert up.ended() == 0
        assert up.all_gone()
    with Up(folder, "--matchers", 0) as up:
        told = up.ready()
        assert told["matchers"] == []
        with Matchmaker(told["url"]) as mm:
            assert mm.status("A").state == "waiting"


def test_nothing_is_orphaned_when_up_is_killed(folder: Path) -> None:
    """Given `up` with matchers, when it is killed by SIGKILL, then all it started ends too."""
    with Up(folder, "--matchers", 2) as up:
        up.ready()
        up.signal(signal.SIGKILL)
        up.ended()
        assert up.all_gone()


def test_a_matcher_that_dies_is_started_again(folder: Path) -> None:
    with Up(folder) as up:
        (pid,) = up.ready()["matchers"]
        with Matchmaker(running_url(folder)) as mm:
            mm.apply_rules(parse_rules("[ladder]\n", "test"))
            signal_process(pid, signal.SIGKILL)
            ended = up.until("matcher_ended")
            assert (ended["number"], ended["pid"], ended["how"]) == (1, pid, "SIGKILL")
            again = up.until("matcher_started")
            assert again["pid"] != pid
            mm.enqueue("ladder", "alice", rating=1)
            ticket = mm.enqueue("ladder", "bob", rating=1)
            mm.wait_for_match(ticket, timeout=30)


def test_a_server_that_dies_is_started_again_with_its_data(folder: Path, rules_file: Path) -> None:
    """Given a ticket, when the server is killed, then `up` starts it on the same port and matching goes on."""
    with Up(folder, "--rules", rules_file) as up:
        told = up.ready()
        with Matchmaker(told["url"]) as mm:
            ticket = mm.enqueue("ladder", "alice", rating=1)
            server = running_server(folder)
            assert server is not None
            signal_process(server["pid"], signal.SIGKILL)
            assert up.until("server_ended")["url"] == told["url"]
            assert up.until("server_started")["url"] == told["url"]
            mm.enqueue("ladder", "bob", rating=1)
            assert mm.wait_for_match(ticket, timeout=30).players


def test_a_second_up_on_the_folder_says_who_runs_it(folder: Path, bare_cli: Cli) -> None:
    with Up(folder) as up:
        url = up.ready()["url"]
        second = bare_cli("up", "--data-dir", folder)
        assert second.code == 5
        assert second.err == (
            f"error: `matchmaker up` runs on {folder} already: process {up.pid} at {url}. Use that one, stop it with "
            "Ctrl-C or kill, or name another folder with --data-dir\n"
        )
        assert up.process.poll() is None


def test_commands_find_the_server_that_up_runs(folder: Path, rules_file: Path, bare_cli: Cli) -> None:
    """Given `up` and no URL, when commands name its folder, then they talk to its server; doctor finds all well."""
    with Up(folder, "--matchers", 2, "--rules", rules_file) as up:
        up.ready()
        for _ in range(2):
            assert up.error_line()  # each matcher says that it started
        assert bare_cli("enqueue", "ladder", "alice", "--rating", "1", "--data-dir", folder).code == 0
        examined = bare_cli("doctor", "--data-dir", folder, "--json")
        assert examined.code == 0
        states = {finding["name"]: finding["state"] for finding in examined.document["findings"]}
        assert set(states.values()) == {"ok"}
        assert {"server", "persistence", "eviction", "scripts", "realm", "matchers", "checker"} <= states.keys()


def test_up_shows_people_what_runs(folder: Path, rules_file: Path) -> None:
    with Running("up", "--rules", rules_file, "--data-dir", folder, "--realm", "a", "--realm", "b", env={}) as up:
        lines = [up.line() for _ in range(11)]
        names = [line.split("  ")[0] for line in lines]
        servers, roles = ["server", "", "database", ""], ["matchers", "recorders"]
        assert names == [*servers, "data", "realms", *roles, "rules", "rules", "Ctrl-C leaves."]
        assert lines[0].split()[1].startswith("redis://127.0.0.1:")
        assert lines[2].split()[1].startswith("postgresql:///matchmaker?host=")
        assert lines[5].endswith("  a, b")
        assert lines[8].endswith("ladder  created  version 1  in a")
        up.signal(signal.SIGTERM)
        assert up.line().endswith("  leaving")
        assert up.ended() == 0


def test_what_stands_where_the_user_stands_is_not_taken_for_ours(folder: Path, tmp_path: Path) -> None:
    """Given a folder with a package named `workers`, when `up` is called there, then its matchers run all the same."""
    (tmp_path / "workers").mkdir()
    (tmp_path / "workers" / "__init__.py").write_text("raise SystemExit('the wrong one')\n")
    with Up(folder, cwd=tmp_path) as up:
        up.ready()
        assert json.loads(up.error_line())["event"] == "matcher started"


def test_wrong_rules_start_nothing(folder: Path, bare_cli: Cli, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[ladder]\nmax_gap = 'wide'\n")
    done = bare_cli("up", "--rules", wrong, "--data-dir", folder)
    assert done.code == 2
    assert done.err.startswith(f"error: {wrong}: ladder: max_gap: 'wide' is refused")
    assert not folder.exists()


def test_a_folder_that_cannot_be_used_is_named(bare_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = bare_cli("up", "--data-dir", tmp_path / "file" / "data")
    assert done.code == 5
    assert done.err.startswith(f"error: data folder {tmp_path}/file/data cannot be used: ")


def test_with_a_server_of_ones_own_only_matchers_are_started(folder: Path, redis_url: str, realm: str) -> None:
    with Up(folder, "--url", redis_url, "--realm", realm) as up, Matchmaker(redis_url, realm) as mm:
        told = up.ready()
        assert (told["url"], told["data_dir"], len(told["matchers"])) == (redis_url, None, 1)
        assert not folder.exists()
        mm.apply_rules(parse_rules("[ladder]\n", "test"))
        mm.enqueue("ladder", "alice", rating=1)
        mm.wait_for_match(mm.enqueue("ladder", "bob", rating=1), timeout=30)
        up.signal(signal.SIGTERM)
        assert up.ended() == 0
        assert up.all_gone()


@pytest.mark.parametrize("command", ["up", "worker"])
def test_a_server_that_may_evict_is_refused(bare_cli: Cli, own_server: StartServer, command: str) -> None:
    """Given an eviction policy, also without a maxmemory, when a matcher is to start, then the setting is named."""
    server = own_server("--maxmemory-policy", "allkeys-lru", appendonly=False)
    done = bare_cli(command, "--url", server.url)
    assert done.code == 5
    assert done.err.startswith("error: maxmemory-policy is allkeys-lru, which may evict those who wait")


# -- worker --------------------------------------------------------------------------------------------------------


@pytest.fixture
def two_realms(redis_url: str, redis_client: redis.Redis, realm: str) -> Iterator[list[str]]:
    other = f"{realm}-2"
    for name in (realm, other):
        with Matchmaker(redis_url, name) as mm:
            mm.apply_rules(parse_rules("[ladder]\n", "test"))
    yield [realm, other]
    for key in redis_client.scan_iter(match=f"mm:{{{other}}}:*"):
        redis_client.unlink(key)


def test_a_worker_serves_its_realms_and_logs_json(redis_url: str, two_realms: list[str]) -> None:
    """Given a worker for two realms, when both have a pair, then both are matched; SIGTERM leaves with 0."""
    named = [part for realm in two_realms for part in ("--realm", realm)]
    with Running("worker", *named, env={"MATCHMAKER_REDIS_URL": redis_url, "MATCHMAKER_LOG_FORMAT": "json"}) as worker:
        started = json.loads(worker.error_line())
        assert (started["event"], started["level"], started["realms"]) == ("matcher started", "info", two_realms)
        for realm in two_realms:
            with Matchmaker(redis_url, realm) as mm:
                mm.enqueue("ladder", "alice", rating=1)
                mm.wait_for_match(mm.enqueue("ladder", "bob", rating=1), timeout=30)
        worker.signal(signal.SIGTERM)
        assert worker.ended() == 0
        assert json.loads(worker.stderr().splitlines()[-1])["event"] == "matcher left"
        assert worker.line() == ""


def test_a_workers_log_has_no_colour_in_a_pipe(environment: dict[str, str]) -> None:
    with Running("worker", env={**environment, "MATCHMAKER_LOG_LEVEL": "INFO"}) as worker:
        line = worker.error_line()
        assert "[info] matcher started" in line
        assert "\x1b" not in line


def test_a_workers_log_has_its_level(mm: Matchmaker, environment: dict[str, str]) -> None:
    """Given the level error, when a worker works and leaves, then it has nothing to say."""
    with Running("worker", env={**environment, "MATCHMAKER_LOG_LEVEL": "error"}) as worker:
        mm.enqueue("ladder", "alice", rating=1)
        mm.wait_for_match(mm.enqueue("ladder", "bob", rating=1), timeout=30)
        worker.signal(signal.SIGTERM)
        assert worker.ended() == 0
        assert worker.stderr() == ""


def test_a_worker_waits_for_its_server(own_server: StartServer) -> None:
    """Given a server that is down, when a worker starts, then it says so, and works once the server is there."""
    server = own_server()
    server.kill()
    with Running("worker", "--url", server.url, "--json", env={}) as worker:
        assert json.loads(worker.error_line())["event"] == "server unavailable"
        server.restart()
        while (event := json.loads(worker.error_line())["event"]) == "server unavailable":
            pass
        assert event == "matcher started"
        worker.signal(signal.SIGTERM)
        assert worker.ended() == 0


def test_a_worker_that_is_tied_leaves_with_its_standard_input(environment: dict[str, str]) -> None:
    with Running("worker", "--leave-on-eof", "--name", "7", "--json", env=environment) as worker:
        assert json.loads(worker.error_line())["matcher"] == "7"
        assert worker.process.stdin is not None
        worker.process.stdin.close()
        assert worker.ended() == 0


def running_url(folder: Path) -> str:
    server = running_server(folder)
    assert server is not None
    return str(server["url"])


def signal_process(pid: int, number: signal.Signals) -> None:
    """By a handle, so that it reaches no later process."""
    with Process(pid) as process:
        signal.pidfd_send_signal(process._handle, number)
