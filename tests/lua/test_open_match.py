"""Open matches: reports, disputes, aborts, leaving, deadlines; and who may play meanwhile."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from tests.lua.lifecycle import (
    ABORT_MS,
    PENALTIES,
    READY,
    RESULTS,
    WITHIN_MS,
    Lifecycle,
    results,
    rules,
)
from tests.lua.strategies import examples
from tests.lua.world import QUEUE, START_MS, World, new_world

BARRED: Final[dict[str, Any]] = {"penalties": {"seconds": [60.0]}}


@pytest.fixture
def play(world: World) -> Lifecycle:
    """Given a queue whose players tell the results."""
    world.apply(rules(RESULTS, PENALTIES))
    return Lifecycle(world)


def over(play: Lifecycle, match: str) -> dict[str, Any]:
    """The finished event of the one match, which has left nothing behind; its players are free."""
    (finished,) = play.told("finished")
    assert finished["match"] == match
    assert play.nothing_goes_on()
    assert play.state(match)[0] == "finished"
    assert play.state(match)[1]["outcome"] == finished["outcome"]
    return finished


class TestOpen:
    def test_it_is_open_from_the_pass_on(self, play: Lifecycle) -> None:
        match = play.made("ann", "bob")
        world = play.world
        told = play.told("matched")[0]
        assert told["until"] == world.now + WITHIN_MS
        code, state = play.state(match)
        assert code == "open"
        assert (state["queue"], state["rules"], state["at"], state["until"], state["state"], state["teams"]) == (
            QUEUE, 2, world.now, world.now + WITHIN_MS, "open", [["ann"], ["bob"]],
        )  # fmt: skip
        assert play.deadlines() == {f"m:{match}": world.now + WITHIN_MS}
        assert world.due()["!open"] == world.now + WITHIN_MS
        assert {"p:ann", "p:bob", "t:t-ann", "t:t-bob"} <= play.kept("playing").keys()
        assert world.live() == set()

    def test_its_players_join_nothing_meanwhile(self, play: Lifecycle) -> None:
        match = play.made("ann", "bob")
        assert play.enqueue("ann", ticket="t-2") == ["in_match", "ann", match]
        assert play.enqueue("cat")[0] == "waiting"
        # But the ticket that became the match is still answered
        assert play.enqueue("ann")[:2] == ["matched", "t-ann"]
        play.abort(match, "op", by="operator")
        assert play.enqueue("ann", ticket="t-2")[0] == "waiting"

    def test_it_outlives_what_is_remembered_of_tickets(self, play: Lifecycle) -> None:
        world = play.world
        world.apply(rules(results(within_seconds=86_400.0)))
        match = play.made("ann", "bob")
        for turn in range(4):
            world.now += int(world.meta()["retain_ms"])
            play.enqueue(f"c-{turn}", -500_000)
        assert play.status("ann")[:4] == ["matched", "t-ann", str(START_MS), match]
        assert json.loads(play.status("ann")[5])["event"] == "matched"
        assert play.enqueue("ann", ticket="t-2") == ["in_match", "ann", match]
        with world.ear() as ear:
            play.report(match, "ann", [1, 2])
            play.report(match, "bob", [1, 2])
            heard = ear.heard()
        ids = [body["id"] for player, body in heard if player == "ann"]
        assert [body["prev"] for player, body in heard if player == "ann"] == [match, *ids[:-1]]
        assert play.enqueue("ann", ticket="t-2")[4] == ids[-1]

    def test_nothing_is_known_of_other_ids(self, play: Lifecycle) -> None:
        play.made("ann", "bob")
        before = play.world.dump()
        for id_ in ("1-1", "", "x", "t-ann"):
            assert play.report(id_, "ann", [1, 2]) == ["unknown_match", id_]
            assert play.abort(id_, "ann") == ["unknown_match", id_]
            assert play.leave(id_, "ann") == ["unknown_match", id_]
            assert play.state(id_) == ("unknown_match", {})
        assert play.world.dump() == before


class TestReports:
    @pytest.mark.parametrize("order", [("ann", "bob"), ("bob", "ann")])
    @pytest.mark.parametrize("ranks", [[1, 2], [2, 1], [1, 1]])
    def test_players_agree(self, play: Lifecycle, order: tuple[str, str], ranks: list[int]) -> None:
        world = play.world
        match = play.made("ann", "bob")
        world.now += 9_000
        with world.ear() as ear:
            assert play.report(match, order[0], ranks) == ["reported", match, str(world.now)]
            code, id_, event, body = play.report(match, order[1], ranks)
            heard = ear.heard()
        assert (code, id_) == ("finished", match)
        finished = over(play, match)
        assert json.loads(body) == finished == {
            "v": 1, "event": "finished", "at": world.now, "queue": QUEUE, "match": match, "rules": 2,
            "matched_ms": START_MS, "outcome": "played", "by": "players", "ranks": ranks,
            "teams": [
                [{"ticket": "t-ann", "player": "ann", "rating": 1500}],
                [{"ticket": "t-bob", "player": "bob", "rating": 1500}],
            ],
        }  # fmt: skip
        assert play.told("reported") == [
            {
                "v": 1, "event": "reported", "at": world.now, "queue": QUEUE, "match": match, "by": "player",
                "who": player, "ranks": ranks,
            } for player in order
        ]  # fmt: skip
        for player in order:
            mine = [body for who, body in heard if who == player]
            assert [one["event"] for one in mine] == ["reported", "reported", "finished"]
            assert [one["prev"] for one in mine] == [match, mine[0]["id"], mine[1]["id"]]
        assert (event, world.meta()["played"]) == (heard[-1][1]["id"], "1")

    def test_the_same_again_gets_how_it_stands(self, play: Lifecycle) -> None:
        match = play.made("ann", "bob")
        play.report(match, "ann", [1, 2], ["bob"])
        before = play.world.dump()
        assert play.report(match, "ann", [1, 2], ["bob"]) == ["reported", match, str(play.world.now)]
        assert play.world.dump() == before
        finished = play.report(match, "bob", [1, 2])
        before = play.world.dump()
        assert play.report(match, "ann", [1, 2], ["bob"]) == play.report(match, "bob", [1, 2]) == finished
        assert play.world.dump() == before

    @pytest.mark.parametrize("over_", [False, True])
    @pytest.mark.parametrize(("ranks", "left"), [([2, 1], []), ([1, 1], []), ([1, 2], ["bob"])])
    def test_another_one_is_refused(self, play: Lifecycle, over_: bool, ranks: list[int], left: list[str]) -> None:
        match = play.made("ann", "bob")
        play.report(match, "ann", [1, 2])
        if over_:
            play.report(match, "bob", [1, 2])
        before = play.world.dump()
        assert play.report(match, "ann", ranks, left) == ["already_reported", match, "ann", "[1,2]"]
        assert play.world.dump() == before

    def test_a_stranger(self, play: Lifecycle) -> None:
        match = play.made("ann", "bob")
        play.enqueue("cat")
        for _ in range(2):
            before = play.world.dump()
            assert play.report(match, "cat", [1, 2]) == ["stranger", match, "cat"]
            assert play.abort(match, "cat") == ["stranger", match, "cat"]
            assert play.leave(match, "cat") == ["stranger", match, "cat"]
            assert play.world.dump() == before
            play.abort(match, "op", by="operator")

    def test_one_for_an_aborted_match(self, play: Lifecycle) -> None:
        match = play.made("ann", "bob")
        play.report(match, "bob", [2, 1])
        play.abort(match, "op", by="operator")
        before = play.world.dump()
        assert play.report(match, "ann", [1, 2]) == ["match_over", match, "aborted"]
        assert play.report(match, "bob", [2, 1]) == ["match_over", match, "aborted"]
        assert play.leave(match, "ann") == ["match_over", match, "aborted"]
        assert play.world.dump() == before

    @pytest.mark.parametrize(
        ("trusted", "by", "fine"),
        [
            ("players", "player", True), ("players", "server", False), ("players", "operator", True),
            ("server", "player", False), ("server", "server", True), ("server", "operator", True),
            ("either", "player", True), ("either", "server", True), ("either", "operator", True),
        ],
    )  # fmt: skip
    def test_who_is_trusted(self, play: Lifecycle, trusted: str, by: str, fine: bool) -> None:
        play.world.apply(rules(results(by=trusted)))
        match = play.made("ann", "bob")
        before = play.world.dump()
        who = "ann" if by == "player" else "eu-1"
        reply = play.report(match, who, [2, 1], by=by)
        if not fine:
            assert reply[:2] == ["invalid", by]
            assert play.world.dump() == before
            return
        assert reply[0] == ("reported" if by == "player" else "finished")
        if by != "player":
            finished = over(play, match)
            assert (finished["by"], finished["who"], finished["ranks"]) == (by, "eu-1", [2, 1])
            assert play.report(match, who, [2, 1], by=by) == reply
            assert play.report(match, who, [1, 2], by=by) == ["already_reported", match, who, "[2,1]"]
            other = play.report(match, "eu-2", [1, 2], by=by)
            assert other == ["match_over", match, "played"]

    def test_a_server_is_final_whatever_players_said(self, play: Lifecycle) -> None:
        play.world.apply(rules(results(by="either")))
        match = play.made("ann", "bob")
        play.report(match, "ann", [1, 2])
        assert play.report(match, "eu-1", [2, 1], by="server")[0] == "finished"
        assert over(play, match)["ranks"] == [2, 1]

    def test_remembered_until_retain_and_unknown_after(self, play: Lifecycle) -> None:
        match = play.made("ann", "bob")
        play.report(match, "ann", [1, 2])
        answer = play.report(match, "bob", [1, 2])
        for turn in range(3):
            expected = ["unknown_match", match] if turn == 2 else answer
            assert play.report(match, "bob", [1, 2])[:2] == expected[:2]
            play.world.now += int(play.world.meta()["retain_ms"])
            play.enqueue(f"c-{turn}", -500_000)

    def test_rules_are_those_of_the_match(self, play: Lifecycle) -> None:
        match = play.made("ann", "bob")
        play.world.apply(rules(results(by="server")))
        play.report(match, "ann", [1, 2])
        assert play.report(match, "bob", [1, 2])[0] == "finished"
        assert over(play, match)["rules"] == 2

    @pytest.mark.parametrize("player", ['zoë "the" \\ 💥', "1", "a]]}b", "%s%n%1", "server:eu", '","reports":{"'])
    def test_any_player(self, play: Lifecycle, player: str) -> None:
        play.enqueue(player, ticket="t-1", data='"}]],"until":5}')
        play.enqueue("bob")
        (match,) = play.match_pass()
        assert play.report(match, player, [1, 2], [player])[0] == "reported"
        assert play.report(match, player, [1, 2], [player])[0] == "reported"
        assert play.report(match, player, [2, 1])[0] == "already_reported"
        assert list(play.state(match)[1]["reports"]) == [player]
        assert play.report(match, "bob", [1, 2])[0] == "finished"
        finished = over(play, match)
        assert finished["left"] == [player]
        assert {team[0]["player"] for team in finished["teams"]} == {player, "bob"}

    def test_a_rating_keeps_every_digit(self, play: Lifecycle) -> None:
        play.enqueue("ann", 1500.1234567890123, deviation=49.99999999999999)
        play.enqueue("bob", 1500.1)
        (match,) = play.match_pass()
        play.abort(match, "op", by="operator")
        members = {team[0]["player"]: team[0] for team in over(play, match)["teams"]}
        assert members["ann"] == {
            "ticket": "t-ann", "player": "ann", "rating": 1500.1234567890123, "deviation": 49.99999999999999,
        }  # fmt: skip

    def test_sides_are_told(self, play: Lifecycle) -> None:
        play.world.apply(rules(RESULTS, sides=["bw", "sc2"]), queue="sided")
        for side, player in (("bw", "ann"), ("sc2", "bob")):
            play.enqueue(player, sides={side: {"rating": 1500}}, queues="sided")
        (match,) = play.match_pass("sided")
        play.abort(match, "op", by="operator")
        assert [team[0]["side"] for team in over(play, match)["teams"]] == ["bw", "sc2"]


NO_RANKS: Final = [
    "", "null", "1", "[]", "[1]", "[1,2,2]", "[0,1]", "[2,2]", "[1,3]", "[1.5,1]", "[1,NaN]", "[1,null]", '["1","2"]',
    '{"1":1,"2":2}', "[1,-1]", "[1e400,1]", "[true,1]", "[[1],[2]]", "[1,2", "[" * 5_000, "[1,2]x", "[Infinity,1]",
]  # fmt: skip
NO_LEFT: Final = [
    "", "null", '"ann"', "[1]", '["cat"]', '{"ann":1}', '["ann","ann"]', '[["ann"]]', "[null]", '["ann"', "[" * 5_000,
    json.dumps(["ann", "bob"] * 2), '["ann",null]', '[""]', "[true]",
]  # fmt: skip


class TestWhatIsNoReport:
    @pytest.mark.parametrize("by", ["player", "operator"])
    @pytest.mark.parametrize("ranks", NO_RANKS)
    def test_ranks(self, play: Lifecycle, by: str, ranks: str) -> None:
        match = play.made("ann", "bob")
        before = play.world.dump()
        assert play.raw("report", match, by, "ann", ranks, "[]")[:2] == ["invalid", "ranks"]
        assert play.world.dump() == before

    @pytest.mark.parametrize("left", NO_LEFT)
    def test_left(self, play: Lifecycle, left: str) -> None:
        match = play.made("ann", "bob")
        before = play.world.dump()
        assert play.raw("report", match, "player", "ann", "[1,2]", left)[:2] == ["invalid", "left"]
        assert play.world.dump() == before

    @pytest.mark.parametrize(("by", "who"), [("", "ann"), ("god", "x"), ("server", ""), ("operator", "x" * 129)])
    def test_who(self, play: Lifecycle, by: str, who: str) -> None:
        match = play.made("ann", "bob")
        before = play.world.dump()
        assert play.report(match, who, [1, 2], by=by)[0] == "invalid"
        assert play.abort(match, who, by=by)[0] == "invalid"
        assert play.world.dump() == before

    @pytest.mark.parametrize("reason", ["", "x" * 65, "a b", '"', "ä", "\n"])
    def test_reason(self, play: Lifecycle, reason: str) -> None:
        match = play.made("ann", "bob")
        assert play.abort(match, "op", by="operator", reason=reason)[:2] == ["invalid", "reason"]

    @examples(60)
    @given(
        ranks=st.lists(st.integers(-1, 4), max_size=4) | st.lists(st.sampled_from([1, 2]), min_size=2, max_size=2),
        left=st.lists(st.sampled_from(["ann", "bob", "cat"]), max_size=3),
    )
    def test_a_report_is_taken_exactly_if_it_is_one(
        self, client: redis.Redis, ranks: list[int], left: list[str]
    ) -> None:
        is_ranks = len(ranks) == 2 and min(ranks) == 1 and max(ranks) <= 2
        is_left = len(set(left)) == len(left) and "cat" not in left
        with new_world(client, rules(RESULTS)) as world:
            play = Lifecycle(world)
            match = play.made("ann", "bob")
            before = world.dump()
            reply = play.report(match, "ann", ranks, left)
            if is_ranks and is_left:
                assert reply[0] == "reported"
                assert play.told("reported")[0].get("left", []) == sorted(left)
            else:
                assert reply[:2] == ["invalid", "left" if is_ranks else "ranks"]
                assert world.dump() == before


class TestDisputes:
    def disputed(self, play: Lifecycle) -> str:
        match = play.made("ann", "bob")
        play.report(match, "ann", [1, 2])
        assert play.report(match, "bob", [2, 1], ["ann"])[0] == "disputed"
        return match

    def test_it_waits_for_an_operator_and_its_players_are_free(self, play: Lifecycle) -> None:
        world = play.world
        match = play.made("ann", "bob")
        play.report(match, "bob", [2, 1], ["ann"])
        with world.ear() as ear:
            code, id_, event, body = play.report(match, "ann", [1, 2])
            heard = ear.heard()
        assert (code, id_) == ("disputed", match)
        assert json.loads(body) == play.told("disputed")[0] == {
            "v": 1, "event": "disputed", "at": world.now, "queue": QUEUE, "match": match, "reports": [
                {"player": "ann", "ranks": [1, 2]}, {"player": "bob", "ranks": [2, 1], "left": ["ann"]},
            ],
        }  # fmt: skip
        assert [(player, one["event"]) for player, one in heard] == [
            ("ann", "reported"), ("bob", "reported"), ("ann", "disputed"), ("bob", "disputed"),
        ]  # fmt: skip
        assert play.report(match, "ann", [1, 2]) == [code, id_, event, body]
        assert play.report(match, "ann", [2, 1]) == ["already_reported", match, "ann", "[1,2]"]
        assert play.state(match)[0] == "disputed"
        assert play.deadlines() == {}
        assert play.kept("playing") == {}
        assert play.enqueue("ann", ticket="t-2")[0] == "waiting"
        # And no time is over for it
        world.now += 10 * WITHIN_MS
        play.lapse()
        assert play.state(match)[0] == "disputed"

    def test_an_operator_resolves_it(self, play: Lifecycle) -> None:
        match = self.disputed(play)
        play.enqueue("ann", ticket="t-2")
        enqueued = play.status("ann")[3]
        with play.world.ear() as ear:
            reply = play.report(match, "root", [2, 1], by="operator")
            heard = ear.heard()
        assert reply[0] == "finished"
        finished = over(play, match)
        assert (finished["by"], finished["who"], finished["ranks"]) == ("operator", "root", [2, 1])
        assert play.report(match, "root", [2, 1], by="operator") == reply
        # Then ann, who waits again, hears of it in the chain of her new ticket
        mine = [body for who, body in heard if who == "ann"]
        assert [one["event"] for one in mine] == ["reported", "finished"]
        assert mine[0]["prev"] == enqueued
        assert play.status("ann")[0] == "waiting"

    def test_an_operator_voids_it(self, play: Lifecycle) -> None:
        match = self.disputed(play)
        assert play.abort(match, "root", by="operator")[0] == "finished"
        assert over(play, match)["outcome"] == "aborted"

    def test_nobody_else_ends_it(self, play: Lifecycle) -> None:
        play.world.apply(rules(results(by="either"), PENALTIES))
        match = self.disputed(play)
        before = play.world.dump()
        assert play.abort(match, "ann") == ["match_over", match, "disputed"]
        assert play.abort(match, "eu-1", by="server") == ["match_over", match, "disputed"]
        assert play.leave(match, "ann") == ["match_over", match, "disputed"]
        assert play.world.dump() == before
        assert play.report(match, "eu-1", [1, 2], by="server")[0] == "disputed"
        assert play.state(match)[0] == "disputed"


class TestTeams:
    """Of teams of several, one of each must be heard; here two matches are made one by hand."""

    def two_each(self, play: Lifecycle) -> str:
        match, other = play.made("ann", "bob"), play.made("cat", "dan")
        hashes = [play.world.keys.prefix + name for name in ("matches", "bodies")]
        client: Any = play.world.client
        one, more = (json.loads(client.hget(hashes[0], id_)) for id_ in (match, other))
        one["teams"] = [[*a, *b] for a, b in zip(one["teams"], more["teams"], strict=True)]
        one["tickets"] |= more["tickets"]
        # No report, nobody who left: an empty table, as the scripts write it
        client.hset(hashes[0], match, json.dumps(one, separators=(",", ":")))
        body, bodies = (json.loads(client.hget(hashes[1], id_)) for id_ in (match, other))
        body["teams"] = [[*a, *b] for a, b in zip(body["teams"], bodies["teams"], strict=True)]
        client.hset(hashes[1], match, json.dumps(body, separators=(",", ":")))
        for name in hashes:
            client.hdel(name, other)
        client.zrem(play.world.keys.prefix + "deadlines", f"m:{other}")
        return match

    def test_one_of_each_team_is_enough(self, play: Lifecycle) -> None:
        match = self.two_each(play)
        assert play.report(match, "ann", [1, 2])[0] == "reported"
        assert play.report(match, "cat", [1, 2])[0] == "reported"
        assert play.report(match, "dan", [1, 2])[0] == "finished"
        assert [[one["player"] for one in team] for team in over(play, match)["teams"]] == [
            ["ann", "cat"], ["bob", "dan"],
        ]  # fmt: skip

    def test_two_of_one_team_may_contradict_each_other(self, play: Lifecycle) -> None:
        match = self.two_each(play)
        play.report(match, "ann", [1, 2])
        assert play.report(match, "cat", [2, 1])[0] == "disputed"

    def test_the_last_of_a_team_who_leaves_loses(self, play: Lifecycle) -> None:
        match = self.two_each(play)
        assert play.leave(match, "ann")[0] == "left"
        assert play.leave(match, "bob")[0] == "left"
        assert play.leave(match, "cat")[0] == "finished"
        finished = over(play, match)
        assert (finished["by"], finished["ranks"], finished["left"]) == ("leaving", [2, 1], ["ann", "bob", "cat"])


class TestAbort:
    def test_a_player_soon_after_the_match_was_made(self, play: Lifecycle) -> None:
        match = play.made("ann", "bob")
        play.world.now += ABORT_MS - 1
        with play.world.ear() as ear:
            reply = play.abort(match, "ann")
            heard = ear.heard()
        finished = over(play, match)
        assert (finished["outcome"], finished["by"], finished["who"], finished["reason"]) == (
            "aborted", "player", "ann", "sorry",
        )  # fmt: skip
        assert "ranks" not in finished
        assert [(player, body["event"], body["prev"]) for player, body in heard] == [
            ("ann", "finished", match), ("bob", "finished", match),
        ]  # fmt: skip
        assert play.abort(match, "ann") == play.abort(match, "bob") == reply
        assert set(play.kept("penalties")) == {"ann"}

    @pytest.mark.parametrize("limit", [0, ABORT_MS])
    def test_too_late(self, play: Lifecycle, limit: int) -> None:
        """Without a time to do it in, it is always too late."""
        play.world.apply(rules(results(abort_seconds=limit / 1000), PENALTIES))
        match = play.made("ann", "bob")
        play.world.now += limit
        before = play.world.dump()
        assert play.abort(match, "ann") == ["too_late", match, str(limit)]
        assert play.world.dump() == before

    def test_not_once_anybody_reported(self, play: Lifecycle) -> None:
        match = play.made("ann", "bob")
        play.report(match, "bob", [2, 1])
        assert play.abort(match, "ann")[0] == "too_late"

    @pytest.mark.parametrize(("trusted", "fine"), [("players", False), ("server", True), ("either", True)])
    def test_a_server_where_it_is_trusted(self, play: Lifecycle, trusted: str, fine: bool) -> None:
        play.world.apply(rules(results(by=trusted)))
        match = play.made("ann", "bob")
        play.world.now += WITHIN_MS // 2
        assert play.abort(match, "eu-1", by="server")[0] == ("finished" if fine else "invalid")

    def test_after_the_end(self, play: Lifecycle) -> None:
        match = play.made("ann", "bob")
        play.report(match, "root", [1, 2], by="operator")
        before = play.world.dump()
        for by, who in (("player", "ann"), ("operator", "root")):
            assert play.abort(match, who, by=by) == ["match_over", match, "played"]
        assert play.world.dump() == before


class TestLeaving:
    def test_the_other_has_won(self, play: Lifecycle) -> None:
        world = play.world
        world.apply(rules(RESULTS, BARRED))
        match = play.made("ann", "bob")
        with world.ear() as ear:
            reply = play.leave(match, "ann")
            heard = ear.heard()
        assert reply[:2] == ["finished", match]
        assert play.told("left") == [
            {"v": 1, "event": "left", "at": world.now, "queue": QUEUE, "match": match, "player": "ann"}
        ]
        finished = over(play, match)
        assert (finished["outcome"], finished["by"], finished["ranks"], finished["left"]) == (
            "played", "leaving", [2, 1], ["ann"],
        )  # fmt: skip
        assert [body["event"] for player, body in heard if player == "bob"] == ["left", "finished"]
        assert play.leave(match, "ann") == reply
        assert play.leave(match, "bob") == ["match_over", match, "played"]
        assert play.enqueue("ann", ticket="t-2")[0] == "penalised"
        assert play.enqueue("bob", ticket="t-2")[0] == "waiting"

    def test_a_server_is_to_tell_who_won(self, play: Lifecycle) -> None:
        play.world.apply(rules(results(by="server"), PENALTIES))
        match = play.made("ann", "bob")
        assert play.leave(match, "ann") == ["left", match, str(play.world.now)]
        before = play.world.dump()
        assert play.leave(match, "ann") == ["left", match, str(play.world.now)]
        assert play.world.dump() == before
        assert play.leave(match, "bob")[0] == "left"
        assert play.report(match, "eu-1", [1, 2], ["ann"], by="server")[0] == "finished"
        # What the server says of who left is final, and nobody pays twice
        assert over(play, match)["left"] == ["ann"]
        assert {player: kept.split()[0] for player, kept in play.kept("penalties").items()} == {"ann": "1", "bob": "1"}

    def test_players_say_who_left(self, play: Lifecycle) -> None:
        play.world.apply(rules(RESULTS, BARRED))
        match = play.made("ann", "bob")
        play.report(match, "ann", [1, 2], ["bob"])
        assert play.kept("penalties") == {}
        play.report(match, "bob", [1, 2])
        assert over(play, match)["left"] == ["bob"]
        assert play.enqueue("bob", ticket="t-2")[0] == "penalised"
        assert play.enqueue("ann", ticket="t-2")[0] == "waiting"


class TestDeadline:
    def test_without_any_report_it_is_abandoned(self, play: Lifecycle) -> None:
        match = play.made("ann", "bob")
        play.world.now += WITHIN_MS - 1
        assert play.lapse() == 0
        play.world.now += 1
        assert play.lapse() == 1
        finished = over(play, match)
        assert (finished["outcome"], finished["by"], "ranks" in finished) == ("abandoned", "deadline", False)
        assert play.world.meta()["abandoned"] == "1"
        assert "!open" not in play.world.due()
        assert play.kept("penalties") == {}
        assert play.report(match, "ann", [1, 2]) == ["match_over", match, "abandoned"]

    def test_a_lone_report_counts(self, play: Lifecycle) -> None:
        match = play.made("ann", "bob")
        play.report(match, "ann", [1, 2], ["bob"])
        play.world.now += WITHIN_MS
        play.lapse()
        finished = over(play, match)
        assert (finished["outcome"], finished["by"], finished["ranks"]) == ("played", "deadline", [1, 2])
        assert finished["left"] == ["bob"]
        assert set(play.kept("penalties")) == {"bob"}

    def test_a_lone_report_means_a_dispute(self, play: Lifecycle) -> None:
        play.world.apply(rules(results(alone="dispute")))
        match = play.made("ann", "bob")
        play.report(match, "ann", [1, 2])
        play.world.now += WITHIN_MS
        play.lapse()
        assert play.state(match)[0] == "disputed"
        assert play.told("disputed")[0]["reports"] == [{"player": "ann", "ranks": [1, 2]}]
        assert play.lapse() == 0

    def test_a_lone_report_means_nothing(self, play: Lifecycle) -> None:
        play.world.apply(rules(results(alone="nothing")))
        match = play.made("ann", "bob")
        play.report(match, "ann", [1, 2])
        play.world.now += WITHIN_MS
        play.lapse()
        assert over(play, match)["outcome"] == "abandoned"

    def test_a_report_at_the_last_moment(self, play: Lifecycle) -> None:
        """Until somebody ends it, it is open: a result that comes late is better than none."""
        match = play.made("ann", "bob")
        play.report(match, "ann", [1, 2])
        play.world.now += WITHIN_MS + 5
        assert play.report(match, "bob", [1, 2])[0] == "finished"
        assert play.lapse() == 0
        assert over(play, match)["by"] == "players"

    def test_after_a_ready_check_the_time_begins_with_the_match(self, play: Lifecycle) -> None:
        play.world.apply(rules(READY, RESULTS))
        check = play.made("ann", "bob")
        play.world.now += 5_000
        match = play.accepted(check, "ann", "bob")
        assert play.deadlines() == {f"m:{match}": play.world.now + WITHIN_MS}
