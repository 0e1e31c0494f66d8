"""For a while the server answers, but refuses: it became a replica, it misses its replicas, or a script keeps it busy.

What must hold: callers are told, typed, that the server is unavailable; matchers stay alive; and once the server takes
writes again everybody is back within 5 s, with nothing lost or done twice. A fail-over begins and ends this way.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from tests.faces import FACES
from tests.faults.conftest import OwnScene
from tests.faults.ears import assert_heard, reached
from tests.faults.scene import RECOVERY_SECONDS, Scene

REGULARS = [f"regular-{i}" for i in range(8)]


def never_end(client: redis.Redis) -> None:
    with pytest.raises(redis.ResponseError, match="killed"):
        client.eval("while true do end", 0)


@contextmanager
def refusing(how: str, scene: Scene) -> Iterator[None]:
    """For as long as the block lasts, the server refuses to write."""
    if how == "replica":
        scene.client.replicaof("127.0.0.1", 1)
        yield
        scene.client.replicaof("NO", "ONE")
    elif how == "without replicas":
        scene.client.config_set("min-replicas-to-write", 1)
        yield
        scene.client.config_set("min-replicas-to-write", 0)
    else:
        with redis.Redis.from_url(scene.url, socket_timeout=None) as slow:
            thread = threading.Thread(target=never_end, args=(slow,))
            thread.start()
            yield
            scene.client.execute_command("SCRIPT", "KILL")
            thread.join()


@pytest.mark.parametrize("kind", FACES)
@pytest.mark.parametrize("how", ["replica", "without replicas", "busy"])
def test_under_load(own_scene: OwnScene, how: str, kind: str) -> None:
    """Given players, listeners and matchers, when the server refuses for a while, then players are told that it is
    unavailable, no matcher dies, and all goes on afterwards."""
    _, scene = own_scene("--busy-reply-threshold", "50")
    crew = [scene.matcher() for _ in range(2)]
    with scene.ears(kind, REGULARS) as ears, scene.crowd(regulars=REGULARS) as crowd:
        scene.matched(5)
        with refusing(how, scene):
            assert reached(lambda: len(crowd.away) > 50, 2 * RECOVERY_SECONDS)
        scene.matched(20)
        scene.nobody_overdue(RECOVERY_SECONDS)
        crowd.stop()
        scene.at_rest()
        assert_heard(ears, scene.ledger, RECOVERY_SECONDS)
    assert all(worker.alive for worker in crew)
    scene.judge(crowd)
