"""What ``doctor`` finds out about the records: the database, how far it is behind, and who else holds events back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from matchmaker import errors
from matchmaker.calls import Command
from matchmaker.checker.violation import Code
from matchmaker.cli.command import Invocation
from matchmaker.cli.findings import Finding, fail, ok, warn
from matchmaker.cli.output import lag, local_time
from matchmaker.cli.stage_findings import about_ratings
from matchmaker.model import event_order
from matchmaker.reports import RECORDER, RealmStats
from matchmaker.server import fields_of
from matchmaker.words import counted, span

if TYPE_CHECKING:
    from matchmaker.client import Matchmaker
    from matchmaker.store.connect import Database

LAGGING_MS: Final = 60_000
CHANGED_BY_HAND: Final = "rows were changed by hand: delete those, then matchmaker db drain --again"
ROW_REMEDIES: Final = {
    Code.ROW_MISSING: "matchmaker db drain --again",
    Code.ROW_UNKNOWN: "matchmaker db reconcile, if the realm's server had failed",
}


def about_records(invocation: Invocation) -> Iterator[Finding]:
    """The database that is set, if any."""
    try:
        with invocation.database() as database:
            yield _database(database)
    except errors.DatabaseUnavailable:  # none is set: one that is set and away is a finding of its own
        yield ok("database", "none is set: nothing is recorded, and who enqueues gives a rating")


def _database(database: Database) -> Finding:
    from matchmaker.store import schema
    from matchmaker.store.overview import overview

    name = "database"
    try:
        state = schema.status(database)
        server = overview(database).server
    except errors.DatabaseUnavailable as away:
        return fail(name, str(away), "start it; matching goes on meanwhile, and is recorded afterwards")
    except (errors.DatabaseUnsuitable, errors.DatabaseSchema) as refused:
        return fail(name, str(refused), "")  # these errors say what to do
    message = f"PostgreSQL {server}, schema {state.version or 'none yet'}"
    if state.fault is not None:
        return fail(name, str(state.fault), "")
    if state.pending:
        return warn(name, f"{message}, {', '.join(state.pending)} to come", "matchmaker db upgrade")
    return ok(name, message)


def about_rows(invocation: Invocation, mm: Matchmaker) -> Iterator[Finding]:
    """The database's rows against the realm's stream; nothing where there are none, or none that can be read."""
    from matchmaker.checker import check_records

    name = "records"
    try:
        with invocation.database() as database:
            if _database(database).state == "fail":
                return  # that finding says so
            yield from about_ratings(mm, database)
            report = check_records(mm.redis, database, mm.calls.realm)
    except errors.DatabaseUnavailable:
        return
    except (errors.DatabaseUnsuitable, errors.DatabaseSchema) as refused:
        yield fail(name, str(refused), "")
        return
    except errors.ServerUnsuitable as refused:
        yield warn(name, str(refused), "allow this user XRANGE, or ask as another")
        return
    if report.ok and report.events:
        counts = f"{counted(report.events, 'event')}, {counted(report.matches, 'match', 'matches')}"
        yield ok(name, f"{counts} compared with the rows: nothing is wrong")
    for violation in report.violations:
        yield fail(name, str(violation), ROW_REMEDIES.get(violation.code, CHANGED_BY_HAND))


def about_groups(mm: Matchmaker, stats: RealmStats) -> Iterator[Finding]:
    """Consumer groups of the event stream: what they have not acknowledged cannot be trimmed.

    :raises ServerUnsuitable: this user may not ask.
    """
    events = mm.calls.keys.events
    if not mm.runner.call(Command(("EXISTS", events), int)):
        yield ok("consumers", "no events yet")
        return
    groups = mm.runner.call(Command(("XINFO", "GROUPS", events), lambda reply: [fields_of(one) for one in reply]))
    yield _recorder(stats, next((one for one in groups if one["name"] == RECORDER), None))
    yield _others(mm, [one for one in groups if one["name"] != RECORDER])


def _recorder(stats: RealmStats, group: dict[str, str] | None) -> Finding:
    name, recording = "recorder", stats.recording
    if group is None or recording is None:
        return ok(name, "nobody is registered to record this realm")
    if recording.oldest_ms is None:
        return ok(name, "everything is recorded")
    if recording.oldest_ms <= LAGGING_MS:
        return ok(name, f"{lag(recording)}, {'is' if recording.behind == 1 else 'are'} not recorded yet")
    since = local_time(int(time.time() * 1000) - recording.oldest_ms)
    message = (
        f"group {RECORDER} holds back {lag(recording)}: what happened since {since}, after "
        f"{group['last-delivered-id']}, is not recorded and is kept meanwhile"
    )
    remedy = (
        "start `matchmaker recorder`, see its log; if nobody is to record any more, `matchmaker db unregister` drops "
        "the group"
    )
    return warn(name, message, remedy)


def _others(mm: Matchmaker, groups: list[dict[str, str]]) -> Finding:
    name, events = "consumers", mm.calls.keys.events
    stream = mm.runner.call(Command(("XINFO", "STREAM", events), fields_of))
    late = []
    for group in groups:
        pending = mm.runner.call(Command(("XPENDING", events, group["name"]), fields_of))
        oldest = pending.get("min") or group["last-delivered-id"]
        behind = _ms_of(stream["last-generated-id"]) - _ms_of(oldest)
        if behind > LAGGING_MS:
            how_long = span(behind) if _ms_of(oldest) else "has read nothing"
            late.append(f"{group['name']} ({how_long}) {_standing(mm, group)}")
    if late:
        message = f"behind by over a minute: {'; '.join(late)}; their events are kept meanwhile"
        return warn(name, message, f"start who reads them, or XGROUP DESTROY {events} NAME")
    return ok(name, f"{counted(len(groups), 'group')} keep up" if groups else "nobody else reads the stream as a group")


def _standing(mm: Matchmaker, group: dict[str, str]) -> str:
    """``at 1795460392255-0 with 12 pending, idle for 2 min``."""
    asked = ("XINFO", "CONSUMERS", mm.calls.keys.events, group["name"])
    consumers: list[Any] = mm.runner.call(Command(asked, lambda reply: [fields_of(one) for one in reply]))
    idle = [int(one["idle"]) for one in consumers]
    who = f"idle for {span(min(idle))}" if idle else "without a consumer"
    return f"at {group['last-delivered-id']} with {group['pending']} pending, {who}"


def _ms_of(event_id: str) -> int:
    return event_order(event_id)[0]
