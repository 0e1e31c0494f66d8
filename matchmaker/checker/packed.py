"""What scripts pack with ``cmsgpack``, read strictly: nothing, truth, numbers, text, lists and tables. No I/O."""

from __future__ import annotations

import struct
from typing import Any, Final

from matchmaker.checker.records import text_of

_NUMBERS: Final = {
    0xCA: struct.Struct(">f"),
    0xCB: struct.Struct(">d"),
    0xCC: struct.Struct(">B"),
    0xCD: struct.Struct(">H"),
    0xCE: struct.Struct(">I"),
    0xCF: struct.Struct(">Q"),
    0xD0: struct.Struct(">b"),
    0xD1: struct.Struct(">h"),
    0xD2: struct.Struct(">i"),
    0xD3: struct.Struct(">q"),
}
_WORDS: Final = {0xC0: None, 0xC2: False, 0xC3: True}
# The kind of what follows, and in how many bytes its length is given.
_LENGTHS: Final = {
    0xD9: ("text", 1),
    0xDA: ("text", 2),
    0xDB: ("text", 4),
    0xDC: ("list", 2),
    0xDD: ("list", 4),
    0xDE: ("table", 2),
    0xDF: ("table", 4),
}
_DEEPEST: Final = 16


def unpack(packed: bytes) -> Any:
    """The value: None, a bool, int, float, text, list or dict.

    :raises ValueError: these bytes are not one such value.
    """
    try:
        value, place = _value(packed, 0, 0)
    except (IndexError, struct.error) as fault:
        raise ValueError("a packed value cut short") from fault
    if place != len(packed):
        raise ValueError(f"a packed value of {len(packed)} bytes that should have {place}")
    return value


def _value(packed: bytes, place: int, depth: int) -> tuple[Any, int]:
    """The value at that place, and where it ends."""
    tag = packed[place]
    place += 1
    if tag < 0x80 or tag >= 0xE0:
        return tag - (0x100 if tag >= 0xE0 else 0), place
    if tag in _WORDS:
        return _WORDS[tag], place
    if tag in _NUMBERS:
        number = _NUMBERS[tag]
        return number.unpack_from(packed, place)[0], place + number.size
    if tag < 0xC0:
        kind, length = (
            ("table", tag & 0x0F) if tag < 0x90 else ("list", tag & 0x0F) if tag < 0xA0 else ("text", tag & 31)
        )
    elif tag in _LENGTHS:
        kind, size = _LENGTHS[tag]
        length, place = int.from_bytes(_part(packed, place, size), "big"), place + size
    else:
        raise ValueError(f"a packed value of the unknown kind {tag:#x}")
    if kind == "text":
        return text_of(_part(packed, place, length)), place + length
    if depth == _DEEPEST or length > len(packed) - place:
        raise ValueError(f"a packed {kind} of {length} that cannot be")
    return _list(packed, place, length, depth) if kind == "list" else _table(packed, place, length, depth)


def _part(packed: bytes, place: int, length: int) -> bytes:
    if place + length > len(packed):
        raise ValueError("a packed value cut short")
    return packed[place : place + length]


def _list(packed: bytes, place: int, length: int, depth: int) -> tuple[list[Any], int]:
    found = []
    for _ in range(length):
        value, place = _value(packed, place, depth + 1)
        found.append(value)
    return found, place


def _table(packed: bytes, place: int, length: int, depth: int) -> tuple[dict[Any, Any], int]:
    found: dict[Any, Any] = {}
    for _ in range(length):
        name, place = _value(packed, place, depth + 1)
        if isinstance(name, (list, dict)) or name in found:
            raise ValueError(f"a packed table with the name {name!r}")
        found[name], place = _value(packed, place, depth + 1)
    return found, place
