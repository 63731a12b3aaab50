"""Training as assets: training set, detector, evaluation; each training day is a partition.

Here: the Dagster skin. Not here: what a training set is, how a detector is fitted and judged. What only a
training needs is imported where it is used: the hourly runs load this module too.
"""

import json
from collections import Counter
from datetime import date

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.contract import conform
from fallrisk_assets.jobs import DETECTOR_TRAINING
from fallrisk_assets.lake import Lake, Publication
from fallrisk_assets.lake.files import content_hash
from fallrisk_assets.models.contract import (
    CANDIDATE,
    IN_USE,
    FallDetector,
    FallDetectorEvaluation,
    FallTrainingSet,
)
from fallrisk_assets.models.kinds import FALL_DETECTOR, text_hash
from fallrisk_assets.models.pinning import Detectors
from fallrisk_assets.models.registry import registry_of
from fallrisk_assets.models.resource import Recordings
from fallrisk_assets.partitions import daily
from fallrisk_assets.publishing import contract_asset, show, show_bars

GROUP = DETECTOR_TRAINING


class RecordingsChanged(RuntimeError):
    """The recordings are no longer those that the training set was made from."""


@contract_asset(
    FallTrainingSet,
    partitions_def=daily,
    group_name=GROUP,
    kinds=("python", "iceberg", "numba"),
    resource_keys=("recordings",),
)
def fall_training_set(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """Made when somebody asks (`make train SOURCE=…`) from recordings in a folder, and synthetic motions.

    Nothing that scores people needs it: the released detector ships with the package.
    """
    from fallrisk_assets.models.sources import read_corpora
    from fallrisk_assets.models.training_set import training_set_table

    recordings: Recordings = context.resources.recordings
    corpora = read_corpora(recordings.sources, recordings.place)
    for key in publication.keys:
        for corpus in corpora:
            publication.note_input(key, f"recordings {corpus.name}", corpus.sha256)
        rows = training_set_table(date.fromisoformat(key), corpora)
        publication.add(key, rows)
        falls = pc.sum(rows["is_fall"]).as_py()
        show(publication, key, falls=falls, **{"other impacts": rows.num_rows - falls})
        for corpus in corpora:
            facts = f"{corpus.dataset.licence}; {corpus.dataset.citation}"
            show(publication, key, **{f"source {corpus.name}": facts})
            left_out = {f"left out of {corpus.name}: {r}": n for r, n in corpus.skipped.items()}
            show(publication, key, **left_out)
        impacts = Counter(
            f"{source} {position}"
            for source, position in zip(rows["source"].to_pylist(), rows["position"].to_pylist(), strict=True)
        )
        show_bars(publication, key, dict(sorted(impacts.items())), name="impacts by source")


@contract_asset(
    FallDetector,
    partitions_def=daily,
    group_name=GROUP,
    kinds=("python", "scipy"),
    deps=["fall_training_set"],
    resource_keys=("recordings",),
)
def fall_detector(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """Fitted to the day's training set and kept in the registry; nothing scores with it until it is promoted.

    The same training set and the same code give the same version, byte for byte.
    """
    from fallrisk_assets.models import artefacts
    from fallrisk_assets.models.card import detector_card
    from fallrisk_assets.models.sources import read_corpora
    from fallrisk_assets.models.training_set import refuse_forbidden, training_set_table

    recordings: Recordings = context.resources.recordings
    corpora = read_corpora(recordings.sources, recordings.place)
    registry = registry_of(lake, FALL_DETECTOR)
    for key in publication.keys:
        rows = lake.read(FallTrainingSet, [key])
        refuse_forbidden(rows)
        if training_set_table(date.fromisoformat(key), corpora) != rows:
            raise RecordingsChanged(
                f"curated.fall_training_set {key} was made from other recordings, or other code, than those "
                f"at hand ({recordings.place}): materialise it again, then the detector"
            )
        training_set = content_hash(rows)
        publication.note_input(key, FallTrainingSet.spec.identifier, training_set)
        content = artefacts.train(key, corpora, training_set)
        text = artefacts.as_text(content)
        version = registry.keep(text)
        publication.add(key, _detector_row(key, version, text, rows))
        show(publication, key, version=version, **{"in use": registry.in_use()})
        show(publication, key, parameters=dg.MetadataValue.json(content["parameters"]))
        show(publication, key, **{"model card": dg.MetadataValue.md(detector_card(text, []))})
        context.log.info("%s: %s, kept in the registry and not in use", key, version)


def _detector_row(key: str, version: str, text: str, rows: pa.Table) -> pa.Table:
    content = json.loads(text)
    people = {s for s in rows["subject"].to_pylist() if s != "nobody"}
    return conform(
        FallDetector,
        {
            "trained_on": [date.fromisoformat(key)],
            "model_version": [version],
            "artefact_sha256": [text_hash(text)],
            "parameters_sha256": [content["parameters_sha256"]],
            "training_set_sha256": [content["training"]["training_set_sha256"]],
            "code_sha256": [content["training"]["code_sha256"]],
            "sources": [", ".join(sorted(set(rows["source"].to_pylist())))],
            "impacts": [rows.num_rows],
            "falls": [pc.sum(rows["is_fall"]).as_py()],
            "subjects": [len(people)],
        },
    )


@contract_asset(
    FallDetectorEvaluation,
    partitions_def=daily,
    group_name=GROUP,
    kinds=("python", "iceberg", "scipy"),
    deps=["fall_detector"],
    resource_keys=("recordings",),
)
def fall_detector_evaluation(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """The day's version and the version in use, judged on the same recordings and the same simulated wear.

    Its checks are the gates: a version that does not pass them cannot be promoted.
    """
    from fallrisk_assets.models import measures
    from fallrisk_assets.models.held_out import simulated_wear
    from fallrisk_assets.models.sources import TRAINED_POSITIONS, read_corpora, trials_at

    recordings: Recordings = context.resources.recordings
    corpora = read_corpora(recordings.sources, recordings.place)
    detectors = Detectors(lake)
    wear = simulated_wear(recordings.wear)
    for key in publication.keys:
        entry = lake.ledger.get(FallDetector, key)
        publication.note_input(key, FallDetector.spec.identifier, entry.content_hash)
        (version,) = lake.read(FallDetector, [key])["model_version"].to_pylist()
        judged = []
        for name, role in ((version, CANDIDATE), (detectors.in_use, IN_USE)):
            if role == IN_USE and name == version:
                continue
            model = detectors.load(name)
            found = measures.wear_measures(wear, model)
            for position in TRAINED_POSITIONS:
                trials = trials_at(corpora, position)
                found += measures.recording_measures(trials, position, model)
                if role == CANDIDATE:
                    found += measures.held_out_measures(trials, position, model)
            judged.append((name, role, found))
        publication.add(key, measures.evaluation_table(date.fromisoformat(key), judged))
        show(publication, key, version=version, **{"in use": detectors.in_use})
        overall = {
            f"{m.position} {m.metric}": m.value
            for m in judged[0][2]
            if m.data == "held_out_subjects"
            and m.subgroup == "all"
            and m.metric in ("sensitivity", "specificity")
        }
        show_bars(publication, key, dict(sorted(overall.items())), name="held out", unit="%", most=1.0)
