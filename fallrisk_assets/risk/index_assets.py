"""The 12-month index as daily assets.

Here: the Dagster skin, and what is read from the lake in which order. Not here: how an index is added up
(`index.py`).
"""

import datetime as dt
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.clinic.contract import Patients
from fallrisk_assets.clinic.identity import current_patients
from fallrisk_assets.clinic.snapshots import snapshots
from fallrisk_assets.lake import Lake, Publication
from fallrisk_assets.mobility.contract import DailyGait
from fallrisk_assets.partitions import daily, day_key, window_of
from fallrisk_assets.publishing import contract_asset, show, show_bars
from fallrisk_assets.risk.contract import (
    FallIndexEvaluation,
    FallRiskIndex,
    FallRiskIndexVersions,
    FallRiskTrend,
)
from fallrisk_assets.risk.index import BASE, SCORED, Gait, History
from fallrisk_assets.risk.index import fall_risk_index as fall_risk_index_of
from fallrisk_assets.risk.index_evaluation import ALL, evaluation_table
from fallrisk_assets.risk.index_model import VERSION
from fallrisk_assets.risk.patient_index import index_table, people_of
from fallrisk_assets.risk.rescoring import compare_indices, with_other_versions
from fallrisk_assets.risk.trend import LOOK_BACK_DAYS, trend_table

_INDEX_HISTORY = dg.AssetDep(
    "fall_risk_index",
    partition_mapping=dg.TimeWindowPartitionMapping(
        start_offset=-LOOK_BACK_DAYS, end_offset=0, allow_nonexistent_upstream_partitions=True
    ),
)


def _inputs(lake: Lake, key: str, publication: Publication | None = None) -> tuple[pa.Table, pa.Table]:
    """Read the current patients and the gait of a day, and note what was read where it is published."""
    gait = lake.read(DailyGait, [key])
    received = snapshots(lake, Patients, key)
    if publication is not None:
        publication.note_input(key, DailyGait.spec.identifier, lake.ledger.get(DailyGait, key).content_hash)
        for used in sorted({str(d) for d in received["snapshot_date"].to_pylist()}):
            entry = lake.ledger.get(Patients, used)
            publication.note_input(key, f"{Patients.spec.identifier} {used}", entry.content_hash)
    return current_patients(received, window_of(key)[0].date()), gait


@contract_asset(
    FallRiskIndex,
    partitions_def=daily,
    group_name="risk",
    deps=["daily_gait", "patients"],
)
def fall_risk_index(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """One row for each patient who wears a device or should; without ground a reason and no number."""
    for key in publication.keys:
        patients, gait = _inputs(lake, key, publication)
        table = index_table(patients, gait, window_of(key)[0].date())
        publication.add(key, table)
        counts = Counter(table["band"].to_pylist())
        reasons = Counter(r for r in table["reason"].to_pylist() if r)
        show(publication, key, **{f"patients {band}": n for band, n in sorted(counts.items())})
        show(publication, key, **{f"not scored: {reason}": n for reason, n in sorted(reasons.items())})
        show_bars(publication, key, dict(sorted(counts.items())), name="patients by band")
        show_bars(publication, key, what_moves(table["components"].to_pylist()), name="what moves the index")
        context.log.info("%s: index of %s patients", key, table.num_rows)


@contract_asset(
    FallRiskIndexVersions,
    partitions_def=daily,
    group_name="risk",
    deps=["fall_risk_index"],
)
def fall_risk_index_versions(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """The day's index as every version said it: the published rows, and beside them those of versions before.

    To score history by a new release of the index, backfill `fall_risk_index` and this one over the days: the
    rows of the release before stay here, and the comparison is shown with each day.
    """
    for key in publication.keys:
        entry = lake.ledger.get(FallRiskIndex, key)
        publication.note_input(key, FallRiskIndex.spec.identifier, entry.content_hash)
        rows = lake.read(FallRiskIndex, [key])
        kept = lake.read(FallRiskIndexVersions, [key], optional=True)
        published = rows["model_version"][0].as_py() if rows.num_rows else VERSION
        together = with_other_versions(FallRiskIndexVersions, rows, kept, published)
        publication.add(key, together)
        counts = Counter(together["model_version"].to_pylist())
        show(publication, key, **{f"rows of {version}": n for version, n in sorted(counts.items())})
        for version in sorted(counts.keys() - {published}):
            before = together.filter(pc.equal(together["model_version"], version))
            for name, value in asdict(compare_indices(rows, before)).items():
                if value is not None:
                    show(publication, key, **{f"against {version}: {name.replace('_', ' ')}": value})
        context.log.info("%s: rows by version %s", key, dict(counts))


def what_moves(components: Sequence[str]) -> dict[str, float]:
    """Return the mean absolute contribution of each part over the scored, in logits, largest first.

    Args:
        components: JSON of each row, as stored.
    """
    rows = [row for row in map(json.loads, components) if row]
    sizes: Counter[str] = Counter()
    for row in rows:
        sizes.update({name: abs(logit) for name, logit in row.items() if name != BASE})
    return {name.replace("_", " "): size / len(rows) for name, size in sizes.most_common()}


def _days_until(key: str, n_days: int) -> list[str]:
    """Return the keys of the `n_days` before a day and of the day itself."""
    day = window_of(key)[0].date()
    return [day_key(day - dt.timedelta(days=before)) for before in range(n_days, -1, -1)]


def _index_until(lake: Lake, publication: Publication, key: str) -> pa.Table:
    """Read the index of a day and of the days that its trend looks back to; days never made are left out.

    Raises:
        MissingPartition: the day itself was not published.
    """
    lake.ledger.get(FallRiskIndex, key)
    keys = _days_until(key, LOOK_BACK_DAYS)
    for used, entry in lake.ledger.find_all(FallRiskIndex, keys).items():
        if entry is not None:
            publication.note_input(key, f"{FallRiskIndex.spec.identifier} {used}", entry.content_hash)
    columns = ["patient_id", "day", "probability_12m", "status", "band", "model_version"]
    return lake.read(FallRiskIndex, keys, columns=columns, optional=True)


@contract_asset(FallRiskTrend, partitions_def=daily, group_name="risk", deps=[_INDEX_HISTORY])
def fall_risk_trend(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """One row for each patient with an index row of the day: the week, four weeks, and the own baseline."""
    for key in publication.keys:
        table = trend_table(_index_until(lake, publication, key), window_of(key)[0].date())
        publication.add(key, table)
        trends = dict(sorted(Counter(table["trend"].to_pylist()).items()))
        reasons = Counter(r for r in table["reason"].to_pylist() if r)
        show(publication, key, **{f"not judged: {reason}": n for reason, n in sorted(reasons.items())})
        show_bars(publication, key, trends, name="patients by trend")
        context.log.info("%s: trend of %s patients", key, table.num_rows)


def scored_people(lake: Lake, key: str, publication: Publication | None = None) -> list[tuple[History, Gait]]:
    """Return history and gait of the patients of a day who are scored, by patient id."""
    return [
        (history, gait)
        for _, history, gait, age_years in people_of(
            *_inputs(lake, key, publication), window_of(key)[0].date()
        )
        if history is not None
        and gait is not None
        and fall_risk_index_of(history, gait, age_years).status == SCORED
    ]


@contract_asset(
    FallIndexEvaluation,
    partitions_def=daily,
    group_name="risk",
    deps=[_INDEX_HISTORY, "daily_gait", "patients"],
)
def fall_index_evaluation(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """Synthetic falls against the index, and how much the patients' indices move from day to day."""
    for key in publication.keys:
        people, index = scored_people(lake, key, publication), _index_until(lake, publication, key)
        table = evaluation_table(people, index, window_of(key)[0].date())
        publication.add(key, table)
        rows = table.to_pylist()
        told = {f"{row['cohort']}: {row['measure']}": _in_words(row) for row in rows if row["part"] == ALL}
        fifths = {
            f"{row['part']} {row['measure'].removesuffix('_rate')}": row["value"]
            for row in sorted(rows, key=lambda row: (row["part"], row["measure"] != "predicted_rate"))
            if row["part"] != ALL
        }
        show(publication, key, **told)
        show_bars(publication, key, fifths, name="synthetic falls by fifth of the index", unit="%")


def _in_words(row: dict[str, Any]) -> str:
    if row["value"] is None:
        return f"no value: {row['reason']} ({row['people']} people)"
    return f"{row['value']:.3f} ({row['lower']:.3f} to {row['upper']:.3f}), {row['people']} people"
