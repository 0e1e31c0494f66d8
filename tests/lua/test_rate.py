"""rate: ratings after settled matches, each shown and told once, in order."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from tests.lua.lifecycle import RESULTS, Lifecycle, rules
from tests.lua.strategies import examples
from tests.lua.world import QUEUE, World, new_world


@pytest.fixture
def play(world: World) -> Lifecycle:
    world.apply(rules(RESULTS))
    return Lifecycle(world)


def member(player: str, rating: float, **more: Any) -> dict[str, Any]:
    return {"player": player, "rating": rating, "before": 1500, "game": 1, **more}


def settled(n: Any, *players: dict[str, Any], **more: Any) -> str:
    return json.dumps({"n": n, "match": "5-0", "queue": QUEUE, "players": list(players), **more})


def shown(play: Lifecycle, ladder: str = QUEUE) -> dict[str, tuple[float, str]]:
    """Rating and deviation of every player, as enqueue reads them."""
    client, prefix = play.world.client, play.world.keys.prefix
    deviations = client.hgetall(f"{prefix}deviations:{ladder}")
    scores = client.zrange(f"{prefix}ratings:{ladder}", 0, -1, withscores=True)
    return {player.decode(): (rating, deviations[player].decode()) for player, rating in scores}


def test_it_is_shown_and_told(play: Lifecycle) -> None:
    with play.world.ear() as ear:
        one, other = member("ann", 1516.0000000000002, deviation=33.25), member("bob", 1484)
        assert play.raw("rate", settled(1, one, other)) == ["rated", "1"]
        heard = ear.heard()
    assert shown(play) == {"ann": (1516.0000000000002, "33.25"), "bob": (1484, "")}
    id_, kind, body = play.world.events()[-1]
    assert kind == "rated"
    assert body == {
        "v": 1, "event": "rated", "at": play.world.now, "queue": QUEUE, "match": "5-0", "n": 1, "players": [one, other],
    }  # fmt: skip
    assert heard == [(player, {"id": id_, "prev": "", **body}) for player in ("ann", "bob")]
    # And it is what a ticket without a rating takes
    reply = play.world.raw(
        "enqueue", play.world.now, play.world.keys.channel_prefix, QUEUE, '{"ticket":"t","player":"ann"}',
        keys=play.world.keys.rated_keys(QUEUE),
    )  # fmt: skip
    assert json.loads(reply[0][5])["rating"] == 1516.0000000000002


def test_sides_have_ratings_of_their_own(play: Lifecycle) -> None:
    play.raw("rate", settled(1, member("ann", 1516, side="bw"), member("bob", 1484, side="sc2")))
    assert (shown(play, f"{QUEUE}:bw"), shown(play, f"{QUEUE}:sc2")) == ({"ann": (1516, "")}, {"bob": (1484, "")})
    assert shown(play) == {}
    assert [one["side"] for one in play.told("rated")[0]["players"]] == ["bw", "sc2"]


def test_what_was_told_is_skipped(play: Lifecycle) -> None:
    play.raw("rate", settled(1, member("ann", 1510)), settled(2, member("ann", 1520)))
    before = play.world.dump()
    assert play.raw("rate", settled(1, member("ann", 1))) == ["rated", "2"]
    assert play.raw("rate", settled(1, member("ann", 1)), settled(2, member("ann", 1))) == ["rated", "2"]
    assert play.raw("rate") == ["rated", "2"]
    assert play.world.dump() == before
    assert play.raw("rate", settled(2, member("ann", 1)), settled(3, member("ann", 1530))) == ["rated", "3"]
    assert shown(play)["ann"] == (1530, "")
    assert [one["n"] for one in play.told("rated")] == [1, 2, 3]


def test_a_gap_is_refused(play: Lifecycle) -> None:
    before = play.world.dump()
    assert play.raw("rate", settled(2, member("ann", 1))) == ["gap", "0"]
    assert play.world.dump() == before
    # What comes before it is told all the same
    assert play.raw("rate", settled(1, member("ann", 7)), settled(3, member("ann", 1))) == ["gap", "1"]
    assert shown(play)["ann"][0] == 7
    assert play.raw("rate", settled(2, member("ann", 8))) == ["rated", "2"]


FINE: Final = member("ann", 1)
WRONG: Final[list[str]] = [
    "", "null", "[]", "1", '"x"', "{}", "[" * 5_000, "NaN", settled(0, FINE), settled(1), settled(1, FINE, match=5),
    settled(1, FINE, match="x"), settled(1, FINE, match='5-0","a":"'), settled(1, FINE, match="5" * 40 + "-0"),
    settled(1, FINE, queue="Q"), settled(1, FINE, queue='a","b'), settled(1, FINE, queue="a:b"),
    settled(1.5, FINE), settled(-1, FINE), settled("1", FINE), settled(10**17, FINE),
    settled(1, FINE, players={"a": 1}), settled(1, FINE, players=[None]), settled(1, FINE, players=5),
    *(
        settled(1, FINE, FINE | wrong)
        for wrong in (
            {"player": ""}, {"player": 5}, {"player": "x" * 129}, {"player": "a\nb"}, {"rating": "1"},
            {"rating": None}, {"rating": float("nan")}, {"rating": float("inf")}, {"rating": 1e9}, {"before": None},
            {"before": float("-inf")}, {"game": -1}, {"game": 0.5}, {"deviation": -1}, {"deviation": float("nan")},
            {"deviation": None}, {"side": ""}, {"side": "A"}, {"side": "a:b"}, {"side": 1}, {"deviation": "5"},
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_settled_match_refuses_the_whole_call(play: Lifecycle, text: str) -> None:
    before = play.world.dump()
    assert play.raw("rate", settled(1, FINE), text)[:2] == ["invalid", "settled[2]"]
    assert play.world.dump() == before


def test_more_than_a_call_takes(play: Lifecycle) -> None:
    before = play.world.dump()
    assert play.raw("rate", *(settled(n, FINE) for n in range(1, 102)))[0] == "invalid"
    assert play.world.dump() == before
    assert play.raw("rate", *(settled(n, FINE) for n in range(1, 101))) == ["rated", "100"]


@examples(50)
@given(
    player=st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=30),
    rating=st.floats(-1e6, 1e6),
    deviation=st.none() | st.floats(0, 1e6),
)
def test_any_player_and_any_number(client: redis.Redis, player: str, rating: float, deviation: float | None) -> None:
    with new_world(client, rules(RESULTS)) as world:
        play = Lifecycle(world)
        one = member(player, rating, **({} if deviation is None else {"deviation": deviation}))
        assert play.raw("rate", settled(1, one)) == ["rated", "1"]
        assert play.told("rated")[0]["players"] == [one]
        kept, text = shown(play)[player]
        assert (kept, float(text) if text else None) == (rating, deviation)


@examples(25)
@given(calls=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), max_size=10))
def test_whoever_calls_how_often_each_is_told_once_in_order(client: redis.Redis, calls: list[tuple[int, int]]) -> None:
    """Given several that tell pages that overlap or leave gaps, then the numbers told are 1, 2, 3 …"""
    with new_world(client, rules(RESULTS)) as world:
        play = Lifecycle(world)
        done = 0
        for back, many in calls:
            first = max(1, done + 2 - back)
            code, n = play.raw("rate", *(settled(n, member("ann", n)) for n in range(first, first + many)))
            done = done if first > done + 1 else max(done, first + many - 1)
            assert (code, int(n)) == ("gap" if first > done + 1 else "rated", done)
        assert [one["n"] for one in play.told("rated")] == list(range(1, done + 1))
        assert [rating for rating, _ in shown(play).values()] == ([done] if done else [])
