import datetime as dt
import hashlib
from itertools import pairwise

import pyarrow as pa
import pyarrow.fs as pafs
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.lake.files import (
    ContentHasher,
    combined_hash,
    combined_hashes,
    content_hash,
    parquet_writer,
    read_rows,
    write_rows,
)
from fallrisk_assets_tests.samples import Readings, readings

HOUR = "2026-01-05-07:00"
SCHEMA = pa.schema(
    [
        pa.field("text", pa.string()),
        pa.field("number", pa.float32()),
        pa.field("flag", pa.bool_()),
        pa.field("time", pa.timestamp("us", "UTC")),
    ]
)
ROWS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.sampled_from(["", "a", "b", "ab"])),
        st.one_of(st.none(), st.floats(-5, 5, width=32)),
        st.one_of(st.none(), st.booleans()),
        st.one_of(st.none(), st.datetimes(timezones=st.just(dt.UTC), allow_imaginary=False)),
    ),
    max_size=20,
)


def as_table(rows: list) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [[], [], [], []]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA)


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, cuts=st.lists(st.integers(0, 20), max_size=4), coded=st.booleans())
def test_the_content_hash_does_not_depend_on_how_rows_were_cut_or_coded(rows, cuts, coded):
    whole = as_table(rows)
    hasher = ContentHasher(SCHEMA)
    edges = sorted({0, len(rows), *(min(c, len(rows)) for c in cuts)})
    for start, end in pairwise(edges):
        piece = whole.slice(start, end - start)
        if coded:
            piece = piece.set_column(0, "text", piece["text"].combine_chunks().dictionary_encode())
        hasher.update(piece)
    assert hasher.hexdigest() == content_hash(whole)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([None, 0, 1, 2, 3, 4]), max_size=12), st.integers(0, 12))
def test_a_foreign_dictionary_with_a_word_twice_or_a_null_hashes_as_the_words(codes, cut):
    schema = pa.schema([pa.field("text", pa.string())])
    words = ["a", "b", "a", None, ""]
    said = pa.array([None if code is None else words[code] for code in codes], pa.string())
    coded = pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(words, pa.string()))
    hasher = ContentHasher(schema)
    for piece in (coded[:cut], coded[cut:]):
        hasher.update(pa.table([piece], names=["text"]))
    assert hasher.hexdigest() == content_hash(pa.table([said], schema=schema))


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, other=ROWS)
def test_different_rows_have_different_content_hashes(rows, other):
    a, b = as_table(rows), as_table(other)
    assert (content_hash(a) == content_hash(b)) == (repr(a.to_pylist()) == repr(b.to_pylist()))


def test_rows_come_back_from_a_file_as_they_were(tmp_path):
    path = str(tmp_path / "x.parquet")
    data = readings(HOUR, rows=500)
    with parquet_writer(Readings, path, pafs.LocalFileSystem()) as writer:
        write_rows(writer, Readings, data.slice(0, 200))
        write_rows(writer, Readings, data.slice(200))
    back = read_rows(Readings, path, pafs.LocalFileSystem())
    assert back.equals(data.cast(back.schema))
    assert content_hash(back) == content_hash(data)


@given(st.lists(st.text(max_size=5), max_size=6))
def test_a_combined_hash_tells_where_each_text_ends_and_those_on_the_way_are_those_of_fewer_texts(parts):
    raws = [part.encode() for part in parts]
    told = b"".join(len(raw).to_bytes(4, "big") + raw for raw in raws)
    assert combined_hash(parts) == hashlib.sha256(told).hexdigest()
    assert list(combined_hashes(parts)) == [combined_hash(parts[:n]) for n in range(len(parts) + 1)]
