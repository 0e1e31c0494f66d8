"""The command line as tests use it: in this process, or as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parent.parent.parent
END_SECONDS = 20.0


@dataclass(frozen=True)
class Result:
    """What a command left: exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The error that was printed as JSON."""
        assert self.err.count("\n") == 1, self.err
        return json.loads(self.err)["error"]


Cli = Callable[..., Result]
"""``cli("enqueue", "ladder", "alice", "--rating", 1500)`` in this process."""


class Running:
    """``matchmaker`` as a process of its own, in its own session; it does not outlive the ``with``."""

    def __init__(self, *args: object, env: Mapping[str, str], cwd: Path | None = None) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MATCHMAKER_")}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "matchmaker.cli", *map(str, args)],
            env={**inherited, "PYTHONPATH": str(ROOT), **env},
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self) -> str:
        """The next line of its standard output; the test's own time limit bounds the wait."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def document(self) -> Any:
        """The next line, as JSON."""
        text = self.line()
        assert text, self.stderr()
        return json.loads(text)

    def error_line(self) -> str:
        """The next line of its standard error."""
        assert self.process.stderr is not None
        return self.process.stderr.readline().rstrip("\n")

    def stderr(self) -> str:
        """What is left of its standard error, once it ended."""
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """Waits for its end; answers the exit code."""
        return self.process.wait(END_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None and not stream.closed:
                stream.close()
