"""The checker itself: every fault it knows is done to a sound realm by hand, and it must name that one and no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import pytest
import redis

from matchmaker import errors
from matchmaker.checker import Code, Ledger, check, check_listeners
from matchmaker.rules import QueueRules
from tests.integration.constrained_faults import CONSTRAINED_FAULTS
from tests.integration.faults_by_hand import (
    FAULTS,
    Harm,
    a_ticket_off_its_line,
    an_ended_ticket_enqueued_again,
    one_more_counted,
    two_tickets_that_were_not_due_made_a_match,
)
from tests.integration.sound_realm import Scene
from tests.integration.staged_realm import STAGE_FAULTS
from tests.lua.world import START_MS, World


@pytest.fixture
def scene(redis_client: redis.Redis, realm: str) -> Scene:
    return Scene.build(World(redis_client, realm))


LISTENERS: Final = {Code.MISSED, Code.DUPLICATED, Code.OUT_OF_ORDER, Code.FOREIGN}
LIVENESS: Final = {Code.PAIR_OVERDUE, Code.EXPIRY_OVERDUE, Code.MATCH_LATE, Code.DEADLINE_OVERDUE}
# tests/integration/test_checker_recorded.py, test_checker_settled.py
RECORDS: Final = {
    *(Code.ROW_MISSING, Code.ROW_DISAGREES, Code.ROW_UNKNOWN, Code.ROW_TWICE, Code.RECORDS_BEHIND, Code.SETTLED_WRONG)
}


@pytest.mark.parametrize(
    ("code", "harm"), [(code, harm) for code, _, harm in FAULTS], ids=[name for _, name, _ in FAULTS]
)
def test_each_fault_is_named_and_no_other(scene: Scene, code: Code, harm: Harm) -> None:
    """Given a sound realm, when it is harmed in one way, then the checker names exactly that."""
    before = scene.check(matchers_alive=True)
    assert before.ok, str(before)
    harm(scene)
    report = scene.check()
    assert {violation.code for violation in report.violations} == {code}, str(report)
    assert not report.ok


def test_every_code_has_a_fault_that_shows_it() -> None:
    shown = {one[0] for one in (*FAULTS, *CONSTRAINED_FAULTS, *STAGE_FAULTS)}
    assert shown | LISTENERS | LIVENESS | RECORDS == set(Code)


def test_what_it_counts(scene: Scene) -> None:
    report = scene.check()
    counts = (report.tickets, report.matches, report.cancelled, report.expired, report.waiting, report.events)
    assert counts == (9, 1, 1, 1, 5, 3 + 9 + 1 + 1 + 1)
    assert (report.now_ms, report.whole, report.late) == (scene.world.now, True, 0)
    assert str(report) == "ok (9 tickets, 1 matches, 5 waiting)"


def test_without_the_stream_the_state_is_held_against_itself(scene: Scene) -> None:
    """Given a fault that only the state shows and one that only the stream does, then only the first is found."""
    s = scene
    assert s.check(deep=False).ok
    one_more_counted(s)
    an_ended_ticket_enqueued_again(s)
    assert s.check(deep=False).ok
    a_ticket_off_its_line(s)
    report = s.check(deep=False)
    assert [violation.code for violation in report.violations] == [Code.OFF_LINE]
    assert (report.tickets, report.matches, report.cancelled) == (9, 1, 2)


def test_a_proposed_match_breaks_no_rules_where_proposals_are_made(scene: Scene) -> None:
    two_tickets_that_were_not_due_made_a_match(scene)
    assert scene.check(proposals=True).ok
    scene.edit("matched", gap=61)
    assert [violation.code for violation in scene.check(proposals=True).violations] == [Code.MATCH_GAP]


def test_a_match_that_says_it_was_proposed_breaks_no_rules(scene: Scene) -> None:
    two_tickets_that_were_not_due_made_a_match(scene)
    scene.edit("matched", proposed=True)
    assert scene.check(alive_since_ms=START_MS).ok
    scene.edit("matched", gap=61)
    assert [violation.code for violation in scene.check().violations] == [Code.MATCH_GAP]


def test_a_realm_that_does_not_exist_is_an_error(redis_client: redis.Redis) -> None:
    with pytest.raises(errors.UnknownRealm):
        check(redis_client, "nobody-made-it")


def test_a_realm_of_another_schema_is_an_error(scene: Scene) -> None:
    scene.hset(scene.keys.meta, "schema", "9")
    with pytest.raises(errors.UpgradeNeeded):
        scene.check()


@pytest.mark.parametrize("options", [{"decode_responses": True}, {"protocol": 2}, {"protocol": 3}])
def test_any_client_will_do(scene: Scene, redis_url: str, options: dict[str, Any]) -> None:
    with redis.Redis.from_url(redis_url, **options) as client:
        assert check(client, scene.world.realm).ok
    scene.hdel(scene.keys.tickets, "t-dot")
    with redis.Redis.from_url(redis_url, **options) as client:
        assert not check(client, scene.world.realm).ok


# -- liveness ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("queue", "due_after"), [("ladder", 30), ("duel", 35)])
def test_a_pair_due_for_longer_than_the_grace_is_overdue(scene: Scene, queue: str, due_after: float) -> None:
    """Given two who fall due so many seconds after they came, when nobody matches them, then the grace decides."""
    if queue == "duel":
        scene.at(50)
        scene.world.match_pass()
    scene.at(20 + due_after + 0.999)
    assert scene.check(matchers_alive=True).ok
    scene.at(20 + due_after + 1)
    late = scene.check(matchers_alive=True).violations
    assert [violation.code for violation in late] == [Code.PAIR_OVERDUE]
    assert repr(queue) in late[0].message
    assert scene.check(matchers_alive=True, grace_seconds=5).ok
    assert scene.check().ok


def test_a_line_at_work_on_new_rules_is_given_time(scene: Scene) -> None:
    """Given new rules by which all are due, then they are overdue only a grace after the work was done."""
    world = scene.world
    eager = QueueRules.model_validate({"max_gap": 1000.0, "willingness": {"base": 500.0}})
    world.mm.apply_rules({"ladder": eager})
    scene.at(40)
    assert scene.check(matchers_alive=True).ok
    world.tend()
    assert [violation.code for violation in scene.check(matchers_alive=True).violations] == [Code.PAIR_OVERDUE] * 2


def test_an_expiry_overdue(scene: Scene) -> None:
    for queue in ("ladder", "duel"):
        scene.at(100)
        scene.world.match_pass(queue=queue)
    scene.at(20 + 1800 + 0.999)
    assert scene.check(matchers_alive=True).ok
    scene.at(20 + 1800 + 1)
    report = scene.check(matchers_alive=True)
    assert [violation.code for violation in report.violations] == [Code.EXPIRY_OVERDUE]
    assert "t-ann2" in report.violations[0].message


def test_a_match_that_came_late_is_counted_and_held_against_a_matcher_that_lived(scene: Scene) -> None:
    """Given dot and eve, due at 50 s, when they are matched at 52 s, then that is late for who lived since before."""
    scene.at(52)
    scene.world.match_pass()
    report = scene.check()
    assert report.ok
    assert report.late == 1
    assert scene.check(alive_since_ms=START_MS + 51_500).ok
    late = scene.check(alive_since_ms=START_MS + 20_000).violations
    assert [violation.code for violation in late] == [Code.MATCH_LATE]
    assert scene.check(alive_since_ms=START_MS + 20_000, grace_seconds=3).late == 0


# -- a stream that was trimmed -----------------------------------------------------------------------------------------


def test_what_was_trimmed_is_held_against_nobody(scene: Scene) -> None:
    """Given tickets that wait since before the floor, when the stream begins there, then the realm is still sound."""
    world = scene.world
    for seconds in (56, 82, 83):
        scene.at(seconds)
        world.match_pass(queue="brief")
    floor = int(world.meta()["floor_ms"])
    assert floor == START_MS + 56_000
    scene.xtrim(scene.keys.events, minid=floor, approximate=False)
    report = scene.check()
    assert report.ok, str(report)
    assert not report.whole
    world.enqueue("ivy", 100)
    world.mm.cancel("t-ivy")
    assert scene.check().ok
    scene.hdel(scene.keys.ended[int(world.meta()["ended"])], "t:t-ivy")
    assert [violation.code for violation in scene.check().violations] == [Code.NOT_REMEMBERED]


def test_a_ledger_that_was_overtaken_by_trimming_forgets_what_it_cannot_know(scene: Scene) -> None:
    """Given a ledger that knows of five who wait, when they leave and that is trimmed unseen, then none is lost."""
    world, ledger = scene.world, Ledger()
    assert scene.check(ledger=ledger).ok
    world.mm.queue("ladder").clear()
    scene.at(31)
    world.mm.queue("duel").clear()
    for seconds in (57, 83, 84):
        scene.at(seconds)
        world.match_pass(queue="brief")
    scene.xtrim(scene.keys.events, minid=int(world.meta()["floor_ms"]), approximate=False)
    report = scene.check(ledger=ledger)
    assert report.ok, str(report)
    assert not report.whole


def test_a_ledger_goes_on_where_it_was(scene: Scene) -> None:
    first = scene.check()
    scene.at(52)
    scene.world.match_pass()
    again = scene.check(ledger=first.ledger)
    assert (again.ok, again.matches, again.events) == (True, 2, first.events + 1)


# -- listeners ---------------------------------------------------------------------------------------------------------


def heard(scene: Scene, player: str) -> list[str]:
    return [id_ for id_, _, body in scene.world.events() if player in json.dumps(body)]


def test_listeners_that_heard_everything(scene: Scene) -> None:
    """Given what each player should have heard, one having come late and one having left, then all is well."""
    report = scene.check()
    everything = {player: heard(scene, f'"{player}"') for player in ("ann", "bob", "cid", "hal", "dot")}
    verdict = check_listeners(report, everything)
    assert verdict.ok
    assert (verdict.expected, verdict.heard) == (3 + 2 + 2 + 2 + 1, 10)
    ann = everything["ann"]
    assert check_listeners(report, {"ann": ann[1:]}, first={"ann": ann[1]}).ok
    assert check_listeners(report.ledger, {"ann": ann[:2]}, last={"ann": ann[1]}).ok


@pytest.mark.parametrize(
    ("code", "spoil"),
    [
        (Code.MISSED, lambda ids: ids[:-1]),
        (Code.MISSED, lambda ids: ids[1:]),
        (Code.DUPLICATED, lambda ids: [*ids, ids[-1]]),
        (Code.DUPLICATED, lambda ids: [ids[0], *ids]),
        (Code.OUT_OF_ORDER, lambda ids: [ids[0], ids[2], ids[1]]),
        (Code.FOREIGN, lambda ids: [*ids, f"{START_MS + 29_000}-0"]),
    ],
)
def test_listeners_that_did_not(scene: Scene, code: Code, spoil: Callable[[list[str]], list[str]]) -> None:
    verdict = check_listeners(scene.check(), {"ann": spoil(heard(scene, '"ann"'))})
    assert [violation.code for violation in verdict.violations] == [code]
    assert (verdict.missed, verdict.duplicated) == (int(code is Code.MISSED), int(code is Code.DUPLICATED))
    assert not verdict.ok
