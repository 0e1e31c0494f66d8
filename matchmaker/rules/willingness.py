"""How willing a ticket is: the kinds of growth a rules file may name.

To add a kind: one class here, with ``grown``, and its name in ``KINDS`` and ``Willingness``. Points are rating points.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Discriminator, Tag

from matchmaker.rules.fields import MAX_GAP, MAX_POINTS, MAX_SECONDS, WHOLE_MS, number, seconds, to_ms
from matchmaker.rules.pieces import Table


class _Willingness(Table):
    """What every kind of willingness has. Points are rating points."""

    cap: Annotated[float | None, number(0, MAX_GAP, "willingness never exceeds this many points")] = None
    per_deviation: Annotated[
        float, number(0, MAX_POINTS, "points given for each point of deviation above deviation_above")
    ] = 0.0
    deviation_above: Annotated[float, number(0, MAX_POINTS, "deviation up to here gives no points")] = 0.0


class Linear(_Willingness):
    """``min(cap, base + per_second · waited + per_deviation · max(0, deviation − deviation_above))``."""

    kind: Literal["linear"] = "linear"
    base: Annotated[float, number(0, MAX_POINTS, "points given on arrival")] = 0.0
    per_second: Annotated[float, number(0, MAX_POINTS, "points added by each second of waiting")] = 1.0

    def grown(self, waited_ms: int) -> float:
        """Points after ``waited_ms``, before deviation and cap."""
        return self.base + self.per_second * (waited_ms / 1000)


class Stepped(_Willingness):
    """As linear, but growing by ``step`` after every full ``every_seconds``."""

    kind: Literal["stepped"]
    base: Annotated[float, number(0, MAX_POINTS, "points given on arrival")] = 0.0
    step: Annotated[float, number(0, MAX_POINTS, "points added after every every_seconds of waiting")]
    every_seconds: Annotated[float, seconds(0.001, MAX_SECONDS, "time between two steps"), WHOLE_MS]

    def grown(self, waited_ms: int) -> float:
        """Points after ``waited_ms``, before deviation and cap."""
        return self.base + self.step * (waited_ms // to_ms(self.every_seconds))


class Exponential(_Willingness):
    """As linear, but ``base`` doubles with every ``doubling_seconds``. The default cap is the queue's ``max_gap``."""

    kind: Literal["exponential"]
    # 0 would stay 0 for ever; from 0.001 on, 64 doublings exceed every cap.
    base: Annotated[float, number(0.001, MAX_POINTS, "points given on arrival, doubling from there")]
    doubling_seconds: Annotated[float, seconds(0.001, MAX_SECONDS, "time in which willingness doubles"), WHOLE_MS]

    def grown(self, waited_ms: int) -> float:
        """Points after ``waited_ms``, before deviation and cap. Stays at 64 doublings: a float ends at 1,024."""
        return float(self.base * 2.0 ** min(64.0, waited_ms / to_ms(self.doubling_seconds)))


KINDS: Final[dict[str, type[Linear] | type[Stepped] | type[Exponential]]] = {
    "linear": Linear,
    "stepped": Stepped,
    "exponential": Exponential,
}


def _kind_of(willingness: object) -> object:
    if isinstance(willingness, dict):
        return willingness.get("kind", "linear")
    return getattr(willingness, "kind", None)


Willingness = Annotated[
    Annotated[Linear, Tag("linear")] | Annotated[Stepped, Tag("stepped")] | Annotated[Exponential, Tag("exponential")],
    Discriminator(_kind_of),
]
