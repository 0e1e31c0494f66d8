"""From events of ready checks and results to rows, as ``rows.py`` does it for tickets and matches. No I/O.

Everything is looked at before anything is added, and what breaks a bound raises InvalidInput, ValueError, KeyError,
TypeError or AttributeError: such an event is kept as unreadable and settles nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from matchmaker.store.copying import as_line
from matchmaker.values import MOST_POINTS, checked_text

OUTCOMES: Final = ("played", "aborted", "abandoned")
_MOST_WHOLE: Final = 2**53
_MOST_VERSIONS: Final = 2**31 - 1
_MOST_TEAMS: Final = 1_000
_SIDE: Final = re.compile(r"([a-z0-9][a-z0-9_-]{0,31})?")
_OF_A_RETURN: Final = {"ended": "cancelled"}


@dataclass(frozen=True, slots=True)
class Finisher:
    """A player of a finished match, with the rating it was enqueued with, in points."""

    player: str
    side: str
    rating: float
    deviation: float | None


@dataclass(frozen=True, slots=True)
class Finished:
    """A ``finished`` event: ``ranks`` has one number a team, () for a match that was not played."""

    event: str
    match: str
    queue: str
    rules: int
    at_ms: int
    matched_ms: int
    outcome: str
    by: str
    who: str | None
    reason: str
    ranks: tuple[int, ...]
    left: tuple[str, ...]
    teams: tuple[tuple[Finisher, ...], ...]


@dataclass(slots=True)
class CheckRow:
    """What the batch tells of a ready check; an end without its beginning is added to the row that is there."""

    queue: str
    at_ms: int
    until_ms: int | None = None
    teams: list[list[dict[str, str]]] | None = None
    ended_ms: int | None = None
    outcome: str | None = None
    match: str | None = None
    declined: dict[str, dict[str, Any]] | None = None

    def line(self, check: str) -> str:
        """As ``new_checks`` has it."""
        began, ended = (check, self.queue, self.at_ms, self.until_ms, self.teams), (self.ended_ms, self.outcome)
        return as_line(*began, *ended, self.match, self.declined)

    def end(self, at_ms: int, outcome: str) -> None:
        """Its first end is the one that counts."""
        if self.outcome is None:
            self.ended_ms, self.outcome = at_ms, outcome


Checks = dict[str, CheckRow]


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A ``reported`` event."""

    match: str
    by: str
    reporter: str
    queue: str
    at_ms: int
    ranks: tuple[int, ...]
    left: tuple[str, ...]

    def line(self) -> str:
        """As ``new_reports`` has it."""
        said = (self.match, self.by, self.reporter, self.queue, self.at_ms)
        return as_line(*said, self.ranks, self.left or None)


def finished(event: str, body: dict[str, Any]) -> Finished:
    """What the event says, with every number finite and every rank in its bounds."""
    teams = tuple(tuple(_finisher(member) for member in team) for team in body["teams"])
    players = [member.player for team in teams for member in team]
    outcome = plain(body["outcome"])
    if outcome not in OUTCOMES or not all(teams) or len(teams) > _MOST_TEAMS or len(set(players)) != len(players):
        raise ValueError(outcome)
    ranks = ranks_of(body["ranks"], len(teams)) if outcome == "played" else ()
    who = body.get("who")
    return Finished(
        event,
        checked_text("after", body["match"]),
        checked_text("queue", body["queue"]),
        whole(body["rules"], _MOST_VERSIONS),
        whole(body["at"]),
        whole(body["matched_ms"]),
        outcome,
        plain(body["by"]),
        None if who is None else plain(who),
        plain(body.get("reason") or ""),
        ranks,
        _left(body),
        teams,
    )


def ranks_of(given: Any, teams: int) -> tuple[int, ...]:
    """One whole number a team, as in competitions: the smallest is 1, none is above the number of teams.

    :raises ValueError: they are none.
    """
    ranks = tuple(whole(rank) for rank in given)
    if len(ranks) != teams or teams < 2 or min(ranks) != 1 or max(ranks) > teams:
        raise ValueError(given)
    return ranks


def plain(value: object) -> str:
    """Text that Postgres takes: it has no character 0."""
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(value)
    return value


def whole(value: object, most: int = _MOST_WHOLE) -> int:
    """A whole number from 0, as Lua writes it: 2 or 2.0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ValueError(value)
    if value != int(value):
        raise ValueError(value)
    return int(value)


def points(value: object) -> float:
    """A rating: finite and in its bounds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -MOST_POINTS <= value <= MOST_POINTS:
        raise ValueError(value)
    return float(value)


def _finisher(member: dict[str, Any]) -> Finisher:
    deviation = member.get("deviation")
    return Finisher(
        checked_text("player", member["player"]),
        _side(member.get("side") or ""),
        points(member["rating"]),
        None if deviation is None else _deviation(deviation),
    )


def _side(value: object) -> str:
    if not _SIDE.fullmatch(plain(value)):
        raise ValueError(value)
    return plain(value)


def _deviation(value: object) -> float:
    if points(value) < 0:
        raise ValueError(value)
    return points(value)


def _left(body: dict[str, Any]) -> tuple[str, ...]:
    return tuple(plain(player) for player in body.get("left") or ())


def reported(body: dict[str, Any]) -> ReportRow:
    """What one side said; how many teams there are, the match knows."""
    ranks = body["ranks"]
    return ReportRow(
        checked_text("after", body["match"]),
        plain(body["by"]),
        plain(body["who"]),
        checked_text("queue", body["queue"]),
        whole(body["at"]),
        ranks_of(ranks, len(ranks)),
        _left(body),
    )


# -- ready checks ------------------------------------------------------------------------------------------------------


def _check_of(checks: Checks, check: str, body: dict[str, Any]) -> CheckRow:
    began_ms = int(check.partition("-")[0])
    return checks.setdefault(checked_text("after", check), CheckRow(checked_text("queue", body["queue"]), began_ms))


def add_proposed(checks: Checks, event: str, body: dict[str, Any]) -> None:
    teams = [[_asked(member) for member in team] for team in body["teams"]]
    at, until = whole(body["at"]), whole(body["until"])
    row = _check_of(checks, event, body)
    row.at_ms, row.until_ms, row.teams = at, until, teams


def _asked(member: dict[str, Any]) -> dict[str, str]:
    asked = {name: checked_text(name, member[name]) for name in ("ticket", "player")}
    return asked | {"side": plain(member["side"])} if "side" in member else asked


def add_declined(checks: Checks, body: dict[str, Any]) -> None:
    at, how, player = whole(body["at"]), plain(body["how"]), checked_text("player", body["player"])
    told: dict[str, Any] = {"how": how}
    if body.get("penalty_until") is not None:
        told["penalty_until"] = whole(body["penalty_until"])
    row = _check_of(checks, body["check"], body)
    row.declined = {**(row.declined or {}), player: told}
    row.end(at, how)


def add_returned(checks: Checks, body: dict[str, Any]) -> None:
    at, reason = whole(body["at"]), plain(body["reason"])
    _check_of(checks, body["check"], body).end(at, _OF_A_RETURN.get(reason, reason))


def add_matched(checks: Checks, event: str, body: dict[str, Any]) -> None:
    """The match that came of a check."""
    at = whole(body["at"])
    row = _check_of(checks, body["check"], body)
    row.end(at, "matched")
    row.match = event
