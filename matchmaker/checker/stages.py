"""What the stream tells of ready checks, open matches and ratings, and what cannot follow what. No I/O.

Only realms with such events have any of it. Times are realm ms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from matchmaker.checker.violation import Code
from matchmaker.model import EventKind

Blame = Callable[[Code, str], None]
Doubt = Callable[[str, Code, str], None]
"""Takes what is wrong unless the beginning, an event of that id, was trimmed."""

OF_A_MATCH: Final = frozenset((EventKind.REPORTED, EventKind.LEFT, EventKind.DISPUTED, EventKind.FINISHED))
OUTCOMES: Final = ("played", "aborted", "abandoned")


@dataclass(slots=True)
class CheckStory:
    """One ready check. ``teams`` has the players, ``tickets`` whose is whose; ``outcome`` is "" while it runs."""

    check: str
    queue: str
    until_ms: int
    body: Mapping[str, Any]
    tickets: dict[str, str]
    accepted: set[str] = field(default_factory=set)
    outcome: str = ""
    match: str = ""
    awaited: set[str] = field(default_factory=set)
    """Tickets of a check that failed whose own event (returned or cancelled) has not come yet."""


@dataclass(slots=True)
class OpenStory:
    """One match whose result is awaited or told. ``state`` is open, disputed or finished."""

    match: str
    queue: str
    teams: list[list[str]]
    tickets: dict[str, str]
    state: str = "open"
    reports: dict[str, tuple[int, ...]] = field(default_factory=dict)
    final: tuple[str, str, tuple[int, ...]] | None = None
    """By and who and ranks of a report that is enough alone."""
    left: set[str] = field(default_factory=set)
    outcome: str = ""
    rated: int = 0


class Stages:
    """Adds up such events; ``blame`` and ``doubt`` take what is wrong with them."""

    def __init__(self, blame: Blame, doubt: Doubt) -> None:
        self._blame = blame
        self._doubt = doubt
        self.checks: dict[str, CheckStory] = {}
        self.matches: dict[str, OpenStory] = {}
        self.check_of: dict[str, str] = {}
        """Ticket -> the ready check it is in."""
        self.match_of: dict[str, str] = {}
        """Player -> the open match it plays in."""
        self.outcomes: Counter[str] = Counter()
        self.rated = 0
        self._games: dict[tuple[str, str, str], int] = {}

    # -- ready checks --------------------------------------------------------------------------------------------------

    def propose(self, event_id: str, body: Mapping[str, Any]) -> None:
        """A ready check begins."""
        tickets = {str(t["ticket"]): str(t["player"]) for team in body["teams"] for t in team}
        for ticket in tickets:
            if ticket in self.check_of:
                self._blame(
                    Code.CHECK_ORDER, f"ticket {ticket} is in check {self.check_of[ticket]} and again in {event_id}"
                )
            self.check_of[ticket] = event_id
        self.checks[event_id] = CheckStory(event_id, str(body["queue"]), int(body["until"]), body, tickets)

    def accept(self, event_id: str, body: Mapping[str, Any]) -> list[str]:
        """One more is ready; answers the tickets whose players are told."""
        check, player = self._running(event_id, body), str(body["player"])
        if check is None:
            return []
        if player in check.accepted or player not in check.tickets.values():
            self._blame(Code.CHECK_ORDER, f"event {event_id} tells that {player!r} accepts, who does so already or not")
        check.accepted.add(player)
        counts = int(body["accepted"]), int(body["needed"])
        if counts != (len(check.accepted), len(check.tickets)):
            self._blame(
                Code.CHECK_ORDER, f"event {event_id} counts {counts}, it is {len(check.accepted)} of {check.tickets}"
            )
        return list(check.tickets)

    def decline(self, event_id: str, body: Mapping[str, Any]) -> None:
        """One is at fault that a check fails; of those who gave no answer there may be several."""
        check, how, player = self.checks.get(str(body["check"])), str(body["how"]), str(body["player"])
        if check is None:
            self._unbegun(event_id, str(body["check"]))
            return
        again = check.outcome == how == "no_answer" and check.awaited == set(check.tickets)
        if (check.outcome and not again) or check.tickets.get(str(body["ticket"])) != player:
            self._blame(Code.CHECK_ORDER, f"event {event_id} tells {how} of {player!r}, the check is {check.outcome}")
        if how == "no_answer" and player in check.accepted:
            self._blame(Code.CHECK_ORDER, f"event {event_id} tells that {player!r} gave no answer, who had accepted")
        if not check.outcome:
            check.outcome, check.awaited = how, set(check.tickets)

    def out_of_check(self, event_id: str, ticket: str, body: Mapping[str, Any] | None) -> None:
        """The ticket returns to its lines (``body`` is that event's), or ends otherwise than by a match."""
        name = self.check_of.pop(ticket, "")
        check = self.checks.get(name)
        told = str(body["check"]) if body is not None else name
        if check is None or told != name or ticket not in check.awaited:
            if body is not None:
                what = f"event {event_id} returns {ticket} from {told}, it is in {name or None}"
                self._doubt(told, Code.CHECK_ORDER, what)
            elif check is not None:
                self._blame(Code.CHECK_ORDER, f"event {event_id} ends {ticket}, which is in the ready check {name}")
            return
        check.awaited.discard(ticket)

    def _running(self, event_id: str, body: Mapping[str, Any]) -> CheckStory | None:
        check = self.checks.get(str(body["check"]))
        if check is None:
            self._unbegun(event_id, str(body["check"]))
        elif check.outcome:
            self._blame(Code.CHECK_ORDER, f"event {event_id} comes after the check {check.check} was {check.outcome}")
        return check

    def _unbegun(self, event_id: str, began: str) -> None:
        self._doubt(began, Code.CHECK_ORDER, f"event {event_id} is of {began!r}, which never began")

    # -- matches -------------------------------------------------------------------------------------------------------

    def match(self, event_id: str, body: Mapping[str, Any]) -> None:
        """A match was made: out of a check, and with a result to come, or not."""
        members = [member for team in body["teams"] for member in team]
        tickets = {str(member["ticket"]): str(member["player"]) for member in members}
        named = str(body.get("check", ""))
        for ticket in tickets:
            if self.check_of.get(ticket, named) != named:
                self._blame(Code.CHECK_ORDER, f"match {event_id} takes {ticket} out of {self.check_of[ticket]}")
            self.check_of.pop(ticket, None)
        if named:
            self._confirm(event_id, named, body, tickets)
        if "until" not in body:
            return
        for player in tickets.values():
            if player in self.match_of:
                self._blame(Code.IN_TWO_MATCHES, f"player {player!r} plays {self.match_of[player]} and {event_id}")
            self.match_of[player] = event_id
        teams = [[str(member["player"]) for member in team] for team in body["teams"]]
        self.matches[event_id] = OpenStory(event_id, str(body["queue"]), teams, tickets)

    def _confirm(self, event_id: str, named: str, body: Mapping[str, Any], tickets: Mapping[str, str]) -> None:
        check = self.checks.get(named)
        if check is None:
            self._unbegun(event_id, named)
            return
        if check.outcome or check.accepted != set(check.tickets.values()) or check.tickets != tickets:
            self._blame(Code.CHECK_ORDER, f"match {event_id} is of {named}, which was not accepted by all of it")
        told = {name: check.body.get(name) for name in _SAME}
        if told != {name: body.get(name) for name in _SAME}:
            self._blame(Code.CHECK_ORDER, f"match {event_id} is not as its ready check {named} told")
        check.outcome, check.match = "matched", event_id

    def of_match(self, event_id: str, kind: EventKind, body: Mapping[str, Any]) -> OpenStory | None:
        """An event of an open match; answers the match, as it was before."""
        story = self.matches.get(str(body["match"]))
        if story is None:
            match = str(body["match"])
            self._doubt(match, Code.MATCH_ORDER, f"event {event_id} is of {match!r}, which awaits no result")
            return None
        if story.state == "finished":
            self._blame(Code.MATCH_ORDER, f"event {event_id} ({kind}) comes after {story.match} was finished")
            return story
        before = OpenStory(story.match, story.queue, story.teams, story.tickets, story.state)
        if kind is EventKind.REPORTED:
            self._report(event_id, story, body)
        elif kind is EventKind.LEFT:
            self._leave(event_id, story, str(body["player"]))
        elif kind is EventKind.DISPUTED:
            if story.state == "disputed" or len(set(story.reports.values())) < 1:
                self._blame(Code.MATCH_ORDER, f"event {event_id} disputes {story.match} without need")
            story.state = "disputed"
            self._free(story)
        else:
            self._finish(event_id, story, body)
        return before

    def _report(self, event_id: str, story: OpenStory, body: Mapping[str, Any]) -> None:
        by, who, ranks = str(body["by"]), str(body["who"]), tuple(map(int, body["ranks"]))
        if len(ranks) != len(story.teams) or min(ranks) != 1 or max(ranks) > len(ranks):
            self._blame(Code.MATCH_ORDER, f"event {event_id} reports the ranks {ranks} of {len(story.teams)} teams")
        if by != "player":
            story.final = by, who, ranks
        elif who in story.reports or who not in story.tickets.values():
            self._blame(Code.MATCH_ORDER, f"event {event_id} is a report of {who!r}, who has told or does not play")
        else:
            story.reports[who] = ranks

    def _leave(self, event_id: str, story: OpenStory, player: str) -> None:
        if player in story.left or player not in story.tickets.values() or story.state != "open":
            self._blame(Code.MATCH_ORDER, f"event {event_id} tells that {player!r} left, who cannot any more")
        story.left.add(player)

    def _finish(self, event_id: str, story: OpenStory, body: Mapping[str, Any]) -> None:
        outcome, by = str(body["outcome"]), str(body["by"])
        ranks = tuple(map(int, body.get("ranks", ())))
        fault = _contradiction(story, outcome, by, str(body.get("who", "")), ranks)
        if [[str(one["player"]) for one in team] for team in body["teams"]] != story.teams:
            fault = "tells of other teams"
        if fault:
            self._blame(Code.FINISHED_WRONG, f"event {event_id} ends {story.match} as {outcome} by {by}: it {fault}")
        story.outcome = outcome
        self.outcomes[outcome] += 1
        if story.state == "open":
            self._free(story)
        story.state = "finished"

    def _free(self, story: OpenStory) -> None:
        for player in story.tickets.values():
            if self.match_of.get(player) == story.match:
                del self.match_of[player]

    # -- ratings -------------------------------------------------------------------------------------------------------

    def rate(self, event_id: str, body: Mapping[str, Any]) -> None:
        """A settled match is announced."""
        n, name = int(body["n"]), str(body["match"])
        if self.rated and n != self.rated + 1:
            self._blame(Code.RATED_ORDER, f"event {event_id} is number {n}, the one before it {self.rated}")
        self.rated = max(n, self.rated)
        story = self.matches.get(name)
        if story is None:
            self._doubt(name, Code.RATED_WRONG, f"event {event_id} rates {name}, which awaited no result")
        elif story.outcome != "played" or story.rated:
            was = f"rated by {story.rated}" if story.rated else story.outcome or "not finished"
            self._blame(Code.RATED_WRONG, f"event {event_id} rates {name}, which is {was}")
        else:
            story.rated = n
            if sorted(str(one["player"]) for one in body["players"]) != sorted(story.tickets.values()):
                self._blame(Code.RATED_WRONG, f"event {event_id} rates others than those who played {name}")
        for one in body["players"]:
            key = str(body["queue"]), str(one["player"]), str(one.get("side", ""))
            game = int(one["game"])
            if key in self._games and game != self._games[key] + 1:
                self._blame(Code.RATED_ORDER, f"event {event_id} is game {game} of {key[1]!r} after {self._games[key]}")
            self._games[key] = game

    def unfinished(self) -> Iterator[str]:
        """Tickets of failed checks that were not told of what became of them."""
        for check in self.checks.values():
            yield from sorted(check.awaited)


_SAME: Final = ("queue", "rules", "gap", "value", "price", "region", "server", "picks", "proposed")


def _contradiction(story: OpenStory, outcome: str, by: str, who: str, ranks: tuple[int, ...]) -> str:
    """Why a match cannot have ended so, by what was told of it before; "" if it can."""
    said = set(story.reports.values())
    if outcome not in OUTCOMES or bool(ranks) != (outcome == "played"):
        return f"has the ranks {ranks}"
    if story.state == "disputed" and by != "operator":
        return "was disputed, which an operator ends"
    if outcome == "aborted":
        return "" if by in ("player", "server", "operator") else "is aborted by nobody"
    if outcome == "abandoned":
        return "" if by == "deadline" else "is abandoned before its time"
    if by in ("server", "operator"):
        return "" if story.final == (by, who, ranks) else f"was reported {story.final}"
    if by == "leaving":
        here = [number for number, team in enumerate(story.teams) if not story.left.issuperset(team)]
        wanted = tuple(1 if [number] == here else 2 for number in range(len(story.teams)))
        return "" if len(here) == 1 and ranks == wanted else f"was left by {sorted(story.left)}"
    if said != {ranks}:
        return f"was reported {sorted(said)}"
    heard = all(any(player in story.reports for player in team) for team in story.teams)
    return "" if heard or by == "deadline" else "was not reported by every team"
