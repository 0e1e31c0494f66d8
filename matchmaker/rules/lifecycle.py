"""The lifecycle fields of a queue, checked as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Self

from pydantic import model_validator

from matchmaker.rules.lifecycle_fields import LifecycleFields
from matchmaker.rules.pieces import Fault, refusal

LIFECYCLE: Final = tuple(LifecycleFields.model_fields)


class Lifecycle(LifecycleFields):
    """Fields that agree with each other. Raises pydantic's ``ValidationError`` for those that do not."""

    @model_validator(mode="after")
    def _each_has_what_it_needs(self) -> Self:
        faults = list(self._lacks())
        if faults:
            raise refusal(faults)
        return self

    def _lacks(self) -> Iterator[Fault]:
        if self.penalties is not None and self.ready_check is None and self.results is None:
            shown = {"seconds": list(self.penalties.seconds)}
            yield Fault(
                ("penalties",), shown, "penalties only where there is `ready_check` or `results` to offend against"
            )
        if self.rating is not None and self.results is None:
            yield Fault(
                ("rating",), {"system": self.rating.system}, "a rating only together with `results`, which it rates"
            )

    def lifecycle_fields(self) -> dict[str, Any]:
        """Name -> table of what is set; empty for a queue whose matches are over once they are made."""
        return {name: table for name in LIFECYCLE if (table := getattr(self, name)) is not None}
