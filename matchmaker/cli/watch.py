"""``watch``: the events of one player, as they come."""

from __future__ import annotations

import time
from typing import Any

import click

from matchmaker.cli.command import Invocation, answers
from matchmaker.cli.exits import Exit
from matchmaker.cli.shapes import RealmClock, event_json, event_line
from matchmaker.cli.tickets import Number, checked_seconds


@click.command()
@click.argument("player")
@click.option("--after", default="", metavar="ID", help="Begin after this event; else with the latest ticket's first.")
@click.option("--for", "duration", type=Number(), metavar="SECONDS", help="Leave after so long; else with Ctrl-C.")
@answers
def watch(invocation: Invocation, player: str, after: str, duration: Any) -> int:
    """Print a player's events as they come, each once, in order.

    Begins with the latest ticket's events, and goes on through every loss of the connection. With --json: one line an
    event, with the `id` that --after takes.
    """
    seconds = checked_seconds("for", duration)
    deadline = None if seconds is None else time.monotonic() + seconds
    output = invocation.output
    with invocation.matchmaker() as mm, mm.listen(player, after) as listener:
        clock = RealmClock(mm)
        while True:
            event = listener.get(None if deadline is None else deadline - time.monotonic())
            if event is None:
                return Exit.OK
            if output.as_json:
                output.document(event_json(event))
            else:
                clock.refresh()
                output.line(event_line(clock, event, player))
