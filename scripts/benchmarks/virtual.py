"""An hour in seconds: the real scripts in a realm in virtual time, called at the moments at which a matcher would."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

from matchmaker.demo.ratings import BUILT_IN, draw, load_ratings
from matchmaker.model import TicketRequest
from scripts.benchmarks.harness import Run
from scripts.benchmarks.lines import passes
from scripts.benchmarks.site import QUEUE, Realm, Site
from scripts.benchmarks.wire import Wire

START_MS = 2_000_000_000_000
PAGE = 5_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """One player. ``at`` is s since the start, ``rating`` points."""

    at: float
    rating: float


@dataclass(frozen=True, slots=True)
class Pairing:
    """One match of two arrivals, by their places in the list of arrivals, and when it was made (s)."""

    one: int
    other: int
    at: float


class Population:
    """Where ratings come from: the run's file, else the demo's stated distribution."""

    def __init__(self, run: Run) -> None:
        self._ratings = load_ratings(run.ratings) if run.ratings else []
        self.stated = f"ratings: {run.ratings.name}" if run.ratings else f"ratings: {BUILT_IN}"

    def arrivals(self, rng: random.Random, a_minute: float, *, seconds: float = 0.0, count: int = 0) -> list[Arrival]:
        """Poisson arrivals over so many seconds, or so many of them. To whole ms, as the engine keeps time."""
        found: list[Arrival] = []
        at = 0.0
        while not count or len(found) < count:
            at += rng.expovariate(a_minute / 60)
            if seconds and at >= seconds:
                break
            found.append(Arrival(round(at, 3), draw(rng, self._ratings)))
        return found


class Replay:
    """Arrivals played through the engine."""

    def __init__(self, site: Site, wire: Wire, rules: str) -> None:
        site.empty()
        self._wire = wire
        self._now_ms = START_MS
        self._realm = Realm(site, rules, clock=lambda: self._now_ms)
        self._next_ms: int | None = None

    @property
    def stream(self) -> str:
        """The key of its events."""
        return self._realm.keys.events

    def play(self, arrivals: Sequence[Arrival], until: float | None) -> list[Pairing]:
        """Everyone arrives; each is followed by a pass, and so is each moment at which a pair falls due.

        Up to ``until`` s or, if that is None, until nothing will ever fall due. Answers the matches in order.
        """
        for number, arrival in enumerate(arrivals):
            moment = START_MS + round(1000 * arrival.at)
            self._pass_until(moment - 1)
            self._now_ms = moment
            request = TicketRequest(f"p{number}", arrival.rating, ticket=f"t{number}")
            self._realm.run(self._wire, self._realm.calls.enqueue(QUEUE, [request]))
            self._pass()
        self._pass_until(None if until is None else START_MS + round(1000 * until))
        return self._matches()

    def _pass_until(self, last_ms: int | None) -> None:
        while self._next_ms is not None and (last_ms is None or self._next_ms <= last_ms):
            self._now_ms = max(self._now_ms, self._next_ms)
            self._pass()

    def _pass(self) -> None:
        for report in passes(self._realm, self._wire):
            self._next_ms = report.next_ms

    def _matches(self) -> list[Pairing]:
        found: list[Pairing] = []
        last = b"-"
        while True:
            entries = self._wire.ask("XRANGE", self._realm.keys.events, last, "+", "COUNT", PAGE)
            for _, fields in entries:
                body = json.loads(fields[3])
                if body["event"] == "matched":
                    one, other = (int(team[0]["ticket"][1:]) for team in body["teams"])
                    found.append(Pairing(one, other, (body["at"] - START_MS) / 1000))
            if len(entries) < PAGE:
                return found
            last = b"(" + entries[-1][0]
