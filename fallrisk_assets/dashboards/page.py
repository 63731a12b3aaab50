"""From the model to one self-contained HTML page.

Belongs here: how a page is put together: templates, embedded figures, the size budget. Does not
belong here: reducing tables (`data.py`), what a figure looks like (`figures.py`).

A page needs no network, neither to load nor later: plotly.js, style, script and data are inside, and
its content security policy forbids every request. Every text from data is escaped.
"""

import json
from typing import Any

from markupsafe import Markup

from fallrisk_assets.dashboards import figures
from fallrisk_assets.dashboards.model import VERDICTS, DayModel, DeviceDay, Patient
from fallrisk_assets.dashboards.plotting import Figure
from fallrisk_assets.dashboards.rendering import json_for_script, static, template
from fallrisk_assets.dashboards.timeline import timeline

MAX_PAGE_BYTES = 5_000_000
"""No page may be larger; a test holds it for hundreds of patients."""

_MAX_MAP_DEVICES = 300
_POOL_FROM = 24
_RESERVE_BYTES = 2048
PLOTLY = "plotly-basic-4.1.1.min.js"
"""File of plotly.js that is embedded."""

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
    pool = FigurePool()
    devices = sorted(model.quality.devices or (), key=_worst_first)
    parts = {
        "model": model,
        "quality": model.quality,
        "overview": embed(pool, "plot-overview", figures.overview(model.patients)),
        "overview_limit": figures.MAX_OVERVIEW_PATIENTS,
        "refusals": embed(pool, "plot-refusals", figures.refusals(model.quality.refused or ())),
        "map_devices": devices[:_MAX_MAP_DEVICES],
        "map_left_out": max(len(devices) - _MAX_MAP_DEVICES, 0),
        "largest_table": max((rows.rows for rows in model.quality.row_counts), default=0),
        "summary_meta": SUMMARY_META,
        "summary": json.dumps(summary(model), sort_keys=True, separators=(",", ":")),
        "verdicts": VERDICTS,
        "style": static("page.css"),
        "script": static("drawing.js") + static("page.js"),
        "plotly": static("plotly", PLOTLY),
    }
    page = template("page.html.j2")
    everyone = len(model.patients)
    frame = page.render(**parts, articles=[Markup("")], detailed=everyone, pool=Markup(""))
    articles = _articles(model, pool, MAX_PAGE_BYTES - _RESERVE_BYTES - len(frame.encode()))
    return page.render(**parts, articles=articles, detailed=len(articles), pool=pool.json())


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


class FigurePool:
    """Parts that figures share (axes, hours, texts), written once on the page.

    A part becomes {"$": n}, which the page's script puts back; without it three quarters of every
    patient's bytes would be the same axes again.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self.size = 0

    def shorten(self, figure: Figure) -> Figure:
        """Return the figure with the parts of its traces and layout replaced by their numbers."""
        return {
            "data": [{name: self._number(part) for name, part in trace.items()} for trace in figure["data"]],
            "layout": {name: self._number(part) for name, part in figure["layout"].items()},
        }

    def json(self) -> Markup:
        """Return all parts as a JSON list for a script element."""
        return Markup("[{}]").format(Markup(",").join(Markup(part) for part in self._numbers))

    def _number(self, part: Any) -> Any:
        text = str(json_for_script(part))
        if len(text) <= _POOL_FROM:
            return part
        if text not in self._numbers:
            self._numbers[text] = len(self._numbers)
            self.size += len(text) + 1
        return {"$": self._numbers[text]}


def _articles(model: DayModel, pool: FigurePool, budget: int) -> list[Markup]:
    """Return each patient's details as HTML, in order, as long as all fit in so many bytes."""
    details = template("patient.html.j2")
    articles: list[Markup] = []
    used = 0
    for number, patient in enumerate(model.patients):
        drawn = _figures(patient, number, pool)
        html = details.render(patient=patient, number=number, day=model.day, **drawn)
        used += len(html.encode()) + 1
        if used + pool.size > budget:
            break
        articles.append(Markup(html))
    return articles


def _figures(patient: Patient, number: int, pool: FigurePool) -> dict[str, Any]:
    components = patient.score.components if patient.score else ()
    return {
        "timeline": embed(pool, f"plot-{number}-day", timeline(patient)),
        "waterfall": embed(pool, f"plot-{number}-score", figures.waterfall(components)),
        "signals": [
            embed(pool, f"plot-{number}-fall-{order}", figures.fall_signal(fall))
            for order, fall in enumerate(patient.falls or ())
        ],
    }


def embed(pool: FigurePool, identity: str, figure: Figure | None) -> Markup | None:
    """Return the element that a figure is drawn into, and its data; ids are ours, never from data."""
    if figure is None:
        return None
    place = Markup('<div class="plot" id="{0}" data-figure style="height:{1}px" aria-hidden="true"></div>')
    data = Markup('<script type="application/json" id="{0}-json">{1}</script>')
    return place.format(identity, int(figure["layout"]["height"])) + data.format(
        identity, json_for_script(pool.shorten(figure))
    )


def _worst_first(device: DeviceDay) -> int:
    """Return a sort key by hours in trouble; an hour without data is none: nobody wears it all day."""
    bad = sum(cell is not None and cell.verdict not in ("OK", "NOT_WORN", "NO_DATA") for cell in device.cells)
    return -bad
