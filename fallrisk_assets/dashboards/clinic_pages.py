"""From what was read from the warehouse to a self-contained page of the clinic.

Belongs here: how these pages are put together. Does not belong here: what they show (`operations.py`,
`worklist.py`, `clinical.py` and so on), adding up and drawing, which the page does itself (`static/cube.js`,
`static/operations.js`).

Like every page these need no network and forbid every request. A page is made for a role: what the role may
not see is not read, so that it is not in the file.
"""

from typing import Any

from markupsafe import Markup

from fallrisk_assets.dashboards.cubes import packed
from fallrisk_assets.dashboards.page import MAX_PAGE_BYTES, PLOTLY
from fallrisk_assets.dashboards.rendering import static, template

OPERATIONS_FILE = "operations.html"
WORKLIST_FILE = "worklist.html"
COMMENTS_FILE = "comments.html"
FINANCIAL_FILE = "financial.html"
DATA_QUALITY_FILE = "data_quality.html"
CLINICAL_FILE = "clinical.html"
MONITORING_FILE = "monitoring.html"


class PageTooLargeError(ValueError):
    """A page would be larger than the budget."""


def render_operations(content: dict[str, Any] | None) -> str:
    """Return the HTML of the operations page; the same content gives the same text.

    Args:
        content: from `operations.read_operations`.

    Raises:
        PageTooLargeError: more than `MAX_PAGE_BYTES`.
    """
    return _rendered("operations", content)


def render_worklist(content: dict[str, Any] | None) -> str:
    """Return the HTML of the clinical worklist; the same content gives the same text.

    Args:
        content: from `worklist.read_worklist`.

    Raises:
        PageTooLargeError: more than `MAX_PAGE_BYTES`.
    """
    return _rendered("worklist", content)


def render_financial(content: dict[str, Any] | None) -> str:
    """Return the HTML of the financial page; the same content gives the same text.

    Args:
        content: from `financial.read_financial`.

    Raises:
        PageTooLargeError: more than `MAX_PAGE_BYTES`.
    """
    return _rendered("financial", content, "daily.js")


def render_data_quality(content: dict[str, Any] | None) -> str:
    """Return the HTML of the data-quality page; the same content gives the same text.

    Args:
        content: from `data_quality.read_data_quality`.

    Raises:
        PageTooLargeError: more than `MAX_PAGE_BYTES`.
    """
    return _rendered("data_quality", content, "daily.js")


def render_clinical(content: dict[str, Any] | None) -> str:
    """Return the HTML of the clinical page; the same content gives the same text.

    Args:
        content: from `clinical.read_clinical`.

    Raises:
        PageTooLargeError: more than `MAX_PAGE_BYTES`.
    """
    return _rendered("clinical", content, "daily.js")


def render_monitoring(content: dict[str, Any] | None) -> str:
    """Return the HTML of the monitoring page; the same content gives the same text.

    Args:
        content: from `monitoring.read_monitoring`.

    Raises:
        PageTooLargeError: more than `MAX_PAGE_BYTES`.
    """
    return _rendered("monitoring", content, "daily.js")


def _rendered(name: str, content: dict[str, Any] | None, *shared: str) -> str:
    scripts = ("drawing.js", "cube.js", "blocks.js", "charts.js", *shared, f"{name}.js")
    html = template(f"{name}.html.j2").render(
        content=content,
        packed=packed(content),
        style=static("page.css") + static("clinic.css"),
        script=Markup("\n").join(static(script) for script in scripts),
        plotly=static("plotly", PLOTLY),
    )
    size = len(html.encode())
    if size > MAX_PAGE_BYTES:
        raise PageTooLargeError(
            f"{name} page: {size:,} bytes, more than {MAX_PAGE_BYTES:,}; show fewer days or fewer dimensions"
        )
    return html
