"""The checker on queues with constraints: a sound realm is sound, and of every fault done by hand it names that one."""

from __future__ import annotations

import random
from typing import Final

import pytest
import redis

from matchmaker.checker import Code, check
from matchmaker.model import Side, TicketRequest
from matchmaker.rules import parse_rules
from tests.integration.constrained_faults import CONSTRAINED_FAULTS, Harm
from tests.integration.constrained_realm import ARENA, CONSTRAINED, ConstrainedScene
from tests.lua.world import World

CROWDED: Final = """
[crowded]
sides = ["a", "b"]
any_of.language = { relax_after_seconds = 20 }
max_gap = 300
willingness = { base = 5, per_second = 0.5, per_deviation = 0.1 }
"""


@pytest.fixture
def scene(redis_client: redis.Redis, realm: str) -> ConstrainedScene:
    return ConstrainedScene.build(World(redis_client, realm))


@pytest.mark.parametrize(
    ("code", "harm"),
    [(code, harm) for code, _, harm in CONSTRAINED_FAULTS],
    ids=[name for _, name, _ in CONSTRAINED_FAULTS],
)
def test_each_fault_is_named_and_no_other(scene: ConstrainedScene, code: Code, harm: Harm) -> None:
    """Given a sound realm, when it is harmed in one way, then the checker names exactly that."""
    before = scene.check(matchers_alive=True)
    assert before.ok, str(before)
    harm(scene)
    report = scene.check()
    assert {violation.code for violation in report.violations} == {code}, str(report)


def test_what_it_counts(scene: ConstrainedScene) -> None:
    report = scene.check(matchers_alive=True)
    assert (report.tickets, report.matches, report.waiting, report.whole) == (18, 5, 8, True)


def test_a_sound_realm_stays_sound_to_its_end(scene: ConstrainedScene) -> None:
    """Given passes whenever somebody is due, then each step is sound, and all who may meet have met."""
    report = scene.check()
    for seconds in (51, 86, 100, 302, 330):
        scene.at(seconds)
        for line in (ARENA, "arena=2.0", "near", "far", "open", "made"):
            scene.world.match_pass(queue=line)
        report = scene.check(matchers_alive=True)
        assert report.ok, str(report)
    assert (report.matches, report.waiting) == (8, 2)


@pytest.mark.parametrize(("due_at", "line"), [(50, "open"), (84, "arena=2.0")])
def test_a_pair_due_for_longer_than_the_grace_is_overdue(scene: ConstrainedScene, due_at: int, line: str) -> None:
    """Given passes in all lines but one, when its pair is due for the grace, then that is told."""
    for seconds in (50, due_at + 0.998):
        scene.at(seconds)
        for other in {"open", "arena=2.0"} - {line}:
            scene.world.match_pass(queue=other)
    assert scene.check(matchers_alive=True).ok
    scene.at(due_at + 1)
    for other in {"open", "arena=2.0"} - {line}:
        scene.world.match_pass(queue=other)
    late = scene.check(matchers_alive=True).violations
    assert [violation.code for violation in late] == [Code.PAIR_OVERDUE]
    assert repr(line) in late[0].message


def test_proposals_are_waited_for_without_end(scene: ConstrainedScene) -> None:
    """Given two who could be matched in a queue whose matches are proposed, when nobody does, then that is no fault."""
    scene.join("oli", rating=1600.0, queue="made")
    scene.at(49)
    scene.world.match_pass(queue="made")
    assert scene.check(matchers_alive=True).ok


def test_new_rules_at_every_step(scene: ConstrainedScene) -> None:
    """Given a queue that gets and loses constraints while tickets wait, then every step of the work is sound."""
    world, plain = scene.world, parse_rules("[open]\nwillingness = { base = 20, per_second = 1.0 }", "queues.toml")
    asks = parse_rules("[open]\nrematch = { after_seconds = 60 }\nwillingness = { base = 20, per_second = 1 }", "q")
    sides = parse_rules('[open]\nsides = ["a", "b"]', "queues.toml")
    for player in range(5):
        scene.join(f"x{player}", rating=5000.0 + 1000 * player, queue="open")
    for rules in (asks, plain, asks, sides, plain):
        world.mm.apply_rules(rules)
        assert scene.check().ok
        for _ in range(20):
            work = world.run(world.calls.tend("open", 2)).work
            report = scene.check()
            assert report.ok, str(report)
            if not work:
                break
        world.match_pass(queue="open")
        assert scene.check().ok


def test_a_stream_that_was_trimmed_is_held_against_nobody(scene: ConstrainedScene) -> None:
    """Given a stream that begins after everybody came, then what they met before is unknown, and no fault."""
    scene.at(60)
    floor = scene.world.now - 1
    scene.hset(scene.keys.meta, "floor_ms", floor)
    scene.xtrim(scene.keys.events, minid=floor, approximate=False)
    for line in ("open", "near", ARENA):
        scene.world.match_pass(queue=line)
    report = scene.check()
    assert report.ok, str(report)
    assert not report.whole


def test_the_rules_of_the_realm_are_all_there_is(scene: ConstrainedScene) -> None:
    """Given the same rules once more, then nothing is new."""
    scene.world.mm.apply_rules(parse_rules(CONSTRAINED, "queues.toml"))
    assert scene.check(matchers_alive=True).ok


def test_a_crowd_beyond_the_reach_of_any_look(redis_client: redis.Redis, realm: str) -> None:
    """Given 800 at once, most with both sides, when passes go on until nothing is due, then all is sound at each step,
    and who offers both sides played the better way round."""
    world, rng = World(redis_client, realm), random.Random(1)
    world.mm.apply_rules(parse_rules(CROWDED, "queues.toml"))
    world.tend("crowded")
    requests = []
    for number in range(800):
        rating = rng.gauss(1500, 250)
        both = {"a": Side(rating, rng.choice([0.0, 200.0])), "b": Side(rating + rng.uniform(-50, 50))}
        sides = {side: both[side] for side in rng.choice([["a"], ["b"], ["a", "b"], ["a", "b"]])}
        requests.append(
            TicketRequest(f"p{number}", sides=sides, attributes={"language": rng.choice(["de", "en", "fr"])})
        )
    world.mm.enqueue_many("crowded", requests)
    report = check(redis_client, realm)
    for _ in range(6):
        world.now += 5000
        while (world.match_pass(512, queue="crowded").next_ms or world.now + 1) <= world.now:
            pass
        report = check(redis_client, realm, matchers_alive=True)
        assert report.ok, str(report)
    assert report.matches > 350
