"""What in ``docs/cli.md`` follows from the code; ``python -m matchmaker.cli.reference docs/cli.md`` renews it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from matchmaker.cli import COMMANDS, program
from matchmaker.cli.exits import MEANING, OF_CODE, Exit

BEGIN: Final = "<!-- From here on written by `python -m matchmaker.cli.reference docs/cli.md`. -->"
SHARED: Final = ("as_json", "url", "realm", "data_dir")
"""Options of every command, told once."""


def reference() -> str:
    """Exit codes and commands, as Markdown."""
    return "\n".join([*_exit_codes(), *_shared_options(), *_commands()]) + "\n"


def renewed(text: str) -> str:
    """The page with its written part kept and the rest made anew."""
    written, mark, _ = text.partition(BEGIN)
    if not mark:
        raise ValueError(f"the page lacks its mark: {BEGIN}")
    return f"{written}{BEGIN}\n\n{reference()}"


def _exit_codes() -> Iterator[str]:
    yield "## Exit codes"
    yield ""
    yield "| code | meaning | errors (`code` in `--json`) |"
    yield "|---:|---|---|"
    for code in Exit:
        errors = [f"`{name}`" for name, found in OF_CODE.items() if found is code]
        errors += ["`usage`"] if code is Exit.INPUT else []
        yield f"| {int(code)} | {MEANING[code]} | {', '.join(errors)} |"
    yield ""


def _shared_options() -> Iterator[str]:
    yield "## Options of every command"
    yield ""
    shared = _command("stats")
    yield from _options([one for one in shared.params if one.name in SHARED])
    yield "`demo` has its own `--json`; `up` and `worker` take `--realm` more than once."
    yield ""


def _commands() -> Iterator[str]:
    yield "## Commands"
    yield ""
    for name in COMMANDS:
        command = _command(name)
        if isinstance(command, click.Group):
            for part in command.commands.values():
                yield from _one(part, f"matchmaker {name} {part.name}")
        else:
            yield from _one(command, f"matchmaker {name}")


def _one(command: click.Command, path: str) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    arguments = [piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]"]
    yield f"### `{' '.join([path, *arguments])}`"
    yield ""
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b"):  # click's mark for lines that stay as they are
            yield "\n".join(["```", paragraph.removeprefix("\b\n"), "```"])
        else:
            yield " ".join(paragraph.split())
        yield ""
    own = [one for one in command.params if isinstance(one, click.Option) and not _is_shared(one) and not one.hidden]
    yield from _options(own)


def _is_shared(option: click.Parameter) -> bool:
    return option.name in SHARED


def _options(options: list[click.Parameter] | list[click.Option]) -> Iterator[str]:
    if not options:
        return
    yield "| option | meaning |"
    yield "|---|---|"
    for option in options:
        context = click.Context(click.Command("x"), max_content_width=1000, terminal_width=1000)
        record = option.get_help_record(context)
        if record is not None:
            yield f"| `{record[0]}` | {record[1].replace('|', '/')} |"
    yield ""


def _command(name: str) -> click.Command:
    command = program.get_command(click.Context(program), name)
    if command is None:
        raise LookupError(name)
    return command


def main(path: str) -> None:
    page = Path(path)
    page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
