"""How much of the raw speed of its own commands an enqueue keeps.

Measured: tickets through the ``enqueue`` script for each second of the server's CPU (network included), which is the
throughput of a core that the server has to itself: one ticket a call, and as many as the client library puts into one,
over 1, 8 and 64 connections.
Against: the commands that these very calls issued inside the server, recorded with MONITOR, sent as plain pipelined
commands with nothing in between: look-ups and writes, as a client without the script would have to send them. Both go
out as one packed stream a connection, sent as fast as the server takes it, replies read and thrown away; the same
tickets into an equally empty realm, in turns. A second figure, without a goal, compares with the writes alone.

That is fair to the floor: it validates nothing, decides nothing, keeps no promise, and costs the client nothing. What
it pays and a script does not is that each command is received and answered by itself.
"""

from __future__ import annotations

import functools
import re
import selectors
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace

from matchmaker.calls import TICKETS_A_CALL
from matchmaker.model import TicketRequest
from scripts.benchmarks.harness import Figure, Row, Run, alternate, at_least, median_of, ratios
from scripts.benchmarks.lines import SPARSE, Crowd, batches
from scripts.benchmarks.site import Realm, Site, site
from scripts.benchmarks.wire import packed

NAME = "enqueue"
GOAL = at_least(0.7)
CLIENTS = (1, 8, 64)
BATCH = {"batched": TICKETS_A_CALL, "single": 1}
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

    def send(self, streams: Sequence[bytes]) -> None:
        """Returns after the last answer."""
        ends = packed("ECHO", self.END)
        waiting = {wire: memoryview(stream + ends) for wire, stream in zip(self.wires, streams, strict=True)}
        tails = dict.fromkeys(self.wires, b"")
        with selectors.DefaultSelector() as selector:
            for wire in self.wires:
                wire.socket.setblocking(False)
                selector.register(wire.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, wire)
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
        issued = list(recorded(own, calls))
        alone = [[command for command in commands if command[0].upper() in WRITES] for commands in issued]
        self._ways = {
            "script": _dealt(calls, clients),
            "raw": _dealt([_joined(commands) for commands in issued], clients),
            "writes": _dealt([_joined(commands) for commands in alone], clients),
        }

    def by(self, way: str) -> float:
        """Tickets a second of the server's CPU, the way being script, raw or writes."""
        return self._time(self._ways[way])

    def _fresh(self) -> Realm:
        self._own.empty()
        return Realm(self._own, SPARSE)

    def _time(self, streams: Sequence[bytes]) -> float:
        realm = self._fresh()
        cpu_us = self._own.cpu_of(lambda: self._streams.send(streams))
        if realm.waiting() != self._count:
            raise RuntimeError(f"{self._count} tickets were sent, {realm.waiting()} wait")
        return 1e6 * self._count / cpu_us

    def close(self) -> None:
        self._streams.close()


def _joined(commands: Sequence[Sequence[bytes]]) -> bytes:
    return b"".join(packed(*command) for command in commands)


def _dealt(calls: Sequence[bytes], clients: int) -> list[bytes]:
    """One stream a client."""
    return [b"".join(calls[client::clients]) for client in range(clients)]


def recorded(own: Site, calls: Sequence[bytes]) -> Iterator[list[list[bytes]]]:
    """Runs the calls one by one; yields for each the commands it issued."""
    with own.wire() as monitor, own.wire() as wire:
        monitor.ask("MONITOR")
        for number, call in enumerate(calls):
            mark = f"mark {number}".encode()
            wire.send(call + packed("ECHO", mark))
            wire.replies(2)
            heard: list[bytes] = []
            while not (heard and mark in heard[-1]):
                heard += monitor.receive()
            commands = [monitored(line) for line in heard if b" lua] " in line]
            for command in commands:
                if command[0].upper() == b"XADD":
                    command[2] = b"*"  # its own moment: the recorded one may lie before another stream's
            yield commands


def measure(run: Run) -> Iterator[Figure]:
    crowd = Crowd(run.seed)
    for kind, a_call in BATCH.items():
        for clients in CLIENTS:
            run.say(f"{kind}, {clients} clients")
            # As many calls for each connection.
            count = max(run.pick(20_000, 3_000) // (a_call * clients), 1) * a_call * clients
            with site(run) as own:
                duel = Duel(own, crowd.gaussian(count), a_call, clients)
                ways = ("script", "raw", "writes")
                sides = [functools.partial(duel.by, way) for way in ways]
                scripted, raw, writes = alternate(run.pick(7, 5), *sides)
                duel.close()
            size = f"{kind}, {clients} client{'s' if clients > 1 else ''}"
            speeds = ", ".join(f"{statistics.median(speed):,.0f}" for speed in (scripted, raw, writes))
            ratio = median_of(NAME, size, ratios(scripted, raw), "× raw throughput", GOAL)
            yield replace(ratio, note=f"tickets a CPU s by script, raw, writes alone: {speeds}")
            yield median_of(NAME, f"{size}: to the writes", ratios(scripted, writes), "× raw throughput")


ROW = Row(NAME, "at least 70% of the throughput of its own commands sent raw, for 1, 8 and 64 clients", measure)
