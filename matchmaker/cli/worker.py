"""``worker``: one matcher, as a Procfile or ``up`` runs it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

import click

from matchmaker.cli.command import Invocation, answers_for_realms
from matchmaker.errors import ServerUnavailable
from matchmaker.server import inspect_server, refuse_unsuitable

if TYPE_CHECKING:
    import redis

LEAVE_SECONDS: Final = 8.0
"""How long a matcher whose parent is gone may take to leave; a server that is gone too answers within 4 s or never."""


@click.command()
@click.option("--leave-on-eof", is_flag=True, hidden=True, help="Leave when standard input ends: the parent is gone.")
@click.option("--name", hidden=True, help="Stands in every line of the log.")
@answers_for_realms
def worker(invocation: Invocation, leave_on_eof: bool, name: str | None) -> None:
    """Run one matcher until Ctrl-C or SIGTERM.

    Run as many as you like, on any machine: they share the work of a realm. The log goes to standard error;
    MATCHMAKER_LOG_LEVEL and MATCHMAKER_LOG_FORMAT say how, and --json makes it JSON.
    """
    from matchmaker.cli import logs

    settings = invocation.settings
    if invocation.output.as_json:
        settings = settings.model_copy(update={"log_format": "json"})
    logs.configure(settings, **({"matcher": name} if name else {}))
    if leave_on_eof:
        threading.Thread(target=leave_with_stdin, name="matchmaker-parent", daemon=True).start()
    url = invocation.url()
    with invocation.client(url) as client:
        refuse_unsuitable_server(client)
    from workers.matcher import run

    run(url, invocation.realms, rq_url=settings.jobs_url(url))


def refuse_unsuitable_server(client: redis.Redis) -> None:
    """Before any work. A server that is away is waited for, as later on; the client paces the attempts."""
    import structlog

    log = structlog.get_logger()
    while True:
        try:
            return refuse_unsuitable(inspect_server(client))
        except ServerUnavailable as fault:
            log.warning("server unavailable", error=str(fault))


def leave_with_stdin() -> None:
    """The parent holds the other end of standard input and never writes: its end is the parent's, however it died."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LEAVE_SECONDS)
    os._exit(1)
