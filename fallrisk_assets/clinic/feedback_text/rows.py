"""Training sets, versions and figures of the text models as rows of their tables.

Here: the shape of rows. Not here: what they mean (`training.py`, `measures.py`).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

import pyarrow as pa

from fallrisk_assets.clinic.feedback_text.contract import (
    TEST,
    TRAIN,
    FeedbackTextEvaluation,
    FeedbackTextLeftOut,
    FeedbackTextModels,
    FeedbackTextTrainingSet,
)
from fallrisk_assets.clinic.feedback_text.labelled import held_out
from fallrisk_assets.clinic.feedback_text.labelled_file import WHAT_TO_DO
from fallrisk_assets.clinic.feedback_text.measures import Measure
from fallrisk_assets.clinic.feedback_text.sets import LabelledSet
from fallrisk_assets.clinic.feedback_text.vocabulary import ON_SUPPLIED, SIMULATED, SUPPLIED
from fallrisk_assets.contract import ContractType, arrow_schema
from fallrisk_assets.models.sealing import text_hash, version_of


def training_rows(day: date, of: LabelledSet) -> pa.Table:
    """Return rows of `FeedbackTextTrainingSet`: labels, never words."""
    return _table(
        FeedbackTextTrainingSet,
        [
            {
                "trained_on": day,
                "item": comment.item,
                "source": of.source,
                "set_sha256": of.sha256,
                "part": TEST if judged else TRAIN,
                "sentiment": comment.sentiment,
                "topics": None if comment.topics is None else ",".join(sorted(comment.topics)),
                "written_on": comment.written_on,
                "date_flag": comment.date_flag,
            }
            for comment, judged in zip(of.comments, held_out(of.comments), strict=True)
        ],
    )


def left_out_rows(day: date, of: LabelledSet) -> pa.Table:
    """Return rows of `FeedbackTextLeftOut`."""
    return _table(
        FeedbackTextLeftOut,
        [
            {"trained_on": day, "line": line, "reason": reason, "detail": WHAT_TO_DO[reason]}
            for line, reason in of.left_out
        ],
    )


def model_rows(day: date, texts: Iterable[str]) -> pa.Table:
    """Return the rows of `FeedbackTextModels` of artefacts."""
    rows = []
    for text in texts:
        content = json.loads(text)
        names = ["training_set_sha256", "code_sha256", "basis", "ngrams", "ngrams_left_out"]
        told = {name: content["training"][name] for name in names}
        told["learnt_comments"] = content["training"]["comments"]
        facts = {"model_version": version_of(text), "artefact_sha256": text_hash(text)}
        rows.append({"trained_on": day, "model": content["name"], **facts, **told})
    return _table(FeedbackTextModels, rows)


def learnt_from(basis: str) -> str:
    """Return whose comments a version learnt from, by its basis."""
    return SUPPLIED if basis == ON_SUPPLIED else SIMULATED


def evaluation_rows(
    day: date, source: str, judged: Iterable[tuple[str, str, str, str, Sequence[Measure]]]
) -> pa.Table:
    """Return rows of `FeedbackTextEvaluation`.

    Args:
        day: Day of training of the candidates.
        source: Whose comments were judged on.
        judged: Model, version, role, basis and figures of each version.
    """
    return _table(
        FeedbackTextEvaluation,
        [
            {
                "evaluated_on": day,
                "model": model,
                "model_version": version,
                "role": role,
                "source": source,
                "learnt_from": learnt_from(basis),
                **asdict(measure),
            }
            for model, version, role, basis, found in judged
            for measure in found
        ],
    )


def _table(model: ContractType, rows: list[dict[str, Any]]) -> pa.Table:
    table = pa.Table.from_pylist(rows, schema=arrow_schema(model))
    return table.sort_by([(name, "ascending") for name in model.spec.sort])
