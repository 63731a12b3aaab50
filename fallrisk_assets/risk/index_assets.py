"""The 12-month index as daily assets.

Here: the Dagster skin, and what is read from the lake in which order. Not here: how an index is added up
(`index.py`).
"""

from collections import Counter

import dagster as dg

from fallrisk_assets.clinic.contract import Patients
from fallrisk_assets.clinic.identity import current_patients
from fallrisk_assets.clinic.snapshots import snapshots
from fallrisk_assets.lake import Lake, Publication
from fallrisk_assets.mobility.contract import DailyGait
from fallrisk_assets.partitions import daily, window_of
from fallrisk_assets.publishing import contract_asset, show, show_bars
from fallrisk_assets.risk.contract import FallRiskIndex
from fallrisk_assets.risk.patient_index import index_table


@contract_asset(
    FallRiskIndex,
    partitions_def=daily,
    group_name="risk",
    deps=["daily_gait", "patients"],
)
def fall_risk_index(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """One row for each patient who wears a device or should; without ground a reason and no number."""
    for key in publication.keys:
        day = window_of(key)[0].date()
        gait = lake.read(DailyGait, [key])
        publication.note_input(key, DailyGait.spec.identifier, lake.ledger.get(DailyGait, key).content_hash)
        received = snapshots(lake, Patients, key)
        for used in sorted({str(d) for d in received["snapshot_date"].to_pylist()}):
            entry = lake.ledger.get(Patients, used)
            publication.note_input(key, f"{Patients.spec.identifier} {used}", entry.content_hash)
        table = index_table(current_patients(received, day), gait, day)
        publication.add(key, table)
        counts = Counter(table["band"].to_pylist())
        reasons = Counter(r for r in table["reason"].to_pylist() if r)
        show(publication, key, **{f"patients {band}": n for band, n in sorted(counts.items())})
        show(publication, key, **{f"not scored: {reason}": n for reason, n in sorted(reasons.items())})
        show_bars(publication, key, dict(sorted(counts.items())), name="patients by band")
        context.log.info("%s: index of %s patients", key, table.num_rows)
