"""The matcher: runs the passes of its realms, and sleeps until the next pair falls due or somebody wakes it.

Nothing in here polls or ticks. One connection stays in a blocking pop of the realms' ``wake`` lists; a pass that is
due is run over a second one. A token is a hint, and a lost one only costs time: whatever a matcher has not heard of,
it sees when it rereads the agenda, every 4 s at the latest.

Any number of matchers serve a realm without knowing of each other, because a pass is atomic and takes what is due. The
one whose pass found work keeps the exact time of the line's next moment; the others stand in some 0.2 to 0.5 s later,
in case it was killed, so that moments do not call all of them at once.

One process, one thread: the two connections, the signals and the timer meet in one wait.
"""

from __future__ import annotations

import math
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

import redis
import structlog
from redis import exceptions
from redis.backoff import ExponentialWithJitterBackoff

from matchmaker import errors
from matchmaker.calls import Call, Calls
from matchmaker.client import ANY_QUEUE
from matchmaker.connect import SOCKET_TIMEOUT_SECONDS, connection_options
from matchmaker.keys import OPEN_LINE
from matchmaker.reports import Agenda, Lapsed, PassReport
from matchmaker.runner import Runner, parsed, request_of, typed_errors
from matchmaker.server import matcher_name
from workers.estimating import Estimator

if TYPE_CHECKING:
    from workers.kicker import Kicker


class Bell(Protocol):
    """Somebody who is told that tickets of a realm were matched, or a match of it ended."""

    def ring(self, realm: str) -> None: ...


REREAD_SECONDS = 4.0
"""A matcher that hears nothing looks again after this long, less up to a quarter."""

POP_SECONDS = 4
"""One blocking pop; redis-py wants less than 5 (its socket timeout)."""

SILENT_SECONDS = 3 * POP_SECONDS
"""A pop without any answer for so long is on a connection that died without telling."""

REFUSED_SECONDS = 0.5
"""The pause after the server refused a pass (a record that is damaged, a script it does not run). The realm's other
lines wait for it too, unless something arrives in them: so it is less than the second for which a pair may stay due."""

STAND_IN_SECONDS = (0.2, 0.5)
LINES_A_LOOK = 16
EXPIRIES_A_CALL = 50
LAPSES_A_CALL = 20
"""Ready checks and open matches that one call ends, some 100 µs each."""

log = structlog.get_logger()


class Stopped(BaseException):
    """Raised by the signal handler inside the wait, and nowhere else."""


@dataclass
class RealmWork:
    """One realm as this matcher sees it. ``look_at`` is the local moment (monotonic s) for the next look."""

    calls: Calls
    look_at: float = 0.0
    hints: set[str] = field(default_factory=set)
    leads: bool = False
    refused_at: float = -math.inf
    packed: dict[str, tuple[Call[PassReport], Any]] = field(default_factory=dict)
    absorbed_ms: int | None = None
    counts: dict[str, int] = field(default_factory=lambda: {"passes": 0, "matches": 0, "expired": 0, "lapsed": 0})


class Matcher:
    """The loop of one process over its realms. ``run`` returns after :meth:`stop`, in the middle of nothing."""

    def __init__(
        self, url: str, realms: Sequence[str], *, bells: Sequence[Bell] = (), rng: random.Random | None = None
    ) -> None:
        self._url = url
        self._bells = bells
        options = connection_options(url)
        self._client = redis.Redis.from_url(url, socket_timeout=SOCKET_TIMEOUT_SECONDS, **options)
        # Its own settings: a blocking pop must outlast no timeout below it, and is never sent twice by the library.
        self._waiting_client = redis.Redis.from_url(
            url, socket_timeout=None, socket_connect_timeout=2.0, retry=None, client_name=matcher_name(realms)
        )
        self._runner = Runner(self._client)
        self._realms = [RealmWork(Calls(realm)) for realm in realms]
        self._by_wake_key = {work.calls.keys.wake: work for work in self._realms}
        self._rng = rng or random.Random()
        self._stopping = False
        self._in_wait = False
        self._passing = self._client.connection_pool.make_connection()
        self._pop: Any = None
        self._armed = False
        self._popped_at = 0.0

    # -- life ------------------------------------------------------------------------------------------------------

    def stop(self, _signum: int = 0, _frame: FrameType | None = None) -> None:
        """Finish the call in hand and leave. Fit to be a signal handler."""
        self._stopping = True
        if self._in_wait:
            self._in_wait = False
            raise Stopped

    def run(self) -> None:
        """Works until :meth:`stop`."""
        log.info("matcher started", realms=[work.calls.realm for work in self._realms])
        pause = ExponentialWithJitterBackoff(base=0.05, cap=2.0)
        failures = 0
        while not self._stopping:
            try:
                self._work_off()
                failures = 0
                self._wait()
            except Stopped:
                break
            except (errors.ServerUnavailable, exceptions.ConnectionError, exceptions.TimeoutError) as fault:
                failures += 1
                log.warning("server unavailable", error=str(fault), failures=failures)
                self._drop_pop()
                for work in self._realms:
                    work.look_at = 0.0  # a token may have gone with the connection
                self._rest(pause.compute(min(failures, 16)))  # beyond a thousand its power overflows
        self._leave()

    def _leave(self) -> None:
        """The pop in flight may have taken a token nobody will act on: put one back for the others."""
        self._client.close()
        if self._pop is not None:
            self._drop_pop()
            # No second try and little patience: if the server is away, nobody waits on it either.
            with redis.Redis.from_url(self._url, socket_timeout=1.0, socket_connect_timeout=1.0, retry=None) as client:
                try:
                    for work in self._realms:
                        client.lpush(work.calls.keys.wake, "")
                except exceptions.RedisError as fault:
                    log.warning("no hint left for the others", error=str(fault))
        log.info("matcher left", **{work.calls.realm: work.counts for work in self._realms})

    # -- waiting ---------------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        """Sleeps until a token comes or the next look is due."""
        if self._pop is None:
            self._pop = self._waiting_client.connection_pool.get_connection()
            self._armed = False
        if not self._armed:
            self._pop.send_command("BRPOP", *self._by_wake_key, POP_SECONDS)
            self._armed, self._popped_at = True, time.monotonic()
        elif time.monotonic() - self._popped_at > SILENT_SECONDS:
            raise exceptions.TimeoutError("the blocking pop is silent")
        seconds = min(work.look_at for work in self._realms) - time.monotonic()
        if seconds > 0 and not self._readable(seconds):
            return
        if seconds <= 0 and not self._pop.can_read(timeout=0):
            return
        with typed_errors():
            reply = self._pop.read_response()
        self._armed = False  # sent again before the next wait: whoever was woken for is served first
        if reply is not None:
            # A pop takes from the first list that has something: whoever was heard is asked last the next time.
            key = reply[0].decode()
            work = self._by_wake_key[key] = self._by_wake_key.pop(key)
            work.look_at = 0.0
            if reply[1]:
                work.hints.add(reply[1].decode())

    def _readable(self, seconds: float) -> bool:
        self._in_wait = True
        try:
            if self._stopping:
                raise Stopped
            return bool(self._pop.can_read(timeout=seconds))
        finally:
            self._in_wait = False

    def _rest(self, seconds: float) -> None:
        self._in_wait = True
        try:
            if not self._stopping:
                time.sleep(seconds)
        except Stopped:
            pass
        finally:
            self._in_wait = False

    def _drop_pop(self) -> None:
        if self._pop is not None:
            self._pop.disconnect()
            self._waiting_client.connection_pool.release(self._pop)
            self._pop = None

    # -- working ---------------------------------------------------------------------------------------------------

    def _work_off(self) -> None:
        """One turn of every realm whose look is due, one pass a line each. Tokens are heard between two turns: a realm
        with much to do does not keep the others waiting."""
        for work in self._realms:
            if not self._stopping and work.look_at <= time.monotonic():
                self._look(work)

    def _look(self, work: RealmWork) -> None:
        """Gives each line that is due or hinted at one pass, and sets the moment of the next look."""
        report: PassReport | Lapsed | None = None
        now, due, ends, found = 0, None, None, False
        try:
            if work.hints:
                # A pass answers with the agenda too, so a hint costs one call and not two before the match is made.
                hints, work.hints = sorted(work.hints), set()
                report, found = self._pass(work, hints)
            if report is None:
                agenda = self._runner.call(work.calls.peek(LINES_A_LOOK))
                self._report_clock(work, agenda)
                now, due, ends = agenda.now_ms, agenda.due_ms, agenda.ends_ms
                if agenda.overdue:
                    report, found = self._pass(work, [line for line, _ in agenda.overdue])
                    work.leads = found
            if report is not None:
                now, due, ends = report.now_ms, report.due_ms, report.ends_ms
        except errors.UnknownRealm:
            self._sleep_at_most(work)
            return
        except (errors.UpgradeNeeded, errors.TimeModeMismatch, errors.ServerUnsuitable, errors.ScriptFault) as fault:
            # A realm that is damaged or not for this program does not take the others of the process with it.
            log.error("realm refused", realm=work.calls.realm, error=str(fault))
            self._sleep_at_most(work)
            return
        if ends is not None and ends <= now:
            self._expire(work, now)
        work.leads = work.leads or found
        self._set_timer(work, now, due, ends)

    def _pass(self, work: RealmWork, lines: Sequence[str]) -> tuple[PassReport | Lapsed | None, bool]:
        """One pass a line, and an end to what is over. Answers the last report, None if no line could be served, and
        whether there was work."""
        found = False
        last: PassReport | Lapsed | None = None
        for line in lines:
            try:
                if line == OPEN_LINE:
                    last = self._lapse(work)
                    found = found or last.ended > 0
                    continue
                report = self._match(work, line)
                work.counts["passes"] += 1
                work.counts["matches"] += report.made
                if report.made:
                    for bell in self._bells:
                        bell.ring(work.calls.realm)
                if report.work:
                    report = self._runner.call(work.calls.tend(line))
            except errors.UnknownQueue:
                continue
            except (errors.ServerUnsuitable, errors.ScriptFault) as fault:
                # One line that cannot be served must not keep the others waiting, nor this one spinning.
                log.error("pass refused", realm=work.calls.realm, line=line, error=str(fault))
                work.refused_at = time.monotonic()
                continue
            found = found or report.looked > 0
            last = report
        return last, found

    def _match(self, work: RealmWork, line: str) -> PassReport:
        """One pass. The call of this process that somebody waits for: packed once a line and sent over a connection of
        its own, a third of what the client's general way takes. Whatever goes wrong, that way does it again."""
        packed = work.packed.get(line)
        if packed is None:
            call = work.calls.match_pass(line)
            packed = work.packed[line] = (call, self._passing.pack_command(*request_of(call)))
        try:
            self._passing.send_packed_command(packed[1], check_health=False)
            return parsed(packed[0], self._passing.read_response())
        except (exceptions.RedisError, OSError):
            self._passing.disconnect()
            return self._runner.call(packed[0])

    def _lapse(self, work: RealmWork) -> Lapsed:
        """Ends ready checks and open matches whose time is over; what is left is due at once. Also what a hint asks for
        that came because players made or finished a match: recorders are told."""
        lapsed = self._runner.call(work.calls.lapse(LAPSES_A_CALL))
        work.counts["lapsed"] += lapsed.ended
        for bell in self._bells:
            bell.ring(work.calls.realm)
        return lapsed

    def _set_timer(self, work: RealmWork, now_ms: int, due_ms: int | None, ends_ms: int | None) -> None:
        self._sleep_at_most(work)
        moments = [moment for moment in (due_ms, ends_ms) if moment is not None]
        if moments:
            seconds = max(0, min(moments) - now_ms) / 1000
            if seconds > 0:
                seconds += 0.001  # the server's ms is cut off, so a timer of whole ms would ring just before it
            if seconds > 0 and not work.leads:
                seconds += self._rng.uniform(*STAND_IN_SECONDS)
            if time.monotonic() - work.refused_at < REFUSED_SECONDS:
                seconds = max(seconds, REFUSED_SECONDS)
            work.look_at = min(work.look_at, time.monotonic() + seconds)

    def _sleep_at_most(self, work: RealmWork) -> None:
        work.look_at = time.monotonic() + REREAD_SECONDS * self._rng.uniform(0.75, 1.0)

    def _expire(self, work: RealmWork, now_ms: int) -> None:
        by_queue: dict[str, list[str]] = {}
        try:
            for ticket, queue in self._runner.call(work.calls.overdue(now_ms, EXPIRIES_A_CALL)):
                by_queue.setdefault(queue or ANY_QUEUE, []).append(ticket)
            for queue, tickets in by_queue.items():
                work.counts["expired"] += self._runner.call(work.calls.expire(queue, tickets))
        except (errors.ServerUnsuitable, errors.ScriptFault) as fault:
            log.error("expiry refused", realm=work.calls.realm, error=str(fault))
            work.refused_at = time.monotonic()

    def _report_clock(self, work: RealmWork, agenda: Agenda) -> None:
        if work.absorbed_ms is not None and agenda.absorbed_ms != work.absorbed_ms:
            log.warning(
                "the server's clock stepped; realm time stood still over it",
                realm=work.calls.realm,
                step_ms=agenda.absorbed_ms - work.absorbed_ms,
            )
        work.absorbed_ms = agenda.absorbed_ms


def run(url: str, realms: Sequence[str], *, rq_url: str | None = None) -> None:
    """A matcher until SIGTERM or SIGINT. With RQ's server given, recorders are told of matches at once."""
    estimator = Estimator(url)
    kicker: Kicker | None = None
    if rq_url is not None:
        from workers.kicker import Kicker  # RQ costs a tenth of a second, and not everybody records

        kicker = Kicker(rq_url)
    matcher = Matcher(url, realms, bells=(estimator, kicker) if kicker else (estimator,))
    signal.signal(signal.SIGTERM, matcher.stop)
    signal.signal(signal.SIGINT, matcher.stop)
    matcher.run()
    estimator.close()
    if kicker is not None:
        kicker.close()
