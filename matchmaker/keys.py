"""The only Python place where a key or channel name is built.

Every name of a realm begins ``mm:{realm}:``. The braces are its hash tag: all keys of one realm share a slot, so every
script is cluster-safe. Realm and queue names are plain (``model.NAME_PATTERN``), so no name can open a second tag;
player ids may hold anything, because they only ever end a channel name, after the tag. A queue's line has the queue's
name, or ``queue=class`` for each class of tickets that its rules keep apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

OPEN_LINE = "!open"
"""Stands among the lines of ``due`` for ready checks and open matches, which end at a moment. No line has the name."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Names of one realm. Properties are keys every realm has; methods take the part that varies."""

    realm: str

    @property
    def prefix(self) -> str:
        return f"mm:{{{self.realm}}}:"

    @property
    def meta(self) -> str:
        """Hash: schema, time mode, retain and the state of the housekeeping."""
        return self.prefix + "meta"

    @property
    def clock(self) -> str:
        """String: the realm's clock (see ``lua/lib/clock.lua``)."""
        return self.prefix + "clock"

    @property
    def rules(self) -> str:
        """Hash: ``q:<queue>`` -> compiled rules, ``n:<queue>`` -> version, ``v:<queue>:<version>`` -> history."""
        return self.prefix + "rules"

    @property
    def tickets(self) -> str:
        """Hash: live ticket -> packed record (see ``lua/lib/record.lua``)."""
        return self.prefix + "tickets"

    @property
    def players(self) -> str:
        """Hash: player -> live ticket."""
        return self.prefix + "players"

    @property
    def ends(self) -> str:
        """Sorted set: live ticket -> realm ms at which it expires."""
        return self.prefix + "ends"

    @property
    def ended(self) -> tuple[str, str]:
        """Two rotating hashes: ``t:<ticket>`` -> how it ended, ``p:<player>`` -> its last ended ticket."""
        return self.prefix + "ended:0", self.prefix + "ended:1"

    @property
    def due(self) -> str:
        """Sorted set: line -> the earliest moment in ``due:<line>``."""
        return self.prefix + "due"

    @property
    def events(self) -> str:
        """Stream: every event of the realm."""
        return self.prefix + "events"

    @property
    def wake(self) -> str:
        """List: hints for sleeping matchers, each the name of a line."""
        return self.prefix + "wake"

    def realm_keys(self) -> tuple[str, ...]:
        """KEYS 1-11 of every script, in the order of ``lua/lib/realm.lua``."""
        return (
            self.meta,
            self.clock,
            self.rules,
            self.tickets,
            self.players,
            self.ends,
            *self.ended,
            self.due,
            self.events,
            self.wake,
        )

    def line_keys(self, line: str) -> tuple[str, ...]:
        """KEYS 1-13 of a script that works on one line."""
        return (*self.realm_keys(), self.line(line), self.line_due(line))

    def page_keys(self, line: str) -> tuple[str, ...]:
        """As :meth:`line_keys` for a script that only pages through a line with constraints: by age, not by rating."""
        return (*self.realm_keys(), self.line_ages(line), self.line_due(line))

    def line(self, line: str, side: str = "") -> str:
        """Sorted set: rating -> waiting ticket; of one side, where the queue has any."""
        return f"{self.prefix}line:{line}:{side}" if side else f"{self.prefix}line:{line}"

    def line_due(self, line: str) -> str:
        """Sorted set: waiting ticket -> realm ms of its certificate."""
        return f"{self.prefix}due:{line}"

    def line_ages(self, line: str) -> str:
        """Sorted set: waiting ticket -> realm ms at which it was enqueued; only lines with constraints have it."""
        return f"{self.prefix}ages:{line}"

    def propose(self, queue: str) -> str:
        """List: lines of a queue with ``matching = "own"`` in which something changed, hints for its proposers."""
        return f"{self.prefix}propose:{queue}"

    @property
    def lines(self) -> str:
        """Hash: line with constraints -> how many tickets wait in it."""
        return self.prefix + "lines"

    @property
    def terms(self) -> str:
        """Hash: ticket -> packed terms (see ``lua/lib/terms.lua``)."""
        return self.prefix + "terms"

    @property
    def met(self) -> tuple[str, str]:
        """Two rotating hashes: player -> whom it met lately."""
        return self.prefix + "met:0", self.prefix + "met:1"

    @property
    def checks(self) -> str:
        """Hash: ready check that runs -> JSON of it."""
        return self.prefix + "checks"

    @property
    def checking(self) -> str:
        """Hash: ticket -> the ready check it is in."""
        return self.prefix + "checking"

    @property
    def matches(self) -> str:
        """Hash: open or disputed match -> JSON of it."""
        return self.prefix + "matches"

    @property
    def bodies(self) -> str:
        """Hash: ready check or open match -> body of its event."""
        return self.prefix + "bodies"

    @property
    def playing(self) -> str:
        """Hash: as :attr:`ended`, of those whose match is open."""
        return self.prefix + "playing"

    @property
    def deadlines(self) -> str:
        """Sorted set: ``c:<ready check>``, ``m:<match>`` -> realm ms at which it is over."""
        return self.prefix + "deadlines"

    @property
    def estimates(self) -> str:
        """Hash: queue -> how long its tickets wait lately, as JSON (see ``matchmaker/estimates.py``)."""
        return self.prefix + "estimates"

    @property
    def estimating(self) -> str:
        """String that lapses: somebody just made :attr:`estimates`."""
        return self.prefix + "estimating"

    @property
    def penalties(self) -> str:
        """Hash: player -> level, moment of the last offence and moment until which it is barred (realm ms)."""
        return self.prefix + "penalties"

    @property
    def penalised(self) -> str:
        """Sorted set: player -> realm ms at which its penalties are forgotten."""
        return self.prefix + "penalised"

    def rated_keys(self, queue: str) -> tuple[str, ...]:
        """KEYS 1-15 of the script that looks up ratings."""
        return (*self.line_keys(queue), self.ratings(queue), self.deviations(queue))

    def ratings(self, queue: str, side: str = "") -> str:
        """Sorted set: player -> rating in the queue, or on a side of it, for tickets that bring none; at once the
        ranking."""
        return f"{self.prefix}ratings:{queue}:{side}" if side else f"{self.prefix}ratings:{queue}"

    def deviations(self, queue: str, side: str = "") -> str:
        """Hash: player -> deviation of the rating in :meth:`ratings` as text, \"\" where it is known to have none."""
        return f"{self.prefix}deviations:{queue}:{side}" if side else f"{self.prefix}deviations:{queue}"

    @property
    def channel_prefix(self) -> str:
        """What scripts put before a player's id to name its channel."""
        return self.prefix + "player:"

    def channel(self, player: str) -> str:
        """The pub/sub channel of one player."""
        return self.channel_prefix + player

    def player_of(self, channel: str) -> str:
        """The player whose channel this is; inverse of :meth:`channel`."""
        return channel[len(self.channel_prefix) :]


def class_line(queue: str, values: Iterable[str]) -> str:
    """The line of the tickets that have these values of the queue's ``same`` attributes, in the rules' order."""
    joined = ",".join(values)
    return f"{queue}={joined}" if joined else queue


def queue_of(line: str) -> str:
    """The queue of a line; inverse of :func:`class_line`."""
    return line.partition("=")[0]


def lines_of(queue: str, lines: Mapping[str, int]) -> list[str]:
    """Those lines that are the queue's."""
    return [line for line in lines if queue_of(line) == queue]


def size_of(queue: str, own: int, lines: Mapping[str, int]) -> int:
    """How many tickets wait in a queue, by its :meth:`Calls.size` and the realm's :meth:`Calls.lines`."""
    return (0 if queue in lines else own) + sum(lines[line] for line in lines_of(queue, lines))
