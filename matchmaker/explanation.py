"""Why a ticket still waits: what ``explain`` answers, as data and in words. Moments are realm ms, ratings points.

The realm tells it with the functions of a pass: whoever is due here, a pass can match the ticket with.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from matchmaker.model import Ticket, TicketState
from matchmaker.words import counted, plain, points, span

OVERDUE_MS: Final = 10_000
"""How late a pass may be before that itself is the reason for a wait: idle matchers look every 4 s."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the ticket stands, and who it could play there by the sides alone.

    ``gives`` is its willingness now; ``in_reach`` counts those within the queue's ``max_gap``, ``below``, ``beside``
    and ``above`` those of a lower, the same and a higher rating.
    """

    rating: float
    gives: float
    in_reach: int
    below: int
    beside: int
    above: int
    side: str = ""
    deviation: float = 0.0

    @property
    def others(self) -> int:
        return self.below + self.beside + self.above


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody near the ticket. ``value`` is that of the pair now, ``price`` what the pair costs beyond its gap.

    ``due_ms`` is the first moment, from now on, at which a pass may match the two, None for never. Unless that is now,
    ``rule`` names the first rule that keeps them apart and ``from_ms`` the moment from which that one lets them pass,
    None for never; ``relax_ms`` is the wait after which both give it up, ``met_ms`` when they met last. Where that rule
    passes but the two are never due, ``bar`` names the first rule that never passes.
    """

    ticket: str
    player: str
    rating: float
    gap: float
    price: float
    gives: float
    value: float
    waited_ms: int
    due_ms: int | None = None
    rule: str = ""
    from_ms: int | None = None
    side: str = ""
    own_side: str = ""
    relax_ms: int | None = None
    met_ms: int | None = None
    bar: str = ""


@dataclass(frozen=True, slots=True)
class LineView:
    """One line in which the ticket stands, seen from there: nearest candidates first.

    ``work`` is what is being done to the queue, "" for nothing; ``own`` is set where passes make no matches because a
    function of the operator's proposes them: no rule binds it, and no candidate has ``due_ms`` or ``rule``.
    ``looks_ms`` is when a pass looks at the ticket next, None for when somebody comes; ``elsewhere`` counts who
    waits in other classes; ``soonest`` is the ticket of the candidate that falls due first.
    """

    line: str
    queue: str
    rules: int
    max_gap: float
    places: tuple[Place, ...]
    candidates: tuple[Candidate, ...]
    elsewhere: int = 0
    work: str = ""
    own: bool = False
    looks_ms: int | None = None
    soonest: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """The ticket's values of what the queue keeps apart."""
        _, _, values = self.line.partition("=")
        return tuple(values.split(",")) if values else ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known of one ticket at ``now_ms``; ``lines`` is empty once it waits no more."""

    ticket: Ticket
    now_ms: int
    lines: tuple[LineView, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON: every member of the lines, and the ticket by id, player, state and times."""
        ticket = self.ticket
        return {
            "ticket": ticket.id,
            "player": ticket.player,
            "state": ticket.state.value,
            "queues": list(ticket.queues),
            "enqueued_ms": ticket.enqueued_ms,
            "ended_ms": ticket.ended_ms,
            "reason": ticket.reason,
            "match": ticket.match_id,
            "now_ms": self.now_ms,
            "lines": [dataclasses.asdict(line) for line in self.lines],
        }


# -- reading -----------------------------------------------------------------------------------------------------------

_MOMENTS: Final = ("due_ms", "from_ms", "relax_ms", "met_ms", "waited_ms", "looks_ms")


def _read(kind: Callable[..., Any], told: Mapping[str, Any]) -> Any:
    """Members that this version does not know are left out."""
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: int(one) if name in _MOMENTS else one for name, one in told.items() if name in known})


def parse_lines(text: str) -> tuple[LineView, ...]:
    """The lines as the script tells them."""

    def line(told: Mapping[str, Any]) -> LineView:
        places = tuple(_read(Place, one) for one in told["places"])
        candidates = tuple(_read(Candidate, one) for one in told["candidates"])
        found: LineView = _read(LineView, {**told, "places": places, "candidates": candidates})
        return found

    return tuple(line(told) for told in json.loads(text))


# -- in words ----------------------------------------------------------------------------------------------------------

_SENTENCES: Final[Mapping[str, str]] = {
    "sides": "both offer the same side",
    "same": "they are of different {name}",
    "any_of": "they share no {name}",
    "range": "{name} is not what both accept",
    "latency": "no region is near enough to both",
    "servers": "no server is known for their regions",
    "pool": "every {name} is vetoed",
    "avoid": "one of them avoids the other",
    "rematch": "they met lately",
    "max_gap": "the gap is over max_gap {max_gap}",
    "value": "what they give is less than the gap",
}
"""Every rule by the first word of its name, in the order in which they are asked."""


def sentences(explanation: Explanation) -> list[str]:
    """Why the ticket waits, or how it ended, one line a thought; several queues follow each other."""
    if explanation.ticket.state is not TicketState.WAITING:
        return [_ending(explanation)]
    return [text for line in explanation.lines for text in _paragraph(explanation, line)]


def _ending(explanation: Explanation) -> str:
    ticket = explanation.ticket
    ended = ticket.enqueued_ms if ticket.ended_ms is None else ticket.ended_ms
    player, queue = plain(ticket.player), plain(ticket.queue)
    when = f"{span(explanation.now_ms - ended)} ago, after {span(ended - ticket.enqueued_ms)} in {queue}"
    if ticket.check is not None:
        others = ", ".join(plain(one) for one in ticket.check.players if one != ticket.player)
        left = span(max(0, ticket.check.until_ms - explanation.now_ms))
        return (
            f"{player} is asked to accept a match with {others} in {queue}: {left} are left, check {ticket.check.id}."
        )
    if ticket.match is not None:
        others = ", ".join(plain(one) for one in ticket.match.opponents_of(ticket.player))
        return f"{player} was matched with {others} {when}: gap {points(ticket.match.gap)}."
    if ticket.state is TicketState.EXPIRED:
        return f"{player} waits no more: the ticket expired {when}."
    reason = f" ({plain(ticket.reason)})" if ticket.reason else ""
    return f"{player} waits no more: the ticket was {ticket.state.value} {when}{reason}."


def _paragraph(explanation: Explanation, line: LineView) -> Iterator[str]:
    now = explanation.now_ms
    opening = _opening(explanation, line)
    if line.work in ("closing", "reshape"):
        why = "the queue is being removed" if line.work == "closing" else "new rules changed its sides or classes"
        yield f"{opening} It will be cancelled: {why}."
        return
    told = [_candidate(line, one, now) for one in line.candidates]
    yield f"{opening} {f'Nearest: {told[0]}' if told else _nobody(line)}"
    soonest = [one.ticket for one in line.candidates].index(line.soonest) if line.soonest else 0
    for i, text in enumerate(told[1:], 1):
        yield f"{'Soonest' if i == soonest else 'Then'}: {text}"
    if line.own:
        yield "A function of yours decides: beyond sides and same no rule of the queue binds it."
    elif told:
        yield _around(line)
    if line.elsewhere and told:
        yield f"{counted(line.elsewhere, 'ticket')} of other classes cannot be met."
    yield from _state(line, now)


def _opening(explanation: Explanation, line: LineView) -> str:
    waited = span(explanation.now_ms - explanation.ticket.enqueued_ms)
    where = line.queue + (f" ({', '.join(line.classes)})" if line.classes else "")
    who = f"{plain(explanation.ticket.player)} waits {waited} in {plain(where)}"
    standing = [
        (f"as {p.side} " if p.side else "")
        + f"at {points(p.rating)}"
        + ("" if line.own else f" and would give {_points(p.gives)}")
        for p in line.places
    ]
    return f"{f'{who} ' if standing else who}{', '.join(standing)}."


def _points(value: float) -> str:
    said = points(value)
    return f"{said} point" if said == "1" else f"{said} points"


def _nobody(line: LineView) -> str:
    sides = [place.side for place in line.places if place.side]
    what = f" to play against {' or '.join(sides)}" if sides else ""
    if line.elsewhere:
        return (
            f"Nobody waits in the same class{what}; {counted(line.elsewhere, 'ticket')} of other classes cannot be met."
        )
    return f"Nobody else waits there{what}."


def _around(line: LineView) -> str:
    """``3 others: 2 below, 1 above; 2 within max_gap 300.``"""
    return " ".join(
        f"{_crowd(place)}{f'{place.in_reach:,}' if place.in_reach else 'none'} within max_gap {points(line.max_gap)}."
        for place in line.places
    )


def _crowd(place: Place) -> str:
    counts = (place.below, "below"), (place.beside, "beside"), (place.above, "above")
    where = ", ".join(f"{count:,} {word}" for count, word in counts if count)
    others = f"{counted(place.others, 'other')}: {where}; " if place.others else "nobody; "
    return f"As {place.side} {others}" if place.side else others


def _state(line: LineView, now: int) -> Iterator[str]:
    if line.work:
        yield (
            "New rules are being brought in: nobody is matched before that is done."
            if line.work.startswith("=")
            else "New rules are being brought in: moments may come late until that is done."
        )
    elif line.looks_ms is not None and now - line.looks_ms > OVERDUE_MS:
        late = span(now - line.looks_ms)
        yield f"A look at this ticket is due for {late}: does a matcher run? `matchmaker doctor` tells."
    elif (
        not line.own
        and line.looks_ms is None
        and line.candidates
        and all(one.due_ms is None for one in line.candidates)
    ):
        yield "Only somebody who comes can change that."


def _candidate(line: LineView, one: Candidate, now: int) -> str:
    who = f"{plain(one.player)} {points(one.rating)}"
    if one.side:
        who = f"{plain(one.player)} as {one.side} {points(one.rating)}"
    if line.own:
        return f"{who} (gap {points(one.gap)})."
    parts = [f"gap {points(one.gap)}"]
    if one.price:
        parts.append(f"price {points(one.price)}")
    parts.append(f"gives {points(one.gives)}")
    return f"{who} ({', '.join(parts)}): {reason(line, one, now)}."


def reason(line: LineView, one: Candidate, now: int) -> str:
    """What keeps the candidate from the ticket, and when it passes."""
    if line.own:
        return "a function of yours decides"
    if not one.rule:
        if line.looks_ms is not None and line.looks_ms > now:
            return f"due now: the pass {_in(line.looks_ms - now)} takes one of those due"
        return "due now: the next pass takes one of those due"
    if one.rule == "value" and one.due_ms is not None:
        return f"due {_in(one.due_ms - now)}"
    said = _sentence(line, one, now)
    if one.from_ms is None:
        return f"{said}: never"
    passes = f"{said}: {_in(one.from_ms - now)}"
    if one.due_ms == one.from_ms:
        return passes
    if one.bar:
        return f"{passes}; then {_sentence(line, replace(one, rule=one.bar, relax_ms=None, met_ms=None), now)}: never"
    return passes + (", but never due" if one.due_ms is None else f", due {_in(one.due_ms - now)}")


def _sentence(line: LineView, one: Candidate, now: int) -> str:
    kind, _, name = one.rule.partition(".")
    said = _SENTENCES.get(kind, "the rule {rule} keeps them apart")
    said = said.format(name=plain(name) or "class", max_gap=points(line.max_gap), rule=plain(one.rule))
    if kind == "max_gap":
        said = f"gap {points(one.gap)} is over max_gap {points(line.max_gap)}"
    if kind == "value" and one.price:
        said += " and the price"
    if one.met_ms is not None:
        said = f"they met {span(now - one.met_ms)} ago"
    if one.relax_ms is not None and kind != "rematch":
        said += f" until both waited {span(one.relax_ms)}"
    return said


def _in(ms: int) -> str:
    """A tenth of a second at least: what is not now is not in 0 s."""
    return f"in {span(max(ms, 100))}"


def rule_kinds() -> Sequence[str]:
    """The first words of all rules' names, in the order in which they are asked."""
    return tuple(_SENTENCES)
