"""MatchService: from found to finished. Blocking; ``matchmaker.aio`` has its twin.

A *ready check* is a match that waits for its players to accept; an *open match* one whose result is awaited. Which
queues have them, their rules say. Every verb may be sent again: the answer to the same request is the same.
"""

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
from matchmaker.runner import Runner


class MatchVerbs:
    """The verbs, for whoever has a realm's calls and what runs them."""

    calls: Calls
    runner: Runner

    def accept(self, check: AnyCheck, player: str) -> Accepted | Match:
        """The player is ready. The last one who accepts gets the match, and so does everybody who accepts again.

        :raises CheckOver: the check has ended otherwise; says how.
        :raises NotInMatch: the player is not asked. :raises UnknownCheck: no such check ended lately.
        """
        return self.runner.run(accept_plan(self.calls, check, player))

    def decline(self, check: AnyCheck, player: str) -> Declined:
        """The player will not play: its ticket is cancelled, under a penalty where the queue has any, and the others
        wait again as if they had never stopped.

        :raises CheckOver: the check has ended otherwise; says how.
        :raises NotInMatch: the player is not asked. :raises UnknownCheck: no such check ended lately.
        """
        return self.runner.run(decline_plan(self.calls, check, player))

    def report(
        self,
        match: AnyMatch,
        player: str,
        *,
        winner: int | str | None = None,
        draw: bool = False,
        ranks: Sequence[int] | None = None,
        left: Sequence[str] = (),
    ) -> Pending | Result:
        """One of its players tells how the match ended; it is finished once a player of each team told the same.

        :param winner: the number of the team that won, from 1, or a player of it.
        :param draw: nobody won.
        :param ranks: instead of these, one whole number a team: 1 is best, equal ones tie.
        :param left: players who left before the end.
        :raises InvalidInput: names the field and what is allowed; ``player`` where only a server may report.
        :raises AlreadyReported: the player told something else before. :raises MatchOver: it ended without this report.
        :raises NotInMatch: the player does not play there. :raises UnknownMatch: no such match ended lately.
        """
        told = Told(winner, draw, ranks, left)
        return self.runner.run(report_plan(self.calls, match, By.PLAYER, player, told))

    def report_as_server(
        self,
        match: AnyMatch,
        server: str,
        *,
        winner: int | str | None = None,
        draw: bool = False,
        ranks: Sequence[int] | None = None,
        left: Sequence[str] = (),
    ) -> Pending | Result:
        """As :meth:`report`, by a game server that the queue's rules trust: the match is finished, unless it is
        disputed.

        :raises InvalidInput: names ``server`` where only players report.
        """
        told = Told(winner, draw, ranks, left)
        return self.runner.run(report_plan(self.calls, match, By.SERVER, server, told))

    def leave(self, match: AnyMatch, player: str) -> Pending | Result:
        """The player leaves before the end, under a penalty where the queue has any. The last team with anybody left
        has won, unless a server is to tell.

        :raises MatchOver: it had ended, or is disputed. :raises NotInMatch: the player does not play there.
        """
        return self.runner.run(leave_plan(self.calls, match, player))

    def abort(
        self,
        match: AnyMatch,
        *,
        player: str | None = None,
        server: str | None = None,
        operator: str | None = None,
        reason: str = REQUESTED,
    ) -> Result:
        """The match ends without a result. A player may soon after it was made, where the queue's rules allow it, and
        under a penalty; a game server where it is trusted; an operator always.

        :raises TooLate: for a player. :raises MatchOver: it has ended otherwise; says how.
        :raises NotInMatch: the player does not play there. :raises UnknownMatch: no such match ended lately.
        """
        given = {By.PLAYER: player, By.SERVER: server, By.OPERATOR: operator}
        return self.runner.run(abort_plan(self.calls, match, given, reason))

    def resolve(
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
        """An operator's word on a match that is disputed, or open: as :meth:`report`, and final.

        :param void: instead of a result: the match does not count.
        """
        told = Told(winner, draw, ranks, left)
        return self.runner.run(resolve_plan(self.calls, match, operator, told, void=void))

    def match_state(self, id_: str) -> OpenMatch | Result | ReadyCheck:
        """How the match or ready check of that id stands, or how it ended lately.

        :raises UnknownMatch: there is no such, or it ended longer ago than is remembered.
        """
        return self.runner.run(state_plan(self.calls, checked_text("match", id_)))

    def open_matches(self) -> list[OpenMatch]:
        """All matches of the realm that are not finished, oldest first. Those in dispute wait for an operator."""
        return self.runner.run(open_matches_plan(self.calls))


class MatchService(MatchVerbs):
    """Ready checks and open matches of one realm."""

    def __init__(self, runner: Runner, calls: Calls) -> None:
        self.runner = runner
        self.calls = calls
