"""What must hold for the terms and places of one waiting ticket: against its event, the rules and its lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from matchmaker.checker.picture import Picture, QueueView, line_of, of_side
from matchmaker.checker.records import Record
from matchmaker.checker.stories import Story
from matchmaker.checker.terms import Terms, disagreements, lacks, places_told
from matchmaker.checker.violation import Code
from matchmaker.keys import queue_of

Found = tuple[Code, str]


def judge_places(picture: Picture, ticket: str, record: Record, told: Story | None) -> Iterator[Found]:
    """Everything about where a waiting ticket stands, and why."""
    terms = picture.terms(ticket)
    if not record.has_terms:
        if terms is not None:
            yield Code.TERMS_WRONG, "has terms, of which its record does not tell"
        elif _wants_terms(picture.queues.get(record.queue)):
            yield Code.TERMS_WRONG, f"has no terms, though {record.queue!r} has constraints"
        wanted = {record.queue: record.rating}
    elif terms is None:
        yield Code.TERMS_WRONG, "has no terms, of which its record tells"
        return
    else:
        if (terms.since, terms.player) != (record.enqueued_ms, record.player):
            yield Code.TERMS_WRONG, f"has terms of {terms.player!r} since {terms.since}"
        if told is not None and told.event:
            yield from _as_told(picture.queues, terms, told)
        yield from _bounded(picture, terms)
        wanted = {of_side(place.line, place.side_name): place.rating for place in terms.at}
    if ticket in picture.checking:
        # It has its terms, and stands nowhere.
        wanted, terms = {}, None
    queues = told.queues if told is not None else [record.queue]
    yield from _standing(picture, ticket, wanted, queues)
    yield from _aged(picture, ticket, terms)


def _wants_terms(view: QueueView | None) -> bool:
    return view is not None and view.rules is not None and view.rules.constraints is not None and view.work is None


def _as_told(views: Mapping[str, QueueView], terms: Terms, told: Story) -> Iterator[Found]:
    """Terms against the ticket's event and the rules of each of its queues."""
    yield from ((Code.TERMS_WRONG, what) for what in disagreements(terms, told.brought))
    for place in terms.at:
        if queue_of(place.line) not in told.queues:
            yield Code.TERMS_WRONG, f"has a place in {place.line!r} but waits in {', '.join(told.queues)}"
    for queue in told.queues:
        view = views.get(queue)
        if view is None or view.rules is None or view.work is not None:
            continue  # on its way to other rules, or out
        try:
            wanted = places_told(view.rules, queue, told.brought)
        except KeyError as missing:
            yield Code.TERMS_WRONG, f"waits in {queue!r}, whose rules ask for {missing}"
            continue
        if terms.places_in(queue) != wanted:
            yield Code.TERMS_WRONG, f"has the places {terms.places_in(queue)} in {queue!r}, its event tells {wanted}"
        came_under = told.in_force.get(queue)
        if came_under is not None and came_under[0] == view.version:
            for name in lacks(terms, view.rules):
                yield Code.TERMS_WRONG, f"has no {name}, which the rules of {queue!r} ask for"


def _bounded(picture: Picture, terms: Terms) -> Iterator[Found]:
    """What is known of all of a line must be no less than what each of them brings."""
    for place in terms.at:
        view = picture.queues.get(queue_of(place.line))
        bound = picture.deviations.get(place.line, 0.0)
        if _wants_terms(view) and place.deviation > bound:
            yield Code.DEVIATION_LOW, f"has a deviation of {place.deviation} in {place.line!r}, the most is {bound}"


def _standing(picture: Picture, ticket: str, wanted: Mapping[str, float], queues: list[str]) -> Iterator[Found]:
    """Its places, by the names of :func:`of_side`."""
    found = {name: line[ticket] for name, line in picture.lines.items() if ticket in line}
    for name in sorted(wanted.keys() | found.keys()):
        where = place_text(name)
        if name not in found:
            yield Code.OFF_LINE, f"waits in {where} but does not stand there"
        elif name not in wanted:
            yield Code.LINE_GHOST, f"stands in {where} but waits in {', '.join(map(repr, queues))}"
        elif found[name] != wanted[name]:
            yield Code.LINE_RATING, f"stands at {found[name]} in {where}, its rating there is {wanted[name]}"


def _aged(picture: Picture, ticket: str, terms: Terms | None) -> Iterator[Found]:
    """Its age in each of its lines with constraints."""
    places = {place.line for place in terms.at} if terms is not None else set()
    for line in sorted(places):
        view = picture.queues.get(queue_of(line))
        if terms is None or view is None or view.rules is None or (view.work or "")[:1] in ("=", "r"):
            continue  # its lines are not yet those of its rules
        wanted = terms.since if view.rules.constraints is not None else None
        found = picture.ages.get(line, {}).get(ticket)
        if found != wanted:
            yield Code.AGE_WRONG, f"is since {found} in {line!r}, it should be {wanted}"
    for line in sorted(line for line, ages in picture.ages.items() if ticket in ages and line not in places):
        yield Code.AGE_WRONG, f"has an age in {line!r} without standing there"


def place_text(name: str) -> str:
    """A line or one side of it, for a message."""
    line, side = line_of(name)
    return f"{line!r}" + (f" as {side}" if side else "")
