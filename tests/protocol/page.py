"""docs/protocol.md as tests read it, and the shells that run its worked example."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from matchmaker.keys import Keys
from matchmaker.rules import QueueRules
from tests.integration.terminal import END_SECONDS, ROOT
from tests.lua.lifecycle import Lifecycle
from tests.lua.world import QUEUE, START_MS, World
from tests.protocol.programs import redis_cli

LIFECYCLE_KINDS: Final = (
    "proposed", "accepted", "declined", "returned", "matched", "reported", "left", "disputed", "finished", "rated",
)  # fmt: skip
"""In the order in which the page shows them."""

PAGE: Final = ROOT / "docs" / "protocol.md"

_FENCE: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_VARYING: Final = [
    (re.compile(r"\b\d{13}-\d+\b"), "<id>"),
    (re.compile(r"\b\d{13}\b"), "<ms>"),
    (re.compile(r'"(waited_ms|value)":[\d.e-]+'), r'"\1":<n>'),
]


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: ``sh`` is typed into a terminal, ``text`` is what a terminal shows."""

    kind: str
    terminal: str
    text: str


def section(title: str) -> str:
    """The page from one heading to the next of its rank."""
    return PAGE.read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """The cells of a section's tables, heads and rules left out."""
    lines = [line for line in section(title).splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def blocks(title: str) -> list[Block]:
    found = []
    for kind, text in _FENCE.findall(section(title)):
        first, _, rest = text.partition("\n")
        named = first.removeprefix("# ") if first.startswith("# ") else ""
        found.append(Block(kind, named, rest if named else text))
    return found


def steady(text: str) -> str:
    """Without what differs between two runs: moments, ids and what follows from them."""
    for pattern, name in _VARYING:
        text = pattern.sub(name, text)
    return text


def example_messages(world: World) -> list[str]:
    """One event of each kind, as the page shows it: a realm in virtual time tells the same at each run."""
    rules = QueueRules.model_validate({"heartbeat_seconds": 30.0})
    world.apply(rules)
    with world.client.pubsub() as pubsub:
        pubsub.subscribe(world.keys.channel("ann"))
        world.mm.enqueue(QUEUE, "ann", rating=1520.5, deviation=80, data="eu", ticket="t-1")
        world.now += 4_000
        world.mm.cancel("t-1")
        world.mm.enqueue(QUEUE, "ann", rating=1520.5, deviation=80, data="eu", ticket="t-2")
        world.now += 30_000
        world.run(world.calls.expire(QUEUE, ["t-2"]))
        world.mm.enqueue(QUEUE, "ann", rating=1520.5, deviation=80, data="eu", ticket="t-3")
        world.mm.enqueue(QUEUE, "bob", rating=1514, ticket="t-4")
        world.now += 4_000
        world.match_pass()
        found: dict[str, str] = {}
        while len(found) < 4:
            message = pubsub.get_message(ignore_subscribe_messages=True, timeout=5)
            if message is not None:
                text = message["data"].decode()
                found.setdefault(re.findall(r'"event":"(\w+)"', text)[0], text)
    (_, fields) = world.client.xrange(world.keys.events, count=1)[0]
    assert world.now == START_MS + 38_000
    return [*(found[kind] for kind in ("enqueued", "matched", "cancelled", "expired")), fields[b"body"].decode()]


def lifecycle_messages(world: World) -> list[str]:
    """One event of each kind that follows a ready check or a match, as the page shows it."""
    table = {
        "willingness": {"base": 50.0}, "ready_check": {"seconds": 20.0}, "penalties": {"seconds": [60.0]},
        "results": {"by": "players"},
    }  # fmt: skip
    world.apply(QueueRules.model_validate(table))
    play = Lifecycle(world)
    with world.ear() as ear:
        play.enqueue("ann", 1520.5, "t-1", deviation=80)
        play.enqueue("bob", 1514, "t-2")
        (check,) = play.match_pass()
        world.now += 5_000
        play.accept(check, "ann")
        play.decline(check, "bob")
        play.enqueue("cy", 1540, "t-3")
        (check,) = play.match_pass()
        world.now += 3_000
        match = play.accepted(check, "ann", "cy")
        world.now += 900_000
        play.report(match, "ann", [2, 1], left=["cy"])
        play.report(match, "cy", [1, 2])
        play.report(match, "root", [2, 1], left=["cy"], by="operator")
        players = [
            {"player": "ann", "rating": 1536.1, "before": 1520.5, "game": 7, "deviation": 75.5},
            {"player": "cy", "rating": 1524.4, "before": 1540, "game": 31},
        ]
        play.raw("rate", json.dumps({"n": 1, "match": match, "queue": QUEUE, "players": players}))
        world.now += 900_000
        match = play.accepted(play.made("ann", "dan", rating=1536), "ann", "dan")
        play.leave(match, "dan")
        heard = [json.dumps(body, separators=(",", ":")) for player, body in ear.heard() if player == "ann"]
    # Who declined stands in the stream alone
    (declined,) = play.told("declined")
    found = {"declined": json.dumps(declined, separators=(",", ":"))}
    for text in heard:
        found.setdefault(re.findall(r'"event":"(\w+)"', text)[0], text)
    return [found[kind] for kind in LIFECYCLE_KINDS]


class Shells:
    """Terminals 1 to 3 of the worked example. Each has the commands that the page wants installed on its PATH."""

    def __init__(self, folder: Path, url: str, realm: str) -> None:
        (folder / "matchmaker").write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m matchmaker.cli "$@"\n')
        (folder / "redis-cli").write_text(f'#!/bin/sh\nexec "{redis_cli()}" "$@"\n')
        for name in ("matchmaker", "redis-cli"):
            (folder / name).chmod(0o755)
        self._realm = realm
        self._environment: Mapping[str, str] = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MATCHMAKER_")},
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "MATCHMAKER_REDIS_URL": url,
            "MATCHMAKER_REALM": realm,
        }
        self.shells: dict[str, subprocess.Popen[str]] = {}
        self._preamble = ""

    def everywhere(self, text: str) -> None:
        """What is typed into each terminal first."""
        self._preamble = text

    def _shell(self, terminal: str) -> subprocess.Popen[str]:
        if terminal not in self.shells:
            shell = subprocess.Popen(
                ["sh"],
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
            )
            self.shells[terminal] = shell
            self.enter(terminal, self._preamble)
        return self.shells[terminal]

    def enter(self, terminal: str, text: str) -> None:
        shell = self._shell(terminal)
        assert shell.stdin is not None
        shell.stdin.write(text)
        shell.stdin.flush()

    def run(self, terminal: str, text: str) -> str:
        """Types commands that end, answers what they print."""
        mark = uuid.uuid4().hex
        self.enter(terminal, f"{text}\necho {mark}\n")
        return "".join(self.lines(terminal, mark))

    def lines(self, terminal: str, mark: str = "", count: int = -1) -> Iterator[str]:
        """What a terminal shows next: so many lines, or up to the mark. The realm is called main, as on the page."""
        output = self._shell(terminal).stdout
        assert output is not None
        while count != 0:
            line = output.readline()
            assert line, f"terminal {terminal} ended"
            if mark and line.rstrip("\n") == mark:
                return
            count -= 1
            yield line.replace(Keys(self._realm).prefix, Keys("main").prefix)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for shell in self.shells.values():
            assert shell.stdin is not None
            assert shell.stdout is not None
            os.killpg(shell.pid, signal.SIGTERM)  # a session of its own: the shell and what runs in it
            shell.stdout.read()  # to its end: all of them are gone, a matcher last
            shell.wait(END_SECONDS)
            shell.stdin.close()
            shell.stdout.close()
