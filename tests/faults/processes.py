"""Real processes to break: matchers and listeners, started in milliseconds from a server that has imported everything.

A fork server costs its imports once; each process made from it is one of its own, with its own connections, signals
and memory, and dies as any other. ``python -m`` would take a third of a second for each of hundreds.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any, Final

_PR_SET_PDEATHSIG: Final = 1
JOIN_SECONDS: Final = 20.0

_context: Final[ForkServerContext] = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["workers.matcher", "matchmaker.aio", "tests.faults.processes"])


def spin(seconds: float) -> None:
    """Puts off an injection by a moment far shorter than what a sleep can time."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def _begin(log: str, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Runs in the new process: what it prints goes to ``log``, and it never outlives the test run."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(out, 1)
    os.dup2(out, 2)
    work(*arguments)


def run_matcher(url: str, realms: Sequence[str]) -> None:
    """A matcher, as its command runs it."""
    from workers.matcher import run

    run(url, realms)


class Worker:
    """One process. ``log`` is what it printed."""

    def __init__(self, log: Path, work: Callable[..., None], *arguments: Any) -> None:
        self.log = log
        self._process: ForkServerProcess = _context.Process(
            target=_begin, args=(str(log), work, arguments), daemon=True
        )
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal and does not wait for what it does."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL; returns when the process is gone."""
        self._process.kill()
        self._joined()

    def terminate(self) -> int:
        """SIGTERM; returns the exit code."""
        self._process.terminate()
        return self._joined()

    def exit_code(self) -> int:
        """Waits for its end."""
        return self._joined()

    def _joined(self) -> int:
        self._process.join(JOIN_SECONDS)
        code = self._process.exitcode
        if code is None:
            self._process.kill()
            raise AssertionError(f"process {self.pid} did not end within {JOIN_SECONDS} s: {self.log.read_text()}")
        return code


class Workers:
    """Starts processes and ends those that are left."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._all: list[Worker] = []

    def matcher(self, url: str, *realms: str) -> Worker:
        """One more matcher."""
        return self.start(run_matcher, url, realms)

    def start(self, work: Callable[..., None], *arguments: Any) -> Worker:
        """One more process that runs ``work``, which must be importable."""
        worker = Worker(self._folder / f"{len(self._all)}.log", work, *arguments)
        self._all.append(worker)
        return worker

    def close(self) -> None:
        for worker in self._all:
            if worker.alive:
                worker.kill()
