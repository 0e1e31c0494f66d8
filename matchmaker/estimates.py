"""How long a ticket will probably wait, from what the realm saw lately. Pure.

A *table* tells for each band of ratings of a queue how the waits of its tickets were distributed: the product-limit
estimate (Kaplan and Meier 1958, "Nonparametric estimation from incomplete observations") over the tickets that came
within a window of the stream. A ticket that was found, proposed or matched, ended its wait; one that left or waits
still tells only that it waited longer than that. Who waits long is so counted from the beginning, not from its end.

An *estimate* reads a table for somebody who has waited already: of those who waited as long, which share was found by
when.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

VERSION: Final = 1
SHARES: Final = 50
"""A band tells the wait by which 1/50, 2/50, … of its tickets were found."""

LEAST: Final = 20
"""Fewer tickets than this say nothing."""

BAND: Final = 80
"""Tickets that a band has at least: a quantile of so many is within some 5% of the truth."""

MOST_BANDS: Final = 8
WINDOW_TICKETS: Final = 400
WINDOW_MS: Final = 600_000
"""Of each queue and side the newest 400 tickets count, and all of the last ten minutes: a rush tells soon, a quiet
queue still tells enough."""

Table = dict[str, Any]
"""``{"v": 1, "at": realm ms, "samples": n, "sides": {side: {"bands": [band]}}}``, a band being ``{"from": rating,
"samples": n, "waits_ms": […]}``; see ``docs/estimates.md``."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds still to wait: with 50, 80 and 95% of those who waited as long already it took no longer. None: longer
    than anything seen lately. ``samples`` is of how many tickets, ``at_ms`` realm ms of the newest."""

    p50_seconds: float | None
    p80_seconds: float | None
    p95_seconds: float | None
    samples: int
    at_ms: int


@dataclass(slots=True)
class _Life:
    """What the window shows of one ticket. ``places`` are queue, side and rating of each place it took."""

    began_ms: int
    places: list[tuple[str, str, float]]
    until_ms: int = -1
    found: bool = False


@dataclass(slots=True)
class _Seen:
    """Waits in one line: rating, ms waited, and whether it was found then."""

    lives: list[tuple[int, float, int, bool]] = field(default_factory=list)


# -- tables ------------------------------------------------------------------------------------------------------------


def tables_of(entries: Iterable[tuple[str, Mapping[str, Any]]], now_ms: int) -> dict[str, Table]:
    """Queue -> its table, for queues of which enough was seen.

    :param entries: name and body of the newest events of the stream, oldest first. What is no event of a ticket, or not
        of the shape this program knows, tells nothing.
    :param now_ms: realm ms; who has not ended by then waits still.
    """
    lives: dict[tuple[str, int], _Life] = {}
    for name, body in entries:
        try:
            _take(lives, name, body)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            continue
    lines: dict[tuple[str, str], _Seen] = {}
    for life in lives.values():
        waited = (life.until_ms if life.until_ms >= 0 else now_ms) - life.began_ms
        if waited >= 0:
            for queue, side, rating in life.places:
                lines.setdefault((queue, side), _Seen()).lives.append((life.began_ms, rating, waited, life.found))
    tables: dict[str, Table] = {}
    for (queue, side), seen in sorted(lines.items()):
        chosen = _window(seen.lives, now_ms)
        if len(chosen) < LEAST:
            continue
        table = tables.setdefault(queue, {"v": VERSION, "at": now_ms, "samples": 0, "sides": {}})
        table["samples"] += len(chosen)
        table["sides"][side] = {"bands": list(_bands(chosen))}
    return tables


def _take(lives: dict[tuple[str, int], _Life], name: str, body: Mapping[str, Any]) -> None:
    """What one event tells. A ticket is known by its id and when it began; who began before the window is left out."""
    at = int(body["at"])
    if name == "enqueued":
        lives[str(body["ticket"]), at] = _Life(at, list(_places(body)))
    elif name in ("matched", "proposed"):
        for team in body["teams"]:
            for member in team:
                _end(lives, member, at, found=True)
    elif name in ("cancelled", "expired"):
        _end(lives, body, at, found=False)


def _end(lives: dict[tuple[str, int], _Life], ticket: Mapping[str, Any], at: int, *, found: bool) -> None:
    life = lives.get((str(ticket["ticket"]), at - int(ticket["waited_ms"])))
    if life is not None and life.until_ms < 0:
        life.until_ms, life.found = at, found


def _places(body: Mapping[str, Any]) -> Iterator[tuple[str, str, float]]:
    own = body.get("ratings", {})
    for queue in body.get("queues", (body["queue"],)):
        sides = body.get("sides")
        if sides:
            for side, told in sides.items():
                yield str(queue), str(side), float(told["rating"])
        else:
            yield str(queue), "", float(own[queue]["rating"] if queue in own else body["rating"])


def _window(lives: list[tuple[int, float, int, bool]], now_ms: int) -> list[tuple[float, int, bool]]:
    """Rating, ms waited and whether it was found, of the tickets that count."""
    lives.sort()
    recent = bisect_right(lives, (now_ms - WINDOW_MS,))
    return [life[1:] for life in lives[min(recent, max(0, len(lives) - WINDOW_TICKETS)) :]]


def _bands(chosen: list[tuple[float, int, bool]]) -> Iterator[dict[str, Any]]:
    """Bands of as many tickets each, lowest ratings first."""
    chosen.sort()
    count = max(1, min(MOST_BANDS, len(chosen) // BAND))
    for number in range(count):
        part = chosen[len(chosen) * number // count : len(chosen) * (number + 1) // count]
        waits = _waits([(waited, found) for _, waited, found in part])
        yield {"from": part[0][0], "samples": len(part), "waits_ms": waits}


def _waits(lives: list[tuple[int, bool]]) -> list[int]:
    """The wait by which each share of :data:`SHARES` was found, as far as that was seen."""
    at_risk, left = len(lives), 1.0
    shares: list[int] = []
    # Who leaves in the moment in which another is found was still there to be found.
    for waited, found in sorted(lives, key=lambda life: (life[0], not life[1])):
        if found:
            left *= 1 - 1 / at_risk
            while len(shares) < SHARES and left <= 1 - (len(shares) + 1) / SHARES + 1e-12:
                shares.append(waited)
        at_risk -= 1
    return shares


# -- estimates ---------------------------------------------------------------------------------------------------------


def estimate(table: Table | None, rating: float, waited_ms: int = 0, side: str = "") -> Estimate | None:
    """What a table says to a ticket at a rating that has waited so long; None where nothing is known."""
    line = (table or {}).get("sides", {}).get(side)
    if not table or not line or not line["bands"]:
        return None
    bands = line["bands"]
    at = bisect_right([band["from"] for band in bands], rating)
    waits, samples = bands[max(0, at - 1)]["waits_ms"], int(bands[max(0, at - 1)]["samples"])
    gone = _share_by(waits, waited_ms)
    p50, p80, p95 = (_left(waits, gone, waited_ms, part) for part in (0.5, 0.8, 0.95))
    return Estimate(p50, p80, p95, samples, int(table["at"]))


def _share_by(waits: Sequence[int], waited_ms: float) -> float:
    """The share that was found in less. Who has waited for nothing yet may still be found at once."""
    at = bisect_left(waits, waited_ms)
    if at == len(waits):
        return at / SHARES
    before = waits[at - 1] if at else 0
    span = waits[at] - before
    return (at + ((waited_ms - before) / span if span else 0.0)) / SHARES


def _left(waits: Sequence[int], gone: float, waited_ms: float, part: float) -> float | None:
    """Seconds until ``part`` of those not yet ``gone`` were found."""
    wanted = (gone + (1 - gone) * part) * SHARES
    at = int(wanted)
    if gone >= 1 or at > len(waits) or (at == len(waits) and wanted > at):
        return None
    before = waits[at - 1] if at else 0
    after = waits[at] if at < len(waits) else before
    return max(0.0, before + (wanted - at) * (after - before) - waited_ms) / 1000
