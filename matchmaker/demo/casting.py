"""By which rules a demo plays, and who comes to it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from matchmaker import errors
from matchmaker.demo.options import SIDED_QUEUE, SIDES, DemoOptions, rules_text, sided_rules_text
from matchmaker.demo.ratings import BUILT_IN, load_ratings
from matchmaker.demo.roster import Entrant, load_roster, races_of
from matchmaker.rules import QueueRules, load_rules, parse_rules

NEEDING: Final = ("same", "any_of", "range", "distance", "latency", "servers")
"""Rules that ask of every ticket what a demo's players do not know of themselves."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Who comes: of a queue with sides the ``roster``, else players with ``ratings`` (empty: the built-in
    distribution). ``constraints`` are the queue's, as compiled; empty without any."""

    ratings: list[float] = field(default_factory=list)
    roster: list[Entrant] = field(default_factory=list)
    constraints: dict[str, Any] = field(default_factory=dict)

    def drawn(self, options: DemoOptions) -> str:
        """Where ratings come from, in words."""
        if self.roster:
            return f"those of {len(self.roster):,} players of {options.ratings}, who offer one side or both"
        return BUILT_IN if options.ratings is None else f"{len(self.ratings):,} of {options.ratings}, with replacement"


def casting(options: DemoOptions) -> tuple[dict[str, QueueRules], Cast]:
    """The rules, and who plays by them.

    :raises InvalidInput: a file cannot be used, the queue is not in it, or players could not do what its rules ask.
    :raises RulesInvalid: the rules file breaks a bound.
    """
    if options.rules is None and options.queue == SIDED_QUEUE:
        roster = load_roster(options.ratings, SIDES)
        rules = parse_rules(sided_rules_text(options.queue, races_of(roster)), "the demo's rules")
        return rules, Cast([], roster, constraints_of(rules[options.queue]))
    rules = _rules(options)
    constraints = constraints_of(rules[options.queue])
    asked = [name for name in NEEDING if name in constraints]
    if asked:
        bound = "rules that players can keep who bring ratings, sides and vetoes only"
        raise errors.InvalidInput("rules", f"{options.queue}: {', '.join(asked)}", bound)
    if "sides" in constraints:
        roster = load_roster(options.ratings, constraints["sides"], constraints.get("choices"))
        return rules, Cast([], roster, constraints)
    return rules, Cast([] if options.ratings is None else load_ratings(options.ratings), [], constraints)


def constraints_of(rules: QueueRules) -> dict[str, Any]:
    """What scripts know as a queue's constraints; empty for a plain one."""
    found: dict[str, Any] = json.loads(rules.compiled()).get("constraints", {})
    return found


def _rules(options: DemoOptions) -> dict[str, QueueRules]:
    if options.rules is None:
        return parse_rules(rules_text(options.queue), "the demo's rules")
    rules = load_rules(options.rules)
    if options.queue not in rules:
        raise errors.InvalidInput("queue", options.queue, f"a queue of {options.rules}: {', '.join(rules)}")
    return rules
