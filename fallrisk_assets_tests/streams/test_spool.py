"""What is in the spool was written whole, and a crash takes nothing that was confirmed."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.streams.spool import Record, Spool, SpoolDamaged, SpoolFull, read_segment

RECORDS = st.lists(
    st.builds(
        Record,
        st.integers(0, 2**52),
        st.sampled_from(["devices/imu-1/telemetry", "$refused", "é"]),
        st.binary(max_size=40),
    ),
    min_size=1,
    max_size=6,
)


def only(spool):
    (segment,) = spool.sealed()
    return read_segment(segment)


@settings(max_examples=40, deadline=None)
@given(RECORDS, st.data())
def test_a_crash_at_any_byte_leaves_the_records_before_it(tmp_path_factory, records, data):
    folder = tmp_path_factory.mktemp("spool")
    Spool(folder).append(records)  # never sealed, never closed: it crashed
    (left,) = folder.glob("*.open")
    raw = left.read_bytes()
    kept = data.draw(st.integers(0, len(raw)))
    left.write_bytes(raw[:kept])
    found = [record for segment in Spool(folder).sealed() for record in read_segment(segment)]
    assert found == records[: len(found)]
    ends = [len(raw) - len(_raw(tmp_path_factory, records[n:])) for n in range(len(records) + 1)]
    assert len(found) == max(n for n, end in enumerate(ends) if end <= kept)


def _raw(factory, records):
    folder = factory.mktemp("raw")
    Spool(folder).append(records)
    return b"".join(path.read_bytes() for path in folder.iterdir())


def test_what_was_spooled_is_read_as_it_was_after_a_restart(tmp_path):
    first, second = Record(1, "devices/a/telemetry", b"x\ny"), Record(2, "devices/b/status", b"")
    spool = Spool(tmp_path)
    spool.append([first])
    spool.seal()
    spool.append([second])
    again = Spool(tmp_path)
    assert [read_segment(s) for s in again.sealed()] == [[first], [second]]
    again.append([first])
    again.seal()
    assert len(again.sealed()) == 3


def test_a_damaged_segment_is_never_taken_for_a_shorter_one(tmp_path):
    spool = Spool(tmp_path)
    spool.append([Record(1, "t", b"abcdef"), Record(2, "t", b"ghijkl")])
    spool.seal()
    (segment,) = spool.sealed()
    raw = bytearray(segment.read_bytes())
    raw[-1] ^= 1
    segment.write_bytes(raw)
    with pytest.raises(SpoolDamaged, match="unreadable from byte"):
        read_segment(segment)


def test_a_full_spool_takes_nothing_until_something_has_landed(tmp_path):
    spool = Spool(tmp_path, max_bytes=100)
    spool.append([Record(1, "t", b"x" * 60)])
    with pytest.raises(SpoolFull):
        spool.append([Record(2, "t", b"y" * 60)])
    spool.seal()
    assert len(only(spool)) == 1
    spool.retire(spool.sealed()[0])
    spool.append([Record(2, "t", b"y" * 60)])


def test_half_a_record_that_a_full_disk_left_hides_nothing(tmp_path, monkeypatch):
    spool = Spool(tmp_path)
    spool.append([Record(1, "t", b"first")])
    write = os.write

    def half(handle, raw):
        write(handle, bytes(raw)[:9])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="No space"):
        spool.append([Record(2, "t", b"second")])
    monkeypatch.undo()
    spool.append([Record(3, "t", b"third")])
    spool.seal()
    assert [record.payload for record in only(spool)] == [b"first", b"third"]


def test_landed_segments_are_kept_as_long_as_somebody_looks_back(tmp_path):
    spool = Spool(tmp_path)
    spool.append([Record(1, "t", b"x")])
    spool.seal()
    spool.retire(spool.sealed()[0])
    written_us = spool.landed()[0].stat().st_mtime_ns // 1000
    spool.forget_before(written_us)
    assert len(spool.landed()) == 1
    spool.forget_before(written_us + 1)
    assert spool.landed() == []
