"""Brings what happened in a realm into Postgres: reads the stream, writes batches, says how far it came.

**Exactly once.** The place in the stream is a row of the database, moved by the transaction that writes the batch. What
a crash, a lost connection or a second drain leaves undone is read again from that place; what is done is behind it. One
drain a realm works at a time: it holds a lock of the database that goes with its connection, so a process that was
killed gives it back at once, and one that was stopped after :data:`SILENT_SECONDS`.

**Nothing trimmed unread.** The realm's scripts trim the stream only behind its consumer groups. This one is
:data:`GROUP`; it is set to the place after each commit and never used to read.

**Nothing missed after a failure.** Each read begins with the last event that was recorded. If the stream does not have
it, the server lost writes (or is another): the stream is read again from its beginning, which changes only what is
different now, and what the realm no longer knows is named (``reconcile.py``).

**Settled, then announced.** Finished matches are rated in the same transaction (``settle.py``), and the realm is told
of it after the commit (``announce.py``); what a drain could not tell any more, the next one tells first.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import psycopg2
import redis
from redis.exceptions import ResponseError

from matchmaker import errors
from matchmaker.keys import Keys
from matchmaker.reports import RECORDER
from matchmaker.runner import typed_errors
from matchmaker.scripts import SCHEMA, SCHEMAS
from matchmaker.store import schema, writer
from matchmaker.store.announce import Announcer
from matchmaker.store.connect import Database, Watchdog
from matchmaker.store.rows import Batch, Reader, rules_field
from matchmaker.store.settle import Settler, settled_of

if TYPE_CHECKING:
    from psycopg2.extensions import connection, cursor

GROUP: Final = RECORDER
START: Final = "0-0"
BATCH_EVENTS: Final = 10_000
READ_EVENTS: Final = 1_000
"""One XRANGE; half a millisecond of the server's time."""

WRITE_SECONDS: Final = 30.0
SILENT_SECONDS: Final = 60
BLOCK_MS: Final = 1_000
GATHER_SECONDS: Final = 0.05
"""Let events gather so long when few come: a commit for twenty instead of one for each."""

LOCK_PAUSE_SECONDS: Final = 0.2
MOST_NAMED: Final = 20
_LOCK = "matchmaker recorder "


@dataclass(slots=True)
class DrainReport:
    """What one drain did. ``busy``: another one is at work and this did nothing. ``unknown``: there is no such realm
    yet. ``restarted`` counts how often the stream no longer held the place; ``behind`` says it left before the end.

    Of the ``results`` of matches that were new, ``rated`` changed ratings; ``announced`` were told to the realm, those
    included that an earlier drain had settled.
    """

    realm: str
    events: int = 0
    rows: int = 0
    matches: int = 0
    batches: int = 0
    results: int = 0
    rated: int = 0
    announced: int = 0
    restarted: int = 0
    place: str = START
    busy: bool = False
    unknown: bool = False
    behind: bool = False
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)


class Drain:
    """One drain of one realm: ``with Drain(...) as drain: drain.run()``. ``mine`` says whether it got the lock.

    :param batch_events: the most that one transaction writes.
    :param patience_seconds: how long to wait for another drain to end.
    :param again: begin at the start of the stream, as for a database that lost rows.
    :raises DatabaseUnavailable: or another error of the database or the server; all that was committed stays, and the
        next drain goes on from there.
    """

    def __init__(
        self,
        client: redis.Redis,
        database: Database,
        realm: str,
        *,
        batch_events: int = BATCH_EVENTS,
        patience_seconds: float = 0.0,
        again: bool = False,
    ) -> None:
        self.keys = Keys(realm)
        self.report = DrainReport(realm)
        self.mine = False
        self._client = client
        self._database = database
        self._batch_events = batch_events
        self._patience_seconds = patience_seconds
        self._again = again
        self._reader = Reader()
        self._settler = Settler(realm)
        self._announcer = Announcer(client, self.keys, self._transaction)
        self._settled = 0
        self._link: connection | None = None
        self._entries_read: int | None = None
        self._warn: Callable[[str], None] = lambda _: None

    def __enter__(self) -> Drain:
        self._link = self._database.connect()
        try:
            self._link.autocommit = True
            with self._bounded() as cursor:
                cursor.execute(f"SET idle_session_timeout = '{SILENT_SECONDS}s'")
                cursor.execute(f"SET idle_in_transaction_session_timeout = '{SILENT_SECONDS}s'")
                cursor.execute(f"SET statement_timeout = '{WRITE_SECONDS:.0f}s'")
                schema.require(cursor)
                self.mine = self._lock(cursor)
                self.report.busy = not self.mine
                if self.mine:
                    writer.prepare(cursor)
                    self.report.place = START if self._again else writer.place_of(cursor, self.keys.realm)
                    self._settled = settled_of(cursor, self.keys.realm)
            self._link.autocommit = False
        except BaseException:
            self._link.close()
            raise
        return self

    def _lock(self, cursor: cursor) -> bool:
        """Asked for again and again instead of waited for: a wait in the database would outlive this process."""
        until = time.monotonic() + self._patience_seconds
        while True:
            cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (_LOCK + self.keys.realm,))
            if cursor.fetchone() == (True,):
                return True
            if time.monotonic() >= until:
                return False
            time.sleep(LOCK_PAUSE_SECONDS)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._link is None:
            return
        if self.mine and kind is None:
            # By itself the server gives the lock back some time after the connection went: the next drain would find
            # it taken.
            with contextlib.suppress(errors.MatchmakerError, psycopg2.Error):
                self._link.rollback()
                self._link.autocommit = True
                with self._bounded() as cursor:
                    cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (_LOCK + self.keys.realm,))
        self._link.close()

    # -- the loop ------------------------------------------------------------------------------------------------------

    def run(
        self,
        *,
        linger_seconds: float = 0.0,
        leave: Callable[[], bool] = lambda: False,
        warn: Callable[[str], None] = lambda _: None,
    ) -> DrainReport:
        """Writes until the stream's end is reached and nothing more came for ``linger_seconds``, or ``leave`` says so
        (asked between batches). ``warn`` is told at once what the report lists as warnings."""
        began = time.monotonic()
        self._warn = warn
        report = self.report
        if self.mine and self._register():
            self._announce()
            quiet_since = time.monotonic()
            while True:
                batch, at_end = self._read()
                if batch.events:
                    self._write(batch)
                    quiet_since = time.monotonic()
                if leave():
                    report.behind = not at_end
                    break
                if at_end:
                    left = linger_seconds - (time.monotonic() - quiet_since)
                    if left <= 0:
                        break
                    self._await_event(min(left, BLOCK_MS / 1000))
        report.seconds = time.monotonic() - began
        return report

    # -- the stream ----------------------------------------------------------------------------------------------------

    def _register(self) -> bool:
        """The group that keeps the stream from being trimmed before us. False: the realm does not exist."""
        with typed_errors():
            found: Any = self._client.hget(self.keys.meta, "schema")
            if found is None:
                self.report.unknown = True
                return False
            if found.decode() not in SCHEMAS:
                raise errors.UpgradeNeeded(found.decode(), SCHEMA)
            try:
                self._client.xgroup_create(self.keys.events, GROUP, self.report.place)
            except ResponseError as fault:
                if "BUSYGROUP" not in str(fault):
                    self.report.unknown = True  # no stream: rules were never applied
                    return False
            for group in self._client.xinfo_groups(self.keys.events):
                if group["name"] == GROUP.encode():
                    self._entries_read = 0 if self.report.place == START else group.get("entries-read")
        return True

    def _read(self) -> tuple[Batch, bool]:
        """The events after the place, at most a batch, and whether they reach the end of the stream."""
        batch = Batch()
        place = self.report.place
        while batch.events < self._batch_events:
            entries, added = self._page(place)
            if place != START:
                if not entries or entries[0][0].decode() != place:
                    self._begin_again(place, entries)
                    return Batch(), False
                entries = entries[1:]
            for entry, fields in entries:
                self._reader.read(batch, entry, fields)
            if len(entries) < READ_EVENTS:
                self._entries_read = added
                return batch, True
            place = batch.last
        if self._entries_read is not None:
            self._entries_read += batch.events
        return batch, False

    def _page(self, place: str) -> tuple[list[tuple[bytes, dict[bytes, bytes]]], int]:
        """One page from the place on, itself included, and the number of entries ever added by then."""
        with typed_errors():
            pipeline = self._client.pipeline(transaction=True)
            pipeline.xrange(self.keys.events, min=place, count=READ_EVENTS + (place != START))
            pipeline.execute_command("XINFO STREAM", self.keys.events)
            try:
                entries, stream = pipeline.execute(raise_on_error=False)
            except ResponseError:
                return [], 0
        if isinstance(stream, Exception):
            return [], 0
        return entries, int(stream["entries-added"])

    def _begin_again(self, place: str, after: Sequence[object]) -> None:
        """The stream does not hold the place any more; ``after`` is what follows it."""
        self.report.restarted += 1
        with typed_errors():
            older: Any = self._client.xrange(self.keys.events, max=place, count=1)
        if after and not older:
            why = (
                "all that it holds is younger. Either the server was emptied, or this database was restored from a "
                "backup, and then what happened between is recorded nowhere"
            )
        else:
            why = "the server lost writes or was emptied"
        warning = (
            f"realm {self.keys.realm!r}: the stream no longer holds event {place}, the last one recorded: {why}; "
            "recording the stream anew from its beginning"
        )
        self._tell(warning)
        self.report.place = START
        self._entries_read = 0
        with self._transaction() as cursor:
            writer.set_place(cursor, self.keys.realm, START)

    def _await_event(self, seconds: float) -> None:
        """Until an event comes, at most so long; then a moment more, for others that come with it."""
        with typed_errors():
            came = self._client.xread(
                {self.keys.events: self.report.place}, count=1, block=max(1, round(1000 * seconds))
            )
        if came:
            time.sleep(GATHER_SECONDS)

    # -- the database --------------------------------------------------------------------------------------------------

    def _write(self, batch: Batch) -> None:
        rules = self._rules(batch)
        if batch.finished and not self._settled:
            self._announcer.begin()
        with self._transaction() as cursor:
            writer.write(cursor, self.keys.realm, batch, rules)
            settled = self._settler.settle(cursor, batch.finished) if batch.finished else None
        self._reader.written()
        report = self.report
        report.place = batch.last
        report.events += batch.events
        report.rows += batch.rows
        report.matches += len(batch.matches)
        report.batches += 1
        self._move_group()
        if settled:
            self._settled = settled.last
            report.results += settled.results
            report.rated += settled.rated
            if settled.without_rules:
                matches = f"{len(settled.without_rules)} matches were not rated"
                named = ", ".join(settled.without_rules[:MOST_NAMED])
                self._tell(f"realm {self.keys.realm!r}: {matches}, for the text of their rules is lost: {named}")
            self._announce()

    def _announce(self) -> None:
        """What was settled and not told to the realm yet."""
        if self._settled:
            self.report.announced += self._announcer.announce(self._settled)

    def _tell(self, warning: str) -> None:
        self.report.warnings.append(warning)
        self._warn(warning)

    def _rules(self, batch: Batch) -> dict[tuple[str, int], str | None]:
        """The text of the versions that the batch tells of: the events do not carry it."""
        versions = [(queue, version) for queue, version, _, _ in batch.rules]
        if not versions:
            return {}
        with typed_errors():
            texts: Any = self._client.hmget(self.keys.rules, [rules_field(*one) for one in versions])
        return {one: None if text is None else text.decode() for one, text in zip(versions, texts, strict=True)}

    def _move_group(self) -> None:
        """Lets the realm trim what is recorded. If this is lost, the next one does it."""
        read = -1 if self._entries_read is None else self._entries_read
        with (
            typed_errors(),
            contextlib.suppress(ResponseError),
        ):  # the stream or the group is gone: seen at the next read
            self._client.execute_command(
                "XGROUP SETID", self.keys.events, GROUP, self.report.place, "ENTRIESREAD", read
            )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[cursor]:
        assert self._link is not None
        with self._bounded() as cursor:
            try:
                yield cursor
                self._link.commit()
            except BaseException:
                with contextlib.suppress(psycopg2.Error):
                    self._link.rollback()
                raise

    @contextlib.contextmanager
    def _bounded(self) -> Iterator[cursor]:
        """A cursor whose connection is cut if the server does not answer in time."""
        assert self._link is not None
        watchdog = Watchdog(self._link, time.monotonic() + WRITE_SECONDS)
        try:
            with self._database.errors(), self._link.cursor() as cursor:
                yield cursor
        except errors.MatchmakerError as fault:
            if watchdog.cut:
                what = f"the database {self._database.shown} did not answer within {WRITE_SECONDS:g} s"
                raise errors.DatabaseUnavailable(what) from fault
            raise
        finally:
            watchdog.end()
