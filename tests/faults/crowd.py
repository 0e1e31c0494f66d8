"""Players under whom things break: some come and wait, some come and cancel, regulars come again and again."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self, TypeVar

from matchmaker import errors
from matchmaker.client import Matchmaker
from matchmaker.model import Ticket, TicketRequest, TicketState
from tests.faults.ledger import Ledger

T = TypeVar("T")

SETTLE_SECONDS = 20.0
ENDINGS = {TicketState.CANCELLED: "cancelled", TicketState.MATCHED: "matched", TicketState.EXPIRED: "expired"}


class Crowd:
    """Threads that enqueue, cancel and ask until the ``with`` block ends, each on a connection of its own.

    A server that is away is tried again with the same request, as a good client does: ``away`` notes how long each
    call took to say so, in seconds. Anything else that is refused goes to ``refused``.

    :param regulars: players who try to come again all the time; everybody else comes once.
    :param expected: refusals that the test provokes.
    :param pause: seconds a thread rests between two rounds, which bounds the load.
    """

    def __init__(
        self,
        connect: Callable[[], Matchmaker],
        queue: str = "ladder",
        *,
        regulars: Sequence[str] = (),
        threads: int = 2,
        pause: float = 0.01,
        cancels: float = 0.15,
        seed: int = 0,
        expected: tuple[type[errors.MatchmakerError], ...] = (),
    ) -> None:
        self.acknowledged: dict[str, str] = {}
        self.answers: dict[str, TicketState] = {}
        self.away: list[float] = []
        self.refused: list[errors.MatchmakerError] = []
        self.faults: list[BaseException] = []
        self._connect = connect
        self._queue = queue
        self._regulars = list(regulars)
        self._pause = pause
        self._cancels = cancels
        self._expected = expected
        self._stop = threading.Event()
        self._deadline = float("inf")
        names = [f"{queue}-{seed}-{i}" for i in range(threads)]
        self._threads = [threading.Thread(target=self._live, args=(name,)) for name in names]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """No further players; calls in hand are brought to their end. Twice is once."""
        self._deadline = min(self._deadline, time.monotonic() + SETTLE_SECONDS)
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * SETTLE_SECONDS)
            assert not thread.is_alive(), "a call to the server does not end"
        if self.faults:
            raise self.faults[0]

    def _live(self, name: str) -> None:
        try:
            with self._connect() as mm:
                rng = random.Random(name)
                number = 0
                while not self._stop.is_set():
                    number += 1
                    self._round(mm, rng, f"{name}-{number}")
                    self._stop.wait(self._pause)
        except BaseException as fault:
            self.faults.append(fault)
            raise

    def _round(self, mm: Matchmaker, rng: random.Random, name: str) -> None:
        players = [f"p{name}-{i}" for i in range(rng.randint(1, 4))]
        if self._regulars:
            players.append(rng.choice(self._regulars))
        requests = [TicketRequest(player, round(rng.gauss(1500, 200), 1)) for player in players]
        answers = self._insist(lambda: self._enqueue(mm, rng, requests))
        if answers is None:
            return
        for request, answer in zip(requests, answers, strict=True):
            if isinstance(answer, Ticket):
                self.acknowledged[answer.id] = answer.player
                if rng.random() < self._cancels:
                    self._cancel(mm, answer)
            elif not (isinstance(answer, errors.AlreadyWaiting) and request.player in self._regulars):
                self.refused.append(answer)

    def _enqueue(
        self, mm: Matchmaker, rng: random.Random, requests: list[TicketRequest]
    ) -> list[Ticket | errors.MatchmakerError]:
        if rng.random() < 0.5:
            many = mm.enqueue_many(self._queue, requests)
            for answer in many:
                if isinstance(answer, errors.ServerUnavailable):
                    raise answer
            return many
        answers: list[Ticket | errors.MatchmakerError] = []
        for request in requests:
            try:
                answers.append(mm.queue(self._queue).add(request))
            except errors.ServerUnavailable:
                raise
            except errors.MatchmakerError as refusal:
                answers.append(refusal)
        return answers

    def _cancel(self, mm: Matchmaker, ticket: Ticket) -> None:
        answer = self._insist(lambda: mm.cancel(ticket))
        if answer is not None:
            self.answers[answer.id] = answer.state

    def _insist(self, call: Callable[[], T]) -> T | None:
        """The call's answer, however often it takes; None when the end came first."""
        while time.monotonic() < self._deadline:
            begun = time.monotonic()
            try:
                return call()
            except errors.ServerUnavailable:
                self.away.append(time.monotonic() - begun)
                self._stop.wait(self._pause)
        return None

    def assert_kept(self, ledger: Ledger) -> None:
        """Every acknowledged ticket came, every cancel was told the truth, and nobody was refused for other reasons."""
        ledger.read()
        odd = [refusal for refusal in self.refused if not isinstance(refusal, self._expected)]
        assert not odd, f"{len(odd)} refusals, the first: {odd[0]!r}"
        lost = [ticket for ticket in self.acknowledged if ticket not in ledger.enqueued]
        assert not lost, f"{len(lost)} acknowledged tickets are nowhere: {lost[:5]}"
        for ticket, state in self.answers.items():
            told = [event.kind.value for event in ledger.endings[ticket]]
            assert told == [ENDINGS[state]], f"cancel of {ticket} was told {state}, the stream says {told}"
