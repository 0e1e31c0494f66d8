"""Rules change while players wait and come.

What must hold: from the next pass on matches are made under the new rules, those who wait already are certified anew,
and no pair that the new rules make due stays due for a second. A file with a fault in it changes nothing. A queue that
is removed takes no more tickets and cancels those it has, with the reason; other queues do not notice.
"""

from __future__ import annotations

import random

import pytest

from matchmaker.errors import RulesInvalid, UnknownQueue
from matchmaker.model import EventKind, Ticket, TicketRequest, TicketState
from matchmaker.rules import QueueRules, parse_rules
from tests.faults.scene import LADDER, MATCHED_SECONDS, RECOVERY_SECONDS, Scene, at_length

NARROW = """
[ladder]
max_gap = 60
willingness = { kind = "stepped", step = 10.0, every_seconds = 0.1 }
"""
STILL = """
[ladder]
max_gap = 400
willingness = { per_second = 0.0 }
"""


def rules_of(text: str) -> QueueRules:
    return parse_rules(text, "queues.toml")["ladder"]


def test_changes_under_load(scene: Scene) -> None:
    """Given players and two matchers, when the rules change again and again, then every match is made under the rules
    of its moment, and nobody is due for a second under any of them."""
    for _ in range(2):
        scene.matcher()
    scene.asleep(2)
    begun = scene.now_ms
    with scene.crowd() as crowd:
        for i in range(at_length(12, 500)):
            text = (NARROW, LADDER)[i % 2]
            (change,) = scene.mm.apply_rules({"ladder": rules_of(text)})
            assert (change.change, change.version) == ("changed", i + 2)
            scene.matched(30)
        crowd.stop()
        scene.at_rest()
    scene.judge(crowd, since=begun)
    versions = {match.rules_version for match in scene.ledger.matches.values()}
    assert versions >= set(range(3, at_length(12, 500) + 2))


@pytest.mark.parametrize("accept", ["sum", "either", "both"])
def test_many_wait_as_the_rules_change(scene: Scene, accept: str) -> None:
    """Given a long line in which nobody ever falls due, when rules come under which pairs fall due at once and by and
    by, then each is matched within a second of its moment."""
    scene.mm.apply_rules({"ladder": rules_of(STILL)})
    for _ in range(2):
        scene.matcher()
    rng = random.Random(6)
    place = 0.0
    for start in range(0, at_length(1000, 5000), 500):
        requests = []
        for i in range(500):
            place += rng.uniform(1, 12)
            requests.append(TicketRequest(f"p{start + i}", place))
        assert all(isinstance(answer, Ticket) for answer in scene.mm.enqueue_many("ladder", requests))
    waited = scene.now_ms
    scene.ledger.wait(lambda: scene.mm.stats().queues[0].next_ms is None, RECOVERY_SECONDS, "a line at rest")
    assert not scene.ledger.matches
    # Enough for the nearest at once, and for all others within seconds.
    grown = LADDER.replace("200.0", "5.0").replace("max_gap", f'accept = "{accept}"\nmax_gap')
    scene.rules = rules_of(grown)
    scene.mm.apply_rules({"ladder": scene.rules})
    scene.ledger.wait(lambda: len(scene.ledger.waiting) < 0.1 * len(scene.ledger.enqueued), 20, "most are matched")
    scene.judge(since=waited)


@pytest.mark.parametrize(
    "text",
    [
        "[ladder]\nmax_gap = nan",
        "[ladder]\nwillingness = { per_second = -1.0 }",
        "[ladder]\nmax_gap = 50\n[arena]\nmax_gap = -1",
        "[ladder]\nspeed = 3",
        "not TOML",
    ],
)
def test_an_invalid_change(scene: Scene, text: str) -> None:
    """Given a queue at work, when a file with a fault in it is applied, then it is refused and nothing has changed."""
    scene.mm.enqueue("ladder", "alice", rating=1500)
    keys = scene.mm.calls.keys
    before = {key: scene.client.dump(key) for key in keys.line_keys("ladder")}
    with pytest.raises(RulesInvalid):
        scene.mm.apply_rules(parse_rules(text, "queues.toml"))
    assert {key: scene.client.dump(key) for key in keys.line_keys("ladder")} == before
    assert scene.mm.rules()["ladder"].rules == scene.rules


def test_a_queue_removed_under_load(scene: Scene) -> None:
    """Given two queues at work, when one is removed, then within 5 s everybody in it is cancelled with the reason, who
    comes later is told that there is no such queue, and the other queue goes on; created again, it works again."""
    arena = {"arena": scene.rules}
    scene.mm.apply_rules(arena)
    for _ in range(2):
        scene.matcher()
    lonely = scene.mm.enqueue("ladder", "lonely", rating=90_000)
    for start in range(0, 2000, 500):
        requests = [TicketRequest(f"far{start + i}", 100_000 + 401.0 * (start + i)) for i in range(500)]
        scene.mm.enqueue_many("ladder", requests)
    with (
        scene.crowd(expected=(UnknownQueue,)) as crowd,
        scene.crowd(queue="arena") as others,
    ):
        scene.matched(30)
        scene.mm.apply_rules(arena, prune=True)
        scene.ledger.wait(
            lambda: not [1 for ticket in scene.ledger.waiting.values() if ticket.queue == "ladder"],
            RECOVERY_SECONDS,
            "an empty ladder",
        )
        made = sum(match.queue == "arena" for match in scene.ledger.matches.values())
        scene.matched(30)
        crowd.stop()
        others.stop()
        scene.at_rest()
    assert crowd.refused
    (removed,) = [event for event in scene.ledger.rules if event.body["change"] == "removed"]
    assert max(t.enqueued_ms for t in scene.ledger.enqueued.values() if t.queue == "ladder") <= removed.at_ms
    assert scene.mm.status(lonely).reason == "queue_removed"
    assert sum(match.queue == "arena" for match in scene.ledger.matches.values()) > made
    with pytest.raises(UnknownQueue):
        scene.mm.enqueue("ladder", "late", rating=1500)
    assert list(scene.mm.rules()) == ["arena"]
    scene.judge(crowd, others)
    scene.mm.apply_rules({"ladder": scene.rules})
    one, _ = (scene.mm.enqueue("ladder", player, rating=1500) for player in ("one", "two"))
    assert scene.mm.wait_for_match(one, timeout=RECOVERY_SECONDS).opponents_of("one") == ("two",)
    scene.judge(since=scene.now_ms, longest_seconds=MATCHED_SECONDS)
    told = {event.ticket.reason for events in scene.ledger.endings.values() for event in events if event.ticket}
    assert told == {"requested", "queue_removed"}
    assert scene.ledger.count(EventKind.EXPIRED) == 0
    assert scene.mm.status(lonely).state is TicketState.CANCELLED
