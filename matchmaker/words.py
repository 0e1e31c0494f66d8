"""Numbers, lengths of time and strangers' text as people read them."""

from __future__ import annotations


def plain(text: str) -> str:
    """Text of a stranger's, fit for a terminal: what does not print is shown as its escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def counted(number: int, word: str, plural: str = "") -> str:
    """``1 queue``, ``1,204 tickets``."""
    return f"{number:,} {word if number == 1 else plural or word + 's'}"


def points(value: float) -> str:
    """Rating points: 1520, 1520.5."""
    return f"{value:.1f}".removesuffix(".0").replace("-", "−") if abs(value) >= 0.05 else "0"


def span(ms: float) -> str:
    """A length of time: 4.1 s, 17 s, 12 min, 5 h, 3 days."""
    seconds = max(0.0, ms / 1000)
    if seconds < 9.95:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    for size, word in ((1, "s"), (60, "min"), (3600, "h")):
        if seconds < 120 * size:
            return f"{seconds / size:.0f} {word}"
    return f"{seconds / 86_400:.0f} days"
