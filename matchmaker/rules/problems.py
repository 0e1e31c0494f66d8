"""From what pydantic found wrong with a table to problems a person can act on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter, ValidationError

from matchmaker.errors import RuleProblem
from matchmaker.rules.fields import bound_of, one_of
from matchmaker.rules.model import KINDS, QueueRules

_NEAR: Final = 0.4
"""Similarity (0 … 1) from which a known name is offered for an unknown one."""

_WILLINGNESS: Final = "willingness"


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
            location, value = [str(part) for part in fault["loc"]], fault["input"]
            if fault["type"].startswith("union_tag") and isinstance(value, Mapping):
                self._add_unknown_kind(queue, value)
                continue
            model: type[BaseModel] = QueueRules
            if location[0] == _WILLINGNESS and len(location) > 1:
                # pydantic puts the kind between the table and the field: willingness, linear, per_second
                model = KINDS[location.pop(1)]
            missing = fault["type"] == "missing"
            bound = _allowed(model, location[-1], value, missing=missing)
            self.add(queue, ".".join(location), None if missing else value, bound)

    def _add_unknown_kind(self, queue: str, table: Mapping[Any, Any]) -> None:
        """An unknown kind still gets its fields checked: a fault that every kind with the field finds is one."""
        kind = table.get("kind")
        self.add(queue, f"{_WILLINGNESS}.kind", kind, one_of(tuple(KINDS)) + _near(kind, KINDS))
        for name in [str(key) for key in table if key != "kind"]:
            owners = [model for model in KINDS.values() if name in model.model_fields]
            if not owners:
                names = sorted({field for model in KINDS.values() for field in model.model_fields})
                self.add(queue, f"{_WILLINGNESS}.{name}", table[name], _fields_in_words(names) + _near(name, names))
            elif all(_refuses(model, name, table[name]) for model in owners):
                self.add(queue, f"{_WILLINGNESS}.{name}", table[name], bound_of(owners[0], name))


def _refuses(model: type[BaseModel], name: str, value: object) -> bool:
    try:
        TypeAdapter(model).validate_python({name: value})
    except ValidationError as error:
        return any(fault["loc"] == (name,) and fault["type"] != "missing" for fault in error.errors())
    return False


def _allowed(model: type[BaseModel], name: str, value: object, *, missing: bool) -> str:
    """The bound of a field that was refused, with a hint where there is one."""
    if name not in model.model_fields:
        return _instead_of_unknown(model, name)
    bound = bound_of(model, name)
    if missing:
        return f"{bound}; it has to be given"
    options = bound.split('"')[1::2]
    return bound + _near(value, options)


def _instead_of_unknown(model: type[BaseModel], name: str) -> str:
    """What to do about a field the table does not know: where it belongs, or which fields there are."""
    within = model is not QueueRules
    owners = [kind for kind, table in KINDS.items() if name in table.model_fields]
    if owners and within:
        return f"`{name}` belongs to kind = {one_of(tuple(owners))}"
    if owners:
        return f"`{name}` belongs inside `{_WILLINGNESS}`"
    if within and name in QueueRules.model_fields:
        return f"`{name}` belongs to the queue, outside `{_WILLINGNESS}`"
    return _fields_in_words(model.model_fields) + _near(name, model.model_fields)


def _fields_in_words(names: Iterable[str]) -> str:
    return "the fields " + ", ".join(sorted(names))


def _near(value: object, known: Iterable[str]) -> str:
    """``; did you mean "sum"?``, or nothing where nothing known is similar."""
    near = get_close_matches(value.lower()[:100], list(known), n=1, cutoff=_NEAR) if isinstance(value, str) else []
    return f'; did you mean "{near[0]}"?' if near else ""


def _showable(value: object) -> object:
    """``value``, or words about it where Python refuses to print it (an integer of 5,000 digits, deep nesting)."""
    try:
        repr(value)
    except (ValueError, RecursionError):
        return f"{type(value).__name__} too large to show"
    return value
