"""The checker on tickets with terms: sides, classes, several queues. Each fault is named, and no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from matchmaker.checker import Code, check
from matchmaker.rules import QueueRules
from tests.lua.world import World

Harm = Callable[[World], object]

SIDED = {"sides": ["bw", "sc2"], "same": ["mode"], "any_of": {"language": {}}, "pool": {"map": ["Radeon", "Sylphid"]}}
LINE = "ladder=ranked"


@pytest.fixture
def world(redis_client: redis.Redis, realm: str) -> World:
    """Two who were matched, one who waits on each side, one of another class, and one in both queues."""
    world = World(redis_client, realm)
    world.apply(QueueRules.model_validate(SIDED))
    world.apply(queue="casual")

    def join(player: str, sides: dict[str, float], language: str, mode: str = "ranked") -> None:
        world.now += 1000
        terms = {"language": language, "mode": mode}
        world.mm.enqueue("ladder", player, sides=sides, attributes=terms, ticket=f"t-{player}")

    join("a", {"bw": 1500.0, "sc2": 1700.0}, "de")
    join("b", {"bw": 1710.0}, "de")
    world.now += 30_000
    assert world.match_pass(queue=LINE).made == 1
    join("c", {"bw": 1500.0, "sc2": 1700.0}, "de")
    join("d", {"sc2": 1505.0}, "en")
    join("e", {"sc2": 1500.0}, "de", "casual")
    world.mm.enqueue(["casual"], "f", rating=1400.0, ticket="t-f")
    for line in (LINE, "ladder=casual", "casual"):
        world.match_pass(queue=line)
    return world


def codes(world: World) -> set[Code]:
    return {violation.code for violation in check(world.client, world.realm).violations}


def test_a_sound_realm_with_terms_has_no_faults(world: World) -> None:
    report = check(world.client, world.realm)
    assert report.ok, str(report)
    assert (report.tickets, report.matches, report.waiting) == (6, 1, 4)


@pytest.mark.parametrize(
    ("code", "harm"),
    [
        (Code.OFF_LINE, lambda w: w.client.zrem(w.keys.line(LINE, "sc2"), "t-c")),
        (Code.LINE_RATING, lambda w: w.client.zadd(w.keys.line(LINE, "bw"), {"t-c": 1501.0})),
        (Code.LINE_GHOST, lambda w: w.client.zadd(w.keys.line(LINE, "bw"), {"t-d": 1505.0})),
        (Code.LINE_GHOST, lambda w: w.client.zadd(w.keys.line("ladder=casual", "sc2"), {"t-a": 1700.0})),
        (Code.DUE_WRONG, lambda w: w.client.zadd(w.keys.due, {"ladder=casual": 5.0})),
    ],
)
def test_each_fault_of_a_place_is_named(world: World, code: Code, harm: Harm) -> None:
    """Given a sound realm, when one place is harmed, then the checker names exactly that."""
    harm(world)
    assert codes(world) == {code}


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('"gap":10', '"gap":11', Code.MATCH_GAP),
        ('"queue":"ladder","rules":1,', '"queue":"ladder","rules":1,"price":3,', Code.MATCH_VALUE),
        ('"side":"sc2"', '"side":"bw"', Code.EVENT_DISAGREES),
    ],
)
def test_a_match_that_is_not_as_the_rules_have_it_is_named(world: World, old: str, new: str, code: Code) -> None:
    """Given the event of a match, when it tells a wrong gap, price or side, then it is named."""
    match_id, fields = next(
        (id_, fields) for id_, fields in world.client.xrange(world.keys.events) if fields[b"event"] == b"matched"
    )
    entries = world.client.xrange(world.keys.events)
    text = fields[b"body"].decode()
    assert old in text, text
    world.client.delete(world.keys.events)
    for id_, entry in entries:
        body = text.replace(old, new) if id_ == match_id else entry[b"body"]
        world.client.xadd(world.keys.events, {"event": entry[b"event"], "body": body}, id=id_)
    assert code in codes(world)
