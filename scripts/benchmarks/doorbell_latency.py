"""How long after the second compatible player came both players know of their match.

Measured: a first player waits; listeners (raw connections, subscribed to their channels) stand for both; the clock
starts when the second player's enqueue is sent and stops when both listeners hold the ``matched`` message. On the way
are an enqueue, the wake-up of a real matcher process in its own, its pass, and two messages. Meanwhile 1,000 other
players a second arrive and are matched in the same queue. Against: a bare PUBLISH to two such listeners over the same
connections, in turns with it under the same load: clock, sockets and scheduler are the same.

The floor has one hop to the server and one to the listeners. The way of a match has two more, to the matcher and
back, so it cannot be below twice the floor.
"""

from __future__ import annotations

import itertools
import select
import time
from collections.abc import Iterator

from scripts.benchmarks.actors import START_SECONDS, Arrivals, Stage, arrive, matchers
from scripts.benchmarks.harness import Figure, Row, Run, at_most, percentile
from scripts.benchmarks.lines import Crowd
from scripts.benchmarks.site import QUEUE, Realm, Site, site
from scripts.benchmarks.wire import packed, packed_call

NAME = "doorbell-latency"
GOALS = ((0.50, at_most(4)), (0.99, at_most(10)))
LOAD = 1_000.0
RULES = "willingness = { base = 50, per_second = 10 }"
WARM_UP = 50
LONGEST_SECONDS = 5.0


class Listeners:
    """Two raw connections that subscribe to a channel each, and the moment at which both have heard."""

    def __init__(self, own: Site) -> None:
        self.wires = (own.wire(), own.wire())
        self._poll = select.poll()
        for wire in self.wires:
            self._poll.register(wire.socket, select.POLLIN)

    def subscribe(self, *channels: str) -> None:
        for wire, channel in zip(self.wires, channels, strict=True):
            wire.ask("SUBSCRIBE", channel)

    def unsubscribe(self) -> None:
        for wire in self.wires:
            wire.ask("UNSUBSCRIBE")

    def both_hear(self, word: bytes) -> None:
        """Returns when both have heard a message that contains ``word``.

        :raises TimeoutError: they have not within :data:`LONGEST_SECONDS`.
        """
        waiting = {wire.socket.fileno(): wire for wire in self.wires}
        deadline = time.perf_counter() + LONGEST_SECONDS
        while waiting:
            if time.perf_counter() > deadline:
                raise TimeoutError(f"a match was not heard of within {LONGEST_SECONDS:.0f} s")
            for number, _ in self._poll.poll(1000):
                if number in waiting and any(word in message[2] for message in waiting[number].receive()):
                    del waiting[number]

    def close(self) -> None:
        for wire in self.wires:
            wire.close()


class Encounters:
    """Pairs of players who meet far from where the load plays, and bare messages to compare with."""

    def __init__(self, own: Site, seed: int) -> None:
        self.realm = Realm(own, RULES)
        self.listeners = Listeners(own)
        self.wire = own.wire()
        self._crowd = Crowd(seed)
        # Tickets of the load are numbered from 1 on.
        self._crowd.skip(10**12)
        self._places = itertools.cycle(range(10_000, 900_000, 1_000))

    def await_load(self) -> None:
        """Returns when others are matched.

        :raises TimeoutError: nobody is within :data:`START_SECONDS`.
        """
        deadline = time.monotonic() + START_SECONDS
        while not self.realm.mm.stats().matches:
            if time.monotonic() > deadline:
                raise TimeoutError("nobody is matched")
            time.sleep(0.01)

    def match(self) -> float:
        """ms from the second enqueue to the second listener."""
        place = float(next(self._places))
        first, second = self._crowd.at([place, place])
        calls, keys = self.realm.calls, self.realm.keys
        self.realm.run(self.wire, calls.enqueue(QUEUE, [first]))
        self.listeners.subscribe(keys.channel(first.player), keys.channel(second.player))
        coming = packed_call(calls.enqueue(QUEUE, [second]))
        started = time.perf_counter()
        self.wire.send(coming)
        self.listeners.both_hear(b'"event":"matched"')
        took = time.perf_counter() - started
        self.wire.replies(1)
        self.listeners.unsubscribe()
        return 1000 * took

    def message(self) -> float:
        """ms from a PUBLISH to the second listener."""
        self.listeners.subscribe("bare", "bare")
        sent = packed("PUBLISH", "bare", "x" * 400)
        started = time.perf_counter()
        self.wire.send(sent)
        self.listeners.both_hear(b"x")
        took = time.perf_counter() - started
        self.wire.replies(1)
        self.listeners.unsubscribe()
        return 1000 * took

    def close(self) -> None:
        self.listeners.close()
        self.wire.close()


def measure(run: Run) -> Iterator[Figure]:
    count = run.pick(2_000, 300)
    run.say(f"{count:,} matches under {LOAD:,.0f} arrivals/s")
    with site(run) as own:
        encounters = Encounters(own, run.seed)
        load = Arrivals(1, most_waiting=100_000, rate=LOAD, calls_in_flight=64, seed=run.seed)
        with matchers(own, 1), Stage() as stage:
            stage.enter(arrive, own.server.port, load)
            encounters.await_load()
            pairs = [(encounters.match(), encounters.message()) for _ in range(count + WARM_UP)][WARM_UP:]
        encounters.close()
    found, bare = ([pair[side] for pair in pairs] for side in (0, 1))
    for share, goal in GOALS:
        of_match, of_message = percentile(found, share), percentile(bare, share)
        note = f"{of_match:.3f} ms against {of_message:.3f} ms"
        yield Figure(NAME, f"p{100 * share:.0f}", of_match / of_message, "× a PUBLISH", goal, note=note)
    for what, samples in (("match", found), ("PUBLISH", bare)):
        yield Figure(NAME, f"p50 of a {what}", percentile(samples, 0.5), "ms", samples=tuple(samples))
        yield Figure(NAME, f"p99 of a {what}", percentile(samples, 0.99), "ms")


ROW = Row(NAME, "p50 at most 4 times, p99 at most 10 times a bare PUBLISH, under 1,000 arrivals a second", measure)
