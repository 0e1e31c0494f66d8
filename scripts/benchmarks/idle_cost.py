"""What a realm costs in which nothing happens.

Measured: commands that reach the server while 10,000 tickets wait that nobody can be matched with for hours (ratings
100 points apart, 0.00001 points of willingness a second, no heartbeats), and 8 matcher processes stand by. Counted with
MONITOR, whatever they are; commands that a script runs inside the server are part of the script and are listed apart.
Against: nothing, which is what a realm at rest needs. What is sent is each matcher's look at the agenda, at most
every 4 s, in case a wake-up was lost, and its blocking pop, renewed as often.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from scripts.benchmarks.actors import matchers
from scripts.benchmarks.harness import Figure, Row, Run, at_most
from scripts.benchmarks.lines import SPARSE, Crowd, rest, spread
from scripts.benchmarks.site import Realm, Site, site

NAME = "idle-cost"
GOAL = at_most(1.0)
WAITING = 10_000
MATCHERS = 8
SETTLING_SECONDS = 1.0


def commands_seen(own: Site, seconds: float) -> tuple[int, int]:
    """Commands from clients, and commands from within scripts, over so many seconds."""
    sent = inside = 0
    with own.wire() as monitor:
        monitor.ask("MONITOR")
        monitor.socket.settimeout(0.1)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                lines = monitor.receive()
            except TimeoutError:
                continue
            within = sum(b" lua] " in line for line in lines)
            inside += within
            sent += len(lines) - within
    return sent, inside


def measure(run: Run) -> Iterator[Figure]:
    seconds = run.pick(40, 9)
    run.say(f"{MATCHERS} matchers, {seconds} s")
    with site(run) as own:
        realm, crowd = Realm(own, SPARSE), Crowd(run.seed)
        with own.wire() as wire:
            rest(realm, wire, crowd.at(spread(WAITING, 100.0)), SPARSE)
        with matchers(own, MATCHERS):
            commands_seen(own, SETTLING_SECONDS)
            before = own.cpu_us()
            sent, inside = commands_seen(own, seconds)
            cpu = own.cpu_us() - before
        still = realm.waiting()
    if still != WAITING:
        raise RuntimeError(f"{WAITING - still} tickets were matched that cannot be")
    a_matcher = sent / seconds / MATCHERS
    yield Figure(NAME, WAITING, a_matcher, "commands/s a matcher", GOAL, (a_matcher,), f"{sent} in {seconds} s")
    yield Figure(NAME, f"{WAITING:,}: within scripts", inside / seconds / MATCHERS, "commands/s a matcher")
    yield Figure(NAME, f"{WAITING:,}: server", cpu / 1e4 / seconds, "% of a core, as measured with MONITOR on")


ROW = Row(NAME, f"at most 1 command a second and matcher, {WAITING:,} waiting, {MATCHERS} matchers", measure)
