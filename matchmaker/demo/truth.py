"""What really happens, followed in the realm's stream while the demo runs."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from typing import Any

import redis.asyncio

from matchmaker.checker import Ledger
from matchmaker.keys import Keys
from matchmaker.model import EventKind
from matchmaker.runner import typed_errors

PAGE_EVENTS = 500


class Truth:
    """The ledger of a realm, kept up to date by :meth:`read`, and what the demo shows of it.

    ``waits_ms`` has one entry a matched ticket, ``gaps`` (points) and ``mean_waits_ms`` one a match, in their order. Of
    a queue with sides ``offers`` are those that each ticket offered, ``plays`` the one that each matched ticket plays.
    """

    def __init__(self, client: redis.asyncio.Redis, realm: str) -> None:
        self.ledger = Ledger()
        self.waits_ms = array("d")
        self.gaps = array("d")
        self.mean_waits_ms = array("d")
        self.offers: dict[str, tuple[str, ...]] = {}
        self.plays: dict[str, str] = {}
        self._client = client
        self._stream = Keys(realm).events

    async def read(self) -> None:
        """Takes what the stream has got since the last time."""
        while True:
            with typed_errors():
                page: Any = await self._client.xrange(self._stream, min=f"({self.ledger.last_id}", count=PAGE_EVENTS)
            for event_id, fields in page:
                kind, body = fields.get(b"event", b"").decode(), fields.get(b"body", b"").decode()
                self.ledger.fold(event_id.decode(), kind, body)
                self._take_sides(kind, body)
            self._take_matches()
            if len(page) < PAGE_EVENTS:
                return

    @property
    def waiting(self) -> int:
        """Tickets that have not ended."""
        return len(self.ledger.live)

    @property
    def matched(self) -> int:
        """Tickets that found a match."""
        return len(self.waits_ms)

    def outcomes(self) -> Counter[str]:
        """What became of each ticket: how many are matched, cancelled, expired or waiting."""
        return Counter(story.how or "waiting" for story in self.ledger.tickets.values())

    def sides(self) -> dict[str, dict[str, int]]:
        """By what tickets offered (``bw``, ``sc2``, ``bw+sc2``): how many ``came`` and were ``matched``, and of these
        how many play each side. Empty for a queue without sides."""
        found: dict[str, dict[str, int]] = {}
        for ticket, offered in sorted(self.offers.items(), key=lambda item: (len(item[1]), item[1])):
            counts = found.setdefault("+".join(offered), dict.fromkeys(("came", "matched", *offered), 0))
            counts["came"] += 1
            if ticket in self.plays:
                counts["matched"] += 1
                counts[self.plays[ticket]] += 1
        return found

    def _take_sides(self, kind: str, text: str) -> None:
        if kind == EventKind.ENQUEUED and '"sides":' in text:
            body = json.loads(text)
            self.offers[body["ticket"]] = tuple(sorted(body.get("sides", ())))
        elif kind == EventKind.MATCHED and '"side":' in text:
            members = [member for team in json.loads(text)["teams"] for member in team]
            self.plays.update((member["ticket"], member["side"]) for member in members)

    def _take_matches(self) -> None:
        for match in self.ledger.matches[len(self.gaps) :]:
            waits = [match.at_ms - ticket.enqueued_ms for ticket in (match.one, match.other)]
            self.waits_ms.extend(waits)
            self.mean_waits_ms.append(sum(waits) / 2)
            self.gaps.append(match.gap)
