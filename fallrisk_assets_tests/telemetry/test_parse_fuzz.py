"""The compiled reader against the strict one: never a line more, never a value different by a bit."""

import itertools
import json
import random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fallrisk_assets.telemetry import parse
from fallrisk_assets.telemetry.parse import COLUMNS, ParsedDrop, parse_drop, parse_drop_strictly, parse_pieces
from fallrisk_assets.telemetry.parse_fast import FAST
from fallrisk_assets_tests.telemetry.messages import as_drop, drop_name, line, walk

TEXTS = ("devices", "patients", "firmwares", "positions")


def both(data: bytes) -> ParsedDrop:
    """Read with and without the compiled reader, assert equality and conservation."""
    return same(parse_drop(data, drop_name()), data)


def same(fast: ParsedDrop, data: bytes) -> ParsedDrop:
    """Assert that a reading equals the strict one, bit by bit, and that no line is lost."""
    strict = parse_drop_strictly(data, drop_name())
    for name in COLUMNS:
        ours, theirs = getattr(fast, name), getattr(strict, name)
        assert ours.dtype == theirs.dtype
        if ours.dtype.kind == "f":
            # By bits, so that -0.0 and 0.0 differ; NaN stands for an absent value in both.
            ours, theirs = np.nan_to_num(ours, nan=1e30), np.nan_to_num(theirs, nan=1e30)
            ours, theirs = ours.view(np.uint32), theirs.view(np.uint32)
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
    for name in TEXTS:
        assert getattr(fast, name) == getattr(strict, name), name
    assert fast.bad_lines == strict.bad_lines
    assert fast.lines == strict.lines == fast.rows + len(fast.bad_lines)
    numbers = fast.line_number.tolist() + [bad.line_number for bad in fast.bad_lines]
    assert len(set(numbers)) == fast.lines
    return fast


_DIGITS = st.text("0123456789", min_size=1, max_size=22)
_NUMBER = st.one_of(
    st.builds(
        lambda sign, whole, fraction, exponent: sign + whole + fraction + exponent,
        st.sampled_from(["", "-", "-", "+"]),
        st.one_of(st.sampled_from(["0", "1", "12", "00", "01", ""]), _DIGITS),
        st.one_of(st.just(""), st.just("."), _DIGITS.map(lambda d: "." + d)),
        st.one_of(
            st.just(""),
            st.builds(
                lambda e, s, d: e + s + d, st.sampled_from("eE"), st.sampled_from(["", "+", "-"]), _DIGITS
            ),
            st.builds("e{}".format, st.integers(-60, 60)),
        ),
    ),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(-32, 32, width=32).map(lambda x: str(np.float32(x))),
    st.floats(-32, 32).map(lambda x: f"{x:.5f}"),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(
        ["NaN", "Infinity", "-Infinity", "null", "true", '"1"', "", " 1", "1 ", "0x10", "1_0", "{}"]
    ),
)
_TIME = st.one_of(
    st.builds(
        '"{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}{}"'.format,
        st.integers(1960, 2110),
        st.integers(0, 13),
        st.integers(0, 32),
        st.integers(0, 25),
        st.integers(0, 61),
        st.integers(0, 61),
        st.one_of(
            st.just("Z"),
            _DIGITS.map(lambda d: f".{d[:11]}Z"),
            st.sampled_from(["", ".Z", ".5", "+00:00", ".25-23:59", "z", ".1ZZ", "Z ", "+99:00"]),
        ),
    ),
    st.integers(-10, 5_000_000_000_000).map(str),
    st.integers(0, 10**25).map(str),
    _NUMBER,
)
_TEXT = st.one_of(
    st.sampled_from(
        ["imu-10001", "pt-1", "", "a" * 63, "a" * 64, "a" * 65, "a" * 2000, "é", "\x7f", " ", "\\u0041"]
    ),
    st.text(max_size=12).filter(lambda s: "\n" not in s),
)
_INTEGER = st.one_of(
    st.integers(0, 10**6).map(str),
    st.sampled_from([2**31 - 1, 2**31, 2**63 - 1, 2**63, 10**17, 10**18 - 1, 10**18, 10**19]).map(str),
    _NUMBER,
)


@st.composite
def _line(draw) -> str:
    """A line of the template in which any value can be anything."""
    plain = draw(st.integers(0, 15))

    def value(bit: int, usual: str, strategy) -> str:
        return draw(strategy) if plain == bit or plain > 13 else usual

    gyro = ""
    if draw(st.booleans()):
        gyro = '"gyro":{{"x":{},"y":{},"z":{}}},'.format(
            value(4, "1.25", _NUMBER), value(5, "-0.5", _NUMBER), value(6, "0", _NUMBER)
        )
    return (
        '{{"deviceId":"{}","patientId":"{}","seq":{},"ts":{},"accel":{{"x":{},"y":{},"z":{}}},{}'
        '"meta":{{"fw":"{}","battery":{},"schemaVersion":{},"position":"{}","boot":{}}}}}'
    ).format(
        value(0, "imu-10001", _TEXT),
        value(1, "pt-1", _TEXT),
        value(2, "17", _INTEGER),
        value(3, '"2026-01-05T07:00:00.020Z"', _TIME),
        value(7, "0.0123", _NUMBER),
        value(8, "-0.9981", _NUMBER),
        value(9, "0.0411", _NUMBER),
        gyro,
        value(10, "2.4.1", _TEXT),
        value(11, "0.934", _NUMBER),
        value(12, "1", _INTEGER),
        value(10, "waist", _TEXT),
        value(13, "1", _INTEGER),
    )


@settings(max_examples=400, deadline=None)
@given(st.lists(_line(), min_size=1, max_size=8))
@example([line(0).replace("0.0123", "-0"), line(1).replace("0.0123", "-0.0")])
@example([line(0).replace("0.0123", "9007199254740993"), line(1).replace("0.0123", "9007199254740993e-10")])
@example([line(0).replace("0.0123", "1e23"), line(1).replace("0.0123", "123456789012345678e-22")])
@example([line(0).replace("0.0123", "0." + "0" * 40 + "1"), line(1).replace("0.0123", "1" * 18)])
def test_any_value_in_the_template_is_read_alike(lines):
    both(as_drop(lines))


_PIECES = [
    '"',
    "\\",
    "{",
    "}",
    ",",
    ":",
    "\n",
    "\r",
    " ",
    "\t",
    "\x00",
    "0",
    "-",
    ".",
    "e",
    "NaN",
    "null",
    "é",
]


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2000), st.integers(0, 6), st.one_of(st.sampled_from(_PIECES), st.text(max_size=3))
        ),
        min_size=1,
        max_size=6,
    ),
    st.booleans(),
)
def test_damaged_lines_are_judged_alike(damages, last_newline):
    text = "\n".join([line(0), line(1, gyro=None), line(2), line(3, ts=1767596400060), *walk(3)])
    for at, cut, piece in damages:
        at = min(at, len(text))
        text = text[:at] + piece + text[at + cut :]
    both(text.encode("utf-8", errors="replace") + (b"\n" if last_newline else b""))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=10))
def test_arbitrary_bytes_never_raise_and_are_judged_alike(chunks):
    both(b"\n".join([line(0).encode(), *chunks, line(1).encode()]))


def test_ten_thousand_randomly_mutated_lines_are_judged_alike():
    rng = random.Random(20260105)
    lines = [text.encode() for text in walk(200, seed=1)]
    mutated = []
    for _ in range(10_000):
        raw = bytearray(rng.choice(lines))
        for _ in range(rng.choice([0, 1, 1, 1, 2, 5])):
            at = rng.randrange(len(raw))
            how = rng.randrange(4)
            if how == 0:
                raw[at] = rng.randrange(256)
            elif how == 1:
                del raw[at : at + rng.randrange(1, 9)]
            elif how == 2:
                raw[at:at] = bytes(
                    rng.choice(b'0123456789.-+eE",:{}\\ nulltrefas') for _ in range(rng.randrange(1, 4))
                )
            else:
                other = rng.choice(lines)
                raw[at:] = other[rng.randrange(len(other)) :]
            if not raw:
                raw = bytearray(b"x")
        mutated.append(bytes(raw))
    drop = both(b"\n".join(mutated))
    assert drop.rows > 1500
    assert len(drop.bad_lines) > 3000


def test_every_decimal_has_the_float32_of_its_float64():
    rng = np.random.default_rng(7)
    written = []
    for digits in range(9):
        written += [f"{value:.{digits}f}" for value in rng.normal(0.0, 100.0, 400)]
    written += [repr(float(value)) for value in rng.normal(0.0, 1.0, 400).astype(np.float32)]
    written += [f"{value:.6e}" for value in rng.normal(0.0, 1.0, 400)]
    # Halfway between two neighbours in float32: double rounding would show here.
    halves = rng.integers(2**23, 2**24, 400) + 0.5
    written += [f"{half / 2**24:.17g}" for half in halves] + [f"{half / 2**9:.10f}" for half in halves]
    lines = [line(i).replace("0.0123", text) for i, text in enumerate(written)]
    drop = parse_drop(as_drop(lines), drop_name())
    expected = np.array([np.float32(float(json.loads(text))) for text in written], np.float32)
    np.testing.assert_array_equal(drop.accel_g[:, 0].view(np.uint32), expected.view(np.uint32))


@pytest.mark.parametrize(
    "text",
    [
        # Midway between two float32: dividing by a rounded power of ten picks the wrong neighbour.
        "1866064.31250",
        "59274.353515625",
        "871510.78125",
        "31749.57324218750",
        # More than 2^53: rounding the digits before the division picks the wrong neighbour.
        "6693100.74999999936",
        "913953.8437499999",
        "210676.96093749998",
        "127293.83984374999",
    ],
)
def test_decimals_next_to_a_tie_are_rounded_once(text):
    drop = both(as_drop([line(0).replace("0.0123", text)]))
    assert drop.accel_g[0, 0] == np.float32(float(text))


@pytest.mark.parametrize("change", [{}, {"gyro": None}, {"ts": 1767596400020}])
def test_what_devices_send_is_read_by_the_compiled_reader(change, monkeypatch):
    def never(_line):
        raise AssertionError("left to the strict reader")

    monkeypatch.setattr("fallrisk_assets.telemetry.parse.read_line", never)
    lines = walk(500, **change) if "ts" not in change else [line(i, **change) for i in range(500)]
    lines.append(lines[-1] + "\r")
    lines.append(lines[-2].replace('"battery":0.934', '"battery":1'))
    lines.append(lines[-3].replace('"boot":1', '"boot":214748'))
    drop = parse_drop(as_drop(lines), drop_name())
    assert drop.rows == 503
    assert FAST == 0


def test_a_text_at_every_length_and_place_is_read_alike_near_the_end_of_the_drop():
    for length in [*range(0, 70, 3), 64, 65, 500, 1000, 1500]:
        name = "p" * length
        both(
            as_drop(
                [line(0), json.dumps(json.loads(line(1))), line(2, patientId=name), line(3, meta_fw=name)]
            )
        )
        both(line(2, patientId=name).encode())


@settings(max_examples=60, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 4000), max_size=12),
    buffer_bytes=st.integers(1, 900),
    lines=st.lists(
        st.sampled_from(
            [line(0), line(1, meta_fw="2.5"), "", "  ", "{", line(2) + "\r", "\ufeff" + line(3), "x" * 1500]
        ),
        max_size=9,
    ),
    ending=st.sampled_from(["", "\n", "\n\n"]),
    marked=st.booleans(),
)
def test_it_does_not_matter_into_which_pieces_a_drop_is_cut(cuts, buffer_bytes, lines, ending, marked):
    data = ("\ufeff" * marked + "\n".join(lines) + ending).encode()
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(edges)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parse, "_BUFFER_BYTES", buffer_bytes)
        same(parse_pieces(lambda: pieces, drop_name()), data)
