"""What a recorder does: RQ jobs that bring the event stream into Postgres. ``jobs.py`` asks for them.

A job gets the name of a realm and nothing else; where everything is, it learns from the environment. Each may be run
any number of times, at once or again.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

import redis
import structlog

from matchmaker.connect import open_client
from matchmaker.errors import InvalidInput
from matchmaker.settings import Settings
from matchmaker.store.connect import Database
from matchmaker.store.drain import Drain
from matchmaker.store.reconcile import Reconciliation
from matchmaker.store.reconcile import reconcile as reconcile_realm
from matchmaker.store.resting import show_grown
from workers.jobs import DRAIN_SECONDS, Jobs
from workers.leaving import Asked

LINGER_SECONDS = 10.0
"""A drain that finds nothing more stays so long: starting the next one costs a fork."""

PATIENCE_SECONDS = 5.0
"""For the drain of a worker that was killed: it notices within a second or two and leaves."""

YIELD_SECONDS = 5.0
"""A drain that has had so long leaves when other jobs wait."""

log = structlog.get_logger()


def drain(realm: str) -> None:
    """RQ job: writes what happened in the realm, until nothing more comes."""
    parent, began = os.getppid(), time.monotonic()
    with _places() as (client, database, jobs):

        def leave() -> bool:
            worked = time.monotonic() - began
            if Asked.to_leave or os.getppid() != parent or worked > DRAIN_SECONDS:
                return True
            return worked > YIELD_SECONDS and jobs.others_wait()

        with Drain(client, database, realm, patience_seconds=PATIENCE_SECONDS) as work:
            report = work.run(linger_seconds=LINGER_SECONDS, leave=leave, warn=log.warning)
        if report.restarted:
            _tell_losses(reconcile_realm(client, database, realm), realm)
        if report.events:
            log.info(
                "recorded", realm=realm, events=report.events, matches=report.matches, seconds=round(report.seconds, 3)
            )
        if report.results or report.announced:
            log.info("settled", realm=realm, results=report.results, rated=report.rated, announced=report.announced)
        if report.behind:
            jobs.again(realm)


def tick(realm: str) -> None:
    """RQ job, every 30 s: asks for a drain if none is there."""
    with contextlib.closing(_rq_client(Settings.load())) as client:
        Jobs(client).drain(realm)


def rest(realm: str) -> None:
    """RQ job, once a day: shows how uncertain the ratings of those have become who do not play."""
    with _places() as (client, database, _):
        shown = show_grown(client, database, realm)
    if shown:
        log.info("deviations shown", realm=realm, players=shown)


def reconcile(realm: str) -> None:
    """RQ job, every 10 min: marks and names what the realm has lost."""
    with _places() as (client, database, _):
        _tell_losses(reconcile_realm(client, database, realm), realm)


def _tell_losses(found: Reconciliation, realm: str) -> None:
    if found.lost_tickets or found.lost_matches or found.lost_results:
        log.error(
            "the server lost acknowledged writes",
            realm=realm,
            tickets=found.lost_tickets[:20],
            matches=found.lost_matches[:20],
            lost_tickets=len(found.lost_tickets),
            lost_matches=len(found.lost_matches),
            results=found.lost_results[:20],
            lost_results=len(found.lost_results),
        )


@contextlib.contextmanager
def _places() -> Iterator[tuple[redis.Redis, Database, Jobs]]:
    """The realm's server, the database and RQ's server, as the environment has them."""
    settings = Settings.load()
    if settings.redis_url is None:
        raise InvalidInput("MATCHMAKER_REDIS_URL", None, "the URL of the server whose realms are recorded")
    if settings.database_url is None:
        raise InvalidInput("MATCHMAKER_DATABASE_URL", None, "the URL of the database to record in")
    with (
        open_client(settings.redis_url.get_secret_value()) as client,
        Database(settings.database_url.get_secret_value()) as database,
        contextlib.closing(_rq_client(settings)) as rq,
    ):
        yield client, database, Jobs(rq)


def _rq_client(settings: Settings) -> redis.Redis:
    url = settings.rq_url or settings.redis_url
    if url is None:
        raise InvalidInput("MATCHMAKER_RQ_URL", None, "the URL of RQ's server, or MATCHMAKER_REDIS_URL")
    return open_client(url.get_secret_value())
