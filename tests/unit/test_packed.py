"""What scripts pack, read by the checker: each form of the format, and nothing that is not one."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from matchmaker.checker.packed import unpack
from matchmaker.checker.terms import read_met, read_terms


@pytest.mark.parametrize(
    ("packed", "value"),
    [
        (b"\xc0", None),
        (b"\xc2", False),
        (b"\xc3", True),
        (b"\x07", 7),
        (b"\xff", -1),
        (b"\xe0", -32),
        (b"\xcc\xff", 255),
        (b"\xcd\x01\x00", 256),
        (b"\xce\x00\x01\x00\x00", 65536),
        (b"\xcf" + (2**53).to_bytes(8, "big"), 2**53),
        (b"\xd0\x80", -128),
        (b"\xd1\xff\x00", -256),
        (b"\xd2\xff\xff\x00\x00", -65536),
        (b"\xd3" + (-(2**40)).to_bytes(8, "big", signed=True), -(2**40)),
        (b"\xca" + struct.pack(">f", 1.5), 1.5),
        (b"\xcb" + struct.pack(">d", 0.1), 0.1),
        (b"\xa3ann", "ann"),
        (b"\xd9\x20" + b"x" * 32, "x" * 32),
        (b"\xda\x01\x00" + b"x" * 256, "x" * 256),
        (b"\xdb\x00\x01\x00\x00" + b"x" * 65536, "x" * 65536),
        (b"\xa1\xff", "\udcff"),
        (b"\x92\x01\xa1b", [1, "b"]),
        (b"\xdc\x00\x10" + bytes(16), [0] * 16),
        (b"\xdd\x00\x00\x00\x01\x05", [5]),
        (b"\x81\xa1a\x91\x02", {"a": [2]}),
        (b"\xde\x00\x01\xa1a\x01", {"a": 1}),
        (b"\xdf\x00\x00\x00\x01\x01\x02", {1: 2}),
    ],
)
def test_each_form(packed: bytes, value: Any) -> None:
    assert unpack(packed) == value
    for cut in range(len(packed) if len(packed) < 50 else 5):
        with pytest.raises(ValueError, match="packed"):
            unpack(packed[:cut])
    with pytest.raises(ValueError, match="should have"):
        unpack(packed + b"\xc0")


@pytest.mark.parametrize(
    "packed",
    [b"\xc1", b"\xc4\x00", b"\xdd\xff\xff\xff\xff", b"\x82\x01\x01\x01\x01", b"\x81\x90\x01", b"\x91" * 40 + b"\x01"],
)
def test_what_is_none_of_it(packed: bytes) -> None:
    with pytest.raises(ValueError, match="packed"):
        unpack(packed)


@pytest.mark.parametrize("packed", [b"\xc0", b"\x80", b"\x90", b"\x81\xa5since\xc0"])
def test_what_are_no_terms(packed: bytes) -> None:
    with pytest.raises(ValueError, match="terms"):
        read_terms(packed)


@pytest.mark.parametrize("packed", [b"\xc0", b"\x91\xa1a", b"\x92\x01\x02", b"\x92\xa1a\xc0"])
def test_what_are_no_meetings(packed: bytes) -> None:
    with pytest.raises(ValueError, match=r"meetings|argument"):
        read_met(packed)
