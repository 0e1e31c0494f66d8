"""One picture a row: every judged figure over its goal, with its samples; for in-time, waits against gaps as well."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.benchmarks.harness import Figure


def plot(folder: Path, figures: Sequence[Figure]) -> list[Path]:
    """Draws what was measured; answers the files written, named after the rows."""
    # Loaded here and nowhere else: it takes most of a second.
    import matplotlib as mpl

    mpl.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for row in dict.fromkeys(figure.row for figure in figures):
        of_row = [figure for figure in figures if figure.row == row]
        judged = [figure for figure in of_row if figure.goal is not None]
        if judged:
            written.append(_over_goal(folder / f"{row}.png", row, judged))
        if row == "in-time":
            written.append(_waits_and_gaps(folder / f"{row}-waits-and-gaps.png", of_row))
    return written


def _over_goal(path: Path, row: str, figures: Sequence[Figure]) -> Path:
    """Each figure as a share of its goal, so that figures of different units stand side by side."""
    from matplotlib import pyplot

    height = 1.2 + 0.4 * len(figures)
    drawing, axes = pyplot.subplots(figsize=(9, height), layout="constrained")
    for place, figure in enumerate(figures):
        assert figure.goal is not None
        colour = "tab:green" if figure.ok else "tab:red"
        axes.barh(place, figure.value / figure.goal.bound, color=colour, alpha=0.6)
        shares = [sample / figure.goal.bound for sample in figure.samples]
        axes.plot(shares, [place] * len(shares), "|", color="black")
    axes.axvline(1.0, color="black", linewidth=1)
    labels = [f"{figure.size}   ({figure.goal} {figure.unit})" for figure in figures]
    axes.set_yticks(range(len(figures)), labels, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("share of the goal; green meets it")
    axes.set_title(row)
    return _saved(drawing, path)


def _waits_and_gaps(path: Path, figures: Sequence[Figure]) -> Path:
    """For each rate a curve through the growths, and the wave that it is compared with."""
    from matplotlib import pyplot

    points: dict[str, dict[str, dict[str, float]]] = {}
    for figure in figures:
        if figure.goal is None:
            rate, _, rest = str(figure.size).partition(", ")
            kind, _, what = rest.partition(": ")
            points.setdefault(rate, {}).setdefault(kind, {})[what] = figure.value
    drawing, axes = pyplot.subplots(figsize=(8, 6), layout="constrained")
    for rate, kinds in points.items():
        growths = [point for kind, point in kinds.items() if kind != "wave"]
        (curve,) = axes.plot([at["wait"] for at in growths], [at["gap"] for at in growths], "o-", label=rate)
        axes.plot(kinds["wave"]["wait"], kinds["wave"]["gap"], "X", markersize=11, color=curve.get_color())
    axes.set_xlabel("mean wait, s")
    axes.set_ylabel("mean gap, points")
    axes.set_title("0.25 to 4 points of willingness a second; crosses are the 45 s wave")
    axes.legend()
    return _saved(drawing, path)


def _saved(drawing: Any, path: Path) -> Path:
    from matplotlib import pyplot

    drawing.savefig(path, dpi=110)
    pyplot.close(drawing)
    return path
