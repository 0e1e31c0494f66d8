"""``ratings import``, ``export`` and ``recompute``: what players are worth in a queue, and whether that is right."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, astuple
from typing import TYPE_CHECKING, Final

import click

from matchmaker.calls import Rated
from matchmaker.cli.command import Invocation, answers, uninterrupted
from matchmaker.cli.exits import Exit
from matchmaker.cli.rating_file import STANDARD, Columns, Ratings, read_ratings, replace_file, write_ratings
from matchmaker.errors import InvalidInput, MatchmakerError, UnknownQueue
from matchmaker.model import checked_text
from matchmaker.words import counted

if TYPE_CHECKING:
    from matchmaker.client import Matchmaker
    from matchmaker.store.connect import Database
    from matchmaker.store.season import Replay

TIMEOUT_SECONDS: Final = 600.0
"""One import or export, of millions of players."""

MOST_SHOWN: Final = 20


@click.group()
def ratings() -> None:
    """Import, export and recompute what players are worth in a queue.

    Who joins a queue without a rating gets the one that is known here.
    """


def _where(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for text in given:
        column, equals, value = text.partition("=")
        if not equals:
            raise InvalidInput("where", text, "COLUMN=TEXT")
        pairs.append((column, value))
    return tuple(pairs)


@ratings.command("import")
@click.argument("file")
@click.option("--queue", required=True, metavar="NAME", help="The queue in which they are worth that much.")
@click.option("--player-column", default="player", metavar="COLUMN", help="The column of players; player if left out.")
@click.option("--rating-column", default="rating", metavar="COLUMN", help="The column of ratings; rating if left out.")
@click.option(
    "--deviation-column", metavar="COLUMN", help="The column of deviations; if left out: deviation, if there is one."
)
@click.option("--side-column", metavar="COLUMN", help="The column of sides; if left out: as in an export, else none.")
@click.option(
    "--where", multiple=True, callback=_where, metavar="COLUMN=TEXT", help="Only rows with this text. May be repeated."
)
@click.option("--highest", is_flag=True, help="Of several rows of a player take the highest rating; else refuse them.")
@click.option("--dry-run", is_flag=True, help="Only tell what would change.")
@answers
def import_ratings(
    invocation: Invocation,
    file: str,
    *,
    queue: str,
    player_column: str,
    rating_column: str,
    deviation_column: str | None,
    side_column: str | None,
    where: tuple[tuple[str, str], ...],
    highest: bool,
    dry_run: bool,
) -> None:
    """Store the ratings in FILE (csv with a header, - for standard input) over those that are there.

    All of it or nothing: one bad row refuses the file. The same file again changes nothing. Players whom FILE does not
    name keep what they have, and so do tickets that wait already.
    """
    checked_text("queue", queue)
    columns = Columns(player_column, rating_column, deviation_column, where, side_column)
    rated = read_ratings(file, columns, highest=highest)
    from matchmaker.store.ratings import ImportCount
    from matchmaker.store.ratings import import_ratings as store
    from matchmaker.store.schema import require

    with invocation.database() as database, invocation.matchmaker() as mm:
        held = mm.rules().get(queue)
        if held is None:
            raise UnknownQueue(queue, mm.calls.realm)
        _check_sides(rated, queue, held.rules.sides)
        with uninterrupted():  # else the database would have what the realm has not
            with database.transaction(TIMEOUT_SECONDS) as cursor:
                require(cursor)
                counts = [
                    store(cursor, mm.calls.realm, queue, some, side=side, dry=dry_run) for side, some in rated.items()
                ]
            if not dry_run:
                try:
                    _show_to_realm(mm, database, queue, rated)
                except MatchmakerError:
                    invocation.output.warning(
                        "the database has these ratings, the realm not all of them: import the file again"
                    )
                    raise
    count = ImportCount(*(sum(column) for column in zip(*map(astuple, counts), strict=True)))
    words = f"{count.new:,} new, {count.changed:,} changed, {count.unchanged:,} unchanged"
    body = {
        "realm": invocation.realm,
        "queue": queue,
        "dry_run": dry_run,
        "new": count.new,
        "changed": count.changed,
        "unchanged": count.unchanged,
    }
    lines = [f"{queue}  {counted(sum(map(len, rated.values())), 'rating')}: {words}"] + [
        "nothing was changed"
    ] * dry_run
    invocation.output.answer(body, *lines)


def _check_sides(rated: Ratings, queue: str, sides: Sequence[str]) -> None:
    """:raises InvalidInput: the file names a side that the queue does not have."""
    for side in rated:
        if side and side not in sides:
            raise InvalidInput("side", side, f"a side of {queue}: {', '.join(sides) or 'it has none'}")


def _show_to_realm(mm: Matchmaker, database: Database, queue: str, rated: Ratings) -> None:
    """Puts the ratings where enqueue reads them. Also those the database had: the realm may have been emptied."""
    from matchmaker.store.announce import show_imported

    with database.transaction(TIMEOUT_SECONDS) as cursor:
        for side, some in rated.items():
            show_imported(mm.redis, cursor, mm.calls.keys, queue, list(some), side=side)


@ratings.command("export")
@click.argument("file", default=STANDARD)
@click.option("--queue", required=True, metavar="NAME", help="The queue whose ratings are wanted.")
@answers
def export_ratings(invocation: Invocation, file: str, queue: str) -> None:
    """Write the ratings of a queue to FILE, or to standard output: csv, the highest rating first, side by side.

    FILE can be imported as it is. It is replaced as a whole, once all is written.
    """
    checked_text("queue", queue)
    from matchmaker.store.ratings import rated_sides, stored_ratings
    from matchmaker.store.schema import require

    output = invocation.output
    with invocation.database() as database, database.transaction(TIMEOUT_SECONDS, read_only=True) as cursor:
        require(cursor)
        sides = rated_sides(cursor, invocation.realm, queue)
        by_side = [(side, stored_ratings(cursor, invocation.realm, queue, side)) for side in sides]
        if file != STANDARD:
            count = replace_file(file, lambda stream: write_ratings(stream, by_side))
            body = {"realm": invocation.realm, "queue": queue, "file": file, "players": count}
            output.answer(body, f"{file}  {counted(count, 'rating')} of {queue}")
        elif output.as_json:
            listed = [
                {"player": player, "rating": rated.rating, "deviation": rated.deviation}
                | ({"side": side} if side else {})
                for side, rows in by_side
                for player, rated in rows
            ]
            output.document({"realm": invocation.realm, "queue": queue, "ratings": listed})
        else:
            write_ratings(sys.stdout, by_side)
            sys.stdout.flush()


@ratings.command()
@click.argument("queue")
@click.option("--from", "first", metavar="MATCH", help="Begin at this match, not at the first.")
@click.option("--until", "last", metavar="MATCH", help="End at this match, not at the last.")
@click.option("--check/--apply", "only_check", default=True, help="Compare (this is the default), or also correct.")
@answers
def recompute(invocation: Invocation, queue: str, first: str | None, last: str | None, *, only_check: bool) -> Exit:
    """Rate a queue's season again from the match log, and compare every number with those that are stored.

    Equal means equal to the last bit. With --apply what differs is corrected, in the database and in the realm; that
    goes to the season's end, so it does not take --until. Exit code 1 if anything differed and was not corrected.
    """
    checked_text("queue", queue)
    if last is not None and not only_check:
        raise InvalidInput("--until", last, "nothing with --apply: what is corrected counts in all later matches")
    from matchmaker.store import season, settle
    from matchmaker.store.schema import require

    realm = invocation.realm
    with invocation.database() as database, database.transaction(TIMEOUT_SECONDS) as cursor:
        if only_check:  # one moment of it, however far a recorder goes on meanwhile
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        require(cursor)
        if not only_check:
            settle.lock(cursor, realm)
        begin = season.number_of(cursor, realm, queue, first) if first else 1
        end = season.number_of(cursor, realm, queue, last) if last else settle.settled_of(cursor, realm)
        found = season.replay(cursor, realm, queue, begin, end)
        if not only_check:
            season.correct(cursor, realm, found)
    if not only_check and found.corrected:
        by_side: Ratings = {}
        for _, (_, player, side) in found.corrected:
            by_side.setdefault(side, {})[player] = Rated(0.0)
        with invocation.database() as database, invocation.matchmaker() as mm:
            _show_to_realm(mm, database, queue, by_side)
    _tell_recomputed(invocation, queue, found, corrected=not only_check)
    return Exit.NO if found.differences and only_check else Exit.OK


def _tell_recomputed(invocation: Invocation, queue: str, found: Replay, *, corrected: bool) -> None:
    output = invocation.output
    shown = found.differences[:MOST_SHOWN]
    body = {
        "realm": invocation.realm,
        "queue": queue,
        "matches": found.matches,
        "changes": found.changes,
        "differ": len(found.differences),
        "corrected": corrected,
        "differences": [asdict(one) for one in shown],
    }
    differ = f"{counted(len(found.differences), 'number')} {'corrected' if corrected else 'differ'}"
    said = differ if found.differences else "every number is the same"
    lines = [f"{queue}  {counted(found.matches, 'match', 'matches')}, {counted(found.changes, 'rating')}: {said}"]
    lines += [
        f"{one.match}  {one.player}{' ' + one.side if one.side else ''}  {one.number}  stored {one.stored!r}, computed "
        f"{one.computed!r}"
        for one in shown
    ]
    output.answer(body, *lines)
