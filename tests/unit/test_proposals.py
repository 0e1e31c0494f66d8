"""What a match function may answer, how it is found, and what a proposer takes for news."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from matchmaker.errors import InvalidInput, MatchFunctionFailed
from matchmaker.model import Player, Ticket
from matchmaker.proposals import Choice, Proposal, Proposals, Slice, choose, match_function
from matchmaker.reports import StoredRules
from matchmaker.rules import QueueRules
from workers.rounds import Newest

ANN, BOB, CID, DEE, EVE = (
    Ticket(f"t-{name}", "ladder", (Player(name, 1500.0 + number),), 1000 * number)
    for number, name in enumerate(("ann", "bob", "cid", "dee", "eve"))
)
HERE = (ANN, BOB, CID, DEE)


def chosen(answer: object, sides: tuple[str, ...] = ()) -> Choice:
    rules = QueueRules.model_validate({"matching": "own", **({"sides": sides} if sides else {})})
    given = Slice("ladder", rules, 5000, HERE)
    return choose(lambda _: answer, given)  # type: ignore[arg-type, return-value]


def refusals(choice: Choice) -> list[tuple[str, tuple[str, ...]]]:
    return [(refused.reason, refused.names) for refused in choice.refused]


def test_a_slice_tells_how_long_a_ticket_waited() -> None:
    given = Slice("ladder", QueueRules(), 2500, HERE)
    assert [given.waited_seconds(ticket) for ticket in HERE] == [2.5, 1.5, 0.5, 0.0]


@pytest.mark.parametrize(
    "answer",
    [
        [(ANN, BOB), Proposal(CID, DEE)],
        iter([(ANN, BOB), (CID, DEE)]),
        {(ANN, BOB): 1, (CID, DEE): 2},
        Proposals([(ANN, BOB), (CID, DEE)]),
    ],
)
def test_pairs_come_in_any_form(answer: object) -> None:
    choice = chosen(answer)
    assert [(pair.one, pair.other) for pair in choice.proposals] == [(ANN, BOB), (CID, DEE)]
    assert choice.refused == []
    assert choice.again_seconds is None


@pytest.mark.parametrize(
    ("pairs", "refused", "sent"),
    [
        ([(ANN, ANN)], [("one ticket twice", ("t-ann", "t-ann"))], 0),
        ([(ANN, EVE), (BOB, CID)], [("a ticket that is not in the slice", ("t-ann", "t-eve"))], 1),
        (
            [(ANN, BOB), (BOB, CID), (CID, DEE)],
            [
                ("a ticket in two proposals", ("t-ann", "t-bob")),
                ("a ticket in two proposals", ("t-bob", "t-cid")),
                ("a ticket in two proposals", ("t-cid", "t-dee")),
            ],
            0,
        ),
        ([(ANN, BOB), (ANN, BOB), (CID, DEE)], [("a ticket in two proposals", ("t-ann", "t-bob"))] * 2, 1),
        ([(ANN,), (BOB, CID)], [("not a pair of tickets", (repr((ANN,))[:80],))], 1),
        ([("t-ann", "t-bob")], [("not a pair of tickets", ("('t-ann', 't-bob')",))], 0),
        ([Proposal(ANN, BOB, "bw")], [("side 'bw', which the queue does not have", ("t-ann", "t-bob"))], 0),
    ],
)
def test_what_may_not_be_sent_is_named(pairs: list[Any], refused: list[Any], sent: int) -> None:
    choice = chosen(pairs)
    assert refusals(choice) == refused
    assert len(choice.proposals) == sent


def test_a_side_of_the_queue_may_be_chosen() -> None:
    choice = chosen([Proposal(ANN, BOB, "sc2"), (CID, DEE)], ("bw", "sc2"))
    assert [pair.side for pair in choice.proposals] == ["sc2", ""]


@pytest.mark.parametrize("answer", [None, 7, "ab", Proposals([], again_seconds=float("nan")), Proposals([], -1.0)])
def test_an_answer_that_cannot_be_read_is_the_functions_failure(answer: object) -> None:
    with pytest.raises(MatchFunctionFailed, match="the match function of 'ladder' failed: InvalidInput"):
        chosen(answer)


@pytest.mark.parametrize(("asked", "heard"), [(0.0, 0.05), (0.05, 0.05), (7.0, 7.0), (None, None)])
def test_nobody_is_called_all_the_time(asked: float | None, heard: float | None) -> None:
    assert chosen(Proposals([], asked)).again_seconds == heard


def test_an_answer_without_end_is_read_to_an_end() -> None:
    assert len(refusals(chosen(itertools.repeat((ANN, BOB))))) == len(HERE)


def test_what_is_raised_while_the_pairs_come_is_caught_too() -> None:
    def failing(_: Slice) -> Iterator[tuple[Ticket, Ticket]]:
        yield ANN, BOB
        raise RuntimeError("half way")

    with pytest.raises(MatchFunctionFailed, match="half way"):
        choose(failing, Slice("ladder", QueueRules(), 0, HERE))


# -- finding it --------------------------------------------------------------------------------------------------------


def test_a_function_is_found_by_its_name() -> None:
    found: list[object] = [match_function("json:loads"), match_function("json:JSONDecoder.decode")]
    assert found == [json.loads, json.JSONDecoder.decode]


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("json", "MODULE:FUNCTION"),
        (":loads", "MODULE:FUNCTION"),
        ("json:", "MODULE:FUNCTION"),
        ("no_such_module_here:pairs", "No module named 'no_such_module_here'"),
        ("json:pairs", "pairs is none"),
        ("json:__name__", "of type str"),
        (".json:loads", "a module that can be imported"),
    ],
)
def test_a_function_that_is_none_is_refused(named: str, words: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        match_function(named)
    assert refused.value.field == "function"
    assert words in str(refused.value)


# -- news --------------------------------------------------------------------------------------------------------------


def newest(*found: tuple[str, int], version: int = 1) -> Newest:
    return Newest.of(StoredRules("ladder", version, QueueRules(), False), found)


@pytest.mark.parametrize(
    ("now", "seen", "news"),
    [
        (newest(("b", 20), ("a", 10)), None, True),
        (newest(), None, False),
        (newest(("b", 20)), newest(("a", 10)), True),
        (newest(("b", 20), ("a", 20)), newest(("a", 20)), True),
        (newest(("a", 20)), newest(("b", 20), ("a", 20)), False),
        (newest(("a", 10)), newest(("b", 20), ("a", 10)), False),
        (newest(), newest(("a", 10)), False),
        (newest(("a", 10), version=2), newest(("a", 10)), True),
    ],
)
def test_who_came_is_news_and_who_left_is_none(now: Newest, seen: Newest | None, news: bool) -> None:
    assert now.is_news_to(seen) is news


def test_pairs_are_typed_for_programs() -> None:
    """Given a function with the plainest types, when it is used as a match function, then mypy has nothing to say."""

    def plain(given: Slice) -> Iterable[tuple[Ticket, Ticket]]:
        return [(given.tickets[0], given.tickets[1])]

    assert len(choose(plain, Slice("ladder", QueueRules(), 0, HERE)).proposals) == 1
