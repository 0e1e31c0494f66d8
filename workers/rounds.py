"""What a proposer keeps of the lines it serves: who came last, the round at work, when to look again."""

from __future__ import annotations

import inspect
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from matchmaker import proposals
from matchmaker.errors import MatchFunctionFailed
from matchmaker.proposals import MatchFunction
from matchmaker.reports import StoredRules
from matchmaker.slices import Slices

NEWEST: Final = 256
"""Tickets that tell whether somebody came: more than one call enqueues, for those of one ms are compared by name."""

FIRST_PAUSE_SECONDS: Final = 0.25
MOST_PAUSE_SECONDS: Final = 30.0
"""Between two rounds of a line on which the function fails: twice as long each time."""


@dataclass(frozen=True, slots=True)
class Newest:
    """Those who came last into a line, all in one ms, under one version of the rules."""

    version: int
    since_ms: int
    tickets: frozenset[str]

    @classmethod
    def of(cls, held: StoredRules, found: Sequence[tuple[str, int]]) -> Newest:
        last = found[0][1] if found else 0
        return cls(held.version, last, frozenset(ticket for ticket, since in found if since == last))

    def is_news_to(self, seen: Newest | None) -> bool:
        """Whether somebody stands there whom ``seen`` cannot have shown."""
        if seen is None or seen.version != self.version or seen.since_ms < self.since_ms:
            return bool(self.tickets)
        return seen.since_ms == self.since_ms and not self.tickets <= seen.tickets


@dataclass
class Round:
    """One way through a line. ``again_at`` is the local moment (monotonic s) for which the function asked."""

    slices: Slices
    held: StoredRules
    newest: Newest
    again_at: float | None = None
    is_stale: bool = False
    fault: MatchFunctionFailed | None = None
    failures: int = 0


@dataclass
class LineState:
    """What this proposer keeps of a line between rounds. ``look_at`` is the moment of the next without any arrival."""

    seen: Newest | None = None
    look_at: float | None = None
    failures: int = 0
    paused_until: float = 0.0
    told: tuple[str, str] | None = None

    def pause(self) -> float:
        """The function failed on it: answers the seconds for which the line is left alone."""
        self.failures += 1
        # A line may fail for days, and a float holds no more than 2 ** 1023.
        seconds = min(MOST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(self.failures - 1, 16))
        self.paused_until = time.monotonic() + seconds
        return seconds

    def is_new(self, reason: str, place: str) -> bool:
        """Whether the last failure on this line was another one, or none since the function last went well."""
        was, self.told = self.told, (reason, place)
        return was != self.told

    def went_well(self) -> None:
        self.failures = 0
        self.told = None


def place_of(function: MatchFunction, fault: BaseException | None) -> str:
    """``file:line`` of where the function's own file failed last; of the function if it did not fail inside."""
    inner = inspect.unwrap(function)
    code = getattr(inner, "__code__", None)
    frames = traceback.extract_tb(fault.__traceback__ if fault else None)
    theirs = [one for one in frames if one.filename != proposals.__file__]
    own = [one for one in theirs if code is None or one.filename == code.co_filename]
    if own:
        return f"{own[-1].filename}:{own[-1].lineno}"
    return f"{code.co_filename}:{code.co_firstlineno}" if code else "unknown"


@dataclass
class Counts:
    """What was done since the start."""

    slices: int = 0
    committed: int = 0
    changed: int = 0
    refused: int = 0
    failures: int = 0
