"""What the house knows of itself as daily assets of the warehouse.

Here: which inputs a table is made from. Not here: how (`data_quality.py`).
"""

from collections import Counter
from datetime import date

import dagster as dg
import pyarrow as pa

from fallrisk_assets.clinic.contract import IdentityQuarantine
from fallrisk_assets.clinic.operations.contract import AppointmentQuarantine, OperationsQuarantine
from fallrisk_assets.contract import ContractType
from fallrisk_assets.lake import Lake
from fallrisk_assets.partitions import hours_of_day
from fallrisk_assets.publishing import show_bars
from fallrisk_assets.telemetry.contract import TelemetryQuarantine
from fallrisk_assets.warehouse.observability.check_history import day_outcomes
from fallrisk_assets.warehouse.observability.contract import CHECK, MartDataQuality
from fallrisk_assets.warehouse.observability.data_quality import (
    Published,
    Samples,
    data_quality,
    merged_refusals,
    refusals,
)
from fallrisk_assets.warehouse.observability.watched import DAILY, HOURLY, asset_key, known_checks
from fallrisk_assets.warehouse.publishing import WarehousePublication, warehouse_asset
from fallrisk_assets.warehouse.store import AnyWarehouse

QUARANTINES: tuple[ContractType, ...] = (
    TelemetryQuarantine,
    IdentityQuarantine,
    OperationsQuarantine,
    AppointmentQuarantine,
)
COUNTED: tuple[ContractType, ...] = (*HOURLY, *DAILY, OperationsQuarantine, AppointmentQuarantine)
"""Tables whose publications are counted: those of the day pages, and the clinic's refusals."""

_DEVICES = """
SELECT device_id, SUM(clean_samples) AS kept, SUM(expected_samples) AS expected
FROM fact_device_day WHERE day = ? GROUP BY device_id ORDER BY device_id
"""


@warehouse_asset(MartDataQuality, deps=[*(asset_key(model) for model in COUNTED), "fact_device_day"])
def mart_data_quality(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """From the ledger, the quarantines, device-days and the history of checks."""
    checks = known_checks(context)
    for key in publication.keys:
        outcomes = day_outcomes(context.instance, checks, key)
        devices = warehouse.query(_DEVICES, [date.fromisoformat(key)]).to_pylist()
        rows = data_quality(
            date.fromisoformat(key),
            outcomes,
            [
                (model.spec.identifier, found)
                for model in QUARANTINES
                if (found := _refused(lake, model, key))
            ],
            [_published(lake, model, key) for model in COUNTED],
            [Samples(d["device_id"], int(d["kept"]), _whole(d["expected"])) for d in devices],
        )
        publication.add(key, rows)
        said = Counter(row["outcome"] for row in rows.to_pylist() if row["kind"] == CHECK)
        show_bars(publication, key, dict(sorted(said.items())), name="checks by outcome")


def _keys(model: ContractType, day: str) -> list[str]:
    return hours_of_day(day) if model.spec.slicing == "hour" else [day]


def _published(lake: Lake, model: ContractType, day: str) -> Published:
    found = lake.ledger.find_all(model, _keys(model, day))
    entries = [entry for entry in found.values() if entry is not None]
    return Published(model.spec.identifier, sum(e.rows for e in entries), len(entries), len(found))


def _refused(lake: Lake, model: ContractType, day: str) -> pa.Table | None:
    """Return the refusals of a day, read hour by hour; None where nothing was published."""
    found = lake.ledger.find_all(model, _keys(model, day))
    pieces = [
        refusals(lake.read(model, [key], columns=["reason", "detail"]))
        for key, entry in found.items()
        if entry
    ]
    return merged_refusals(pieces) if pieces else None


def _whole(number: object) -> int | None:
    return None if number is None else int(str(number))
