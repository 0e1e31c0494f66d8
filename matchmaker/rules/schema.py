"""JSON Schema of ``queues.toml``, for editors that complete and check it."""

from __future__ import annotations

from typing import Any

from matchmaker.model import NAME_PATTERN
from matchmaker.rules.model import QueueRules


def json_schema() -> dict[str, Any]:
    """Schema (draft 2020-12) of a whole rules file. It is as strict as JSON Schema can say; loading checks the rest."""
    queue = QueueRules.model_json_schema()
    definitions = queue.pop("$defs")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "queues.toml",
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": NAME_PATTERN},
        "additionalProperties": {"$ref": "#/$defs/QueueRules"},
        "$defs": definitions | {"QueueRules": queue},
    }
