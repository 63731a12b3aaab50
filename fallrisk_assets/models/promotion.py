"""Putting a version of the fall detector in use: only past its gates.

Belongs here: looking up what was measured, asking the gates anew, and refusing. Does not belong here: the
gates (`gates`), the record (`registry`).
"""

from datetime import datetime

import pyarrow.compute as pc

from fallrisk_assets.lake import Lake
from fallrisk_assets.models.contract import CANDIDATE, FallDetectorEvaluation
from fallrisk_assets.models.gates import Row, Verdict, verdicts
from fallrisk_assets.models.kinds import FALL_DETECTOR
from fallrisk_assets.models.registry import NOT_EVALUATED, Decision, PromotionRefused, registry_of


def evaluation_of(lake: Lake, version: str) -> list[Row]:
    """Return the newest evaluation of a version as the candidate; empty where there is none."""
    for key in reversed(lake.ledger.keys(FallDetectorEvaluation)):
        rows = lake.read(FallDetectorEvaluation, [key])
        mine = pc.and_(pc.equal(rows["role"], CANDIDATE), pc.equal(rows["model_version"], version))
        if pc.any(mine).as_py():
            return rows.to_pylist()
    return []


def gates_of(lake: Lake, version: str) -> list[Verdict]:
    """Ask every gate about a version, against what is in use now; empty without an evaluation."""
    rows = evaluation_of(lake, version)
    return verdicts(rows, registry_of(lake, FALL_DETECTOR).in_use()) if rows else []


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
    registry = registry_of(lake, FALL_DETECTOR)
    registry.artefact(version)
    if not found and not unevaluated:
        raise PromotionRefused(
            f"{version} is not promoted: {NOT_EVALUATED}. Materialise fall_detector_evaluation of its day "
            "(make train SOURCE=…), or promote it unevaluated and say so"
        )
    said = [verdict.sentence() for verdict in found] or [NOT_EVALUATED]
    return registry.promote(version, by=by, at=at, why=why, gates=said)
