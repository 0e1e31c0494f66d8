"""What a demo found out: counts, figures and verdicts, for programs as JSON and for people as lines."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from matchmaker.checker import check_listeners
from matchmaker.demo.figures import figures
from matchmaker.demo.ratings import BUILT_IN
from matchmaker.demo.records import count_rows
from matchmaker.demo.stage import Stage

SLOW_MS = 250.0
"""Players who come later than this (p99) do not come by the clock any more."""

MOST_SHOWN = 10
OUTCOMES = ("matched", "cancelled", "expired", "waiting")


@dataclass(slots=True)
class Report:
    """A demo that was played, and the verdict on it.

    ``violations`` are the checker's sentences about the realm, ``misheard`` those about listeners, of whom ``missed``
    events were not and ``duplicated`` events were more than once heard. ``faults`` are processes or players that met
    what should not happen. ``rows`` counts the realm's rows in Postgres, by table.
    """

    stage: Stage
    violations: list[str]
    misheard: list[str]
    missed: int
    duplicated: int
    faults: list[str]
    rows: dict[str, int]
    notes: list[str] = field(default_factory=list)
    picture: str | None = None

    @property
    def ok(self) -> bool:
        """Whether every promise held and everything ran to its end."""
        return not (self.violations or self.misheard or self.faults)

    def body(self) -> dict[str, Any]:
        """The document of ``--json``. Times are ms, gaps rating points; a figure that nobody could take is null."""
        stage, truth, crowds, options = self.stage, self.stage.truth, self.stage.crowds, self.stage.options
        objections, outcomes = [*self.violations, *self.misheard], truth.outcomes()
        return {
            "arrived": outcomes.total(),
            **{state: outcomes[state] for state in OUTCOMES},
            "matches": len(truth.gaps),
            "rows": self.rows,
            "wait_ms": figures(truth.waits_ms),
            "doorbell_ms": figures(crowds.doorbell_ms),
            "gap": figures(truth.gaps),
            "events_missed": self.missed,
            "events_duplicated": self.duplicated,
            "checker": {"ok": not objections, "violations": objections},
            "seed": options.seed,
            "server": {"name": stage.place.name, "version": stage.place.version},
            "enqueue_ms": figures(crowds.enqueue_ms),
            "lag_ms": figures(crowds.lag_ms),
            "connections_killed": stage.cuts,
            "resumed": crowds.resumed,
            "caught_up": crowds.caught_up,
            "cancelled_too_late": crowds.late,
            "faults": self.faults,
            "notes": self.notes,
            "interrupted": stage.interrupted,
            "rate": options.rate,
            "seconds": options.seconds,
            "matchers": options.matchers,
            "ratings": BUILT_IN if options.ratings is None else str(options.ratings),
            "rules": {queue: json.loads(rules.compiled()) for queue, rules in stage.rules.items()},
            "picture": self.picture,
            **({"sides": truth.sides()} if stage.cast.roster else {}),
        }

    def lines(self) -> list[str]:
        """The summary."""
        body = self.body()
        when = f" until interrupted after {self.stage.elapsed:.0f} s" if self.stage.interrupted else ""
        became = ", ".join(f"{body[state]:,} {state}" for state in OUTCOMES)
        objections = [*self.faults, *self.misheard, *self.violations]
        hidden = len(objections) - MOST_SHOWN
        return [
            f"{body['arrived']:,} players arrived{when}: {became}",
            *_table(body),
            *_sides(body.get("sides", {})),
            f"recorded {body['rows']['matches']:,}/{body['matches']:,} matches, {sum(body['rows'].values()):,} rows in "
            f"Postgres {self.stage.place.postgres}",
            f"{body['connections_killed']} pub/sub connections killed, {body['resumed']:,} players away and back, "
            f"{body['cancelled_too_late']:,} cancels too late",
            *(f"note: {note}" for note in self.notes),
            *(f"broken: {objection}" for objection in objections[:MOST_SHOWN]),
            *([f"broken: … and {hidden:,} more"] if hidden > 0 else []),
            f"checker: {'ok' if self.ok else 'NOT OK'} ({body['arrived']:,} tickets, {body['matches']:,} matches, "
            f"{self.missed:,} missed, {self.duplicated:,} duplicated)"
            + (f"     picture: {self.picture}" if self.picture else ""),
        ]


def judge(stage: Stage) -> Report:
    """Asks the checker about the realm, now at rest, and about what each listener got; all servers must still be there.

    A player whom nobody heard of counts as one who heard nothing.
    """
    rest = stage.check(matchers_alive=False)
    alive = stage.alive.violations if stage.alive else ()
    ledger, crowds = stage.truth.ledger, stage.crowds
    listeners = check_listeners(ledger, {**dict.fromkeys(ledger.events_of, ()), **crowds.heard})
    report = Report(
        stage,
        violations=[str(violation) for violation in dict.fromkeys([*alive, *rest.violations])],
        misheard=[str(violation) for violation in listeners.violations],
        missed=listeners.missed,
        duplicated=listeners.duplicated,
        faults=[*stage.faults, *crowds.faults],
        rows=count_rows(stage.place.database, stage.place.realm),
    )
    report.violations += [str(violation) for violation in stage.check_records().violations]
    if crowds.came != len(ledger.tickets):
        report.faults.append(f"{crowds.came:,} tickets were acknowledged, {len(ledger.tickets):,} are in the stream")
    lag = figures(crowds.lag_ms)["p99"]
    if lag is not None and lag > SLOW_MS:
        report.notes.append(f"this machine could not keep up: the last percent of players came over {lag:,.0f} ms late")
    return report


def _table(body: dict[str, Any]) -> list[str]:
    rows = (
        ("wait", "wait_ms", 1000, "s", "of a matched ticket, by the realm's clock"),
        ("gap", "gap", 1, "points", "of a match"),
        ("doorbell", "doorbell_ms", 1, "ms", "from the match (in whole ms) to the player, cuts included"),
        ("enqueue", "enqueue_ms", 1, "ms", "from the call to the acknowledged ticket"),
        ("lag", "lag_ms", 1, "ms", "by which players came late to their arrival"),
    )
    lines = [f"{'':10}{'p50':>9}{'p95':>9}{'p99':>9}{'mean':>9}"]
    for name, key, unit, word, meaning in rows:
        cells = "".join(f"{_number(body[key][column], unit):>9}" for column in ("p50", "p95", "p99", "mean"))
        lines.append(f"{name:10}{cells}  {word:7} {meaning}")
    return lines


def _sides(sides: dict[str, dict[str, int]]) -> list[str]:
    """``sides: bw 512 of 900 matched, sc2 430 of 800, bw+sc2 300 of 330 (bw 160, sc2 140)``."""
    parts: list[str] = []
    for offered, counts in sides.items():
        played = [f"{side} {counts[side]:,}" for side in offered.split("+")]
        parts.append(
            f"{offered} {counts['matched']:,} of {counts['came']:,}"
            + (" matched" if not parts else "")
            + (f" ({', '.join(played)})" if len(played) > 1 else "")
        )
    return [f"sides: {', '.join(parts)}"] if parts else []


def _number(value: float | None, unit: int) -> str:
    return "–" if value is None else f"{value / unit:,.2f}"
