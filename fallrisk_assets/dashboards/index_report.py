"""The evaluation of the index on a clinic's own outcomes as one self-contained HTML file.

Here: figures and page. Not here: the numbers (`risk/person_years.py`).
"""

from collections import Counter

from fallrisk_assets.dashboards.page import PLOTLY, FigurePool, embed
from fallrisk_assets.dashboards.plotting import Figure, figure, line, rounded
from fallrisk_assets.dashboards.rendering import static, template
from fallrisk_assets.dashboards.wording import component_label
from fallrisk_assets.risk.person_years import Evaluation

MOST_REFUSALS = 500
"""Refused rows that the page lists one by one; the counts are of all."""


def render_evaluation(found: Evaluation) -> str:
    """Return the HTML of an evaluation; the same evaluation gives the same text."""
    pool = FigurePool()
    parts = {
        "found": found,
        "reasons": sorted(Counter(r.reason for r in found.refused).items()),
        "most_refusals": MOST_REFUSALS,
        "unknown": [(component_label(name, 0.0), share) for name, share in found.unknown.items()],
        "calibration": embed(pool, "plot-calibration", calibration_figure(found)),
        "benefit": embed(pool, "plot-benefit", benefit_figure(found)),
        "style": static("page.css"),
        "script": static("drawing.js") + static("page.js"),
        "plotly": static("plotly", PLOTLY),
    }
    return template("evaluation.html.j2").render(**parts, pool=pool.json())


def calibration_figure(found: Evaluation) -> Figure | None:
    """Return observed against predicted risk of each group; None without groups."""
    if not found.groups:
        return None
    top = max(max(g.predicted, g.observed.upper) for g in found.groups) * 105
    return figure(
        [
            {
                "type": "scatter",
                "mode": "markers+lines",
                "x": [rounded(100 * g.predicted) for g in found.groups],
                "y": [rounded(100 * g.observed.value) for g in found.groups],
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": [rounded(100 * (g.observed.upper - g.observed.value)) for g in found.groups],
                    "arrayminus": [
                        rounded(100 * (g.observed.value - g.observed.lower)) for g in found.groups
                    ],
                    "color": "var(--muted)",
                },
                "marker": {"color": "var(--low)", "size": 8},
                "line": {"color": "var(--low)", "width": 1},
                "text": [f"{g.observed.events} of {g.observed.n} fell" for g in found.groups],
                "hovertemplate": "predicted %{x:.1f} %, observed %{y:.1f} %: %{text}<extra></extra>",
                "showlegend": False,
            }
        ],
        height=380,
        margin={"l": 60, "r": 16, "t": 8, "b": 48},
        xaxis={"title": {"text": "Predicted"}, "ticksuffix": " %", "range": [0, rounded(top)]},
        yaxis={"title": {"text": "Observed"}, "ticksuffix": " %", "range": [0, rounded(top)]},
        shapes=[line(x0=0, y0=0, x1=rounded(top), y1=rounded(top), color="var(--muted)", dash="dot")],
    )


def benefit_figure(found: Evaluation) -> Figure | None:
    """Return net benefit over thresholds; None without person-years."""
    if not found.benefit:
        return None
    at = [rounded(100 * b.threshold) for b in found.benefit]
    curves = (
        ("act on the index", [b.model for b in found.benefit], "var(--low)", "solid"),
        ("act on everybody", [b.everybody for b in found.benefit], "var(--medium)", "dash"),
        ("act on nobody", [0.0] * len(at), "var(--muted)", "dot"),
    )
    lowest = min(0.0, *(b.model for b in found.benefit)) - 0.02
    return figure(
        [
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "x": at,
                "y": [rounded(value, 4) for value in values],
                "line": {"color": colour, "dash": dash, "width": 2},
                "hovertemplate": "act from %{x:g} %: %{y:.3f}<extra>" + name + "</extra>",
            }
            for name, values, colour, dash in curves
        ],
        height=340,
        margin={"l": 60, "r": 16, "t": 8, "b": 48},
        xaxis={"title": {"text": "Act from this risk on"}, "ticksuffix": " %"},
        yaxis={
            "title": {"text": "Net benefit"},
            "range": [rounded(lowest, 3), rounded(max(b.model for b in found.benefit) + 0.03, 3)],
        },
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
    )
