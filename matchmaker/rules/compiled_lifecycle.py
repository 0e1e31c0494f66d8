"""The compiled form of the lifecycle fields: a top-level key for each that is set, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from matchmaker.rules.compiled import compiled_fields, compiled_table, compiled_value, written_fields, written_table
from matchmaker.rules.fields import to_ms
from matchmaker.rules.lifecycle import Lifecycle
from matchmaker.rules.lifecycle_fields import SYSTEMS, PenaltyRules, ResultRules

_LETTERS: Final = "letters"


def compile_lifecycle(rules: Lifecycle) -> dict[str, Any]:
    """What is set, as scripts read it (``rating`` is for Python alone); empty where nothing is."""
    found: dict[str, Any] = {}
    if rules.ready_check is not None:
        found["ready"] = {"window_ms": to_ms(rules.ready_check.seconds)}
    if rules.penalties is not None:
        ladder = [to_ms(rung) for rung in rules.penalties.seconds]
        found["penalties"] = compiled_fields(rules.penalties, ["decay_seconds"]) | {"ladder_ms": ladder}
    if rules.results is not None:
        found["results"] = compiled_table(rules.results)
    if rules.rating is not None:
        letters = {letter: compiled_value(letter, least) for letter, least in rules.rating.letters.items()}
        names = [name for name in type(rules.rating).model_fields if name != _LETTERS]
        found["rating"] = compiled_fields(rules.rating, names) | {_LETTERS: letters}
    return found


def written_lifecycle(found: Mapping[str, Any]) -> dict[str, Any]:
    """Undo :func:`compile_lifecycle`: fields as a rules file would hold them. ``found`` may hold more.

    Raises KeyError, TypeError or AttributeError for another shape; values are for the model to check.
    """
    written: dict[str, Any] = {}
    if "ready" in found:
        written["ready_check"] = {"seconds": found["ready"]["window_ms"] / 1000}
    if "penalties" in found:
        table = found["penalties"]
        decay = written_fields(PenaltyRules, table, ["decay_seconds"])
        written["penalties"] = decay | {"seconds": [rung / 1000 for rung in table["ladder_ms"]]}
    if "results" in found:
        written["results"] = written_table(ResultRules, found["results"])
    if "rating" in found:
        written["rating"] = written_table(SYSTEMS[found["rating"]["system"]], found["rating"])
    return written
