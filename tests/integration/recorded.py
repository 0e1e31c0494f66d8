"""A realm and the database it is recorded in, for tests of what comes out of the one into the other."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import redis

from matchmaker import Matchmaker, parse_rules
from matchmaker.checker import RecordsReport, check_records
from matchmaker.model import TicketRequest
from matchmaker.store.connect import Database
from matchmaker.store.drain import Drain, DrainReport

RULES = parse_rules(
    '[ladder]\nmax_gap = 300\ninterval_ms = 1\nwillingness = { base = 100 }\n[side]\naccept = "both"\n', "q"
)
TABLES = (
    *("realms", "queues", "rule_versions", "players", "ratings", "tickets", "matches", "teams", "events"),
    *("checks", "reports", "results", "rating_changes", "meetings"),
)


@dataclass
class Recorded:
    """``mm`` on the realm, ``database`` brought up to date, and what tests do with both."""

    client: redis.Redis
    mm: Matchmaker
    database: Database

    @property
    def realm(self) -> str:
        return self.mm.calls.realm

    def play(self, players: int, *, first: int = 0, gap: float = 1.0) -> int:
        """So many players come, are matched as far as they go, and two more leave; answers the matches made."""
        rating = 1500.0
        for i in range(first, first + players):
            self.mm.enqueue(
                "ladder", f"player {i}", rating=rating, deviation=50.5 if i % 3 else None, data="x\\y" * (i % 2)
            )
            rating += gap
        made = self.mm.attempt_match("ladder").made
        for name in ("leaver", "goer"):
            self.mm.enqueue("side", f"{name} {first}", rating=1)
            self.mm.cancel_player(f"{name} {first}")
        return made

    def flood(self, matches: int) -> None:
        """So many matches at once, by the hundreds."""
        for first in range(0, 2 * matches, 1000):
            few = min(1000, 2 * matches - first)
            self.mm.enqueue_many("ladder", [TicketRequest(f"f{first + i}", 1500.0 + i // 2) for i in range(few)])
            while self.mm.attempt_match("ladder").made:
                pass

    def drain(self, **options: Any) -> DrainReport:
        with Drain(self.client, self.database, self.realm, **options) as drain:
            return drain.run()

    def check(self, *, drained: bool = True) -> RecordsReport:
        return check_records(self.client, self.database, self.realm, drained=drained)

    def rows(self) -> dict[str, list[str]]:
        """All rows of all tables, without the moments at which they were written."""
        found = {}
        with self.database.transaction() as cursor:
            for table in TABLES:
                cursor.execute(f"SELECT to_jsonb(t) - 'recorded_at' - 'changed_at' FROM {table} t")
                found[table] = sorted(json.dumps(row[0], sort_keys=True) for row in cursor.fetchall())
        return found

    def count(self, table: str, where: str = "true") -> int:
        return int(self.value(f"SELECT count(*) FROM {table} WHERE {where}"))

    def value(self, query: str) -> Any:
        with self.database.transaction() as cursor:
            cursor.execute(query)
            row = cursor.fetchone()
        return row[0] if row else None

    def group(self) -> dict[str, Any]:
        """The recorder's consumer group, as the server has it."""
        groups: Any = self.client.xinfo_groups(self.mm.calls.keys.events)
        return next(group for group in groups if group["name"] == b"recorder")
