"""What properties of the scripts are tried on, beside :mod:`tests.oracle`."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from matchmaker.rules import QueueRules
from tests.oracle import queue_rules


def examples(number: int, **more: Any) -> settings:
    """Settings for so many examples, or the profile's number if that is larger."""
    # A busy machine is slow to think examples up; they are bounded by their number.
    unhurried = [HealthCheck.too_slow]
    return settings(max_examples=max(number, settings().max_examples), suppress_health_check=unhurried, **more)


def everyday_rules(*accept: str) -> st.SearchStrategy[QueueRules]:
    """Rules under which something happens within minutes."""
    table = {"per_deviation": st.sampled_from([0.0, 0.1, 1.0]), "deviation_above": st.sampled_from([0.0, 75.0])}
    capped = {"cap": st.sampled_from([0.0, 20.0, 90.0])}
    base = st.sampled_from([0.0, 5.0, 40.0])
    linear = {"base": base, "per_second": st.sampled_from([0.0, 0.3, 1.0, 7.5])}
    stepped = {"kind": st.just("stepped"), "base": base, "step": st.just(25.0), "every_seconds": st.just(15.0)}
    doubling = {"kind": st.just("exponential"), "base": st.just(2.0), "doubling_seconds": st.just(10.0)}
    fields = {
        "accept": st.sampled_from(accept or ("sum", "either", "both")),
        "max_gap": st.sampled_from([3.0, 60.0, 300.0]),
        "interval_ms": st.sampled_from([0, 0, 500, 60_000]),
        "expire_after_seconds": st.sampled_from([0.0, 120.0]),
        "willingness": st.one_of(
            *(st.fixed_dictionaries(table | kind, optional=capped) for kind in (linear, stepped, doubling))
        ),
    }
    return st.fixed_dictionaries(fields).map(QueueRules.model_validate)


def any_rules() -> st.SearchStrategy[QueueRules]:
    return everyday_rules() | queue_rules()
