"""``queues apply``, ``show`` and ``history``: the rules of queues, and who waits in them."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from matchmaker.cli.command import Invocation, answers
from matchmaker.cli.completion import complete_queue
from matchmaker.cli.output import local_time
from matchmaker.cli.shapes import RealmClock, ticket_json
from matchmaker.errors import UnknownQueue, UnknownRealm
from matchmaker.rules import MAX_FILE_BYTES, load_rules, parse_rules, warnings_for
from matchmaker.words import points, span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matchmaker.client import Matchmaker
    from matchmaker.model import Ticket
    from matchmaker.reports import QueueChange, RealmStats, StoredRules
    from matchmaker.rules import QueueRules
    from matchmaker.store.reads import RuleChange

STANDARD_INPUT: Final = "-"
CANCELLING: Final = ("sides", "same")


@click.group()
def queues() -> None:
    """Apply and show the rules of queues."""


def read_rules(file: str) -> Mapping[str, QueueRules]:
    """The rules in a file, or on standard input for ``-``. Raises RulesInvalid with everything that is wrong."""
    if file != STANDARD_INPUT:
        return load_rules(file)
    return parse_rules(sys.stdin.buffer.read(MAX_FILE_BYTES + 1).decode("utf-8", "replace"), "standard input")


def change_rows(changes: Sequence[QueueChange]) -> list[tuple[str, str, str]]:
    """``ladder  created  version 1``."""
    return [(change.queue, change.change, f"version {change.version}") for change in changes]


@queues.command("apply")
@click.argument("file")
@click.option("--prune", is_flag=True, help="Also remove queues that FILE does not name, and cancel who waits in them.")
@click.option("--dry-run", is_flag=True, help="Only tell what would change.")
@answers
def apply_rules(invocation: Invocation, file: str, prune: bool, dry_run: bool) -> None:
    """Check FILE (TOML, - for standard input) and store its rules in the realm.

    All of it or nothing. Matchers use the rules from their next pass on; the same file again changes nothing.
    """
    rules = read_rules(file)
    warnings = {queue: advice for queue, one in rules.items() if (advice := warnings_for(one))}
    output = invocation.output
    with invocation.matchmaker() as mm:
        before = _rules_before(mm)
        changes = mm.apply_rules(rules, prune=prune, dry=dry_run)
    fields = {one.queue: _changed_fields(one, before, rules) for one in changes}
    if output.as_json:
        told = [_change_json(one, fields[one.queue]) for one in changes]
        output.document({"realm": mm.calls.realm, "dry_run": dry_run, "changes": told, "warnings": warnings})
        return
    output.table(change_rows(changes))
    for queue, changed in fields.items():
        for said in _said(changed):
            output.line(f"{queue}: {said}")
        if _cancels(changed):
            output.line(f"{queue}: those who wait {'would be' if dry_run else 'are'} cancelled (rules_changed)")
    if dry_run:
        output.line("nothing was changed")
    for queue, advice in warnings.items():
        for sentence in advice:
            output.warning(f"{queue}: {sentence}")


def _rules_before(mm: Matchmaker) -> Mapping[str, StoredRules]:
    """The rules that are to change; none in a realm that the file creates."""
    try:
        return mm.rules()
    except UnknownRealm:
        return {}


def _changed_fields(
    change: QueueChange, before: Mapping[str, StoredRules], rules: Mapping[str, QueueRules]
) -> list[tuple[str, Any, Any]]:
    if change.change != "changed" or change.queue not in before:
        return []
    old, new = (one.model_dump(mode="json") for one in (before[change.queue].rules, rules[change.queue]))
    return _difference(_flat(old), _flat(new))


def _cancels(changed: Sequence[tuple[str, Any, Any]]) -> bool:
    """Where tickets stand depends on their sides and classes, so new ones leave nobody a place."""
    return any(field in CANCELLING for field, _, _ in changed)


def _change_json(change: QueueChange, changed: Sequence[tuple[str, Any, Any]]) -> dict[str, Any]:
    body: dict[str, Any] = {"queue": change.queue, "change": change.change, "version": change.version}
    if changed:
        body["diff"] = {field: {"old": old, "new": new} for field, old, new in changed}
    if _cancels(changed):
        body["cancels"] = True
    return body


@queues.command("show")
@click.argument("queue", required=False, shell_complete=complete_queue)
@click.option("--waiting", is_flag=True, help="List those who wait, lowest rating first.")
@answers
def show(invocation: Invocation, queue: str | None, waiting: bool) -> None:
    """List the realm's queues, or print the rules of one, as they would stand in queues.toml."""
    with invocation.matchmaker() as mm:
        stats = mm.stats()  # refuses a realm that does not exist
        stored = mm.rules()
        if queue is not None:
            if queue not in stored:
                raise UnknownQueue(queue, mm.calls.realm)
            stored = {queue: stored[queue]}
        if waiting:
            _show_waiting(invocation, mm, list(stored))
        elif queue is None:
            _show_all(invocation, stored, stats)
        else:
            _show_one(invocation, stored[queue], stats)


def _waiting_in(stats: RealmStats, queue: str) -> int:
    return next((one.waiting for one in stats.queues if one.queue == queue), 0)


def _queue_json(held: StoredRules, stats: RealmStats) -> dict[str, Any]:
    return {
        "queue": held.queue,
        "version": held.version,
        "closing": held.closing,
        "waiting": _waiting_in(stats, held.queue),
        "rules": held.rules.model_dump(mode="json"),
    }


def _show_all(invocation: Invocation, stored: Mapping[str, StoredRules], stats: RealmStats) -> None:
    output = invocation.output
    if output.as_json:
        output.document({"realm": stats.realm, "queues": [_queue_json(held, stats) for held in stored.values()]})
        return
    rows = [
        (
            queue + (" (closing)" if held.closing else ""),
            held.version,
            _waiting_in(stats, queue),
            held.rules.accept,
            int(held.rules.max_gap),
            _in_short(held.rules.willingness.model_dump()),
        )
        for queue, held in stored.items()
    ]
    output.table(rows, head=("queue", "version", "waiting", "accept", "max gap", "willingness"))


def _in_short(willingness: Mapping[str, Any]) -> str:
    """``per_second = 1``: what is not 0, and the kind unless it is the common one."""
    said = {name: value for name, value in willingness.items() if value not in (None, 0, "linear")}
    return ", ".join(f"{name} = {toml_value(value)}" for name, value in said.items()) or "0"


def _show_one(invocation: Invocation, held: StoredRules, stats: RealmStats) -> None:
    output = invocation.output
    if output.as_json:
        output.document({"realm": stats.realm, **_queue_json(held, stats)})
        return
    closing = ", closing" if held.closing else ""
    output.line(f"# version {held.version}, {_waiting_in(stats, held.queue):,} waiting{closing}")
    output.line(f"[{held.queue}]")
    for field, value in held.rules.model_dump(exclude_none=True).items():
        output.line(f"{field} = {toml_value(value)}")


def _show_waiting(invocation: Invocation, mm: Matchmaker, names: list[str]) -> None:
    output = invocation.output
    # Who waits in several queues is in the line of each.
    waiting: dict[str, Ticket] = {ticket.id: ticket for name in names for ticket in mm.snapshot(name)}
    tickets = list(waiting.values())
    if output.as_json:
        output.document({"realm": mm.calls.realm, "waiting": [ticket_json(ticket) for ticket in tickets]})
        return
    now_ms = RealmClock(mm).now_ms
    rows = [
        (", ".join(ticket.queues), points(ticket.rating), ticket.player, span(now_ms - ticket.enqueued_ms), ticket.id)
        for ticket in tickets
    ]
    output.table(rows, head=("queue", "rating", "player", "waits", "ticket"), right=(1, 3))


@queues.command("history")
@click.argument("queue", shell_complete=complete_queue)
@click.option("--diff", is_flag=True, help="Also tell what each change changed, field by field.")
@answers
def history(invocation: Invocation, queue: str, diff: bool) -> None:
    """List every change of a queue's rules, the first one first, out of the records.

    A change is in the list once it is recorded. Times are realm time, in this machine's time zone.
    """
    from matchmaker.store.reads import rule_history

    with invocation.database() as database:
        changes = rule_history(database, invocation.realm, queue)
    output = invocation.output
    differences = _differences(changes)
    if output.as_json:
        body = [
            {
                "version": one.version,
                "change": one.change,
                "at_ms": one.at_ms,
                "rules": one.rules,
                "diff": {field: {"old": old, "new": new} for field, old, new in changed},
            }
            for one, changed in zip(changes, differences, strict=True)
        ]
        output.document({"realm": invocation.realm, "queue": queue, "history": body})
        return
    rows: list[tuple[str, str, str, str]] = []
    for one, changed in zip(changes, differences, strict=True):
        first, *more = (_said(changed) if diff else []) or [""]
        rows.append((f"version {one.version}", local_time(one.at_ms), one.change, first))
        rows += [("", "", "", line) for line in more]
    output.table(rows)


def _differences(changes: Sequence[RuleChange]) -> list[list[tuple[str, Any, Any]]]:
    """For each change the fields that differ from the rules before it: name, old and new, None where there is none.

    Of a queue that comes back, against those it had; nothing is said of rules that nobody remembers.
    """
    found: list[list[tuple[str, Any, Any]]] = []
    before: Mapping[str, Any] | None = None
    for one in changes:
        if one.change == "removed":
            found.append([])
            continue
        rules = None if one.rules is None else _flat(one.rules)
        old, new = before or {}, rules or {}
        known = before is not None and rules is not None
        found.append(_difference(old, new) if known else [])
        before = rules
    return found


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    names = sorted(old.keys() | new.keys())
    return [(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]


def _said(changed: Sequence[tuple[str, Any, Any]]) -> list[str]:
    """``max_gap: 300 → 200`` for each field."""
    return [f"{field}: {_or_nothing(old)} → {_or_nothing(new)}" for field, old, new in changed]


def _flat(rules: Mapping[str, Any]) -> dict[str, Any]:
    """``willingness.per_second`` for what stands in a table."""
    flat: dict[str, Any] = {}
    for name, value in rules.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": one for inner, one in value.items()}
        else:
            flat[name] = value
    return flat


def _or_nothing(value: object) -> str:
    return "none" if value is None else toml_value(value)


def _toml_key(name: str) -> str:
    """As TOML takes it: bare where it may be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def toml_value(value: object) -> str:
    """A value of a rules file as TOML writes it; tables stand in one line."""
    if isinstance(value, dict):
        inner = ", ".join(f"{_toml_key(name)} = {toml_value(one)}" for name, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)  # a basic string of TOML has JSON's escapes
    return repr(int(value) if isinstance(value, float) and value.is_integer() else value)
