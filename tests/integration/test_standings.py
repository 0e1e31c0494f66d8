"""Leaderboards out of the realm: ranks, percentiles and letters as an exact count has them, pages at any place."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import redis
import redis.asyncio

from matchmaker import Matchmaker, errors, parse_rules
from matchmaker.calls import Plan
from matchmaker.runner import AsyncRunner
from matchmaker.standings import Ranked, around_plan, letter_of, of_plan, percentile, top_plan

RULES = """
[ladder]
results = { by = "players", within_seconds = 60 }
rating = { system = "elo", letters = { S = 95, A = 80, B = 50, C = 20 } }
[plain]
[race]
sides = ["bw", "sc2"]
results = { by = "players", within_seconds = 60 }
rating = { system = "elo" }
"""
LETTERS = {"S": 95.0, "A": 80.0, "B": 50.0, "C": 20.0}


@pytest.fixture
def mm(redis_client: redis.Redis, realm: str) -> Iterator[Matchmaker]:
    with Matchmaker(redis_client, realm) as mm:
        mm.apply_rules(parse_rules(RULES, "test"))
        yield mm


def store(mm: Matchmaker, ratings: dict[str, float], queue: str = "ladder", side: str = "") -> None:
    mm.redis.zadd(mm.calls.keys.ratings(queue, side), dict(ratings))


def trips(mm: Matchmaker, plan: Plan[Any]) -> int:
    """Round trips that a plan makes."""
    count, wanted = 0, next(plan)
    while True:
        count += 1
        reply = mm.runner.batch(wanted) if hasattr(wanted, "calls") else mm.runner.call(wanted)  # type: ignore[arg-type]
        try:
            wanted = plan.send(reply)
        except StopIteration:
            return count


def expected(ratings: dict[str, float]) -> list[Ranked]:
    """The whole list, counted out."""
    order = sorted(ratings, key=lambda player: (ratings[player], player.encode()), reverse=True)
    lines = []
    for player in order:
        rank = 1 + sum(other > ratings[player] for other in ratings.values())
        not_above = sum(other <= ratings[player] for other in ratings.values()) - 1
        percent = 100.0 if len(ratings) == 1 else 100 * not_above / (len(ratings) - 1)
        letter = next((one for one, bound in LETTERS.items() if percent >= bound), "D")
        lines.append(Ranked(player, ratings[player], rank, len(ratings), percent, letter))
    return lines


@pytest.mark.parametrize("seed", range(4))
def test_every_page_is_a_part_of_the_list_counted_out(mm: Matchmaker, seed: int) -> None:
    """Given many with few different ratings, then pages from any place and around anybody agree with a plain count."""
    chance = random.Random(seed)
    ratings = {f"p{i}": chance.choice([1 / 3, -7.5, 1500.0, 1500.1, 1e6, float(i)]) for i in range(60)}
    store(mm, ratings)
    whole = expected(ratings)
    for first in (1, 2, 17, 55, 60):
        for most in (1, 7, 100):
            board = mm.runner.run(top_plan(mm.calls, "ladder", "", most, first))
            assert list(board.lines) == whole[first - 1 : first - 1 + most]
            assert (board.of, board.first) == (60, first)
    for line in whole:
        assert mm.runner.run(of_plan(mm.calls, "ladder", line.player, "")) == line
        board = mm.runner.run(around_plan(mm.calls, "ladder", line.player, "", 7))
        assert list(board.lines) == whole[board.first - 1 : board.first + 6]
        assert len(board.lines) == 7
        place = board.lines.index(line)
        assert place == 3 or board.first in (1, 54)


def test_a_page_as_it_is_said() -> None:
    """The definitions by hand, not by the same formula again."""
    assert percentile(1, 1) == 100
    assert [percentile(rank, 5) for rank in (1, 2, 3, 5)] == [100, 75, 50, 0]
    assert percentile(9, 5) == 0, "read at two moments"
    assert [letter_of(p, LETTERS) for p in (100, 95, 94.9, 50, 20, 19.9, 0)] == ["S", "S", "A", "B", "C", "D", "D"]
    assert letter_of(100, {}) == ""


def test_equals_share_a_rank_and_leave_the_next_out(mm: Matchmaker) -> None:
    store(mm, {"ann": 1600, "bob": 1500, "cat": 1500, "dan": 1400})
    board = mm.runner.run(top_plan(mm.calls, "ladder", "", 10, 1))
    assert [(line.player, line.rank) for line in board.lines] == [("ann", 1), ("cat", 2), ("bob", 2), ("dan", 4)]
    # And it is the same list again, also from its middle
    assert mm.runner.run(top_plan(mm.calls, "ladder", "", 10, 3)).lines == board.lines[2:]


def test_who_is_alone_is_at_the_top(mm: Matchmaker) -> None:
    store(mm, {"ann": -5})
    assert mm.runner.run(of_plan(mm.calls, "ladder", "ann", "")) == Ranked("ann", -5, 1, 1, 100, "S")


def test_sides_have_lists_of_their_own(mm: Matchmaker) -> None:
    store(mm, {"ann": 1600, "bob": 1500}, "race", "bw")
    store(mm, {"bob": 1700}, "race", "sc2")
    assert mm.runner.run(of_plan(mm.calls, "race", "bob", "bw")).rank == 2
    assert mm.runner.run(of_plan(mm.calls, "race", "bob", "sc2")).rank == 1
    assert mm.runner.run(top_plan(mm.calls, "race", "", 5, 1)).lines == ()


def test_reads_take_few_round_trips(mm: Matchmaker) -> None:
    """Given thousands, then the first page is one round trip, a player's standing two, any page three at most."""
    store(mm, {f"p{i}": float(i // 3) for i in range(3_000)})
    assert trips(mm, top_plan(mm.calls, "ladder", "", 100, 1)) == 1
    assert trips(mm, top_plan(mm.calls, "ladder", "", 100, 2_000)) == 2
    assert trips(mm, of_plan(mm.calls, "ladder", "p1500", "")) == 2
    assert trips(mm, around_plan(mm.calls, "ladder", "p1500", "", 11)) == 3


def test_a_queue_without_rules_of_rating_has_no_letters(mm: Matchmaker) -> None:
    store(mm, {"ann": 1, "bob": 2}, "plain")
    assert [line.letter for line in mm.runner.run(top_plan(mm.calls, "plain", "", 5, 1)).lines] == ["", ""]


REFUSED: Sequence[tuple[type[errors.MatchmakerError], str, Any]] = (
    (errors.UnknownQueue, "nowhere", lambda calls: top_plan(calls, "nowhere", "", 10, 1)),
    (errors.UnknownPlayer, "ann.*'ladder'", lambda calls: of_plan(calls, "ladder", "ann", "")),
    (errors.UnknownPlayer, "ann.*'ladder'", lambda calls: around_plan(calls, "ladder", "ann", "", 10)),
    (errors.InvalidInput, "side.*bw, sc2", lambda calls: top_plan(calls, "race", "wow", 10, 1)),
    (errors.InvalidInput, "side.*no sides", lambda calls: top_plan(calls, "ladder", "bw", 10, 1)),
    (errors.InvalidInput, "side", lambda calls: top_plan(calls, "ladder", "a:b", 10, 1)),
    (errors.InvalidInput, "queue", lambda calls: top_plan(calls, "A", "", 10, 1)),
    (errors.InvalidInput, "player", lambda calls: of_plan(calls, "ladder", "", "")),
    (errors.InvalidInput, "most", lambda calls: top_plan(calls, "ladder", "", 0, 1)),
    (errors.InvalidInput, "most", lambda calls: around_plan(calls, "ladder", "ann", "", 1_001)),
    (errors.InvalidInput, "first", lambda calls: top_plan(calls, "ladder", "", 10, 0)),
)


@pytest.mark.parametrize(("error", "words", "plan"), REFUSED)
def test_what_is_refused_names_the_field(
    mm: Matchmaker, error: type[errors.MatchmakerError], words: str, plan: Any
) -> None:
    with pytest.raises(error, match=words):
        mm.runner.run(plan(mm.calls))


@pytest.mark.parametrize("protocol", [2, 3])
async def test_both_protocols_and_the_asyncio_client_read_the_same(
    mm: Matchmaker, redis_url: str, protocol: int
) -> None:
    store(mm, {"zoë": 1 / 3, "🦊": 1500.25, "a b": -0.1})
    plan = top_plan(mm.calls, "ladder", "", 10, 1)
    whole = mm.runner.run(plan)
    assert [line.rating for line in whole.lines] == [1500.25, 1 / 3, -0.1]
    async with redis.asyncio.Redis.from_url(redis_url, protocol=protocol) as client:
        runner = AsyncRunner(client)
        assert await runner.run(top_plan(mm.calls, "ladder", "", 10, 1)) == whole
        assert (await runner.run(around_plan(mm.calls, "ladder", "zoë", "", 3))).lines == whole.lines
        assert await runner.run(of_plan(mm.calls, "ladder", "🦊", "")) == whole.lines[0]
