import json
from datetime import UTC, datetime

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.json_lines import json_lines

triple = st.tuples(*[st.integers(-200_000, 200_000)] * 3)


@given(
    rows=st.lists(
        st.tuples(triple, triple, st.integers(0, 4_000_000_000_000), st.integers(0, 1_000_000)), min_size=1
    ),
    first_seq=st.integers(0, 2**40),
    boot=st.integers(0, 2**31 - 1),
    has_gyro=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_lines_say_exactly_what_json_dumps_would(
    rows: list[tuple[tuple[int, ...], tuple[int, ...], int, int]], first_seq: int, boot: int, has_gyro: bool
) -> None:
    accel = np.array([row[0] for row in rows], np.int32)
    gyro = np.array([row[1] for row in rows], np.int32)
    ts_ms = np.array([row[2] for row in rows], np.int64)
    battery = np.array([row[3] for row in rows], np.int64)
    text, ends = json_lines(
        "imu-1", "pt-1", first_seq, ts_ms, accel, gyro if has_gyro else None, battery, "2.4.1", "waist", boot
    )
    lines = text.tobytes().decode().split("\n")
    assert lines.pop() == ""
    assert np.diff(ends, prepend=0).tolist() == [len(line) + 1 for line in lines]
    for i, line in enumerate(lines):
        moment = datetime.fromtimestamp(rows[i][2] // 1000, UTC)
        message = {
            "deviceId": "imu-1",
            "patientId": "pt-1",
            "seq": first_seq + i,
            "ts": moment.strftime("%Y-%m-%dT%H:%M:%S") + f".{rows[i][2] % 1000:03d}Z",
            "accel": {axis: rows[i][0][k] / 1e4 for k, axis in enumerate("xyz")},
            "gyro": {axis: rows[i][1][k] / 1e2 for k, axis in enumerate("xyz")},
            "meta": {
                "fw": "2.4.1",
                "battery": rows[i][3] // 1000 / 1000,
                "schemaVersion": 1,
                "position": "waist",
                "boot": boot,
            },
        }
        if not has_gyro:
            del message["gyro"]
        if 0 < min(abs(v) for v in (*rows[i][0], *rows[i][1])) / 1e4 < 1e-4 or "e-" in json.dumps(message):
            assert json.loads(line) == message
        else:
            assert line == json.dumps(message, separators=(",", ":"))


def test_a_second_that_does_not_change_is_copied_and_one_that_does_is_written_anew() -> None:
    ts_ms = np.array([1_767_599_999_990, 1_767_599_999_999, 1_767_600_000_000, 1_767_599_999_999], np.int64)
    zeros = np.zeros((4, 3), np.int32)
    text, _ = json_lines("imu-22", "pt-3", 9, ts_ms, zeros, None, np.zeros(4, np.int64), "1", "wrist", 0)
    assert [json.loads(line)["ts"][11:] for line in text.tobytes().splitlines()] == [
        "07:59:59.990Z",
        "07:59:59.999Z",
        "08:00:00.000Z",
        "07:59:59.999Z",
    ]
