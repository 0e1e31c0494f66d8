"""An explanation in words: every rule has its sentence, and each says when it passes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from matchmaker.explanation import Candidate, Explanation, LineView, Place, parse_lines, reason, rule_kinds, sentences
from matchmaker.model import Player, Ticket

NOW: Final = 1_700_000_012_000
BOB: Final = Candidate("t-bob", "bob", 1561, gap=41, price=0, gives=9, value=-20, waited_ms=9_000)
LADDER: Final = LineView("ladder", "ladder", 1, 300, (Place(1520, 12, 1, 0, 0, 1),), (), looks_ms=NOW + 5_000)


def explained(*candidates: Candidate, **line: Any) -> list[str]:
    view = replace(LADDER, candidates=candidates, **line)
    ticket = Ticket("t-alice", "ladder", (Player("alice", 1520),), NOW - 12_000)
    return sentences(Explanation(ticket, NOW, (view,)))


def why(**candidate: Any) -> str:
    return reason(LADDER, replace(BOB, **candidate), NOW)


def test_the_tour() -> None:
    """Given the ticket of the tour, then it is told as there."""
    bob = replace(BOB, rule="value", from_ms=NOW + 10_000, due_ms=NOW + 10_000)
    assert explained(bob)[0] == (
        "alice waits 12 s in ladder at 1520 and would give 12 points. Nearest: bob 1561 (gap 41, gives 9): due in 10 s."
    )


RULES: Final = {
    "sides": "both offer the same side",
    "same.version": "they are of different version",
    "any_of.language": "they share no language",
    "range.level": "level is not what both accept",
    "latency": "no region is near enough to both",
    "servers": "no server is known for their regions",
    "pool.map": "every map is vetoed",
    "avoid": "one of them avoids the other",
    "rematch": "they met lately",
    "max_gap": "gap 41 is over max_gap 300",
    "value": "what they give is less than the gap",
}


def test_every_rule_is_tried_in_the_order_in_which_it_is_asked() -> None:
    assert [rule.partition(".")[0] for rule in RULES] == list(rule_kinds())


@pytest.mark.parametrize(("rule", "said"), RULES.items())
def test_a_rule_that_never_passes(rule: str, said: str) -> None:
    assert why(rule=rule) == f"{said}: never"


@pytest.mark.parametrize(("rule", "said"), [pair for pair in RULES.items() if pair[0] != "value"])
def test_a_rule_that_passes(rule: str, said: str) -> None:
    later = NOW + 23_000
    assert why(rule=rule, from_ms=later, due_ms=later) == f"{said}: in 23 s"
    assert why(rule=rule, from_ms=later, due_ms=later + 17_000) == f"{said}: in 23 s, due in 40 s"
    assert why(rule=rule, from_ms=later) == f"{said}: in 23 s, but never due"


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        ({}, "due now: the pass in 5 s takes one of those due"),
        ({"rule": "value", "due_ms": NOW + 1}, "due in 0.1 s"),
        ({"rule": "value", "price": 30}, "what they give is less than the gap and the price: never"),
        (
            {"rule": "any_of.language", "relax_ms": 60_000, "from_ms": NOW + 23_000, "due_ms": NOW + 23_000},
            "they share no language until both waited 60 s: in 23 s",
        ),
        (
            {"rule": "rematch", "met_ms": NOW - 40_000, "from_ms": NOW + 100_000, "due_ms": NOW + 100_000},
            "they met 40 s ago: in 100 s",
        ),
        ({"rule": "of_a_later_version"}, "the rule of_a_later_version keeps them apart: never"),
    ],
)
def test_what_else_is_said(candidate: dict[str, Any], said: str) -> None:
    assert why(**candidate) == said


def test_due_now_in_a_queue_of_ones_own_function() -> None:
    assert reason(replace(LADDER, own=True), BOB, NOW) == "a function of yours decides"
    assert reason(replace(LADDER, looks_ms=NOW), BOB, NOW) == "due now: the next pass takes one of those due"


def test_a_queue_of_ones_own_function_has_no_moments() -> None:
    """Given a function of the operator's, then nothing is due, never or in reach: it decides."""
    assert explained(BOB, own=True, looks_ms=None) == [
        "alice waits 12 s in ladder at 1520. Nearest: bob 1561 (gap 41).",
        "A function of yours decides: beyond sides and same no rule of the queue binds it.",
    ]


@pytest.mark.parametrize(("bar", "said"), RULES.items())
def test_a_rule_that_passes_before_one_that_never_does(bar: str, said: str) -> None:
    assert why(rule="any_of.language", from_ms=NOW + 9_600, relax_ms=10_000, bar=bar) == (
        f"they share no language until both waited 10 s: in 9.6 s; then {said}: never"
    )


def test_several_candidates_and_the_soonest() -> None:
    far = replace(BOB, player="far", ticket="t-far", gap=90)
    sure = replace(BOB, player="sure", ticket="t-sure", gap=99, price=2.5)
    told = explained(replace(BOB, rule="avoid"), replace(far, rule="avoid"), sure, soonest="t-sure")
    assert told[1].startswith("Then: far 1561 (gap 90, ")
    assert told[2].startswith("Soonest: sure 1561 (gap 99, price 2.5, gives 9): due now")


def test_the_crowd_around() -> None:
    never = replace(BOB, rule="max_gap", gap=400)
    assert explained(never)[1] == "1 other: 1 above; 1 within max_gap 300."
    crowd = (Place(1520, 12, 0, 1204, 3, 7),)
    assert explained(never, places=crowd)[1] == (
        "1,214 others: 1,204 below, 3 beside, 7 above; none within max_gap 300."
    )
    assert explained(never, elsewhere=2)[-1] == "2 tickets of other classes cannot be met."
    sides = (Place(1520, 12, 2, 2, 0, 0, "bw"), Place(1500, 9, 0, 0, 0, 0, "sc2"))
    told = explained(replace(never, side="sc2", own_side="bw"), places=sides)
    assert told[0].startswith("alice waits 12 s in ladder as bw at 1520 and would give 12 points, as sc2 at 1500 and ")
    assert "Nearest: bob as sc2 1561 (" in told[0]
    assert told[1] == ("As bw 2 others: 2 below; 2 within max_gap 300. As sc2 nobody; none within max_gap 300.")


def test_nobody() -> None:
    alone = (Place(1520, 12, 0, 0, 0, 0),)
    assert explained(places=alone)[0].endswith(" Nobody else waits there.")
    assert explained(places=alone, elsewhere=1, line="ladder=1.2,ranked")[0] == (
        "alice waits 12 s in ladder (1.2, ranked) at 1520 and would give 12 points. "
        "Nobody waits in the same class; 1 ticket of other classes cannot be met."
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"work": "=5 t"}, "New rules are being brought in: nobody is matched before that is done."),
        ({"work": "5 t"}, "New rules are being brought in: moments may come late until that is done."),
        (
            {"looks_ms": NOW - 60_000},
            "A look at this ticket is due for 60 s: does a matcher run? `matchmaker doctor` tells.",
        ),
        ({"looks_ms": None}, "Only somebody who comes can change that."),
    ],
)
def test_the_state_of_the_line(line: dict[str, Any], said: str) -> None:
    assert explained(replace(BOB, rule="avoid"), **line)[-1] == said


@pytest.mark.parametrize("work", ["closing", "reshape"])
def test_a_queue_that_lets_go(work: str) -> None:
    (said,) = explained(work=work, places=())
    assert said.startswith("alice waits 12 s in ladder. It will be cancelled: ")


def test_what_a_later_version_tells_is_left_out() -> None:
    text = '[{"line":"l","queue":"l","rules":1,"max_gap":3e2,"places":[],"candidates":[],"looks_ms":1e+15,"more":1}]'
    (line,) = parse_lines(text)
    assert (line.looks_ms, line.max_gap) == (10**15, 300)
