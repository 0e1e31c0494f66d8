"""``completion``: the script that makes a shell complete commands, options and the names of queues."""

from __future__ import annotations

import threading
from typing import Any, Final

import click
from click.shell_completion import CompletionItem, get_completion_class

from matchmaker.cli.command import Invocation, answers

VARIABLE: Final = "_MATCHMAKER_COMPLETE"
"""The shell sets it when it asks; click derives the name from the program's."""

SHELLS: Final = ("bash", "zsh", "fish")
PATIENCE_SECONDS: Final = 0.3
"""Whoever pressed TAB waits for this long for names of queues, and then gets none."""


@click.command()
@click.argument("shell", type=click.Choice(SHELLS), metavar="SHELL")
@answers
def completion(invocation: Invocation, shell: str) -> None:
    """Print the script that completes `matchmaker` in SHELL: bash, zsh or fish.

    \b
    bash: mkdir -p ~/.local/share/bash-completion/completions
          matchmaker completion bash > ~/.local/share/bash-completion/completions/matchmaker
    zsh:  matchmaker completion zsh > "${fpath[1]}/_matchmaker"
    fish: matchmaker completion fish > ~/.config/fish/completions/matchmaker.fish

    bash needs its package bash-completion and version 4.4; zsh needs `compinit` in ~/.zshrc. A new shell has it. For
    this one alone: `source <(matchmaker completion bash)`.
    """
    from matchmaker.cli import program

    kind = get_completion_class(shell)
    if kind is None:
        raise LookupError(shell)
    script = kind(program, {}, "matchmaker", VARIABLE)
    text = script.source_template % script.source_vars()
    invocation.output.answer({"shell": shell, "script": text}, text.strip("\n"))


def complete_queue(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The realm's queues. Whatever goes wrong or takes too long means no names, and never a word on the terminal."""
    found: list[str] = []
    # Timeouts of sockets do not bound the lookup of a host's name. A thread that hangs ends with the process.
    asking = threading.Thread(target=_ask, args=(dict(context.params), found), daemon=True)
    asking.start()
    asking.join(PATIENCE_SECONDS)
    return [CompletionItem(name) for name in list(found) if name.startswith(incomplete)]


def _ask(given: dict[str, Any], found: list[str]) -> None:
    import redis

    from matchmaker.cli.output import Output
    from matchmaker.errors import MatchmakerError
    from matchmaker.keys import Keys
    from matchmaker.settings import Settings

    try:
        settings = Settings.load(redis_url=given.get("url"), realm=given.get("realm"), data_dir=given.get("data_dir"))
        url = Invocation(settings, (settings.realm,), Output(as_json=False)).url()
        options = {"socket_timeout": PATIENCE_SECONDS, "socket_connect_timeout": PATIENCE_SECONDS, "retry": None}
        with redis.Redis.from_url(url, **options) as client:
            fields: Any = client.hkeys(Keys(settings.realm).rules)
    except (MatchmakerError, redis.RedisError, OSError, ValueError, TypeError):
        return
    found += sorted(field[2:].decode() for field in fields if field.startswith(b"q:"))
