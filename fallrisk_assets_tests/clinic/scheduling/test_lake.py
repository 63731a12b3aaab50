"""What the scheduling API told, in the lake: the weakest beside the clinic's own files; alone it counts."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from fallrisk_assets.clinic.assets import clinic_identity
from fallrisk_assets.clinic.operations.assets import appointment_states, clinic_operations
from fallrisk_assets.clinic.operations.contract import Appointments, ClinicDrops
from fallrisk_assets.clinic.scheduling.pull import pull
from fallrisk_assets.clinic.scheduling.spool import Spool
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets_tests.clinic.scheduling.conftest import OPTIONS, START
from simulator.clinic_operations import simulate_clinic
from simulator.scheduling import known_at

END = datetime(2026, 1, 5, 23, 50, tzinfo=UTC)
DAY = str(START)


def folded(folder, landing: Landing) -> list[dict]:
    lake = Lake(root=str(folder))
    result = dg.materialize(
        [clinic_identity, clinic_operations, appointment_states],
        partition_key=DAY,
        resources={"lake": lake, "landing": landing},
    )
    assert result.success
    drops = lake.read(ClinicDrops, [DAY]).to_pylist()
    assert sum(drop["quarantined_lines"] for drop in drops) == 0
    return lake.read(Appointments, [DAY]).to_pylist()


@pytest.fixture
def own(tmp_path) -> Landing:
    simulate_clinic(tmp_path / "landing", None, 40, OPTIONS)
    return Landing(root=str(tmp_path / "landing"))


def test_the_api_changes_no_state_that_the_clinics_own_files_tell(own, tmp_path, ask, system):
    before = {row["appointment_id"]: row for row in folded(tmp_path / "before", own)}
    system.at = END
    pull(ask(), Spool(own), lambda: END)
    after = {row["appointment_id"]: row for row in folded(tmp_path / "after", own)}
    told = ("superseded_source", "disagreements")
    assert len(before) > 30
    for one, row in before.items():
        assert {k: v for k, v in row.items() if k not in told} == {
            k: v for k, v in after[one].items() if k not in told
        }
        assert row["superseded_source"] is None
    assert {after[one]["superseded_source"] for one in before} >= {"api"}
    assert {row["source"] for one, row in after.items() if one not in before} <= {"api"}


def test_a_clinic_that_has_the_api_only_has_its_appointments(own, tmp_path, ask, system, cohort):
    for file in own.list("clinic"):
        if not file.key.endswith(("patients.csv", "providers.csv")):
            (tmp_path / "landing" / file.key).unlink()
    system.at = END
    pull(ask(), Spool(own), lambda: END)
    rows = folded(tmp_path / "lake", own)
    known = {one.appointment_id: one.record["status"] for one in known_at(cohort[1], END)}
    assert {row["appointment_id"]: row["status"] for row in rows} == known
    assert {row["source"] for row in rows} == {"api"}
    assert {"Scheduled", "Completed"} <= set(known.values())
