"""A realm in virtual time: its clock, what falls due in it, its drain, and what it told whom.

Nothing waits here. Whoever drives the realm sets the clock to the next moment at which something happens; then every
call of that moment goes out in one batch, passes and lapses run as they are due, and the stream is read on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from matchmaker import Matchmaker, errors
from matchmaker.calls import Batch, Call, Command, Rated
from matchmaker.checker import Ledger
from matchmaker.demo.server import Place
from matchmaker.keys import OPEN_LINE
from matchmaker.rules import QueueRules
from matchmaker.runner import typed_errors
from matchmaker.store.announce import show_imported
from matchmaker.store.drain import Drain
from matchmaker.store.ratings import import_ratings

LINES: Final = 8
LAPSES_A_CALL: Final = 100
PAGE_EVENTS: Final = 500
DATABASE_SECONDS: Final = 60.0
MOST_STEPS: Final = 10_000
"""So many passes at one moment: more is a realm that does not come to rest."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event of the stream."""

    id: str
    kind: str
    at_ms: int
    body: dict[str, Any]


class World:
    """The realm of a :class:`~matchmaker.demo.server.Place`, driven by hand. ``now_ms`` is its clock.

    ``heard`` has what was published to each player, as it came: the ids of events. ``told`` counts what the stream
    told, ``settling_s`` the real seconds that drains took.
    """

    def __init__(self, place: Place, queue: str, rules: QueueRules, *, start_ms: int, retain_seconds: int) -> None:
        self.place = place
        self.queue = queue
        self.rules = rules
        self.now_ms = start_ms
        self.heard: dict[str, list[str]] = {}
        self.ledger = Ledger()
        self.settled = 0
        self.drains = 0
        self.settling_s = 0.0
        self._retain_seconds = retain_seconds
        self._stack = ExitStack()
        self._last = "0-0"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.mm = stack.enter_context(Matchmaker(self.place.url, self.place.realm, clock=lambda: self.now_ms))
            self.mm.apply_rules({self.queue: self.rules}, retain_seconds=self._retain_seconds)
            self._ear: Any = stack.enter_context(self.mm.redis.pubsub())
            self._drain = stack.enter_context(Drain(self.mm.redis, self.place.database, self.place.realm))
            with typed_errors():
                self._ear.psubscribe(self.mm.calls.keys.channel("*"))
                self._ear.get_message(timeout=DATABASE_SECONDS)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, value, trace)

    # -- asking ----------------------------------------------------------------------------------------------------

    def batch(self, calls: Sequence[Call[Any] | Command[Any]]) -> list[Any]:
        """All of them in one round trip: results, or the errors in their place."""
        return self.mm.runner.batch(Batch(calls)) if calls else []

    def serve(self) -> int | None:
        """Does all that is due by now; answers when the next thing is due, None for never.

        :raises ServerUnsuitable: the realm does not come to rest.
        """
        calls, run = self.mm.calls, self.mm.runner.call
        for _ in range(MOST_STEPS):
            agenda = run(calls.peek(LINES))
            if agenda.ends_ms is not None and agenda.ends_ms <= self.now_ms:
                tickets = [ticket for ticket, _ in run(calls.overdue(self.now_ms, LAPSES_A_CALL))]
                run(calls.expire(self.queue, tickets))
            elif not agenda.overdue:
                moments = [moment for moment in (agenda.due_ms, agenda.ends_ms) if moment is not None]
                return min(moments, default=None)
            for line, _ in agenda.overdue:
                if line == OPEN_LINE:
                    run(calls.lapse(LAPSES_A_CALL))
                elif run(calls.match_pass(line)).work:
                    run(calls.tend(line))
        raise errors.ServerUnsuitable(f"realm {self.place.realm} does not come to rest at {self.now_ms}")

    def read(self) -> list[Told]:
        """What the stream has got since the last time, and meanwhile what was published to players."""
        found: list[Told] = []
        while True:
            with typed_errors():
                page: Any = self.mm.redis.xrange(self.mm.calls.keys.events, min=f"({self._last}", count=PAGE_EVENTS)
            for entry, fields in page:
                self._last, kind, text = entry.decode(), fields[b"event"].decode(), fields[b"body"].decode()
                self.ledger.fold(self._last, kind, text)
                body = json.loads(text)
                found.append(Told(self._last, kind, body["at"], body))
            if len(page) < PAGE_EVENTS:
                break
        if found:
            self._listen()
        return found

    def _listen(self) -> None:
        """What came by now; all of it, for a mark of our own is the last. A player named so would be cut short."""
        mark = self.mm.calls.keys.channel("!mark")
        with typed_errors():
            self.mm.redis.publish(mark, self._last)
            while True:
                message = self._ear.get_message(timeout=DATABASE_SECONDS)
                if message is None:
                    raise errors.ServerUnavailable("the Redis server does not answer: a published message is lost")
                channel = message["channel"].decode()
                if channel == mark:
                    return
                player = self.mm.calls.keys.player_of(channel)
                self.heard.setdefault(player, []).append(json.loads(message["data"])["id"])

    # -- ratings ---------------------------------------------------------------------------------------------------

    def import_ratings(self, by_side: Mapping[str, Mapping[str, Rated]]) -> None:
        """As ``matchmaker ratings import`` does it: into the database, and then where enqueue reads."""
        database, realm = self.place.database, self.place.realm
        with database.transaction(DATABASE_SECONDS) as cursor:
            for side, rated in by_side.items():
                import_ratings(cursor, realm, self.queue, rated, side=side)
        with database.transaction(DATABASE_SECONDS) as cursor:
            for side, rated in by_side.items():
                show_imported(self.mm.redis, cursor, self.mm.calls.keys, self.queue, list(rated), side=side)

    def drain(self) -> None:
        """Everything into the database; what is finished is rated there, and then shown and told in the realm."""
        report = self._drain.run()
        self.drains += 1
        self.settling_s += report.seconds
        self.settled = report.rated

    @property
    def warnings(self) -> list[str]:
        """What the drain had to say."""
        return list(self._drain.report.warnings)
