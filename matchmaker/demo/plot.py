"""The picture of a demo: how long the two of a match waited, against how far apart they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matchmaker.demo.figures import figures, percentile
from matchmaker.demo.report import Report
from matchmaker.rules import Linear, QueueRules

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MISSING = "no picture without matplotlib: pip install 'matchmaker[plots]'"
INK, SOFT, BARS, RULE = "#22303c", "#6b7c8c", "#8fb4c9", "#c8553d"
CELLS, SHAPE = 72, 0.63
"""Cells from left to right, and the height of their axes over its width: with it the hexagons come out regular."""

TICKS = (0, 0.1, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


def draw(report: Report, path: Path) -> None:
    """Writes a PNG and tells the report of it, or adds a note to it on what was missing."""
    stage = report.stage
    if not stage.truth.gaps:
        report.notes.append("no picture: nobody was matched")
        return
    try:
        # Late, and without pyplot: it takes most of a second, and most programs that import us draw nothing.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        report.notes.append(MISSING)
        return
    figure = Figure(figsize=(9.6, 7.2), dpi=120, facecolor="white")
    FigureCanvasAgg(figure)
    waits = [ms / 1000 for ms in stage.truth.mean_waits_ms]
    _fill(figure, report, waits, list(stage.truth.gaps))
    figure.savefig(path)
    report.picture = str(path)


def _fill(figure: Figure, report: Report, waits: Sequence[float], gaps: Sequence[float]) -> None:
    grid = figure.add_gridspec(
        2, 2, width_ratios=(6, 1), height_ratios=(1, 5), left=0.085, right=0.975, bottom=0.085, top=0.86,
        wspace=0.03, hspace=0.04,
    )  # fmt: skip
    main = figure.add_subplot(grid[1, 0])
    above, beside = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 1])
    # Waits and gaps crowd near zero and have long tails. On axes of square roots both show, zeros too, and a line
    # through the origin stays one.
    right, top = (1.04 * math.sqrt(max(values)) or 1.0 for values in (waits, gaps))
    cells = main.hexbin(
        [math.sqrt(wait) for wait in waits],
        [math.sqrt(gap) for gap in gaps],
        gridsize=(CELLS, round(CELLS * SHAPE / math.sqrt(3))),
        extent=(0, right, 0, top),
        mincnt=1,
        bins="log",
        cmap="viridis",
        linewidths=0.2,
    )
    _rule_line(main, report, right, top)
    for axes in (main, above, beside):
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["bottom", "left"]].set_color(SOFT)
        axes.tick_params(colors=SOFT, labelsize=9)
    _root_ticks(main, right, top)
    main.set_xlabel("waited, mean of the two players (s)", color=INK)
    main.set_ylabel("gap between their ratings (points)", color=INK)
    _margins(above, beside, (waits, right), (gaps, top))
    scale = figure.colorbar(cells, cax=main.inset_axes((0.03, 0.52, 0.018, 0.4)))
    scale.set_label("matches in a cell", color=INK, fontsize=9)
    scale.ax.tick_params(colors=SOFT, labelsize=8)
    scale.ax.yaxis.set_major_formatter("{x:,.0f}")
    scale.minorticks_off()
    _titles(figure, report)


def _rule_line(main: Axes, report: Report, right: float, top: float) -> None:
    """Where a pair falls due, for rules under which that depends on nothing but the two waits."""
    rules = report.stage.rules[report.stage.options.queue]
    rate = _points_a_second(rules)
    if rate is None:
        return
    slope = math.sqrt(2 * rate)
    end = min(right, top / slope) if slope else right
    main.plot((0, end), (0, slope * end), color=RULE, linewidth=1.4)
    main.annotate(
        "a pair falls due:\ngap = what both give",
        xy=(0.62 * end, 0.62 * slope * end),
        xytext=(-14, 18),
        textcoords="offset points",
        ha="right",
        color=RULE,
        fontsize=9.5,
        arrowprops={"arrowstyle": "-", "color": RULE, "linewidth": 0.8},
    )


def _points_a_second(rules: QueueRules) -> float | None:
    given = rules.willingness
    plain = isinstance(given, Linear) and given.base == 0 and given.cap is None and given.per_deviation == 0
    return given.per_second if plain and isinstance(given, Linear) and rules.accept == "sum" else None


def _root_ticks(main: Axes, right: float, top: float) -> None:
    for end, set_ticks, set_limits in ((right, main.set_xticks, main.set_xlim), (top, main.set_yticks, main.set_ylim)):
        ticks: list[float] = []
        for tick in TICKS:
            # Closer than this to the last one, the labels would touch.
            if math.sqrt(tick) <= end and (not ticks or math.sqrt(tick) - math.sqrt(ticks[-1]) > 0.05 * end):
                ticks.append(tick)
        set_ticks([math.sqrt(tick) for tick in ticks], [f"{tick:,g}" for tick in ticks])
        set_limits(*_limits(end))


def _margins(
    above: Axes, beside: Axes, waits: tuple[Sequence[float], float], gaps: tuple[Sequence[float], float]
) -> None:
    """How often each wait and each gap occurs, on the same axes as the cells."""
    box = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1}
    words: dict[str, Any] = {"textcoords": "offset points", "color": INK, "fontsize": 9, "bbox": box}
    roots, edges = _bins(*waits)
    median = percentile(roots, 50)
    above.hist(roots, bins=edges, color=BARS)
    above.axvline(median, color=INK, linewidth=1)
    above.annotate(
        f"median {median**2:.2g} s", (median, 1), xycoords=("data", "axes fraction"), xytext=(5, -8), **words
    )
    above.set_xlim(*_limits(waits[1]))
    roots, edges = _bins(*gaps)
    median = percentile(roots, 50)
    beside.hist(roots, bins=edges, color=BARS, orientation="horizontal")
    beside.axhline(median, color=INK, linewidth=1)
    beside.annotate(
        f"median {median**2:.2g}", (1, median), xycoords=("axes fraction", "data"), xytext=(0, 5), ha="right", **words
    )
    beside.set_ylim(*_limits(gaps[1]))
    for axes, side in ((above, "left"), (beside, "bottom")):
        axes.spines[side].set_visible(False)
        axes.tick_params(bottom=False, left=False, labelbottom=False, labelleft=False)


def _bins(values: Sequence[float], end: float) -> tuple[list[float], list[float]]:
    return sorted(math.sqrt(value) for value in values), [end * i / CELLS for i in range(CELLS + 1)]


def _limits(end: float) -> tuple[float, float]:
    return -0.012 * end, end


def _titles(figure: Figure, report: Report) -> None:
    stage, options = report.stage, report.stage.options
    waits = figures(stage.truth.waits_ms)
    figure.text(0.085, 0.945, "The longer two players wait, the wider a gap they accept", fontsize=15, color=INK)
    figure.text(
        0.085,
        0.905,
        f"{options.queue}: {len(stage.truth.gaps):,} matches of {options.rate:g} players/s. A player waits "
        f"{(waits['p50'] or 0) / 1000:.2g} s (p50), {(waits['p95'] or 0) / 1000:.2g} s (p95), "
        f"{(waits['p99'] or 0) / 1000:.2g} s (p99).",
        fontsize=10,
        color=SOFT,
    )
