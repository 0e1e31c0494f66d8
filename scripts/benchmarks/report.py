"""What a run hands out: a table, a JSON list, pictures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scripts.benchmarks.harness import Figure

VERDICTS = {True: "[green]ok[/]", False: "[bold red]falls short[/]", None: ""}


def number(value: float) -> str:
    """Four digits that count, thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def spread(samples: Sequence[float]) -> str:
    """Lowest and highest sample."""
    return f"{number(min(samples))} … {number(max(samples))}" if len(samples) > 1 else ""


def show(console: Console, row: str, figures: Iterable[Figure], seconds: float) -> None:
    """The figures of one row, and how long they took."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    for justify in ("left", "right", "left", "left", "left", "left", "left"):
        table.add_column(justify=justify, no_wrap=True)
    for figure in figures:
        table.add_row(
            f"  {figure.size:,}" if isinstance(figure.size, int) else f"  {figure.size}",
            number(figure.value),
            figure.unit,
            spread(figure.samples),
            "" if figure.goal is None else f"goal {figure.goal}",
            VERDICTS[figure.ok],
            figure.note,
            style=None if figure.goal else "dim",
        )
    console.print(f"[bold]{row}[/]  [dim]{seconds:.0f} s[/]", highlight=False)
    console.print(table)
    console.print()


def summary(figures: Sequence[Figure]) -> str:
    """One sentence, and a line for each figure that falls short."""
    judged = [figure for figure in figures if figure.goal is not None]
    short = [figure for figure in judged if not figure.ok]
    lines = [f"{len(judged) - len(short)} of {len(judged)} goals are met."]
    for figure in short:
        reached = f"{number(figure.value)} {figure.unit}, goal {figure.goal}"
        lines.append(f"falls short: {figure.row}, {figure.size}: {reached}")
    return "\n".join(lines)


def write_json(path: Path, figures: Sequence[Figure]) -> None:
    """A list of {row, size, value, unit, goal, ok, samples}."""
    text = json.dumps([figure.as_json() for figure in figures], indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
