"""``matches list`` and ``matches show``: what was played, out of the records."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from matchmaker import errors
from matchmaker.cli.command import Invocation, answers
from matchmaker.cli.completion import complete_queue
from matchmaker.cli.open_matches import abort_match, open_matches, report_match, resolve_match
from matchmaker.cli.output import local_time
from matchmaker.cli.shapes import arrangement, match_json, who
from matchmaker.words import points, span

if TYPE_CHECKING:
    from matchmaker.model import Match, Team
    from matchmaker.store.reads import RecordedMatch

MOST_LISTED = 1_000


@click.group()
def matches() -> None:
    """List and show matches; report, abort and resolve open ones."""


for command in (open_matches, report_match, abort_match, resolve_match):
    matches.add_command(command)


@matches.command("list")
@click.option("--queue", metavar="QUEUE", shell_complete=complete_queue, help="Only matches of this queue.")
@click.option("--player", metavar="PLAYER", help="Only matches of this player.")
@click.option(
    "--most",
    metavar="N",
    type=click.IntRange(1, MOST_LISTED),
    default=50,
    show_default=True,
    help="How many to list.",
)
@click.option("--before", metavar="ID", help="Go on after this match, the last of a list.")
@answers
def list_matches(invocation: Invocation, queue: str | None, player: str | None, most: int, before: str | None) -> None:
    """List the newest matches, newest first.

    A match is in the list once it is recorded. Times are realm time, in this machine's time zone.
    """
    from matchmaker.store import reads

    with invocation.database() as database:
        found = reads.matches(database, invocation.realm, queue=queue, player=player, before=before, most=most)
        recorded = bool(found) or reads.is_recorded(database, invocation.realm)
    output = invocation.output
    if output.as_json:
        output.document({"realm": invocation.realm, "matches": [recorded_json(one) for one in found]})
        return
    if not found and not recorded:
        output.warning(f"realm {invocation.realm!r} was never recorded here: does a recorder serve it?")
    head = ("time", "match", "queue", "teams", "gap", "longest wait")
    output.table([_row(one) for one in found], head=head, right=(4, 5))


@matches.command("show")
@click.argument("match")
@answers
def show_match(invocation: Invocation, match: str) -> None:
    """Show all of one match: its teams, their ratings and waits, and the rules it was made under.

    A match that is not recorded yet is looked up in the realm.
    """
    from matchmaker.store import reads

    with invocation.database() as database:
        try:
            found = reads.match(database, invocation.realm, match)
        except errors.UnknownMatch:
            found = reads.RecordedMatch(_of_the_realm(invocation, match))
            recorded = False
        else:
            recorded = True
    output = invocation.output
    if output.as_json:
        output.document({"realm": invocation.realm, **recorded_json(found), "recorded": recorded})
        return
    output.table(_about(found, recorded_yet=recorded))
    for number, team in enumerate(found.match.teams, 1):
        side = next((ticket.side for ticket in team.tickets), "")
        output.line("")
        output.table(
            _members(found.match, team),
            head=(f"team {number}{', ' * bool(side)}{side}", "rating", "deviation", "waited", "ticket", "data"),
            right=(1, 2, 3),
        )


def _of_the_realm(invocation: Invocation, match_id: str) -> Match:
    """The match as the realm's stream still tells it."""
    from matchmaker.calls import Command
    from matchmaker.model import parse_event
    from matchmaker.server import fields_of

    with invocation.matchmaker() as mm:
        read: Command[list[Any]] = Command(("XRANGE", mm.calls.keys.events, match_id, match_id), list)
        for event_id, fields in mm.runner.call(read):
            told = fields_of(fields)
            if told.get("event") == "matched":
                match = parse_event(event_id, "", told["body"]).match
                if match is not None:
                    return match
    raise errors.UnknownMatch(match_id)


def recorded_json(recorded: RecordedMatch) -> dict[str, Any]:
    return {
        **match_json(recorded.match),
        "lost_ms": recorded.lost_ms,
        "result": None if recorded.result is None else asdict(recorded.result),
        "changes": {player: asdict(change) for player, change in recorded.changes.items()},
    }


def _team_words(team: Team) -> str:
    return " + ".join(map(who, team.tickets))


def _waits_ms(match: Match) -> list[int]:
    return [match.at_ms - ticket.enqueued_ms for ticket in match.tickets]


def _row(recorded: RecordedMatch) -> tuple[str, ...]:
    match = recorded.match
    return (
        local_time(match.at_ms),
        match.id + ("" if recorded.lost_ms is None else " (lost)"),
        match.queue,
        " vs ".join(map(_team_words, match.teams)),
        points(match.gap),
        span(max(_waits_ms(match), default=0)),
    )


def _about(recorded: RecordedMatch, *, recorded_yet: bool) -> list[tuple[str, str]]:
    match = recorded.match
    rows = [
        ("match", match.id),
        ("time", local_time(match.at_ms)),
        ("queue", f"{match.queue}, rules version {match.rules_version}"),
        ("gap", f"{points(match.gap)} points"),
        ("value", f"{points(match.value)} points"),
    ]
    rows += arrangement(match)
    if match.proposed:
        rows.append(("proposed", "by a function of your own, not by a pass"))
    if not recorded_yet:
        rows.append(("recorded", "not yet"))
    if recorded.lost_ms is not None:
        rows.append(("lost", f"found on {local_time(recorded.lost_ms)}: a server that failed no longer knew it"))
    return rows


def _members(match: Match, team: Team) -> list[tuple[str, ...]]:
    return [
        (
            f"{player.id}, {ticket.choice}" if ticket.choice else player.id,
            points(player.rating),
            "–" if player.deviation is None else points(player.deviation),
            span(match.at_ms - ticket.enqueued_ms),
            ticket.id,
            ticket.data,
        )
        for ticket in team.tickets
        for player in ticket.players
    ]
