"""Standings and records, awaited; see ``matchmaker.reads_face``."""

from __future__ import annotations

from typing import TypeVar

from matchmaker.calls import Calls
from matchmaker.errors import DatabaseUnavailable
from matchmaker.reads_face import NO_DATABASE
from matchmaker.runner import AsyncRunner
from matchmaker.standings import Leaderboard, Ranked, around_plan, of_plan, top_plan
from matchmaker.store.queries import AsyncDatabase, DatabasePlan
from matchmaker.store.reads import RecordedMatch, RuleChange, match_plan, matches_plan, rule_history_plan
from matchmaker.store.standings import (
    HeadToHead,
    Profile,
    RatingChange,
    head_to_head_plan,
    history_plan,
    profile_plan,
)

T = TypeVar("T")


class Standings:
    """See :class:`matchmaker.reads_face.Standings`."""

    def __init__(self, runner: AsyncRunner, calls: Calls) -> None:
        self._runner = runner
        self._calls = calls

    async def top(self, queue: str, side: str = "", *, most: int = 20, first: int = 1) -> Leaderboard:
        return await self._runner.run(top_plan(self._calls, queue, side, most, first))

    async def around(self, queue: str, player: str, side: str = "", *, most: int = 11) -> Leaderboard:
        return await self._runner.run(around_plan(self._calls, queue, player, side, most))

    async def of(self, queue: str, player: str, side: str = "") -> Ranked:
        return await self._runner.run(of_plan(self._calls, queue, player, side))


class Records:
    """See :class:`matchmaker.reads_face.Records`."""

    def __init__(self, database: AsyncDatabase | None, realm: str) -> None:
        self._database = database
        self._realm = realm

    async def _run(self, plan: DatabasePlan[T]) -> T:
        if self._database is None:
            raise DatabaseUnavailable(NO_DATABASE)
        return await self._database.run(plan)

    async def profile(self, player: str) -> Profile:
        return await self._run(profile_plan(self._realm, player))

    async def history(
        self, player: str, queue: str, side: str = "", *, before: str | None = None, most: int = 50
    ) -> list[RatingChange]:
        return await self._run(history_plan(self._realm, player, queue, side=side, before=before, most=most))

    async def head_to_head(self, player: str, other: str) -> HeadToHead:
        return await self._run(head_to_head_plan(self._realm, player, other))

    async def matches(
        self, *, queue: str | None = None, player: str | None = None, before: str | None = None, most: int = 50
    ) -> list[RecordedMatch]:
        return await self._run(matches_plan(self._realm, queue=queue, player=player, before=before, most=most))

    async def match(self, match: str) -> RecordedMatch:
        return await self._run(match_plan(self._realm, match))

    async def rule_history(self, queue: str) -> list[RuleChange]:
        return await self._run(rule_history_plan(self._realm, queue))
