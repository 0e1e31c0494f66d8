"""The rules of one queue: parsed, bounded, immutable; and the compiled form that scripts read.

To add a field: declare it; :mod:`matchmaker.rules.compiled` tells how it is compiled.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from matchmaker.errors import InvalidInput
from matchmaker.rules.compiled import compiled_fields, compiled_willingness, written_fields, written_willingness
from matchmaker.rules.compiled_constraints import compile_constraints, written_constraints
from matchmaker.rules.compiled_lifecycle import compile_lifecycle, written_lifecycle
from matchmaker.rules.constraints import Constraints
from matchmaker.rules.fields import (
    MAX_GAP,
    MAX_POINTS,
    MAX_SECONDS,
    WHOLE_MS,
    choice,
    number,
    optional_seconds,
    seconds,
    whole,
    zero_or_from,
)
from matchmaker.rules.lifecycle import Lifecycle
from matchmaker.rules.lifecycle_fields import OpenSkillRules
from matchmaker.rules.pieces import Fault, Table, refusal
from matchmaker.rules.willingness import Exponential, Linear, Stepped, Willingness

Accept = Literal["sum", "either", "both"]


class _Basics(Table):
    """What every queue has."""

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


class QueueRules(Lifecycle, Constraints, _Basics):
    """Rules of one queue. Equal rules have equal :meth:`compiled` forms, and the other way round.

    Building one from values that break a bound raises pydantic's ``ValidationError``;
    :func:`matchmaker.rules.rules_from` takes plain tables and raises :class:`matchmaker.errors.RulesInvalid`.
    """

    @model_validator(mode="after")
    def _cap_exponential(self) -> Self:
        """Exponential growth always has a cap, so scripts never meet infinity."""
        # The one write to a frozen table, before anyone else has seen it.
        object.__setattr__(self, "willingness", self._capped(self.willingness))
        if self.provisional is not None:
            capped = self.provisional.model_copy(update={"willingness": self._capped(self.provisional.willingness)})
            object.__setattr__(self, "provisional", capped)
        return self

    @model_validator(mode="after")
    def _openskill_starts_uncertain(self) -> Self:
        """OpenSkill takes its whole scale from the starting deviation: one of 0 would let no rating move."""
        start = self.default_rating / 3 if self.default_deviation is None else self.default_deviation
        if isinstance(self.rating, OpenSkillRules) and start < 1:
            bound = 'at least 1, as rating.system is "openskill"; left out: a third of default_rating'
            raise refusal([Fault(("default_deviation",), self.default_deviation, bound)])
        return self

    def _capped(self, table: _Kind) -> _Kind:
        if isinstance(table, Exponential) and table.cap is None:
            return table.model_copy(update={"cap": self.max_gap})
        return table

    @model_serializer(mode="wrap")
    def _without_what_is_not_set(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A plain queue is dumped as its own fields: a dump reads like the file it came from."""
        kept = {*_Basics.model_fields, *self.set_fields(), *self.lifecycle_fields()}
        dumped: dict[str, Any] = serialize(self)
        return {name: value for name, value in dumped.items() if name in kept}

    @property
    def constraints(self) -> Constraints | None:
        """The constraints alone; None for a plain queue."""
        found = self.set_fields()
        return Constraints.model_construct(**found) if found else None

    def willingness_of(self, deviation: float | None) -> _Kind:
        """The willingness of a ticket with that deviation (None: nobody knows)."""
        provisional = self.provisional
        if provisional is not None and deviation is not None and deviation >= provisional.deviation_from:
            return provisional.willingness
        return self.willingness

    def compiled(self) -> str:
        """Canonical JSON for scripts: sorted keys, no spaces, every key of every kind present (0 where unused).

        Times are integer milliseconds, a missing cap is -1. What scripts do not read, the constraints and the lifecycle
        are there only if they are not the default, so that rules without them have the text they had before those
        came. Numbers have up to 17 digits: a script may decode this text but must store and pass on the text itself,
        because ``cjson.encode`` keeps 14.
        """
        found = compiled_willingness(self.willingness) | compiled_fields(self, _OWN)
        for name in _LATER:
            if getattr(self, name) == type(self).model_fields[name].default:
                del found[name]
        constraints = compile_constraints(self)
        if constraints:
            found["constraints"] = constraints
        found |= compile_lifecycle(self)
        return json.dumps(found, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_compiled(cls, text: str) -> QueueRules:
        """Inverse of :meth:`compiled`. Raises :class:`InvalidInput` for anything that method did not write."""
        try:
            found = json.loads(text)
            present = [name for name in _OWN if name in found or name not in _LATER]
            tables = written_fields(cls, found, present) | written_constraints(found.get("constraints", {}))
            tables |= written_lifecycle(found)
            rules = cls.model_validate(tables | {"willingness": written_willingness(found)})
        # A ValidationError and a JSONDecodeError are ValueErrors; the others come of JSON of another shape.
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            rules = None
        if rules is None or rules.compiled() != text:
            raise InvalidInput("compiled rules", text, "the text that QueueRules.compiled wrote")
        return rules


_Kind = Linear | Stepped | Exponential

_OWN: Final = tuple(name for name in _Basics.model_fields if name != "willingness")
"""Fields of the queue itself."""

_LATER: Final = ("default_rating", "default_deviation")
"""Fields that are compiled only where they are not the default."""
