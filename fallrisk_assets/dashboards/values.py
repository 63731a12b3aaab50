"""How single values become showable: unknown stays unknown, ids sort as people expect.

Belongs here: conversions of one value. Does not belong here: anything on tables.
"""

import math
from typing import Any


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key in which "pt-9" comes before "pt-10"."""
    parts: list[tuple[int, int, str]] = []
    digits = ""
    for character in text:
        if character in "0123456789":
            digits += character
            continue
        if digits:
            parts.append((0, int(digits), ""))
            digits = ""
        parts.append((1, 0, character))
    if digits:
        parts.append((0, int(digits), ""))
    return tuple(parts)


def finite(value: Any) -> float | None:
    """Return a number as float; None, NaN and infinities are None."""
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def share(part: Any, whole: Any) -> float | None:
    """Return part / whole, None when either is unknown or the whole is not positive."""
    if part is None or whole is None or float(whole) <= 0:
        return None
    return float(part) / float(whole)
