"""A match of a queue with constraints: was its pair allowed, and is it told as the rules say? No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from matchmaker.checker.ledger import Ledger
from matchmaker.checker.meetings import Meetings
from matchmaker.checker.stories import MatchStory, Story
from matchmaker.checker.terms import places_told
from matchmaker.checker.versions import Versions
from matchmaker.checker.violation import Code
from matchmaker.compatibility import (
    NO_SIDE,
    Standing,
    best_pair,
    draw,
    first_bar,
    left_in_pool,
    price,
    region_of,
    server_of,
)
from matchmaker.rules import QueueRules
from matchmaker.standing import standing_in
from matchmaker.willingness import EPS

TOLD: Final = 1e-9
"""Events tell numbers to ten digits."""

Found = tuple[Code, str]


@dataclass(frozen=True)
class Known:
    """The two tickets of a match, as the stream told of them when they came."""

    one: Standing
    other: Standing
    stories: tuple[Story, Story]

    @classmethod
    def of(cls, match: MatchStory, rules: QueueRules, ledger: Ledger, meetings: Meetings) -> Known | None:
        """None where the beginning of one was trimmed."""
        stories = ledger.tickets[match.one.ticket], ledger.tickets[match.other.ticket]
        if not (stories[0].event and stories[1].event):
            return None
        one, other = (_standing(rules, match.queue, story, meetings) for story in stories)
        return cls(one, other, stories)


def _standing(rules: QueueRules, queue: str, story: Story, meetings: Meetings) -> Standing:
    """The ticket as the queue's rules read it. Kept is only what a rule read when it came."""
    found = standing_in(rules, queue, story.brought)
    kept = _attributes_kept(story, meetings.versions)
    if kept is not None:
        sets = {name: values for name, values in found.sets.items() if name in kept}
        numbers = {name: number for name, number in found.numbers.items() if name in kept}
        found = replace(found, sets=sets, numbers=numbers)
    return replace(found, met=meetings.brought_by(story)) if rules.rematch is not None else found


def _attributes_kept(story: Story, versions: Versions) -> set[str] | None:
    """Attributes that a rule of one of its queues read beyond its class; None where that is unknown."""
    kept: set[str] = set()
    for queue in story.queues:
        came_under = story.in_force.get(queue)
        rules = versions.of(queue, came_under[0]) if came_under else None
        if rules is None:
            return None
        kept |= {*rules.any_of, *rules.range, *rules.distance}
    return kept


def judge_constrained(
    match: MatchStory, rules: QueueRules, known: Known, given: tuple[float, float], free: bool
) -> Iterator[Found]:
    """The faults of one match, its gap and value aside. One that is ``free`` is bound by no rule but that of sides."""
    one, other, at = known.one, known.other, match.at_ms
    if rules.sides and match.sides != tuple(rules.sides):
        yield Code.MATCH_RULES, f"has the sides {match.sides}, the rules {rules.sides}"
        return
    sides = match.sides if rules.sides else (NO_SIDE, NO_SIDE)
    if sides[0] not in one.at or sides[1] not in other.at:
        yield Code.MATCH_RULES, f"has the sides {sides}, of which one was not offered"
        return
    yield from _members(match, rules, known)
    wanted = price(rules, one, other, at)
    if not abs(wanted - match.price) <= max(EPS, TOLD * wanted):
        yield Code.MATCH_VALUE, f"tells a price of {match.price}, it is {wanted}"
    forbidden = [] if free else list(_allowed(match, rules, known, given))
    yield from forbidden or _placed(match, rules, one, other)


def _allowed(match: MatchStory, rules: QueueRules, known: Known, given: tuple[float, float]) -> Iterator[Found]:
    one, other, at = known.one, known.other, match.at_ms
    bar = first_bar(rules, one, other, at)
    if bar is not None:
        yield Code.MATCH_RULES, f"was not allowed: {bar[0]} (gap {match.gap}, willingness {given[0]} and {given[1]})"
        return
    if rules.matching == "own":
        yield Code.MATCH_RULES, "was made by nobody's proposal"
    best = best_pair(rules, one, other, at)
    if best is not None and match.value < best.value - max(EPS, TOLD * abs(best.value)):
        yield Code.MATCH_RULES, f"has a value of {match.value}, the other way round it is {best.value}"


def _members(match: MatchStory, rules: QueueRules, known: Known) -> Iterator[Found]:
    """What is told of each of the two, against the place at which it was matched."""
    for k, ticket in enumerate((match.one, match.other)):
        side = match.sides[k] if rules.sides else ""
        for place in places_told(rules, match.queue, known.stories[k].brought):
            if place.side_name != side:
                continue
            told = ticket.rating, ticket.deviation, match.choices[k]
            if told != (place.rating, place.deviation, place.choice):
                yield Code.EVENT_DISAGREES, f"tells {told} of {ticket.ticket}, it came with {place}"


def _placed(match: MatchStory, rules: QueueRules, one: Standing, other: Standing) -> Iterator[Found]:
    """Region, server and picks."""
    wanted: dict[str, Any] = {}
    place = region_of(rules, one, other, match.at_ms)
    if place is not None:
        wanted["region"], wanted["ping"] = place
    server = server_of(rules, one, other)
    if server is not None:
        wanted["server"] = server
    picks = {pool: draw(rules, pool, one, other) for pool in rules.pool if left_in_pool(rules, pool, one, other)}
    if picks:
        wanted["picks"] = picks
    if dict(match.where) != wanted:
        yield Code.MATCH_PLACE, f"tells {dict(match.where)}, the rules say {wanted}"
