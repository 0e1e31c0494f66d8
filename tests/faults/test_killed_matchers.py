"""Matchers die, leave and are stopped, and the line goes on.

What must hold: a match, its removal from the line and its event are one step, so a SIGKILL at any point of a matcher's
loop loses nothing and does nothing twice. No pair stays due for 5 s after a kill, nor for 1 s when a matcher leaves at
SIGTERM, which it does with exit code 0. A matcher that was stopped past every deadline goes on as if nothing had been.
"""

from __future__ import annotations

import random
import signal
import time

import pytest

from matchmaker.model import TicketRequest
from tests.faults.ears import assert_heard
from tests.faults.processes import spin
from tests.faults.scene import MATCHED_SECONDS, RECOVERY_SECONDS, Scene, at_length

REGULARS = [f"regular-{i}" for i in range(12)]

DEADLINES_SECONDS = 6.5
"""Longer than a matcher's blocking pop, its longest rest between two looks and its socket's time-out."""


def enqueue_pair(scene: Scene, name: str) -> None:
    """Two players who are due at once, and alone in the line."""
    requests = [TicketRequest(f"{name}-{side}", 1500.0) for side in "ab"]
    scene.mm.enqueue_many("ladder", requests)


@pytest.mark.parametrize("kind", ["threads", "asyncio"])
def test_matchers_killed_at_any_point_of_their_loop(scene: Scene, kind: str) -> None:
    """Given three matchers under load, when one is killed 200 times and replaced, then nothing is lost or done twice,
    every listener heard everything, and no pair stayed due for 5 s."""
    rng = random.Random(1)
    crew = [scene.matcher() for _ in range(3)]
    with scene.ears(kind, REGULARS) as ears, scene.crowd(regulars=REGULARS, pause=0.005) as crowd:
        for _ in range(at_length(200, 5000)):
            crew.append(scene.matcher())
            scene.matched(1)
            spin(rng.uniform(0, 0.005))
            crew.pop(0).kill()
        crowd.stop()
        scene.at_rest()
        assert_heard(ears, scene.ledger, RECOVERY_SECONDS)
    scene.judge(crowd)
    scene.assert_prompt(RECOVERY_SECONDS)
    assert len(scene.ledger.matches) > 400


def test_the_only_matcher_killed(scene: Scene) -> None:
    """Given one matcher under load, when it is killed and the next starts some time after, then the next one finishes
    what is due as it starts."""
    with scene.crowd(pause=0.005) as crowd:
        for _ in range(at_length(30, 1000)):
            worker = scene.matcher()
            scene.matched(3)
            worker.kill()
        scene.matcher()
        scene.matched(1)
        crowd.stop()
        scene.at_rest()
    scene.judge(crowd)
    scene.assert_prompt(RECOVERY_SECONDS)


def test_a_matcher_killed_as_a_pair_arrives(scene: Scene) -> None:
    """Given two idle matchers, when one is killed around the moment a pair arrives, then the other makes the match
    within 5 s, though the hint may have died with the first."""
    rng = random.Random(2)
    crew = [scene.matcher(), scene.matcher()]
    for i in range(at_length(6, 1000)):
        scene.asleep(2)
        enqueue_pair(scene, f"pair{i}")
        spin(rng.uniform(0, 0.002))
        crew.pop(0).kill()
        scene.at_rest()
        crew.append(scene.matcher())
    scene.judge()
    scene.assert_prompt(RECOVERY_SECONDS)


def test_a_matcher_leaving_under_load(scene: Scene) -> None:
    """Given two matchers under load, when one is told to leave again and again, then it leaves with exit code 0 and no
    pair stays due for a second."""
    rng = random.Random(3)
    crew = [scene.matcher(), scene.matcher()]
    with scene.crowd(pause=0.005) as crowd:
        scene.matched(1)
        begun = scene.now_ms
        for _ in range(at_length(30, 1000)):
            crew.append(scene.matcher())
            scene.matched(2)
            spin(rng.uniform(0, 0.005))
            assert crew.pop(0).terminate() == 0
        crowd.stop()
        scene.at_rest()
    scene.judge(crowd)
    scene.assert_prompt(MATCHED_SECONDS, since=begun)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_matcher_leaving_as_a_pair_arrives(scene: Scene, number: signal.Signals) -> None:
    """Given two idle matchers, when one is told to leave around the moment a pair arrives, then the pair is matched
    within a second: the one that leaves passes its hint on."""
    rng = random.Random(4)
    crew = [scene.matcher(), scene.matcher()]
    for i in range(at_length(40, 2000)):
        scene.asleep(2)
        leaver = crew.pop(0)
        enqueue_pair(scene, f"pair{i}")
        spin(rng.uniform(0, 0.002))
        leaver.signal(number)
        scene.at_rest()
        assert leaver.exit_code() == 0
        crew.append(scene.matcher())
    scene.judge()
    scene.assert_prompt(MATCHED_SECONDS)


def test_a_matcher_stopped_past_every_deadline(scene: Scene) -> None:
    """Given two matchers under load, when one is stopped for longer than each of its time-outs and then continued,
    then nothing is done twice, the other keeps every pair from being due for 5 s, and the first serves again."""
    stopped, other = scene.matcher(), scene.matcher()
    with scene.crowd(pause=0.02) as crowd:
        scene.matched(5)
        stopped.signal(signal.SIGSTOP)
        until = time.monotonic() + at_length(1, 10) * DEADLINES_SECONDS
        while time.monotonic() < until:
            scene.matched(1)
        stopped.signal(signal.SIGCONT)
        scene.matched(5)
        other.kill()
        scene.matched(5)
        crowd.stop()
        scene.at_rest()
    assert stopped.alive
    scene.judge(crowd)
    scene.assert_prompt(RECOVERY_SECONDS)


def test_every_matcher_stopped_past_every_deadline(scene: Scene) -> None:
    """Given all matchers stopped while players come, cancel and wait, when they are continued, then within 5 s nobody
    is due, and nothing was done twice."""
    crew = [scene.matcher(), scene.matcher()]
    with scene.crowd(pause=0.02) as crowd:
        scene.matched(5)
        for worker in crew:
            worker.signal(signal.SIGSTOP)
        scene.ledger.read()
        made = len(scene.ledger.matches)
        until = time.monotonic() + at_length(1, 10) * DEADLINES_SECONDS
        scene.ledger.wait(lambda: time.monotonic() > until, 2 * DEADLINES_SECONDS * at_length(1, 10), "the stop")
        assert len(scene.ledger.matches) <= made + 2 * 128  # what was under way: a pass each
        for worker in crew:
            worker.signal(signal.SIGCONT)
        scene.nobody_overdue(RECOVERY_SECONDS)
        crowd.stop()
        scene.at_rest()
    scene.judge(crowd)
