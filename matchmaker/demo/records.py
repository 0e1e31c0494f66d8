"""The demo's own look at Postgres: ready before, counted during, compared after, and swept when it was given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import redis

from matchmaker.connect import SOCKET_TIMEOUT_SECONDS, connection_options
from matchmaker.runner import typed_errors
from matchmaker.store import schema
from matchmaker.store.connect import Database

TABLES: Final = ("queues", "rule_versions", "players", "tickets", "matches", "teams", "events")
LIFECYCLE_TABLES: Final = ("ratings", "checks", "reports", "results", "rating_changes", "meetings")
JOBS: Final = ("drain", "tick", "reconcile", "again")
SECONDS: Final = 30.0


def prepared(database: Database, *, upgrade: bool) -> str:
    """Brings a database of our own up to date, or refuses one that is not; answers the server's version.

    :raises DatabaseSchema: names what to run.
    """
    if upgrade:
        schema.upgrade(database)
    fault = schema.status(database).fault
    if fault is not None:
        raise fault
    with database.transaction() as cursor:
        cursor.execute("SELECT current_setting('server_version')")
        return str((cursor.fetchone() or ("",))[0]).partition(" ")[0]


def count_rows(database: Database, realm: str) -> dict[str, int]:
    """Rows of the realm in each table."""
    counts = {}
    with database.transaction(SECONDS, read_only=True) as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT count(*) FROM {table} WHERE realm = %s", (realm,))
            counts[table] = int((cursor.fetchone() or (0,))[0])
    return counts


def forget_records(database: Database, realm: str) -> None:
    """Takes the demo's rows out of a database that is somebody else's."""
    with database.transaction(SECONDS) as cursor:
        for table in (*LIFECYCLE_TABLES, *reversed(TABLES), "realms"):
            cursor.execute(f"DELETE FROM {table} WHERE realm = %s", (realm,))


@contextmanager
def forgotten_jobs(url: str, realm: str) -> Iterator[None]:
    """Takes the realm's RQ jobs off the server in the end: else they would come every half minute, for ever."""
    from rq.exceptions import NoSuchJobError
    from rq.job import Job
    from rq.serializers import JSONSerializer

    with redis.Redis.from_url(url, socket_timeout=SOCKET_TIMEOUT_SECONDS, **connection_options(url)) as client:
        with typed_errors():
            was_used: Any = client.exists("rq:queues")
        try:
            yield
        finally:
            with suppress(redis.ConnectionError):  # an embedded server that was killed takes its jobs with it
                for kind in JOBS:
                    with suppress(NoSuchJobError):
                        Job.fetch(f"{kind}-{realm}", connection=client, serializer=JSONSerializer).delete()
                if not was_used and not client.exists("rq:workers"):
                    client.unlink("rq:queues")
