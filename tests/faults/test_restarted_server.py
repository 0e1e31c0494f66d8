"""The server is killed with SIGKILL and started again on its data, with every write on disk before it is acknowledged.

What must hold: every acknowledged ticket is there, as it was; matchers and listeners come back by themselves within
5 s of the restart, and nobody has to be told anything twice.
"""

from __future__ import annotations

import pytest

from tests.faces import FACES
from tests.faults.conftest import OwnScene
from tests.faults.ears import assert_heard
from tests.faults.scene import RECOVERY_SECONDS, at_length

REGULARS = [f"regular-{i}" for i in range(8)]


@pytest.mark.parametrize("kind", FACES)
def test_killed_under_load(own_scene: OwnScene, kind: str) -> None:
    """Given players, listeners and matchers, when the server is killed and restarted, several times, then nothing that
    was acknowledged is lost, every listener heard everything once, and matches go on within 5 s."""
    server, scene = own_scene("--appendfsync", "always")
    crew = [scene.matcher() for _ in range(2)]
    lonely = scene.mm.enqueue("ladder", "lonely", rating=9000)
    with scene.ears(kind, REGULARS) as ears, scene.crowd(regulars=REGULARS) as crowd:
        for _ in range(at_length(3, 100)):
            scene.matched(20, within_seconds=10)
            server.kill()
            server.restart()
            assert scene.matched(20) < RECOVERY_SECONDS
        crowd.stop()
        scene.at_rest()
        assert_heard(ears, scene.ledger, RECOVERY_SECONDS)
    assert all(worker.alive for worker in crew)
    assert scene.mm.status(lonely) == lonely
    scene.judge(crowd)
    assert max(ears.delays) < 2 * RECOVERY_SECONDS
