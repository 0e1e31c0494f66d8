"""What a match function of one's own costs, against the engine's pass.

Measured: players a second that come from waiting into matches, in wall time, client and server together, while a line
of the given size in which everybody is due is worked off. By the function: slices of 200 are read, a function that
pairs neighbours is called, and what it proposes is committed, as a proposer does it. Against: the engine's own passes
over a line of the same size and ratings (1500 ± 300, willingness of 100 points on arrival), called one after the
other. One client and one thread each, in two realms of one server, in turns; each line is topped up to its size before
its turn, and at most 10,000 tickets of it are matched.

The ratio is what somebody gives up who writes the rules in Python. Beside it stands the server's CPU a matched ticket:
what one Redis core carries, and what more proposers beside each other cannot make less.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from matchmaker.calls import Batch, Call
from matchmaker.model import Match
from matchmaker.proposals import SLICE_TICKETS, Pair, Slice, choose
from matchmaker.slices import Slices
from scripts.benchmarks.harness import Figure, Row, Run, alternate, at_least, median_of, ratios
from scripts.benchmarks.lines import DENSE, Crowd, fill, settle
from scripts.benchmarks.site import QUEUE, Realm, Site, site
from scripts.benchmarks.wire import Wire
from workers.proposer import PAIRS_A_BATCH

NAME = "own-function"
GOAL = at_least(0.1)
SIZES = (1_000, 10_000, 100_000)
MOST_A_TURN = 10_000


def neighbours(given: Slice) -> list[Pair]:
    """Everybody with the next on the line: the least that a function can do."""
    return list(zip(given.tickets[::2], given.tickets[1::2], strict=False))


class Line:
    """One realm's line, topped up to ``size``; ``cpu`` are the server's µs a matched ticket, a sample a turn."""

    def __init__(self, own: Site, wire: Wire, name: str, rules: str, *, size: int, seed: int) -> None:
        self.cpu: list[float] = []
        self._site = own
        self._wire = wire
        self._size = size
        self._turn = min(size, MOST_A_TURN)
        self._realm = Realm(own, rules, name=name)
        settle(self._realm, wire)  # nothing of making the queue is left to the measured
        self._crowd = Crowd(seed)

    def by_engine(self) -> float:
        """Players a second by passes."""
        return self._timed(self._passes)

    def by_function(self) -> float:
        """Players a second by a match function."""
        return self._timed(self._rounds)

    def _timed(self, work: Callable[[], int]) -> float:
        fill(self._realm, self._wire, self._crowd.gaussian(self._size - self._realm.waiting()))
        cpu, started = self._site.cpu_us(), time.perf_counter()
        matched = work()
        took = time.perf_counter() - started
        if not matched:
            raise RuntimeError(f"of {self._size:,} tickets nobody was matched")
        self.cpu.append((self._site.cpu_us() - cpu) / matched)
        return matched / took

    def _passes(self) -> int:
        runner, matched = self._realm.mm.runner, 0
        while matched < self._turn:
            report = runner.call(self._realm.calls.match_pass(QUEUE))
            matched += 2 * report.made
            if report.next_ms is None or report.next_ms > report.now_ms:
                break
        return matched

    def _rounds(self) -> int:
        runner, calls, matched = self._realm.mm.runner, self._realm.calls, 0
        held = runner.call(calls.own_rules(QUEUE))
        if held is None:
            raise RuntimeError("the queue of the benchmark is not for proposals")
        slices = Slices(calls, QUEUE, held, SLICE_TICKETS)
        while matched < self._turn and (given := runner.run(slices.following())) is not None:
            chosen = choose(neighbours, given).proposals
            for first in range(0, len(chosen), PAIRS_A_BATCH):
                some = chosen[first : first + PAIRS_A_BATCH]
                pairs: list[Call[Any]] = [
                    calls.pair(QUEUE, one.one.id, one.other.id, version=held.version) for one in some
                ]
                for answer in runner.batch(Batch(pairs)):
                    if not isinstance(answer, Match):
                        raise answer
                    slices.forget(ticket.id for ticket in answer.tickets)
                    matched += 2
        return matched


def measure(run: Run) -> Iterator[Figure]:
    for size in SIZES[: run.pick(3, 2)]:
        run.say(f"{size:,} waiting")
        with site(run) as own, own.wire() as wire:
            engine = Line(own, wire, "engine", DENSE, size=size, seed=run.seed)
            mine = Line(own, wire, "own", DENSE + '\nmatching = "own"', size=size, seed=run.seed)
            rounds = run.pick(5, 3) if size > MOST_A_TURN else run.pick(9, 5)
            functions, passes = alternate(rounds, mine.by_function, engine.by_engine)
        yield median_of(NAME, size, ratios(functions, passes), "of the engine's players a second", GOAL)
        yield median_of(NAME, f"{size:,}: function", functions, "players/s")
        yield median_of(NAME, f"{size:,}: engine", passes, "players/s")
        yield median_of(NAME, f"{size:,}: function, server", mine.cpu[1:], "µs CPU a ticket")
        yield median_of(NAME, f"{size:,}: engine, server", engine.cpu[1:], "µs CPU a ticket")


ROW = Row(NAME, "at least 0.1 of the players a second that the engine's pass matches", measure)
