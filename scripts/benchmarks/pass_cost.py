"""What a pass costs a matched ticket, commit included, against the writes alone.

Measured: CPU of the server (``INFO cpu``) while passes work off a backlog in which everybody is due: a Gaussian line,
ratings 1500 ± 300, willing to give 100 points on arrival, brought in as ``enqueue_many`` does. Divided by the tickets
matched. Against: ``floor.lua``, which takes the same number of places from around the same kind of ticket, reads
their records, and writes for each pair what a pass writes (event, two messages, both records out, both off the line,
remembrance), of the same lengths, but decides nothing and composes no text. Both start on a backlog of the full size,
topped up before each turn; both take at most the same number of tickets, small backlogs entirely, the pass with its
sparse remainder.

That is fair because the floor's cost is Redis's own: no program that keeps this state can be below it. After each
turn the row compares what both have written, and fails if the floor wrote anything less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from scripts.benchmarks.harness import Figure, Row, Run, alternate, at_most, median_of, ratios
from scripts.benchmarks.lines import DENSE, Crowd, fill, settle
from scripts.benchmarks.site import QUEUE, Realm, Site, site

NAME = "pass-cost"
GOAL = at_most(1.5)
MOST_A_TURN = 20_000
FLOOR = Path(__file__).with_name("floor.lua")
FLOOR_PLACES = 128


class Backlog:
    """A dense line that is topped up to ``size``, and the two ways to take tickets from it."""

    def __init__(self, site: Site, size: int, seed: int) -> None:
        self.site = site
        self.size = size
        self.turn = min(size, MOST_A_TURN)
        self.realm = Realm(site, DENSE)
        self.crowd = Crowd(seed)
        self.wire = site.wire()
        self._floor_sha = str(site.client.script_load(FLOOR.read_text(encoding="utf-8")))
        self._texts = self._texts_of_a_match()

    def top_up(self) -> None:
        fill(self.realm, self.wire, self.crowd.gaussian(self.size - self.realm.waiting()))

    def by_pass(self) -> float:
        """CPU of passes, in µs a matched ticket."""
        return self._turn(self._passes)

    def by_floor(self) -> float:
        """CPU of the floor, in µs a ticket taken."""
        return self._turn(self._floors)

    def _turn(self, take: Callable[[], int]) -> float:
        self.top_up()
        before, taken = self._written(), 0

        def work() -> None:
            nonlocal taken
            taken = take()

        cpu = self.site.cpu_of(work)
        self._check(before, taken)
        return cpu / taken

    def _passes(self) -> int:
        taken = 0
        while taken < self.turn:
            report = self.realm.run(self.wire, self.realm.calls.match_pass(QUEUE))
            taken += 2 * report.made
            if report.next_ms is None or report.next_ms > report.now_ms:
                break
        return taken

    def _floors(self) -> int:
        keys = self.realm.keys.line_keys(QUEUE)
        arguments = (self.realm.keys.channel_prefix, FLOOR_PLACES, *self._texts, self._ended_index())
        taken, found = 0, 1
        while found and taken < self.turn:
            found = self.wire.ask("EVALSHA", self._floor_sha, len(keys), *keys, *arguments)
            taken += found
        return taken

    def _ended_index(self) -> int:
        return int(self.site.client.hget(self.realm.keys.meta, "ended") or 0)

    def _texts_of_a_match(self) -> tuple[str, str, str]:
        """Fillers as long as an event, a message and an ended record of a real match."""
        client, keys = self.site.client, self.realm.keys
        fill(self.realm, self.wire, self.crowd.at([1500.0, 1507.8125]))
        settle(self.realm, self.wire)
        event_id, fields = client.xrevrange(keys.events, count=1)[0]
        body = len(fields[b"body"])
        # A message is the body led by its own id and the id of the player's event before it.
        message = body + len('"id":"","prev":"",') + 2 * len(event_id)
        ended = next(
            len(value) for name, value in client.hscan_iter(keys.ended[self._ended_index()]) if name[:2] == b"t:"
        )
        return "b" * body, "m" * message, "e" * ended

    def _written(self) -> tuple[int, ...]:
        client, keys = self.site.client, self.realm.keys
        published = self.site.info("commandstats").get("cmdstat_publish", {"calls": 0})["calls"]
        return (
            client.zcard(keys.line(QUEUE)),
            client.hlen(keys.tickets),
            client.hlen(keys.players),
            client.zcard(keys.ends),
            sum(client.hlen(key) for key in keys.ended),
            client.xlen(keys.events),
            published,
        )

    def _check(self, before: tuple[int, ...], taken: int) -> None:
        """Both sides must have done the whole work of ``taken`` matched tickets."""
        change = tuple(after - first for first, after in zip(before, self._written(), strict=True))
        wanted = (-taken, -taken, -taken, -taken, 2 * taken, taken // 2, taken)
        if change != wanted:
            raise RuntimeError(f"{taken} tickets were taken, but line, records, … changed by {change}, not {wanted}")


def measure(run: Run) -> Iterator[Figure]:
    for size in run.sizes:
        run.say(f"{size:,} waiting")
        with site(run) as own:
            backlog = Backlog(own, size, run.seed)
            rounds = run.pick(7, 5) if size >= MOST_A_TURN else run.pick(15, 7)
            passes, floors = alternate(rounds, backlog.by_pass, backlog.by_floor)
            backlog.wire.close()
        yield median_of(NAME, size, ratios(passes, floors), "× the writes", GOAL)
        yield median_of(NAME, f"{size:,}: pass", passes, "µs CPU a ticket")
        yield median_of(NAME, f"{size:,}: floor", floors, "µs CPU a ticket")


ROW = Row(NAME, "at most 1.5 times the same writes, at every size", measure)
