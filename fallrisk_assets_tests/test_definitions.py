import re
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from fallrisk_assets.definitions import build_defs
from fallrisk_assets.jobs import ON_DEMAND
from fallrisk_assets.partitions import daily, hourly

PACKAGE = Path(__file__).parent.parent / "fallrisk_assets"


@pytest.fixture(scope="module")
def defs():
    return build_defs("local")


SOURCES = {"clinic_database", "scheduling_api"}
"""What is looked at, not made."""


def test_the_graph_holds_exactly_these_assets(defs):
    found = {}
    for spec in defs.resolve_all_asset_specs():
        found.setdefault(spec.group_name, set()).add(spec.key.to_user_string())
    assert found == {
        "telemetry": {"raw_telemetry", "telemetry_quarantine", "telemetry", "device_hour_coverage"},
        "mobility": {"window_features", "daily_gait"},
        "risk": {
            "fall_events",
            "window_scores",
            "fall_risk_index",
            "fall_risk_index_versions",
            "fall_risk_trend",
            "fall_index_evaluation",
        },
        "rescore_falls": {"rescored_fall_events"},
        "detector_training": {"fall_training_set", "fall_detector", "fall_detector_evaluation"},
        "alerts": {
            "device_states",
            "alert_actions",
            "alerts",
            "alert_deliveries",
            "index_alerts",
            "index_alert_deliveries",
            "operations_alerts",
            "operations_alert_deliveries",
        },
        "clinic": {
            "patients",
            "patient_identity",
            "device_assignment",
            "care_contacts",
            "identity_quarantine",
            "clinic_drops",
            "operations_quarantine",
            "providers",
            "appointment_events",
            "appointment_records",
            "feedback",
            "appointments",
            "appointment_quarantine",
        },
        "feedback_text": {"feedback_sentiment", "feedback_topics"},
        "feedback_text_training": {
            "feedback_text_training_set",
            "feedback_text_left_out",
            "feedback_text_models",
            "feedback_text_evaluation",
        },
        "no_show": {"no_show_risk"},
        "no_show_training": {
            "no_show_training_set",
            "no_show_left_out",
            "no_show_model",
            "no_show_evaluation",
        },
        "fhir": {"fhir_resources", "fhir_bundles"},
        "warehouse": {
            "dim_date",
            "dim_site",
            "dim_patient",
            "dim_device",
            "fact_risk_score",
            "fact_alert",
            "fact_device_day",
            "warehouse_snapshot",
            "dim_time",
            "dim_status",
            "dim_appointment_type",
            "dim_kpi",
            "dim_provider",
            "fact_appointment",
            "fact_feedback",
            "mart_daily_kpis",
            "mart_provider_utilisation",
            "mart_revenue",
            "mart_patient_journey",
            "mart_outreach",
            "mart_data_quality",
            "mart_pipeline_runs",
            "kpi_versions",
            "mart_day_ahead",
            "dim_monitoring_rule",
            "rule_states",
            "run_rule_states",
        },
        "dashboards": {
            "day_page",
            "operations_page",
            "worklist_page",
            "clinical_page",
            "monitoring_page",
            "financial_page",
            "comments_page",
            "data_quality_page",
        },
        "streams": {"devices"},
        "sources": SOURCES,
    }


def test_every_asset_is_partitioned_owned_described_and_has_kinds(defs):
    for spec in defs.resolve_all_asset_specs():
        name = spec.key.to_user_string()
        assert spec.partitions_def in (hourly, daily) or name in SOURCES, name
        assert spec.owners, name
        assert spec.kinds, name
        assert len(spec.description or "") > 40, name


def test_every_table_shows_its_columns_and_has_a_blocking_contract_check(defs):
    graph = defs.resolve_asset_graph()
    checks = {(k.asset_key.to_user_string(), k.name) for k in graph.asset_check_keys}
    tables = [s for s in defs.resolve_all_asset_specs() if "dagster/column_schema" in s.metadata]
    assert len(tables) == 73
    for spec in tables:
        name = spec.key.to_user_string()
        assert (name, "keeps_its_contract") in checks
        key = dg.AssetCheckKey(spec.key, "keeps_its_contract")
        assert graph.get(key).blocking, name
        assert all(c.description for c in spec.metadata["dagster/column_schema"].columns), name


def test_every_check_reads_as_a_sentence(defs):
    graph = defs.resolve_asset_graph()
    for key in graph.asset_check_keys:
        description = graph.get(key).description or ""
        assert re.match(r"^[A-Z].* .*\.", description), f"{key.to_user_string()}: {description!r}"


def test_the_jobs_cover_every_asset_once(defs):
    covered = []
    for name in ("telemetry_hourly", "identity_daily", "lakehouse_daily", *ON_DEMAND):
        covered += [k.to_user_string() for k in defs.resolve_job_def(name).asset_layer.executable_asset_keys]
    everything = sorted(s.key.to_user_string() for s in defs.resolve_all_asset_specs())
    assert sorted([*covered, *SOURCES]) == everything


def test_what_runs_on_demand_is_started_by_no_schedule_sensor_or_automation(defs):
    asked = {k for name in ON_DEMAND for k in defs.resolve_job_def(name).asset_layer.executable_asset_keys}
    assert asked
    started = {schedule.job_name for schedule in defs.schedules}
    started |= {target.job_name for sensor in defs.sensors for target in sensor.targets}
    assert "telemetry_hourly" in started
    assert not started & set(ON_DEMAND)
    for spec in defs.resolve_all_asset_specs():
        if spec.key in asked:
            assert spec.automation_condition is None, spec.key
    downstream = {s.key for s in defs.resolve_all_asset_specs() for d in s.deps if d.asset_key in asked}
    assert downstream <= asked


@pytest.mark.parametrize("environment", ["local", "aws"])
def test_both_environments_load_with_no_variable_set(environment):
    code = (
        "import os\n"
        "for name in list(os.environ):\n"
        "    if name.startswith(('FALLRISK', 'AWS', 'DAGSTER')): del os.environ[name]\n"
        "import dagster as dg\n"
        "from fallrisk_assets.definitions import build_defs\n"
        f"dg.Definitions.validate_loadable(build_defs({environment!r}))\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_loading_the_graph_does_not_import_what_only_some_runs_need():
    code = "import sys, fallrisk_assets.definitions; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    heavy = {
        "actfast",
        "boto3",
        "openpyxl",
        "playwright",
        "plotly",
        "scipy.optimize",
        "scipy.stats",
        "sklearn",
    }
    assert not heavy & set(done.stdout.split())


def test_modules_that_define_assets_do_not_postpone_annotations():
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        if "import dagster as dg" in text:
            assert "from __future__ import annotations" not in text, path


def test_nothing_that_computes_knows_a_page():
    for path in PACKAGE.rglob("*.py"):
        if "dashboards" in path.parts or path.name in ("definitions.py", "person_years.py"):
            continue  # the second is a command that writes a page
        found = re.search(r"^\s*(import|from) fallrisk_assets\.dashboards", path.read_text(), re.MULTILINE)
        assert not found, path


def test_domain_logic_knows_neither_dagster_nor_the_clock_nor_the_environment():
    skins = {
        "assets.py",
        "index_assets.py",
        "clinic_assets.py",
        "training_assets.py",
        "resource.py",
        "publishing.py",
        "checks.py",
        "redshift.py",
        "retention_job.py",
        "run_failure.py",
        "steps.py",
        "__main__.py",
    }
    commands = {
        "delivery.py",
        "check_history.py",
        "run_history.py",
        "watched.py",
        "sql.py",
        "validate.py",
        "folder.py",
    }
    domains = (
        "telemetry",
        "mobility",
        "risk",
        "models",
        "alerts",
        "clinic",
        "fhir",
        "warehouse",
        "dashboards",
    )
    for domain in domains:
        for path in (PACKAGE / domain).rglob("*.py"):
            if path.name in skins | commands:
                continue
            text = path.read_text()
            assert not re.search(r"^(import|from) dagster", text, re.M), path
            assert not re.search(r"utcnow|datetime\.now|date\.today|time\.time\(|os\.environ|getenv", text), (
                path
            )


def test_no_dataset_is_reached_by_a_path():
    for path in PACKAGE.rglob("*.py"):
        if "lake" in path.relative_to(PACKAGE).parts or path.name in ("tables.py",):
            continue
        assert not re.search(r"""["'/](raw|clean|curated)/""", path.read_text()), path


def test_the_project_names_no_path_of_a_machine_and_no_registry():
    root = PACKAGE.parent
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout: the list of the project's files is unknown")
    bad = re.compile(
        "|".join(
            ["/ro" + "ot/", "/wo" + "rk/", r"pypi\." + "org", "pythonhos" + "ted", r"registry\.npm" + "js"]
        )
    )
    for name in listed.stdout.splitlines():
        path = root / name
        if path.is_file() and path.suffix not in (".png", ".parquet", ".gz", ".nbi"):
            assert not bad.search(path.read_text(errors="ignore")), name


def test_every_sensor_and_schedule_says_what_it_does(defs):
    for automation in (*defs.sensors, *defs.schedules):
        assert automation.description, automation.name
        assert automation.description.endswith("."), automation.name


def test_descriptions_are_indented_nowhere_else_the_ui_shows_code(defs):
    for spec in defs.resolve_all_asset_specs():
        assert not any(line.startswith("    ") for line in (spec.description or "").splitlines()), spec.key
