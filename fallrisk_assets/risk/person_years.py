"""Evaluate the index on a clinic's own outcomes: does it foretell who fell?

`python -m fallrisk_assets.risk.person_years --table FILE --columns MAP` prints discrimination, calibration,
net benefit and subgroups, with 95 % intervals, and writes them as one HTML file that needs no network.

Here: what is computed from person-years, and the command. Not here: reading them (`person_year_table.py`),
the measures (`prediction_statistics.py`), the HTML (`dashboards/index_report.py`).

Nothing is fitted: the probabilities are those of the shipped index (or the table's own).
"""

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fallrisk_assets.risk import index_model as model
from fallrisk_assets.risk.index import fall_risk_index
from fallrisk_assets.risk.metrics import wilson_interval
from fallrisk_assets.risk.person_year_table import (
    GAIT_FIELDS,
    HISTORY_FIELDS,
    ColumnMap,
    MapRefused,
    PersonYear,
    Refusal,
    fields_of,
    read_map,
    read_person_years,
)
from fallrisk_assets.risk.prediction_statistics import (
    Calibration,
    Estimate,
    Group,
    NetBenefit,
    brier,
    calibration,
    calibration_curve,
    decision_curve,
    discrimination,
)

THRESHOLDS = tuple(round(0.10 + 0.05 * k, 2) for k in range(11))
_AGES = ((65, 75, "65 to 74"), (75, 85, "75 to 84"), (85, 200, "85 and over"))
_MEASURES = tuple(name for name in GAIT_FIELDS if name != "wear_minutes")
#: Share of rows without a full year of follow-up from which on the rate of falls is called too high.
_MUCH_CENSORED = 0.05


@dataclass(frozen=True, slots=True)
class Subgroup:
    """People of one kind: what was foretold, what happened, and how well they were told apart."""

    kind: str
    name: str
    predicted: float
    observed: Estimate
    auc: Estimate | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that is reported of one table.

    Attributes:
        source: Name of the table's file.
        predictor: What is evaluated, in words.
        used: Person-years used.
        refused: Rows that were not, in the order of the file.
        warnings: What a reader must know before the numbers; likely leaks first.
        people: Different people among the person-years.
        auc: Discrimination, None where the data do not allow it (as all below).
        accuracy: Brier score.
        calibration: Calibration in the large, slope, observed over expected.
        groups: Calibration curve.
        benefit: Decision curve.
        subgroups: By age, sex and site.
        unknown: Field → share of the person-years of which it is not known.
    """

    source: str
    predictor: str
    used: int
    refused: tuple[Refusal, ...]
    warnings: tuple[str, ...]
    people: int
    auc: Estimate | None
    accuracy: Estimate | None
    calibration: Calibration | None
    groups: tuple[Group, ...]
    benefit: tuple[NetBenefit, ...]
    subgroups: tuple[Subgroup, ...]
    unknown: dict[str, float]


def evaluate(
    years: Sequence[PersonYear], refused: Sequence[Refusal], columns: ColumnMap, source: str
) -> Evaluation:
    """Evaluate the index, or the table's own probability where the map names one.

    Args:
        years: Rows that can be used.
        refused: Rows that cannot.
        columns: The map.
        source: Name of the table.
    """
    own = "probability_12m" in columns.columns
    kept: list[PersonYear] = []
    values: list[float] = []
    more: list[Refusal] = []
    for year in years:
        foretold, reason = _probability(year, own)
        if foretold is None:
            more.append(Refusal(year.line, reason, "without a probability nothing can be compared"))
        else:
            kept.append(year)
            values.append(foretold)
    p, fell = np.array(values, dtype=float), np.array([year.fell for year in kept], dtype=bool)
    everything = tuple(sorted([*refused, *more], key=lambda r: r.line))
    auc = discrimination(p, fell)
    people = len({year.person_id for year in kept})
    mapped = fields_of(columns, (*HISTORY_FIELDS, *_MEASURES))
    return Evaluation(
        source=source,
        predictor=_predictor(columns, own),
        used=len(kept),
        refused=everything,
        warnings=tuple(_warnings(kept, fell, everything, columns, auc, people)),
        people=people,
        auc=auc,
        accuracy=brier(p, fell),
        calibration=calibration(p, fell),
        groups=tuple(calibration_curve(p, fell)),
        benefit=tuple(decision_curve(p, fell, THRESHOLDS)) if kept else (),
        subgroups=tuple(_subgroups(kept, p, fell)),
        unknown={name: _unknown(kept, name) for name in mapped},
    )


def _probability(year: PersonYear, own: bool) -> tuple[float | None, str]:
    if own:
        return year.probability_12m, "PROBABILITY_MISSING"
    index = fall_risk_index(year.history, year.gait, year.age_years)
    return index.probability_12m, index.reason or ""


def _predictor(columns: ColumnMap, own: bool) -> str:
    if own:
        return f"the table's own probability, column {columns.columns['probability_12m']}"
    history, gait = fields_of(columns, HISTORY_FIELDS), fields_of(columns, _MEASURES)
    parts = [f"{len(history)} of {len(HISTORY_FIELDS)} answers of history"] if history else []
    parts += [f"{len(gait)} of {len(_MEASURES)} measures of gait"] if gait else []
    return f"{model.VERSION} from {' and '.join(parts) or 'nothing'}"


def _known(year: PersonYear, name: str) -> float | None:
    value = getattr(year.history, name, None) if name in HISTORY_FIELDS else getattr(year.gait, name)
    return None if value is None else float(value)


def _unknown(years: Sequence[PersonYear], name: str) -> float:
    return sum(_known(year, name) is None for year in years) / len(years) if years else 1.0


def _warnings(
    years: Sequence[PersonYear],
    fell: np.ndarray,
    refused: Sequence[Refusal],
    columns: ColumnMap,
    auc: Estimate | None,
    people: int,
) -> list[str]:
    gait_alone = not fields_of(columns, HISTORY_FIELDS) and "probability_12m" not in columns.columns
    ceiling = model.MOST_PLAUSIBLE_AUC_OF_GAIT if gait_alone else model.MOST_PLAUSIBLE_AUC
    of_what = "gait alone" if gait_alone else "history and clinical data"
    said = []
    if auc is not None and auc.value > ceiling:
        chance = "" if auc.lower > ceiling else " (its interval also holds plausible values: maybe chance)"
        said.append(
            f"LIKELY LEAK: an area under the curve of {auc.value:.3f} is above the {ceiling:g} that "
            f"{of_what} can reach{chance}. Does a column hold what was only known after the index date?"
        )
    for name in fields_of(columns, (*HISTORY_FIELDS, *_MEASURES)):
        pairs = [(v, f) for year, f in zip(years, fell, strict=True) if (v := _known(year, name)) is not None]
        alone = discrimination(np.array([v for v, _ in pairs]), np.array([f for _, f in pairs], dtype=bool))
        if alone is not None and max(alone.value, 1.0 - alone.value) > model.MOST_PLAUSIBLE_AUC:
            said.append(
                f"LIKELY LEAK: {name} (column {columns.columns[name]}) alone tells who fell with an area of "
                f"{max(alone.value, 1.0 - alone.value):.3f}; no single answer or measure can."
            )
        missing = np.array([_known(year, name) is None for year in years], dtype=float)
        told = discrimination(missing, fell)
        if told is not None and max(told.value, 1.0 - told.value) > model.MOST_PLAUSIBLE_AUC:
            said.append(
                f"LIKELY LEAK: whether {name} (column {columns.columns[name]}) is known tells who fell: "
                "it was filled in after the outcome."
            )
    censored = sum(r.reason == "FOLLOW_UP_TOO_SHORT" for r in refused)
    if years and censored / (censored + len(years)) > _MUCH_CENSORED:
        said.append(
            f"{censored} people without a fall were not followed for a year and are left out: the observed "
            "rate is too high, and calibration looks as if the index were too low."
        )
    if auc is None:
        said.append("Too few people with or without a fall: nothing is estimated.")
    if people < len(years):
        said.append(
            f"{len(years)} person-years are of {people} people: intervals take them for independent and are "
            "too narrow."
        )
    if not fields_of(columns, ("wear_minutes",)) and fields_of(columns, _MEASURES):
        said.append(f"Wear is not in the table: {model.WAKING_MINUTES:g} min are taken for every row.")
    return said


def _subgroups(years: Sequence[PersonYear], p: np.ndarray, fell: np.ndarray) -> list[Subgroup]:
    kinds: tuple[tuple[str, Callable[[PersonYear], str]], ...] = (
        ("age", _age_band),
        ("sex", lambda year: year.sex or "unknown"),
        ("site", lambda year: year.site or "unknown"),
    )
    found = []
    for kind, name_of in kinds:
        names = [name_of(year) for year in years]
        if set(names) == {"unknown"}:
            continue
        for name in sorted(set(names)):
            part = np.array([n == name for n in names])
            n, events = int(part.sum()), int(fell[part].sum())
            observed = Estimate(events / n, *wilson_interval(events, n), n, events)
            auc = discrimination(p[part], fell[part])
            found.append(Subgroup(kind, name, float(p[part].mean()), observed, auc))
    return found


def _age_band(year: PersonYear) -> str:
    if year.age_years is None:
        return "unknown"
    return next((name for low, high, name in _AGES if low <= year.age_years < high), "under 65")


def _shown(estimate: Estimate | None) -> str:
    if estimate is None:
        return "no estimate"
    return f"{estimate.value:.3f} ({estimate.lower:.3f} to {estimate.upper:.3f})"


def as_text(found: Evaluation) -> str:
    """Return the evaluation as plain text, as the command prints it."""
    lines = [f"Index on person-years: {found.source}", f"Evaluated: {found.predictor}", ""]
    lines += [f"! {warning}" for warning in found.warnings]
    reasons = Counter(refusal.reason for refusal in found.refused)
    lines.append(f"Rows: {found.used + len(found.refused)}; used {found.used}, refused {len(found.refused)}")
    for reason, n in sorted(reasons.items()):
        at = [str(r.line) for r in found.refused if r.reason == reason]
        lines.append(f"  {n} {reason}: line {', '.join(at[:8])}{' …' if n > 8 else ''}")
    fitted = found.calibration
    falls = sum(group.observed.events for group in found.groups)
    lines += [
        "",
        f"Falls: {falls} in {found.used} person-years",
        f"AUC                      {_shown(found.auc)}",
    ]
    lines.append(f"Calibration in the large {_shown(fitted.in_the_large if fitted else None)}  right: 0")
    lines.append(f"Calibration slope        {_shown(fitted.slope if fitted else None)}  right: 1")
    ratio = fitted.observed_over_expected if fitted else None
    lines.append(f"Observed over expected   {_shown(ratio)}  right: 1")
    lines += [f"Brier score              {_shown(found.accuracy)}", "", "Predicted  Observed"]
    lines += [f"{g.predicted:9.3f}  {_shown(g.observed)}  {g.observed.n} people" for g in found.groups]
    lines += ["", "Act from   Net benefit of the index   of everybody"]
    lines += [f"{b.threshold:8.2f}   {b.model:+24.3f}   {b.everybody:+12.3f}" for b in found.benefit]
    lines += ["", "Subgroup             people  falls  predicted  observed                 AUC"]
    for group in found.subgroups:
        name = f"{group.kind} {group.name}"[:20]
        lines.append(
            f"{name:20} {group.observed.n:6}  {group.observed.events:5}  {group.predicted:9.3f}  "
            f"{_shown(group.observed):23}  {_shown(group.auc)}"
        )
    lines += ["", "Not known:"]
    lines += [f"  {name:22} {100 * share:5.1f} %" for name, share in found.unknown.items()]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0, or 2 where the map or the table cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m fallrisk_assets.risk.person_years",
        description="Evaluate the 12-month index on a table of person-years with known outcomes.",
    )
    parser.add_argument(
        "--table", type=Path, required=True, help="CSV or Parquet, one row for each person-year"
    )
    parser.add_argument("--columns", type=Path, required=True, help="TOML file: which column is what")
    parser.add_argument("--html", type=Path, help="where the HTML goes (default: beside the table)")
    options = parser.parse_args(arguments)
    try:
        columns = read_map(options.columns)
        years, refused = read_person_years(options.table, columns)
    except (MapRefused, OSError, ValueError, csv.Error) as error:  # Arrow's and UTF-8's are ValueErrors
        print(f"person_years: {error}", file=sys.stderr)
        return 2
    found = evaluate(years, refused, columns, options.table.name)
    from fallrisk_assets.dashboards.index_report import render_evaluation

    html = options.html or options.table.with_name(options.table.stem + "-evaluation.html")
    html.write_text(render_evaluation(found), encoding="utf-8")
    print(as_text(found) + f"\nAs a page: {html}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
