"""Matchmaker, awaited; see ``matchmaker.client``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

import redis.asyncio

from matchmaker import errors
from matchmaker.aio.matches import MatchService, MatchVerbs
from matchmaker.aio.notifications import Listener, NotificationService
from matchmaker.aio.queues import QueueService
from matchmaker.aio.reads_face import Records, Standings
from matchmaker.calls import Calls, Clock
from matchmaker.client import (
    ANY_QUEUE,
    MOST_BACKLOG,
    RETAIN_SECONDS,
    cancel_target,
    check_of,
    match_of,
    ticket_id,
    told_of,
)
from matchmaker.connect import open_async_client
from matchmaker.estimate_plan import checked_wait, estimate_plan, estimate_ticket_plan
from matchmaker.estimates import Estimate
from matchmaker.explanation import Explanation
from matchmaker.hindsight import TICKETS, regret_of, windows_plan
from matchmaker.model import Attribute, Match, ReadyCheck, Side, Ticket, TicketRequest, checked_text, new_ticket_id
from matchmaker.plans import (
    apply_plan,
    cancel_plan,
    enqueue_one_plan,
    enqueue_plan,
    stats_plan,
)
from matchmaker.regret import Regret
from matchmaker.reports import PassReport, QueueChange, RealmStats, StoredRules
from matchmaker.rules import QueueRules
from matchmaker.runner import AsyncRunner, typed_errors
from matchmaker.store.lookup import opened_async_lookup
from matchmaker.store.queries import AsyncDatabase, Transactions
from matchmaker.values import checked_queues

T = TypeVar("T")


class Matchmaker(MatchVerbs):
    """One realm on one Redis server; see :class:`matchmaker.client.Matchmaker`, whose methods these are, awaited."""

    def __init__(
        self,
        redis_or_url: redis.asyncio.Redis | str,
        realm: str = "main",
        *,
        database: AsyncDatabase | Transactions | str | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._owns_client = isinstance(redis_or_url, str)
        self.redis = open_async_client(redis_or_url) if isinstance(redis_or_url, str) else redis_or_url
        self.calls = Calls(checked_text("realm", realm), clock)
        self._ratings = opened_async_lookup(database, realm)
        self.runner = AsyncRunner(self.redis, self._ratings)
        self.notifications = NotificationService(self.redis, realm)
        self.standings = Standings(self.runner, self.calls)
        self.records = Records(self._ratings.database if self._ratings else None, realm)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends all listeners, and the connection unless it is the caller's."""
        await self.notifications.close()
        if self._ratings:
            await self._ratings.close()
        if self._owns_client:
            await self.redis.aclose()

    def queue(self, name: str) -> QueueService:
        """The verbs on one queue."""
        return QueueService(self.runner, self.calls, name)

    @property
    def matches(self) -> MatchService:
        """The verbs on ready checks and open matches, which this class has too."""
        return MatchService(self.runner, self.calls)

    async def enqueue(
        self,
        queue: str | Sequence[str],
        player: str,
        *,
        rating: float | None = None,
        deviation: float | None = None,
        data: str = "",
        ticket: str | None = None,
        sides: Mapping[str, Side | float] | None = None,
        ratings: Mapping[str, Side | float] | None = None,
        attributes: Mapping[str, Attribute] | None = None,
        accepts: Mapping[str, tuple[float, float]] | None = None,
        pings: Mapping[str, float] | None = None,
        region: str | None = None,
        vetoes: Mapping[str, Sequence[str]] | None = None,
        avoid: Sequence[str] = (),
    ) -> Ticket:
        request = TicketRequest(
            player,
            rating,
            deviation,
            data,
            new_ticket_id() if ticket is None else ticket,
            sides=sides,
            ratings=ratings,
            attributes=attributes,
            accepts=accepts,
            pings=pings,
            region=region,
            vetoes=vetoes,
            avoid=avoid,
        )
        return await self.runner.run(enqueue_one_plan(self.calls, checked_queues(queue), request))

    async def enqueue_many(
        self, queue: str | Sequence[str], requests: Sequence[TicketRequest]
    ) -> list[Ticket | errors.MatchmakerError]:
        return await self.runner.run(enqueue_plan(self.calls, checked_queues(queue), requests))

    async def cancel(self, ticket: Ticket | str) -> Ticket:
        return await self.runner.run(cancel_plan(self.calls, *cancel_target(ticket), "requested"))

    async def cancel_player(self, player: str) -> Ticket:
        plan = cancel_plan(self.calls, ANY_QUEUE, "player", checked_text("player", player), "requested")
        return await self.runner.run(plan)

    async def heartbeat(self, ticket: Ticket | str) -> Ticket:
        return await self.runner.call(self.calls.heartbeat(ticket_id(ticket)))

    async def status(self, ticket: Ticket | str) -> Ticket:
        return await self.runner.call(self.calls.status("ticket", ticket_id(ticket)))

    async def status_of_player(self, player: str) -> Ticket:
        return await self.runner.call(self.calls.status("player", checked_text("player", player)))

    async def explain(self, ticket: Ticket | str, most: int = 3) -> Explanation:
        return await self.runner.call(self.calls.explain("ticket", ticket_id(ticket), most))

    async def explain_player(self, player: str, most: int = 3) -> Explanation:
        return await self.runner.call(self.calls.explain("player", checked_text("player", player), most))

    async def wait_for_match(self, ticket: Ticket | str, timeout: float) -> Match:
        return await self._wait(ticket, timeout, match_of)

    async def wait_for_check(self, ticket: Ticket | str, timeout: float) -> ReadyCheck | Match:
        return await self._wait(ticket, timeout, check_of)

    async def _wait(self, ticket: Ticket | str, timeout: float, found: Callable[[Ticket], T | None]) -> T:
        known = await self.status(ticket)
        result = found(known)
        if result is not None:
            return result
        try:
            async with asyncio.timeout(timeout), await self.notifications.subscribe(known.player) as listener:
                await listener.ready(timeout)
                result = found(await self.status(known.id))
                while result is None:
                    event = await listener.get()
                    told = told_of(event, known.id) if event is not None else None
                    result = found(told) if told else None
                    if result is not None and event is not None and event.check is not None:
                        result = found(await self.status(known.id))
                return result
        except TimeoutError:
            raise errors.WaitTimeout(known.id, timeout) from None

    async def listen(self, player: str, after: str = "") -> Listener:
        return await self.notifications.subscribe(player, after)

    async def estimate(
        self, queue: str, rating: float, *, waited_seconds: float = 0.0, side: str = ""
    ) -> Estimate | None:
        plan = estimate_plan(self.calls, queue, *checked_wait(rating, waited_seconds), side)
        return await self.runner.run(plan)

    async def estimate_ticket(self, ticket: Ticket | str) -> Estimate | None:
        return await self.runner.run(estimate_ticket_plan(self.calls, ticket_id(ticket)))

    async def snapshot(self, queue: str) -> list[Ticket]:
        return await self.queue(queue).get_snapshot()

    async def attempt_match(self, queue: str) -> PassReport:
        return await self.queue(queue).attempt_match()

    async def stats(self) -> RealmStats:
        return await self.runner.run(stats_plan(self.calls))

    async def regret(self, queue: str | None = None, last: int = TICKETS) -> list[Regret]:
        """As the blocking one; the arithmetic runs in a thread of its own."""
        windows = await self.runner.run(windows_plan(self.calls, queue, last))
        return [await asyncio.to_thread(regret_of, window) for window in windows]

    async def apply_rules(
        self,
        rules: Mapping[str, QueueRules],
        *,
        prune: bool = False,
        dry: bool = False,
        retain_seconds: int = RETAIN_SECONDS,
        max_backlog: int = MOST_BACKLOG,
    ) -> list[QueueChange]:
        plan = apply_plan(
            self.calls, rules, prune=prune, dry=dry, retain_seconds=retain_seconds, max_backlog=max_backlog
        )
        return await self.runner.run(plan)

    async def rules(self) -> dict[str, StoredRules]:
        return await self.runner.call(self.calls.stored_rules())

    async def ping(self) -> None:
        with typed_errors():
            await self.redis.ping()
