"""apply: the rules of a realm, all of them or none."""

from __future__ import annotations

import pytest
import redis

from matchmaker import Matchmaker
from matchmaker.reports import QueueChange
from matchmaker.rules import Linear, QueueRules
from tests.lua.world import QUEUE, START_MS, World

FAST = QueueRules(willingness=Linear(per_second=5))


class TestMakingARealm:
    def test_it_begins_with_the_first_rules(self, client: redis.Redis, realm: str) -> None:
        world = World(client, realm)
        changes = world.mm.apply_rules({QUEUE: FAST}, retain_seconds=90, max_backlog=1_000)
        assert changes == [QueueChange(QUEUE, "created", 1)]
        meta = world.meta()
        assert {name: meta[name] for name in ("schema", "time", "retain_ms", "max_backlog", "full")} == {
            "schema": "1", "time": "virtual", "retain_ms": "90000", "max_backlog": "1000", "full": "",
        }  # fmt: skip
        assert world.mm.rules()[QUEUE].rules == FAST
        assert [(kind, told) for _, kind, told in world.events()] == [
            ("rules", {"v": 1, "event": "rules", "at": START_MS, "queue": QUEUE, "version": 1, "change": "created"})
        ]

    def test_without_a_clock_it_runs_on_the_servers_time(self, client: redis.Redis, realm: str) -> None:
        mm = Matchmaker(client, realm)
        mm.apply_rules({QUEUE: FAST})
        assert client.hget(mm.calls.keys.meta, "time") == b"server"

    def test_its_own_settings_are_those_of_the_first_time(self, world: World) -> None:
        before = world.meta()
        world.mm.apply_rules({QUEUE: FAST}, retain_seconds=1, max_backlog=1)
        assert world.meta() == before


class TestChanges:
    def test_each_queue_is_told_of(self, world: World) -> None:
        world.apply(queue="old")
        changes = world.mm.apply_rules({"new": FAST, "old": QueueRules(), QUEUE: FAST})
        assert changes == [
            QueueChange("new", "created", 1), QueueChange("old", "unchanged", 1), QueueChange(QUEUE, "changed", 2),
        ]  # fmt: skip

    def test_every_version_is_kept(self, world: World) -> None:
        world.apply(FAST)
        world.apply(QueueRules())
        stored = world.client.hgetall(world.keys.rules)
        kept = [stored[f"v:{QUEUE}:{version}".encode()].decode() for version in (1, 2, 3)]
        assert kept == [QueueRules().compiled(), FAST.compiled(), QueueRules().compiled()]
        assert world.mm.rules()[QUEUE].version == 3

    def test_the_line_is_due_for_work_and_a_matcher_is_woken(self, world: World) -> None:
        world.enqueue("ann", 1500)
        world.match_pass()
        world.client.delete(world.keys.wake)
        world.now += 50
        world.mm.apply_rules({QUEUE: FAST})
        assert world.due() == {QUEUE: world.now}
        assert world.hints() == [QUEUE]
        assert world.match_pass().work

    def test_the_same_rules_again_change_nothing(self, world: World) -> None:
        world.enqueue("ann", 1500)
        world.match_pass()
        before = world.dump()
        assert world.mm.apply_rules({QUEUE: QueueRules()}) == [QueueChange(QUEUE, "unchanged", 1)]
        assert world.dump() == before

    @pytest.mark.parametrize("prune", [False, True])
    def test_a_dry_run_tells_the_same_and_changes_nothing(self, world: World, prune: bool) -> None:
        world.apply(queue="old")
        before = world.dump()
        told = world.mm.apply_rules({QUEUE: FAST}, prune=prune, dry=True)
        assert world.dump() == before
        assert told == world.mm.apply_rules({QUEUE: FAST}, prune=prune)
        assert [change.change for change in told] == ["changed", *["removed"] * prune]

    def test_a_dry_run_makes_no_realm(self, client: redis.Redis, realm: str) -> None:
        world = World(client, realm)
        assert world.mm.apply_rules({QUEUE: FAST}, dry=True) == [QueueChange(QUEUE, "created", 1)]
        assert world.dump() == {}
        assert not client.exists(world.keys.clock)

    def test_what_is_removed_is_told_once(self, world: World) -> None:
        world.enqueue("ann", 1500)
        assert world.mm.apply_rules({"other": FAST}, prune=True)[1:] == [QueueChange(QUEUE, "removed", 1)]
        before = world.dump()
        assert world.mm.apply_rules({"other": FAST}, prune=True) == [QueueChange("other", "unchanged", 1)]
        assert world.dump() == before


@pytest.mark.parametrize(
    "fault",
    [
        "", "{", "[]", "null", "{}", '"linear"', "{" * 10_000,
        '"per_second":NaN', '"per_second":Infinity', '"per_second":1e400', '"per_second":-1', '"per_second":"1"',
        '"per_second":true', '"max_gap":null', '"cap":-2', '"kind":"cubic"', '"accept":"none"',
        '"kind":"stepped"', '"kind":"exponential"',
    ],
)  # fmt: skip
def test_rules_that_no_script_could_work_with_are_refused(world: World, fault: str) -> None:
    """Given a client that wrote its own compiled form, when it is wrong, then nothing of the call is stored."""
    good = QueueRules().compiled()
    field, _, _ = fault.partition(":")
    wrong = good[:-1] + f",{fault}" + "}" if fault.startswith('"') and ":" in fault else fault
    before = world.dump()
    reply = world.raw("apply", world.now, "0", "0", "600000", "1000", "fine", good, "wrong", wrong)
    assert reply[:2] == [b"invalid", b"wrong"], field
    assert world.dump() == before


@pytest.mark.parametrize("queue", ["", "A", "a b", "{a}", "a:b", "-a", "ä", "a" * 65, "a\n", '"', "a}{b"])
def test_a_name_that_could_mean_something_else_is_refused(world: World, queue: str) -> None:
    before = world.dump()
    reply = world.raw("apply", world.now, "0", "0", "600000", "1000", queue, QueueRules().compiled())
    assert reply[:2] == [b"invalid", b"queue"]
    assert world.dump() == before


def test_a_queue_without_its_rules_is_refused(world: World) -> None:
    before = world.dump()
    assert world.raw("apply", world.now, "0", "0", "600000", "1000", "lonely")[0] == b"invalid"
    assert world.dump() == before
