"""Anything that can be asked of a realm, in any order, some of it twice, against a model of plain dictionaries."""

from __future__ import annotations

import functools
import os
import uuid
from itertools import combinations
from typing import Any, Final

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from matchmaker import errors
from matchmaker.calls import Batch
from matchmaker.checker import Ledger, check
from matchmaker.model import Match, TicketRequest, TicketState, event_order
from matchmaker.plans import history_plan
from matchmaker.rules import QueueRules
from matchmaker.scripts import Reply
from matchmaker.willingness import is_due
from tests.integration.model_realm import ModelRealm, Told, outcome_of
from tests.lua.world import START_MS, World
from tests.oracle import deviations, queue_rules, ratings
from tests.servers import remove_keys

NIGHTLY: Final = os.environ.get("MATCHMAKER_TEST_PROFILE") == "nightly"
RETAIN_SECONDS: Final = 60

QUEUES = st.sampled_from(["ladder", "duel"])
ANY_QUEUE = st.sampled_from(["ladder", "duel", "ladder", "duel", "ladder", "duel", "nowhere"])
PLAYERS = st.sampled_from(["ann", "bob", "ü {x}:", "\u2028 7", "}{"]) | st.integers(0, 29).map("p{}".format)
TICKETS = st.integers(0, 29).map("t{}".format)
PLACES = st.sampled_from([3, 20, 256])
ADVANCES = st.sampled_from([1, 500, 1000, 5000, 20_000, 61_000, 1_800_000, -7000]) | st.integers(0, 100_000)
RULES = (
    st.sampled_from(
        [
            {},
            {"max_gap": 50.0, "expire_after_seconds": 60.0, "willingness": {"base": 20.0, "cap": 40.0}},
            {"accept": "both", "interval_ms": 500, "heartbeat_seconds": 10.0, "willingness": {"base": 5.0}},
            {"accept": "either", "willingness": {"kind": "stepped", "step": 10.0, "every_seconds": 5.0}},
            {"willingness": {"kind": "exponential", "base": 1.0, "doubling_seconds": 10.0, "per_deviation": 0.1}},
        ]
    ).map(QueueRules.model_validate)
    | queue_rules()
)
REQUESTS = st.builds(
    TicketRequest,
    player=PLAYERS,
    rating=st.sampled_from([1490.0, 1500.0, 1505.5]) | ratings(),
    deviation=st.none() | deviations(),
    ticket=TICKETS | st.uuids().map(str),
)


class RealmMachine(RuleBasedStateMachine):
    """After every step the realm and the model tell the same, and the checker has no objection."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__()
        self.world = World(client, f"x-{uuid.uuid4().hex[:16]}")
        self.model = ModelRealm(self.world.realm, START_MS, 1000 * RETAIN_SECONDS)
        self.ledger = Ledger()
        self.read = 0
        self.seen_id = "0-0"
        self.everyone: dict[str, list[str]] = {}
        self.known: set[str] = set()
        self.proposed = False

    def teardown(self) -> None:
        remove_keys(self.world.client, self.world.realm)

    @initialize(ladder=RULES, duel=RULES)
    def create(self, ladder: QueueRules, duel: QueueRules) -> None:
        self.world.mm.apply_rules({"ladder": ladder, "duel": duel}, retain_seconds=RETAIN_SECONDS)
        self.model.apply("ladder", ladder)
        self.model.apply("duel", duel)

    # -- players -----------------------------------------------------------------------------------------------------

    @rule(queue=ANY_QUEUE, requests=st.lists(REQUESTS, min_size=1, max_size=10), twice=st.booleans())
    def enqueue(self, queue: str, requests: list[TicketRequest], twice: bool) -> None:
        self.model.at(self.world.now)
        self.known.update(request.ticket for request in requests)
        for _ in range(1 + twice):
            expected = self.model.enqueue(queue, requests)
            assert [outcome_of(one) for one in self.world.mm.enqueue_many(queue, requests)] == expected

    @rule(ticket=TICKETS, queue=QUEUES, twice=st.booleans())
    def cancel(self, ticket: str, queue: str, twice: bool) -> None:
        self.model.at(self.world.now)
        told = self.model.live.get(ticket)
        if told is not None:
            self.model.end(told, TicketState.CANCELLED, "requested")
        for _ in range(1 + twice):
            assert self._answer(self.world.mm.cancel, ticket) == self.model.status(ticket)

    @rule(player=PLAYERS)
    def cancel_player(self, player: str) -> None:
        self.model.at(self.world.now)
        ticket = self.model.of_player(player)
        if ticket in self.model.live:
            self.model.end(self.model.live[ticket], TicketState.CANCELLED, "requested")
        expected = self.model.status(ticket) if ticket else outcome_of(errors.UnknownTicket(player))
        assert self._answer(self.world.mm.cancel_player, player) == expected
        assert self._answer(self.world.mm.status_of_player, player) == expected

    @rule(data=st.data(), twice=st.booleans())
    def heartbeat(self, data: st.DataObject, twice: bool) -> None:
        ticket = data.draw(st.sampled_from(sorted({"t0", *self.model.live})))
        self.model.at(self.world.now)
        for _ in range(1 + twice):
            assert self._answer(self.world.mm.heartbeat, ticket) == self.model.heartbeat(ticket)

    # -- workers -----------------------------------------------------------------------------------------------------

    @rule(queue=QUEUES, places=PLACES, ahead=st.booleans(), twice=st.booleans())
    def match_pass(self, queue: str, places: int, ahead: bool, twice: bool) -> None:
        for _ in range(1 + twice):
            self._pass(queue, places, ahead=ahead)

    def _pass(self, queue: str, places: int, *, ahead: bool = False) -> bool:
        """One pass; answers whether another is wanted now."""
        model = self.model
        model.at(self.world.now)
        try:
            report = self.world.match_pass(places, queue=queue, ahead=ahead)
        except errors.UnknownQueue:
            assert queue not in model.rules
            return False
        model.keep_house()
        assert report.made == len(report.matches)
        assert report.work == (queue in model.work)
        for match in report.matches:
            one, other = self._apply_match(match)
            assert is_due(model.rules[queue], one.waiting(), other.waiting(), model.now), (one, other)
            assert match.rules_version == model.versions[queue]
        return report.next_ms is not None and report.next_ms <= model.now and not report.work

    def _apply_match(self, match: Match) -> tuple[Told, Told]:
        one, other = (self.model.live[ticket.id] for ticket in match.tickets)
        assert one.queue == other.queue == match.queue
        self.model.match(one, other)
        return one, other

    @rule(data=st.data(), queue=QUEUES, twice=st.booleans())
    def propose(self, data: st.DataObject, queue: str, twice: bool) -> None:
        model, verb = self.model, self.world.mm.queue(queue).remove_matched_players
        ids = st.sampled_from(sorted({"t0", "t1", *(told.id for told in model.line(queue))}))
        one, other = data.draw(ids), data.draw(ids)
        model.at(self.world.now)
        self.known.update((one, other))
        for again in range(1 + twice):
            waits = {t for t in (one, other) if t in model.live and model.live[t].queue == queue}
            before = model.find(one)
            try:
                match = verb(one, other)
            except errors.UnknownQueue:
                assert queue not in model.rules
            except errors.TicketsChanged as refused:
                gone = {one, other} - (waits if one != other else set())
                assert gone
                assert set(refused.tickets) == gone  # noqa: PT017 - the other outcomes are judged here too
            else:
                assert isinstance(match, Match)
                if len(waits) == 2:
                    first, second = (model.live[ticket.id] for ticket in match.tickets)
                    due = is_due(model.rules[queue], first.waiting(), second.waiting(), model.now)
                    self.proposed = self.proposed or not due
                    self._apply_match(match)
                else:
                    assert again or before is not None
                    assert before is not None
                    assert before.together == {one, other} == {ticket.id for ticket in match.tickets}

    @rule(twice=st.booleans())
    def expire(self, twice: bool) -> None:
        """What the realm lists as overdue, and some that are not, are told to expire; only the former do."""
        model = self.model
        model.at(self.world.now)
        self.world.run(self.world.calls.peek(0))
        listed = dict(self.world.run(self.world.calls.overdue(model.now, 1000)))
        overdue = model.overdue()
        assert {ticket for ticket, queue in listed.items() if queue not in model.work} == overdue
        for queue in sorted(model.rules.keys() - model.work.keys()):
            over = [told for told in model.line(queue) if told.id in overdue]
            tickets = [*(told.id for told in over), *(told.id for told in model.line(queue)), "t0"][:100]
            for told in over:
                longest = model.rules[queue].expire_after_seconds
                waited_out = longest > 0 and model.now >= told.enqueued_ms + round(1000 * longest)
                model.end(told, TicketState.EXPIRED, "max_wait" if waited_out else "heartbeat")
            for again in range(1 + twice):
                expired = self.world.run(self.world.calls.expire(queue, tickets))
                assert expired == (0 if again else len(over))

    @rule(queue=QUEUES, places=PLACES)
    def tend(self, queue: str, places: int) -> None:
        self._tend(queue, places)

    def _tend(self, queue: str, places: int) -> bool:
        """A part of the work; answers whether more is left."""
        self.model.at(self.world.now)
        try:
            left: bool = self.world.run(self.world.calls.tend(queue, places)).work
        except errors.UnknownQueue:
            assert queue not in self.model.rules
            return False
        for told in self.model.tended(queue, places, done=not left):
            # Its lease was renewed by one of the calls; the checker holds it against the rules.
            at = self.world.client.zscore(self.world.keys.ends, told.id)
            assert at is not None
            assert at <= self.model.ends[told.id]
            self.model.ends[told.id] = int(at)
        return left

    @rule()
    def work_off(self) -> None:
        """Matchers do all there is to do: then nobody is due, and nothing is overdue."""
        for queue in ("ladder", "duel"):
            while self._tend(queue, 20):
                pass
            while self._pass(queue, 256):
                pass
            rules = self.model.rules.get(queue)
            line = [
                told
                for told in self.model.line(queue)
                if rules and told.enqueued_ms + rules.interval_ms <= self.model.now
            ]
            for one, other in combinations(line, 2):
                assert rules is not None
                assert not is_due(rules, one.waiting(), other.waiting(), self.model.now), (one, other)
        self.expire(twice=False)
        self._check(matchers_alive=True, grace_seconds=0.0)

    # -- operators ---------------------------------------------------------------------------------------------------

    @rule(queue=QUEUES, rules=RULES, twice=st.booleans())
    def change_rules(self, queue: str, rules: QueueRules, twice: bool) -> None:
        self.model.at(self.world.now)
        self.model.apply(queue, rules)
        for _ in range(1 + twice):
            self.world.mm.apply_rules({queue: rules})

    @precondition(lambda self: len(self.model.live) >= 3)
    @rule(queue=QUEUES)
    def remove_queue(self, queue: str) -> None:
        self.model.at(self.world.now)
        left = {name: rules for name, rules in self.model.rules.items() if name != queue}
        closing = {name for name, work in self.model.work.items() if work == "closing"}
        self.world.mm.apply_rules({name: left[name] for name in left.keys() - closing}, prune=True)
        self.model.remove(queue)

    @precondition(lambda self: self.model.rules.keys() < {"ladder", "duel"} or "closing" in self.model.work.values())
    @rule(rules=RULES)
    def open_all_queues(self, rules: QueueRules) -> None:
        self.model.at(self.world.now)
        for queue in ("ladder", "duel"):
            self.model.apply(queue, rules)
        self.world.mm.apply_rules({"ladder": rules, "duel": rules})

    @precondition(lambda self: len(self.model.live) >= 3)
    @rule(queue=QUEUES, twice=st.booleans())
    def clear(self, queue: str, twice: bool) -> None:
        self.model.at(self.world.now)
        line = self.model.line(queue)
        for told in line:
            self.model.end(told, TicketState.CANCELLED, "cleared")
        for again in range(1 + twice):
            assert self.world.mm.queue(queue).clear() == (0 if again else len(line))

    @rule(ms=ADVANCES)
    def advance(self, ms: int) -> None:
        """The callers' clock moves, sometimes back."""
        self.world.now += ms

    @rule()
    def forget_scripts(self) -> None:
        self.world.client.script_flush()

    # -- listeners ---------------------------------------------------------------------------------------------------

    @rule(player=PLAYERS, place=st.integers(-1, 20))
    def resume(self, player: str, place: int) -> None:
        """A player's events after any of them, or those of the latest ticket: all of them, or it is said that not."""
        events = self.everyone.get(player, [])
        after = events[place] if 0 <= place < len(events) else ""
        history = self.world.mm.runner.run(history_plan(self.world.calls, player, after))
        got = [event.id for event in history.events]
        latest = self.model.find(self.model.of_player(player))
        if after:
            wanted = [id_ for id_ in events if event_order(id_) > event_order(after)]
        else:
            wanted = latest.events if latest else []
        assert got == wanted[len(wanted) - len(got) :]
        if got != wanted:
            assert history.end in (Reply.FORGOTTEN, Reply.START)
            assert event_order(wanted[0])[0] < self.model.floor or event_order(after)[0] < self.model.floor

    # -- what must hold after every step -------------------------------------------------------------------------------

    @invariant()
    def the_stream_tells_what_the_model_did(self) -> None:
        entries: Any = self.world.client.xrange(self.world.keys.events, min=f"({self.seen_id}")
        told = self.model.log[self.read :]
        assert len(entries) == len(told)
        for (id_, entry), (kind, *about) in zip(entries, told, strict=True):
            self.seen_id = id_.decode()
            assert entry[b"event"].decode() == kind
            if kind != "rules":
                for ticket in about:
                    assert ticket.id.encode() in entry[b"body"]
                    ticket.events.append(self.seen_id)
                    self.everyone.setdefault(ticket.player, []).append(self.seen_id)
            else:
                queue, version, change = about
                assert f'"queue":"{queue}","version":{version},"change":"{change}"'.encode() in entry[b"body"]
        self.read = len(self.model.log)

    @invariant()
    def every_ticket_stands_as_the_model_has_it(self) -> None:
        tickets = sorted(self.known)
        answers = self.world.mm.runner.batch(Batch([self.world.calls.status("ticket", ticket) for ticket in tickets]))
        assert [outcome_of(answer) for answer in answers] == [self.model.status(ticket) for ticket in tickets]

    @invariant()
    def lines_hold_who_waits(self) -> None:
        for queue in ("ladder", "duel"):
            line = self.world.mm.snapshot(queue)
            assert [(ticket.id, ticket.rating) for ticket in line] == [(t.id, t.rating) for t in self.model.line(queue)]

    @invariant()
    def the_checker_has_no_objection(self) -> None:
        self._check()

    def _check(self, **options: Any) -> None:
        if not self.model.rules and not self.model.log:
            return
        report = check(self.world.client, self.world.realm, ledger=self.ledger, proposals=self.proposed, **options)
        assert report.ok, str(report)
        assert report.waiting == len(self.model.live)

    @staticmethod
    def _answer(verb: Any, argument: str) -> tuple[Any, ...]:
        try:
            return outcome_of(verb(argument))
        except errors.MatchmakerError as error:
            return outcome_of(error)


@pytest.mark.timeout(14_400 if NIGHTLY else 400)  # a failure is shrunk for up to five minutes
def test_whatever_is_asked_the_realm_does_as_the_model_says(redis_client: redis.Redis) -> None:
    steps, examples = (60, 2000) if NIGHTLY else (40, 30)
    machine: Any = functools.partial(RealmMachine, redis_client)
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=examples, stateful_step_count=steps, suppress_health_check=list(HealthCheck)),
    )
