"""Between tables and their compiled form: names, times and numbers as scripts read them.

A name ending in ``_seconds`` is compiled to integer milliseconds under the ending ``_ms``, ``None`` to -1, every other
number as it is, but in one spelling.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from matchmaker.rules.fields import to_ms
from matchmaker.rules.pieces import Table
from matchmaker.rules.willingness import KINDS


def key_of(name: str) -> str:
    """The compiled name of a field."""
    return name.removesuffix("_seconds") + "_ms" if name.endswith("_seconds") else name


def compiled_value(name: str, value: Any) -> Any:
    """One field's value as scripts read it."""
    if value is None:
        return -1
    if name.endswith("_seconds"):
        return to_ms(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)  # one spelling a number: 1, not 1.0 or -0.0
    return value


def compiled_fields(table: Table, names: Collection[str]) -> dict[str, Any]:
    """The named fields of a table as scripts read them."""
    return {key_of(name): compiled_value(name, getattr(table, name)) for name in names}


def compiled_table(table: Table) -> dict[str, Any]:
    """All fields of a table that holds no other table."""
    return compiled_fields(table, type(table).model_fields)


def compiled_willingness(table: Table) -> dict[str, Any]:
    """Every key of every kind is present, 0 where unused: scripts need not know which key belongs to which kind."""
    unused = {key_of(name): 0 for kind in KINDS.values() for name in kind.model_fields}
    return unused | compiled_table(table)


def written_fields(model: type[Table], found: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Undo :func:`compiled_fields`: as a rules file would hold them, without what was None. ``found`` may hold more."""
    written = {name: found[key_of(name)] for name in names}
    return {
        name: value / 1000 if name.endswith("_seconds") else value
        for name, value in written.items()
        if not (value == -1 and model.model_fields[name].default is None)
    }


def written_table(model: type[Table], found: Mapping[str, Any]) -> dict[str, Any]:
    """Undo :func:`compiled_table`."""
    return written_fields(model, found, model.model_fields)


def written_willingness(found: Mapping[str, Any]) -> dict[str, Any]:
    """Undo :func:`compiled_willingness`. Raises KeyError for a kind that nobody knows."""
    kind = KINDS[found["kind"]]
    return written_fields(kind, found, kind.model_fields)
