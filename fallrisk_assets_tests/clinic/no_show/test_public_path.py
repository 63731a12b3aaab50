"""A made file in the public set's layout through the clinic's whole path; the real one is not at hand."""

import datetime as dt
import json
from collections import Counter

import numpy as np
import pytest

from fallrisk_assets import public_set
from fallrisk_assets.clinic.no_show.assets import ClinicTables
from fallrisk_assets.clinic.no_show.contract import (
    NoShowEvaluation,
    NoShowLeftOut,
    NoShowModels,
    NoShowTrainingSet,
)
from fallrisk_assets.clinic.no_show.facts import FACTS, facts_at_booking
from fallrisk_assets.clinic.no_show.model import NAME, PUBLIC
from fallrisk_assets.clinic.no_show.public_drops import public_drops
from fallrisk_assets.clinic.no_show.public_set import read_public_set
from fallrisk_assets.lake import Lake
from fallrisk_assets.models import promotion
from fallrisk_assets.models.registry import PromotionRefused, registry_of
from fallrisk_assets.partitions import FIRST_DAY
from fallrisk_assets.warehouse.resource import Warehouse
from fallrisk_assets_tests.clinic.no_show.made import public_file, public_like, public_line, public_set_of

TODAY = dt.date(2026, 6, 1)
DAYS = 7
VISITS = 3000
DIRT = (
    (public_line(1, AppointmentID="1", Age="-1"), "AGE_OUT_OF_RANGE"),
    (public_line(1, AppointmentID="2", PatientId="93779.52927"), "PATIENT_ID_NOT_INTEGER"),
    (public_line(1, AppointmentID="3", PatientId="2.98E+13"), "PATIENT_ID_NOT_INTEGER"),
    (public_line(1, AppointmentID="4", ScheduledDay="2016-05-10T10:51:53Z"), "BOOKED_AFTER_VISIT"),
    ("short,line", "FIELD_COUNT_WRONG"),
)
WHO = {"by": "staff-7", "at": dt.datetime(2026, 6, 1, tzinfo=dt.UTC), "why": "tried in a test"}


@pytest.fixture(scope="module")
def data():
    dirt = "".join(f"{line}\n" for line, _ in DIRT)
    return public_set_of(*public_like(VISITS, days=DAYS)) + dirt.encode()


@pytest.fixture(scope="module")
def place(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("public")
    (folder / "set.csv").write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def ran(place):
    """One run of the command: its exit code; the lake and warehouse lie in `place`."""
    return public_set.main([str(place / "set.csv"), "--out", str(place / "out")], TODAY)


@pytest.fixture(scope="module")
def lake(ran, place):
    assert ran == 0
    return Lake(root=str(place / "out" / "lake"))


@pytest.fixture(scope="module")
def last(data):
    return str(public_drops(read_public_set(data), FIRST_DAY).last_day)


def test_every_accepted_row_is_a_fact_with_its_outcome(ran, data, place):
    assert ran == 0
    found = read_public_set(data)
    warehouse = Warehouse(folder=str(place / "out" / "warehouse"))
    assert public_set.unaccounted(found, warehouse) == []
    rows = warehouse.query("SELECT status, COUNT(*) AS n FROM v_appointment GROUP BY status").to_pylist()
    missed = int(found.visits.missed.sum())
    assert {row["status"]: row["n"] for row in rows} == {"Completed": VISITS - missed, "No-show": missed}
    other = read_public_set(data + public_line(9, AppointmentID="9").encode())
    assert public_set.unaccounted(other, warehouse) != []


def test_the_indicators_are_those_of_the_file(ran, data, place):
    found = read_public_set(data)
    warehouse = Warehouse(folder=str(place / "out" / "warehouse"))
    by_day = warehouse.query(
        "SELECT day, numerator, denominator FROM mart_daily_kpis WHERE kpi = 'no_show_rate' "
        "AND denominator > 0"
    ).to_pylist()
    moved = public_drops(found, FIRST_DAY).moved_by
    visits = Counter(day + moved for day in found.visits.visit_on.tolist())
    missed = Counter(day + moved for day in found.visits.visit_on[found.visits.missed].tolist())
    assert {row["day"]: (row["numerator"], row["denominator"]) for row in by_day} == {
        day: (missed[day], n) for day, n in visits.items()
    }
    lead = facts_at_booking(found.bookings, found.visits).lead_time_days.mean()
    (said,) = [line for line in public_set.indicators(warehouse) if "Mean lead time" in line]
    assert f"{lead:,.3f} d" in said


def test_the_clinics_own_tables_give_the_facts_that_the_file_gives(lake, data, last):
    found = read_public_set(data)
    from_file = facts_at_booking(found.bookings, found.visits)
    clinic = ClinicTables(lake, last).until(last)
    from_clinic = facts_at_booking(clinic.bookings, clinic.visits)
    for name in FACTS:
        assert dict(
            zip(clinic.bookings.appointment_id, getattr(from_clinic, name).tolist(), strict=True)
        ) == dict(zip(found.bookings.appointment_id, getattr(from_file, name).tolist(), strict=True)), name


def test_what_was_refused_stands_in_a_table_with_its_line_and_reason(lake, last):
    rows = lake.read(NoShowLeftOut, [last]).to_pylist()
    expected = {f"line {VISITS + 2 + i:07d}": reason for i, (_, reason) in enumerate(DIRT)}
    assert {row["item"]: row["reason"] for row in rows} == expected
    assert all(row["detail"] for row in rows)


def test_the_training_set_is_split_in_time_and_says_what_it_is(lake, last):
    rows = lake.read(NoShowTrainingSet, [last]).to_pandas()
    assert len(rows) == VISITS
    assert set(rows["basis"]) == {PUBLIC}
    assert (
        rows.loc[rows["part"] == "train", "visit_on"].max()
        < rows.loc[rows["part"] == "test", "visit_on"].min()
    )


def test_an_honest_file_gives_an_honest_model_that_is_not_in_use_until_it_is_promoted(lake, last):
    rows = {
        (r["role"], r["subgroup"], r["metric"]): r["value"]
        for r in lake.read(NoShowEvaluation, [last]).to_pylist()
    }
    assert 0.66 < rows["candidate", "all", "area_under_curve"] < 0.76
    assert rows["in_use", "all", "area_under_curve"] < 0.80
    (version,) = lake.read(NoShowModels, [last])["model_version"].to_pylist()
    registry = registry_of(lake, NAME)
    assert json.loads(registry.artefact(version))["training"]["basis"] == PUBLIC
    assert registry.in_use() != version
    promotion.promote(lake, version, **WHO)
    try:
        assert registry.in_use() == version
    finally:
        registry.rollback(**WHO)


def test_the_same_file_again_gives_the_same_version(lake, data, place, last):
    models = lake.read(NoShowModels, [last])
    public_set.train(public_drops(read_public_set(data), FIRST_DAY), place / "set.csv", place / "out")
    assert lake.read(NoShowModels, [last]).equals(models)


def test_another_file_is_not_mixed_in(ran, place, capsys):
    words = [str(place / "other.csv"), "--out", str(place / "out")]
    (place / "other.csv").write_bytes(public_set_of(*public_like(600, seed=1, days=DAYS)))
    assert public_set.main(words, TODAY) == 2
    assert "holds the drops of another file" in capsys.readouterr().err


def test_a_file_in_which_the_booking_knows_the_outcome_is_stopped_at_the_gate(tmp_path):
    file = tmp_path / "leak.csv"
    file.write_bytes(public_set_of(*public_like(VISITS, days=DAYS, leak=0.6)))
    drops = public_drops(read_public_set(file.read_bytes()), FIRST_DAY)
    with pytest.raises(public_set.PathFailed, match="no_fact_is_learnt_after_the_booking"):
        public_set.train(drops, file, tmp_path)
    lake = Lake(root=str(tmp_path / "lake"))
    (version,) = lake.read(NoShowModels, [str(drops.last_day)])["model_version"].to_pylist()
    with pytest.raises(PromotionRefused, match="no_fact_is_learnt_after_the_booking: REFUSED"):
        promotion.promote(lake, version, **WHO)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "FILE_UNREADABLE"),
        (public_file(public_line(1), header="a,b"), "COLUMN_MISSING"),
        (public_file(public_line(1, Age="-1")), "no row of the file can be used: 1 AGE_OUT_OF_RANGE"),
        (
            public_file(public_line(1), public_line(2, AppointmentDay="2018-01-01T00:00:00Z")),
            "span too many days",
        ),
    ],
)
def test_a_file_that_cannot_be_run_is_refused_with_the_reason_and_leaves_nothing(
    content, said, tmp_path, capsys
):
    (tmp_path / "set.csv").write_bytes(content)
    assert public_set.main([str(tmp_path / "set.csv"), "--out", str(tmp_path / "out")], TODAY) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_there_is_named(tmp_path, capsys):
    assert public_set.main([str(tmp_path / "none.csv")], TODAY) == 2
    assert "none.csv" in capsys.readouterr().err


def test_drops_keep_weekdays_lead_times_and_ages_at_the_first_booking(data):
    found = read_public_set(data)
    drops = public_drops(found, FIRST_DAY)
    assert drops.moved_by.days % 7 == 0
    assert FIRST_DAY <= drops.first_day < FIRST_DAY + dt.timedelta(days=7)
    events = [
        json.loads(line)
        for key, content in sorted(drops.files.items())
        if key.endswith(".jsonl")
        for line in content.splitlines()
    ]
    booked = {e["appointment_id"]: e for e in events if e["event_type"] == "appointment_scheduled"}
    assert len(booked) == VISITS
    started = {e["appointment_id"] for e in events if e["event_type"] == "session_started"}
    assert started == set(found.visits.appointment_id[~found.visits.missed])
    leads = [
        (
            dt.datetime.fromisoformat(booked[one]["scheduled_start_at"]).date()
            - dt.datetime.fromisoformat(booked[one]["timestamp"]).date()
        ).days
        for one in found.bookings.appointment_id
    ]
    assert np.array_equal(leads, (found.bookings.visit_on - found.bookings.booked_on).astype(int))
    assert public_drops(found, FIRST_DAY) == drops
