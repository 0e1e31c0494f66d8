"""``explain``: why a player still waits."""

from __future__ import annotations

import click

from matchmaker.cli.command import Invocation, answers
from matchmaker.explanation import sentences

MOST_TOLD = 20


@click.command()
@click.argument("player", required=False)
@click.option("--ticket", metavar="ID", help="The ticket, instead of its player.")
@click.option(
    "--most",
    metavar="N",
    type=click.IntRange(1, MOST_TOLD),
    default=3,
    show_default=True,
    help="How many of the nearest to tell, to either side of each rating.",
)
@answers
def explain(invocation: Invocation, player: str | None, ticket: str | None, most: int) -> None:
    """Tell why a player still waits: who is near, and what stands between, and when that will pass.

    For each queue: the nearest in rating, and of each the first rule that keeps the two apart. Who is due can be taken
    by the next pass. Of a ticket that ended, how it did.
    """
    if (player is None) == (ticket is None):
        raise click.UsageError("give either a PLAYER or --ticket", click.get_current_context())
    with invocation.matchmaker() as mm:
        told = mm.explain(ticket, most) if ticket is not None else mm.explain_player(player or "", most)
    invocation.output.answer(told.as_dict(), *sentences(told))
