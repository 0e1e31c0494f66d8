"""What is stored of ready checks, open matches, deadlines and penalties: against itself and against the stream.

Pages give suspects, and each few of these are read again at one moment, as tickets are (see the package).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from matchmaker.checker.ledger import Ledger
from matchmaker.checker.records import bytes_of, text_of
from matchmaker.checker.source import Commands, Source, realm_now
from matchmaker.checker.stages import CheckStory, OpenStory
from matchmaker.checker.violation import Code, Violation

AT_ONCE: Final = 20
"""Suspects of one close look, with some twenty commands each."""

OPEN_LINE: Final = "!open"
"""The name under which the earliest deadline stands in ``due``."""

_PENALTY: Final = re.compile(rb"[1-9]\d* \d+ \d+")


@dataclass(slots=True)
class GoingOn:
    """State by ready check, match, ticket and player. ``ended`` has how checks and matches ended, by ``c:``, ``m:``."""

    checks: dict[str, Any] = field(default_factory=dict)
    checking: dict[str, str] = field(default_factory=dict)
    matches: dict[str, Any] = field(default_factory=dict)
    playing: dict[str, str] = field(default_factory=dict)
    bodies: dict[str, str] = field(default_factory=dict)
    deadlines: dict[str, float] = field(default_factory=dict)
    records: set[str] = field(default_factory=set)

    def names(self) -> set[str]:
        """Every check and match that anything is known of."""
        known = {*self.checks, *self.matches, *self.checking.values(), *self.bodies}
        return known | {name[2:] for name in self.deadlines}

    def members(self, name: str) -> dict[str, str]:
        """Ticket -> player of a check or match, as far as it is stored."""
        check, match = self.checks.get(name), self.matches.get(name)
        if check:
            return {t["ticket"]: t["player"] for team in check["teams"] for t in team}
        return {ticket: player for player, ticket in match["tickets"].items()} if match else {}


def _parsed(text: bytes | None) -> Any:
    try:
        found = json.loads(text) if text is not None else None
    except ValueError:
        return {}
    return found if found is None or isinstance(found, dict) else {}


def judge_going_on(source: Source, ledger: Ledger, *, deep: bool) -> Iterator[Violation]:
    """All of it, but for what only time shows (:func:`judge_overdue`)."""
    keys = source.keys
    seen = GoingOn()
    seen.checks = {text_of(name): _parsed(text) for name, text in source.hash_fields(keys.checks)}
    seen.matches = {text_of(name): _parsed(text) for name, text in source.hash_fields(keys.matches)}
    seen.checking = {text_of(ticket): text_of(name) for ticket, name in source.hash_fields(keys.checking)}
    seen.playing = {text_of(name): text_of(value) for name, value in source.hash_fields(keys.playing)}
    seen.bodies = {text_of(name): text_of(body) for name, body in source.hash_fields(keys.bodies)}
    seen.deadlines = dict(source.scores(keys.deadlines))
    seen.records = {text_of(ticket) for ticket, _ in source.hash_fields(keys.tickets)}
    stages = ledger.stages
    running = {name for name, check in stages.checks.items() if not check.outcome}
    unfinished = {name for name, match in stages.matches.items() if match.state != "finished"}
    suspects = [name for name in seen.names() | running | unfinished if next(_faults(seen, ledger, name), None)]
    players = {name[2:] for name in seen.playing if name.startswith("p:")}
    ghosts = [player for player in players if next(_ghost(seen, ledger, player), None)]
    for few in _parts(suspects):
        sharp, last = _read_again(source, seen, ledger, few, ())
        if deep:
            source.follow(ledger, last)
        yield from (fault for name in few if (fault := next(_faults(sharp, ledger, name), None)))
    for few in _parts(ghosts):
        sharp, last = _read_again(source, seen, ledger, (), few)
        if deep:
            source.follow(ledger, last)
        yield from (fault for player in few if (fault := next(_ghost(sharp, ledger, player), None)))
    yield from _agenda(source)
    yield from _penalties(source)


def judge_overdue(source: Source, moment: int, grace_ms: int) -> Iterator[Violation]:
    """Deadlines that were over before the grace began. A ready check that outlasted a silence begins anew."""
    keys, latest = source.keys, moment - grace_ms
    late = [name for name, at in source.scores(keys.deadlines) if at <= latest]
    for few in _parts(late):
        *scores, silent = source.at_once(
            [*(("ZSCORE", keys.deadlines, bytes_of(name)) for name in few), ("HGET", keys.meta, "silent_ms")]
        )
        for name, at in zip(few, scores, strict=True):
            if at is not None and max(at, float(silent or 0)) <= latest:
                yield Violation(Code.DEADLINE_OVERDUE, f"{name} was over at {at:.0f}, the realm is at {moment}")


def _parts(items: list[str]) -> Iterator[tuple[str, ...]]:
    rest = iter(items)
    while part := tuple(islice(rest, AT_ONCE)):
        yield part


def _read_again(
    source: Source, seen: GoingOn, ledger: Ledger, names: tuple[str, ...], players: tuple[str, ...]
) -> tuple[GoingOn, str]:
    """The same names at one moment, and the last event before it."""
    keys, stages = source.keys, ledger.stages
    tickets: dict[str, None] = {}
    owners = dict.fromkeys(players)
    for name in names:
        members = dict(seen.members(name))
        story: CheckStory | OpenStory | None = stages.checks.get(name) or stages.matches.get(name)
        members.update(story.tickets if story else {})
        tickets.update(dict.fromkeys(members))
        tickets.update(dict.fromkeys(ticket for ticket, of in seen.checking.items() if of == name))
        owners.update(dict.fromkeys(members.values()))
    for player in players:
        ticket = seen.playing.get(f"p:{player}")
        match = stages.matches.get(stages.match_of.get(player, ""))
        tickets.update(dict.fromkeys([ticket] if ticket else []))
        tickets.update(dict.fromkeys(match.tickets if match else ()))
    commands: Commands = [("XREVRANGE", keys.events, "+", "-", "COUNT", 1)]
    for name in names:
        commands += [("HGET", key, name) for key in (keys.checks, keys.matches, keys.bodies)]
        commands += [("ZSCORE", keys.deadlines, f"{kind}:{name}") for kind in "cm"]
    for ticket in tickets:
        raw = bytes_of(ticket)
        commands += [("HGET", keys.checking, raw), ("HEXISTS", keys.tickets, raw)]
        commands += [("HGET", keys.playing, kind + raw) for kind in (b"t:", b"e:")]
    commands += [("HGET", keys.playing, b"p:" + bytes_of(player)) for player in owners]
    last, *replies = source.at_once(commands)
    rest, sharp = iter(replies), GoingOn()

    def put(into: dict[str, Any], name: str, value: Any) -> None:
        if value is not None:
            into[name] = text_of(value) if isinstance(value, bytes) else value

    for name in names:
        put(sharp.checks, name, _parsed(next(rest)))
        put(sharp.matches, name, _parsed(next(rest)))
        put(sharp.bodies, name, next(rest))
        put(sharp.deadlines, f"c:{name}", next(rest))
        put(sharp.deadlines, f"m:{name}", next(rest))
    for ticket in tickets:
        put(sharp.checking, ticket, next(rest))
        if next(rest):
            sharp.records.add(ticket)
        put(sharp.playing, f"t:{ticket}", next(rest))
        put(sharp.playing, f"e:{ticket}", next(rest))
    for player in owners:
        put(sharp.playing, f"p:{player}", next(rest))
    return sharp, last[0][0].decode() if last else "0-0"


def _faults(seen: GoingOn, ledger: Ledger, name: str) -> Iterator[Violation]:
    """What is wrong with one check or match."""
    try:
        if name in seen.checks or name in ledger.stages.checks:
            found = _check_faults(seen, ledger, name)
        elif name in seen.matches or name in ledger.stages.matches:
            found = _match_faults(seen, ledger, name)
        else:
            found = _remains(seen, name)
        yield from found
    except (KeyError, TypeError, ValueError, AttributeError) as unreadable:
        code = Code.CHECK_WRONG if name in seen.checks else Code.OPEN_WRONG
        yield Violation(code, f"{name} cannot be read: {unreadable!r}")


def _remains(seen: GoingOn, name: str) -> Iterator[Violation]:
    """What may be left of something that is over, or never was."""
    for kind in "cm":
        if f"{kind}:{name}" in seen.deadlines:
            yield Violation(Code.DEADLINE_WRONG, f"{kind}:{name} has a deadline and does not go on")
    if name in seen.bodies:
        yield Violation(Code.OPEN_WRONG, f"{name} has its event kept and does not go on")
    for ticket in sorted(ticket for ticket, of in seen.checking.items() if of == name):
        yield Violation(Code.CHECKING_WRONG, f"ticket {ticket} is said to be in the ready check {name}, which is over")


def _check_faults(seen: GoingOn, ledger: Ledger, name: str) -> Iterator[Violation]:
    check, told = seen.checks.get(name), ledger.stages.checks.get(name)
    if told is None and ledger.knows(name):
        yield Violation(Code.CHECK_WRONG, f"ready check {name} has no event")
    if check is None:
        if told is not None and not told.outcome:
            yield Violation(Code.CHECK_WRONG, f"ready check {name} of {told.tickets} is nowhere")
        else:
            yield from _remains(seen, name)
        return
    tickets = seen.members(name)
    if told is not None:
        accepted = {player for player, yes in check["accepted"].items() if yes}
        stored = str(check["queue"]), tickets, accepted, ""
        if stored != (told.queue, told.tickets, told.accepted, told.outcome):
            yield Violation(Code.CHECK_WRONG, f"ready check {name} is stored as {stored}, its events tell {told}")
    yield from _going_on(seen, name, "c", float(check["until"]), Code.CHECK_WRONG)
    for ticket in sorted(tickets):
        if seen.checking.get(ticket) != name:
            at = seen.checking.get(ticket)
            yield Violation(Code.CHECKING_WRONG, f"ticket {ticket} is in the ready check {name}, not in {at}")
        if ticket not in seen.records:
            yield Violation(Code.TICKET_LOST, f"ticket {ticket} of the ready check {name} has no record")
    for ticket in sorted(ticket for ticket, of in seen.checking.items() if of == name and ticket not in tickets):
        yield Violation(Code.CHECKING_WRONG, f"ticket {ticket} is said to be in the ready check {name}, and is not")


def _going_on(seen: GoingOn, name: str, kind: str, until: float, code: Code) -> Iterator[Violation]:
    """Its deadline and its event are there, and nothing of another kind."""
    if name not in seen.bodies:
        yield Violation(code, f"{name} goes on and its event is not kept")
    found = seen.deadlines.get(f"{kind}:{name}")
    # After a silence a check has longer than it was given.
    if found is None or found < until or (kind == "m" and found != until):
        yield Violation(Code.DEADLINE_WRONG, f"{kind}:{name} is over at {found}, it should be {until:.0f}")


def _match_faults(seen: GoingOn, ledger: Ledger, name: str) -> Iterator[Violation]:
    match, told = seen.matches.get(name), ledger.stages.matches.get(name)
    if told is None and ledger.knows(name):
        yield Violation(Code.OPEN_WRONG, f"match {name} is said to go on and has no event")
    if match is None:
        if told is not None and told.state != "finished":
            yield Violation(Code.OPEN_WRONG, f"match {name} of {told.tickets}, which is {told.state}, is nowhere")
        else:
            yield from _remains(seen, name)
        return
    tickets = seen.members(name)
    reports = {who: tuple(report["ranks"]) for who, report in match["reports"].items()}
    if told is not None:
        stored = str(match["queue"]), match["state"], tickets, reports
        if stored != (told.queue, told.state, told.tickets, told.reports):
            yield Violation(Code.OPEN_WRONG, f"match {name} is stored as {stored}, its events tell {told}")
    if match["state"] != "open":
        if f"m:{name}" in seen.deadlines:
            yield Violation(Code.DEADLINE_WRONG, f"m:{name} has a deadline, an operator is to end it")
        return
    yield from _going_on(seen, name, "m", float(match["until"]), Code.OPEN_WRONG)
    for ticket, player in sorted(tickets.items()):
        stored_ticket = seen.playing.get(f"p:{player}")
        if stored_ticket != ticket:
            what = f"player {player!r} plays {name} with {ticket}, `playing` has {stored_ticket}"
            yield Violation(Code.PLAYING_WRONG, what)
        for kind in ("t", "e"):
            if f"{kind}:{ticket}" not in seen.playing:
                yield Violation(Code.PLAYING_WRONG, f"ticket {ticket} plays {name}, `playing` has no {kind}:{ticket}")


def _ghost(seen: GoingOn, ledger: Ledger, player: str) -> Iterator[Violation]:
    """One who is said to play."""
    ticket = seen.playing.get(f"p:{player}")
    if ticket is None:
        return
    plays = ledger.stages.match_of.get(player)
    story = ledger.tickets.get(ticket)
    known = story is not None and ledger.knows(story.end_event)
    if known and (plays is None or ledger.stages.matches[plays].tickets.get(ticket) != player):
        what = f"player {player!r} is said to play with {ticket}, by the stream it plays {plays}"
        yield Violation(Code.PLAYING_WRONG, what)


def _agenda(source: Source) -> Iterator[Violation]:
    """Somebody will look at the earliest deadline in time."""
    keys = source.keys
    first, due = source.at_once(
        [("ZRANGE", keys.deadlines, 0, 0, "WITHSCORES"), ("ZSCORE", keys.due, OPEN_LINE)]
    )  # fmt: skip
    if first and (due is None or due > float(first[1])):
        yield Violation(Code.DEADLINE_WRONG, f"the earliest is {first[0].decode()} at {float(first[1]):.0f}, due {due}")


def _penalties(source: Source) -> Iterator[Violation]:
    keys = source.keys
    stored: Mapping[bytes, bytes] = dict(source.hash_fields(keys.penalties))
    kept = {bytes_of(player) for player, _ in source.scores(keys.penalised)}
    suspects = [player for player, text in stored.items() if not _PENALTY.fullmatch(text) or player not in kept]
    suspects += [player for player in kept if player not in stored]
    for player in suspects:
        *clock, text, forgotten = source.at_once(
            [*source.clock(), ("HGET", keys.penalties, player), ("ZSCORE", keys.penalised, player)]
        )
        now = realm_now(clock)[0]
        wrong = (text is None) != (forgotten is None) or (text is not None and not _PENALTY.fullmatch(text))
        if wrong or (text is not None and int(text.split()[1]) > now):
            what = f"player {text_of(player)!r} has the penalties {text}, forgotten at {forgotten}"
            yield Violation(Code.PENALTY_WRONG, what)
