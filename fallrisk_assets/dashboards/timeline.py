"""The figure of one patient's day by the hour.

Belongs here: the panels of the timeline. Does not belong here: other figures (`figures.py`).
"""

from collections.abc import Sequence
from html import escape
from typing import Any

from fallrisk_assets.dashboards.model import Fall, Hour, Patient
from fallrisk_assets.dashboards.plotting import (
    BAND_COLOURS,
    BAND_SYMBOLS,
    Figure,
    figure,
    line,
    note,
    rounded,
)

MEDIUM_SCORE, HIGH_SCORE = 0.5, 0.8
"""Default bands of the window score."""

_STRIP, _STRIP_TALL = -0.25, 0.26
"""Middle and height of the strip below the score's axis: an hour that is not scored has no score of 0."""

_SCORE_TALL = 1.7
"""Height of the panel with the strip, in those of the others, so that its marks keep apart."""

_VERDICT_COLOURS = {"OK": "var(--ok)", "NOT_WORN": "var(--idle)"}


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
                _score_axis(hours),
            )
        )
    return _stack(panels, patient.falls or ())


def _stack(panels: list[tuple[str, list[dict[str, Any]], dict[str, Any]]], falls: Sequence[Fall]) -> Figure:
    """Put panels under each other on one time axis, falls as lines through all of them."""
    tall_by_panel = [_SCORE_TALL if "ticktext" in axis else 1.0 for _, _, axis in panels]
    in_all = sum(tall_by_panel)
    gap = 0.36 / in_all
    unit = (1 - gap * (len(panels) - 1)) / in_all
    top = 1.0
    traces: list[dict[str, Any]] = []
    axes: dict[str, Any] = {}
    notes = []
    for number, (title, own, axis) in enumerate(panels):
        tall = tall_by_panel[number] * unit
        suffix = "" if number == 0 else str(number + 1)
        traces.extend({**trace, "yaxis": f"y{suffix}"} for trace in own)
        domain = [max(rounded(top - tall, 4), 0.0), min(rounded(top, 4), 1.0)]
        top -= tall + gap
        axes[f"yaxis{suffix}"] = {"domain": domain, "automargin": True, "zeroline": False, **axis}
        notes.append(
            note(
                x=0, xref="paper", y=domain[1], yref="paper", text=title, xanchor="left", yanchor="bottom",
                color="var(--text)",
            )
        )  # fmt: skip
    shapes = []
    for fall in falls:
        at = fall.impact_at
        hour = rounded(at.hour + at.minute / 60 + at.second / 3600, 4)
        shapes.append(line(x0=hour, x1=hour, y0=0, y1=1, yref="paper", color="var(--high)", dash="dash"))
        notes.append(
            note(
                x=hour, y=0, yref="paper", yshift=-16, text="▼", yanchor="top",
                xanchor="right" if hour > 22 else "left" if hour < 2 else "center", color="var(--high)",
            )
        )  # fmt: skip
    ticks = list(range(0, 25, 3))
    return figure(
        traces,
        height=100 + round(92 * in_all),
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
    worn = [None if hour.worn_share is None else rounded(100 * hour.worn_share) for hour in hours]
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
        "y": [None if value is None else rounded(value) for value in y],
        "marker": {"color": colour or "var(--ok)"},
        "hovertext": [f"{hour.hour:02d}:00" for hour in hours],
        "hovertemplate": "%{hovertext} " + hover + "<extra></extra>",
        "showlegend": False,
    }


def _score_traces(hours: Sequence[Hour], x: list[float]) -> list[dict[str, Any]]:
    colours, symbols = [], []
    for hour in hours:
        band = band_of(hour.score_max)
        colours.append(BAND_COLOURS.get(band, "var(--muted)"))
        symbols.append(BAND_SYMBOLS[band])
    scored = {
        "type": "scatter",
        "mode": "markers",
        "x": x,
        "y": [None if hour.score_max is None else rounded(hour.score_max, 3) for hour in hours],
        "marker": {"color": colours, "symbol": symbols, "size": 9},
        "hovertext": [f"{hour.hour:02d}:00, {hour.windows_scored:,} windows" for hour in hours],
        "hovertemplate": "%{hovertext}: highest %{y:.2f}<extra></extra>",
        "showlegend": False,
    }
    silent = [(at, hour) for at, hour in zip(x, hours, strict=True) if hour.score_max is None]
    if not silent:
        return [scored]
    at = [middle for middle, _ in silent]
    cells = {
        "type": "bar",
        "x": at,
        "y": [_STRIP_TALL] * len(at),
        "base": rounded(_STRIP - _STRIP_TALL / 2),
        "marker": {"color": "var(--soft-none)"},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    crosses = {
        "type": "scatter",
        "mode": "markers",
        "x": at,
        "y": [_STRIP] * len(at),
        "marker": {"color": "var(--muted)", "symbol": "x-thin-open", "size": 7},
        "hovertext": [f"{hour.hour:02d}:00" for _, hour in silent],
        "hovertemplate": "%{hovertext}: NOT_SCORED<extra></extra>",
        "showlegend": False,
    }
    return [scored, cells, crosses]


def _score_axis(hours: Sequence[Hour]) -> dict[str, Any]:
    ticks = [0, MEDIUM_SCORE, HIGH_SCORE, 1]
    if all(hour.score_max is not None for hour in hours):
        return {"range": [-0.08, 1.08], "tickvals": ticks}
    return {
        "range": [-0.42, 1.08],
        "tickvals": [_STRIP, *ticks],
        "ticktext": ["not scored", *(f"{tick:g}" for tick in ticks)],
    }


def band_of(score: float | None) -> str:
    """Return the band of a window score: medium from 0.5, high from 0.8, NOT_SCORED for None."""
    if score is None:
        return "NOT_SCORED"
    return "high" if score >= HIGH_SCORE else "medium" if score >= MEDIUM_SCORE else "low"


def _minutes_axis(values: Sequence[float | None]) -> dict[str, Any]:
    """Return one of three axes, so that days can be compared and small values still be seen."""
    highest = max((value for value in values if value is not None), default=0.0)
    top = next(top for top in (15, 30, 60) if highest <= top or top == 60)
    return {"range": [0, 1.05 * top], "tickvals": [0, top / 2, top]}


def _minutes(seconds: float | None) -> float | None:
    return None if seconds is None else seconds / 60
