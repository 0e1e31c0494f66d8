"""What the demo and its player processes say to each other: one JSON object a line, over the child's pipes.

To the child: its :class:`Crowd`, then ``{"start": monotonic seconds}``, then ``{"stop": "arrivals"}`` (no further
players) and at last ``{"stop": "everybody"}``. The end of the pipe means that the demo is gone, and so must the child.
From the child: a :class:`News` every now and then; the first one says that it is ready, the last one that it is done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

MOST_LINE_BYTES = 64 << 20
"""Bound of one line: a crowd with a million ratings, or the last news of a hundred thousand players."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """What one player process needs to know. ``ratings`` empty means the built-in distribution; with a ``roster`` (see
    ``roster.py``) players offer sides, as ``constraints`` (the
    compiled rules' own) ask for."""

    url: str
    realm: str
    queue: str
    seed: int
    part: int
    parts: int
    rate: float
    seconds: float
    ratings: list[float]
    roster: list[Mapping[str, Mapping[str, float]]] = field(default_factory=list)
    constraints: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class News:
    """What happened in a player process since its last news.

    ``came`` counts players whose ticket was acknowledged, ``here`` is how many are not finished now. ``finished`` are
    those who are: each player and the ids of the events it got, in the order in which it got them. ``late`` counts
    cancels that a pass beat, ``resumed`` players who came back, ``caught_up`` matches that were read on subscribing
    and not heard. Latencies are ms: ``lag_ms`` from the moment an arrival was due to its start, ``enqueue_ms`` until
    its ticket was acknowledged, ``doorbell_ms`` from the match to the player holding its event.
    """

    came: int = 0
    here: int = 0
    late: int = 0
    resumed: int = 0
    caught_up: int = 0
    done: bool = False
    finished: list[tuple[str, list[str]]] = field(default_factory=list)
    lag_ms: list[float] = field(default_factory=list)
    enqueue_ms: list[float] = field(default_factory=list)
    doorbell_ms: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def line(message: Crowd | News | Mapping[str, Any]) -> bytes:
    """The message as one line."""
    if isinstance(message, Crowd | News):
        message = {each.name: getattr(message, each.name) for each in fields(message)}
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def news(text: bytes) -> News:
    """The news that a line tells."""
    return News(**json.loads(text))
