"""A line's origin in a log: written behind it, taken off to the byte, and known again."""

import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fallrisk_assets.lake.origins import SeenOrigins, has_origin, only_new, with_origin, without_origins

LINES = st.one_of(
    st.binary(min_size=1, max_size=60).map(lambda raw: raw.replace(b"\n", b" ")),
    st.sampled_from(
        [
            b'{"deviceId":"imu-1","seq":1}',
            b"{}",
            b'{"a":1,"origin":{"topic":"t","partition":0,"offset":7}}',
            b'text\t{"origin":{"topic":"t","partition":0,"offset":7}}',
            b'{"cut":',
            b"null",
            b"\xff\xfe\x00",
        ]
    ),
)


@given(st.lists(st.tuples(LINES, st.integers(0, 2**50)), min_size=1, max_size=8))
@example([(b'"origin":{', 0)])
@example([(b',"origin":{', 0)])
def test_taking_origins_off_gives_every_line_back_to_the_byte(lines):
    data = b"\n".join(with_origin(line, "topic.a-b_c", 3, offset) for line, offset in lines)
    content, origins = without_origins(data)
    assert content == b"\n".join(line for line, _ in lines)
    assert origins is not None
    assert origins.offset.tolist() == [offset for _, offset in lines]
    assert origins.logs == [("topic.a-b_c", 3)]


def test_a_line_that_is_an_object_stays_one():
    assert json.loads(with_origin(b'{"a":{"b":1}}', "telemetry", 3, 41)) == {
        "a": {"b": 1},
        "origin": {"topic": "telemetry", "partition": 3, "offset": 41},
    }


@pytest.mark.parametrize("data", [b"", b"\n", b'{"a":1}\n{"b":2}', b'{"origin":{"topic":"t"}}\n'])
def test_a_drop_that_is_no_logs_is_returned_as_it_is(data):
    assert without_origins(data) == (data, None)
    assert not has_origin(data)


def test_the_first_drop_with_a_message_holds_it():
    seen = SeenOrigins()
    first = without_origins(b"\n".join(with_origin(b"x", "t", 0, o) for o in (5, 6, 7)))[1]
    second = without_origins(b"\n".join(with_origin(b"x", "t", p, o) for p, o in ((0, 7), (0, 8), (1, 7))))[1]
    assert not seen.repeated(first).any()
    assert seen.repeated(second).tolist() == [True, False, False]
    assert seen.repeated(second).all()


def test_a_line_that_was_held_before_is_emptied_and_the_others_keep_their_numbers():
    seen = SeenOrigins()
    only_new(with_origin(b"a", "t", 0, 1), seen)
    data = b"\n".join(with_origin(line, "t", 0, o) for line, o in ((b"a", 1), (b"b", 2)))
    content, emptied, origins = only_new(data + b"\n", seen)
    assert (content, emptied) == (b"\nb\n", 1)
    assert origins.named(2) == "t[0] at 2"
    assert np.array_equal(origins.log_code, [0, 0, -1])
