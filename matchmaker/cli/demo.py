"""``matchmaker demo``: players arrive, matchers work, the checker judges."""

from __future__ import annotations

import math
from pathlib import Path

import click
from pydantic import SecretStr

from matchmaker.cli.exits import Exit, exit_of
from matchmaker.cli.output import Output
from matchmaker.demo.options import MOST_MATCHERS, MOST_RATE, MOST_SECONDS, DemoOptions
from matchmaker.errors import MatchmakerError
from matchmaker.model import checked_text
from matchmaker.settings import Settings


def _finite(context: click.Context, parameter: click.Parameter, value: float) -> float:
    """click compares with the bounds only, which NaN passes."""
    if not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a finite number.", context, parameter)
    return value


def _revealed(url: SecretStr | None) -> str | None:
    return None if url is None else url.get_secret_value()


@click.command()
@click.option(
    "--rate",
    type=click.FloatRange(0, MOST_RATE, min_open=True),
    default=200.0,
    show_default=True,
    callback=_finite,
    help="Arrivals per second.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, MOST_SECONDS, min_open=True),
    default=60.0,
    show_default=True,
    callback=_finite,
    help="How long players arrive.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Fixes arrivals, ratings and behaviours; random if not given.")
@click.option("--queue", default="ladder", show_default=True, help="The queue that players join; evoladder has sides.")
@click.option(
    "--matchers", type=click.IntRange(1, MOST_MATCHERS), default=2, show_default=True, help="Matchers at work."
)
@click.option(
    "--ratings",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A csv file; ratings are drawn from its column mmr. Without it they are made up. For a queue with sides: "
    "also columns player, side, race.",
)
@click.option(
    "--rules",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A rules file, instead of the demo's own rules.",
)
@click.option("--json", "out", metavar="OUT", type=click.Path(path_type=Path), help="Write the outcome to this file.")
@click.option(
    "--plots",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder of the picture.",
)
def demo(
    *,
    rate: float,
    seconds: float,
    seed: int | None,
    queue: str,
    matchers: int,
    ratings: Path | None,
    rules: Path | None,
    out: Path | None,
    plots: Path,
) -> int:
    """Let players arrive, match them, and judge the outcome.

    Starts an embedded server and an embedded Postgres, matchers, a recorder and two processes full of players. Each
    player has a listener of its own; most wait for a match, some cancel, some disconnect and resume, and now and then a
    pub/sub connection is killed. With MATCHMAKER_REDIS_URL or MATCHMAKER_DATABASE_URL set, a realm of its own on those
    is used, and removed afterwards.

    Exit code 1 if a promise was broken: the checker objects, Postgres does not hold what happened, or a player missed
    an event or got one twice.
    """
    from rich.console import Console

    from matchmaker.demo.options import random_seed
    from matchmaker.demo.run import run_demo

    try:
        settings = Settings.load()
        options = DemoOptions(
            seed=random_seed() if seed is None else seed,
            rate=rate,
            seconds=seconds,
            queue=checked_text("queue", queue),
            matchers=matchers,
            ratings=ratings,
            rules=rules,
            json=out,
            plots=plots,
            redis_url=_revealed(settings.redis_url),
            database_url=_revealed(settings.database_url),
            rq_url=_revealed(settings.rq_url),
        )
        report = run_demo(options, Console())
    except MatchmakerError as error:
        Output(as_json=False).error(error)
        return exit_of(error)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    if not report.ok:
        return Exit.NO
    return Exit.INTERRUPTED if report.stage.interrupted else Exit.OK
