"""A realm seen from both ends: what its scripts are asked, and what they leave behind."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import redis

from matchmaker import Matchmaker
from matchmaker.calls import Batch, Call, Calls
from matchmaker.errors import MatchmakerError
from matchmaker.keys import Keys
from matchmaker.model import Ticket, TicketRequest
from matchmaker.reports import PassReport
from matchmaker.rules import QueueRules
from matchmaker.scripts import script
from matchmaker.willingness import Waiting
from tests.lua.function_calls import BY_FUNCTION, FunctionRunner
from tests.lua.headers import header
from tests.servers import remove_keys

START_MS: Final = 1_700_000_000_000
"""When virtual time begins: a moment of today's size, so that rounding shows."""

QUEUE: Final = "ladder"

_READERS: Final[dict[bytes, Callable[[redis.Redis, bytes], Any]]] = {
    b"string": lambda client, key: client.get(key),
    b"hash": lambda client, key: client.hgetall(key),
    b"zset": lambda client, key: client.zrange(key, 0, -1, withscores=True),
    b"list": lambda client, key: client.lrange(key, 0, -1),
    b"stream": lambda client, key: (client.xrange(key), client.xinfo_groups(key)),
}


@dataclass
class World:
    """One realm in virtual time. ``now`` is its clock: tests move it. ``by_function`` calls functions (FCALL) instead
    of scripts (EVALSHA)."""

    client: Any
    realm: str
    now: int = START_MS
    by_function: bool = BY_FUNCTION
    mm: Matchmaker = field(init=False)

    def __post_init__(self) -> None:
        self.mm = Matchmaker(self.client, self.realm, clock=lambda: self.now)
        if self.by_function:
            self.mm.runner = FunctionRunner(self.client)

    @property
    def calls(self) -> Calls:
        return self.mm.calls

    @property
    def keys(self) -> Keys:
        return self.mm.calls.keys

    # -- asking ----------------------------------------------------------------------------------------------------

    def apply(self, rules: QueueRules | None = None, queue: str = QUEUE, *, prune: bool = False, **realm: Any) -> None:
        """The queue gets these rules, or the defaults, and its line is certified under them; ``realm`` are a new
        realm's own settings."""
        self.mm.apply_rules({queue: rules or QueueRules()}, prune=prune, **realm)
        self.tend(queue)

    def tend(self, queue: str = QUEUE, places: int = 256) -> int:
        """Does all the work that new rules left in the line; answers in how many calls."""
        calls = 1
        while self.run(self.calls.tend(queue, places)).work:
            calls += 1
            assert calls < 1000, "the work does not end"
        return calls

    def enqueue(self, player: str, rating: float, *, queue: str = QUEUE, **more: Any) -> Ticket:
        """The player joins with ticket ``t-<player>``."""
        return self.mm.enqueue(queue, player, rating=rating, **{"ticket": f"t-{player}", **more})

    def arrive(self, waiting: Sequence[Waiting], queue: str = QUEUE) -> None:
        """Everybody joins at their own moment, in one round trip; player and ticket have one name."""
        calls = []
        for one in sorted(waiting, key=lambda one: one.enqueued_ms):
            self.now = one.enqueued_ms
            calls.append(
                self.calls.enqueue(
                    queue, [TicketRequest(one.ticket, one.rating, one.deviation or None, ticket=one.ticket)]
                )
            )
        for answer in self.mm.runner.batch(Batch(calls)):
            assert not isinstance(answer, MatchmakerError), answer

    def run(self, call: Call[Any]) -> Any:
        return self.mm.runner.call(call)

    def match_pass(self, places: int = 256, *, queue: str = QUEUE, ahead: bool = False, shown: int = 100) -> PassReport:
        return self.mm.runner.call(self.calls.match_pass(queue, places, ahead=ahead, shown=shown))

    def raw(self, name: str, *args: Any, line: str = QUEUE, keys: Sequence[str] | None = None) -> Any:
        """The script's reply as it comes, to any arguments. Its code is one of its header's."""
        stated = header(name)
        brought = keys or (
            self.keys.line_keys(line) if stated.keys > len(self.keys.realm_keys()) else self.keys.realm_keys()
        )
        if isinstance(self.mm.runner, FunctionRunner):
            reply = self.client.execute_command(*self.mm.runner.words(name, tuple(brought), args))
        else:
            reply = self.client.eval(script(name).source, len(brought), *brought, *args)
        for one in reply if name == "enqueue" else [reply]:
            assert one[0].decode() in stated.codes, one
        return reply

    # -- what is left behind -----------------------------------------------------------------------------------------

    def dump(self) -> dict[bytes, Any]:
        """Every key of the realm with all that is in it, but for the clock, which every call may move, and the moment
        of the last housekeeping."""
        names = set(self.client.scan_iter(match=f"{self.keys.prefix}*", count=1000)) - {self.keys.clock.encode()}
        found = {name: _READERS[self.client.type(name)](self.client, name) for name in sorted(names)}
        found.get(self.keys.meta.encode(), {}).pop(b"kept_ms", None)
        return found

    def line(self, queue: str = QUEUE) -> list[tuple[str, float]]:
        """Ticket and rating of everybody on the line, lowest first."""
        return _scores(self.client, self.keys.line(queue))

    def certificates(self, queue: str = QUEUE) -> dict[str, float]:
        """Ticket -> stored moment."""
        return dict(_scores(self.client, self.keys.line_due(queue)))

    def due(self) -> dict[str, float]:
        """Line -> stored moment."""
        return dict(_scores(self.client, self.keys.due))

    def ends(self) -> dict[str, float]:
        """Ticket -> moment of its expiry."""
        return dict(_scores(self.client, self.keys.ends))

    def hints(self) -> list[str]:
        return [line.decode() for line in self.client.lrange(self.keys.wake, 0, -1)]

    def meta(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.client.hgetall(self.keys.meta).items()}

    def events(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Id, kind and body of everything in the stream."""
        entries = self.client.xrange(self.keys.events)
        return [(id_.decode(), entry[b"event"].decode(), json.loads(entry[b"body"])) for id_, entry in entries]

    def live(self) -> set[str]:
        """Tickets that have a record."""
        return {name.decode() for name in self.client.hkeys(self.keys.tickets)}

    def assert_coherent(self, queue: str = QUEUE) -> None:
        """Line, records, players, certificates and expiries tell of the same tickets."""
        on_line = {ticket for ticket, _ in self.line(queue)}
        assert on_line == self.live()
        assert on_line == {ticket.decode() for ticket in self.client.hvals(self.keys.players)}
        assert self.certificates(queue).keys() <= on_line
        assert self.ends().keys() <= on_line

    # -- what players hear -------------------------------------------------------------------------------------------

    @contextmanager
    def ear(self) -> Iterator[Ear]:
        """Hears what is published to the realm's players from now on."""
        with self.client.pubsub() as pubsub:
            pubsub.psubscribe(self.keys.channel("*"))
            assert pubsub.get_message(timeout=5) is not None
            yield Ear(self, pubsub)


@dataclass
class Ear:
    """The messages of all players' channels."""

    world: World
    pubsub: Any

    def heard(self) -> list[tuple[str, dict[str, Any]]]:
        """Player and body of every message up to now, in order. A message of our own marks the end."""
        end = self.world.keys.channel(f"end-{uuid.uuid4().hex}")
        self.world.client.publish(end, "")
        messages: list[tuple[str, dict[str, Any]]] = []
        while True:
            message = self.pubsub.get_message(timeout=5)
            assert message is not None, "the mark was not heard"
            channel = message["channel"].decode()
            if channel == end:
                return messages
            messages.append((self.world.keys.player_of(channel), json.loads(message["data"])))


def _scores(client: Any, key: str) -> list[tuple[str, float]]:
    return [(member.decode(), score) for member, score in client.zrange(key, 0, -1, withscores=True)]


@contextmanager
def new_world(
    client: redis.Redis, rules: QueueRules | None = None, *, by_function: bool = BY_FUNCTION
) -> Iterator[World]:
    """A realm for one example, with one queue of these rules; its keys go with it."""
    world = World(client, f"x-{uuid.uuid4().hex[:16]}", by_function=by_function)
    try:
        world.apply(rules)
        yield world
    finally:
        remove_keys(client, world.realm)
