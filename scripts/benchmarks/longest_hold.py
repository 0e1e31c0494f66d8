"""How long one script call holds the server.

Measured: for every script, CPU of the server (``INFO cpu``, read right before and right after each call, in one
pipeline) on two lines. The dense one is a Gaussian line in which everybody is due at once, the sparse one a line
where nobody is. The value is the 99.9th percentile of all calls of that script on that line, so with fewer than 1,000
calls it is the longest; the samples are the ten longest. Against: 5 ms, the bound that is promised.

CPU is what the script needs of a core that is the server's own; the reading of ``INFO`` itself, some 20 µs, is in it.
The duration by the server's clock (``cmdstat_evalsha``) is in the note: a call during which the machine ran something
else counts there in full.

Calls, on a dense line unless said otherwise: passes; enqueues, clearings and expiries of as many as client and
matcher put into a call; cancels; pages of a snapshot; histories; and on the sparse line enqueues of one, passes after
one arrival and after many, and the calls that renew certificates after the rules have changed.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from matchmaker.calls import HISTORY_TICKETS, PAGE_TICKETS, TICKETS_A_CALL, Call
from matchmaker.runner import as_text
from scripts.benchmarks.harness import Figure, Row, Run, percentile, under
from scripts.benchmarks.lines import DENSE, SPARSE, Crowd, fill, rest, spread
from scripts.benchmarks.site import QUEUE, Realm, Site, site
from scripts.benchmarks.wire import Wire, packed, packed_call
from workers.matcher import EXPIRIES_A_CALL

NAME = "longest-hold"
GOAL = under(5.0)
SHARE = 0.999
RENEWED = "willingness = { base = 0, per_second = 0.00002 }"

READINGS = (
    re.compile(rb"used_cpu_sys:([0-9.]+)"),
    re.compile(rb"used_cpu_user:([0-9.]+)"),
    re.compile(rb"cmdstat_evalsha:calls=[0-9]+,usec=([0-9]+)"),
)

T = TypeVar("T")


class Stopwatch:
    """Runs calls one by one and keeps, by the name of what was done, each one's CPU and duration in ms."""

    def __init__(self, wire: Wire) -> None:
        self.held: dict[str, list[tuple[float, float]]] = {}
        self._wire = wire
        self._stats = packed("INFO", "cpu", "commandstats")

    def time(self, what: str, call: Call[T]) -> T:
        """The call's parsed reply."""
        self._wire.send(self._stats + packed_call(call) + self._stats)
        before, reply, after = self._wire.replies(3)
        spent = _readings(after)
        cpu, duration = ((end - start) / 1000 for start, end in zip(_readings(before), spent, strict=True))
        self.held.setdefault(what, []).append((cpu, duration))
        return call.parse(as_text(reply))


def _readings(info: bytes) -> tuple[float, float]:
    """µs of CPU, and µs of all EVALSHA by the clock, so far."""
    system, user, usec = (float(found[1]) if found else 0.0 for found in (reading.search(info) for reading in READINGS))
    return 1e6 * (system + user), usec


class Clock:
    """Virtual realm time in ms that goes on by itself, and can be set forward."""

    def __init__(self) -> None:
        self._ahead_ms = 0

    def __call__(self) -> int:
        return 1_700_000_000_000 + self._ahead_ms + time.monotonic_ns() // 1_000_000

    def forward(self, ms: int) -> None:
        self._ahead_ms += ms


@dataclass(frozen=True, slots=True)
class Scene:
    """Where and how long: a line of ``size``, about ``calls`` calls of each kind."""

    site: Site
    wire: Wire
    watch: Stopwatch
    size: int
    calls: int
    crowd: Crowd


def dense(scene: Scene) -> None:
    """Everybody is due, in every place of the line."""
    watch, wire, calls, crowd = scene.watch, scene.wire, scene.calls, scene.crowd
    clock = Clock()
    realm = Realm(scene.site, DENSE, clock=clock, retain_s=600)
    waiting = crowd.gaussian(scene.size)
    fill(realm, wire, waiting)
    crowd.rng.shuffle(waiting)
    for _ in range(calls):
        watch.time(f"enqueue {TICKETS_A_CALL}", realm.calls.enqueue(QUEUE, crowd.gaussian(TICKETS_A_CALL)))
    for ticket in waiting[:calls]:
        watch.time("cancel", realm.calls.cancel(QUEUE, "ticket", ticket.ticket, "requested"))
        watch.time("history", realm.calls.history(ticket.player, "0-1", "", HISTORY_TICKETS))
    position = ""
    for _ in range(calls):
        _, position = watch.time(f"snapshot {PAGE_TICKETS}", realm.calls.snapshot(QUEUE, position, PAGE_TICKETS))
    until = position = ""
    for _ in range(calls // 2):
        _, until, position = watch.time(
            f"clear {TICKETS_A_CALL}", realm.calls.clear(QUEUE, until, position, TICKETS_A_CALL)
        )
    _until_settled(watch, "pass", realm, calls)
    fill(realm, wire, crowd.gaussian(TICKETS_A_CALL * min(calls, 200)))
    # Past everyone's longest wait, and past the time for which events are kept: these calls also tidy up.
    clock.forward(3_600_000)
    for _ in range(calls):
        over = watch.time(f"overdue {EXPIRIES_A_CALL}", realm.calls.overdue(clock(), EXPIRIES_A_CALL))
        if not over:
            break
        watch.time(f"expire {EXPIRIES_A_CALL}", realm.calls.expire(QUEUE, [ticket for ticket, _ in over]))


def sparse(scene: Scene) -> None:
    """Nobody is due, except to be looked at."""
    watch, wire, size, calls, crowd = scene.watch, scene.wire, scene.size, scene.calls, scene.crowd
    realm = Realm(scene.site, SPARSE)
    ratings = list(spread(size, 1.0))
    crowd.rng.shuffle(ratings)
    rest(realm, wire, crowd.at(ratings), SPARSE)
    anywhere = functools.partial(crowd.rng.uniform, -size / 2, size / 2)
    for _ in range(calls):
        watch.time("enqueue 1", realm.calls.enqueue(QUEUE, crowd.at([anywhere()])))
        watch.time("pass, one arrival", realm.calls.match_pass(QUEUE))
    fill(realm, wire, crowd.at(anywhere() for _ in range(min(size, 20 * calls))))
    _until_settled(watch, "pass, many arrivals", realm, calls)
    realm.apply(RENEWED)
    _until_settled(watch, "tend, new rules", realm, calls)


def _until_settled(watch: Stopwatch, what: str, realm: Realm, calls: int) -> None:
    """At most ``calls`` passes, or calls of ``tend``, fewer if nothing is due any more."""
    for _ in range(calls):
        wanted = realm.calls.tend(QUEUE) if what.startswith("tend") else realm.calls.match_pass(QUEUE)
        report = watch.time(what, wanted)
        if report.next_ms is None or report.next_ms > report.now_ms:
            return


def measure(run: Run) -> Iterator[Figure]:
    for size in run.sizes:
        calls = max(20, min(run.pick(2_000, 200), size // 50))
        held: dict[str, list[tuple[float, float]]] = {}
        for kind in (dense, sparse):
            run.say(f"{size:,} waiting, {kind.__name__}")
            with site(run) as own, own.wire() as wire:
                scene = Scene(own, wire, Stopwatch(wire), size, calls, Crowd(run.seed))
                kind(scene)
            held |= scene.watch.held
        figures = [_figure(f"{size:,}: {what}", spent) for what, spent in held.items()]
        worst = max(figures, key=lambda figure: figure.value)
        yield replace(
            worst, size=size, note=f"the worst of {len(held)}: {str(worst.size).split(': ')[1]}; {worst.note}"
        )
        if size == run.sizes[-1]:
            yield from figures


def _figure(size: str, spent: list[tuple[float, float]]) -> Figure:
    cpu, durations = ([call[i] for call in spent] for i in (0, 1))
    note = f"{len(spent):,} calls; by the clock {percentile(durations, SHARE):.2f}"
    return Figure(NAME, size, percentile(cpu, SHARE), "ms CPU", GOAL, tuple(sorted(cpu)[-10:]), note)


ROW = Row(NAME, "p99.9 of every script under 5 ms, server side, at every size", measure)
