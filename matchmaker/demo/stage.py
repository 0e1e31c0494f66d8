"""A demo from its first process to its last: matchers, a crowd, connections that are cut, and what came of it."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import redis
from redis import exceptions

from matchmaker.aio import Matchmaker
from matchmaker.checker import RecordsReport, Report, check, check_records
from matchmaker.connect import SOCKET_TIMEOUT_SECONDS, connection_options
from matchmaker.demo.casting import Cast
from matchmaker.demo.children import Child
from matchmaker.demo.messages import Crowd, News
from matchmaker.demo.options import PLAYER_PROCESSES, DemoOptions
from matchmaker.demo.server import Place
from matchmaker.demo.truth import Truth
from matchmaker.model import event_order
from matchmaker.rules import QueueRules

START_SECONDS = 30.0
TICK_SECONDS = 0.25
WIND_DOWN_SECONDS = 5.0
SETTLE_SECONDS = 6.0
"""How long players may take to hear what has happened: 2 s away, 1 s lingering, and a slow machine."""

FIRST_CUT_SECONDS = 1.0
CUT_SECONDS = (2.0, 4.0)
RETAIN_SECONDS = 600
RECORD_SECONDS = 45.0
"""A match is recorded within that, also when its recorder was killed (docs/records.md)."""


@dataclass(slots=True)
class Crowds:
    """What the player processes told, added up; see :class:`matchmaker.demo.messages.News`."""

    came: int = 0
    late: int = 0
    resumed: int = 0
    caught_up: int = 0
    lag_ms: list[float] = field(default_factory=list)
    enqueue_ms: list[float] = field(default_factory=list)
    doorbell_ms: list[float] = field(default_factory=list)
    heard: dict[str, list[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def add(self, news: News) -> None:
        self.came += news.came
        self.late += news.late
        self.resumed += news.resumed
        self.caught_up += news.caught_up
        self.lag_ms += news.lag_ms
        self.enqueue_ms += news.enqueue_ms
        self.doorbell_ms += news.doorbell_ms
        self.heard.update(news.finished)
        self.faults += news.faults


class Stage:
    """One demo being played. ``watch`` is called a few times a second, to show how it goes; ``say`` tells a person.

    Read its attributes then and afterwards: ``phase``, ``elapsed`` (s since the first arrival was due), ``truth``,
    ``crowds``, ``recorded`` (matches in Postgres), ``cuts`` (pub/sub connections killed), ``faults`` (sentences),
    ``interrupted``, ``alive`` (the checker's report from before the matchers left) and ``alive_since_ms`` (realm ms
    since which there were matchers).
    """

    def __init__(
        self,
        options: DemoOptions,
        place: Place,
        rules: Mapping[str, QueueRules],
        cast: Cast,
        *,
        watch: Callable[[Stage], None],
        say: Callable[[str], None],
    ) -> None:
        self.options = options
        self.place = place
        self.rules = rules
        self.phase = "starting"
        self.elapsed = 0.0
        self.crowds = Crowds()
        self.cuts = 0
        self.faults: list[str] = []
        self.interrupted = False
        self.recorded = 0
        self._behind = 0
        self.alive: Report | None = None
        self.alive_since_ms: int | None = None
        self.cast = cast
        self._watch = watch
        self._say = say
        self._mm = Matchmaker(place.url, place.realm)
        self.truth = Truth(self._mm.redis, place.realm)
        self._matchers: list[Child] = []
        self._players: list[Child] = []
        self._recorder: Child | None = None
        self._here: dict[str, int] = {}
        self._done: set[str] = set()
        self._leaving = self._ended = False
        self._matchers_ended = 0
        self._broken = False
        self._start = 0.0
        self._rng = random.Random(f"matchmaker demo {options.seed} cuts")
        self._next_cut = FIRST_CUT_SECONDS

    # -- the story -------------------------------------------------------------------------------------------------

    async def play(self) -> None:
        """All of it. The first SIGINT or SIGTERM brings it to an early but orderly end, the second to a sudden one.

        :raises MatchmakerError: the server is gone. :raises CancelledError: the second signal came.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupt, asyncio.current_task())
        jobs: list[asyncio.Task[None]] = []
        async with self._mm:
            try:
                await self._prepare(jobs)
                await self._arrivals()
                await self._wind_down()
                await self._check_alive()
                await self._send_everybody_home()
                await self._await_records()
            finally:
                self._leaving = self._ended = True
                recorder = [] if self._recorder is None else [self._recorder]
                await asyncio.gather(*(child.end() for child in [*self._matchers, *recorder, *self._players]))
                for job in jobs:
                    job.cancel()
                await asyncio.gather(*jobs, return_exceptions=True)
            await self.truth.read()

    def _interrupt(self, task: asyncio.Task[None] | None) -> None:
        if self.interrupted and task is not None:
            task.cancel()
        elif not self.interrupted:
            self._say("interrupted: everybody hears what happened so far, then it ends; once more ends it at once")
        self.interrupted = True

    async def _prepare(self, jobs: list[asyncio.Task[None]]) -> None:
        options, place = self.options, self.place
        retain = max(RETAIN_SECONDS, round(options.seconds + 2 * WIND_DOWN_SECONDS + SETTLE_SECONDS))
        await self._mm.apply_rules(self.rules, retain_seconds=retain)
        settings = place.settings()
        for number in range(1, options.matchers + 1):
            child = await Child.start(f"matcher {number}", "workers", "--tethered", place.realm, settings=settings)
            self._matchers.append(child)
            jobs.append(asyncio.create_task(self._watch_matcher(child)))
        self._recorder = await Child.start(
            "recorder", "matchmaker.cli", "recorder", "--leave-on-eof", "--realm", place.realm, settings=settings
        )
        jobs.append(asyncio.create_task(self._watch_recorder(self._recorder)))
        for part in range(PLAYER_PROCESSES):
            child = await Child.start(f"players {part}", "matchmaker.demo.players", speaks=True)
            self._players.append(child)
            jobs.append(asyncio.create_task(self._listen_to(child)))
            await child.tell(self._crowd(part))
        ready = await self._tick_until(
            lambda: len(self._here) == PLAYER_PROCESSES and all(child.spoke for child in self._matchers), START_SECONDS
        )
        if not (ready or self.interrupted or self._broken):
            self.faults.append(f"not every process was ready within {START_SECONDS:g} s")
            self._broken = True

    def _crowd(self, part: int) -> Crowd:
        options, place = self.options, self.place
        return Crowd(
            url=f"{place.url}{'&' if '?' in place.url else '?'}client_name={self._client_name}",
            realm=place.realm,
            queue=options.queue,
            seed=options.seed,
            part=part,
            parts=PLAYER_PROCESSES,
            rate=options.rate,
            seconds=options.seconds,
            ratings=self.cast.ratings,
            roster=self.cast.roster,
            constraints=self.cast.constraints,
        )

    @property
    def _client_name(self) -> str:
        return f"players-{self.place.realm}"

    async def _arrivals(self) -> None:
        self.phase = "arriving"
        self._start = time.monotonic() + TICK_SECONDS
        self.alive_since_ms = (await self._mm.runner.call(self._mm.calls.peek(0))).now_ms
        await self._tell_players({"start": self._start})
        await self._tick_until(lambda: False, TICK_SECONDS + self.options.seconds)
        await self._tell_players({"stop": "arrivals"})

    async def _wind_down(self) -> None:
        """Until no pair falls due any more or a bounded time has passed; who is left stays waiting."""
        self.phase = "winding down"
        until = time.monotonic() + min(WIND_DOWN_SECONDS, self.options.seconds)
        while (seconds := until - time.monotonic()) > 0 and not (self.interrupted or self._broken):
            agenda = await self._mm.runner.call(self._mm.calls.peek(1))
            if agenda.due_ms is None or agenda.due_ms > agenda.now_ms + 1000 * seconds:
                break
            await self._tick()

    async def _check_alive(self) -> None:
        """The checker's word on a realm at work: also that no pair and no expiry stays due."""
        if self.interrupted or self._broken or self._matchers_ended == len(self._matchers):
            return
        self.phase = "checking"
        self._watch(self)
        self.alive = await asyncio.to_thread(self.check, matchers_alive=True)

    def check(self, *, matchers_alive: bool) -> Report:
        """The checker's report on the realm as it is now."""
        url = self.place.url
        with redis.Redis.from_url(url, socket_timeout=SOCKET_TIMEOUT_SECONDS, **connection_options(url)) as client:
            return check(
                client,
                self.place.realm,
                matchers_alive=matchers_alive,
                alive_since_ms=self.alive_since_ms,
                ledger=self.truth.ledger,
            )

    def check_records(self) -> RecordsReport:
        """The checker's report on what Postgres holds of the realm; all of it is recorded by now."""
        url, place = self.place.url, self.place
        with redis.Redis.from_url(url, socket_timeout=SOCKET_TIMEOUT_SECONDS, **connection_options(url)) as client:
            return check_records(client, place.database, place.realm, drained=True)

    async def _send_everybody_home(self) -> None:
        """First no more matches, then time for everybody to hear of those there are, then the end."""
        self.phase = "settling"
        self._leaving = True
        await asyncio.gather(*(child.end() for child in self._matchers))
        await self._tick_until(lambda: sum(self._here.values()) <= self.truth.waiting, SETTLE_SECONDS, hurry=False)
        await self._tell_players({"stop": "everybody"})
        await self._tick_until(lambda: len(self._done) == PLAYER_PROCESSES, START_SECONDS, hurry=False)

    async def _await_records(self) -> None:
        """Until Postgres has everything, within the time a recorder is allowed."""
        self.phase = "recording"
        if not await self._tick_until(lambda: self._behind == 0, RECORD_SECONDS, hurry=False) and not self._broken:
            self.faults.append(f"after {RECORD_SECONDS:g} s {self._behind:,} events were not recorded yet")

    # -- ticking ---------------------------------------------------------------------------------------------------

    async def _tick_until(self, over: Callable[[], bool], seconds: float, *, hurry: bool = True) -> bool:
        """Ticks until ``over`` or for so long; answers which. An interrupt ends it too if it is in a ``hurry``."""
        until = time.monotonic() + seconds
        while not over():
            left = until - time.monotonic()
            if left <= 0 or self._broken or (hurry and self.interrupted):
                return False
            await self._tick(min(TICK_SECONDS, left))
        return True

    async def _tick(self, seconds: float = TICK_SECONDS) -> None:
        await asyncio.sleep(seconds)
        await self.truth.read()
        await self._read_records()
        if self._start:
            self.elapsed = max(0.0, time.monotonic() - self._start)
        if self.phase == "arriving" and self.elapsed >= self._next_cut:
            self._next_cut = self.elapsed + self._rng.uniform(*CUT_SECONDS)
            await self._cut_one()
        self._watch(self)

    async def _read_records(self) -> None:
        """How far the recorder has come, as the realm's server knows it: the database is not asked."""
        groups: Any = await self._mm.redis.xinfo_groups(self._mm.calls.keys.events)
        place = next((group["last-delivered-id"].decode() for group in groups if group["name"] == b"recorder"), "0-0")
        matches, last = self.truth.ledger.matches, self.truth.ledger.last_id
        while self.recorded < len(matches) and event_order(matches[self.recorded].event) <= event_order(place):
            self.recorded += 1
        self._behind = 0 if event_order(place) >= event_order(last) else 1 + len(matches) - self.recorded

    async def _cut_one(self) -> None:
        """Kills one of the players' pub/sub connections: who listened over it must notice and read what it missed."""
        client = self._mm.redis
        try:
            listed = await client.client_list(_type="pubsub")
            ours = sorted(each["id"] for each in listed if each["name"] == self._client_name)
            if ours:
                self.cuts += await client.client_kill_filter(_id=self._rng.choice(ours))
        except exceptions.NoPermissionError:
            self._next_cut = float("inf")  # a given server may keep its clients to itself

    # -- children --------------------------------------------------------------------------------------------------

    async def _tell_players(self, message: Mapping[str, object]) -> None:
        for child in self._players:
            await child.tell(message)

    async def _listen_to(self, child: Child) -> None:
        async for news in child.news():
            self.crowds.add(news)
            self._here[child.name] = news.here
            if news.done:
                self._done.add(child.name)
        if child.name not in self._done:
            self.faults.append(await child.wait())
            self._broken = True

    async def _watch_recorder(self, child: Child) -> None:
        words = await child.wait()
        if not self._ended:
            self.faults.append(words)
            self._broken = True

    async def _watch_matcher(self, child: Child) -> None:
        words = await child.wait()
        self._matchers_ended += 1
        if not self._leaving:
            self.faults.append(words)
            self._broken = self._broken or self.phase == "starting"
