"""Listeners are killed, stand still, or do not read what they are given.

What must hold: a listener that resumes with the id of the last event it has kept gets every later one once, in order,
also one that happened while it was dead. One that does not read is cut off by the server, which costs the publishers
nothing, and it reads what it missed once it moves again.
"""

from __future__ import annotations

import random
import signal
import statistics
import time
from pathlib import Path

import pytest

from matchmaker.model import Ticket, TicketRequest
from tests.faces import FACES, face
from tests.faults.conftest import OwnScene
from tests.faults.ears import reached
from tests.faults.hearing import LISTEN, written
from tests.faults.processes import spin
from tests.faults.scene import RECOVERY_SECONDS, Scene, at_length


def assert_written(scene: Scene, notes: Path, players: list[str], within_seconds: float) -> None:
    """Every event of the players is in the notes, once, in order."""
    scene.ledger.read()
    wanted = {player: scene.ledger.of_player[player] for player in players}
    reached(lambda: sum(map(len, written(notes).values())) >= sum(map(len, wanted.values())), within_seconds)
    assert written(notes) == wanted


@pytest.mark.parametrize("kind", FACES)
def test_a_listener_killed_around_its_matches(scene: Scene, tmp_path: Path, kind: str) -> None:
    """Given a program that listens to a player, when it is killed around each of the player's matches and started
    again with what it has kept, then it has every event once, in order."""
    rng = random.Random(5)
    scene.matcher()
    notes = tmp_path / "notes"
    listener = scene.workers.start(LISTEN[kind], scene.url, scene.realm, ["star"], notes)
    scene.mm.enqueue_many("ladder", [TicketRequest("star", 1500), TicketRequest("partner", 1500)])
    assert reached(lambda: bool(written(notes)), RECOVERY_SECONDS)
    for _ in range(at_length(40, 1000)):
        scene.at_rest()
        scene.mm.enqueue_many("ladder", [TicketRequest("star", 1500), TicketRequest("partner", 1500)])
        spin(rng.uniform(0, 0.01))
        listener.kill()
        listener = scene.workers.start(LISTEN[kind], scene.url, scene.realm, ["star"], notes)
    scene.at_rest()
    assert_written(scene, notes, ["star"], RECOVERY_SECONDS)
    scene.judge()


def seconds_of_a_round(scene: Scene, players: list[str]) -> tuple[float, float]:
    """All players come, with as much data as they may bring, and leave; answers how long each took."""
    requests = [TicketRequest(player, 1500, data="x" * 4096) for player in players]
    begun = time.perf_counter()
    assert all(isinstance(answer, Ticket) for answer in scene.mm.enqueue_many("ladder", requests))
    came = time.perf_counter()
    assert scene.mm.queue("ladder").clear() == len(players)
    return came - begun, time.perf_counter() - came


@pytest.mark.parametrize("kind", FACES)
def test_a_listener_that_does_not_read_while_40_mb_pass(own_scene: OwnScene, tmp_path: Path, kind: str) -> None:
    """Given a program that listens to fifty players, when it is stopped while 40 MB of events for them pass, then the
    server cuts it off and publishers are as quick as before; continued, it has every event once, in order."""
    _, scene = own_scene()
    players = [f"p{i}" for i in range(50)]
    notes = tmp_path / "notes"
    listener = scene.workers.start(LISTEN[kind], scene.url, scene.realm, players, notes)
    seconds_of_a_round(scene, players)
    assert reached(lambda: len(written(notes)) == len(players), RECOVERY_SECONDS)
    bytes_a_round = 2 * len(players) * 4096
    before = [seconds_of_a_round(scene, players) for _ in range(30)]
    listener.signal(signal.SIGSTOP)
    stopped = [seconds_of_a_round(scene, players) for _ in range(at_length(1, 5) * 40_000_000 // bytes_a_round + 1)]
    assert scene.client.info("stats")["client_output_buffer_limit_disconnections"] == 1
    for verb in (0, 1):
        calm, loaded = ([one[verb] for one in rounds] for rounds in (before, stopped))
        assert statistics.median(loaded) < 2 * statistics.median(calm)
        assert max(loaded) < 1
    listener.signal(signal.SIGCONT)
    assert_written(scene, notes, players, 4 * RECOVERY_SECONDS)
    scene.judge()


@pytest.mark.parametrize("kind", FACES)
async def test_a_listener_whose_owner_does_not_read(scene: Scene, kind: str) -> None:
    """Given a listener whose owner is busy elsewhere, when more events come than it keeps, then the owner later reads
    every one of them once, in order."""
    async with face(kind, scene.url, scene.realm) as mm:
        listener = await mm.listen("busy")
        assert await listener.ready(RECOVERY_SECONDS)
        for _ in range(at_length(700, 20_000)):
            scene.mm.cancel(scene.mm.enqueue("ladder", "busy", rating=1500))
        scene.ledger.read()
        wanted = scene.ledger.of_player["busy"]
        heard: list[str] = []
        while len(heard) < len(wanted) and (event := await listener.get(RECOVERY_SECONDS)) is not None:
            heard.append(event.id)
        assert heard == wanted
        assert await listener.get(0) is None
        await listener.close()
