"""Asks for a drain after matches were made, off the matcher's thread and without ever being in its way.

A drain that is at work reads on by itself, so a ring while one is costs a question to RQ's server and no more; the
questions are :data:`PAUSE_SECONDS` apart. If RQ's server is away, matching goes on, and the recorders' own tick asks.
"""

from __future__ import annotations

import contextlib
import threading

import redis
import structlog

from matchmaker.connect import open_client
from workers.jobs import Jobs

PAUSE_SECONDS = 1.0
FAILED_SECONDS = 10.0

log = structlog.get_logger()


class Kicker:
    """One thread, idle until :meth:`ring`. ``url`` is RQ's server; InvalidInput if it is none."""

    def __init__(self, url: str) -> None:
        self._client = open_client(url)
        self._rung: set[str] = set()
        self._awake = threading.Condition()
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="matchmaker-kicker", daemon=True)
        self._thread.start()

    def ring(self, realm: str) -> None:
        """Something in the realm wants to be recorded. Takes no time and raises nothing."""
        with self._awake:
            self._rung.add(realm)
            self._awake.notify()

    def close(self) -> None:
        """Asks for what was rung last, if RQ's server answers at once, and ends the thread."""
        self._leaving.set()
        with self._awake:
            self._awake.notify()
        self._thread.join(PAUSE_SECONDS)

    def _run(self) -> None:
        with contextlib.closing(self._client) as client:
            jobs = Jobs(client)
            while True:
                with self._awake:
                    self._awake.wait_for(lambda: self._rung or self._leaving.is_set())
                    realms, self._rung = self._rung, set()
                if self._leaving.is_set() and not realms:
                    return
                pause = self._ask(jobs, realms)
                # One that is at work may be about to leave, having read the stream before this match: so it is asked
                # for a second time, when one that left is gone.
                left = self._leaving.wait(pause)
                with self._awake:
                    realms |= self._rung if left else set()
                self._ask(jobs, realms)
                if left:
                    return

    @staticmethod
    def _ask(jobs: Jobs, realms: set[str]) -> float:
        try:
            for realm in sorted(realms):
                jobs.drain(realm)
        except redis.RedisError as fault:
            log.warning("no drain asked for", error=str(fault))
            return FAILED_SECONDS
        return PAUSE_SECONDS
