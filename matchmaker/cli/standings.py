"""``leaderboard``, ``profile``, ``versus``: who stands where, how a player did, how two did against each other."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from matchmaker.cli.command import Invocation, answers
from matchmaker.cli.completion import complete_queue
from matchmaker.cli.output import local_time
from matchmaker.words import counted, plain, points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matchmaker.standings import Leaderboard
    from matchmaker.store.reads import RecordedMatch
    from matchmaker.store.standings import HeadToHead, Meetings, QueueRecord

MOST_LISTED = 1_000
MATCHES_SHOWN = 10


@click.command()
@click.argument("queue", shell_complete=complete_queue)
@click.option("--side", default="", metavar="SIDE", help="The ratings of this side, in a queue with sides.")
@click.option("--around", metavar="PLAYER", help="The part of the list in which this player stands.")
@click.option(
    "--most",
    metavar="N",
    type=click.IntRange(1, MOST_LISTED),
    default=20,
    show_default=True,
    help="How many to list.",
)
@click.option("--first", metavar="PLACE", type=click.IntRange(1), default=1, help="Begin at this place of the list.")
@answers
def leaderboard(invocation: Invocation, queue: str, *, side: str, around: str | None, most: int, first: int) -> None:
    """List the rated players of a queue, the highest rating first.

    Equals share a rank. The percentile is the share of the others who are not above.
    """
    from matchmaker.standings import around_plan, top_plan

    with invocation.matchmaker() as mm:
        if around is None:
            plan = top_plan(mm.calls, queue, side, most, first)
        else:
            plan = around_plan(mm.calls, queue, around, side, most)
        board = mm.runner.run(plan)
    output = invocation.output
    if output.as_json:
        output.document({"realm": invocation.realm, **asdict(board)})
        return
    if not board.of:
        output.line(f"nobody is rated in {_place(queue, side)} yet")
        return
    if not board.lines:
        output.line(f"{_place(queue, side)} has {counted(board.of, 'rated player')}: none at place {first:,}")
        return
    letters = any(line.letter for line in board.lines)
    head = ("rank", "player", "rating", "percentile", *(["letter"] * letters), *([""] * (around is not None)))
    output.table(list(_lines(board, letters=letters, around=around)), head=head, right=(0, 2, 3))
    output.line("")
    last = board.first + len(board.lines) - 1
    output.line(f"places {board.first:,} to {last:,} of {board.of:,} in {_place(queue, side)}")


def _lines(board: Leaderboard, *, letters: bool, around: str | None) -> list[tuple[str, ...]]:
    return [
        (
            f"{line.rank:,}",
            line.player,
            points(line.rating),
            f"{line.percentile:.1f}",
            *([line.letter] * letters),
            *(["<" if line.player == around else ""] * (around is not None)),
        )
        for line in board.lines
    ]


def _place(queue: str, side: str) -> str:
    return f"{queue}, {side}" if side else queue


@click.command()
@click.argument("player")
@answers
def profile(invocation: Invocation, player: str) -> None:
    """Show what is recorded of a player: ratings and games by queue, and the last matches.

    Times are realm time, in this machine's time zone.
    """
    from matchmaker.store.reads import matches
    from matchmaker.store.standings import profile_plan

    with invocation.database() as database:
        found = database.run(profile_plan(invocation.realm, player))
        played = matches(database, invocation.realm, player=player, most=MATCHES_SHOWN)
    output = invocation.output
    if output.as_json:
        from matchmaker.cli.matches import recorded_json

        listed = [recorded_json(one) for one in played]
        output.document({"realm": invocation.realm, **asdict(found), "matches": listed})
        return
    output.line(f"{plain(found.player)}, since {local_time(found.since_ms)}")
    if found.records:
        output.line("")
        head = ("queue", "rating", "deviation", "games", "won", "lost", "drawn", "highest", "last played")
        output.table([_record(one) for one in found.records], head=head, right=range(1, 8))
    if played:
        output.line("")
        columns = ("time", "match", "queue", "against", "result", "rating")
        output.table([_match(one, player) for one in played], head=columns, right=(5,))


def _record(one: QueueRecord) -> tuple[str, ...]:
    return (
        _place(one.queue, one.side),
        points(one.rating),
        "–" if one.deviation is None else points(one.deviation),
        *(f"{count:,}" for count in (one.games, one.won, one.lost, one.drawn)),
        "–" if one.highest is None else points(one.highest),
        "–" if one.played_ms is None else local_time(one.played_ms),
    )


def _match(one: RecordedMatch, player: str) -> tuple[str, ...]:
    """A match as one of its players sees it."""
    match = one.match
    own = next(number for number, team in enumerate(match.teams) if player in team.players)
    against = [" + ".join(team.players) for number, team in enumerate(match.teams) if number != own]
    change = one.changes.get(player)
    return (
        local_time(match.at_ms),
        match.id,
        match.queue,
        " vs ".join(against),
        result_of(one, own),
        "" if change is None else f"{points(change.after)} ({signed(change.after - change.before)})",
    )


def result_of(one: RecordedMatch, team: int) -> str:
    """What became of the match for a team, counted from 0: ``won``, ``lost``, ``drawn``, ``3 of 4``, ``aborted``."""
    if one.result is None:
        return "lost by a failure" if one.lost_ms is not None else ""
    if one.result.outcome != "played":
        return one.result.outcome
    ranks: Sequence[int] = one.result.ranks
    if len(ranks) > 2:
        return f"{ranks[team]} of {len(ranks)}"
    if ranks.count(ranks[team]) > 1:
        return "drawn"
    return "won" if ranks[team] == 1 else "lost"


def signed(change: float) -> str:
    """Points with a sign: +12.5, −8."""
    return f"{'−' if change < 0 else '+'}{points(abs(change))}"


@click.command()
@click.argument("player")
@click.argument("other")
@answers
def versus(invocation: Invocation, player: str, other: str) -> None:
    """Tell how a player did against another, by queue.

    Matches in which both were in one team do not count.
    """
    from matchmaker.store.standings import head_to_head_plan

    with invocation.database() as database:
        found = database.run(head_to_head_plan(invocation.realm, player, other))
    output = invocation.output
    if output.as_json:
        totals = {"won": found.won, "lost": found.lost, "drawn": found.drawn}
        output.document({"realm": invocation.realm, **asdict(found), **totals})
        return
    if not found.queues:
        output.line(f"{plain(player)} and {plain(other)} have not met")
        return
    head = ("queue", plain(player), plain(other), "drawn", "last match", "on")
    output.table(_meetings(found), head=head, right=(1, 2, 3))


def _meetings(found: HeadToHead) -> list[tuple[str, ...]]:
    rows = [_meeting(one) for one in found.queues]
    if len(rows) > 1:
        rows.append(("all", f"{found.won:,}", f"{found.lost:,}", f"{found.drawn:,}", "", ""))
    return rows


def _meeting(one: Meetings) -> tuple[str, ...]:
    return (one.queue, f"{one.won:,}", f"{one.lost:,}", f"{one.drawn:,}", one.last_match, local_time(one.last_ms))
