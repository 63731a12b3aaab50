import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fallrisk_assets_tests.simulator.conftest import SMALL, Cohort
from simulator.cohort import CohortOptions, simulate_cohort

TINY = replace(
    SMALL, patients=2, days=1, hours_per_day=(0.4, 0.2), faults="default", falls_per_day=20.0, workers=1
)
DROP_NAME = re.compile(r"telemetry/(\d{8}T\d{6}Z)-(imu-\d+)-([0-9a-f]{8})\.jsonl\.gz")


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_same_options_give_the_same_bytes_with_any_number_of_workers(
    make_cohort: Callable[[CohortOptions], Cohort],
) -> None:
    one = make_cohort(TINY)
    four = make_cohort(replace(TINY, workers=4))
    assert tree(one.landing) == tree(four.landing)
    assert tree(one.truth) == tree(four.truth)


def test_another_seed_gives_other_samples(make_cohort: Callable[[CohortOptions], Cohort]) -> None:
    one, other = make_cohort(TINY), make_cohort(replace(TINY, seed=4))
    assert not set(one.result.keys) & set(other.result.keys)


def test_one_more_patient_changes_nothing_for_those_before(
    make_cohort: Callable[[CohortOptions], Cohort],
) -> None:
    few = make_cohort(replace(TINY, faults="none"))
    more = make_cohort(replace(TINY, faults="none", patients=3))
    assert set(few.result.keys) < set(more.result.keys)


def test_each_drop_name_carries_the_hash_of_its_bytes(faulty: Cohort) -> None:
    named = [DROP_NAME.fullmatch(key) for key in faulty.result.keys if "export of" not in key]
    assert len(named) == faulty.result.drops - 1
    for match in named:
        assert match is not None
        assert match[3] == hashlib.sha256((faulty.landing / match[0]).read_bytes()).hexdigest()[:8]


def test_nothing_hidden_or_half_written_stays_in_the_landing_zone(faulty: Cohort) -> None:
    files = {str(path.relative_to(faulty.landing)) for path in faulty.landing.rglob("*") if path.is_file()}
    assert files == {*faulty.result.keys, *faulty.result.clinic_keys}


def test_a_drop_is_received_some_seconds_after_its_last_sample(
    make_cohort: Callable[[CohortOptions], Cohort],
) -> None:
    clean = make_cohort(replace(TINY, faults="none"))
    for key in clean.result.keys:
        match = DROP_NAME.fullmatch(key)
        assert match is not None
        received = datetime.strptime(match[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        last = datetime.fromisoformat(json.loads(clean.lines(key)[-1])["ts"])
        assert timedelta(seconds=1) < received - last < timedelta(seconds=8)


def test_one_drop_holds_one_device_and_one_clock_hour(make_cohort: Callable[[CohortOptions], Cohort]) -> None:
    clean = make_cohort(replace(TINY, faults="none", hours_per_day=(2.2,), rate_hz=10.0))
    assert len(clean.result.keys) >= 6
    for key in clean.result.keys:
        match = DROP_NAME.fullmatch(key)
        assert match is not None
        assert set(re.findall(rb'"deviceId":"([^"]+)"', clean.text(key))) == {match[2].encode()}
        assert len(set(re.findall(rb'"ts":"(\d{4}-\d\d-\d\dT\d\d)', clean.text(key)))) == 1


def test_samples_come_at_the_asked_rate_without_a_hole_and_seq_counts_on(
    make_cohort: Callable[[CohortOptions], Cohort],
) -> None:
    clean = make_cohort(replace(TINY, patients=1, faults="none", drop_minutes=10, rate_hz=40.0))
    messages = [json.loads(line) for key in clean.result.keys for line in clean.lines(key)]
    assert len(messages) == clean.result.samples == int(0.4 * 3600 * 40)
    assert [m["seq"] for m in messages] == list(range(len(messages)))
    times = [datetime.fromisoformat(m["ts"]) for m in messages]
    assert {b - a for a, b in pairwise(times)} == {timedelta(milliseconds=25)}


def test_a_message_has_the_agreed_keys_in_the_agreed_order(faulty: Cohort) -> None:
    line = faulty.lines(faulty.result.keys[0])[5]
    assert re.fullmatch(
        rb'\{"deviceId":"imu-\d+","patientId":"pt-\d+","seq":\d+,"ts":"[-\dT:.]+Z",'
        rb'"accel":\{"x":-?\d+\.\d{1,5},"y":-?\d+\.\d{1,5},"z":-?\d+\.\d{1,5}\},'
        rb'"gyro":\{"x":-?\d+\.\d{1,3},"y":-?\d+\.\d{1,3},"z":-?\d+\.\d{1,3}\},'
        rb'"meta":\{"fw":"[\d.]+","battery":\d\.\d{1,3},"schemaVersion":1,"position":"\w+","boot":\d+\}\}',
        line,
    )


def test_the_default_cohort_has_one_wearer_of_sixteen_hours_and_about_eight_million_samples() -> None:
    from simulator.devices import plan_cohort

    o = CohortOptions()
    plan = plan_cohort(o.patients, o.days, o.rate_hz, o.seed, o.start, o.hours_per_day, o.falls_per_day)
    assert 7.5e6 < plan.samples < 9.5e6
    assert sum(s.samples for s in plan.sessions if s.wearer.index == 0) == 2 * 16 * 3600 * 50


def test_some_patients_local_day_is_not_the_utc_day(faulty: Cohort) -> None:
    people = {p["patient_id"]: p for p in json.loads((faulty.truth / "cohort.json").read_text())["patients"]}
    assert {p["time_zone"] for p in people.values()} == {"Europe/Madrid", "America/New_York"}
    days = set()
    for row in faulty.rows("activities.csv"):
        start = datetime.fromisoformat(row["start"])
        days.add(start.date() == start.astimezone(ZoneInfo(people[row["patient_id"]]["time_zone"])).date())
    assert days == {True, False}


def test_the_battery_declines_while_the_device_is_on(make_cohort: Callable[[CohortOptions], Cohort]) -> None:
    clean = make_cohort(replace(TINY, patients=1, faults="none", hours_per_day=(3.0,), rate_hz=10.0))
    levels = [
        float(found)
        for key in clean.result.keys
        for found in re.findall(rb'"battery":([\d.]+)', clean.text(key))
    ]
    assert levels == sorted(levels, reverse=True)
    assert 0.03 < levels[0] - levels[-1] < 0.1


def test_an_accelerometer_only_device_sends_no_gyro(make_cohort: Callable[[CohortOptions], Cohort]) -> None:
    clean = make_cohort(replace(TINY, patients=6, faults="none", hours_per_day=(0.05,)))
    with_gyro = {
        json.loads(clean.lines(key)[0])["deviceId"]: "gyro" in json.loads(clean.lines(key)[0])
        for key in clean.result.keys
    }
    assert with_gyro.pop("imu-10006") is False
    assert set(with_gyro.values()) == {True}


def test_truth_inside_the_landing_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="inside the landing zone"):
        simulate_cohort(tmp_path, tmp_path / "truth", TINY)
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"patients": 0}, "at least 1"),
        ({"rate_hz": 1.0}, "outside 10 to 400"),
        ({"drop_minutes": 7}, "divide a day"),
        ({"hours_per_day": (25.0,)}, "between 0 and 24"),
        ({"format": "csv"}, "none of jsonl.gz, parquet"),
        ({"faults": "gremlins=3"}, "unknown fault 'gremlins'"),
        ({"faults": "gap=many"}, "not a count"),
        ({"phenotypes": ("robot",)}, "phenotype robot"),
        ({"falls_per_day": -1.0}, "negative"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_by_name(
    tmp_path: Path, change: dict[str, object], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        simulate_cohort(tmp_path, None, replace(TINY, **change))  # type: ignore[arg-type]
    assert not list(tmp_path.rglob("*"))
