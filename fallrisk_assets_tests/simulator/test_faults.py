import gzip
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from fallrisk_assets.clinic.contract import DeviceAssignment
from fallrisk_assets.clinic.day import files_to_read, snapshot_of_day
from fallrisk_assets.clinic.files import ClinicFolder
from fallrisk_assets.clinic.identity import Assignment, resolve_assignments
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.partitions import hour_range
from fallrisk_assets.telemetry import ingest as ingest_module
from fallrisk_assets.telemetry.contract import DeviceHourCoverage, TelemetryDrops, TelemetryQuarantine
from fallrisk_assets.telemetry.drops import BadDropName, parse_drop_name
from fallrisk_assets_tests.simulator.conftest import SMALL, Cohort
from fallrisk_assets_tests.telemetry.test_ingest import ingest
from simulator.cohort import CohortOptions
from simulator.faults import ALL_FAULTS, LINE_FAULTS, damage_lines, parse_faults
from simulator.json_lines import json_lines

COUNTED_BY_LINE = tuple(LINE_FAULTS)


def lines_of(n: int) -> tuple[np.ndarray, np.ndarray]:
    ts_ms = 1_767_600_000_000 + np.arange(n, dtype=np.int64) * 40
    accel = np.tile(np.array([100, -9800, 400], np.int32), (n, 1))
    return json_lines("imu-1", "pt-1", 0, ts_ms, accel, accel, np.full(n, 900_000), "2.4.1", "waist", 1)


def damaged(n: int, wanted: dict[str, int], seed: int = 1) -> tuple[list[bytes], list[bytes], list]:
    text, ends = lines_of(n)
    out, damage = damage_lines(text, ends, wanted, np.random.default_rng(seed), [], 25.0)
    return text.tobytes().splitlines(), out.tobytes().splitlines(), damage.done


def test_every_kind_of_fault_is_injected_and_recorded(faulty: Cohort) -> None:
    assert {row["fault"] for row in faulty.rows("faults.csv")} == set(ALL_FAULTS)
    assert faulty.result.faults_without_room == {}


def test_line_faults_are_injected_exactly_as_often_as_asked(faulty: Cohort) -> None:
    wanted = parse_faults("all")
    found = Counter(row["fault"] for row in faulty.rows("faults.csv"))
    for fault in (*COUNTED_BY_LINE, "gap", "out_of_order", "late_file", "resent_file", "unreadable_file"):
        assert (fault, found[fault]) == (fault, wanted[fault])


def test_the_line_number_in_the_truth_points_at_the_damaged_line(faulty: Cohort) -> None:
    proof: dict[str, Callable[[bytes], bool]] = {
        "truncated_line": lambda line: not line.endswith(b"}}"),
        "nan_value": lambda line: b":NaN" in line,
        "out_of_range": lambda line: b'"x":999.5' in line,
        "unknown_schema": lambda line: b'"schemaVersion":99' in line,
        "device_mismatch": lambda line: b'"deviceId":"imu-00000"' in line,
        "patient_mismatch": lambda line: b'"patientId":"pt-9999"' in line,
        "clock_jump": lambda line: b'"ts":"2026-' not in line,
    }
    checked: Counter[str] = Counter()
    truth = defaultdict(list)
    for row in faulty.rows("faults.csv"):
        if row["line_number"]:
            truth[row["drop_key"]].append(row)
    for key, rows in truth.items():
        lines = faulty.lines(key)
        for row in rows:
            if row["fault"] in proof:
                assert proof[row["fault"]](lines[int(row["line_number"]) - 1]), row
                checked[row["fault"]] += 1
    assert set(checked) == set(proof)


def test_lines_without_a_recorded_fault_are_whole_messages(faulty: Cohort) -> None:
    marked = {(row["drop_key"], row["line_number"]) for row in faulty.rows("faults.csv")}
    unreadable = {row["drop_key"] for row in faulty.rows("faults.csv") if row["fault"] == "unreadable_file"}
    for key in faulty.result.keys:
        if key in unreadable or "export of" in key:
            continue
        device = key.split("/")[1][17:].rsplit("-", 1)[0]
        for number, line in enumerate(faulty.lines(key), 1):
            if (key, str(number)) not in marked:
                assert line.startswith(b'{"deviceId":"' + device.encode() + b'","patientId":"pt-'), (
                    key,
                    number,
                )
                assert line.endswith(b"}}"), (key, number)


def test_received_lines_are_samples_plus_duplicates_minus_gaps(faulty: Cohort) -> None:
    counts: Counter[str] = Counter()
    for row in faulty.rows("faults.csv"):
        counts[row["fault"]] += int(row["count"])
    unreadable = {row["drop_key"] for row in faulty.rows("faults.csv") if row["fault"] == "unreadable_file"}
    received = sum(
        len(faulty.lines(key))
        for key in faulty.result.keys
        if key not in unreadable and "export of" not in key
    )
    extra = counts["duplicate"] + counts["duplicate_conflict"] + counts["resent_file"] - counts["gap"]
    assert received == faulty.result.samples + extra


def test_a_resent_file_has_the_same_bytes_under_a_later_receipt(faulty: Cohort) -> None:
    for row in faulty.rows("faults.csv"):
        if row["fault"] == "resent_file":
            first = row["detail"].removeprefix("same bytes as ")
            assert first < row["drop_key"]
            assert (faulty.landing / first).read_bytes() == (faulty.landing / row["drop_key"]).read_bytes()


def test_an_unreadable_file_cannot_be_read_and_its_whole_drop_follows(faulty: Cohort) -> None:
    bad = [row for row in faulty.rows("faults.csv") if row["fault"] == "unreadable_file"]
    assert len(bad) == 3
    for row in bad:
        content = (faulty.landing / row["drop_key"]).read_bytes()
        with pytest.raises(EOFError):
            gzip.decompress(content)
        assert any(
            (faulty.landing / key).read_bytes().startswith(content)
            for key in faulty.result.keys
            if key != row["drop_key"]
        )


def test_a_reassigned_device_speaks_for_its_new_patient_from_the_assignment_on(faulty: Cohort) -> None:
    row = next(row for row in faulty.rows("faults.csv") if row["fault"] == "reassigned_device")
    last = max((faulty.landing / "clinic").glob("*device_assignment.csv"))
    rows = [line.split(",") for line in last.read_text().splitlines() if line.startswith(row["device_id"])]
    assert len(rows) == 2
    (_, old, _, handed_over, _, corrected), (_, new, received, until, _, _) = rows
    assert corrected == handed_over < received
    assert (until, old != new) == ("", True)
    speaks = re.compile(rb'"patientId":"(pt-\d+)".*"ts":"(2026-[^"]+)"')
    spoken = defaultdict(set)
    for key in {r["drop_key"] for r in faulty.rows("faults.csv") if r["fault"] == "reassigned_device"}:
        for found in filter(None, map(speaks.search, faulty.lines(key))):
            spoken[found[2].decode() >= received].add(found[1].decode())
    assert {who: names - {"pt-9999"} for who, names in spoken.items()} == {False: {old}, True: {new}}


def test_firmware_in_metres_per_second_squared_measures_nearly_ten_at_rest(faulty: Cohort) -> None:
    key = next(row["drop_key"] for row in faulty.rows("faults.csv") if row["fault"] == "ms2_firmware")
    messages = [json.loads(line) for line in faulty.lines(key)]
    assert {m["meta"]["fw"][:4] for m in messages} == {"0.9."}
    norm = np.median([np.sqrt(sum(v * v for v in m["accel"].values())) for m in messages])
    assert 9.6 < norm < 10.0


def test_an_unknown_device_is_in_no_assignment_and_an_unassigned_one_only_in_the_past(faulty: Cohort) -> None:
    text = "".join(path.read_text() for path in (faulty.landing / "clinic").glob("*device_assignment.csv"))
    assert "imu-99901" not in text
    closed = {line.split(",")[3] for line in text.splitlines() if line.startswith("imu-99902")}
    assert all(until < "2026-01-05" for until in closed)


def test_asking_for_no_faults_gives_none(make_cohort: Callable[[CohortOptions], Cohort]) -> None:
    clean = make_cohort(replace(SMALL, patients=1, days=1, faults="none", hours_per_day=(0.1,)))
    assert clean.rows("faults.csv") == []
    assert clean.result.faults == {}


def test_a_fault_without_room_is_reported_not_forgotten(
    make_cohort: Callable[[CohortOptions], Cohort],
) -> None:
    short = make_cohort(
        replace(
            SMALL, patients=1, days=1, faults="truncated_line=400,reassigned_device", hours_per_day=(0.01,)
        )
    )
    assert short.result.faults["truncated_line"] + short.result.faults_without_room["truncated_line"] == 400
    assert short.result.faults_without_room["reassigned_device"] == 1


def test_duplicates_stand_right_after_the_line_that_they_copy() -> None:
    before, after, done = damaged(200, {"duplicate": 7})
    assert len(after) == 207
    assert sorted(set(after), key=after.index) == before
    for note in done:
        assert after[note.line_number - 1] == after[note.line_number - 2]


def test_a_conflicting_duplicate_has_the_same_key_and_another_payload() -> None:
    _, after, done = damaged(200, {"duplicate_conflict": 5})
    for note in done:
        one, other = (json.loads(after[note.line_number - i]) for i in (1, 2))
        assert (one["seq"], one["meta"]["boot"]) == (other["seq"], other["meta"]["boot"])
        assert one["accel"] != other["accel"]


def test_rows_out_of_order_are_all_still_there() -> None:
    before, after, done = damaged(2000, {"out_of_order": 1})
    assert after != before
    assert sorted(after) == sorted(before)
    assert done[0].count == sum(a != b for a, b in zip(after, before, strict=True))


def test_a_gap_removes_one_stretch_and_counts_it() -> None:
    before, after, done = damaged(6000, {"gap": 1})
    assert done[0].count == len(before) - len(after) > 0
    jumps = [json.loads(b)["seq"] - json.loads(a)["seq"] for a, b in pairwise(after)]
    assert Counter(jumps) == {1: len(after) - 2, done[0].count + 1: 1}


def test_stretches_keep_clear_of_every_fall() -> None:
    text, ends = lines_of(4000)
    falls = [(900, 1200), (2600, 2900)]
    for seed in range(8):
        out, damage = damage_lines(text, ends, {"gap": 1}, np.random.default_rng(seed), falls, 25.0)
        kept = {json.loads(line)["seq"] for line in out.tobytes().splitlines()}
        assert damage.done
        assert kept >= {*range(900, 1200), *range(2600, 2900)}


def test_a_list_of_faults_is_read_with_counts() -> None:
    assert parse_faults("gap=3, duplicate=50,late_file") == {"gap": 3, "duplicate": 50, "late_file": 1}
    assert parse_faults("none") == {}
    assert set(parse_faults("default")) < set(parse_faults("all")) == set(ALL_FAULTS)


# -- what the lakehouse makes of it

HOURS = hour_range("2026-01-05-00:00", "2026-01-08-00:00")


def assignments_of(cohort: Cohort) -> dict[str, list[Assignment]]:
    """Who wore what, as known at the end of the last day."""
    landing = Landing(root=str(cohort.landing))
    day = date(2026, 1, 6)
    of_day, earlier = files_to_read(ClinicFolder(file.key for file in landing.list("clinic")), day)
    content = {file.key: landing.read(file.key) for file in (*of_day, *earlier)}
    return resolve_assignments(snapshot_of_day(day, of_day, earlier, content)[DeviceAssignment])


@pytest.fixture(scope="module", params=["jsonl.gz", "parquet"])
def ingested(
    request: pytest.FixtureRequest, faulty: Cohort, make_cohort: Callable[[CohortOptions], Cohort]
) -> tuple[Cohort, Lake]:
    """A cohort with every kind of fault that its format can carry, and the lake made from it."""
    cohort = faulty if request.param == "jsonl.gz" else make_cohort(replace(SMALL, format="parquet"))
    lake, _ = ingest(cohort.landing.parent, HOURS, assignments=assignments_of(cohort))
    return cohort, lake


def test_the_quarantine_holds_what_the_truth_says_and_nothing_else_count_by_count(
    ingested: tuple[Cohort, Lake],
) -> None:
    cohort, lake = ingested
    found = Counter(
        (row["drop_key"], row["reason"]) for row in lake.read(TelemetryQuarantine, HOURS).to_pylist()
    )
    expected: Counter[tuple[str, str]] = Counter()
    for row in cohort.rows("faults.csv"):
        if row["expected_in"] == "quarantine":
            expected[row["drop_key"], row["expected_reason"]] += int(row["refused_lines"])
        else:
            assert row["refused_lines"] == "0"
    assert found == expected
    assert len({reason for _, reason in expected}) >= 10


def test_every_line_that_the_truth_names_is_refused_for_its_reason_and_no_other_line_of_a_known_device_is(
    ingested: tuple[Cohort, Lake],
) -> None:
    cohort, lake = ingested
    expected = {}
    whole = set()
    for row in cohort.rows("faults.csv"):
        if row["expected_in"] == "quarantine" and row["line_number"]:
            last = int(row["line_number"])
            for number in range(last - int(row["refused_lines"]) + 1, last + 1):
                expected[row["drop_key"], number] = row["expected_reason"]
        elif row["expected_in"] == "quarantine":
            whole.add(row["drop_key"])
    rows = lake.read(TelemetryQuarantine, HOURS).to_pylist()
    found = {
        (row["drop_key"], row["line_number"]): row["reason"] for row in rows if row["drop_key"] not in whole
    }
    assert found == expected


def test_what_is_not_in_the_quarantine_is_where_the_truth_says(ingested: tuple[Cohort, Lake]) -> None:
    cohort, lake = ingested
    places = {row["expected_in"]: row for row in cohort.rows("faults.csv")}
    verdict = places["coverage verdict"]
    coverage = lake.read(DeviceHourCoverage, HOURS).to_pylist()
    judged = [row for row in coverage if row["device_id"] == verdict["device_id"] and row["clean_samples"]]
    assert {row["verdict"] for row in judged} == {verdict["expected_reason"]}
    assert sum(row["clean_samples"] for row in judged) == int(verdict["count"])
    if "landing zone" in places:  # Parquet drops are never misnamed
        key = places["landing zone"]["drop_key"]
        with pytest.raises(BadDropName) as refusal:
            parse_drop_name(key)
        assert refusal.value.reason == places["landing zone"]["expected_reason"]
        assert (cohort.landing / key).exists()
        assert key not in set(lake.read(TelemetryDrops, HOURS)["drop_key"].to_pylist())
    else:
        assert cohort.options.format == "parquet"


def test_every_refused_line_shows_what_it_said(ingested: tuple[Cohort, Lake]) -> None:
    cohort, lake = ingested
    shown = Counter()
    for row in lake.read(TelemetryQuarantine, HOURS).to_pylist():
        if row["line_number"] == 0:
            assert row["payload"] is None
            continue
        assert row["payload"].startswith('{"deviceId":"'), row
        assert len(row["payload"]) <= 500
        if cohort.options.format == "parquet" and row["reason"] != "FIELD_MISSING":
            assert json.loads(row["payload"])["seq"] >= 0
        shown[row["reason"]] += 1
    assert shown["UNIT_MISMATCH"] > 200
    assert shown["PATIENT_MISMATCH"] >= 30


def test_payloads_beyond_the_limit_are_left_in_the_drop_and_the_contract_says_so(
    faulty: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = TelemetryQuarantine.to_schema().columns["payload"].description
    assert f"{ingest_module._PAYLOADS_PER_DROP_AND_REASON:,}" in described
    monkeypatch.setattr(ingest_module, "_PAYLOADS_PER_DROP_AND_REASON", 3)
    lake, _ = ingest(faulty.landing.parent, HOURS, lake="few", assignments=assignments_of(faulty))
    kept = defaultdict(list)
    for row in lake.read(TelemetryQuarantine, HOURS).to_pylist():
        if row["reason"] in ("UNIT_MISMATCH", "TIME_IMPLAUSIBLE"):
            kept[row["drop_key"], row["reason"]].append((row["line_number"], row["payload"] is not None))
    assert len(kept) >= 2
    for lines in kept.values():
        assert [there for _, there in sorted(lines)] == [i < 3 for i in range(len(lines))]
