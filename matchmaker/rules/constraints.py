"""The constraints of a queue, checked as a whole, and what follows from them for tickets and matches.

A queue that sets none of them is *plain*: its compiled rules do not mention them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Self

from pydantic import model_validator

from matchmaker.rules.agreement import disagreements, symmetric
from matchmaker.rules.constraint_fields import ConstraintFields
from matchmaker.rules.pieces import FrozenMap, refusal

_PLAIN: Final = {
    name: field.get_default(call_default_factory=True) for name, field in ConstraintFields.model_fields.items()
}
"""What the fields are where nothing is set."""


class Constraints(ConstraintFields):
    """Fields that agree with each other.

    Raises pydantic's ``ValidationError`` for what breaks a bound or disagrees with another field. Once made, ``vetoes``
    has every pool, and ``servers`` every pair of regions both ways.
    """

    @model_validator(mode="after")
    def _agree(self) -> Self:
        """Fields agree with each other; what may be left out is filled in, so that equal rules are equal."""
        faults = list(disagreements(self))
        if faults:
            raise refusal(faults)
        # The one write to a frozen table, before anyone else has seen it.
        object.__setattr__(self, "servers", symmetric(self.servers))
        vetoes = {pool: self.vetoes.get(pool, len(names) - 1) for pool, names in self.pool.items()}
        object.__setattr__(self, "vetoes", FrozenMap(vetoes))
        return self

    def set_fields(self) -> dict[str, Any]:
        """Name -> value of the constraints that are set; empty for a plain queue."""
        return {name: value for name, plain in _PLAIN.items() if (value := getattr(self, name)) != plain}

    @property
    def attributes(self) -> tuple[str, ...]:
        """Every attribute that a ticket has to bring, once, in the order same, any_of, range, distance."""
        return tuple(dict.fromkeys((*self.same, *self.any_of, *self.range, *self.distance)))

    def class_of(self, attributes: Mapping[str, object]) -> str:
        """The class of a ticket: its values of ``same`` joined by ",". Raises KeyError where one is missing."""
        return ",".join(str(attributes[name]) for name in self.same)

    def line_of(self, queue: str, attributes: Mapping[str, object]) -> str:
        """The line of a ticket: ``queue``, or ``queue=class``; sides come after it. KeyError as :meth:`class_of`."""
        return f"{queue}={self.class_of(attributes)}" if self.same else queue
