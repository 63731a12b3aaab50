import io
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from fallrisk_assets_tests.simulator.conftest import SMALL, Cohort
from simulator.drops import PARQUET_SCHEMA
from simulator.faults import PARQUET_LACKS

PLAIN = replace(SMALL, patients=2, days=1, hours_per_day=(0.1,), faults="none")


def test_a_parquet_drop_holds_the_same_samples_as_the_lines(make_cohort: Callable[..., Cohort]) -> None:
    lines = make_cohort(PLAIN)
    rows = make_cohort(replace(PLAIN, format="parquet"))
    assert [key[:30] for key in lines.result.keys] == [key[:30] for key in rows.result.keys]
    for text_key, key in zip(lines.result.keys, rows.result.keys, strict=True):
        table = pq.read_table(rows.landing / key)
        assert table.schema.remove_metadata() == PARQUET_SCHEMA
        messages = [json.loads(line) for line in lines.lines(text_key)]
        assert table["seq"].to_pylist() == [m["seq"] for m in messages]
        assert table["accel_y"].to_pylist() == pytest.approx([m["accel"]["y"] for m in messages])
        assert table["gyro_z"].to_pylist() == pytest.approx([m["gyro"]["z"] for m in messages])
        ts = [t.isoformat(timespec="milliseconds").replace("+00:00", "Z") for t in table["ts"].to_pylist()]
        assert ts == [m["ts"] for m in messages]


def test_faults_in_parquet_are_those_that_typed_rows_can_carry(make_cohort: Callable[..., Cohort]) -> None:
    cohort = make_cohort(replace(SMALL, format="parquet"))
    truth = cohort.rows("faults.csv")
    found = Counter(row["fault"] for row in truth)
    assert not set(found) & set(PARQUET_LACKS)
    tables = {}
    for row in truth:
        if not row["line_number"]:
            continue
        if row["drop_key"] not in tables:
            content = io.BytesIO((cohort.landing / row["drop_key"]).read_bytes())
            tables[row["drop_key"]] = pq.read_table(content)
        at = int(row["line_number"]) - 1
        before, bad = tables[row["drop_key"]].slice(at - 1, 2).to_pylist()
        if row["fault"] == "nan_value":
            assert bad["accel_x"] != bad["accel_x"]
        elif row["fault"] == "out_of_range":
            assert bad["accel_x"] == 999.5
        elif row["fault"] == "clock_jump":
            assert bad["ts"].year != 2026
        elif row["fault"] == "duplicate":
            assert bad == before
        elif row["fault"] == "duplicate_conflict":
            assert (bad["seq"], bad["boot"]) == (before["seq"], before["boot"])
            assert bad != before
        elif row["fault"] == "patient_mismatch":
            assert bad["patientId"] == "pt-9999"
    assert found["nan_value"] == 60
    assert found["duplicate"] == 200
