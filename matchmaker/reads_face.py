"""What programs read of players: standings out of the realm, records out of the database. Blocking;
``matchmaker.aio.reads_face`` has the twins."""

from __future__ import annotations

from typing import TypeVar

from matchmaker.calls import Calls
from matchmaker.errors import DatabaseUnavailable
from matchmaker.runner import Runner
from matchmaker.standings import Leaderboard, Ranked, around_plan, of_plan, top_plan
from matchmaker.store.queries import DatabasePlan, Transactions
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

NO_DATABASE = "records are read from a database, and none was given (database=… in Python)"


class Standings:
    """The ranking of a queue's rated players, or of one side's. Reads of Redis, O(log n) and the page."""

    def __init__(self, runner: Runner, calls: Calls) -> None:
        self._runner = runner
        self._calls = calls

    def top(self, queue: str, side: str = "", *, most: int = 20, first: int = 1) -> Leaderboard:
        """So many lines of the list from the place ``first`` on, the highest rating first.

        :raises UnknownQueue: :raises InvalidInput: there is no such side, or ``most`` is not 1 to 1,000.
        """
        return self._runner.run(top_plan(self._calls, queue, side, most, first))

    def around(self, queue: str, player: str, side: str = "", *, most: int = 11) -> Leaderboard:
        """A page with the player in the middle, or as near to it as the ends of the list allow.

        :raises UnknownPlayer: who has no rating there.
        """
        return self._runner.run(around_plan(self._calls, queue, player, side, most))

    def of(self, queue: str, player: str, side: str = "") -> Ranked:
        """The player's rank, percentile and letter.

        :raises UnknownPlayer: who has no rating there.
        """
        return self._runner.run(of_plan(self._calls, queue, player, side))


class Records:
    """What the database knows of players and matches. Everything is there once it is recorded.

    :raises DatabaseUnavailable: from every method, also where no database was given.
    """

    def __init__(self, database: Transactions | None, realm: str) -> None:
        self._database = database
        self._realm = realm

    def _run(self, plan: DatabasePlan[T]) -> T:
        if self._database is None:
            raise DatabaseUnavailable(NO_DATABASE)
        return self._database.run(plan)

    def profile(self, player: str) -> Profile:
        """Rating, games and the last match in every queue, and side.

        :raises UnknownPlayer: nobody of that name ever joined, or was rated.
        """
        return self._run(profile_plan(self._realm, player))

    def history(
        self, player: str, queue: str, side: str = "", *, before: str | None = None, most: int = 50
    ) -> list[RatingChange]:
        """Every change of the player's rating in a queue, newest first; the next page begins ``before`` the last one's
        id."""
        return self._run(history_plan(self._realm, player, queue, side=side, before=before, most=most))

    def head_to_head(self, player: str, other: str) -> HeadToHead:
        """How the player did against another one.

        :raises UnknownPlayer: one of them never joined, nor was rated.
        """
        return self._run(head_to_head_plan(self._realm, player, other))

    def matches(
        self, *, queue: str | None = None, player: str | None = None, before: str | None = None, most: int = 50
    ) -> list[RecordedMatch]:
        """The newest matches, of one queue or player if named, with their results and what they changed; the next page
        begins ``before`` the last one's id."""
        return self._run(matches_plan(self._realm, queue=queue, player=player, before=before, most=most))

    def match(self, match: str) -> RecordedMatch:
        """One match, all of it.

        :raises UnknownMatch: none of that id is recorded.
        """
        return self._run(match_plan(self._realm, match))

    def rule_history(self, queue: str) -> list[RuleChange]:
        """Every change of a queue's rules, the first one first.

        :raises UnknownQueue: nothing of that queue is recorded.
        """
        return self._run(rule_history_plan(self._realm, queue))
