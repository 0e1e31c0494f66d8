"""The checker on ready checks, open matches and ratings: each fault by hand, and it must name that one and no other."""

from __future__ import annotations

import contextlib
import random
from collections import Counter

import pytest
import redis

from matchmaker import errors
from matchmaker.checker import Code
from matchmaker.rules import parse_rules
from tests.integration.staged_realm import STAGE_FAULTS, Harm, Staged
from tests.lua.world import World

QUEUES = ("ladder", "bare", "asked")
SEASON = """
[ladder]
ready_check = { seconds = 3 }
results = { by = "either", within_seconds = 20, alone = "dispute", abort_seconds = 3 }
penalties = { seconds = [0, 5] }
willingness = { base = 5 }
[bare]
results = { by = "players", within_seconds = 10, abort_seconds = 5 }
willingness = { base = 5 }
expire_after_seconds = 30
[asked]
ready_check = { seconds = 5 }
avoid = 3
willingness = { base = 5 }
"""


@pytest.fixture
def staged(redis_client: redis.Redis, realm: str) -> Staged:
    return Staged.build(World(redis_client, realm))


@pytest.mark.parametrize(
    ("code", "harm", "more"), [(code, *rest) for code, _, *rest in STAGE_FAULTS], ids=[one[1] for one in STAGE_FAULTS]
)
def test_each_fault_is_named_and_no_other(staged: Staged, code: Code, harm: Harm, more: set[Code]) -> None:
    """Given a sound realm, when it is harmed in one way, then the checker names exactly that."""
    before = staged.check(matchers_alive=True)
    assert before.ok, str(before)
    harm(staged)
    report = staged.check()
    assert {violation.code for violation in report.violations} == {code, *more}, str(report)


def test_a_deadline_that_nobody_sees_to(staged: Staged) -> None:
    """Given a ready check whose time is over, when nobody ends it, then the grace decides."""
    until = staged.zscore(staged.keys.deadlines, f"c:{staged.checking}")
    staged.world.now = int(until) + 999
    staged.world.run(staged.world.calls.peek(0))
    assert staged.check(matchers_alive=True).ok
    staged.world.now += 1
    staged.world.run(staged.world.calls.peek(0))
    report = staged.check(matchers_alive=True)
    assert [violation.code for violation in report.violations] == [Code.DEADLINE_OVERDUE]
    assert staged.check().ok


def test_without_the_stream(staged: Staged) -> None:
    """Given a fault that the state alone shows, then a quick look finds it as well."""
    assert staged.check(deep=False).ok
    staged.hdel(staged.keys.playing, "p:fay")
    assert [violation.code for violation in staged.check(deep=False).violations] == [Code.PLAYING_WRONG]


def test_all_comes_to_an_end(staged: Staged) -> None:
    """Given everything that went on, when it ends in every way there is, then the realm is sound."""
    mm, s = staged.world.mm, staged
    s.rate(2, s.unrated, "kay", "leo")
    mm.accept(s.checking, "dan")
    cat_and_dan = s.event("matched")[0]
    mm.leave(cat_and_dan, "cat")
    mm.resolve(s.disputed, "op", winner=2)
    s.at(1000)
    s.world.raw("lapse", str(s.world.now), s.keys.channel_prefix, "100")
    report = s.check(matchers_alive=True)
    assert report.ok, str(report)
    assert {match.state for match in report.ledger.stages.matches.values()} == {"finished"}
    assert s.hlen(s.keys.playing) == s.hlen(s.keys.matches) == s.hlen(s.keys.bodies) == 0


@pytest.mark.parametrize("seed", range(3))
def test_a_season_at_random_is_sound(redis_client: redis.Redis, realm: str, seed: int) -> None:
    """Given players who come, accept, decline, report, leave and abort as they like, in queues of every kind and a
    realm that soon forgets, then the checker finds nothing wrong at any time."""
    world, rng, n = World(redis_client, realm), random.Random(seed), 0
    world.mm.apply_rules(parse_rules(SEASON, "queues.toml"), retain_seconds=20)
    for queue in QUEUES:
        world.tend(queue)
    s, players = Staged(world), [f"p{i}" for i in range(12)]
    rated: set[str] = set()
    games: Counter[tuple[str, str]] = Counter()
    for step in range(60):
        s.at(step + 1)
        for player in rng.sample(players, 3):
            with contextlib.suppress(errors.PlayerInMatch, errors.Penalised, errors.AlreadyWaiting):
                queue = rng.choice(QUEUES)
                world.enqueue(player, rng.randint(1, 3), queue=queue, ticket=f"{player}-{step}-{queue}")
        for queue in QUEUES:
            world.match_pass(queue=queue)
        stages = s.check().ledger.stages
        for check in [one for one in stages.checks.values() if not one.outcome]:
            for player in check.tickets.values():
                act = rng.choice((world.mm.accept, world.mm.accept, world.mm.accept, world.mm.decline, None))
                if act is not None and rng.random() < 0.5:
                    with contextlib.suppress(errors.CheckOver):
                        act(check.check, player)
        for match in [one for one in stages.matches.values() if one.state != "finished"]:
            player = rng.choice(list(match.tickets.values()))
            with contextlib.suppress(errors.MatchOver, errors.TooLate, errors.AlreadyReported):
                act_on(world, rng, match.match, match.state, player)
        for match in [one for one in stages.matches.values() if one.outcome == "played" and one.match not in rated]:
            if rng.random() < 0.5:
                n += 1
                rated.add(match.match)
                keys = {player: (match.queue, player) for player in match.tickets.values()}
                games.update(keys.values())
                s.rate_games(n, match.queue, match.match, {player: games[key] for player, key in keys.items()})
        s.world.raw("lapse", str(s.world.now), s.keys.channel_prefix, "100")
        report = s.check(matchers_alive=True)
        assert report.ok, str(report)
    assert n > 5


def act_on(world: World, rng: random.Random, match: str, state: str, player: str) -> None:
    """Something that may happen to an open match."""
    mm, chance = world.mm, rng.random()
    if state == "disputed":
        if chance < 0.3:
            mm.resolve(match, "op", winner=1)
    elif chance < 0.6:
        mm.report(match, player, winner=1 if rng.random() < 0.8 else 2)
    elif chance < 0.7:
        mm.leave(match, player)
    elif chance < 0.8:
        mm.abort(match, player=player)
