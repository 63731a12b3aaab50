"""Putting a version of a model in use: only past its gates.

Belongs here: looking up what was measured, asking the gates anew, and refusing. Does not belong here: the
gates (`gates`), the record (`registry`).
"""

from collections.abc import Callable, Sequence
from datetime import datetime

import pyarrow.compute as pc

from fallrisk_assets.clinic.feedback_text import gates as feedback_text
from fallrisk_assets.clinic.feedback_text.contract import FeedbackTextEvaluation
from fallrisk_assets.clinic.feedback_text.model import NAMES as TEXT_MODELS
from fallrisk_assets.clinic.no_show import gates as no_show
from fallrisk_assets.clinic.no_show.contract import NoShowEvaluation
from fallrisk_assets.contract import ContractType
from fallrisk_assets.lake import Lake
from fallrisk_assets.models.contract import CANDIDATE, FallDetectorEvaluation
from fallrisk_assets.models.gates import Row, Verdict, verdicts
from fallrisk_assets.models.kinds import FALL_DETECTOR, NO_SHOW
from fallrisk_assets.models.registry import NOT_EVALUATED, Decision, PromotionRefused, registry_of

Ask = Callable[[Sequence[Row], str], list[Verdict]]
JUDGED: dict[str, tuple[ContractType, str, Ask]] = {
    FALL_DETECTOR: (FallDetectorEvaluation, "fall_detector_evaluation", verdicts),
    NO_SHOW: (NoShowEvaluation, "no_show_evaluation", no_show.verdicts),
    **{
        name: (FeedbackTextEvaluation, "feedback_text_evaluation", feedback_text.verdicts_of(name))
        for name in TEXT_MODELS
    },
}
"""Models with gates: the table of their evaluations, its asset, and the gates."""


def model_of(version: str) -> str:
    """Return the model of a version by its name; the fall detector for a name that is no version's."""
    name = version.partition("-")[0]
    return name if name in JUDGED else FALL_DETECTOR


def evaluation_of(lake: Lake, version: str) -> list[Row]:
    """Return the newest evaluation of a version as the candidate; empty where there is none."""
    table, _, _ = JUDGED[model_of(version)]
    for key in reversed(lake.ledger.keys(table)):
        rows = lake.read(table, [key])
        mine = pc.and_(pc.equal(rows["role"], CANDIDATE), pc.equal(rows["model_version"], version))
        if pc.any(mine).as_py():
            return rows.to_pylist()
    return []


def gates_of(lake: Lake, version: str) -> list[Verdict]:
    """Ask every gate about a version, against what is in use now; empty without an evaluation."""
    rows, name = evaluation_of(lake, version), model_of(version)
    _, _, ask = JUDGED[name]
    return ask(rows, registry_of(lake, name).in_use()) if rows else []


def promote(
    lake: Lake, version: str, *, by: str, at: datetime, why: str, unevaluated: bool = False
) -> Decision:
    """Put a version in use if every gate lets it pass.

    Args:
        lake: Where the registry and the evaluations are.
        version: The version.
        by: Who decides (staff id).
        at: When, aware.
        why: The reason.
        unevaluated: Promote a version of which there is no evaluation, and say so on record. A version that
            was evaluated and refused is never promoted.

    Raises:
        PromotionRefused: a gate is closed, or nothing was measured.
        LookupError, ArtefactDamaged: there is no such version, or its artefact is not whole.
    """
    found = gates_of(lake, version)
    closed = [verdict.sentence() for verdict in found if not verdict.passed]
    if closed:
        raise PromotionRefused(f"{version} is not promoted. {' '.join(closed)}")
    name = model_of(version)
    registry = registry_of(lake, name)
    registry.artefact(version)
    if not found and not unevaluated:
        raise PromotionRefused(
            f"{version} is not promoted: {NOT_EVALUATED}. Materialise {JUDGED[name][1]} of its day, "
            "or promote it unevaluated and say so"
        )
    said = [verdict.sentence() for verdict in found] or [NOT_EVALUATED]
    return registry.promote(version, by=by, at=at, why=why, gates=said)
