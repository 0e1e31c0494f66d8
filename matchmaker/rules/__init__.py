"""The rules of queues: TOML in, validated, bounded; JSON schema and the compiled form for scripts out."""

from __future__ import annotations

from matchmaker.rules.advice import warnings_for
from matchmaker.rules.constraint_fields import Distance, Latency, Provisional, Relax, Rematch
from matchmaker.rules.constraints import Constraints
from matchmaker.rules.lifecycle_fields import (
    EloRules,
    Glicko2Rules,
    OpenSkillRules,
    PenaltyRules,
    RatingRules,
    ReadyCheckRules,
    ResultRules,
)
from matchmaker.rules.model import Accept, QueueRules
from matchmaker.rules.parse import MAX_FILE_BYTES, load_rules, parse_rules, rules_from
from matchmaker.rules.schema import json_schema
from matchmaker.rules.willingness import Exponential, Linear, Stepped

__all__ = [
    "MAX_FILE_BYTES",
    "Accept",
    "Constraints",
    "Distance",
    "EloRules",
    "Exponential",
    "Glicko2Rules",
    "Latency",
    "Linear",
    "OpenSkillRules",
    "PenaltyRules",
    "Provisional",
    "QueueRules",
    "RatingRules",
    "ReadyCheckRules",
    "Relax",
    "Rematch",
    "ResultRules",
    "Stepped",
    "json_schema",
    "load_rules",
    "parse_rules",
    "rules_from",
    "warnings_for",
]
