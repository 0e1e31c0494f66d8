"""What the checker says: violations, each with a code of its own, and what it looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from matchmaker.checker.ledger import Ledger
from matchmaker.checker.violation import Violation

MOST_SHOWN: Final = 20
"""Violations that a report shows as text; it holds all of them."""


@dataclass(frozen=True, slots=True)
class Report:
    """The verdict on one realm.

    Counts are of tickets, as the stream tells them; without the stream (``deep=False``) as the realm's own counters do.
    ``late`` is the number of matches whose pair had been due for longer than the grace before it was made: it tells of
    a time without a matcher. ``whole`` says that the stream held every event there ever was, so that nothing had to be
    taken on trust.
    """

    realm: str
    now_ms: int
    violations: tuple[Violation, ...]
    tickets: int
    matches: int
    cancelled: int
    expired: int
    waiting: int
    events: int
    late: int
    whole: bool
    ledger: Ledger = field(repr=False, compare=False)

    @property
    def ok(self) -> bool:
        """No violation was found."""
        return not self.violations

    def __str__(self) -> str:
        counted = f"{self.tickets:,} tickets, {self.matches:,} matches, {self.waiting:,} waiting"
        if self.ok:
            return f"ok ({counted})"
        shown = [str(violation) for violation in self.violations[:MOST_SHOWN]]
        if len(self.violations) > MOST_SHOWN:
            shown.append(f"… and {len(self.violations) - MOST_SHOWN:,} more")
        return "\n".join([f"{len(self.violations):,} violations ({counted})", *shown])
