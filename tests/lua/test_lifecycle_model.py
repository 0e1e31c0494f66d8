"""Lives of players at random against a plain model: who is where, and what is kept of it. Nothing else is left."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from redis import Redis

from tests.lua.lifecycle import ABORT_MS, PENALTIES, READY, WINDOW_MS, WITHIN_MS, Lifecycle, results, rules
from tests.lua.world import World
from tests.servers import remove_keys

PLAYERS = ("ann", "bob", "cat", "dan", "eva")
QUEUES = ("plain", "asked", "told", "both")
RULES = {
    "plain": rules(),
    "asked": rules(READY, PENALTIES),
    "told": rules(results(alone="dispute", by="either")),
    "both": rules(READY, PENALTIES, results(abort_seconds=ABORT_MS / 1000)),
}


@dataclass
class Check:
    queue: str
    players: tuple[str, str]
    until: int
    accepted: set[str] = field(default_factory=set)


@dataclass
class Open:
    queue: str
    players: tuple[str, str]
    at: int
    until: int
    disputed: bool = False
    reports: dict[str, list[int]] = field(default_factory=dict)


class LifecycleMachine(RuleBasedStateMachine):
    """``tickets``: player -> live ticket; ``waiting``: player -> queue; ``ended``: ticket -> how. All else is as in the
    realm."""

    url: str

    @initialize()
    def begin(self) -> None:
        self.client = Redis.from_url(self.url)
        self.world = World(self.client, f"x-{uuid.uuid4().hex[:16]}")
        self.play = Lifecycle(self.world)
        for queue, one in RULES.items():
            self.world.apply(one, queue)
        self.tickets: dict[str, str] = {}
        self.waiting: dict[str, str] = {}
        self.checks: dict[str, Check] = {}
        self.matches: dict[str, Open] = {}
        self.ended: dict[str, str] = {}
        self.barred: dict[str, int] = {}
        self.offences: dict[str, int] = {}
        self.count = 0

    def teardown(self) -> None:
        remove_keys(self.client, self.world.realm)
        self.client.close()

    # -- what the model makes of it ------------------------------------------------------------------------------------

    def end(self, player: str, how: str) -> None:
        self.waiting.pop(player, None)
        self.ended[self.tickets.pop(player)] = how

    def offend(self, queue: str, player: str) -> None:
        """Ladder 0, 60 s, 300 s; nothing decays within a run."""
        if RULES[queue].penalties is None:
            return
        self.offences[player] = self.offences.get(player, 0) + 1
        bar = (0, 60_000, 300_000)[min(self.offences[player], 3) - 1]
        self.barred[player] = max(self.barred.get(player, 0), self.world.now + bar)

    def fail(self, check: str, at_fault: set[str]) -> None:
        one = self.checks.pop(check)
        for player in one.players:
            if player in at_fault:
                self.offend(one.queue, player)
                self.end(player, "cancelled")
            else:
                self.waiting[player] = one.queue

    def time_out(self, check: str) -> None:
        one = self.checks[check]
        self.fail(check, set(one.players) - one.accepted)

    def open(self, match: str, queue: str, players: tuple[str, str]) -> None:
        for player in players:
            self.end(player, "matched")
        if RULES[queue].results is not None:
            self.matches[match] = Open(queue, players, self.world.now, self.world.now + WITHIN_MS)

    def asked(self, player: str) -> str | None:
        return next((id_ for id_, one in self.checks.items() if player in one.players), None)

    def plays(self, player: str) -> str | None:
        return next((id_ for id_, one in self.matches.items() if player in one.players and not one.disputed), None)

    # -- what happens --------------------------------------------------------------------------------------------------

    @rule(players=st.permutations(PLAYERS), queue=st.sampled_from([*QUEUES, "both", "asked"]))
    def two_meet(self, players: list[str], queue: str) -> None:
        """So that much goes on."""
        for player in players[:2]:
            self.enqueue(player, queue)
        self.match_pass(queue)

    @rule(player=st.sampled_from(PLAYERS), queue=st.sampled_from(QUEUES))
    def enqueue(self, player: str, queue: str) -> None:
        self.count += 1
        reply = self.play.enqueue(player, 1500, ticket=f"t-{self.count}", queues=queue)
        if player in self.tickets:
            wanted = "already_waiting"
        elif self.plays(player):
            wanted = "in_match"
        elif RULES[queue].penalties is not None and self.barred.get(player, 0) > self.world.now:
            wanted = "penalised"
        else:
            wanted = "waiting"
            self.tickets[player], self.waiting[player] = f"t-{self.count}", queue
        assert reply[0] == wanted

    @rule()
    def match_all(self) -> None:
        for queue in QUEUES:
            self.match_pass(queue)

    def match_pass(self, queue: str) -> None:
        for id_ in self.play.match_pass(queue):
            body = next(body for event, _, body in self.world.events() if event == id_)
            players = (body["teams"][0][0]["player"], body["teams"][1][0]["player"])
            assert all(self.waiting.pop(player) == queue for player in players)
            if RULES[queue].ready_check is None:
                self.open(id_, queue, players)
            else:
                self.checks[id_] = Check(queue, players, self.world.now + WINDOW_MS)
        assert sum(other == queue for other in self.waiting.values()) < 2

    @rule(data=st.data(), player=st.sampled_from(PLAYERS), how=st.sampled_from(["accept", "accept", "decline"]))
    def answer(self, data: st.DataObject, player: str, how: str) -> None:
        if not self.checks:
            return
        check = data.draw(st.sampled_from(sorted(self.checks)))
        one = self.checks[check]
        reply = self.play.raw(how, check, player)
        if player not in one.players:
            assert reply[0] == "stranger"
        elif self.world.now >= one.until:
            self.time_out(check)
            assert reply == ["check_over", check, "no_answer"]
        elif how == "decline":
            self.fail(check, {player})
            assert reply[:2] == ["declined", check]
        else:
            one.accepted.add(player)
            assert reply[0] == ("matched" if len(one.accepted) == 2 else "accepted")
            if len(one.accepted) == 2:
                del self.checks[check]
                self.open(reply[1], one.queue, one.players)

    @rule(player=st.sampled_from(PLAYERS))
    def cancel(self, player: str) -> None:
        check = self.asked(player)
        queue = self.waiting.get(player, "plain")
        reply = self.play.cancel(player, queue)
        if check and self.world.now < self.checks[check].until:
            self.fail(check, {player})
        elif check:
            self.time_out(check)
            assert reply[0] == ("elsewhere" if player in self.waiting else "cancelled")
        elif player in self.waiting:
            self.end(player, "cancelled")
            assert reply[0] == "cancelled"

    @rule(
        data=st.data(), player=st.sampled_from(PLAYERS), ranks=st.sampled_from([[1, 2], [1, 2], [2, 1]]),
        by=st.sampled_from(["player", "player", "player", "server", "operator"]),
    )  # fmt: skip
    def report(self, data: st.DataObject, player: str, ranks: list[int], by: str) -> None:
        if not self.matches:
            return
        match = data.draw(st.sampled_from(sorted(self.matches)))
        one = self.matches[match]
        code = self.play.report(match, player if by == "player" else "x", ranks, by=by)[0]
        if by == "player" and player not in one.players:
            wanted = "stranger"
        elif by == "operator":
            wanted = "finished"
        elif by == "server":
            if one.queue != "told":
                wanted = "invalid"
            elif one.disputed:
                wanted = "already_reported" if one.reports.setdefault("server", ranks) != ranks else "disputed"
            else:
                wanted = "finished"
        elif one.reports.setdefault(player, ranks) != ranks:
            wanted = "already_reported"
        else:
            told = [one.reports[who] for who in one.players if who in one.reports]
            one.disputed = one.disputed or any(other != ranks for other in told)
            wanted = "disputed" if one.disputed else "finished" if len(told) == 2 else "reported"
        assert code == wanted
        if wanted == "finished":
            del self.matches[match]

    @rule(data=st.data(), player=st.sampled_from(PLAYERS), by=st.sampled_from(["player", "player", "operator"]))
    def abort(self, data: st.DataObject, player: str, by: str) -> None:
        if not self.matches:
            return
        match = data.draw(st.sampled_from(sorted(self.matches)))
        one = self.matches[match]
        code = self.play.abort(match, player, by=by)[0]
        if by == "operator":
            wanted = "finished"
        elif player not in one.players:
            wanted = "stranger"
        elif one.disputed:
            wanted = "match_over"
        elif self.world.now - one.at >= ABORT_MS or one.reports:
            wanted = "too_late"
        else:
            self.offend(one.queue, player)
            wanted = "finished"
        assert code == wanted
        if wanted == "finished":
            del self.matches[match]

    @rule(data=st.data(), player=st.sampled_from(PLAYERS))
    def leave(self, data: st.DataObject, player: str) -> None:
        if not self.matches:
            return
        match = data.draw(st.sampled_from(sorted(self.matches)))
        one = self.matches[match]
        code = self.play.leave(match, player)[0]
        wanted = "stranger" if player not in one.players else "match_over" if one.disputed else "finished"
        assert code == wanted
        if wanted == "finished":
            self.offend(one.queue, player)
            del self.matches[match]

    @rule(ms=st.sampled_from([1, 900, WINDOW_MS // 2, WINDOW_MS, WITHIN_MS // 2]))
    def time_passes(self, ms: int) -> None:
        self.world.now += ms

    @rule()
    def lapse(self) -> None:
        self.play.lapse()
        for check in [id_ for id_, one in self.checks.items() if one.until <= self.world.now]:
            self.time_out(check)
        for match, one in [*self.matches.items()]:
            if one.until > self.world.now or one.disputed:
                continue
            if one.reports and one.queue == "told":
                one.disputed = True
            else:
                del self.matches[match]

    # -- what holds always ---------------------------------------------------------------------------------------------

    @invariant()
    def tickets_are_where_the_model_has_them(self) -> None:
        asked = {player for one in self.checks.values() for player in one.players}
        assert self.tickets.keys() == self.waiting.keys() | asked
        assert self.world.live() == set(self.tickets.values())
        for queue in QUEUES:
            on_line = {ticket for ticket, _ in self.world.line(queue)}
            assert on_line == {self.tickets[player] for player, where in self.waiting.items() if where == queue}
            assert self.world.certificates(queue).keys() <= on_line
        assert self.world.ends().keys() == {self.tickets[player] for player in self.waiting}
        for player in self.tickets:
            code, ticket, *_ = self.play.status(player)
            assert (code, ticket) == ("proposed" if player in asked else "waiting", self.tickets[player])

    @invariant()
    def nothing_else_is_kept(self) -> None:
        play = self.play
        on = {id_: one for id_, one in self.matches.items() if not one.disputed}
        assert play.kept("checks").keys() == self.checks.keys()
        assert play.kept("checking") == {self.tickets[p]: id_ for id_, one in self.checks.items() for p in one.players}
        assert play.kept("matches").keys() == self.matches.keys()
        assert play.kept("bodies").keys() == self.checks.keys() | self.matches.keys()
        players = {field[2:] for field in play.kept("playing") if field.startswith("p:")}
        assert players == {player for one in on.values() for player in one.players}
        assert len({field[2:] for field in play.kept("playing")} - players) == len(players)
        assert play.deadlines().keys() == {f"c:{id_}" for id_ in self.checks} | {f"m:{id_}" for id_ in on}
        earliest = min(play.deadlines().values(), default=None)
        # A moment that is over already does no harm: one look corrects it
        assert earliest is None or self.world.due()["!open"] <= earliest
        for check, one in self.checks.items():
            assert set(json.loads(play.kept("checks")[check])["accepted"]) == one.accepted
        for match, open_ in self.matches.items():
            assert play.state(match)[1]["reports"].keys() == open_.reports.keys() - {"server"}

    @invariant()
    def tickets_ended_once(self) -> None:
        ends = [
            (member["ticket"], kind)
            for _, kind, body in self.world.events()
            if kind in ("matched", "cancelled", "expired")
            for member in ([body] if kind != "matched" else [one for team in body["teams"] for one in team])
        ]
        assert len(ends) == len(dict(ends))
        assert dict(ends) == self.ended

    @invariant()
    def offences_are_counted(self) -> None:
        levels = {player: min(count, 3) for player, count in self.offences.items()}
        assert {player: min(int(text.split()[0]), 3) for player, text in self.play.kept("penalties").items()} == levels


def test_lives_follow_the_model(redis_url: str) -> None:
    """Given any sequence of calls and of time, then the realm is what a plain model says, after each of them."""

    class OnTheServer(LifecycleMachine):
        url = redis_url

    run_state_machine_as_test(
        OnTheServer,
        settings=settings(
            max_examples=40, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
