"""A ticket as its rules read it, from the event that tells of its arrival: what it stands for, and where. No I/O.

Ratings are points, times realm ms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matchmaker.compatibility import NO_SIDE, Place, Standing
from matchmaker.rules import QueueRules


def queues_of(body: Mapping[str, Any]) -> list[str]:
    """The queues that the ticket joined, its own first."""
    return list(body.get("queues") or [body["queue"]])


def places_in(rules: QueueRules, queue: str, body: Mapping[str, Any]) -> dict[str, Place]:
    """Rating and deviation by side, :data:`NO_SIDE` in a queue without."""
    if rules.sides:
        offered = {side: body["sides"][side] for side in rules.sides if side in body.get("sides", {})}
    else:
        offered = {NO_SIDE: body.get("ratings", {}).get(queue, body)}
    return {side: Place(float(one["rating"]), float(one.get("deviation", 0.0))) for side, one in offered.items()}


def standing_in(rules: QueueRules, queue: str, body: Mapping[str, Any]) -> Standing:
    """All that the queue's rules read of the ticket, but for whom it has met: no event of its own tells that."""
    attributes: Mapping[str, Any] = body.get("attributes", {})
    numbers = {*rules.range, *rules.distance}
    return Standing(
        body["ticket"],
        body["player"],
        int(body["at"]),
        places_in(rules, queue, body),
        same={name: str(attributes[name]) for name in rules.same if name in attributes},
        sets={name: _texts(attributes[name]) for name in rules.any_of if name in attributes},
        numbers={name: float(attributes[name]) for name in numbers if name in attributes},
        accepts={name: (float(bounds[0]), float(bounds[1])) for name, bounds in body.get("accepts", {}).items()},
        pings=body.get("pings", {}),
        region=body.get("region"),
        vetoes={pool: frozenset(names) for pool, names in body.get("vetoes", {}).items()},
        avoid=frozenset(body.get("avoid", ())),
    )


def _texts(given: Any) -> frozenset[str]:
    return frozenset([given] if isinstance(given, str) else given)
