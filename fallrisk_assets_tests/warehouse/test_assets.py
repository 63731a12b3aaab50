"""The warehouse's assets: from published days to tables, checks and a snapshot."""

from datetime import date, timedelta
from itertools import permutations

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.alerts.contract import Alerts, IndexAlerts, OperationsAlerts
from fallrisk_assets.clinic.contract import DeviceAssignment, Patients
from fallrisk_assets.clinic.identity import Assignment, interval_us, resolve_assignments
from fallrisk_assets.lake import Lake
from fallrisk_assets.partitions import hour_key, hours_of_day
from fallrisk_assets.risk.contract import FallRiskIndex
from fallrisk_assets.telemetry.contract import DeviceHourCoverage
from fallrisk_assets.warehouse import assets
from fallrisk_assets.warehouse.contract import TABLES, DimPatient, FactDeviceDay
from fallrisk_assets.warehouse.resource import Warehouse
from fallrisk_assets_tests.warehouse.rows import (
    DAY,
    alert,
    alerts,
    assignment,
    assignments,
    at,
    coverage,
    device_hour,
    index,
    index_alerts,
    indices,
    patient,
    patients,
)

DAYS = [str(DAY), str(DAY + timedelta(days=1))]
STEPS = dg.load_assets_from_modules([assets])
CHECKS = dg.load_asset_checks_from_modules([assets])


def publish(lake: Lake, model, slices: dict, keys: list[str]) -> None:
    """Publish keys of a table; those without rows are published empty."""
    with lake.publication(model, keys) as publication:
        for key, table in slices.items():
            if not model.spec.bucketed:
                assert publication.add(key, table).passed
                continue
            for bucket in sorted(set(table["device_bucket"].to_pylist())):
                mask = [b == bucket for b in table["device_bucket"].to_pylist()]
                assert publication.add(key, table.filter(mask), bucket).passed
        publication.commit()


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> Lake:
    """Two days of two patients; a device handed over at noon, a move, a fall and a day without a score.

    The second day's file of assignments is truncated: the devices of the first are not in it.
    """
    lake = Lake(root=str(tmp_path_factory.mktemp("lake")))
    hours = [hour for day in DAYS for hour in hours_of_day(day)]
    ben = patient("PAT000002", "pt-2", birth_date=at(0).date().replace(year=1961, day=6))
    publish(
        lake,
        Patients,
        {
            DAYS[0]: patients(patient(), ben),
            DAYS[1]: patients(patient(day=6, site_id="SITE02"), {**ben, "snapshot_date": DAY + timedelta(1)}),
        },
        DAYS,
    )
    worn = [assignment(end=12), assignment(patient="pt-2", start=12)]
    other = {**assignment("imu-2", "pt-2", start=20), "snapshot_date": DAY + timedelta(1)}  # and nothing else
    publish(lake, DeviceAssignment, {DAYS[0]: assignments(*worn), DAYS[1]: assignments(other)}, DAYS)
    covered = {
        11: device_hour(hour=11),
        12: device_hour(patient="pt-2", hour=12),
        30: device_hour(patient="pt-2", hour=30, firmware="2.5.0"),
    }
    slices = {hour_key(at(hour)): coverage(row) for hour, row in covered.items()}
    publish(lake, DeviceHourCoverage, slices, hours)
    scored = {
        DAYS[0]: indices(index(probability=0.6, band="high"), index("pt-2", probability=None)),
        DAYS[1]: indices(index(day=DAY + timedelta(1)), index("pt-2", DAY + timedelta(1), 0.1, "low")),
    }
    publish(lake, FallRiskIndex, scored, DAYS)
    publish(lake, Alerts, {hour_key(at(3)): alerts(alert())}, hours)
    publish(lake, OperationsAlerts, {}, DAYS)
    publish(lake, IndexAlerts, {DAYS[0]: index_alerts(alert("a2", device=None, rule="INDEX_LEVEL"))}, DAYS)
    return lake


def run(lake: Lake, warehouse: Warehouse, first: str, last: str | None = None) -> dg.ExecuteInProcessResult:
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    return dg.materialize(
        [*STEPS, *CHECKS],
        partition_key=None if last else first,
        tags=tags if last else None,
        resources={"lake": lake, "warehouse": warehouse},
        raise_on_error=False,
    )


@pytest.fixture(scope="module")
def ran(lake, tmp_path_factory) -> tuple[Warehouse, dg.ExecuteInProcessResult]:
    warehouse = Warehouse(folder=str(tmp_path_factory.mktemp("warehouse")))
    return warehouse, run(lake, warehouse, *DAYS)


def failed(result: dg.ExecuteInProcessResult) -> set[tuple[str, str | None]]:
    return {(e.check_name, e.partition) for e in result.get_asset_check_evaluations() if not e.passed}


def test_a_range_of_days_fills_every_table_and_every_check_passes(ran):
    warehouse, result = ran
    assert result.success
    assert failed(result) == set()
    rows = {model.spec.name: warehouse.read(model).num_rows for model in TABLES}
    assert rows.pop("dim_date") > 5_000
    assert rows == {
        "dim_site": 2,
        "dim_patient": 4,
        "dim_device": 5,
        "fact_risk_score": 4,
        "fact_alert": 2,
        "fact_device_day": 3,
    }


def test_every_check_speaks_for_every_day_of_a_range(ran):
    said = {(e.check_name, e.partition) for e in ran[1].get_asset_check_evaluations()}
    for name in {name for name, _ in said} - {"keeps_its_contract"}:
        assert {(name, day) for day in DAYS} <= said


def test_every_check_speaks_for_the_day_of_a_range_of_one_day(lake, tmp_path):
    result = run(lake, Warehouse(folder=str(tmp_path)), DAYS[0], DAYS[0])
    assert result.success
    said = {(e.check_name, e.partition) for e in result.get_asset_check_evaluations()}
    for name in {name for name, _ in said}:
        assert (name, DAYS[0]) in said


def test_days_run_one_by_one_and_backwards_end_in_the_same_tables(ran, lake, tmp_path):
    other = Warehouse(folder=str(tmp_path))
    for day in reversed(DAYS):
        result = run(lake, other, day)
        assert result.success
        assert failed(result) == set()
    for model in TABLES:
        assert other.read(model).equals(ran[0].read(model)), model.spec.name


def test_the_snapshot_shows_the_cohort_with_bands_over_the_scored_and_null_where_nothing_was_measured(ran):
    query = """
        SELECT day, site_id, patients, scored, not_scored, high_risk, low_risk, mean_probability_12m,
            wearers, mean_wear_hours, alerts, critical_alerts
        FROM v_cohort_day ORDER BY day, site_id
    """
    first, second, moved = (list(row.values())[1:] for row in ran[0].read_snapshot(query).to_pylist())
    assert first == ["SITE01", 2, 1, 1, 1, 0, pytest.approx(0.6), 2, pytest.approx(1.0), 2, 2]
    assert second == ["SITE01", 1, 1, 0, 0, 1, pytest.approx(0.1), 1, pytest.approx(1.0), 0, 0]
    assert moved == ["SITE02", 1, 1, 0, 0, 0, pytest.approx(0.3), None, None, 0, 0]


def test_a_score_is_shown_with_the_age_group_of_its_day(ran):
    query = "SELECT age_group FROM v_risk_score WHERE wearable_patient_id = 'pt-2' ORDER BY day"
    assert [row["age_group"] for row in ran[0].read_snapshot(query).to_pylist()] == ["50-64", "65+"]


def test_a_device_day_is_shown_with_the_wearer_and_firmware_of_its_time(ran):
    query = "SELECT wearable_patient_id, patient_id, firmware FROM v_device_day ORDER BY event_at"
    assert [tuple(row.values()) for row in ran[0].read_snapshot(query).to_pylist()] == [
        ("pt-1", "PAT000001", "2.4.1"),
        ("pt-2", "PAT000002", "2.4.1"),
        ("pt-2", "PAT000002", "2.5.0"),
    ]


def test_an_alert_is_shown_once_with_its_patient_and_device(ran):
    query = "SELECT alert_id, patient_id, device_id, site_id FROM v_alert ORDER BY alert_id"
    assert [tuple(row.values()) for row in ran[0].read_snapshot(query).to_pylist()] == [
        ("a1", "PAT000001", "imu-1", "SITE01"),
        ("a2", "PAT000001", None, "SITE01"),
    ]


def test_a_day_that_was_never_published_upstream_fails_and_says_which(lake, tmp_path):
    result = run(lake, Warehouse(folder=str(tmp_path)), "2026-01-04")
    assert not result.success
    events = [str(event.event_specific_data) for event in result.all_events if event.is_step_failure]
    assert any("curated.fall_risk_index 2026-01-04" in text for text in events)


BREAK = {
    "every_score_finds_its_patient": "UPDATE fact_risk_score SET patient_key = 1",
    "every_alert_finds_its_patient_and_device": "UPDATE fact_alert SET device_key = 1",
    "every_worn_device_day_finds_its_device_and_wearer": (
        "UPDATE dim_device SET wearable_patient_id = 'pt-3' WHERE wearable_patient_id = 'pt-1'"
    ),
    "every_patient_has_one_current_version": (
        "UPDATE dim_patient SET is_current = TRUE WHERE patient_id = 'PAT000001'"
    ),
    "versions_of_a_patient_follow_each_other": (
        "UPDATE dim_patient SET valid_to = valid_to + INTERVAL 1 DAY WHERE valid_to IS NOT NULL"
    ),
    "every_device_has_one_current_version": "UPDATE dim_device SET is_current = FALSE",
    "versions_of_a_device_follow_each_other": (
        "UPDATE dim_device SET valid_to = valid_to - INTERVAL 1 MINUTE WHERE valid_to IS NOT NULL"
    ),
}


@pytest.mark.parametrize("name", sorted(BREAK))
def test_each_check_fails_when_what_it_promises_is_broken(name, ran, lake, tmp_path):
    warehouse = Warehouse(folder=str(tmp_path))
    (tmp_path / "warehouse.duckdb").write_bytes(ran[0].snapshot_path.read_bytes())
    check = next(c for c in CHECKS if name in {key.name for key in c.check_keys})
    warehouse.transact(lambda connection: connection.execute(BREAK[name]) and None)
    one_step = dg.AssetSelection.assets("dim_site")
    result = dg.materialize(
        [*STEPS, check],
        partition_key=DAYS[0],
        resources={"lake": lake, "warehouse": warehouse},
        selection=one_step | dg.AssetSelection.checks(check),
    )
    [evaluation] = [e for e in result.get_asset_check_evaluations() if e.check_name == name]
    assert not evaluation.passed
    assert evaluation.partition == DAYS[0]
    assert "first broken rows" in evaluation.metadata


def test_every_query_of_the_checks_folder_belongs_to_a_check():
    names = {key.name for check in CHECKS for key in check.check_keys}
    assert names == set(BREAK)


def test_refolding_after_a_late_snapshot_changes_the_past_and_keeps_the_rest(lake, tmp_path):
    late = Lake(root=str(tmp_path / "lake"))
    publish(late, Patients, {DAYS[1]: lake.read(Patients, [DAYS[1]])}, [DAYS[1]])
    warehouse = Warehouse(folder=str(tmp_path / "warehouse"))
    one = [step for step in STEPS if step.key.path[-1] == "dim_patient"]
    for publish_first in (False, True):
        if publish_first:
            publish(late, Patients, {DAYS[0]: lake.read(Patients, [DAYS[0]])}, [DAYS[0]])
        dg.materialize(one, partition_key=DAYS[1], resources={"lake": late, "warehouse": warehouse})
        sites = [
            r["site_id"] for r in warehouse.read(DimPatient).to_pylist() if r["patient_id"] == "PAT000001"
        ]
        assert sites == (["SITE01", "SITE02"] if publish_first else ["SITE02"])


def test_the_published_rows_are_those_of_the_day_alone(ran):
    assert set(ran[0].read(FactDeviceDay, [DAYS[1]])["day"].to_pylist()) == {DAY + timedelta(days=1)}


FILES = {
    "2026-01-05": [assignment(end=12), assignment("imu-2", "pt-2")],
    "2026-01-06": [{**assignment(patient="pt-2", start=12), "corrected_at": at(30)}],
    "2026-01-07": [{**assignment(end=10), "corrected_at": at(50)}, assignment("imu-3", start=48, end=60)],
}


def with_files(folder, *days: str) -> Lake:
    """Return a lake that got the clinic's files of these days, one after the other."""
    lake = Lake(root=str(folder))
    for day in days:
        received = {"snapshot_date": date.fromisoformat(day)}
        publish(lake, DeviceAssignment, {day: assignments(*({**r, **received} for r in FILES[day]))}, [day])
    return lake


@pytest.mark.parametrize("order", list(permutations(FILES)), ids="-".join)
def test_assignment_files_in_any_order_of_arrival_give_the_same_devices(order, tmp_path):
    assert assets.assignments_of(with_files(tmp_path, *order)) == {
        "imu-1": [worn("pt-1", 0, 10), worn("pt-2", 12)],
        "imu-2": [worn("pt-2", 0)],
        "imu-3": [worn("pt-1", 48, 60)],
    }


def worn(patient: str, start: float, end: float | None = None) -> Assignment:
    from_us, to_us = interval_us({"valid_from": at(start), "valid_to": None if end is None else at(end)})
    return Assignment(patient, from_us, to_us, "waist")


@pytest.mark.slow
@settings(deadline=None, max_examples=15)
@given(
    st.lists(
        st.lists(
            st.sampled_from([row for rows in FILES.values() for row in rows]),
            max_size=4,
            unique_by=lambda row: (row["device_id"], row["valid_from"]),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_the_warehouse_and_the_samples_name_the_same_wearers_whatever_files_came(tmp_path_factory, files):
    lake = Lake(root=str(tmp_path_factory.mktemp("files")))
    for number, rows in enumerate(files):
        day = DAY + timedelta(number)
        table = assignments(*({**row, "snapshot_date": day} for row in rows))
        publish(lake, DeviceAssignment, {str(day): table}, [str(day)])
    everything = lake.read(DeviceAssignment, lake.ledger.keys(DeviceAssignment))  # as telemetry reads them
    assert assets.assignments_of(lake) == resolve_assignments(everything)
