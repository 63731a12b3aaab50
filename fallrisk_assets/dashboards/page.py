"""From the model to one self-contained HTML page.

Belongs here: how a page is put together: templates, embedded figures, the size budget. Does not
belong here: reducing tables (`data.py`), what a figure looks like (`figures.py`).

A page needs no network, neither to load nor later: plotly.js, style, script and data are inside, and
its content security policy forbids every request. Every text from data is escaped.
"""

import json
from html import escape
from typing import Any

from markupsafe import Markup

from fallrisk_assets.dashboards import figures
from fallrisk_assets.dashboards.model import VERDICTS, DayModel, DeviceDay, Patient
from fallrisk_assets.dashboards.rendering import json_for_script, static, template

MAX_PAGE_BYTES = 5_000_000
"""No page may be larger; a test holds it for hundreds of patients."""

_PATIENTS_BYTES = 2_600_000
_MAX_MAP_DEVICES = 400
_PLOTLY = "plotly-basic-4.1.1.min.js"

SUMMARY_META = "fallrisk-summary"
"""Name of the meta element that carries a day's key figures for the index."""


def render_day(model: DayModel) -> str:
    """Return the HTML of a day's page; the same model gives the same text.

    Args:
        model: the day, from `data.build_day`.

    Returns:
        HTML below 5 MB. Where the details of all patients do not fit, the most urgent patients
        have theirs and the page says how many have none.
    """
    articles = _articles(model)
    devices = sorted(model.quality.devices or (), key=_worst_first)
    return template("page.html.j2").render(
        model=model,
        quality=model.quality,
        articles=articles,
        detailed=len(articles),
        overview=_embed("plot-overview", figures.overview(model.patients)),
        overview_limit=figures.MAX_OVERVIEW_PATIENTS,
        refusals=_embed("plot-refusals", figures.refusals(model.quality.refused or ())),
        map_devices=devices[:_MAX_MAP_DEVICES],
        map_left_out=max(len(devices) - _MAX_MAP_DEVICES, 0),
        largest_table=max((rows.rows for rows in model.quality.row_counts), default=0),
        summary_meta=SUMMARY_META,
        summary=json.dumps(summary(model), sort_keys=True, separators=(",", ":")),
        verdicts=VERDICTS,
        style=static("page.css"),
        script=static("page.js"),
        plotly=static("plotly", _PLOTLY),
    )


def summary(model: DayModel) -> dict[str, Any]:
    """Return the key figures of a day, for the index and for asset metadata. None: not known."""
    return {
        "day": model.day.isoformat(),
        "patients": len(model.patients),
        "high": model.in_band("high"),
        "not_scored": model.in_band("NOT_SCORED"),
        "falls": model.falls,
        "open_alerts": model.open_alerts,
        "critical_alerts": model.critical_alerts,
        "quarantined": model.quality.refused_rows,
        "failed_checks": model.quality.failed_checks,
        "missing": sum(len(keys) for _, keys in model.quality.missing),
    }


def _articles(model: DayModel) -> list[Markup]:
    """Return each patient's details as HTML, in order, until the budget is used up."""
    details = template("patient.html.j2")
    articles: list[Markup] = []
    used = 0
    for number, patient in enumerate(model.patients):
        html = details.render(patient=patient, number=number, day=model.day, **_figures(patient, number))
        used += len(html.encode())
        if used > _PATIENTS_BYTES:
            break
        articles.append(Markup(html))
    return articles


def _figures(patient: Patient, number: int) -> dict[str, Any]:
    components = patient.score.components if patient.score else ()
    return {
        "timeline": _embed(f"plot-{number}-day", figures.timeline(patient)),
        "waterfall": _embed(f"plot-{number}-score", figures.waterfall(components)),
        "signals": [
            _embed(f"plot-{number}-fall-{order}", figures.fall_signal(fall))
            for order, fall in enumerate(patient.falls or ())
        ],
    }


def _embed(identity: str, figure: figures.Figure | None) -> Markup | None:
    """Return the element that a figure is drawn into, and its data; ids are ours, never from data."""
    if figure is None:
        return None
    height = int(figure["layout"]["height"])
    return Markup(
        f'<div class="plot" id="{escape(identity)}" data-figure style="height:{height}px" aria-hidden="true"></div>'
        f'<script type="application/json" id="{escape(identity)}-json">{json_for_script(figure)}</script>'
    )


def _worst_first(device: DeviceDay) -> tuple[int, int]:
    bad = sum(cell is not None and cell.verdict not in ("OK", "NOT_WORN") for cell in device.cells)
    return -bad, 0
