"""Facts of a day: every measure has its denominator, and what was not measured stays null."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.clinic.identity import resolve_assignments
from fallrisk_assets.validation import validate
from fallrisk_assets.warehouse.contract import FactAlert, FactDeviceDay, FactRiskScore
from fallrisk_assets.warehouse.dimensions import (
    Wearers,
    device_versions,
    firmware_seen,
    patient_versions,
)
from fallrisk_assets.warehouse.facts import fact_alert, fact_device_day, fact_risk_score
from fallrisk_assets.warehouse.history import natural_key
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
    operations_alerts,
    patient,
    patients,
    silent_hour,
)

WEARERS = Wearers(patient_versions(patients(patient(), patient("PAT000002", "pt-2")), DAY))


def device_days(*hours: dict, assigned: tuple[dict, ...] = ()) -> list[dict]:
    table = fact_device_day(coverage(*hours), DAY, WEARERS, resolve_assignments(assignments(*assigned)))
    assert validate(FactDeviceDay, table).passed, validate(FactDeviceDay, table).sentence()
    return table.to_pylist()


def test_a_score_belongs_to_the_clinics_patient_and_a_missing_one_is_null_with_its_reason():
    table = fact_risk_score(indices(index(), index("pt-2", probability=None)), DAY, WEARERS)
    assert validate(FactRiskScore, table).passed
    scored, silent = table.to_pylist()
    assert scored["patient_key"] == natural_key("PAT000001")
    assert scored["probability_12m"] == 0.3
    assert scored["date_id"] == 20260105
    assert silent["probability_12m"] is None
    assert (silent["status"], silent["reason"], silent["band"]) == (
        "NOT_SCORED",
        "WEAR_TOO_SHORT",
        "NOT_SCORED",
    )


def test_a_score_of_somebody_the_clinic_does_not_know_is_kept_without_a_key():
    [row] = fact_risk_score(indices(index("pt-9")), DAY, WEARERS).to_pylist()
    assert row["patient_key"] is None
    assert row["wearable_patient_id"] == "pt-9"


def test_hours_of_a_device_add_up_to_its_day():
    hours = [
        device_hour(hour=0),
        device_hour(
            hour=1, wear_fraction=0.25, battery_fraction=0.4, gap_count=2, gap_s=30.0, clean_samples=90_000
        ),
        device_hour(hour=2, wear_fraction=0.0, verdict="NOT_WORN", battery_fraction=0.8),
    ]
    [day] = device_days(*hours)
    assert (day["hours"], day["hours_ok"], day["hours_not_worn"], day["hours_no_data"]) == (3, 2, 1, 0)
    assert day["wear_hours"] == pytest.approx(1.25)
    assert day["clean_samples"] == 450_000
    assert day["received_lines"] == 540_030
    assert day["completeness"] == pytest.approx(450 / 540)
    assert (day["gap_count"], day["gap_s"]) == (2, 30.0)
    assert (day["battery_lowest"], day["battery_last"]) == (pytest.approx(0.4), pytest.approx(0.8))
    assert day["patient_key"] == natural_key("PAT000001")
    assert day["is_final"]


def test_what_was_not_measured_is_null_and_never_0():
    [day] = device_days(silent_hour(hour=0), silent_hour(hour=1))
    unknown = ("expected_samples", "wear_hours", "completeness", "battery_lowest", "battery_last", "rate_hz")
    for column in (*unknown, "firmware"):
        assert day[column] is None, column
    assert day["hours_no_data"] == 2


def test_a_silent_hour_lacks_the_samples_of_the_time_for_which_the_device_was_assigned():
    hours = [silent_hour(hour=0), device_hour(hour=1), silent_hour(hour=2)]
    [day] = device_days(*hours, assigned=(assignment(),))
    assert day["expected_samples"] == 3 * 180_000
    assert day["completeness"] == pytest.approx(1 / 3)
    [day] = device_days(*hours, assigned=(assignment(start=0.75, end=2.5),))
    assert day["expected_samples"] == 180_000 + 0.75 * 180_000


def test_unknown_wear_of_some_hours_is_left_out_of_the_sum_and_not_taken_for_0():
    [day] = device_days(silent_hour(hour=0), device_hour(hour=1, wear_fraction=0.5))
    assert day["wear_hours"] == pytest.approx(0.5)


def test_a_day_with_one_provisional_hour_is_not_final():
    [day] = device_days(device_hour(hour=0), device_hour(hour=1, state="PROVISIONAL"))
    assert not day["is_final"]


def test_a_device_handed_over_within_an_hour_counts_for_each_wearer_from_the_handover_on():
    hours = [device_hour(hour=11), device_hour(hour=12), device_hour("imu-1", "pt-2", 12)]
    assigned = (assignment(end=12.5), assignment(patient="pt-2", start=12.5))
    first, second = device_days(*hours, assigned=assigned)
    assert (first["wearable_patient_id"], first["event_at"], first["hours"]) == ("pt-1", at(11), 2)
    assert (second["wearable_patient_id"], second["event_at"], second["hours"]) == ("pt-2", at(12.5), 1)


def test_a_device_that_nobody_wears_has_a_day_without_a_patient():
    [day] = device_days(device_hour(patient=""))
    assert day["wearable_patient_id"] == ""
    assert day["patient_key"] is None


def test_the_firmware_of_the_day_is_the_last_one_since_it_was_sent_without_another():
    versions = ["2.4.1", "2.5.0", "2.4.1", "2.5.0", None, "2.5.0"]
    hours = [device_hour(hour=hour, firmware=version) for hour, version in enumerate(versions)]
    [day] = device_days(*reversed(hours))
    assert (day["firmware"], day["firmware_since"]) == ("2.5.0", at(3))


def firmware_history(*days: list[dict]) -> list[tuple]:
    versions = device_versions({}, firmware_seen(row for day in days for row in day))
    return [(version.valid_from, version.attributes["firmware"]) for version in versions]


def test_every_change_of_firmware_within_a_day_reaches_the_history_of_the_device():
    versions = ["1.0", "1.0", "2.0", "1.0", None, "1.0"]
    hours = [device_hour(hour=8 + hour, firmware=version) for hour, version in enumerate(versions)]
    days = device_days(*reversed(hours), assigned=(assignment(),))
    assert firmware_history(days) == [(at(8), "1.0"), (at(10), "2.0"), (at(11), "1.0")]


def test_a_change_of_firmware_is_told_though_others_wore_the_device_meanwhile():
    worn = [(6, "pt-1", "1.0"), (7, "pt-2", "2.0"), (8, "pt-1", "1.0"), (9, "", "3.0")]
    hours = [device_hour(patient=who, hour=hour, firmware=version) for hour, who, version in worn]
    assigned = (assignment(end=7), assignment(patient="pt-2", start=7, end=8), assignment(start=8, end=9))
    days = device_days(*hours, assigned=assigned)
    assert firmware_history(days) == [(at(6), "1.0"), (at(7), "2.0"), (at(8), "1.0"), (at(9), "3.0")]


def test_firmware_that_comes_with_a_handover_belongs_to_the_new_wearer_from_that_minute_on():
    hours = [device_hour(hour=12, firmware="1.0"), device_hour(patient="pt-2", hour=12, firmware="0.9")]
    assigned = (assignment(end=12.5), assignment(patient="pt-2", start=12.5))
    days = device_days(*hours, assigned=assigned)
    assert firmware_history(days) == [(at(12), "1.0"), (at(12.5), "0.9")]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.sampled_from(["1.0", "2.0", "3.0", None]), min_size=24, max_size=24),
    st.lists(st.sampled_from(["pt-1", "pt-2"]), min_size=24, max_size=24),
    st.randoms(use_true_random=False),
)
def test_the_history_names_at_each_hour_the_firmware_that_was_reported_last(versions, wearers, random):
    hours = [
        device_hour(patient=who, hour=hour, firmware=version)
        for hour, (who, version) in enumerate(zip(wearers, versions, strict=True))
    ]
    random.shuffle(hours)
    history = firmware_history(device_days(*hours))
    last = None
    for hour, version in enumerate(versions):
        last = version or last
        assert next((v for since, v in reversed(history) if since <= at(hour)), None) == last


def test_a_day_that_was_published_without_its_changes_tells_its_last_firmware():
    [day] = device_days(device_hour(hour=2, firmware="1.0"), device_hour(hour=3, firmware="2.0"))
    assert firmware_history([{**day, "firmware_changes": None}]) == [(at(3), "2.0")]


def test_an_alert_stands_in_the_day_once_as_it_was_last():
    hourly = alerts(
        alert(hour=at(4), state="ACKNOWLEDGED", acknowledged_at=at(4.2)),
        alert(hour=at(3)),
        alert("a2", patient=None, device="imu-9", opened_at=at(1), last_seen_at=at(2)),
    )
    table = fact_alert(
        hourly, index_alerts(alert("a3", device=None, opened_at=at(0))), operations_alerts(), DAY, WEARERS
    )
    assert validate(FactAlert, table).passed, validate(FactAlert, table).sentence()
    rows = {row["alert_id"]: row for row in table.to_pylist()}
    assert list(rows) == ["a3", "a2", "a1"]
    assert (rows["a1"]["state"], rows["a1"]["acknowledged_at"], rows["a1"]["origin"]) == (
        "ACKNOWLEDGED",
        at(4.2),
        "hourly",
    )
    assert rows["a2"]["patient_key"] is None
    assert rows["a3"]["device_key"] is None
    assert rows["a3"]["origin"] == "index"


def test_a_day_without_anything_gives_tables_without_rows():
    assert fact_alert(alerts(), index_alerts(), operations_alerts(), DAY, WEARERS).num_rows == 0
    assert fact_risk_score(indices(), date(2026, 1, 6), WEARERS).num_rows == 0
    assert device_days() == []
