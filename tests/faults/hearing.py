"""A program that listens and writes down what it hears, to be killed, stopped and started again.

One line an event, written at once, is all that it keeps: what a program must keep to resume is the id in its last line.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from pathlib import Path

from matchmaker import aio
from matchmaker.client import Matchmaker
from matchmaker.model import Event
from matchmaker.notifications import Listener


def written(notes: Path) -> dict[str, list[str]]:
    """What was heard so far: the event ids of each player, in the order in which they came."""
    heard: dict[str, list[str]] = {}
    if notes.exists():
        for line in notes.read_text().splitlines():
            player, event = line.split(" ")
            heard.setdefault(player, []).append(event)
    return heard


def _resume_from(notes: Path) -> dict[str, str]:
    return {player: events[-1] for player, events in written(notes).items()}


def _write(out: int, player: str, event: Event) -> None:
    os.write(out, f"{player} {event.id}\n".encode())


def listen_with_threads(url: str, realm: str, players: Sequence[str], notes: Path) -> None:
    """Listens for ever, each listener in a thread."""
    after = _resume_from(notes)
    out = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def hear(listener: Listener) -> None:
        for event in listener:
            _write(out, listener.player, event)

    with Matchmaker(url, realm) as mm:
        listeners = [mm.listen(player, after.get(player, "")) for player in players]
        threads = [threading.Thread(target=hear, args=(listener,)) for listener in listeners]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def listen_with_asyncio(url: str, realm: str, players: Sequence[str], notes: Path) -> None:
    """Listens for ever, each listener in a task."""
    after = _resume_from(notes)
    out = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def hear(listener: aio.Listener) -> None:
        async for event in listener:
            _write(out, listener.player, event)

    async def listen() -> None:
        async with aio.Matchmaker(url, realm) as mm, asyncio.TaskGroup() as group:
            for player in players:
                group.create_task(hear(await mm.listen(player, after.get(player, ""))))

    asyncio.run(listen())


LISTEN = {"threads": listen_with_threads, "asyncio": listen_with_asyncio}
