"""The evenings themselves: a loop over moments, players who act at them, and what they do about what they hear."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any, Final

from matchmaker import errors
from matchmaker.calls import Call, Rated
from matchmaker.demo.evening_options import EveningOptions, Ladder
from matchmaker.demo.evening_players import REST_SECONDS, Answer, Person, Visit, answer, game, offered, visits
from matchmaker.demo.evening_story import Story
from matchmaker.demo.evening_world import Told, World
from matchmaker.demo.roster import draw_vetoes
from matchmaker.model import By, EventKind, TicketRequest
from matchmaker.terms import Side

BEGIN_MS: Final = 1_761_940_800_000
"""The first evening begins on a day in autumn at 20:00 UTC."""

DAY_MS: Final = 86_400_000
DRAIN_SECONDS: Final = 60
"""Ratings are shown so long after a match at the latest."""

SAMPLE_SECONDS: Final = 600
RESOLVE_SECONDS: Final = (300, 1800)
OPERATOR, SERVER, REASON = "operator", "game-server-1", "no_show"
EXPECTED: Final = (errors.CheckOver, errors.MatchOver, errors.TooLate, errors.Penalised)
"""What may come of acting on old news; anything else is a fault."""


@dataclass(slots=True)
class Presence:
    """One player on one evening: until when, waiting with which ticket, asked by a ready check, or in a match."""

    home_ms: int
    ticket: str = ""
    asked: bool = False
    match: str = ""


@dataclass(order=True, slots=True)
class Action:
    """Something to do at a moment. ``make`` answers the call, or None for nothing; ``then`` gets what came of it."""

    at_ms: int
    number: int
    make: Callable[[], Call[Any] | None] = field(compare=False)
    then: Callable[[Any], None] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Sample:
    """What everybody was shown to be worth: ``hours`` of evenings played by then, and the ratings by player, side."""

    hours: float
    shown: Mapping[tuple[str, str], Rated]


class Evenings:
    """Plays the evenings of a ladder. ``faults`` are refusals that nothing explains; ``refused`` counts the others."""

    def __init__(self, options: EveningOptions, ladder: Ladder, world: World) -> None:
        self.options = options
        self.ladder = ladder
        self.world = world
        self.story = Story()
        self.refused: Counter[str] = Counter()
        self.faults: list[str] = []
        self.samples: list[Sample] = []
        self._people = {person.name: person for person in ladder.people}
        self._rng = random.Random(f"matchmaker evenings {options.seed} deeds")
        self._actions: list[Action] = []
        self._number = count()
        self._tickets = count(1)
        self._here: dict[str, Presence] = {}
        self._truth: dict[str, tuple[int, int]] = {}
        self._draining = False

    def begin(self) -> dict[tuple[str, str], Rated]:
        """Imports what the players are worth; answers it by player and side."""
        sides = self.ladder.sides or ("",)
        people = self.ladder.people
        by_side = {
            side: {one.name: Rated(one.ratings[side]) for one in people if side in one.ratings} for side in sides
        }
        self.world.import_ratings(by_side)
        imported = {(name, side): rated for side, some in by_side.items() for name, rated in some.items()}
        self.story.shown.update(imported)
        self._take_sample(0.0)
        return imported

    def play(self, evening: int) -> int:
        """One evening, from 0 on, until everybody is home and every match is over; answers how many players came."""
        begin_ms = BEGIN_MS + evening * DAY_MS
        self.world.now_ms = begin_ms
        came = list(visits(self._rng, self.ladder.people, self.options.hours))
        self._here = {visit.name: Presence(begin_ms + 1000 * visit.home_s) for visit in came}
        for visit in came:
            self._visit(begin_ms, visit)
        end_s = round(3600 * self.options.hours)
        for second in range(SAMPLE_SECONDS, end_s + 1, SAMPLE_SECONDS):
            hours = evening * self.options.hours + second / 3600
            self._at(begin_ms + 1000 * second, partial(self._take_sample, hours))
        due_ms: int | None = None
        while self._actions or due_ms is not None:
            moments = [due_ms] if due_ms is not None else []
            moments += [self._actions[0].at_ms] if self._actions else []
            self.world.now_ms = max(self.world.now_ms, min(moments))
            self._act()
            due_ms = self.world.serve()
            self._react()
        self.world.drain()
        self._react()
        self._take_sample((evening + 1) * self.options.hours)
        return len(came)

    # -- acting ----------------------------------------------------------------------------------------------------

    def _at(
        self, at_ms: int, make: Callable[[], Call[Any] | None], then: Callable[[Any], None] = lambda _: None
    ) -> None:
        heapq.heappush(self._actions, Action(at_ms, next(self._number), make, then))

    def _in(
        self, seconds: int, make: Callable[[], Call[Any] | None], then: Callable[[Any], None] = lambda _: None
    ) -> None:
        """At a whole second, so that moments coincide and their calls travel together."""
        self._at(1000 * (self.world.now_ms // 1000 + seconds), make, then)

    def _act(self) -> None:
        """All of this moment, in one batch."""
        calls: list[Call[Any]] = []
        handlers: list[Callable[[Any], None]] = []
        while self._actions and self._actions[0].at_ms <= self.world.now_ms:
            action = heapq.heappop(self._actions)
            call = action.make()
            if call is not None:
                calls.append(call)
                handlers.append(action.then)
        for handler, reply in zip(handlers, self.world.batch(calls), strict=True):
            one = reply[0] if isinstance(reply, list) else reply
            if isinstance(one, errors.MatchmakerError):
                self.refused[type(one).__name__] += 1
                if not isinstance(one, EXPECTED):
                    self.faults.append(f"at {self.world.now_ms}: {one}")
            handler(one)

    def _take_sample(self, hours: float) -> None:
        self.samples.append(Sample(hours, dict(self.story.shown)))

    def _visit(self, begin_ms: int, visit: Visit) -> None:
        self._at(begin_ms + 1000 * visit.login_s, *self._joining(visit.name))
        self._at(begin_ms + 1000 * visit.home_s, lambda: self._go_home(visit.name))

    def _joining(self, name: str) -> tuple[Callable[[], Call[Any] | None], Callable[[Any], None]]:
        """The player joins the queue, unless it is busy or has gone home by then."""

        def make() -> Call[Any] | None:
            here = self._here[name]
            if here.ticket or here.match or self.world.now_ms >= here.home_ms:
                return None
            here.ticket = f"{name}-{next(self._tickets)}"
            return self.world.mm.calls.enqueue(self.options.queue, [self._request(name, here.ticket)])

        def then(reply: Any) -> None:
            if isinstance(reply, errors.MatchmakerError):
                self._here[name].ticket = ""
            if isinstance(reply, errors.Penalised):
                self._at(1000 * -(-reply.until_ms // 1000), *self._joining(name))

        return make, then

    def _request(self, name: str, ticket: str) -> TicketRequest:
        """Without sides the realm knows the rating itself; those of sides come along, as the realm shows them."""
        person: Person = self._people[name]
        if not self.ladder.sides:
            return TicketRequest(name, ticket=ticket)
        sides = {}
        for side in offered(self._rng, person):
            rated = self.story.shown[name, side]
            sides[side] = Side(rated.rating, rated.deviation, person.races[side])
        most = dict.fromkeys(self.ladder.pools, 2)
        vetoes = draw_vetoes(self._rng, self.ladder.pools, most)
        return TicketRequest(name, ticket=ticket, sides=sides, vetoes=vetoes)

    def _rest_and_join(self, name: str) -> None:
        self._in(self._rng.randint(*REST_SECONDS), *self._joining(name))

    def _go_home(self, name: str) -> Call[Any] | None:
        """Leaves the line, unless asked just now: then the answer comes first."""
        here = self._here[name]
        if not here.ticket or here.asked:
            return None
        return self.world.mm.calls.cancel(self.options.queue, "ticket", here.ticket, "requested")

    # -- reacting --------------------------------------------------------------------------------------------------

    def _react(self) -> None:
        for told in self.world.read():
            self.story.take(told)
            react = _REACTIONS.get(told.kind)
            if react is not None:
                react(self, told)

    def _asked(self, told: Told) -> None:
        """Everybody of a ready check answers after a few seconds, or does not."""
        calls = self.world.mm.calls
        for member in _members(told.body):
            name = member["player"]
            self._here[name].asked = True
            said, seconds = answer(self._rng)
            if said is Answer.ACCEPT:
                self._in(seconds, partial(calls.accept, told.id, name))
            elif said is Answer.DECLINE:
                self._in(seconds, partial(calls.decline, told.id, name))

    def _waits_again(self, told: Told) -> None:
        here = self._here[told.body["player"]]
        here.asked = False
        if self.world.now_ms >= here.home_ms:
            self._in(1, lambda: self._go_home(told.body["player"]))

    def _out_of_line(self, told: Told) -> None:
        here = self._here[told.body["player"]]
        here.ticket, here.asked = "", False
        self._rest_and_join(told.body["player"])

    def _plays(self, told: Told) -> None:
        """The game is decided at its beginning, by hidden skills; then it takes its time."""
        calls, match = self.world.mm.calls, told.id
        members = _members(told.body)
        names = [member["player"] for member in members]
        one, other = (self._people[member["player"]].skills[member.get("side", "")] for member in members)
        for name in names:
            here = self._here[name]
            here.ticket, here.asked, here.match = "", False, match
        will = game(self._rng, (one, other))
        self._truth[match] = will.ranks
        if will.aborts is not None:
            who = names[will.aborts]
            self._in(will.ends_s, lambda: calls.abort(match, By.PLAYER, who, REASON))
        elif will.leaves is not None:
            who = names[will.leaves]
            self._in(will.ends_s, lambda: calls.leave(match, who))
        elif will.by_server:
            self._in(will.ends_s, lambda: calls.report(match, By.SERVER, SERVER, will.ranks))
        for name, ranks, seconds in zip(names, will.reports, will.told_s, strict=True):
            if ranks is not None:
                self._in(will.ends_s + seconds, partial(calls.report, match, By.PLAYER, name, ranks))

    def _operator_decides(self, told: Told) -> None:
        """The players need not wait for that."""
        match = told.body["match"]
        self._in(
            self._rng.randint(*RESOLVE_SECONDS),
            lambda: self.world.mm.calls.report(match, By.OPERATOR, OPERATOR, self._truth[match]),
        )
        self._free([name for name, here in self._here.items() if here.match == match])

    def _over(self, told: Told) -> None:
        names = [member["player"] for member in _members(told.body)]
        self._free([name for name in names if self._here[name].match == told.body["match"]])
        if not self._draining:
            self._draining = True
            self._in(DRAIN_SECONDS, self._drain)

    def _drain(self) -> None:
        self._draining = False
        self.world.drain()

    def _free(self, names: Sequence[str]) -> None:
        for name in names:
            self._here[name].match = ""
            self._rest_and_join(name)


_REACTIONS: Final[Mapping[str, Callable[[Evenings, Told], None]]] = {
    EventKind.PROPOSED: Evenings._asked,
    EventKind.RETURNED: Evenings._waits_again,
    EventKind.CANCELLED: Evenings._out_of_line,
    EventKind.EXPIRED: Evenings._out_of_line,
    EventKind.MATCHED: Evenings._plays,
    EventKind.DISPUTED: Evenings._operator_decides,
    EventKind.FINISHED: Evenings._over,
}


def _members(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [member for team in body["teams"] for member in team]
