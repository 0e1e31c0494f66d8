"""What the engine speaks of: tickets, players, teams, matches, events.

All frozen. Times are integer milliseconds of realm time, ratings and gaps are rating points. The ``parse_*`` functions
read what scripts and channels carry (bodies of ``lua/lib/events.lua``); :class:`TicketRequest` checks what callers
send.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from pydantic_core import from_json

from matchmaker.errors import InvalidInput
from matchmaker.outcomes import By, Outcome, Report, Result, parse_result
from matchmaker.terms import MEMBERS, NOTHING, Attribute, Frozen, Side
from matchmaker.ticket_request import TicketRequest, new_ticket_id
from matchmaker.values import (
    DATA_BYTES,
    EVENT_PATTERN,
    MOST_POINTS,
    NAME_PATTERN,
    PLAYER_BYTES,
    Name,
    checked_text,
)

__all__ = [
    "DATA_BYTES",
    "EVENT_PATTERN",
    "MOST_POINTS",
    "NAME_PATTERN",
    "PLAYER_BYTES",
    "Attribute",
    "By",
    "Event",
    "EventKind",
    "Match",
    "Name",
    "Outcome",
    "Player",
    "ReadyCheck",
    "Report",
    "Result",
    "Side",
    "Team",
    "Ticket",
    "TicketRequest",
    "TicketState",
    "checked_text",
    "event_order",
    "new_ticket_id",
    "parse_check",
    "parse_event",
    "parse_match",
    "parse_message",
    "ticket_of_event",
]


class TicketState(StrEnum):
    """Where a ticket stands; all but ``waiting`` and ``proposed`` (its match waits for its players to accept) are
    final."""

    WAITING = "waiting"
    PROPOSED = "proposed"
    MATCHED = "matched"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Player:
    """A member of a party."""

    id: str
    rating: float
    deviation: float | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """One request to be matched, as it stood when it was read.

    ``match_id`` is set once it is matched; ``match`` too, except inside the match itself. ``reason`` says why a ticket
    was cancelled or expired. ``queues`` are all it waits in, ``queue`` the first of them, or the one it was matched in.
    A matched ticket says the ``side`` it plays and its ``choice`` there ("" for none); every other what it brought
    besides one rating, as given: ``terms``, by the names of :class:`TicketRequest`. One that is proposed has the
    ``check`` it is in, except inside the check itself.
    """

    id: str
    queue: str
    players: tuple[Player, ...]
    enqueued_ms: int
    state: TicketState = TicketState.WAITING
    data: str = ""
    ended_ms: int | None = None
    reason: str = ""
    match_id: str | None = None
    match: Match | None = field(default=None, repr=False)
    queues: tuple[str, ...] = ()
    side: str = ""
    choice: str = ""
    terms: Mapping[str, Any] = field(default=NOTHING, repr=False)
    check: ReadyCheck | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.queues:
            object.__setattr__(self, "queues", (self.queue,))

    @property
    def player(self) -> str:
        """The player, or the first of the party."""
        return self.players[0].id

    @property
    def rating(self) -> float:
        """The rating the ticket stands at in its line."""
        return self.players[0].rating


@dataclass(frozen=True, slots=True)
class Team:
    """One opposing group of a match."""

    tickets: tuple[Ticket, ...]

    @property
    def players(self) -> tuple[str, ...]:
        return tuple(player.id for ticket in self.tickets for player in ticket.players)


@dataclass(frozen=True, slots=True)
class Match:
    """Teams of tickets that play each other. Its id is the id of the event that announced it.

    ``gap`` is the distance of the teams in points, ``value`` what the pass saw in the pair (points, not negative) after
    the ``price`` that rules put on it. ``region`` is where they play and ``ping`` the worse of theirs to it, in ms;
    ``server`` is where their regions lead, ``picks`` what was drawn, by pool; all empty where no rule says so.
    ``proposed``: not a pass chose it but somebody's own function. ``check`` is the ready check that came before it, ""
    where there was none; ``until_ms`` the moment until which its result is awaited, None where none is.
    """

    id: str
    queue: str
    rules_version: int
    at_ms: int
    gap: float
    value: float
    teams: tuple[Team, ...]
    price: float = 0.0
    region: str = ""
    ping: float | None = None
    server: str = ""
    picks: Mapping[str, str] = NOTHING
    proposed: bool = False
    check: str = ""
    until_ms: int | None = None

    @property
    def players(self) -> tuple[str, ...]:
        return tuple(player for team in self.teams for player in team.players)

    @property
    def tickets(self) -> tuple[Ticket, ...]:
        return tuple(ticket for team in self.teams for ticket in team.tickets)

    def opponents_of(self, player: str) -> tuple[str, ...]:
        """Everyone in the other teams.

        :raises InvalidInput: when the player is not part of this match.
        """
        if player not in self.players:
            raise InvalidInput("player", player, "a player of this match: " + ", ".join(self.players))
        return tuple(other for team in self.teams if player not in team.players for other in team.players)

    def ticket_of(self, ticket_id: str) -> Ticket | None:
        """The ticket of that id, if it is part of this match."""
        return next((ticket for ticket in self.tickets if ticket.id == ticket_id), None)


@dataclass(frozen=True, slots=True)
class ReadyCheck:
    """A match that waits for its players to accept, until ``until_ms``. Its id is that of the event that proposed it.

    ``accepted`` are the players who have; nobody yet in the event itself. ``outcome`` is "" while it runs, then
    ``matched`` (and ``match_id`` is set), ``declined``, ``no_answer`` or ``cancelled``. ``teams`` is empty where the
    check is over and the realm no longer has the event.
    """

    id: str
    queue: str
    rules_version: int
    at_ms: int
    until_ms: int
    teams: tuple[Team, ...]
    accepted: frozenset[str] = frozenset()
    outcome: str = ""
    match_id: str | None = None

    @property
    def players(self) -> tuple[str, ...]:
        return tuple(player for team in self.teams for player in team.players)

    @property
    def tickets(self) -> tuple[Ticket, ...]:
        return tuple(ticket for team in self.teams for ticket in team.tickets)

    def ticket_of(self, ticket_id: str) -> Ticket | None:
        """The ticket of that id, if it is part of this check."""
        return next((ticket for ticket in self.tickets if ticket.id == ticket_id), None)


class EventKind(StrEnum):
    """What an event tells. ``rules`` and ``declined`` go to the stream only, the others also to their players."""

    ENQUEUED = "enqueued"
    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    RETURNED = "returned"
    MATCHED = "matched"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REPORTED = "reported"
    LEFT = "left"
    DISPUTED = "disputed"
    FINISHED = "finished"
    RATED = "rated"
    RULES = "rules"


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the realm's stream. ``prev`` is the player's event before it ("" when none is remembered, and in
    the stream, which tells of all players). ``ticket``, ``match``, ``check`` or ``result`` holds what it is about, if
    it tells all of that; ``body`` all of the event.
    """

    id: str
    kind: EventKind
    at_ms: int
    queue: str
    prev: str = ""
    ticket: Ticket | None = None
    match: Match | None = None
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    check: ReadyCheck | None = None
    result: Result | None = None

    @property
    def match_id(self) -> str:
        """The match that it is about, "" for none."""
        return self.id if self.kind is EventKind.MATCHED else self.body.get("match", "")

    @property
    def check_id(self) -> str:
        """The ready check that it is about, or that its match came from, "" for none."""
        return self.id if self.kind is EventKind.PROPOSED else self.body.get("check", "")


def event_order(event_id: str) -> tuple[int, int]:
    """The sort key of event ids."""
    ms, _, count = event_id.partition("-")
    return int(ms), int(count)


_TERMS = frozenset((*MEMBERS, "queues"))
_KINDS = {kind.value: kind for kind in EventKind}
_OF_A_RULE = frozenset(("price", "region", "server", "picks", "proposed", "check", "until"))
_OF_A_TICKET = frozenset((EventKind.ENQUEUED, EventKind.CANCELLED, EventKind.EXPIRED, EventKind.RETURNED))


def _parse_ticket(
    body: Mapping[str, Any],
    queue: str,
    enqueued_ms: int,
    *ended: Any,
) -> Ticket:
    """A ticket that waits, or one that left without a match: ``ended`` are its state, moment and reason."""
    player = Player(body["player"], float(body["rating"]), body.get("deviation"))
    state, ended_ms, reason = ended or (TicketState.WAITING, None, "")
    id_, data = body["ticket"], body.get("data", "")
    if _TERMS.isdisjoint(body):
        return Ticket(id_, queue, (player,), enqueued_ms, state, data, ended_ms, reason)
    terms = Frozen((name, body[name]) for name in MEMBERS if name in body)
    queues = tuple(body.get("queues", ()))
    return Ticket(id_, queue, (player,), enqueued_ms, state, data, ended_ms, reason, queues=queues, terms=terms)


def _parse_member(body: Mapping[str, Any], match_id: str | None, queue: str, at: int) -> Ticket:
    """A ticket of a match; of a ready check without the id of one."""
    return Ticket(
        body["ticket"],
        queue,
        (Player(body["player"], float(body["rating"]), body.get("deviation")),),
        at - int(body["waited_ms"]),
        TicketState.PROPOSED if match_id is None else TicketState.MATCHED,
        body.get("data", ""),
        None if match_id is None else at,
        "",
        match_id,
        None,
        (queue,),
        body.get("side", ""),
        body.get("choice", ""),
    )


def parse_match(match_id: str, body: Mapping[str, Any]) -> Match:
    """The match that a ``matched`` event body describes."""
    at, queue = int(body["at"]), body["queue"]
    teams = tuple(Team(tuple(_parse_member(one, match_id, queue, at) for one in team)) for team in body["teams"])
    gap, value = float(body["gap"]), float(body["value"])
    if _OF_A_RULE.isdisjoint(body):
        return Match(match_id, queue, int(body["rules"]), at, gap, value, teams)
    return Match(
        match_id,
        queue,
        int(body["rules"]),
        at,
        gap,
        value,
        teams,
        price=float(body.get("price", 0)),
        region=body.get("region", ""),
        ping=body.get("ping"),
        server=body.get("server", ""),
        picks=Frozen(body.get("picks", {})),
        proposed=bool(body.get("proposed")),
        check=body.get("check", ""),
        until_ms=int(body["until"]) if "until" in body else None,
    )


def parse_check(check_id: str, body: Mapping[str, Any]) -> ReadyCheck:
    """The ready check that a ``proposed`` event body describes, as nobody has answered yet."""
    at, queue = int(body["at"]), body["queue"]
    teams = tuple(Team(tuple(_parse_member(one, None, queue, at) for one in team)) for team in body["teams"])
    return ReadyCheck(check_id, queue, int(body["rules"]), at, int(body["until"]), teams)


def _parse_told(kind: EventKind, body: Mapping[str, Any], queue: str, at: int) -> Ticket:
    """The ticket that an event of one ticket alone describes."""
    if kind is EventKind.ENQUEUED:
        return _parse_ticket(body, queue, at)
    enqueued_ms = at - int(body["waited_ms"])
    if kind is EventKind.RETURNED:
        return _parse_ticket(body, queue, enqueued_ms)
    return _parse_ticket(body, queue, enqueued_ms, TicketState(kind.value), at, body["reason"])


def parse_event(event_id: str, prev: str, text: str) -> Event:
    """The event whose body is ``text``."""
    body = from_json(text)
    kind, at, queue = _KINDS[body["event"]], int(body["at"]), body["queue"]
    ticket: Ticket | None = None
    match: Match | None = None
    check: ReadyCheck | None = None
    result: Result | None = None
    if kind is EventKind.MATCHED:
        match = parse_match(event_id, body)
    elif kind in _OF_A_TICKET:
        ticket = _parse_told(kind, body, queue, at)
    elif kind is EventKind.PROPOSED:
        check = parse_check(event_id, body)
    elif kind is EventKind.FINISHED:
        result = parse_result(body)
    return Event(event_id, kind, at, queue, prev, ticket, match, body, check, result)


def parse_message(text: str) -> Event:
    """The event that a player's channel carried."""
    body = from_json(text)
    return parse_event(body["id"], body["prev"], text)


def ticket_of_event(event: Event, ticket_id: str) -> Ticket | None:
    """The ticket as the event left it, with its match or ready check."""
    if event.check is not None:
        proposed = event.check.ticket_of(ticket_id)
        return replace(proposed, check=event.check) if proposed else None
    if event.match is None:
        return event.ticket
    ticket = event.match.ticket_of(ticket_id)
    return replace(ticket, match=event.match) if ticket else None
