import numpy as np
import pandera.pandas as pandera
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.contract import Contract, Int32, arrow_schema, column, schema_relaxed, table
from fallrisk_assets.validation import (
    KEY_NOT_UNIQUE,
    NULL_VALUE,
    SCHEMA_MISMATCH,
    VALUE_NOT_FINITE,
    row_masks,
    validate,
)
from fallrisk_assets_tests.samples import Readings, readings

HOUR = "2026-01-05-07:00"


def with_column(name: str, values: list) -> pa.Table:
    data = readings(HOUR, rows=len(values)).cast(schema_relaxed(Readings))
    at = data.column_names.index(name)
    return data.set_column(at, name, pa.array(values, data.schema.field(name).type))


def test_rows_that_keep_every_rule_pass():
    report = validate(Readings, readings(HOUR))
    assert report.passed
    assert report.sentence() == "All 20 rows keep the contract of clean.readings."


@pytest.mark.parametrize(
    ("name", "values", "reason", "bad_rows"),
    [
        ("lowest", [0.0, 33.0, -0.5], "TOO_FAR", [1]),
        ("lowest", [0.0, float("nan"), -0.5], VALUE_NOT_FINITE, [1]),
        ("lowest", [0.0, float("inf"), -0.5], VALUE_NOT_FINITE, [1]),
        ("device_id", ["imu-1", "imu-1x", "watch"], "BAD_DEVICE", [1, 2]),
        ("kind", ["a", "b", "c"], "BAD_KIND", [2]),
        ("seq", [0, None, 2], NULL_VALUE, [1]),
        ("seq", [0, -1, 2], "VALUE_OUT_OF_RANGE", [1]),
        ("seq", [4, 5, 4], KEY_NOT_UNIQUE, [2]),
    ],
)
def test_each_broken_rule_marks_exactly_its_rows(name, values, reason, bad_rows):
    masks = row_masks(Readings, with_column(name, values))
    found = {r: np.flatnonzero(m).tolist() for (_, r), m in masks.items()}
    assert found[reason] == bad_rows


def test_a_null_in_a_key_column_is_a_value_of_its_own():
    masks = row_masks(Readings, with_column("seq", [4, None, None]))
    found = {r: np.flatnonzero(m).tolist() for (_, r), m in masks.items()}
    assert found[KEY_NOT_UNIQUE] == [2]


def test_a_rule_between_columns_refuses_the_row_and_names_its_reason():
    data = readings(HOUR, rows=2, lowest=np.float32([0.5, 0.5]), highest=np.float32([0.6, 0.4]))
    report = validate(Readings, data)
    assert report.counts == {"highest ge lowest: UPSIDE_DOWN": 1}


def test_null_passes_where_the_contract_allows_it():
    assert validate(Readings, with_column("lowest", [None, 0.1, None])).passed


def test_a_wrong_schema_is_refused_before_any_row_is_read():
    wrong = readings(HOUR).rename_columns(["x", *arrow_schema(Readings).names[1:]])
    assert validate(Readings, wrong).counts == {f"schema: {SCHEMA_MISMATCH}": 20}


def test_the_first_failing_rows_are_shown_without_personal_data():
    report = validate(Readings, with_column("kind", ["a", "x", "a"]))
    assert report.examples[0]["row"] == "1"
    assert "BAD_KIND" in report.examples[0]["reason"]
    assert "Ada" not in str(report.examples)


def test_text_codes_are_judged_like_plain_text():
    data = with_column("kind", ["a", "c", "a"])
    at = data.column_names.index("kind")
    coded = data.set_column(at, "kind", data["kind"].combine_chunks().dictionary_encode())
    assert validate(Readings, coded).counts == validate(Readings, data).counts == {"kind: BAD_KIND": 1}


@settings(max_examples=60, deadline=None)
@given(
    lowest=st.lists(
        st.one_of(st.none(), st.floats(-40, 40, width=32), st.just(float("nan"))), min_size=1, max_size=12
    ),
    data=st.data(),
)
def test_masks_and_pandera_agree_on_every_row(lowest, data):
    n = len(lowest)
    kinds = data.draw(st.lists(st.sampled_from(["a", "b", "z"]), min_size=n, max_size=n))
    rows = with_column("lowest", lowest)
    rows = rows.set_column(rows.column_names.index("kind"), "kind", pa.array(kinds))
    rows = rows.set_column(rows.column_names.index("highest"), "highest", pa.array([None] * n, pa.float32()))
    failed = np.zeros(n, bool)
    for mask in row_masks(Readings, rows).values():
        failed |= mask
    for i in range(n):
        frame = rows.slice(i, 1).to_pandas(types_mapper=__import__("pandas").ArrowDtype)
        value = lowest[i]
        if value is not None and value != value:
            assert failed[i]  # pandera takes NaN for missing; the contract does not
            continue
        try:
            Readings.validate(frame, lazy=True)
            refused = False
        except pandera.errors.SchemaErrors:
            refused = True
        assert refused == failed[i]


def test_a_field_id_used_twice_is_refused_at_declaration():
    class Twice(Contract):
        """Twice."""

        a: Int32 = column(1, "a")
        b: Int32 = column(1, "b")

    with pytest.raises(ValueError, match="field id is used twice"):
        table(
            name="t", namespace="raw", grain="g", key=("a",), slice_column=None, slicing="none", person=None
        )(Twice)


def test_a_person_column_that_does_not_exist_is_refused_at_declaration():
    class Lonely(Contract):
        """Lonely."""

        a: Int32 = column(1, "a")

    with pytest.raises(ValueError, match="no column"):
        table(
            name="t", namespace="raw", grain="g", key=("a",), slice_column=None, slicing="none", person="who"
        )(Lonely)
