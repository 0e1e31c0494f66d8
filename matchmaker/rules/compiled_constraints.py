"""The compiled form of constraints: the object under ``constraints``, with a key for each that is set, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matchmaker.rules.compiled import (
    compiled_table,
    compiled_value,
    compiled_willingness,
    key_of,
    written_table,
    written_willingness,
)
from matchmaker.rules.constraint_fields import Distance, Latency, Relax, Rematch
from matchmaker.rules.constraints import Constraints

_DEMAND = "relax_after_seconds"


def compile_constraints(rules: Constraints) -> dict[str, Any]:
    """What scripts read of the constraints; empty for a plain queue. Lists keep their order, which decides draws."""
    found: dict[str, Any] = {}
    for name, value in rules.set_fields().items():
        if name in ("sides", "same"):
            found[name] = list(value)
        elif name in ("choices", "pool"):
            found[name] = {key: list(names) for key, names in value.items()}
        elif name in ("any_of", "range"):
            found[name] = {key: compiled_value(_DEMAND, demand.relax_after_seconds) for key, demand in value.items()}
        elif name == "distance":
            found[name] = {key: compiled_table(table) for key, table in value.items()}
        elif name == "servers":
            found[name] = {key: dict(row) for key, row in value.items()}
        elif name == "vetoes":
            found[name] = dict(value)
        elif name in ("latency", "rematch"):
            found[name] = compiled_table(value)
        elif name == "provisional":
            deviation_from = compiled_value("deviation_from", value.deviation_from)
            found[name] = {"deviation_from": deviation_from} | compiled_willingness(value.willingness)
        elif name == "matching":
            found["own"] = True
        else:
            found[name] = value
    return found


def written_constraints(found: Mapping[str, Any]) -> dict[str, Any]:
    """Undo :func:`compile_constraints`: fields as a rules file would hold them.

    Raises KeyError, TypeError or AttributeError for another shape; values are for the model to check.
    """
    written: dict[str, Any] = {}
    for name, value in found.items():
        if name in ("any_of", "range"):
            written[name] = {key: written_table(Relax, {key_of(_DEMAND): after}) for key, after in value.items()}
        elif name == "distance":
            written[name] = {key: written_table(Distance, table) for key, table in value.items()}
        elif name == "latency":
            written[name] = written_table(Latency, value)
        elif name == "rematch":
            written[name] = written_table(Rematch, value)
        elif name == "provisional":
            written[name] = {"deviation_from": value["deviation_from"], "willingness": written_willingness(value)}
        elif name == "own":
            written["matching"] = "own"
        else:
            written[name] = value
    return written
