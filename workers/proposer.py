"""The proposer: shows the lines of one queue to a match function, and has what it proposes committed.

For queues with ``matching = "own"``, whose passes only say which line changed: the proposer sleeps in a blocking pop of
the queue's ``propose`` list. What it hears is a hint, and a lost one only costs time: every 4 s at the latest it asks
each line for its newest tickets and looks at those that it has not seen. So does every other proposer, and any number
of them may serve a queue: the commit takes two tickets that wait, or none, and whoever comes second is refused.

Whose proposals were refused because tickets had left looks at the line once more, for what the other one took may have
left somebody without a partner that nobody else thinks of.
"""

from __future__ import annotations

import random
import signal
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import redis
import structlog
from redis import exceptions
from redis.backoff import ExponentialWithJitterBackoff

from matchmaker import errors
from matchmaker.calls import Batch, Call, Calls
from matchmaker.connect import SOCKET_TIMEOUT_SECONDS, connection_options
from matchmaker.keys import lines_of
from matchmaker.model import Match, ReadyCheck
from matchmaker.proposals import SLICE_TICKETS, Choice, MatchFunction, Proposal, choose
from matchmaker.reports import StoredRules
from matchmaker.runner import Runner, typed_errors
from matchmaker.server import proposer_name
from matchmaker.slices import Slices
from workers.rounds import NEWEST, Counts, LineState, Newest, Round, place_of

if TYPE_CHECKING:
    from workers.kicker import Kicker

REREAD_SECONDS: Final = 4.0
"""A proposer that hears nothing looks again after this long, less up to a quarter."""

SILENT_SECONDS: Final = 3 * REREAD_SECONDS
"""A pop without any answer for so long is on a connection that died without telling."""

PAIRS_A_BATCH: Final = 50

log = structlog.get_logger()


PAUSE: Final = ExponentialWithJitterBackoff(base=0.05, cap=2.0)
"""Between two tries to reach the server."""


class Stopped(BaseException):
    """Raised by the signal handler inside the wait, and nowhere else."""


class Proposer:
    """The loop of one process over one queue. ``run`` returns after :meth:`stop`, between two slices."""

    def __init__(
        self,
        url: str,
        realm: str,
        queue: str,
        function: MatchFunction,
        *,
        tickets: int = SLICE_TICKETS,
        kicker: Kicker | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._url = url
        self._queue = queue
        self._function = function
        self._tickets = tickets
        self._kicker = kicker
        self._calls = Calls(realm)
        self._tokens = self._calls.keys.propose(queue)
        options = connection_options(url)
        self._client = redis.Redis.from_url(url, socket_timeout=SOCKET_TIMEOUT_SECONDS, **options)
        self._runner = Runner(self._client)
        # Never sent twice by the library: a pop that was answered has taken its token.
        waiting = {**options, "retry": None, "retry_on_error": [], "client_name": proposer_name(realm, queue)}
        self._waiting_client = redis.Redis.from_url(url, socket_timeout=SILENT_SECONDS, **waiting)
        self._rng = rng or random.Random()
        self._stopping = self._in_wait = self._may_have_popped = False
        self._is_own: bool | None = None
        self._rounds: dict[str, Round] = {}
        self._heard: set[str] = set()
        self._lines: dict[str, LineState] = {}
        self._reread_at = 0.0
        self._failures = 0
        self.counts = Counts()

    # -- life ------------------------------------------------------------------------------------------------------

    def stop(self, _signum: int = 0, _frame: FrameType | None = None) -> None:
        """Finish the slice in hand and leave. Fit to be a signal handler."""
        self._stopping = True
        if self._in_wait:
            self._in_wait = False
            raise Stopped

    def run(self) -> None:
        """Works until :meth:`stop`."""
        log.info("proposer started", realm=self._calls.realm, queue=self._queue)
        while not self._stopping:
            try:
                self._step()
                self._failures = 0
            except Stopped:
                break
            except (errors.MatchmakerError, exceptions.ConnectionError, exceptions.TimeoutError) as fault:
                # The server is away, or the realm is damaged or not for this program: told, and tried again.
                self._failures += 1
                log.warning(
                    "queue not served",
                    realm=self._calls.realm,
                    queue=self._queue,
                    error=str(fault),
                    failures=self._failures,
                )
                self._start_over()
                self._rest()
        self._leave()

    def _start_over(self) -> None:
        """A hint may have gone with the connection, and a round with it: nothing counts as seen."""
        self._waiting_client.connection_pool.disconnect()
        self._rounds.clear()
        for line in self._lines.values():
            line.seen = None
        self._reread_at = 0.0

    def _leave(self) -> None:
        """Hints that nobody will act on go back to the others; "" where which it was is not known."""
        self._client.close()
        self._waiting_client.close()
        left = {*self._rounds, *self._heard, *([""] if self._may_have_popped else [])}
        if left and self._is_own:
            # No second try and little patience: if the server is away, nobody waits on it either.
            with redis.Redis.from_url(self._url, socket_timeout=1.0, socket_connect_timeout=1.0, retry=None) as client:
                try:
                    for token in sorted(left):
                        if client.lpos(self._tokens, token) is None:
                            client.lpush(self._tokens, token)
                except exceptions.RedisError as fault:
                    log.warning("no hint left for the others", error=str(fault))
        log.info("proposer left", realm=self._calls.realm, queue=self._queue, **asdict(self.counts))

    # -- waiting ---------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        """One slice if there is anything to do, else a sleep until there is."""
        now = time.monotonic()
        if now >= self._reread_at:
            self._reread()
        else:
            asked = {name for name, line in self._lines.items() if line.look_at is not None and line.look_at <= now}
            self._look(self._free(self._heard | asked), self._heard | asked)
        if self._rounds:
            with typed_errors():
                token = self._client.rpop(self._tokens)
            self._hear(token)
            self._turn()
        else:
            self._wait()

    def _free(self, lines: Iterable[str]) -> list[str]:
        """Those of them that no round is on and no failure keeps waiting."""
        now = time.monotonic()
        return [
            line
            for line in lines
            if line not in self._rounds and (line not in self._lines or self._lines[line].paused_until <= now)
        ]

    def _wait(self) -> None:
        moments = [self._reread_at]
        moments += [line.look_at for line in self._lines.values() if line.look_at is not None]
        moments += [self._lines[line].paused_until for line in self._heard if line in self._lines]
        seconds = min(moments) - time.monotonic()
        if seconds <= 0:
            return
        self._may_have_popped = True
        found: Any = None
        with self._interruptible(), typed_errors():
            # Timers of the server are as exact as ms; 0 would be for ever.
            found = self._waiting_client.brpop([self._tokens], timeout=max(0.001, min(seconds, REREAD_SECONDS)))
        self._may_have_popped = False
        self._hear(found[1] if found else None)

    def _hear(self, token: Any) -> None:
        if token:
            self._heard.add(token.decode())
        elif token is not None:
            self._reread_at = 0.0

    def _rest(self) -> None:
        with suppress(Stopped), self._interruptible():
            time.sleep(PAUSE.compute(min(self._failures, 16)))

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """A stretch of time that :meth:`stop` breaks off.

        :raises Stopped: it did.
        """
        self._in_wait = True
        try:
            if self._stopping:
                raise Stopped
            yield
        finally:
            self._in_wait = False

    # -- working ---------------------------------------------------------------------------------------------------

    def _reread(self) -> None:
        """Looks at every line of the queue for somebody it has not seen."""
        self._reread_at = time.monotonic() + REREAD_SECONDS * self._rng.uniform(0.75, 1.0)
        asked: Batch[Any] = Batch([self._calls.own_rules(self._queue), self._calls.lines()])
        held, all_lines = self._answers(asked)
        self._tell_whose(held)
        lines = lines_of(self._queue, all_lines)
        for gone in self._lines.keys() - set(lines) - self._rounds.keys():
            del self._lines[gone]
        self._look(self._free({*lines, *self._heard}), self._heard)

    def _look(self, lines: Sequence[str], asked: Iterable[str]) -> None:
        """Begins a round on each line that somebody new stands in, or that is ``asked`` for."""
        if not lines:
            return
        wanted = set(asked)
        batch: Batch[Any] = Batch(
            [self._calls.own_rules(self._queue), *(self._calls.newest(line, NEWEST) for line in lines)]
        )
        held, *found = self._answers(batch)
        self._heard.difference_update(lines)
        self._tell_whose(held)
        for line, tickets in zip(lines, found, strict=True):
            state = self._lines.setdefault(line, LineState())
            if held is None:
                state.seen = state.look_at = None
                continue
            newest = Newest.of(held, tickets)
            if line in wanted or newest.is_news_to(state.seen):
                state.look_at = None
                self._rounds[line] = Round(Slices(self._calls, line, held, self._tickets), held, newest)

    def _answers(self, batch: Batch[Any]) -> list[Any]:
        """Raises what any of the calls was refused with."""
        answers = self._runner.batch(batch)
        for answer in answers:
            if isinstance(answer, errors.MatchmakerError):
                raise answer
        return answers

    def _tell_whose(self, held: StoredRules | None) -> None:
        if self._is_own is not (held is not None):
            self._is_own = held is not None
            if not self._is_own:
                log.warning('no queue with matching = "own" now', realm=self._calls.realm, queue=self._queue)

    def _turn(self) -> None:
        """One slice of the round whose turn it is. Lines take turns: a long one does not keep the others waiting."""
        line = next(iter(self._rounds))
        now = self._rounds.pop(line)
        self._rounds[line] = now  # to the end
        given = self._runner.run(now.slices.following())
        if given is None:
            del self._rounds[line]
            self._end_round(line, now)
            return
        self.counts.slices += 1
        try:
            choice = choose(self._function, given)
        except errors.MatchFunctionFailed as fault:
            now.fault = now.fault or fault
            now.failures += 1
            return
        if choice.again_seconds is not None:
            at = time.monotonic() + choice.again_seconds
            now.again_at = at if now.again_at is None else min(at, now.again_at)
        self._commit(line, now, choice)

    def _end_round(self, line: str, ended: Round) -> None:
        state = self._lines.setdefault(line, LineState())
        if ended.fault is not None:
            self._tell_fault(line, state, ended.fault, ended.failures)
            self._heard.add(line)
            return
        state.went_well()
        state.seen = ended.newest
        state.look_at = ended.again_at
        if ended.is_stale:
            self._heard.add(line)

    def _tell_fault(self, line: str, state: LineState, fault: errors.MatchFunctionFailed, slices: int) -> None:
        """A line of log for each round that failed; the traceback for the first of equal ones, and no locals in it."""
        self.counts.failures += 1
        cause = fault.__cause__
        place = place_of(self._function, cause)
        more = {}
        if cause is not None and state.is_new(fault.reason, place):
            more["exception"] = "".join(traceback.format_exception(cause)).rstrip()
        log.error(
            "match function failed",
            queue=self._queue,
            line=line,
            error=fault.reason,
            at=place,
            slices=slices,
            again_seconds=round(state.pause(), 2),
            **more,
        )

    def _commit(self, line: str, now: Round, choice: Choice) -> None:
        for refused in choice.refused:
            self.counts.refused += 1
            log.warning("proposal refused", queue=self._queue, line=line, why=refused.reason, tickets=refused.names)
        made = 0
        for first in range(0, len(choice.proposals), PAIRS_A_BATCH):
            some = choice.proposals[first : first + PAIRS_A_BATCH]
            calls: list[Call[Any]] = [
                self._calls.pair(self._queue, one.one.id, one.other.id, side=one.side, version=now.held.version)
                for one in some
            ]
            for proposal, answer in zip(some, self._runner.batch(Batch(calls)), strict=True):
                made += self._note(now, proposal, answer)
        self.counts.committed += made
        if made and self._kicker is not None:
            self._kicker.ring(self._calls.realm)

    def _note(self, now: Round, proposal: Proposal, answer: Match | ReadyCheck | errors.MatchmakerError) -> bool:
        """Counts what became of a proposal; whether it is a match, or the ready check of one."""
        tickets = (proposal.one.id, proposal.other.id)
        if isinstance(answer, (Match, ReadyCheck)):
            now.slices.forget(tickets)
            return True
        if isinstance(answer, errors.TicketsChanged):
            self.counts.changed += 1
            now.is_stale = True
            now.slices.forget(answer.tickets)
            return False
        if isinstance(answer, errors.InvalidInput):
            self.counts.refused += 1
            log.warning("proposal refused", queue=self._queue, why=str(answer), tickets=tickets)
            return False
        raise answer


def run(
    url: str,
    realm: str,
    queue: str,
    function: MatchFunction,
    *,
    tickets: int = SLICE_TICKETS,
    rq_url: str | None = None,
) -> None:
    """A proposer until SIGTERM or SIGINT. With RQ's server given, recorders are told of matches at once."""
    kicker: Kicker | None = None
    if rq_url is not None:
        from workers.kicker import Kicker  # RQ costs a tenth of a second, and not everybody records

        kicker = Kicker(rq_url)
    proposer = Proposer(url, realm, queue, function, tickets=tickets, kicker=kicker)
    signal.signal(signal.SIGTERM, proposer.stop)
    signal.signal(signal.SIGINT, proposer.stop)
    proposer.run()
    if kicker is not None:
        kicker.close()
