"""QueueService, awaited; see ``matchmaker.queues``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matchmaker import errors
from matchmaker.calls import Calls
from matchmaker.model import Attribute, Match, ReadyCheck, Side, Ticket, TicketRequest, checked_text
from matchmaker.plans import (
    attempt_plan,
    cancel_plan,
    clear_plan,
    enqueue_one_plan,
    enqueue_plan,
    get_player_plan,
    size_plan,
    snapshot_plan,
)
from matchmaker.reports import PassReport
from matchmaker.runner import AsyncRunner


class QueueService:
    """Verbs on one queue; see :class:`matchmaker.queues.QueueService`."""

    def __init__(self, runner: AsyncRunner, calls: Calls, queue: str) -> None:
        self.queue = checked_text("queue", queue)
        self._runner = runner
        self._calls = calls

    async def add_player(
        self,
        player: str,
        rating: float | None = None,
        deviation: float | None = None,
        *,
        data: str = "",
        sides: Mapping[str, Side | float] | None = None,
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
            sides=sides,
            attributes=attributes,
            accepts=accepts,
            pings=pings,
            region=region,
            vetoes=vetoes,
            avoid=avoid,
        )
        return await self.add(request)

    async def add(self, request: TicketRequest) -> Ticket:
        return await self._runner.run(enqueue_one_plan(self._calls, self.queue, request))

    async def add_many(self, requests: Sequence[TicketRequest]) -> list[Ticket | errors.MatchmakerError]:
        return await self._runner.run(enqueue_plan(self._calls, self.queue, requests))

    async def remove_player(self, player: str, reason: str = "requested") -> Ticket:
        plan = cancel_plan(self._calls, self.queue, "player", checked_text("player", player), reason)
        return await self._runner.run(plan)

    async def remove_matched_players(self, one: str, other: str) -> Match | ReadyCheck:
        return await self._runner.call(
            self._calls.pair(self.queue, checked_text("ticket", one), checked_text("ticket", other))
        )

    async def get_snapshot(self) -> list[Ticket]:
        return await self._runner.run(snapshot_plan(self._calls, self.queue))

    async def queue_size(self) -> int:
        return await self._runner.run(size_plan(self._calls, self.queue))

    async def is_player_in_queue(self, player: str) -> bool:
        return await self.get_player(player) is not None

    async def get_player(self, player: str) -> Ticket | None:
        return await self._runner.run(get_player_plan(self._calls, self.queue, checked_text("player", player)))

    async def clear(self) -> int:
        return await self._runner.run(clear_plan(self._calls, self.queue))

    async def attempt_match(self, shown: int = 100) -> PassReport:
        return await self._runner.run(attempt_plan(self._calls, self.queue, shown))
