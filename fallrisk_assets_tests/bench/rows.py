"""Lines of the report.

Here: how a measured comparison is written. Not here: what is measured.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report: what, ours, the peer's, how they compare, and the target."""

    what: str
    ours: str
    peer: str
    ratio: str
    target: str
    met: bool | None

    def __str__(self) -> str:
        """Return the line as Markdown."""
        met = {True: "yes", False: "**no**", None: ""}[self.met]
        return f"| {self.what} | {self.ours} | {self.peer} | {self.ratio} | {self.target} | {met} |"


def skipped(what: str, why: str) -> Row:
    """Say that a peer cannot be measured, and return the line that says so."""
    print(f"  skipped: {why}", flush=True)
    return Row(what, "", f"skipped: {why}", "", "", None)


def times(slow: float, fast: float, least: float) -> tuple[str, str, bool]:
    """Return how many times faster the fast one is, the target, and whether it is met."""
    factor = slow / fast
    told = f"{factor:,.0f} ×" if factor >= 10 else f"{factor:.1f} ×" if factor >= 1 else f"{factor:.2f} ×"
    return told, f"≥ {least:g} ×", factor >= least
