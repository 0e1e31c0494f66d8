"""``stats``: what waits in the realm, what was done in it, and how far that is recorded."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import click

from matchmaker import errors
from matchmaker.cli.command import Invocation, answers
from matchmaker.cli.output import Cell, Output, table_of
from matchmaker.cli.shapes import RealmClock
from matchmaker.cli.tickets import Number
from matchmaker.errors import InvalidInput
from matchmaker.reports import QueueStats, RealmStats, Recording
from matchmaker.words import counted, span

if TYPE_CHECKING:
    from rich.console import Group

    from matchmaker.client import Matchmaker


@click.command()
@click.option("--watch", is_flag=True, help="Go on until Ctrl-C, with what is done per second.")
@click.option(
    "--interval", type=Number(), default=1.0, show_default=True, metavar="SECONDS", help="Between two readings."
)
@answers
def stats(invocation: Invocation, watch: bool, interval: Any) -> None:
    """Count what waits and what was done in the realm, and tell how far it is recorded.

    Each number is right; together they are not one moment. With --watch on a terminal the numbers are drawn in place,
    elsewhere one below the other; with --watch --json there is one line an interval.
    """
    if not isinstance(interval, float) or not 0.1 <= interval <= 3600:  # NaN fails every comparison
        raise InvalidInput("interval", interval, "a finite number, 0.1 … 3,600 seconds")
    with invocation.matchmaker() as mm:
        first = Reading.of(mm)
        if watch:
            _watch(invocation.output, mm, first, interval)
        elif invocation.output.as_json:
            invocation.output.document(_document(first))
        else:
            _show(invocation.output, first)


@dataclass(frozen=True, slots=True)
class Reading:
    """The counts at one moment of realm ms, and of this machine's steady clock in seconds."""

    stats: RealmStats
    now_ms: int
    at: float

    @classmethod
    def of(cls, mm: Matchmaker) -> Reading:
        return cls(mm.stats(), RealmClock(mm).now_ms, time.monotonic())


@dataclass(frozen=True, slots=True)
class Rates:
    """What was done per second between two readings. ``recorded`` counts events, and is None where nobody records or
    the server cannot tell."""

    enqueued: float
    matched: float
    recorded: float | None

    @classmethod
    def between(cls, old: Reading, new: Reading) -> Rates:
        """A realm that was begun anew in between counts from 0."""
        seconds = max(new.at - old.at, 1e-3)

        def rate(before: int, after: int) -> float:
            return round((after - before if after >= before else after) / seconds, 1)

        counts = [None if one.recording is None else one.recording.recorded for one in (old.stats, new.stats)]
        recorded = None if counts[0] is None or counts[1] is None else rate(counts[0], counts[1])
        return cls(rate(old.stats.enqueued, new.stats.enqueued), rate(old.stats.matched, new.stats.matched), recorded)


# -- once --------------------------------------------------------------------------------------------------------------


def _document(reading: Reading) -> dict[str, Any]:
    now = reading.stats
    counted_too = {"matches": now.matches, "now_ms": reading.now_ms}
    return {field.name: getattr(now, field.name) for field in fields(now)} | counted_too


def _show(output: Output, reading: Reading) -> None:
    queues = _queue_rows(reading)
    output.table(queues, head=QUEUE_HEAD, right=(2, 3))
    output.line("")
    output.table(_count_rows(reading))
    if reading.stats.full:
        output.warning(f"the realm takes no new tickets: {reading.stats.full}")


QUEUE_HEAD = ("queue", "waiting", "next pass", "version")


def _queue_rows(reading: Reading) -> list[tuple[Cell, ...]]:
    queues = reading.stats.queues
    rows: list[tuple[Cell, ...]] = [
        (one.queue + (" (closing)" if one.closing else ""), one.waiting, _next_pair(one, reading.now_ms), one.version)
        for one in queues
    ]
    if len(rows) != 1:
        rows.append(("all", sum(one.waiting for one in queues), "", ""))
    return rows


def _count_rows(reading: Reading) -> list[tuple[Cell, ...]]:
    now = reading.stats
    rows: list[tuple[Cell, ...]] = [
        ("enqueued", now.enqueued, ""),
        ("matched", now.matched, f"in {counted(now.matches, 'match', 'matches')}"),
        ("cancelled", now.cancelled, ""),
        ("expired", now.expired, ""),
        ("events", now.events, "kept"),
    ]
    if now.clock_jumps:
        rows.append(("clock steps", now.clock_jumps, f"absorbed, {span(abs(now.clock_absorbed_ms))} in all"))
    if now.recording is not None:
        rows.append(_recorded(now.recording))
    return rows


def _with_rates(rows: list[tuple[Cell, ...]], rates: Rates | None) -> list[tuple[Cell, ...]]:
    """A column more, empty before there are two readings."""
    told: dict[str, float | None] = {}
    if rates is not None:
        told = {"enqueued": rates.enqueued, "matched": rates.matched}
        told |= dict.fromkeys(("recorded", "behind"), rates.recorded)
    words = {name: f"{rate:,.1f}/s" for name, rate in told.items() if rate is not None}
    return [(row[0], row[1], words.get(str(row[0]), ""), *row[2:]) for row in rows]


def _recorded(recording: Recording) -> tuple[Cell, ...]:
    """``recorded  all``, or ``behind  1,204  events, the oldest 3.1 s ago``."""
    if recording.oldest_ms is None:
        return "recorded", "all", ""
    behind = recording.behind
    words = f"{'event' if behind == 1 else 'events'}, the oldest {span(recording.oldest_ms)} ago"
    return "behind", "some" if behind is None else behind, words


def _next_pair(queue: QueueStats, now_ms: int) -> str:
    if queue.next_ms is None:
        return "–"
    return "now" if queue.next_ms <= now_ms else f"in {span(queue.next_ms - now_ms)}"


# -- again and again ---------------------------------------------------------------------------------------------------


def _watch(output: Output, mm: Matchmaker, first: Reading, interval: float) -> None:
    """Until Ctrl-C. A server that is away for a while is waited for; the last numbers stand meanwhile."""
    last, rates, trouble = first, None, ""
    with _display(output) as show:
        next_at = first.at
        while True:
            show(last, rates, trouble)
            # Readings that took longer than the interval are not made up for.
            next_at = max(next_at + interval, time.monotonic())
            time.sleep(max(0.0, next_at - time.monotonic()))
            try:
                new = Reading.of(mm)
            except errors.ServerUnavailable as away:
                trouble = trouble or f"no answer since {time.strftime('%H:%M:%S')}: {away}"
                if output.as_json:
                    output.error(away)
            else:
                last, rates, trouble = new, Rates.between(last, new), ""


@contextlib.contextmanager
def _display(output: Output) -> Iterator[Callable[[Reading, Rates | None, str], None]]:
    """Shows a reading: a document, or a picture in place of the one before, or lines below it."""
    from rich.console import Console
    from rich.live import Live

    def document(reading: Reading, rates: Rates | None, trouble: str) -> None:
        if not trouble:
            output.document({**_document(reading), "per_second": rates})

    def lines(reading: Reading, rates: Rates | None, trouble: str) -> None:
        output.table(_queue_rows(reading), head=QUEUE_HEAD, right=(2, 3))
        output.table(_with_rates(_count_rows(reading), rates), right=(2,))
        output.line(trouble or reading.stats.full)

    if output.as_json or not sys.stdout.isatty():
        yield document if output.as_json else lines
        return
    with Live(console=Console(highlight=False), auto_refresh=False) as live:
        yield lambda reading, rates, trouble: live.update(_picture(reading, rates, trouble), refresh=True)


def _picture(reading: Reading, rates: Rates | None, trouble: str) -> Group:
    from rich.console import Group
    from rich.text import Text

    full = f"the realm takes no new tickets: {reading.stats.full}" if reading.stats.full else ""
    return Group(
        table_of(_queue_rows(reading), head=QUEUE_HEAD, right=(2, 3)),
        "",
        table_of(_with_rates(_count_rows(reading), rates), right=(2,)),
        *(Text(text) for text in (full, trouble) if text),
    )
