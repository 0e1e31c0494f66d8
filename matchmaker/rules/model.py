"""The rules of one queue: parsed, bounded, immutable; and the compiled form that scripts read.

To add a kind of willingness: one class here, with ``grown``, and its name in ``KINDS`` and ``Willingness``. To add a
field: declare it; a name ending in ``_seconds`` is compiled to integer milliseconds under the ending ``_ms``, ``None``
to -1, every other number as it is.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from matchmaker.errors import InvalidInput
from matchmaker.rules.fields import (
    MAX_GAP,
    MAX_POINTS,
    MAX_SECONDS,
    WHOLE_MS,
    choice,
    number,
    optional_seconds,
    seconds,
    to_ms,
    whole,
    zero_or_from,
)

Accept = Literal["sum", "either", "both"]


class _Table(BaseModel):
    """A TOML table: unknown fields, numbers in quotes, booleans as numbers, NaN and infinity are all refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class _Willingness(_Table):
    """What every kind of willingness has. Points are rating points."""

    cap: Annotated[float | None, number(0, MAX_GAP, "willingness never exceeds this many points")] = None
    per_deviation: Annotated[
        float, number(0, MAX_POINTS, "points given for each point of deviation above deviation_above")
    ] = 0.0
    deviation_above: Annotated[float, number(0, MAX_POINTS, "deviation up to here gives no points")] = 0.0


class Linear(_Willingness):
    """``min(cap, base + per_second · waited + per_deviation · max(0, deviation − deviation_above))``."""

    kind: Literal["linear"] = "linear"
    base: Annotated[float, number(0, MAX_POINTS, "points given on arrival")] = 0.0
    per_second: Annotated[float, number(0, MAX_POINTS, "points added by each second of waiting")] = 1.0

    def grown(self, waited_ms: int) -> float:
        """Points after ``waited_ms``, before deviation and cap."""
        return self.base + self.per_second * (waited_ms / 1000)


class Stepped(_Willingness):
    """As linear, but growing by ``step`` after every full ``every_seconds``."""

    kind: Literal["stepped"]
    base: Annotated[float, number(0, MAX_POINTS, "points given on arrival")] = 0.0
    step: Annotated[float, number(0, MAX_POINTS, "points added after every every_seconds of waiting")]
    every_seconds: Annotated[float, seconds(0.001, MAX_SECONDS, "time between two steps"), WHOLE_MS]

    def grown(self, waited_ms: int) -> float:
        """Points after ``waited_ms``, before deviation and cap."""
        return self.base + self.step * (waited_ms // to_ms(self.every_seconds))


class Exponential(_Willingness):
    """As linear, but ``base`` doubles with every ``doubling_seconds``. The default cap is the queue's ``max_gap``."""

    kind: Literal["exponential"]
    # 0 would stay 0 for ever; from 0.001 on, 64 doublings exceed every cap.
    base: Annotated[float, number(0.001, MAX_POINTS, "points given on arrival, doubling from there")]
    doubling_seconds: Annotated[float, seconds(0.001, MAX_SECONDS, "time in which willingness doubles"), WHOLE_MS]

    def grown(self, waited_ms: int) -> float:
        """Points after ``waited_ms``, before deviation and cap. Stays at 64 doublings: a float ends at 1,024."""
        return float(self.base * 2.0 ** min(64.0, waited_ms / to_ms(self.doubling_seconds)))


KINDS: Final[dict[str, type[Linear] | type[Stepped] | type[Exponential]]] = {
    "linear": Linear,
    "stepped": Stepped,
    "exponential": Exponential,
}


def _kind_of(willingness: object) -> object:
    if isinstance(willingness, dict):
        return willingness.get("kind", "linear")
    return getattr(willingness, "kind", None)


Willingness = Annotated[
    Annotated[Linear, Tag("linear")] | Annotated[Stepped, Tag("stepped")] | Annotated[Exponential, Tag("exponential")],
    Discriminator(_kind_of),
]


class QueueRules(_Table):
    """Rules of one queue. Equal rules have equal :meth:`compiled` forms, and the other way round.

    Building one from values that break a bound raises pydantic's ``ValidationError``;
    :func:`matchmaker.rules.rules_from` takes plain tables and raises :class:`matchmaker.errors.RulesInvalid`.
    """

    accept: Annotated[Accept, choice("which willingness has to cover the gap", "sum", "either", "both")] = "sum"
    max_gap: Annotated[
        float, number(0, MAX_GAP, "no match is made between ratings further apart, in points", above=True)
    ] = 300.0
    interval_ms: Annotated[
        int, whole(0, 60_000, "an arrival is looked at this long after it came", unit=" milliseconds")
    ] = 0
    expire_after_seconds: Annotated[
        float, seconds(0, MAX_SECONDS, "a ticket that waited this long expires; 0 = never"), WHOLE_MS
    ] = 1800.0
    heartbeat_seconds: Annotated[
        float,
        optional_seconds(1, 3600, "a ticket not heard of for this long expires; 0 = off"),
        WHOLE_MS,
        zero_or_from(1),
    ] = 0.0
    default_rating: Annotated[
        float, number(-MAX_POINTS, MAX_POINTS, "the rating of a player nobody knows, who joins without giving one")
    ] = 1500.0
    default_deviation: Annotated[
        float | None, number(0, MAX_POINTS, "the deviation of default_rating; none if left out")
    ] = None
    willingness: Willingness = Field(
        default=Linear(), description="a table such as { per_second = 1.0 }: rating points given for waiting"
    )

    @model_validator(mode="after")
    def _cap_exponential(self) -> Self:
        """Exponential growth always has a cap, so scripts never meet infinity."""
        if isinstance(self.willingness, Exponential) and self.willingness.cap is None:
            # The one write to a frozen table, before anyone else has seen it.
            object.__setattr__(self, "willingness", self.willingness.model_copy(update={"cap": self.max_gap}))
        return self

    def compiled(self) -> str:
        """Canonical JSON for scripts: sorted keys, no spaces, every key of every kind present (0 where unused).

        Times are integer milliseconds, a missing cap is -1. What scripts do not read is there only if it is not the
        default, so that rules without it have the text they had before it came. Numbers have up to 17 digits: a script
        may decode this text but must store and pass on the text itself, because ``cjson.encode`` keeps 14.
        """
        numbers: dict[str, float | str] = {}
        for kind in KINDS.values():
            numbers.update(dict.fromkeys((_compiled_key(name) for name in kind.model_fields), 0))
        numbers.update(_compiled_fields(self.willingness))
        numbers.update(_compiled_fields(self))
        for name in _LATER:
            if getattr(self, name) == type(self).model_fields[name].default:
                del numbers[name]
        return json.dumps(numbers, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_compiled(cls, text: str) -> QueueRules:
        """Inverse of :meth:`compiled`. Raises :class:`InvalidInput` for anything that method did not write."""
        try:
            numbers = json.loads(text)
            kind = KINDS[numbers["kind"]]
            tables = _written_fields(cls, numbers) | {"willingness": _written_fields(kind, numbers)}
            rules = cls.model_validate(tables)
        # A ValidationError and a JSONDecodeError are ValueErrors; the others come of JSON of another shape.
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            rules = None
        if rules is None or rules.compiled() != text:
            raise InvalidInput("compiled rules", text, "the text that QueueRules.compiled wrote")
        return rules


_LATER: Final = ("default_rating", "default_deviation")
"""Fields that are compiled only where they are not the default."""


def _compiled_key(name: str) -> str:
    return name.removesuffix("_seconds") + "_ms" if name.endswith("_seconds") else name


def _compiled_fields(table: _Table) -> dict[str, float | str]:
    """The table's own fields as scripts read them; tables within it are left to the caller."""
    found: dict[str, float | str] = {}
    for name in type(table).model_fields:
        value: Any = getattr(table, name)
        if isinstance(value, _Table):
            continue
        if value is None:
            value = -1
        elif name.endswith("_seconds"):
            value = to_ms(value)
        elif isinstance(value, float) and value.is_integer():
            value = int(value)  # one spelling a number: 1, not 1.0 or -0.0
        found[_compiled_key(name)] = value
    return found


def _written_fields(model: type[_Table], numbers: dict[str, Any]) -> dict[str, Any]:
    """Undo :func:`_compiled_fields`: the fields of one table as a rules file would hold them."""
    found: dict[str, Any] = {}
    for name in model.model_fields.keys() - {"willingness"}:
        if name in _LATER and name not in numbers:
            continue
        value = numbers[_compiled_key(name)]
        if name == "cap" and value == -1:
            continue
        found[name] = value / 1000 if name.endswith("_seconds") else value
    return found
