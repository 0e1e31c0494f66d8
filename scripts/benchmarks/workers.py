"""Whether more matchers do any harm, and whether each realm gets its share.

Measured: tickets matched a second while 1, 2, 4 and 8 matcher processes work off the same backlog, spread over 8
realms on one server, everybody due at once. The matchers are started, made to hold still (SIGSTOP) while the realms
are filled, and let go together; the time runs from there to the last match, by the ids of the events. Five times
each, in turns. Against: one matcher. One server runs one script at a time, so more matchers cannot be faster than the
server; the question is whether they get in each other's way.

Fairness: at the moment when half of all tickets are matched, the share of the realm that had the fewest, over an even
share. The goal set here is one half: no realm is served at less than half the pace of the mean.
"""

from __future__ import annotations

import functools
import os
import signal
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace

from scripts.benchmarks.actors import matchers
from scripts.benchmarks.harness import Figure, Row, Run, alternate, at_least, median_of, ratios
from scripts.benchmarks.lines import DENSE, Crowd, fill
from scripts.benchmarks.site import Realm, Site, site

NAME = "workers"
GOAL = at_least(0.85)
FAIR = at_least(0.5)
COUNTS = (1, 2, 4, 8)
REALMS = 8
A_REALM = 5_000
LONGEST_SECONDS = 120.0


class Backlogs:
    """Eight realms that are filled anew for each trial, and what a number of matchers makes of them."""

    def __init__(self, own: Site, a_realm: int, seed: int) -> None:
        self._own = own
        self._a_realm = a_realm
        self._crowd = Crowd(seed)
        self.fairness: dict[int, list[float]] = {}

    def trial(self, count: int) -> float:
        """Tickets matched a second by so many matchers."""
        self._own.empty()
        realms = [Realm(self._own, DENSE, name=f"realm-{number}") for number in range(REALMS)]
        with matchers(self._own, count, [realm.calls.realm for realm in realms]) as processes, self._own.wire() as wire:
            for process in processes:
                process.send_signal(signal.SIGSTOP)
            for realm in realms:
                fill(realm, wire, self._crowd.gaussian(self._a_realm))
            started_ms = _server_ms(realms[0])
            for process in processes:
                process.send_signal(signal.SIGCONT)
            _worked_off(realms)
        moments = [_moments_of_matches(realm) for realm in realms]
        everyone = sorted(moment for times in moments for moment in times)
        half = everyone[len(everyone) // 2]
        shares = [sum(moment <= half for moment in times) for times in moments]
        self.fairness.setdefault(count, []).append(min(shares) / statistics.mean(shares))
        return 2 * len(everyone) / ((everyone[-1] - started_ms) / 1000)


def _worked_off(realms: list[Realm]) -> None:
    """Returns when no realm has anything due.

    :raises TimeoutError: that is not so within :data:`LONGEST_SECONDS`.
    """
    deadline = time.monotonic() + LONGEST_SECONDS
    waiting = list(realms)
    while waiting:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(waiting)} realms still have tickets that are due")
        time.sleep(0.02)
        now_ms = _server_ms(realms[0])
        waiting = [realm for realm in waiting if realm.mm.redis.zcount(realm.keys.due, "-inf", now_ms)]


def _server_ms(realm: Realm) -> float:
    seconds, microseconds = realm.mm.redis.time()
    return 1000.0 * seconds + microseconds / 1000


def _moments_of_matches(realm: Realm) -> list[int]:
    """Server ms of each match of the realm, latest first: matches came after all enqueues."""
    made = realm.mm.stats().matches
    entries = realm.site.client.xrevrange(realm.keys.events, count=made)
    return [int(event_id.partition(b"-")[0]) for event_id, fields in entries if fields[b"event"] == b"matched"]


def measure(run: Run) -> Iterator[Figure]:
    run.say(f"{REALMS} realms of {A_REALM:,}")
    with site(run) as own:
        backlogs = Backlogs(own, A_REALM, run.seed)
        sides = [functools.partial(backlogs.trial, count) for count in COUNTS]
        rates = dict(zip(COUNTS, alternate(run.pick(5, 2), *sides), strict=True))
    for count in COUNTS[1:]:
        ratio = median_of(NAME, f"{count} matchers", ratios(rates[count], rates[1]), "× one matcher", GOAL)
        yield replace(ratio, note=f"{os.cpu_count()} cores for server and matchers")
    for count in COUNTS:
        yield median_of(NAME, f"{count} matchers: rate", rates[count], "tickets/s")
    for count in COUNTS:
        size = f"{count} matchers: fairness"
        yield median_of(NAME, size, backlogs.fairness[count], "of an even share, least served realm", FAIR)


ROW = Row(
    NAME, "2, 4 and 8 matchers at least 0.85 times as fast as one; the least served realm has half its share", measure
)
