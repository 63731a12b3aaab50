"""The no-show model's card: what it is for, what it was made from, how good it is, where not to trust it.

Here: Markdown from an artefact and evaluation rows (after Mitchell et al., FAT* 2019, Model cards for model
reporting). Not here: the figures themselves.
"""

import json
from collections.abc import Sequence

from fallrisk_assets.clinic.no_show.contract import CANDIDATE
from fallrisk_assets.clinic.no_show.gates import LEAK_AUC, better_than_lead_time, calibrated, nothing_leaks
from fallrisk_assets.clinic.no_show.measures import FACT_AUC, SAID, SEEN
from fallrisk_assets.clinic.no_show.model import NoShowModel, released, shipped
from fallrisk_assets.clinic.no_show.releasing import released_evaluation
from fallrisk_assets.models.gates import Row


def no_show_card(artefact: str, evaluation: Sequence[Row]) -> str:
    """Return the card of a version.

    Args:
        artefact: The artefact's text.
        evaluation: Rows of `NoShowEvaluation` with the version as candidate; empty if nobody judged it.

    Raises:
        ArtefactDamaged: the artefact is not whole.
        ValueError: the evaluation is another version's.
    """
    model, content = NoShowModel.from_json(artefact), json.loads(artefact)
    mine = [row for row in evaluation if row["role"] == CANDIDATE]
    if others := {row["model_version"] for row in mine} - {model.version}:
        raise ValueError(f"{model.version}: the evaluation is of {', '.join(sorted(others))}")
    coefficients = content["parameters"]["coefficients"]
    return "\n".join(
        [
            f"# No-show model: `{model.version}`",
            "",
            f"**This version was {model.basis}.**",
            "",
            "**Intended use.** Staff of a clinic: whom to remind, and how many no-shows to expect on a "
            "day. The probability that a patient does not come to an appointment ahead, from what its "
            "booking told.",
            "",
            "**Not for.** Refusing, delaying or double-booking anybody; judging a person; deciding on "
            "care. An appointment that cannot be judged is NOT_SCORED with the reason.",
            "",
            "**Facts.** Lead time in days, age, whether the visit is on a weekend, visits kept and missed "
            "in the year before the day of the booking. Nothing that is learnt later (reminders, logins, "
            "moves). Gender, neighbourhood, welfare and diagnoses are left out on purpose.",
            "",
            f"**Limits.** No lead time beyond {model.longest_lead_days} days. An area under the curve of "
            f"{LEAK_AUC:g} or more is taken for a leak. Honest models reach 0.72 to 0.73 on the public "
            "medical no-show set; who stays away is mostly not in these facts. Visits whose patient was "
            "not known as absent on the day after count as if they were.",
            "",
            "## Made from",
            "",
            *(f"- {name.replace('_', ' ')}: {_plain(value)}" for name, value in content["training"].items()),
            f"- parameters sha256: `{content['parameters_sha256']}`",
            "",
            "| term | log odds |",
            "|---|---:|",
            f"| intercept | {content['parameters']['intercept']:+.3f} |",
            *(f"| {name.replace('_', ' ')} | {value:+.3f} |" for name, value in coefficients.items()),
            "",
            "## How good it is, on visits later than all it learnt from",
            "",
            *(_figures(mine) if mine else ["Nobody has judged this version: no evaluation is on record."]),
            "",
        ]
    )


def released_no_show_card() -> str:
    """Return the card of the version that ships with the package."""
    version = released().version
    rows = [{"role": CANDIDATE, **row} for row in released_evaluation(version)]
    return no_show_card(shipped()[version], rows)


def _figures(rows: Sequence[Row]) -> list[str]:
    said = {row["subgroup"]: row for row in rows if row["metric"] == SAID}
    seen = {row["subgroup"]: row for row in rows if row["metric"] == SEEN}
    plain = [row for row in rows if row["metric"] not in (SAID, SEEN, FACT_AUC)]
    alone = [row for row in rows if row["metric"] == FACT_AUC]
    gates = [ask(rows) for ask in (nothing_leaks, better_than_lead_time, calibrated)]
    return [
        "| figure | of | value | 95 % interval | visits | missed |",
        "|---|---|---:|---|---:|---:|",
        *(_row(row) for row in (*plain, *alone)),
        "",
        "Said and seen, by tenths of the probability:",
        "",
        "| tenth | said | seen | 95 % interval | visits |",
        "|---|---:|---:|---|---:|",
        *(
            f"| {name.removeprefix('tenth ')} | {row['value']:.3f} | {seen[name]['value']:.3f} "
            f"| {seen[name]['lower']:.3f} to {seen[name]['upper']:.3f} | {row['n']} |"
            for name, row in sorted(said.items())
        ),
        "",
        "Gates:",
        "",
        *(f"- {v.gate.replace('_', ' ')}: {'passed' if v.passed else 'REFUSED'}" for v in gates),
    ]


def _row(row: Row) -> str:
    return (
        f"| {row['metric'].replace('_', ' ')} | {row['subgroup'].replace('_', ' ')} | {row['value']:.3f} "
        f"| {row['lower']:.3f} to {row['upper']:.3f} | {row['n']} | {row['missed']} |"
    )


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {inner}" for name, inner in value.items())
    return str(value)
