"""``up``: everything on this machine. An embedded server with its data kept, and matchers as child processes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

import matchmaker
from matchmaker.cli.command import Invocation, answers_for_realms
from matchmaker.cli.output import Output
from matchmaker.cli.queues import change_rows, read_rules
from matchmaker.errors import EmbeddedServerError
from matchmaker.server import ServerFacts, inspect_server, refuse_unsuitable
from matchmaker.settings import redacted_url

if TYPE_CHECKING:
    from matchmaker.embedded import EmbeddedServer
    from matchmaker.reports import QueueChange
    from matchmaker.rules import QueueRules

LOCK_FILE: Final = "up.lock"
MOST_MATCHERS: Final = 64

SENTENCES: Final[Mapping[str, str]] = {
    "matcher_ended": "matcher {number} (process {pid}) ended: {how}; it is started again in {seconds:.1f} s",
    "matcher_started": "matcher {number} started again: process {pid}",
    "server_ended": "the server ended; it is started again in {seconds:.1f} s, on the same data",
    "server_started": "the server started again: {url}",
    "leaving": "leaving",
}


@click.command()
@click.option(
    "--matchers",
    metavar="N",
    type=click.IntRange(0, MOST_MATCHERS),
    default=1,
    show_default=True,
    help="How many matchers to run.",
)
@click.option("--rules", "file", metavar="FILE", help="Apply these rules first, as `queues apply` does.")
@answers_for_realms
def up(invocation: Invocation, matchers: int, file: str | None) -> None:
    """Run everything here: an embedded server with its data kept, and matchers.

    Ctrl-C or SIGTERM leaves in good order, and nothing it started outlives it. Where a server is set (--url,
    MATCHMAKER_REDIS_URL) only the matchers are started. What dies is started again. With --json: one line for each
    thing that happens, the first one `ready`.
    """
    rules = None if file is None else read_rules(file)
    settings = invocation.settings
    with contextlib.ExitStack() as stack:
        server: EmbeddedServer | None = None
        if settings.redis_url is None:
            from matchmaker.embedded import EmbeddedServer

            stack.enter_context(_only_one(settings.data_dir))
            server = stack.enter_context(EmbeddedServer(settings.data_dir))
        url = invocation.url() if server is None else server.url
        with invocation.client(url) as client:
            facts = inspect_server(client)
            refuse_unsuitable(facts)
        changes = {} if rules is None else _apply(invocation, url, rules)
        kept = None if server is None else server.data_dir
        started = Started(url, facts, kept, invocation.realms, changes)
        _supervise(invocation.output, started, server, matchers)


class Started(NamedTuple):
    """What there is once everything runs. ``kept`` is the data folder of our own server; ``changes`` go by realm."""

    url: str
    facts: ServerFacts
    kept: Path | None
    realms: tuple[str, ...]
    changes: Mapping[str, Sequence[QueueChange]]


def _apply(invocation: Invocation, url: str, rules: Mapping[str, QueueRules]) -> dict[str, list[QueueChange]]:
    changes = {}
    for realm in invocation.realms:
        with invocation.matchmaker(url, realm) as mm:
            changes[realm] = mm.apply_rules(rules)
    return changes


def _supervise(output: Output, started: Started, server: EmbeddedServer | None, matchers: int) -> None:
    from matchmaker.cli._supervisor import Supervisor

    def tell(event: str, **details: Any) -> None:
        if output.as_json:
            output.document({"event": event, **details})
        else:
            output.line(f"{time.strftime('%H:%M:%S')}  {SENTENCES[event].format(**details)}")

    def ready(pids: list[int]) -> None:
        if output.as_json:
            output.document({"event": "ready", **_ready_json(started), "matchers": pids})
        else:
            output.table(_ready_rows(started, pids))
            output.line("Ctrl-C leaves.")

    def spawn(number: int) -> subprocess.Popen[bytes]:
        return _spawn(started, number, as_json=output.as_json)

    Supervisor(matchers, spawn, server, tell).run(ready)


def _ready_json(started: Started) -> dict[str, Any]:
    return {
        "url": redacted_url(started.url),
        "server": started.facts.name,
        "version": started.facts.version,
        "data_dir": None if started.kept is None else str(started.kept),
        "realms": started.realms,
        "rules": started.changes,
        "pid": os.getpid(),
    }


def _ready_rows(started: Started, pids: list[int]) -> list[tuple[str, str]]:
    rows = [("server", redacted_url(started.url)), ("", started.facts.title)]
    if started.kept is not None:
        rows.append(("data", str(started.kept)))
    many = len(started.realms) > 1
    rows.append(("realms" if many else "realm", ", ".join(started.realms)))
    rows.append(("matchers", f"{len(pids)}" + (f" (process {', '.join(map(str, pids))})" if pids else "")))
    for realm, changed in started.changes.items():
        for queue, change, version in change_rows(changed):
            rows.append(("rules", f"{queue}  {change}  {version}" + (f"  in {realm}" if many else "")))
    return rows


# -- one up for one folder -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Holds the folder for this process.

    :raises EmbeddedServerError: another ``up`` holds it, which the message names; or it cannot be written to.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / LOCK_FILE).open("a+")
    except OSError as error:
        raise EmbeddedServerError(f"data folder {folder} cannot be used: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EmbeddedServerError(_who_runs(folder)) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _who_runs(folder: Path) -> str:
    from matchmaker.embedded import running_url

    pid = (folder / LOCK_FILE).read_text().strip() or "unknown"
    url = running_url(folder)
    return (
        f"`matchmaker up` runs on {folder} already: process {pid}{f' at {url}' if url else ''}. Use that one, stop it "
        "with Ctrl-C or kill, or name another folder with --data-dir"
    )


# -- children ------------------------------------------------------------------------------------------------------


def _spawn(started: Started, number: int, *, as_json: bool) -> subprocess.Popen[bytes]:
    """A matcher. The URL goes through the environment: it may hold a password, and everyone can see arguments."""
    # -P: a folder named `workers` where the user stands is not ours.
    command = [sys.executable, "-P", "-m", "matchmaker.cli", "worker", "--leave-on-eof", "--name", str(number)]
    for realm in started.realms:
        command += ["--realm", realm]
    return subprocess.Popen(
        command + ["--json"] * as_json,
        env={**os.environ, "MATCHMAKER_REDIS_URL": started.url, **_python_path()},
        stdin=subprocess.PIPE,
        start_new_session=True,  # a terminal's Ctrl-C is for us; we then stop the matchers
    )


def _python_path() -> dict[str, str]:
    """In a checkout that is not installed, a child finds the package where this process found it."""
    home = Path(matchmaker.__file__).resolve().parent.parent
    if home.name in ("site-packages", "dist-packages"):
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(home), os.environ.get("PYTHONPATH"))))}
