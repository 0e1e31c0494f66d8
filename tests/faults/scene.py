"""A ladder on a real server, with everything that a test breaks or listens to, and the verdict at the end."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from matchmaker.checker import check
from matchmaker.client import Matchmaker
from matchmaker.connect import connection_options
from matchmaker.rules import QueueRules, parse_rules
from tests.faults.crowd import Crowd
from tests.faults.ears import AsyncEars, Ears, ThreadEars, reached
from tests.faults.ledger import Ledger
from tests.faults.processes import Worker, Workers

LADDER = """
[ladder]
max_gap = 400
willingness = { per_second = 200.0 }
"""
"""Quick: an ordinary player is matched at once, the rarest within two seconds, or never for want of a neighbour."""

MATCHED_SECONDS = 1.0
"""A pair stays due no longer than this while a matcher lives (docs: promises)."""

RECOVERY_SECONDS = 5.0
"""…and no longer than this after a kill."""


def at_length(short: int, long: int) -> int:
    """How often, or how many: in the suite, and under ``make chaos``."""
    return long if os.environ.get("MATCHMAKER_TEST_PROFILE") == "nightly" else short


class Impatient(Matchmaker):
    """A client that gives a server a quarter of a second, and tries twice more."""

    def __init__(self, url: str, realm: str) -> None:
        options = connection_options(url)
        options["retry"] = Retry(ExponentialWithJitterBackoff(base=0.01, cap=0.1), 2)
        super().__init__(redis.Redis.from_url(url, socket_timeout=0.25, **options), realm)

    def close(self) -> None:
        super().close()
        self.redis.close()


IMPATIENT_SECONDS = 2.0
"""How long an impatient client may take to say that the server is away: its three time-outs and as much again."""


class Scene:
    """One realm with the queue ``ladder``. ``mm`` and ``ledger`` are the judge's own connections."""

    def __init__(self, url: str, realm: str, folder: Path, rules: str = LADDER) -> None:
        self.url = url
        self.realm = realm
        self.mm = Matchmaker(url, realm)
        self.client: redis.Redis = self.mm.redis
        self.workers = Workers(folder)
        self.rules: QueueRules = parse_rules(rules, "queues.toml")["ladder"]
        self.mm.apply_rules({"ladder": self.rules})
        self.ledger = Ledger(self.client, realm)
        self._matchers: list[Worker] = []

    def close(self) -> None:
        self.workers.close()
        self.mm.close()

    # -- who acts --------------------------------------------------------------------------------------------------

    def connect(self) -> Matchmaker:
        """A connection of one's own."""
        return Matchmaker(self.url, self.realm)

    def matcher(self) -> Worker:
        """One more matcher process."""
        worker = self.workers.matcher(self.url, self.realm)
        self._matchers.append(worker)
        return worker

    @property
    def has_matchers(self) -> bool:
        """Whether any was started."""
        return bool(self._matchers)

    def asleep(self, matchers: int) -> None:
        """Waits until exactly so many matchers are blocked in their pop."""

        def blocked() -> int:
            return int(self.client.info("clients")["blocked_clients"])

        assert reached(lambda: blocked() == matchers, RECOVERY_SECONDS), f"{blocked()} of {matchers} matchers asleep"

    def crowd(self, *, impatient: bool = False, **options: Any) -> Crowd:
        """Players; see :class:`Crowd`."""
        return Crowd((lambda: Impatient(self.url, self.realm)) if impatient else self.connect, **options)

    def ears(self, kind: str, players: Sequence[str]) -> Ears:
        """Listeners, ``threads`` or ``asyncio``."""
        return (AsyncEars if kind == "asyncio" else ThreadEars)(self.url, self.realm, players)

    def teach(self) -> None:
        """Has the server know the scripts of the common calls, so that what follows is carried out at the first try."""
        queue = self.mm.queue("ladder")
        one, two = queue.add_player("teacher-1", -1e6), queue.add_player("teacher-2", -1e6)
        queue.remove_matched_players(one.id, two.id)
        self.mm.cancel(queue.add_player("teacher-3", -1e6))
        self.mm.heartbeat(one)
        self.mm.status(two)
        queue.attempt_match()

    # -- what became of it -----------------------------------------------------------------------------------------

    @property
    def now_ms(self) -> int:
        """Realm time."""
        return self.mm.runner.call(self.mm.calls.peek(0)).now_ms

    def matched(self, more: int, within_seconds: float = RECOVERY_SECONDS) -> float:
        """Waits for so many further matches; answers the seconds it took."""
        self.ledger.read()
        wanted = len(self.ledger.matches) + more
        return self.ledger.wait(lambda: len(self.ledger.matches) >= wanted, within_seconds, f"{more} more matches")

    def at_rest(self, within_seconds: float = 2 * RECOVERY_SECONDS) -> None:
        """Waits until nobody who waits has a possible opponent."""

        def nobody_near() -> bool:
            line = sorted(ticket.rating for ticket in self.ledger.waiting.values())
            return all(b - a > self.rules.max_gap for a, b in pairwise(line))

        self.ledger.wait(nobody_near, within_seconds, "a line at rest")

    def nobody_overdue(self, within_seconds: float) -> None:
        """Waits until no neighbours have been due for longer than a second."""
        longest_ms = int(1000 * MATCHED_SECONDS)
        self.ledger.wait(
            lambda: not self.ledger.forgotten(self.rules, longest_ms, self.now_ms), within_seconds, "nobody overdue"
        )

    def assert_prompt(self, longest_seconds: float, *, since: int = 0) -> None:
        """No pair was due for longer than this, whether it was matched since realm ms ``since`` or still waits."""
        self.ledger.read()
        longest_ms = int(1000 * longest_seconds)
        late = self.ledger.overdue(self.rules, longest_ms, since=since)
        assert not late, f"{len(late)} pairs were due for over {longest_seconds} s, the first of them {late[0]}"
        forgotten = self.ledger.forgotten(self.rules, longest_ms, self.now_ms)
        assert not forgotten, f"{len(forgotten)} pairs are due for over {longest_seconds} s, as {forgotten[0]}"

    def judge(self, *crowds: Crowd, since: int | None = None, longest_seconds: float = MATCHED_SECONDS) -> None:
        """Nothing was lost, nothing was done twice, everybody was told the truth; twice over: by the stream alone, and
        by the checker. While matchers live, nobody is due for ``longest_seconds``.

        :param since: realm ms since which no match may have come later than that either, whatever rules held.
        """
        self.ledger.read()
        self.ledger.assert_sound()
        for crowd in crowds:
            crowd.assert_kept(self.ledger)
        report = check(
            self.client,
            self.realm,
            matchers_alive=any(worker.alive for worker in self._matchers),
            grace_seconds=longest_seconds,
            alive_since_ms=since,
            proposals=True,
        )
        assert report.ok, str(report)
        known = len(self.ledger.matches)
        self.ledger.read()
        assert known <= report.matches <= len(self.ledger.matches)
