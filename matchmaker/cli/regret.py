"""``regret``: what it cost not to know who would come next."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import click

from matchmaker import errors
from matchmaker.cli.command import Invocation, answers
from matchmaker.cli.completion import complete_queue
from matchmaker.cli.output import Output
from matchmaker.cli.tickets import Number
from matchmaker.errors import InvalidInput
from matchmaker.hindsight import MOST_TICKETS, TICKETS, checked_last, regret_of, windows_plan
from matchmaker.regret import Regret
from matchmaker.words import counted, points, span

if TYPE_CHECKING:
    from matchmaker.client import Matchmaker

SLOW_SECONDS = 1.0


@click.command()
@click.argument("queue", required=False, shell_complete=complete_queue)
@click.option(
    "--last",
    default=str(TICKETS),
    show_default=True,
    metavar="N",
    help=f"Look at so many of the newest tickets of a queue, {MOST_TICKETS} at most.",
)
@click.option("--watch", is_flag=True, help="Go on until Ctrl-C, a line for each queue at a time.")
@click.option(
    "--interval",
    type=Number(),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two readings of --watch.",
)
@answers
def regret(invocation: Invocation, queue: str | None, last: str, watch: bool, interval: Any) -> None:
    """Tell what waits and gaps cost, against what hindsight would have paid.

    Of each queue's last tickets, by the realm's event stream: 1.00 is the best matching that there was for somebody who
    knew the future, 1.50 cost half as much again. A match costs its gap, its price and what both waited; a second
    counts as many points as the queue's willingness grows by. Reads a bounded number of events and computes here: the
    server has no part in it.
    """
    number = checked_last(_whole(last))
    if not isinstance(interval, float) or not 1 <= interval <= 3600:  # NaN fails every comparison
        raise InvalidInput("interval", interval, "a finite number, 1 … 3,600 seconds")
    with invocation.matchmaker() as mm:
        while True:
            started = time.monotonic()
            try:
                for line in readings(mm, queue, number):
                    _tell(invocation.output, line)
            except errors.ServerUnavailable as away:
                if not watch:
                    raise
                invocation.output.error(away)
            if not watch:
                return
            time.sleep(max(0.0, started + interval - time.monotonic()))


@dataclass(frozen=True, slots=True)
class Reading:
    """A queue's regret, and the seconds that its arithmetic took here."""

    regret: Regret
    seconds: float


def readings(mm: Matchmaker, queue: str | None, last: int) -> list[Reading]:
    """The queue's, or every queue's, from one look at the stream."""
    found = []
    for window in mm.runner.run(windows_plan(mm.calls, queue, last)):
        started = time.monotonic()
        answer = regret_of(window)
        found.append(Reading(answer, round(time.monotonic() - started, 3)))
    return found


def sentence(reading: Reading) -> str:
    """``ladder  1.42  waits and gaps cost 1.42 times what hindsight would have paid: 4,210 points, not 2,964 (…)``."""
    it = reading.regret
    if not it.tickets:
        return f"{it.queue}  –  no tickets to compare" + _aside(_bounds(it))
    if it.ratio is None:
        words = f"waits and gaps cost {points(it.live)} points, hindsight would have paid nothing"
    elif it.live == 0:
        words = "nobody waited and no gap was played: nothing could have been better"
    else:
        words = (
            f"waits and gaps cost {it.ratio:.2f} times what hindsight would have paid: {_whole_points(it.live)} "
            f"points, not {_whole_points(it.hindsight)}"
        )
    window = f"last {counted(it.tickets, 'ticket')}, {counted(it.matches, 'match', 'matches')}, {span(it.window_ms)}"
    asides = [window, f"a second counts {it.rate:g}", *_bounds(it)]
    if reading.seconds > SLOW_SECONDS:
        asides.append(f"took {span(1000 * reading.seconds)} to compute")
    return f"{it.queue}  {'–' if it.ratio is None else f'{it.ratio:.2f}'}  {words}" + _aside(asides)


def _bounds(it: Regret) -> list[str]:
    """What the window does not hold."""
    found = [] if it.complete else ["reading stopped at its bound"]
    if it.outside:
        found.append(f"{it.outside:,} left out, matched with earlier ones")
    return found


def _aside(parts: list[str]) -> str:
    return f" ({'; '.join(parts)})" if parts else ""


def _whole_points(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else points(value)


def _tell(output: Output, reading: Reading) -> None:
    body = {field.name: getattr(reading.regret, field.name) for field in fields(Regret)}
    output.answer({**body, "seconds": reading.seconds}, sentence(reading))


def _whole(text: str) -> Any:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else text
