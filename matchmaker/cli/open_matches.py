"""``matches report``, ``abort``, ``resolve`` and ``open``: matches of the realm that are not finished."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from matchmaker.cli.command import Invocation, answers
from matchmaker.cli.output import local_time
from matchmaker.cli.shapes import RealmClock, result_json
from matchmaker.cli.tidings import outcome_words, result_words
from matchmaker.match_plans import REQUESTED
from matchmaker.model import Result
from matchmaker.reports import MatchState, OpenMatch, Pending
from matchmaker.words import plain, span

_DECIDES = {
    MatchState.OPEN: "open: others have yet to report",
    MatchState.DISPUTED: "disputed: an operator decides, with `matchmaker matches resolve`",
}


def _with_result(function: Callable[..., int]) -> Callable[..., int]:
    """The options that tell a result."""
    options = [
        click.option("--winner", metavar="N|PLAYER", help="The team that won: its number, from 1, or a player of it."),
        click.option("--draw", is_flag=True, help="Nobody won."),
        click.option("--ranks", metavar="N,N…", help="A place for each team, as 1,2: 1 is best, equal ones tie."),
        click.option("--left", metavar="PLAYER", multiple=True, help="A player who left early. May be repeated."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def _told(winner: str | None, draw: bool, ranks: str | None, left: tuple[str, ...]) -> dict[str, Any]:
    """The result as the client takes it; what is no number is left for its checks to refuse."""
    places = None if ranks is None else [_whole(part) for part in ranks.split(",")]
    return {"winner": None if winner is None else _whole(winner), "draw": draw, "ranks": places, "left": left}


def _whole(text: str) -> Any:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text


def _tell(invocation: Invocation, answer: Pending | Result) -> None:
    if isinstance(answer, Result):
        document = {"state": "finished", **result_json(answer)}
        invocation.output.answer(document, f"match {answer.match_id} is finished: {result_words(answer)}")
        return
    document = {"state": answer.state.value, "match": answer.match_id}
    invocation.output.answer(document, f"match {answer.match_id} is {_DECIDES[answer.state]}")


@click.command("report")
@click.argument("match")
@click.option("--player", metavar="PLAYER", help="The player of the match who reports.")
@click.option("--server", metavar="NAME", help="The game server that reports, where the queue trusts one.")
@_with_result
@answers
def report_match(invocation: Invocation, /, match: str, player: str | None, server: str | None, **result: Any) -> None:
    """Tell how a match ended, as one of its players or as a game server.

    The match is finished once a player of each team has told the same, or by the server's word. Different results make
    it disputed.
    """
    told = _told(**result)
    if (player is None) == (server is None):
        raise click.UsageError("give either --player or --server", click.get_current_context())
    with invocation.matchmaker() as mm:
        if player is not None:
            _tell(invocation, mm.report(match, player, **told))
        else:
            _tell(invocation, mm.report_as_server(match, server or "", **told))


@click.command("abort")
@click.argument("match")
@click.option("--player", metavar="PLAYER", help="The player of the match who aborts it, soon after it was made.")
@click.option("--server", metavar="NAME", help="The game server that aborts it, where the queue trusts one.")
@click.option("--operator", metavar="NAME", help="Who aborts it, as an operator: always possible.")
@click.option("--reason", metavar="WORD", default=REQUESTED, show_default=True, help="Why, in a word.")
@answers
def abort_match(invocation: Invocation, /, match: str, reason: str, **who: str | None) -> None:
    """End a match without a result."""
    if sum(one is not None for one in who.values()) != 1:
        raise click.UsageError("give one of --player, --server and --operator", click.get_current_context())
    with invocation.matchmaker() as mm:
        _tell(invocation, mm.abort(match, reason=reason, **who))


@click.command("resolve")
@click.argument("match")
@click.option("--operator", metavar="NAME", default="operator", show_default=True, help="Who decides.")
@click.option("--void", is_flag=True, help="The match does not count.")
@_with_result
@answers
def resolve_match(invocation: Invocation, /, match: str, operator: str, void: bool, **result: Any) -> None:
    """Decide how a match ended that is disputed, or open. That is final."""
    with invocation.matchmaker() as mm:
        _tell(invocation, mm.resolve(match, operator, void=void, **_told(**result)))


@click.command("open")
@answers
def open_matches(invocation: Invocation) -> None:
    """List the matches that are not finished, oldest first: open ones, and those in dispute, which you resolve."""
    output = invocation.output
    with invocation.matchmaker() as mm:
        found = mm.open_matches()
        if output.as_json:
            output.document({"realm": invocation.realm, "matches": [_open_json(one) for one in found]})
            return
        now_ms = RealmClock(mm).now_ms if found else 0
    head = ("time", "match", "queue", "teams", "state", "reports")
    output.table([_row(one, now_ms) for one in found], head=head)


def _open_json(match: OpenMatch) -> dict[str, Any]:
    reports = {who: {"ranks": one.ranks, "left": one.left} for who, one in match.reports.items()}
    return {
        "id": match.id,
        "queue": match.queue,
        "rules": match.rules_version,
        "at_ms": match.at_ms,
        "until_ms": match.until_ms,
        "state": match.state.value,
        "teams": match.teams,
        "reports": reports,
        "left": match.left,
    }


def _row(match: OpenMatch, now_ms: int) -> tuple[str, ...]:
    is_open = match.state is MatchState.OPEN
    return (
        local_time(match.at_ms),
        match.id,
        match.queue,
        " vs ".join(" + ".join(map(plain, team)) for team in match.teams),
        f"open for {span(match.until_ms - now_ms)} more" if is_open else "disputed",
        "; ".join(f"{plain(who)}: {outcome_words(one.ranks)}" for who, one in match.reports.items()) or "none",
    )
