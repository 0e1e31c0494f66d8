"""What an accept, a decline and a report cost, against the same raw writes.

Measured: CPU of the server (``INFO cpu``) while so many players of as many ready checks answer, and then report how
their matches ended; a call each, all of one step after the other. Against: a script that is handed the very commands
which the real call wrote and published (taken from MONITOR on a realm of the same names and the same virtual time),
keys and ids included, and runs them in a realm of their own: it reads nothing and decides nothing. Both in turns.

That is fair because a program that keeps this state has to make these writes in one step, one way or another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from matchmaker.calls import Call
from matchmaker.keys import Keys
from matchmaker.model import TicketRequest
from matchmaker.outcomes import By
from scripts.benchmarks.harness import Figure, Row, Run, at_most, median_of, ratios
from scripts.benchmarks.site import QUEUE, Realm, Site, site
from scripts.benchmarks.wire import Wire, packed, packed_call

NAME = "answers"
GOAL = at_most(2.0)
RULES = """
willingness = { base = 100 }
ready_check = { seconds = 60 }
penalties = { seconds = [0, 60, 300], decay_seconds = 86400 }
results = { by = "players" }
"""
PARTS: tuple[tuple[str, ...], ...] = (("accept", "last accept", "report", "last report"), ("decline",))
"""Steps that follow on each other; each part begins with new ready checks."""

STEPS = tuple(step for part in PARTS for step in part)
START_MS = 1_700_000_000_000
CALLS_A_PIECE = 20
WRITES = frozenset(
    (b"HSET", b"HDEL", b"HINCRBY", b"ZADD", b"ZREM", b"XADD", b"PUBLISH", b"SET", b"LPUSH", b"XTRIM", b"UNLINK")
)
FLOOR = """
local at = 1
while at <= #ARGV do
  local length = ARGV[at] + 0
  redis.call(unpack(ARGV, at + 1, at + length))
  at = at + length + 1
end
return 1
"""
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(rb"\\x([0-9a-f]{2})|\\(.)", re.DOTALL)
_PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b"}

Commands = list[list[bytes]]
"""What one call wrote, command by command."""

Written = dict[str, list[bytes]]
"""Step -> what its calls wrote, ready to be sent."""


def _unquoted(text: bytes) -> bytes:
    def one(found: re.Match[bytes]) -> bytes:
        return bytes([int(found[1], 16)]) if found[1] else _PLAIN.get(found[2], found[2])

    return _ESCAPE.sub(one, text)


class Evening:
    """``checks`` ready checks of two players each, and the answers to them, in one realm. Its clock stands still but
    for a step between steps, so that two evenings are the same to the last id."""

    def __init__(self, site: Site, name: str, checks: int) -> None:
        self.now = START_MS
        self.realm = Realm(site, RULES, name=name, clock=lambda: self.now)
        self._checks = checks
        self._names: list[tuple[str, str]] = []
        self._ids: list[str] = []

    def meet(self, wire: Wire, more: str) -> None:
        """New players, proposed to each other."""
        self.now += 1_000
        calls, run = self.realm.calls, self.realm.run
        self._names = [(f"{more}a{n}", f"{more}b{n}") for n in range(self._checks)]
        for n, pair in enumerate(self._names):
            run(wire, calls.enqueue(QUEUE, [TicketRequest(name, 400.0 * n, ticket=f"t-{name}") for name in pair]))
        while run(wire, calls.match_pass(QUEUE)).made:
            pass
        self._ids = [run(wire, calls.status("player", one)).check.id for one, _ in self._names]

    def step(self, name: str) -> list[Call[Any]]:
        """The calls of one step, for whoever sends them."""
        self.now += 1_000
        calls = self.realm.calls
        pairs = list(zip(self._ids, self._names, strict=True))
        if name == "decline":
            return [calls.decline(check, one) for check, (one, _) in pairs]
        if name.endswith("accept"):
            return [calls.accept(check, pair[name == "last accept"]) for check, pair in pairs]
        return [calls.report(match, By.PLAYER, pair[name == "last report"], (1, 2), ()) for match, pair in pairs]

    def matched(self, wire: Wire) -> None:
        """From here on the ids are those of the matches."""
        calls, run = self.realm.calls, self.realm.run
        self._ids = [run(wire, calls.status("player", one)).match_id for one, _ in self._names]


@contextmanager
def overheard(site: Site) -> Iterator[Callable[[], list[Commands]]]:
    """Within the block MONITOR runs; the function answers what each script call since the last time wrote."""
    with site.wire() as ear, site.wire() as mouth:
        ear.ask("MONITOR")
        count = 0

        def heard() -> list[Commands]:
            nonlocal count
            count += 1
            end = f"end-{count}".encode()
            mouth.ask("ECHO", end)
            found: list[Commands] = []
            while True:
                for line in ear.receive():
                    words = [_unquoted(word) for word in _QUOTED.findall(line)]
                    if words[:1] == [b"ECHO"] and words[1] == end:
                        return found
                    if words[0].upper() == b"EVALSHA":
                        found.append([])
                    elif b" lua]" in line.partition(b'"')[0] and words[0].upper() in WRITES:
                        found[-1].append(words)

        yield heard


class Floor:
    """Writes in a realm of its own what another one wrote."""

    def __init__(self, site: Site, source: str, name: str) -> None:
        self._sha = str(site.client.script_load(FLOOR))
        self._from, self._to = f"mm:{{{source}}}:".encode(), f"mm:{{{name}}}:".encode()

    def packed(self, commands: Commands) -> bytes:
        arguments: list[bytes] = []
        for command in commands:
            arguments.append(str(len(command)).encode())
            arguments += [word.replace(self._from, self._to, 1) for word in command]
        return packed("EVALSHA", self._sha, 0, *arguments)


def _send(wire: Wire, calls: Sequence[bytes]) -> None:
    for at in range(0, len(calls), CALLS_A_PIECE):
        wire.send(b"".join(calls[at : at + CALLS_A_PIECE]))
    wire.replies(len(calls))


def _round(site: Site, checks: int) -> dict[str, tuple[float, float]]:
    """µs a call of each step: ours, and the floor's."""
    site.empty()
    model, timed = Evening(site, "model", checks), Evening(site, "timed", checks)
    floor = Floor(site, "model", "floor")
    found: dict[str, tuple[float, float]] = {}
    parts: list[tuple[tuple[str, ...], Written]] = []
    with site.wire() as wire, overheard(site) as heard:
        for part in PARTS:
            model.meet(wire, part[0])
            wanted = {"": heard()}
            for name in part:
                if name == "report":
                    model.matched(wire)
                    heard()
                _send(wire, [packed_call(call) for call in model.step(name)])
                wanted[name] = heard()
            parts.append((part, {name: [floor.packed(one) for one in calls if one] for name, calls in wanted.items()}))
    # Only now: MONITOR would make both sides slow.
    for part, written in parts:
        found.update(_timed(site, timed, part, written, checks))
    return found


def _timed(
    site: Site, evening: Evening, part: Sequence[str], written: Written, checks: int
) -> dict[str, tuple[float, float]]:
    found = {}
    with site.wire() as wire:
        evening.meet(wire, part[0])
        _send(wire, written[""])
        for number, name in enumerate(part):
            if name == "report":
                evening.matched(wire)
            ours, floors = [packed_call(call) for call in evening.step(name)], written[name]
            assert len(floors) == len(ours), (name, len(floors))
            cpu = {}
            for mine, calls in ((True, ours), (False, floors))[:: 1 if number % 2 else -1]:
                cpu[mine] = site.cpu_of(partial(_send, wire, calls))
            found[name] = cpu[True] / checks, cpu[False] / checks
    _compare(site)
    return found


def _compare(site: Site) -> None:
    """Both realms must hold as much."""
    timed, floor = Keys("timed"), Keys("floor")
    for name in ("checks", "checking", "bodies", "matches", "playing", "tickets", "players"):
        ours, theirs = (int(site.client.hlen(getattr(keys, name))) for keys in (timed, floor))
        if ours != theirs:
            raise RuntimeError(f"{name} holds {ours} entries, the floor's {theirs}")


def measure(run: Run) -> Iterator[Figure]:
    checks, rounds = run.pick(2_000, 1_000), run.pick(9, 5)
    with site(run) as own:
        taken = [_round(own, checks) for _ in range(rounds + 1)][1:]
    for name in STEPS:
        ours, floors = zip(*(one[name] for one in taken), strict=True)
        yield median_of(NAME, name, ratios(ours, floors), "× the writes", GOAL)
        yield median_of(NAME, f"{name}: script", ours, "µs CPU a call")
        yield median_of(NAME, f"{name}: writes", floors, "µs CPU a call")


ROW = Row(NAME, "accept, decline and report at most 2 times the same writes", measure)
