"""How matches end: results, and what those who tell them may say.

*Ranks* are one whole number a team, 1 is best and equal ones tie, counted as in competitions: ``(1, 2)`` says that the
first team won, ``(1, 1)`` is a draw. Moments are integer milliseconds of realm time.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from matchmaker.errors import InvalidInput
from matchmaker.values import PLAYER_BYTES, checked_text

MOST_TEAMS: Final = 64
MOST_LEFT: Final = 256
RANKS: Final = "a whole number a team: the best is 1, none above the number of teams, ties are equal"
REASON: Final = "1 to 64 of A-Z a-z 0-9 . _ : -"
WHO: Final = f"1 to {PLAYER_BYTES} bytes of UTF-8 text without control characters"

_REASON = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class Outcome(StrEnum):
    """How a match ended. Only what was played has ranks."""

    PLAYED = "played"
    ABORTED = "aborted"
    ABANDONED = "abandoned"


class By(StrEnum):
    """Who tells of a match."""

    PLAYER = "player"
    SERVER = "server"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Report:
    """What one of them said of a match: the ranks, and the players who left before its end."""

    ranks: tuple[int, ...]
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """How a match ended. ``by`` says what ended it: ``players`` who agreed, a ``server``, an ``operator``, the
    ``deadline`` for reports, ``leaving``, or a ``player`` who aborted it; ``who`` names the last three where there is a
    name. ``left`` are the players who left before the end, ``reason`` is the word that an abort gave.
    """

    match_id: str
    queue: str
    outcome: Outcome
    ranks: tuple[int, ...]
    by: str
    who: str
    left: tuple[str, ...]
    at_ms: int
    reason: str = ""
    teams: tuple[tuple[str, ...], ...] = ()

    @property
    def winner(self) -> int | None:
        """The number of the team that won, from 1; None for a tie at the top, and for what was not played."""
        return self.ranks.index(1) + 1 if self.ranks.count(1) == 1 else None


def parse_result(body: Mapping[str, Any]) -> Result:
    """The result that the body of a ``finished`` event tells."""
    return Result(
        body["match"],
        body["queue"],
        Outcome(body["outcome"]),
        tuple(body.get("ranks", ())),
        body["by"],
        body.get("who", ""),
        tuple(body.get("left", ())),
        int(body["at"]),
        body.get("reason", ""),
        tuple(tuple(one["player"] for one in team) for team in body["teams"]),
    )


def checked_ranks(value: Any, teams: int | None = None) -> tuple[int, ...]:
    """``value`` if it may be the ranks of a match (of so many teams, if that is known), else :class:`InvalidInput`."""
    bound = RANKS if teams is None else f"{RANKS} ({teams} teams)"
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)) or not 2 <= len(value) <= MOST_TEAMS:
        raise InvalidInput("ranks", value, bound)
    ranks = tuple(value)
    whole = all(isinstance(rank, int) and not isinstance(rank, bool) and 1 <= rank <= len(ranks) for rank in ranks)
    if not whole or min(ranks) != 1 or teams not in (None, len(ranks)):
        raise InvalidInput("ranks", value, bound)
    return ranks


def checked_left(value: Any, players: Collection[str] | None = None) -> tuple[str, ...]:
    """``value`` if it may be the players who left (of these players, where they are known), in order and each once."""
    bound = f"a list of at most {MOST_LEFT} players of the match"
    if not isinstance(value, Collection) or isinstance(value, (str, bytes)) or len(value) > MOST_LEFT:
        raise InvalidInput("left", value, bound)
    for player in value:
        try:
            checked_text("player", player)
        except InvalidInput:
            raise InvalidInput("left", player, bound) from None
        if players is not None and player not in players:
            raise InvalidInput("left", player, "players of the match: " + ", ".join(players))
    return tuple(sorted(set(value)))


def checked_who(by: By, who: object) -> str:
    """The name of who tells; :class:`InvalidInput` names the kind: player, server or operator."""
    try:
        return checked_text("player", who)
    except InvalidInput:
        raise InvalidInput(str(by), who, WHO) from None


def checked_reason(value: object) -> str:
    """The word for why a match is aborted."""
    if not isinstance(value, str) or not _REASON.fullmatch(value):
        raise InvalidInput("reason", value, REASON)
    return value


def winner_ranks(winner: Any, teams: int) -> tuple[int, ...]:
    """The ranks under which one team is first and all others share the next place."""
    if isinstance(winner, bool) or not isinstance(winner, int) or not 1 <= winner <= teams:
        raise InvalidInput("winner", winner, f"the number of a team, 1 to {teams}, or a player of the match")
    return tuple(1 if team == winner else 2 for team in range(1, teams + 1))
