"""Match functions for the tests of proposers, by name: ``tests.integration.pairing:neighbours``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from matchmaker.model import Ticket
from matchmaker.proposals import Pair, Proposal, Proposals, Slice

NOT_CALLABLE = 7


def neighbours(given: Slice) -> list[Pair]:
    """Everybody with the next on the line."""
    return list(zip(given.tickets[::2], given.tickets[1::2], strict=False))


def choosy(given: Slice) -> Iterator[Pair]:
    """Fails for whoever is called so; pairs the others."""
    if any(ticket.player.startswith("poison") for ticket in given.tickets):
        raise ZeroDivisionError("of the test")
    yield from neighbours(given)


def careless(given: Slice) -> list[object]:
    """Every mistake there is, and one good pair: the first two."""
    if len(given.tickets) < 7:
        return []
    first, second, third, fourth, fifth, sixth, last = given.tickets[:7]
    stranger = Ticket("t-stranger", given.queue, first.players, 0)
    return [(first, second), (third, third), (fourth, fifth), (sixth, fifth), (last, stranger), "not a pair", (last,)]


def widening(given: Slice) -> Proposals:
    """Neighbours within 100 points for each half second that both have waited."""
    pairs: list[Pair] = [
        (one, other)
        for one, other in pairwise(given.tickets)
        if other.rating - one.rating <= 200 * min(given.waited_seconds(one), given.waited_seconds(other))
    ]
    return Proposals(pairs[:1], again_seconds=0.1 if len(given.tickets) > 1 else None)


def first_side(given: Slice) -> list[Pair]:
    """The two who joined first, the earlier one on the second side of the queue."""
    first, *others = sorted(given.tickets, key=lambda ticket: ticket.id)
    return [Proposal(first, others[0], given.rules.sides[1])] if others else []


def broken(given: Slice) -> None:
    """Forgets to answer."""
    assert given.tickets


def farthest(given: Slice) -> list[Pair]:
    """The ends of a slice that is as long as the tests ask for."""
    return [(given.tickets[0], given.tickets[-1])] if len(given.tickets) == 10 else []
