"""The database in the graph: pulled by a job, its agreement a check."""

import dagster as dg
import pytest

from fallrisk_assets.clinic.database.assets import (
    AS_AGREED,
    clinic_database,
    clinic_database_pull,
    pull_clinic_database,
)
from fallrisk_assets.clinic.database.resource import ClinicDatabase
from fallrisk_assets.clinic.database.source import DATABASE_VARIABLE
from fallrisk_assets.lake.s3 import Misconfigured


def run(clinic, landing, **settings):
    database = ClinicDatabase(
        **{"address": clinic.address, "password": clinic.password, "schema_name": clinic.schema, **settings}
    )
    resources = {"landing": landing, "clinic_database": database}
    defs = dg.Definitions(assets=[clinic_database], jobs=[clinic_database_pull], resources=resources)
    with dg.DagsterInstance.ephemeral() as instance:
        job = defs.resolve_job_def("clinic_database_pull")
        done = job.execute_in_process(instance=instance, raise_on_error=False)
        checks = done.get_asset_check_evaluations()
        observed = instance.fetch_observations(dg.AssetKey("clinic_database"), limit=1).records
    return done, checks, observed


def test_a_run_drops_what_is_new_and_shows_how_much(clinic, landing):
    done, checks, observed = run(clinic, landing)
    assert done.success
    assert [(check.check_name, check.passed) for check in checks] == [(AS_AGREED, True)]
    assert observed[0].asset_observation.metadata["rows"].value == 6
    assert len(landing.list("clinic")) == 4


def test_a_changed_schema_is_a_failed_check_with_the_difference_and_not_a_broken_run(clinic, landing):
    clinic.say("ALTER TABLE appointments ALTER updated_at TYPE timestamp")
    done, (check,), _ = run(clinic, landing)
    assert done.success
    assert not check.passed
    assert [record.data for record in check.metadata["differences"].value.records] == [
        {"view": "appointments", "column": "updated_at", "agreed": "timestamp", "found": "timestamp"}
    ]
    assert check.description == "not read, because not as agreed: appointments"


def test_an_outage_is_a_failed_run_and_says_nothing_of_the_schema(clinic, landing):
    done, checks, observed = run(clinic, landing, address="postgresql://fallrisk@127.0.0.1:1/clinic")
    assert not done.success
    assert (checks, list(observed)) == ([], [])


def test_a_view_that_nobody_knows_is_named(clinic, landing):
    with pytest.raises(Misconfigured, match=r"FALLRISK_CLINIC_DATABASE_VIEWS: visits: choose from patients"):
        ClinicDatabase(address=clinic.address, views="patients, visits").pull(landing, None)


def test_without_a_database_the_clock_asks_for_nothing(monkeypatch):
    monkeypatch.delenv(DATABASE_VARIABLE, raising=False)
    with dg.build_schedule_context() as context:
        assert isinstance(pull_clinic_database(context), dg.SkipReason)
    monkeypatch.setenv(DATABASE_VARIABLE, "postgresql://clinic@db/clinic")
    with dg.build_schedule_context() as context:
        assert isinstance(pull_clinic_database(context), dg.RunRequest)
