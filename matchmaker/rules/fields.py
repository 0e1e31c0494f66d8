"""Kinds of field a rules table is made of.

Each helper makes a pydantic field from its limits and writes the same limits in words, once, so that what is checked
and what an error message or the JSON schema says cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Final

from pydantic import AfterValidator, BaseModel, Field

MAX_POINTS: Final = 1_000_000
"""Most rating points (or points per something) a field of a rules file may hold; ratings reach ±1,000,000."""

MAX_GAP: Final = 2 * MAX_POINTS
"""Widest gap two ratings can have, hence the largest useful ``max_gap`` and ``cap``."""

MAX_SECONDS: Final = 604_800
"""Longest time a rules file may name: a week."""

_NEAR: Final = 0.4
"""Similarity (0 … 1) from which a known name is offered for an unknown one."""

BOUND: Final = "x-bound"
"""Key of the JSON schema under which a bound stands in words."""


def number(low: float, high: float, meaning: str, *, above: bool = False, unit: str = "") -> Any:
    """A finite number within ``low … high``; ``above`` leaves ``low`` itself out."""
    lower = f"above {low:,} and at most {high:,}" if above else f"{low:,} … {high:,}"
    words = f"a number, {lower}{unit}".replace("-", "−")
    extra: dict[str, Any] = {BOUND: words}
    if above:
        return Field(gt=low, le=high, description=meaning, json_schema_extra=extra)
    return Field(ge=low, le=high, description=meaning, json_schema_extra=extra)


def whole(low: int, high: int, meaning: str, *, unit: str = "") -> Any:
    """A whole number within ``low … high``."""
    words = f"a whole number, {low:,} … {high:,}{unit}"
    return Field(ge=low, le=high, description=meaning, json_schema_extra={BOUND: words})


def seconds(low: float, high: int, meaning: str) -> Any:
    """A time within ``low … high`` seconds. Annotate with ``WHOLE_MS`` too: scripts count in integer milliseconds."""
    return number(low, high, meaning, unit=" seconds, in whole milliseconds")


def optional_seconds(low: int, high: int, meaning: str) -> Any:
    """0 for "off", or a time within ``low … high`` seconds. Annotate with ``WHOLE_MS`` and :func:`zero_or_from`."""
    words = f"0 (off), or a number, {low:,} … {high:,} seconds, in whole milliseconds"
    return Field(ge=0, le=high, description=meaning, json_schema_extra={BOUND: words})


def choice(meaning: str, *options: str) -> Any:
    """One of a few words."""
    return Field(description=meaning, json_schema_extra={BOUND: one_of(options)})


def one_of(options: tuple[str, ...]) -> str:
    """``"sum", "either" or "both"``."""
    quoted = [f'"{option}"' for option in options]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


def zero_or_from(low: int) -> AfterValidator:
    """Refuses what lies between 0 and ``low``."""

    def check(value: float) -> float:
        if 0 < value < low:
            raise ValueError(f"between 0 and {low}")
        return value

    return AfterValidator(check)


def _whole_ms(value: float | None) -> float | None:
    if value is not None and to_ms(value) / 1000 != value:
        raise ValueError("not a whole number of milliseconds")
    return value


WHOLE_MS: Final = AfterValidator(_whole_ms)
"""Refuses a time in seconds that is no whole number of milliseconds, so that compiling loses nothing."""


def to_ms(value: float) -> int:
    """Seconds to milliseconds."""
    return round(value * 1000)


def bound_of(model: type[BaseModel], name: str) -> str:
    """The limits of one field in words, as error messages show them."""
    extra = model.model_fields[name].json_schema_extra
    if isinstance(extra, dict) and BOUND in extra:
        return str(extra[BOUND])
    return model.model_fields[name].description or ""


def near(value: object, known: Iterable[str]) -> str:
    """``; did you mean "sum"?``, or nothing where nothing known is similar."""
    found = get_close_matches(value.lower()[:100], list(known), n=1, cutoff=_NEAR) if isinstance(value, str) else []
    return f'; did you mean "{found[0]}"?' if found else ""
