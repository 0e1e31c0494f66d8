"""The ``matchmaker`` command: click, thin. A module is loaded when its command is called, and not for ``--help``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from typing import Final, NamedTuple

import click
from click.shell_completion import CompletionItem

from matchmaker import __version__
from matchmaker.cli.exits import Exit, exit_of
from matchmaker.cli.output import Output
from matchmaker.errors import MatchmakerError


class Lazy(NamedTuple):
    """A command by name: the module that holds it, its name there, and its line in ``--help``."""

    module: str
    attribute: str
    help: str


COMMANDS: Final[Mapping[str, Lazy]] = {
    "up": Lazy("up", "up", "Run everything here: Redis and Postgres with their data kept, matchers and a recorder."),
    "worker": Lazy("worker", "worker", "Run one matcher until Ctrl-C or SIGTERM."),
    "recorder": Lazy("recorder", "recorder", "Bring what happens into Postgres, until Ctrl-C or SIGTERM."),
    "proposer": Lazy(
        "proposer", "proposer", "Have a function of yours pair a queue's players, until Ctrl-C or SIGTERM."
    ),
    "demo": Lazy("demo", "demo", "Let players arrive, match them, and judge the outcome."),
    "enqueue": Lazy("tickets", "enqueue", "Put a player into a queue."),
    "cancel": Lazy("tickets", "cancel", "Take a waiting ticket off its queue."),
    "status": Lazy("tickets", "status", "Tell how a ticket stands."),
    "accept": Lazy("ready", "accept", "Say that a player is ready for the match that was found."),
    "decline": Lazy("ready", "decline", "Say that a player will not play the match that was found."),
    "estimate": Lazy("estimate", "estimate", "Tell how long a ticket would wait, by what the realm saw lately."),
    "explain": Lazy("explain", "explain", "Tell why a player still waits: who is near, and what stands between."),
    "watch": Lazy("watch", "watch", "Print a player's events as they come."),
    "queues": Lazy("queues", "queues", "Apply and show the rules of queues."),
    "matches": Lazy("matches", "matches", "List and show matches; report, abort and resolve open ones."),
    "ratings": Lazy("ratings", "ratings", "Import, export and recompute what players are worth in a queue."),
    "leaderboard": Lazy("standings", "leaderboard", "List the rated players of a queue, the highest rating first."),
    "profile": Lazy(
        "standings", "profile", "Show what is recorded of a player: ratings and games, and the last matches."
    ),
    "versus": Lazy("standings", "versus", "Tell how a player did against another, by queue."),
    "functions": Lazy("functions", "functions", "Load the scripts as Redis Functions, and tell what is loaded."),
    "db": Lazy("db", "db", "Make, examine and fill the records in Postgres."),
    "stats": Lazy("stats", "stats", "Count what waits and what was done in the realm."),
    "regret": Lazy("regret", "regret", "Tell what waits and gaps cost, against what hindsight would have paid."),
    "doctor": Lazy("doctor", "doctor", "Examine the server and the realm, and say what to do."),
    "completion": Lazy(
        "completion", "completion", "Print the script that completes `matchmaker` in SHELL: bash, zsh or fish."
    ),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and loads one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        lazy = COMMANDS.get(cmd_name)
        if lazy is None:
            return None
        command = getattr(importlib.import_module(f"matchmaker.cli.{lazy.module}"), lazy.attribute)
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as unknown:  # click would guess among the commands that are loaded
            raise click.exceptions.NoSuchCommand(unknown.command_name, possibilities=COMMANDS, ctx=ctx) from None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """By name, and loads no command: TAB is pressed often."""
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [CompletionItem(n, help=lazy.help) for n, lazy in COMMANDS.items() if n.startswith(incomplete)] + options

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="matchmaker %(version)s")
def program() -> None:
    """Matchmaking on Redis: players enqueue, matchers pair them in Lua, everyone is told at once.

    Settings come from MATCHMAKER_* variables. Without MATCHMAKER_REDIS_URL, commands talk to the server that
    `matchmaker up` runs.
    """


def main(args: Sequence[str] | None = None) -> int:
    """The console script: runs a command, answers its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal's encoding is no reason to fail
    given = list(sys.argv[1:] if args is None else args)
    try:
        code = program.main(given, prog_name="matchmaker", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return Exit.INPUT
    except click.ClickException as error:
        _tell_usage(error, given)
        return Exit.INPUT
    except MatchmakerError as error:
        Output("--json" in given).error(error)
        return exit_of(error)
    except click.Abort:
        return Exit.INTERRUPTED
    return code if isinstance(code, int) else Exit.OK


def _tell_usage(error: click.ClickException, given: Sequence[str]) -> None:
    """click's own complaints, in our words' shape: one line, and where to read on."""
    message = " ".join(error.format_message().split()).rstrip(".")
    message = message[:1].lower() + message[1:]
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        message += f" (see `{context.command_path} --help`)"
    # The command was never called, so its own flag was not read.
    as_json = context is not None and "--json" in given and any(one.name == "as_json" for one in context.command.params)
    Output(as_json).failure("usage", Exit.INPUT, [message], {})


__all__ = ["main", "program"]
