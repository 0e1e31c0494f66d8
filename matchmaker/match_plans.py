"""Plans of what follows when a match was found: ready checks, reports, ends (see ``calls.py``). No I/O.

Everything that can be known to be wrong without the realm is refused here, by the name of the argument; the scripts
check the rest again. Each is one call of a script that answers the same request the same way twice, so a client may
send any of them again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matchmaker import errors
from matchmaker.calls import Calls, Plan
from matchmaker.errors import InvalidInput
from matchmaker.match_replies import told_check
from matchmaker.model import By, Event, Match, ReadyCheck, Result
from matchmaker.outcomes import checked_left, checked_ranks, checked_reason, checked_who, winner_ranks
from matchmaker.reports import Accepted, Declined, OpenMatch, Pending
from matchmaker.values import checked_text

AnyMatch = Match | OpenMatch | Result | str
"""A match, or its id."""

AnyCheck = ReadyCheck | str
"""A ready check, or its id."""

REQUESTED: Final = "requested"
VOID: Final = "void"


@dataclass(frozen=True, slots=True)
class Told:
    """A result as a caller tells it: exactly one of ``winner``, ``draw`` and ``ranks``; who left."""

    winner: int | str | None = None
    draw: bool = False
    ranks: Sequence[int] | None = None
    left: Sequence[str] = ()

    def check(self) -> None:
        """Refuses what is wrong with it whatever the match.

        :raises InvalidInput: names winner, draw, ranks or left.
        """
        if not isinstance(self.draw, bool):
            raise InvalidInput("draw", self.draw, "true or false")
        ways = [self.winner is not None, self.draw, self.ranks is not None]
        if sum(ways) != 1:
            given = {"winner": self.winner, "draw": self.draw, "ranks": self.ranks}
            raise InvalidInput("ranks", given, "exactly one of winner, draw and ranks", missing=not any(ways))
        if self.ranks is not None:
            checked_ranks(self.ranks)
        checked_left(self.left)

    def is_ranks(self) -> bool:
        """Whether it says all without the match being known."""
        return self.ranks is not None

    def of(self, teams: Sequence[Sequence[str]]) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Ranks of a match of these teams, and who of them left.

        :raises InvalidInput: names what does not fit the match.
        """
        left = checked_left(self.left, [player for team in teams for player in team])
        if self.ranks is not None:
            return checked_ranks(self.ranks, len(teams)), left
        if self.draw:
            return (1,) * len(teams), left
        winner: int | str | None = self.winner
        if isinstance(winner, str):
            winner = next((number for number, team in enumerate(teams, 1) if self.winner in team), self.winner)
        return winner_ranks(winner, len(teams)), left


def match_id(match: AnyMatch) -> str:
    """The id of a match or of an id, checked."""
    if isinstance(match, Result):
        return match.match_id
    return checked_text("match", match if isinstance(match, str) else getattr(match, "id", match))


def check_id(check: AnyCheck) -> str:
    """The id of a ready check or of an id, checked."""
    return checked_text("check", check.id if isinstance(check, ReadyCheck) else check)


def _teams(match: AnyMatch) -> Sequence[Sequence[str]]:
    """The match's players by team, empty where only its id is known."""
    if isinstance(match, Match):
        return [team.players for team in match.teams]
    return match.teams if isinstance(match, (OpenMatch, Result)) else ()


def accept_plan(calls: Calls, check: AnyCheck, player: str) -> Plan[Accepted | Match]:
    answer: Accepted | Match = yield calls.accept(check_id(check), checked_text("player", player))
    return answer


def decline_plan(calls: Calls, check: AnyCheck, player: str) -> Plan[Declined]:
    answer: Declined = yield calls.decline(check_id(check), checked_text("player", player))
    return answer


def report_plan(calls: Calls, match: AnyMatch, by: By, who: str, told: Told) -> Plan[Pending | Result]:
    """A report. The teams are asked of the realm where a winner or a draw is told of a match by its id alone."""
    told.check()
    id_, name = match_id(match), checked_who(by, who)
    teams = _teams(match)
    if not teams and not told.is_ranks():
        found: OpenMatch | Result | ReadyCheck = yield calls.match_state(id_)
        if isinstance(found, ReadyCheck):
            raise errors.UnknownMatch(id_)
        teams = found.teams
    if teams:
        ranks, left = told.of(teams)
    else:
        ranks, left = checked_ranks(told.ranks), checked_left(told.left)
    try:
        answer: Pending | Result = yield calls.report(id_, by, name, ranks, left)
    except InvalidInput as refused:
        raise _with_value(refused, {"ranks": ranks, "left": left, str(by): name}) from None
    return answer


def leave_plan(calls: Calls, match: AnyMatch, player: str) -> Plan[Pending | Result]:
    answer: Pending | Result = yield calls.leave(match_id(match), checked_text("player", player))
    return answer


def abort_plan(calls: Calls, match: AnyMatch, given: Mapping[By, str | None], reason: str) -> Plan[Result]:
    """Ends a match without a result; exactly one of ``given`` says who."""
    named = [(by, who) for by, who in given.items() if who is not None]
    if len(named) != 1:
        said = {str(by): who for by, who in named}
        raise InvalidInput("player", said, "exactly one of player, server and operator", missing=not named)
    ((by, who),) = named
    id_, name, word = match_id(match), checked_who(by, who), checked_reason(reason)
    try:
        answer: Result = yield calls.abort(id_, by, name, word)
    except InvalidInput as refused:
        raise _with_value(refused, {"reason": word, str(by): name}) from None
    return answer


def resolve_plan(calls: Calls, match: AnyMatch, operator: str, told: Told, *, void: bool) -> Plan[Pending | Result]:
    """An operator's word, final: a result, or that the match does not count."""
    if void:
        if told != Told():
            raise InvalidInput("ranks", told.ranks, "nothing beside void")
        return (yield from abort_plan(calls, match, {By.OPERATOR: operator}, VOID))
    return (yield from report_plan(calls, match, By.OPERATOR, operator, told))


def state_plan(calls: Calls, id_: str) -> Plan[OpenMatch | Result | ReadyCheck]:
    """How a match or a ready check stands; of a check that is over, its teams as long as the realm has its event."""
    found: OpenMatch | Result | ReadyCheck = yield calls.match_state(id_)
    if isinstance(found, ReadyCheck) and found.outcome:
        event: Event | None = yield calls.event(id_)
        return told_check(found, event.check if event else None)
    return found


def open_matches_plan(calls: Calls) -> Plan[list[OpenMatch]]:
    """All matches that are not finished, oldest first. One that ends or begins meanwhile may be there or not."""
    found: dict[str, OpenMatch] = {}
    cursor = "0"
    while True:
        some: list[OpenMatch]
        cursor, some = yield calls.open_matches(cursor)
        found.update((match.id, match) for match in some)
        if cursor == "0":
            return sorted(found.values(), key=lambda match: (match.at_ms, match.id))


def _with_value(refused: InvalidInput, sent: dict[str, Any]) -> InvalidInput:
    """The script's refusal with the caller's value."""
    return InvalidInput(refused.field, sent.get(refused.field, refused.value), refused.bound)
