"""The data of a Postgres server (a cluster, in Postgres's words), and the programs that make and serve it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from matchmaker._guards.common import StartFailed, Watch, ended_early
from matchmaker._guards.identity import Identity, as_identity

DATA_FOLDER = "data"
DATABASE = USER = "matchmaker"


class Request(NamedTuple):
    """What the parent wants. ``settings`` are options of the server; a later start may bring others."""

    binary_dir: str
    version: str
    settings: dict[str, str]
    fast: bool
    folder: str
    parent: int
    temporary: bool
    start_seconds: float

    @property
    def major(self) -> str:
        return self.version.partition(".")[0]

    @property
    def data(self) -> Path:
        return Path(self.folder, DATA_FOLDER)


def check_data(request: Request) -> bool:
    """Whether the folder has data already. Raises StartFailed for data of another major version."""
    if not request.data.exists():
        return False
    try:
        made = (request.data / "PG_VERSION").read_text(encoding="ascii").strip()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        raise StartFailed(f"{request.data} holds no PostgreSQL data: name another folder, or move it away") from None
    if made != request.major:
        raise StartFailed(
            f"data folder {request.folder} was made by PostgreSQL {made}, and {request.binary_dir} is PostgreSQL "
            f"{request.version}: bring the data over with pg_upgrade, use binaries of PostgreSQL {made}, or name "
            "another folder"
        )
    return True


def forget_dead_server(request: Request) -> None:
    """Removes the postmaster.pid of a server that was killed.

    Postgres itself would refuse to start while any process has that number, be it a stranger or a zombie. We hold the
    folder's lock, so only a server that somebody started here by hand can be alive: that one works in the data folder.
    """
    path = request.data / "postmaster.pid"
    try:
        pid = int(path.read_text(encoding="utf-8", errors="replace").split("\n", 1)[0])
        if not Path("/proc/self").exists():
            return
        if Path(f"/proc/{pid}/cwd").samefile(request.data):
            raise StartFailed(
                f"data folder {request.folder} is in use by process {pid}: stop it, or name another folder"
            )
    except PermissionError:
        return
    except (FileNotFoundError, ProcessLookupError, ValueError):
        pass
    path.unlink(missing_ok=True)


def option_arguments(settings: dict[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _environment() -> dict[str, str]:
    """Ours, without what would change Postgres's mind. The log is searched for an error's English text."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


class Programs:
    """Runs Postgres's programs as the right user, their words going to the log."""

    def __init__(self, request: Request, identity: Identity, lock: FileIO, log: FileIO, watch: Watch) -> None:
        self._request = request
        self._prepare = as_identity(identity)
        self._lock, self._log, self._watch = lock, log, watch
        self._deadline = time.monotonic() + request.start_seconds
        self._seen = os.fstat(log.fileno()).st_size

    def spawn(self, name: str, arguments: Sequence[str], *, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        program = Path(self._request.binary_dir, name)
        self._seen = os.fstat(self._log.fileno()).st_size
        try:
            return subprocess.Popen(
                [program, *arguments],
                cwd=self._request.folder,
                env=_environment(),
                stdin=stdin,
                stdout=self._log,
                stderr=self._log,
                pass_fds=(self._lock.fileno(),),
                preexec_fn=self._prepare,  # noqa: PLW1509  (safe: this process has one thread)
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise StartFailed(f"{program} cannot be run: {getattr(error, 'strerror', None) or error}") from error

    def said(self) -> str:
        self._log.seek(self._seen)
        return self._log.read().decode("utf-8", "replace")

    def failed(self, name: str, code: int) -> StartFailed:
        said = self.said()
        failure = ended_early(str(Path(self._request.binary_dir, name)), code, said, self._log)
        if "No space left on device" in said:
            return StartFailed(
                f"{failure}\nthe disk of {self._request.folder} is full: make room, or name another folder"
            )
        return failure

    def go_on(self, seconds: float) -> None:
        """Waits a little; raises StartFailed when it is no longer worth waiting."""
        if self._watch.stopping or self._watch.killing:
            raise StartFailed("stopped before the server was ready")
        if time.monotonic() > self._deadline:
            raise StartFailed(f"the server was not ready in time ({self._request.start_seconds:g} s)")
        self._watch.wait(seconds)

    def run(self, name: str, arguments: Sequence[str], feed: bytes = b"") -> None:
        """To its end, which must be a good one."""
        program = self.spawn(name, arguments, stdin=subprocess.PIPE)
        try:
            assert program.stdin is not None
            with contextlib.suppress(BrokenPipeError), program.stdin:
                program.stdin.write(feed)
            while program.poll() is None:
                self.go_on(0.05)
        finally:
            if program.poll() is None:
                program.kill()
                program.wait()
        # A stand-alone backend ends well whatever became of its commands.
        if program.returncode != 0 or (feed and re.search(r"^\S.*\b(ERROR|FATAL|PANIC):", self.said(), re.MULTILINE)):
            raise self.failed(name, program.returncode)


def make_data(request: Request, programs: Programs) -> None:
    """A cluster with its database, made beside its place and then put there: a start that is cut short leaves none."""
    fresh = request.data.with_name(DATA_FOLDER + ".new")
    if fresh.exists():
        shutil.rmtree(fresh)
    # One encoding and one order of text on every machine, whatever its locales are.
    locale = ["--encoding=UTF8", "--locale=C"]
    if int(request.major) >= 17:
        locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    unsafe = ["--no-sync"] if request.fast else []
    alone = ["--single", "-D", str(fresh), *option_arguments(request.settings), "postgres"]
    try:
        programs.run("initdb", ["-D", str(fresh), "-U", USER, "--auth=trust", "--no-instructions", *locale, *unsafe])
        programs.run("postgres", alone, f"CREATE DATABASE {DATABASE}\n".encode())
        fresh.rename(request.data)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)  # a disk that is full needs the room
        raise
