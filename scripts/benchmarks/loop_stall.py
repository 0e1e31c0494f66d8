"""How long an asyncio program's loop stands still while its database takes 500 ms, and what the doorbell feels of it.

Measured: one event loop, on which players without a rating join all the time; each is looked up in Postgres behind a
proxy that holds every answer back for 500 ms, and so are profiles, histories of ratings and of matches, one after the
other; by both drivers of ``matchmaker.aio.Database``. A probe on the same loop asks to be called every millisecond and
notes how late it is, less the time for which the machine gave the thread no core (``scripts/benchmarks/stalls.py``).
Meanwhile pairs of players with ratings meet: from the second one's call to the moment both listeners, on this loop too,
hold the match that a matcher process made. Against: the same windows, in turns, with nobody looked up.

The figure of a window is its longest stall; the value is the median of the windows.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import get_args

from matchmaker import aio
from matchmaker.aio.database import Driver
from matchmaker.calls import Rated
from matchmaker.embedded_postgres import EmbeddedPostgres
from matchmaker.model import EventKind
from matchmaker.store import schema
from matchmaker.store.connect import Database
from matchmaker.store.ratings import import_ratings
from scripts.benchmarks.actors import matchers
from scripts.benchmarks.harness import Figure, Row, Run, at_most, median_of, under
from scripts.benchmarks.site import QUEUE, REALM, Realm, Site, site
from scripts.benchmarks.slow_postgres import SlowPostgres
from scripts.benchmarks.stalls import StallProbe

NAME = "loop-stall"
STALL_GOAL = under(10)
BELL_GOAL = at_most(1.25)
ANSWER_SECONDS = 0.5
JOIN_SECONDS = 0.05
PAIRS_A_WINDOW = 40
KNOWN = 20_000
RULES = "willingness = { base = 50, per_second = 10 }"
LONGEST_SECONDS = 5.0


@dataclass(slots=True)
class Window:
    """One window: the loop's longest stall in it and the doorbells, all in ms; how many players were looked up."""

    stall_ms: float = 0.0
    bells_ms: list[float] = field(default_factory=list)
    joined: int = 0


class Program:
    """An asyncio program as users write them: some join without a rating, two meet again and again."""

    def __init__(self, mm: aio.Matchmaker, pair: dict[str, aio.Listener], first: int) -> None:
        self._mm = mm
        self._pair = pair
        self._places = itertools.cycle(range(10_000, 900_000, 1_000))
        self._numbers = itertools.count(first)

    async def window(self, probe: StallProbe, *, looked_up: bool) -> Window:
        found = Window()
        work = [asyncio.create_task(one) for one in (self._join(found), self._read())] if looked_up else []
        await asyncio.sleep(2 * ANSWER_SECONDS if looked_up else 0)
        probe.cut()
        for _ in range(PAIRS_A_WINDOW):
            found.bells_ms.append(await self._meet())
        found.stall_ms = probe.cut()
        for task in work:
            task.cancel()
        if work:
            await asyncio.gather(*work, return_exceptions=True)
            await asyncio.sleep(4 * ANSWER_SECONDS)  # what was asked is answered: the next window is quiet
        return found

    async def _join(self, found: Window) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._mm.enqueue(QUEUE, f"known {next(self._numbers) % KNOWN}"))
                found.joined += 1
                await asyncio.sleep(JOIN_SECONDS)

    async def _read(self) -> None:
        """What a player's page shows, of one player after the other."""
        while True:
            player, records = f"known {next(self._numbers) % KNOWN}", self._mm.records
            await records.profile(player)
            await records.history(player, QUEUE)
            await records.matches(player=player)

    async def _meet(self) -> float:
        """ms from the second player's call to both holding the match."""
        place = float(next(self._places))
        left, right = self._pair
        await self._mm.enqueue(QUEUE, left, rating=place)
        started = time.perf_counter()
        second = asyncio.create_task(self._mm.enqueue(QUEUE, right, rating=place))
        await asyncio.gather(*map(self._matched, self._pair.values()))
        took = time.perf_counter() - started
        await second
        return 1000 * took

    @staticmethod
    async def _matched(listener: aio.Listener) -> None:
        while True:
            event = await listener.get(LONGEST_SECONDS)
            if event is None:
                raise TimeoutError(f"a match was not heard of within {LONGEST_SECONDS:.0f} s")
            if event.kind is EventKind.MATCHED:
                return


async def windows(own: Site, url: str, count: int, driver: Driver) -> list[tuple[Window, Window]]:
    """So many pairs of windows: players looked up, and nobody."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(aio.Database(url, driver))
        mm = await stack.enter_async_context(aio.Matchmaker(own.server.url, REALM, database=database))
        pair = {}
        for player in (f"left, {driver}", f"right, {driver}"):
            pair[player] = await stack.enter_async_context(await mm.listen(player))
            await pair[player].ready(LONGEST_SECONDS)
        probe = await stack.enter_async_context(StallProbe())
        program = Program(mm, pair, get_args(Driver).index(driver) * KNOWN // 2)
        await program.window(probe, looked_up=True)
        found = []
        for number in range(count):
            order = (True, False) if number % 2 == 0 else (False, True)
            both = {looked_up: await program.window(probe, looked_up=looked_up) for looked_up in order}
            found.append((both[True], both[False]))
        return found


def measure(run: Run) -> Iterator[Figure]:
    count = run.pick(15, 5)
    run.say(f"for each driver {count} windows at {1000 * ANSWER_SECONDS:.0f} ms an answer, as many without any")
    with site(run) as own, EmbeddedPostgres(None, fast=True) as postgres, Database(postgres.url) as database:
        schema.upgrade(database)
        Realm(own, RULES)
        with database.transaction() as cursor:
            # Apart from each other and from the pairs: they only wait.
            import_ratings(cursor, REALM, QUEUE, {f"known {i}": Rated(-1000.0 - 40 * i) for i in range(KNOWN)})
        with SlowPostgres(postgres.url, ANSWER_SECONDS) as slow, matchers(own, 1):
            for driver in get_args(Driver):
                found = asyncio.run(windows(own, slow.url, count, driver))
                yield from figures(found, "" if driver == "threads" else f", {driver} driver")


def figures(found: list[tuple[Window, Window]], by: str) -> Iterator[Figure]:
    """What windows with and without lookups tell of one driver."""
    busy, quiet = ([pair[side] for pair in found] for side in (0, 1))
    if not all(window.joined for window in busy):
        raise RuntimeError("nobody was looked up")
    yield median_of(NAME, f"longest stall{by}", [window.stall_ms for window in busy], "ms", STALL_GOAL)
    yield median_of(NAME, f"longest stall, nobody looked up{by}", [window.stall_ms for window in quiet], "ms")
    ratio = [statistics.median(a.bells_ms) / statistics.median(b.bells_ms) for a, b in found]
    yield median_of(NAME, f"doorbell p50{by}", ratio, "× without lookups", BELL_GOAL)
    bells = [bell for window in busy for bell in window.bells_ms]
    yield median_of(NAME, f"doorbell p50, in ms{by}", bells, "ms")


ROW = Row(
    NAME,
    "by either driver no stall of 10 ms or more, and the doorbell's p50 unchanged (at most 1.25 times), at 500 ms an"
    " answer",
    measure,
)
