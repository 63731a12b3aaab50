"""What the warehouse promises, in DuckDB and in Redshift alike."""

import math
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest

from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.dashboards.operations import read_operations
from fallrisk_assets.dashboards.worklist import read_worklist
from fallrisk_assets.environments import opened
from fallrisk_assets.lake import MissingPartition, SliceRefused
from fallrisk_assets.warehouse import retention
from fallrisk_assets.warehouse.checks import broken_rows
from fallrisk_assets.warehouse.contract import (
    DimDate,
    DimPatient,
    DimSite,
    FactAlert,
    FactDeviceDay,
    FactRiskScore,
)
from fallrisk_assets.warehouse.dimensions import Wearers, dim_patient, patient_versions
from fallrisk_assets.warehouse.facts import fact_alert, fact_device_day, fact_risk_score
from fallrisk_assets.warehouse.operations import kpis
from fallrisk_assets.warehouse.operations.contract import (
    FactAppointment,
    MartDailyKpis,
    MartOutreach,
    MartPatientJourney,
    MartProviderUtilisation,
    MartRevenue,
)
from fallrisk_assets.warehouse.resource import Warehouse
from fallrisk_assets.warehouse.store import EVERY_TABLE, WHOLE_TABLE, SchemaConflictError, WarehouseBusyError
from fallrisk_assets_tests.warehouse.operations.rows import answer, at, known, load, provider, state
from fallrisk_assets_tests.warehouse.operations.test_marts import MARTS
from fallrisk_assets_tests.warehouse.rows import (
    DAY,
    alert,
    alerts,
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
NEXT_DAY = DAY + timedelta(days=1)


def scores(day: date = DAY, *probabilities: float | None) -> pa.Table:
    rows = [index(f"pt-{n + 1}", day, p) for n, p in enumerate(probabilities)]
    return fact_risk_score(indices(*rows), day, WEARERS)


@pytest.fixture
def warehouse(warehouse_environment):
    return opened("warehouse")


def probabilities(warehouse):
    return warehouse.read(FactRiskScore)["probability_12m"].to_pylist()


def test_a_query_asked_once_with_each_of_some_days_says_what_it_says_of_each_alone(warehouse):
    warehouse.replace_slice(FactRiskScore, DAY.isoformat(), scores(DAY, 0.2, None))
    warehouse.replace_slice(FactRiskScore, NEXT_DAY.isoformat(), scores(NEXT_DAY, 0.4))
    query = "SELECT COUNT(*) AS n FROM fact_risk_score WHERE day <= ?"
    found = warehouse.query_each(query, ([day] for day in (NEXT_DAY, DAY)))
    assert [rows["n"].to_pylist() for rows in found] == [[3], [2]]
    assert warehouse.query_each(query, []) == []


def test_a_slice_comes_back_as_it_was_written_and_replacing_it_leaves_the_other_days_alone(warehouse):
    first, second = scores(DAY, 0.2, None), scores(NEXT_DAY, 0.4)
    warehouse.replace_slices(FactRiskScore, {str(DAY): first, str(NEXT_DAY): second})
    assert warehouse.read(FactRiskScore, [str(DAY)]).equals(first)
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.9))
    assert warehouse.read(FactRiskScore, [str(DAY)]).equals(scores(DAY, 0.9))
    assert warehouse.read(FactRiskScore, [str(NEXT_DAY)]).equals(second)
    assert opened("warehouse").read(FactRiskScore).num_rows == 2, "another process sees the same"


def test_writing_the_same_rows_again_changes_nothing(warehouse):
    once = warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2), "run")
    again = warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2), "run")
    assert once == again == warehouse.ledger()["warehouse.fact_risk_score", str(DAY)]
    assert probabilities(warehouse) == [0.2]


def test_a_day_without_rows_is_published_and_one_never_published_is_missing(warehouse):
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.3))
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY))
    assert warehouse.read(FactRiskScore, [str(DAY)]).num_rows == 0
    assert warehouse.ledger()["warehouse.fact_risk_score", str(DAY)].rows == 0
    with pytest.raises(MissingPartition, match="fact_risk_score 2026-01-06"):
        warehouse.read(FactRiskScore, [str(NEXT_DAY)])
    with pytest.raises(MissingPartition, match="dim_date"):
        warehouse.read(DimDate)


def test_rows_that_the_contract_refuses_change_nothing(warehouse):
    good = scores(DAY, 0.2)
    warehouse.replace_slice(FactRiskScore, str(DAY), good)
    column = good.schema.get_field_index("probability_12m")
    bad = good.set_column(column, good.schema.field(column), pa.array([1.5]))
    with pytest.raises(SliceRefused, match="probability_12m"):
        warehouse.replace_slice(FactRiskScore, str(DAY), bad)
    with pytest.raises(SliceRefused, match="OUTSIDE_SLICE"):
        warehouse.replace_slice(FactRiskScore, str(DAY), scores(NEXT_DAY, 0.3))
    assert warehouse.read(FactRiskScore).equals(good)


def test_work_that_fails_half_way_leaves_the_old_rows(warehouse):
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2))

    def fail(session):
        session.execute("DELETE FROM fact_risk_score WHERE day = ?", [DAY])
        assert session.execute("SELECT COUNT(*) FROM fact_risk_score").fetchall() == [(0,)]
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        warehouse.transact(fail)
    assert probabilities(warehouse) == [0.2]


def test_a_writer_that_is_killed_half_way_leaves_the_old_rows(warehouse):
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2))
    killed = (
        "import os\n"
        "from fallrisk_assets.environments import opened\n"
        "def work(session):\n"
        "    session.execute('DELETE FROM fact_risk_score')\n"
        "    os._exit(9)\n"
        "opened('warehouse').transact(work)\n"
    )
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", killed], check=False).returncode == 9
    assert probabilities(warehouse) == [0.2]


def test_a_writer_does_not_wait_for_ever_and_goes_on_when_the_other_is_done(warehouse):
    """The other writer is in the middle of its transaction when a hurried one comes."""
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2))
    settings = {f: getattr(warehouse, f) for f in type(warehouse).model_fields}
    code = (
        "import sys, json\n"
        "from fallrisk_assets.environments import opened\n"
        "def work(session):\n"
        "    session.execute('UPDATE fact_risk_score SET probability_12m = 0.5')\n"
        "    print('open', flush=True)\n"
        "    sys.stdin.readline()\n"
        "opened('warehouse').transact(work)\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "open\n"
        hurried = type(warehouse)(**{**settings, "wait_s": 0.2})
        with pytest.raises(WarehouseBusyError, match=r"busy for 0\.2 s; run again"):
            hurried.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.7))
        other.communicate("\n")
        assert other.returncode == 0
    assert probabilities(warehouse) == [0.5]
    hurried.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.7))
    assert probabilities(warehouse) == [0.7]


#: Values that text formats on the way could mistake for others.
STRANGE: dict[pa.DataType, list] = {
    pa.bool_(): [True, False, None],
    pa.int32(): [-(2**31), 2**31 - 1, 0, None],
    pa.int64(): [-(2**63), 2**63 - 1, 0, None],
    pa.float32(): [0.1, -0.0, 1.17549435e-38, 16777217.0, 3.4028235e38, None],
    pa.float64(): [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, math.pi, None],
    pa.string(): [
        "",
        "null",
        "NULL",
        "\\N",
        'a "quoted" one',
        "it's",
        "a,b\nc\td",
        "Ünïcode 💧",
        "%s ?",
        None,
    ],
    pa.date32(): [date(1900, 1, 1), date(2026, 2, 28), date(9999, 12, 31), None],
    pa.timestamp("us", "UTC"): [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2026, 3, 29, 1, 30, 0, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        None,
    ],
}


def strange_rows(model, days):
    """Return rows with such values in every column, null where the contract allows it."""
    columns = {}
    for field in arrow_schema(model):
        values = [v for v in STRANGE[field.type] if v is not None or field.nullable]
        columns[field.name] = [values[n % len(values)] for n in range(10)]
    if model.spec.slice_column is not None:
        columns[model.spec.slice_column] = [days[n % 2] for n in range(10)]
    return pa.Table.from_pydict(columns, schema=arrow_schema(model))


def ordered(rows):
    return sorted(map(repr, rows.to_pylist()))


def test_every_value_of_every_table_comes_back_bit_for_bit(warehouse):
    for model in EVERY_TABLE:
        rows = strange_rows(model, [DAY, NEXT_DAY])
        keys = [WHOLE_TABLE]
        if model.spec.slice_column is not None:
            keys = [str(DAY), str(NEXT_DAY)]
        parts = {key: rows.take([n for n in range(10) if n % len(keys) == i]) for i, key in enumerate(keys)}
        warehouse.replace_slices(model, parts)
        assert ordered(warehouse.read(model)) == ordered(rows), model.spec.name


def test_rows_come_sorted_as_the_contract_says(warehouse):
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.3, 0.1).take([1, 0]))
    found = warehouse.read(FactRiskScore)["wearable_patient_id"].to_pylist()
    assert found == ["pt-1", "pt-2"]


def test_a_score_is_joined_to_the_patient_as_he_was_on_that_day(warehouse):
    versions = patient_versions(patients(patient(day=5), patient(day=6, site_id="SITE02")), NEXT_DAY)
    warehouse.replace_slice(DimPatient, WHOLE_TABLE, dim_patient(versions))
    for day in (DAY, NEXT_DAY):
        rows = fact_risk_score(indices(index(day=day)), day, Wearers(versions))
        warehouse.replace_slice(FactRiskScore, str(day), rows)
    joined = warehouse.query("SELECT day, site_id FROM v_risk_score ORDER BY day").to_pylist()
    assert [row["site_id"] for row in joined] == ["SITE01", "SITE02"]


def test_a_dimension_that_is_folded_again_has_each_version_once(warehouse):
    one = patient_versions(patients(patient(day=5)), NEXT_DAY)
    two = patient_versions(patients(patient(day=5), patient(day=6, site_id="SITE02")), NEXT_DAY)
    for versions in (one, two, two):
        warehouse.replace_slice(DimPatient, WHOLE_TABLE, dim_patient(versions))
    rows = warehouse.query(
        "SELECT site_id, is_current, valid_to IS NULL AS open FROM dim_patient ORDER BY valid_from"
    )
    assert [tuple(row.values()) for row in rows.to_pylist()] == [
        ("SITE01", False, False),
        ("SITE02", True, True),
    ]


def test_a_day_whose_alerts_were_never_published_has_an_unknown_number_of_them_and_not_0(warehouse):
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2))
    query = "SELECT alerts FROM v_cohort_day"
    assert warehouse.query(query).to_pylist() == [{"alerts": None}]
    warehouse.replace_slice(
        FactAlert, str(DAY), fact_alert(alerts(), index_alerts(), operations_alerts(), DAY, WEARERS)
    )
    assert warehouse.query(query).to_pylist() == [{"alerts": 0}]


def test_times_come_back_in_utc_wherever_the_machine_is(warehouse, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2))
    midnight = datetime(2026, 1, 5, tzinfo=UTC)
    assert warehouse.query("SELECT event_at FROM fact_risk_score").to_pylist() == [{"event_at": midnight}]
    shown = warehouse.query("SELECT CAST(CAST(event_at AS DATE) AS VARCHAR) AS d FROM fact_risk_score")
    assert shown.to_pylist() == [{"d": "2026-01-05"}]


def test_old_rows_are_forgotten_with_their_entries(warehouse):
    load(known(warehouse), state(), state("APT2", day=6))
    later = date(2026, 1, 6) + timedelta(days=retention.FACT_DAYS)
    assert retention.expired(warehouse, later) == {"fact_appointment": 1}
    assert retention.enforce(warehouse, later) == {"fact_appointment": 1}
    assert [key for table, key in warehouse.ledger() if table.endswith("fact_appointment")] == ["2026-01-06"]
    assert warehouse.read(FactAppointment)["appointment_id"].to_pylist() == ["APT2"]
    assert ("warehouse.dim_date", WHOLE_TABLE) in warehouse.ledger()


def test_what_people_read_has_the_rows(warehouse):
    assert (warehouse.query_export("SELECT 1 AS one") is None) == isinstance(warehouse, Warehouse)
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2, 0.3))
    assert warehouse.export().size > 0
    assert warehouse.query_export("SELECT COUNT(*) AS n FROM v_risk_score").to_pylist() == [{"n": 2}]


def test_an_export_is_read_in_duckdb_whatever_the_engine_and_only_after_the_first(warehouse):
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2, 0.3))
    with pytest.raises(FileNotFoundError, match="materialise warehouse_snapshot"), warehouse.open_export():
        pass
    warehouse.export()
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.4))
    with warehouse.open_export() as connection:
        found = connection.sql("SELECT * FROM fact_risk_score ORDER BY probability_12m").to_arrow_table()
        (shown,) = connection.execute("SELECT COUNT(*) FROM v_risk_score").fetchall()
        (days,) = connection.execute("SELECT partition_key FROM partition_ledger").fetchall()
        assert connection.execute("SELECT * FROM fact_alert").fetchall() == []
    assert found.cast(arrow_schema(FactRiskScore)) == scores(DAY, 0.2, 0.3).sort_by("probability_12m")
    assert (shown, days) == ((2,), (str(DAY),))


def test_a_column_that_a_contract_gains_is_added_and_any_other_difference_is_refused(warehouse):
    warehouse.replace_slice(FactRiskScore, str(DAY), scores(DAY, 0.2))
    older = ("DROP VIEW v_cohort_day", "DROP VIEW v_risk_change", "DROP VIEW v_risk_score")
    older += ("ALTER TABLE fact_risk_score DROP COLUMN confidence",)

    def make(*statements):
        def work(session):
            for statement in (*statements, "UPDATE applied_schema SET fingerprint = 'older'"):
                session.execute(statement)

        return work

    warehouse.transact(make(*older))
    newer = opened("warehouse")
    assert newer.read(FactRiskScore)["confidence"].to_pylist() == [None]
    newer.replace_slice(FactRiskScore, str(NEXT_DAY), scores(NEXT_DAY, 0.5))
    assert newer.query("SELECT COUNT(*) AS n FROM v_cohort_day").to_pylist() == [{"n": 2}]
    newer.transact(make("ALTER TABLE fact_risk_score ADD COLUMN invented INTEGER"))
    with pytest.raises(SchemaConflictError, match="invented"):
        opened("warehouse").read(FactRiskScore)


def clinic(warehouse):
    """A clinic with something for every mart: visits of all kinds, answers, a fall, scores, two providers."""
    known(warehouse, provider(), provider("PROV0002", hourly_rate=99.95, available_hours_per_week=7.5))
    load(
        warehouse,
        state(duration_minutes=33.3333, wait_minutes=7.1),
        state("APT2", "No-show", patient_id="PAT000002", planned_minutes=25.0),
        state("APT3", day=6, provider_id="PROV0002", duration_minutes=17.7, had_technical_issue=True),
        state("APT4", "Scheduled", patient_id="PAT000003", day=6, scheduled_start_at=at(20)),
        state("APT5", "Cancelled", patient_id="PAT000002", day=6),
        state("APT6", day=14, patient_id="PAT000002", duration_minutes=12.3),
        answer(),
        answer("FB2", day=6, appointment_id="APT3", overall_satisfaction=5),
    )
    for day in (DAY, NEXT_DAY):
        warehouse.replace_slice(FactRiskScore, str(day), scores(day, 0.61, None))
    fell = alert(opened_at=at(5, 3.5), last_seen_at=at(5, 3.5), device=None)
    warehouse.replace_slice(
        FactAlert, str(DAY), fact_alert(alerts(fell), index_alerts(), operations_alerts(), DAY, WEARERS)
    )
    hours = coverage(device_hour(wear_fraction=0.7), silent_hour("imu-2", ""))
    warehouse.replace_slice(FactDeviceDay, str(DAY), fact_device_day(hours, DAY, WEARERS, {}))
    return warehouse


def plain(value):
    """Return a number as a float: engines differ in what they call the type of a sum."""
    return float(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value


def marts(warehouse):
    """Return what every mart and view says."""
    queries = {
        MartDailyKpis: (kpis.daily_kpis_sql(), []),
        MartProviderUtilisation: ((MARTS / "provider_utilisation.sql").read_text(), []),
        MartRevenue: ((MARTS / "revenue.sql").read_text(), []),
        MartPatientJourney: ((MARTS / "patient_journey.sql").read_text(), []),
        MartOutreach: ((MARTS / "outreach.sql").read_text(), [NEXT_DAY]),
    }
    found = {
        model.spec.name: warehouse.query(query, values).cast(arrow_schema(model)).to_pylist()
        for model, (query, values) in queries.items()
    }
    views = (
        "v_risk_score",
        "v_device_day",
        "v_alert",
        "v_cohort_day",
        "v_appointment",
        "v_answer",
        "v_feedback",
    )
    for view in (*views, "v_clinic_day", "v_utilisation_7d"):
        rows = warehouse.query(f"SELECT * FROM {view}").to_pylist()
        found[view] = sorted(repr({name: plain(value) for name, value in row.items()}) for row in rows)
    return found


def test_marts_and_views_say_in_redshift_what_they_say_in_duckdb(redshift, tmp_path):
    here = marts(clinic(Warehouse(folder=str(tmp_path / "local"))))
    there = marts(clinic(opened("warehouse")))
    assert all(here.values()), "each has something to say"
    assert there == here


def test_the_clinic_s_pages_are_the_same_from_either_engine(redshift, tmp_path):
    pages = []
    for warehouse in (Warehouse(folder=str(tmp_path / "local")), opened("warehouse")):
        clinic(warehouse)
        to_call = warehouse.query((MARTS / "outreach.sql").read_text(), [NEXT_DAY])
        warehouse.replace_slice(MartOutreach, str(NEXT_DAY), to_call.cast(arrow_schema(MartOutreach)))
        warehouse.export()
        with warehouse.open_export() as connection:
            pages.append((read_operations(connection), read_worklist(connection)))
    assert all(pages[0]), "each has something to say"
    assert pages[0] == pages[1]


def test_checks_find_in_both_what_is_broken(warehouse):
    checks = MARTS.parents[1] / "checks"
    clinic(warehouse)
    warehouse.transact(lambda session: session.execute("DELETE FROM fact_device_day"))
    for day in (DAY, NEXT_DAY):
        for file in sorted(checks.glob("*.sql")):
            assert broken_rows(warehouse, file.read_text(), str(day)).num_rows == 0, file.name

    def break_it(session):
        for statement in (
            "DELETE FROM dim_patient WHERE patient_id = 'PAT000001'",
            "DELETE FROM dim_provider WHERE provider_id = 'PROV0002'",
            "UPDATE dim_patient SET is_current = FALSE WHERE patient_id = 'PAT000002'",
            "UPDATE fact_feedback SET appointment_key = 1 WHERE feedback_id = 'FB1'",
        ):
            session.execute(statement)

    warehouse.transact(break_it)
    broken = {
        file.stem: [row["member"] for row in broken_rows(warehouse, file.read_text(), key).to_pylist()]
        for key in [str(DAY)]
        for file in sorted(checks.glob("*.sql"))
    }
    assert {name: members for name, members in broken.items() if members} == {
        "alert_without_dimension": ["a1"],
        "appointment_without_dimension": ["APT1"],
        "feedback_without_appointment": ["FB1"],
        "patient_not_one_current": ["PAT000002"],
        "risk_score_without_patient": ["pt-1"],
    }
    there = (checks / "appointment_without_dimension.sql").read_text()
    assert [r["member"] for r in broken_rows(warehouse, there, str(NEXT_DAY)).to_pylist()] == ["APT3"]


def test_two_sites_have_their_rows_in_a_table_without_slices(warehouse):
    whole = strange_rows(DimSite, [DAY]).slice(0, 2)
    column = whole.schema.get_field_index("site_id")
    whole = whole.set_column(column, whole.schema.field(column), pa.array(["S1", "S2"]))
    warehouse.replace_slices(DimSite, {WHOLE_TABLE: whole})
    warehouse.replace_slices(DimSite, {WHOLE_TABLE: whole.slice(1)})
    assert warehouse.read(DimSite)["site_id"].to_pylist() == ["S2"]
