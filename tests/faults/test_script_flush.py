"""The server forgets its scripts every 50 ms.

What must hold: scripts are asked for by their hash, and come with the text where the hash is unknown; inside pipelines
too. No error reaches a user.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from matchmaker.model import Ticket, TicketRequest, TicketState
from tests.faces import FACES, face
from tests.faults.conftest import OwnScene
from tests.faults.ears import assert_heard
from tests.faults.scene import MATCHED_SECONDS, RECOVERY_SECONDS, Scene, at_length

FLUSH_SECONDS = 0.05
REGULARS = [f"regular-{i}" for i in range(8)]


@contextmanager
def flushing(scene: Scene) -> Iterator[None]:
    """SCRIPT FLUSH every 50 ms while the block lasts."""
    over = threading.Event()

    def flush() -> None:
        with scene.connect() as mm:
            while not over.wait(FLUSH_SECONDS):
                mm.redis.script_flush()

    thread = threading.Thread(target=flush)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.parametrize("kind", FACES)
def test_under_load(own_scene: OwnScene, kind: str) -> None:
    """Given players, listeners and matchers, when scripts are flushed all the time, then nobody notices."""
    _, scene = own_scene()
    for _ in range(2):
        scene.matcher()
    with flushing(scene), scene.ears(kind, REGULARS) as ears, scene.crowd(regulars=REGULARS) as crowd:
        scene.matched(at_length(400, 20_000), within_seconds=3600)
        crowd.stop()
        scene.at_rest()
        assert_heard(ears, scene.ledger, RECOVERY_SECONDS)
    assert not crowd.away
    scene.judge(crowd)
    scene.assert_prompt(MATCHED_SECONDS)


@pytest.mark.parametrize("kind", FACES)
async def test_before_every_call(own_scene: OwnScene, kind: str) -> None:
    """Given a flush right before each of them, then every single call and every pipeline is answered."""
    _, scene = own_scene()
    flush = scene.client.script_flush
    async with face(kind, scene.url, scene.realm) as mm:
        queue = mm.queue("ladder")
        flush()
        many = await mm.enqueue_many("ladder", [TicketRequest(f"p{i}", 1500) for i in range(250)])
        assert all(isinstance(ticket, Ticket) for ticket in many)
        flush()
        alone = await mm.enqueue("ladder", "alone", rating=9000)
        flush()
        assert await mm.heartbeat(alone) == alone
        flush()
        assert len(await queue.get_snapshot()) == 251
        flush()
        assert await queue.get_player("alone") == alone
        flush()
        report = await mm.attempt_match("ladder")
        flush()
        match = report.matches[0]
        assert (await mm.status(match.tickets[0].id)).match == match
        flush()
        assert await mm.notifications.publish_match_found(match.id) == 2
        flush()
        listener = await mm.listen("alone")
        assert await listener.ready(RECOVERY_SECONDS)
        flush()
        assert (await mm.cancel(alone)).state is TicketState.CANCELLED
        flush()
        assert await queue.clear() == 250 - 2 * report.made
        flush()
        assert await mm.apply_rules({"other": scene.rules})
        await listener.close()
