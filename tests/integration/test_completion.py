"""Shell completion, asked for as shells do: the program's own name, words and cursor in the environment."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from matchmaker import Matchmaker
from matchmaker.cli import COMMANDS
from matchmaker.cli.completion import PATIENCE_SECONDS, SHELLS, VARIABLE
from tests.integration.terminal import ROOT, Cli

Complete = Callable[..., list[str]]
"""``complete("stats", "--w")``: what is offered for the last word."""


@pytest.fixture
def complete(environment: dict[str, str]) -> Complete:
    def ask(*words: str, **env: str) -> list[str]:
        line = ["matchmaker", *words]
        asked = {VARIABLE: "bash_complete", "COMP_WORDS": " ".join(line), "COMP_CWORD": str(len(line) - 1)}
        run = subprocess.run(
            [sys.executable, "-P", "-m", "matchmaker.cli"],
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **environment, **asked, **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert run.stderr == ""
        return [offer.removeprefix("plain,") for offer in run.stdout.splitlines() if offer]

    return ask


def test_commands_and_options(complete: Complete) -> None:
    """Given the beginning of a word, when completed, then commands, those of a group, and options are offered."""
    assert complete("") == list(COMMANDS)
    assert complete("do") == ["doctor"]
    assert complete("--v") == ["--version"]
    assert complete("queues", "") == ["apply", "history", "show"]
    assert complete("db", "un") == ["unregister"]
    assert complete("stats", "--w") == ["--watch"]
    assert complete("completion", "") == list(SHELLS)


def test_the_names_of_commands_cost_no_import_of_them() -> None:
    code = (
        "import sys, click\nfrom matchmaker.cli import program\n"
        "print([one.value for one in program.shell_complete(click.Context(program), 'st')])\n"
        "print([name for name in sys.modules if name in ('rich', 'matchmaker.cli.stats', 'psycopg2', 'alembic')])\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "['status', 'stats']\n[]\n"


def test_queues_of_the_realm(complete: Complete, mm: Matchmaker) -> None:
    del mm
    for words in (("enqueue",), ("queues", "show"), ("queues", "history"), ("matches", "list", "--queue")):
        assert complete(*words, "") == ["casual", "ladder"]
    assert complete("enqueue", "la") == ["ladder"]
    assert complete("enqueue", "--realm", "nobody", "") == []


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "garbage", "rediss://127.0.0.1:1", "unix:///nowhere"])
def test_a_server_that_is_not_there_is_no_word_at_all(complete: Complete, url: str) -> None:
    assert complete("enqueue", "", MATCHMAKER_REDIS_URL=url) == []


@pytest.fixture
def dripping() -> Iterator[str]:
    """URL of a server that sends a byte now and then and never comes to an end: no timeout of a socket bounds that."""
    over = threading.Event()

    def drip(server: socket.socket) -> None:
        with server.accept()[0] as client, contextlib.suppress(OSError):
            while not over.wait(PATIENCE_SECONDS / 4):
                client.sendall(b"+")

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        thread = threading.Thread(target=drip, args=(server,))
        thread.start()
        yield f"redis://127.0.0.1:{server.getsockname()[1]}?protocol=2"
        over.set()
        thread.join()


def test_a_server_that_never_comes_to_an_end_costs_a_moment(complete: Complete, dripping: str) -> None:
    """Given such a server, when completing, then no name comes, and soon: the next TAB is the user's."""
    began = time.monotonic()
    assert complete("enqueue", "", MATCHMAKER_REDIS_URL=dripping) == []
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script(bare_cli: Cli, shell: str) -> None:
    done = bare_cli("completion", shell)
    assert (done.code, done.err) == (0, "")
    assert f"{VARIABLE}={shell}_complete" in done.out
    assert bare_cli("completion", shell, "--json").document["script"].strip("\n") + "\n" == done.out


def test_another_shell_is_refused(bare_cli: Cli) -> None:
    done = bare_cli("completion", "tcsh")
    assert (done.code, done.out) == (2, "")
    assert "'bash', 'zsh', 'fish'" in done.err


def test_bash_completes_with_it(bare_cli: Cli, environment: dict[str, str], tmp_path: Path) -> None:
    """Given the script in a real bash, when its function is called as TAB does, then the reply has the commands."""
    bash = shutil.which("bash")
    assert bash is not None, "the suite needs bash"
    program = tmp_path / "matchmaker"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m matchmaker.cli "$@"\n')
    program.chmod(0o755)
    script = bare_cli("completion", "bash").out
    asked = "COMP_WORDS=(matchmaker queues h) COMP_CWORD=2\n_matchmaker_completion matchmaker\necho ${COMPREPLY[@]}\n"
    run = subprocess.run(
        [bash, "--norc", "-c", script + asked],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert (run.stdout, run.stderr) == ("history\n", "")
