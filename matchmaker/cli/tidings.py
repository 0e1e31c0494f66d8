"""What becomes of ready checks and open matches, in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from matchmaker.model import Event, EventKind, Outcome, Result
from matchmaker.words import plain, points

WHY: Final[Mapping[str, str]] = {
    "declined": "{who} declined",
    "no_answer": "{who} did not answer",
    "cancelled": "the check was cancelled",
    "ended": "the check failed",
}
"""Why a ready check failed, by its outcome."""

ENDED_BY: Final[Mapping[str, str]] = {
    "players": "the players agree",
    "server": "by server {who}",
    "operator": "by operator {who}",
    "player": "by {who}",
    "deadline": "the time for reports is over",
    "leaving": "the others left",
}
"""What ended a match, by the word of its event."""


def told(event: Event, player: str) -> str:
    """An event that is of no ticket alone, as its player is told it."""
    body = event.body
    match event.kind:
        case EventKind.ACCEPTED:
            return f"{plain(body['player'])} accepted: {body['accepted']} of {body['needed']}"
        case EventKind.DECLINED:
            return WHY[body["how"]].format(who=plain(body["player"]))
        case EventKind.REPORTED:
            return f"{plain(body['who'])} reported {outcome_words(body['ranks'])}{_left(body.get('left', ()))}"
        case EventKind.LEFT:
            return f"{plain(body['player'])} left"
        case EventKind.DISPUTED:
            said = (f"{plain(one['player'])} {outcome_words(one['ranks'])}" for one in body["reports"])
            return f"an operator decides: {', '.join(said)}"
        case EventKind.FINISHED if event.result is not None:
            return result_words(event.result)
        case EventKind.RATED:
            return ", ".join(_rated(one) for one in body["players"] if one["player"] == player)
    return ""


def returned(body: Mapping[str, Any]) -> str:
    """Why the player stands in line again."""
    who = ", ".join(plain(one) for one in body.get("by", ())) or "somebody"
    return WHY.get(body["reason"], WHY["ended"]).format(who=who)


def outcome_words(ranks: Sequence[int]) -> str:
    """``team 1 won``, ``a draw``, and of more teams ``places 2 1 3``."""
    if len(ranks) > 2:
        return "places " + " ".join(map(str, ranks))
    return "a draw" if len(set(ranks)) == 1 else f"team {ranks.index(1) + 1} won"


def result_words(result: Result) -> str:
    """``played: team 1 won (the players agree)``."""
    said = f": {outcome_words(result.ranks)}" if result.outcome is Outcome.PLAYED else ""
    how = ENDED_BY.get(result.by, result.by).format(who=plain(result.who))
    why = f", {plain(result.reason)}" if result.reason else ""
    return f"{result.outcome.value}{said} ({how}{why}){_left(result.left)}"


def _left(players: Sequence[str]) -> str:
    return f"; left: {', '.join(map(plain, players))}" if players else ""


def _rated(one: Mapping[str, Any]) -> str:
    side = f"{one['side']} " if "side" in one else ""
    change = one["rating"] - one["before"]
    return (
        f"{side}{points(one['before'])} → {points(one['rating'])} ({'+' if change >= 0 else '−'}{points(abs(change))})"
    )
