"""The clinic's operations as daily assets.

Here: from the landing zone to published tables. Not here: how a line is judged (`day.py` and what it calls),
checks (`checks.py`).
"""

from collections import Counter
from datetime import date
from hashlib import sha256

import dagster as dg
import pyarrow as pa

from fallrisk_assets.clinic.files import FOLDER, ClinicFolder
from fallrisk_assets.clinic.operations.contract import (
    AppointmentEvents,
    AppointmentQuarantine,
    AppointmentRecords,
    Appointments,
    ClinicDrops,
    Feedback,
    OperationsQuarantine,
    Providers,
)
from fallrisk_assets.clinic.operations.day import TimeZones, files_to_read, operations_of_day
from fallrisk_assets.clinic.operations.history import (
    day_ends,
    events_until,
    inputs_until,
    made_from,
    records_until,
    references_until,
)
from fallrisk_assets.clinic.operations.states import day_states
from fallrisk_assets.contract import ContractType
from fallrisk_assets.lake import Lake, Publication
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.partitions import daily, day_key
from fallrisk_assets.publishing import contract_assets, show, show_bars

#: What a preview counts by.
_SHOWN_BY: dict[ContractType, str] = {
    ClinicDrops: "kind",
    OperationsQuarantine: "reason",
    Providers: "specialty",
    AppointmentEvents: "event_type",
    AppointmentRecords: "status",
    Feedback: "overall_satisfaction",
}


@contract_assets(
    ClinicDrops,
    OperationsQuarantine,
    Providers,
    AppointmentEvents,
    AppointmentRecords,
    Feedback,
    name="clinic_operations",
    partitions_def=daily,
    group_name="clinic",
    kinds=("python", "iceberg", "json"),
    resource_keys=("landing",),
)
def clinic_operations(
    context: dg.AssetExecutionContext, lake: Lake, publications: dict[ContractType, Publication]
) -> None:
    """From the drops of providers, the appointment log and feedback that were received on the day.

    A day without a drop gives partitions without rows. A bad line costs that line, and stands in
    `operations_quarantine` with its reason.
    """
    landing: Landing = context.resources.landing
    folder = ClinicFolder(file.key for file in landing.list(FOLDER))
    told = TimeZones(landing.read)
    for key in context.partition_keys:
        day = date.fromisoformat(key)
        of_day, earlier = files_to_read(folder, day)
        content = {file.key: landing.read(file.key) for file in of_day}
        tables = operations_of_day(day, of_day, earlier, content, told)
        for model, publication in publications.items():
            publication.add(key, tables[model])
            for file in of_day:
                publication.note_input(key, file.key, sha256(content[file.key]).hexdigest())
            counts = Counter(map(str, tables[model][_SHOWN_BY[model]].to_pylist()))
            show_bars(publication, key, dict(sorted(counts.items())), name=f"by {_SHOWN_BY[model]}")
            show(publication, key, drops=", ".join(file.name for file in of_day) or "none received")
        refused = Counter(tables[OperationsQuarantine]["reason"].to_pylist())
        show(
            publications[OperationsQuarantine], key, **{f"refused {r}": n for r, n in sorted(refused.items())}
        )


_EVERY_DAY = dg.AllPartitionMapping()


@contract_assets(
    Appointments,
    AppointmentQuarantine,
    name="appointment_states",
    partitions_def=daily,
    group_name="clinic",
    deps=[
        dg.AssetDep(name, partition_mapping=_EVERY_DAY)
        for name in ("clinic_drops", "appointment_events", "appointment_records", "patients", "providers")
    ],
)
def appointment_states(
    context: dg.AssetExecutionContext, lake: Lake, publications: dict[ContractType, Publication]
) -> None:
    """Folded from everything received up to the end of the day, in any order of arrival.

    Events win over records of the older form. What cannot have happened as told, and appointments of patients
    or providers that cannot be, stand in `appointment_quarantine`.
    """
    keys = sorted(context.partition_keys)
    before, *ends = day_ends(lake, keys)
    last = keys[-1]
    statuses: dict[str, Counter[str]] = {key: Counter() for key in keys}
    pieces = day_states(
        ends, before, events_until(lake, last), records_until(lake, last), references_until(lake, last)
    )
    found: dict[ContractType, dict[str, list[pa.Table]]] = {Appointments: {}, AppointmentQuarantine: {}}
    for day, rows, refused in pieces:
        key = day_key(day)
        for table, of_piece in ((Appointments, rows), (AppointmentQuarantine, refused)):
            if of_piece.num_rows:
                found[table].setdefault(key, []).append(of_piece)
        statuses[key].update(rows["status"].to_pylist())
    for model, by_day in found.items():  # a day at once: each addition is judged and written by itself
        for key, of_day in by_day.items():
            publications[model].add(key, pa.concat_tables(of_day).combine_chunks())
    for key, inputs in inputs_until(lake, keys).items():
        for publication in publications.values():
            publication.mark(key, made_from=made_from(inputs))
            for name, content_hash in inputs.items():
                publication.note_input(key, name, content_hash)
        show_bars(publications[Appointments], key, dict(sorted(statuses[key].items())), name="changed to")
