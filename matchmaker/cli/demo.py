"""``matchmaker demo``: players arrive, matchers work, the checker judges."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource
from pydantic import SecretStr

from matchmaker.cli.exits import Exit, exit_of
from matchmaker.cli.output import Output
from matchmaker.demo.evening_options import MOST_EVENINGS, MOST_HOURS, SYSTEMS, EveningOptions, System
from matchmaker.demo.options import MOST_MATCHERS, MOST_RATE, MOST_SECONDS, DemoOptions
from matchmaker.errors import MatchmakerError
from matchmaker.model import checked_text
from matchmaker.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

_OF_CROWDS: Final = ("rate", "seconds", "matchers", "rules")
_OF_EVENINGS: Final = ("evenings", "hours", "system")


def _finite(context: click.Context, parameter: click.Parameter, value: float) -> float:
    """click compares with the bounds only, which NaN passes."""
    if not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a finite number.", context, parameter)
    return value


def _revealed(url: SecretStr | None) -> str | None:
    return None if url is None else url.get_secret_value()


def _refuse_strays(context: click.Context, *, lifecycle: bool) -> None:
    """Options of the other kind of demo would be ignored without a word.

    :raises UsageError: one was given.
    """
    for name in _OF_CROWDS if lifecycle else _OF_EVENINGS:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name} is for demos {'without' if lifecycle else 'with'} --lifecycle", context)


def _evenings(options: EveningOptions, console: Console) -> int:
    """The exit code of evenings that were played."""
    from matchmaker.demo.evening_run import run_evenings

    return Exit.OK if run_evenings(options, console).ok else Exit.NO


@click.command()
@click.option("--lifecycle", is_flag=True, help="Play whole evenings of a ladder in virtual time; see below.")
@click.option(
    "--evenings",
    type=click.IntRange(1, MOST_EVENINGS),
    default=3,
    show_default=True,
    help="With --lifecycle: how many, a day apart.",
)
@click.option(
    "--hours",
    type=click.FloatRange(0.25, MOST_HOURS),
    default=4.0,
    show_default=True,
    callback=_finite,
    help="With --lifecycle: virtual hours of an evening.",
)
@click.option(
    "--system",
    type=click.Choice(SYSTEMS),
    default=SYSTEMS[0],
    show_default=True,
    metavar="SYSTEM",
    help=f"With --lifecycle: the rating system, one of {', '.join(SYSTEMS)}.",
)
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
@click.pass_context
def demo(
    context: click.Context,
    *,
    lifecycle: bool,
    evenings: int,
    hours: float,
    system: System,
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

    With --lifecycle: whole evenings from login to rating, as fast as the machine goes. Players answer ready checks (or
    do not), play, report (or lie, abort, leave), and come back with their new rating; a skill that nobody is told
    decides who wins. In the end all ratings are computed again from the match log and compared with Postgres and Redis
    bit by bit. The seed fixes everything. Players are those of --ratings FILE, on both sides if it has sides.
    --rate, --seconds, --matchers and --rules are not of use with it.

    Exit code 1 if a promise was broken: the checker objects, Postgres does not hold what happened, or a player missed
    an event or got one twice.
    """
    from rich.console import Console

    from matchmaker.demo.options import random_seed
    from matchmaker.demo.run import run_demo

    _refuse_strays(context, lifecycle=lifecycle)
    seed = random_seed() if seed is None else seed
    try:
        settings = Settings.load()
        queue = checked_text("queue", queue)
        if lifecycle:
            return _evenings(
                EveningOptions(
                    seed=seed,
                    evenings=evenings,
                    hours=hours,
                    queue=queue,
                    system=system,
                    ratings=ratings,
                    json=out,
                    plots=plots,
                    redis_url=_revealed(settings.redis_url),
                    database_url=_revealed(settings.database_url),
                    rq_url=_revealed(settings.rq_url),
                ),
                Console(),
            )
        options = DemoOptions(
            seed=seed,
            rate=rate,
            seconds=seconds,
            queue=queue,
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
