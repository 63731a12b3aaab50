"""A small drawing of the seconds around an impact, for asset metadata and pages.

Pure text: deterministic, no plotting library. Shows no identity.
"""

from xml.sax.saxutils import escape

import numpy as np

WIDTH, HEIGHT = 360, 120
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 8, 18, 20
SPAN_S = 5.0


def _extremes(t_s: np.ndarray, norm_g: np.ndarray, bins: int) -> list[tuple[float, float]]:
    """At most two points a bin, so that a peak is never lost."""
    edges = np.linspace(-SPAN_S, SPAN_S, bins + 1)
    which = np.clip(np.searchsorted(edges, t_s, side="right") - 1, 0, bins - 1)
    points = []
    for b in np.unique(which):
        rows = np.flatnonzero(which == b)
        for i in sorted({int(rows[np.argmin(norm_g[rows])]), int(rows[np.argmax(norm_g[rows])])}):
            points.append((float(t_s[i]), float(norm_g[i])))
    return points


def fall_svg(t_s: np.ndarray, norm_g: np.ndarray, decided_s: float, title: str = "") -> str:
    """Draw the acceleration norm around an impact.

    Args:
        t_s: (n,) seconds from the impact, increasing; those outside ±5 s are left out.
        norm_g: (n,) acceleration norm in g.
        decided_s: When the decision was made, seconds from the impact.
        title: Text above the drawing.

    Returns:
        An SVG document; a gap of more than a second breaks the line.
    """
    near = np.abs(t_s) <= SPAN_S
    points = _extremes(t_s[near], norm_g[near], 120) if near.any() else []
    top = max([2.0, *(g for _, g in points)]) * 1.05

    def x(t: float) -> str:
        return f"{_LEFT + (t + SPAN_S) / (2 * SPAN_S) * (WIDTH - _LEFT - _RIGHT):.1f}"

    def y(g: float) -> str:
        return f"{HEIGHT - _BOTTOM - g / top * (HEIGHT - _TOP - _BOTTOM):.1f}"

    path = ""
    last: float | None = None
    for t, g in points:
        path += f"{'M' if last is None or t - last > 1.0 else 'L'}{x(t)} {y(g)}"
        last = t
    marks = "".join(
        f'<text x="{x(t)}" y="{HEIGHT - 6}" text-anchor="middle">{t:+.0f} s</text>' for t in (-4.0, 0.0, 4.0)
    )
    levels = "".join(
        f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(g)}" y2="{y(g)}" stroke="#ddd"/>'
        f'<text x="{_LEFT - 4}" y="{y(g)}" text-anchor="end">{g:.0f} g</text>'
        for g in (1.0, float(int(top)))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" font-family="sans-serif" font-size="10" fill="#444">'
        f"<title>{escape(title or 'Acceleration around an impact')}</title>"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
        f'<text x="{_LEFT}" y="12">{escape(title)}</text>{levels}{marks}'
        f'<line x1="{x(0.0)}" x2="{x(0.0)}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}" stroke="#c0392b"/>'
        f'<line x1="{x(decided_s)}" x2="{x(decided_s)}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}" '
        f'stroke="#888" stroke-dasharray="3 3"/>'
        f'<path d="{path}" fill="none" stroke="#1f5fa8" stroke-width="1.2"/></svg>'
    )
