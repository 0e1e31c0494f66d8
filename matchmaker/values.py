"""Kinds of value that callers send, each with its bound in words. Checked by pydantic where a request is made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from matchmaker.errors import InvalidInput

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}$"
"""Names of realms and queues: plain, so that no name changes what a key means."""

MOST_POINTS = 1_000_000
"""Bound of ratings (either sign) and deviations, in points."""

MOST_QUEUES: Final = 8
"""Queues that one ticket may wait in at once."""

TICKET_PATTERN = r"^[A-Za-z0-9._:-]{1,64}$"
EVENT_PATTERN = r"^[0-9]{1,16}-[0-9]{1,16}$"
PLAYER_BYTES = 128
DATA_BYTES = 4096

BOUNDS: Final[Mapping[str, str]] = {
    "queue": "1 to 64 of a-z 0-9 _ -, beginning with a letter or digit",
    "realm": "1 to 64 of a-z 0-9 _ -, beginning with a letter or digit",
    "ticket": "1 to 64 of A-Z a-z 0-9 . _ : -",
    "player": f"1 to {PLAYER_BYTES} bytes of UTF-8 text without control characters",
    "rating": "a finite number, −1,000,000 … 1,000,000",
    "deviation": "a finite number, 0 … 1,000,000, or nothing",
    "data": f"text, at most {DATA_BYTES:,} bytes of UTF-8 without control characters",
    "after": "an event's id, as in 1732374000123-0",
    "match": "a match's id, as in 1732374000123-0",
    "check": "a ready check's id, as in 1732374000123-0",
}

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def plain(most_bytes: int) -> AfterValidator:
    """Refuses text that is longer in UTF-8, or holds control characters."""

    def check(text: str) -> str:
        try:
            length = len(text.encode())
        except UnicodeEncodeError:
            length = most_bytes + 1
        if length > most_bytes or _CONTROL.search(text):
            raise PydanticCustomError("plain_text", "not plain text of that length")
        return text

    return AfterValidator(check)


Rating = Annotated[float, Field(ge=-MOST_POINTS, le=MOST_POINTS, allow_inf_nan=False, strict=True)]
Deviation = Annotated[float, Field(ge=0, le=MOST_POINTS, allow_inf_nan=False, strict=True)]
Name = Annotated[str, Field(pattern=NAME_PATTERN, strict=True)]
PlayerId = Annotated[str, Field(min_length=1, strict=True), plain(PLAYER_BYTES)]
TicketId = Annotated[str, Field(pattern=TICKET_PATTERN, strict=True)]
EventId = Annotated[str, Field(pattern=EVENT_PATTERN, strict=True)]
Data = Annotated[str, Field(strict=True), plain(DATA_BYTES)]

_CHECKS: Mapping[str, TypeAdapter[str]] = {
    "queue": TypeAdapter(Name),
    "realm": TypeAdapter(Name),
    "ticket": TypeAdapter(TicketId),
    "player": TypeAdapter(PlayerId),
    "after": TypeAdapter(EventId),
    "match": TypeAdapter(EventId),
    "check": TypeAdapter(EventId),
}


def checked_text(name: str, value: object) -> str:
    """``value`` if it may be a ``name`` (a key of :data:`_CHECKS`), else :class:`InvalidInput`."""
    try:
        return _CHECKS[name].validate_python(value)
    except ValidationError:
        raise InvalidInput(name, value, BOUNDS[name]) from None


def checked_queues(value: object) -> tuple[str, ...]:
    """One queue, or up to :data:`MOST_QUEUES` different ones, each checked; else :class:`InvalidInput`."""
    if isinstance(value, str):
        return (checked_text("queue", value),)
    bound = f"a queue, or a list of 1 to {MOST_QUEUES} different ones"
    if not isinstance(value, (list, tuple)):
        raise InvalidInput("queue", value, bound)
    names = tuple(checked_text("queue", one) for one in value)
    if not 1 <= len(names) <= MOST_QUEUES or len(set(names)) < len(names):
        raise InvalidInput("queue", value, bound)
    return names
