"""What it costs to settle a backlog of finished matches.

Measured: one drain, as the recorder runs it, of a realm in which 20,000 matches were reported by both players and
finished while nobody recorded: it reads the stream, rates every match by Glicko-2 in its order, writes reports,
results, rating changes, ratings and meetings, and then tells the realm of each: rankings, deviations, an event, both
players' channels. 10,000 players in one queue. The events are written straight into the stream, as the scripts write
them. Against: ``COPY`` of the same rows into the same empty tables, in one transaction, the text made beforehand. Both
on the embedded Postgres as it stands in ``matchmaker up``, on the same cores as the drain and the server.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from io import StringIO
from typing import Any

from matchmaker.embedded_postgres import EmbeddedPostgres
from matchmaker.store import schema
from matchmaker.store.connect import Database
from matchmaker.store.drain import Drain
from scripts.benchmarks.harness import Figure, Row, Run, alternate, at_least, median_of, ratios
from scripts.benchmarks.site import QUEUE, REALM, Realm, Site, site

NAME = "settle"
GOAL = at_least(2000.0)
RULES = 'results = { by = "players" }\nrating = { system = "glicko2", deviation_growth_per_day = 10 }'
PLAYERS = 10_000
TABLES = ("reports", "results", "rating_changes", "ratings", "meetings")
OTHERS = ("queues", "rule_versions", "events", "realms", "players")
SECONDS = 300.0
EVENTS_A_PIPELINE = 3_000


class Backlog:
    """Finished matches in the stream of a realm, and a database that knows of none of them."""

    def __init__(self, own: Site, database: Database, matches: int, seed: int) -> None:
        self.own = own
        self.database = database
        self.matches = matches
        self._seed = seed
        self.drain()
        self.rows = 0
        self.texts: dict[str, str] = {}
        with database.transaction(SECONDS) as cursor:
            for table in TABLES:
                text = StringIO()
                cursor.copy_expert(f"COPY {table} TO STDOUT", text)
                self.texts[table] = text.getvalue()
                self.rows += self.texts[table].count("\n")

    def _fill(self) -> None:
        """The same season, in an empty realm."""
        self.own.empty()
        realm = Realm(self.own, RULES)
        rng = random.Random(self._seed)
        for first in range(0, self.matches, EVENTS_A_PIPELINE // 3):
            pipeline: Any = self.own.client.pipeline(transaction=False)
            for number in range(first, min(self.matches, first + EVENTS_A_PIPELINE // 3)):
                for kind, body in _events(rng, number):
                    pipeline.xadd(realm.keys.events, {"event": kind, "body": json.dumps(body, separators=(",", ":"))})
            pipeline.execute()

    def _empty_tables(self) -> None:
        with self.database.transaction(SECONDS) as cursor:
            cursor.execute("TRUNCATE " + ", ".join(TABLES + OTHERS))

    def drain(self) -> float:
        """Matches/s of one drain."""
        self._fill()
        self._empty_tables()
        started = time.perf_counter()
        with Drain(self.own.client, self.database, REALM) as drain:
            report = drain.run()
        seconds = time.perf_counter() - started
        if not self.matches == report.rated == report.announced:
            raise RuntimeError(f"{report.rated} of {self.matches} matches were rated, {report.announced} announced")
        return self.matches / seconds

    def copy(self) -> float:
        """Matches/s of COPY."""
        self._empty_tables()
        started = time.perf_counter()
        with self.database.transaction(SECONDS) as cursor:
            for table in TABLES:
                cursor.copy_expert(f"COPY {table} FROM STDIN", StringIO(self.texts[table]))
        return self.matches / (time.perf_counter() - started)


def _events(rng: random.Random, number: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Two reports and the end of a match."""
    names = [f"player {one}" for one in rng.sample(range(PLAYERS), 2)]
    ranks = rng.choice(((1, 2), (2, 1), (1, 1)))
    at = 1_700_000_000_000 + 1_000 * number
    common = {"v": 1, "at": at, "queue": QUEUE, "match": f"{at - 60_000}-0"}
    for name in names:
        yield "reported", {**common, "event": "reported", "by": "player", "who": name, "ranks": ranks}
    teams = [[{"player": name, "ticket": f"{number}-{name[7:]}", "rating": 1500}] for name in names]
    told = {"outcome": "played", "by": "players", "ranks": ranks, "teams": teams, "rules": 1, "matched_ms": at - 60_000}
    yield "finished", {**common, "event": "finished", **told}


def measure(run: Run) -> Iterator[Figure]:
    matches = run.pick(20_000, 4_000)
    run.say(f"a backlog of {matches:,} finished matches")
    with site(run) as own, EmbeddedPostgres(None) as postgres, Database(postgres.url) as database:
        schema.upgrade(database)
        backlog = Backlog(own, database, matches, run.seed)
        drained, copied = alternate(run.pick(5, 3), backlog.drain, backlog.copy)
        rows_a_match = backlog.rows / matches
    size = f"{matches:,} matches"
    yield median_of(NAME, f"{size}: settled and announced", drained, "matches/s", GOAL)
    yield median_of(NAME, f"{size}: rows", [rows_a_match * sample for sample in drained], "rows/s")
    yield median_of(NAME, f"{size}: against COPY", ratios(drained, copied), "of COPY")
    yield median_of(NAME, f"{size}: COPY", copied, "matches/s")


ROW = Row(NAME, "a backlog of 20,000 finished matches rated, written and announced at 2,000 matches/s or more", measure)
