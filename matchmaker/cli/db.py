"""``db upgrade``, ``status``, ``drain``, ``reconcile`` and ``unregister``: the records in Postgres."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import click

from matchmaker import errors
from matchmaker.cli.command import Invocation, answers
from matchmaker.cli.exits import Exit
from matchmaker.cli.output import lag, local_time
from matchmaker.reports import RECORDER, Recording
from matchmaker.words import counted, span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matchmaker.client import Matchmaker
    from matchmaker.store.overview import Overview, RecordedRealm
    from matchmaker.store.schema import SchemaState


AGAIN_SECONDS: Final = 75.0
"""A recorder's drain leaves within a minute; then there is a moment for another one."""


@click.group()
def db() -> None:
    """Make, examine and fill the records in Postgres."""


# -- the tables --------------------------------------------------------------------------------------------------------


@db.command("upgrade")
@answers
def upgrade_tables(invocation: Invocation) -> None:
    """Bring the tables up to date: make them, or add what this version brings.

    All of it or nothing, and safe from several machines at once. Programs of the version before may go on meanwhile.
    """
    from matchmaker.store import schema

    with invocation.database() as database:
        added = schema.upgrade(database)
        state = schema.status(database)
    if state.fault is not None:  # made by a newer program, and not for this one
        raise state.fault
    lines = [f"added  {version}" for version in added] or [f"nothing to do: {_in_words(state)}"]
    invocation.output.answer({"added": added, "version": state.version}, *lines)


@db.command("status")
@answers
def db_status(invocation: Invocation) -> int:
    """Tell what the database is, whether its tables are up to date and how far each realm is recorded.

    Exit code 0 if this program can work with it and `db upgrade` has nothing to do, else 1.
    """
    from matchmaker.store import schema
    from matchmaker.store.overview import overview

    with invocation.database() as database:
        state = schema.status(database)
        found = overview(database)
        shown = database.shown
    behind = _recordings(invocation, [one.realm for one in found.realms])
    output = invocation.output
    if output.as_json:
        output.document(
            {
                "url": shown,
                "server": f"PostgreSQL {found.server}",
                "schema": _schema_json(state),
                "realms": [_realm_json(one, behind[one.realm]) for one in found.realms],
                "rows": found.rows,
            }
        )
    else:
        output.table([("database", shown), ("server", f"PostgreSQL {found.server}"), ("schema", _in_words(state))])
        _show_realms(invocation, found, behind)
    return Exit.OK if state.fault is None and not state.pending else Exit.NO


def _schema_json(state: SchemaState) -> dict[str, Any]:
    from matchmaker.store import schema

    return {
        "version": state.version,
        "oldest_program": state.oldest_program,
        "program": schema.VERSION,
        "pending": state.pending,
        "fault": None if state.fault is None else str(state.fault),
    }


def _in_words(state: SchemaState) -> str:
    from matchmaker.store import schema

    if state.fault is not None:
        return str(state.fault).removeprefix("the database's schema is ")
    if state.pending:
        return f"{state.version}, {', '.join(state.pending)} to come: run `matchmaker db upgrade`"
    if not state.current:
        return f"{state.version}, newer than this program's {schema.VERSION}, which may go on"
    return f"{state.version}, up to date"


def _recordings(invocation: Invocation, realms: Sequence[str]) -> dict[str, Recording | None]:
    """What the realms' server says: None of a realm without a recorder, and of all once the server does not answer."""
    from matchmaker.calls import Calls
    from matchmaker.recording import recording_plan
    from matchmaker.runner import Runner

    found: dict[str, Recording | None] = dict.fromkeys(realms)
    with contextlib.suppress(errors.MatchmakerError), invocation.client() as client:
        for realm in realms:
            found[realm] = Runner(client).run(recording_plan(Calls(realm)))
    return found


def _realm_json(one: RecordedRealm, recording: Recording | None) -> dict[str, Any]:
    return {
        "realm": one.realm,
        "place": one.place,
        "events": one.events,
        "recorded_at_ms": one.recorded_ms,
        "recording": recording,
    }


def _show_realms(invocation: Invocation, found: Overview, behind: Mapping[str, Recording | None]) -> None:
    output = invocation.output
    if found.rows:
        output.line("")
        rows = [(table, f"{'' if rows.exact else '≈ '}{rows.count:,}") for table, rows in found.rows.items()]
        output.table(rows, head=("table", "rows"), right=(1,))
    if found.realms:
        output.line("")
        realms = [
            (
                one.realm,
                one.events,
                one.place,
                local_time(one.recorded_ms),
                lag(behind[one.realm]),
            )
            for one in found.realms
        ]
        output.table(realms, head=("realm", "events", "recorded up to", "last written", "behind"))


# -- the rows ----------------------------------------------------------------------------------------------------------


@db.command("drain")
@click.option("--again", is_flag=True, help="Write all that the stream still holds once more, for rows that were lost.")
@answers
def drain_realm(invocation: Invocation, *, again: bool) -> int:
    """Record what happened in the realm up to now, in this process.

    What recorders do all the time: for a realm without one, or to see why one fails. Exit code 1 if another drain of
    the realm is at work, which then does it; with --again that one is waited for, a minute or so.
    """
    from matchmaker.store.drain import Drain

    realm, output = invocation.realm, invocation.output
    patience = AGAIN_SECONDS if again else 0.0
    with (
        invocation.client() as client,
        invocation.database() as database,
        Drain(client, database, realm, patience_seconds=patience, again=again) as drain,
    ):
        report = drain.run()
    if report.unknown:
        raise errors.UnknownRealm(realm)
    for warning in report.warnings:
        output.warning(f"{warning}; `matchmaker db reconcile` names what was lost")
    line = (
        f"recorded  {counted(report.events, 'event')} in {span(1000 * report.seconds)}: "
        f"{counted(report.matches, 'match', 'matches')}, {counted(report.rows, 'row')}; up to {report.place}"
    )
    output.answer(report, "another drain of this realm is at work" if report.busy else line)
    return Exit.NO if report.busy else Exit.OK


@db.command("reconcile")
@answers
def reconcile_records(invocation: Invocation) -> int:
    """Compare the records with the realm, after its server failed, and name what the realm lost.

    Marks it in the database: tickets and matches as lost, others as waiting again. Exit code 1 if anything was lost.
    """
    from matchmaker.store.reconcile import reconcile

    with invocation.client() as client, invocation.database() as database:
        found = reconcile(client, database, invocation.realm)
    kinds = (("lost match", found.lost_matches), ("lost ticket", found.lost_tickets), ("waits again", found.reopened))
    lines = [f"{kind}  {one}" for kind, ids in kinds for one in ids]
    invocation.output.answer(found, *(lines or ["nothing was lost"]))
    return Exit.NO if found.lost_tickets or found.lost_matches else Exit.OK


@db.command("unregister")
@click.option("--yes", is_flag=True, help="Do it.")
@answers
def unregister_recorder(invocation: Invocation, yes: bool) -> None:
    """Let the realm forget events that nobody has recorded: for a realm that is not to be recorded any more.

    A realm that was ever recorded keeps each event until it is in the database, and takes no tickets once they are too
    many. This drops the consumer group that holds them back. End the recorders first: one that works registers
    anew, and finds only what the realm still has.
    """
    output = invocation.output
    with invocation.matchmaker() as mm:
        recording = mm.stats().recording
        if recording is None:
            output.answer({"unregistered": False, "behind": None}, "nobody is registered to record this realm")
            return
        if not yes:
            raise click.UsageError(_at_stake(recording), click.get_current_context())
        destroyed = _destroy(mm)
    lost = "" if recording.oldest_ms is None else f"; not recorded: {lag(recording)}"
    output.answer({"unregistered": destroyed, "behind": recording.behind}, f"unregistered{lost}")


def _at_stake(recording: Recording) -> str:
    if recording.oldest_ms is None:
        return "everything is recorded, and what comes from now on would not be: give --yes if that is meant"
    return f"not recorded yet: {lag(recording)}; they would be forgotten: give --yes if that is meant"


def _destroy(mm: Matchmaker) -> bool:
    from matchmaker.calls import Command

    return mm.runner.call(Command(("XGROUP", "DESTROY", mm.calls.keys.events, RECORDER), int)) > 0
