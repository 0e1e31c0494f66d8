"""The Redis server is killed with SIGKILL while a recorder is at work, and comes back with everything, or without its
last second.

What must hold: with ``appendfsync always`` nothing that was acknowledged is missing, in the realm or in Postgres. With
``everysec`` what was recorded and is lost is named, marked, and in nobody's way: its players may join again, and what
happens next is recorded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from matchmaker import Matchmaker
from matchmaker.checker import check
from matchmaker.embedded import EmbeddedServer
from matchmaker.model import Ticket
from matchmaker.store.connect import Database
from matchmaker.store.drain import Drain, DrainReport
from matchmaker.store.reconcile import reconcile
from tests.faults.ears import reached
from tests.faults.recorders import (
    RECORDED_SECONDS,
    StartRecorder,
    all_recorded,
    environment_of,
    run_ringing_matcher,
)
from tests.faults.scene import RECOVERY_SECONDS, Scene, at_length
from tests.integration.recorded import RULES, Recorded
from tests.servers import StartServer

REGULARS = [f"regular-{i}" for i in range(4)]


@pytest.mark.timeout(400)
def test_always_loses_nothing(
    own_server: StartServer,
    database: Database,
    database_url: str,
    scene_at: Callable[[str], Scene],
    recorder: StartRecorder,
) -> None:
    """Given players, a matcher and a recorder on a server that syncs every write, when it is killed and restarted under
    load, several times, then every acknowledged ticket and every match is in the realm and in Postgres, and
    reconciliation finds nothing."""
    server = own_server("--appendfsync", "always")
    scene = scene_at(server.url)
    process = recorder(environment_of(server.url, database_url, scene.realm))
    scene.workers.start(run_ringing_matcher, scene.url, [scene.realm], scene.url)
    recorded = Recorded(scene.client, scene.mm, database)
    with scene.crowd(regulars=REGULARS) as crowd:
        for _ in range(at_length(3, 100)):
            scene.matched(20, within_seconds=10)
            before = recorded.count("matches")
            assert reached(lambda: recorded.count("matches") > before, RECORDED_SECONDS), process.log  # noqa: B023
            server.kill()
            server.restart()
            assert scene.matched(20) < RECOVERY_SECONDS
        crowd.stop()
        scene.at_rest()
    all_recorded(scene, recorded)
    scene.judge(crowd)
    assert recorded.count("tickets") == len(scene.ledger.enqueued) >= len(crowd.acknowledged)
    assert reconcile(scene.client, database, scene.realm, settled_ms=0).nothing
    assert "no longer holds" not in process.log


# -- the last writes are gone ------------------------------------------------------------------------------------------


class Tail:
    """The end of the server's append-only file. The server hands each write to the system before it answers, and syncs
    once a second: what a machine that crashes loses is the end of this file."""

    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server
        files = sorted((server.data_dir / "appendonlydir").glob("*.incr.aof"))
        assert len(files) == 1, files
        self._file: Path = files[0]
        self._kept = self._file.stat().st_size

    def lose(self, torn: int = 0) -> None:
        """SIGKILL; all that was written since is gone but for the first ``torn`` bytes; then it is started again."""
        self._server.kill()
        assert self._file.stat().st_size > self._kept + torn
        with self._file.open("rb+") as file:
            file.truncate(self._kept + torn)
        self._server.restart()


@pytest.fixture
def everysec(own_server: StartServer, database: Database) -> Iterator[tuple[EmbeddedServer, Recorded]]:
    server = own_server("--appendfsync", "everysec")
    with Matchmaker(server.url, "loss") as mm:
        mm.apply_rules(RULES)
        yield server, Recorded(mm.redis, mm, database)


@pytest.mark.parametrize("torn", [0, 17])
def test_everysec_names_what_is_lost(everysec: tuple[EmbeddedServer, Recorded], torn: int) -> None:
    """Given tickets and matches that were recorded, when the server comes back without the last of them, then just
    these are named and marked, once; their players join again, and what happens next is recorded and agrees."""
    server, recorded = everysec
    mm = recorded.mm
    # Given what is kept
    recorded.play(6)
    stays, early = mm.enqueue("ladder", "stays", rating=-500), mm.enqueue("side", "early", rating=1)
    recorded.drain()
    kept = {row for (row,) in ids(recorded, "SELECT match FROM matches")}
    tail = Tail(server)
    # And what will be lost, all of it recorded: matches, an end, a ticket that waits
    assert recorded.play(6, first=100) == 3
    lost_match_of_stays = mm.enqueue("ladder", "gone", rating=-500)
    assert mm.attempt_match("ladder").made == 1
    mm.cancel(early)
    waits = mm.enqueue("side", "waits", rating=5000)
    recorded.drain()
    assert recorded.check().ok
    lost_matches = {row for (row,) in ids(recorded, "SELECT match FROM matches")} - kept
    lost_tickets = {
        row for (row,) in ids(recorded, "SELECT ticket FROM tickets WHERE player LIKE '% 10_' OR player LIKE '%er 100'")
    } | {lost_match_of_stays.id, waits.id}
    # When
    tail.lose(torn)
    assert reached(lambda: bool(recorded.client.ping()), RECOVERY_SECONDS)
    # Then those who were there before still wait, and those who are lost join again
    assert mm.status(stays).state == mm.status(early).state == "waiting"
    again = [mm.enqueue("ladder", name, rating=7000) for name in ("gone", "player 101")]
    assert mm.attempt_match("ladder").made == 1
    assert mm.status(again[0]).match is not None
    report = recorded.drain()
    assert (report.restarted, "lost writes" in report.warnings[0]) == (1, True)
    found = reconcile(recorded.client, recorded.database, recorded.realm, settled_ms=0)
    assert set(found.lost_matches) == lost_matches
    assert set(found.lost_tickets) == lost_tickets
    assert set(found.reopened) == {stays.id, early.id}
    assert recorded.count("matches", "lost_at IS NOT NULL") == len(lost_matches) == 4
    assert recorded.count("tickets", "state = 'lost'") == len(lost_tickets)
    assert recorded.check().ok, str(recorded.check())
    assert reconcile(recorded.client, recorded.database, recorded.realm, settled_ms=0).nothing
    # And the realm itself is sound
    assert check(recorded.client, recorded.realm).ok


def ids(recorded: Recorded, query: str) -> list[tuple[str]]:
    with recorded.database.transaction() as cursor:
        cursor.execute(query)
        return [(str(row[0]),) for row in cursor.fetchall()]


def test_rolled_back_within_a_drain(everysec: tuple[EmbeddedServer, Recorded]) -> None:
    """Given a drain that is at work and has recorded what comes, when the server is restarted without its last writes,
    then that same drain notices, goes on, and records what happens afterwards."""
    server, recorded = everysec
    mm = recorded.mm
    over = threading.Event()
    reports: list[DrainReport] = []

    def work() -> None:
        with Drain(recorded.client, recorded.database, recorded.realm, batch_events=7) as drain:
            reports.append(drain.report)
            drain.run(linger_seconds=60, leave=over.is_set)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        recorded.play(10)
        assert reached(lambda: recorded.count("matches") == 5, RECORDED_SECONDS)
        tail = Tail(server)
        recorded.play(10, first=100)
        assert reached(lambda: recorded.count("matches") == 10, RECORDED_SECONDS)
        tail.lose()
        survivor: Ticket = mm.enqueue("ladder", "survivor", rating=1000)
        recorded.play(10, first=200)
        assert reached(lambda: recorded.count("matches") == 15, RECORDED_SECONDS)
    finally:
        over.set()
        mm.enqueue("side", "last", rating=1)
        thread.join(RECORDED_SECONDS)
    assert not thread.is_alive()
    recorded.drain()
    assert (len(reports), reports[0].restarted) == (1, 1)
    found = reconcile(recorded.client, recorded.database, recorded.realm, settled_ms=0)
    assert len(found.lost_matches) == 5
    assert recorded.value(f"SELECT state FROM tickets WHERE ticket = '{survivor.id}'") == "waiting"
    assert recorded.count("matches", "lost_at IS NULL") == 10
    assert recorded.check().ok, str(recorded.check())


@pytest.mark.timeout(120)
def test_a_recorder_names_what_is_lost(
    everysec: tuple[EmbeddedServer, Recorded], database_url: str, recorder: StartRecorder
) -> None:
    """Given a recorder at work, when the server is restarted without its last writes, RQ's among them, then its log
    says which matches and tickets are lost, and it goes on recording."""
    server, recorded = everysec
    process = recorder(environment_of(server.url, database_url, recorded.realm))
    recorded.play(4)
    assert reached(lambda: recorded.count("matches") == 2, RECORDED_SECONDS), process.log
    tail = Tail(server)
    recorded.play(4, first=100)
    assert reached(lambda: recorded.count("matches") == 4, RECORDED_SECONDS), process.log
    lost = recorded.value("SELECT match FROM matches ORDER BY match DESC LIMIT 1")
    tail.lose()
    recorded.play(4, first=200)
    assert reached(lambda: recorded.count("matches", "lost_at IS NULL") >= 6, RECORDED_SECONDS), process.log
    process.rest()  # what is lost is told when the drain ends
    line = process.until("the server lost acknowledged writes", within_seconds=RECORDED_SECONDS)
    assert lost in line
    assert "lost_matches=2" in line
    assert reached(lambda: recorded.count("matches", "lost_at IS NULL") == 4, RECORDED_SECONDS), process.log
    assert recorded.check(drained=False).ok
