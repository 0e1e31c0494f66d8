"""The command line as it describes itself: help, the page of the docs, and what a call for help costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from matchmaker import __version__
from matchmaker.cli import COMMANDS, main, program
from matchmaker.cli.reference import renewed

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "cli.md"


def test_the_page_says_what_the_commands_say() -> None:
    """Given docs/cli.md, when its second part is made anew from the code, then nothing changes."""
    text = PAGE.read_text(encoding="utf-8")
    assert renewed(text) == text, "run: python -m matchmaker.cli.reference docs/cli.md"


def test_a_page_without_its_mark_is_not_overwritten() -> None:
    with pytest.raises(ValueError, match="mark"):
        renewed("# The command line\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_listed_with_the_first_line_of_its_own_help(name: str) -> None:
    """The list is written beside the commands, so that it costs no import of them: it must not drift."""
    command = program.get_command(click.Context(program), name)
    assert command is not None
    assert command.name == name
    assert (command.help or "").split("\n\n")[0].startswith(COMMANDS[name].help.split(":")[0].removesuffix("."))


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "demo"])
def test_every_command_takes_the_shared_options(name: str) -> None:
    """Those of a group take them, the group itself has none."""
    command = program.get_command(click.Context(program), name)
    assert command is not None
    for one in command.commands.values() if isinstance(command, click.Group) else [command]:
        assert {"as_json", "url", "realm", "data_dir"} <= {option.name for option in one.params}


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"matchmaker {__version__}\n"


def test_no_command_prints_the_help_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "Commands:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["enqueu"], "no such command 'enqueu'. (Did you mean one of: 'enqueue', 'queues'?) (see `matchmaker --help`)"),
        (["xyzzy"], "no such command 'xyzzy' (see `matchmaker --help`)"),
        (["enqueue", "ladder"], "missing argument 'PLAYER' (see `matchmaker enqueue --help`)"),
        (["ratings", "import", "a"], "missing option '--queue' (see `matchmaker ratings import --help`)"),
        (["stats", "--nope"], "no such option '--nope' (see `matchmaker stats --help`)"),
        (["status"], "give either a TICKET or --player (see `matchmaker status --help`)"),
        (["cancel", "T", "--player", "p"], "give either a TICKET or --player (see `matchmaker cancel --help`)"),
        (["queues", "aply"], "no such command 'aply'. Did you mean 'apply'? (see `matchmaker queues --help`)"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(
    args: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATCHMAKER_REDIS_URL", "redis://127.0.0.1:1")
    assert main(args) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", f"error: {message}\n")


def test_help_loads_only_what_it_needs() -> None:
    """Given `matchmaker --help`, when it ran, then nothing that only commands need was imported."""
    code = "import sys; from matchmaker.cli import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(run.stderr.split())
    assert "matchmaker.cli" in loaded
    heavy = {"rich", "structlog", "matplotlib", "numpy", "networkx", "honcho", "workers", "matchmaker.checker"}
    assert not loaded & heavy
    assert not [name for name in loaded if name.startswith(("matchmaker.demo", "matchmaker.cli.demo"))]
