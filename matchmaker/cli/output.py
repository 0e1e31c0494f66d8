"""How answers look: lines and tables for people, one JSON document for programs, errors in both.

Nothing is ever cut. On a terminal, long cells are folded; elsewhere lines are as long as they need to be, without
colour codes and without spaces at their ends.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from io import StringIO
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import click

from matchmaker.cli.exits import exit_of
from matchmaker.errors import MatchmakerError, RulesInvalid, shown
from matchmaker.words import counted, plain, span

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from matchmaker.reports import Recording

Cell = str | int
_UNBOUNDED_COLUMNS: Final = 1_000_000


class Output:
    """Where one command's answer goes: standard output, errors and warnings to standard error."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def line(self, text: str) -> None:
        """One line for people, out at once."""
        click.echo(text)

    def document(self, body: object) -> None:
        """One JSON document on one line, out at once."""
        click.echo(as_json(body))

    def answer(self, body: object, *lines: str) -> None:
        """The document, or the lines, whichever was asked for."""
        if self.as_json:
            self.document(body)
        else:
            for text in lines:
                self.line(text)

    def warning(self, text: str) -> None:
        """A line on standard error; nothing in JSON, where warnings stand in the document."""
        if not self.as_json:
            click.echo(f"warning: {text}", err=True)

    def error(self, error: MatchmakerError) -> None:
        """What was wrong, on standard error."""
        if isinstance(error, RulesInvalid):
            messages = [plain(str(one)) for one in error.problems]
        else:
            messages = ["\n".join(map(plain, str(error).splitlines()))]
        self.failure(error.code, exit_of(error), messages, vars(error))

    def failure(self, code: str, status: int, messages: Sequence[str], details: Mapping[str, object]) -> None:
        if self.as_json:
            body = {"code": code, "exit": int(status), "message": "\n".join(messages), **details}
            click.echo(as_json({"error": body}), err=True)
        else:
            for message in messages:
                click.echo(f"error: {message}", err=True)

    def table(
        self,
        rows: Sequence[Sequence[Cell]],
        *,
        head: Sequence[str] = (),
        right: Collection[int] = (),
        styles: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Columns; whole numbers and the columns in ``right`` stand to the right.

        ``styles`` gives words of the first column a colour, on a terminal that has any.
        """
        from rich.console import Console

        terminal = sys.stdout.isatty()
        console = Console() if terminal else Console(file=StringIO(), width=_UNBOUNDED_COLUMNS)
        for text in rendered(console, rows, head=head, right=right, styles=styles):
            self.line(text if terminal else text.rstrip())


def rendered(
    console: Console,
    rows: Sequence[Sequence[Cell]],
    *,
    head: Sequence[str] = (),
    right: Collection[int] = (),
    styles: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """The lines of a table, as wide as the console at most: cells that are too long are folded, none is cut."""
    with console.capture() as captured:
        console.print(table_of(rows, head=head, right=right, styles=styles))
    return captured.get().splitlines()


def table_of(
    rows: Sequence[Sequence[Cell]],
    *,
    head: Sequence[str] = (),
    right: Collection[int] = (),
    styles: Mapping[str, str] = MappingProxyType({}),
) -> Table:
    """The table itself, for what draws on a terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=bool(head), header_style="dim")
    for i, cell in enumerate(rows[0] if rows else head):
        name = Text(head[i]) if head else ""
        table.add_column(name, justify="right" if isinstance(cell, int) or i in right else "left", overflow="fold")
    for row in rows:
        texts = [f"{cell:,}" if isinstance(cell, int) else plain(cell) for cell in row]
        table.add_row(*(Text(text, style=styles.get(text, "") if i == 0 else "") for i, text in enumerate(texts)))
    return table


def as_json(body: object) -> str:
    """JSON that any reader takes: ASCII, no NaN, nothing Python-specific."""
    return json.dumps(_plain_values(body), separators=(", ", ": "), allow_nan=False)


def _plain_values(value: object) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain_values(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_values(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return shown(value)


def lag(recording: Recording | None) -> str:
    """What is not recorded yet: ``nothing``, ``1,204 events, the oldest 3.1 s ago``; ``not known`` of no recorder."""
    if recording is None:
        return "not known"
    if recording.oldest_ms is None:
        return "nothing"
    events = "some events" if recording.behind is None else counted(recording.behind, "event")
    return f"{events}, the oldest {span(recording.oldest_ms)} ago"


def local_time(ms: int) -> str:
    """A moment in Unix ms, in this machine's time zone: 2026-11-23 18:46:01."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(ms / 1000))


def size(count: float) -> str:
    """Bytes: 812 kB, 5.0 MB."""
    words = ["B", "kB", "MB", "GB", "TB"]
    while count >= 1000 and len(words) > 1:
        count /= 1000
        words.pop(0)
    return f"{count:.0f} {words[0]}" if count >= 100 or words[0] == "B" else f"{count:.1f} {words[0]}"
