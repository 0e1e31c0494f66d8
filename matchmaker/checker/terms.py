"""The terms of a ticket as they are stored (``lua/lib/terms.lua``), read independently of the scripts, and what they
should be by the event that tells of its arrival. No I/O. Ratings are points, times realm ms, pings ms."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from matchmaker.checker.packed import unpack
from matchmaker.compatibility import Place as Rated
from matchmaker.compatibility import Standing
from matchmaker.keys import class_line, queue_of
from matchmaker.rules import QueueRules


class Place(NamedTuple):
    """One place of a ticket; ``side`` is counted from 1, 0 in a queue without sides, where the names are ""."""

    line: str
    side: int
    rating: float
    deviation: float
    choice: str
    side_name: str


@dataclass(frozen=True)
class Terms:
    """All that is kept of a ticket beyond its record. ``sets`` and ``vetoes`` are in order; ``met`` are players and
    when it met them; ``data`` is the caller's text, None for none."""

    since: float
    player: str
    at: tuple[Place, ...]
    sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    accepts: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    pings: Mapping[str, float] = field(default_factory=dict)
    region: str | None = None
    vetoes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    avoid: tuple[str, ...] = ()
    met: tuple[tuple[str, int], ...] = ()
    data: str | None = None

    def places_in(self, queue: str) -> list[Place]:
        return [place for place in self.at if queue_of(place.line) == queue]

    def standing(self, ticket: str, line: str) -> Standing:
        """What the rules of the line's queue read of the ticket; all of a line are of one class."""
        met: dict[str, int] = {}
        for player, at in self.met:
            met[player] = max(at, met.get(player, at))
        return Standing(
            ticket,
            self.player,
            int(self.since),
            {place.side_name: Rated(place.rating, place.deviation) for place in self.at if place.line == line},
            sets={name: frozenset(values) for name, values in self.sets.items()},
            numbers=self.numbers,
            accepts={name: (span[0], span[1]) for name, span in self.accepts.items()},
            pings=self.pings,
            region=self.region,
            vetoes={pool: frozenset(names) for pool, names in self.vetoes.items()},
            avoid=frozenset(self.avoid),
            met=met,
        )


def read_terms(packed: bytes) -> Terms:
    """:raises ValueError: these bytes are no terms."""
    try:
        found = unpack(packed)
        met = found.pop("met", [])
        terms = Terms(
            float(found.pop("since")),
            _text(found.pop("player")),
            tuple(map(_place, found.pop("at"))),
            sets={name: _parts(values) for name, values in found.pop("sets", {}).items()},
            numbers={name: float(number) for name, number in found.pop("numbers", {}).items()},
            accepts={name: (float(low), float(high)) for name, (low, high) in found.pop("accepts", {}).items()},
            pings={region: float(ping) for region, ping in found.pop("pings", {}).items()},
            region=found.pop("region", None),
            vetoes={pool: _parts(names) for pool, names in found.pop("vetoes", {}).items()},
            avoid=tuple(map(_text, found.pop("avoid", []))),
            met=tuple((_text(player), int(at)) for player, at in zip(met[::2], met[1::2], strict=True)),
            data=_data(_text(found.pop("tail", ""))),
        )
    except (KeyError, TypeError, AttributeError) as fault:
        raise ValueError(f"terms that cannot be read: {fault!r}") from fault
    if found or not terms.at:
        raise ValueError(f"terms with the unknown members {sorted(found)}" if found else "terms without a place")
    return terms


def read_met(packed: bytes) -> tuple[tuple[str, int], ...]:
    """Whom a player met lately, and when.

    :raises ValueError: these bytes tell of no meetings.
    """
    met = unpack(packed)
    if not isinstance(met, list):
        raise ValueError("meetings that are no list")
    try:
        return tuple((_text(player), int(at)) for player, at in zip(met[::2], met[1::2], strict=True))
    except TypeError as fault:
        raise ValueError(f"meetings that cannot be read: {fault!r}") from fault


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _place(stored: Any) -> Place:
    line, side, rating, deviation, choice, side_name = stored
    return Place(_text(line), int(side), float(rating), float(deviation), _text(choice), _text(side_name))


def _data(tail: str) -> str | None:
    """From the members of a match's JSON that follow the ticket's numbers."""
    return _text(json.loads("{" + tail[1:] + "}")["data"]) if tail else None


def _parts(joined: Any) -> tuple[str, ...]:
    return tuple(_text(joined).split("\0"))


# -- what they should be -----------------------------------------------------------------------------------------------


def places_told(rules: QueueRules, queue: str, body: Mapping[str, Any]) -> list[Place]:
    """Where the ticket of this event stands under these rules.

    :raises KeyError: it lacks what keeps the queue's classes apart, or a rating: it came under other rules.
    """
    line = class_line(queue, (str(body["attributes"][name]) for name in rules.same))
    if not rules.sides:
        rated = body.get("ratings", {}).get(queue, body)
        return [Place(line, 0, float(rated["rating"]), float(rated.get("deviation", 0.0)), "", "")]
    return [
        Place(line, i, float(one["rating"]), float(one.get("deviation", 0.0)), one.get("choice", ""), side)
        for i, side in enumerate(rules.sides, 1)
        if (one := body["sides"].get(side)) is not None
    ]


def disagreements(terms: Terms, body: Mapping[str, Any]) -> Iterator[str]:
    """What the terms keep otherwise than the event tells, places aside. Attributes that no rule reads are not kept."""
    attributes: Mapping[str, Any] = body.get("attributes", {})
    for name, values in terms.sets.items():
        given = attributes.get(name)
        if values != tuple(sorted([given] if isinstance(given, str) else given or ())):
            yield f"has {name} = {list(values)}, its event tells {given}"
    for name, number in terms.numbers.items():
        if attributes.get(name) != number:
            yield f"has {name} = {number}, its event tells {attributes.get(name)}"
    wanted: dict[str, Any] = {
        "since": body["at"],
        "player": body["player"],
        "accepts": {name: tuple(span) for name, span in body.get("accepts", {}).items()},
        "pings": dict(body.get("pings", {})),
        "region": body.get("region"),
        "vetoes": {pool: tuple(sorted(names)) for pool, names in body.get("vetoes", {}).items() if names},
        "avoid": tuple(body.get("avoid", ())),
    }
    for name, value in wanted.items():
        if getattr(terms, name) != value:
            yield f"has {name} = {getattr(terms, name)}, its event tells {value}"
    # A ticket that brought a rating alone got its terms later; of such a one the checker keeps less than its event.
    if "v" in body and terms.data != body.get("data"):
        yield f"has the data {terms.data!r}, its event tells {body.get('data')!r}"


def lacks(terms: Terms, rules: QueueRules) -> Iterator[str]:
    """Attributes that the rules ask of everybody and that the terms do not have."""
    yield from (name for name in rules.any_of if name not in terms.sets)
    yield from (name for name in {**rules.range, **rules.distance} if name not in terms.numbers)
