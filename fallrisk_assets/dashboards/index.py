"""The index of all days that have a page.

Belongs here: reading a page's key figures back and rendering the list. Does not belong here: the
pages themselves (`page.py`).
"""

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape

from fallrisk_assets.dashboards.page import SUMMARY_META
from fallrisk_assets.dashboards.rendering import static, template

LABELS = {
    "patients": "Patients",
    "high": "High risk",
    "not_scored": "NOT_SCORED",
    "falls": "Falls",
    "open_alerts": "Open alerts",
    "quarantined": "Quarantined",
    "failed_checks": "Checks failed",
    "missing": "Partitions missing",
}
"""Key figures in the order of the index's columns, with their headings."""

HEAD_CHARACTERS = 4096
"""How much of a page `read_entry` needs."""

_META = re.compile(rf'<meta name="{SUMMARY_META}" content="([^"]*)">')


@dataclass(frozen=True, slots=True)
class DayEntry:
    """One day that has a page, with its key figures (empty when the page holds none)."""

    day: dt.date
    figures: Mapping[str, int | None] = field(default_factory=dict)


def render_index(days: Sequence[DayEntry], pages: Mapping[str, str] | None = None) -> str:
    """Return the HTML that links every day, newest first; order and repetition do not matter.

    Args:
        days: the days present; of a repeated day the last entry counts.
        pages: files of pages that are of no single day, by title.
    """
    entries = sorted({entry.day: entry for entry in days}.values(), key=lambda entry: entry.day, reverse=True)
    return template("index.html.j2").render(
        days=entries, pages=pages or {}, names=list(LABELS), labels=LABELS, style=static("page.css")
    )


def read_entry(day: dt.date, head: str) -> DayEntry:
    """Return the entry of a page from the beginning of its HTML.

    Args:
        day: the page's day.
        head: at least the head element up to the summary (the first `HEAD_CHARACTERS`).
    """
    found = _META.search(head)
    if found is None:
        return DayEntry(day)
    figures = json.loads(unescape(found.group(1)))
    return DayEntry(day, {name: figures.get(name) for name in LABELS})
