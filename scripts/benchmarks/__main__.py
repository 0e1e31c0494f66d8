"""``python -m scripts.benchmarks``: measures rows and prints what they reached.

Exit code 0 when everything was measured, whether or not the goals are met; 1 with --strict if one is not; 2 for a wrong
command line.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path

import click
from rich.console import Console

from matchmaker.embedded import find_binary
from matchmaker.errors import MatchmakerError
from scripts.benchmarks import report, rows
from scripts.benchmarks.harness import Figure, Row, Run

ROOT = Path(__file__).resolve().parent.parent.parent
USUAL_RATINGS = ROOT.parent / "shared" / "data" / "evoladder_ratings.csv"
WIDE = 240
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def listing(names: tuple[str, ...]) -> str:
    """Each row with its goal and what its module says."""
    return "\n\n".join(f"{name}: {row.goal}\n\n{text.strip()}" for name, (row, text) in _loaded(names).items())


def _loaded(names: tuple[str, ...]) -> dict[str, tuple[Row, str]]:
    return {name: rows.load(name) for name in names}


def run_rows(console: Console, names: tuple[str, ...], run: Run) -> list[Figure]:
    """Measures one row after the other, each printed as soon as it is complete."""
    found: list[Figure] = []
    for name, (row, _) in _loaded(names).items():
        started = time.monotonic()
        figures = list(row.measure(run))
        report.show(console, name, figures, time.monotonic() - started)
        found += figures
    return found


@click.command(help="Measures the rows named, or all of them, on servers of its own.")
@click.argument("names", nargs=-1, metavar="[ROW]...", type=click.Choice(rows.NAMES))
@click.option("--list", "listed", is_flag=True, help="Say what each row measures, against what, and its goal.")
@click.option("--quick", is_flag=True, help="Smaller sizes: about two minutes instead of twenty-five.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Also write the figures to this file.")
@click.option("--plots", "plots_path", type=click.Path(path_type=Path, file_okay=False), help="Draw into this folder.")
@click.option("--ratings", type=FILE, help="A csv file with a column mmr; of sides too.")
@click.option("--binary", type=FILE, help="The server program to measure on, instead of the embedded one.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--strict", is_flag=True, help="Exit with 1 if a goal is not met.")
def main(
    *,
    names: tuple[str, ...],
    listed: bool,
    quick: bool,
    json_path: Path | None,
    plots_path: Path | None,
    ratings: Path | None,
    binary: Path | None,
    seed: int,
    strict: bool,
) -> None:
    console, progress = Console(soft_wrap=True), Console(stderr=True)
    if not console.is_terminal:
        console.width = WIDE  # a file has no edge to wrap at
    # In the order of the list, each once.
    chosen = tuple(name for name in rows.NAMES if not names or name in names)
    if listed:
        console.print(listing(chosen), highlight=False, markup=False)
        return
    if ratings is None and USUAL_RATINGS.exists():
        ratings = USUAL_RATINGS
    run = Run(quick, seed, ratings, binary, say=lambda text: progress.print(text, style="dim", highlight=False))
    try:
        server = find_binary(binary)
        console.print(
            f"{server.name} {server.version}, Python {platform.python_version()}, {os.cpu_count()} cores, seed {seed}"
            f"{', quick' if quick else ''}. Values are medians unless --list says otherwise. No log on disk.\n"
        )
        figures = run_rows(console, chosen, run)
    except MatchmakerError as error:
        raise click.ClickException(str(error)) from error
    console.print(report.summary(figures), highlight=False, markup=False)
    if json_path is not None:
        report.write_json(json_path, figures)
    if plots_path is not None:
        from scripts.benchmarks.plots import plot

        plot(plots_path, figures)
    if strict and not all(figure.ok for figure in figures if figure.goal is not None):
        sys.exit(1)


if __name__ == "__main__":
    main(prog_name="scripts/bench")
