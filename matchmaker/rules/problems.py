"""From what pydantic found wrong with a table to problems a person can act on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter, ValidationError

from matchmaker.errors import RuleProblem
from matchmaker.rules.constraint_fields import Distance, Latency, Provisional, Relax, Rematch
from matchmaker.rules.fields import bound_of, near, one_of
from matchmaker.rules.model import QueueRules
from matchmaker.rules.pieces import IN_WORDS
from matchmaker.rules.willingness import KINDS

_WILLINGNESS: Final = "willingness"

_INNER: Final[Mapping[str, type[BaseModel]]] = {
    "any_of.<attribute>": Relax,
    "range.<attribute>": Relax,
    "distance.<attribute>": Distance,
    "latency": Latency,
    "rematch": Rematch,
    "provisional": Provisional,
}
"""The tables inside a queue's, but for willingness, by their place."""

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")


class Problems:
    """Collects the problems of one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[RuleProblem] = []

    def add(self, queue: str, field: str, value: object, bound: str) -> None:
        """Note one problem; ``field`` is dotted, ``bound`` says in words what is allowed."""
        self.found.append(RuleProblem(self.file, queue, field, _showable(value), bound))

    def add_faults(self, queue: str, error: ValidationError) -> None:
        """Note everything pydantic found wrong with the table of ``queue``."""
        for fault in error.errors(include_url=False, include_context=False):
            location, value = _written(fault["loc"]), fault["input"]
            if fault["type"].startswith("union_tag") and isinstance(value, Mapping):
                self._add_unknown_kind(queue, location, value)
                continue
            model = _table_at(location)
            missing = fault["type"] == "missing"
            known = fault["type"] == IN_WORDS
            bound = fault["msg"] if known else _allowed(model, location, value, missing=missing)
            self.add(queue, _dotted(location), None if missing else value, bound)

    def _add_unknown_kind(self, queue: str, location: list[str | int], table: Mapping[Any, Any]) -> None:
        """An unknown kind still gets its fields checked: a fault that every kind with the field finds is one."""
        kind = table.get("kind")
        self.add(queue, _dotted([*location, "kind"]), kind, one_of(tuple(KINDS)) + near(kind, KINDS))
        for name in [str(key) for key in table if key != "kind"]:
            field = _dotted([*location, name])
            owners = [model for model in KINDS.values() if name in model.model_fields]
            if not owners:
                names = sorted({field for model in KINDS.values() for field in model.model_fields})
                self.add(queue, field, table[name], _fields_in_words(names) + near(name, names))
            elif all(_refuses(model, name, table[name]) for model in owners):
                self.add(queue, field, table[name], bound_of(owners[0], name))


def _written(location: tuple[str | int, ...]) -> list[str | int]:
    """Where the fault stands in the file: without pydantic's mark of a name that is at fault itself."""
    if location[-1] == "[key]":
        return [*location[:-2], str(location[-2])]
    return list(location)


def _dotted(location: Iterable[str | int]) -> str:
    """``pool.map[3]``: as the file has it, places in lists counted from 1."""
    parts = [
        f"[{part + 1}]" if isinstance(part, int) else f".{part if _BARE_KEY.fullmatch(part) else _quoted(part)}"
        for part in location
    ]
    return "".join(parts).removeprefix(".")


def _quoted(part: str) -> str:
    return json.dumps(part, ensure_ascii=False)


def _table_at(location: list[str | int]) -> type[BaseModel]:
    """The table that holds the last part of a location. Takes out of it the kind of a willingness."""
    for table_of_kind in ([_WILLINGNESS], ["provisional", _WILLINGNESS]):
        depth = len(table_of_kind)
        if location[:depth] == table_of_kind and len(location) > depth:
            # pydantic puts the kind between the table and the field: willingness, linear, per_second
            return KINDS[str(location.pop(depth))]
    for place, table in _INNER.items():
        name, *entry = place.split(".")
        if location[0] == name and len(location) > 1 + len(entry):
            return table
    return QueueRules


def _refuses(model: type[BaseModel], name: str, value: object) -> bool:
    try:
        TypeAdapter(model).validate_python({name: value})
    except ValidationError as error:
        return any(fault["loc"] == (name,) and fault["type"] != "missing" for fault in error.errors())
    return False


def _allowed(model: type[BaseModel], location: list[str | int], value: object, *, missing: bool) -> str:
    """The bound of a field that was refused, with a hint where there is one."""
    name = str(location[-1])
    if name not in model.model_fields:
        return _instead_of_unknown(model, name, str(location[0]))
    bound = bound_of(model, name)
    if missing:
        return f"{bound}; it has to be given"
    options = bound.split('"')[1::2]
    return bound + near(value, options)


def _instead_of_unknown(model: type[BaseModel], name: str, within: str) -> str:
    """What to do about a field the table does not know: where it belongs, or which fields there are."""
    kinds = [kind for kind, table in KINDS.items() if name in table.model_fields]
    if kinds and model in KINDS.values():
        return f"`{name}` belongs to kind = {one_of(tuple(kinds))}"
    if kinds and _WILLINGNESS in model.model_fields:
        return f"`{name}` belongs inside `{_WILLINGNESS}`"
    if model is not QueueRules and name in QueueRules.model_fields:
        return f"`{name}` belongs to the queue, outside `{within}`"
    owners = [place for place, table in _INNER.items() if name in table.model_fields]
    if owners:
        return f"`{name}` belongs inside " + " or ".join(f"`{place}`" for place in owners)
    return _fields_in_words(model.model_fields) + near(name, model.model_fields)


def _fields_in_words(names: Iterable[str]) -> str:
    return "the fields " + ", ".join(sorted(names))


def _showable(value: object) -> object:
    """``value``, or words about it where Python refuses to print it (an integer of 5,000 digits, deep nesting)."""
    try:
        repr(value)
    except (ValueError, RecursionError):
        return f"{type(value).__name__} too large to show"
    return value
