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

from matchmaker.model import EventKind
from tests.faces import FACES, face
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


@pytest.mark.parametrize("kind", FACES)
async def test_listeners_do_not_add_to_it(own_scene: OwnScene, kind: str) -> None:
    """Given a server that a script keeps busy, when a listener wants to know what it missed, then it asks a few times a
    second and not thousands, and knows it once the server serves again."""
    _, scene = own_scene("--busy-reply-threshold", "50")
    scene.mm.enqueue("ladder", "alice", rating=1500)
    async with face(kind, scene.url, scene.realm) as mm:
        first = await mm.listen("alice")
        assert await first.ready(RECOVERY_SECONDS)
        with refusing("busy", scene):
            assert reached(lambda: is_busy(scene), RECOVERY_SECONDS)
            # On the same channel, which is subscribed to already: all that is left to do is to read.
            second = await mm.listen("alice")
            assert not await second.ready(1.0)
        assert await second.ready(RECOVERY_SECONDS)
        event = await second.get(RECOVERY_SECONDS)
        assert event is not None
        assert event.kind is EventKind.ENQUEUED
        await second.close()
        await first.close()
    assert scene.client.info("commandstats")["cmdstat_evalsha"]["rejected_calls"] < 30


def is_busy(scene: Scene) -> bool:
    """Whether the server refuses everybody for the script that it runs."""
    try:
        scene.client.ping()
    except redis.ResponseError as refusal:
        return "BUSY" in str(refusal)
    return False
