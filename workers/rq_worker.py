"""The recorder as a process: RQ's worker and scheduler, which notice at once when they are asked to leave, and leave
nothing behind when they are killed.

Any number of recorders, here or elsewhere, share the work; kill any of them at any time. A plain
``rq worker --with-scheduler --serializer rq.serializers.JSONSerializer matchmaker`` does the same work.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Sequence
from typing import Any

import redis
import structlog
from redis.backoff import ExponentialWithJitterBackoff
from rq import Worker
from rq.exceptions import StopRequested
from rq.scheduler import RQScheduler
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus

import workers.recorder  # noqa: F401  (the jobs: what is imported here, no process that runs one has to)
from matchmaker.connect import connection_options
from workers import leaving
from workers.jobs import QUEUE, Jobs

MONITOR_SECONDS = 5
WORKER_TTL_SECONDS = 20
"""RQ asks its queue for 15 s less: so an idle worker looks about every 5 s, as a busy one does."""

KEEP_SECONDS = 5.0
"""How often a worker sees to it that the jobs that come by themselves still do."""

SCHEDULER_SILENT_SECONDS = 10
"""A living scheduler renews its lock every second; a dead one's is held for a minute otherwise."""

LONGEST_PAUSE_SECONDS = 10.0

_ENDS = (signal.SIGTERM, signal.SIGINT)

log = structlog.get_logger()


class TetheredScheduler(RQScheduler):
    """RQ's scheduler, a child process of the worker; this one ends with the worker, however that died."""

    _parent = 0

    def start(self) -> Any:
        """Asked to leave before it listens, it would stay for ever, and its worker with it: so that has to wait."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
        try:
            return super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)

    def _install_signal_handlers(self) -> None:
        super()._install_signal_handlers()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)

    def work(self) -> None:
        self._parent = os.getppid()
        super().work()

    def heartbeat(self) -> None:
        if os.getppid() != self._parent:
            self.request_stop()
            return
        super().heartbeat()


class RecorderWorker(Worker):
    """RQ's worker; asks the job at work to come to an end when it is asked itself, and tells :func:`run`."""

    max_connection_wait_time = LONGEST_PAUSE_SECONDS
    asked: threading.Event
    jobs: Jobs
    realms: Sequence[str] = ()
    in_the_way: Sequence[str] = ()
    """Realms whose drain was there when this worker began: at work elsewhere, or left by a worker that was killed."""

    _kept_at = 0.0
    _was_asked = False
    """By a signal that RQ's own loop got: only there is its exception caught."""

    def heartbeat(self, *args: Any, **kwargs: Any) -> None:
        """Every few seconds, idle or not: what comes by itself has to come, though RQ looks every 10 minutes only."""
        super().heartbeat(*args, **kwargs)
        if self._was_asked and not self.is_horse and self.get_state() != WorkerStatus.BUSY:
            # The signal came while Python threw something away: what RQ raised for it was thrown away too.
            raise StopRequested
        scheduler: Any = self.scheduler
        if self.is_horse or scheduler is None or self.asked.is_set():
            return
        if scheduler._process is None or not scheduler._process.is_alive():
            lock = scheduler.get_locking_key(QUEUE)
            if self.connection.ttl(lock) < scheduler.interval + 60 - SCHEDULER_SILENT_SECONDS:
                self.connection.delete(lock)
            scheduler.acquire_locks(auto_start=True)
        if time.monotonic() - self._kept_at > KEEP_SECONDS:
            self.jobs.keep_ticking(self.realms)
            self.in_the_way = [realm for realm in self.in_the_way if not self.jobs.drain(realm)]
            self._kept_at = time.monotonic()

    def _install_signal_handlers(self) -> None:
        super()._install_signal_handlers()
        if self.asked.is_set():  # until now that was only noted
            self._stop_requested = True

    def handle_warm_shutdown_request(self) -> None:
        super().handle_warm_shutdown_request()
        self.asked.set()
        self._was_asked = True
        self._tell_horse()

    def monitor_work_horse(self, *args: Any) -> None:
        if self.asked.is_set():  # after the job was taken and before its process was there to be told
            self._tell_horse()
        super().monitor_work_horse(*args)

    def _tell_horse(self) -> None:
        if self.horse_pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.horse_pid, signal.SIGUSR1)

    def _start_scheduler(self, burst: bool = False, logging_level: Any = None, *_: Any, **__: Any) -> None:
        level = self.log.level if logging_level is None else logging_level
        self.scheduler = TetheredScheduler(
            self.queues, connection=self.connection, logging_level=level, serializer=self.serializer
        )
        self.scheduler.acquire_locks()
        if self.scheduler.acquired_locks:
            self.scheduler.start()


def run(rq_url: str, realms: Sequence[str]) -> None:
    """A recorder until SIGTERM or SIGINT. RQ's worker ends at many an error of its server; then another one begins."""
    leaving.listen()
    asked = threading.Event()
    pause, failures = ExponentialWithJitterBackoff(base=0.1, cap=LONGEST_PAUSE_SECONDS), 0
    log.info("recorder started", realms=list(realms))
    while not asked.is_set():
        for number in _ENDS:  # RQ's worker installs its own, and gives them back to nobody
            signal.signal(number, lambda *_: asked.set())
        began, fault = time.monotonic(), "RQ's worker ended"
        with redis.Redis.from_url(rq_url, **connection_options(rq_url)) as client:
            try:
                worker = _worker(client, realms, asked)
                if not asked.is_set():
                    worker.work(with_scheduler=True, logging_level=None)
            except redis.RedisError as error:
                fault = str(error)
        if not asked.is_set():
            failures = 0 if time.monotonic() - began > LONGEST_PAUSE_SECONDS else failures + 1
            log.warning("recorder begins again", error=fault, failures=failures)
            asked.wait(pause.compute(min(failures, 16)))
    log.info("recorder left", realms=list(realms))


def _worker(client: redis.Redis, realms: Sequence[str], asked: threading.Event) -> RecorderWorker:
    jobs = Jobs(client)
    jobs.keep_ticking(realms)
    in_the_way = [realm for realm in realms if not jobs.drain(realm)]
    worker = RecorderWorker(
        [jobs.queue],
        connection=client,
        serializer=JSONSerializer,
        job_monitoring_interval=MONITOR_SECONDS,
        worker_ttl=WORKER_TTL_SECONDS,
    )
    worker.asked, worker.jobs, worker.realms, worker.in_the_way = asked, jobs, realms, in_the_way
    return worker
