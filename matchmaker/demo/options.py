"""What a demo is asked to do, and the rules it plays by unless a file brings others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PLAYER_PROCESSES = 2
MOST_MATCHERS = 16
MOST_RATE = 10_000.0
MOST_SECONDS = 3600.0


def rules_text(queue: str) -> str:
    """The rules file of a demo that is given none.

    A ladder of 20 players a minute does well with the default of 1 point a second. The demo has hundreds of times as
    many, who stand so close that hardly anybody would give a point: 5 points a second keep waits short and the trade
    between waiting and gap visible. Whoever stands alone at an end of the line expires after half a minute.
    """
    return f"[{queue}]\nwillingness = {{ per_second = 5.0 }}\nmax_gap = 300\nexpire_after_seconds = 30\n"


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """One demo. ``rate`` is arrivals/s, ``seconds`` how long they come.

    The seed fixes arrivals, ratings and behaviours, not what the matchers make of them: they run against the clock.
    ``ratings`` is a csv file or None for the built-in distribution, ``rules`` a rules file or None for
    :func:`rules_text`. ``redis_url`` None starts the embedded server.
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
