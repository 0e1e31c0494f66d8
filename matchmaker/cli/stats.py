"""``stats``: what waits in the realm and what was done in it."""

from __future__ import annotations

from dataclasses import fields

import click

from matchmaker.cli.command import Invocation, answers
from matchmaker.cli.output import Cell, counted, span
from matchmaker.cli.shapes import RealmClock
from matchmaker.reports import QueueStats


@click.command()
@answers
def stats(invocation: Invocation) -> None:
    """Count what waits and what was done in the realm.

    Each number is right; together they are not one moment.
    """
    output = invocation.output
    with invocation.matchmaker() as mm:
        now, now_ms = mm.stats(), RealmClock(mm).now_ms
    if output.as_json:
        counted_too = {"matches": now.matches, "now_ms": now_ms}
        output.document({field.name: getattr(now, field.name) for field in fields(now)} | counted_too)
        return
    rows: list[tuple[Cell, ...]] = [
        (one.queue + (" (closing)" if one.closing else ""), one.waiting, _next_pair(one, now_ms), one.version)
        for one in now.queues
    ]
    if len(rows) != 1:
        rows.append(("all", sum(one.waiting for one in now.queues), "", ""))
    output.table(rows, head=("queue", "waiting", "next pass", "version"), right=(2, 3))
    output.line("")
    counts: list[tuple[Cell, ...]] = [
        ("enqueued", now.enqueued, ""),
        ("matched", now.matched, f"in {counted(now.matches, 'match', 'matches')}"),
        ("cancelled", now.cancelled, ""),
        ("expired", now.expired, ""),
        ("events", now.events, "kept"),
    ]
    if now.clock_jumps:
        counts.append(("clock steps", now.clock_jumps, f"absorbed, {span(abs(now.clock_absorbed_ms))} in all"))
    output.table(counts)
    if now.full:
        output.warning(f"the realm takes no new tickets: {now.full}")


def _next_pair(queue: QueueStats, now_ms: int) -> str:
    if queue.next_ms is None:
        return "–"
    return "now" if queue.next_ms <= now_ms else f"in {span(queue.next_ms - now_ms)}"
