"""Reads a line for a match function, slice by slice. No I/O.

A line no longer than a slice is one slice. Of a longer one each slice goes on where the last one ended and keeps the
upper half of it, so that every two who stand near each other are once seen together. Of a line with sides both are
read side by side, by the rating there; who offers both may come up twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from matchmaker.calls import PAGE_TICKETS, Batch, Calls, Plan
from matchmaker.errors import MatchmakerError
from matchmaker.model import Player, Ticket
from matchmaker.proposals import Slice
from matchmaker.reports import StoredRules


def _as_here(ticket: Ticket, queue: str) -> Ticket:
    """The ticket with the rating that it has in this queue, where it is in several."""
    rated = ticket.terms.get("ratings", {}).get(queue)
    if rated is None:
        return ticket
    return replace(ticket, players=(Player(ticket.player, float(rated["rating"]), rated.get("deviation")),))


@dataclass
class _Side:
    """One sorted set of the line: tickets that were read and not yet shown, and where to read on."""

    name: str
    position: str = ""
    ended: bool = False
    read: deque[tuple[float, Ticket]] = field(default_factory=deque)

    def take(self, page: Iterable[Ticket], position: str) -> None:
        for ticket in page:
            self.read.append((float(ticket.terms["sides"][self.name]["rating"]) if self.name else 0.0, ticket))
        self.position, self.ended = position, position == ""


class Slices:
    """One way through a line; each :meth:`following` is the next slice of at most ``most`` tickets."""

    def __init__(self, calls: Calls, line: str, held: StoredRules, most: int) -> None:
        self._calls = calls
        self._line = line
        self._held = held
        self._most = most
        self._sides = [_Side(name) for name in held.rules.sides or ("",)]
        self._shown: dict[str, Ticket] = {}
        self._matched: set[str] = set()

    def forget(self, tickets: Iterable[str]) -> None:
        """These were matched: no slice to come has them, on whichever side they stood."""
        for ticket in tickets:
            self._shown.pop(ticket, None)
            self._matched.add(ticket)

    def following(self) -> Plan[Slice | None]:
        """The next slice; None behind the last."""
        kept = list(self._shown)[-(self._most // 2) :] if self._most > 1 else []
        shown = {ticket: self._shown[ticket] for ticket in kept}
        fresh = 0
        now_ms = (yield self._calls.peek(0)).now_ms
        while len(shown) < self._most:
            yield from self._read()
            waiting = [side for side in self._sides if side.read]
            if not waiting:
                break
            _, ticket = min(waiting, key=lambda side: side.read[0][0]).read.popleft()
            if ticket.id not in self._matched:
                fresh += ticket.id not in shown
                shown[ticket.id] = _as_here(ticket, self._held.queue)
        self._shown = shown
        if not fresh:
            return None
        tickets = sorted(shown.values(), key=lambda ticket: (ticket.rating, ticket.id))
        return Slice(self._held.queue, self._held.rules, now_ms, tuple(tickets))

    def _read(self) -> Plan[None]:
        """One more page of every side that has run out."""
        empty = [side for side in self._sides if not side.read and not side.ended]
        if not empty:
            return
        most = min(PAGE_TICKETS, self._most)
        pages: list[Any] = yield Batch([self._calls.page(self._line, one.name, one.position, most) for one in empty])
        for side, page in zip(empty, pages, strict=True):
            if isinstance(page, MatchmakerError):
                raise page
            side.take(*page)
