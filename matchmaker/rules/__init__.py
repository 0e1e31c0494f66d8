"""The rules of queues: TOML in, validated, bounded; JSON schema and the compiled form for scripts out."""

from __future__ import annotations

from matchmaker.rules.advice import warnings_for
from matchmaker.rules.model import Accept, Exponential, Linear, QueueRules, Stepped
from matchmaker.rules.parse import MAX_FILE_BYTES, load_rules, parse_rules, rules_from
from matchmaker.rules.schema import json_schema

__all__ = [
    "MAX_FILE_BYTES",
    "Accept",
    "Exponential",
    "Linear",
    "QueueRules",
    "Stepped",
    "json_schema",
    "load_rules",
    "parse_rules",
    "rules_from",
    "warnings_for",
]
