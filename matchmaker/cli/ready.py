"""``accept`` and ``decline``: a player's answer to a ready check."""

from __future__ import annotations

import click

from matchmaker.cli.command import Invocation, answers
from matchmaker.cli.shapes import RealmClock, match_json, match_line
from matchmaker.model import Match
from matchmaker.words import plain


@click.command()
@click.argument("check")
@click.argument("player")
@answers
def accept(invocation: Invocation, check: str, player: str) -> None:
    """Say that a player is ready for the match that was found.

    CHECK is the id that `status` and `watch` tell. With the last one who accepts the match is made. Accepting twice is
    accepting once.
    """
    with invocation.matchmaker() as mm:
        answer = mm.accept(check, player)
        if isinstance(answer, Match):
            own = next((one.id for one in answer.tickets if player in [who.id for who in one.players]), "")
            document = {"check": check, "player": player, "match": match_json(answer)}
            invocation.output.answer(document, match_line(RealmClock(mm), answer, own))
            return
    waiting = {"check": check, "player": player, "accepted": answer.accepted, "needed": answer.needed, "match": None}
    invocation.output.answer(waiting, f"{plain(player)} is ready: {answer.accepted} of {answer.needed} are")


@click.command()
@click.argument("check")
@click.argument("player")
@answers
def decline(invocation: Invocation, check: str, player: str) -> None:
    """Say that a player will not play the match that was found.

    The player leaves the queue, under a penalty where the queue has any. The others wait on as if they had never
    stopped.
    """
    with invocation.matchmaker() as mm:
        answer = mm.decline(check, player)
        line = f"{plain(player)} declined, ticket {answer.ticket} is cancelled"
        if answer.penalty_until_ms is not None and not invocation.output.as_json:
            line += f"; barred until {RealmClock(mm).wall(answer.penalty_until_ms)}"
    document = {
        "check": check,
        "player": player,
        "ticket": answer.ticket,
        "penalty_until_ms": answer.penalty_until_ms,
    }
    invocation.output.answer(document, line)
