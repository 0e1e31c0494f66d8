"""From what pydantic found wrong with a table to problems a person can act on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, TypeAdapter, ValidationError

from matchmaker.errors import RuleProblem
from matchmaker.rules.constraint_fields import Distance, Latency, Provisional, Relax, Rematch
from matchmaker.rules.fields import bound_of, near, one_of
from matchmaker.rules.lifecycle_fields import SYSTEMS, PenaltyRules, ReadyCheckRules, ResultRules
from matchmaker.rules.model import QueueRules
from matchmaker.rules.pieces import IN_WORDS
from matchmaker.rules.willingness import KINDS


class _Kinds(NamedTuple):
    """A table of several kinds: its name, the field that says which, and the kinds."""

    table: str
    field: str
    models: Mapping[str, type[BaseModel]]

    @property
    def names(self) -> list[str]:
        """Every field of any kind."""
        return sorted({name for model in self.models.values() for name in model.model_fields})


_WILLINGNESS: Final = _Kinds("willingness", "kind", KINDS)
_RATING: Final = _Kinds("rating", "system", SYSTEMS)

_OF_KINDS: Final[Mapping[tuple[str, ...], _Kinds]] = {
    ("willingness",): _WILLINGNESS,
    ("provisional", "willingness"): _WILLINGNESS,
    ("rating",): _RATING,
}
"""The tables of several kinds by their place."""

_INNER: Final[Mapping[str, type[BaseModel]]] = {
    "any_of.<attribute>": Relax,
    "range.<attribute>": Relax,
    "distance.<attribute>": Distance,
    "latency": Latency,
    "rematch": Rematch,
    "provisional": Provisional,
    "ready_check": ReadyCheckRules,
    "penalties": PenaltyRules,
    "results": ResultRules,
}
"""The tables inside a queue's, but for those of several kinds, by their place."""

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
        kinds = _OF_KINDS[tuple(map(str, location))]
        kind = table.get(kinds.field)
        missing = "; it has to be given" if kinds.field not in table else near(kind, kinds.models)
        self.add(queue, _dotted([*location, kinds.field]), kind, one_of(tuple(kinds.models)) + missing)
        for name in [str(key) for key in table if key != kinds.field]:
            field = _dotted([*location, name])
            owners = [model for model in kinds.models.values() if name in model.model_fields]
            if not owners:
                self.add(queue, field, table[name], _fields_in_words(kinds.names) + near(name, kinds.names))
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
    for place, kinds in _OF_KINDS.items():
        depth = len(place)
        if tuple(location[:depth]) == place and len(location) > depth:
            # pydantic puts the kind between the table and the field: willingness, linear, per_second
            return kinds.models[str(location.pop(depth))]
    for dotted, table in _INNER.items():
        name, *entry = dotted.split(".")
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
    for kinds in (_WILLINGNESS, _RATING):
        owners = [kind for kind, table in kinds.models.items() if name in table.model_fields]
        if owners and model in kinds.models.values():
            return f"`{name}` belongs to {kinds.field} = {one_of(tuple(owners))}"
        if owners and kinds.table in model.model_fields:
            return f"`{name}` belongs inside `{kinds.table}`"
    if model is not QueueRules and name in QueueRules.model_fields:
        return f"`{name}` belongs to the queue, outside `{within}`"
    places = [place for place, table in _INNER.items() if name in table.model_fields]
    if places:
        return f"`{name}` belongs inside " + " or ".join(f"`{place}`" for place in places)
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
