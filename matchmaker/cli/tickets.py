"""``enqueue``, ``cancel`` and ``status``: one ticket."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import click

from matchmaker.cli.command import Invocation, answers
from matchmaker.cli.completion import complete_queue
from matchmaker.cli.estimate import estimate_words
from matchmaker.cli.exits import Exit
from matchmaker.cli.numbers import plain_number
from matchmaker.cli.shapes import RealmClock, check_line, match_line, ticket_json, ticket_line
from matchmaker.cli.terms import terms_of, text_attributes, with_terms
from matchmaker.client import Matchmaker
from matchmaker.errors import InvalidInput
from matchmaker.model import Ticket, TicketRequest, TicketState, new_ticket_id
from matchmaker.values import checked_queues


class Number(click.ParamType[Any]):
    """A plain decimal number. Anything else is passed on as text: the engine's own check says what is allowed."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return plain_number(value)


def checked_seconds(name: str, value: Any) -> float | None:
    """Seconds given to an option, None where it was not given.

    :raises InvalidInput: not a number from 0 to a million.
    """
    if value is None:
        return None
    if not isinstance(value, float) or not 0 <= value <= 1_000_000:  # NaN fails every comparison
        raise InvalidInput(name, value, "a finite number, 0 … 1,000,000 seconds")
    return value


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line says of a ticket."""

    player: str
    rating: Any
    deviation: Any
    data: str
    ticket: str
    terms: Mapping[str, Any]

    def request(self, texts: Collection[str] = ()) -> TicketRequest:
        """The request; ``texts`` are attributes that the queues compare as texts, numbers or not."""
        brought = terms_of(self.terms, self.deviation, texts)
        deviation = self.deviation if self.rating is not None or "sides" not in brought else None
        return TicketRequest(self.player, self.rating, deviation, self.data, self.ticket, **brought)


@click.command()
@click.argument("queue", metavar="QUEUE[,QUEUE…]", shell_complete=complete_queue)
@click.argument("player")
@click.option("--rating", type=Number(), metavar="X", help="Rating, in points, instead of the one that is known.")
@click.option("--deviation", type=Number(), metavar="X", help="Uncertainty of the rating (of each side's), in points.")
@with_terms
@click.option("--data", default="", metavar="TEXT", help="Text that every event of the ticket carries back.")
@click.option("--ticket", metavar="ID", help="Your id for the ticket: the same id again is the same request.")
@click.option("--wait", type=Number(), metavar="SECONDS", help="Wait so long for the match.")
@answers
def enqueue(
    invocation: Invocation,
    /,
    queue: str,
    player: str,
    *,
    rating: Any,
    deviation: Any,
    data: str,
    ticket: str | None,
    wait: Any,
    **terms: Any,
) -> int:
    """Put a player into a queue, or into up to eight at once: matched in one, the player leaves all.

    Without --rating it is the one the realm has of the player in this queue, else the database's, else the queue's
    default_rating. In a queue with sides, --side says what the player offers.

    With --wait: prints the match, or exits with 1 if none came in time (the ticket still waits then). Ctrl-C leaves the
    ticket waiting too.
    """
    seconds = checked_seconds("wait", wait)
    queues = checked_queues(queue.split(","))
    given = Given(player, rating, deviation, data, new_ticket_id() if ticket is None else ticket, terms)
    request = given.request()
    with invocation.database_if_any() as database, invocation.matchmaker(database=database) as mm:
        if any(isinstance(value, float) for value in (request.attributes or {}).values()):
            held = mm.rules()
            request = given.request(text_attributes(held[name].rules.compiled() for name in queues if name in held))
        (entered,) = mm.enqueue_many(queues, [request])
        if not isinstance(entered, Ticket):
            raise entered
        if seconds is None or entered.state is not TicketState.WAITING:
            _tell(invocation, mm, entered, in_queue=True)
            return Exit.NO if entered.state in (TicketState.CANCELLED, TicketState.EXPIRED) else Exit.OK
        if not invocation.output.as_json:
            invocation.output.line(ticket_line(entered) + _about(mm, entered))
        match = mm.wait_for_match(entered, timeout=seconds)
        matched = mm.status(entered) if invocation.output.as_json else entered
        invocation.output.answer(ticket_json(matched), match_line(RealmClock(mm), match, entered.id))
    return Exit.OK


_TICKET = click.argument("ticket", required=False)
_PLAYER = click.option("--player", metavar="PLAYER", help="The player's ticket, instead of naming it.")


@click.command()
@_TICKET
@_PLAYER
@answers
def cancel(invocation: Invocation, ticket: str | None, player: str | None) -> int:
    """Take a waiting ticket off its queue.

    Cancelling twice is cancelling once. If the ticket was matched or expired before, that is told, with exit code 1.
    """
    with invocation.matchmaker() as mm:
        ended = _either(ticket, player, mm.cancel, mm.cancel_player)
        _tell(invocation, mm, ended)
    return Exit.OK if ended.state is TicketState.CANCELLED else Exit.NO


@click.command()
@_TICKET
@_PLAYER
@answers
def status(invocation: Invocation, ticket: str | None, player: str | None) -> int:
    """Tell how a ticket stands.

    With --player: the waiting ticket, else the one that ended last.
    """
    with invocation.matchmaker() as mm:
        _tell(invocation, mm, _either(ticket, player, mm.status, mm.status_of_player))
    return Exit.OK


def _either(
    ticket: str | None, player: str | None, by_ticket: Callable[[str], Ticket], by_player: Callable[[str], Ticket]
) -> Ticket:
    if ticket is not None and player is None:
        return by_ticket(ticket)
    if player is not None and ticket is None:
        return by_player(player)
    raise click.UsageError("give either a TICKET or --player", click.get_current_context())


def _about(mm: Matchmaker, ticket: Ticket) -> str:
    """How long a ticket that waits will probably wait still; nothing where nobody knows."""
    told = mm.estimate_ticket(ticket) if ticket.state is TicketState.WAITING else None
    return f"   {estimate_words(told)}" if told is not None else ""


def _tell(invocation: Invocation, mm: Matchmaker, ticket: Ticket, *, in_queue: bool = False) -> None:
    """The ticket, and its match once it has one. ``in_queue``: it joined just now, so its wait says nothing."""
    lines = []
    if not invocation.output.as_json:
        clock = RealmClock(mm)
        lines.append(ticket_line(ticket, None if in_queue else clock.now_ms) + _about(mm, ticket))
        if ticket.match is not None:
            lines.append(match_line(clock, ticket.match, ticket.id))
        if ticket.check is not None:
            lines.append(check_line(clock, ticket.check, ticket.id))
    invocation.output.answer(ticket_json(ticket), *lines)
