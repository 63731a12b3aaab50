"""The scheduling API in the graph: pulled by a job, an outage a failed run."""

import dagster as dg
import pytest

from fallrisk_assets.clinic.files import FOLDER
from fallrisk_assets.clinic.scheduling.assets import pull_scheduling_api, scheduling_api, scheduling_api_pull
from fallrisk_assets.clinic.scheduling.resource import TOKEN_VARIABLE, URL_VARIABLE, SchedulingSource
from fallrisk_assets.lake.s3 import Misconfigured
from fallrisk_assets_tests.clinic.scheduling.conftest import lines_of


def run(landing, **settings):
    resources = {"landing": landing, "scheduling_api": SchedulingSource(**settings)}
    defs = dg.Definitions(assets=[scheduling_api], jobs=[scheduling_api_pull], resources=resources)
    with dg.DagsterInstance.ephemeral() as instance:
        job = defs.resolve_job_def("scheduling_api_pull")
        done = job.execute_in_process(instance=instance, raise_on_error=False)
        observed = instance.fetch_observations(dg.AssetKey("scheduling_api"), limit=1).records
    return done.success, [record.asset_observation.metadata for record in observed]


def test_a_run_drops_what_is_new_and_shows_how_much(address, landing):
    success, (shown,) = run(landing, url=address)
    assert success
    (file,) = landing.list(FOLDER)
    assert shown["drop"].value == file.key
    assert shown["appointments"].value == len(lines_of(landing, [file.key])) > 0


def test_an_outage_is_a_failed_run_that_drops_nothing(landing):
    assert run(landing, url="http://127.0.0.1:1/v1", retries=0) == (False, [])
    assert landing.list(FOLDER) == []


def test_a_token_may_be_a_reference_that_is_looked_up_at_each_pull(tmp_path):
    secret = tmp_path / "token"
    source = SchedulingSource(url="https://scheduling.example/v1", token=f"file:{secret}")
    for token in ("first", "rotated"):
        secret.write_text(token)
        assert source.api().token == token
    secret.unlink()
    with pytest.raises(Misconfigured, match=TOKEN_VARIABLE):
        source.api()


def test_an_address_in_clear_is_refused_by_the_variable_s_name(monkeypatch):
    monkeypatch.setenv(URL_VARIABLE, "http://scheduling.example/v1")
    with pytest.raises(Misconfigured, match=f"{URL_VARIABLE}.*use https"):
        SchedulingSource().api()


def test_without_an_address_the_clock_asks_for_nothing(monkeypatch):
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    with dg.build_schedule_context() as context:
        assert isinstance(pull_scheduling_api(context), dg.SkipReason)
    monkeypatch.setenv(URL_VARIABLE, "https://scheduling.example/v1")
    with dg.build_schedule_context() as context:
        assert isinstance(pull_scheduling_api(context), dg.RunRequest)
