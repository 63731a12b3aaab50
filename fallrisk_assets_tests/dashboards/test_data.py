"""From tables to the model: folded, downsampled, and unknown stays unknown."""

import dataclasses
import datetime as dt
import json
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.dashboards.data import build_day, parse_components
from fallrisk_assets.dashboards.model import DayInputs, Trend
from fallrisk_assets.dashboards.quality import quarantine_counts
from fallrisk_assets.dashboards.reductions import downsample_norm, hourly_scores, hourly_walking
from fallrisk_assets.dashboards.values import natural
from fallrisk_assets.risk import index_model
from fallrisk_assets_tests.dashboards.synthetic_day import (
    DAY,
    HOUR,
    START,
    TIMESTAMP,
    a_day,
    alerts,
    patients,
)


def shuffled(inputs: DayInputs, seed: int) -> DayInputs:
    rng = np.random.default_rng(seed)
    tables = {
        field.name: table.take(pa.array(rng.permutation(table.num_rows)))
        for field in dataclasses.fields(inputs)
        if isinstance(table := getattr(inputs, field.name), pa.Table)
    }
    return dataclasses.replace(inputs, **tables)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    assert build_day(shuffled(a_day(), seed)) == build_day(a_day())


def test_a_day_without_any_table_is_a_model_in_which_nothing_is_known() -> None:
    model = build_day(DayInputs(DAY))
    assert model.patients == ()
    assert (model.falls, model.open_alerts) == (None, None)
    quality = model.quality
    assert (quality.refused_rows, quality.devices, quality.drops, quality.received_lines) == (None,) * 4


def test_a_patient_without_an_index_row_is_not_scored() -> None:
    model = build_day(dataclasses.replace(a_day(), fall_risk_index=None))
    assert {patient.band for patient in model.patients} == {"NOT_SCORED"}


def test_a_row_that_is_not_scored_shows_no_number_even_if_it_holds_one() -> None:
    index = a_day().fall_risk_index
    assert index is not None
    rows = index.to_pylist()
    for row in rows:
        row.update(status="NOT_SCORED", probability_12m=0.02, band="low", reason="NOT_WORN")
    model = build_day(dataclasses.replace(a_day(), fall_risk_index=pa.Table.from_pylist(rows)))
    for patient in model.patients:
        assert patient.band == "NOT_SCORED"
        assert patient.score is not None
        assert (patient.score.probability, patient.score.components) == (None, ())


def test_who_is_not_scored_comes_before_who_is_at_low_risk() -> None:
    bands = [patient.band for patient in build_day(a_day()).patients]
    assert bands == ["high", "medium", "NOT_SCORED", "low", "low"]


def test_missing_fall_events_are_unknown_and_no_events_are_zero() -> None:
    none = a_day().fall_events
    assert none is not None
    assert build_day(dataclasses.replace(a_day(), fall_events=None)).falls is None
    assert build_day(dataclasses.replace(a_day(), fall_events=none.slice(0, 0))).falls == 0
    assert build_day(a_day()).falls == 1


def test_an_alert_counts_once_by_its_latest_row() -> None:
    model = build_day(a_day())
    first = model.patients[0]
    assert first.alerts is not None
    assert [(alert.rule, alert.state, alert.n) for alert in first.alerts] == [
        ("FALL_DETECTED", "ACKNOWLEDGED", 2),
        ("SILENT_DEVICE", "OPEN", 1),
        ("LOW_BATTERY", "RESOLVED", 3),
    ]
    assert (model.open_alerts, model.critical_alerts) == (2, 1)


@pytest.mark.parametrize("state", ["RESOLVED", "CLOSED_CONFIRMED", "CLOSED_FALSE", "CLOSED_DEVICE"])
def test_a_finished_alert_is_not_open(state: str) -> None:
    rows = alerts("pt-1", "imu-10001").slice(0, 1)
    done = rows.set_column(rows.schema.get_field_index("state"), "state", pa.array([state]))
    assert build_day(DayInputs(DAY, alerts=done)).open_alerts == 0


def test_an_alert_about_a_device_that_nobody_wears_is_counted() -> None:
    rows = alerts("pt-1", "imu-99").slice(3, 1)
    nobody = rows.set_column(1, "patient_id", pa.array([None], pa.string()))
    model = build_day(DayInputs(DAY, alerts=nobody))
    assert model.patients == ()
    assert model.open_alerts == 1
    assert model.device_alerts is not None
    assert model.device_alerts[0].device_id == "imu-99"


def test_time_that_was_not_recorded_does_not_count_as_worn() -> None:
    coverage = a_day(1).coverage
    assert coverage is not None
    row = {**coverage.to_pylist()[0], "wear_fraction": 1.0, "clean_samples": 45_000}
    model = build_day(DayInputs(DAY, coverage=pa.Table.from_pylist([row])))
    assert model.patients[0].wear_minutes == pytest.approx(15.0)


def test_a_window_that_ends_on_the_hour_belongs_to_the_hour_before() -> None:
    ends = [START + HOUR, START + HOUR + dt.timedelta(seconds=5), START + HOUR * 2]
    scores = pa.table(
        {
            "patient_id": ["pt-1"] * 3,
            "window_end": pa.array(ends, TIMESTAMP),
            "score": pa.array([0.9, None, 0.1], pa.float32()),
        }
    )
    rows = sorted(hourly_scores(scores).to_pylist(), key=lambda row: row["hour"])
    assert [(row["hour"].hour, row["windows_scored"], row["windows_not_scored"]) for row in rows] == [
        (0, 1, 0),
        (1, 1, 1),
    ]
    assert [row["score_max"] for row in rows] == pytest.approx([0.9, 0.1])


def test_an_hour_without_a_score_has_no_number() -> None:
    scores = pa.table(
        {
            "patient_id": ["pt-1"],
            "window_end": pa.array([START + HOUR], TIMESTAMP),
            "score": pa.array([None], pa.float32()),
        }
    )
    assert hourly_scores(scores).to_pylist()[0]["score_max"] is None


def test_walking_counts_rhythmic_worn_windows_and_is_unknown_without_a_usable_one() -> None:
    def features(worn: list[bool], quality: list[str | None], sd: list, repeats: list) -> pa.Table:
        return pa.table(
            {
                "patient_id": ["pt-1"] * len(worn),
                "hour": pa.array([START] * len(worn), TIMESTAMP),
                "worn": worn,
                "quality": pa.array(quality, pa.string()),
                "sd_accel_norm": pa.array(sd, pa.float32()),
                "autocorrelation_peak_accel_norm": pa.array(repeats, pa.float32()),
            }
        )

    some = features(
        [True, True, True, False, True],
        [None, None, None, None, "GAP"],
        [0.2, 0.2, 0.01, 0.2, None],
        [0.9, 0.2, 0.9, 0.9, None],
    )
    assert hourly_walking(some, hop_s=30).to_pylist()[0]["walking_minutes"] == pytest.approx(0.5)
    none = features([False], ["NOT_WORN"], [None], [None])
    assert hourly_walking(none, hop_s=30).to_pylist()[0]["walking_minutes"] is None


@given(
    st.lists(st.floats(min_value=0.011, max_value=2.0), min_size=1, max_size=300),
    st.data(),
)
def test_downsampling_keeps_both_extremes_and_never_bridges_a_gap(
    steps: list[float], data: st.DataObject
) -> None:
    times = np.cumsum(steps)
    norms = np.array(
        data.draw(st.lists(st.floats(0, 16), min_size=len(steps), max_size=len(steps)), label="norms")
    )
    signal = downsample_norm(times, norms)
    known = [value for value in signal.norm_g if value is not None]
    assert max(known) == pytest.approx(norms.max(), abs=0.001)
    assert min(known) == pytest.approx(norms.min(), abs=0.001)
    assert list(signal.t_s) == sorted(signal.t_s)
    bounded = np.flatnonzero(np.diff(times) > 0.5)
    assert signal.norm_g.count(None) == len(bounded)


def test_a_signal_of_twenty_seconds_at_200_hz_becomes_at_most_some_hundred_points() -> None:
    times = np.arange(-2000, 2000) / 200
    signal = downsample_norm(times, np.abs(np.sin(times * 40)))
    assert len(signal.t_s) <= 402


def test_a_signal_belongs_to_its_device_and_lies_around_the_impact() -> None:
    model = build_day(a_day())
    falls = model.patients[0].falls
    assert falls is not None
    signal = falls[0].signal
    assert signal is not None
    assert min(signal.t_s) >= -10
    assert max(signal.t_s) <= 10
    assert signal.t_s[signal.norm_g.index(5.83)] == pytest.approx(0, abs=0.02)
    other = a_day()
    assert other.samples is not None
    foreign = other.samples.set_column(0, "device_id", pa.array(["imu-77"] * other.samples.num_rows))
    falls = build_day(dataclasses.replace(other, samples=foreign)).patients[0].falls
    assert falls is not None
    assert falls[0].signal is None


def test_components_start_with_the_base_and_go_by_size() -> None:
    text = json.dumps({"small": 0.1, "large": -2.0, "base": -1.5})
    assert [part.name for part in parse_components(text)] == ["base", "large", "small"]
    assert [part.label for part in parse_components('{"falls_past_12_months": 1}')] == [
        "Falls past 12 months"
    ]
    assert [part.label for part in parse_components('{"cadence_spm": 1}')] == ["Cadence"]
    assert parse_components(None) == parse_components("{}") == ()


def test_components_that_are_no_object_are_refused() -> None:
    with pytest.raises(ValueError, match="expected an object or a list, got int"):
        parse_components("3")


@given(st.lists(st.integers(0, 10**6)))
def test_ids_sort_as_people_count(numbers: list[int]) -> None:
    ids = [f"pt-{number}" for number in numbers]
    assert sorted(ids, key=natural) == [f"pt-{number}" for number in sorted(numbers)]


def test_refusals_are_counted_by_reason_without_their_payload() -> None:
    refused = build_day(a_day()).quality.refused
    assert refused is not None
    assert [(item.reason, item.rows, item.devices) for item in refused] == [
        ("UNKNOWN_DEVICE", 230, 1),
        ("LINE_NOT_JSON", 41, 0),
        ("VALUE_OUT_OF_RANGE", 18, 1),
        ("UNIT_MISMATCH", 3, 1),
    ]


@given(st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from(["d1", "d2", None])), max_size=40))
def test_no_refused_line_is_lost_in_the_counts(rows: list[tuple[str, str | None]]) -> None:
    table = pa.table(
        {
            "reason": pa.array([row[0] for row in rows], pa.string()),
            "device_id": pa.array([row[1] for row in rows], pa.string()),
            "detail": pa.array([None] * len(rows), pa.string()),
        }
    )
    assert sum(row["rows"] for row in quarantine_counts(table).to_pylist()) == len(rows)


def test_quality_tells_late_drops_duplicates_and_provisional_hours() -> None:
    quality = build_day(a_day()).quality
    assert (quality.drops, quality.late_drops, quality.latest_drop_hours) == (120, 1, 5.0)
    assert (quality.duplicate_lines, quality.provisional_hours) == (7, 5)
    assert quality.devices is not None
    first = quality.devices[0]
    assert (first.device_id, first.late_drops, first.duplicates, first.state) == ("imu-10001", 1, 7, "OK")
    assert first.battery_fraction == pytest.approx(0.95 - 0.02 * 23)


def test_an_hour_that_was_not_computed_is_no_cell() -> None:
    coverage = a_day(1).coverage
    assert coverage is not None
    quality = build_day(DayInputs(DAY, coverage=coverage.slice(0, 5))).quality
    assert quality.devices is not None
    cells = quality.devices[0].cells
    assert [cell is None for cell in cells] == [False] * 5 + [True] * 19


def test_firmware_and_battery_are_the_last_known_ones() -> None:
    coverage = a_day(1).coverage
    assert coverage is not None
    rows = coverage.to_pylist()
    rows[-1].update(firmware=None, battery_fraction=None, verdict="NO_DATA")
    rows[-2].update(firmware="2.5.0", battery_fraction=0.5)
    devices = build_day(DayInputs(DAY, coverage=pa.Table.from_pylist(rows))).quality.devices
    assert devices is not None
    assert (devices[0].firmware, devices[0].battery_fraction) == ("2.5.0", 0.5)


def test_failed_checks_come_first() -> None:
    assert [check.passed for check in build_day(a_day()).quality.checks] == [False, None, True]


def test_every_patient_of_any_table_is_shown() -> None:
    assert len(build_day(a_day(37)).patients) == len(patients(37))


def test_every_part_of_the_index_reads_as_words() -> None:
    names = [t.name for t in (*index_model.YES_NO_TERMS, *index_model.GAIT_TERMS)]
    for name in (*names, "base", "medicine_count", "not_known"):
        (part,) = parse_components(json.dumps({name: 0.5}))
        assert re.fullmatch(r"[A-Z][^_]+", part.label), name


def test_a_trend_of_a_day_without_an_index_is_kept_and_unknown_is_not_zero() -> None:
    score = {"patient_id": "pt-1", "status": "NOT_SCORED", "band": "NOT_SCORED", "reason": "NOT_WORN"}
    trend = {"patient_id": "pt-1", "probability_7d": 0.3, "trend": "NOT_JUDGED", "reason": "DAY_NOT_SCORED"}
    inputs = DayInputs(
        day=dt.date(2026, 1, 5),
        fall_risk_index=pa.Table.from_pylist([score]),
        fall_risk_trend=pa.Table.from_pylist([trend]),
    )
    (patient,) = build_day(inputs).patients
    assert patient.score is not None
    assert patient.score.trend == Trend(0.3, None, None, None, None, None, "NOT_JUDGED", "DAY_NOT_SCORED")


def test_a_risk_factor_that_somebody_does_not_have_is_called_absent() -> None:
    parts = parse_components(json.dumps({"walking_aid": -0.1, "vertigo": 0.2, "cadence_spm": -0.02}))
    assert [part.label for part in parts] == ["Vertigo", "No walking aid", "Cadence"]
    for term in index_model.YES_NO_TERMS:
        (absent,) = parse_components(json.dumps({term.name: -0.1}))
        assert absent.label.startswith("No"), term.name
