"""What the lists and tables within a queue's rules are made of, each with its bound in words.

An annotation here checks a value, freezes it, and writes its bound into the JSON schema. What it refuses is told in
those same words, at the very place (``pool.map``, its third name), by pydantic's own means: a ``ValidationError``
raised inside another becomes part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, NamedTuple, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic import ValidationError as Refused
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from matchmaker.rules.fields import BOUND

IN_WORDS: Final = "in_words"
"""Type of the faults whose message is the bound."""

KEY: Final = "x-key"
"""In the schema of a table whose names are the file's: what a name stands for."""

_K = TypeVar("_K")
_V = TypeVar("_V")


class Table(BaseModel):
    """A TOML table: unknown fields, numbers in quotes, booleans as numbers, NaN and infinity are all refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class FrozenMap(Mapping[_K, _V]):
    """A mapping nobody changes, in the order of its names. Equal to any mapping with the same content; hashable."""

    __slots__ = ("_content",)

    def __init__(self, content: Mapping[_K, _V] | None = None) -> None:
        self._content = dict(sorted((content or {}).items(), key=lambda item: str(item[0])))

    def __getitem__(self, name: _K) -> _V:
        return self._content[name]

    def __iter__(self) -> Iterator[_K]:
        return iter(self._content)

    def __len__(self) -> int:
        return len(self._content)

    def __hash__(self) -> int:
        return hash(tuple(self._content.items()))

    def __repr__(self) -> str:
        return repr(self._content)


class Fault(NamedTuple):
    """One thing wrong inside a table: where, from the table on, what stands there, and what is allowed instead."""

    place: tuple[str | int, ...]
    value: object
    bound: str


def refusal(faults: Iterable[Fault]) -> Refused:
    """What a validator raises to refuse several places at once."""
    return Refused.from_exception_data(
        "rules",
        [InitErrorDetails(type=_in_words(fault.bound), loc=fault.place, input=fault.value) for fault in faults],
    )


def _in_words(words: str) -> PydanticCustomError:
    return PydanticCustomError(IN_WORDS, "{words}", {"words": words})


@dataclass(frozen=True, slots=True)
class InWords:
    """Tells the bound where the value itself is at fault; faults inside it keep their own words."""

    words: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(schema) | {BOUND: self.words}

    def check(self, value: Any, validate: core_schema.ValidatorFunctionWrapHandler) -> Any:
        """The value as validated; raises the fault in words where there is no better place for it."""
        try:
            return validate(value)
        except Refused as error:
            if any(
                fault["loc"] for fault in error.errors(include_url=False, include_context=False, include_input=False)
            ):
                raise
        raise _in_words(self.words)


@dataclass(frozen=True, slots=True)
class Listed:
    """A tuple made of a TOML array: ``low`` to ``high`` items, all different unless it says otherwise."""

    low: int
    high: int
    words: str
    distinct: bool = True

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        bounds = {"minItems": self.low, "maxItems": self.high, "uniqueItems": self.distinct}
        return handler(schema) | bounds | {BOUND: self.words}

    def check(self, value: Any, validate: core_schema.ValidatorFunctionWrapHandler) -> Any:
        """The items; raises the bound for another length or kind, and names each item that stands there twice."""
        if not isinstance(value, list | tuple) or not self.low <= len(value) <= self.high:
            raise _in_words(self.words)
        items = validate(tuple(value))
        if not self.distinct:
            return items
        again = [
            Fault((place,), item, f"an entry that stands there once; it is also at place {items.index(item) + 1}")
            for place, item in enumerate(items)
            if items.index(item) < place
        ]
        if again:
            raise refusal(again)
        return items


@dataclass(frozen=True, slots=True)
class Named:
    """A :class:`FrozenMap` made of a TOML table whose names, ``low`` to ``high`` of them, the file chooses."""

    key: str
    low: int
    high: int
    words: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        names, values = get_args(source)
        inner = handler.generate_schema(dict.__class_getitem__((names, values)))
        plain = core_schema.wrap_serializer_function_ser_schema(_as_dict, schema=inner)
        return core_schema.no_info_wrap_validator_function(self.check, inner, serialization=plain)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        found: dict[str, Any] = {**handler(schema), "maxProperties": self.high, BOUND: self.words, KEY: self.key}
        if "patternProperties" in found:
            found["additionalProperties"] = False  # without it a schema has nothing against names of another form
        if self.low:
            found["minProperties"] = self.low
        return found

    def check(self, value: Any, validate: core_schema.ValidatorFunctionWrapHandler) -> Any:
        """The frozen table; raises the bound for another kind or number of entries."""
        if not isinstance(value, Mapping) or not self.low <= len(value) <= self.high:
            raise _in_words(self.words)
        return FrozenMap(validate(dict(value)))


def _as_dict(value: Mapping[str, Any], serialize: core_schema.SerializerFunctionWrapHandler) -> Any:
    return serialize(dict(value))


# -- names and texts ---------------------------------------------------------------------------------------------------

TEXT_BYTES: Final = 64
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def _plain(text: str) -> str:
    # Half a surrogate pair cannot be encoded: that too is a ValueError.
    if not 1 <= len(text.encode()) <= TEXT_BYTES or _CONTROL.search(text):
        raise ValueError("not plain text of that length")
    return text


PlainText = Annotated[
    str,
    Field(min_length=1, max_length=TEXT_BYTES),
    AfterValidator(_plain),
    InWords(f"text of 1 … {TEXT_BYTES} bytes without control characters"),
]
"""Name of a map, a race, a server: shown to people, never part of a key."""

NAME_IN_WORDS: Final = "1 … 32 of a-z, 0-9, _, . and -, the first a letter or digit"

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,31}$"), InWords(f"a name: {NAME_IN_WORDS}")]
"""Name of an attribute, a pool, a region."""

SideName = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$"),
    InWords("a side's name: 1 … 32 of a-z, 0-9, _ and -, the first a letter or digit"),
]
"""Part of a key, where "." and ":" divide; hence without them."""
