"""The realm's stream, read as a judge would: who came, who was matched with whom and when, who left.

It shares nothing with the scripts' own books: every entry of the stream is read once, in order, and added up here.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import redis

from matchmaker.keys import Keys
from matchmaker.model import Event, EventKind, Match, Ticket, parse_event
from matchmaker.rules import QueueRules
from matchmaker.willingness import Waiting, is_due

STAGES = {
    *(EventKind.PROPOSED, EventKind.ACCEPTED, EventKind.DECLINED, EventKind.RETURNED),
    *(EventKind.REPORTED, EventKind.LEFT, EventKind.DISPUTED, EventKind.FINISHED, EventKind.RATED),
}
PAGE = 2000
BLOCK_MS = 200


def as_waiting(ticket: Ticket) -> Waiting:
    """What the arithmetic wants to know of a ticket."""
    return Waiting(ticket.id, ticket.rating, ticket.enqueued_ms, ticket.players[0].deviation or 0.0)


class Ledger:
    """What the stream tells. Begin it before the first event is trimmed; ``read`` as often as wanted."""

    def __init__(self, client: redis.Redis, realm: str) -> None:
        self._client = client
        self._stream = Keys(realm).events
        self._last = "0-0"
        self.enqueued: dict[str, Ticket] = {}
        self.endings: dict[str, list[Event]] = defaultdict(list)
        self.matches: dict[str, Match] = {}
        self.of_player: dict[str, list[str]] = defaultdict(list)
        self.rules: list[Event] = []
        self.checks: dict[str, Event] = {}
        self.later: dict[str, list[Event]] = defaultdict(list)
        """Ready check or match -> what happened to it after it began."""

    # -- reading ---------------------------------------------------------------------------------------------------

    def read(self, block_ms: int | None = None) -> int:
        """Reads all that is new, waiting up to ``block_ms`` for a first entry; answers how many entries came."""
        count = 0
        while True:
            reply: Any = self._client.xread({self._stream: self._last}, PAGE, block_ms)
            entries = next(iter(reply.values()))[0] if isinstance(reply, dict) and reply else []
            if isinstance(reply, list) and reply:
                entries = reply[0][1]
            for entry, fields in entries:
                self._add(parse_event(entry.decode(), "", fields[b"body"].decode()))
            count += len(entries)
            if len(entries) < PAGE:
                return count
            block_ms = None

    def wait(self, wanted: Callable[[], bool], within_seconds: float, what: str) -> float:
        """Reads until ``wanted()`` holds, woken by the stream; answers the seconds it took.

        :raises AssertionError: it did not hold in time.
        """
        begun = time.monotonic()
        self.read()
        while not wanted():
            left = begun + within_seconds - time.monotonic()
            if left <= 0:
                raise AssertionError(f"not within {within_seconds:g} s: {what}; {self.summary()}")
            self.read(max(1, min(BLOCK_MS, int(1000 * left))))
        return time.monotonic() - begun

    def _add(self, event: Event) -> None:
        self._last = event.id
        if event.kind is EventKind.RULES:
            self.rules.append(event)
        elif event.kind in STAGES:
            self._add_stage(event)
        elif event.match is not None:
            if event.check_id:
                self.later[event.check_id].append(event)
            self.matches[event.id] = event.match
            for ticket in event.match.tickets:
                self.endings[ticket.id].append(event)
                self.of_player[ticket.player].append(event.id)
        else:
            assert event.ticket is not None
            self.of_player[event.ticket.player].append(event.id)
            if event.kind is EventKind.ENQUEUED:
                assert event.ticket.id not in self.enqueued, f"ticket {event.ticket.id} was enqueued twice"
                self.enqueued[event.ticket.id] = event.ticket
            else:
                self.endings[event.ticket.id].append(event)

    def _add_stage(self, event: Event) -> None:
        """Of a ready check, an open match or a rating. Nobody is rung for a decline: what follows from it is told."""
        about, players = event.check_id or event.match_id, list[str]()
        if event.check is not None:
            self.checks[event.id] = event
        else:
            self.later[about].append(event)
        if event.ticket is not None:
            players = [event.ticket.player]
        elif event.kind is EventKind.RATED:
            players = [one["player"] for one in event.body["players"]]
        elif event.kind is not EventKind.DECLINED:
            check = self.checks.get(about)
            teams = check.body["teams"] if check else []
            players = [one["player"] for team in teams for one in team] or list(self.matches[about].players)
        for player in players:
            self.of_player[player].append(event.id)

    # -- what follows ----------------------------------------------------------------------------------------------

    def count(self, kind: EventKind) -> int:
        """Tickets that ended so; for ``matched`` each match counts two."""
        return sum(1 for events in self.endings.values() for event in events if event.kind is kind)

    def ended(self, tickets: Iterable[str]) -> bool:
        """Whether all of these have ended."""
        return all(ticket in self.endings for ticket in tickets)

    @property
    def waiting(self) -> dict[str, Ticket]:
        """Tickets that came and have not ended."""
        return {id_: ticket for id_, ticket in self.enqueued.items() if id_ not in self.endings}

    def summary(self) -> str:
        kinds = Counter(event.kind.value for events in self.endings.values() for event in events)
        return f"{len(self.enqueued)} enqueued, {len(self.waiting)} waiting, ended {dict(kinds)}"

    def assert_sound(self) -> None:
        """Every ticket came once and ended at most once; nobody plays himself; no player waits twice."""
        for ticket, events in self.endings.items():
            assert len(events) == 1, f"ticket {ticket} ended {len(events)} times: {events}"
            assert ticket in self.enqueued, f"ticket {ticket} ended and never came"
        for match in self.matches.values():
            assert len(set(match.players)) == len(match.players) == 2, f"match {match}"
        doubled = [player for player, n in Counter(t.player for t in self.waiting.values()).items() if n > 1]
        assert not doubled, f"players with two live tickets: {doubled[:5]}"

    def overdue(self, rules: QueueRules, longest_ms: int, *, since: int = 0) -> list[Match]:
        """Matches made at realm ms ``since`` or later whose pair had by then been due for more than ``longest_ms``."""
        found = []
        for match in self.matches.values():
            a, b = (as_waiting(ticket) for ticket in match.tickets)
            before = match.at_ms - longest_ms
            # An arrival is looked at once the queue's interval has passed, so nothing is due before.
            both_there = max(a.enqueued_ms, b.enqueued_ms) + rules.interval_ms
            if match.at_ms >= since and before > both_there and is_due(rules, a, b, before - 1):
                found.append(match)
        return found

    def forgotten(self, rules: QueueRules, longest_ms: int, now_ms: int) -> list[tuple[str, str]]:
        """Neighbours that still wait though they have been due for more than ``longest_ms``."""
        line = sorted((as_waiting(ticket) for ticket in self.waiting.values()), key=lambda w: (w.rating, w.ticket))
        before = now_ms - longest_ms
        return [
            (a.ticket, b.ticket)
            for a, b in pairwise(line)
            if max(a.enqueued_ms, b.enqueued_ms) + rules.interval_ms < before and is_due(rules, a, b, before - 1)
        ]
