"""Ready checks and open matches while matchers, listeners and the server are killed and stopped, and answers are lost.

What must hold: whoever is asked is matched or returned, once; a match ends once, however many tell how; the same call
again gets the same answer; and nobody is penalised for a server that stood still.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from matchmaker import aio, errors
from matchmaker.client import Matchmaker
from matchmaker.model import TicketState
from matchmaker.store.connect import Database
from tests.faces import FACES, face
from tests.faults.conftest import OwnScene
from tests.faults.ears import reached
from tests.faults.hearing import LISTEN, written
from tests.faults.processes import Worker, spin
from tests.faults.scene import RECOVERY_SECONDS, Scene, at_length
from tests.faults.staged import CHECK_SECONDS, RULES, WITHIN_SECONDS, asked, is_over, kinds, past, playing
from tests.integration.recorded import Recorded
from tests.proxy import Proxy

SCRIPTS = b"EVALSHA"


@pytest.fixture
def staged(redis_url: str, realm: str, tmp_path: Path) -> Iterator[Scene]:
    """The ladder with ready checks and results, on the suite's server."""
    scene = Scene(redis_url, realm, tmp_path, RULES)
    yield scene
    scene.close()


# -- matchers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("matchers", [1, 2])
def test_a_matcher_stopped_past_every_deadline(staged: Scene, matchers: int) -> None:
    """Given a matcher that stands still past the end of a ready check and the time for reports, when it goes on, and
    another one may have done its work meanwhile, then each has ended once."""
    scene = staged
    first = scene.matcher()
    match = playing(scene, "ann", "bob")
    scene.mm.report(match, "ann", winner=1)
    check = asked(scene, "cat", "dan")
    scene.mm.accept(check, "cat")
    first.signal(signal.SIGSTOP)
    past(scene, scene.now_ms + 1000 * max(CHECK_SECONDS, WITHIN_SECONDS))
    assert kinds(scene, check) == ["accepted"]
    for _ in range(1, matchers):
        scene.matcher()
        scene.ledger.wait(lambda: is_over(scene, check), RECOVERY_SECONDS, "an end of the ready check")
    first.signal(signal.SIGCONT)
    scene.ledger.wait(lambda: "finished" in kinds(scene, match), RECOVERY_SECONDS, "an end of the match")
    scene.ledger.wait(lambda: is_over(scene, check), RECOVERY_SECONDS, "an end of the ready check")
    assert kinds(scene, match) == ["reported", "finished"]
    assert kinds(scene, check) == ["accepted", "declined", "returned"]
    tickets = {ticket.player: ticket.id for ticket in scene.ledger.enqueued.values()}
    cat, dan = (scene.mm.status(tickets[player]) for player in ("cat", "dan"))
    assert (cat.state, dan.state, dan.reason) == (TicketState.WAITING, TicketState.CANCELLED, "no_answer")
    scene.judge(longest_seconds=RECOVERY_SECONDS)


def test_matchers_killed_during_ready_checks(staged: Scene) -> None:
    """Given three matchers, when one is killed at any moment of a ready check and replaced, then everybody who was
    asked is matched, returned or gone for want of an answer, and nobody stays between."""
    scene, rng = staged, random.Random(7)
    crew = [scene.matcher() for _ in range(3)]
    for i in range(at_length(15, 1000)):
        check = asked(scene, f"a{i}", f"b{i}", rating=10_000.0 * i)
        crew.append(scene.matcher())
        spin(rng.uniform(0, 0.005))
        crew.pop(0).kill()
        for player in (f"a{i}", f"b{i}")[: rng.randint(0, 2)]:
            if rng.random() < 0.2:
                scene.mm.decline(check, player)
                break
            scene.mm.accept(check, player)
    longest = CHECK_SECONDS + WITHIN_SECONDS + RECOVERY_SECONDS
    checks, matches = scene.ledger.checks, scene.ledger.matches
    scene.ledger.wait(lambda: all(is_over(scene, check) for check in checks), longest, "an end of every ready check")
    scene.ledger.wait(lambda: all("finished" in kinds(scene, match) for match in matches), longest, "ends")
    scene.judge(longest_seconds=RECOVERY_SECONDS)


# -- many tell at once -------------------------------------------------------------------------------------------------


def test_double_and_conflicting_reports_at_once(staged: Scene, database: Database) -> None:
    """Given clients that report the same matches at the same moment, alike or not, again and again, then each match
    has one outcome or one dispute, and one rating change a player."""
    scene, rng = staged, random.Random(14)
    at_once = 6
    with ExitStack() as stack, ThreadPoolExecutor(at_once) as pool:
        clients = [stack.enter_context(scene.connect()) for _ in range(at_once)]
        gate = threading.Barrier(at_once)

        def tell(mm: Matchmaker, match: str, player: str, winner: int) -> str:
            gate.wait(RECOVERY_SECONDS)
            try:
                return type(mm.report(match, player, winner=winner)).__name__
            except (errors.AlreadyReported, errors.MatchOver) as refusal:
                return type(refusal).__name__

        for i in range(at_length(20, 1000)):
            names = f"a{i}", f"b{i}"
            match = playing(scene, *names)
            said = {name: 1 if rng.random() < 0.7 else 2 for name in names}
            stray = rng.random() < 0.3
            tellers = [names[j % 2] for j in range(at_once)]
            winners = [3 - said[name] if stray and j == 0 else said[name] for j, name in enumerate(tellers)]
            answers = list(pool.map(tell, clients, [match] * at_once, tellers, winners))
            told = kinds(scene, match)
            assert told.count("finished") + told.count("disputed") == 1, (told, answers)
            assert told.count("reported") == 2
            assert answers.count("AlreadyReported") in ((0, 1, 2) if stray else (0,)), answers
    recorded = Recorded(scene.client, scene.mm, database)
    recorded.drain()
    scene.judge()
    finished = sum("finished" in kinds(scene, match) for match in scene.ledger.matches)
    assert 0 < finished < len(scene.ledger.matches)
    assert recorded.count("rating_changes") == 2 * finished == 2 * recorded.count("results")
    assert recorded.check(drained=False).ok, str(recorded.check(drained=False))


# -- answers that are lost ---------------------------------------------------------------------------------------------


@pytest.fixture
def proxy(staged: Scene) -> Iterator[Proxy]:
    """Between the client and a server that knows all scripts already."""
    match = playing(staged, "teacher-1", "teacher-2")
    for player in ("teacher-1", "teacher-2"):
        staged.mm.report(match, player, draw=True)
    staged.mm.decline(asked(staged, "teacher-3", "teacher-4"), "teacher-3")
    staged.mm.cancel_player("teacher-4")
    staged.mm.leave(playing(staged, "teacher-5", "teacher-6"), "teacher-5")
    with Proxy(staged.url) as between:
        yield between


@pytest.fixture(params=FACES)
async def client(request: pytest.FixtureRequest, staged: Scene, proxy: Proxy) -> AsyncIterator[aio.Matchmaker]:
    """A client behind the proxy, blocking or asyncio."""
    async with face(request.param, proxy.url, staged.realm) as mm:
        await mm.ping()
        yield mm


async def test_lost_answers_of_accept(staged: Scene, proxy: Proxy, client: aio.Matchmaker) -> None:
    """Given accepts whose answers are lost, then each counts once, and the same call later gets the same answer."""
    check = asked(staged, "ann", "bob")
    for player in ("ann", "bob"):
        dropped = proxy.dropped
        proxy.drop_replies(2, to=SCRIPTS)
        answer = await client.accept(check, player)
        assert proxy.dropped == dropped + 2
        assert answer == await client.accept(check, player)
    assert kinds(staged, check) == ["accepted", "accepted", "matched"]
    staged.judge()


async def test_lost_answers_of_decline(staged: Scene, proxy: Proxy, client: aio.Matchmaker) -> None:
    """Given a decline whose answers are lost, then there is one penalty, and the other player is returned once."""
    check = asked(staged, "ann", "bob")
    proxy.drop_replies(2, to=SCRIPTS)
    answer = await client.decline(check, "ann")
    assert proxy.dropped == 2
    assert answer == await client.decline(check, "ann")
    assert kinds(staged, check) == ["declined", "returned"]
    assert staged.client.hget(staged.mm.calls.keys.penalties, "ann").split()[0] in ("1", b"1")  # type: ignore[union-attr]
    staged.judge()


async def test_lost_answers_of_report_and_leave(staged: Scene, proxy: Proxy, client: aio.Matchmaker) -> None:
    """Given reports, and one who leaves, whose answers are lost, then all is told once."""
    match = playing(staged, "ann", "bob")
    await client.report(match, "ann", winner=2)
    proxy.drop_replies(2, to=SCRIPTS)
    assert await client.report(match, "bob", winner=2) == await client.report(match, "bob", winner=2)
    left = playing(staged, "cat", "dan")
    proxy.drop_replies(2, to=SCRIPTS)
    assert await client.leave(left, "dan") == await client.leave(left, "dan")
    assert proxy.dropped == 4
    assert kinds(staged, match) == ["reported", "reported", "finished"]
    assert kinds(staged, left) == ["left", "finished"]
    staged.judge()


# -- the server, and listeners -----------------------------------------------------------------------------------------


def test_a_server_stopped_for_longer_than_a_ready_check(own_scene: OwnScene) -> None:
    """Given a ready check, when the server stands still for longer than it lasts, then nobody is penalised: the time
    to answer begins anew, and all can accept."""
    server, scene = own_scene(rules=RULES)
    scene.matcher()
    check = asked(scene, "ann", "bob")
    scene.mm.accept(check, "ann")
    os.kill(server.pid, signal.SIGSTOP)
    assert not server.wait(CHECK_SECONDS + 3.5), "the server died"
    os.kill(server.pid, signal.SIGCONT)
    begun = time.monotonic()
    until = scene.now_ms + 1000 * CHECK_SECONDS // 2
    past(scene, until)
    assert kinds(scene, check) == ["accepted"], time.monotonic() - begun
    scene.mm.accept(check, "bob")
    assert kinds(scene, check) == ["accepted", "accepted", "matched"]
    assert not scene.client.exists(scene.mm.calls.keys.penalties)
    scene.judge(longest_seconds=RECOVERY_SECONDS)


@pytest.mark.parametrize("kind", FACES)
def test_a_listener_killed_during_ready_checks(staged: Scene, tmp_path: Path, kind: str) -> None:
    """Given a program that listens to a player, when it is killed during each of the player's ready checks and matches
    and started again with what it has kept, then it has every event once, in order."""
    scene, rng, notes = staged, random.Random(5), tmp_path / "notes"
    scene.matcher()

    def start() -> Worker:
        return scene.workers.start(LISTEN[kind], scene.url, scene.realm, ["star"], notes)

    def again(listener: Worker) -> Worker:
        spin(rng.uniform(0, 0.01))
        listener.kill()
        return start()

    listener = start()
    scene.mm.cancel(scene.mm.enqueue("ladder", "star", rating=1500))
    assert reached(lambda: bool(written(notes)), RECOVERY_SECONDS)
    for i in range(at_length(8, 500)):
        players = "star", f"partner{i}"
        check = asked(scene, *players)
        scene.mm.accept(check, "star")
        listener = again(listener)
        scene.mm.accept(check, players[1])
        scene.ledger.read()
        match = list(scene.ledger.matches)[-1]
        scene.mm.report(match, "star", winner=1)
        listener = again(listener)
        scene.mm.report(match, players[1], winner=1)
    scene.ledger.read()
    wanted = scene.ledger.of_player["star"]
    reached(lambda: len(written(notes).get("star", [])) >= len(wanted), RECOVERY_SECONDS)
    assert written(notes)["star"] == wanted
    scene.judge()
