"""Times to answer count alerts that were answered, on the day on which they opened."""

from datetime import date, timedelta

import pytest

from fallrisk_assets.warehouse.contract import FactAlert
from fallrisk_assets.warehouse.dimensions import Wearers, patient_versions
from fallrisk_assets.warehouse.facts import fact_alert
from fallrisk_assets.warehouse.operations.kpis import daily_kpis_sql
from fallrisk_assets_tests.warehouse.operations.rows import MONDAY, at, load, state
from fallrisk_assets_tests.warehouse.rows import (
    alert,
    alerts,
    index_alerts,
    operations_alerts,
    patient,
    patients,
)

WEARERS = Wearers(patient_versions(patients(patient()), MONDAY))


def test_an_unanswered_alert_lowers_the_share_and_is_in_no_mean(warehouse):
    opened = {"opened_at": at(5, 3), "last_seen_at": at(5, 3)}
    answered = {"acknowledged_at": at(5, 3.5), "closed_at": at(5, 5)}
    rows = [
        alert("a1", **opened, **answered),
        alert("a2", **opened, acknowledged_at=at(5, 3) + timedelta(seconds=90)),
        alert("a3", **opened),
    ]
    on = date(2026, 1, 5)
    warehouse.replace_slice(
        FactAlert, str(on), fact_alert(alerts(*rows), index_alerts(), operations_alerts(), on, WEARERS)
    )
    load(warehouse, state())
    found = {row["kpi"]: row for row in warehouse.query(daily_kpis_sql()).to_pylist()}
    assert found["acknowledgement_rate"]["value"] == pytest.approx(2 / 3)
    assert found["mean_minutes_to_acknowledge"]["value"] == pytest.approx((30 + 1.5) / 2)
    assert found["mean_minutes_to_close"]["value"] == pytest.approx(120)
    assert found["mean_minutes_to_close"]["denominator"] == 1
