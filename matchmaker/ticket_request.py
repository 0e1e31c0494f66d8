"""What a caller sends to be matched; its constructor is the validation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from ulid import ULID

from matchmaker.errors import InvalidInput
from matchmaker.terms import Attribute, Side, check_terms, has_terms, terms_of
from matchmaker.values import BOUNDS, Data, Deviation, PlayerId, Rating, TicketId


def new_ticket_id() -> str:
    """A fresh ticket id: a ULID, unique without asking anybody."""
    return str(ULID())


_FIELDS = ("player", "rating", "deviation", "data", "ticket")
_CHECK = TypeAdapter(
    tuple[PlayerId, Rating | None, Deviation | None, Data, TicketId], config=ConfigDict(strict=True)
).validator.validate_python


@dataclass(frozen=True, slots=True)
class TicketRequest:
    """One player's wish to be matched. ``ticket`` is the caller's id for it: the same id again is the same request.

    :param rating: points, finite, within ±1,000,000; None for the one that is known of the player in the queue.
    :param deviation: uncertainty of the rating in points, 0 to 1,000,000; None where nobody knows, and for the one
        that is known with the rating.
    :param data: opaque text that every event of the ticket carries back.
    :param sides: what the player offers in queues with sides, by side: a rating, or a :class:`Side`.
    :param ratings: ratings by queue, for a ticket in several queues; ``rating`` counts for those not named.
    :param attributes: what rules compare: a text, a number, or a collection of texts each.
    :param accepts: by attribute, the lowest and highest number of an opponent's.
    :param pings: milliseconds, measured, by region.
    :param region: where the player is, for queues that know servers by regions.
    :param vetoes: by pool, the names that are not to be drawn.
    :param avoid: players never to meet.
    :raises InvalidInput: names the field, as in ``sides.bw.rating``, its value and what is allowed.
    """

    player: str
    rating: float | None = None
    deviation: float | None = None
    data: str = ""
    ticket: str = field(default_factory=new_ticket_id)
    sides: Mapping[str, Side | float] | None = field(default=None, kw_only=True)
    ratings: Mapping[str, Side | float] | None = field(default=None, kw_only=True)
    attributes: Mapping[str, Attribute] | None = field(default=None, kw_only=True)
    accepts: Mapping[str, tuple[float, float]] | None = field(default=None, kw_only=True)
    pings: Mapping[str, float] | None = field(default=None, kw_only=True)
    region: str | None = field(default=None, kw_only=True)
    vetoes: Mapping[str, Sequence[str]] | None = field(default=None, kw_only=True)
    avoid: Sequence[str] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        try:
            _CHECK((self.player, self.rating, self.deviation, self.data, self.ticket))
        except ValidationError as refused:
            place = refused.errors(include_url=False, include_context=False)[0]["loc"][0]
            name = _FIELDS[int(place)]
            raise InvalidInput(name, getattr(self, name), BOUNDS[name]) from None
        if has_terms(self):
            check_terms(self)

    def as_json(self) -> str:
        """The form that ``lua/enqueue.lua`` reads."""
        body: dict[str, Any] = {"ticket": self.ticket, "player": self.player}
        if self.rating is not None:
            body["rating"] = float(self.rating)
        if self.deviation is not None:
            body["deviation"] = float(self.deviation)
        if self.data:
            body["data"] = self.data
        if has_terms(self):
            body |= terms_of(self)
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
