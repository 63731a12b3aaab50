"""Marts answer their questions as of the time that they speak of."""

from datetime import date
from pathlib import Path

import pytest

from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.validation import validate
from fallrisk_assets.warehouse import operations
from fallrisk_assets.warehouse.checks import broken_rows
from fallrisk_assets.warehouse.contract import FactAlert, FactRiskScore
from fallrisk_assets.warehouse.dimensions import Wearers, patient_versions
from fallrisk_assets.warehouse.facts import fact_alert, fact_risk_score
from fallrisk_assets.warehouse.operations.contract import (
    MartOutreach,
    MartPatientJourney,
    MartProviderUtilisation,
    MartRevenue,
)
from fallrisk_assets.warehouse.resource import Warehouse
from fallrisk_assets_tests.warehouse.operations.rows import MONDAY, answer, at, known, load, provider, state
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

MARTS = Path(operations.__file__).parent / "marts"
CHECKS = Path(operations.__file__).parents[1] / "checks"
WEARERS = Wearers(patient_versions(patients(patient(), patient("PAT000002", "pt-2")), MONDAY))


def ask(warehouse: Warehouse, model, file: str, *parameters) -> list[dict]:
    rows = warehouse.query((MARTS / file).read_text(), list(parameters)).cast(arrow_schema(model))
    assert validate(model, rows).passed, validate(model, rows).sentence()
    return rows.to_pylist()


def test_revenue_is_an_estimate_at_the_rate_of_the_time_of_the_visit(tmp_path):
    dearer = provider(day=7, hourly_rate=240.0)
    warehouse = known(Warehouse(folder=str(tmp_path)), provider(), dearer)
    load(
        warehouse,
        state("APT1", duration_minutes=30.0),
        state("APT2", "No-show", planned_minutes=15.0),
        state("APT3", duration_minutes=None),
        state("APT4", "No-show", planned_minutes=None),
        state("APT5", "Cancelled"),
        state("APT6", day=8, duration_minutes=30.0),
    )
    first, second = ask(warehouse, MartRevenue, "revenue.sql")
    assert (first["delivered_estimate"], first["lost_estimate"]) == (60.0, 30.0)
    assert (first["completed"], first["no_shows"], first["visits_without_estimate"]) == (2, 2, 2)
    assert (second["day"], second["delivered_estimate"], second["lost_estimate"]) == (
        date(2026, 1, 8),
        120.0,
        None,
    )
    assert first["is_estimate"]


def test_a_week_of_a_provider_is_compared_with_the_hours_of_its_monday(tmp_path):
    warehouse = known(
        Warehouse(folder=str(tmp_path)),
        provider(),
        provider("PROV0002"),
        provider("PROV0002", day=9, active=False),
    )
    load(warehouse, state("APT1", duration_minutes=60.0), state("APT2", day=13, duration_minutes=30.0))
    found = {
        (r["iso_week"], r["provider_id"]): r
        for r in ask(warehouse, MartProviderUtilisation, "provider_utilisation.sql")
    }
    assert set(found) == {(2, "PROV0001"), (2, "PROV0002"), (3, "PROV0001")}
    assert found[2, "PROV0001"]["utilisation"] == pytest.approx(0.1)
    assert (found[2, "PROV0002"]["utilisation"], found[2, "PROV0002"]["booked"]) == (0.0, 0)
    assert (found[2, "PROV0001"]["is_complete"], found[3, "PROV0001"]["is_complete"]) == (True, False)


def test_a_journey_tells_a_patient_s_visits_and_newest_risk(warehouse):
    ahead = {"scheduled_start_at": at(20), "scheduled_date": date(2026, 1, 20)}
    load(
        warehouse,
        state("APT1"),
        state("APT2", "No-show", day=6),
        state("APT3", "Scheduled", day=6, **ahead),
        answer(overall_satisfaction=3),
        answer("FB2", overall_satisfaction=None),
    )
    scored(warehouse, 5, index(probability=0.2, band="low"))
    scored(warehouse, 6, index(day=date(2026, 1, 6), probability=0.5, band="high"))
    (row,) = ask(warehouse, MartPatientJourney, "patient_journey.sql")
    assert (row["booked"], row["completed"], row["no_shows"]) == (3, 1, 1)
    assert (row["mean_satisfaction"], row["answers"]) == (3.0, 1)
    assert (row["next_visit_at"], row["last_visit_on"]) == (at(20), date(2026, 1, 5))
    assert (row["risk_day"], row["risk_band"]) == (date(2026, 1, 6), "high")


def scored(warehouse: Warehouse, day: int, *rows: dict) -> None:
    on = date(2026, 1, day)
    warehouse.replace_slice(FactRiskScore, str(on), fact_risk_score(indices(*rows), on, WEARERS))


def alerted(warehouse: Warehouse, day: int, *rows: dict, of_index: tuple[dict, ...] = ()) -> None:
    on = date(2026, 1, day)
    warehouse.replace_slice(
        FactAlert,
        str(on),
        fact_alert(alerts(*rows), index_alerts(*of_index), operations_alerts(), on, WEARERS),
    )


def outreach(warehouse: Warehouse, day: int = 6) -> list[tuple[str, str]]:
    rows = ask(warehouse, MartOutreach, "outreach.sql", date(2026, 1, day))
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
    return [(row["patient_id"], row["reasons"]) for row in rows]


AHEAD = {"scheduled_start_at": at(20), "scheduled_date": date(2026, 1, 20)}
FELL = alert(opened_at=at(5, 3.5), last_seen_at=at(5, 3.5))


def test_who_fell_and_has_no_visit_ahead_is_called(warehouse):
    alerted(warehouse, 5, FELL)
    load(warehouse, state("APT1"))
    assert outreach(warehouse) == [("PAT000001", "FALL_DETECTED,NO_VISIT_AHEAD")]
    assert outreach(warehouse, 4) == []  # nobody knew of it
    assert outreach(warehouse, 19) == []  # fourteen days are over


def test_who_has_a_visit_ahead_is_not_called_unless_the_last_one_was_missed(warehouse):
    alerted(warehouse, 5, FELL)
    load(warehouse, state("APT1"), state("APT2", "Scheduled", **AHEAD))
    assert outreach(warehouse) == []
    load(warehouse, state("APT3", "No-show", day=6))
    assert outreach(warehouse) == [("PAT000001", "FALL_DETECTED,MISSED_VISIT")]
    assert outreach(warehouse, 5) == []  # as known on that day


def test_a_missed_visit_that_was_made_up_for_is_no_reason(warehouse):
    scored(warehouse, 6, index(day=date(2026, 1, 6), probability=0.6, band="high"))
    load(
        warehouse, state("APT1", "No-show"), state("APT2", day=6), state("APT3", "Scheduled", day=6, **AHEAD)
    )
    assert outreach(warehouse) == []


def test_a_visit_ahead_that_was_cancelled_is_none_from_that_day_on(warehouse):
    scored(warehouse, 5, index(probability=0.6, band="high"))
    load(warehouse, state("APT1", "Scheduled", **AHEAD))
    assert outreach(warehouse) == []
    load(warehouse, state("APT1", "Cancelled", day=6, **AHEAD))
    assert outreach(warehouse) == [("PAT000001", "HIGH_RISK,NO_VISIT_AHEAD")]
    assert outreach(warehouse, 5) == []  # as known on that day


def test_a_visit_that_counts_nowhere_is_no_visit_ahead(warehouse):
    scored(warehouse, 5, index(probability=0.6, band="high"))
    load(warehouse, state("APT1", "Scheduled", refusal="PROVIDER_INACTIVE", **AHEAD))
    assert outreach(warehouse, 5) == [("PAT000001", "HIGH_RISK,NO_VISIT_AHEAD")]


def test_a_day_without_a_score_does_not_make_a_high_risk_low(warehouse):
    scored(warehouse, 5, index(probability=0.6, band="high"))
    scored(warehouse, 6, index(day=date(2026, 1, 6), probability=None))
    load(warehouse, state("APT1"))
    (row,) = ask(warehouse, MartOutreach, "outreach.sql", date(2026, 1, 6))
    assert (row["risk_status"], row["risk_band"], row["probability_12m"]) == ("NOT_SCORED", "high", 0.6)


def test_a_low_or_unknown_risk_is_no_reason(warehouse):
    scored(warehouse, 6, index(day=date(2026, 1, 6), probability=0.1, band="low"))
    load(warehouse, state("APT1", "No-show"), state("APT2", "No-show", patient_id="PAT000003"))
    assert outreach(warehouse) == []


def test_a_rising_index_is_a_reason_while_its_alert_is_open(warehouse):
    rising = {"device": None, "rule": "INDEX_CHANGE", "opened_at": at(5), "last_seen_at": at(5)}
    load(warehouse, state("APT1"))
    alerted(warehouse, 5, of_index=(alert("a2", **rising),))
    alerted(warehouse, 6, of_index=(alert("a2", **rising, closed_at=at(6, 2)),))
    assert outreach(warehouse, 5) == [("PAT000001", "RISING_RISK,NO_VISIT_AHEAD")]
    assert outreach(warehouse, 6) == []


def test_a_fall_that_was_closed_as_false_is_none(warehouse):
    load(warehouse, state("APT1"))
    alerted(warehouse, 5, FELL)
    closed = {**FELL, "state": "CLOSED_FALSE", "closed_at": at(6, 8)}
    alerted(warehouse, 6, closed)
    assert outreach(warehouse, 5) == [("PAT000001", "FALL_DETECTED,NO_VISIT_AHEAD")]
    assert outreach(warehouse, 6) == []


def test_a_fall_is_called_before_a_high_risk_and_a_missed_visit_weighs(warehouse):
    scored(
        warehouse,
        6,
        index(day=date(2026, 1, 6), probability=0.7, band="high"),
        index("pt-2", date(2026, 1, 6), 0.6, "high"),
    )
    load(warehouse, state("APT1"))
    assert [who for who, _ in outreach(warehouse)] == ["PAT000001", "PAT000002"]
    load(warehouse, state("APT2", "No-show", day=6, patient_id="PAT000002"))
    assert outreach(warehouse)[0] == ("PAT000002", "HIGH_RISK,MISSED_VISIT,NO_VISIT_AHEAD")
    alerted(warehouse, 6, {**FELL, "opened_at": at(6, 1), "last_seen_at": at(6, 1)})
    assert outreach(warehouse)[0] == ("PAT000001", "FALL_DETECTED,HIGH_RISK,NO_VISIT_AHEAD")


@pytest.mark.parametrize(
    ("row", "broken"),
    [
        (state(), 0),
        (state(patient_id="PAT000009"), 1),
        (state(provider_id="PROV0009"), 1),
        (state(patient_id="PAT000009", refusal="PATIENT_UNKNOWN"), 0),
        (state(scheduled_date=date(2019, 12, 31), scheduled_start_at=at(5)), 1),
    ],
)
def test_an_appointment_that_finds_no_dimension_is_told(warehouse, row, broken):
    load(warehouse, row)
    query = (CHECKS / "appointment_without_dimension.sql").read_text()
    assert broken_rows(warehouse, query, "2026-01-05").num_rows == broken


def test_an_answer_about_somebody_else_s_appointment_is_told(warehouse):
    load(
        warehouse,
        state(),
        answer(),
        answer("FB2", patient_id="PAT000002"),
        answer("FB3", appointment_id="APT9"),
    )
    query = (CHECKS / "feedback_without_appointment.sql").read_text()
    found = broken_rows(warehouse, query, "2026-01-05")["member"].to_pylist()
    assert found == ["FB2", "FB3"]


def test_a_visit_is_shown_with_the_provider_and_patient_of_its_time(tmp_path):
    moved = patient(day=7, site_id="SITE02")
    warehouse = known(
        Warehouse(folder=str(tmp_path)),
        provider(),
        provider(day=7, hourly_rate=240.0),
        of_patients=[patient(), moved],
    )
    load(warehouse, state("APT1"), state("APT2", day=8))
    rows = warehouse.query(
        "SELECT site_id, hourly_rate FROM v_appointment ORDER BY appointment_id"
    ).to_pylist()
    assert [tuple(row.values()) for row in rows] == [("SITE01", 120.0), ("SITE02", 240.0)]
