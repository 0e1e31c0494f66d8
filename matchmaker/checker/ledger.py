"""The stream, added up: what became of every ticket, by the events alone.

Events are the ground truth of the checker: they are written in the same step as what they tell of, and never change.
A :class:`Ledger` takes them in order, so it can follow a realm while it works and be handed to the checker at the end.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from matchmaker.checker.stages import OF_A_MATCH, Stages
from matchmaker.checker.stories import NOTHING, Expiry, MatchStory, Story
from matchmaker.checker.violation import Code, Violation
from matchmaker.model import EventKind
from matchmaker.terms import MEMBERS
from matchmaker.willingness import Waiting

TERMED: Final = frozenset((*MEMBERS, "queues"))
"""What only the event of a ticket with terms has."""

WHERE: Final = ("region", "ping", "server", "picks")
"""Members of a match that say where and with what it is played."""

CROWD: Final = 80
"""So many places to either side a look at a line with constraints goes at most (``lua/lib/view.lua``)."""

_STAGES: Final = OF_A_MATCH | {
    EventKind.PROPOSED,
    EventKind.ACCEPTED,
    EventKind.DECLINED,
    EventKind.RETURNED,
    EventKind.RATED,
}

NOTHING_KNOWN: Final = 2**63
"""As ``complete_from_ms``: the ledger holds no event that anything may be held against."""


class Ledger:
    """All that the events told so far. ``fold`` takes the next one; ids must ascend.

    ``complete_from_ms``: the ledger has every event since this realm ms (0: every one there ever was).
    """

    def __init__(self, complete_from_ms: int = 0) -> None:
        self.complete_from_ms = complete_from_ms
        self.retain_ms = 0
        self.last_id = "0-0"
        self.events = 0
        self.unseen = 0
        self.counts: Counter[str] = Counter()
        self.tickets: dict[str, Story] = {}
        self.live: dict[str, str] = {}
        self.last: dict[str, Story] = {}
        self.events_of: dict[str, list[str]] = {}
        self.matches: list[MatchStory] = []
        self.proposals: list[MatchStory] = []
        self.stages = Stages(self._blame, self._doubt)
        self.returned_ms: dict[str, int] = {}
        self.expiries: list[Expiry] = []
        self.in_force: Mapping[str, tuple[int, int]] = NOTHING
        self._waiting: Counter[str] = Counter()
        self._crowded_ms: dict[str, int] = {}
        self._violations: list[Violation] = []
        self._unbegun: list[tuple[int, Violation]] = []

    def violations(self) -> Iterator[Violation]:
        """What the stream itself has wrong."""
        yield from self._violations
        yield from (violation for since, violation in self._unbegun if since >= self.complete_from_ms)
        for ticket in self.stages.unfinished():
            yield Violation(Code.CHECK_ORDER, f"ticket {ticket} was in a ready check that failed, and nothing follows")

    def knows(self, event_id: str) -> bool:
        """Whether an event of this id, had it happened, would have been seen."""
        moment = event_id.partition("-")[0]
        return moment.isdecimal() and int(moment) >= self.complete_from_ms

    def forget(self, floor_ms: int) -> None:
        """Events before ``floor_ms`` may have been trimmed unseen: whatever they could have changed is unknown."""
        self.complete_from_ms = max(self.complete_from_ms, floor_ms)
        unsure = [story for story in self.tickets.values() if not story.how and story.enqueued_ms < floor_ms]
        for story in unsure:
            del self.tickets[story.ticket]
            self.live.pop(story.player, None)
        self.last = {player: story for player, story in self.last.items() if story.end_ms >= floor_ms}
        self.in_force = {queue: known for queue, known in self.in_force.items() if known[1] >= floor_ms}

    def crowded_until(self, queue: str) -> int | None:
        """Realm ms of the last event at which more than :data:`CROWD` tickets waited in the queue, 0 for never; None
        where the ledger cannot know."""
        return self._crowded_ms.get(queue, 0) if not self.complete_from_ms and not self.unseen else None

    # -- events ----------------------------------------------------------------------------------------------------

    def fold(self, event_id: str, kind: str, text: str) -> None:
        """Takes the next event of the stream; what is wrong with it is kept for :meth:`violations`."""
        self.last_id = event_id
        self.events += 1
        try:
            body = json.loads(text)
            at = body["at"]
            if body["v"] != 1 or body["event"] != kind or not isinstance(at, int):
                raise ValueError("not an event of version 1")
            self._take(event_id, EventKind(kind), at, body)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as fault:
            self._blame(Code.EVENT_MALFORMED, f"event {event_id} ({kind}) cannot be read: {fault!r}")
            return
        if int(event_id.partition("-")[0]) != at:
            self._blame(Code.EVENT_TIME, f"event {event_id} tells of realm ms {at}")

    def _take(self, event_id: str, kind: EventKind, at: int, body: Mapping[str, Any]) -> None:
        self.counts[kind.value] += 1
        if kind is EventKind.ENQUEUED:
            self._begin(event_id, at, body)
        elif kind is EventKind.MATCHED:
            self._match(event_id, at, body)
        elif kind in _STAGES:
            self._stage(event_id, kind, at, body)
        elif kind is EventKind.RULES:
            if body["change"] != "removed":
                # Those who came before keep what they came under.
                self.in_force = {**self.in_force, body["queue"]: (int(body["version"]), at)}
        else:
            self.stages.out_of_check(event_id, str(body["ticket"]), None)
            self._end(event_id, at, kind.value, body["queue"], body)
            if kind is EventKind.EXPIRED:
                self.expiries.append(Expiry(body["ticket"], body["queue"], int(body["waited_ms"])))

    def _blame(self, code: Code, message: str) -> None:
        self._violations.append(Violation(code, message))

    def _doubt(self, began: str, code: Code, message: str) -> None:
        """Wrong, unless the event ``began`` was trimmed."""
        moment = began.partition("-")[0]
        self._unbegun.append((int(moment) if moment.isdecimal() else NOTHING_KNOWN, Violation(code, message)))

    def _begin(self, event_id: str, at: int, body: Mapping[str, Any]) -> None:
        ticket, player = str(body["ticket"]), str(body["player"])
        rating, deviation = float(body["rating"]), float(body.get("deviation", 0.0))
        before = self.tickets.get(ticket)
        if before is not None and (not before.how or at - before.end_ms < self.retain_ms):
            self._blame(Code.ENQUEUED_TWICE, f"ticket {ticket} is enqueued again by {event_id}")
            return
        if player in self.live:
            self._blame(Code.PLAYER_TWICE, f"player {player!r} waits with {self.live[player]} and again with {ticket}")
        last = self.last.get(player)
        prev = (last.ticket, last.latest, last.latest_ms) if last else None
        self.tickets[ticket] = Story(ticket, player, str(body["queue"]), rating, deviation, at, event_id, prev)
        if not TERMED.isdisjoint(body):
            self.tickets[ticket].body = body
        self.tickets[ticket].in_force = self.in_force
        self.tickets[ticket].newest = self.tickets[ticket].latest = event_id
        for queue in self.tickets[ticket].queues:
            self._waiting[queue] += 1
            if self._waiting[queue] > CROWD:
                self._crowded_ms[queue] = at
        self.live[player] = ticket
        self.events_of.setdefault(player, []).append(event_id)

    def _match(self, event_id: str, at: int, body: Mapping[str, Any]) -> None:
        match = self._pair(event_id, at, body)
        if match is not None:
            self.matches.append(match)
        self.stages.match(event_id, body)
        for team in body["teams"]:
            for member in team:
                self._end(event_id, at, "matched", str(body["queue"]), member)

    def _pair(self, event_id: str, at: int, body: Mapping[str, Any]) -> MatchStory | None:
        """A match, or the one that a ready check is about; None for one of a shape that none has."""
        queue, teams = str(body["queue"]), body["teams"]
        members = [member for team in teams for member in team]
        shape = [len(team) for team in teams]
        if shape != [1, 1] or len({member["ticket"] for member in members}) != 2:
            self._blame(Code.MATCH_SHAPE, f"match {event_id} has teams of {shape}, not two different tickets")
            return None
        if members[0]["player"] == members[1]["player"]:
            self._blame(Code.MATCH_SHAPE, f"match {event_id} has player {members[0]['player']!r} on both sides")
            return None
        one, other = (
            Waiting(
                member["ticket"],
                float(member["rating"]),
                at - int(member["waited_ms"]),
                float(member.get("deviation", 0.0)),
            )
            for member in members
        )
        return MatchStory(
            event_id,
            at,
            queue,
            int(body["rules"]),
            self.in_force.get(queue),
            float(body["gap"]),
            float(body["value"]),
            one,
            other,
            float(body.get("price", 0.0)),
            (str(members[0].get("side", "")), str(members[1].get("side", ""))),
            (str(members[0].get("choice", "")), str(members[1].get("choice", ""))),
            {name: body[name] for name in WHERE if name in body} or NOTHING,
            bool(body.get("proposed", False)),
            str(body.get("check", "")),
            max(self.returned_ms.get(ticket.ticket, 0) for ticket in (one, other)),
        )

    # -- ready checks, results, ratings ----------------------------------------------------------------------------

    def _stage(self, event_id: str, kind: EventKind, at: int, body: Mapping[str, Any]) -> None:
        stages = self.stages
        if kind is EventKind.PROPOSED:
            self._propose(event_id, at, body)
        elif kind is EventKind.ACCEPTED:
            self._tell(event_id, stages.accept(event_id, body))
        elif kind is EventKind.DECLINED:
            stages.decline(event_id, body)
        elif kind is EventKind.RETURNED:
            self._return(event_id, at, body)
        elif kind is EventKind.RATED:
            stages.rate(event_id, body)
            for one in body["players"]:
                self._tell_player(event_id, str(one["player"]))
        else:
            match = stages.of_match(event_id, kind, body)
            if match is not None and match.state == "open":
                self._tell(event_id, match.tickets)
            elif match is not None:
                for player in match.tickets.values():
                    self._tell_player(event_id, player)

    def _propose(self, event_id: str, at: int, body: Mapping[str, Any]) -> None:
        pair = self._pair(event_id, at, body)
        if pair is not None:
            self.proposals.append(pair)
        self.stages.propose(event_id, body)
        for team in body["teams"]:
            for member in team:
                self._still(event_id, at, str(body["queue"]), member)
        self._tell(event_id, self.stages.checks[event_id].tickets)

    def _return(self, event_id: str, at: int, body: Mapping[str, Any]) -> None:
        ticket = str(body["ticket"])
        self.stages.out_of_check(event_id, ticket, body)
        self._still(event_id, at, str(body["queue"]), body)
        self.returned_ms[ticket] = at
        self._tell(event_id, [ticket])

    def _still(self, event_id: str, at: int, queue: str, member: Mapping[str, Any]) -> None:
        """The ticket of a ready check, before or after it: it lives, and has waited since it came."""
        ticket, since = str(member["ticket"]), at - int(member["waited_ms"])
        story = self.tickets.get(ticket)
        if story is None:
            if since >= self.complete_from_ms:
                what = Violation(Code.ENDED_UNKNOWN, f"ticket {ticket} is in {event_id} but never began")
                self._unbegun.append((since, what))
        elif story.how:
            self._blame(Code.ENDED_TWICE, f"ticket {ticket} ended by {story.end_event} and goes on with {event_id}")
        elif (
            (str(member["player"]), since) != (story.player, story.enqueued_ms)
            or not story.stands_at(queue, float(member["rating"]), str(member.get("side", "")))
        ):  # fmt: skip
            self._blame(Code.EVENT_DISAGREES, f"event {event_id} tells of {ticket} since {since}, it came otherwise")

    def _tell(self, event_id: str, tickets: Iterable[str]) -> None:
        """The players of these tickets are told."""
        for ticket in tickets:
            story = self.tickets.get(ticket)
            if story is not None:
                if not story.how:
                    story.newest = event_id
                story.latest = event_id
                self.events_of.setdefault(story.player, []).append(event_id)

    def _tell_player(self, event_id: str, player: str) -> None:
        """The player is told, whatever it does: the event goes with its current ticket."""
        ticket = self.live.get(player)
        match = self.stages.matches.get(self.stages.match_of.get(player, ""))
        if ticket is None and match is not None:
            ticket = next(name for name, whose in match.tickets.items() if whose == player)
        if ticket is None and player in self.last:
            ticket = self.last[player].ticket
        if ticket is not None:
            self._tell(event_id, [ticket])
        else:
            self.events_of.setdefault(player, []).append(event_id)

    def _end(self, event_id: str, at: int, how: str, queue: str, member: Mapping[str, Any]) -> None:
        ticket, player = str(member["ticket"]), str(member["player"])
        rating, since = float(member["rating"]), at - int(member["waited_ms"])
        story = self.tickets.get(ticket)
        if story is None:
            what = Violation(Code.ENDED_UNKNOWN, f"ticket {ticket} ended ({how}) by {event_id} but never began")
            self._unbegun.append((since, what))
            deviation = float(member.get("deviation", 0.0))
            story = self.tickets[ticket] = Story(ticket, player, queue, rating, deviation, since, "")
        elif story.how:
            self._blame(
                Code.ENDED_TWICE,
                f"ticket {ticket} ended by {story.end_event} ({story.how}) and again by {event_id} ({how})",
            )
            return
        elif (player, since) != (story.player, story.enqueued_ms) or not story.stands_at(
            queue, rating, str(member.get("side", ""))
        ):
            self._blame(
                Code.EVENT_DISAGREES,
                f"event {event_id} tells of {player!r} in {queue!r} at {rating} since {since}, but ticket {ticket} is "
                f"{story.player!r} in {story.queue!r} at {story.rating} since {story.enqueued_ms}",
            )
        story.how, story.end_event, story.end_ms, story.latest = how, event_id, at, event_id
        if story.event:
            for name in story.queues:
                if self._waiting[name] > CROWD:
                    self._crowded_ms[name] = at
                self._waiting[name] -= 1
        if self.live.get(story.player) == ticket:
            del self.live[story.player]
        self.last[story.player] = story
        self.events_of.setdefault(story.player, []).append(event_id)
