"""``recorder``: an RQ worker that brings events into Postgres, as a Procfile or ``up`` runs it."""

from __future__ import annotations

import os
import threading

import click

from matchmaker.cli.command import Invocation, answers_for_realms
from matchmaker.cli.worker import leave_with_stdin
from matchmaker.errors import DatabaseUnavailable, DatabaseUnsuitable, MatchmakerError


@click.command()
@click.option("--leave-on-eof", is_flag=True, hidden=True, help="Leave when standard input ends: the parent is gone.")
@click.option("--name", hidden=True, help="Stands in every line of the log.")
@answers_for_realms
def recorder(invocation: Invocation, leave_on_eof: bool, name: str | None) -> None:
    """Bring what happens into Postgres, until Ctrl-C or SIGTERM.

    An RQ worker: run as many as you like, on any machine. It records in MATCHMAKER_DATABASE_URL, whose tables
    `matchmaker db upgrade` makes; its jobs are in MATCHMAKER_RQ_URL, or on the realms' own server. The log goes to
    standard error; MATCHMAKER_LOG_LEVEL and MATCHMAKER_LOG_FORMAT say how, and --json makes it JSON.
    """
    from matchmaker.cli import logs
    from workers.rq_worker import run

    settings = invocation.settings
    if invocation.output.as_json:
        settings = settings.model_copy(update={"log_format": "json"})
    logs.configure(settings, **({"recorder": name} if name else {}))
    logs.adopt("rq")
    if leave_on_eof:
        threading.Thread(target=leave_with_stdin, name="matchmaker-parent", daemon=True).start()
    url = invocation.url()
    database_url = invocation.database_url()
    _refuse_unsuitable(database_url)
    # The jobs run in children of this process and learn from the environment where everything is; arguments would be
    # seen by everybody on the machine.
    os.environ["MATCHMAKER_REDIS_URL"] = url
    os.environ["MATCHMAKER_DATABASE_URL"] = database_url
    run(settings.rq_url.get_secret_value() if settings.rq_url is not None else url, invocation.realms)


def _refuse_unsuitable(database_url: str) -> None:
    """What no waiting will change is an error before the first job: a wrong password, missing tables. A database that
    is away is waited for, as later on."""
    import structlog

    from matchmaker.store import schema
    from matchmaker.store.connect import Database

    log = structlog.get_logger()
    with Database(database_url) as database:
        try:
            fault: MatchmakerError | None = schema.status(database).fault
        except (DatabaseUnavailable, DatabaseUnsuitable) as error:
            fault = error
    if isinstance(fault, DatabaseUnavailable):
        log.warning("database unavailable", error=str(fault))
    elif fault is not None:
        raise fault
