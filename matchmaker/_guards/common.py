"""What every guard does: watch for the parent's end, hold the folder's lock, keep the log, report, end the server.

Standard library only, one thread. Standard input is a pipe whose other end only the parent holds: its end means that
the parent is gone, however it died. A child that the parent forked may hold that end too, so the parent's process id is
looked at once a second as well. On Linux the kernel kills the server when the guard dies. The guard answers with one
JSON line on standard output, then SIGTERM ends the server in good order, SIGUSR1 kills it, and the server's own end is
the guard's end.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import Any, Protocol

LOCK_FILE, RUNTIME_FILE = "server.lock", "server.json"
LOCK_SECONDS = 3.0
# Longer than an fsync on a slow disk; a server that is still there is killed.
STOP_SECONDS = 10.0
LOG_BYTES = 1 << 20
_PR_SET_PDEATHSIG = 1


class Wish(Protocol):
    """What every request of a parent holds. A ``temporary`` folder is removed when the parent is gone."""

    @property
    def folder(self) -> str: ...

    @property
    def parent(self) -> int: ...

    @property
    def temporary(self) -> bool: ...


class StartFailed(Exception):
    """The message is what the person who wanted the server reads."""


class Watch:
    """Waits for whatever comes first: the parent's end, a signal, a child's end, the time."""

    def __init__(self, parent: int) -> None:
        self._parent = parent
        self._asked: set[int] = set()
        self._closed = False
        self._dismissed = False
        self._signals, wake = os.pipe()
        os.set_blocking(self._signals, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self._poll = select.poll()
        self._poll.register(sys.stdin.fileno(), select.POLLIN)
        self._poll.register(self._signals, select.POLLIN)

    def wait(self, seconds: float) -> None:
        for descriptor, _ in self._poll.poll(seconds * 1000):
            with contextlib.suppress(BlockingIOError):
                heard = os.read(descriptor, 4096)
                if descriptor == self._signals:
                    self._asked.update(heard)
                elif heard:
                    self._dismissed = True
                else:
                    self._closed = True
                    self._poll.unregister(descriptor)

    @property
    def orphaned(self) -> bool:
        return self._closed or os.getppid() != self._parent

    @property
    def abandoned(self) -> bool:
        """Whether the parent is gone, and did not just close the pipe with a word (any word) before."""
        return (self._closed and not self._dismissed) or os.getppid() != self._parent

    @property
    def stopping(self) -> bool:
        return signal.SIGTERM in self._asked or self.orphaned

    @property
    def killing(self) -> bool:
        return signal.SIGUSR1 in self._asked


def take_folder(folder: Path, watch: Watch, running: Callable[[Path], dict[str, Any] | None]) -> FileIO:
    """The folder's lock. The server inherits it, so that it is held for as long as anything can write there.

    ``running`` finds the server of a folder (its ``pid`` and ``url``), if one answers for it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = (folder / LOCK_FILE).open("a+b", buffering=0)
    deadline = time.monotonic() + LOCK_SECONDS
    while not watch.stopping:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # A server that was killed just now may have left a child that rewrites the log and is about to notice:
            # so wait a little, unless somebody answers for the folder.
            lock.seek(0)
            holder = lock.read().decode("ascii", "replace").strip()
            found = running(folder)
            if found is None and time.monotonic() < deadline:
                watch.wait(0.05)
                continue
            who = f"process {found['pid']} at {found['url']}" if found else f"process {holder or 'unknown'}"
            raise StartFailed(
                f"data folder {folder} is in use by the server of {who}: stop it, or name another folder"
            ) from None
        lock.seek(0)
        lock.truncate()
        lock.write(b"%d\n" % os.getpid())
        return lock
    raise StartFailed("stopped before the server was ready")


def read_runtime(folder: Path) -> dict[str, Any]:
    """What the folder's last server wrote of itself when it was ready; empty if nothing usable is there."""
    try:
        kept = json.loads((folder / RUNTIME_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


@contextlib.contextmanager
def announced(folder: Path, answer: dict[str, Any]) -> Iterator[None]:
    """Keeps the runtime file for as long as the server runs, so that others find it."""
    path = folder / RUNTIME_FILE
    fresh = path.with_suffix(".new")
    try:
        fresh.write_text(json.dumps(answer), encoding="utf-8")
        fresh.replace(path)
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def die_with_me() -> Callable[[], None] | None:
    """For a child to call before it becomes the server: on Linux, SIGKILL it when this process is gone."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    prctl, guard = ctypes.CDLL(None, use_errno=True).prctl, os.getpid()

    def prepare() -> None:
        if prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0 or os.getppid() != guard:
            os._exit(1)

    return prepare


def end(server: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Ends it in good order, by the signal that means that to it, so that everything is on disk; SIGKILL if that takes
    too long. A stopped server is made to hear it."""
    server.send_signal(number)
    server.send_signal(signal.SIGCONT)
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def open_log(path: Path) -> FileIO:
    """A server's log, appended to; one of over 1 MiB is put aside first, with ``.1`` added to its name."""
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_name(path.name + ".1"))
    return path.open("a+b", buffering=0)


def ended_early(program: str, code: int, said: str, log: FileIO) -> StartFailed:
    """The error for a program that ended instead of serving, with its last words."""
    how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    lines = "\n".join("  " + line for line in said.splitlines()[-8:]) or "  (nothing: is the disk full?)"
    return StartFailed(f"{program} ended during its start ({how}); it said in {log.name}:\n{lines}")


def supervise(server: subprocess.Popen[bytes], watch: Watch, number: signal.Signals) -> None:
    """Until the server has ended: by itself, by the parent's wish or because the parent is gone."""
    while server.poll() is None:
        watch.wait(1.0)
        if watch.killing:
            server.kill()
            server.wait()
        elif watch.stopping:
            end(server, number)


def report(answer: dict[str, Any]) -> None:
    """One line to the parent. A parent that is gone by now is noticed by the watch."""
    with contextlib.suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), json.dumps(answer).encode() + b"\n")


def run(request: Wish, serve: Callable[[Watch], None]) -> int:
    """A guard's whole life: ``serve`` until it returns. Its exit code."""
    watch = Watch(request.parent)
    try:
        serve(watch)
    except StartFailed as error:
        report({"error": str(error)})
        return 1
    except OSError as error:
        where = error.filename or request.folder
        report(
            {
                "error": f"data folder {request.folder} cannot be used: {where}: {error.strerror}: name a "
                "folder that has room and may be written to"
            }
        )
        return 1
    finally:
        if request.temporary and watch.abandoned:
            import shutil

            shutil.rmtree(request.folder, ignore_errors=True)
    return 0
