"""What enqueue refuses of one ticket among several: by the caller's names and values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from matchmaker import errors
from matchmaker.model import TicketRequest
from matchmaker.terms import value_at

_OF_A_TICKET: Final = re.compile(r"tickets\[(\d+)\]\.(.+)", re.DOTALL)


def refused_enqueue(
    error: errors.MatchmakerError | None, requests: Sequence[TicketRequest]
) -> errors.MatchmakerError | None:
    """The error with the caller's value, where the script names ``tickets[<from 1>].<field>``; of one ticket alone
    without that prefix."""
    found = _OF_A_TICKET.fullmatch(error.field) if isinstance(error, errors.InvalidInput) else None
    if found is None or not isinstance(error, errors.InvalidInput):
        return error
    value = value_at(requests[int(found[1]) - 1], found[2])
    field = error.field if len(requests) > 1 else found[2]
    return errors.InvalidInput(field, value, error.bound, missing=value is None)


def misfit(reply: object) -> tuple[int, errors.InvalidInput] | None:
    """Which of several tickets, counted from 0, a whole call was refused for, and its error as that of it alone."""
    found = _OF_A_TICKET.fullmatch(reply.field) if isinstance(reply, errors.InvalidInput) else None
    if found is None or not isinstance(reply, errors.InvalidInput):
        return None
    return int(found[1]) - 1, errors.InvalidInput(found[2], reply.value, reply.bound, missing=reply.value is None)
