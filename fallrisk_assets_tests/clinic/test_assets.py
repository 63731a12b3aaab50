"""The clinic's assets: what the landing zone holds is what readers of a day get."""

from datetime import date

import dagster as dg
import pytest

from fallrisk_assets.clinic.assets import clinic_identity
from fallrisk_assets.clinic.contract import CareContacts, DeviceAssignment, IdentityQuarantine, Patients
from fallrisk_assets.clinic.snapshots import latest_snapshot, snapshots
from fallrisk_assets.lake import Lake, MissingPartition
from fallrisk_assets.lake.landing import Landing

PATIENTS = "patient_id,wearable_patient_id,birth_date,gender,registration_date,time_zone,site_id\n"
ADA = "PAT000001,pt-1,1941-03-05,F,2020-02-29,Europe/Madrid,SITE01\n"
BEN = "PAT000002,pt-2,1950-07-09,M,2021-01-01,Europe/Madrid,SITE02\n"
ASSIGNMENTS = "device_id,patient_id,from,to,position,corrected_at\n"


class Clinic:
    """A landing zone, a lake, and runs over them."""

    def __init__(self, folder):
        self.folder = folder / "landing"
        (self.folder / "clinic").mkdir(parents=True)
        self.landing = Landing(root=str(self.folder))
        self.lake = Lake(root=str(folder / "lake"))

    def receive(self, name: str, text: str) -> None:
        (self.folder / "clinic" / name).write_text(text)

    def run(self, first: str, last: str | None = None) -> dg.ExecuteInProcessResult:
        tags = (
            {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
            if last
            else None
        )
        return dg.materialize(
            [clinic_identity],
            partition_key=None if last else first,
            tags=tags,
            resources={"lake": self.lake, "landing": self.landing},
        )

    def ids(self, day: str | None = None) -> list[str]:
        return latest_snapshot(self.lake, Patients, day)["patient_id"].to_pylist()


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    clinic = Clinic(tmp_path_factory.mktemp("clinic"))
    clinic.receive("20260105T060000Z-patients.csv", PATIENTS + ADA + BEN.replace("1950-07-09", "1950-99-09"))
    clinic.receive(
        "20260105T060000Z-device_assignment.csv",
        ASSIGNMENTS
        + "imu-1,pt-1,2026-01-05T00:00:00Z,,waist,\n"
        + "imu-2,pt-2,2026-01-05T00:00:00Z,,waist,\n"
        + "imu-3,pt-3,2026-01-05T00:00:00Z,,waist,\n",
    )
    clinic.receive("20260105T070000Z-patients.xlsx", "")
    clinic.receive(
        "20260107T060000Z-care_contacts.csv",
        "patient_id,role,channel,address,order\nPAT000002,nurse,email,n@c.example,1\n",
    )
    clinic.receive(
        "20260106T060000Z-care_contacts.csv",
        "patient_id,role,channel,address,order\nPAT000002,nurse,email,n@c.example,1\n",
    )
    clinic.receive("20260107T060000Z-patients.csv", PATIENTS + BEN)
    clinic.receive("20260107T080000Z-patients.csv", PATIENTS + ADA + BEN)
    clinic.receive("20260107T090000Z-patients.csv", PATIENTS + "rubbish\n")
    assert clinic.run("2026-01-05", "2026-01-08").success
    return clinic


def test_a_day_shows_the_snapshot_received_last_up_to_it(clinic):
    assert clinic.ids("2026-01-05") == ["PAT000001"]
    assert clinic.ids("2026-01-06") == ["PAT000001"]
    assert clinic.ids("2026-01-07") == clinic.ids() == ["PAT000001", "PAT000002"]


def test_a_day_without_a_file_is_published_empty_and_not_missing(clinic):
    assert clinic.lake.read(Patients, ["2026-01-06"]).num_rows == 0
    with pytest.raises(MissingPartition, match=r"clean\.patients 2026-01-04"):
        latest_snapshot(clinic.lake, Patients, date(2026, 1, 4))


def test_a_patient_with_a_faulty_line_keeps_the_device(clinic):
    assert latest_snapshot(clinic.lake, DeviceAssignment)["device_id"].to_pylist() == ["imu-1", "imu-2"]


def test_every_refused_line_stands_in_the_quarantine_of_its_day(clinic):
    refused = {
        (row["file"], row["line"]): row["reason"]
        for row in snapshots(clinic.lake, IdentityQuarantine).to_pylist()
    }
    assert refused == {
        ("20260105T060000Z-device_assignment.csv", 4): "WEARABLE_ID_UNKNOWN",
        ("20260105T060000Z-patients.csv", 3): "DATE_INVALID",
        ("20260105T070000Z-patients.xlsx", 0): "FILE_NAME_INVALID",
        ("20260107T090000Z-patients.csv", 2): "FIELD_COUNT_WRONG",
    }


def test_a_contact_may_belong_to_any_patient_whom_an_earlier_file_named(clinic):
    assert latest_snapshot(clinic.lake, CareContacts, "2026-01-06")["patient_id"].to_pylist() == ["PAT000002"]
    assert latest_snapshot(clinic.lake, CareContacts)["patient_id"].to_pylist() == ["PAT000002"]


def test_days_run_one_by_one_and_backwards_give_what_the_range_gave(clinic, tmp_path):
    other = Clinic(tmp_path)
    other.landing = clinic.landing
    for day in ("2026-01-08", "2026-01-07", "2026-01-06", "2026-01-05"):
        assert other.run(day).success
    for model in (Patients, DeviceAssignment, CareContacts, IdentityQuarantine):
        for day in clinic.lake.ledger.keys(model):
            expected = clinic.lake.ledger.get(model, day).content_hash
            assert other.lake.ledger.get(model, day).content_hash == expected


def test_no_name_reaches_the_metadata_of_a_run(tmp_path):
    clinic = Clinic(tmp_path)
    header = PATIENTS.replace("birth_date", "given_name,family_name,birth_date")
    clinic.receive("20260105T060000Z-patients.csv", header + ADA.replace("1941", "Zerlina,Quux,1941"))
    result = clinic.run("2026-01-05")
    said = "".join(str(event) for event in result.all_events)
    assert "clean.patients" in said
    assert "Zerlina" not in said
    assert "Quux" not in said
