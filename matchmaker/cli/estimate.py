"""``estimate``: how long a ticket would wait, by what the realm saw lately."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from matchmaker.cli.command import Invocation, answers
from matchmaker.cli.completion import complete_queue
from matchmaker.cli.exits import Exit
from matchmaker.cli.numbers import plain_number
from matchmaker.estimates import Estimate


def _seconds(seconds: float) -> str:
    """``6 s``, ``3 min``: no more digits than an estimate deserves."""
    if seconds < 1:
        return "1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def estimate_words(told: Estimate) -> str:
    """``about 6 s (80%: under 15 s)``."""
    if told.p50_seconds is None:
        return "longer than anybody waited lately"
    if told.p80_seconds is None:
        return f"about {_seconds(told.p50_seconds)} (80%: longer than anybody waited lately)"
    return f"about {_seconds(told.p50_seconds)} (80%: under {_seconds(told.p80_seconds)})"


@click.command()
@click.argument("queue", shell_complete=complete_queue)
@click.option("--rating", required=True, type=str, metavar="NUMBER", help="The rating of the ticket, in points.")
@click.option("--side", default="", metavar="SIDE", help="The side it offers, in a queue that has sides.")
@click.option("--waited", default="0", metavar="SECONDS", help="How long it has waited already.")
@answers
def estimate(invocation: Invocation, queue: str, rating: str, side: str, waited: str) -> int:
    """Tell how long a ticket would wait, by what the realm saw lately.

    Half of those who waited in the queue at about this rating were found within the first time, four of five within the
    second. Exit code 1 where too little was seen to tell.
    """
    with invocation.matchmaker() as mm:
        given: tuple[Any, Any] = plain_number(rating), plain_number(waited)
        told = mm.estimate(queue, given[0], waited_seconds=given[1], side=side)
    if told is None:
        invocation.output.answer(None, f"{queue}: too few tickets were seen lately to tell")
        return Exit.NO
    invocation.output.answer(asdict(told), f"{estimate_words(told)}   of {told.samples:,} tickets")
    return Exit.OK
