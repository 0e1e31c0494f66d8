"""What the events tell of one ticket, one match, one expiry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from matchmaker.standing import queues_of
from matchmaker.willingness import EPS, Waiting

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(slots=True)
class Story:
    """One ticket's life. ``event`` is "" where its beginning was trimmed; ``how`` and the ends are "" while it lives.

    ``body`` is the event that began a ticket with terms, None of one that brought a rating and nothing else.
    ``in_force`` are, by queue, the versions of rules when it came and since when each was; ``prev`` is the player's
    ticket that ended last before this one: its id, its last event and the realm ms of that; None where no such is
    known. ``newest`` is the newest event that the ticket's record may name, ``latest`` also counts those after its end
    (a result, a rating).
    """

    ticket: str
    player: str
    queue: str
    rating: float
    deviation: float
    enqueued_ms: int
    event: str
    prev: tuple[str, str, int] | None = None
    how: str = ""
    end_event: str = ""
    end_ms: int = 0
    body: Mapping[str, Any] | None = None
    in_force: Mapping[str, tuple[int, int]] = field(default_factory=lambda: NOTHING)
    newest: str = ""
    latest: str = ""

    @property
    def latest_ms(self) -> int:
        """Realm ms of its latest event."""
        return int(self.latest.partition("-")[0])

    @property
    def brought(self) -> Mapping[str, Any]:
        """As ``body``; of a ticket that brought a rating and nothing else, the members that rules read."""
        if self.body is not None:
            return self.body
        return {
            "ticket": self.ticket,
            "player": self.player,
            "queue": self.queue,
            "rating": self.rating,
            "deviation": self.deviation,
            "at": self.enqueued_ms,
        }

    @property
    def queues(self) -> list[str]:
        """Where it waits or waited."""
        return [self.queue] if self.body is None else queues_of(self.body)

    def stands_at(self, queue: str, rating: float, side: str) -> bool:
        """Whether the ticket joined that queue with that rating, of that side if it tells of one."""
        if self.body is None:
            return queue == self.queue and abs(rating - self.rating) <= EPS
        told = [*self.body.get("sides", {}).items(), *self.body.get("ratings", {}).items()]
        known = [float(one["rating"]) for name, one in told if name in (side or queue, queue)]
        return queue in self.queues and any(abs(rating - one) <= EPS for one in (*known, self.rating))


@dataclass(frozen=True, slots=True)
class MatchStory:
    """One match, as its event tells it, with the sides and choices of the two ("" without any) and, in ``where``, the
    members that tell of region, server and picks. ``in_force`` is the version of the queue's rules at that moment and
    since when it was, None where that was trimmed."""

    event: str
    at_ms: int
    queue: str
    version: int
    in_force: tuple[int, int] | None
    gap: float
    value: float
    one: Waiting
    other: Waiting
    price: float = 0.0
    sides: tuple[str, str] = ("", "")
    choices: tuple[str, str] = ("", "")
    where: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    proposed: bool = False
    check: str = ""
    free_ms: int = 0
    """Since when both could be matched, as far as ready checks go that failed before."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """A ticket that expired by itself."""

    ticket: str
    queue: str
    waited_ms: int
