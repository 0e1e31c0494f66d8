"""Your own match function, for queues with ``matching = "own"``: it gets a slice and proposes matches.

A match function is any callable that takes a :class:`Slice` and answers pairs of its tickets, as :class:`Proposal` or
as plain tuples. It decides alone: no rule is asked but that a queue with sides takes one ticket from each. What it
proposes is committed pair by pair, each in one step or not at all (``lua/pair.lua``). ``docs/own-matching.md`` has an
example.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, cast

from matchmaker.errors import InvalidInput, MatchFunctionFailed
from matchmaker.model import Ticket
from matchmaker.rules import QueueRules

SLICE_TICKETS: Final = 200
MOST_SLICE_TICKETS: Final = 1000
LEAST_AGAIN_SECONDS: Final = 0.05
"""A function that asks to be called again at once would be asked all the time."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of those who wait in one line, lowest rating first: all of a line that is no longer than a slice.

    A ticket's ``rating`` is the one it has in this queue; one with sides has the first of its sides', all of them are
    in its ``terms``. ``now_ms`` is the realm's time.
    """

    queue: str
    rules: QueueRules
    now_ms: int
    tickets: tuple[Ticket, ...]

    def waited_seconds(self, ticket: Ticket) -> float:
        """How long the ticket has waited."""
        return max(0, self.now_ms - ticket.enqueued_ms) / 1000


@dataclass(frozen=True, slots=True)
class Proposal:
    """Two tickets of a slice that are to play each other. ``one`` plays ``side``; "" in a queue without sides, and
    where the ratings are to decide it."""

    one: Ticket
    other: Ticket
    side: str = ""


Pair = Proposal | tuple[Ticket, Ticket]


@dataclass(frozen=True, slots=True)
class Proposals:
    """Pairs, and how soon to call again though nobody arrives: for functions that grow lenient with the wait. None:
    with the next arrival. Less than 0.05 s counts as that much."""

    pairs: Iterable[Pair]
    again_seconds: float | None = None


MatchFunction = Callable[[Slice], Iterable[Pair] | Proposals]


@dataclass(frozen=True, slots=True)
class Refused:
    """A proposal that is not sent. ``names`` are its tickets, or what stood in their place."""

    reason: str
    names: tuple[str, ...]


@dataclass(slots=True)
class Choice:
    """What a function made of a slice: proposals that may be sent, those that may not, seconds until the next call."""

    proposals: list[Proposal] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    again_seconds: float | None = None


@contextmanager
def _somebody_elses(what: str) -> Iterator[None]:
    """The boundary to code that is not ours, the only one: whatever it raises becomes one error.

    :raises MatchFunctionFailed: for every exception.
    """
    try:
        yield
    except Exception as fault:
        raise MatchFunctionFailed(what, fault) from fault


def match_function(named: str) -> MatchFunction:
    """The function of ``MODULE:FUNCTION``; the part behind the colon may have dots.

    :raises InvalidInput: the module cannot be imported, has no such name, or it is not callable.
    """
    module_name, colon, path = named.partition(":")
    if not (module_name and colon and path):
        raise InvalidInput("function", named, "MODULE:FUNCTION, as in pairing:by_table")
    try:
        with _somebody_elses(named):
            found: object = importlib.import_module(module_name)
    except MatchFunctionFailed as fault:
        raise InvalidInput("function", named, f"a module that can be imported; {fault.reason}") from fault
    for name in path.split("."):
        if not hasattr(found, name):
            raise InvalidInput("function", named, f"a name that {module_name} has; {name} is none")
        found = getattr(found, name)
    if not callable(found):
        raise InvalidInput("function", named, f"something that can be called; {path} is of type {type(found).__name__}")
    return cast(MatchFunction, found)


def choose(function: MatchFunction, given: Slice) -> Choice:
    """Calls the function and examines its answer: each pair is of two tickets of the slice, each ticket in one pair.

    :raises MatchFunctionFailed: it raised something, or answered nothing that can be read.
    """
    choice = Choice()
    with _somebody_elses(f"the match function of {given.queue!r}"):
        answer = function(given)
        pairs: object = answer
        if isinstance(answer, Proposals):
            pairs, again = answer.pairs, answer.again_seconds
            if again is not None:
                if not math.isfinite(again) or again < 0:
                    raise InvalidInput("again_seconds", again, "a finite number, 0 or more")
                choice.again_seconds = max(LEAST_AGAIN_SECONDS, again)
        if isinstance(pairs, str) or not isinstance(pairs, Iterable):
            raise InvalidInput("answer", pairs, "pairs of tickets of the slice")
        # No more pairs than tickets are read: who repeats himself for ever is not listened to for ever.
        found = list(islice(pairs, len(given.tickets)))
    _examine(given, found, choice)
    return choice


def _examine(given: Slice, found: Iterable[object], choice: Choice) -> None:
    here = {ticket.id for ticket in given.tickets}
    counts: dict[str, int] = {}
    pairs = []
    for one in found:
        pair = one if isinstance(one, Proposal) else _as_proposal(one)
        if pair is None:
            choice.refused.append(Refused("not a pair of tickets", (repr(one)[:80],)))
            continue
        pairs.append(pair)
        for id_ in {pair.one.id, pair.other.id}:
            counts[id_] = counts.get(id_, 0) + 1
    for pair in pairs:
        reason = _why_refused(pair, here, counts, given.rules.sides)
        if reason:
            choice.refused.append(Refused(reason, (pair.one.id, pair.other.id)))
        else:
            choice.proposals.append(pair)


def _as_proposal(found: object) -> Proposal | None:
    if isinstance(found, tuple) and len(found) == 2 and all(isinstance(ticket, Ticket) for ticket in found):
        return Proposal(*found)
    return None


def _why_refused(pair: Proposal, here: set[str], counts: dict[str, int], sides: Iterable[str]) -> str:
    """Nothing for a proposal that may be sent. Of two that share a ticket neither is: which one is meant?"""
    both = (pair.one.id, pair.other.id)
    if not here.issuperset(both):
        return "a ticket that is not in the slice"
    if pair.one.id == pair.other.id:
        return "one ticket twice"
    if any(counts[id_] > 1 for id_ in both):
        return "a ticket in two proposals"
    return "" if pair.side in ("", *sides) else f"side {pair.side!r}, which the queue does not have"
