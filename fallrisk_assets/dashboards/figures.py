"""The interactive figures of a page, as plotly JSON: cohort, fall, index, quarantine.

Belongs here: from the page's model to figures. Does not belong here: reducing tables (`data.py`), the
day by the hour (`timeline.py`), HTML (`page.py`).
"""

import math
from collections.abc import Sequence

from fallrisk_assets.dashboards.model import BASE_NAMES, Component, Fall, Patient, Refused
from fallrisk_assets.dashboards.plotting import (
    BAND_COLOURS,
    BAND_SYMBOLS,
    Figure,
    figure,
    line,
    note,
    rounded,
    shown,
)

MAX_OVERVIEW_PATIENTS = 60
"""The overview shows at most this many patients; the table beside it has all of them."""

_MAX_PARTS = 12
_PERCENT_TICKS = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 25, 30, 40),
    *(50, 60, 70, 80, 90, 95, 98, 99, 99.5),
)


def overview(patients: Sequence[Patient]) -> Figure | None:
    """Return 12-month probability with its interval for each scored patient, highest on top.

    Args:
        patients: patients of the day; those that are not scored are not drawn (the table says so).

    Returns:
        A plotly figure, None when nobody is scored.
    """
    scored = [patient for patient in patients if patient.score and patient.score.probability is not None]
    scored.sort(key=lambda patient: -_probability(patient))
    scored = scored[:MAX_OVERVIEW_PATIENTS]
    if not scored:
        return None
    traces = []
    for band in ("high", "medium", "low"):
        members = [patient for patient in scored if patient.band == band]
        if not members:
            continue
        chances = [100 * _probability(patient) for patient in members]
        over, under = [], []
        for patient, chance in zip(members, chances, strict=True):
            score = patient.score
            assert score is not None
            over.append(rounded(0.0 if score.upper is None else 100 * score.upper - chance))
            under.append(rounded(0.0 if score.lower is None else chance - 100 * score.lower))
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": f"{band} risk",
                "x": [rounded(chance) for chance in chances],
                "y": [shown(patient.patient_id) for patient in members],
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": over,
                    "arrayminus": under,
                    "color": BAND_COLOURS[band],
                    "thickness": 2,
                    "width": 5,
                },
                "marker": {"symbol": BAND_SYMBOLS[band], "size": 12, "color": BAND_COLOURS[band]},
                "hovertemplate": "%{y}: %{x:.1f} %<extra></extra>",
            }
        )
    return figure(
        traces,
        height=110 + 26 * len(scored),
        margin={"l": 10, "r": 16, "t": 8, "b": 44},
        xaxis={
            "title": {"text": "12-month probability"},
            "rangemode": "tozero",
            "ticksuffix": " %",
        },
        yaxis={
            "type": "category",
            "categoryorder": "array",
            "categoryarray": [shown(patient.patient_id) for patient in reversed(scored)],
            "automargin": True,
            "range": [-0.7, len(scored) - 0.3],
        },
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
    )


def fall_signal(fall: Fall) -> Figure | None:
    """Return the acceleration norm around an impact, seconds from the impact.

    Args:
        fall: a detected fall.

    Returns:
        A plotly figure, None when the signal is not known.
    """
    if fall.signal is None:
        return None
    known = [value for value in fall.signal.norm_g if value is not None]
    top = max(known, default=1.0)
    return figure(
        [
            {
                "type": "scatter",
                "mode": "lines",
                "x": list(fall.signal.t_s),
                "y": list(fall.signal.norm_g),
                "connectgaps": False,
                "line": {"color": "var(--low)", "width": 1.4},
                "hovertemplate": "%{x:.2f} s: %{y:.2f} g<extra></extra>",
                "showlegend": False,
            }
        ],
        height=260,
        margin={"l": 10, "r": 12, "t": 26, "b": 44},
        xaxis={
            "title": {"text": "Seconds from the impact"},
            "range": [-10, 10],
            "dtick": 2,
            "zeroline": False,
        },
        yaxis={
            "title": {"text": "Acceleration (g)"},
            "range": [0, rounded(top * 1.1)],
            "automargin": True,
            "nticks": 6,
        },
        shapes=[
            line(x0=0, x1=0, y0=0, y1=1, yref="paper", color="var(--high)", dash="solid"),
            line(x0=0, x1=1, xref="paper", y0=1, y1=1, color="var(--muted)", dash="dot"),
        ],
        annotations=[
            note(x=0, y=1, yref="paper", text="impact", yanchor="bottom", color="var(--high)"),
            note(x=1, xref="paper", y=1, text="1 g (at rest)", xanchor="right", yanchor="bottom"),
        ],
    )


def waterfall(components: Sequence[Component]) -> Figure | None:
    """Return how the parts of an index add up, in logits, on an axis that reads as probability.

    Args:
        components: in the order of the figure, top to bottom; what everybody starts from comes first.

    Returns:
        A plotly figure, None without components. The smallest parts beyond twelve are added up.
    """
    if not components:
        return None
    base = components[0].logit if components[0].name in BASE_NAMES else 0.0
    parts = [(part.label, part.logit) for part in components[components[0].name in BASE_NAMES :]]
    if len(parts) > _MAX_PARTS:
        rest = parts[_MAX_PARTS - 1 :]
        parts = [*parts[: _MAX_PARTS - 1], (f"{len(rest)} smaller parts", sum(value for _, value in rest))]
    starts = [base]
    for _, value in parts:
        starts.append(starts[-1] + value)
    total = starts[-1]
    low, high = min(starts), max(starts)
    room = max(high - low, 1.0)
    left, right = low - 0.2 * room, high + 0.45 * room
    ticks = _probability_ticks(left, right)
    labels = [f"{number + 1}. {shown(label, 30)}" for number, (label, _) in enumerate(parts)]
    steps = {
        "type": "bar",
        "orientation": "h",
        "y": labels,
        "x": [rounded(value, 4) for _, value in parts],
        "base": [rounded(start, 4) for start in starts[:-1]],
        "marker": {"color": ["var(--high)" if value > 0 else "var(--low)" for _, value in parts]},
        "hovertemplate": "%{y}: %{text}<extra></extra>",
        "text": [_step(value) for _, value in parts],
        "textposition": "none",
        "showlegend": False,
    }
    first, last = "<b>Start</b>", "<b>This person</b>"
    ends = {
        "type": "scatter",
        "mode": "markers",
        "y": [first, last],
        "x": [rounded(base, 4), rounded(total, 4)],
        "marker": {"color": ["var(--muted)", "var(--text)"], "symbol": ["circle", "diamond"], "size": 11},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    beside = [(label, max(start, start + value), _step(value))
              for label, (_, value), start in zip(labels, parts, starts, strict=False)]  # fmt: skip
    beside += [(first, base, _percent(base)), (last, total, f"<b>{_percent(total)}</b>")]
    return figure(
        [steps, ends],
        height=70 + 26 * (len(parts) + 2),
        margin={"l": 10, "r": 10, "t": 8, "b": 44},
        xaxis={
            "title": {"text": "12-month probability"},
            "range": [rounded(left, 3), rounded(right, 3)],
            "tickvals": [rounded(_logit(tick), 4) for tick in ticks],
            "ticktext": [f"{100 * tick:g} %" for tick in ticks],
            "tickangle": 0,
            "zeroline": False,
        },
        yaxis={
            "type": "category",
            "categoryorder": "array",
            "categoryarray": [last, *reversed(labels), first],
            "range": [-0.6, len(parts) + 1.6],
            "automargin": True,
            "showgrid": False,
        },
        shapes=[line(x0=base, x1=base, y0=0, y1=1, yref="paper", color="var(--muted)", dash="dot")],
        annotations=[
            note(x=rounded(at, 4), y=label, text=text, xanchor="left", xshift=7, color="var(--text)")
            for label, at, text in beside
        ],
    )


def refusals(refused: Sequence[Refused]) -> Figure | None:
    """Return quarantined lines by reason as bars, None when there are none."""
    if not refused:
        return None
    return figure(
        [
            {
                "type": "bar",
                "orientation": "h",
                "y": [shown(item.reason, 40) for item in refused],
                "x": [item.rows for item in refused],
                "text": [f"{item.rows:,}" for item in refused],
                "textposition": "outside",
                "cliponaxis": False,
                "marker": {"color": "var(--medium)"},
                "hovertemplate": "%{y}: %{x:,} lines<extra></extra>",
                "showlegend": False,
            }
        ],
        height=80 + 26 * len(refused),
        margin={"l": 10, "r": 56, "t": 8, "b": 44},
        xaxis={
            "title": {"text": "Quarantined lines"},
            "rangemode": "tozero",
            "nticks": 4,
            "tickangle": 0,
            "tickformat": ",d",
        },
        yaxis={"type": "category", "autorange": "reversed", "automargin": True, "showgrid": False},
    )


def _probability(patient: Patient) -> float:
    probability = patient.score.probability if patient.score else None
    return probability if probability is not None else 0.0


def _step(logit: float) -> str:
    return f"{'▲' if logit > 0 else '▼' if logit < 0 else '='} {logit:+.2f}"


def _percent(logit: float) -> str:
    return f"{100 * _logistic(logit):.1f} %"


def _probability_ticks(left: float, right: float) -> list[float]:
    """Return round probabilities between two logits, far enough apart for their labels on a phone."""
    chosen: list[float] = []
    for tick in (percent / 100 for percent in _PERCENT_TICKS):
        at = _logit(tick)
        free = not chosen or at - _logit(chosen[-1]) >= 0.17 * (right - left)
        if left <= at <= right and free:
            chosen.append(tick)
    return chosen


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def _logistic(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))
