"""What every command has: where the server is, which realm, JSON or not, and how errors become exit codes."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import click

from matchmaker.cli.exits import Exit, exit_of
from matchmaker.cli.output import Output
from matchmaker.errors import DatabaseUnavailable, InvalidInput, MatchmakerError, ServerUnavailable
from matchmaker.model import checked_text
from matchmaker.settings import Settings, redacted_url

if TYPE_CHECKING:
    import redis

    from matchmaker.client import Matchmaker
    from matchmaker.store.connect import Database

P = ParamSpec("P")

POSTGRES_FOLDER = "postgres"
"""Where in the data folder ``up`` keeps its Postgres."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One run of a command: its settings, the realms it was asked about and where its answer goes."""

    settings: Settings
    realms: tuple[str, ...]
    output: Output

    @property
    def realm(self) -> str:
        return self.realms[0]

    def url(self) -> str:
        """The server to talk to: the one that is set, else the one that ``up`` runs on the data folder.

        :raises ServerUnavailable: there is neither; says what to do.
        """
        if self.settings.redis_url is not None:
            return self.settings.redis_url.get_secret_value()
        from matchmaker.embedded import running_url

        found = running_url(self.settings.data_dir)
        if found is None:
            raise ServerUnavailable(
                f"no server is set and none runs on {self.settings.data_dir}: start one with `matchmaker up`, or give "
                "--url or MATCHMAKER_REDIS_URL"
            )
        return found

    def database_url(self) -> str:
        """The database to talk to: the one that is set, else the one that ``up`` runs on the data folder.

        :raises DatabaseUnavailable: there is neither; says what to do.
        """
        if self.settings.database_url is not None:
            return self.settings.database_url.get_secret_value()
        from matchmaker.embedded_postgres import running_postgres_url

        found = running_postgres_url(self.settings.data_dir / POSTGRES_FOLDER)
        if found is None:
            raise DatabaseUnavailable(
                f"no database is set and none runs on {self.settings.data_dir}: start one with `matchmaker up`, or "
                "give MATCHMAKER_DATABASE_URL"
            )
        return found

    @contextlib.contextmanager
    def database(self) -> Iterator[Database]:
        """A pool of connections to it; none is made before the first is needed."""
        from matchmaker.store.connect import Database

        with Database(self.database_url()) as database:
            yield database

    @contextlib.contextmanager
    def client(self, url: str | None = None) -> Iterator[redis.Redis]:
        """A client that gives up on a reply after the time that is set."""
        import redis

        from matchmaker.connect import connection_options

        address = url or self.url()
        options = connection_options(address)
        timeout = self.settings.socket_timeout_seconds
        try:
            client = redis.Redis.from_url(address, **{"socket_timeout": timeout, **options})
            # A parameter that nobody knows is only noticed when a connection is made of it.
            client.connection_pool.connection_class(**client.connection_pool.connection_kwargs)
        except (TypeError, ValueError) as error:
            raise InvalidInput(
                "redis_url", redacted_url(address), f"parameters that redis-py knows; {error}"
            ) from error
        with client:
            yield client

    @contextlib.contextmanager
    def matchmaker(
        self, url: str | None = None, realm: str | None = None, *, database: Database | None = None
    ) -> Iterator[Matchmaker]:
        from matchmaker.client import Matchmaker

        with self.client(url) as client, Matchmaker(client, realm or self.realm, database=database) as mm:
            yield mm

    @contextlib.contextmanager
    def database_if_any(self) -> Iterator[Database | None]:
        """As :meth:`database`, for what can do without one."""
        with contextlib.ExitStack() as stack:
            try:
                database = stack.enter_context(self.database())
            except DatabaseUnavailable:
                database = None
            yield database


def answers(function: Callable[Concatenate[Invocation, P], int | None]) -> Callable[..., int]:
    """For a command about one realm: adds the options that all have, and answers with an exit code."""
    return _with_options(function, many_realms=False)


def answers_for_realms(function: Callable[Concatenate[Invocation, P], int | None]) -> Callable[..., int]:
    """For a command that serves any number of realms."""
    return _with_options(function, many_realms=True)


def _with_options(
    function: Callable[Concatenate[Invocation, P], int | None], *, many_realms: bool
) -> Callable[..., int]:
    @functools.wraps(function)
    def run(*, as_json: bool, url: str | None, realm: Any, data_dir: str | None, **rest: Any) -> int:
        output = Output(as_json)
        try:
            named = (realm,) if isinstance(realm, str) else tuple(realm or ())
            settings = Settings.load(redis_url=url, realm=named[0] if named else None, data_dir=data_dir)
            realms = tuple(checked_text("realm", one) for one in named) or (settings.realm,)
            code = function(Invocation(settings, tuple(dict.fromkeys(realms)), output), **rest)  # type: ignore[call-arg]
            return int(code or Exit.OK)
        except MatchmakerError as error:
            output.error(error)
            return exit_of(error)
        except KeyboardInterrupt:
            return Exit.INTERRUPTED
        except BrokenPipeError:
            give_up_output()
            return Exit.READER_GONE

    options = [
        click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document."),
        click.option("--url", metavar="URL", help="The Redis server, instead of MATCHMAKER_REDIS_URL."),
        click.option(
            "--realm",
            metavar="NAME",
            multiple=many_realms,
            help="The realm, instead of MATCHMAKER_REALM or main." + (" May be repeated." if many_realms else ""),
        ),
        click.option("--data-dir", metavar="DIR", help="The data folder of `up`, instead of MATCHMAKER_DATA_DIR."),
    ]
    for option in reversed(options):
        run = option(run)
    return run


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C within is heeded at the end. For what is short and must not be left half done."""
    asked: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if asked:
        raise KeyboardInterrupt


def give_up_output() -> None:
    """The reader is gone: what is still buffered goes nowhere, so that Python's own last flush stays silent."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
