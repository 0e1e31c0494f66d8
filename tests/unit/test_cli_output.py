"""What is printed: JSON that any reader takes, and tables from which nothing is missing."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from io import StringIO

import pytest
from rich.console import Console

from matchmaker.cli._supervisor import STEADY_SECONDS, Restarts
from matchmaker.cli.output import Output, as_json, rendered, size
from matchmaker.cli.queues import toml_value
from matchmaker.errors import AlreadyWaiting, InvalidInput, RuleProblem, RulesInvalid
from matchmaker.words import counted, plain, points, span

ROWS = [("ladder", 11204, "孫悟空"), ("a-queue-with-quite-a-long-name", 3, "a player whose name is long")]
HEAD = ("queue", "waiting", "player")


def test_a_table_that_is_piped_has_aligned_columns_and_no_spaces_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    """Given no terminal, when a table is printed, then numbers end in one column and nothing is cut or coloured."""
    Output(as_json=False).table(ROWS, head=HEAD, styles={"ladder": "red"})
    assert capsys.readouterr().out == (
        "queue                           waiting  player\n"
        "ladder                           11,204  孫悟空\n"
        "a-queue-with-quite-a-long-name        3  a player whose name is long\n"
    )


@pytest.mark.parametrize("width", [20, 30, 40, 80])
def test_a_narrow_terminal_folds_cells_and_cuts_none(width: int) -> None:
    """Given few columns, when a table is rendered, then every character of every cell is there, within the width."""
    lines = rendered(Console(file=StringIO(), width=width), ROWS, head=HEAD)
    assert all(len(line) <= width for line in lines)
    printed = sorted("".join(lines).replace(" ", ""))
    wanted = [*HEAD, *(f"{cell:,}" if isinstance(cell, int) else cell for row in ROWS for cell in row)]
    assert printed == sorted("".join(wanted).replace(" ", ""))


def test_a_strangers_text_can_neither_colour_nor_mark_up() -> None:
    """Given a player named like markup and one with a control sequence, when shown, then both are plain text."""
    lines = rendered(Console(file=StringIO(), width=80, force_terminal=True), [("[red]x[/red]", "\x9b31m\u202ey")])
    assert lines[0].rstrip() == "[red]x[/red]  \\x9b31m\\u202ey"
    assert plain("zoë 孫悟空") == "zoë 孫悟空"


def test_json_has_no_nan_and_is_ascii() -> None:
    @dataclass
    class Thing:
        name: str
        value: float

    text = as_json({"thing": Thing("zoë", math.nan), "many": (1, None, True), "odd": {1}})
    assert text.isascii()
    assert json.loads(text) == {"thing": {"name": "zoë", "value": "nan"}, "many": [1, None, True], "odd": "{1}"}


def test_an_error_is_one_line_or_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    error = AlreadyWaiting("alice", "T1", "ladder")
    Output(as_json=False).error(error)
    assert capsys.readouterr().err == f"error: {error}\n"
    Output(as_json=True).error(error)
    body = json.loads(capsys.readouterr().err)["error"]
    assert body == {
        "code": "already_waiting",
        "exit": 4,
        "message": str(error),
        "player": "alice",
        "ticket": "T1",
        "queue": "ladder",
    }


def test_an_error_about_nan_is_still_json(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).error(InvalidInput("rating", math.nan, "a finite number, 0 … 1"))
    assert json.loads(capsys.readouterr().err)["error"]["value"] == "nan"


def test_each_problem_of_a_rules_file_is_one_line_whatever_its_names_hold(capsys: pytest.CaptureFixture[str]) -> None:
    problems = [
        RuleProblem("q.toml", "a\nb\x1b[31m", "max_gap", -1, "a number"),
        RuleProblem("q.toml", "", "x", 1, "y"),
    ]
    Output(as_json=False).error(RulesInvalid(problems))
    assert capsys.readouterr().err.splitlines() == [
        "error: q.toml: a\\nb\\x1b[31m: max_gap: -1 is refused (allowed: a number)",
        "error: q.toml: x: 1 is refused (allowed: y)",
    ]
    Output(as_json=True).error(RulesInvalid(problems))
    assert len(json.loads(capsys.readouterr().err)["error"]["problems"]) == 2


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (4100, "4.1 s"),
        (9960, "10 s"),
        (119_400, "119 s"),
        (120_000, "2 min"),
        (7_200_000, "2 h"),
        (864_000_000, "10 days"),
    ],
)
def test_lengths_of_time(ms: int, text: str) -> None:
    assert span(ms) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (812_000, "812 kB"), (5_000_000, "5.0 MB"), (25e15, "25000 TB")],
)
def test_sizes(count: float, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("value", "text"), [(1520.0, "1520"), (1520.55, "1520.5"), (-3.0, "−3"), (0.04, "0"), (-0.0, "0")]
)
def test_points(value: float, text: str) -> None:
    assert points(value) == text


def test_counted() -> None:
    assert [counted(1, "match", "matches"), counted(1204, "match", "matches"), counted(0, "queue")] == [
        "1 match",
        "1,204 matches",
        "0 queues",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (300.0, "300"),
        (0.5, "0.5"),
        (True, "true"),
        ('a"b', '"a\\"b"'),
        (["x", 1], '["x", 1]'),
        ({"a": 1.0}, "{ a = 1 }"),
        ({}, "{}"),
    ],
)
def test_values_as_toml_writes_them(value: object, text: str) -> None:
    assert toml_value(value) == text


def test_what_keeps_dying_young_is_started_after_pauses_that_double_up_to_a_bound() -> None:
    """Given a process that dies at once again and again, when it ends, then pauses grow from 0.2 s to 10 s."""
    restarts, now, pauses = Restarts(), 1000.0, []
    for _ in range(8):
        restarts.begun(now)
        pauses.append(restarts.ended(now))
        assert not restarts.is_due(now + pauses[-1] - 0.01)
        now += pauses[-1]
        assert restarts.is_due(now)
    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


def test_what_lived_long_is_started_again_at_once() -> None:
    restarts = Restarts()
    restarts.begun(0.0)
    restarts.ended(0.0)
    restarts.begun(1.0)
    assert restarts.ended(1.0 + STEADY_SECONDS) == 0.0
    restarts.begun(100.0)
    assert restarts.ended(100.0) == 0.2
