"""What the engine speaks of: tickets, players, teams, matches, events.

All frozen. Times are integer milliseconds of realm time, ratings and gaps are rating points. The ``parse_*`` functions
read what scripts and channels carry (bodies of ``lua/lib/events.lua``); :class:`TicketRequest` checks what callers
send.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked
from pydantic_core import PydanticCustomError
from ulid import ULID

from matchmaker.errors import InvalidInput

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}$"
"""Names of realms and queues: plain, so that no name changes what a key means."""

MOST_POINTS = 1_000_000
"""Bound of ratings (either sign) and deviations, in points."""

TICKET_PATTERN = r"^[A-Za-z0-9._:-]{1,64}$"
EVENT_PATTERN = r"^[0-9]{1,16}-[0-9]{1,16}$"
PLAYER_BYTES = 128
DATA_BYTES = 4096

_BOUNDS = {
    "queue": "1 to 64 of a-z 0-9 _ -, beginning with a letter or digit",
    "realm": "1 to 64 of a-z 0-9 _ -, beginning with a letter or digit",
    "ticket": "1 to 64 of A-Z a-z 0-9 . _ : -",
    "player": f"1 to {PLAYER_BYTES} bytes of UTF-8 text without control characters",
    "rating": "a finite number, −1,000,000 … 1,000,000",
    "deviation": "a finite number, 0 … 1,000,000, or nothing",
    "data": f"text, at most {DATA_BYTES:,} bytes of UTF-8 without control characters",
    "after": "an event's id, as in 1732374000123-0",
}

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _plain(most_bytes: int) -> AfterValidator:
    def check(text: str) -> str:
        try:
            length = len(text.encode())
        except UnicodeEncodeError:
            length = most_bytes + 1
        if length > most_bytes or _CONTROL.search(text):
            raise PydanticCustomError("plain_text", "not plain text of that length")
        return text

    return AfterValidator(check)


Rating = Annotated[float, Field(ge=-MOST_POINTS, le=MOST_POINTS, allow_inf_nan=False, strict=True)]
Deviation = Annotated[float, Field(ge=0, le=MOST_POINTS, allow_inf_nan=False, strict=True)]
Name = Annotated[str, Field(pattern=NAME_PATTERN, strict=True)]
PlayerId = Annotated[str, Field(min_length=1, strict=True), _plain(PLAYER_BYTES)]
TicketId = Annotated[str, Field(pattern=TICKET_PATTERN, strict=True)]
EventId = Annotated[str, Field(pattern=EVENT_PATTERN, strict=True)]
Data = Annotated[str, Field(strict=True), _plain(DATA_BYTES)]

_CHECKS: Mapping[str, TypeAdapter[str]] = {
    "queue": TypeAdapter(Name),
    "realm": TypeAdapter(Name),
    "ticket": TypeAdapter(TicketId),
    "player": TypeAdapter(PlayerId),
    "after": TypeAdapter(EventId),
}


def checked_text(name: str, value: object) -> str:
    """``value`` if it may be a ``name`` (queue, realm, ticket, player or after), else :class:`InvalidInput`."""
    try:
        return _CHECKS[name].validate_python(value)
    except ValidationError:
        raise InvalidInput(name, value, _BOUNDS[name]) from None


def new_ticket_id() -> str:
    """A fresh ticket id: a ULID, unique without asking anybody."""
    return str(ULID())


@checked(frozen=True, slots=True, config=ConfigDict(strict=True))
class _Checked:
    player: PlayerId
    rating: Rating | None
    deviation: Deviation | None
    data: Data
    ticket: TicketId


@dataclass(frozen=True, slots=True)
class TicketRequest:
    """One player's wish to be matched. ``ticket`` is the caller's id for it: the same id again is the same request.

    :param rating: points, finite, within ±1,000,000; None for the one that is known of the player in the queue.
    :param deviation: uncertainty of the rating in points, 0 to 1,000,000; None where nobody knows, and for the one
        that is known with the rating.
    :param data: opaque text that every event of the ticket carries back.
    :raises InvalidInput: names the field, its value and what is allowed.
    """

    player: str
    rating: float | None = None
    deviation: float | None = None
    data: str = ""
    ticket: str = field(default_factory=new_ticket_id)

    def __post_init__(self) -> None:
        try:
            _Checked(self.player, self.rating, self.deviation, self.data, self.ticket)
        except ValidationError as refused:
            place = refused.errors(include_url=False, include_context=False)[0]["loc"][0]
            name = _FIELDS[place] if isinstance(place, int) else str(place)
            raise InvalidInput(name, getattr(self, name), _BOUNDS[name]) from None

    def as_json(self) -> str:
        """The form that ``lua/enqueue.lua`` reads."""
        body: dict[str, Any] = {"ticket": self.ticket, "player": self.player}
        if self.rating is not None:
            body["rating"] = float(self.rating)
        if self.deviation is not None:
            body["deviation"] = float(self.deviation)
        if self.data:
            body["data"] = self.data
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


_FIELDS = ("player", "rating", "deviation", "data", "ticket")


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
    was cancelled or expired.
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

    ``gap`` is the distance of the teams in points, ``value`` what the pass saw in the pair (points, not negative).
    """

    id: str
    queue: str
    rules_version: int
    at_ms: int
    gap: float
    value: float
    teams: tuple[Team, ...]

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


def _parse_ticket(body: Mapping[str, Any], queue: str, enqueued_ms: int) -> Ticket:
    player = Player(body["player"], float(body["rating"]), body.get("deviation"))
    return Ticket(body["ticket"], queue, (player,), enqueued_ms, data=body.get("data", ""))


def parse_match(match_id: str, body: Mapping[str, Any]) -> Match:
    """The match that a ``matched`` event body describes."""
    at, queue = int(body["at"]), body["queue"]

    def ticket(member: Mapping[str, Any]) -> Ticket:
        parsed = _parse_ticket(member, queue, at - int(member["waited_ms"]))
        return replace(parsed, state=TicketState.MATCHED, ended_ms=at, match_id=match_id)

    teams = tuple(Team(tuple(ticket(member) for member in team)) for team in body["teams"])
    return Match(match_id, queue, int(body["rules"]), at, float(body["gap"]), float(body["value"]), teams)


def parse_event(event_id: str, prev: str, text: str) -> Event:
    """The event whose body is ``text``."""
    body = json.loads(text)
    kind, at, queue = EventKind(body["event"]), int(body["at"]), body["queue"]
    ticket: Ticket | None = None
    match: Match | None = None
    if kind is EventKind.MATCHED:
        match = parse_match(event_id, body)
    elif kind is EventKind.ENQUEUED:
        ticket = _parse_ticket(body, queue, at)
    elif kind is not EventKind.RULES:
        ended = _parse_ticket(body, queue, at - int(body["waited_ms"]))
        ticket = replace(ended, state=TicketState(kind.value), ended_ms=at, reason=body["reason"])
    return Event(event_id, kind, at, queue, prev, ticket, match, body)


def parse_message(text: str) -> Event:
    """The event that a player's channel carried."""
    body = json.loads(text)
    return parse_event(body["id"], body["prev"], text)


def ticket_of_event(event: Event, ticket_id: str) -> Ticket | None:
    """The ticket as the event left it, with its match."""
    if event.match is None:
        return event.ticket
    ticket = event.match.ticket_of(ticket_id)
    return replace(ticket, match=event.match) if ticket else None
