"""What ``doctor`` finds out about ready checks, matches whose results are awaited, and ratings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from matchmaker.calls import Command
from matchmaker.cli.findings import Finding, fail, ok, warn
from matchmaker.runner import typed_errors
from matchmaker.words import counted, span

if TYPE_CHECKING:
    from matchmaker.client import Matchmaker
    from matchmaker.store.connect import Database

LATE_MS: Final = 5_000
"""A ready check or a match may outlast its time for so long after a matcher was killed, and no longer."""


def about_stages(mm: Matchmaker, now_ms: int) -> Iterator[Finding]:
    """Counts, and what nobody sees to. Costs five small commands, however many matches are open."""
    keys = mm.calls.keys
    with typed_errors():
        pipeline: Any = mm.redis.pipeline(transaction=True)
        pipeline.hlen(keys.checks).hlen(keys.matches).zcard(keys.deadlines)
        pipeline.zrange(keys.deadlines, 0, 0, withscores=True).hget(keys.meta, "silent_ms")
        checks, matches, deadlines, first, silent = pipeline.execute()
    waiting = deadlines - checks
    disputed = max(0, matches - waiting)
    message = f"{counted(checks, 'ready check')}, {counted(matches - disputed, 'open match', 'open matches')}"
    # After a silence of the realm those who are asked have their time once more.
    over = now_ms - max(float(first[0][1]), float(silent or 0)) if first else 0.0
    if over > LATE_MS:
        yield fail("open", f"{message}; one is over since {span(over)}", "start more matchers, see their logs")
    else:
        yield ok("open", message)
    if disputed:
        what = f"{counted(disputed, 'match waits', 'matches wait')} for an operator: reports contradict each other"
        yield warn("disputes", what, "matchmaker matches open lists them, matchmaker matches resolve ends one")


def about_ratings(mm: Matchmaker, database: Database) -> Iterator[Finding]:
    """Matches that are rated in the database, and whether the realm was told; nothing where none is."""
    from matchmaker.store.settle import settled_of

    with database.transaction() as cursor:
        settled = settled_of(cursor, mm.calls.realm)
    if not settled:
        return
    told = int(mm.runner.call(Command(("HGET", mm.calls.keys.meta, "rated"), lambda reply: reply or 0)))
    message = f"{counted(settled, 'match is', 'matches are')} rated"
    if told < settled:
        yield warn("ratings", f"{message}, {settled - told:,} of them not told to the realm yet", "matchmaker db drain")
    else:
        yield ok("ratings", message)
