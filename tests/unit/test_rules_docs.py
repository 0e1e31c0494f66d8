"""docs/rules.md: its reference is current, its rules parse, its tickets are what the wire and Python say."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from matchmaker.compatibility import NO_SIDE, Place, Standing, draw
from matchmaker.model import Side, TicketRequest
from matchmaker.rules import Constraints, QueueRules, parse_rules, warnings_for
from matchmaker.rules.lifecycle_fields import LifecycleFields
from matchmaker.rules.reference import BEGIN, END, main, renewed

PAGE = Path(__file__).parent.parent.parent / "docs" / "rules.md"
TEXT = PAGE.read_text(encoding="utf-8")
WRITTEN = TEXT.partition(BEGIN)[0]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", WRITTEN, re.MULTILINE | re.DOTALL)


TICKETS = [body for body in map(json.loads, blocks("json")) if "event" not in body]
EVENTS = [body for body in map(json.loads, blocks("json")) if "event" in body]


def test_the_reference_is_current() -> None:
    """Given docs/rules.md, when its reference is made anew from the schema, then nothing changes."""
    assert renewed(TEXT) == TEXT, "run: python -m matchmaker.rules.reference docs/rules.md"


def test_the_reference_is_rewritten_in_place(tmp_path: Path) -> None:
    page = tmp_path / "rules.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    main(str(page))
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{BEGIN}\n\n### A queue\n")
    assert text.endswith(f"\n{END}\nafter\n")
    assert "old" not in text


@pytest.mark.parametrize("text", ["# Rules\n", f"{BEGIN}\n", f"{END}\n"])
def test_a_page_without_its_marks_is_not_overwritten(text: str) -> None:
    with pytest.raises(ValueError, match="marks"):
        renewed(text)


@pytest.mark.parametrize("field", QueueRules.model_fields)
def test_every_field_is_in_the_reference(field: str) -> None:
    assert f"\n| `{field}` | " in TEXT.partition(BEGIN)[2]


@pytest.mark.parametrize("field", [*Constraints.model_fields, *LifecycleFields.model_fields])
def test_every_constraint_and_what_follows_a_match_has_an_example(field: str) -> None:
    assert any(re.search(rf"^{field}\b", block, re.MULTILINE) for block in blocks("toml"))


@pytest.mark.parametrize("block", blocks("toml"))
def test_every_example_of_rules_is_taken_without_a_warning(block: str) -> None:
    for rules in parse_rules(block, "rules.md").values():
        assert warnings_for(rules) == []


@pytest.mark.parametrize("ticket", TICKETS)
def test_every_ticket_is_one_on_the_wire(ticket: dict[str, Any]) -> None:
    """Given a ticket of the page, when Python writes what it reads of it, then it is the same."""
    arguments: dict[str, Any] = dict(ticket)
    for name in ("sides", "ratings"):
        if name in ticket:
            arguments[name] = {key: Side(**rated) for key, rated in ticket[name].items()}
    assert json.loads(TicketRequest(**arguments).as_json()) == ticket


class Recorder:
    """Takes the place of a Matchmaker in the examples and keeps what they enqueue."""

    def __init__(self) -> None:
        self.requests: list[Any] = []

    def enqueue(self, queue: str | list[str], player: str, **terms: Any) -> None:
        self.requests.append(json.loads(TicketRequest(player, ticket="T1", **terms).as_json()))


def test_every_example_in_python_is_the_ticket_above_it() -> None:
    """Given each pair of a JSON ticket and the Python that follows, when it runs, then it enqueues that ticket."""
    found = re.findall(r"^```(json|python)\n(.*?)^```$", WRITTEN, re.MULTILINE | re.DOTALL)
    examples = [(above, code) for (kind, above), (language, code) in pairwise(found) if language == "python"]
    assert len(examples) == len(blocks("python")) > 8
    for above, code in examples:
        recorder = Recorder()
        exec(code, {"mm": recorder, "Side": Side})
        assert recorder.requests == [json.loads(above)], code


def test_the_events_have_two_teams_of_one() -> None:
    for event in EVENTS:
        first, second = event["teams"]
        assert len(first) == len(second) == 1
        assert abs(first[0]["rating"] - second[0]["rating"]) == event["gap"]


def test_the_draw_is_what_the_page_says() -> None:
    """Given the pool of the page and its two tickets, when one vetoed Radeon, then the draw is the page's."""
    (block,) = [one for one in blocks("toml") if "pool.map" in one and "sides" not in one]
    rules = parse_rules(block, "rules.md")["ladder"]
    at = {NO_SIDE: Place(1500)}
    first = Standing("T1", "alice", 0, at, vetoes={"map": frozenset(["Radeon"])})
    assert draw(rules, "map", first, Standing("T2", "bob", 0, at)) == "Ascension"
    assert "The remainder by 2 is 1:\n> Ascension." in WRITTEN
    assert '"picks": {"map": "Ascension"}' in WRITTEN
