"""Numbers that are none, or too much: NaN, infinities, 1e400, numbers in quotes, booleans, nothing, nests of brackets.

What must hold: a typed error that names the field and what is allowed, from both clients and from a bare EVALSHA; and
no key has changed, not even the realm's clock.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from matchmaker.errors import InvalidInput
from matchmaker.model import TicketRequest
from matchmaker.scripts import script
from tests.faces import FACES, face
from tests.faults.scene import Scene


def nested(depth: int) -> Any:
    """Brackets in brackets."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


NO_NUMBERS: dict[str, Any] = {
    "nan": float("nan"),
    "inf": float("inf"),
    "-inf": float("-inf"),
    "1e400": 1e400,
    "too large": 1_000_001.0,
    "huge integer": 10**400,
    "integer beyond printing": 10**5000,
    "hexadecimal text": "0x10",
    "padded text": " 12 ",
    "text": "1500",
    "bytes": b"1500",
    "true": True,
    "false": False,
    "list": [1500],
    "table": {"rating": 1500},
    "complex": 1500j,
    "nested": nested(10_000),
}
FIELDS: dict[str, dict[str, Any]] = {
    "rating": {**NO_NUMBERS, "too small": -1_000_001.0},
    "deviation": {**NO_NUMBERS, "negative": -1.0, "just negative": -5e-324},
    "player": {"none": None, "number": 7, "bytes": b"alice", "nested": nested(10_000), "true": True},
    "data": {"none": None, "number": 7, "bytes": b"x", "nested": nested(10_000), "too long": "x" * 4097},
    "ticket": {"number": 7, "bytes": b"t", "nested": nested(10_000), "true": True, "nan": float("nan")},
}
CASES = [
    pytest.param(field, value, id=f"{field} {name}")
    for field, values in FIELDS.items()
    for name, value in values.items()
]


def books(scene: Scene) -> dict[bytes, bytes | None]:
    """Everything the realm holds."""
    return {key: scene.client.dump(key) for key in scene.client.scan_iter(match=f"mm:{{{scene.realm}}}*")}


@pytest.mark.parametrize("kind", FACES)
@pytest.mark.parametrize(("field", "value"), CASES)
async def test_from_the_clients(scene: Scene, kind: str, field: str, value: Any) -> None:
    """Given a value that is none, when a client enqueues with it, then the error names the field, the value and what
    is allowed."""
    arguments: dict[str, Any] = {"player": "alice", "rating": 1500, "deviation": None, "data": "", field: value}
    before = books(scene)
    async with face(kind, scene.url, scene.realm) as mm:
        with pytest.raises(InvalidInput) as refused:
            await mm.enqueue("ladder", arguments.pop("player"), **arguments)
    assert refused.value.field == field
    assert str(refused.value).startswith(f"{field}: ")
    assert "allowed" in str(refused.value)
    assert len(str(refused.value)) < 300
    assert books(scene) == before


@pytest.mark.parametrize(("field", "value"), CASES)
def test_in_a_request(field: str, value: Any) -> None:
    """Given the same values in a request for many, then none can be made."""
    arguments: dict[str, Any] = {"player": "alice", "rating": 1500, field: value}
    with pytest.raises(InvalidInput) as refused:
        TicketRequest(**arguments)
    assert refused.value.field == field


DEEP = "[" * 10_000 + "]" * 10_000
DEEP_TABLE = '{"a":' * 10_000 + "1" + "}" * 10_000
RAW_NUMBERS = {
    "nan": "NaN", "-nan": "-nan", "inf": "Infinity", "-inf": "-Infinity", "1e400": "1e400", "-1e400": "-1e400",
    "hexadecimal text": '"0x10"', "padded text": '" 12 "', "text": '"1500"', "true": "true", "list": "[1500]",
    "table": '{"x":1}', "too large": "1000000.1", "nested": DEEP, "nested tables": DEEP_TABLE, "empty": "",
    "words": "one",
}  # fmt: skip
RAW_FIELDS = {
    "rating": {**RAW_NUMBERS, "null": "null", "too small": "-1000000.1"},
    "deviation": {**RAW_NUMBERS, "negative": "-0.001", "null": "null"},
    "player": {"null": "null", "number": "7", "empty text": '""', "nul": '"a\\u0000b"', "nested": DEEP},
    "data": {"null": "null", "number": "7", "nested": DEEP, "nul": '"\\u0000"', "too long": json.dumps("x" * 4097)},
    "ticket": {"null": "null", "number": "7", "empty text": '""', "space": '" "', "nested": DEEP},
}
RAW_CASES = [
    pytest.param(field, text, id=f"{field} {name}")
    for field, texts in RAW_FIELDS.items()
    for name, text in texts.items()
]


def evalsha(scene: Scene, *tickets: str) -> Any:
    """Enqueues as a foreign client would."""
    enqueue, keys = script("enqueue"), scene.mm.calls.keys
    scene.client.script_load(enqueue.source)
    names = keys.line_keys("ladder")
    return scene.client.evalsha(enqueue.sha, len(names), *names, "", keys.channel_prefix, "ladder", *tickets)


@pytest.mark.parametrize(("field", "text"), RAW_CASES)
def test_from_a_bare_evalsha(scene: Scene, field: str, text: str) -> None:
    """Given JSON that no client of ours would send, among good tickets, then the call is refused as a whole, names the
    field (or the ticket, where it is no JSON), and nothing is written."""
    good = '{"ticket":"good","player":"bob","rating":1500}'
    members = {"ticket": '"t1"', "player": '"alice"', "rating": "1500", field: text}
    bad = "{" + ",".join(f'"{name}":{value}' for name, value in members.items()) + "}"
    before = books(scene)
    (reply,) = evalsha(scene, good, bad)
    code, named, bound = reply
    assert code == b"invalid"
    assert named.decode() in {f"tickets[2].{field}", "tickets[2].ticket"}
    assert bound
    assert books(scene) == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "7",
        '"x"',
        "[]",
        "{}",
        DEEP,
        DEEP_TABLE,
        "{",
        '{"ticket":"t1"',
        "\0",
        '{"player":"alice","rating":1}',
    ],
)
def test_no_ticket_at_all(scene: Scene, text: str) -> None:
    """Given text that is no ticket, then it is refused."""
    before = books(scene)
    (reply,) = evalsha(scene, text)
    assert reply[:2] == [b"invalid", b"tickets[1].ticket"]
    assert books(scene) == before
