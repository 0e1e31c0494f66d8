"""What the stream told of the evenings: counts, waits and gaps, the log of finished matches, who should hear what."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from matchmaker.calls import Rated
from matchmaker.demo.evening_world import Told
from matchmaker.model import EventKind
from matchmaker.ratings import Key, RatedPlayer, RatedResult

OF_A_CHECK = {EventKind.ACCEPTED}
OF_A_MATCH = {EventKind.REPORTED, EventKind.LEFT, EventKind.DISPUTED}


class Story:
    """All that happened, as its events tell it. ``shown`` is what the realm says each player is worth, by side.

    ``waits_ms`` has one entry a matched ticket, ``gaps`` (points) one a match; ``events_of`` the ids that each player
    should hear, in their order; ``played`` the log that ratings can be computed from.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.waits_ms = array("d")
        self.gaps = array("d")
        self.events_of: dict[str, list[str]] = {}
        self.played: list[RatedResult] = []
        self.shown: dict[tuple[str, str], Rated] = {}
        self.games: Counter[tuple[str, str]] = Counter()
        self._returned: set[str] = set()
        self._players: dict[str, list[str]] = {}

    def take(self, told: Told) -> None:
        """The next event."""
        kind, body = told.kind, told.body
        for player in self._hearers(told):
            self.events_of.setdefault(player, []).append(told.id)
        self.counts[kind] += 1
        if kind == EventKind.MATCHED:
            self._take_match(body)
        elif kind == EventKind.RETURNED:
            self._returned.add(body["ticket"])
        elif kind == EventKind.DECLINED:
            self.counts[f"declined:{body['how']}"] += 1
            if "penalty_until" in body and body["penalty_until"] > told.at_ms:
                self.counts["penalties"] += 1
        elif kind == EventKind.CANCELLED:
            self.counts[f"cancelled:{body['reason']}"] += 1
        elif kind == EventKind.FINISHED:
            self.counts[f"finished:{body['outcome']}"] += 1
            self.counts[f"by:{body['by']}"] += 1
            if body["outcome"] == "played":
                self.played.append(result_of(body))
        elif kind == EventKind.RATED:
            for one in body["players"]:
                key = (one["player"], one.get("side", ""))
                self.shown[key] = Rated(float(one["rating"]), one.get("deviation"))
                self.games[key] = int(one["game"])

    def _take_match(self, body: Mapping[str, Any]) -> None:
        self.gaps.append(body["gap"])
        for member in _members(body):
            self.waits_ms.append(member["waited_ms"])
            if member["ticket"] in self._returned:
                self.counts["returned and matched"] += 1

    def _hearers(self, told: Told) -> Iterator[str]:
        """Whom the event is for, worked out from what events say and from nothing else."""
        kind, body = told.kind, told.body
        if kind in (EventKind.PROPOSED, EventKind.MATCHED):
            self._players[told.id] = [member["player"] for member in _members(body)]
            yield from self._players[told.id]
        elif kind in OF_A_CHECK:
            yield from self._players[body["check"]]
        elif kind in OF_A_MATCH:
            yield from self._players[body["match"]]
        elif kind == EventKind.FINISHED:
            yield from (member["player"] for member in _members(body))
        elif kind == EventKind.RATED:
            yield from (one["player"] for one in body["players"])
        elif kind not in (EventKind.RULES, EventKind.DECLINED):
            yield body["player"]


def result_of(body: Mapping[str, Any]) -> RatedResult:
    """The match of a ``finished`` event, as rating systems take it."""
    teams = tuple(
        tuple(
            RatedPlayer(one["player"], float(one["rating"]), one.get("deviation"), one.get("side", "")) for one in team
        )
        for team in body["teams"]
    )
    return RatedResult(body["match"], body["queue"], body["rules"], body["at"], tuple(body["ranks"]), teams)


def starts(queue: str, imported: Mapping[tuple[str, str], Rated]) -> dict[Key, Rated]:
    """What was imported, by the keys of ratings."""
    return {(queue, player, side): rated for (player, side), rated in imported.items()}


def _members(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [member for team in body["teams"] for member in team]
