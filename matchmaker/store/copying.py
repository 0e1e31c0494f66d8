"""Values as ``COPY`` reads them in its text form, and lines of them. No I/O."""

from __future__ import annotations

from typing import Any, Final

from pydantic_core import to_json

NULL: Final = "\\N"
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def as_text(value: str) -> str:
    """The value as a column of text reads it."""
    return value.translate(_ESCAPES) if "\\" in value or not value.isprintable() else value


def as_json(value: Any) -> str:
    """As a column of JSON reads it: Postgres has no character 0."""
    return as_text(to_json(value).decode().replace("\\u0000", "\\ufffd"))


def as_line(*values: str | float | dict[str, Any] | list[Any] | tuple[Any, ...] | None) -> str:
    """One row. Numbers keep all their digits; dictionaries, lists and tuples are JSON."""
    return "\t".join([_as_field(value) for value in values])


def _as_field(value: str | float | dict[str, Any] | list[Any] | tuple[Any, ...] | None) -> str:
    if value is None:
        return NULL
    if isinstance(value, str):
        return as_text(value)
    if isinstance(value, int | float):
        return repr(value)
    return as_json(value)
