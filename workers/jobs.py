"""The RQ jobs there are, and how one asks for them: ids in and nothing else, one fixed id a realm and kind.

- ``drain-<realm>``: brings the stream into Postgres until it is quiet.
- ``tick-<realm>``: every 30 s by RQ's scheduler; asks for a drain, whatever became of the last one.
- ``reconcile-<realm>``: every 10 min; names what the realm lost.
- ``rest-<realm>``: once a day; shows deviations of those who do not play.

A job is asked for with ``unique=True``: however many matchers ask, one runs. What stands in its way and will never end,
because its worker was killed, is removed first.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import redis
from rq import Queue, Repeat, Retry, Worker
from rq.exceptions import DuplicateJobError, NoSuchJobError
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

QUEUE: Final = "matchmaker"
"""One queue and one worker class of jobs: RQ hands a job over safely only to workers of a single queue."""

TICK_SECONDS: Final = 30
RECONCILE_SECONDS: Final = 600
REST_SECONDS: Final = 86_400
DRAIN_SECONDS: Final = 60
"""A drain leaves after so long, so that every realm has its turn."""

SILENT_SECONDS: Final = 40
"""A started job whose worker told nothing for so long has none. Longer than the 30 s of a plain ``rq worker``."""

TAKEN_SECONDS: Final = 5
"""A job that was taken out of the queue for so long and is not started: whoever took it is gone."""

FAILURES_KEPT_SECONDS: Final = 86_400
_OVER = (JobStatus.FINISHED, JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED)
_RETRY_SECONDS = [1, 2, 5, 10]
_FOR_EVER = 1_000_000


class Jobs:
    """Asks for jobs on one RQ queue. ``client`` must not decode replies."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.queue = Queue(QUEUE, connection=client, serializer=JSONSerializer)

    def drain(self, realm: str) -> bool:
        """A drain of the realm as soon as a worker is free; False if one is queued or at work already."""
        return self._ask("drain", realm, seconds=3 * DRAIN_SECONDS)

    def keep_ticking(self, realms: Iterable[str]) -> None:
        """Sees to it that the jobs that come by themselves do."""
        for realm in realms:
            self._ask("tick", realm, repeat=Repeat(times=_FOR_EVER, interval=TICK_SECONDS), seconds=TICK_SECONDS)
            every = Repeat(times=_FOR_EVER, interval=RECONCILE_SECONDS)
            self._ask("reconcile", realm, repeat=every, seconds=RECONCILE_SECONDS)
            self._ask("rest", realm, repeat=Repeat(times=_FOR_EVER, interval=REST_SECONDS), seconds=RECONCILE_SECONDS)

    def again(self, realm: str) -> None:
        """For a drain to ask, which cannot ask for itself while it runs: another one, behind all that is queued."""
        self._ask("tick", realm, id_=f"again-{realm}", seconds=TICK_SECONDS)

    def others_wait(self) -> bool:
        """Whether more jobs are queued than workers are free: a long one then makes room."""
        return self.queue.count > 0

    def _ask(
        self,
        kind: str,
        realm: str,
        *,
        seconds: int,
        id_: str = "",
        repeat: Repeat | None = None,
    ) -> bool:
        id_ = id_ or f"{kind}-{realm}"
        for _ in range(2):
            try:
                self.queue.enqueue(
                    f"workers.recorder.{kind}",
                    realm,
                    job_id=id_,
                    unique=True,
                    retry=Retry(max=len(_RETRY_SECONDS), interval=_RETRY_SECONDS),
                    repeat=repeat,
                    job_timeout=seconds,
                    result_ttl=0,
                    failure_ttl=FAILURES_KEPT_SECONDS,
                )
            except DuplicateJobError:
                if not self._remove_dead(id_):
                    return False
            else:
                return True
        return False

    def _remove_dead(self, id_: str) -> bool:
        """Takes a job out of the way that will not run any more; False if it will, or does."""
        try:
            job = self._fetch(id_)
            status = job.get_status(refresh=False)
            alive = status not in _OVER
            if status is JobStatus.STARTED:
                alive = not self._silent(job) and not self._orphaned(job)
            elif status is JobStatus.QUEUED:
                alive = self.queue.get_job_position(id_) is not None or not self._silent(job, TAKEN_SECONDS)
            elif status is JobStatus.SCHEDULED:
                alive = self.client.zscore(self.queue.scheduled_job_registry.key, id_) is not None
        except NoSuchJobError:
            return True
        if not alive:
            try:
                job.delete()
            except (KeyError, ValueError, TypeError):
                # What a flush of RQ's server in the wrong moment left: RQ cannot read it, and it is of no use.
                self.client.delete(job.key, f"rq:executions:{id_}")
            self.client.lrem(self.queue.intermediate_queue_key, 0, id_)
        return not alive

    def _fetch(self, id_: str) -> Job:
        """The job as RQ's server has it. One that cannot be read is removed, and then there is none.

        :raises NoSuchJobError: there is none.
        """
        key = Job.key_for(id_)
        try:
            return Job.fetch(id_, connection=self.client, serializer=JSONSerializer)
        except (NoSuchJobError, KeyError, ValueError, TypeError):
            if not self.client.hexists(key, "data"):  # what a heartbeat writes after a flush is no job
                self.client.delete(key)
            raise NoSuchJobError(id_) from None

    @staticmethod
    def _silent(job: Job, seconds: int = SILENT_SECONDS) -> bool:
        told = [when.replace(tzinfo=when.tzinfo or UTC) for when in (job.last_heartbeat, job.enqueued_at) if when]
        return not told or (datetime.now(UTC) - max(told)).total_seconds() > seconds

    def _orphaned(self, job: Job) -> bool:
        """Whether the job's worker ran on this machine and is gone."""
        worker = Worker.find_by_key(f"rq:worker:{job.worker_name}", connection=self.client) if job.worker_name else None
        if worker is None or worker.hostname != socket.gethostname() or not worker.pid:
            return False
        try:
            os.kill(worker.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False
