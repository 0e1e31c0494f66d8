"""MatchService, awaited; see ``matchmaker.matches``."""

from __future__ import annotations

from collections.abc import Sequence

from matchmaker.calls import Calls
from matchmaker.match_plans import (
    REQUESTED,
    AnyCheck,
    AnyMatch,
    Told,
    abort_plan,
    accept_plan,
    decline_plan,
    leave_plan,
    open_matches_plan,
    report_plan,
    resolve_plan,
    state_plan,
)
from matchmaker.model import By, Match, ReadyCheck, Result, checked_text
from matchmaker.reports import Accepted, Declined, OpenMatch, Pending
from matchmaker.runner import AsyncRunner


class MatchVerbs:
    """See :class:`matchmaker.matches.MatchVerbs`, whose methods these are, awaited."""

    calls: Calls
    runner: AsyncRunner

    async def accept(self, check: AnyCheck, player: str) -> Accepted | Match:
        return await self.runner.run(accept_plan(self.calls, check, player))

    async def decline(self, check: AnyCheck, player: str) -> Declined:
        return await self.runner.run(decline_plan(self.calls, check, player))

    async def report(
        self,
        match: AnyMatch,
        player: str,
        *,
        winner: int | str | None = None,
        draw: bool = False,
        ranks: Sequence[int] | None = None,
        left: Sequence[str] = (),
    ) -> Pending | Result:
        told = Told(winner, draw, ranks, left)
        return await self.runner.run(report_plan(self.calls, match, By.PLAYER, player, told))

    async def report_as_server(
        self,
        match: AnyMatch,
        server: str,
        *,
        winner: int | str | None = None,
        draw: bool = False,
        ranks: Sequence[int] | None = None,
        left: Sequence[str] = (),
    ) -> Pending | Result:
        told = Told(winner, draw, ranks, left)
        return await self.runner.run(report_plan(self.calls, match, By.SERVER, server, told))

    async def leave(self, match: AnyMatch, player: str) -> Pending | Result:
        return await self.runner.run(leave_plan(self.calls, match, player))

    async def abort(
        self,
        match: AnyMatch,
        *,
        player: str | None = None,
        server: str | None = None,
        operator: str | None = None,
        reason: str = REQUESTED,
    ) -> Result:
        given = {By.PLAYER: player, By.SERVER: server, By.OPERATOR: operator}
        return await self.runner.run(abort_plan(self.calls, match, given, reason))

    async def resolve(
        self,
        match: AnyMatch,
        operator: str,
        *,
        winner: int | str | None = None,
        draw: bool = False,
        ranks: Sequence[int] | None = None,
        left: Sequence[str] = (),
        void: bool = False,
    ) -> Pending | Result:
        told = Told(winner, draw, ranks, left)
        return await self.runner.run(resolve_plan(self.calls, match, operator, told, void=void))

    async def match_state(self, id_: str) -> OpenMatch | Result | ReadyCheck:
        return await self.runner.run(state_plan(self.calls, checked_text("match", id_)))

    async def open_matches(self) -> list[OpenMatch]:
        return await self.runner.run(open_matches_plan(self.calls))


class MatchService(MatchVerbs):
    """Ready checks and open matches of one realm."""

    def __init__(self, runner: AsyncRunner, calls: Calls) -> None:
        self.runner = runner
        self.calls = calls
