"""The daily assets of the index: from the lake to rows, whether days run one by one or as a range."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pyarrow as pa
import pytest

from fallrisk_assets.clinic.contract import Patients
from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.lake import Lake
from fallrisk_assets.mobility.contract import DailyGait
from fallrisk_assets.risk.checks import (
    ADDS_UP,
    SAME_PEOPLE,
    STEADY,
    index_adds_up,
    index_is_steady,
    patients_are_those_of_the_reference,
)
from fallrisk_assets.risk.contract import (
    FallIndexEvaluation,
    FallRiskIndex,
    FallRiskIndexVersions,
    FallRiskTrend,
)
from fallrisk_assets.risk.index import Gait, History
from fallrisk_assets.risk.index_assets import (
    fall_index_evaluation,
    fall_risk_index,
    fall_risk_index_versions,
    fall_risk_trend,
    what_moves,
)
from fallrisk_assets.risk.reference_population import reference_population
from fallrisk_assets_tests.risk.test_trend import index_rows

LAST = date(2026, 3, 20)
DAYS = [LAST - timedelta(days=n) for n in range(34, -1, -1)]
MISSING = LAST - timedelta(days=5)


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    lake = Lake(root=str(tmp_path_factory.mktemp("lake")))
    publish_index(lake)
    return lake


def publish_index(lake):
    """Publish 35 days of two people but for one day: one is steady and rises at the end."""
    keys = [str(day) for day in DAYS if day != MISSING]
    with lake.publication(FallRiskIndex, keys) as publication:
        for day in DAYS:
            before = (LAST - day).days
            rows = [
                index_rows({before: 0.30 + 0.02 * (before % 3) + (0.2 if before == 0 else 0)}, "pt-1"),
                index_rows({before: None if before % 2 else 0.2}, "pt-2"),
            ]
            if day != MISSING:
                assert publication.add(str(day), pa.concat_tables(rows)).passed
        publication.commit()


def run(asset, lake, keys):
    tags = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
    upstream = [
        dg.AssetSpec(key, partitions_def=asset.partitions_def)
        for key in {d.to_user_string() for d in asset.keys_by_input_name.values()}
    ]
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [*upstream, asset], selection=[asset], tags=tags, resources={"lake": lake}, instance=instance
        )
    assert result.success
    return result


def test_a_day_reads_the_days_before_it_and_a_missing_day_is_left_out(lake):
    run(fall_risk_trend, lake, [str(LAST)])
    rows = {r["patient_id"]: r for r in lake.read(FallRiskTrend, [str(LAST)]).to_pylist()}
    assert rows["pt-1"]["trend"] == "RISING"
    assert (rows["pt-1"]["days_7d"], rows["pt-1"]["days_28d"], rows["pt-1"]["baseline_days"]) == (6, 27, 27)
    assert (rows["pt-2"]["trend"], rows["pt-2"]["days_7d"]) == ("STEADY", 4)


def test_one_by_one_and_as_a_range_give_the_same_rows(lake, tmp_path):
    keys = [str(LAST - timedelta(days=1)), str(LAST)]
    for key in keys:
        run(fall_risk_trend, lake, [key])
    ranged = Lake(root=str(tmp_path / "ranged"))
    publish_index(ranged)
    run(fall_risk_trend, ranged, keys)
    for key in keys:
        assert (
            ranged.ledger.get(FallRiskTrend, key).content_hash
            == lake.ledger.get(FallRiskTrend, key).content_hash
        )


def test_a_day_whose_own_index_was_never_published_is_refused_by_name(lake):
    with pytest.raises(Exception, match=f"curated.fall_risk_index {MISSING}: nothing has been published"):
        run(fall_risk_trend, lake, [str(MISSING)])


CLINIC_DAYS = [str(LAST - timedelta(days=1)), str(LAST)]


def publish(lake, model, key, rows):
    table = pa.Table.from_pylist(rows, schema=arrow_schema(model))
    with lake.publication(model, [key]) as publication:
        report = publication.add(key, table)
        assert report.passed, report.sentence()
        publication.commit()


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    """Two days of forty people of the reference population, of whom 39 use a walking aid."""
    lake = Lake(root=str(tmp_path_factory.mktemp("clinic")))
    people = reference_population(40, 1)
    for key in CLINIC_DAYS:
        day = date.fromisoformat(key)
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        patients, gait = [], []
        for i, (history, walked) in enumerate(people):
            patients.append(
                {
                    "snapshot_date": day,
                    "patient_id": f"PAT{i:06d}",
                    "wearable_patient_id": f"pt-{i}",
                    "birth_date": date(1945, 1, 1),
                    "gender": "female",
                    "registration_date": date(2020, 1, 1),
                    "time_zone": "UTC",
                    "site_id": "s",
                    **{name: getattr(history, name) for name in History.__dataclass_fields__},
                    "walking_aid": True,
                }
            )
            if i == 39:  # nothing is known of this one, who did not walk either: no index
                patients[-1] |= dict.fromkeys([*History.__dataclass_fields__, "walking_aid"])
                walked = Gait(wear_minutes=800.0)
            gait.append(
                {
                    "day": day,
                    "patient_id": f"pt-{i}",
                    "local_day": day,
                    "time_zone": "UTC",
                    "day_start": start,
                    "day_end": start + timedelta(days=1),
                    "devices": "imu-1",
                    "position": "waist",
                    "recorded_minutes": 900.0,
                    **{name: getattr(walked, name) for name in Gait.__dataclass_fields__},
                    "sit_to_stands": None if walked.sit_to_stands is None else round(walked.sit_to_stands),
                }
            )
        publish(lake, Patients, key, patients)
        publish(lake, DailyGait, key, sorted(gait, key=lambda row: row["patient_id"]))
    run(fall_risk_index, lake, CLINIC_DAYS)
    return lake


def test_the_evaluation_and_its_checks_run_for_a_range_and_each_day_is_on_record(clinic):
    specs = [
        dg.AssetSpec(k, partitions_def=fall_risk_index.partitions_def) for k in ("daily_gait", "patients")
    ]
    checks = [index_adds_up, index_is_steady, patients_are_those_of_the_reference]
    tags = {
        "dagster/asset_partition_range_start": CLINIC_DAYS[0],
        "dagster/asset_partition_range_end": CLINIC_DAYS[1],
    }
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [*specs, fall_risk_index, fall_index_evaluation, *checks],
            selection=dg.AssetSelection.assets(fall_risk_index, fall_index_evaluation),
            tags=tags,
            resources={"lake": clinic},
            instance=instance,
        )
    assert result.success
    told = {}
    for event in result.all_events:
        if event.event_type_value == "ASSET_CHECK_EVALUATION":
            found = event.event_specific_data
            told[found.check_name, found.partition] = found
    for key in CLINIC_DAYS:
        assert told[ADDS_UP, key].passed
        assert told[STEADY, key].passed
        drift = told[SAME_PEOPLE, key]
        assert (drift.passed, drift.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert "walking_aid (+1.78)" in drift.metadata["verdict"].value
    rows = clinic.read(FallIndexEvaluation, [CLINIC_DAYS[1]]).to_pylist()
    steady = {r["measure"]: r for r in rows if r["cohort"] == "PATIENT_DAYS"}
    assert (steady["icc"]["people"], steady["icc"]["events"]) == (39, 78)
    assert {r["cohort"] for r in rows} == {"SYNTHETIC_PEOPLE", "SYNTHETIC_FALLS", "PATIENT_DAYS"}


def test_the_ui_says_what_moves_the_index_of_the_scored_without_naming_anybody():
    rows = [
        '{"base": -0.9, "walking_aid": 0.3, "vertigo": -0.1}',
        '{"base": -0.9, "walking_aid": -0.1}',
        "{}",
    ]
    assert what_moves(rows) == {"walking aid": pytest.approx(0.2), "vertigo": pytest.approx(0.05)}
    assert what_moves(["{}"]) == {}


def test_a_day_scored_by_a_new_version_keeps_the_rows_of_the_version_before_beside(lake, tmp_path):
    """The backfill of a release: what is published has one version, the versions stand side by side."""
    lake, key = Lake(root=str(tmp_path)), str(LAST)

    def release(version, of_one):
        rows = [index_rows({0: of_one}, "pt-1", version), index_rows({0: None}, "pt-2", version)]
        publish(lake, FallRiskIndex, key, pa.concat_tables(rows).to_pylist())
        result = run(fall_risk_index_versions, lake, [key])
        (event,) = [e for e in result.all_events if e.is_step_materialization]
        kept = lake.read(FallRiskIndexVersions, [key]).select(
            ["patient_id", "model_version", "probability_12m"]
        )
        return [
            tuple(row.values()) for row in kept.to_pylist()
        ], event.step_materialization_data.materialization

    old = [("pt-1", "fall_index-2", 0.3), ("pt-2", "fall_index-2", None)]
    assert release("fall_index-2", 0.3)[0] == old
    both, told = release("fall_index-3", 0.5)
    assert both == [old[0], ("pt-1", "fall_index-3", 0.5), old[1], ("pt-2", "fall_index-3", None)]
    assert set(lake.read(FallRiskIndex, [key])["model_version"].to_pylist()) == {"fall_index-3"}
    assert told.metadata["against fall_index-2: scored by both"].value == 1
    assert told.metadata["against fall_index-2: mean change"].value == pytest.approx(0.2)
    assert release("fall_index-3", 0.4)[0] == [both[0], ("pt-1", "fall_index-3", 0.4), *both[2:]]
