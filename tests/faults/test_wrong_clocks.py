"""Clocks are wrong, or are set while the realm works.

What must hold: a realm on server time takes no clock from any client, so a worker whose clock is an hour off changes
nothing. When the server's own clock is set, realm time stands still over the step and goes on: nobody expires, nobody's
wait grows, matches and events go on in order, and the step is counted and reported.

How a step of the server's clock is made here: the only thing a realm remembers of that clock is the string ``clock``,
"<server ms as last seen> <realm ms minus server ms> …". Adding an hour to the one and taking it from the other, at
once, leaves realm time as it is, and the next call sees a clock that was an hour later before: exactly what it would
see, had somebody turned the clock back an hour in between. Nothing else in the realm is in server time.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis

from matchmaker.calls import Batch, Call, Calls
from matchmaker.client import Matchmaker
from matchmaker.errors import TimeModeMismatch
from matchmaker.keys import Keys
from matchmaker.model import TicketRequest, TicketState
from matchmaker.outcomes import By
from matchmaker.scripts import header_of
from tests.faces import FACES
from tests.faults.conftest import OwnScene
from tests.faults.ears import assert_heard
from tests.faults.scene import MATCHED_SECONDS, RECOVERY_SECONDS, Scene

HOUR_MS = 3_600_000
REGULARS = [f"regular-{i}" for i in range(6)]
LUA = Path(__file__).parents[2] / "matchmaker" / "lua"

STEP = """
local last, offset, rest = string.match(redis.call("GET", KEYS[1]), "^(%d+) (%-?%d+) (.*)$")
redis.call("SET", KEYS[1], string.format("%.0f %.0f %s", last - ARGV[1], offset + ARGV[1], rest))
"""


def step_clock(client: redis.Redis, realm: str, by_ms: int) -> None:
    """As if the server's clock had been set forward by so much since it was last seen (back, where negative)."""
    client.eval(STEP, 1, Keys(realm).clock, by_ms)


# -- a worker's clock ------------------------------------------------------------------------------------------------


def scripts_that_take_now() -> set[str]:
    """Scripts whose first argument is a moment of realm time, by their headers."""
    first = re.compile(r'^-- ARGV\[1\] +now +realm ms, or ""', re.MULTILINE)
    return {path.stem for path in LUA.glob("*.lua") if first.search(header_of(path.read_text()))}


def test_no_script_takes_a_clients_clock(scene: Scene) -> None:
    """Given a realm on server time, when a client brings its own, then each script refuses and writes nothing."""
    scene.mm.enqueue("ladder", "alice", rating=1500, ticket="t1")
    ahead = scene.now_ms + HOUR_MS
    calls = Calls(scene.realm, clock=lambda: ahead)
    requests: list[Call[Any]] = [
        calls.apply([("ladder", scene.rules.compiled())], prune=False, dry=False, retain_ms=600_000, max_backlog=1000),
        calls.cancel("ladder", "ticket", "t1", "requested"),
        calls.clear("ladder", "", "", 10),
        calls.enqueue("ladder", [TicketRequest("bob", 1500), TicketRequest("carol", 1500)]),
        calls.expire("ladder", ["t1"]),
        calls.heartbeat("t1"),
        calls.match_pass("ladder"),
        calls.pair("ladder", "t1", "t2"),
        calls.peek(1),
        calls.tend("ladder"),
        calls.accept("1-1", "alice"),
        calls.decline("1-1", "alice"),
        calls.report("1-1", By.PLAYER, "alice", (1, 2)),
        calls.abort("1-1", By.OPERATOR, "root", "void"),
        calls.leave("1-1", "alice"),
        calls.lapse(1),
        calls.rate([]),
    ]
    assert {request.script.name for request in requests} == scripts_that_take_now()
    names = [name for name in calls.keys.line_keys("ladder") if name != calls.keys.clock]
    before = {name: scene.client.dump(name) for name in names}
    answers = scene.mm.runner.batch(Batch(requests))
    assert [type(answer) for answer in answers] == [TimeModeMismatch] * len(requests)
    assert {name: scene.client.dump(name) for name in names} == before


def test_a_client_with_a_clock_is_told(scene: Scene) -> None:
    """The same, from the front door."""
    mine = Matchmaker(scene.client, scene.realm, clock=lambda: scene.now_ms + HOUR_MS)
    with mine, pytest.raises(TimeModeMismatch):
        mine.enqueue("ladder", "alice", rating=1500)


def test_expiry_asked_for_too_early(scene: Scene) -> None:
    """Given a worker that believes in a time an hour ahead, when it asks for the tickets whose time is over, and has
    them expire, then none does."""
    scene.mm.enqueue("ladder", "alice", rating=1500, ticket="t1")
    listed = scene.mm.runner.call(scene.mm.calls.overdue(scene.now_ms + HOUR_MS, 100))
    assert listed == [("t1", "ladder")]
    assert scene.mm.runner.call(scene.mm.calls.expire("ladder", ["t1"])) == 0
    assert scene.mm.status("t1").state is TicketState.WAITING


SHIFTED = """
import time
for name, unit in (("time", 1), ("time_ns", 10**9)):
    setattr(time, name, lambda real=getattr(time, name), by={hours} * 3600 * unit: real() + by)
"""


@pytest.mark.parametrize("hours", [1, -1])
def test_a_worker_whose_clock_is_an_hour_off(scene: Scene, tmp_path: Path, hours: int) -> None:
    """Given a matcher on a machine whose clock is an hour off, when players come, then they are matched at the right
    moment, and nobody expires."""
    (tmp_path / "sitecustomize.py").write_text(SHIFTED.format(hours=hours))
    path = os.pathsep.join([str(tmp_path), str(LUA.parents[1])])
    environment = {**os.environ, "PYTHONPATH": path, "MATCHMAKER_REDIS_URL": scene.url}
    ask = [sys.executable, "-c", "import time; print(time.time())"]
    real = float(subprocess.check_output(ask, text=True))
    shifted = float(subprocess.check_output(ask, text=True, env=environment))
    assert abs(shifted - real - 3600 * hours) < 60
    command = [sys.executable, "-m", "workers", scene.realm]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as worker:
        scene.asleep(1)
        with scene.crowd() as crowd:
            scene.matched(100, within_seconds=20)
            crowd.stop()
            scene.at_rest()
        worker.terminate()
    assert worker.returncode == 0
    assert scene.mm.stats().expired == 0
    scene.judge(crowd)
    scene.assert_prompt(MATCHED_SECONDS)


# -- the server's clock ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FACES)
@pytest.mark.parametrize("hours", [1, -1])
def test_the_servers_clock_is_set_under_load(own_scene: OwnScene, kind: str, hours: int) -> None:
    """Given players, listeners and matchers, when the server's clock is set an hour forward (back), twice, then nobody
    expires, nobody's wait jumps, matches go on at once, and the steps are reported."""
    _, scene = own_scene()
    crew = [scene.matcher() for _ in range(2)]
    alone = scene.mm.enqueue("ladder", "alone", rating=9000)
    with scene.ears(kind, REGULARS) as ears, scene.crowd(regulars=REGULARS) as crowd:
        for _ in range(2):
            scene.matched(20)
            before = scene.now_ms
            step_clock(scene.client, scene.realm, hours * HOUR_MS)
            assert 0 <= scene.now_ms - before < 1000
            assert scene.matched(20) < RECOVERY_SECONDS
        crowd.stop()
        scene.at_rest()
        assert_heard(ears, scene.ledger, RECOVERY_SECONDS)
    scene.judge(crowd)
    scene.assert_prompt(MATCHED_SECONDS)
    assert scene.mm.status(alone) == alone
    waits = [match.at_ms - ticket.enqueued_ms for match in scene.ledger.matches.values() for ticket in match.tickets]
    assert 0 <= min(waits) <= max(waits) < 60_000
    stats = scene.mm.stats()
    assert stats.expired == 0
    assert stats.clock_jumps == 2
    assert abs(stats.clock_absorbed_ms - 2 * hours * HOUR_MS) < 60_000
    for worker in crew:
        assert worker.terminate() == 0
        assert "clock stepped" in worker.log.read_text()


@pytest.mark.parametrize("seconds", [-10, -1])
def test_the_servers_clock_goes_back_a_little(scene: Scene, seconds: int) -> None:
    """Given a clock that is set back by less than what counts as a step, then realm time still never goes back."""
    ticket = scene.mm.enqueue("ladder", "alice", rating=1500)
    before = scene.now_ms
    step_clock(scene.client, scene.realm, 1000 * seconds)
    assert 0 <= scene.now_ms - before < 900
    scene.mm.enqueue("ladder", "bob", rating=1500)
    report = scene.mm.attempt_match("ladder")
    assert report.matches[0].at_ms >= ticket.enqueued_ms
    scene.judge()


@pytest.mark.parametrize("hours", [1, -1])
@pytest.mark.parametrize("kind", FACES)
def test_a_listener_reconnects_as_the_clock_is_set(own_scene: OwnScene, kind: str, hours: int) -> None:
    """Given a listener that has been quiet for longer than the realm remembers, when the server's clock is set and the
    connection breaks, before any script has seen the new time, then the listener goes on: it missed nothing."""
    _, scene = own_scene()
    scene.client.hset(scene.mm.calls.keys.meta, "retain_ms", 1000)
    with scene.ears(kind, ["alice", "bob"]) as ears:
        scene.mm.cancel(scene.mm.enqueue("ladder", "alice", rating=1500))
        assert_heard(ears, scene.ledger, RECOVERY_SECONDS)
        heard_ms = int(ears.heard["alice"][-1].id.partition("-")[0])

        def forgotten() -> bool:
            scene.mm.attempt_match("ladder")
            return int(scene.client.hget(scene.mm.calls.keys.meta, "floor_ms") or 0) > heard_ms

        scene.ledger.wait(forgotten, 2 * RECOVERY_SECONDS, "the realm forgets")
        # What it hears of others tells the listener that its connection has carried everything until now.
        scene.mm.cancel(scene.mm.enqueue("ladder", "bob", rating=1500))
        assert_heard(ears, scene.ledger, RECOVERY_SECONDS)
        step_clock(scene.client, scene.realm, hours * HOUR_MS)
        scene.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        scene.ledger.wait(lambda: listening(scene, "alice"), RECOVERY_SECONDS, "the listener is back")
        scene.mm.enqueue("ladder", "alice", rating=1500)
        assert_heard(ears, scene.ledger, RECOVERY_SECONDS)


def listening(scene: Scene, player: str) -> bool:
    """Whether somebody is subscribed to the player."""
    return scene.client.pubsub_numsub(scene.mm.calls.keys.channel(player))[0][1] == 1
