"""Small SVG previews for asset metadata: a line, bars and a heat strip.

Belongs here: pure functions from numbers to SVG text of at most 4 KB, and the markdown that the
Dagster UI shows inline. Does not belong here: the interactive figures of the pages (`figures.py`).

All output is deterministic: the same values give the same bytes. Text is escaped. Colours are
mid-tones of the Okabe-Ito palette, which stay readable on the light and on the dark theme of the
UI and for colour-blind people.
"""

import base64
import math
from collections.abc import Sequence
from html import escape

MAX_SVG_BYTES = 4096
"""An SVG larger than this is not shown inline by the UI, so nothing here may exceed it."""

BLUE = "#3987c9"
ORANGE = "#d97706"
GREY = "#7c8796"

_MAX_POINTS = 120
_MAX_BARS = 14
_MAX_CELLS = 48
_MAX_LABEL = 20


def sparkline(
    values: Sequence[float | None],
    *,
    title: str = "",
    width: int = 240,
    height: int = 48,
    color: str = BLUE,
    unit: str = "",
) -> str:
    """Return an SVG line of `values` in order, with its range written beside it.

    Args:
        values: numbers in order; None, NaN and infinities are gaps, which the line does not bridge.
        title: what a screen reader reads and what hovering shows.
        width: of the drawing in px.
        height: of the drawing in px.
        color: of the line (CSS).
        unit: written after the smallest and largest value.

    Returns:
        SVG text, at most 4096 bytes. More than 120 values are reduced to the extremes of each of
        60 equal stretches, so a peak never disappears.
    """
    points = _thin([_finite(value) for value in values], _MAX_POINTS)
    known = [value for _, value in points if value is not None]
    if not known:
        return _nothing(title, width, height)
    low, high = min(known), max(known)
    top_label, bottom_label = _number(high, unit), _number(low, unit)
    gutter = 6 + 6 * max(len(top_label), len(bottom_label))
    last = max(len(values) - 1, 1)
    plot_width = max(width - gutter - 4, 20)

    def place(index: int, value: float) -> str:
        x = 2 + plot_width * index / last
        share = (value - low) / (high - low) if high > low else 0.5
        return f"{x:.1f},{height - 4 - (height - 8) * share:.1f}"

    runs: list[list[str]] = [[]]
    for index, value in points:
        if value is None:
            runs.append([])
        else:
            runs[-1].append(place(index, value))
    shapes = []
    for run in runs:
        if len(run) == 1:
            x, y = run[0].split(",")
            shapes.append(f'<circle cx="{x}" cy="{y}" r="1.5" fill="{escape(color)}"/>')
        elif run:
            stroke = f'fill="none" stroke="{escape(color)}" stroke-width="1.5"'
            shapes.append(f'<polyline points="{" ".join(run)}" {stroke}/>')
    labels = _text(width - 2, 11, top_label, anchor="end")
    if high > low:
        labels += _text(width - 2, height - 3, bottom_label, anchor="end")
    return _svg(title, width, height, "".join(shapes) + labels)


def bars(
    labels: Sequence[str],
    values: Sequence[float],
    *,
    title: str = "",
    width: int = 320,
    color: str = BLUE,
    unit: str = "",
) -> str:
    """Return an SVG of horizontal bars, one for each label, with the value written beside it.

    Args:
        labels: one text for each bar; long ones are shortened.
        values: one number for each bar, not negative; NaN is shown as "no value", never as 0.
        title: what a screen reader reads and what hovering shows.
        width: of the drawing in px; the height follows the number of bars.
        color: of the bars (CSS).
        unit: written after each value.

    Returns:
        SVG text, at most 4096 bytes. Beyond 14 bars the remaining ones are summed into "others".

    Raises:
        ValueError: labels and values differ in number, or a value is negative.
    """
    if len(labels) != len(values):
        raise ValueError(f"bars: {len(labels)} labels but {len(values)} values")
    pairs = [(str(label), _finite(value)) for label, value in zip(labels, values, strict=True)]
    if any(value is not None and value < 0 for _, value in pairs):
        raise ValueError("bars: a value is negative; bars show counts and amounts")
    if len(pairs) > _MAX_BARS:
        rest = pairs[_MAX_BARS - 1 :]
        total = sum(value for _, value in rest if value is not None)
        pairs = [*pairs[: _MAX_BARS - 1], (f"{len(rest)} others", total)]
    if not pairs:
        return _nothing(title, width, 24)
    shown = [(_shorten(label), value) for label, value in pairs]
    top = max((value for _, value in shown if value is not None), default=0.0) or 1.0
    left = 10 + 6 * max(len(label) for label, _ in shown)
    right = 8 + 6 * max(len(_amount(value, unit)) for _, value in shown)
    room = max(width - left - right, 20)
    body = []
    for row, (label, value) in enumerate(shown):
        y = 3 + 15 * row
        length = room * (value or 0.0) / top
        body.append(_text(left - 5, y + 9, label, anchor="end"))
        body.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="11" fill="{escape(color)}"/>')
        body.append(_text(left + round(length) + 4, y + 9, _amount(value, unit)))
    return _svg(title, width, 6 + 15 * len(shown), "".join(body))


def heat_strip(
    values: Sequence[float | None],
    *,
    title: str = "",
    width: int = 288,
    height: int = 28,
    color: str = BLUE,
    first: str = "",
    last: str = "",
) -> str:
    """Return an SVG strip of cells, the fuller the cell the larger its value.

    Size carries the value as well as the colour's strength, so it reads without colour.

    Args:
        values: shares in [0, 1]; None or NaN is "no data": an empty, dashed cell.
        title: what a screen reader reads and what hovering shows.
        width: of the drawing in px.
        height: of the drawing in px.
        color: of full cells (CSS).
        first: label under the first cell ("00:00").
        last: label under the last cell ("23:00").

    Returns:
        SVG text, at most 4096 bytes. More than 48 values are averaged into 48 cells.
    """
    cells = _average([_finite(value) for value in values], _MAX_CELLS)
    if not cells:
        return _nothing(title, width, height)
    foot = 12 if first or last else 0
    tall = height - foot - 2
    step = (width - 2) / len(cells)
    body = []
    for index, value in enumerate(cells):
        x = 1 + step * index
        if value is None:
            body.append(f'<rect x="{x:.1f}" y="1" width="{step - 1:.1f}" height="{tall}" class="n"/>')
            continue
        share = min(max(value, 0.0), 1.0)
        filled = max(round(tall * share, 1), 1.0)
        body.append(
            f'<rect x="{x:.1f}" y="{1 + tall - filled:.1f}" width="{step - 1:.1f}" height="{filled:.1f}"/>'
        )
    style = f"<style>rect{{fill:{escape(color)}}}.n{{fill:none;stroke:{GREY};stroke-dasharray:2}}</style>"
    labels = ""
    if first:
        labels += _text(1, height - 1, first)
    if last:
        labels += _text(width - 1, height - 1, last, anchor="end")
    return _svg(title, width, height, style + "".join(body) + labels)


def as_markdown(svg: str, alt: str = "preview") -> str:
    """Return the markdown image of an SVG as a data URI, for `MetadataValue.md`.

    Args:
        svg: SVG text from this module.
        alt: alternative text; characters that would end the markdown text are dropped.
    """
    safe = "".join(character for character in alt if character not in "[]()\n\r\\`<>")
    return f"![{safe}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode('ascii')})"


def _svg(title: str, width: int, height: int, body: str) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" font-family="sans-serif" font-size="10" fill="{GREY}">'
    )
    name = f"<title>{escape(title[:60])}</title>" if title else ""
    return f"{head}{name}{body}</svg>"


def _nothing(title: str, width: int, height: int) -> str:
    return _svg(title, width, height, _text(4, height // 2 + 4, "no data"))


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    position = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x}" y="{y}"{position}>{escape(text)}</text>'


def _finite(value: float | None) -> float | None:
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _number(value: float, unit: str) -> str:
    if value == int(value) and abs(value) < 1e15:
        text = f"{int(value):,}"
    else:
        text = f"{value:.3g}"
    return f"{text} {unit}".strip()


def _amount(value: float | None, unit: str) -> str:
    return "no value" if value is None else _number(value, unit)


def _shorten(label: str) -> str:
    return label if len(label) <= _MAX_LABEL else label[: _MAX_LABEL - 1] + "…"


def _thin(values: list[float | None], limit: int) -> list[tuple[int, float | None]]:
    """Return (index, value) pairs; too many are reduced to the extremes of equal stretches."""
    if len(values) <= limit:
        return list(enumerate(values))
    stretches = limit // 2
    kept: list[tuple[int, float | None]] = []
    for stretch in range(stretches):
        begin = len(values) * stretch // stretches
        end = len(values) * (stretch + 1) // stretches
        known: list[tuple[int, float]] = []
        for index in range(begin, end):
            value = values[index]
            if value is not None:
                known.append((index, value))
        if not known:
            kept.append((begin, None))
            continue
        extremes = {min(known, key=lambda item: item[1]), max(known, key=lambda item: item[1])}
        kept.extend(sorted(extremes))
    return kept


def _average(values: list[float | None], limit: int) -> list[float | None]:
    if len(values) <= limit:
        return values
    cells: list[float | None] = []
    for cell in range(limit):
        part = values[len(values) * cell // limit : len(values) * (cell + 1) // limit]
        known = [value for value in part if value is not None]
        cells.append(sum(known) / len(known) if known else None)
    return cells
