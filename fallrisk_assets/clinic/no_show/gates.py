"""What a version of the no-show model must show before it may judge appointments.

Here: the gates as pure functions of evaluation rows. Not here: measuring (`measures.py`), what follows from a
verdict (`checks.py`, `models.promotion`).

A figure that was not measured does not pass: a gate that cannot see is closed.
"""

from collections.abc import Callable, Sequence

from fallrisk_assets.clinic.no_show.contract import CANDIDATE, IN_USE
from fallrisk_assets.clinic.no_show.facts import FACTS
from fallrisk_assets.clinic.no_show.measures import (
    ALL,
    AUC,
    BRIER,
    BRIER_OF_RATE,
    FACT_AUC,
    OBSERVED_OVER_EXPECTED,
    SLOPE,
)
from fallrisk_assets.models.gates import Row, Verdict

LEAK_AUC = 0.80
"""On the best-known public set honest models reach 0.72 to 0.73: from here on, look for a leak."""
LEAST_AUC = 0.60
SLOPE_RANGE = (0.7, 1.3)
OBSERVED_OVER_EXPECTED_RANGE = (0.8, 1.25)
LEAST_MISSED = 100
"""Missed visits that a verdict rests on, at the least."""
MARGIN = 0.01
BRIER_MARGIN = 0.002

NO_LEAK = "no_fact_is_learnt_after_the_booking"
BETTER = "better_than_lead_time_alone"
CALIBRATED = "probabilities_mean_what_they_say"
NOT_WORSE = "no_worse_than_the_version_in_use"

Line = tuple[bool, str]


def _find(rows: Sequence[Row], role: str) -> dict[tuple[str, str], Row]:
    return {(row["subgroup"], row["metric"]): row for row in rows if row["role"] == role}


def _line(row: Row | None, what: str, holds: Callable[[float], bool], limit: str) -> Line:
    if row is None:
        return False, f"{what} was not measured"
    said = f"{what} {row['value']:.3f} [{row['lower']:.3f}, {row['upper']:.3f}]"
    if row["missed"] < LEAST_MISSED:
        return False, f"{said} rests on {row['missed']} missed visits, needs {LEAST_MISSED}"
    return holds(row["value"]), f"{said}, {limit}"


def _verdict(gate: str, lines: Sequence[Line]) -> Verdict:
    return Verdict(gate, all(good for good, _ in lines), tuple(text for _, text in lines))


def nothing_leaks(rows: Sequence[Row]) -> Verdict:
    """Neither the model nor any fact by itself is too good to be true."""
    mine = _find(rows, CANDIDATE)
    limit = f"below {LEAK_AUC} (from there on it is a leak until shown otherwise)"
    keys = [(ALL, AUC), *((fact, FACT_AUC) for fact in FACTS)]
    lines = [
        _line(mine.get(key), f"area under the curve, {key[0]},", lambda v: v < LEAK_AUC, limit)
        for key in keys
    ]
    return _verdict(NO_LEAK, lines)


def better_than_lead_time(rows: Sequence[Row]) -> Verdict:
    """The model tells more than the lead time does, and than the mean rate."""
    mine = _find(rows, CANDIDATE)
    lead, rate = mine.get(("lead_time_days", FACT_AUC)), mine.get((ALL, BRIER_OF_RATE))
    if lead is None or rate is None:
        return Verdict(BETTER, False, ("lead time by itself, or the mean rate, was not measured",))
    floor = max(LEAST_AUC, lead["value"])
    auc = _line(mine.get((ALL, AUC)), AUC, lambda v: v >= floor, f"at least {floor:.3f}")
    most = rate["value"]
    brier = _line(mine.get((ALL, BRIER)), BRIER, lambda v: v < most, f"below the mean rate's {most:.4f}")
    return _verdict(BETTER, [auc, brier])


def calibrated(rows: Sequence[Row]) -> Verdict:
    """As many stay away as was said, neither too boldly nor too timidly."""
    mine = _find(rows, CANDIDATE)
    lines = [
        _line(
            mine.get((ALL, metric)),
            metric,
            lambda v, low=low, high=high: low <= v <= high,  # type: ignore[misc]
            f"{low} to {high}",
        )
        for metric, (low, high) in (
            (SLOPE, SLOPE_RANGE),
            (OBSERVED_OVER_EXPECTED, OBSERVED_OVER_EXPECTED_RANGE),
        )
    ]
    return _verdict(CALIBRATED, lines)


def not_worse(rows: Sequence[Row], in_use: str) -> Verdict:
    """No worse than the version in use on the same visits, beyond a margin.

    Args:
        rows: The evaluation of a candidate, with the version in use beside it.
        in_use: The version in use now; an evaluation beside another one is out of date.
    """
    if in_use in {row["model_version"] for row in rows if row["role"] == CANDIDATE}:
        return Verdict(NOT_WORSE, True, (f"{in_use} is itself in use",))
    compared = {row["model_version"] for row in rows if row["role"] == IN_USE}
    if compared != {in_use}:
        named = ", ".join(sorted(compared)) or "nothing"
        return Verdict(NOT_WORSE, False, (f"compared with {named}, in use is {in_use}: evaluate it again",))
    mine, theirs = _find(rows, CANDIDATE), _find(rows, IN_USE)
    auc, brier = theirs.get((ALL, AUC)), theirs.get((ALL, BRIER))
    if auc is None or brier is None:
        return Verdict(NOT_WORSE, False, (f"{in_use} was not measured",))
    least, most = auc["value"] - MARGIN, brier["value"] + BRIER_MARGIN
    return _verdict(
        NOT_WORSE,
        [
            _line(mine.get((ALL, AUC)), AUC, lambda v: v >= least, f"at least {least:.3f}"),
            _line(mine.get((ALL, BRIER)), BRIER, lambda v: v <= most, f"at most {most:.4f}"),
        ],
    )


def verdicts(rows: Sequence[Row], in_use: str) -> list[Verdict]:
    """What every gate says about the candidate of an evaluation.

    Args:
        rows: Rows of `NoShowEvaluation` of one day.
        in_use: The version in use now.
    """
    return [nothing_leaks(rows), better_than_lead_time(rows), calibrated(rows), not_worse(rows, in_use)]
