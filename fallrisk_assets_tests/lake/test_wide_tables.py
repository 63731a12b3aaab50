import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets import validation
from fallrisk_assets.contract import arrow_schema, columns_of
from fallrisk_assets.lake.files import ContentHasher, content_hash
from fallrisk_assets.mobility.contract import WindowFeatures
from fallrisk_assets.validation import row_masks

ROWS = 6
FLOATS = [c.name for c in columns_of(WindowFeatures) if pa.types.is_float32(c.type)]


def features(changes: dict[tuple[str, int], float | None]) -> pa.Table:
    columns = []
    for field in arrow_schema(WindowFeatures):
        if pa.types.is_float32(field.type):
            values: list[float | None] = [0.5] * ROWS
            for (name, row), value in changes.items():
                if name == field.name:
                    values[row] = value
            columns.append(pa.array(values, field.type))
        elif pa.types.is_string(field.type):
            columns.append(pa.array(["waist"] * ROWS, field.type))
        elif pa.types.is_boolean(field.type):
            columns.append(pa.array([True] * ROWS))
        else:
            columns.append(pa.array(np.arange(ROWS), pa.int64()).cast(field.type))
    relaxed = pa.schema([pa.field(f.name, f.type) for f in arrow_schema(WindowFeatures)])
    return pa.table(columns, schema=relaxed)


values = st.sampled_from([None, float("nan"), float("inf"), float("-inf"), -1.0, -2e9, 0.0, 0.7, 2e9])
changes = st.dictionaries(st.tuples(st.sampled_from(FLOATS), st.integers(0, ROWS - 1)), values, max_size=8)


@settings(deadline=None, max_examples=60)
@given(changes)
def test_judging_many_columns_at_once_gives_what_judging_each_alone_gives(changed):
    table = features(changed)
    together = row_masks(WindowFeatures, table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "_MANY_COLUMNS", 10_000)
        alone = row_masks(WindowFeatures, table)
    assert together.keys() == alone.keys()
    assert all((together[k] == alone[k]).all() for k in alone)


@settings(deadline=None, max_examples=30)
@given(changes, st.integers(0, ROWS))
def test_the_hash_of_a_wide_table_does_not_depend_on_how_its_rows_were_cut(changed, cut):
    table = features(changed)
    pieces = ContentHasher(table.schema)
    pieces.update(table.slice(0, cut))
    pieces.update(table.slice(cut))
    assert pieces.hexdigest() == content_hash(table)


def test_the_hash_of_a_wide_table_tells_a_null_from_a_zero_and_one_column_from_another():
    name, other = FLOATS[3], FLOATS[4]
    hashes = {
        content_hash(features(c))
        for c in ({}, {(name, 2): 0.0}, {(name, 2): None}, {(other, 2): 0.0}, {(other, 2): None})
    }
    assert len(hashes) == 5
