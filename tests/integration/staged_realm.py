"""A small sound realm with ready checks, open matches and ratings, and every way in which a test harms it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from matchmaker.checker import Code
from matchmaker.rules import parse_rules
from tests.integration.sound_realm import Scene
from tests.lua.world import START_MS, World

RULES: Final = """
[ladder]
willingness = { base = 100 }
max_gap = 10
ready_check = { seconds = 20 }
penalties = { seconds = [30] }
results = { by = "either", within_seconds = 600, abort_seconds = 60 }
"""


@dataclass
class Staged(Scene):
    """A realm at rest, 10 s old. ``checking`` runs between cat and dan, of whom cat accepted; ``open`` is a match of
    eve and fay, which eve has reported; ``disputed`` one of gus and hal; ``rated`` one of ann and bob, finished and
    rated, and ``unrated`` one of kay and leo, finished. ivy declined, so jim waits again."""

    checking: str = ""
    open: str = ""
    disputed: str = ""
    rated: str = ""
    unrated: str = ""

    @classmethod
    def build(cls, world: World) -> Staged:
        world.mm.apply_rules(parse_rules(RULES, "queues.toml"))
        world.tend("ladder")
        s = cls(world)
        mm = world.mm
        s.rated, s.unrated = s.play("ann", "bob", 100), s.play("kay", "leo", 200)
        for match, players in ((s.rated, ("ann", "bob")), (s.unrated, ("kay", "leo"))):
            for player in players:
                mm.report(match, player, winner=1)
        s.at(2)
        s.rate(1, s.rated, "ann", "bob")
        s.open = s.play("eve", "fay", 300)
        mm.report(s.open, "eve", winner=1)
        s.disputed = s.play("gus", "hal", 400)
        mm.report(s.disputed, "gus", winner=1)
        mm.report(s.disputed, "hal", winner=2)
        s.at(5)
        mm.decline(s.propose("ivy", "jim", 500), "ivy")
        s.checking = s.propose("cat", "dan", 600)
        mm.accept(s.checking, "cat")
        world.match_pass()
        s.at(10)
        return s

    def propose(self, one: str, other: str, rating: float) -> str:
        """The two come and are asked; answers the ready check."""
        for player in (one, other):
            self.world.enqueue(player, rating)
        self.at((self.world.now - START_MS) / 1000 + 0.3)
        self.world.match_pass()
        return self.event("proposed")[0]

    def play(self, one: str, other: str, rating: float) -> str:
        """They accept; answers the match."""
        check = self.propose(one, other, rating)
        for player in (one, other):
            self.world.mm.accept(check, player)
        return self.event("matched")[0]

    def rate(self, n: int, match: str, *players: str) -> None:
        """A settled match is announced, the first of its players."""
        self.rate_games(n, "ladder", match, dict.fromkeys(players, 1))

    def rate_games(self, n: int, queue: str, match: str, games: dict[str, int]) -> None:
        """The same, with the numbers of the players' games."""
        told = {"n": n, "match": match, "queue": queue, "players": [rated(*one) for one in games.items()]}
        reply = self.world.raw("rate", str(self.world.now), self.keys.channel_prefix, json.dumps(told))
        assert reply[0] == b"rated", reply

    def change(self, key: str, name: str, **members: Any) -> None:
        """Changes members of what is stored as JSON."""
        stored = json.loads(self.hget(key, name))
        self.hset(key, name, json.dumps(stored | members))

    def add(self, event: str, **members: Any) -> None:
        """An event of now that nothing else tells of."""
        self.insert(self.world.now, {"event": event, "queue": "ladder", **members})


def rated(player: str, game: int = 1) -> dict[str, Any]:
    return {"player": player, "rating": 1516.0, "before": 1500.0, "game": game}


NEVER: Final = f"{START_MS}-77"
"""An id that no event has."""

Harm = Callable[[Staged], object]
STAGE_FAULTS: list[tuple[Code, str, Harm, set[Code]]] = []
"""What is wrong, its name, how it is done, and what else it makes wrong."""


def fault(code: Code, *more: Code) -> Callable[[Harm], Harm]:
    def enter(harm: Harm) -> Harm:
        STAGE_FAULTS.append((code, harm.__name__, harm, set(more)))
        return harm

    return enter


# -- what the stream tells ---------------------------------------------------------------------------------------------


@fault(Code.CHECK_ORDER)
def an_accept_that_counts_wrong(s: Staged) -> None:
    s.edit("accepted", accepted=2)


@fault(Code.CHECK_ORDER)
def a_decline_of_a_check_that_never_was(s: Staged) -> None:
    s.add("declined", check=f"{s.world.now}-9", player="ann", ticket="t-ann", how="declined")


@fault(Code.CHECK_ORDER)
def one_who_accepted_gave_no_answer(s: Staged) -> None:
    check = next(body["check"] for _, _, body in s.world.events() if body["event"] == "declined")
    jim = {"player": "jim", "ticket": "t-jim", "how": "no_answer"}
    s.insert(s.world.now, {"event": "declined", "queue": "ladder", "check": check, **jim})


@fault(Code.CHECK_ORDER, Code.REMEMBERED_WRONG)
def a_match_of_half_a_check(s: Staged) -> None:
    s.rewrite(
        lambda entries: [one for one in entries if one[1].get("player") != "hal" or one[1]["event"] != "accepted"]
    )


@fault(Code.EVENT_DISAGREES)
def a_return_that_forgets_the_wait(s: Staged) -> None:
    s.edit("returned", waited_ms=0)


@fault(
    Code.IN_TWO_MATCHES,
    *(Code.CHECK_ORDER, Code.EVENT_DISAGREES, Code.MATCH_ORDER, Code.OPEN_WRONG, Code.PLAYING_WRONG),
)
def a_match_that_goes_on_while_the_next_begins(s: Staged) -> None:
    def change(entries: list[Any]) -> list[Any]:
        for _, body in entries:
            if body["event"] == "matched" and body["teams"][0][0]["player"] == "gus":
                body["teams"][0][0]["player"] = "eve"
        return entries

    s.rewrite(change)


@fault(Code.MATCH_ORDER)
def a_report_of_one_who_told_before(s: Staged) -> None:
    s.add("reported", match=s.open, by="player", who="eve", ranks=[1, 2])


@fault(Code.MATCH_ORDER)
def a_report_after_the_end(s: Staged) -> None:
    s.add("reported", match=s.unrated, by="player", who="kay", ranks=[1, 2])


@fault(Code.MATCH_ORDER)
def ranks_that_are_none(s: Staged) -> None:
    s.edit("disputed", reports=[])
    s.add("reported", match=s.disputed, by="operator", who="op", ranks=[2, 3])


@fault(Code.FINISHED_WRONG)
def another_winner_than_reported(s: Staged) -> None:
    s.edit("finished", ranks=[2, 1])


@fault(Code.FINISHED_WRONG)
def abandoned_before_its_time(s: Staged) -> None:
    def change(entries: list[Any]) -> list[Any]:
        body = next(body for _, body in reversed(entries) if body["event"] == "finished")
        del body["ranks"]
        body["outcome"] = "abandoned"
        return entries

    s.rewrite(change)


@fault(Code.RATED_ORDER)
def a_number_left_out(s: Staged) -> None:
    s.add("rated", match=s.unrated, n=3, players=[rated("kay"), rated("leo")])


@fault(Code.RATED_ORDER, Code.RATED_WRONG)
def a_game_counted_twice(s: Staged) -> None:
    told = {"event": "rated", "queue": "ladder", "match": s.unrated, "n": 2}
    s.insert(s.world.now, told | {"players": [rated("kay"), rated("ann")]})


@fault(Code.RATED_WRONG)
def a_match_rated_again(s: Staged) -> None:
    s.add("rated", match=s.rated, n=2, players=[rated("ann", 2), rated("bob", 2)])


@fault(Code.RATED_WRONG)
def an_open_match_rated(s: Staged) -> None:
    s.add("rated", match=s.open, n=2, players=[])


# -- what is stored ----------------------------------------------------------------------------------------------------


@fault(Code.CHECKING_WRONG, Code.OFF_LINE)
def a_ticket_out_of_its_check(s: Staged) -> None:
    s.hdel(s.keys.checking, "t-dan")


@fault(Code.CHECKING_WRONG, Code.LINE_GHOST)
def a_ticket_in_a_check_that_is_over(s: Staged) -> None:
    s.hset(s.keys.checking, "t-jim", NEVER)


@fault(Code.LINE_GHOST)
def a_ticket_in_a_check_that_stands_in_line(s: Staged) -> None:
    s.zadd(s.keys.line("ladder"), {"t-dan": 600})


@fault(Code.ENDS_GHOST)
def a_ticket_in_a_check_that_may_expire(s: Staged) -> None:
    s.zadd(s.keys.ends, {"t-dan": s.world.now + 1})


@fault(Code.CHECK_WRONG)
def an_accept_forgotten(s: Staged) -> None:
    s.change(s.keys.checks, s.checking, accepted={})


@fault(Code.CHECK_WRONG)
def a_check_without_its_event(s: Staged) -> None:
    s.hdel(s.keys.bodies, s.checking)


@fault(Code.CHECK_WRONG)
def a_check_that_cannot_be_read(s: Staged) -> None:
    s.hset(s.keys.checks, s.checking, "{")


@fault(Code.OPEN_WRONG)
def a_match_lost(s: Staged) -> None:
    s.hdel(s.keys.matches, s.disputed)
    s.hdel(s.keys.bodies, s.disputed)


@fault(Code.OPEN_WRONG)
def a_report_forgotten(s: Staged) -> None:
    s.change(s.keys.matches, s.open, reports={})


@fault(Code.OPEN_WRONG)
def an_event_kept_of_nothing(s: Staged) -> None:
    s.hset(s.keys.bodies, NEVER, "{}")


@fault(Code.PLAYING_WRONG)
def a_player_who_does_not_play(s: Staged) -> None:
    s.hdel(s.keys.playing, "p:fay")


@fault(Code.PLAYING_WRONG)
def a_trail_lost(s: Staged) -> None:
    s.hdel(s.keys.playing, "e:t-fay")


@fault(Code.PLAYING_WRONG)
def one_who_is_free_plays(s: Staged) -> None:
    s.hset(s.keys.playing, "p:ann", "t-ann")


@fault(Code.DEADLINE_WRONG)
def a_check_without_an_end(s: Staged) -> None:
    s.zrem(s.keys.deadlines, f"c:{s.checking}")


@fault(Code.DEADLINE_WRONG)
def a_match_with_another_deadline(s: Staged) -> None:
    s.zincrby(s.keys.deadlines, 1, f"m:{s.open}")


@fault(Code.DEADLINE_WRONG)
def a_deadline_of_what_is_over(s: Staged) -> None:
    s.zadd(s.keys.deadlines, {f"m:{s.rated}": s.world.now + 10**6})


@fault(Code.DEADLINE_WRONG)
def a_deadline_of_a_disputed_match(s: Staged) -> None:
    s.zadd(s.keys.deadlines, {f"m:{s.disputed}": s.world.now + 10**6})


@fault(Code.DEADLINE_WRONG)
def deadlines_that_nobody_looks_at(s: Staged) -> None:
    s.zrem(s.keys.due, "!open")


@fault(Code.PENALTY_WRONG)
def a_penalty_that_cannot_be_read(s: Staged) -> None:
    s.hset(s.keys.penalties, "ivy", "one")


@fault(Code.PENALTY_WRONG)
def a_penalty_never_forgotten(s: Staged) -> None:
    s.zrem(s.keys.penalised, "ivy")


@fault(Code.ENDED_TWICE, Code.CHECK_ORDER)
def a_ticket_that_goes_on_after_its_end(s: Staged) -> None:
    since = next(body["at"] for _, _, body in s.world.events() if body.get("ticket") == "t-ann")
    s.add(
        "returned",
        ticket="t-ann",
        player="ann",
        rating=100,
        waited_ms=s.world.now - since,
        check=NEVER,
        reason="declined",
    )


@fault(Code.COUNTERS_WRONG)
def one_more_played(s: Staged) -> None:
    s.hincrby(s.keys.meta, "played", 1)


@fault(Code.RECORD_DISAGREES, Code.RATED_WRONG)
def a_record_that_skips_an_event(s: Staged) -> None:
    s.insert(s.world.now, {"event": "rated", "queue": "ladder", "match": NEVER, "n": 2, "players": [rated("jim")]})
