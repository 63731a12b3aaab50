"""Training the no-show model as assets: training set, version, evaluation; each training day is a partition.

Here: the Dagster skin. Not here: what is learnt and how it is judged. What only a training needs is imported
where it is used: the daily runs load this module too.
"""

import hashlib
from collections import Counter
from datetime import date
from pathlib import Path

import dagster as dg

from fallrisk_assets.clinic.no_show.assets import FROM_THE_CLINIC, ClinicTables
from fallrisk_assets.clinic.no_show.contract import (
    CANDIDATE,
    CLINIC,
    IN_USE,
    PUBLIC_SET,
    NoShowEvaluation,
    NoShowLeftOut,
    NoShowModels,
    NoShowTrainingSet,
)
from fallrisk_assets.clinic.no_show.model import NAME, NoShowModel
from fallrisk_assets.clinic.no_show.resource import NoShowSource
from fallrisk_assets.contract import ContractType
from fallrisk_assets.jobs import NO_SHOW_TRAINING
from fallrisk_assets.lake import Lake, Publication
from fallrisk_assets.lake.files import content_hash
from fallrisk_assets.models.registry import registry_of
from fallrisk_assets.partitions import daily
from fallrisk_assets.publishing import contract_asset, contract_assets, show, show_bars

GROUP = NO_SHOW_TRAINING
_CODE = "fallrisk_assets.clinic.no_show.training"
_LIBRARIES = ("numpy", "scikit-learn")


class SetMissing(FileNotFoundError):
    """The file that was named is not there."""


@contract_assets(
    NoShowTrainingSet,
    NoShowLeftOut,
    name="no_show_bookings",
    partitions_def=daily,
    group_name=GROUP,
    deps=FROM_THE_CLINIC,
    resource_keys=("no_show_source",),
)
def no_show_bookings(
    context: dg.AssetExecutionContext, lake: Lake, publications: dict[ContractType, Publication]
) -> None:
    """Made when somebody asks, from the clinic's appointments up to the day, or from a file.

    The file has the layout of the public medical no-show set. Nothing that judges appointments needs this: a
    version ships with the package.
    """
    from fallrisk_assets.clinic.no_show import rows
    from fallrisk_assets.clinic.no_show.public_set import read_public_set
    from fallrisk_assets.clinic.no_show.training import training_set

    source: NoShowSource = context.resources.no_show_source
    settled, left_out = publications[NoShowTrainingSet], publications[NoShowLeftOut]
    for key in settled.keys:
        day = date.fromisoformat(key)
        if source.place:
            name, data = PUBLIC_SET, _read(source.place)
            found = read_public_set(data)
            refused, bookings, visits = rows.left_out_of_file(day, found), found.bookings, found.visits
            for publication in publications.values():
                publication.note_input(key, "file", hashlib.sha256(data).hexdigest())
            show(settled, key, **{"lines received": found.received, "visits at 00:00": found.without_time})
        else:
            tables = ClinicTables(lake, key)
            name, clinic = CLINIC, tables.until(key)
            refused, bookings, visits = rows.left_out_of_clinic(day, clinic), clinic.bookings, clinic.visits
            for publication in publications.values():
                tables.note(publication, key)
        of = training_set(bookings, visits)
        settled.add(key, rows.training_rows(day, of, name, source.basis()))
        left_out.add(key, refused)
        counts = dict(sorted(Counter(refused["reason"].to_pylist()).items()))
        show(settled, key, basis=source.basis(), **{"judged from": str(of.first_test_day)})
        show(settled, key, **{f"left out {reason}": n for reason, n in counts.items()})
        show_bars(
            settled, key, {"kept": int((~of.missed).sum()), "missed": int(of.missed.sum())}, name="visits"
        )
        show_bars(left_out, key, counts, name="left out")


def _read(place: str) -> bytes:
    path = Path(place)
    if not path.is_file():
        raise SetMissing(f"{place}: no such file; name the public set's CSV as it was published")
    return path.read_bytes()


@contract_asset(
    NoShowModels,
    partitions_def=daily,
    group_name=GROUP,
    kinds=("python", "scikitlearn"),
    deps=["no_show_training_set"],
)
def no_show_model(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """Fitted to the earlier part of the day's set and kept in the registry; it judges once it is promoted.

    The same training set and the same code give the same version, byte for byte.
    """
    from fallrisk_assets.clinic.no_show import rows
    from fallrisk_assets.clinic.no_show.card import no_show_card
    from fallrisk_assets.clinic.no_show.training import artefact
    from fallrisk_assets.models.artefacts import training_code_hash

    registry = registry_of(lake, NAME)
    for key in publication.keys:
        settled = lake.read(NoShowTrainingSet, [key])
        made_from, code = content_hash(settled), training_code_hash(_CODE, _LIBRARIES)
        publication.note_input(key, NoShowTrainingSet.spec.identifier, made_from)
        inputs = hashlib.sha256(f"{made_from}{code}".encode()).hexdigest()
        told = {
            "basis": settled["basis"][0].as_py(),
            "trained_on": key,
            "training_set_sha256": made_from,
            "code_sha256": code,
        }
        text = artefact(rows.training_set_of(settled), f"{key}.{inputs[:6]}", told)
        version = registry.keep(text)
        publication.add(key, rows.model_row(date.fromisoformat(key), text))
        show(publication, key, version=version, **{"in use": registry.in_use()})
        show(publication, key, **{"model card": dg.MetadataValue.md(no_show_card(text, []))})
        context.log.info("%s: %s, kept in the registry and not in use", key, version)


@contract_asset(
    NoShowEvaluation,
    partitions_def=daily,
    group_name=GROUP,
    kinds=("python", "iceberg"),
    deps=["no_show_model", "no_show_training_set"],
)
def no_show_evaluation(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """The day's version and the version in use, judged on the same later visits.

    Its checks are the gates: a version that does not pass them cannot be promoted.
    """
    from fallrisk_assets.clinic.no_show import rows
    from fallrisk_assets.clinic.no_show.measures import ALL, AUC, FACT_AUC, measures

    registry = registry_of(lake, NAME)
    in_use = registry.in_use()
    for key in publication.keys:
        for model in (NoShowModels, NoShowTrainingSet):
            publication.note_input(key, model.spec.identifier, lake.ledger.get(model, key).content_hash)
        settled = lake.read(NoShowTrainingSet, [key])
        of = rows.training_set_of(settled)
        (version,) = lake.read(NoShowModels, [key])["model_version"].to_pylist()
        roles = {version: CANDIDATE} if version == in_use else {version: CANDIDATE, in_use: IN_USE}
        judged = [
            (name, role, measures(of, NoShowModel.from_json(registry.artefact(name))))
            for name, role in roles.items()
        ]
        source = settled["source"][0].as_py()
        publication.add(key, rows.evaluation_rows(date.fromisoformat(key), source, judged))
        show(publication, key, version=version, source=source, **{"in use": in_use})
        found = {(m.subgroup, m.metric): m.value for m in judged[0][2]}
        shown = {subgroup: value for (subgroup, metric), value in found.items() if metric == FACT_AUC}
        if (ALL, AUC) in found:
            shown["the model"] = found[ALL, AUC]
        show_bars(publication, key, shown, name="area under the curve", most=1.0)
