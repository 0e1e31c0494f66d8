"""The server stands still for a while: it holds writes back, or its process is stopped.

What must hold: a call ends with its answer or, within the client's bounded tries, with a typed error; the same request
afterwards gets the answer it would have had. The server carries out what it received meanwhile, more than once where
clients tried again: nothing is done twice. Once it moves again everybody is back within 5 s.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from matchmaker import errors
from matchmaker.client import Matchmaker
from matchmaker.embedded import EmbeddedServer
from matchmaker.model import TicketState
from tests.faces import FACES
from tests.faults.conftest import OwnScene
from tests.faults.ears import assert_heard
from tests.faults.scene import IMPATIENT_SECONDS, RECOVERY_SECONDS, Impatient, Scene, at_length

REGULARS = [f"regular-{i}" for i in range(8)]
STALL_SECONDS = at_length(2, 10)


def stall(how: str, server: EmbeddedServer, scene: Scene) -> None:
    """Begins a stall; a pause ends by itself."""
    if how == "pause":
        scene.client.client_pause(1000 * STALL_SECONDS, all=False)
    else:
        os.kill(server.pid, signal.SIGSTOP)


def last(how: str, server: EmbeddedServer, begun: float) -> None:
    """Lets the stall last its time, and ends it."""
    left = begun + STALL_SECONDS - time.monotonic()
    assert not server.wait(max(0.0, left)), "the server died"
    if how == "stop":
        os.kill(server.pid, signal.SIGCONT)


@pytest.mark.parametrize("how", ["pause", "stop"])
@pytest.mark.parametrize("kind", FACES)
def test_under_load(own_scene: OwnScene, how: str, kind: str) -> None:
    """Given impatient players who try again, listeners and matchers, when the server stands still, then the errors are
    typed and quick, and within 5 s of its end all goes on; nothing was done twice, nobody missed an event."""
    server, scene = own_scene()
    for _ in range(2):
        scene.matcher()
    with (
        scene.ears(kind, REGULARS) as ears,
        scene.crowd(impatient=True, regulars=REGULARS) as hasty,
        scene.crowd(seed=1) as patient,
    ):
        scene.matched(5)
        begun = time.monotonic()
        stall(how, server, scene)
        last(how, server, begun)
        scene.matched(20)
        scene.nobody_overdue(RECOVERY_SECONDS)
        hasty.stop()
        patient.stop()
        scene.at_rest()
        assert_heard(ears, scene.ledger, RECOVERY_SECONDS)
    assert hasty.away, "nobody noticed"
    assert max(hasty.away) < IMPATIENT_SECONDS
    assert not patient.away
    assert max(ears.delays) < STALL_SECONDS + RECOVERY_SECONDS
    scene.judge(hasty, patient)


@pytest.mark.parametrize("how", ["pause", "stop"])
def test_each_call(own_scene: OwnScene, how: str) -> None:
    """Given a server that stands still, when an impatient client enqueues, cancels and makes a match, then each call
    says in time that the server is away; the same calls afterwards are answered as if they were the first."""
    server, scene = own_scene()
    scene.teach()
    gone = scene.mm.enqueue("ladder", "gone", rating=1000)
    one, two = (scene.mm.enqueue("ladder", name, rating=3000) for name in ("one", "two"))
    calls: dict[str, Callable[[Matchmaker], object]] = {
        "enqueue": lambda mm: mm.enqueue("ladder", "new", rating=2000, ticket="new"),
        "cancel": lambda mm: mm.cancel(gone),
        "pair": lambda mm: mm.queue("ladder").remove_matched_players(one.id, two.id),
    }

    def seconds_to_fail(mm: Matchmaker, call: Callable[[Matchmaker], object]) -> float:
        called = time.monotonic()
        with pytest.raises(errors.ServerUnavailable):
            call(mm)
        return time.monotonic() - called

    with ExitStack() as stack, ThreadPoolExecutor(len(calls)) as pool:
        # Each on a connection that stands already: a stopped server makes no new ones.
        clients = [stack.enter_context(Impatient(scene.url, scene.realm)) for _ in calls]
        for mm in clients:
            mm.ping()
        begun = time.monotonic()
        stall(how, server, scene)
        took = list(pool.map(seconds_to_fail, clients, calls.values()))
        last(how, server, begun)
        if how == "stop":  # a paused server forgets what it held back for connections that are gone, a stopped one not
            matched = scene.ledger.matches
            scene.ledger.wait(lambda: len(matched) == 2, RECOVERY_SECONDS, "what was sent is done")
        answers = {name: call(mm) for (name, call), mm in zip(calls.items(), clients, strict=True)}
    assert max(took) < IMPATIENT_SECONDS
    assert answers["enqueue"] == scene.mm.status("new")
    assert answers["cancel"] == scene.mm.status(gone)
    assert scene.mm.status(gone).state is TicketState.CANCELLED
    assert answers["pair"] == scene.mm.status(one).match
    scene.judge()
    events = {player: len(scene.ledger.of_player[player]) for player in ("gone", "one", "two", "new")}
    assert events == {"gone": 2, "one": 2, "two": 2, "new": 1}
