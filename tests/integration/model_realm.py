"""A realm as plain dictionaries: what every call should answer and leave behind, the choice of pairs aside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from matchmaker import errors
from matchmaker.model import Ticket, TicketRequest, TicketState
from matchmaker.rules import QueueRules
from matchmaker.rules.fields import to_ms
from matchmaker.willingness import Waiting

Outcome = tuple[Any, ...]
"""A ticket or an error in a form that compares."""

HOUSEKEEPING_MS = 1000


@dataclass
class Told:
    """One ticket. ``prev`` is the player's remembered ticket before it."""

    id: str
    player: str
    queue: str
    rating: float
    deviation: float
    enqueued_ms: int
    prev: str = ""
    state: TicketState = TicketState.WAITING
    reason: str = ""
    ended_ms: int | None = None
    together: frozenset[str] = frozenset()
    events: list[str] = field(default_factory=list)

    def outcome(self) -> Outcome:
        named = (self.id, self.player, self.queue, self.rating, self.enqueued_ms)
        return (self.state.value, *named, self.ended_ms, self.reason, self.together)

    def waiting(self) -> Waiting:
        return Waiting(self.id, self.rating, self.enqueued_ms, self.deviation)


def outcome_of(result: Ticket | errors.MatchmakerError) -> Outcome:
    """What a call answered, in the model's form."""
    if isinstance(result, errors.MatchmakerError):
        return (type(result).__name__, str(result))
    together = frozenset(ticket.id for ticket in result.match.tickets) if result.match else frozenset()
    named = (result.id, result.player, result.queue, result.rating, result.enqueued_ms)
    return (result.state.value, *named, result.ended_ms, result.reason, together)


class ModelRealm:
    """``now`` is realm time. ``log`` is what the stream should tell, in order: kind, then what it is about."""

    def __init__(self, realm: str, now: int, retain_ms: int) -> None:
        self.realm = realm
        self.now = self._kept = self._rotated = now
        self.floor = 0
        self._retain = retain_ms
        self.rules: dict[str, QueueRules] = {}
        self.versions: dict[str, int] = {}
        self.work: dict[str, str] = {}
        self.live: dict[str, Told] = {}
        self.players: dict[str, str] = {}
        self.ends: dict[str, int] = {}
        self._ended: list[dict[str, Told]] = [{}, {}]
        self._last: list[dict[str, str]] = [{}, {}]
        self.log: list[tuple[Any, ...]] = []

    # -- time ------------------------------------------------------------------------------------------------------

    def at(self, now: int) -> None:
        """A call that moves the realm's clock, which never goes back."""
        self.now = max(self.now, now)

    def keep_house(self) -> None:
        if self.now - self._kept < HOUSEKEEPING_MS:
            return
        self._kept = self.now
        if self.now - self._rotated >= self._retain:
            self._ended = [{}, self._ended[0]]
            self._last = [{}, self._last[0]]
            self.floor, self._rotated = self._rotated, self.now

    # -- reading ---------------------------------------------------------------------------------------------------

    def find(self, ticket: str) -> Told | None:
        """The ticket if it waits or is remembered."""
        return self.live.get(ticket) or self._ended[0].get(ticket) or self._ended[1].get(ticket)

    def of_player(self, player: str) -> str:
        """The player's ticket, the live one or the last that is remembered; "" for none."""
        return self.players.get(player) or self._last[0].get(player) or self._last[1].get(player) or ""

    def status(self, ticket: str) -> Outcome:
        found = self.find(ticket)
        return found.outcome() if found else outcome_of(errors.UnknownTicket(ticket))

    def line(self, queue: str) -> list[Told]:
        """Who waits in a queue, lowest rating first."""
        waiting = (told for told in self.live.values() if told.queue == queue)
        return sorted(waiting, key=lambda told: (told.rating, told.id.encode()))

    def overdue(self) -> set[str]:
        """Tickets whose time is over, those aside whose line has new rules to be brought up to."""
        return {
            ticket for ticket, at in self.ends.items() if at <= self.now and self.live[ticket].queue not in self.work
        }

    # -- what calls do -----------------------------------------------------------------------------------------------

    def enqueue(self, queue: str, requests: Sequence[TicketRequest]) -> list[Outcome]:
        self.keep_house()
        return [self._enqueue_one(queue, request) for request in requests]

    def _enqueue_one(self, queue: str, request: TicketRequest) -> Outcome:
        known = self.find(request.ticket)
        if known is not None:
            if (known.player, known.queue) == (request.player, queue):
                return known.outcome()
            return outcome_of(errors.TicketReused(request.ticket, known.player, known.queue))
        if request.player in self.players:
            other = self.live[self.players[request.player]]
            return outcome_of(errors.AlreadyWaiting(request.player, other.id, other.queue))
        if queue not in self.rules or self.work.get(queue) == "closing":
            return outcome_of(errors.UnknownQueue(queue, self.realm))
        told = Told(
            request.ticket, request.player, queue, request.rating or 0.0, request.deviation or 0.0, self.now,
            prev=self.of_player(request.player),
        )  # fmt: skip
        self.live[told.id] = told
        self.players[told.player] = told.id
        self.renew_lease(told)
        self.log.append(("enqueued", told))
        return told.outcome()

    def renew_lease(self, told: Told) -> None:
        """Sets when the ticket expires, as if its player were heard of now."""
        rules = self.rules[told.queue]
        moments = []
        if rules.expire_after_seconds:
            moments.append(told.enqueued_ms + to_ms(rules.expire_after_seconds))
        if rules.heartbeat_seconds:
            moments.append(self.now + to_ms(rules.heartbeat_seconds))
        self.ends.pop(told.id, None)
        if moments:
            self.ends[told.id] = min(moments)

    def heartbeat(self, ticket: str) -> Outcome:
        told = self.live.get(ticket)
        if told is not None and self.rules[told.queue].heartbeat_seconds:
            self.renew_lease(told)
        return self.status(ticket)

    def end(self, told: Told, how: TicketState, reason: str = "") -> None:
        """Takes a waiting ticket off its line, without a match."""
        self._leave(told, how)
        told.reason = reason
        self.log.append((how.value, told))

    def match(self, one: Told, other: Told) -> None:
        for told in (one, other):
            self._leave(told, TicketState.MATCHED)
            told.together = frozenset((one.id, other.id))
        self.log.append(("matched", one, other))

    def _leave(self, told: Told, how: TicketState) -> None:
        told.state, told.ended_ms = how, self.now
        del self.live[told.id]
        del self.players[told.player]
        self.ends.pop(told.id, None)
        self._ended[0][told.id] = told
        self._last[0][told.player] = told.id

    def apply(self, queue: str, rules: QueueRules) -> None:
        """New rules for one queue, the others left as they are."""
        if self.rules.get(queue) == rules and self.work.get(queue) != "closing":
            return
        change = "changed" if queue in self.rules else "created"
        self.rules[queue] = rules
        self.versions[queue] = self.versions.get(queue, 0) + 1
        self.work[queue] = "renewing"
        self.log.append(("rules", queue, self.versions[queue], change))

    def remove(self, queue: str) -> None:
        if queue in self.rules and self.work.get(queue) != "closing":
            self.work[queue] = "closing"
            self.log.append(("rules", queue, self.versions[queue], "removed"))

    def tended(self, queue: str, places: int, *, done: bool) -> Iterator[Told]:
        """One call of ``tend``. Yields the tickets whose lease began anew at a moment that only the realm knows."""
        if self.work.get(queue) == "closing":
            for told in self.line(queue)[: min(places, 100)]:
                self.end(told, TicketState.CANCELLED, "queue_removed")
            assert done == (not self.line(queue))
            if done:
                del self.rules[queue], self.work[queue]
        elif done and self.work.pop(queue, ""):
            for told in self.line(queue):
                self.renew_lease(told)
                if self.rules[queue].heartbeat_seconds:
                    yield told
