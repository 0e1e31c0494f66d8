"""Processes that take part in a measurement: matchers as they are deployed, players who arrive, a firehose listener."""

from __future__ import annotations

import multiprocessing
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.context import SpawnProcess
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event as ProcessEvent
from pathlib import Path
from types import TracebackType
from typing import Self

from matchmaker.keys import Keys
from matchmaker.scripts import script
from scripts.benchmarks.site import QUEUE, REALM, Site
from scripts.benchmarks.wire import Wire, packed

ROOT = Path(__file__).parent.parent.parent
START_SECONDS = 30.0
STOP_SECONDS = 10.0
PROCESSES = multiprocessing.get_context("spawn")


def wait_until(site: Site, blocked: int) -> None:
    """Waits until so many connections wait in a blocking command, as each idle matcher does.

    :raises RuntimeError: they do not within :data:`START_SECONDS`.
    """
    deadline = time.monotonic() + START_SECONDS
    while int(site.info("clients")["blocked_clients"]) < blocked:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{blocked} matchers were started and do not wait for work after {START_SECONDS:.0f} s")
        time.sleep(0.01)


@contextmanager
def matchers(site: Site, count: int, realms: Sequence[str] = (REALM,)) -> Iterator[list[subprocess.Popen[bytes]]]:
    """So many matcher processes on these realms, all of them ready; ended with the block."""
    with ExitStack() as stack:
        started = []
        for _ in range(count):
            process = subprocess.Popen(
                [sys.executable, "-m", "workers", "--tethered", *realms],
                cwd=ROOT,
                env={**os.environ, "MATCHMAKER_REDIS_URL": site.server.url},
                stdin=subprocess.PIPE,  # a matcher ends when this process does
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(_end, process)
            started.append(process)
        wait_until(site, count)
        yield started


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    assert process.stdin is not None
    process.stdin.close()


@dataclass(frozen=True, slots=True)
class Arrivals:
    """How players arrive: so many tickets a call, at most so many waiting (a closed loop), or a rate (0: as fast as the
    loop allows)."""

    tickets_a_call: int
    most_waiting: int
    rate: float = 0.0
    calls_in_flight: int = 8
    seed: int = 1


def _enqueue(rng: random.Random, first: int, count: int) -> bytes:
    """One enqueue call of ``count`` new tickets, ratings 1500 ± 300, as the client library sends it."""
    enqueue, keys = script("enqueue"), Keys(REALM)
    tickets = (
        f'{{"ticket":"t{number:025d}","player":"p{number:017d}","rating":{rng.gauss(1500.0, 300.0):.4f}}}'
        for number in range(first, first + count)
    )
    names = keys.line_keys(QUEUE)
    return packed("EVALSHA", enqueue.sha, len(names), *names, "", keys.channel_prefix, QUEUE, *tickets)


def arrive(port: int, how: Arrivals, matched: Synchronized[int], stop: ProcessEvent) -> None:
    """Body of the process through which players come in, until ``stop``. ``matched`` counts the players matched."""
    rng = random.Random(how.seed)
    enqueued = unanswered = 0
    started = time.monotonic()
    with Wire(port) as wire:
        while not stop.is_set():
            behind = enqueued - matched.value > how.most_waiting
            early = how.rate and enqueued > how.rate * (time.monotonic() - started)
            if behind or early:
                time.sleep(0.0005)
                continue
            wire.send(_enqueue(rng, enqueued + 1, how.tickets_a_call))
            enqueued += how.tickets_a_call
            unanswered += 1
            while unanswered >= how.calls_in_flight:
                unanswered -= len(wire.receive())
        wire.replies(unanswered)


def firehose(port: int, matched: Synchronized[int], stop: ProcessEvent) -> None:
    """Body of the process that reads the whole stream, as a recorder would, and counts the players matched in it."""
    last = b"0-0"
    with Wire(port) as wire:
        while not stop.is_set():
            reply = wire.ask("XREAD", "COUNT", 2000, "BLOCK", 200, "STREAMS", Keys(REALM).events, last)
            if reply:
                entries = reply[0][1]
                last = entries[-1][0]
                matched.value += 2 * sum(1 for _, fields in entries if fields[1] == b"matched")


class Stage:
    """Processes that play together until the stage is left. ``matched`` counts the players whose match was seen."""

    def __init__(self) -> None:
        self.matched: Synchronized[int] = PROCESSES.Value("q", 0)
        self._stop = PROCESSES.Event()
        self._processes: list[SpawnProcess] = []

    def enter(self, role: Callable[..., None], port: int, *arguments: object) -> None:
        """Starts ``role(port, *arguments, matched, stop)`` in a process of its own."""
        process = PROCESSES.Process(target=role, args=(port, *arguments, self.matched, self._stop), daemon=True)
        process.start()
        self._processes.append(process)

    def await_matched(self, players: int) -> None:
        """Waits until so many players were seen matched.

        :raises RuntimeError: a process of the stage has ended, or nobody was matched for :data:`START_SECONDS`.
        """
        seen, deadline = -1, 0.0
        while self.matched.value < players:
            if self.matched.value != seen:
                seen, deadline = self.matched.value, time.monotonic() + START_SECONDS
            if time.monotonic() > deadline or not all(process.is_alive() for process in self._processes):
                raise RuntimeError(f"{seen} of {players} players were matched, and it goes no further")
            time.sleep(0.005)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for process in self._processes:
            process.join(STOP_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()
