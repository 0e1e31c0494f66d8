"""The evenings of a ladder as one call: a place, the evenings, the verdict, the picture."""

from __future__ import annotations

import json
import time

from rich.console import Console

from matchmaker.demo.evening_options import EveningOptions, Ladder, ladder_of
from matchmaker.demo.evening_plot import draw
from matchmaker.demo.evening_report import EveningReport, judge
from matchmaker.demo.evening_stage import BEGIN_MS, Evenings
from matchmaker.demo.evening_world import World
from matchmaker.demo.ratings import BUILT_IN
from matchmaker.demo.run import say, try_files
from matchmaker.demo.server import Place, open_place

PICTURE = "evenings.png"
RETAIN_SECONDS = 6 * 86_400
"""The realm remembers so long what ended; the checker compares it with what it heard."""


def run_evenings(options: EveningOptions, console: Console) -> EveningReport:
    """Plays the evenings, tells about them on the console and writes the files that were asked for.

    :raises InvalidInput: a file cannot be used; nothing was started.
    :raises MatchmakerError: a server could not be started, or is gone.
    """
    ladder = ladder_of(options)
    try_files(options.plots, options.json)
    with open_place(options.redis_url, options.database_url, options.rq_url) as place:
        for line in _introduction(options, place, ladder):
            say(console, line)
        report = _play(options, place, ladder, console)
    draw(report, options.plots / PICTURE)
    for line in report.lines():
        say(console, line)
    if options.json is not None:
        options.json.write_text(json.dumps(report.body(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return report


def _play(options: EveningOptions, place: Place, ladder: Ladder, console: Console) -> EveningReport:
    with World(place, options.queue, ladder.rules, start_ms=BEGIN_MS - 1000, retain_seconds=RETAIN_SECONDS) as world:
        evenings = Evenings(options, ladder, world)
        imported = evenings.begin()
        began = time.monotonic()
        for evening in range(options.evenings):
            since, before = time.monotonic(), evenings.story.counts["matched"]
            came = evenings.play(evening)
            say(
                console,
                f"evening {evening + 1}: {came:,} players came, {evenings.story.counts['matched'] - before:,} matches, "
                f"played in {time.monotonic() - since:.1f} s",
            )
        return judge(evenings, imported, time.monotonic() - began)


def _introduction(options: EveningOptions, place: Place, ladder: Ladder) -> list[str]:
    drawn = BUILT_IN if options.ratings is None else f"of {options.ratings}"
    sides = f" on the sides {' and '.join(ladder.sides)}" if ladder.sides else ""
    return [
        f"evenings on {place.name.capitalize()} {place.version} and Postgres {place.postgres}, in virtual time: "
        f"{options.evenings} of {options.hours:g} h, seed {options.seed}",
        f"{len(ladder.people):,} players{sides}, rated by {options.system}; ratings to begin with: {drawn}",
    ]
