"""What a demo is asked to do, and the rules it plays by unless a file brings others."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PLAYER_PROCESSES = 2
MOST_MATCHERS = 16
MOST_RATE = 10_000.0
MOST_SECONDS = 3600.0

SIDED_QUEUE = "evoladder"
"""The queue whose own rules have sides: StarCraft's two games against each other."""

SIDES = ("bw", "sc2")
MAPS = ("Death Valley", "Radeon", "Sylphid", "Vermeer")


def rules_text(queue: str) -> str:
    """The rules file of a demo that is given none.

    Willingness grows as it does by default. The demo has hundreds of times as many players as a ladder that the default
    is made for, so they stand close and nobody waits long; whoever stands alone at an end of the line soon expires.
    """
    return f"[{queue}]\nwillingness = {{ per_second = 1.0 }}\nmax_gap = 300\nexpire_after_seconds = 15\n"


def sided_rules_text(queue: str, races: Mapping[str, Sequence[str]]) -> str:
    """The same for :data:`SIDED_QUEUE`: one of each side, on a map that neither has struck, and not the same two again
    at once. ``races`` are the choices on each side."""
    choices = "".join(f"choices.{side} = {_strings(races[side])}\n" for side in SIDES)
    return (
        f"{rules_text(queue)}sides = {_strings(SIDES)}\n{choices}pool.map = {_strings(MAPS)}\n"
        "rematch = { after_seconds = 60, relax_after_seconds = 5 }\n"
    )


def _strings(texts: Sequence[str]) -> str:
    """As TOML has them, which is as JSON does."""
    return json.dumps(list(texts), ensure_ascii=False)


def random_seed() -> int:
    """A seed that is short enough to be typed again."""
    return random.SystemRandom().randrange(1_000_000)


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """One demo. ``rate`` is arrivals/s, ``seconds`` how long they come.

    The seed fixes arrivals, ratings and behaviours, not what the matchers make of them: they run against the clock.
    ``ratings`` is a csv file or None for the built-in distribution, ``rules`` a rules file or None for
    :func:`rules_text`, or :func:`sided_rules_text` for :data:`SIDED_QUEUE`. ``redis_url`` None starts the embedded
    server, ``database_url`` None the embedded Postgres; ``rq_url`` None: RQ's jobs are on the realm's server.
    """

    seed: int
    rate: float = 200.0
    seconds: float = 60.0
    queue: str = "ladder"
    matchers: int = 2
    ratings: Path | None = None
    rules: Path | None = None
    json: Path | None = None
    plots: Path = Path("demo")
    redis_url: str | None = None
    database_url: str | None = None
    rq_url: str | None = None
