"""How many players a second go from enqueue over their match to a listener of the firehose, sustained.

Measured: the players whose ``matched`` event a process has read from the realm's stream (XREAD), over a minute, with
one process through which players arrive, one matcher, and that listener, all real and apart. Players arrive as fast
as matches are seen (a closed loop, so that the line neither grows nor runs dry), ratings 1500 ± 300. Two ways:
batches, as many a call as the client
library sends, into a queue with an ``interval`` of 5 ms, and one ticket a call into a queue without one.

Two figures each. End to end is what came through here, on this machine's cores, which server, matcher, players and
listener share. Per Redis core is 1,000,000 µs divided by the server's CPU µs a player, everything included that the
server did meanwhile: what one core carries when the other processes are on cores of their own. The note tells how
busy the server was: well under 100% means that the end-to-end figure is bounded by the clients and not by the server.
Against: the goals of 20,000 and 5,000 players a second on one Redis core, and, for scale, the sum of two floors in
the same run: the commands of the enqueues sent raw, and the floor of a pass (see enqueue and pass-cost).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from statistics import median

from matchmaker.calls import TICKETS_A_CALL
from scripts.benchmarks.actors import Arrivals, Stage, arrive, firehose, matchers
from scripts.benchmarks.enqueue import Duel
from scripts.benchmarks.harness import Figure, Row, Run, at_least, median_of
from scripts.benchmarks.lines import DENSE, Crowd
from scripts.benchmarks.pass_cost import Backlog
from scripts.benchmarks.site import Realm, Site, site

NAME = "throughput"
WARM_UP_PLAYERS = 2_000
SECONDS_A_SAMPLE = 2.0
FLOOR_TICKETS = 4_000
FLOOR_ROUNDS = 3
KINDS = (
    (
        "batched, interval 5 ms",
        DENSE + "\ninterval_ms = 5",
        Arrivals(TICKETS_A_CALL, most_waiting=4_000),
        at_least(20_000),
    ),
    ("one by one", DENSE, Arrivals(1, most_waiting=500, calls_in_flight=64), at_least(5_000)),
)


def sustained(own: Site, rules: str, how: Arrivals, seconds: float) -> tuple[list[float], list[float], float]:
    """Samples of players a second and of CPU µs a player, and the share of one core that the server was busy."""
    Realm(own, rules)
    rates, costs = [], []
    with matchers(own, 1), Stage() as stage:
        stage.enter(firehose, own.server.port)
        stage.enter(arrive, own.server.port, how)
        stage.await_matched(WARM_UP_PLAYERS)
        busy = passed = 0.0
        while passed < seconds:
            started, cpu, seen = time.monotonic(), own.cpu_us(), stage.matched.value
            time.sleep(SECONDS_A_SAMPLE)
            took, spent, players = time.monotonic() - started, own.cpu_us() - cpu, stage.matched.value - seen
            rates.append(players / took)
            costs.append(spent / max(1, players))
            busy += spent / 1e6
            passed += took
    return rates, costs, busy / passed


def floors(run: Run, a_call: int) -> float:
    """CPU µs a player of the two floors together: raw commands for the enqueue, the floor of a pass for the match."""
    with site(run) as own:
        duel = Duel(own, Crowd(run.seed).gaussian(FLOOR_TICKETS), a_call, clients=1)
        entering = median([1e6 / duel.by("raw") for _ in range(FLOOR_ROUNDS)])
        duel.close()
    with site(run) as own:
        backlog = Backlog(own, FLOOR_TICKETS, run.seed)
        return entering + median([backlog.by_floor() for _ in range(FLOOR_ROUNDS)])


def measure(run: Run) -> Iterator[Figure]:
    seconds = float(run.pick(60, 6))
    for name, rules, how, goal in KINDS:
        run.say(f"{name}, {seconds:.0f} s")
        with site(run) as own:
            rates, costs, busy = sustained(own, rules, how, seconds)
        end_to_end = median_of(NAME, f"{name}: end to end", rates, "players/s", goal)
        yield replace(end_to_end, note=f"server {busy:.0%} of a core busy, {os.cpu_count()} cores shared by all")
        carried = median_of(NAME, f"{name}: per Redis core", [1e6 / cost for cost in costs], "players/s", goal)
        yield replace(carried, note="1,000,000 µs over the server's CPU a player")
        least = floors(run, how.tickets_a_call)
        yield median_of(NAME, f"{name}: server", costs, "µs CPU a player")
        yield median_of(NAME, f"{name}: to the floors", [cost / least for cost in costs], "× the sum of both floors")


ROW = Row(NAME, "at least 20,000 players a second batched, 5,000 one by one, on one Redis core", measure)
