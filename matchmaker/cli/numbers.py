"""Numbers as people write them, on a command line or in a file."""

from __future__ import annotations

import re
from typing import Any, Final

_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|[+-]?(nan|inf)", re.ASCII | re.IGNORECASE)


def plain_number(value: Any) -> Any:
    """Text that spells a plain decimal number as that number; anything else as it is."""
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value
