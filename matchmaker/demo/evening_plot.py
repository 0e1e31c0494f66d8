"""The picture of the evenings: what ratings knew of hidden skills before, and what they know after."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from matchmaker.calls import Rated
from matchmaker.demo.evening_report import EveningReport, Learned, deviation_of
from matchmaker.demo.figures import percentile
from matchmaker.demo.plot import BARS, INK, MISSING, RULE, SOFT
from matchmaker.standings import REST, letter_of
from matchmaker.standings import percentile as standing_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHADES: Final = ("#3b1f5b", "#6a3d8f", "#2f7f9e", "#6fb08c", "#c9b458", "#b9c4cc")
"""Of letters, the best first; the last is for the rest."""

Key = tuple[str, str]


def draw(report: EveningReport, path: Path) -> None:
    """Writes a PNG and tells the report of it, or adds a note to it on what was missing."""
    if len(report.skills) < 2:
        report.notes.append("no picture: nobody played")
        return
    try:
        # Late, and without pyplot, as in plot.py.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        report.notes.append(MISSING)
        return
    figure = Figure(figsize=(11.4, 9.6), dpi=120, facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        2, 2, height_ratios=(5, 3.6), left=0.07, right=0.975, bottom=0.07, top=0.87, wspace=0.16, hspace=0.3
    )
    before, after = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    below, ranks = figure.add_subplot(grid[1, 0]), figure.add_subplot(grid[1, 1])
    for axes in (before, after, below, ranks):
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["bottom", "left"]].set_color(SOFT)
        axes.tick_params(colors=SOFT, labelsize=9)
    letters = letters_of(report)
    colours = _colours(report)
    first, last = report.evenings.samples[0].shown, report.evenings.samples[-1].shown
    ends = _ends(report, first, last)
    _scatter(before, report, first, ends, dict.fromkeys(report.skills, BARS))
    _scatter(after, report, last, ends, {key: colours[letter] for key, letter in letters.items()})
    _caption(before, "before", report.before)
    _caption(after, f"after {report.options.evenings} evenings, by letter rank", report.after)
    before.set_ylabel("rating (points)", color=INK)
    _over_time(below, report)
    _letters(ranks, report, letters, colours)
    _titles(figure, report)
    figure.savefig(path)
    report.picture = str(path)


def letters_of(report: EveningReport) -> dict[Key, str]:
    """The letter of everybody who played, among all who have a rating on that side."""
    shown = report.evenings.samples[-1].shown
    rules = report.evenings.world.rules.rating
    letters = rules.letters if rules is not None else {}
    by_side: dict[str, list[float]] = {}
    for (_, side), rated in shown.items():
        by_side.setdefault(side, []).append(rated.rating)
    ordered = {side: sorted(ratings) for side, ratings in by_side.items()}
    found = {}
    for key in report.skills:
        ratings = ordered[key[1]]
        rank = 1 + len(ratings) - bisect_right(ratings, shown[key].rating)
        found[key] = letter_of(standing_of(rank, len(ratings)), letters)
    return found


def _colours(report: EveningReport) -> dict[str, str]:
    """The best letter first."""
    rules = report.evenings.world.rules.rating
    letters = dict(rules.letters) if rules is not None else {}
    names = [*sorted(letters, key=lambda letter: -letters[letter]), REST]
    return {name: SHADES[min(i, len(SHADES) - 1)] for i, name in enumerate(names)}


def _ends(report: EveningReport, *some: Mapping[Key, Rated]) -> tuple[float, float]:
    """One scale for both pictures and both axes."""
    values = [shown[key].rating for shown in some for key in report.skills] + list(report.skills.values())
    room = 0.03 * (max(values) - min(values)) or 1.0
    return min(values) - room, max(values) + room


def _scatter(
    axes: Axes,
    report: EveningReport,
    shown: Mapping[Key, Rated],
    ends: tuple[float, float],
    colours: Mapping[Key, str],
) -> None:
    keys = list(report.skills)
    axes.plot(ends, ends, color=RULE, linewidth=1.1, zorder=1)
    axes.scatter(
        [report.skills[key] for key in keys],
        [shown[key].rating for key in keys],
        s=20,
        c=[colours[key] for key in keys],
        edgecolors="white",
        linewidths=0.4,
        zorder=2,
    )
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.set_aspect("equal", anchor="W")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("hidden skill (points)", color=INK)
    axes.text(0.98, 0.03, "on the line rating = skill", transform=axes.transAxes, ha="right", color=RULE, fontsize=9)


def _caption(axes: Axes, words: str, found: Learned) -> None:
    axes.set_title(words, loc="left", color=INK, fontsize=11)
    axes.text(
        0.03,
        0.97,
        f"error {found.error:.0f} points\nSpearman {found.spearman:.3f}",
        transform=axes.transAxes,
        va="top",
        color=INK,
        fontsize=9.5,
    )


def _over_time(axes: Axes, report: EveningReport) -> None:
    """How unsure ratings are of everybody who played, and how wrong they are, as the evenings go by."""
    samples, hours = report.evenings.samples, report.options.hours
    at = [sample.hours for sample in samples]
    errors = [
        math.sqrt(
            sum((sample.shown[key].rating - skill) ** 2 for key, skill in report.skills.items()) / len(report.skills)
        )
        for sample in samples
    ]
    axes.plot(at, errors, color=RULE, linewidth=1.6)
    axes.annotate("error", (at[-1], errors[-1]), xytext=(4, -3), textcoords="offset points", color=RULE, fontsize=9)
    if report.options.system != "elo":
        spread = [sorted(deviation_of(sample.shown[key]) for key in report.skills) for sample in samples]
        middle = [percentile(values, 50) for values in spread]
        axes.fill_between(
            at,
            [percentile(values, 10) for values in spread],
            [percentile(values, 90) for values in spread],
            color=BARS,
            alpha=0.45,
            linewidth=0,
        )
        axes.plot(at, middle, color=INK, linewidth=1.6)
        axes.annotate(
            "deviation", (at[-1], middle[-1]), xytext=(4, -3), textcoords="offset points", color=INK, fontsize=9
        )
    for evening in range(1, report.options.evenings):
        axes.axvline(evening * hours, color=SOFT, linewidth=0.7, linestyle=(0, (3, 3)))
    title = "rating error" if report.options.system == "elo" else "rating deviation (median, middle 80%) and error"
    axes.set_title(title, loc="left", color=INK, fontsize=11)
    axes.set_xlim(0, 1.14 * at[-1])
    axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
    axes.set_ylabel("points", color=INK)
    axes.set_xlabel("hours of evenings; dashed lines are nights", color=INK)


def _letters(axes: Axes, report: EveningReport, letters: Mapping[Key, str], colours: Mapping[str, str]) -> None:
    """Hidden skills by letter rank: a point a player, a stroke at the median."""
    names = list(colours)
    for row, name in enumerate(reversed(names)):
        skills = sorted(report.skills[key] for key, letter in letters.items() if letter == name)
        # Spread by their order, so that equals show and the same players give the same picture.
        heights = [row + 0.28 * math.sin(2.4 * i) for i in range(len(skills))]
        axes.scatter(skills, heights, s=14, color=colours[name], edgecolors="white", linewidths=0.3)
        if skills:
            median = percentile(skills, 50)
            axes.plot((median, median), (row - 0.38, row + 0.38), color=INK, linewidth=1.8)
        axes.annotate(
            f"{len(skills)}",
            (1, row),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="center",
            color=SOFT,
            fontsize=9,
        )
    axes.set_yticks(range(len(names)), list(reversed(names)), fontsize=11, color=INK)
    axes.set_ylim(-0.6, len(names) - 0.4)
    low, high = axes.get_xlim()
    axes.set_xlim(low, high + 0.06 * (high - low))
    axes.spines["left"].set_visible(False)
    axes.tick_params(left=False)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_title("letter ranks, by who holds them", loc="left", color=INK, fontsize=11)
    axes.set_xlabel("hidden skill (points); strokes are medians, numbers count", color=INK)


def _titles(figure: Figure, report: EveningReport) -> None:
    options, story = report.options, report.evenings.story
    players = len({player for player, _ in report.skills})
    lists = len({side for _, side in report.skills})
    figure.text(0.07, 0.955, "Ratings learn what nobody told them", fontsize=16, color=INK)
    figure.text(
        0.07,
        0.918,
        f"{options.queue}, {options.system}: {len(story.played):,} played matches of {players} players in "
        f"{options.evenings} evenings of {options.hours:g} h. Hidden skill decides games; "
        + ("a point is a player." if lists < 2 else f"a point is a player on one of {lists} sides."),
        fontsize=10,
        color=SOFT,
    )
