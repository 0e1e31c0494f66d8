"""Errors and exit codes: one table that leaves nothing out, and wording that says what is allowed."""

from __future__ import annotations

import importlib
import math
import pkgutil

import pytest

import matchmaker
from matchmaker.cli.exits import MEANING, OF_CODE, Exit, exit_of
from matchmaker.errors import InvalidInput, MatchmakerError, WaitTimeout
from matchmaker.model import TicketRequest


def every_error() -> set[type[MatchmakerError]]:
    """The root and all that derives from it anywhere in the package."""
    for module in pkgutil.walk_packages(matchmaker.__path__, "matchmaker."):
        if not module.name.startswith("matchmaker.store.migrations."):  # files that Alembic runs, not modules
            importlib.import_module(module.name)
    found, new = set[type[MatchmakerError]](), {MatchmakerError}
    while new:
        found |= new
        new = {one for kind in new for one in kind.__subclasses__()} - found
    return {one for one in found if one.__module__.startswith("matchmaker.")}


def test_every_error_has_an_exit_code_and_every_entry_an_error() -> None:
    """Given every error class, when its code is looked up, then the table has it, and no entry is left over."""
    assert {one.code for one in every_error()} == OF_CODE.keys()


def test_no_two_errors_share_a_code() -> None:
    kinds = every_error()
    assert len({one.code for one in kinds}) == len(kinds)


def test_every_exit_code_says_what_it_means() -> None:
    assert MEANING.keys() == set(Exit)


def test_exit_codes_are_the_documented_numbers() -> None:
    """Shell scripts out there know these numbers."""
    assert {code.name: int(code) for code in Exit} == {
        "OK": 0,
        "NO": 1,
        "INPUT": 2,
        "NOT_FOUND": 3,
        "CONFLICT": 4,
        "SERVER": 5,
        "FULL": 6,
        "DEFECT": 70,
        "INTERRUPTED": 130,
        "READER_GONE": 141,
    }


def test_an_error_of_somebody_elses_counts_as_a_defect() -> None:
    class Foreign(MatchmakerError):
        code = "foreign"

    assert exit_of(Foreign("?")) is Exit.DEFECT
    assert exit_of(WaitTimeout("t", 1)) is Exit.NO


@pytest.mark.parametrize(
    ("rating", "wrong"),
    [
        (math.nan, "nan is not a finite number"),
        (math.inf, "inf is not a finite number"),
        ("12", "'12' is not a finite number"),
        (True, "True is not a finite number"),
        ([], "[] is not a finite number"),
        (2_000_000.0, "2000000.0 is out of range"),
        (-1_000_001, "-1000001 is out of range"),
        pytest.param(10**5000, "a value too large to show (int) is out of range", id="huge"),
    ],
)
def test_a_refused_number_is_told_apart_from_its_range(rating: object, wrong: str) -> None:
    """Given a bad rating, when a ticket is asked for, then the message says what is wrong and what is allowed."""
    with pytest.raises(InvalidInput) as refused:
        TicketRequest("alice", rating)  # type: ignore[arg-type]
    assert str(refused.value) == f"rating: {wrong} (allowed −1,000,000 … 1,000,000)"


def test_what_is_no_number_is_refused_in_the_usual_words() -> None:
    with pytest.raises(InvalidInput) as refused:
        TicketRequest("", 1500.0)
    assert str(refused.value).startswith("player: '' is refused (allowed: 1 to 128 bytes")
