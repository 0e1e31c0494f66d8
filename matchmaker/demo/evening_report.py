"""What the evenings came to: figures, proofs and a verdict, for programs as JSON and for people as lines."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from matchmaker.calls import Rated
from matchmaker.checker import check, check_records
from matchmaker.demo.evening_options import EveningOptions
from matchmaker.demo.evening_players import UNSURE_POINTS
from matchmaker.demo.evening_proof import Hearing, Proof, check_hearing, prove_ratings
from matchmaker.demo.evening_stage import Evenings
from matchmaker.demo.evening_story import starts
from matchmaker.demo.figures import figures
from matchmaker.demo.ratings import BUILT_IN
from matchmaker.words import span

MOST_SHOWN: Final = 10

Shown = Mapping[tuple[str, str], Rated]


@dataclass(frozen=True, slots=True)
class Learned:
    """How well ratings tell hidden skills, of those who played: the error (root of the mean square, points), and how
    alike the two orders are (Spearman, −1 … 1)."""

    error: float
    spearman: float


@dataclass(slots=True)
class EveningReport:
    """Evenings that were played, and the verdict on them.

    ``objections`` are the checker's sentences and those of records, ``faults`` refusals that nothing explains.
    ``skills`` are the hidden ones of everybody who played, by player and side.
    """

    options: EveningOptions
    evenings: Evenings
    objections: list[str]
    hearing: Hearing
    proof: Proof
    skills: dict[tuple[str, str], float]
    before: Learned
    after: Learned
    seconds: float
    notes: list[str] = field(default_factory=list)
    picture: str | None = None

    @property
    def broken(self) -> list[str]:
        """Every promise that did not hold."""
        return [*self.evenings.faults, *self.hearing.faults, *self.proof.differences, *self.objections]

    @property
    def ok(self) -> bool:
        return not self.broken

    def body(self) -> dict[str, Any]:
        """The document of ``--json``. Times are ms but where the name says otherwise, gaps and errors points."""
        told, world, options = self.evenings.story.counts, self.evenings.world, self.options
        return {
            "evenings": options.evenings,
            "hours": options.hours,
            "seed": options.seed,
            "queue": options.queue,
            "rules": json.loads(world.rules.compiled()),
            "ratings": BUILT_IN if options.ratings is None else str(options.ratings),
            "players": len({player for player, _ in self.skills}),
            "tickets": told["enqueued"],
            "ready_checks": {
                "proposed": told["proposed"],
                "accepts": told["accepted"],
                "declined": told["declined:declined"],
                "no_answer": told["declined:no_answer"],
                "returned": told["returned"],
                "returned_and_matched": told["returned and matched"],
            },
            "matches": told["matched"],
            "outcomes": {name: told[f"finished:{name}"] for name in ("played", "aborted", "abandoned")},
            "by": {name: told[f"by:{name}"] for name in _BY},
            "disputes": told["disputed"],
            "left": told["left"],
            "offences": told["declined"] + told["left"] + told["by:player"],
            "penalties": told["penalties"],
            "barred": self.evenings.refused["Penalised"],
            "wait_ms": figures(self.evenings.story.waits_ms),
            "gap": figures(self.evenings.story.gaps),
            "settled": world.settled,
            "drains": world.drains,
            "settling_seconds": world.settling_s,
            "settled_per_second": world.settled / world.settling_s if world.settling_s else None,
            "error": {"before": self.before.error, "after": self.after.error},
            "spearman": {"before": self.before.spearman, "after": self.after.spearman},
            "recomputed": {
                "changes": self.proof.changes,
                "players": self.proof.players,
                "numbers": self.proof.numbers,
                "differences": self.proof.differences,
            },
            "events_heard": self.hearing.expected,
            "events_missed": self.hearing.missed,
            "events_duplicated": self.hearing.duplicated,
            "checker": {"ok": not self.objections, "violations": self.objections},
            "faults": self.evenings.faults,
            "refused": dict(sorted(self.evenings.refused.items())),
            "seconds": self.seconds,
            "server": {"name": world.place.name, "version": world.place.version},
            "notes": self.notes,
            "picture": self.picture,
        }

    def lines(self) -> list[str]:
        """The summary."""
        body = self.body()
        checks, outcomes, by, broken = body["ready_checks"], body["outcomes"], body["by"], self.broken
        waits, hidden = body["wait_ms"], len(broken) - MOST_SHOWN
        same = "DIFFER" if self.proof.differences else "are the same bits"
        rows = (
            ("tickets", f"{body['tickets']:,} of {body['players']:,} players who played"),
            (
                "ready checks",
                f"{checks['proposed']:,}: {body['matches']:,} accepted by all, {checks['declined']:,} declined, "
                f"{checks['no_answer']:,} without an answer",
            ),
            ("back in line", f"{checks['returned']:,}, of whom {checks['returned_and_matched']:,} matched later"),
            ("penalties", f"{body['offences']:,} offences, {body['barred']:,} joins barred meanwhile"),
            (
                "matches",
                f"{body['matches']:,}: {outcomes['played']:,} played, {outcomes['aborted']:,} aborted, "
                f"{outcomes['abandoned']:,} abandoned",
            ),
            (
                "ended by",
                f"players who agreed {by['players']:,}, a game server {by['server']:,}, the deadline "
                f"{by['deadline']:,}, leaving {by['leaving']:,}, an operator {by['operator']:,} "
                f"({body['disputes']:,} disputes)",
            ),
            ("waiting", f"p50 {_span(waits['p50'])}, p95 {_span(waits['p95'])}"),
            ("gap", f"mean {_number(body['gap']['mean'])} points"),
            (
                "settled",
                f"{body['settled']:,} matches in {body['drains']:,} small drains of {body['settling_seconds']:.1f} s "
                f"together: {_number(body['settled_per_second'])} a second",
            ),
            (
                "rating − skill",
                f"error {self.before.error:.0f} → {self.after.error:.0f} points, Spearman {self.before.spearman:.3f} "
                f"→ {self.after.spearman:.3f}",
            ),
            (
                "computed again",
                f"{self.proof.changes:,} changes from {len(self.evenings.story.played):,} matches; "
                f"{self.proof.numbers:,} numbers in Postgres and Redis {same}",
            ),
            (
                "heard",
                f"{self.hearing.expected:,} events, each once and in order"
                if not self.hearing.faults
                else f"{self.hearing.expected:,} events, {self.hearing.missed:,} missed, {self.hearing.duplicated:,} "
                "duplicated",
            ),
        )
        return [
            *(f"{name:15} {words}" for name, words in rows),
            *(f"note: {note}" for note in self.notes),
            *(f"broken: {objection}" for objection in broken[:MOST_SHOWN]),
            *([f"broken: … and {hidden:,} more"] if hidden > 0 else []),
            f"checker: {'ok' if self.ok else 'NOT OK'} ({body['tickets']:,} tickets, {body['matches']:,} matches, "
            f"{self.seconds:.1f} s)" + (f"     picture: {self.picture}" if self.picture else ""),
        ]


_BY: Final = ("players", "server", "deadline", "leaving", "operator", "player")


def judge(evenings: Evenings, imported: Shown, seconds: float) -> EveningReport:
    """Computes and compares everything; the servers must still be there, and all must be drained."""
    world, story = evenings.world, evenings.story
    realm, database = world.place.realm, world.place.database
    found = check(world.mm.redis, realm, ledger=world.ledger)
    records = check_records(world.mm.redis, database, realm, drained=True)
    people = {person.name: person for person in evenings.ladder.people}
    skills = {key: people[key[0]].skills[key[1]] for key in sorted(story.games)}
    report = EveningReport(
        evenings.options,
        evenings,
        [str(one) for one in (*found.violations, *records.violations)],
        check_hearing(story.events_of, world.heard),
        prove_ratings(story, world, starts(world.queue, imported)),
        skills,
        learned(imported, skills),
        learned(story.shown, skills),
        seconds,
    )
    report.notes += world.warnings
    return report


def learned(shown: Shown, skills: Mapping[tuple[str, str], float]) -> Learned:
    """How well these ratings tell those skills; of nobody, as well as can be."""
    if not skills:
        return Learned(0.0, 1.0)
    pairs = [(shown[key].rating, skill) for key, skill in skills.items()]
    error = math.sqrt(sum((rating - skill) ** 2 for rating, skill in pairs) / len(pairs))
    return Learned(error, spearman([rating for rating, _ in pairs], [skill for _, skill in pairs]))


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """The correlation of ranks, equals sharing the middle of theirs; 1 where there is nothing to tell apart."""
    ranks = [_ranks(values) for values in (one, other)]
    middle = (len(one) + 1) / 2
    left, right = ([rank - middle for rank in some] for some in ranks)
    spread = math.sqrt(sum(x * x for x in left) * sum(y * y for y in right))
    return sum(x * y for x, y in zip(left, right, strict=True)) / spread if spread else 1.0


def _ranks(values: Sequence[float]) -> list[float]:
    places: dict[float, list[int]] = {}
    for place, value in enumerate(sorted(values), start=1):
        places.setdefault(value, []).append(place)
    return [sum(places[value]) / len(places[value]) for value in values]


def deviation_of(rated: Rated) -> float:
    """Who has none yet starts with that of the rules."""
    return UNSURE_POINTS if rated.deviation is None else rated.deviation


def _span(ms: float | None) -> str:
    return "–" if ms is None else span(ms)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"
