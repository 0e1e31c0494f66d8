"""Matchers as processes of their own, run by the commands that people type."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Protocol

import redis

from matchmaker.server import matcher_name
from tests.faces import PATIENCE_SECONDS
from tests.faults.ears import reached
from tests.integration.terminal import END_SECONDS, ROOT

COMMANDS = {
    "workers": ("workers",),
    "cli": ("matchmaker.cli", "worker"),
}


class MatcherProcess:
    """One matcher. Its log is read line by line, whichever stream it goes to."""

    def __init__(self, command: str, url: str, *realms: str, rq_url: str | None = None) -> None:
        self.realms = realms
        named = [part for realm in realms for part in ("--realm", realm)] if command == "cli" else list(realms)
        recording = {} if rq_url is None else {"MATCHMAKER_RQ_URL": rq_url}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MATCHMAKER_")}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", *COMMANDS[command], *named],
            env={**inherited, "PYTHONPATH": str(ROOT), "MATCHMAKER_REDIS_URL": url, **recording, "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def until(self, *words: str) -> str:
        """The next line of the log that holds these; the test's own time limit bounds the wait."""
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            if all(word in line for word in words):
                return line
            lines.append(line)
        raise AssertionError(f"{words} is not in its log: {''.join(lines)}")

    def asleep(self, client: redis.Redis, alike: int = 1) -> None:
        """Waits until it is blocked in its pop, as the server sees it; ``alike`` such matchers, if it is not the only
        one of its realms."""
        name = matcher_name(self.realms)

        def sleeping() -> int:
            return sum(one["name"] == name and "b" in one["flags"] for one in client.client_list())

        assert reached(lambda: sleeping() == alike, PATIENCE_SECONDS), f"{sleeping()} of {alike} {name} asleep"

    def leave(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Tells it to leave; answers its exit code and how many seconds that took."""
        begun = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(END_SECONDS), time.monotonic() - begun

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


class StartMatcher(Protocol):
    """The ``matcher`` fixture: which command, a server's URL and realms in, a running matcher out."""

    def __call__(self, command: str, url: str, *realms: str) -> MatcherProcess: ...
