"""The interactive figures of a page, as plotly JSON.

Belongs here: from the page's model to figures, built and validated by `plotly.graph_objects`.
Does not belong here: reducing tables (`data.py`), HTML (`page.py`).

Colours are CSS variables ("var(--high)"), which the page resolves when it draws, so that a figure
follows the light and the dark theme and print. Colour never carries a meaning alone: symbols and
texts repeat it. Every text that comes from data is escaped, because plotly reads some HTML.
"""

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from fallrisk_assets.dashboards.model import BASE_NAMES, Component, Fall, Hour, Patient, Refused

MAX_OVERVIEW_PATIENTS = 60
"""The overview shows at most this many patients; the table beside it has all of them."""

MEDIUM_SCORE, HIGH_SCORE = 0.5, 0.8
"""Default bands of the window score."""

BAND_SYMBOLS = {"high": "triangle-up", "medium": "diamond", "low": "circle", "NOT_SCORED": "circle-open"}
_BAND_COLOURS = {"high": "var(--high)", "medium": "var(--medium)", "low": "var(--low)"}
_VERDICT_COLOURS = {"OK": "var(--ok)", "NOT_WORN": "var(--idle)"}
_MAX_NAME = 24
_MAX_PARTS = 12
_TICKS = (
    0.001,
    0.002,
    0.005,
    0.01,
    0.02,
    0.05,
    0.1,
    0.15,
    0.2,
    0.25,
    0.3,
    0.4,
    0.5,
    0.6,
    0.7,
    0.8,
    0.9,
    0.95,
    0.98,
    0.99,
    0.995,
)

Figure = dict[str, Any]


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
            over.append(_round(0.0 if score.upper is None else 100 * score.upper - chance))
            under.append(_round(0.0 if score.lower is None else chance - 100 * score.lower))
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": f"{band} risk",
                "x": [_round(chance) for chance in chances],
                "y": [_name(patient.patient_id) for patient in members],
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": over,
                    "arrayminus": under,
                    "color": _BAND_COLOURS[band],
                    "thickness": 2,
                    "width": 5,
                },
                "marker": {"symbol": BAND_SYMBOLS[band], "size": 12, "color": _BAND_COLOURS[band]},
                "hovertemplate": "%{y}: %{x:.1f} %<extra></extra>",
            }
        )
    return _figure(
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
            "categoryarray": [_name(patient.patient_id) for patient in reversed(scored)],
            "automargin": True,
            "range": [-0.7, len(scored) - 0.3],
        },
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
    )


def timeline(patient: Patient) -> Figure | None:
    """Return one patient's day by the hour (UTC): wear, missing signal, walking, window score.

    Args:
        patient: with its hours; falls are drawn as lines through all panels.

    Returns:
        A plotly figure of three or four panels, None when no hour is known.
    """
    hours = patient.hours
    if not hours:
        return None
    x = [hour.hour + 0.5 for hour in hours]
    lost = [hour.gap_s for hour in hours]
    panels: list[tuple[str, list[dict[str, Any]], dict[str, Any]]] = [
        ("Worn (% of hour)", [_wear_bars(hours, x)], {"range": [0, 105], "tickvals": [0, 50, 100]}),
        (
            "Signal lost (min)" if any(lost) else "Signal lost (min): none",
            [_bars(hours, x, [_minutes(gap) for gap in lost], "var(--gap)", "%{y:.1f} min lost")],
            _minutes_axis([_minutes(gap) for gap in lost]),
        ),
    ]
    walked = [hour.walking_minutes for hour in hours]
    if any(value is not None for value in walked):
        panels.append(
            (
                "Walking-like movement (min)",
                [_bars(hours, x, walked, "var(--walk)", "%{y:.1f} min walking-like")],
                _minutes_axis(walked),
            )
        )
    if any(hour.windows_scored or hour.windows_not_scored for hour in hours):
        panels.append(
            (
                "Window score (max)",
                _score_traces(hours, x),
                {"range": [-0.08, 1.08], "tickvals": [0, MEDIUM_SCORE, HIGH_SCORE, 1]},
            )
        )
    return _stack(panels, patient.falls or ())


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
    return _figure(
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
            "range": [0, _round(top * 1.1)],
            "automargin": True,
            "nticks": 6,
        },
        shapes=[
            _line(x0=0, x1=0, y0=0, y1=1, yref="paper", color="var(--high)", dash="solid"),
            _line(x0=0, x1=1, xref="paper", y0=1, y1=1, color="var(--muted)", dash="dot"),
        ],
        annotations=[
            _note(x=0, y=1, yref="paper", text="impact", yanchor="bottom", color="var(--high)"),
            _note(x=1, xref="paper", y=1, text="1 g (at rest)", xanchor="right", yanchor="bottom"),
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
    labels = [f"{number + 1}. {_name(label, 30)}" for number, (label, _) in enumerate(parts)]
    steps = {
        "type": "bar",
        "orientation": "h",
        "y": labels,
        "x": [_round(value, 4) for _, value in parts],
        "base": [_round(start, 4) for start in starts[:-1]],
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
        "x": [_round(base, 4), _round(total, 4)],
        "marker": {"color": ["var(--muted)", "var(--text)"], "symbol": ["circle", "diamond"], "size": 11},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    beside = [(label, max(start, start + value), _step(value))
              for label, (_, value), start in zip(labels, parts, starts, strict=False)]  # fmt: skip
    beside += [(first, base, _percent(base)), (last, total, f"<b>{_percent(total)}</b>")]
    return _figure(
        [steps, ends],
        height=70 + 26 * (len(parts) + 2),
        margin={"l": 10, "r": 10, "t": 8, "b": 44},
        xaxis={
            "title": {"text": "12-month probability"},
            "range": [_round(left, 3), _round(right, 3)],
            "tickvals": [_round(_logit(tick), 4) for tick in ticks],
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
        shapes=[_line(x0=base, x1=base, y0=0, y1=1, yref="paper", color="var(--muted)", dash="dot")],
        annotations=[
            _note(x=_round(at, 4), y=label, text=text, xanchor="left", xshift=7, color="var(--text)")
            for label, at, text in beside
        ],
    )


def refusals(refused: Sequence[Refused]) -> Figure | None:
    """Return quarantined lines by reason as bars, None when there are none."""
    if not refused:
        return None
    return _figure(
        [
            {
                "type": "bar",
                "orientation": "h",
                "y": [_name(item.reason, 40) for item in refused],
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
        xaxis={"title": {"text": "Quarantined lines"}, "rangemode": "tozero", "nticks": 5},
        yaxis={"type": "category", "autorange": "reversed", "automargin": True, "showgrid": False},
    )


def _stack(panels: list[tuple[str, list[dict[str, Any]], dict[str, Any]]], falls: Sequence[Fall]) -> Figure:
    """Put panels under each other on one time axis, falls as lines through all of them."""
    gap = 0.09
    tall = (1 - gap * (len(panels) - 1)) / len(panels)
    traces: list[dict[str, Any]] = []
    axes: dict[str, Any] = {}
    notes = []
    for number, (title, own, axis) in enumerate(panels):
        top = 1 - number * (tall + gap)
        suffix = "" if number == 0 else str(number + 1)
        traces.extend({**trace, "yaxis": f"y{suffix}"} for trace in own)
        domain = [max(_round(top - tall, 4), 0.0), min(_round(top, 4), 1.0)]
        axes[f"yaxis{suffix}"] = {"domain": domain, "automargin": True, "zeroline": False, **axis}
        notes.append(
            _note(
                x=0, xref="paper", y=domain[1], yref="paper", text=title, xanchor="left", yanchor="bottom",
                color="var(--text)",
            )
        )  # fmt: skip
    shapes = []
    for fall in falls:
        at = fall.impact_at
        hour = _round(at.hour + at.minute / 60 + at.second / 3600, 4)
        shapes.append(_line(x0=hour, x1=hour, y0=0, y1=1, yref="paper", color="var(--high)", dash="dash"))
        notes.append(
            _note(
                x=hour, y=0, yref="paper", yshift=-16, text="▼", yanchor="top",
                xanchor="right" if hour > 22 else "left" if hour < 2 else "center", color="var(--high)",
            )
        )  # fmt: skip
    ticks = list(range(0, 25, 3))
    return _figure(
        traces,
        height=100 + 92 * len(panels),
        margin={"l": 10, "r": 24, "t": 26, "b": 44},
        bargap=0.08,
        barmode="overlay",
        xaxis={
            "range": [0, 24],
            "tickvals": ticks,
            "ticktext": [f"{tick:02d}:00" for tick in ticks],
            "anchor": f"y{len(panels)}" if len(panels) > 1 else "y",
            "zeroline": False,
        },
        shapes=shapes,
        annotations=notes,
        **axes,
    )


def _wear_bars(hours: Sequence[Hour], x: list[float]) -> dict[str, Any]:
    worn = [None if hour.worn_share is None else _round(100 * hour.worn_share) for hour in hours]
    trace = _bars(hours, x, worn, "", "%{y:.0f} % worn · %{customdata}")
    trace["marker"] = {"color": [_VERDICT_COLOURS.get(hour.verdict, "var(--gap)") for hour in hours]}
    trace["customdata"] = [escape(hour.verdict, quote=False) for hour in hours]
    return trace


def _bars(
    hours: Sequence[Hour], x: list[float], y: Sequence[float | None], colour: str, hover: str
) -> dict[str, Any]:
    return {
        "type": "bar",
        "x": x,
        "y": [None if value is None else _round(value) for value in y],
        "marker": {"color": colour or "var(--ok)"},
        "hovertext": [f"{hour.hour:02d}:00" for hour in hours],
        "hovertemplate": "%{hovertext} " + hover + "<extra></extra>",
        "showlegend": False,
    }


def _score_traces(hours: Sequence[Hour], x: list[float]) -> list[dict[str, Any]]:
    colours, symbols = [], []
    for hour in hours:
        band = band_of(hour.score_max)
        colours.append(_BAND_COLOURS.get(band, "var(--muted)"))
        symbols.append(BAND_SYMBOLS[band])
    scored = {
        "type": "scatter",
        "mode": "markers",
        "x": x,
        "y": [None if hour.score_max is None else _round(hour.score_max, 3) for hour in hours],
        "marker": {"color": colours, "symbol": symbols, "size": 9},
        "hovertext": [f"{hour.hour:02d}:00, {hour.windows_scored:,} windows" for hour in hours],
        "hovertemplate": "%{hovertext}: highest %{y:.2f}<extra></extra>",
        "showlegend": False,
    }
    silent = [(at, hour) for at, hour in zip(x, hours, strict=True) if hour.score_max is None]
    traces = [scored]
    if silent:
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [at for at, _ in silent],
                "y": [0.0 for _ in silent],
                "marker": {"color": "var(--muted)", "symbol": "x-thin-open", "size": 8},
                "hovertext": [f"{hour.hour:02d}:00" for _, hour in silent],
                "hovertemplate": "%{hovertext}: NOT_SCORED<extra></extra>",
                "showlegend": False,
            }
        )
    return traces


def band_of(score: float | None) -> str:
    """Return the band of a window score: medium from 0.5, high from 0.8, NOT_SCORED for None."""
    if score is None:
        return "NOT_SCORED"
    return "high" if score >= HIGH_SCORE else "medium" if score >= MEDIUM_SCORE else "low"


def _figure(traces: list[dict[str, Any]], **layout: Any) -> Figure:
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
    figure = go.Figure(data=traces, layout={**shared, **layout, **axes}).to_plotly_json()
    figure["layout"].pop("template", None)
    return {"data": figure["data"], "layout": figure["layout"]}


def _line(*, color: str, dash: str, **where: Any) -> dict[str, Any]:
    return {"type": "line", "layer": "below", "line": {"color": color, "width": 1.2, "dash": dash}, **where}


def _note(*, text: str, color: str = "var(--muted)", **where: Any) -> dict[str, Any]:
    return {"text": text, "showarrow": False, "font": {"size": 11, "color": color}, **where}


def _name(text: str, limit: int = _MAX_NAME) -> str:
    """Return a text that plotly shows as it is; plotly knows no entity for quotation marks."""
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    return escape(shown, quote=False)


def _probability(patient: Patient) -> float:
    probability = patient.score.probability if patient.score else None
    return probability if probability is not None else 0.0


def _minutes(seconds: float | None) -> float | None:
    return None if seconds is None else seconds / 60


def _minutes_axis(values: Sequence[float | None]) -> dict[str, Any]:
    """Return one of three axes, so that days can be compared and small values still be seen."""
    highest = max((value for value in values if value is not None), default=0.0)
    top = next(top for top in (15, 30, 60) if highest <= top or top == 60)
    return {"range": [0, 1.05 * top], "tickvals": [0, top / 2, top]}


def _round(value: float, digits: int = 2) -> float:
    return round(float(value), digits)


def _step(logit: float) -> str:
    return f"{'▲' if logit > 0 else '▼' if logit < 0 else '='} {logit:+.2f}"


def _percent(logit: float) -> str:
    return f"{100 * _logistic(logit):.1f} %"


def _probability_ticks(left: float, right: float) -> list[float]:
    """Return round probabilities between two logits, far enough apart for their labels on a phone."""
    chosen: list[float] = []
    for tick in _TICKS:
        at = _logit(tick)
        free = not chosen or at - _logit(chosen[-1]) >= 0.17 * (right - left)
        if left <= at <= right and free:
            chosen.append(tick)
    return chosen


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def _logistic(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))
