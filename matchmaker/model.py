"""What the engine speaks of: tickets, players, teams, matches, events.

All frozen. Times are integer milliseconds of realm time, ratings and gaps are rating points. The ``parse_*`` functions
read what scripts and channels carry (bodies of ``lua/lib/events.lua``); :class:`TicketRequest` checks what callers
send.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import from_json
from ulid import ULID

from matchmaker.errors import InvalidInput
from matchmaker.terms import MEMBERS, NOTHING, Attribute, Frozen, Side, check_terms, has_terms, terms_of
from matchmaker.values import (
    BOUNDS,
    DATA_BYTES,
    EVENT_PATTERN,
    MOST_POINTS,
    NAME_PATTERN,
    PLAYER_BYTES,
    Data,
    Deviation,
    Name,
    PlayerId,
    Rating,
    TicketId,
    checked_text,
)

__all__ = [
    "DATA_BYTES",
    "EVENT_PATTERN",
    "MOST_POINTS",
    "NAME_PATTERN",
    "PLAYER_BYTES",
    "Attribute",
    "Event",
    "EventKind",
    "Match",
    "Name",
    "Player",
    "Side",
    "Team",
    "Ticket",
    "TicketRequest",
    "TicketState",
    "checked_text",
    "event_order",
    "new_ticket_id",
    "parse_event",
    "parse_match",
    "parse_message",
    "ticket_of_event",
]


def new_ticket_id() -> str:
    """A fresh ticket id: a ULID, unique without asking anybody."""
    return str(ULID())


_FIELDS = ("player", "rating", "deviation", "data", "ticket")
_CHECK = TypeAdapter(
    tuple[PlayerId, Rating | None, Deviation | None, Data, TicketId], config=ConfigDict(strict=True)
).validator.validate_python


@dataclass(frozen=True, slots=True)
class TicketRequest:
    """One player's wish to be matched. ``ticket`` is the caller's id for it: the same id again is the same request.

    :param rating: points, finite, within ±1,000,000; None for the one that is known of the player in the queue.
    :param deviation: uncertainty of the rating in points, 0 to 1,000,000; None where nobody knows, and for the one
        that is known with the rating.
    :param data: opaque text that every event of the ticket carries back.
    :param sides: what the player offers in queues with sides, by side: a rating, or a :class:`Side`.
    :param ratings: ratings by queue, for a ticket in several queues; ``rating`` counts for those not named.
    :param attributes: what rules compare: a text, a number, or a collection of texts each.
    :param accepts: by attribute, the lowest and highest number of an opponent's.
    :param pings: milliseconds, measured, by region.
    :param region: where the player is, for queues that know servers by regions.
    :param vetoes: by pool, the names that are not to be drawn.
    :param avoid: players never to meet.
    :raises InvalidInput: names the field, as in ``sides.bw.rating``, its value and what is allowed.
    """

    player: str
    rating: float | None = None
    deviation: float | None = None
    data: str = ""
    ticket: str = field(default_factory=new_ticket_id)
    sides: Mapping[str, Side | float] | None = field(default=None, kw_only=True)
    ratings: Mapping[str, Side | float] | None = field(default=None, kw_only=True)
    attributes: Mapping[str, Attribute] | None = field(default=None, kw_only=True)
    accepts: Mapping[str, tuple[float, float]] | None = field(default=None, kw_only=True)
    pings: Mapping[str, float] | None = field(default=None, kw_only=True)
    region: str | None = field(default=None, kw_only=True)
    vetoes: Mapping[str, Sequence[str]] | None = field(default=None, kw_only=True)
    avoid: Sequence[str] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        try:
            _CHECK((self.player, self.rating, self.deviation, self.data, self.ticket))
        except ValidationError as refused:
            place = refused.errors(include_url=False, include_context=False)[0]["loc"][0]
            name = _FIELDS[int(place)]
            raise InvalidInput(name, getattr(self, name), BOUNDS[name]) from None
        if has_terms(self):
            check_terms(self)

    def as_json(self) -> str:
        """The form that ``lua/enqueue.lua`` reads."""
        body: dict[str, Any] = {"ticket": self.ticket, "player": self.player}
        if self.rating is not None:
            body["rating"] = float(self.rating)
        if self.deviation is not None:
            body["deviation"] = float(self.deviation)
        if self.data:
            body["data"] = self.data
        if has_terms(self):
            body |= terms_of(self)
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


class TicketState(StrEnum):
    """Where a ticket stands; all but ``waiting`` are final."""

    WAITING = "waiting"
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
    besides one rating, as given: ``terms``, by the names of :class:`TicketRequest`.
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
    ``proposed``: not a pass chose it but somebody's own function.
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


class EventKind(StrEnum):
    """What an event tells. ``rules`` goes to the stream only, the others also to their players."""

    ENQUEUED = "enqueued"
    MATCHED = "matched"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    RULES = "rules"


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the realm's stream. ``prev`` is the player's event before it ("" when none is remembered, and in
    the stream, which tells of all players). ``ticket`` or ``match`` holds what it is about; ``body`` all of it.
    """

    id: str
    kind: EventKind
    at_ms: int
    queue: str
    prev: str = ""
    ticket: Ticket | None = None
    match: Match | None = None
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)


def event_order(event_id: str) -> tuple[int, int]:
    """The sort key of event ids."""
    ms, _, count = event_id.partition("-")
    return int(ms), int(count)


_TERMS = frozenset((*MEMBERS, "queues"))
_KINDS = {kind.value: kind for kind in EventKind}
_OF_A_RULE = frozenset(("price", "region", "server", "picks", "proposed"))


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


def _parse_member(body: Mapping[str, Any], match_id: str, queue: str, at: int) -> Ticket:
    """A ticket of a match."""
    return Ticket(
        body["ticket"],
        queue,
        (Player(body["player"], float(body["rating"]), body.get("deviation")),),
        at - int(body["waited_ms"]),
        TicketState.MATCHED,
        body.get("data", ""),
        at,
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
    )


def parse_event(event_id: str, prev: str, text: str) -> Event:
    """The event whose body is ``text``."""
    body = from_json(text)
    kind, at, queue = _KINDS[body["event"]], int(body["at"]), body["queue"]
    ticket: Ticket | None = None
    match: Match | None = None
    if kind is EventKind.MATCHED:
        match = parse_match(event_id, body)
    elif kind is EventKind.ENQUEUED:
        ticket = _parse_ticket(body, queue, at)
    elif kind is not EventKind.RULES:
        waited, state = int(body["waited_ms"]), TicketState(kind.value)
        ticket = _parse_ticket(body, queue, at - waited, state, at, body["reason"])
    return Event(event_id, kind, at, queue, prev, ticket, match, body)


def parse_message(text: str) -> Event:
    """The event that a player's channel carried."""
    body = from_json(text)
    return parse_event(body["id"], body["prev"], text)


def ticket_of_event(event: Event, ticket_id: str) -> Ticket | None:
    """The ticket as the event left it, with its match."""
    if event.match is None:
        return event.ticket
    ticket = event.match.ticket_of(ticket_id)
    return replace(ticket, match=event.match) if ticket else None
