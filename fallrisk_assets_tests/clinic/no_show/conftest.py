"""A simulated clinic of some days in a lake, made once for the tests of the assets."""

from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from fallrisk_assets.clinic.assets import clinic_identity
from fallrisk_assets.clinic.no_show.assets import no_show_risk
from fallrisk_assets.clinic.operations.assets import appointment_states, clinic_operations
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import Landing
from simulator.clinic_operations import OperationsOptions, simulate_clinic

DAYS = ("2026-01-05", "2026-01-06", "2026-01-07")


def score(lake: Lake, first: str, last: str | None = None) -> dg.ExecuteInProcessResult:
    """Run `no_show_risk` for a day, or a range in one run."""
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    return dg.materialize(
        [no_show_risk],
        partition_key=None if last else first,
        tags=tags if last else None,
        resources={"lake": lake},
    )


@pytest.fixture(scope="session")
def clinic_lake(tmp_path_factory) -> Lake:
    folder: Path = tmp_path_factory.mktemp("no_show_clinic")
    options = OperationsOptions(date(2026, 1, 5), 3, seed=5, providers=4)
    simulate_clinic(folder / "landing", None, 80, options)
    lake = Lake(root=str(folder / "lake"))
    tags = {"dagster/asset_partition_range_start": DAYS[0], "dagster/asset_partition_range_end": DAYS[-1]}
    dg.materialize(
        [clinic_identity, clinic_operations, appointment_states],
        tags=tags,
        resources={"lake": lake, "landing": Landing(root=str(folder / "landing"))},
    )
    assert score(lake, DAYS[0], DAYS[-1]).success
    return lake
