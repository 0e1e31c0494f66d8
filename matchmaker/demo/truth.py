"""What really happens, followed in the realm's stream while the demo runs."""

from __future__ import annotations

from array import array
from collections import Counter
from typing import Any

import redis.asyncio

from matchmaker.checker import Ledger
from matchmaker.keys import Keys
from matchmaker.runner import typed_errors

PAGE_EVENTS = 500


class Truth:
    """The ledger of a realm, kept up to date by :meth:`read`, and what the demo shows of it.

    ``waits_ms`` has one entry a matched ticket, ``gaps`` (points) and ``mean_waits_ms`` one a match, in their order.
    """

    def __init__(self, client: redis.asyncio.Redis, realm: str) -> None:
        self.ledger = Ledger()
        self.waits_ms = array("d")
        self.gaps = array("d")
        self.mean_waits_ms = array("d")
        self._client = client
        self._stream = Keys(realm).events

    async def read(self) -> None:
        """Takes what the stream has got since the last time."""
        while True:
            with typed_errors():
                page: Any = await self._client.xrange(self._stream, min=f"({self.ledger.last_id}", count=PAGE_EVENTS)
            for event_id, fields in page:
                self.ledger.fold(
                    event_id.decode(), fields.get(b"event", b"").decode(), fields.get(b"body", b"").decode()
                )
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

    def _take_matches(self) -> None:
        for match in self.ledger.matches[len(self.gaps) :]:
            waits = [match.at_ms - ticket.enqueued_ms for ticket in (match.one, match.other)]
            self.waits_ms.extend(waits)
            self.mean_waits_ms.append(sum(waits) / 2)
            self.gaps.append(match.gap)
