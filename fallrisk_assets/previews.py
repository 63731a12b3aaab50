"""Small previews for asset metadata: bars made of text, and pictures as data URIs.

Belongs here: pure functions from numbers to markdown. Does not belong here: the interactive figures of the
pages (`figures.py`).

The UI shows markdown inline below 1,000 characters and hides longer markdown behind a click. A drawing of a
few bars is longer than that as an SVG, so bars are block characters in a table: they need no click, follow
the light and the dark theme, and can be read aloud and copied.
"""

import base64
import math
import sys
from collections.abc import Mapping

INLINE_CHARACTERS = 999
"""Markdown longer than this is hidden behind a click."""

_MAX_BARS = 14
_MAX_LABEL = 22
_BLOCKS = 12
_EIGHTHS = " ▏▎▍▌▋▊▉"


def bars(amounts: Mapping[str, float | None], *, unit: str = "", most: float | None = None) -> str:
    """Return a markdown table of horizontal bars, one for each label, in the order given.

    Args:
        amounts: a number for each label, not negative; None and NaN are "no value", never 0.
        unit: written after each number; "%" multiplies by 100, for shares.
        most: what a full bar means; None: the largest number.

    Returns:
        Markdown of at most `INLINE_CHARACTERS`. Beyond 14 labels the remaining ones are summed into
        "others" (averaged for shares).

    Raises:
        ValueError: a number is negative.
    """
    rows = [(_cell(label), _finite(amount)) for label, amount in amounts.items()]
    if any(value is not None and value < 0 for _, value in rows):
        raise ValueError("bars: a value is negative; bars show counts and amounts")
    if not rows:
        return "none"
    if len(rows) > _MAX_BARS:
        rest = [value for _, value in rows[_MAX_BARS - 1 :] if value is not None]
        total = min(sum(rest, 0.0), sys.float_info.max)
        if unit == "%" and rest:
            total /= len(rest)
        rows = [*rows[: _MAX_BARS - 1], (f"{len(rows) - _MAX_BARS + 1} others", total)]
    full = most or max((value for _, value in rows if value is not None), default=0.0) or 1.0
    lines = ["| | | |", "|:-|-:|:-|"]
    for label, value in rows:
        lines.append(f"| {label} | {_amount(value, unit)} | {_bar(value, full)} |")
    return "\n".join(lines)


def as_markdown(svg: str, alt: str = "preview") -> str:
    """Return the markdown image of an SVG as a data URI.

    Args:
        svg: SVG text.
        alt: alternative text; characters that would end the markdown text are dropped.
    """
    safe = "".join(character for character in alt if character not in "[]()\n\r\\`<>")
    return f"![{safe}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode('ascii')})"


def _bar(value: float | None, full: float) -> str:
    eighths = round(_BLOCKS * 8 * min((value or 0.0) / full, 1.0))
    if value and not eighths:
        eighths = 1  # something is not nothing
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return "no value"
    if unit == "%":
        return f"{100 * value:.3g} %"
    text = f"{value:,.0f}" if value < 1e12 and value.is_integer() else f"{value:.3g}"
    return f"{text} {unit}".strip()


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(float(value)) else float(value)


def _cell(label: object) -> str:
    text = "".join(c for c in str(label) if c.isprintable() and c not in "|[]()\\`<>*")
    return text if len(text) <= _MAX_LABEL else text[: _MAX_LABEL - 1] + "…"
