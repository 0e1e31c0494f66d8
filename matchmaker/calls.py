"""One typed method a script: builds the call, parses the reply, does no I/O.

What several calls make together is a *plan*: a generator that yields calls and is sent their parsed replies (or has
their errors thrown in). ``runner.py`` drives plans over a blocking or an asyncio connection, so both faces of the
package run the same lines.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from matchmaker import errors
from matchmaker.explanation import Explanation, parse_lines
from matchmaker.keys import Keys, lines_of
from matchmaker.match_replies import (
    open_match_of,
    parse_accepted,
    parse_declined,
    parse_finished,
    parse_lapsed,
    parse_state,
    parse_told,
)
from matchmaker.misfits import refused_enqueue
from matchmaker.model import (
    By,
    Event,
    Match,
    ReadyCheck,
    Result,
    Ticket,
    TicketRequest,
    parse_event,
    ticket_of_event,
)
from matchmaker.reports import (
    Accepted,
    Agenda,
    Declined,
    Elsewhere,
    History,
    Lapsed,
    OpenMatch,
    PassReport,
    Pending,
    QueueChange,
    StoredRules,
)
from matchmaker.rules import QueueRules
from matchmaker.scripts import Reply, Script, refusal, script

T = TypeVar("T")
Clock = Callable[[], int]

PASS_PLACES = 128
"""Places of a line that one pass may look at: one slice of a dense line, some 2 ms on a slow core."""

TICKETS_A_CALL = 50
"""Tickets that one call enqueues, cancels or clears; 1 to 2 ms."""

DATA_A_CALL = 16384
"""Characters of ticket data that one call enqueues; text is checked and copied several times on its way."""

CALLS_A_BATCH = 20
"""Calls that travel in one pipeline: 1,000 tickets, which an event loop packs in some 20 ms."""

PAGE_TICKETS = 200
HISTORY_TICKETS = 32


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One run of one script. ``parse`` gets the reply as text, nested lists kept."""

    script: Script
    keys: tuple[str, ...]
    args: tuple[str, ...]
    parse: Callable[[list[Any]], T]


@dataclass(frozen=True, slots=True)
class Command(Generic[T]):
    """One plain command, for reads that no script has to protect."""

    args: tuple[str, ...]
    parse: Callable[[Any], T]


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """Calls that travel together; the reply is a list of results, or of the errors in their place."""

    calls: Sequence[Call[T] | Command[T]]


@dataclass(frozen=True, slots=True)
class Rated:
    """What a database knows of a player in a queue, in points."""

    rating: float
    deviation: float | None = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """Ratings to be asked of the database, if the runner has one; the reply is :data:`Found`, or None without any.

    ``default`` is for players nobody knows: they are created with it.
    """

    queue: str
    players: tuple[str, ...]
    default: Rated


Found = Mapping[str, Rated | errors.MatchmakerError]
"""Player -> rating, or why it could not be told; every player of the lookup is there."""

Plan = Generator[Call[Any] | Command[Any] | Batch[Any] | Lookup, Any, T]


def _asks_rating(request: TicketRequest, queues: Sequence[str]) -> bool:
    """Whether the realm may have to tell a rating. Sides bring their own: which queue has any, its rules know."""
    if request.rating is not None or (request.sides and len(queues) == 1):
        return False
    return not request.ratings or any(queue not in request.ratings for queue in queues)


def moment(text: str) -> int | None:
    """Realm ms as a script writes them, \"\" for none."""
    return int(float(text)) if text else None


def _fields(reply: Any) -> dict[str, str]:
    """The reply of HGETALL, flat or mapped, as the protocol version has it."""
    if isinstance(reply, dict):
        return dict(reply)
    return dict(zip(reply[::2], reply[1::2], strict=True))


def parse_ticket(reply: Sequence[str]) -> Ticket:
    """The ticket of a reply ``state, ticket, ms, event id, previous id, body``."""
    _, ticket_id, _, event_id, prev, body = reply
    ticket = ticket_of_event(parse_event(event_id, prev, body), ticket_id) if body else None
    if ticket is None:
        raise errors.UnknownTicket(ticket_id)
    return ticket


def parse_page(reply: Sequence[str]) -> tuple[list[Ticket], str]:
    """The tickets of a page and the position of the next."""
    _, position, *flat = reply
    events = (parse_event(*flat[i + 1 : i + 4]) for i in range(0, len(flat), 4))
    return [event.ticket for event in events if event.ticket], position


def _parse_report(reply: Sequence[str]) -> PassReport:
    _, now, looked, made, value, following, due, line, ends, work, *matches = reply
    events = [parse_event(id_, "", body) for id_, body in zip(matches[::2], matches[1::2], strict=True)]
    return PassReport(
        now_ms=int(now),
        looked=int(looked),
        made=int(made),
        value=float(value),
        next_ms=moment(following),
        due_ms=moment(due),
        due_line=line,
        ends_ms=moment(ends),
        work=work == "1",
        matches=tuple(event.match for event in events if event.match),
        checks=tuple(event.check for event in events if event.check),
    )


class Calls:
    """Calls on one realm. ``clock`` answers realm ms for a realm in virtual time; without it server time rules."""

    def __init__(self, realm: str, clock: Clock | None = None) -> None:
        self.realm = realm
        self.keys = Keys(realm)
        self._realm_keys = self.keys.realm_keys()
        self._clock = clock

    def _now(self) -> str:
        return "" if self._clock is None else str(self._clock())

    def _refuse(self, reply: Sequence[str]) -> None:
        error = refusal(self.realm, reply)
        if error is not None:
            raise error

    def _call(
        self,
        name: str,
        args: Sequence[object],
        parse: Callable[[list[Any]], T],
        line: str = "",
        keys: tuple[str, ...] | None = None,
    ) -> Call[T]:
        def checked(reply: list[Any]) -> T:
            if not isinstance(reply[0], list):
                self._refuse(reply)
            return parse(reply)

        brought = keys or (self.keys.line_keys(line) if line else self._realm_keys)
        return Call(script(name), brought, tuple(str(arg) for arg in args), checked)

    # -- tickets ---------------------------------------------------------------------------------------------------

    def enqueue(
        self, queues: str | Sequence[str], requests: Sequence[TicketRequest]
    ) -> Call[list[Ticket | errors.MatchmakerError]]:
        """At most :data:`TICKETS_A_CALL` tickets into one queue or several; each gets its ticket or its own refusal.

        A call of several that is refused for one of its tickets raises what :func:`~matchmaker.misfits.misfit` reads.
        """
        names = (queues,) if isinstance(queues, str) else tuple(queues)

        def parse(reply: list[Any]) -> list[Ticket | errors.MatchmakerError]:
            if len(reply) == 1 and len(requests) > 1:
                raise refused_enqueue(refusal(self.realm, reply[0]), requests) or errors.ScriptFault("enqueue", reply)
            return [refused_enqueue(refusal(self.realm, one), requests) or parse_ticket(one) for one in reply]

        args = [self._now(), self.keys.channel_prefix, ",".join(names), *(request.as_json() for request in requests)]
        asks = any(_asks_rating(request, names) for request in requests)
        keys = self.keys.rated_keys(names[0]) if asks else self.keys.line_keys(names[0])
        return self._call("enqueue", args, parse, keys=keys)

    def default_rating(self, queue: str) -> Command[Rated]:
        """What the queue's rules say of players nobody knows."""

        def parse(compiled: str) -> Rated:
            if not compiled:
                raise errors.UnknownQueue(queue, self.realm)
            rules = QueueRules.from_compiled(compiled)
            return Rated(rules.default_rating, rules.default_deviation)

        return Command(("HGET", self.keys.rules, f"q:{queue}"), parse)

    def remember_ratings(self, queue: str, found: Mapping[str, Rated]) -> list[Command[int]]:
        """Puts what a lookup found where enqueue reads. What came there meanwhile, by an import, stays."""
        scores = [part for player, rated in found.items() for part in (repr(rated.rating), player)]
        commands: list[Command[int]] = [Command(("ZADD", self.keys.ratings(queue), "NX", *scores), int)]
        for player, rated in found.items():
            if rated.deviation is not None:
                commands.append(Command(("HSETNX", self.keys.deviations(queue), player, repr(rated.deviation)), int))
        return commands

    def store_ratings(self, queue: str, rated: Mapping[str, Rated]) -> list[Command[int]]:
        """Puts ratings where enqueue reads, over what stands there.

        Deviations first, and \"\" where there is none: a lookup that runs at the same moment then adds nothing old.
        """
        deviations = [
            part
            for player, one in rated.items()
            for part in (player, "" if one.deviation is None else repr(one.deviation))
        ]
        scores = [part for player, one in rated.items() for part in (repr(one.rating), player)]
        return [
            Command(("HSET", self.keys.deviations(queue), *deviations), int),
            Command(("ZADD", self.keys.ratings(queue), "CH", *scores), int),
        ]

    def cancel(self, queue: str, kind: str, id_: str, reason: str) -> Call[Ticket | Elsewhere]:
        def parse(reply: list[Any]) -> Ticket | Elsewhere:
            return Elsewhere(reply[1]) if reply[0] == Reply.ELSEWHERE else parse_ticket(reply)

        return self._call("cancel", [self._now(), self.keys.channel_prefix, queue, kind, id_, reason], parse, queue)

    def heartbeat(self, ticket_id: str) -> Call[Ticket]:
        return self._call("heartbeat", [self._now(), ticket_id], parse_ticket)

    def status(self, kind: str, id_: str) -> Call[Ticket]:
        return self._call("status", [kind, id_], parse_ticket)

    def explain(self, kind: str, id_: str, most: int) -> Call[Explanation]:
        """What keeps a ticket waiting; ``most`` candidates below and above each of its places are told."""

        def parse(reply: list[Any]) -> Explanation:
            if reply[0] != Reply.EXPLAINED:
                return Explanation(parse_ticket(reply[:6]), int(reply[6]))
            ticket = parse_ticket([Reply.WAITING, *reply[1:6]])
            return Explanation(ticket, int(reply[6]), parse_lines(reply[7]))

        return self._call("explain", [kind, id_, most], parse)

    def expire(self, queue: str, ticket_ids: Sequence[str]) -> Call[int]:
        args = [self._now(), self.keys.channel_prefix, queue, *ticket_ids]
        return self._call("expire", args, lambda reply: int(reply[1]), queue)

    def overdue(self, now_ms: int, most: int) -> Call[list[tuple[str, str]]]:
        """Tickets whose time is over, with their queues."""
        return self._call("overdue", [now_ms, most], lambda reply: list(zip(reply[1::2], reply[2::2], strict=True)))

    # -- matching --------------------------------------------------------------------------------------------------

    def match_pass(
        self, queue: str, places: int = PASS_PLACES, *, ahead: bool = False, shown: int = 0
    ) -> Call[PassReport]:
        args = [self._now(), self.keys.channel_prefix, queue, places, int(ahead), shown]
        return self._call("pass", args, _parse_report, queue)

    def tend(self, queue: str, places: int = PASS_PLACES) -> Call[PassReport]:
        """A part of the slow work that new rules left to do in the line."""
        return self._call("tend", [self._now(), self.keys.channel_prefix, queue, places], _parse_report, queue)

    def pair(
        self, queue: str, one: str, other: str, *, side: str = "", version: int | None = None
    ) -> Call[Match | ReadyCheck]:
        """A match of two tickets that the caller chose, or its ready check; ``one`` plays ``side`` if that is given.
        With a ``version`` of the rules it is refused under any other."""

        def parse(reply: list[Any]) -> Match | ReadyCheck:
            event = parse_event(reply[1], "", reply[2]) if reply[2] else None
            made = None if event is None else event.match or event.check
            if made is None:
                raise errors.UnknownMatch(reply[1])
            return made

        args = [self._now(), self.keys.channel_prefix, queue, one, other, side, "" if version is None else version]
        return self._call("pair", args, parse, queue)

    def peek(self, most: int) -> Call[Agenda]:
        def parse(reply: list[Any]) -> Agenda:
            _, now, absorbed, due, ends, *overdue = reply
            lines = tuple((line, int(float(at))) for line, at in zip(overdue[::2], overdue[1::2], strict=True))
            return Agenda(int(now), int(absorbed), moment(due), moment(ends), lines)

        return self._call("peek", [self._now(), most], parse)

    # -- ready checks and open matches -----------------------------------------------------------------------------

    def accept(self, check: str, player: str) -> Call[Accepted | Match]:
        args = [self._now(), self.keys.channel_prefix, check, player]
        return self._call("accept", args, partial(parse_accepted, check))

    def decline(self, check: str, player: str) -> Call[Declined]:
        return self._call("decline", [self._now(), self.keys.channel_prefix, check, player], parse_declined)

    def report(
        self, match: str, by: By, who: str, ranks: Sequence[int], left: Sequence[str] = ()
    ) -> Call[Pending | Result]:
        told = [json.dumps(list(part), ensure_ascii=False, separators=(",", ":")) for part in (ranks, left)]
        return self._call("report", [self._now(), self.keys.channel_prefix, match, by, who, *told], parse_told)

    def abort(self, match: str, by: By, who: str, reason: str) -> Call[Result]:
        return self._call("abort", [self._now(), self.keys.channel_prefix, match, by, who, reason], parse_finished)

    def leave(self, match: str, player: str) -> Call[Pending | Result]:
        return self._call("leave", [self._now(), self.keys.channel_prefix, match, player], parse_told)

    def match_state(self, id_: str) -> Call[OpenMatch | Result | ReadyCheck]:
        """How a match or a ready check stands. What is over and of which only the event tells: see :meth:`event`."""
        return self._call("match", [id_], parse_state)

    def lapse(self, most: int) -> Call[Lapsed]:
        """Ends ready checks and open matches whose time is over."""
        return self._call("lapse", [self._now(), self.keys.channel_prefix, most], parse_lapsed)

    def rate(self, settled: Sequence[str]) -> Call[int]:
        """Shows and tells settled matches, each as JSON, at most 100; answers the number of the last one told."""

        def parse(reply: list[Any]) -> int:
            if reply[0] != Reply.RATED:
                raise errors.ScriptFault("rate", reply)
            return int(reply[1])

        return self._call("rate", [self._now(), self.keys.channel_prefix, *settled], parse)

    def open_matches(self, cursor: str) -> Command[tuple[str, list[OpenMatch]]]:
        """Some matches that are not finished, and the cursor to go on with, "0" after the last."""

        def parse(reply: Any) -> tuple[str, list[OpenMatch]]:
            following, found = reply
            return following, [open_match_of(id_, json.loads(text)) for id_, text in _fields(found).items()]

        return Command(("HSCAN", self.keys.matches, cursor, "COUNT", str(PAGE_TICKETS)), parse)

    def event(self, event_id: str) -> Command[Event | None]:
        """The event of that id, None where the stream no longer has it."""

        def parse(reply: Any) -> Event | None:
            return next((parse_event(id_, "", _fields(fields)["body"]) for id_, fields in reply), None)

        return Command(("XRANGE", self.keys.events, event_id, event_id), parse)

    # -- reading ---------------------------------------------------------------------------------------------------

    def history(self, player: str, after: str, ticket: str, most: int) -> Call[History]:
        def parse(reply: list[Any]) -> History:
            end, floor, server, offset, further, *flat = reply
            events = [parse_event(*flat[i : i + 3]) for i in range(0, len(flat), 3)]
            events.reverse()
            return History(Reply(end), int(floor), int(server) + int(offset), further, tuple(events))

        return self._call("history", [player, after, ticket, most], parse)

    def snapshot(
        self, queue: str, position: str, most: int, *, line: str | None = None
    ) -> Call[tuple[list[Ticket], str]]:
        """One page of a line and the position of the next, "" after the last; of ``line`` if the queue has constraints,
        which is paged by age."""

        keys = self.keys.line_keys(queue) if line is None else self.keys.page_keys(line)
        return self._call("snapshot", [position, most], parse_page, keys=keys)

    def ring(self, match_id: str) -> Call[int]:
        return self._call("ring", ["", self.keys.channel_prefix, match_id], lambda reply: int(reply[1]))

    def page(self, line: str, side: str, position: str, most: int) -> Call[tuple[list[Ticket], str]]:
        """One page of a line, or of a side of it, lowest rating there first, and the position of the next, "" after the
        last."""
        keys = (*self._realm_keys, self.keys.line(line, side), self.keys.line_due(line))
        return self._call("snapshot", [position, most], parse_page, keys=keys)

    def newest(self, line: str, most: int) -> Command[list[tuple[str, int]]]:
        """The tickets of a line with constraints that came last, and when, latest first."""

        def parse(reply: Any) -> list[tuple[str, int]]:
            flat = [part for one in reply for part in (one if isinstance(one, list) else [one])]
            return [(ticket, int(float(since))) for ticket, since in zip(flat[::2], flat[1::2], strict=True)]

        return Command(("ZRANGE", self.keys.line_ages(line), "0", str(most - 1), "REV", "WITHSCORES"), parse)

    def size(self, queue: str) -> Command[int]:
        """How many tickets wait in the queue's own line: all of them, unless it has classes or sides."""
        return Command(("ZCARD", self.keys.line(queue)), int)

    def lines(self) -> Command[dict[str, int]]:
        """The lines of queues with constraints in which anybody waits, with how many."""

        def parse(reply: Any) -> dict[str, int]:
            return {line: int(count) for line, count in sorted(_fields(reply).items())}

        return Command(("HGETALL", self.keys.lines), parse)

    def next_due(self, queue: str, lines: Mapping[str, int]) -> Command[int | None]:
        """When the next pair of the queue falls due in any of its lines, realm ms; ``lines`` are the realm's."""

        def parse(scores: Any) -> int | None:
            return min((int(float(score)) for score in scores if score), default=None)

        return Command(("ZMSCORE", self.keys.due, *{queue: None, **dict.fromkeys(lines_of(queue, lines))}), parse)

    # -- the realm -------------------------------------------------------------------------------------------------

    def stored_rules(self) -> Command[dict[str, StoredRules]]:
        """The rules of every queue of the realm, by name."""

        def parse(reply: Any) -> dict[str, StoredRules]:
            fields = _fields(reply)
            queues = sorted(name[2:] for name in fields if name.startswith("q:"))
            return {
                queue: StoredRules(
                    queue,
                    int(fields[f"n:{queue}"]),
                    QueueRules.from_compiled(fields[f"q:{queue}"]),
                    fields.get(f"c:{queue}") == "closing",
                )
                for queue in queues
            }

        return Command(("HGETALL", self.keys.rules), parse)

    def own_rules(self, queue: str) -> Command[StoredRules | None]:
        """The rules of a queue whose matches are proposed (``matching = "own"``). None where there is no such queue, or
        it is not matched now: it is being removed, or new rules have yet to say where its tickets stand."""

        def parse(reply: Any) -> StoredRules | None:
            compiled, version, work = reply
            rules = QueueRules.from_compiled(compiled) if compiled else None
            if rules is None or rules.matching != "own" or work.startswith(("closing", "reshape", "=")):
                return None
            return StoredRules(queue, int(version), rules, False)

        return Command(("HMGET", self.keys.rules, f"q:{queue}", f"n:{queue}", f"c:{queue}"), parse)

    def meta(self) -> Command[dict[str, str]]:
        """The realm's meta hash; empty for a realm that does not exist."""
        return Command(("HGETALL", self.keys.meta), _fields)

    def apply(
        self, compiled: Sequence[tuple[str, str]], *, prune: bool, dry: bool, retain_ms: int, max_backlog: int
    ) -> Call[list[QueueChange]]:
        def parse(reply: list[Any]) -> list[QueueChange]:
            flat = reply[1:]
            return [QueueChange(flat[i], flat[i + 1], int(flat[i + 2])) for i in range(0, len(flat), 3)]

        flat = [part for pair in compiled for part in pair]
        return self._call("apply", [self._now(), int(prune), int(dry), retain_ms, max_backlog, *flat], parse)

    def clear(
        self, queue: str, until: str, position: str, most: int, *, line: str | None = None
    ) -> Call[tuple[int, str, str]]:
        """Cancels some of those in the queue, or in ``line`` of a queue with constraints."""
        args = [self._now(), self.keys.channel_prefix, queue, until, position, most]
        keys = self.keys.line_keys(queue) if line is None else self.keys.page_keys(line)
        return self._call("clear", args, lambda reply: (int(reply[1]), reply[2], reply[3]), keys=keys)
