"""Promises of the alarm burden: what is counted, what apart, what a simulated day owes."""

import numpy as np
import pytest

from fallrisk_assets.risk import alarm_burden, transfers
from fallrisk_assets.risk import synthetic_motion as motion
from fallrisk_assets.risk.alarm_burden import Burden
from fallrisk_assets.risk.detector import released_model
from fallrisk_assets.risk.simulated_wear import Wear, planted_confusers, simulated_wear
from fallrisk_assets.risk.streams import Stream

MODEL = released_model()
START = 1_767_600_000_000_000
FALL_US = START + 6_000_000


def worn(falls=(), activities=()):
    ts, accel, gyro = motion.fall(at_s=6.0, peak_g=6.0).sample(50.0, start_us=START)
    return Wear(Stream("imu-1", "pt-1", "waist", ts, accel, gyro), list(falls), list(activities))


def counted(wear):
    burden = Burden()
    burden.add(wear, MODEL, ("device_dropped",))
    return burden


def test_an_alarm_at_a_true_fall_is_no_false_one():
    burden = counted(worn(falls=[(FALL_US, "trip")]))
    assert burden.alarms.total() == burden.confuser_alarms.total() == 0
    assert burden.found == burden.falls == {"trip": 1}
    assert 3.0 < burden.latest_s <= 4.0


def test_an_alarm_in_normal_wear_is_counted_by_activity():
    burden = counted(worn(activities=[(START, START + 60_000_000, "walking")]))
    assert burden.alarms == {"walking": 1}
    assert burden.per_week > alarm_burden.CEILING_PER_WEEK
    assert counted(worn()).alarms == {"unlabelled": 1}


def test_an_alarm_in_a_planted_confuser_is_counted_apart():
    within = [(START, START + 60_000_000, "standing"), (START, FALL_US + 1, "device_dropped")]
    burden = counted(worn(activities=within))
    assert burden.alarms.total() == 0
    assert burden.confuser_alarms == burden.planted == {"device_dropped": 1}
    assert "device_dropped       1 alarms, planted 1 times" in "\n".join(burden.lines())


def test_no_alarm_in_a_short_time_is_no_proof():
    burden = Burden(days=1.0)
    assert burden.per_week == 0.0
    assert burden.per_week_interval == pytest.approx((0.0, 25.8), abs=0.1)
    assert np.isnan(Burden().per_week)


def test_a_simulated_day_raises_no_alarm_outside_planted_confusers(capsys):
    assert alarm_burden.main(["--patients", "1", "--days", "1", "--hours", "16", "--rate-hz", "25"]) == 0
    told = capsys.readouterr().out
    assert MODEL.version in told
    assert "0.7 patient-days: 0 false alarms" in told
    assert all(name in told for name in planted_confusers())


def test_simulated_wear_repeats_itself():
    first, second = (next(simulated_wear(1, 1, rate_hz=20, hours=1.0, seed=3, falls=1)) for _ in range(2))
    assert first.stream.accel_g.tobytes() == second.stream.accel_g.tobytes()
    assert first.falls == second.falls
    assert len(first.falls) == 1


def test_a_simulated_hour_dense_with_falls_is_judged_at_any_position():
    for position in ("waist", "wrist", "pocket"):
        table = transfers.simulated_table(MODEL, position, 25.0, patients=1)
        assert table.falls == 6
        assert table.found >= (4 if position == "wrist" else 6), "an arm may lie as it hung"
        assert table.latency_s[-1] <= 4.0
