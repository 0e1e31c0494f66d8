"""What a proposer keeps of a line: pauses after failures, and where a match function failed."""

from __future__ import annotations

import json

import pytest

from matchmaker.errors import MatchFunctionFailed
from matchmaker.proposals import Pair, Slice, choose
from matchmaker.rules import QueueRules
from workers.rounds import LineState, place_of

EMPTY = Slice("ladder", QueueRules(matching="own"), 0, ())


def reads_nonsense(given: Slice) -> list[Pair]:
    json.loads(f"nonsense of {given.queue}")
    return []


def answers_text(given: Slice) -> str:
    return given.queue


def test_pauses_double_from_a_quarter_of_a_second_to_30() -> None:
    state = LineState()
    pauses = [state.pause() for _ in range(2000)]
    assert pauses[:9] == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]
    assert pauses[-1] == 30


def test_a_failure_is_new_unless_it_repeats() -> None:
    """Given failures in a row, then those like the one before are not new; after a success each is."""
    state = LineState()
    seen = [state.is_new(*one) for one in (("a", "f:1"), ("a", "f:1"), ("a", "f:2"), ("b", "f:2"), ("b", "f:2"))]
    assert seen == [True, False, True, True, False]
    state.went_well()
    assert state.is_new("b", "f:2")


def test_the_place_is_in_the_file_of_the_function() -> None:
    """Given a failure inside a library, then the place is the line that called it; of a wrong answer, the function."""
    with pytest.raises(MatchFunctionFailed) as failed:
        choose(reads_nonsense, EMPTY)
    first = reads_nonsense.__code__.co_firstlineno
    assert place_of(reads_nonsense, failed.value.__cause__) == f"{__file__}:{first + 1}"
    with pytest.raises(MatchFunctionFailed) as failed:
        choose(answers_text, EMPTY)  # type: ignore[arg-type]
    assert place_of(answers_text, failed.value.__cause__) == (  # type: ignore[arg-type]
        f"{__file__}:{answers_text.__code__.co_firstlineno}"
    )
