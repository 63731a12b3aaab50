"""What lies ahead of the clinic as a daily asset of the warehouse.

Here: which inputs a table is made from. Not here: how (`day_ahead.py`).
"""

from datetime import date, timedelta

import dagster as dg
import pyarrow.compute as pc

from fallrisk_assets.clinic.no_show.contract import NoShowRisk
from fallrisk_assets.lake import Lake
from fallrisk_assets.publishing import show
from fallrisk_assets.warehouse.planning.contract import MartDayAhead
from fallrisk_assets.warehouse.planning.day_ahead import WEEK_DAYS, day_ahead
from fallrisk_assets.warehouse.publishing import WarehousePublication, warehouse_asset
from fallrisk_assets.warehouse.store import AnyWarehouse

_COLUMNS = [
    *("appointment_id", "provider_id", "scheduled_date", "probability", "model_version", "model_basis"),
]
_PLANNED = """
SELECT appointment_id, CAST(planned_minutes AS DOUBLE PRECISION) AS minutes FROM v_appointment
WHERE planned_minutes IS NOT NULL AND scheduled_date > ? AND scheduled_date <= ?
"""
_PROVIDERS = """
SELECT provider_id, specialty, available_hours_per_week FROM dim_provider
WHERE active AND CAST(valid_from AS DATE) <= ? AND (valid_to IS NULL OR CAST(valid_to AS DATE) > ?)
"""


@warehouse_asset(MartDayAhead, deps=["no_show_risk", "fact_appointment", "dim_provider"])
def mart_day_ahead(
    context: dg.AssetExecutionContext, lake: Lake, warehouse: AnyWarehouse, publication: WarehousePublication
) -> None:
    """From the probabilities of the day, planned minutes and the hours that are offered."""
    for key in publication.keys:
        day = date.fromisoformat(key)
        ahead = lake.read(NoShowRisk, [key], columns=_COLUMNS).to_pylist()
        planned = warehouse.query(_PLANNED, [day, day + timedelta(days=WEEK_DAYS)]).to_pylist()
        providers = warehouse.query(_PROVIDERS, [day, day]).to_pylist()
        minutes = {row["appointment_id"]: row["minutes"] for row in planned}
        rows = day_ahead(day, ahead, minutes, providers)
        publication.add(key, rows)
        expected = pc.sum(rows["expected_no_shows"]).as_py()
        show(publication, key, **{"booked for the next day": pc.sum(rows["booked"]).as_py() or 0})
        show(publication, key, **{"probable no-shows": 0.0 if expected is None else round(expected, 1)})
