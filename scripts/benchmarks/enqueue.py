"""How much of the raw speed of its own commands an enqueue keeps.

Measured: tickets a second through the ``enqueue`` script, 100 a call and one a call, over 1, 8 and 64 connections.
Against: the write commands that these very calls issued inside the server, recorded with MONITOR, sent as plain
pipelined commands with nothing in between. Both go out as one packed stream a connection, sent as fast as the server
takes it, replies read and thrown away; the same tickets into an equally empty realm, in turns.

That is fair to the floor: it validates nothing, looks nothing up, keeps no promise, and costs the client nothing. What it
pays and a script does not is one command parsed and answered for each write.
"""

from __future__ import annotations

import re
import selectors
import time
from collections.abc import Iterator, Sequence

from matchmaker.model import TicketRequest
from scripts.benchmarks.harness import Figure, Row, Run, alternate, at_least, median_of, ratios
from scripts.benchmarks.lines import SPARSE, Crowd, batches
from scripts.benchmarks.site import Realm, Site, site
from scripts.benchmarks.wire import Wire, packed

NAME = "enqueue"
GOAL = at_least(0.7)
CLIENTS = (1, 8, 64)
BATCH = {"batched": 100, "single": 1}
SEND_BYTES = 1 << 16
WRITES = {b"XADD", b"HSET", b"ZADD", b"PUBLISH", b"LPUSH", b"HINCRBY", b"SET"}
_COMMAND = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|.)")
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}


def monitored(line: bytes) -> list[bytes]:
    """The command that a line of MONITOR shows."""

    def plain(escape: re.Match[bytes]) -> bytes:
        code = escape[1]
        return bytes([int(code[1:], 16)]) if code[:1] == b"x" and len(code) == 3 else _LETTERS.get(code, code)

    return [_ESCAPE.sub(plain, word) for word in _COMMAND.findall(line.partition(b"] ")[2])]


class Streams:
    """Connections that each send one stream of packed commands and read until all of it is answered."""

    END = b"the end of the stream"

    def __init__(self, own: Site, count: int) -> None:
        self.wires = [own.wire() for _ in range(count)]

    def send(self, streams: Sequence[bytes]) -> float:
        """Seconds from the first byte to the last answer."""
        ends = packed("ECHO", self.END)
        waiting = {wire: memoryview(stream + ends) for wire, stream in zip(self.wires, streams, strict=True)}
        tails = dict.fromkeys(self.wires, b"")
        with selectors.DefaultSelector() as selector:
            for wire in self.wires:
                wire.socket.setblocking(False)
                selector.register(wire.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, wire)
            started = time.perf_counter()
            while waiting:
                for key, events in selector.select():
                    wire = key.data
                    if events & selectors.EVENT_WRITE:
                        waiting[wire] = waiting[wire][wire.socket.send(waiting[wire][:SEND_BYTES]) :]
                        if not waiting[wire]:
                            selector.modify(wire.socket, selectors.EVENT_READ, wire)
                    if events & selectors.EVENT_READ:
                        piece = wire.socket.recv(1 << 18)
                        tails[wire] = (tails[wire] + piece)[-64:]
                        if self.END in tails[wire]:
                            del waiting[wire]
                            selector.unregister(wire.socket)
            took = time.perf_counter() - started
        return took

    def close(self) -> None:
        for wire in self.wires:
            wire.close()


class Duel:
    """One way to bring tickets in, over so many connections: through the script, and raw."""

    def __init__(self, own: Site, tickets: Sequence[TicketRequest], a_call: int, clients: int) -> None:
        self._own = own
        self._count = len(tickets)
        self._streams = Streams(own, clients)
        calls = list(batches(self._fresh(), tickets, a_call))
        raw = list(recorded(own, calls))
        self._by_script = [b"".join(calls[client::clients]) for client in range(clients)]
        self._by_hand = [b"".join(raw[client::clients]) for client in range(clients)]

    def script(self) -> float:
        """Tickets a second."""
        return self._time(self._by_script)

    def raw(self) -> float:
        """Tickets a second."""
        return self._time(self._by_hand)

    def _fresh(self) -> Realm:
        self._own.empty()
        return Realm(self._own, SPARSE)

    def _time(self, streams: Sequence[bytes]) -> float:
        realm = self._fresh()
        took = self._streams.send(streams)
        if realm.waiting() != self._count:
            raise RuntimeError(f"{self._count} tickets were sent, {realm.waiting()} wait")
        return self._count / took

    def close(self) -> None:
        self._streams.close()


def recorded(own: Site, calls: Sequence[bytes]) -> Iterator[bytes]:
    """Runs the calls one by one; yields for each the writes it issued, packed as plain commands."""
    with own.wire() as monitor, own.wire() as wire:
        monitor.ask("MONITOR")
        for number, call in enumerate(calls):
            mark = f"mark {number}".encode()
            wire.send(call + packed("ECHO", mark))
            wire.replies(2)
            writes: list[bytes] = []
            heard: list[bytes] = []
            while not (heard and mark in heard[-1]):
                heard += monitor.receive()
            for line in heard:
                command = monitored(line) if b" lua] " in line else [b""]
                if command[0].upper() in WRITES:
                    if command[0].upper() == b"XADD":
                        command[2] = b"*"  # its own moment, as the recorded one may lie before another stream's
                    writes.append(packed(*command))
            yield b"".join(writes)


def measure(run: Run) -> Iterator[Figure]:
    crowd = Crowd(run.seed)
    for kind, a_call in BATCH.items():
        for clients in CLIENTS:
            run.say(f"{kind}, {clients} clients")
            # As many calls for each connection.
            count = max(run.pick(20_000, 3_000) // (a_call * clients), 1) * a_call * clients
            with site(run) as own:
                duel = Duel(own, crowd.gaussian(count), a_call, clients)
                scripted, raw = alternate(run.pick(7, 5), duel.script, duel.raw)
                duel.close()
            size = f"{kind}, {clients} client{'s' if clients > 1 else ''}"
            yield median_of(NAME, size, ratios(scripted, raw), "× raw throughput", GOAL)
            yield median_of(NAME, f"{size}: script", scripted, "tickets/s")
            yield median_of(NAME, f"{size}: raw", raw, "tickets/s")


ROW = Row(NAME, "at least 70% of the throughput of its raw write commands, batched and single, 1, 8 and 64 clients", measure)
