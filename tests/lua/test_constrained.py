"""Lines under constraints after every random operation: nobody falls due earlier than the line says, nobody due is left
waiting, and what is matched is allowed: held against the plain Python of the rules."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
import redis
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from matchmaker import compatibility
from matchmaker.compatibility import Standing
from matchmaker.rules import QueueRules
from tests.lua.strategies import examples
from tests.lua.termed import Person, constrained_rules, join, line_of, people, renamed
from tests.lua.world import QUEUE, World, new_world

MOST_WAITING = 60
NAMES = [f"p{number}" for number in range(12)]


class Line(RuleBasedStateMachine):
    """One constrained queue under random operations, beside a list of who waits."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__()
        self.opened = new_world(client)
        self.world: World = self.opened.__enter__()
        self.in_force = QueueRules()
        self.waiting: dict[str, tuple[Person, Standing]] = {}
        self.met: dict[str, dict[str, int]] = {}
        self.count = 0
        self.read = 0

    def teardown(self) -> None:
        self.opened.__exit__(None, None, None)

    # -- operations ------------------------------------------------------------------------------------------------

    @initialize(rules=constrained_rules())
    def begin(self, rules: QueueRules) -> None:
        self.in_force = rules
        self.world.apply(rules)

    @precondition(lambda self: len(self.waiting) < MOST_WAITING)
    @rule(crowd=st.lists(people("anybody"), min_size=1, max_size=8), seconds=st.sampled_from([0.0, 0.2, 5.0]))
    def arrive(self, crowd: list[Person], seconds: float) -> None:
        """Some of twelve regulars, who meet again, and strangers."""
        for person in crowd:
            self.world.now += round(1000 * seconds)
            playing = {who.name for who, _ in self.waiting.values()}
            regulars = [name for name in NAMES if name not in playing]
            self.count += 1
            name = regulars[self.count % len(regulars)] if regulars and self.count % 3 else f"s{self.count}"
            known = renamed(person, name)
            ticket = f"t{self.count}"
            assert join(self.world, self.in_force, known, ticket) == "waiting"
            met = self.met.get(name, {}) if "rematch" in self.constraints else {}
            standing = known.standing(self.in_force, ticket, self.world.now, dict(met))
            self.waiting[ticket] = known, standing

    @rule(seconds=st.sampled_from([0.001, 1.0, 7.3, 25.0, 90.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.now += round(1000 * seconds)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(sorted(self.waiting)))
        self.world.mm.cancel(ticket)
        del self.waiting[ticket]

    @rule(places=st.sampled_from([1, 30, 128, 1000]))
    def some_passes(self, places: int) -> None:
        for line in self.lines():
            self.world.run(self.world.calls.match_pass(line, places))
        self.read_matches()

    @rule()
    def everything_due_is_done(self) -> None:
        """A due line gets passes until it says that it is done; then nobody is due."""
        for line in self.lines():
            for _ in range(200):
                report = self.world.run(self.world.calls.match_pass(line, 128))
                if report.next_ms is None or report.next_ms > self.world.now:
                    break
            else:
                raise AssertionError(f"{line} stays due for ever")
        self.read_matches()
        for one, other in self.pairs():
            held_back = max(one.since, other.since) + self.in_force.interval_ms > self.world.now
            due = compatibility.is_due(self.in_force, one, other, self.world.now)
            assert held_back or not due, (one, other)

    # -- what must hold ----------------------------------------------------------------------------------------------

    def read_matches(self) -> None:
        for id_, kind, body in self.world.events()[self.read :]:
            if kind == "matched":
                self.judge(id_, body)
        self.read = len(self.world.events())

    def judge(self, match: str, body: dict[str, Any]) -> None:
        """What was matched was due, its numbers are those of the rules, and it is told as the rules say."""
        told = [team[0] for team in body["teams"]]
        (_, one), (_, other) = (self.waiting.pop(member["ticket"]) for member in told)
        at = body["at"]
        assert compatibility.is_due(self.in_force, one, other, at), match
        sides = tuple(member.get("side", "") for member in told)
        assert [member["rating"] for member in told] == [one.at[sides[0]].rating, other.at[sides[1]].rating]
        gap = abs(told[0]["rating"] - told[1]["rating"])
        price = compatibility.price(self.in_force, one, other, at)
        given = [
            compatibility.willing(self.in_force, who, side, at) for who, side in zip((one, other), sides, strict=True)
        ]
        assert body["gap"] == pytest.approx(gap, abs=1e-6)
        assert body.get("price", 0) == pytest.approx(price, abs=1e-6)
        assert body["value"] == pytest.approx(sum(given) - gap - price, abs=1e-6)
        if sides != ("", ""):
            assert sides == ("bw", "sc2")
        place = compatibility.region_of(self.in_force, one, other, at)
        assert (body.get("region"), body.get("ping")) == (place or (None, None))
        assert body.get("server") == compatibility.server_of(self.in_force, one, other)
        drawn = {pool: compatibility.draw(self.in_force, pool, one, other) for pool in self.constraints.get("pool", {})}
        assert body.get("picks", {}) == drawn
        if "rematch" in self.constraints:
            self.met.setdefault(one.player, {})[other.player] = at
            self.met.setdefault(other.player, {})[one.player] = at

    @property
    def constraints(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.in_force.compiled())["constraints"]
        return found

    def lines(self) -> list[str]:
        return sorted({line_of(self.in_force, person) for person, _ in self.waiting.values()} | {QUEUE})

    def pairs(self) -> Iterator[tuple[Standing, Standing]]:
        yield from combinations((standing for _, standing in self.waiting.values()), 2)

    @invariant()
    def no_pair_falls_due_before_both_certificates(self) -> None:
        stored: dict[str, float] = {}
        for line in self.lines():
            stored |= self.world.certificates(line)
        now = self.world.now
        for one, other in self.pairs():
            earliest = min(stored.get(one.ticket, math.inf), stored.get(other.ticket, math.inf))
            if earliest <= now:
                continue
            just_before = int(min(earliest - 1, 2.0**53))
            if just_before < max(one.since, other.since) + self.in_force.interval_ms:
                continue  # the interval holds an arrival back
            assert not compatibility.is_due(self.in_force, one, other, just_before), (one, other, earliest)

    @invariant()
    def every_line_tells_its_moment(self) -> None:
        due = self.world.due()
        for line in self.lines():
            stored = self.world.certificates(line)
            if stored:
                assert due.get(line, math.inf) <= min(stored.values())

    @invariant()
    def what_is_stored_is_whole(self) -> None:
        keys, client = self.world.keys, self.world.client
        assert self.world.live() == set(self.waiting)
        counts = {line.decode(): int(count) for line, count in client.hgetall(keys.prefix + "lines").items()}
        expected: dict[str, int] = {}
        for person, _ in self.waiting.values():
            line = line_of(self.in_force, person)
            expected[line] = expected.get(line, 0) + 1
        assert counts == expected
        assert {name.decode() for name in client.hkeys(keys.prefix + "terms")} == set(self.waiting)
        for line in self.lines():
            sides = [f":{side}" for side in self.constraints.get("sides", [])] or [""]
            for side in sides:
                on_line = {ticket.decode() for ticket in client.zrange(f"{keys.prefix}line:{line}{side}", 0, -1)}
                here = {
                    ticket
                    for ticket, (person, standing) in self.waiting.items()
                    if line_of(self.in_force, person) == line and side[1:] in standing.at
                }
                assert on_line == here


def test_lines_under_constraints(client: redis.Redis) -> None:
    machine: Any = functools.partial(Line, client)
    run_state_machine_as_test(machine, settings=examples(40, stateful_step_count=25, deadline=None))
