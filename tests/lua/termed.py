"""Tickets with terms for properties: as a ticket on the wire, and as the plain Python reads it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any, Final

from hypothesis import strategies as st

from matchmaker.compatibility import NO_SIDE, Place, Standing
from matchmaker.rules import QueueRules
from tests.lua.world import QUEUE, World

SIDES: Final = ("bw", "sc2")
LANGUAGES: Final = ("de", "en", "fr")
MAPS: Final = ("Arkanoid", "Radeon", "Vermeer")
REGIONS: Final = ("eu", "us", "kr")


@dataclass(frozen=True)
class Person:
    """One player with everything a rule may ask for; ``sides`` are ratings by side, empty for the queue without."""

    name: str
    rating: float
    deviation: float
    sides: dict[str, tuple[float, float]] = field(default_factory=dict)
    version: str = "1"
    languages: tuple[str, ...] = ("en",)
    level: float = 0.0
    accepts: tuple[float, float] | None = None
    pings: dict[str, float] = field(default_factory=lambda: {"eu": 20.0})
    region: str = "eu"
    vetoes: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()

    def wire(self, rules: QueueRules, ticket: str) -> str:
        """The ticket's JSON, with what these rules ask for and no more."""
        c = json.loads(rules.compiled()).get("constraints", {})
        body: dict[str, Any] = {"ticket": ticket, "player": self.name}
        if "sides" in c:
            body["sides"] = {side: {"rating": x, "deviation": d} for side, (x, d) in self.sides.items()}
        else:
            body |= {"rating": self.rating, "deviation": self.deviation}
        attributes: dict[str, Any] = {}
        if "same" in c:
            attributes["version"] = self.version
        if "any_of" in c:
            attributes["language"] = list(self.languages)
        if "range" in c or "distance" in c:
            attributes["level"] = self.level
        if attributes:
            body["attributes"] = attributes
        if "range" in c and self.accepts:
            body["accepts"] = {"level": self.accepts}
        if "latency" in c:
            body["pings"] = self.pings
        if "servers" in c:
            body["region"] = self.region
        if "pool" in c and self.vetoes:
            body["vetoes"] = {"map": self.vetoes}
        if "avoid" in c and self.avoid:
            body["avoid"] = self.avoid
        return json.dumps(body)

    def standing(self, rules: QueueRules, ticket: str, since: int, met: dict[str, int] | None = None) -> Standing:
        """What the plain Python reads of the same ticket."""
        c = json.loads(rules.compiled()).get("constraints", {})
        places = {side: Place(*place) for side, place in self.sides.items()}
        return Standing(
            ticket,
            self.name,
            since,
            places if "sides" in c else {NO_SIDE: Place(self.rating, self.deviation)},
            same={"version": self.version} if "same" in c else {},
            sets={"language": frozenset(self.languages)} if "any_of" in c else {},
            numbers={"level": self.level} if "range" in c or "distance" in c else {},
            accepts={"level": self.accepts} if "range" in c and self.accepts else {},
            pings=self.pings if "latency" in c else {},
            region=self.region if "servers" in c else None,
            vetoes={"map": frozenset(self.vetoes)} if "pool" in c and self.vetoes else {},
            avoid=frozenset(self.avoid) if "avoid" in c else frozenset(),
            met=met or {},
        )


def constrained_rules() -> st.SearchStrategy[QueueRules]:
    """Rules with any of the constraints, under which something happens within minutes."""
    relaxing = st.sampled_from([{}, {"relax_after_seconds": 20.0}])
    willingness = st.sampled_from(
        [
            {"per_second": 1.0},
            {"base": 20.0, "per_second": 0.5, "per_deviation": 0.2, "deviation_above": 50.0},
            {"kind": "stepped", "step": 25.0, "every_seconds": 15.0, "cap": 200.0},
            {"kind": "exponential", "base": 2.0, "doubling_seconds": 10.0},
        ]
    )
    latency = st.just({"limit_ms": 40.0, "widen_ms_per_second": 2.0, "most_ms": 120.0})
    servers = st.just({"eu": {"eu": "fra", "us": "nyc"}, "us": {"us": "dal"}, "kr": {"kr": "sel"}})
    constraints = st.one_of(
        st.fixed_dictionaries({}, optional=_further(relaxing) | {"latency": latency}),
        st.fixed_dictionaries({}, optional=_further(relaxing) | {"servers": servers}),
    )
    table = st.fixed_dictionaries(
        {
            "accept": st.sampled_from(["sum", "sum", "either", "both"]),
            "max_gap": st.sampled_from([40.0, 300.0]),
            "interval_ms": st.sampled_from([0, 0, 500]),
            "expire_after_seconds": st.just(0.0),
            "willingness": willingness,
        }
    )
    return st.tuples(table, constraints).map(lambda both: QueueRules.model_validate({**both[0], **(both[1] or _SOME)}))


_SOME: Final = {"avoid": 5}


def _further(relaxing: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    return {
        "sides": st.just(list(SIDES)),
        "same": st.just(["version"]),
        "any_of": st.fixed_dictionaries({"language": relaxing}),
        "range": st.fixed_dictionaries({"level": relaxing}),
        "distance": st.fixed_dictionaries(
            {"level": relaxing.map(lambda relax: {"points_per_unit": 5.0, **relax})},
        ),
        "pool": st.just({"map": list(MAPS)}),
        "avoid": st.just(5),
        "rematch": st.sampled_from([{"after_seconds": 60.0}, {"after_seconds": 60.0, "relax_after_seconds": 20.0}]),
        "provisional": st.just(
            {"deviation_from": 100.0, "willingness": {"base": 30.0, "per_second": 4.0, "cap": 250.0}}
        ),
    }


def people(name: str) -> st.SearchStrategy[Person]:
    """Anybody of that name, with ratings so near each other that much of it comes to matter."""
    rating = st.one_of(st.sampled_from([1500.0, 1500.0, 1510.5]), st.floats(1300, 1700).map(lambda x: round(x, 3)))
    deviation = st.sampled_from([0.0, 0.0, 60.0, 150.0])
    place = st.tuples(rating, deviation)
    level = st.integers(0, 12).map(float)
    return st.builds(
        Person,
        st.just(name),
        rating,
        deviation,
        st.one_of(
            st.fixed_dictionaries({"bw": place}),
            st.fixed_dictionaries({"sc2": place}),
            st.fixed_dictionaries({"bw": place, "sc2": place}),
        ),
        st.sampled_from(["1", "1", "2"]),
        st.sets(st.sampled_from(LANGUAGES), min_size=1).map(lambda found: tuple(sorted(found))),
        level,
        st.none() | st.tuples(level, level).map(lambda two: (min(two), max(two))),
        st.dictionaries(st.sampled_from(REGIONS), st.sampled_from([10.0, 38.0, 60.0, 119.5, 130.0]), min_size=1),
        st.sampled_from(REGIONS),
        st.sets(st.sampled_from(MAPS), max_size=2).map(lambda found: tuple(sorted(found))),
        st.lists(st.sampled_from([f"p{n}" for n in range(12)]), max_size=3, unique=True).map(tuple),
    )


def renamed(person: Person, name: str) -> Person:
    return replace(person, name=name)


def join(world: World, rules: QueueRules, person: Person, ticket: str, queue: str = QUEUE) -> str:
    """Enqueues by the wire form; answers the code of the reply."""
    (answer,) = world.raw(
        "enqueue", world.now, world.keys.channel_prefix, queue, person.wire(rules, ticket), line=queue.partition(",")[0]
    )
    return str(answer[0].decode())


def line_of(rules: QueueRules, person: Person, queue: str = QUEUE) -> str:
    """The line in which the person stands."""
    same = json.loads(rules.compiled()).get("constraints", {}).get("same")
    return f"{queue}={person.version}" if same else queue
