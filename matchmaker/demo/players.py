"""One process full of players: ``python -m matchmaker.demo.players``, started and spoken to by the demo.

All players share one event loop, one pub/sub connection and one pool of connections, as they do in a bot or a gateway.
What is said is in ``messages.py``.
"""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import sys
import time
from typing import Any

from matchmaker.aio import Matchmaker
from matchmaker.demo.arrivals import arrivals
from matchmaker.demo.messages import MOST_LINE_BYTES, Crowd, News, line
from matchmaker.demo.player import Life

NEWS_SECONDS = 0.25
HEAR_OUT_SECONDS = 3.0


class Players:
    """The players of one process, from their arrivals on."""

    def __init__(self, mm: Matchmaker, plan: Crowd) -> None:
        self._mm = mm
        self._plan = plan
        self._news = News()
        self._here: dict[asyncio.Task[None], Life] = {}
        self._everybody_home = False

    async def arrive(self, start: float, tasks: asyncio.TaskGroup) -> None:
        """Lets each player begin its life when it is due, counted from ``start`` (monotonic s)."""
        plan = self._plan
        crowd = arrivals(
            seed=plan.seed,
            part=plan.part,
            parts=plan.parts,
            rate=plan.rate,
            seconds=plan.seconds,
            ratings=plan.ratings,
            roster=plan.roster,
            constraints=plan.constraints,
        )
        for arrival in crowd:
            due = start + arrival.at_s
            if (seconds := due - time.monotonic()) > 0:
                await asyncio.sleep(seconds)
            life = Life(self._mm, plan.queue, arrival, lambda: self._news)
            task = tasks.create_task(life.run(due))
            self._here[task] = life
            task.add_done_callback(self._here.pop)

    async def send_home(self) -> None:
        """Ends what is left of every life. Whoever knows that its ticket ends may still hear so, but not for ever."""
        for seconds in (HEAR_OUT_SECONDS, 0.0):
            for life in list(self._here.values()):
                await life.go_home(hear_out=seconds > 0)
            if self._here:
                await asyncio.wait(self._here, timeout=seconds or None)
        self._everybody_home = True

    async def tell(self) -> None:
        """Tells the demo the news, every now and then, until everybody went home."""
        over = False
        while not over:
            await asyncio.sleep(NEWS_SECONDS)
            over = self._everybody_home
            await self.tell_once()

    async def tell_once(self) -> None:
        """Tells what happened since the last time."""
        news, self._news = self._news, News()
        news.here, news.done = len(self._here), self._everybody_home
        # In a thread: a demo that is slow to read must not make the players late.
        await asyncio.to_thread(_write, line(news))


async def serve(plan: Crowd, commands: asyncio.StreamReader) -> None:
    """Plays the crowd as the demo commands; returns when everybody went home.

    :raises ExceptionGroup: a life met what it did not expect, or the demo is gone.
    """
    async with Matchmaker(plan.url, plan.realm) as mm:
        await mm.ping()
        players = Players(mm, plan)
        await players.tell_once()
        start = (await _command(commands))["start"]
        # Whatever goes wrong in one task ends them all, and the process.
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(players.tell())
            coming = tasks.create_task(players.arrive(start, tasks))
            while True:
                stop = (await _command(commands))["stop"]
                coming.cancel()
                if stop == "everybody":
                    break
            await players.send_home()


async def _command(commands: asyncio.StreamReader) -> dict[str, Any]:
    text = await commands.readline()
    if not text:
        raise EOFError("the demo is gone")
    command: dict[str, Any] = json.loads(text)
    return command


def _write(text: bytes) -> None:
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


async def main() -> None:
    """Reads who is to come, then plays it."""
    commands = asyncio.StreamReader(limit=MOST_LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    plan = await _command(commands)
    # What the imports left is never garbage; looking it through again and again would make players late.
    gc.freeze()
    await serve(Crowd(**plan), commands)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the demo, which ends us
    asyncio.run(main())
