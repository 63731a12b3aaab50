"""The unchanged assets in both environments, from the same drops."""

from datetime import date

import dagster as dg
import pyarrow.fs as pafs
import pytest
from pyiceberg.catalog import load_catalog

from fallrisk_assets.clinic.contract import Patients
from fallrisk_assets.definitions import build_defs
from fallrisk_assets.dictionary import all_contracts
from fallrisk_assets.environments import environment, opened
from fallrisk_assets.equality import differences, held_in_lake
from fallrisk_assets.jobs import IDENTITY_DAILY, TELEMETRY_HOURLY
from fallrisk_assets.mobility.contract import WindowFeatures
from fallrisk_assets.partitions import hour_key, window_of
from fallrisk_assets.telemetry.contract import Telemetry
from simulator.cohort import CohortOptions, simulate_cohort

DAY = "2026-01-05"
TABLES = [model for model in all_contracts() if model.spec.namespace != "warehouse"]


def work(job, first, last):
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_defs(environment()).resolve_job_def(job)
        assert job.execute_in_process(tags=tags, instance=instance).success


def work_the_morning(landing):
    """Execute identity and the hours of the drops; returns what every table of the lake holds."""
    hours = sorted({f"{DAY}-{f.key.split('T')[1][:2]}:00" for f in landing.list("telemetry")})
    work(IDENTITY_DAILY, DAY, DAY)
    work(TELEMETRY_HOURLY, hour_key(window_of(hours[0])[0]), hours[-1])
    lake = opened("lake")
    return {model.spec.identifier: held_in_lake(lake, model) for model in TABLES}


@pytest.mark.slow
def test_a_run_on_s3_gives_what_a_local_run_gives_and_touches_no_local_file(aws, monkeypatch, tmp_path):
    options = CohortOptions(patients=1, days=1, start=date(2026, 1, 5), rate_hz=50, hours_per_day=(0.1,))
    there = tmp_path / "there"
    simulate_cohort(there / "landing", None, options)
    filesystem, base = opened("landing").located
    pafs.copy_files(str(there / "landing"), base, destination_filesystem=filesystem)
    catalog = load_catalog("fallrisk", **opened("lake").catalog_properties())
    for namespace in catalog.list_namespaces():
        for table in catalog.list_tables(namespace):
            catalog.drop_table(table)
    cloud = work_the_morning(opened("landing"))
    assert sorted(p.name for p in (tmp_path / "data").iterdir() if p.is_dir()) == [], "all of it is on S3"

    monkeypatch.setenv("FALLRISK_ENV", "local")
    monkeypatch.setenv("FALLRISK_DATA", str(there))
    for name in aws:
        if name != "FALLRISK_ENV":
            monkeypatch.delenv(name)
    local = work_the_morning(opened("landing"))
    assert differences(local, cloud) == []
    for model in (Patients, Telemetry, WindowFeatures):
        assert cloud[model.spec.identifier].rows > 0
