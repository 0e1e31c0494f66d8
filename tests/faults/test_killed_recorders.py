"""Recorders are killed under load: the parent, the job at work, the scheduler, all at once, again and again.

What must hold: everything is recorded once, within :data:`RECORDED_SECONDS` of the last kill; whatever lived on beside
a parent that was killed leaves by itself.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

import pytest

from matchmaker.store.connect import Database
from tests.faults.ears import reached
from tests.faults.recorders import (
    GONE_SECONDS,
    READY_SECONDS,
    RECORDED_SECONDS,
    RecorderProcess,
    StartRecorder,
    all_recorded,
    behind,
    environment_of,
    run_ringing_matcher,
)
from tests.faults.scene import Scene, at_length
from tests.integration.recorded import Recorded
from tests.servers import Process, StartServer

PROMPT_SECONDS = 12.0
"""Where a supervisor starts the recorder again, or a parent lives: no tick has to be waited for."""


class Recording:
    """A ladder with its matcher, its database and one recorder after the other, as a supervisor would start them."""

    def __init__(self, scene: Scene, recorded: Recorded, start: StartRecorder, environment: dict[str, str]) -> None:
        self.scene = scene
        self.recorded = recorded
        self._start = start
        self._environment = environment
        self.recorder = self.begin()
        scene.workers.start(run_ringing_matcher, scene.url, [scene.realm], scene.url)

    def begin(self) -> RecorderProcess:
        """A recorder, or the next one."""
        self.recorder = self._start(self._environment)
        return self.recorder

    def recording(self) -> float:
        """Waits until matches are being recorded: ten more rows than now. Answers the seconds it took."""
        before, begun = self.recorded.count("matches"), time.monotonic()
        assert reached(lambda: self.recorded.count("matches") >= before + 10, RECORDED_SECONDS), self.recorder.log
        return time.monotonic() - begun


@pytest.fixture
def recording(
    own_server: StartServer,
    database: Database,
    database_url: str,
    scene_at: Callable[[str], Scene],
    recorder: StartRecorder,
) -> Recording:
    server = own_server()
    scene = scene_at(server.url)
    environment = environment_of(server.url, database_url, scene.realm)
    return Recording(scene, Recorded(scene.client, scene.mm, database), recorder, environment)


# What a kill is, and whether a supervisor has a recorder to start again.
KILLS: dict[str, Callable[[RecorderProcess], None]] = {
    "parent": lambda recorder: recorder.kill_parent(),
    "horse": lambda recorder: kill(recorder.horse()),
    "scheduler": lambda recorder: kill(recorder.scheduler()),
    "all": lambda recorder: recorder.kill_all(),
}


def kill(process: Process) -> None:
    with process:
        os.kill(process.pid, signal.SIGKILL)
        assert process.ended(READY_SECONDS)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("which", KILLS)
def test_killed_once(recording: Recording, which: str) -> None:
    """Given matches being made and recorded, when one part of the recorder is killed and the load goes on, then all of
    it is recorded once, soon, and what a dead parent left behind has gone."""
    scene = recording.scene
    with scene.crowd() as crowd:
        recording.recording()
        victim = recording.recorder
        with victim.horse():
            KILLS[which](victim)
        if not victim.alive:
            # And whatever lived on leaves: the pipe of its log has no other end any more
            assert victim.gone(GONE_SECONDS), victim.log
            recording.begin()
        took = recording.recording()
        assert took < PROMPT_SECONDS
        crowd.stop()
        scene.at_rest()
    all_recorded(scene, recording.recorded, PROMPT_SECONDS)
    scene.judge(crowd)


@pytest.mark.timeout(400)
def test_killed_again_and_again(recording: Recording) -> None:
    """Given load, when any part is killed at any moment, many times over, and parents started again, then everything
    is recorded once within the bound."""
    scene, rng = recording.scene, random.Random(1)
    with scene.crowd() as crowd:
        recording.recording()
        for _ in range(at_length(5, 60)):
            which = rng.choice(list(KILLS))
            victim = recording.recorder
            scene.matched(rng.randint(1, 40), within_seconds=10)
            KILLS[which](victim)
            if not victim.alive:
                recording.begin()
                victim.gone(GONE_SECONDS)
        crowd.stop()
        scene.at_rest()
    all_recorded(scene, recording.recorded, RECORDED_SECONDS)
    scene.judge(crowd)
    code, _ = recording.recorder.leave()
    assert code == 0
    assert recording.recorder.gone(GONE_SECONDS)


@pytest.mark.timeout(90)
def test_another_recorder_takes_over(recording: Recording, recorder: StartRecorder, database_url: str) -> None:
    """Given two recorders, when the one at work is killed with all its processes and nobody starts it again, then the
    other goes on."""
    scene = recording.scene
    other = recorder(environment_of(scene.url, database_url, scene.realm))
    with scene.crowd() as crowd:
        recording.recording()
        assert reached(lambda: bool(recording.recorder.horses() or other.horses()), READY_SECONDS)
        victim = recording.recorder if recording.recorder.horses() else other
        victim.kill_all()
        recording.recording()
        crowd.stop()
        scene.at_rest()
    all_recorded(scene, recording.recorded, RECORDED_SECONDS)


@pytest.mark.timeout(120)
def test_nobody_asks_but_the_scheduler(recording: Recording) -> None:
    """Given a recorder whose scheduler was killed and whose drain has left, when events come of which no matcher tells,
    then they are recorded within the bound all the same: another scheduler came."""
    scene, recorder = recording.scene, recording.recorder
    scene.mm.enqueue("ladder", "before", rating=1)
    assert reached(lambda: behind(scene) == 0, RECORDED_SECONDS), recorder.log
    kill(recorder.scheduler())
    with recorder.scheduler(READY_SECONDS) as second:
        assert not second.ended(0)
    kill(recorder.horse())  # its retry is the scheduler's
    scene.mm.enqueue("ladder", "alone", rating=9000)
    all_recorded(scene, recording.recorded, RECORDED_SECONDS)
