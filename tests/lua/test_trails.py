"""What a listener is told is a chain: each message names the one before, and the history gives back what was missed."""

from __future__ import annotations

import random
from typing import Any, Final

import pytest
import redis

from matchmaker.model import event_order
from tests.lua.lifecycle import PENALTIES, READY, RESULTS, WINDOW_MS, WITHIN_MS, Lifecycle, results, rules
from tests.lua.world import START_MS, World, new_world

PLAYERS: Final = ("ann", "bob", "cat", "dan", "zoë")
QUEUES: Final = ("plain", "asked", "told", "both")
RETAIN_MS: Final = 600_000


class Lives:
    """Players that do anything at any moment, in queues of every kind; ``heard`` is all that each of them was rung."""

    def __init__(self, world: World, seed: int, waits: tuple[int, ...]) -> None:
        self.play = Lifecycle(world)
        self.world = world
        self.waits = waits
        self.random = random.Random(seed)
        world.apply(rules(), "plain")
        world.apply(rules(READY), "asked")
        world.apply(rules(results(alone="dispute")), "told")
        world.apply(rules(READY, RESULTS, PENALTIES), "both")
        self.heard: dict[str, list[dict[str, Any]]] = {player: [] for player in PLAYERS}
        self.tickets = self.settled = 0

    def live(self, steps: int) -> None:
        with self.world.ear() as ear:
            for _ in range(steps):
                self.world.now += self.random.choice(self.waits)
                self.step()
            for player, body in ear.heard():
                self.heard[player].append(body)

    def step(self) -> None:
        choose, play = self.random.choice, self.play
        player = choose(PLAYERS)
        checks, matches = [*play.kept("checks")], [*play.kept("matches")]
        what = self.random.random()
        if what < 0.3:
            self.tickets += 1
            queues = ",".join(self.random.sample(QUEUES, choose((1, 1, 2))))
            play.enqueue(player, 1500, ticket=f"t-{self.tickets}", queues=queues)
        elif what < 0.4:
            play.match_pass(choose(QUEUES))
        elif what < 0.6 and checks:
            play.raw(choose(("accept", "accept", "accept", "decline")), choose(checks), player)
        elif what < 0.75 and matches:
            play.report(choose(matches), player, choose(([1, 2], [1, 2], [2, 1])))
        elif what < 0.8 and matches:
            match = choose(matches)
            choose(
                (
                    lambda: play.abort(match, "root", by="operator"), lambda: play.leave(match, player),
                    lambda: play.report(match, "root", [1, 1], by="operator"),
                )
            )()  # fmt: skip
        elif what < 0.9:
            self.settled += 1
            rated = dict.fromkeys(self.random.sample(PLAYERS, 2), 1500.0 + self.settled)
            assert play.rate(self.settled, "5-0", rated, choose(QUEUES)) == ["rated", str(self.settled)]
        elif what < 0.95:
            play.cancel(player)
        else:
            play.lapse()

    def missed(self, player: str, after: str) -> list[str]:
        """Ids of what the player was rung after that event, newest first."""
        mine = [body["id"] for body in self.heard[player]]
        return [id_ for id_ in reversed(mine) if not after or event_order(id_) > event_order(after)]


def assert_chained(lives: Lives, player: str) -> None:
    """Each message names the one before, or none where nothing was remembered of the player."""
    before = ""
    for body in lives.heard[player]:
        assert body["prev"] in (before, "")
        before = body["id"]


def chain_begins(lives: Lives, player: str) -> int:
    """From which message on every one names the one before."""
    prevs = [body["prev"] for body in lives.heard[player]]
    return max((i for i, prev in enumerate(prevs) if prev == ""), default=0)


@pytest.mark.parametrize("seed", range(24))
def test_whatever_was_missed_is_read(client: redis.Redis, seed: int) -> None:
    """Given players of whom nothing is forgotten yet, when each reads what followed any of its events, then it gets
    exactly that."""
    with new_world(client) as world:
        lives = Lives(world, seed, waits=(0, 0, 5, 900, WINDOW_MS // 4))
        lives.live(90)
        assert world.now - START_MS < RETAIN_MS
        for player in PLAYERS:
            assert_chained(lives, player)
            begins = chain_begins(lives, player)
            # A player is unknown until the first ticket, and never again
            assert {body["event"] for body in lives.heard[player][:begins]} <= {"rated"}
            for body in lives.heard[player][begins:]:
                end, told = lives.play.history(player, body["id"])
                # Of whom the realm knows nothing but a rating, there is no ticket to go back to.
                known = body["event"] != "rated" or body["prev"] != ""
                expected = ("reached" if known else end, lives.missed(player, body["id"]))
                assert (end, told) == expected, (player, body)


@pytest.mark.parametrize("seed", range(24))
def test_what_is_forgotten_is_never_passed_over(client: redis.Redis, seed: int) -> None:
    """Given players over a long time in which much is forgotten, when each reads what followed any of its events,
    then it gets exactly that, or is told that something is forgotten and gets the newest of it."""
    with new_world(client) as world:
        lives = Lives(world, 1_000 + seed, waits=(0, 100, 5_000, WITHIN_MS // 3, RETAIN_MS + 1))
        for _ in range(4):
            lives.live(25)
            for player in PLAYERS:
                assert_chained(lives, player)
                for body in lives.heard[player]:
                    end, told = lives.play.history(player, body["id"])
                    missed = lives.missed(player, body["id"])
                    assert end in ("reached", "start", "forgotten"), end
                    assert told == missed if end == "reached" else told == missed[: len(told)], (player, body, end)


def test_a_trail_is_bounded(client: redis.Redis) -> None:
    """Given a ticket of more events than are kept of one, then the newest are told and older ones said to be lost."""
    with new_world(client, rules(RESULTS)) as world:
        play = Lifecycle(world)
        play.enqueue("ann")
        first = world.events()[-1][0]
        for n in range(1, 100):
            play.rate(n, "5-0", {"ann": 1500.0})
        ids = [id_ for id_, kind, _ in world.events() if kind == "rated"]
        end, told = play.history("ann", first)
        assert end == "forgotten"
        assert 20 < len(told) < 99
        assert told == ids[::-1][: len(told)]
        assert play.history("ann", ids[-5]) == ("reached", ids[:-5:-1])


def test_a_place_that_was_kept_beyond_what_is_remembered(client: redis.Redis) -> None:
    """Given a ticket whose first events are forgotten while it waits, then nobody is told to have heard of all."""
    with new_world(client, rules(RESULTS, expire_after_seconds=0.0)) as world:
        play = Lifecycle(world)
        play.enqueue("ann", ticket="t-0")
        play.cancel("ann")
        cancelled = world.events()[-1][0]
        play.enqueue("ann")
        world.now += 1
        play.rate(1, "5-0", {"ann": 1500.0})
        for turn in range(3):
            world.now += RETAIN_MS
            play.enqueue(f"c-{turn}", -500_000)
        play.rate(2, "5-0", {"ann": 1501.0})
        end, told = play.history("ann", cancelled)
        assert end == "forgotten"
        assert told[0] == world.events()[-1][0]
