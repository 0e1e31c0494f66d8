"""Recorders as processes of their own, and what a test wants to know of them: their log, their children, their end.

A recorder is three processes: the RQ worker (the *parent*), its scheduler, and the *horse* that runs the job at work.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import redis

from matchmaker.checker import check_records
from tests.faults.ears import reached
from tests.faults.scene import Scene
from tests.integration.recorded import Recorded
from tests.integration.terminal import END_SECONDS, ROOT
from tests.servers import Process
from workers.jobs import Jobs

RECORDED_SECONDS = 45.0
"""Whatever is killed, however often: what happened is in Postgres so long after the last of it."""

GONE_SECONDS = 3.0
"""A recorder whose parent was killed has left nothing behind after this."""

READY_SECONDS = 20.0


def children(pid: int) -> list[int]:
    """Processes that this one started and that live; none once it is gone itself."""
    try:
        told = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(one) for one in told.split() if group_of(int(one))]


def group_of(pid: int) -> int:
    """Its process group; 0 once it has ended, whether or not its parent took notice."""
    try:
        state, _, group = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[:3]
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if state in "ZX" else int(group)


class RecorderProcess:
    """One recorder; also anything else that works on its queue, by its ``command`` (arguments of the interpreter).

    Its log is read as it comes, so that a full pipe never holds it up. All its processes write to that pipe: the log
    ends when the last of them does.
    """

    def __init__(self, environment: Mapping[str, str], *arguments: str, command: Sequence[str] = ()) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MATCHMAKER_")}
        self.lines: list[str] = []
        self._told = threading.Condition()
        self._seen = 0
        self.process = subprocess.Popen(
            [sys.executable, "-P", *(command or ("-m", "matchmaker.cli", "recorder")), *arguments],
            env={**inherited, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._told:
                self.lines.append(line)
                self._told.notify_all()
        with self._told:
            self._told.notify_all()

    # -- its log -------------------------------------------------------------------------------------------------------

    @property
    def log(self) -> str:
        """Everything that it printed so far."""
        with self._told:
            return "".join(self.lines)

    def until(self, *words: str, within_seconds: float = READY_SECONDS) -> str:
        """The next line of the log, after those that were waited for before, that holds all these words."""

        def found() -> bool:
            while self._seen < len(self.lines):
                self._seen += 1
                if all(word in self.lines[self._seen - 1] for word in words):
                    return True
            return False

        with self._told:
            came = self._told.wait_for(found, within_seconds)
            assert came, f"{words} is not in its log within {within_seconds} s:\n{''.join(self.lines)}"
            return self.lines[self._seen - 1]

    # -- its processes -------------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def horses(self) -> list[int]:
        """The process at work on a job: it leads a group of its own."""
        return [child for child in children(self.pid) if group_of(child) == child]

    def schedulers(self) -> list[int]:
        """RQ's scheduler, which stays in the parent's group."""
        return [child for child in children(self.pid) if group_of(child) not in (0, child)]

    def horse(self, within_seconds: float = READY_SECONDS) -> Process:
        """A handle on the process at work, awaited if there is none."""
        return self._awaited(self.horses, "a job at work", within_seconds)

    def scheduler(self, within_seconds: float = READY_SECONDS) -> Process:
        return self._awaited(self.schedulers, "a scheduler", within_seconds)

    def _awaited(self, which: Callable[[], list[int]], what: str, within_seconds: float) -> Process:
        found: list[Process] = []

        def there() -> bool:
            for pid in which():
                with contextlib.suppress(ProcessLookupError):
                    found.append(Process(pid))
                    return True
            return False

        assert reached(there, within_seconds), f"no {what} within {within_seconds} s:\n{self.log}"
        return found[0]

    def rest(self) -> None:
        """Has the jobs at work come to an end now: a drain that finds nothing more would stay for ten seconds."""

        def resting() -> bool:
            for horse in self.horses():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(horse, signal.SIGUSR1)
            return not self.horses()

        assert reached(resting, READY_SECONDS), self.log

    # -- its end -------------------------------------------------------------------------------------------------------

    def kill_parent(self) -> None:
        """SIGKILL for the parent alone; returns when it is gone."""
        self.process.kill()
        self.process.wait()

    def kill_all(self) -> None:
        """SIGKILL for the parent, the horse and the scheduler at once, as a machine that loses power."""
        os.kill(self.pid, signal.SIGSTOP)  # it starts no other meanwhile
        for child in children(self.pid):
            os.kill(child, signal.SIGKILL)
        self.kill_parent()

    def gone(self, within_seconds: float = GONE_SECONDS) -> bool:
        """Whether the parent and everything it started has ended by then."""
        self._reader.join(within_seconds)
        return not self._reader.is_alive()

    def leave(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Tells it to leave; answers its exit code and how many seconds that took."""
        begun = time.monotonic()
        self.process.send_signal(number)
        try:
            return self.process.wait(END_SECONDS), time.monotonic() - begun
        except subprocess.TimeoutExpired:
            left = f"jobs at work: {self.horses()}, schedulers: {self.schedulers()}"
            raise AssertionError(f"it did not leave within {END_SECONDS} s; {left}\n{self.log}") from None

    def ended(self) -> int:
        """Waits for its end by itself; answers the exit code, with its whole log read."""
        code = self.process.wait(END_SECONDS)
        self._reader.join(END_SECONDS)
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            for child in [*children(self.pid), self.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            self.process.wait()
        self._reader.join(END_SECONDS)
        if self.process.stdout is not None and not self._reader.is_alive():
            self.process.stdout.close()


def environment_of(url: str, database_url: str, realm: str, rq_url: str = "") -> dict[str, str]:
    """What a recorder is told by its environment."""
    told = {"MATCHMAKER_REDIS_URL": url, "MATCHMAKER_DATABASE_URL": database_url, "MATCHMAKER_REALM": realm}
    return {**told, "MATCHMAKER_RQ_URL": rq_url} if rq_url else told


class StartRecorder(Protocol):
    """The ``recorder`` fixture: an environment and arguments in, a running recorder out."""

    def __call__(
        self, environment: Mapping[str, str], *arguments: str, command: Sequence[str] = ()
    ) -> RecorderProcess: ...


@contextlib.contextmanager
def recorders() -> Iterator[StartRecorder]:
    """Starts recorders; those that are left at the end are ended."""
    with contextlib.ExitStack() as stack:

        def start(environment: Mapping[str, str], *arguments: str, command: Sequence[str] = ()) -> RecorderProcess:
            process = RecorderProcess(environment, *arguments, command=command)
            stack.callback(process.close)
            return process

        yield start


def run_ringing_matcher(url: str, realms: Sequence[str], rq_url: str) -> None:
    """A matcher that asks for a drain when it made matches, as its command runs it where a database is set."""
    from workers.matcher import run

    run(url, realms, rq_url=rq_url)


def jobs_of(scene: Scene) -> str:
    """What RQ knows of the realm's jobs, for whoever wonders why nothing comes."""
    found = []
    keys: list[bytes] = sorted(scene.client.scan_iter("rq:*"))
    for key in keys:
        kind = scene.client.type(key)
        if kind == b"hash":
            told: Any = scene.client.hgetall(key)
            names = (b"status", b"retries_left", b"enqueued_at", b"started_at", b"last_heartbeat", b"worker_name")
            found.append(f"{key.decode()}: {[told.get(name, b'').decode() for name in names]}")
        elif kind == b"zset":
            found.append(f"{key.decode()}: {scene.client.zrange(key, 0, 9, withscores=True)}")
        elif kind == b"list":
            found.append(f"{key.decode()}: {scene.client.lrange(key, 0, 9)}")
    return "\n".join(found)


def hurry(client: redis.Redis) -> None:
    """Brings forward what RQ's scheduler has for later: ticks, and the next try of what failed."""
    key = Jobs(client).queue.scheduled_job_registry.key
    jobs: Any = client.zrange(key, 0, -1)
    for job in jobs:
        if not job.startswith(b"reconcile-"):
            client.zadd(key, {job: 1}, xx=True)  # long ago


# -- what became of the records ----------------------------------------------------------------------------------------


def behind(scene: Scene) -> int:
    """How many events are not recorded, as the realm tells everybody; all of them before the first drain."""
    recording = scene.mm.stats().recording
    return -1 if recording is None or recording.behind is None else recording.behind


def all_recorded(scene: Scene, recorded: Recorded, within_seconds: float = RECORDED_SECONDS) -> float:
    """Waits until nothing is behind, and holds every row against the stream; answers the seconds it took.

    The rows are committed before the realm is told: so once it says that nothing is behind, they are there.
    """
    begun = time.monotonic()
    assert reached(lambda: behind(scene) == 0, within_seconds), f"{behind(scene)} events behind\n{jobs_of(scene)}"
    took = time.monotonic() - begun
    verdict = check_records(scene.client, recorded.database, scene.realm, drained=True)
    assert verdict.ok, str(verdict)
    assert verdict.matches == len(scene.ledger.matches)
    assert recorded.count("matches", f"realm = '{scene.realm}'") == verdict.matches
    assert recorded.count("teams", f"realm = '{scene.realm}'") == 2 * verdict.matches
    return took
