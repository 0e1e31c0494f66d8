"""What a pass costs a matched ticket where rules are many, against the plain pass.

Measured: CPU of the server (``INFO cpu``) while passes work off a backlog whose queue has two sides, a set of languages
that must meet, a range of levels that each accepts, pings to three regions under a limit, a pool of seven maps with two
vetoes, and lists of players to avoid; divided by the tickets matched. A third of the players offers one side, a third
the other, a third both. Against: plain passes over a backlog of the same size and ratings (1500 ± 300), as many
tickets at a time, both with willingness of 100 points on arrival, in two realms of one server, in turns. Each is topped
up to its size before its turn; who cannot be paired for the rules' sake stays and is looked at again.

Both match, commit and tell alike; what is different is what a ticket carries and how many pairs are possible. The note
says how many of the constrained tickets found a match.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator

from matchmaker.model import TicketRequest
from scripts.benchmarks.harness import Figure, Row, Run, alternate, at_most, median_of, ratios
from scripts.benchmarks.lines import DENSE, fill, settle
from scripts.benchmarks.site import QUEUE, Realm, Site, site
from scripts.benchmarks.wire import Wire

NAME = "pass-cost-constraints"
GOAL = at_most(3.0)
SIZES = (1_000, 10_000, 100_000)
MOST_A_TURN = 10_000
LANGUAGES = ("de", "en", "es", "ko", "pl")
REGIONS = ("asia", "eu", "us")
MAPS = ("Death Valley", "Eclipse", "Heartbreak Ridge", "Polypoid", "Radeon", "Sylphid", "Vermeer")
CONSTRAINTS = f"""{DENSE}
sides = ["bw", "sc2"]
any_of.language = {{ relax_after_seconds = 60 }}
range.level = {{ relax_after_seconds = 60 }}
latency = {{ limit_ms = 60, widen_ms_per_second = 2.0, most_ms = 200 }}
pool.map = [{", ".join(f'"{name}"' for name in MAPS)}]
vetoes.map = 2
avoid = 20
"""

Join = Callable[[random.Random, int], TicketRequest]


def plain(rng: random.Random, number: int) -> TicketRequest:
    return TicketRequest(f"p{number:017d}", round(rng.gauss(1500.0, 300.0), 4), ticket=f"t{number:025d}")


def constrained(rng: random.Random, number: int) -> TicketRequest:
    """A player of whom everything is known that :data:`CONSTRAINTS` ask for."""
    worth = rng.gauss(1500.0, 300.0)
    level = rng.randint(1, 40)
    sides = rng.choice((("bw",), ("sc2",), ("bw", "sc2")))
    return TicketRequest(
        f"p{number:017d}",
        ticket=f"t{number:025d}",
        sides={side: round(worth + rng.gauss(0.0, 50.0), 4) for side in sides},
        attributes={"language": sorted(rng.sample(LANGUAGES, rng.choice((1, 2)))), "level": level},
        accepts={"level": (level - 15, level + 15)},
        pings={region: float(rng.randint(10, 90)) for region in REGIONS},
        vetoes={"map": sorted(rng.sample(MAPS, rng.randint(0, 2)))},
        avoid=[f"p{rng.randrange(1, number + 1):017d}" for _ in range(rng.randint(0, 3))],
    )


class Backlog:
    """One realm's line, topped up to ``size``; keeps count of who came and who was matched."""

    def __init__(self, own: Site, wire: Wire, name: str, rules: str, *, join: Join, size: int, seed: int) -> None:
        self.size = size
        self.came = self.matched = 0
        self._site = own
        self._wire = wire
        self._join = join
        self._realm = Realm(own, rules, name=name)
        settle(self._realm, wire)  # nothing of making the queue is left to the passes
        self._turn = min(size, MOST_A_TURN)
        self._rng = random.Random(seed)
        self._numbers = itertools.count(1)

    def turn(self) -> float:
        """CPU of passes, in µs a matched ticket.

        :raises RuntimeError: nobody could be matched.
        """
        missing = self.size - int(self._site.client.hlen(self._realm.keys.tickets))
        fill(self._realm, self._wire, [self._join(self._rng, next(self._numbers)) for _ in range(missing)])
        self.came += missing
        before = self.matched
        cpu = self._site.cpu_of(self._passes)
        if self.matched == before:
            raise RuntimeError(f"of {self.size:,} tickets nobody was matched")
        return cpu / (self.matched - before)

    def _passes(self) -> None:
        last = self.matched + self._turn
        while self.matched < last:
            report = self._realm.run(self._wire, self._realm.calls.match_pass(QUEUE))
            self.matched += 2 * report.made
            if report.next_ms is None or report.next_ms > report.now_ms:
                return


def measure(run: Run) -> Iterator[Figure]:
    for size in SIZES[: run.pick(3, 2)]:
        run.say(f"{size:,} waiting")
        with site(run) as own, own.wire() as wire:
            bare = Backlog(own, wire, "plain", DENSE, join=plain, size=size, seed=run.seed)
            ruled = Backlog(own, wire, "ruled", CONSTRAINTS, join=constrained, size=size, seed=run.seed)
            rounds = run.pick(5, 3) if size > MOST_A_TURN else run.pick(9, 5)
            costs, floor = alternate(rounds, ruled.turn, bare.turn)
        note = f"{ruled.matched / ruled.came:.0%} of those who came were matched"
        ratio = ratios(costs, floor)
        figure = median_of(NAME, size, ratio, "× the plain pass", GOAL)
        yield Figure(figure.row, figure.size, figure.value, figure.unit, figure.goal, figure.samples, note)
        yield median_of(NAME, f"{size:,}: constrained", costs, "µs CPU a ticket")
        yield median_of(NAME, f"{size:,}: plain", floor, "µs CPU a ticket")


ROW = Row(NAME, "at most 3 times the plain pass, a matched ticket", measure)
