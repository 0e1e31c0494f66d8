"""``up``: everything on this machine. Embedded servers with their data kept; matchers and recorders as children."""

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
from matchmaker.cli.command import POSTGRES_FOLDER, Invocation, answers_for_realms
from matchmaker.cli.output import Output
from matchmaker.cli.queues import change_rows, read_rules
from matchmaker.errors import EmbeddedServerError
from matchmaker.server import ServerFacts, inspect_server, refuse_unsuitable
from matchmaker.settings import redacted_url

if TYPE_CHECKING:
    from matchmaker._owner import GuardedServer
    from matchmaker.reports import QueueChange
    from matchmaker.rules import QueueRules

LOCK_FILE: Final = "up.lock"
MOST_MATCHERS: Final = 64

SENTENCES: Final[Mapping[str, str]] = {
    "matcher_ended": "matcher {number} (process {pid}) ended: {how}; it is started again in {seconds:.1f} s",
    "matcher_started": "matcher {number} started again: process {pid}",
    "recorder_ended": "recorder {number} (process {pid}) ended: {how}; it is started again in {seconds:.1f} s",
    "recorder_started": "recorder {number} started again: process {pid}",
    "server_ended": "the server ended; it is started again in {seconds:.1f} s, on the same data",
    "server_started": "the server started again: {url}",
    "database_ended": "the database ended; it is started again in {seconds:.1f} s, on the same data",
    "database_started": "the database started again: {url}",
    "leaving": "leaving",
}
COMMANDS: Final[Mapping[str, str]] = {"matcher": "worker", "recorder": "recorder"}


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
@click.option("--no-database", is_flag=True, help="Record nothing, and start no Postgres.")
@answers_for_realms
def up(invocation: Invocation, matchers: int, file: str | None, no_database: bool) -> None:
    """Run everything here: a Redis server and a Postgres with their data kept, matchers and a recorder.

    Ctrl-C or SIGTERM leaves in good order, and nothing it started outlives it. What dies is started again. Where a
    server is set (--url, MATCHMAKER_REDIS_URL), that one is used, and so is a database (MATCHMAKER_DATABASE_URL); a set
    server without a set database is recorded nowhere. With --json: one line for each thing that happens, the first one
    `ready`.
    """
    rules = None if file is None else read_rules(file)
    settings = invocation.settings
    with contextlib.ExitStack() as stack:
        servers: dict[str, GuardedServer] = {}
        if settings.redis_url is None:
            from matchmaker.embedded import EmbeddedServer

            stack.enter_context(_only_one(settings.data_dir))
            servers["server"] = stack.enter_context(EmbeddedServer(settings.data_dir))
        url = servers["server"].url if servers else invocation.url()
        with invocation.client(url) as client:
            facts = inspect_server(client)
            refuse_unsuitable(facts)
        database = None if no_database else _database(invocation, stack, servers)
        changes = {} if rules is None else _apply(invocation, url, rules)
        kept = settings.data_dir if "server" in servers else None
        started = Started(url, facts, database, kept, invocation.realms, changes)
        counts = {"matcher": matchers, "recorder": 0 if database is None else 1}
        _supervise(invocation.output, started, servers, counts)


def _database(
    invocation: Invocation, stack: contextlib.ExitStack, servers: dict[str, GuardedServer]
) -> DatabaseFacts | None:
    """The database to record in, ready for it. Our own is started here and brought up to date; one that is set is its
    operator's to upgrade.

    :raises DatabaseSchema: it is not ready, and says what to run.
    """
    settings = invocation.settings
    if settings.database_url is None and "server" not in servers:
        return None
    from matchmaker.store import schema
    from matchmaker.store.connect import Database

    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
    else:
        from matchmaker.embedded_postgres import EmbeddedPostgres

        own = EmbeddedPostgres(settings.data_dir / POSTGRES_FOLDER)
        servers["database"] = stack.enter_context(own)
        url = own.url
    with Database(url) as database:
        if "database" in servers:
            schema.upgrade(database)
        fault = schema.status(database).fault
        if fault is not None:
            raise fault
        with database.transaction() as cursor:
            cursor.execute("SELECT current_setting('server_version')")
            version = str((cursor.fetchone() or ("",))[0]).partition(" ")[0]
    return DatabaseFacts(url, version)


class DatabaseFacts(NamedTuple):
    """Where it is, and the version of its server."""

    url: str
    version: str


class Started(NamedTuple):
    """What there is once everything runs. ``kept`` is the data folder of our own server; ``changes`` go by realm."""

    url: str
    facts: ServerFacts
    database: DatabaseFacts | None
    kept: Path | None
    realms: tuple[str, ...]
    changes: Mapping[str, Sequence[QueueChange]]


def _apply(invocation: Invocation, url: str, rules: Mapping[str, QueueRules]) -> dict[str, list[QueueChange]]:
    changes = {}
    for realm in invocation.realms:
        with invocation.matchmaker(url, realm) as mm:
            changes[realm] = mm.apply_rules(rules)
    return changes


def _supervise(
    output: Output, started: Started, servers: Mapping[str, GuardedServer], counts: Mapping[str, int]
) -> None:
    from matchmaker.cli._supervisor import Supervisor

    def tell(event: str, **details: Any) -> None:
        if "url" in details:
            details["url"] = redacted_url(details["url"])
        if output.as_json:
            output.document({"event": event, **details})
        else:
            output.line(f"{time.strftime('%H:%M:%S')}  {SENTENCES[event].format(**details)}")

    def ready(pids: Mapping[str, list[int]]) -> None:
        if output.as_json:
            children = {"matchers": pids.get("matcher", []), "recorders": pids.get("recorder", [])}
            output.document({"event": "ready", **_ready_json(started), **children})
        else:
            output.table(_ready_rows(started, pids))
            output.line("Ctrl-C leaves.")

    def spawn(role: str, number: int) -> subprocess.Popen[bytes]:
        return _spawn(started, role, number, as_json=output.as_json)

    Supervisor(counts, spawn, servers, tell).run(ready)


def _ready_json(started: Started) -> dict[str, Any]:
    return {
        "url": redacted_url(started.url),
        "server": started.facts.name,
        "version": started.facts.version,
        "database": None if started.database is None else redacted_url(started.database.url),
        "postgres": None if started.database is None else started.database.version,
        "data_dir": None if started.kept is None else str(started.kept),
        "realms": started.realms,
        "rules": started.changes,
        "pid": os.getpid(),
    }


def _ready_rows(started: Started, pids: Mapping[str, list[int]]) -> list[tuple[str, str]]:
    rows = [("server", redacted_url(started.url)), ("", started.facts.title)]
    if started.database is not None:
        rows += [("database", redacted_url(started.database.url)), ("", f"Postgres {started.database.version}")]
    if started.kept is not None:
        rows.append(("data", str(started.kept)))
    many = len(started.realms) > 1
    rows.append(("realms" if many else "realm", ", ".join(started.realms)))
    for role in pids:
        who = pids[role]
        rows.append((f"{role}s", f"{len(who)}" + (f" (process {', '.join(map(str, who))})" if who else "")))
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


def _spawn(started: Started, role: str, number: int, *, as_json: bool) -> subprocess.Popen[bytes]:
    """A matcher or a recorder. URLs go through the environment: arguments are seen by everyone."""
    # -P: a folder named `workers` where the user stands is not ours.
    command = [sys.executable, "-P", "-m", "matchmaker.cli", COMMANDS[role], "--leave-on-eof", "--name", str(number)]
    for realm in started.realms:
        command += ["--realm", realm]
    urls = {"MATCHMAKER_REDIS_URL": started.url}
    if started.database is not None:
        urls["MATCHMAKER_DATABASE_URL"] = started.database.url
    return subprocess.Popen(
        command + ["--json"] * as_json,
        env={**os.environ, **urls, **_python_path()},
        stdin=subprocess.PIPE,
        start_new_session=True,  # a terminal's Ctrl-C is for us; we then stop the matchers
    )


def _python_path() -> dict[str, str]:
    """In a checkout that is not installed, a child finds the package where this process found it."""
    home = Path(matchmaker.__file__).resolve().parent.parent
    if home.name in ("site-packages", "dist-packages"):
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(home), os.environ.get("PYTHONPATH"))))}
