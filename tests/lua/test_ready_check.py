"""Ready checks: all accept and the match is, or the check fails and whoever accepted waits on as before."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any, Final

import pytest
import redis

from matchmaker import Matchmaker
from tests.lua.lifecycle import (
    DECAY_MS,
    LADDER_MS,
    PENALTIES,
    READY,
    RESULTS,
    WINDOW_MS,
    Lifecycle,
    rules,
)
from tests.lua.world import QUEUE, START_MS, World
from tests.servers import remove_keys

SIDES: Final[dict[str, Any]] = {"sides": ["bw", "sc2"]}
TRICKY: Final = '"waited_ms":5}]]},"until":7}%1"proposed"\\'


@pytest.fixture
def play(world: World) -> Lifecycle:
    """Given a queue with a ready check and penalties."""
    world.apply(rules(READY, PENALTIES))
    return Lifecycle(world)


def bodies(heard: list[tuple[str, dict[str, Any]]], kind: str) -> dict[str, dict[str, Any]]:
    return {player: body for player, body in heard if body["event"] == kind}


class TestProposed:
    def test_both_leave_the_line_and_hear_of_it(self, play: Lifecycle) -> None:
        world = play.world
        enqueued = [play.enqueue(player)[3] for player in ("ann", "bob")]
        world.now += 3_000
        with world.ear() as ear:
            (check,) = play.match_pass()
            heard = ear.heard()
        body = world.events()[-1][2]
        assert world.events()[-1][:2] == (check, "proposed")
        assert body == {
            "v": 1, "event": "proposed", "at": world.now, "queue": QUEUE, "rules": 2, "gap": 0, "value": 506,
            "teams": [
                [{"ticket": "t-ann", "player": "ann", "rating": 1500, "waited_ms": 3_000}],
                [{"ticket": "t-bob", "player": "bob", "rating": 1500, "waited_ms": 3_000}],
            ],
            "until": world.now + WINDOW_MS,
        }  # fmt: skip
        assert heard == [
            ("ann", {"id": check, "prev": enqueued[0], **body}),
            ("bob", {"id": check, "prev": enqueued[1], **body}),
        ]
        assert world.line() == []
        assert world.ends() == {}
        assert world.certificates() == {}
        assert world.live() == {"t-ann", "t-bob"}
        assert play.kept("checking") == {"t-ann": check, "t-bob": check}
        assert play.deadlines() == {f"c:{check}": world.now + WINDOW_MS}
        assert world.due() == {"!open": world.now + WINDOW_MS}
        assert world.meta()["schema"] == "3"
        assert "matched" not in world.meta()

    def test_whoever_asks_is_told(self, play: Lifecycle) -> None:
        check = play.made("ann", "bob")
        body = json.dumps(play.world.events()[-1][2], separators=(",", ":"))
        told = ["proposed", "t-ann", str(START_MS), check, "", body]
        assert play.status("ann") == told
        assert play.enqueue("ann") == told
        assert [part.decode() for part in play.world.raw("heartbeat", play.world.now, "t-ann")] == told
        assert [part.decode() for part in play.world.raw("explain", "player", "ann", 3)][:6] == told
        assert play.enqueue("ann", ticket="t-2") == ["already_waiting", "t-ann", QUEUE, "ann"]
        assert play.state(check)[0] == "checking"
        assert play.world.ends() == {}

    def test_the_pass_leaves_them_alone(self, play: Lifecycle) -> None:
        play.made("ann", "bob")
        play.enqueue("cat")
        assert play.match_pass() == []
        assert play.world.raw("expire", play.world.now, play.world.keys.channel_prefix, QUEUE, "t-ann")[1] == 0

    def test_a_pair_of_ones_own(self, play: Lifecycle) -> None:
        play.enqueue("ann", 100)
        play.enqueue("bob", 2900)
        code, check, body = play.raw("pair", QUEUE, "t-ann", "t-bob")
        assert code == "proposed"
        assert play.raw("pair", QUEUE, "t-bob", "t-ann") == [code, check, body]
        play.enqueue("cat")
        assert play.raw("pair", QUEUE, "t-ann", "t-cat") == ["changed", "t-ann"]
        match = play.accepted(check, "ann", "bob")
        assert play.raw("pair", QUEUE, "t-ann", "t-bob")[:2] == ["matched", match]
        assert play.told("matched")[0]["proposed"] is True

    def test_an_old_matcher_does_not_lose_its_moment(self, play: Lifecycle) -> None:
        """Whoever takes the moment of open matches for a line changes nothing."""
        play.made("ann", "bob")
        due = play.world.due()
        args = [play.world.now, play.world.keys.channel_prefix, "!open", 256, 0, 10]
        assert play.world.raw("pass", *args, line="!open")[0] == b"unknown_queue"
        assert play.world.due() == due != {}


class TestAccepted:
    def test_all_accept_and_the_match_is(self, play: Lifecycle) -> None:
        world = play.world
        check = play.made("ann", "bob")
        world.now += 1_000
        with world.ear() as ear:
            assert play.accept(check, "ann") == ["accepted", check, "1", "2"]
            world.now += 500
            code, match, body = play.accept(check, "bob")
            heard = ear.heard()
        assert code == "matched"
        # Then each was rung for both accepts and the match, in a chain
        chain = [(body["event"], body["prev"]) for player, body in heard if player == "ann"]
        ids = [body["id"] for player, body in heard if player == "ann"]
        assert chain == list(zip(["accepted", "accepted", "matched"], [check, *ids[:2]], strict=True))
        assert bodies(heard, "matched")["bob"]["prev"] == ids[1]
        assert [(one["player"], one["accepted"], one["needed"]) for one in play.told("accepted")] == [
            ("ann", 1, 2), ("bob", 2, 2),
        ]  # fmt: skip
        # And the match is of the moment of the last accept, names its check, and tells the whole wait
        told = json.loads(body)
        assert (told["event"], told["at"], told["check"]) == ("matched", world.now, check)
        assert [team[0]["waited_ms"] for team in told["teams"]] == [1_500, 1_500]
        assert "until" not in told
        assert told == world.events()[-1][2]
        assert play.status("ann")[:4] == ["matched", "t-ann", str(world.now), match]
        assert world.live() == set()
        assert not world.client.exists(world.keys.players)
        assert play.nothing_goes_on()
        assert (world.meta()["matched"], world.meta()["proposed"]) == ("2", "1")

    def test_again_gets_the_same_answer_at_each_stage(self, play: Lifecycle) -> None:
        check = play.made("ann", "bob")
        first = play.accept(check, "ann")
        before = play.world.dump()
        assert play.accept(check, "ann") == first
        assert play.world.dump() == before
        last = play.accept(check, "bob")
        before = play.world.dump()
        assert play.accept(check, "bob") == play.accept(check, "ann") == last
        assert play.decline(check, "ann") == ["check_over", check, "matched"]
        assert play.world.dump() == before

    def test_the_match_awaits_its_result_where_there_are_results(self, play: Lifecycle) -> None:
        play.world.apply(rules(READY, RESULTS))
        match = play.accepted(play.made("ann", "bob"), "bob", "ann")
        assert play.told("matched")[0]["until"] == play.world.now + 600_000
        assert play.state(match)[0] == "open"
        assert play.status("ann")[3:] == [match, play.status("ann")[4], json.dumps(
            play.told("matched")[0], separators=(",", ":"))]  # fmt: skip

    @pytest.mark.parametrize("name", ["accept", "decline"])
    def test_of_strangers_and_nothing(self, play: Lifecycle, name: str) -> None:
        check = play.made("ann", "bob")
        play.enqueue("cat")
        before = play.world.dump()
        assert play.raw(name, check, "cat") == ["stranger", check, "cat"]
        assert play.raw(name, check, "") == ["stranger", check, ""]
        assert play.raw(name, "1-1", "ann") == ["unknown_check", "1-1"]
        assert play.world.dump() == before
        play.accepted(check, "ann", "bob")
        assert play.raw(name, check, "cat") == ["stranger", check, "cat"]

    @pytest.mark.parametrize("player", ['zoë "the" \\ 💥', "1", "a]]}b", "%s%n", "p:x", "a/b"])
    def test_any_player_and_any_data(self, play: Lifecycle, player: str) -> None:
        world = play.world
        with world.ear() as ear:
            play.enqueue(player, 1500.1234567890123, ticket="t-1", data=TRICKY)
            play.enqueue("bob", 1500.1, data=f"[[{{{TRICKY}")
            (check,) = play.match_pass()
            world.now += 7
            play.accepted(check, "bob", player)
            heard = [body for who, body in ear.heard() if who == player]
        assert [body["event"] for body in heard] == ["enqueued", "proposed", "accepted", "accepted", "matched"]
        told = play.told("matched")[0]
        by_player = {team[0]["player"]: team[0] for team in told["teams"]}
        assert by_player[player] == {
            "ticket": "t-1", "player": player, "rating": 1500.1234567890123, "data": TRICKY, "waited_ms": 7,
        }  # fmt: skip
        assert by_player["bob"]["data"] == f"[[{{{TRICKY}"
        assert told["check"] == check

    def test_what_is_forgotten_is_unknown(self, play: Lifecycle) -> None:
        check = play.made("ann", "bob")
        play.accepted(check, "ann", "bob")
        for turn in range(3):
            assert (play.accept(check, "ann")[0] == "unknown_check") == (turn == 2)
            play.world.now += int(play.world.meta()["retain_ms"])
            play.enqueue(f"c-{turn}", -500_000)

    def test_removed_queue_keeps_its_word(self, play: Lifecycle) -> None:
        """Whoever is asked already may still say yes."""
        check = play.made("ann", "bob")
        play.world.apply(queue="other", prune=True)
        play.world.raw("tend", play.world.now, play.world.keys.channel_prefix, QUEUE, 256)
        assert play.accepted(check, "ann", "bob")


class TestDeclined:
    def test_who_declined_leaves_and_the_other_waits_on(self, play: Lifecycle) -> None:
        world = play.world
        check = play.made("ann", "bob")
        world.now += 1_000
        play.accept(check, "ann")
        world.now += 500
        with world.ear() as ear:
            assert play.decline(check, "bob") == ["declined", check, "t-bob", ""]
            heard = ear.heard()
        assert play.told("declined") == [{
            "v": 1, "event": "declined", "at": world.now, "queue": QUEUE, "check": check, "player": "bob",
            "ticket": "t-bob", "how": "declined",
        }]  # fmt: skip
        assert [(player, body["event"]) for player, body in heard] == [("ann", "returned"), ("bob", "cancelled")]
        (returned,) = play.told("returned")
        assert returned == {
            "v": 1, "event": "returned", "at": world.now, "queue": QUEUE, "ticket": "t-ann", "player": "ann",
            "rating": 1500, "waited_ms": 1_500, "check": check, "reason": "declined", "by": ["bob"],
        }  # fmt: skip
        assert play.told("cancelled")[0]["reason"] == "declined"
        assert play.status("bob")[0] == "cancelled"
        # And ann stands in the line as ever: due at once, expiring when she would have
        code, _, since, *_ = play.status("ann")
        assert (code, since) == ("waiting", str(START_MS))
        assert world.line() == [("t-ann", 1500)]
        assert world.certificates() == {"t-ann": world.now}
        assert world.due()[QUEUE] == world.now
        assert world.hints()[0] == QUEUE
        assert world.ends() == {"t-ann": START_MS + 1_800_000}
        assert play.nothing_goes_on()
        world.assert_coherent()
        # And she can be matched again
        assert play.accepted(play.made("cat"), "cat", "ann")
        waited = {team[0]["player"]: team[0]["waited_ms"] for team in play.told("matched")[0]["teams"]}
        assert waited == {"ann": 1_500, "cat": 0}

    @pytest.mark.parametrize("accepted", [False, True])
    def test_again_gets_the_same_answer(self, play: Lifecycle, accepted: bool) -> None:
        """Whoever accepted may still change its mind."""
        check = play.made("ann", "bob")
        if accepted:
            play.accept(check, "bob")
        first = play.decline(check, "bob")
        before = play.world.dump()
        assert play.decline(check, "bob") == first
        assert play.decline(check, "ann") == ["check_over", check, "declined"]
        assert play.accept(check, "bob") == play.accept(check, "ann") == ["check_over", check, "declined"]
        assert play.world.dump() == before
        assert play.state(check) == ("check_over", play.state(check)[1])
        assert play.state(check)[1]["outcome"] == "declined"

    def test_a_cancel_is_a_decline(self, play: Lifecycle) -> None:
        check = play.made("ann", "bob")
        reply = play.cancel("bob")
        assert reply[:3] == ["cancelled", "t-bob", str(play.world.now)]
        assert json.loads(reply[5])["reason"] == "declined"
        assert [one["player"] for one in play.told("declined")] == ["bob"]
        assert play.status("ann")[0] == "waiting"
        assert play.cancel("bob") == reply
        assert play.decline(check, "bob") == ["declined", check, "t-bob", ""]

    def test_a_cancel_after_the_time(self, play: Lifecycle) -> None:
        """Who accepted in time stands in line again, and is then cancelled as ever, without any penalty."""
        check = play.made("ann", "bob")
        play.accept(check, "ann")
        play.world.now += WINDOW_MS
        assert play.cancel("ann") == ["elsewhere", QUEUE]
        assert json.loads(play.cancel("ann")[5])["reason"] == "requested"
        assert play.status("bob")[0] == "cancelled"
        assert set(play.kept("penalties")) == {"bob"}


class TestTimedOut:
    def test_who_gave_no_answer_leaves(self, play: Lifecycle) -> None:
        check = play.made("ann", "bob")
        play.accept(check, "bob")
        play.world.now += WINDOW_MS - 1
        assert play.lapse() == 0
        play.world.now += 1
        assert play.lapse() == 1
        assert [(one["player"], one["how"]) for one in play.told("declined")] == [("ann", "no_answer")]
        assert play.told("cancelled")[0]["reason"] == "no_answer"
        assert (play.told("returned")[0]["reason"], play.told("returned")[0]["by"]) == ("no_answer", ["ann"])
        assert play.status("bob")[0] == "waiting"
        assert play.nothing_goes_on()
        assert play.world.due() == {QUEUE: play.world.now}
        assert play.accept(check, "ann") == ["check_over", check, "no_answer"]

    def test_nobody_answered(self, play: Lifecycle) -> None:
        play.made("ann", "bob")
        play.world.now += WINDOW_MS
        play.lapse()
        assert play.told("returned") == []
        assert play.world.live() == set()
        assert set(play.kept("penalties")) == {"ann", "bob"}
        assert play.nothing_goes_on()

    @pytest.mark.parametrize("name", ["accept", "decline"])
    def test_an_answer_after_the_time_ends_the_check(self, play: Lifecycle, name: str) -> None:
        check = play.made("ann", "bob")
        play.accept(check, "bob")
        play.world.now += WINDOW_MS
        assert play.raw(name, check, "ann") == ["check_over", check, "no_answer"]
        assert play.status("bob")[0] == "waiting"
        assert play.status("ann")[0] == "cancelled"

    def test_many_are_ended_a_bounded_number_a_call(self, play: Lifecycle) -> None:
        for n in range(5):
            play.made(f"a{n}", f"b{n}")
        play.world.now += WINDOW_MS
        reply = play.raw("lapse", 3)
        assert reply[:5] == ["lapsed", str(play.world.now), "3", str(play.world.now), "!open"]
        assert [play.lapse(3), play.lapse(3)] == [2, 0]
        assert play.nothing_goes_on()


class TestPenalties:
    def offend(self, play: Lifecycle) -> str:
        """bob declines once more; the penalty's end."""
        play.enqueue("ann")
        return play.decline(play.made("bob"), "bob")[3]

    def fresh(self, play: Lifecycle, ticket: str) -> list[str]:
        return play.enqueue("bob", ticket=ticket)

    def test_the_ladder_rises_and_the_last_rung_stays(self, play: Lifecycle) -> None:
        for n, bar in enumerate([*LADDER_MS, LADDER_MS[-1]]):
            assert self.fresh(play, f"t-{n}")[0] == "waiting"
            (check,) = [*play.match_pass()] or [play.made("ann")]
            until = play.decline(check, "bob")[3]
            assert until == (str(play.world.now + bar) if bar else "")
            assert play.told("declined")[-1].get("penalty_until") == (play.world.now + bar if bar else None)
            if bar:
                play.world.now += bar - 1
                assert self.fresh(play, f"t-{n}-x") == ["penalised", "bob", until, "1"]
                play.world.now += 1

    def test_levels_decay(self, play: Lifecycle) -> None:
        for n in range(2):
            self.fresh(play, f"t-{n}")
            (check,) = [*play.match_pass()] or [play.made("ann")]
            play.decline(check, "bob")
            play.world.now += LADDER_MS[1]
        # Given level 2, when one decay time has passed, then one more offence is again the second
        play.world.now += DECAY_MS - LADDER_MS[1]
        play.cancel("ann")
        self.fresh(play, "t-3")
        play.enqueue("ann", ticket="t-ann-2")
        (check,) = play.match_pass()
        assert play.decline(check, "bob")[3] == str(play.world.now + LADDER_MS[1])
        # And after two of them nothing is left, and the next one to be remembered lets go of it
        play.world.now += 2 * DECAY_MS
        play.decline(play.made("cat", "dan"), "dan")
        assert set(play.kept("penalties")) == {"dan"}

    def test_it_bars_from_queues_that_have_penalties_only(self, play: Lifecycle) -> None:
        play.world.apply(rules(READY, penalties={"seconds": [60.0]}))
        play.world.apply(rules(), queue="casual")
        self.fresh(play, "t-1")
        play.decline(play.made("ann"), "bob")
        assert self.fresh(play, "t-2")[0] == "penalised"
        assert play.enqueue("bob", ticket="t-2", queues=f"casual,{QUEUE}")[0] == "penalised"
        assert play.enqueue("bob", ticket="t-2", queues="casual")[0] == "waiting"

    def test_what_is_known_is_answered_under_a_penalty_too(self, play: Lifecycle) -> None:
        play.world.apply(rules(READY, penalties={"seconds": [60.0]}))
        play.decline(play.made("ann", "bob"), "bob")
        assert play.enqueue("bob")[0] == "cancelled"

    def test_without_any_nobody_is_barred(self, play: Lifecycle) -> None:
        play.world.apply(rules(READY))
        assert play.decline(play.made("ann", "bob"), "bob")[3] == ""
        assert play.kept("penalties") == {}
        assert self.fresh(play, "t-2")[0] == "waiting"


class TestBackInLine:
    """Whoever accepted stands again where it stood."""

    def fails(self, play: Lifecycle, check: str) -> None:
        play.accept(check, "ann")
        play.decline(check, "bob")

    def test_in_every_queue_of_the_ticket(self, play: Lifecycle) -> None:
        world = play.world
        world.apply(rules(READY), queue="other")
        play.enqueue("ann", queues=f"{QUEUE},other")
        before = [world.line(), world.line("other")]
        check = play.made("bob")
        assert world.line("other") == []
        self.fails(play, check)
        assert [world.line(), world.line("other")] == before == [[("t-ann", 1500)]] * 2
        assert world.client.hexists(world.keys.prefix + "terms", "t-ann")
        # And may be matched in the other
        assert play.accepted(play.made("cat", queue="other"), "cat", "ann")
        assert world.line() == world.line("other") == []
        assert not world.client.exists(world.keys.prefix + "terms")

    def test_with_sides_and_choices_it_has_both_places(self, play: Lifecycle) -> None:
        world = play.world
        world.apply(rules(READY, PENALTIES, SIDES, choices={"bw": ["zerg"], "sc2": ["terran"]}), queue="sided")
        sides = {"bw": {"rating": 1500, "choice": "zerg"}, "sc2": {"rating": 1510, "choice": "terran"}}
        play.enqueue("ann", sides=sides, queues="sided")
        lines = [world.keys.prefix + f"line:sided:{side}" for side in ("bw", "sc2")]
        kept = [*lines, world.keys.prefix + "ages:sided", world.keys.prefix + "lines"]
        before = {name: value for name, value in world.dump().items() if name.decode() in kept}
        assert {name.decode() for name in before} == {*kept}
        world.now += 1
        play.enqueue("bob", sides=sides, queues="sided")
        (check,) = play.match_pass("sided")
        assert [team[0]["side"] for team in play.told("proposed")[0]["teams"]] == ["bw", "sc2"]
        self.fails(play, check)
        assert {name: value for name, value in world.dump().items() if name.decode() in kept} == before
        assert world.client.hkeys(world.keys.prefix + "terms") == [b"t-ann"]
        assert play.nothing_goes_on()

    def test_a_meeting_is_none_until_all_accepted(self, play: Lifecycle) -> None:
        world = play.world
        world.apply(rules(READY, rematch={"after_seconds": 600}), queue="fresh")
        check = play.made("ann", "bob", queue="fresh")
        assert not world.client.exists(world.keys.prefix + "met:0", world.keys.prefix + "met:1")
        play.decline(check, "bob")
        play.enqueue("bob", ticket="t-bob-2", queues="fresh")
        assert world.client.exists(world.keys.prefix + "met:0", world.keys.prefix + "met:1") == 0
        again = play.match_pass("fresh")
        if again:
            play.accepted(again[0], "ann", "bob")
        assert world.client.exists(world.keys.prefix + "met:0", world.keys.prefix + "met:1") == len(again) == 1

    def test_with_a_lease_it_begins_anew(self, play: Lifecycle) -> None:
        play.world.apply(rules(READY, heartbeat_seconds=30.0, expire_after_seconds=60.0))
        check = play.made("ann", "bob")
        play.world.now += 15_000
        self.fails(play, check)
        assert play.world.ends() == {"t-ann": START_MS + 15_000 + 30_000}

    def test_whose_time_ran_out_meanwhile_expires_next(self, play: Lifecycle) -> None:
        play.world.apply(rules(READY, expire_after_seconds=30.0))
        play.enqueue("ann")
        play.world.now += 25_000
        check = play.made("bob")
        play.world.now += 10_000
        assert play.raw("expire", QUEUE, "t-ann") == ["expired", "0"]
        self.fails(play, check)
        assert play.world.ends() == {"t-ann": START_MS + 30_000}
        assert play.raw("expire", QUEUE, "t-ann") == ["expired", "1"]
        assert play.told("expired")[0]["waited_ms"] == 35_000

    def test_under_new_rules_of_the_same_shape(self, play: Lifecycle) -> None:
        check = play.made("ann", "bob")
        play.world.apply(rules(max_gap=10.0))
        self.fails(play, check)
        assert play.world.line() == [("t-ann", 1500)]

    @pytest.mark.parametrize(("change", "reason"), [(SIDES, "rules_changed"), (None, "queue_removed")])
    @pytest.mark.parametrize("tended", [False, True])
    def test_where_there_is_no_line_to_go_back_to(
        self, play: Lifecycle, change: dict[str, Any] | None, reason: str, tended: bool
    ) -> None:
        check = play.made("ann", "bob")
        if change is None:
            play.world.mm.apply_rules({"other": rules()}, prune=True)
        else:
            play.world.mm.apply_rules({QUEUE: rules(READY, change)})
        while tended and play.world.client.hexists(play.world.keys.rules, f"c:{QUEUE}"):
            play.world.raw("tend", play.world.now, play.world.keys.channel_prefix, QUEUE, 256)
        self.fails(play, check)
        assert play.told("returned") == []
        assert {one["player"]: one["reason"] for one in play.told("cancelled")} == {"ann": reason, "bob": "declined"}
        assert play.world.live() == set()
        assert "ann" not in play.kept("penalties")
        assert play.nothing_goes_on()


class Clockwork:
    """A realm in server time. Setting its clock forward looks to it like a silence of so long."""

    def __init__(self, client: redis.Redis, realm: str) -> None:
        self.client: Any = client
        self.mm = Matchmaker(client, realm)
        self.mm.apply_rules({QUEUE: rules(READY, PENALTIES)})
        self.world = World(client, realm)
        while int(self.raw("tend", QUEUE, 256)[9]):
            pass

    def raw(self, name: str, *args: Any) -> Any:
        return self.world.raw(name, "", self.world.keys.channel_prefix, *args)

    def proposed(self) -> str:
        for player in ("ann", "bob"):
            self.raw("enqueue", QUEUE, json.dumps({"ticket": f"t-{player}", "player": player, "rating": 1500}))
        return str(self.raw("pass", QUEUE, 256, 0, 1)[10].decode())

    def silence(self, ms: int) -> None:
        last, offset, *rest = self.client.get(self.world.keys.clock).decode().split()
        self.client.set(self.world.keys.clock, " ".join([str(int(last) - ms), str(int(offset) + ms), *rest]))

    def watched(self, ms: int) -> None:
        """Time passes in small steps: somebody calls all the while."""
        for _ in range(0, ms, 4_000):
            self.silence(4_000)
            self.raw("lapse", 100)

    def code(self, player: str) -> str:
        return str(self.world.raw("status", "player", player)[0].decode())


class TestSilence:
    """A time that our own failure cut short never penalises."""

    @pytest.fixture
    def clockwork(self, client: redis.Redis) -> Iterator[Clockwork]:
        realm = f"t-{uuid.uuid4().hex[:16]}"
        yield Clockwork(client, realm)
        remove_keys(client, realm)

    def test_it_runs_out_while_the_realm_is_there(self, clockwork: Clockwork) -> None:
        clockwork.proposed()
        clockwork.watched(WINDOW_MS)
        assert clockwork.code("ann") == "cancelled"
        assert clockwork.client.hlen(clockwork.world.keys.prefix + "penalties") == 2

    @pytest.mark.parametrize("ms", [7_000, 25_000, 40_000, 3_600_000])
    def test_after_a_silence_it_begins_anew(self, clockwork: Clockwork, ms: int) -> None:
        check = clockwork.proposed()
        clockwork.silence(ms)
        assert clockwork.raw("lapse", 100)[0] == b"lapsed"
        assert clockwork.code("ann") == "proposed"
        clockwork.watched(WINDOW_MS - 4_000)
        assert clockwork.code("ann") == "proposed"
        assert clockwork.raw("accept", check, "ann")[0] == b"accepted"
        # And then it does run out
        clockwork.watched(8_000)
        assert (clockwork.code("ann"), clockwork.code("bob")) == ("waiting", "cancelled")
        assert clockwork.client.hkeys(clockwork.world.keys.prefix + "penalties") == [b"bob"]

    def test_an_accept_after_a_silence_counts(self, clockwork: Clockwork) -> None:
        check = clockwork.proposed()
        clockwork.silence(WINDOW_MS + 5_000)
        assert clockwork.raw("accept", check, "ann")[0] == b"accepted"
        assert clockwork.raw("accept", check, "bob")[0] == b"matched"
