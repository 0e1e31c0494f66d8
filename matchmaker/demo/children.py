"""The processes that a demo starts: matchers and players. Each ends with the demo, however the demo ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any, Self

from matchmaker.demo.messages import MOST_LINE_BYTES, Crowd, News, line, news

END_SECONDS = 10.0
LAST_LINES = 20


class Child:
    """One process; ``spoke`` once there is a line in its log.

    Its standard input is a pipe that only the demo holds: its end tells the child that we are gone. It is in a session
    of its own, so that a terminal's Ctrl-C reaches the demo alone, which then ends it in order.
    """

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: asyncio.StreamReader | None) -> None:
        self.name = name
        self.spoke = False
        self._process = process
        self._last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._reading = asyncio.create_task(self._keep_last_lines(log))

    @classmethod
    async def start(
        cls, name: str, *command: str, settings: Mapping[str, str] | None = None, speaks: bool = False
    ) -> Self:
        """``python -m command…`` with ``settings`` added to the environment.

        What it writes is a log of which the last lines are kept; one that ``speaks`` tells :class:`News` on its
        standard output.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE if speaks else asyncio.subprocess.STDOUT,
            env={**os.environ, **(settings or {})},
            limit=MOST_LINE_BYTES,
            start_new_session=True,
        )
        return cls(name, process, process.stderr if speaks else process.stdout)

    async def tell(self, message: Crowd | Mapping[str, Any]) -> None:
        """Sends one line; harmless when the process is gone."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._process.stdin.write(line(message))
                await self._process.stdin.drain()

    async def news(self) -> AsyncIterator[News]:
        """What it tells until it ends."""
        while self._process.stdout is not None and (text := await self._process.stdout.readline()):
            yield news(text)

    async def wait(self) -> str:
        """Waits for its end; answers how it ended, with its last lines."""
        code = await self._process.wait()
        await self._reading
        how = f"exit code {code}" if code >= 0 else f"signal {-code}"
        return "\n  ".join([f"{self.name} ended with {how}", *self._last_lines])

    async def end(self) -> None:
        """SIGTERM, and SIGKILL for who does not mind. Twice is once."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(END_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reading

    async def _keep_last_lines(self, log: asyncio.StreamReader | None) -> None:
        while log is not None and (text := await log.readline()):
            self.spoke = True
            self._last_lines.append(text.decode("utf-8", "replace").rstrip())
