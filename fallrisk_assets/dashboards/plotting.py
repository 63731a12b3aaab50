"""What all figures share: one style, escaped names, validation by plotly.

Belongs here: how a figure is put together. Does not belong here: what it shows (`figures.py`,
`timeline.py`).

Colours are CSS variables ("var(--high)"), which the page resolves when it draws, so that a figure
follows the light and the dark theme and print. Every text that comes from data is escaped by `shown`,
because plotly reads some HTML.
"""

from html import escape
from typing import Any

Figure = dict[str, Any]

BAND_SYMBOLS = {"high": "triangle-up", "medium": "diamond", "low": "circle", "NOT_SCORED": "circle-open"}
BAND_COLOURS = {"high": "var(--high)", "medium": "var(--medium)", "low": "var(--low)"}
"""Colour never carries a meaning alone: a symbol repeats it."""

_MAX_NAME = 24


def figure(traces: list[dict[str, Any]], **layout: Any) -> Figure:
    """Validate by plotly and return {data, layout}; plotly's own template is left out (7 KB)."""
    import plotly.graph_objects as go

    axes = {name: {"gridcolor": "var(--grid)", "linecolor": "var(--grid)", "fixedrange": True, **axis}
            for name, axis in layout.items() if name.startswith(("xaxis", "yaxis"))}  # fmt: skip
    shared = {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": "var(--text)"},
        "hoverlabel": {"align": "left"},
        "template": "none",
    }
    drawn = go.Figure(data=traces, layout={**shared, **layout, **axes}).to_plotly_json()
    drawn["layout"].pop("template", None)
    return {"data": drawn["data"], "layout": drawn["layout"]}


def line(*, color: str, dash: str, **where: Any) -> dict[str, Any]:
    """Return a line below the data, from x0, y0 to x1, y1."""
    return {"type": "line", "layer": "below", "line": {"color": color, "width": 1.2, "dash": dash}, **where}


def note(*, text: str, color: str = "var(--muted)", **where: Any) -> dict[str, Any]:
    """Return a small text without an arrow."""
    return {"text": text, "showarrow": False, "font": {"size": 11, "color": color}, **where}


def shown(text: str, limit: int = _MAX_NAME) -> str:
    """Return a text that plotly shows as it is; plotly knows no entity for quotation marks."""
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    return escape(short, quote=False)


def rounded(value: float, digits: int = 2) -> float:
    """Return a number with as many decimals as can be seen, so that a page stays small."""
    return round(float(value), digits)
