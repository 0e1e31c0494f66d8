"""Keeps the processes of ``up`` alive until it is asked to leave.

One thread, one wait: signals (a child's end among them) arrive through a pipe, and the time-out is the next moment at
which something is started again. A child gets a pipe for its standard input, whose other end only this process has, and
leaves when that ends; so none outlives this process, however it died.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from matchmaker._owner import GuardedServer

ASKING_TO_LEAVE: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LEAVE_SECONDS: Final = 10.0
"""A child that has not left by then is killed."""

STEADY_SECONDS: Final = 30.0
"""What lived this long is started again at once when it dies."""

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 10.0

Tell = Callable[..., None]
"""Called with the name of what happened and its details, some of them: role, number, pid, how, seconds, url."""

Spawn = Callable[[str, int], subprocess.Popen[bytes]]
"""Starts a process, by its role and its number in it, counted from 1."""


@dataclass
class Restarts:
    """When to start something again: at once, then after pauses that double while it keeps dying young."""

    started: float = 0.0
    deaths: int = 0
    at: float | None = 0.0

    def begun(self, now: float) -> None:
        self.started, self.at = now, None

    def ended(self, now: float) -> float:
        """Answers the pause in seconds."""
        self.deaths = 0 if now - self.started >= STEADY_SECONDS else self.deaths + 1
        pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** (self.deaths - 1)) if self.deaths else 0.0
        self.at = now + pause
        return pause

    def is_due(self, now: float) -> bool:
        return self.at is not None and self.at <= now


class Child:
    """One matcher or recorder, in whichever process it runs now. ``number`` counts from 1."""

    def __init__(self, role: str, number: int, spawn: Spawn) -> None:
        self.role = role
        self.number = number
        self.restarts = Restarts()
        self._spawn = spawn
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = self._spawn(self.role, self.number)
        self.restarts.begun(time.monotonic())

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def bury(self) -> None:
        """Gives back what the parent held of a process that ended."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
        self.process = None


class Server:
    """An embedded server that was started already. ``role`` is what it is called in events."""

    def __init__(self, role: str, server: GuardedServer) -> None:
        self.role = role
        self.server = server
        self.restarts = Restarts(started=time.monotonic(), at=None)


class Supervisor:
    """Children by role and, unless somebody else runs them, the servers.

    :param counts: how many children of each role.
    :param servers: by role; who is started first stands first, and is restarted first.
    """

    def __init__(
        self, counts: Mapping[str, int], spawn: Spawn, servers: Mapping[str, GuardedServer], tell: Tell
    ) -> None:
        self._children = [Child(role, i + 1, spawn) for role, count in counts.items() for i in range(count)]
        self._servers = [Server(role, server) for role, server in servers.items()]
        self._tell = tell
        self._wakeup = -1
        self._asked = 0

    def run(self, ready: Callable[[Mapping[str, list[int]]], None]) -> None:
        """Returns once a signal asked to leave and everything has ended; ``ready`` is told the pids of each role.

        :raises EmbeddedServerError: a server died and could not be started again; the children have ended.
        """
        with self._signals():
            try:
                for child in self._children:
                    child.start()
                pids: dict[str, list[int]] = {}
                for child in self._children:
                    pids.setdefault(child.role, []).extend([child.process.pid] if child.process else [])
                ready(pids)
                while not self._asked:
                    self._tend()
                    self._wait(self._pause())
                self._tell("leaving")
            finally:
                self._end_children()

    # -- while it runs ---------------------------------------------------------------------------------------------

    def _tend(self) -> None:
        """Notices who died, and starts again whose time has come."""
        for child in self._children:
            if child.process is not None and not child.alive:
                pid, how = child.process.pid, _how(child.process.returncode)
                child.bury()
                seconds = child.restarts.ended(time.monotonic())
                self._tell(f"{child.role}_ended", number=child.number, pid=pid, how=how, seconds=seconds)
            if child.restarts.is_due(time.monotonic()):
                child.start()
                if child.process is not None:
                    self._tell(f"{child.role}_started", number=child.number, pid=child.process.pid)
        for one in self._servers:
            self._tend_server(one.role, one.server, one.restarts)

    def _tend_server(self, role: str, server: GuardedServer, restarts: Restarts) -> None:
        if restarts.at is None and not server.alive:
            seconds = restarts.ended(time.monotonic())
            self._tell(f"{role}_ended", url=server.url, seconds=seconds)
        if restarts.is_due(time.monotonic()):
            server.restart()
            restarts.begun(time.monotonic())
            self._tell(f"{role}_started", url=server.url)

    def _pause(self) -> float | None:
        restarts = [*(one.restarts for one in self._servers), *(one.restarts for one in self._children)]
        moments = [one.at for one in restarts if one.at is not None]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    # -- leaving ---------------------------------------------------------------------------------------------------

    def _end_children(self) -> None:
        """SIGTERM and time to finish the call in hand; who takes too long is killed, at a second request at once."""
        for child in self._children:
            child.signal(signal.SIGTERM)
        deadline = time.monotonic() + LEAVE_SECONDS
        asked = self._asked
        while any(child.alive for child in self._children):
            seconds = deadline - time.monotonic()
            if seconds <= 0 or self._asked > asked:
                for child in self._children:
                    child.signal(signal.SIGKILL)
                seconds = LEAVE_SECONDS
            self._wait(seconds)
        for child in self._children:
            child.bury()

    # -- signals ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Signals end the wait and interrupt nothing else."""
        self._wakeup, written = os.pipe()
        os.set_blocking(self._wakeup, False)
        os.set_blocking(written, False)
        previous_pipe = signal.set_wakeup_fd(written, warn_on_full_buffer=False)
        # What was ignored stays so: nohup means it, and a shell's background job is not for Ctrl-C.
        heeded = [number for number in ASKING_TO_LEAVE if signal.getsignal(number) is not signal.SIG_IGN]
        previous: dict[signal.Signals, Any] = {
            number: signal.signal(number, _noted) for number in (*heeded, signal.SIGCHLD)
        }
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(previous_pipe)
            os.close(self._wakeup)
            os.close(written)

    def _wait(self, seconds: float | None) -> None:
        if select.select([self._wakeup], [], [], seconds)[0]:
            self._asked += sum(number in ASKING_TO_LEAVE for number in os.read(self._wakeup, 4096))


def _noted(*_: object) -> None:
    """The byte in the pipe is what counts."""


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
