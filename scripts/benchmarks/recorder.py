"""What it costs to bring a backlog of matches into Postgres.

Measured: one drain, as the recorder runs it, of a realm whose matches nobody recorded: it reads the stream, makes rows
of it and writes them, every batch with its place in one transaction. 100,000 matches with their tickets, teams and
players; players came by the thousand and were matched before the next came, as while a database is away. Against:
``COPY`` of the same rows into the same empty tables with the same indexes and keys, in one transaction, the text made
beforehand: no stream, no JSON, nothing that could be written twice. Both on the embedded Postgres as it stands in
``matchmaker up``, data forced to the disk, in turns.

Rows a second count every row of every table.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from io import StringIO

from matchmaker.embedded_postgres import EmbeddedPostgres
from matchmaker.store import schema
from matchmaker.store.connect import Database
from matchmaker.store.drain import Drain
from scripts.benchmarks.harness import Figure, Row, Run, alternate, at_least, median_of, ratios
from scripts.benchmarks.lines import DENSE, Crowd, fill, settle
from scripts.benchmarks.site import REALM, Realm, Site, site

NAME = "recorder"
GOAL = at_least(0.30)
PLAYERS_AT_ONCE = 1_000
TABLES = ("queues", "rule_versions", "players", "tickets", "matches", "teams", "events", "realms")
SECONDS = 300.0


class Backlog:
    """Matches in the stream of a realm, and a database that does not know of them."""

    def __init__(self, own: Site, database: Database, matches: int, seed: int) -> None:
        self.database = database
        self.own = own
        crowd = Crowd(seed)
        realm = Realm(own, DENSE)
        self.matches = 0
        with own.wire() as wire:
            while self.matches < matches:
                fill(realm, wire, crowd.gaussian(PLAYERS_AT_ONCE))
                self.matches += settle(realm, wire)
        self.drain()
        self.rows = 0
        self.texts: dict[str, str] = {}
        with database.transaction(SECONDS) as cursor:
            for table in TABLES:
                text = StringIO()
                cursor.copy_expert(f"COPY {table} TO STDOUT", text)
                self.texts[table] = text.getvalue()
                self.rows += self.texts[table].count("\n")

    def empty(self) -> None:
        with self.database.transaction(SECONDS) as cursor:
            cursor.execute("TRUNCATE " + ", ".join(TABLES))

    def drain(self) -> float:
        """Matches/s of one drain."""
        self.empty()
        started = time.perf_counter()
        with Drain(self.own.client, self.database, REALM) as drain:
            report = drain.run()
        if self.matches != report.matches:
            raise RuntimeError(f"{report.matches} of {self.matches} matches were recorded")
        return report.matches / (time.perf_counter() - started)

    def copy(self) -> float:
        """Matches/s of COPY."""
        self.empty()
        started = time.perf_counter()
        with self.database.transaction(SECONDS) as cursor:
            for table in TABLES:
                cursor.copy_expert(f"COPY {table} FROM STDIN", StringIO(self.texts[table]))
        return self.matches / (time.perf_counter() - started)


def measure(run: Run) -> Iterator[Figure]:
    matches = run.pick(100_000, 10_000)
    run.say(f"a backlog of {matches:,} matches")
    with site(run) as own, EmbeddedPostgres(None) as postgres, Database(postgres.url) as database:
        schema.upgrade(database)
        backlog = Backlog(own, database, matches, run.seed)
        drained, copied = alternate(run.pick(5, 3), backlog.drain, backlog.copy)
        rows_a_match = backlog.rows / backlog.matches
    size = f"{matches:,} matches"
    yield median_of(NAME, size, ratios(drained, copied), "of COPY", GOAL)
    yield median_of(NAME, f"{size}: drain", drained, "matches/s")
    yield median_of(NAME, f"{size}: drain, rows", [rows_a_match * sample for sample in drained], "rows/s")
    yield median_of(NAME, f"{size}: COPY", copied, "matches/s")


ROW = Row(NAME, "a backlog of 100,000 matches drained at 30 % or more of the speed of COPY of the same rows", measure)
