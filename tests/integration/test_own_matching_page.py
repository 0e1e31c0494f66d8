"""docs/own-matching.md: its program runs as the page says, and pairs whom it says."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from matchmaker import Matchmaker, Ticket, parse_rules
from matchmaker.model import Player
from matchmaker.proposals import Proposals, Slice, choose
from matchmaker.rules import QueueRules
from tests.faces import PATIENCE_SECONDS
from tests.integration.terminal import ROOT, Running

PAGE = (ROOT / "docs" / "own-matching.md").read_text(encoding="utf-8")
MONDAY, SATURDAY = (int(datetime(2026, 1, day, tzinfo=UTC).timestamp() * 1000) for day in (5, 3))


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Both files of the page, in a folder."""
    (tmp_path / "pairing.py").write_text(block("python"), encoding="utf-8")
    (tmp_path / "queues.toml").write_text(block("toml"), encoding="utf-8")
    return tmp_path


@pytest.fixture
def friendly(folder: Path) -> Callable[[Slice], Proposals]:
    spec = importlib.util.spec_from_file_location("pairing_of_the_page", folder / "pairing.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[Slice], Proposals] = module.friendly
    return found


def shown(now_ms: int, *who: tuple[str, float, str]) -> Slice:
    """Players with a rating and a style who have all waited 10 s."""
    tickets = [
        Ticket(f"t-{name}", "ladder", (Player(name, rating),), now_ms - 10_000, data=json.dumps({"style": style}))
        for name, rating, style in who
    ]
    return Slice("ladder", QueueRules(matching="own"), now_ms, tuple(tickets))


@pytest.mark.parametrize(("now_ms", "paired"), [(MONDAY, True), (SATURDAY, False)])
def test_two_beginners_meet_on_a_weekday_only(
    friendly: Callable[[Slice], Proposals], now_ms: int, paired: bool
) -> None:
    choice = choose(friendly, shown(now_ms, ("ann", 1100, "attack"), ("bob", 1110, "defend")))
    assert (len(choice.proposals), choice.again_seconds) == ((1, None) if paired else (0, 2.0))


def test_styles_that_go_together_meet_over_those_that_do_not(friendly: Callable[[Slice], Proposals]) -> None:
    """Given three of whom the nearest two both defend, when they are shown, then one of them meets who attacks."""
    choice = choose(
        friendly, shown(SATURDAY, ("ann", 1500, "defend"), ("bob", 1510, "defend"), ("cid", 1540, "attack"))
    )
    assert [(pair.one.player, pair.other.player) for pair in choice.proposals] == [("bob", "cid")]


@pytest.mark.parametrize("data", ["", "no json", "[1]", "7", '{"style": 3}', '{"style": "rush"}', "[" * 4000])
def test_a_ticket_without_a_style_is_paired_all_the_same(friendly: Callable[[Slice], Proposals], data: str) -> None:
    given = shown(MONDAY, ("ann", 1500, "attack"), ("bob", 1510, "defend"))
    foreign = replace(given.tickets[1], data=data)
    choice = choose(friendly, replace(given, tickets=(given.tickets[0], foreign)))
    assert [(pair.one.player, pair.other.player) for pair in choice.proposals] == [("ann", "bob")]


def test_the_program_runs_as_the_page_says(folder: Path, redis_url: str, realm: str) -> None:
    """Given the files of the page in a folder, when its proposer runs there beside a matcher, then the two players of
    the page are matched."""
    env = {"MATCHMAKER_REDIS_URL": redis_url, "MATCHMAKER_REALM": realm}
    (command,) = re.findall(r"^\$ matchmaker (proposer \S+ \S+)", PAGE, re.MULTILINE)
    joins = re.findall(r"^\$ matchmaker enqueue (\S+) (\S+) --rating (\d+) --data '(.*?)'", PAGE, re.MULTILINE)
    with Matchmaker(redis_url, realm) as mm:
        mm.apply_rules(parse_rules((folder / "queues.toml").read_text(encoding="utf-8"), "queues.toml"))
        with (
            Running("worker", env=env, cwd=folder),
            Running(*command.split(), env=env, cwd=folder),
        ):
            tickets = [mm.enqueue(queue, name, rating=float(rating), data=data) for queue, name, rating, data in joins]
            match = mm.wait_for_match(tickets[0], PATIENCE_SECONDS)
    assert match.players == ("ann", "bob")
    assert match.proposed
