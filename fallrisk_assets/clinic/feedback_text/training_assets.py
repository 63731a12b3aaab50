"""Training the text models as assets: labels, versions, evaluation; each training day is a partition.

Here: the Dagster skin. Not here: what is learnt and how it is judged. What only a training needs is imported
where it is used: the daily runs load this module too.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg

from fallrisk_assets.clinic.feedback_text.contract import (
    FeedbackTextEvaluation,
    FeedbackTextLeftOut,
    FeedbackTextModels,
    FeedbackTextTrainingSet,
)
from fallrisk_assets.clinic.feedback_text.gates import CANDIDATE, IN_USE
from fallrisk_assets.clinic.feedback_text.measures import MACRO_F1
from fallrisk_assets.clinic.feedback_text.model import NAMES, TextModel
from fallrisk_assets.clinic.feedback_text.resource import FeedbackTextSource
from fallrisk_assets.contract import ContractType
from fallrisk_assets.jobs import FEEDBACK_TEXT_TRAINING
from fallrisk_assets.lake import Lake, Publication
from fallrisk_assets.lake.files import content_hash
from fallrisk_assets.models.registry import registry_of
from fallrisk_assets.partitions import daily
from fallrisk_assets.publishing import contract_asset, contract_assets, show, show_bars

if TYPE_CHECKING:
    from fallrisk_assets.clinic.feedback_text.sets import LabelledSet

GROUP = FEEDBACK_TEXT_TRAINING
_CODE = "fallrisk_assets.clinic.feedback_text.training"
_LIBRARIES = ("numpy", "scikit-learn")


class SetChanged(RuntimeError):
    """The labelled comments are no longer those that the training set was made from."""


def _set_of(context: dg.AssetExecutionContext) -> "LabelledSet":
    from fallrisk_assets.clinic.feedback_text.sets import read_set
    from fallrisk_assets.clinic.feedback_text.simulated import Simulation

    source: FeedbackTextSource = context.resources.feedback_text_source
    return read_set(source.place, Simulation(comments=source.simulated_comments))


def _refuse_another(lake: Lake, key: str, of: "LabelledSet") -> None:
    hashes = set(lake.read(FeedbackTextTrainingSet, [key], columns=["set_sha256"])["set_sha256"].to_pylist())
    if hashes != {of.sha256}:
        raise SetChanged(
            f"curated.feedback_text_training_set {key} was made from other comments than those at hand: "
            "materialise it again, then the models"
        )


@contract_assets(
    FeedbackTextTrainingSet,
    FeedbackTextLeftOut,
    name="feedback_text_labels",
    partitions_def=daily,
    group_name=GROUP,
    resource_keys=("feedback_text_source",),
)
def feedback_text_labels(
    context: dg.AssetExecutionContext, lake: Lake, publications: dict[ContractType, Publication]
) -> None:
    """Made when somebody asks, from a labelled CSV, or from simulated comments where none is named.

    Nothing that judges comments needs this: a version of each model ships with the package.
    """
    from fallrisk_assets.clinic.feedback_text import rows

    of = _set_of(context)
    labels, left_out = publications[FeedbackTextTrainingSet], publications[FeedbackTextLeftOut]
    flags: Mapping[str, int] = Counter(c.date_flag for c in of.comments if c.date_flag)
    for key in labels.keys:
        day = date.fromisoformat(key)
        for publication in publications.values():
            publication.note_input(key, of.source, of.sha256)
        labels.add(key, rows.training_rows(day, of))
        left_out.add(key, rows.left_out_rows(day, of))
        show(labels, key, source=of.source, **{f"flagged {flag}": n for flag, n in sorted(flags.items())})
        sentiments = Counter(c.sentiment or "not labelled" for c in of.comments)
        show_bars(labels, key, dict(sorted(sentiments.items())), name="comments by sentiment")
        topics = Counter(topic for c in of.comments for topic in c.topics or ())
        show_bars(labels, key, dict(sorted(topics.items())), name="comments by topic")
        reasons = Counter(reason for _, reason in of.left_out)
        show_bars(left_out, key, dict(sorted(reasons.items())), name="left out")


@contract_asset(
    FeedbackTextModels,
    partitions_def=daily,
    group_name=GROUP,
    kinds=("python", "scikitlearn"),
    deps=["feedback_text_training_set"],
    resource_keys=("feedback_text_source",),
)
def feedback_text_models(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """Fitted to the day's set and kept in the registry; a version judges once it is promoted.

    The same set and the same code give the same versions, byte for byte. A model whose labels the set
    does not have is not trained.
    """
    from fallrisk_assets.clinic.feedback_text import rows
    from fallrisk_assets.clinic.feedback_text.card import text_card
    from fallrisk_assets.clinic.feedback_text.labelled import held_out
    from fallrisk_assets.clinic.feedback_text.training import artefact, labelled_for
    from fallrisk_assets.models.artefacts import training_code_hash

    of = _set_of(context)
    learnt = [c for c, judged in zip(of.comments, held_out(of.comments), strict=True) if not judged]
    for key in publication.keys:
        _refuse_another(lake, key, of)
        made_from = content_hash(lake.read(FeedbackTextTrainingSet, [key]))
        code = training_code_hash(_CODE, _LIBRARIES)
        publication.note_input(key, FeedbackTextTrainingSet.spec.identifier, made_from)
        inputs = hashlib.sha256(f"{made_from}{code}".encode()).hexdigest()
        told = {
            "basis": of.basis,
            "trained_on": key,
            "training_set_sha256": made_from,
            "code_sha256": code,
        }
        texts = [
            artefact(name, learnt, f"{key}.{inputs[:6]}", told)
            for name in NAMES
            if labelled_for(name, learnt)
        ]
        for text in texts:
            version = registry_of(lake, json.loads(text)["name"]).keep(text)
            show(publication, key, **{f"model card of {version}": dg.MetadataValue.md(text_card(text, []))})
            context.log.info("%s: %s, kept in the registry and not in use", key, version)
        publication.add(key, rows.model_rows(date.fromisoformat(key), texts))


@contract_asset(
    FeedbackTextEvaluation,
    partitions_def=daily,
    group_name=GROUP,
    kinds=("python", "iceberg"),
    deps=["feedback_text_models", "feedback_text_training_set"],
    resource_keys=("feedback_text_source",),
)
def feedback_text_evaluation(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """The day's versions and those in use, judged on the same comments.

    Its checks are the gates: a version that does not pass them cannot be promoted.
    """
    from fallrisk_assets.clinic.feedback_text import rows
    from fallrisk_assets.clinic.feedback_text.measures import measures

    of = _set_of(context)
    for key in publication.keys:
        _refuse_another(lake, key, of)
        for table in (FeedbackTextModels, FeedbackTextTrainingSet):
            publication.note_input(key, table.spec.identifier, lake.ledger.get(table, key).content_hash)
        judged = []
        for row in lake.read(FeedbackTextModels, [key], columns=["model", "model_version"]).to_pylist():
            registry, candidate = registry_of(lake, row["model"]), row["model_version"]
            for version in dict.fromkeys((candidate, registry.in_use())):
                text = registry.artefact(version)
                model = TextModel.from_json(text)
                found = measures(of.comments, model, json.loads(text)["training"])
                role = CANDIDATE if version == candidate else IN_USE
                judged.append((row["model"], version, role, model.basis, found))
        publication.add(key, rows.evaluation_rows(date.fromisoformat(key), of.source, judged))
        shown = {
            f"{version} ({role})": m.value
            for _, version, role, _, found in judged
            for m in found
            if m.metric == MACRO_F1
        }
        show(publication, key, source=of.source)
        show_bars(publication, key, shown, name="macro F1", most=1.0)
