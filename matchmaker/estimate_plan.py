"""Reads of estimated waits; see :mod:`matchmaker.estimates`."""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json

from matchmaker.calls import Calls, Command, Plan
from matchmaker.errors import InvalidInput
from matchmaker.estimates import VERSION, Estimate, Table, estimate
from matchmaker.model import Ticket, TicketState
from matchmaker.reports import Agenda


def table_of(calls: Calls, queue: str) -> Command[Table | None]:
    """What the realm's matchers published last of the queue; None for nothing, or what a newer program wrote."""

    def parse(text: Any) -> Table | None:
        try:
            table = from_json(text) if text else None
        except ValueError:
            return None
        return table if isinstance(table, dict) and table.get("v") == VERSION else None

    return Command(("HGET", calls.keys.estimates, queue), parse)


def checked_wait(rating: object, waited_seconds: object) -> tuple[float, int]:
    """Rating, and ms waited.

    :raises InvalidInput: one of them is no number within its bounds.
    """
    return _number("rating", rating, -1e6, 1e6), round(1000 * _number("waited_seconds", waited_seconds, 0, 1e9))


def _number(name: str, value: object, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise InvalidInput(name, value, f"a finite number, {low:,.0f} … {high:,.0f}")
    return float(value)


def estimate_plan(calls: Calls, queue: str, rating: float, waited_ms: int, side: str) -> Plan[Estimate | None]:
    """One read."""
    table: Table | None = yield table_of(calls, queue)
    return estimate(table, rating, waited_ms, side)


def estimate_ticket_plan(calls: Calls, ticket_id: str) -> Plan[Estimate | None]:
    """What is left for a ticket; None if it waits no more. Of several places the one that is found first counts."""
    ticket: Ticket = yield calls.status("ticket", ticket_id)
    if ticket.state is not TicketState.WAITING:
        return None
    agenda: Agenda = yield calls.peek(0)
    found: list[Estimate] = []
    for queue in ticket.queues:
        table: Table | None = yield table_of(calls, queue)
        for side, rating in _ratings(ticket, queue).items():
            told = estimate(table, rating, max(0, agenda.now_ms - ticket.enqueued_ms), side)
            if told is not None:
                found.append(told)
    return min(found, key=_sooner, default=None)


def _ratings(ticket: Ticket, queue: str) -> dict[str, float]:
    """The rating of each side the ticket offers in the queue, "" where it has none."""
    sides = ticket.terms.get("sides")
    if sides:
        return {side: float(told["rating"]) for side, told in sides.items()}
    own = ticket.terms.get("ratings", {}).get(queue)
    return {"": float(own["rating"]) if own else ticket.rating}


def _sooner(told: Estimate) -> tuple[float, float]:
    never = float("inf")
    return (
        never if told.p50_seconds is None else told.p50_seconds,
        never if told.p80_seconds is None else told.p80_seconds,
    )
