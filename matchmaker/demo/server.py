"""Where a demo plays: embedded servers of its own, or a realm of its own on servers that are given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import redis

from matchmaker.connect import SOCKET_TIMEOUT_SECONDS, connection_options
from matchmaker.demo.records import forget_records, forgotten_jobs, prepared
from matchmaker.embedded import EmbeddedServer
from matchmaker.embedded_postgres import EmbeddedPostgres
from matchmaker.keys import Keys
from matchmaker.model import new_ticket_id
from matchmaker.runner import typed_errors
from matchmaker.server import inspect_server, refuse_unsuitable
from matchmaker.store.connect import Database


@dataclass(frozen=True, slots=True)
class Place:
    """A server, a realm on it and the database that the realm is recorded in. ``name`` is ``valkey`` or ``redis``."""

    url: str
    realm: str
    name: str
    version: str
    jobs_url: str
    database: Database
    database_url: str
    postgres: str

    def settings(self) -> dict[str, str]:
        """The environment of matchers and recorders."""
        return {
            "MATCHMAKER_REDIS_URL": self.url,
            "MATCHMAKER_RQ_URL": self.jobs_url,
            "MATCHMAKER_DATABASE_URL": self.database_url,
        }


@contextmanager
def open_place(url: str | None, database_url: str | None, rq_url: str | None) -> Iterator[Place]:
    """A place to play; what was played with goes afterwards: the embedded servers, or the realm's keys, rows and jobs.

    :raises EmbeddedServerError: no server could be started.
    :raises ServerUnavailable: the given one does not answer. :raises ServerUnsuitable: it is not fit for a realm.
    :raises DatabaseSchema: the given database is not prepared; says what to run.
    """
    realm = "demo" if url is None and database_url is None else f"demo-{new_ticket_id().lower()}"
    with ExitStack() as stack:
        given = database_url is not None
        where = database_url or stack.enter_context(EmbeddedPostgres(None)).url
        database = stack.enter_context(Database(where))
        postgres = prepared(database, upgrade=not given)
        jobs_url: str | None = None
        if url is None:
            server = stack.enter_context(EmbeddedServer(None))
            url, name, version = server.url, server.name, server.version
        else:
            name, version = stack.enter_context(_given_server(url, realm))
            if rq_url is None:
                # RQ leaves traces; on somebody else's server they would be ours to sweep.
                jobs_url = stack.enter_context(EmbeddedServer(None)).url
        if given:
            stack.callback(forget_records, database, realm)
        if rq_url is not None:
            stack.enter_context(forgotten_jobs(rq_url, realm))
        jobs_url = rq_url or jobs_url or url
        yield Place(url, realm, name, version, jobs_url, database, where, postgres)


@contextmanager
def _given_server(url: str, realm: str) -> Iterator[tuple[str, str]]:
    """Name and version of somebody else's server; the realm's keys go afterwards."""
    options = connection_options(url)
    with redis.Redis.from_url(url, socket_timeout=SOCKET_TIMEOUT_SECONDS, **options) as client:
        facts = inspect_server(client)
        refuse_unsuitable(facts)
        try:
            yield facts.name or "unknown", facts.version or "unknown"
        finally:
            with typed_errors():
                for key in client.scan_iter(match=Keys(realm).prefix + "*", count=1000):
                    client.unlink(key)
