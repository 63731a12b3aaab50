"""What a version of the fall detector must show before it may score people.

Belongs here: the gates as pure functions of evaluation rows. Does not belong here: measuring (`measures`),
and what follows from a verdict (`checks`, `registry`).

A figure that was not measured does not pass: a gate that cannot see is closed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fallrisk_assets.models.contract import (
    CALIBRATION_ERROR,
    CANDIDATE,
    FALSE_ALARMS,
    HELD_OUT_SUBJECTS,
    IN_USE,
    RECORDINGS,
    SENSITIVITY,
    SIMULATED_WEAR,
    SPECIFICITY,
)

Row = dict[str, Any]

#: Least sensitivity and specificity, by position: of the way of training on people held out, and of the
#: artefact itself on the recordings.
FLOORS = {"waist": (0.95, 0.95), "wrist": (0.93, 0.93)}
#: Least sensitivity on simulated wear, over at least so many falls.
WEAR_SENSITIVITY = 0.90
LEAST_FALLS = 20
#: Most false alarms in a patient-week of ordinary wear, over at least so many patient-days.
MOST_FALSE_ALARMS = 1.0
LEAST_PATIENT_DAYS = 14.0
#: Most expected calibration error, by position, likewise.
MOST_CALIBRATION_ERROR = {"waist": 0.05, "wrist": 0.10}
#: How much worse than the version in use a figure may be and still count as not worse.
MARGIN = 0.02
ALARM_MARGIN = 0.5


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate says.

    Attributes:
        gate: Its name, a check's.
        passed: Whether the version may pass.
        found: A line for each figure that it looked at.
    """

    gate: str
    passed: bool
    found: tuple[str, ...]

    def sentence(self) -> str:
        """One line."""
        return f"{self.gate}: {'passed' if self.passed else 'REFUSED'} ({'; '.join(self.found)})"


class _Figures:
    """Figures of one role, looked up by what they are."""

    def __init__(self, rows: Iterable[Row], role: str) -> None:
        self._rows = {
            (r["data"], r["position"], r["metric"]): r
            for r in rows
            if r["role"] == role and r["subgroup"] == "all"
        }

    def find(self, data: str, position: str, metric: str) -> Row | None:
        return self._rows.get((data, position, metric))


Line = tuple[bool, str]


def _judge(gate: str, lines: Sequence[Line]) -> Verdict:
    return Verdict(gate, bool(lines) and all(good for good, _ in lines), tuple(text for _, text in lines))


def _line(row: Row | None, what: str, limit: float, *, at_least: bool, needs: float = 0.0) -> Line:
    if row is None:
        return False, f"{what} was not measured"
    value, n = row["value"], row["n"]
    said = f"{what} {value:.3f} [{row['lower']:.3f}, {row['upper']:.3f}]"
    if n < needs:
        return False, f"{said} rests on {n:.1f}, needs {needs:g}"
    good = value >= limit if at_least else value <= limit
    return good, f"{said}, {'at least' if at_least else 'at most'} {limit:.3f}"


def sensitive_and_specific(rows: Sequence[Row]) -> Verdict:
    """Floors of sensitivity and specificity on recordings, and of sensitivity on simulated wear."""
    mine = _Figures(rows, CANDIDATE)
    lines = [
        _line(mine.find(data, position, metric), f"{data} {position} {metric}", floor, at_least=True)
        for data in (HELD_OUT_SUBJECTS, RECORDINGS)
        for position, floors in FLOORS.items()
        for metric, floor in zip((SENSITIVITY, SPECIFICITY), floors, strict=True)
    ]
    wear = mine.find(SIMULATED_WEAR, "all", SENSITIVITY)
    lines.append(
        _line(wear, f"wear {SENSITIVITY}", WEAR_SENSITIVITY, at_least=True, needs=LEAST_FALLS),
    )
    return _judge("falls_are_found_and_other_movements_are_not", lines)


def bearable_alarms(rows: Sequence[Row]) -> Verdict:
    """Ceiling of false alarms in ordinary simulated wear."""
    row = _Figures(rows, CANDIDATE).find(SIMULATED_WEAR, "all", FALSE_ALARMS)
    line = _line(
        row,
        "false alarms a patient-week",
        MOST_FALSE_ALARMS,
        at_least=False,
        needs=LEAST_PATIENT_DAYS,
    )
    return _judge("false_alarms_can_be_borne", [line])


def calibrated(rows: Sequence[Row]) -> Verdict:
    """Ceiling of the calibration error on recordings."""
    mine = _Figures(rows, CANDIDATE)
    return _judge(
        "probabilities_mean_what_they_say",
        [
            _line(
                mine.find(data, position, CALIBRATION_ERROR),
                f"{data} {position} calibration error",
                most,
                at_least=False,
            )
            for data in (HELD_OUT_SUBJECTS, RECORDINGS)
            for position, most in MOST_CALIBRATION_ERROR.items()
        ],
    )


def not_worse(rows: Sequence[Row], in_use: str) -> Verdict:
    """No figure worse than that of the version in use on the same data, beyond a margin.

    Args:
        rows: The evaluation of a candidate, with the version in use beside it.
        in_use: The version in use now; an evaluation beside another one is out of date.
    """
    gate = "no_worse_than_the_version_in_use"
    candidates = {r["model_version"] for r in rows if r["role"] == CANDIDATE}
    if in_use in candidates:
        return Verdict(gate, True, (f"{in_use} is itself in use",))
    compared = {r["model_version"] for r in rows if r["role"] == IN_USE}
    if compared != {in_use}:
        named = ", ".join(sorted(compared)) or "nothing"
        return Verdict(gate, False, (f"compared with {named}, in use is {in_use}: evaluate it again",))
    mine, theirs = _Figures(rows, CANDIDATE), _Figures(rows, IN_USE)
    lines: list[Line] = []
    for data, position, metric, margin, more_is_better in (
        *((RECORDINGS, p, m, MARGIN, True) for p in FLOORS for m in (SENSITIVITY, SPECIFICITY)),
        (SIMULATED_WEAR, "all", SENSITIVITY, MARGIN, True),
        (SIMULATED_WEAR, "all", FALSE_ALARMS, ALARM_MARGIN, False),
    ):
        other = theirs.find(data, position, metric)
        what = f"{data} {position} {metric}"
        if other is None:
            lines.append((False, f"{what} of the version in use was not measured"))
            continue
        limit = other["value"] + (-margin if more_is_better else margin)
        lines.append(_line(mine.find(data, position, metric), what, limit, at_least=more_is_better))
    return _judge(gate, lines)


def verdicts(rows: Sequence[Row], in_use: str) -> list[Verdict]:
    """What every gate says about the candidate of an evaluation.

    Args:
        rows: Rows of `FallDetectorEvaluation` of one day.
        in_use: The version in use now.
    """
    return [sensitive_and_specific(rows), bearable_alarms(rows), calibrated(rows), not_worse(rows, in_use)]
