"""Templates and static files of the pages, read once, with autoescape on.

Belongs here: how text becomes part of a page safely. Does not belong here: what a page says.
"""

import functools
import json
from importlib import resources
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined, Template
from markupsafe import Markup

from fallrisk_assets.dashboards import wording

_PACKAGE = "fallrisk_assets.dashboards"
_TEMPLATES = (
    "page.html.j2",
    "patient.html.j2",
    "index.html.j2",
    "evaluation.html.j2",
    "operations.html.j2",
    "worklist.html.j2",
    "clinic_page.html.j2",
    "financial.html.j2",
    "comments.html.j2",
    "data_quality.html.j2",
    "clinical.html.j2",
    "monitoring.html.j2",
)
_FILTERS = {
    "sentence_case": wording.sentence_case,
    "long_day": wording.long_day,
    "percent": wording.percent,
    "probability": wording.probability,
    "points": wording.points,
    "count": wording.count,
    "compact": wording.compact,
    "hours_minutes": wording.hours_minutes,
    "clock": wording.clock,
    "number": wording.number,
    "plural": wording.plural,
}


def template(name: str) -> Template:
    """Return a template by its file name; every value put into it is escaped."""
    return _environment().get_template(name)


@functools.cache
def static(*path: str) -> Markup:
    """Return one of our own static files, to be embedded as it is."""
    return Markup(resources.files(_PACKAGE).joinpath("static", *path).read_text(encoding="utf-8"))


def json_for_script(value: Any) -> Markup:
    """Return JSON that may stand inside a script element, whatever texts it holds.

    Raises:
        ValueError: a number is NaN or infinite, which JSON cannot hold.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


@functools.cache
def _environment() -> Environment:
    folder = resources.files(_PACKAGE).joinpath("templates")
    environment = Environment(
        loader=DictLoader({name: folder.joinpath(name).read_text(encoding="utf-8") for name in _TEMPLATES}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(_FILTERS)
    environment.globals.update(
        unknown=wording.UNKNOWN,
        band_labels=wording.BAND_LABELS,
        band_glyphs=wording.BAND_GLYPHS,
        verdict_glyphs=wording.VERDICT_GLYPHS,
        verdict_labels=wording.VERDICT_LABELS,
        reason_meanings=wording.REASON_MEANINGS,
        trend_labels=wording.TREND_LABELS,
        no_trend_reasons=wording.NO_TREND_REASONS,
    )
    return environment
