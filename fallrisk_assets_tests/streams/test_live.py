"""Falls are found in messages as they come: late, in any order, cut anyhow, from devices of all kinds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.clinic.identity import FOREVER_US, Assignment
from fallrisk_assets.risk.detector import detect_falls, released_model
from fallrisk_assets.risk.falls import event_id
from fallrisk_assets.streams.live import FORGET_S, MOST_HELD, REORDER_S, SILENT_S, LiveDetector
from fallrisk_assets.streams.registry import Registry
from fallrisk_assets_tests.streams.motions import START_US, lines, messages, samples
from fallrisk_assets_tests.telemetry.messages import DEVICE, PATIENT

MODEL = released_model()
SECOND_US = 1_000_000
FALL = samples(20.0)
FALLS = samples(20.0, 45.0, seconds=70.0)


def worn(*assignments):
    known = assignments or (Assignment(PATIENT, 0, FOREVER_US, "waist"),)
    registry = Registry({}, {DEVICE: known})
    return LiveDetector(lambda: registry, MODEL)


def whole(ts, accel, gyro):
    found = detect_falls(ts, accel.astype(np.float32), gyro.astype(np.float32), "waist", MODEL, at_end=True)
    return [e.impact_us for e in found]


def fed(live, pieces, arrivals_s=None):
    """Feed messages; each arrives a moment after its last sample, or when it is told to."""
    arrivals_s = arrivals_s or [i + 1.1 for i in range(len(pieces))]
    found = []
    for at_s, i in sorted(zip(arrivals_s, range(len(pieces)), strict=True)):
        now_us = START_US + int(at_s * SECOND_US)
        found += live.tick(now_us)
        found += live.take(DEVICE, now_us, pieces[i])
    return found


def test_the_motions_do_fall_or_the_tests_below_say_nothing():
    assert len(whole(*FALL)) == 1
    assert len(whole(*FALLS)) == 2


def test_a_fall_is_told_with_the_message_that_decides_it_under_the_id_that_the_hour_gives_it():
    (fall,) = fed(worn(), messages(lines(*FALL)))
    (impact_us,) = whole(*FALL)
    assert fall.impact_us == impact_us
    assert fall.event_id == event_id(DEVICE, impact_us)
    assert (fall.device_id, fall.patient_id, fall.position) == (DEVICE, PATIENT, "waist")
    assert fall.decided_us == impact_us + 3_500_000
    assert 0 <= fall.received_us - fall.decided_us <= 1.2 * SECOND_US


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.0, 20.0), min_size=70, max_size=70), st.integers(1, 3))
def test_messages_late_and_in_any_order_give_the_falls_of_the_whole(delays, every):
    pieces = messages(lines(*FALLS))
    arrivals = [i + 1.1 + (delays[i] if i % every == 0 else 0.0) for i in range(len(pieces))]
    found = fed(live := worn(), pieces, arrivals)
    found += live.tick(START_US + int(200 * SECOND_US))
    impacts = [f.impact_us for f in found]
    for impact_us in whole(*FALLS):
        assert sum(abs(impact_us - told) <= 2_000_000 for told in impacts) == 1


def test_nothing_is_decided_beyond_a_message_that_may_still_come():
    pieces = messages(lines(*FALL))
    live = worn()
    reached = []
    for i in (0, 1, 2, 4, 5, 3):
        live.take(DEVICE, START_US + i * SECOND_US, pieces[i])
        reached.append(live._worn[DEVICE].stream.decided_to_us)
    ends = [int(FALL[0][50 * n - 1]) + 1 for n in (1, 2, 3, 3, 3, 6)]
    assert reached == ends


def test_two_messages_that_swap_places_are_one_fall():
    pieces = messages(lines(*FALL))
    arrivals = [i + 1.1 for i in range(len(pieces))]
    arrivals[20], arrivals[21] = arrivals[21], arrivals[20]
    found = fed(worn(), pieces, arrivals)
    assert [f.impact_us for f in found] == whole(*FALL)


def test_every_message_twice_is_every_fall_once():
    pieces = [p for piece in messages(lines(*FALLS)) for p in (piece, piece)]
    found = fed(worn(), pieces, [i // 2 + 1.1 + 0.3 * (i % 2) for i in range(len(pieces))])
    assert [f.impact_us for f in found] == whole(*FALLS)


def test_what_is_missing_is_waited_for_a_moment_and_no_longer():
    pieces = messages(lines(*FALL))
    live = worn()
    found = []
    for i, piece in enumerate(pieces[:25]):
        if i != 15:  # lost for good, seconds before the fall
            found += live.take(DEVICE, START_US + i * SECOND_US, piece)
            found += live.tick(START_US + i * SECOND_US)
    assert [f.impact_us for f in found] == whole(*FALL)
    assert live.tick(START_US + int((24 + REORDER_S) * SECOND_US)) == []


def test_a_device_that_falls_silent_after_the_impact_is_decided_about_when_it_is_silent():
    (impact_us,) = whole(*FALL)
    stop = (impact_us - START_US) // 20_000 + 75
    live = worn()
    pieces = messages(lines(*(part[:stop] for part in FALL)))
    last_us = START_US + len(pieces) * SECOND_US
    assert fed(live, pieces, [i + 1.0 for i in range(len(pieces))]) == []
    assert live.tick(last_us + int((SILENT_S - 1) * SECOND_US)) == []
    assert [f.impact_us for f in live.tick(last_us + int(SILENT_S * SECOND_US))] == [impact_us]
    assert live.tick(last_us + int((SILENT_S + 1) * SECOND_US)) == []


def test_a_device_that_comes_back_after_a_silence_tells_the_rest():
    pieces = messages(lines(*FALL))
    arrivals = [i + 1.1 if i < 15 else i + 16.1 for i in range(len(pieces))]
    assert [f.impact_us for f in fed(worn(), pieces, arrivals)] == whole(*FALL)


def test_who_wears_the_device_is_said_by_the_assignment_and_two_wearers_are_never_bridged():
    (impact_us,) = whole(*FALL)
    change_us = impact_us + 1_000_000
    before = Assignment("pt-0", 0, change_us, "waist")
    after = Assignment("pt-9", change_us, FOREVER_US, "waist")
    stated = lines(*FALL, patient="pt-0")
    first = next(i for i, t in enumerate(FALL[0].tolist()) if t >= change_us)
    stated[first:] = lines(*FALL, patient="pt-9")[first:]
    found = fed(worn(before, after), messages(stated))
    by_hour = detect_falls(
        FALL[0][:first], FALL[1][:first].astype(np.float32), None, "waist", MODEL, at_end=True
    )
    assert [(f.patient_id, f.impact_us) for f in found] == [("pt-0", e.impact_us) for e in by_hour]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"patient": "pt-2"}, "PATIENT_MISMATCH"),
        ({"device": "imu-2"}, "DEVICE_MISMATCH"),
        ({"scale": 40.0}, "VALUE_OUT_OF_RANGE"),
        ({"scale": 9.80665}, "UNIT_MISMATCH"),
    ],
)
def test_samples_that_cleaning_refuses_raise_no_alarm_and_are_counted(change, reason):
    live = worn()
    assert fed(live, messages(lines(*FALL, **change))) == []
    assert live.left_out[reason] > 0


def test_a_firmware_that_sends_metres_per_second_squared_falls_in_g():
    found = fed(worn(), messages(lines(*FALL, scale=9.80665, fw="0.8.3")))
    assert [abs(f.impact_us - whole(*FALL)[0]) <= 20_000 for f in found] == [True]


def test_nobody_falls_with_a_device_that_nobody_wears():
    live = worn(Assignment(PATIENT, 0, START_US, "waist"))
    assert fed(live, messages(lines(*FALL))) == []
    assert live.left_out["DEVICE_NOT_ASSIGNED"] == len(FALL[0])


def test_garbage_is_counted_and_stops_nobody():
    live = worn()
    pieces = messages(lines(*FALL))
    pieces[3] += b"\n\xff\xfe{\n[]\n"
    assert len(fed(live, [b"", b"null", *pieces], [0.1, 0.2, *(i + 1.1 for i in range(len(pieces)))])) == 1
    assert live.left_out["UNREADABLE"] == 3


def test_memory_is_bounded_however_long_and_dense_a_device_sends():
    live = worn()
    ts, accel, gyro = samples(seconds=180.0)
    pieces = messages(lines(ts, accel, gyro))
    fed(live, pieces)
    settled = live.held_bytes
    assert settled < 250_000
    dense = START_US + 180 * SECOND_US + np.arange(MOST_HELD + 5_000, dtype=np.int64) * 1_000
    n = len(dense)
    many = lines(dense, np.tile([0.0, 0.0, 1.0], (n, 1)), np.zeros((n, 3)), boot=2)
    live.take(DEVICE, START_US + 220 * SECOND_US, "\n".join(many).encode())
    assert live.left_out["TOO_DENSE"] > MOST_HELD
    assert live.held_bytes == 0


def test_a_device_that_is_silent_for_long_is_forgotten():
    live = worn()
    fed(live, messages(lines(*samples(seconds=5.0))))
    assert live.devices == 1
    live.tick(START_US + int((FORGET_S + 10) * SECOND_US))
    assert live.devices == 0
