"""The checker's run over one realm: pages, suspects, a second look at these. See the package for why that is right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import redis

from matchmaker import errors
from matchmaker.checker.constrained import Judge, TermedLook, confirmed, suspects
from matchmaker.checker.going_on import OPEN_LINE, judge_going_on, judge_overdue
from matchmaker.checker.ledger import NOTHING_KNOWN, Ledger
from matchmaker.checker.lines import (
    PAIRS_AT_ONCE,
    CloseLook,
    Pair,
    comes_late,
    in_force_since,
    is_overdue,
    judge_due,
    look_closely,
    near_pairs,
    standing,
)
from matchmaker.checker.matches import Promptness, judge_matches
from matchmaker.checker.meetings import judge_met
from matchmaker.checker.picture import Picture, SharpPicture, of_side, read_rules, whole_picture
from matchmaker.checker.records import text_of
from matchmaker.checker.report import Report
from matchmaker.checker.source import Source, realm_now
from matchmaker.checker.stages import OUTCOMES
from matchmaker.checker.stories import Story
from matchmaker.checker.terms import Place, places_told
from matchmaker.checker.tickets import in_order, judge_player, judge_ticket
from matchmaker.checker.versions import Versions
from matchmaker.checker.violation import Code, Violation
from matchmaker.keys import Keys
from matchmaker.model import checked_text
from matchmaker.rules import QueueRules
from matchmaker.runner import typed_errors
from matchmaker.scripts import SCHEMA, SCHEMAS

TICKETS_AT_ONCE = 25
"""Suspects of one close look: with their players and lines some 400 commands, half a millisecond."""


def check(
    client: redis.Redis,
    realm: str,
    *,
    matchers_alive: bool = False,
    grace_seconds: float = 1.0,
    alive_since_ms: int | None = None,
    deep: bool = True,
    proposals: bool = False,
    ledger: Ledger | None = None,
) -> Report:
    """Everything that is wrong with a realm, at rest or at work.

    :param matchers_alive: also that nothing stays due: no pair and no expiry for longer than ``grace_seconds``
        (promised: 1 s; 5 s after a kill).
    :param alive_since_ms: realm ms since which a matcher lives; then no match made since may have come late either.
    :param deep: hold the state against the stream; without, only against itself, in time that grows with who waits
        and who ended lately and not with what ever happened.
    :param proposals: the realm also has matches that a caller made (``remove_matched_players``), which no rules bind.
    :param ledger: one that followed the stream already; it is brought up to date.
    :raises UnknownRealm: nobody has applied rules. :raises UpgradeNeeded: it has another schema.
    :raises ServerUnavailable: the server does not answer.
    """
    keys = Keys(checked_text("realm", realm))
    known = ledger if ledger is not None else Ledger()
    if not deep:
        known = Ledger(NOTHING_KNOWN)
    promptness = Promptness(round(1000 * grace_seconds), alive_since_ms)
    with typed_errors(), Source.open(client, keys) as source:
        meta = dict(source.hash_fields(keys.meta))
        if b"schema" not in meta:
            raise errors.UnknownRealm(realm)
        if text_of(meta[b"schema"]) not in SCHEMAS:
            raise errors.UpgradeNeeded(text_of(meta[b"schema"]), SCHEMA)
        source.has_stages = text_of(meta[b"schema"]) == SCHEMA
        return _Check(source, known, promptness, deep, proposals).run(matchers_alive)


class _Check:
    """One run."""

    def __init__(self, source: Source, ledger: Ledger, promptness: Promptness, deep: bool, proposals: bool) -> None:
        self._source = source
        self._ledger = ledger
        self._promptness = promptness
        self._deep = deep
        self._proposals = proposals

    def run(self, matchers_alive: bool) -> Report:
        source, ledger, keys = self._source, self._ledger, self._source.keys
        self._follow()
        _, moment = realm_now(source.at_once(source.clock()))
        fields = dict(source.hash_fields(keys.rules))
        picture = whole_picture(source, fields, self._told_lines(fields))
        self._follow()
        found = [*self._pairs(picture, moment, matchers_alive)]
        found += self._states(picture)
        lines = {*picture.certificates, *(line for line, _ in source.scores(keys.due))}
        found += judge_due(source, sorted(lines - {OPEN_LINE}))
        if source.has_stages:
            found += judge_going_on(source, ledger, deep=self._deep)
        if self._deep:
            found += judge_met(source, ledger, picture)
        if matchers_alive:
            found += self._expiries(moment)
            if source.has_stages:
                found += judge_overdue(source, moment, self._promptness.grace_ms)
        # Versions are read after every event that names one, and are never taken away.
        versions = Versions(dict(source.hash_fields(keys.rules)))
        found += [Violation(Code.RULES_BROKEN, f"the realm's rules {name} cannot be read") for name in versions.broken]
        judged, late = judge_matches(ledger, versions, self._promptness, proposals=self._proposals)
        found += [*judged, *ledger.violations()]
        return self._report(picture, found, late)

    def _follow(self) -> None:
        if self._deep:
            self._source.follow(self._ledger)

    # -- tickets and players -------------------------------------------------------------------------------------------

    def _states(self, picture: Picture) -> Iterator[Violation]:
        """Suspects of the whole picture, each judged by a sharp one."""
        ledger = self._ledger
        tickets = {*picture.tickets(), *ledger.tickets}
        suspects = [ticket for ticket in tickets if judge_ticket(picture, ledger, ticket)]
        people = picture.everyone() | ledger.last.keys()
        doubtful = [player for player in people if judge_player(picture, ledger, player)]
        for few in _parts(suspects, TICKETS_AT_ONCE):
            yield from self._second_look(picture, few, ())
        for few in _parts(doubtful, TICKETS_AT_ONCE):
            yield from self._second_look(picture, (), few)

    def _second_look(self, seen: Picture, tickets: Sequence[str], players: Sequence[str]) -> Iterator[Violation]:
        ledger = self._ledger
        wanted = {ticket: seen.queues_of(ticket) for ticket in tickets}
        owners = set(players)
        for player in players:
            known = [ledger.live.get(player), *(last.get(player) for last in seen.last), seen.players.get(player)]
            if player in ledger.last:
                known.append(ledger.last[player].ticket)
            wanted.update({ticket: seen.queues_of(ticket) for ticket in known if ticket is not None})
        for ticket, queues in wanted.items():
            if ticket in ledger.tickets:
                queues.update(self._names(seen, ledger.tickets[ticket]))
                owners.add(ledger.tickets[ticket].player)
        sharp = SharpPicture(self._source, wanted, owners)
        if not sharp.take():
            return  # it moved on five times while we looked: whatever was seen is no more
        if self._deep:
            self._source.follow(ledger, sharp.last_event)
        for ticket in tickets:
            fault = judge_ticket(sharp.picture, ledger, ticket)
            if fault:
                yield fault
        for player in players:
            fault = judge_player(sharp.picture, ledger, player)
            if fault:
                yield fault

    @staticmethod
    def _names(seen: Picture, story: Story) -> Iterator[str]:
        """The lines, sides of lines too, on which a ticket should stand."""
        for queue in story.queues:
            yield queue
            view = seen.queues.get(queue)
            if view is not None and view.rules is not None and view.rules.constraints is not None:
                yield from (of_side(place.line, place.side_name) for place in _places(view.rules, queue, story))

    def _told_lines(self, fields: Mapping[bytes, bytes]) -> set[str]:
        """The lines of classes in which the ledger's tickets stood."""
        classed = {}
        for field, compiled in fields.items():
            rules = read_rules(compiled) if field.startswith(b"q:") else None
            if rules is not None and rules.same:
                classed[field[2:].decode()] = rules
        if not classed:
            return set()
        return {
            place.line
            for story in self._ledger.tickets.values()
            for queue in story.queues
            if queue in classed
            for place in _places(classed[queue], queue, story)
        }

    # -- pairs and expiries --------------------------------------------------------------------------------------------

    def _pairs(self, picture: Picture, moment: int, matchers_alive: bool) -> Iterator[Violation]:
        """Certificates that come late, and with ``matchers_alive`` pairs that nobody matches."""
        late_text = "fall due before their certificates"
        overdue_text = f"are due for more than {self._promptness.grace_ms} ms"
        judge = Judge(self._ledger, self._promptness.grace_ms)
        some, others = suspects(picture, judge, moment, matchers_alive)
        if some or others:
            self._follow()  # to know since when no line was crowded

        def termed_late(rules: QueueRules, look: TermedLook) -> bool:
            return judge.comes_late(rules, look.pair, look.certificates, look.last_call_ms)

        def termed_overdue(rules: QueueRules, look: TermedLook) -> bool:
            return look.view is not None and judge.is_overdue(rules, look.pair, look.view.version, look.now_ms)

        yield from confirmed(self._source, some, termed_late, Code.CERTIFICATE_LATE, late_text)
        yield from confirmed(self._source, others, termed_overdue, Code.PAIR_OVERDUE, overdue_text)
        late, overdue = [], []
        for queue, view in picture.queues.items():
            rules = view.rules
            if rules is None or view.work is not None or rules.constraints is not None:
                continue
            certificates = picture.certificates[queue]
            in_force = in_force_since(self._ledger, queue, view.version)
            for pair in near_pairs(rules, queue, standing(picture, queue)):
                stored = certificates.get(pair.one.ticket), certificates.get(pair.other.ticket)
                if comes_late(rules, pair, stored, picture.now_ms):
                    late.append(pair)
                if matchers_alive and is_overdue(
                    rules, pair, moment - self._promptness.grace_ms, max(in_force, self._back(pair, picture))
                ):
                    overdue.append(pair)
        yield from self._confirmed(late, self._comes_late, Code.CERTIFICATE_LATE, late_text)
        yield from self._confirmed(overdue, self._is_overdue, Code.PAIR_OVERDUE, overdue_text)

    def _confirmed(
        self, pairs: list[Pair], holds: Callable[[CloseLook], bool], code: Code, what: str
    ) -> Iterator[Violation]:
        for few in _parts(pairs, PAIRS_AT_ONCE):
            for look in look_closely(self._source, list(few)):
                if look.here and holds(look):
                    names = " and ".join(f"{t.ticket} ({t.rating})" for t in (look.pair.one, look.pair.other))
                    yield Violation(code, f"in {look.pair.queue!r} {names} {what} {look.certificates}")

    def _comes_late(self, look: CloseLook) -> bool:
        rules = look.rules
        if rules is None or not look.is_near(rules):
            return False
        return comes_late(rules, look.pair, look.certificates, look.last_call_ms)

    def _is_overdue(self, look: CloseLook) -> bool:
        rules = look.rules
        if rules is None or look.view is None:
            return False
        in_force = in_force_since(self._ledger, look.pair.queue, look.view.version)
        since = max(in_force, self._back(look.pair))
        return is_overdue(rules, look.pair, look.now_ms - self._promptness.grace_ms, since)

    def _back(self, pair: Pair, picture: Picture | None = None) -> int:
        """Realm ms since which both stand in the line again, after a ready check that failed; 0 for long ago."""
        back = [self._ledger.returned_ms.get(ticket.ticket, 0) for ticket in (pair.one, pair.other)]
        if picture is not None and self._source.has_stages:
            # The record names the newest event; without the stream that is all that tells of a return.
            records = [picture.record(ticket.ticket) for ticket in (pair.one, pair.other)]
            back += [int(record.event.partition("-")[0] or 0) for record in records if record]
        return max(back)

    def _expiries(self, moment: int) -> Iterator[Violation]:
        """Tickets whose time was over before the grace began, and that still wait."""
        key, latest = self._source.keys.ends, moment - self._promptness.grace_ms
        overdue = [ticket for ticket, at in self._source.scores(key) if at <= latest]
        for few in _parts(overdue, TICKETS_AT_ONCE):
            scores = self._source.at_once([("ZSCORE", key, ticket) for ticket in few])
            for ticket, at in zip(few, scores, strict=True):
                if at is not None and at <= latest:
                    what = f"ticket {ticket} should have expired at {at:.0f}, the realm is at {moment}"
                    yield Violation(Code.EXPIRY_OVERDUE, what)

    # -- the sum of it -------------------------------------------------------------------------------------------------

    def _report(self, picture: Picture, found: list[Violation], late: int) -> Report:
        source, ledger, keys = self._source, self._ledger, self._source.keys
        names: tuple[str, ...] = ("enqueued", "matched", "cancelled", "expired")
        if source.has_stages:
            names += ("proposed", "disputed", *OUTCOMES)
        moments = ("rotated_ms", "floor_ms", "kept_ms")
        *clock, counters, times, last, stream, waiting = source.at_once(
            [
                *source.clock(),
                ("HMGET", keys.meta, *names),
                ("HMGET", keys.meta, *moments),
                ("XREVRANGE", keys.events, "+", "-", "COUNT", 1),
                ("XLEN", keys.events),
                ("HLEN", keys.tickets),
            ]
        )
        now, _ = realm_now(clock)
        stored = {name: int(count or 0) for name, count in zip(names, counters, strict=True)}
        for name, at in zip(moments, times, strict=True):
            if float(at) > now:
                found.append(Violation(Code.TIME_IN_FUTURE, f"{name} is {float(at):.0f}, the realm is at {now}"))
        if last:
            if int(last[0][0].partition(b"-")[0]) > now:
                what = f"the last event is {last[0][0].decode()}, the realm is at {now}"
                found.append(Violation(Code.TIME_IN_FUTURE, what))
            if self._deep:
                source.follow(ledger, last[0][0].decode())
        counted = ledger.counts + ledger.stages.outcomes
        told = {name: counted[name] for name in names} | {"matched": 2 * counted["matched"]}
        # A stream that is wrong has been reported; that nothing else adds up then is no second fault.
        if self._deep and not ledger.unseen and not found and stored != told:
            found.append(Violation(Code.COUNTERS_WRONG, f"the realm counts {stored}, the stream tells {told}"))
        counts = told if self._deep else stored
        return Report(
            realm=keys.realm,
            now_ms=now,
            violations=in_order(found),
            tickets=counts["enqueued"],
            matches=counts["matched"] // 2,
            cancelled=counts["cancelled"],
            expired=counts["expired"],
            waiting=waiting,
            events=ledger.events if self._deep else stream,
            late=late,
            whole=self._deep and not ledger.unseen,
            ledger=ledger,
        )


def _places(rules: QueueRules, queue: str, story: Story) -> list[Place]:
    """Where a ticket stands or stood; nowhere that could be told, if it came under other rules."""
    try:
        return places_told(rules, queue, story.brought)
    except KeyError:
        return []


def _parts(items: Iterable[Any], size: int) -> Iterator[tuple[Any, ...]]:
    """The items, so many at a time."""
    rest = iter(items)
    while part := tuple(islice(rest, size)):
        yield part
