"""The server runs out of memory, or would make room by throwing away what it was given.

What must hold: above 85% of maxmemory, and at maxmemory itself, enqueue is refused with BacklogFull before it writes
anything of the ticket; passes, cancels, heartbeats and expiry go on and make room; then tickets are taken again. On a
server that evicts keys nothing is started.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from matchmaker import errors
from matchmaker.model import Ticket, TicketRequest, TicketState
from matchmaker.server import inspect_server, refuse_unsuitable
from tests.faces import FACES, face
from tests.faults.conftest import OwnScene
from tests.faults.ears import reached
from tests.faults.scene import LADDER, RECOVERY_SECONDS, Scene
from tests.servers import StartServer

ROOT = Path(__file__).parents[2]

BRIEF = LADDER + "expire_after_seconds = 2\n"
BALLAST = "ballast"


LONELY = [TicketRequest(f"lonely{i}", 1000.0 * i, data="x" * 4000) for i in range(100)]
"""Big tickets, each alone on its stretch of the line."""


def fill(scene: Scene, *, choked: bool) -> None:
    """Fills the server with something else: above 85% of its memory, or until it refuses writes by itself."""
    client = scene.client
    most = client.info("memory")["maxmemory"]
    try:
        while choked or client.info("memory")["used_memory"] < 0.92 * most:
            client.rpush(BALLAST, "x" * 20_000)
    except redis.exceptions.OutOfMemoryError:
        assert choked
    probes = (TicketRequest(f"probe{i}", 1_000_000.0 - 1000 * i) for i in range(1000))
    # The realm looks at the memory once a second.
    assert reached(
        lambda: isinstance(scene.mm.enqueue_many("ladder", [next(probes)])[0], errors.BacklogFull), RECOVERY_SECONDS
    )


def match_all(scene: Scene) -> int:
    """Passes over the line until nothing is due; answers how many matches they made."""
    made = 0
    while True:
        report = scene.mm.attempt_match("ladder")
        made += report.made
        if report.next_ms is None or report.next_ms > report.now_ms:
            return made


def books(scene: Scene) -> dict[bytes, bytes | None]:
    """Everything the realm has written, its clock and the time of its housekeeping aside."""
    keys = [key for key in scene.client.scan_iter(match="mm:*") if not key.endswith((b":clock", b":meta"))]
    return {key: scene.client.dump(key) for key in keys}


@pytest.mark.parametrize("choked", [False, True], ids=["above 85%", "at maxmemory"])
@pytest.mark.parametrize("kind", FACES)
async def test_enqueue_is_refused_before_any_write(own_scene: OwnScene, kind: str, choked: bool) -> None:
    """Given a server that is full, when players come, alone or many at once, then each is refused with BacklogFull, and
    not a byte of the line, the tickets or the events changes."""
    _, scene = own_scene("--maxmemory", "5mb")
    scene.mm.enqueue_many("ladder", LONELY)
    fill(scene, choked=choked)
    before = books(scene)
    async with face(kind, scene.url, scene.realm) as mm:
        with pytest.raises(errors.BacklogFull):
            await mm.enqueue("ladder", "late", rating=1500)
        many = await mm.enqueue_many("ladder", [TicketRequest(f"late{i}", 1500) for i in range(3)])
        assert [type(answer) for answer in many] == [errors.BacklogFull] * 3
    assert books(scene) == before
    scene.judge()


@pytest.mark.parametrize("choked", [False, True], ids=["above 85%", "at maxmemory"])
def test_everything_else_goes_on(own_scene: OwnScene, choked: bool) -> None:
    """Given a full server, then who is there already gets the old answer; a cancel, a pass, a heartbeat and a listener
    work; as people leave and what they left behind is let go, tickets are taken again."""
    _, scene = own_scene("--maxmemory", "5mb")
    one, two = scene.mm.enqueue("ladder", "one", rating=-9000), scene.mm.enqueue("ladder", "two", rating=-9000)
    scene.mm.enqueue_many("ladder", LONELY)
    fill(scene, choked=choked)
    if not choked:
        assert scene.mm.enqueue("ladder", "one", rating=-9000, ticket=one.id) == one
    listener = scene.mm.listen("two")
    assert listener.ready(RECOVERY_SECONDS)
    assert scene.mm.heartbeat(two) == two
    assert match_all(scene) == 1
    heard = [listener.get(RECOVERY_SECONDS), listener.get(RECOVERY_SECONDS)]
    assert [event.kind for event in heard if event] == ["enqueued", "matched"]
    for request in LONELY:
        assert scene.mm.cancel(request.ticket).state is TicketState.CANCELLED
    scene.judge()
    scene.client.delete(BALLAST)
    late = TicketRequest("late", -5000)
    assert reached(lambda: isinstance(scene.mm.enqueue_many("ladder", [late])[0], Ticket), RECOVERY_SECONDS)
    scene.judge()


def test_a_matcher_on_a_full_server(own_scene: OwnScene) -> None:
    """Given a matcher and a server at maxmemory, then pairs that fall due are matched, and those whose time is over
    expire."""
    _, scene = own_scene("--maxmemory", "5mb", rules=BRIEF)
    pair = [scene.mm.enqueue("ladder", name, rating=rating).id for name, rating in (("a", -9000.0), ("b", -8850.0))]
    waiting = [request.ticket for request in LONELY]
    scene.mm.enqueue_many("ladder", LONELY)
    fill(scene, choked=True)
    worker = scene.matcher()
    everybody = [*pair, *waiting]
    scene.ledger.wait(lambda: scene.ledger.ended(everybody), 2 * RECOVERY_SECONDS, "all matched or expired")
    assert {event.kind.value for ticket in pair for event in scene.ledger.endings[ticket]} == {"matched"}
    assert {scene.mm.status(ticket).state for ticket in waiting} == {TicketState.EXPIRED}
    assert worker.alive
    scene.judge()


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_server_that_evicts_is_refused(own_server: StartServer, policy: str) -> None:
    """Given a server with an eviction policy, when a matcher is started on it, then it ends at once, and says which
    setting to change."""
    server = own_server("--maxmemory-policy", policy)
    with redis.Redis.from_url(server.url) as client:
        with pytest.raises(errors.ServerUnsuitable, match=f"maxmemory-policy is {policy}"):
            refuse_unsuitable(inspect_server(client))
        environment = {**os.environ, "MATCHMAKER_REDIS_URL": server.url, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "matchmaker.cli", "worker"]
        started = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
        assert started.returncode != 0
        assert "maxmemory-policy" in started.stderr
        assert client.dbsize() == 0
