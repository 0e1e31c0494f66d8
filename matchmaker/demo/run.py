"""The demo as one call: a place, the stage on it, the verdict, the picture."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from rich.console import Console

from matchmaker import errors
from matchmaker.demo.casting import Cast, casting
from matchmaker.demo.options import PLAYER_PROCESSES, DemoOptions
from matchmaker.demo.plot import draw
from matchmaker.demo.progress import shown
from matchmaker.demo.report import Report, judge
from matchmaker.demo.server import Place, open_place
from matchmaker.demo.stage import Stage

PICTURE = "waits.png"


def run_demo(options: DemoOptions, console: Console) -> Report:
    """Plays a demo, tells about it on the console and writes the files that were asked for.

    :raises InvalidInput: a file cannot be used, or the queue is not in it; nothing was started.
    :raises MatchmakerError: the server could not be started, or is gone.
    :raises KeyboardInterrupt: it was interrupted twice, and everything was ended at once.
    """
    rules, cast = casting(options)
    try_files(options.plots, options.json)
    with open_place(options.redis_url, options.database_url, options.rq_url) as place:
        for line in _introduction(options, place, cast):
            say(console, line)
        with shown(console) as watch:
            stage = _play(Stage(options, place, rules, cast, watch=watch, say=lambda line: say(console, line)))
        report = judge(stage)
    draw(report, options.plots / PICTURE)
    for line in report.lines():
        say(console, line)
    if options.json is not None:
        options.json.write_text(json.dumps(report.body(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return report


def _play(stage: Stage) -> Stage:
    try:
        asyncio.run(stage.play())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    return stage


def try_files(plots: Path, out: Path | None) -> None:
    """What cannot be written in the end is said at the beginning.

    :raises InvalidInput: names it.
    """
    try:
        plots.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise errors.InvalidInput("plots", str(plots), f"a folder to write into; {error.strerror}") from error
    if out is not None:
        try:
            out.touch()
        except OSError as error:
            raise errors.InvalidInput("json", str(out), f"a file to write; {error.strerror}") from error


def _introduction(options: DemoOptions, place: Place, cast: Cast) -> list[str]:
    return [
        f"demo of {place.name.capitalize()} {place.version} and Postgres {place.postgres}: {options.matchers} "
        f"matchers, a recorder, {PLAYER_PROCESSES} processes of players",
        f"{options.rate:g} players/s for {options.seconds:g} s, seed {options.seed}; ratings: {cast.drawn(options)}",
    ]


def say(console: Console, line: str) -> None:
    console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
