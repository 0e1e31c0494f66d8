"""What calls answer beyond tickets, matches and events. Moments are realm ms, values and gaps points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from matchmaker.model import Event, Match, ReadyCheck, Report
from matchmaker.rules import QueueRules
from matchmaker.scripts import Reply

RECORDER: Final = "recorder"
"""The consumer group of the event stream that stands for the records in Postgres."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The ticket waits in another queue than the one that was asked."""

    queue: str


@dataclass(frozen=True, slots=True)
class PassReport:
    """What one pass did. ``value`` and gaps are points; moments are realm ms, None where nothing is due or expires.

    ``looked`` counts places of the line, ``made`` matches and ready checks; ``matches`` and ``checks`` repeat the first
    of them, as many as were asked for. ``next_ms`` is when this line wants its next pass, ``due_ms`` and ``due_line``
    when and where the realm does (``keys.OPEN_LINE``: something is over), ``ends_ms`` when its next ticket expires.
    ``work`` says that new rules left the line slow work to go on with.
    """

    now_ms: int
    looked: int
    made: int
    value: float
    next_ms: int | None
    due_ms: int | None
    due_line: str
    ends_ms: int | None
    work: bool
    matches: tuple[Match, ...]
    checks: tuple[ReadyCheck, ...] = ()


class MatchState(StrEnum):
    """Where a match that is not finished stands: reports are awaited, or an operator has to decide."""

    OPEN = "open"
    DISPUTED = "disputed"


@dataclass(frozen=True, slots=True)
class OpenMatch:
    """A match that is not finished. ``until_ms`` is the moment until which reports are awaited while it is open.

    ``teams`` are players, ``reports`` what was said by whom: a player, or ``server:<name>``. ``match`` is the match
    itself where one was asked for.
    """

    id: str
    queue: str
    rules_version: int
    at_ms: int
    until_ms: int
    state: MatchState
    teams: tuple[tuple[str, ...], ...]
    reports: Mapping[str, Report]
    left: tuple[str, ...]
    match: Match | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accept that waits for others: so many of the players who are needed have accepted."""

    check: str
    accepted: int
    needed: int


@dataclass(frozen=True, slots=True)
class Declined:
    """A decline; ``penalty_until_ms`` is the moment until which the player is barred for it, None for not at all."""

    check: str
    ticket: str
    penalty_until_ms: int | None


@dataclass(frozen=True, slots=True)
class Pending:
    """What was told of the match is known, and the match is not finished by it."""

    match_id: str
    state: MatchState


@dataclass(frozen=True, slots=True)
class Lapsed:
    """What was over its time: ``ended`` counts ready checks and matches; the rest is the agenda of a pass."""

    now_ms: int
    ended: int
    due_ms: int | None
    due_line: str
    ends_ms: int | None


@dataclass(frozen=True, slots=True)
class Agenda:
    """When a realm next wants attention. ``absorbed_ms`` sums the clock steps that it did not follow."""

    now_ms: int
    absorbed_ms: int
    due_ms: int | None
    ends_ms: int | None
    overdue: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class History:
    """Events of one player, oldest first. ``end`` says how far back they go, ``floor_ms`` since when nothing was
    forgotten, ``further`` where an unfinished one goes on."""

    end: Reply
    floor_ms: int
    now_ms: int
    further: str
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class QueueStats:
    """One queue now. ``next_ms`` is the realm ms at which its next pair falls due, None at rest; ``closing`` is set
    while a removed queue lets go of its tickets."""

    queue: str
    version: int
    waiting: int
    next_ms: int | None
    closing: bool


@dataclass(frozen=True, slots=True)
class Recording:
    """How far the realm's events are in the database, as the realm knows it without asking there.

    ``behind`` counts the events that are not yet; ``oldest_ms`` is the age in ms of the first of them, None when there
    is none. ``recorded`` counts those that are, since the stream was made. Either count is None when the server cannot
    tell.
    """

    behind: int | None
    oldest_ms: int | None
    recorded: int | None


@dataclass(frozen=True, slots=True)
class RealmStats:
    """One realm now. Counts are of tickets, since the realm was made; ``full`` says why it takes no tickets, or "".

    ``clock_jumps`` and ``clock_absorbed_ms`` count and sum the clock steps that realm time did not follow.
    ``recording`` is None when nobody is registered to record the realm, and for a user who may not ask.
    """

    realm: str
    queues: tuple[QueueStats, ...]
    enqueued: int
    matched: int
    cancelled: int
    expired: int
    events: int
    full: str
    clock_jumps: int
    clock_absorbed_ms: int
    recording: Recording | None = None

    @property
    def matches(self) -> int:
        """Matches made since the realm was made; each took two tickets."""
        return self.matched // 2


@dataclass(frozen=True, slots=True)
class StoredRules:
    """The rules of one queue as the realm holds them."""

    queue: str
    version: int
    rules: QueueRules
    closing: bool


@dataclass(frozen=True, slots=True)
class QueueChange:
    """What applying rules did, or would do, to one queue: created, changed, unchanged or removed."""

    queue: str
    change: str
    version: int
