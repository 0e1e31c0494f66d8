"""``ratings import`` and ``ratings export``: what players are worth in a queue when they join without a rating."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from matchmaker.calls import Batch
from matchmaker.cli.command import Invocation, answers, uninterrupted
from matchmaker.cli.rating_file import STANDARD, Columns, parted, read_ratings, replace_file, write_ratings
from matchmaker.errors import InvalidInput, MatchmakerError, UnknownQueue
from matchmaker.model import checked_text
from matchmaker.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matchmaker.calls import Rated
    from matchmaker.client import Matchmaker

TIMEOUT_SECONDS: Final = 600.0
"""One import or export, of millions of players."""

PLAYERS_A_BATCH: Final = 500


@click.group()
def ratings() -> None:
    """Import and export what players are worth in a queue.

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
    where: tuple[tuple[str, str], ...],
    highest: bool,
    dry_run: bool,
) -> None:
    """Store the ratings in FILE (csv with a header, - for standard input) over those that are there.

    All of it or nothing: one bad row refuses the file. The same file again changes nothing. Players whom FILE does not
    name keep what they have, and so do tickets that wait already.
    """
    checked_text("queue", queue)
    rated = read_ratings(file, Columns(player_column, rating_column, deviation_column, where), highest=highest)
    from matchmaker.store.ratings import import_ratings as store
    from matchmaker.store.schema import require

    with invocation.database() as database, invocation.matchmaker() as mm:
        if queue not in mm.rules():
            raise UnknownQueue(queue, mm.calls.realm)
        with uninterrupted():  # else the database would have what the realm has not
            with database.transaction(TIMEOUT_SECONDS) as cursor:
                require(cursor)
                count = store(cursor, mm.calls.realm, queue, rated, dry=dry_run)
            if not dry_run:
                try:
                    _show_to_realm(mm, queue, rated)
                except MatchmakerError:
                    invocation.output.warning(
                        "the database has these ratings, the realm not all of them: import the file again"
                    )
                    raise
    words = f"{count.new:,} new, {count.changed:,} changed, {count.unchanged:,} unchanged"
    body = {
        "realm": invocation.realm,
        "queue": queue,
        "dry_run": dry_run,
        "new": count.new,
        "changed": count.changed,
        "unchanged": count.unchanged,
    }
    lines = [f"{queue}  {counted(len(rated), 'rating')}: {words}"] + ["nothing was changed"] * dry_run
    invocation.output.answer(body, *lines)


def _show_to_realm(mm: Matchmaker, queue: str, rated: Mapping[str, Rated]) -> None:
    """Puts the ratings where enqueue reads them. Also those the database had: the realm may have been emptied."""
    for part in parted(rated, PLAYERS_A_BATCH):
        for answer in mm.runner.batch(Batch(mm.calls.store_ratings(queue, part))):
            if isinstance(answer, MatchmakerError):
                raise answer


@ratings.command("export")
@click.argument("file", default=STANDARD)
@click.option("--queue", required=True, metavar="NAME", help="The queue whose ratings are wanted.")
@answers
def export_ratings(invocation: Invocation, file: str, queue: str) -> None:
    """Write the ratings of a queue to FILE, or to standard output: csv, the highest rating first.

    FILE can be imported as it is. It is replaced as a whole, once all is written.
    """
    checked_text("queue", queue)
    from matchmaker.store.ratings import stored_ratings
    from matchmaker.store.schema import require

    output = invocation.output
    with invocation.database() as database, database.transaction(TIMEOUT_SECONDS, read_only=True) as cursor:
        require(cursor)
        rows = stored_ratings(cursor, invocation.realm, queue)
        if file != STANDARD:
            count = replace_file(file, lambda stream: write_ratings(stream, rows))
            body = {"realm": invocation.realm, "queue": queue, "file": file, "players": count}
            output.answer(body, f"{file}  {counted(count, 'rating')} of {queue}")
        elif output.as_json:
            listed = [
                {"player": player, "rating": rated.rating, "deviation": rated.deviation} for player, rated in rows
            ]
            output.document({"realm": invocation.realm, "queue": queue, "ratings": listed})
        else:
            write_ratings(sys.stdout, rows)
            sys.stdout.flush()
