"""Every connection to the server is cut, again and again, under load.

What must hold: whoever was cut recovers within 5 s; pub/sub forgets what it could not deliver, so listeners read what
they missed and still hear every event once, in order; no call is carried out twice.
"""

from __future__ import annotations

import pytest

from matchmaker.model import TicketRequest
from tests.faces import FACES
from tests.faults.conftest import OwnScene
from tests.faults.ears import assert_heard, reached
from tests.faults.scene import MATCHED_SECONDS, RECOVERY_SECONDS, Scene, at_length

REGULARS = [f"regular-{i}" for i in range(12)]


def kill_all(scene: Scene) -> int:
    """Cuts every connection but the one that asks; answers how many."""
    return sum(
        int(scene.client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes"))
        for kind in ("normal", "pubsub")
    )


@pytest.mark.parametrize("kind", FACES)
def test_all_connections_killed_under_load(own_scene: OwnScene, kind: str) -> None:
    """Given players, listeners and matchers, when all their connections are killed again and again, then matches go on
    within 5 s of each time, and every listener heard everything once, at most 5 s late."""
    _, scene = own_scene()
    for _ in range(2):
        scene.matcher()
    with scene.ears(kind, REGULARS) as ears, scene.crowd(regulars=REGULARS) as crowd:
        for _ in range(at_length(40, 2000)):
            scene.matched(3)
            assert kill_all(scene) > 0
        scene.matched(3)
        crowd.stop()
        scene.at_rest()
        assert_heard(ears, scene.ledger, RECOVERY_SECONDS)
    # A connection cut twice while it is made is reported, not tried again; the same request then succeeds.
    assert max(crowd.away, default=0.0) < RECOVERY_SECONDS
    scene.judge(crowd)
    scene.assert_prompt(MATCHED_SECONDS)
    assert max(ears.delays) < RECOVERY_SECONDS


@pytest.mark.parametrize("kind", FACES)
def test_an_event_between_two_connections(own_scene: OwnScene, kind: str) -> None:
    """Given listeners cut at the very moment of their only match, then each hears of it, though nothing else follows
    that could tell them."""
    _, scene = own_scene()
    scene.matcher()
    players = [f"once-{i}" for i in range(at_length(40, 2000))]
    with scene.ears(kind, players) as ears:
        for one, other in zip(players[::2], players[1::2], strict=True):
            scene.mm.enqueue_many("ladder", [TicketRequest(one, 1500), TicketRequest(other, 1500)])
            kill_all(scene)
        scene.at_rest()
        assert_heard(ears, scene.ledger, RECOVERY_SECONDS)
    assert max(ears.delays) < RECOVERY_SECONDS
    scene.judge()


def test_idle_matchers_come_back(own_scene: OwnScene) -> None:
    """Given two idle matchers, when their connections are killed, then both are back, asleep, and a pair that arrives
    in between is matched within a second."""
    _, scene = own_scene()
    for _ in range(2):
        scene.matcher()
    for i in range(at_length(10, 500)):
        scene.asleep(2)
        assert kill_all(scene) >= 2
        scene.mm.enqueue_many("ladder", [TicketRequest(f"{side}{i}", 1500) for side in "ab"])
        scene.at_rest()
    assert reached(lambda: scene.client.info("clients")["blocked_clients"] == 2, RECOVERY_SECONDS)
    scene.judge()
    scene.assert_prompt(MATCHED_SECONDS)
