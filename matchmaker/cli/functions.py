"""``functions load``, ``status``, ``show`` and ``unload``: the scripts as functions, for clients in any language."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from matchmaker.cli.command import Invocation, answers
from matchmaker.cli.exits import Exit

if TYPE_CHECKING:
    from matchmaker.functions import LibraryStatus


@click.group()
def functions() -> None:
    """Load the scripts as Redis Functions, and tell what is loaded."""


@functions.command("load")
@answers
def load_functions(invocation: Invocation) -> None:
    """Load the functions into the server, in place of those of another version.

    One atomic step: a call meets the old functions or the new. Once a server; they are kept and replicated like data.
    """
    from matchmaker.functions import LibraryState, load, status

    with invocation.client() as client:
        before = status(client)
        if before.state is not LibraryState.CURRENT:
            load(client)
        after = status(client)
    done = {"absent": "loaded", "differs": "replaced", "current": "unchanged"}[before.state]
    invocation.output.answer(
        {"library": after.library, "done": done, "before": before, "after": after}, _row(after, done)
    )


@functions.command("status")
@answers
def functions_status(invocation: Invocation) -> int:
    """Tell whether the server has this program's functions: current, differs or absent.

    Exit code 0 for current, else 1.
    """
    from matchmaker.functions import LibraryState, status

    with invocation.client() as client:
        now = status(client)
    lines = [_row(now, now.state)]
    if now.state is not LibraryState.CURRENT:
        lines.append(f"this program's are of version {now.own_version}  {now.own_digest}: `matchmaker functions load`")
    invocation.output.answer(now, *lines)
    return Exit.OK if now.state is LibraryState.CURRENT else Exit.NO


@functions.command("show")
@answers
def show_functions(invocation: Invocation) -> None:
    """Print the library, as `redis-cli -x FUNCTION LOAD REPLACE` takes it. Needs no server."""
    from matchmaker.functions import LIBRARY, library_source

    invocation.output.answer({"library": LIBRARY, "source": library_source()}, library_source().rstrip("\n"))


@functions.command("unload")
@answers
def unload_functions(invocation: Invocation) -> None:
    """Remove the functions from the server. Clients that call them get an error from then on; Python ones go on."""
    from matchmaker.functions import LIBRARY, unload

    with invocation.client() as client:
        done = "unloaded" if unload(client) else "absent"
    invocation.output.answer({"library": LIBRARY, "done": done}, f"{LIBRARY}  {done}")


def _row(now: LibraryStatus, word: str) -> str:
    """``mm1  loaded  version 0.1.0  56a7a41c…``."""
    held = f"version {now.version or 'unknown'}  {now.digest}" if now.digest else ""
    return f"{now.library}  {word}  {held}".rstrip()
