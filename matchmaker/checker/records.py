"""The packed forms of a ticket, read independently of the scripts that write them (``lua/lib/record.lua``,
``lua/lib/remember.lua``)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

_NUMBERS: Final = struct.Struct("<ddd")
_NUMBER: Final = struct.Struct("<d")


def text_of(raw: bytes) -> str:
    """Bytes as text, any bytes; :func:`bytes_of` gives the same ones back."""
    return raw.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@dataclass(frozen=True, slots=True)
class Record:
    """A live ticket as it is stored. Times are realm ms; ``prev_*`` is the player's last ending before it, or "".

    One that ``has_terms`` stands where its terms say, which need be neither its queue nor at its rating.
    """

    rating: float
    enqueued_ms: float
    deviation: float
    queue: str
    player: str
    event: str
    prev_event: str
    prev_ticket: str
    has_terms: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """An ended ticket as it is remembered."""

    how: str
    at_ms: float
    queue: str
    player: str
    event: str
    end_event: str
    prev_event: str
    prev_ticket: str


def unpack_record(packed: bytes) -> Record:
    """:raises ValueError: these bytes are no record."""
    if len(packed) < _NUMBERS.size:
        raise ValueError("a record cut short")
    rating, enqueued_ms, deviation = _NUMBERS.unpack_from(packed)
    (queue, player, event, prev_event, prev_ticket), place = _texts(packed, _NUMBERS.size, 5)
    members = int.from_bytes(packed[place : place + 2], "little")
    if place + 2 + members != len(packed):
        raise ValueError(f"a record of {len(packed)} bytes that should have {place + 2 + members}")
    has_terms = deviation < 0
    if has_terms:
        deviation = -1 - deviation
    return Record(rating, enqueued_ms, deviation, queue, player, event, prev_event, prev_ticket, has_terms)


def unpack_ended(packed: bytes) -> Ended:
    """:raises ValueError: these bytes are no remembered ticket."""
    if len(packed) < _NUMBER.size:
        raise ValueError("a remembered ticket cut short")
    (at_ms,) = _NUMBER.unpack_from(packed)
    (how, end_event, queue, player, event, prev_event, prev_ticket), place = _texts(packed, _NUMBER.size, 7)
    if place != len(packed):
        raise ValueError(f"a remembered ticket of {len(packed)} bytes that should have {place}")
    return Ended(how, at_ms, queue, player, event, end_event, prev_event, prev_ticket)


def _texts(packed: bytes, place: int, count: int) -> tuple[list[str], int]:
    """So many texts, each behind its length in one byte, and where the last one ends."""
    texts = []
    try:
        for _ in range(count):
            end = place + 1 + packed[place]
            texts.append(packed[place + 1 : end].decode("utf-8", "surrogateescape"))
            place = end
    except IndexError as fault:
        raise ValueError("texts cut short") from fault
    return texts, place
