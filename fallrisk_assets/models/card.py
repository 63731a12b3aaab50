"""The model card: what a model is for, what it was made from, how good it is, where it must not be trusted.

Belongs here: Markdown from artefacts and evaluation rows (after Mitchell et al., FAT* 2019, Model cards for
model reporting). Does not belong here: the figures themselves, and prose that no artefact holds.
"""

import json
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Any

from fallrisk_assets.clinic.feedback_text.card import released_text_cards
from fallrisk_assets.clinic.no_show.card import released_no_show_card
from fallrisk_assets.models.contract import (
    CANDIDATE,
    HELD_OUT_SUBJECTS,
    RECORDINGS,
    SIMULATED_WEAR,
    SPECIFICITY,
)
from fallrisk_assets.models.gates import Row, bearable_alarms, calibrated, sensitive_and_specific
from fallrisk_assets.models.kinds import FALL_DETECTOR, KINDS, version_of
from fallrisk_assets.recordings.datasets import DATASETS
from fallrisk_assets.risk import index_model

_DATA_TITLES = {
    HELD_OUT_SUBJECTS: "recordings, people held out",
    SIMULATED_WEAR: "simulated wear, never trained on",
    RECORDINGS: "recordings, seen in training",
}
_MOST_MOVEMENTS = 8


def detector_card(artefact: str, evaluation: Sequence[Row]) -> str:
    """Return the card of a version of the fall detector.

    Args:
        artefact: The artefact's text.
        evaluation: Rows of `FallDetectorEvaluation` with the version as candidate; empty if nobody judged it.

    Raises:
        ArtefactDamaged: the artefact is not whole.
        ValueError: the evaluation is another version's.
    """
    version, content = version_of(artefact), json.loads(artefact)
    mine = [row for row in evaluation if row["role"] == CANDIDATE]
    if others := {row["model_version"] for row in mine} - {version}:
        raise ValueError(f"{version}: the evaluation is of {', '.join(sorted(others))}")
    training, card = content["training"], content["card"]
    return "\n".join(
        [
            f"# {KINDS[FALL_DETECTOR].title}: `{version}`",
            "",
            f"**Intended use.** {card['intended_use']} It decides at most 4 s after an impact that somebody "
            "fell, from acceleration (and rotation, where there is a gyroscope) of one device worn at waist, "
            "low back, chest, wrist, pocket or ankle.",
            "",
            "**Not for.** Deciding that nobody fell; replacing a call button; anybody's diagnosis; animals, "
            "vehicles or sport.",
            "",
            f"**Limits.** {card['limits']}",
            "",
            "## Made from",
            "",
            *_sources(training),
            "",
            *_facts(
                {
                    **{name: value for name, value in training.items() if name != "sources"},
                    "parameters_sha256": content["parameters_sha256"],
                    "thresholds": content["parameters"].get("thresholds"),
                }
            ),
            "",
            "## How good it is",
            "",
            *(_figures(mine) if mine else ["Nobody has judged this version: no evaluation is on record."]),
            "",
        ]
    )


def index_card() -> str:
    """Return the card of the 12-month fall-risk index: its numbers are constants of the package."""
    m = index_model
    lines = [
        f"# {KINDS['fall_index'].title}: `{m.VERSION}`",
        "",
        "**Intended use.** Decision support for staff: the probability that a person of 65 or over who lives "
        "at home falls within 12 months, as a sum that can be read term by term. Not a diagnosis.",
        "",
        "**Not for.** People under 65 or in care homes; judging a single day; a person without wear or "
        "history (NOT_SCORED, with the reason, never a low score).",
        "",
        "**Limits.** Assembled from published odds ratios (Deandrea et al., Epidemiology 2010, 21:658-668), "
        "not fitted and not validated on outcomes here; terms are shrunk for their correlation "
        f"({m.CLINICAL_SHRINKAGE:g} clinical, {m.GAIT_SHRINKAGE:.2g} gait). Expect an area under the curve "
        f"of about 0.66; above {m.MOST_PLAUSIBLE_AUC:g} look for a leak.",
        "",
        f"Base rate {m.BASE_RATE:g}; bands: medium from {m.MEDIUM_FROM:g}, high from {m.HIGH_FROM:g}; "
        f"interval z {m.INTERVAL_Z:g}.",
        "",
        "| history | odds ratio | prevalence | source of the prevalence |",
        "|---|---:|---:|---|",
        *(
            f"| {t.name.replace('_', ' ')} | {t.odds_ratio:g} | {t.prevalence:g} | {t.source} |"
            for t in m.YES_NO_TERMS
        ),
        f"| each medicine | {m.MEDICINE_ODDS_RATIO:g} | mean {m.MEDICINE_MEAN:g} "
        "| Charlesworth et al., J Gerontol A 2015, 70:989 |",
        "",
        "| gait | log odds for one SD | reference | source |",
        "|---|---:|---:|---|",
        *(
            f"| {t.name.replace('_', ' ')} | {t.log_odds_per_sd:+g} | {t.mean:.3g} ± {t.sd:g}"
            f"{' (log)' if t.logarithmic else ''} | {t.source} |"
            for t in m.GAIT_TERMS
        ),
        "",
    ]
    return "\n".join(lines)


def released_card() -> str:
    """Return the cards of what ships with the package, as `docs/model_card.md` has them."""
    kind = KINDS[FALL_DETECTOR]
    version = kind.released()
    return "\n".join(
        [
            "<!-- Written by `make card` from the artefacts; a test keeps it current. -->",
            detector_card(kind.shipped()[version], released_evaluation(version)),
            index_card(),
            released_no_show_card(),
            *released_text_cards(),
        ]
    )


def released_evaluation(version: str) -> list[Row]:
    """Return the evaluation that ships with the package for a version; empty where there is none."""
    path = resources.files("fallrisk_assets.models") / "evaluations" / f"{version}.json"
    return json.loads(path.read_text()) if path.is_file() else []


def _sources(training: dict[str, Any]) -> list[str]:
    """The recordings with their licences: as the artefact lists them, else those whose hash it names."""
    listed = training.get("sources") or [
        {"name": s.title, "licence": s.licence, "citation": s.citation}
        for name, s in DATASETS.items()
        if f"{name}_sha256" in training
    ]
    rows = [f"| {s['name']} | {s['licence']} | {s['citation']} |" for s in listed]
    own = "| Synthetic motions | Apache-2.0 | part of this package; not the cohort simulator |"
    return ["| data | licence | source |", "|---|---|---|", *rows, own]


def _facts(facts: dict[str, Any]) -> list[str]:
    told = {name: value for name, value in facts.items() if value is not None}
    return [f"- {name.replace('_', ' ')}: {_plain(value)}" for name, value in sorted(told.items())]


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(inner)}" for name, inner in sorted(value.items()))
    return f"`{value}`" if isinstance(value, str) else str(value)


def _figures(rows: Sequence[Row]) -> list[str]:
    """All figures of everybody, then groups, then what the gates say."""
    whole = [r for r in rows if r["subgroup"] == "all"]
    groups = [
        r
        for r in rows
        if r["subgroup"].startswith("age ") or (r["data"] == SIMULATED_WEAR and r["subgroup"] != "all")
    ]
    worst = sorted(
        (
            r
            for r in rows
            if r["subgroup"].startswith("movement ") and r["metric"] == SPECIFICITY and r["value"] < 1
        ),
        key=lambda r: (r["value"], r["position"], r["subgroup"]),
    )[:_MOST_MOVEMENTS]
    gates = [ask(rows) for ask in (sensitive_and_specific, bearable_alarms, calibrated)]
    return [
        *_table(whole),
        "",
        "By group:",
        "",
        *_table(groups),
        "",
        "Movements that raised most false alarms (people held out; movements without any are left out):",
        "",
        *_table(worst),
        "",
        "Gates:",
        "",
        *(f"- {v.gate.replace('_', ' ')}: {'passed' if v.passed else 'REFUSED'}" for v in gates),
    ]


def _table(rows: Iterable[Row]) -> list[str]:
    order = list(_DATA_TITLES)
    chosen = sorted(rows, key=lambda r: (order.index(r["data"]), r["position"], r["metric"], r["subgroup"]))
    return [
        "| measured on | position | group | figure | value | 95 % interval | n |",
        "|---|---|---|---|---:|---|---:|",
        *(
            f"| {_DATA_TITLES[r['data']]} | {r['position']} | {r['subgroup']} "
            f"| {r['metric'].replace('_', ' ')} | {r['value']:.3f} "
            f"| {r['lower']:.3f} to {r['upper']:.3f} | {r['n']:.4g} |"
            for r in chosen
        ),
    ]
