"""The Procfile, run by honcho as in production: matchers match, recorders record, and all leave when honcho does."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from matchmaker import Matchmaker
from matchmaker.checker import check_records
from matchmaker.server import matcher_name
from matchmaker.store import schema
from matchmaker.store.connect import Database
from tests.faces import PATIENCE_SECONDS
from tests.faults.ears import reached
from tests.integration.terminal import END_SECONDS, ROOT
from tests.servers import Process, StartServer


@pytest.fixture
def program_path(tmp_path: Path) -> str:
    """A PATH on which ``matchmaker`` is this checkout's command, as an installation puts it there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "matchmaker"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m matchmaker.cli "$@"\n')
    command.chmod(0o755)
    return os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)])


@pytest.fixture
def honcho(
    tmp_path: Path,
    program_path: str,
    environment: dict[str, str],
    database: Database,
    database_url: str,
    own_server: StartServer,
) -> Iterator[subprocess.Popen[str]]:
    """Honcho on a copy of the Procfile, with two of everything."""
    assert schema.status(database).current
    folder = tmp_path / "app"
    folder.mkdir()
    shutil.copy(ROOT / "Procfile", folder)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MATCHMAKER_")}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "honcho", "start", "--concurrency", "matcher=2,recorder=2"],
        cwd=folder,
        env={
            **inherited,
            **environment,
            "MATCHMAKER_DATABASE_URL": database_url,
            "MATCHMAKER_RQ_URL": own_server().url,  # jobs of realms that are gone would stay with the suite's server
            "PYTHONPATH": str(ROOT),
            "PATH": program_path,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        yield process
        if process.poll() is None:
            process.terminate()
            process.wait(END_SECONDS)


def child_pids(log: str) -> list[int]:
    """Which processes honcho says that it started."""
    return [int(line.rpartition("pid=")[2].rstrip(")")) for line in log.splitlines() if "started (pid=" in line]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_the_procfile_names_matches_records_and_leaves_when_told(
    honcho: subprocess.Popen[str],
    redis_client: redis.Redis,
    mm: Matchmaker,
    realm: str,
    database: Database,
    number: signal.Signals,
) -> None:
    """Given the Procfile under honcho, when a pair comes, then it is matched and recorded; when honcho is told to end,
    then every process has left in good order."""

    def names() -> list[str]:
        return [one["name"] for one in redis_client.client_list()]

    assert honcho.stdout is not None
    log = ""
    while log.count("recorder started") < 2:
        log += honcho.stdout.readline()
    assert reached(lambda: names().count(matcher_name([realm])) == 2, END_SECONDS), "the matchers are not there"
    ticket = mm.enqueue("ladder", "ann", rating=1500)
    mm.enqueue("ladder", "bob", rating=1500)
    assert set(mm.wait_for_match(ticket, PATIENCE_SECONDS).players) == {"ann", "bob"}
    assert reached(lambda: check_records(redis_client, database, realm).matches == 1, END_SECONDS), "nothing recorded"
    with ExitStack() as stack:
        children = [stack.enter_context(Process(pid)) for pid in child_pids(log)]
        assert len(children) == 4, log
        honcho.send_signal(number)
        assert all(child.ended(END_SECONDS) for child in children)
    honcho.wait(END_SECONDS)
    log += honcho.stdout.read()
    assert (log.count("matcher left"), log.count("recorder left")) == (2, 2), log
    assert reached(lambda: matcher_name([realm]) not in names(), PATIENCE_SECONDS)


def test_the_procfile_runs_commands_that_exist() -> None:
    """Given what it names, then the command line knows each of it."""
    for line in (ROOT / "Procfile").read_text().splitlines():
        _, _, command = line.partition(": ")
        program, *args = command.split()
        assert program == "matchmaker"
        shown = subprocess.run(
            [sys.executable, "-P", "-m", "matchmaker.cli", *args, "--help"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert shown.returncode == 0, shown.stderr
