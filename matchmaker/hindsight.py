"""The regret of a realm's queues, out of its event stream: a plan that reads a bounded window, and what follows.

Nothing here is in the way of a match: pages of :data:`PAGE_EVENTS` events, newest first and :data:`MOST_EVENTS` in all,
each some 0.3 ms of the server; the arithmetic (``regret.py``) is the reader's, and none of the server's.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from matchmaker import errors
from matchmaker.calls import Calls, Command, Plan
from matchmaker.compatibility import Standing, best_pair, open_from
from matchmaker.model import EventKind, checked_text
from matchmaker.regret import Meeting, Offers, Regret, Stay, plain_offers, rate_of, regret
from matchmaker.reports import StoredRules
from matchmaker.rules import QueueRules
from matchmaker.rules.fields import to_ms
from matchmaker.standing import queues_of, standing_in

PAGE_EVENTS: Final = 250
MOST_EVENTS: Final = 20_000
"""Events one reading looks at. Of a queue that hardly anybody joins beside a busy one, it may find few tickets."""

PAIR: Final = 2
TICKETS: Final = 150
MOST_TICKETS: Final = 400
"""Blossom takes some 0.5 s for 150 tickets, and 20 s for 400."""


@dataclass(frozen=True, slots=True)
class Window:
    """What happened to the latest tickets of one queue: oldest first, up to realm ms ``until_ms``."""

    queue: str
    rules: QueueRules
    stays: tuple[Stay, ...]
    meetings: tuple[Meeting, ...]
    outside: int
    until_ms: int
    complete: bool


@dataclass(frozen=True, slots=True)
class _End:
    """How a ticket ended, in which queue; ``match`` is the match's event and ``points`` its gap and price, "" and 0 of
    one that was not matched."""

    at_ms: int
    queue: str
    match: str = ""
    points: float = 0.0


_Lives = list[tuple[Stay, _End | None]]
"""Tickets of one queue, newest first; with the end of those that were matched in it."""


def checked_last(last: object) -> int:
    """A number of tickets that may be asked for, else :class:`InvalidInput`."""
    if not isinstance(last, int) or isinstance(last, bool) or not 2 <= last <= MOST_TICKETS:
        raise errors.InvalidInput("last", last, f"a whole number of tickets, 2 … {MOST_TICKETS}")
    return last


def windows_plan(calls: Calls, queue: str | None = None, last: int = TICKETS) -> Plan[list[Window]]:
    """The last tickets that joined the queue, or each queue of the realm, as far back as one reading goes.

    :raises InvalidInput: there is no such name, or ``last`` is out of bounds.
    :raises UnknownQueue: no such queue. :raises UnknownRealm: no such realm.
    """
    checked_last(last)
    if queue is not None:
        checked_text("queue", queue)
    stored: dict[str, StoredRules] = yield calls.stored_rules()
    if not stored and queue is None:
        meta: dict[str, str] = yield calls.meta()
        if not meta:
            raise errors.UnknownRealm(calls.realm)
    if queue is not None and queue not in stored:
        raise errors.UnknownQueue(queue, calls.realm)
    wanted = [queue] if queue is not None else list(stored)
    found: dict[str, _Lives] = {name: [] for name in wanted}
    ends: dict[str, _End] = {}
    newest, complete = "+", False
    for _ in range(MOST_EVENTS // PAGE_EVENTS):
        if all(len(lives) >= last for lives in found.values()):
            break
        page: list[tuple[str, dict[str, Any]]] = yield _page(calls, newest)
        for event_id, body in page:
            _take(event_id, body, found, ends, last)
        if len(page) < PAGE_EVENTS:
            complete = True
            break
        newest = f"({page[-1][0]}"
    return [
        _window(name, stored[name].rules, lives, complete=complete or len(lives) >= last)
        for name, lives in found.items()
    ]


def regret_of(window: Window, rate: float | None = None) -> Regret:
    """The regret of a window; ``rate`` (points a second) in place of what its queue's rules say.

    Takes about half a second of this machine for 150 tickets: not for an event loop.
    """
    points_a_second = rate_of(window.rules) if rate is None else rate
    found = regret(
        window.stays,
        window.meetings,
        window.until_ms,
        points_a_second,
        offers_of(window),
        queue=window.queue,
    )
    return replace(found, outside=window.outside, complete=window.complete)


# -- what could have been ----------------------------------------------------------------------------------------------


def offers_of(window: Window) -> Offers:
    """What the queue's rules of now would have let meet, but for ``rematch``: whom one had met before, hindsight would
    have changed."""
    if window.rules.constraints is None:
        return plain_offers(window.rules.max_gap)
    return _constrained_offers(window.rules, window.queue)


def _constrained_offers(rules: QueueRules, queue: str) -> Offers:
    """From the moment at which nothing forbids the pair any more, and from each at which it gets cheaper."""
    known: dict[tuple[str, int], Standing] = {}
    relaxing = [
        to_ms(one.relax_after_seconds) for one in rules.distance.values() if one.relax_after_seconds is not None
    ]

    def standing(stay: Stay) -> Standing:
        key = stay.ticket, stay.since_ms
        if key not in known:
            known[key] = standing_in(rules, queue, stay.body)
        return known[key]

    def offers(one: Stay, other: Stay) -> Sequence[tuple[int, float]]:
        a, b = standing(one), standing(other)
        opened = open_from(rules, a, b)
        if opened is None:
            return []
        both = max(one.since_ms, other.since_ms)
        first = max(opened, both)
        moments = [first, *(both + relax for relax in relaxing if both + relax > first)]
        found = [(moment, best_pair(rules, a, b, moment)) for moment in moments]
        return [(moment, best.gap + best.price) for moment, best in found if best is not None]

    return offers


# -- reading the stream backwards --------------------------------------------------------------------------------------


def _page(calls: Calls, newest: str) -> Command[list[tuple[str, dict[str, Any]]]]:
    """Ids and bodies of the events up to ``newest``, newest first."""

    def parse(reply: Any) -> list[tuple[str, dict[str, Any]]]:
        return [(event_id, json.loads(_fields(entry)["body"])) for event_id, entry in reply]

    return Command(("XREVRANGE", calls.keys.events, newest, "-", "COUNT", str(PAGE_EVENTS)), parse)


def _fields(entry: Any) -> Mapping[str, str]:
    """A stream entry's fields, flat or mapped, as the client's protocol version has it."""
    return entry if isinstance(entry, dict) else dict(zip(entry[::2], entry[1::2], strict=True))


def _take(
    event_id: str, body: Mapping[str, Any], found: Mapping[str, _Lives], ends: dict[str, _End], last: int
) -> None:
    """The event before those that were taken already: an end is known before its ticket's beginning."""
    kind, at = body["event"], int(body["at"])
    if kind == EventKind.ENQUEUED:
        end = ends.pop(body["ticket"], None)
        for queue in queues_of(body):
            if queue in found and len(found[queue]) < last:
                matched = end is not None and end.match != "" and end.queue == queue
                left_ms = None if end is None or matched else end.at_ms
                stay = Stay(body["ticket"], _rating(body, queue), at, left_ms, body["player"], body)
                found[queue].append((stay, end if matched else None))
    elif kind == EventKind.MATCHED:
        end = _End(at, body["queue"], event_id, float(body["gap"]) + float(body.get("price", 0.0)))
        ends.update((member["ticket"], end) for team in body["teams"] for member in team)
    elif kind in (EventKind.CANCELLED, EventKind.EXPIRED):
        ends[body["ticket"]] = _End(at, body["queue"])


def _rating(body: Mapping[str, Any], queue: str) -> float:
    given = body.get("ratings", {}).get(queue)
    return float(body["rating"] if given is None else given["rating"])


def _window(queue: str, rules: QueueRules, lives: _Lives, *, complete: bool) -> Window:
    """The tickets of the queue that no match ties to one from before them, in the order of arrival."""
    members = Counter(end.match for _, end in lives if end is not None)
    inside = [(stay, end) for stay, end in reversed(lives) if end is None or members[end.match] == PAIR]
    meetings: list[Meeting] = []
    first: dict[str, int] = {}
    for number, (_, end) in enumerate(inside):
        if end is not None and first.setdefault(end.match, number) != number:
            meetings.append(Meeting(first[end.match], number, end.at_ms, end.points))
    moments = [*(stay.since_ms for stay, _ in inside), *(meeting.at_ms for meeting in meetings)]
    return Window(
        queue=queue,
        rules=rules,
        stays=tuple(stay for stay, _ in inside),
        meetings=tuple(meetings),
        outside=len(lives) - len(inside),
        until_ms=max(moments, default=0),
        complete=complete,
    )
