"""The assets of the clinic's operations: what the landing zone holds is what readers of a day get."""

from pathlib import Path

import dagster as dg
import pytest

from fallrisk_assets.clinic.assets import clinic_identity
from fallrisk_assets.clinic.operations.assets import appointment_states, clinic_operations
from fallrisk_assets.clinic.operations.checks import drops_are_conserved, lost_lines
from fallrisk_assets.clinic.operations.contract import (
    AppointmentEvents,
    AppointmentQuarantine,
    Appointments,
    ClinicDrops,
    Feedback,
    OperationsQuarantine,
    Providers,
)
from fallrisk_assets.clinic.operations.history import inputs_until, stale_days
from fallrisk_assets.lake import Lake, MissingPartition
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.sensors import stale_state_requests
from fallrisk_assets_tests.clinic.operations.rows import PROVIDER, PROVIDERS_HEADER, answer, event, lines

MODELS = (ClinicDrops, OperationsQuarantine, Providers, AppointmentEvents, Feedback)
PATIENTS = (
    "patient_id,wearable_patient_id,birth_date,gender,registration_date,time_zone,site_id\n"
    "PAT000001,pt-1,1941-03-05,F,2020-02-29,Europe/Madrid,SITE01\n"
)


class Clinic:
    """A landing zone, a lake, and runs over them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "landing"
        (self.folder / "clinic").mkdir(parents=True)
        self.landing = Landing(root=str(self.folder))
        self.lake = Lake(root=str(folder / "lake"))

    def receive(self, name: str, data: bytes) -> None:
        (self.folder / "clinic" / name).write_bytes(data)

    def run(self, first: str, last: str | None = None) -> dg.ExecuteInProcessResult:
        tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        return dg.materialize(
            [clinic_identity, clinic_operations, appointment_states, drops_are_conserved],
            partition_key=None if last else first,
            tags=tags if last else None,
            resources={"lake": self.lake, "landing": self.landing},
        )


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    clinic = Clinic(tmp_path_factory.mktemp("clinic"))
    clinic.receive("20260105T060000Z-providers.csv", f"{PROVIDERS_HEADER}\n{PROVIDER}\n".encode())
    clinic.receive("20260105T200000Z-appointment_events.jsonl", lines(event(), event(), "rubbish"))
    clinic.receive(
        "20260107T200000Z-appointment_events.jsonl", lines(event(), event("patient_login", timestamp="?"))
    )
    clinic.receive("20260107T210000Z-feedback.json", lines(answer(comments="Zerlina was kind")))
    clinic.receive("20260105T220000Z-patients.csv", PATIENTS.encode())
    return clinic


@pytest.fixture(scope="module")
def ran(clinic):
    return clinic.run("2026-01-05", "2026-01-07")


def test_each_day_holds_what_was_received_on_it(clinic, ran):
    assert ran.success
    rows = {m: [clinic.lake.ledger.get(m, f"2026-01-0{d}").rows for d in (5, 6, 7)] for m in MODELS}
    assert rows == {
        ClinicDrops: [2, 0, 2],
        OperationsQuarantine: [1, 0, 1],
        Providers: [1, 0, 0],
        AppointmentEvents: [1, 0, 1],
        Feedback: [0, 0, 1],
    }


def test_every_line_is_accounted_for_drop_by_drop(clinic, ran):
    found = [
        e for e in ran.get_asset_check_evaluations() if e.check_name == drops_are_conserved.check_key.name
    ]
    assert all(e.passed for e in found)
    assert {e.partition for e in found} >= {"2026-01-05", "2026-01-06", "2026-01-07"}


def test_a_lost_line_is_told_with_its_drop(clinic, ran, tmp_path):
    other = Clinic(tmp_path)
    other.landing = clinic.landing
    assert other.run("2026-01-05").success
    rows = other.lake.read(AppointmentEvents, ["2026-01-05"])
    with other.lake.publication(AppointmentEvents, ["2026-01-05"]) as publication:
        publication.add("2026-01-05", rows.slice(0, 0))
        publication.commit()
    assert lost_lines(other.lake, "2026-01-05") == {"20260105T200000Z-appointment_events.jsonl": 1}


def test_days_run_one_by_one_and_backwards_give_what_the_range_gave(clinic, ran, tmp_path):
    other = Clinic(tmp_path)
    other.landing = clinic.landing
    for day in ("2026-01-07", "2026-01-06", "2026-01-05"):
        assert other.run(day).success
    assert other.run("2026-01-06", "2026-01-07").success  # what the sensor asks for: see below
    for model in (*MODELS, Appointments, AppointmentQuarantine):
        for day in clinic.lake.ledger.keys(model):
            expected = clinic.lake.ledger.get(model, day).content_hash
            assert other.lake.ledger.get(model, day).content_hash == expected


def test_what_a_day_is_made_from_does_not_depend_on_how_many_days_ask(clinic, ran):
    days = ["2026-01-05", "2026-01-06", "2026-01-07"]
    together = inputs_until(clinic.lake, days)
    assert together == {day: inputs_until(clinic.lake, [day])[day] for day in days}
    first, quiet, last = (together[day] for day in days)
    assert first == quiet  # nothing with rows was received on that day
    assert {table for table in first if first[table] != last[table]} >= {AppointmentEvents.spec.identifier}


def test_no_comment_reaches_the_metadata_of_a_run(clinic, ran):
    said = "".join(str(event) for event in ran.all_events)
    assert "clean.feedback" in said
    assert "Zerlina" not in said


def test_a_state_is_read_as_of_a_day(clinic, ran):
    states = {
        day: clinic.lake.read(Appointments, [day])["status"].to_pylist()
        for day in ("2026-01-05", "2026-01-06", "2026-01-07")
    }
    assert states == {"2026-01-05": ["Scheduled"], "2026-01-06": [], "2026-01-07": ["No-show"]}


def test_a_drop_that_comes_late_makes_the_states_of_later_days_stale_until_they_are_made_again(tmp_path):
    clinic = Clinic(tmp_path)
    clinic.receive("20260105T220000Z-patients.csv", PATIENTS.encode())
    clinic.receive("20260105T060000Z-providers.csv", f"{PROVIDERS_HEADER}\n{PROVIDER}\n".encode())
    clinic.receive("20260107T200000Z-appointment_events.jsonl", lines(event("patient_login")))
    assert clinic.run("2026-01-05", "2026-01-07").success
    assert stale_days(clinic.lake) == {}
    assert clinic.lake.read(Appointments, ["2026-01-07"]).num_rows == 0
    assert stale_state_requests(clinic.lake) == []
    clinic.receive("20260105T200000Z-appointment_events.jsonl", lines(event()))
    assert clinic.run("2026-01-05").success
    assert sorted(stale_days(clinic.lake)) == ["2026-01-06", "2026-01-07"]
    (request,) = stale_state_requests(clinic.lake)
    assert request.tags["dagster/asset_partition_range_start"] == "2026-01-06"
    assert request.tags["dagster/asset_partition_range_end"] == "2026-01-07"
    assert clinic.run("2026-01-06", "2026-01-07").success
    assert stale_days(clinic.lake) == {}
    assert clinic.lake.read(Appointments, ["2026-01-07"])["status"].to_pylist() == ["Cancelled"]


def test_states_of_a_day_whose_drops_were_never_read_are_missing_and_not_empty(clinic, ran, tmp_path):
    lake = Lake(root=str(tmp_path / "lake"))
    with pytest.raises(MissingPartition, match=r"raw\.clinic_drops 2026-01-05"):
        dg.materialize([appointment_states], partition_key="2026-01-05", resources={"lake": lake})
