"""How a running demo shows itself: live lines on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from matchmaker.demo.figures import figures
from matchmaker.demo.stage import Stage

RECENT = 5000
"""So many of the last matches make the figures of a line: it shows how things are, the summary how they were."""

PLAIN_SECONDS = 2.0


def status_line(stage: Stage) -> str:
    """``ladder   waiting 38   matched 11,204   wait p50 4.1 s  p95 17 s   gap mean 14   bell p99 3.1 ms …``."""
    truth = stage.truth
    waits = figures(truth.waits_ms[-RECENT:])
    gap = figures(truth.gaps[-RECENT:])["mean"]
    bell = figures(_last(stage.crowds.doorbell_ms, RECENT))["p99"]
    return (
        f"{stage.options.queue:8} waiting {truth.waiting:<6,} matched {truth.matched:<8,} "
        f"wait p50 {_seconds(waits['p50'])}  p95 {_seconds(waits['p95'])}   "
        f"gap mean {'–' if gap is None else f'{gap:.3g}':<5} bell p99 {'–' if bell is None else f'{bell:.1f} ms':<9} "
        f"recorded {stage.recorded:,}/{len(truth.gaps):,}"
    )


@contextmanager
def shown(console: Console) -> Iterator[Callable[[Stage], None]]:
    """What to call with the stage a few times a second, as long as the demo runs."""
    if not console.is_terminal:
        yield _plain(console)
        return
    # Drawn when we say so and by nobody else: no thread, and nothing to disturb the event loop.
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield lambda stage: live.update(_live_lines(stage), refresh=True)


def _plain(console: Console) -> Callable[[Stage], None]:
    due = PLAIN_SECONDS

    def show(stage: Stage) -> None:
        nonlocal due
        if stage.elapsed >= due:
            due = stage.elapsed + PLAIN_SECONDS
            console.print(f"{stage.elapsed:5.0f} s  {status_line(stage)}", highlight=False, soft_wrap=True)

    return show


def _live_lines(stage: Stage) -> Table:
    lines = Table.grid()
    head = Table.grid(padding=(0, 2))
    head.add_row(
        f"  {stage.phase:13}",
        ProgressBar(total=stage.options.seconds, completed=min(stage.elapsed, stage.options.seconds), width=40),
        f"{min(stage.elapsed, stage.options.seconds):.0f} of {stage.options.seconds:g} s",
        f"arrived {len(stage.truth.ledger.tickets):,}",
    )
    lines.add_row(head)
    lines.add_row(Text(f"  {status_line(stage)}", style="bold"))
    return lines


def _last(values: Sequence[float], count: int) -> Iterator[float]:
    return islice(values, max(0, len(values) - count), None)


def _seconds(ms: float | None) -> str:
    return f"{'–' if ms is None else f'{ms / 1000:.2g} s':<6}"
