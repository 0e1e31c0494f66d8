"""Letter ranks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

REST: Final = "D"
"""The letter of those who are below every percentile that has one."""


def letter_of(percentile: float, letters: Mapping[str, float]) -> str:
    """The letter with the highest beginning that ``percentile`` (0 … 100) reaches, or :data:`REST`."""
    reached = [(least, letter) for letter, least in letters.items() if percentile >= least]
    return max(reached)[1] if reached else REST
