"""``proposer``: has a match function of the user's pair one queue, as a Procfile runs it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from matchmaker.cli.command import Invocation, answers
from matchmaker.cli.worker import refuse_unsuitable_server
from matchmaker.model import checked_text
from matchmaker.proposals import MOST_SLICE_TICKETS, SLICE_TICKETS


@click.command()
@click.argument("queue")
@click.argument("function", metavar="MODULE:FUNCTION")
@click.option(
    "--tickets",
    metavar="N",
    type=click.IntRange(2, MOST_SLICE_TICKETS),
    default=SLICE_TICKETS,
    show_default=True,
    help="How many tickets the function is shown at most.",
)
@answers
def proposer(invocation: Invocation, queue: str, function: str, tickets: int) -> None:
    """Have a function of yours pair a queue's players, until Ctrl-C or SIGTERM.

    For queues with `matching = "own"`. The function is called with a slice of those who wait and answers pairs;
    docs/own-matching.md has the whole of it. Its module is looked for where Python finds modules, and then in the
    folder you stand in. Run as many as you like, on any machine, beside at least one `matchmaker worker`. The log goes
    to standard error; MATCHMAKER_LOG_LEVEL and MATCHMAKER_LOG_FORMAT say how, and --json makes it JSON.
    """
    from matchmaker.cli import logs
    from matchmaker.proposals import match_function
    from workers.proposer import run

    settings = invocation.settings
    if invocation.output.as_json:
        settings = settings.model_copy(update={"log_format": "json"})
    logs.configure(settings)
    checked_text("queue", queue)
    # Last: a folder of theirs named as a module of ours, or of Python's, is not meant.
    sys.path.append(str(Path.cwd()))
    found = match_function(function)
    url = invocation.url()
    with invocation.client(url) as client:
        refuse_unsuitable_server(client)
    run(url, invocation.realm, queue, found, tickets=tickets, rq_url=settings.jobs_url(url))
