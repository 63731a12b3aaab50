"""Drop names and containers: what is refused, and that nothing readable is."""

import gzip
import hashlib
import io
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.telemetry.drops import (
    BadDropName,
    UnreadableDrop,
    drop_key_for,
    parse_drop_name,
    read_drop_bytes,
)
from fallrisk_assets.telemetry.reasons import WHAT_TO_DO, Reason

CONTENT = b'{"deviceId":"imu-1"}\n' * 5000


def test_a_drop_name_tells_receipt_device_hash_and_format():
    name = parse_drop_name("telemetry/20260105T070312Z-imu-10001-0a1b2c3d.jsonl.gz")
    assert name.received_at == datetime(2026, 1, 5, 7, 3, 12, tzinfo=UTC)
    assert (name.device_id, name.sha8, name.format) == ("imu-10001", "0a1b2c3d", "jsonl.gz")
    assert name.received_us == 1767596592 * 1_000_000


@pytest.mark.parametrize(
    "key",
    [
        "readme.txt",
        "20260105T070312Z-imu-1-0a1b2c3d.csv",
        "20260105T070312-imu-1-0a1b2c3d.jsonl",
        "20260105T070312Z-imu-1-0a1b2c3.jsonl",
        "20260105T070312Z-imu-1-0A1B2C3D.jsonl",
        "20260105T070312Z--0a1b2c3d.jsonl",
        "20261305T070312Z-imu-1-0a1b2c3d.jsonl",
        "20260230T070312Z-imu-1-0a1b2c3d.jsonl",
        "20260105T070312Z-imu 1-0a1b2c3d.jsonl",
        "20260105T070312Z-imu-1-0a1b2c3d.jsonl\n",
        "２０２６0105T070312Z-imu-1-0a1b2c3d.jsonl",
        "20260105T070312Z-imu-1-0a1b2c3d.jsonl.gz.tmp",
    ],
)
def test_a_name_that_does_not_tell_all_is_refused_by_name(key):
    with pytest.raises(BadDropName) as refused:
        parse_drop_name(key)
    assert repr(key) in str(refused.value)
    assert refused.value.reason is Reason.FILE_NAME_INVALID


@given(
    st.integers(946684800, 3786912000).map(lambda s: datetime.fromtimestamp(s, UTC)),
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True).filter(str.isascii),
    st.binary(max_size=50),
    st.sampled_from(["jsonl", "jsonl.gz", "parquet"]),
)
def test_a_key_that_we_make_reads_back_as_what_it_was_made_of(received, device_id, content, drop_format):
    name = parse_drop_name(drop_key_for(received, device_id, content, drop_format))
    assert name.received_at == received
    assert (name.device_id, name.format) == (device_id, drop_format)
    assert name.sha8 == hashlib.sha256(content).hexdigest()[:8]


def test_no_key_is_made_for_a_device_that_no_name_can_hold():
    with pytest.raises(BadDropName):
        drop_key_for(datetime(2026, 1, 5, tzinfo=UTC), "../etc", b"", "jsonl")


def test_plain_gzip_and_many_member_files_hold_the_same_lines(tmp_path):
    path = tmp_path / "drop.jsonl.gz"
    path.write_bytes(gzip.compress(CONTENT))
    members = gzip.compress(CONTENT[:1000]) + gzip.compress(b"") + gzip.compress(CONTENT[1000:])
    assert read_drop_bytes(path, "jsonl.gz") == CONTENT
    assert read_drop_bytes(str(path), "jsonl") == CONTENT
    assert read_drop_bytes(members, "jsonl.gz") == CONTENT
    assert read_drop_bytes(members + b"\0" * 512, "jsonl.gz") == CONTENT
    assert read_drop_bytes(CONTENT, "jsonl") == CONTENT
    assert read_drop_bytes(CONTENT, "jsonl.gz") == CONTENT
    assert read_drop_bytes(b"", "jsonl") == b""


@pytest.mark.parametrize("cut", [2, 5, 10, 11, 30, -1, -4, -8])
def test_a_gzip_cut_anywhere_is_unreadable_not_shorter(cut):
    with pytest.raises(UnreadableDrop):
        read_drop_bytes(gzip.compress(CONTENT)[:cut], "jsonl.gz")


@pytest.mark.parametrize("at", [3, 20, -6, -2])
def test_a_gzip_with_a_wrong_byte_is_unreadable(at):
    data = bytearray(gzip.compress(CONTENT))
    data[at] ^= 0xFF
    with pytest.raises(UnreadableDrop):
        read_drop_bytes(bytes(data), "jsonl.gz")


def test_bytes_after_the_last_member_are_refused_not_ignored():
    with pytest.raises(UnreadableDrop):
        read_drop_bytes(gzip.compress(CONTENT) + b"more", "jsonl.gz")


def test_an_empty_gzip_file_and_an_unknown_format_are_unreadable():
    with pytest.raises(UnreadableDrop, match="empty"):
        read_drop_bytes(b"", "jsonl.gz")
    with pytest.raises(UnreadableDrop, match="csv"):
        read_drop_bytes(b"a,b", "csv")


def test_a_file_that_inflates_beyond_the_limit_is_refused_before_it_fills_memory():
    bomb = gzip.compress(b"\0" * 10_000_000)
    with pytest.raises(UnreadableDrop, match="more than 1000000 bytes"):
        read_drop_bytes(bomb, "jsonl.gz", max_bytes=1_000_000)
    with pytest.raises(UnreadableDrop, match="more than"):
        read_drop_bytes(gzip.compress(CONTENT) * 3, "jsonl.gz", max_bytes=2 * len(CONTENT))
    assert len(read_drop_bytes(bomb, "jsonl.gz", max_bytes=10_000_000)) == 10_000_000


def test_parquet_must_be_whole_and_named_so():
    sink = io.BytesIO()
    pq.write_table(pa.table({"seq": [1, 2, 3]}), sink)
    whole = sink.getvalue()
    assert read_drop_bytes(whole, "parquet") == whole
    for broken in (b"", b"PAR1", whole[:-1], whole[1:], CONTENT):
        with pytest.raises(UnreadableDrop):
            read_drop_bytes(broken, "parquet")
    with pytest.raises(UnreadableDrop, match="Parquet"):
        read_drop_bytes(whole, "jsonl.gz")


def test_every_reason_says_what_to_do():
    assert set(WHAT_TO_DO) == set(Reason)
    assert all(reason.value == reason.name for reason in Reason)
