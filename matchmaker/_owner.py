"""What every embedded server has in common on this side: a guard process of its own, asked to start, end or kill it."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from matchmaker import _guards
from matchmaker._guards.common import STOP_SECONDS
from matchmaker.errors import EmbeddedServerError

# Over the guard's own bound, so that the guard is the one who says what went wrong.
_GRACE_SECONDS = 5.0


class GuardedServer(ABC):
    """One server process behind its guard (:mod:`matchmaker._guards`), started by :meth:`start` or ``with``."""

    _kind: ClassVar[str]

    def __init__(self, data_dir: Path | None, start_timeout_seconds: float) -> None:
        self._named_dir = data_dir
        self._folder: Path | None = None
        self._start_timeout_seconds = start_timeout_seconds
        self._guard: subprocess.Popen[bytes] | None = None
        self._answer: dict[str, Any] = {}

    @abstractmethod
    def _request(self, folder: Path, again: bool) -> dict[str, Any]:
        """What this kind's guard is asked for, beside what every guard is. ``again``: at the place of the last time."""

    @abstractmethod
    def _end_stray(self) -> None:
        """After the guard was killed: ends what is left of its server, where the kernel does not do it."""

    # -- what is known of it ---------------------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """Whether the server runs. One that died by itself is noticed at once."""
        return self._guard is not None and self._guard.poll() is None

    @property
    def url(self) -> str:
        """Where clients find it; like the other facts, that of the last start, also after the server died."""
        return str(self._fact("url"))

    @property
    def pid(self) -> int:
        """Process id of the server itself."""
        return int(self._fact("pid"))

    @property
    def guard_pid(self) -> int:
        """Process id of the guard, this process's child."""
        if self._guard is None:
            raise EmbeddedServerError("the embedded server was not started")
        return self._guard.pid

    @property
    def version(self) -> str:
        return str(self._fact("version"))

    @property
    def data_dir(self) -> Path:
        """Where the data, the lock (``server.lock``) and the log are."""
        if self._folder is None:
            raise EmbeddedServerError("the embedded server was not started")
        return self._folder

    def _fact(self, name: str) -> Any:
        if name not in self._answer:
            raise EmbeddedServerError("the embedded server was not started")
        return self._answer[name]

    # -- what can be done with it ----------------------------------------------------------------------------------

    def start(self) -> Self:
        """Starts it and returns once it answers. After :meth:`kill` the data is still there.

        Raises EmbeddedServerError: no program, the folder in use or not writable, the server's own last words.
        """
        self._start(again=False)
        return self

    def stop(self) -> None:
        """Ends it in good order, everything on disk; harmless when it does not run. A temporary folder goes."""
        self._end(signal.SIGTERM)
        self._guard = None
        self._answer = {}
        if self._named_dir is None and self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    def kill(self) -> None:
        """SIGKILL, as a crash would; returns when the process is gone. The folder stays until :meth:`stop`."""
        self._end(signal.SIGUSR1)

    def restart(self) -> None:
        """Starts it again at the same URL, on the same data; stops it first, in good order, if it runs."""
        self._fact("url")
        self._end(signal.SIGTERM)
        self._start(again=True)

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Waits until the server has ended, however that came; False if it still runs after the time."""
        if self._guard is None:
            return True
        try:
            self._guard.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- the guard -------------------------------------------------------------------------------------------------

    def _start(self, again: bool) -> None:
        if self.alive:
            raise EmbeddedServerError(f"the embedded server already runs at {self.url}")
        self._end(signal.SIGTERM)  # of one that ended by itself: what is left of it
        folder = self._folder or self._named_or_temporary_dir()
        self._folder = folder
        try:
            self._guard = self._start_guard(folder, again)
            self._answer = self._read_answer(self._guard)
        except BaseException:
            self._end(signal.SIGTERM)
            self._guard = None
            if not again:
                self.stop()
            raise

    def _start_guard(self, folder: Path, again: bool) -> subprocess.Popen[bytes]:
        request = {
            "folder": str(folder),
            "parent": os.getpid(),
            "temporary": self._named_dir is None,
            "start_seconds": self._start_timeout_seconds,
            **self._request(folder, again),
        }
        return subprocess.Popen(
            # -I -S: neither the environment nor installed packages change what it does, and it starts sooner.
            [sys.executable, "-I", "-S", _guards.LAUNCHER, self._kind, json.dumps(request)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,  # a terminal's Ctrl-C is for us; we then stop the server
        )

    def _named_or_temporary_dir(self) -> Path:
        if self._named_dir is not None:
            return self._named_dir.absolute()
        try:
            return Path(tempfile.mkdtemp(prefix="matchmaker-"))
        except OSError as error:
            raise EmbeddedServerError(f"no temporary folder for the server's data: {error}") from error

    def _read_answer(self, guard: subprocess.Popen[bytes]) -> dict[str, Any]:
        """The guard's one line. Whatever else comes is what a broken installation printed."""
        assert guard.stdout is not None
        deadline = time.monotonic() + self._start_timeout_seconds + STOP_SECONDS + _GRACE_SECONDS
        heard = b""
        with selectors.DefaultSelector() as selector:
            selector.register(guard.stdout, selectors.EVENT_READ)
            # Up to the end of the line; up to the end of everything when it is a traceback instead.
            while not (heard.startswith(b"{") and heard.endswith(b"\n")):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    break
                piece = os.read(guard.stdout.fileno(), 65536)
                if not piece:
                    break
                heard += piece
        try:
            answer: dict[str, Any] = json.loads(heard)
        except ValueError as error:
            said = heard.decode("utf-8", "replace").strip() or "it said nothing"
            raise EmbeddedServerError(f"the embedded server's guard failed: {said}") from error
        if "error" in answer:
            raise EmbeddedServerError(str(answer["error"]))
        return answer

    def _end(self, number: signal.Signals) -> None:
        """Has the guard end the server, and waits for both."""
        guard = self._guard
        if guard is None:
            return
        with contextlib.suppress(OSError):  # a process that gave up its rights may not signal; the pipe's end remains
            guard.send_signal(number)
        assert guard.stdin is not None
        assert guard.stdout is not None
        if number is signal.SIGTERM and not guard.stdin.closed:
            with contextlib.suppress(OSError):
                os.write(guard.stdin.fileno(), b".")  # we live, and see to a temporary folder ourselves
            guard.stdin.close()
        try:
            guard.wait(STOP_SECONDS + _GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            guard.kill()
            guard.wait()
        guard.stdin.close()
        guard.stdout.close()
        if guard.returncode < 0 and self._answer:
            self._end_stray()
