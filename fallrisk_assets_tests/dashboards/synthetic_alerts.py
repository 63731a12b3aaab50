"""Two weeks of alerts, scores and lists in a warehouse of which every number is known by its seed."""

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.warehouse import operations
from fallrisk_assets.warehouse.contract import FactAlert, FactRiskScore
from fallrisk_assets.warehouse.dimensions import Wearers, patient_versions
from fallrisk_assets.warehouse.facts import fact_alert, fact_risk_score
from fallrisk_assets.warehouse.operations.contract import MartOutreach
from fallrisk_assets.warehouse.resource import Warehouse
from fallrisk_assets_tests.warehouse.operations.rows import known, load, state
from fallrisk_assets_tests.warehouse.rows import (
    alert,
    alerts,
    index,
    index_alerts,
    indices,
    operations_alerts,
    patient,
    patients,
)

FIRST, DAYS, PEOPLE = date(2026, 1, 5), 10, 6
LAST = FIRST + timedelta(days=DAYS - 1)
_RULES = (("FALL_DETECTED", "critical"), ("DEVICE_SILENT", "medium"), ("INDEX_LEVEL", "high"))
_OUTREACH = (Path(operations.__file__).parent / "marts" / "outreach.sql").read_text()


def some_alerts(folder: Path, days: int = DAYS) -> Warehouse:
    """Return a warehouse with alerts of six patients at two sites and of a device that nobody wears.

    Alerts open in the first ten days; from the fifteenth on the second patient's score is higher by 0.08.
    """
    rng = random.Random(3)
    people = [
        patient(f"PAT00000{n}", f"pt-secret-{n}", site_id=f"SITE0{1 + n % 2}") for n in range(1, PEOPLE + 1)
    ]
    warehouse = known(Warehouse(folder=str(folder)), of_patients=people)
    load(warehouse, state("APT1", "No-show", patient_id="PAT000002"))
    made = [_alert(rng, number) for number in range(60)]
    wearers = Wearers(patient_versions(patients(*people), FIRST))
    for offset in range(days):
        day = FIRST + timedelta(days=offset)
        ends_at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
        rows = [_as_of(row, ends_at) for row in made if row["opened_at"] < ends_at]
        warehouse.replace_slice(
            FactAlert, str(day), fact_alert(alerts(*rows), index_alerts(), operations_alerts(), day, wearers)
        )
        scores = [_score(n, day) for n in range(1, PEOPLE + 1)]
        rows_of_day = fact_risk_score(indices(*scores), day, wearers)
        warehouse.replace_slice(FactRiskScore, str(day), rows_of_day)
        listed = warehouse.query(_OUTREACH, [day]).cast(arrow_schema(MartOutreach))
        warehouse.replace_slice(MartOutreach, str(day), listed)
    warehouse.export_snapshot()
    return warehouse


def _score(number: int, day: date) -> dict:
    """Return the higher half as high; the fifth is not scored on the last day."""
    risen = 0.08 if number == 2 and day >= FIRST + timedelta(days=14) else 0.0
    probability = None if number == 5 and day == LAST else number / 10 + risen
    return index(f"pt-secret-{number}", day, probability, "high" if number > 3 else "low")


def _alert(rng: random.Random, number: int) -> dict:
    rule, severity = rng.choice(_RULES)
    opened = datetime(2026, 1, 5, tzinfo=UTC) + timedelta(seconds=rng.randrange(86_400 * DAYS))
    answered = rng.choice((None, timedelta(seconds=rng.randrange(9_000))))
    closed = rng.choice((None, timedelta(seconds=9_000 + rng.randrange(200_000))))
    return alert(
        f"alert-{number:02d}",
        None if number == 7 else f"pt-secret-{1 + rng.randrange(PEOPLE)}",
        rule=rule,
        severity=severity,
        opened_at=opened,
        last_seen_at=opened,
        acknowledged_at=answered and opened + answered,
        closed_at=closed and opened + closed,
    )


def _as_of(row: dict, ends_at: datetime) -> dict:
    """Return an alert without what happened later."""
    later = {name: None for name in ("acknowledged_at", "closed_at") if row[name] and row[name] >= ends_at}
    seen = {**row, **later}
    return {**seen, "state": "RESOLVED" if seen["closed_at"] else "OPEN"}
