"""What is told of a match when nothing of its players' tickets is remembered any more."""

from __future__ import annotations

import json

import redis

from tests.lua.lifecycle import Lifecycle, results, rules
from tests.lua.world import QUEUE, World, new_world

RETAIN_MS = 600_000


def forget(world: World) -> None:
    """Time goes by until everything that rotates has rotated."""
    for number in range(6):
        world.now += RETAIN_MS
        world.enqueue(f"passer-{number}", 9_000.0 * number)


def disputed(world: World) -> tuple[Lifecycle, str]:
    """A match of ann and bob whose reports differ, and which nobody has resolved."""
    world.apply(rules(results()))
    play = Lifecycle(world)
    match = play.made("ann", "bob")
    play.report(match, "ann", [1, 2])
    assert play.report(match, "bob", [2, 1])[0] == "disputed"
    return play, match


def test_a_dispute_resolved_the_next_morning_is_resumed(client: redis.Redis) -> None:
    """Given a listener that missed the end of a match of which all else is forgotten, then it reads that, and what
    follows names it as its forerunner."""
    with new_world(client) as world:
        play, match = disputed(world)
        with world.ear() as ear:
            last = next(id_ for id_, kind, _ in world.events() if kind == "disputed")
            forget(world)
            ear.heard()
            assert play.report(match, "root", [1, 2], by="operator")[0] == "finished"
            assert play.rate(1, match, {"ann": 1516.0}, QUEUE) == ["rated", "1"]
            world.enqueue("ann", 1516.0, ticket="t-again")
            chain = [(body["event"], body["id"], body["prev"]) for player, body in ear.heard() if player == "ann"]
        assert [kind for kind, _, _ in chain] == ["reported", "finished", "rated", "enqueued"]
        assert [prev for _, _, prev in chain] == ["", *(id_ for _, id_, _ in chain[:-1])]
        assert play.history("ann", last) == ("start", [id_ for _, id_, _ in reversed(chain)])


def test_a_ticket_of_an_open_match_is_known_however_long_that_is_open(client: redis.Redis) -> None:
    """Given a match that is open for longer than what ended is remembered, when its tickets' ids are sent again, then
    their player gets the match, and nobody else gets the id."""
    with new_world(client) as world:
        world.apply(rules(results(within_seconds=60_000)))
        play = Lifecycle(world)
        match = play.made("ann", "bob")
        forget(world)
        ticket = json.loads(world.client.hget(world.keys.matches, match))["tickets"]["ann"]
        assert play.enqueue("ann", ticket=ticket)[0] == "matched"
        assert play.enqueue("eve", ticket=ticket)[0] == "ticket_reused"


def test_leaving_again_after_the_end_is_told_of_the_end(client: redis.Redis) -> None:
    """Given a player who left, and a match that ended otherwise since, when it leaves once more because no reply came,
    then it gets the result, not a refusal; who had not left is refused."""
    with new_world(client) as world:
        world.apply(rules(results(by="server")))
        play = Lifecycle(world)
        match = play.made("ann", "bob")
        assert play.leave(match, "bob")[0] == "left"
        assert play.report(match, "host", [1, 2], by="server", left=["bob"])[0] == "finished"
        assert play.leave(match, "bob")[0] == "finished"
        assert play.leave(match, "ann")[0] == "match_over"
