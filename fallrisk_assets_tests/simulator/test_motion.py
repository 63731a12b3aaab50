from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.day import DayPlan, live_through
from simulator.falls import CONFUSERS, confuser, fall
from simulator.gait import walk
from simulator.imu_stream import body_of, synthesise
from simulator.phenotypes import PHENOTYPES, ROBUST, Person, draw_person
from simulator.timeline import LYING, NON_WEAR, REST, SITTING, STANDING, TRANSITION, WALK, Timeline

RATE_HZ = 50.0
STILL = {STANDING: (0.0, 0.0), SITTING: (-0.3, 0.0), LYING: (-1.5, 0.0)}


def person(name: str = "robust", seed: int = 1) -> Person:
    return draw_person("pt-1", PHENOTYPES[name], np.random.default_rng(seed))


def empty_line(length_s: float = 600.0, seed: int = 1) -> Timeline:
    return Timeline(length_s, RATE_HZ, np.random.default_rng(seed), STILL)


def play(
    line: Timeline,
    who: Person,
    rate_hz: float = RATE_HZ,
    first: int = 0,
    n: int | None = None,
    mount: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """(accel g, gyro deg/s) of a timeline, worn at the waist without slant and bias."""
    segments, step_times, strength = line.record()
    n = round(line.now_s * rate_hz) - first if n is None else n
    accel, gyro = synthesise(
        segments,
        step_times,
        strength,
        first,
        n,
        rate_hz,
        body_of(who, "waist"),
        np.eye(3) if mount is None else mount,
        np.zeros(6),
        np.uint64(9),
        1.0,
    )
    return accel / 1e4, gyro / 1e2


def walking(who: Person, steps: int = 120, seed: int = 1) -> tuple[Timeline, np.ndarray]:
    line = empty_line(seed=seed)
    line.posture, (line.pitch, line.roll) = STANDING, STILL[STANDING]
    line.steps(WALK, "walking", walk(who, steps, np.random.default_rng(seed)))
    return line, play(line, who)[0]


def peak_frequency_hz(signal: np.ndarray, low_hz: float, high_hz: float) -> float:
    spectrum = np.abs(np.fft.rfft((signal - signal.mean()) * np.hanning(len(signal)), 1 << 15))
    frequency = np.fft.rfftfreq(1 << 15, 1 / RATE_HZ)
    band = (frequency >= low_hz) & (frequency <= high_hz)
    return float(frequency[band][spectrum[band].argmax()])


@pytest.mark.parametrize("name", sorted(PHENOTYPES))
@pytest.mark.parametrize("seed", [1, 2])
def test_vertical_acceleration_swings_with_the_steps_and_sideways_with_strides(name: str, seed: int) -> None:
    who = person(name, seed)
    line, accel = walking(who, seed=seed)
    step_hz = (line.activities[-1].cadence_spm or 0.0) / 60.0
    assert peak_frequency_hz(accel[:, 2], 1.0, 2.6) == pytest.approx(step_hz, rel=0.03)
    assert peak_frequency_hz(accel[:, 1], 0.5, 1.3) == pytest.approx(step_hz / 2, rel=0.05)


@pytest.mark.parametrize("name", sorted(PHENOTYPES))
def test_a_plain_peak_count_finds_the_true_steps(name: str) -> None:
    from scipy.signal import butter, find_peaks, sosfiltfilt

    line, accel = walking(person(name), steps=200)
    smooth = sosfiltfilt(butter(4, [0.6, 2.6], "bandpass", fs=RATE_HZ, output="sos"), accel[:, 2])
    peaks, _ = find_peaks(smooth, height=0.4 * smooth.std(), distance=int(0.3 * RATE_HZ))
    assert len(peaks) == pytest.approx(line.activities[-1].steps, rel=0.05)


@given(steps=st.integers(6, 400), seed=st.integers(0, 2**32 - 1), name=st.sampled_from(sorted(PHENOTYPES)))
@settings(max_examples=60, deadline=None)
def test_the_truth_about_a_bout_agrees_with_itself(steps: int, seed: int, name: str) -> None:
    bout = walk(person(name), steps, np.random.default_rng(seed))
    assert bout.count == steps == len(bout.strength) - 1
    assert (np.diff(bout.edges_s) > 0.2).all()
    assert bout.cadence_spm == pytest.approx(60.0 * steps / bout.edges_s[-1])
    assert 60.0 < bout.cadence_spm < 140.0


def test_stride_variability_is_that_of_the_person() -> None:
    who = replace(person("frail"), stride_time_cv=0.04)
    bouts = [walk(who, 400, np.random.default_rng(seed)).stride_times_s for seed in range(20)]
    assert np.mean([b[::2].std() / b[::2].mean() for b in bouts]) == pytest.approx(0.04, rel=0.12)


@pytest.mark.parametrize("name", sorted(PHENOTYPES))
def test_people_walk_at_their_own_cadence(name: str) -> None:
    who = person(name)
    cadence = np.mean([walk(who, 200, np.random.default_rng(seed)).cadence_spm for seed in range(10)])
    assert cadence == pytest.approx(who.cadence_spm, rel=0.02)


def test_phenotypes_differ_as_they_should() -> None:
    order = ["robust", "pre-frail", "frail"]
    cv = [PHENOTYPES[name].stride_time_cv for name in order]
    cadence = [PHENOTYPES[name].cadence_spm for name in order]
    sit_to_stand = [PHENOTYPES[name].sit_to_stand_s for name in order]
    assert (cv, cadence, sit_to_stand) == (sorted(cv), sorted(cadence, reverse=True), sorted(sit_to_stand))


def test_whoever_stands_still_feels_one_g_along_the_body() -> None:
    line = empty_line()
    line.posture, (line.pitch, line.roll) = STANDING, STILL[STANDING]
    line.add(REST, 30.0, sway=0.2)
    accel, gyro = play(line, person())
    assert accel.mean(axis=0) == pytest.approx([0.0, 0.0, 1.0], abs=0.02)
    assert np.linalg.norm(accel, axis=1).mean() == pytest.approx(1.0, abs=0.003)
    assert np.median(np.abs(gyro)) < 2.0


def test_a_device_that_is_not_worn_shows_noise_and_nothing_else() -> None:
    line = empty_line()
    line.add(NON_WEAR, 60.0, pitch1=1.2, roll1=0.4)
    accel, gyro = play(line, person("parkinsonian"))
    assert 0.001 < accel.std(axis=0).max() < 0.005
    assert 0.02 < gyro.std(axis=0).max() < 0.15
    assert np.linalg.norm(accel.mean(axis=0)) == pytest.approx(1.0, abs=0.002)


def test_a_sleeper_is_told_from_a_device_on_the_table_by_breath() -> None:
    sleeper, table = empty_line(), empty_line()
    sleeper.posture, (sleeper.pitch, sleeper.roll) = LYING, STILL[LYING]
    sleeper.add(REST, 600.0, sway=0.35)
    table.add(NON_WEAR, 600.0, pitch1=STILL[LYING][0])
    moves = [
        play(line, person())[0].reshape(60, 500, 3).std(axis=1).max(axis=1) > 0.004
        for line in (sleeper, table)
    ]
    assert (moves[0].mean() > 0.9, moves[1].mean()) == (True, 0.0)


def test_a_sleeper_stirs_within_half_an_hour_and_a_table_never() -> None:
    def still_blocks(line: Timeline) -> list[bool]:
        blocks = play(line, person())[0].reshape(24, 300 * 50, 3)
        return (((blocks.std(axis=1) < 0.013) & (np.ptp(blocks, axis=1) < 0.05)).sum(axis=1) >= 2).tolist()

    sleeper, table = empty_line(7200.0), empty_line(7200.0)
    sleeper.posture, (sleeper.pitch, sleeper.roll) = LYING, STILL[LYING]
    sleeper.add(REST, 7200.0, sway=0.35)
    table.add(NON_WEAR, 7200.0, pitch1=STILL[LYING][0])
    still = "".join("s" if block else "." for block in still_blocks(sleeper))
    assert "ssssss" not in still
    assert all(still_blocks(table))


def test_rotation_rates_add_up_to_the_change_of_tilt() -> None:
    line = empty_line()
    line.posture, (line.pitch, line.roll) = STANDING, STILL[STANDING]
    line.add(REST, 5.0, sway=0.0)
    line.change(LYING, 3.0, "lie", 0.0, 0.0)
    line.add(REST, 5.0, sway=0.0)
    line.roll = line.segments[-1][6]
    accel, gyro = play(line, person())
    turned = np.rad2deg(STILL[LYING][0])
    assert gyro[:, 1].sum() / RATE_HZ == pytest.approx(turned, abs=3.0)
    before, after = accel[:200].mean(axis=0), accel[-200:].mean(axis=0)
    angle = np.degrees(np.arccos(before @ after / np.linalg.norm(before) / np.linalg.norm(after)))
    assert angle == pytest.approx(abs(turned), abs=4.0)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_gravity_carried_along_by_the_gyro_stays_where_the_accelerometer_shows_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    line = empty_line()
    for _ in range(4):
        pitch, roll, yaw, axial = rng.uniform(-1.3, 1.3, 4)
        line.add(TRANSITION, float(rng.uniform(2, 4)), pitch1=pitch, roll1=roll, yaw1=yaw, axial1=axial)
    accel, gyro = play(line, person())
    down = accel[:5].mean(axis=0)
    worst = 0.0
    for shown, rate in zip(accel, np.deg2rad(gyro) / RATE_HZ, strict=True):
        angle = np.linalg.norm(rate)
        axis = rate / max(angle, 1e-12)
        # The world turns against the body.
        down = (
            down * np.cos(angle)
            - np.cross(axis, down) * np.sin(angle)
            + axis * (axis @ down) * (1 - np.cos(angle))
        )
        cosine = down @ shown / np.linalg.norm(down) / np.linalg.norm(shown)
        worst = max(worst, float(np.degrees(np.arccos(min(1.0, cosine)))))
    assert worst < 5.0


def test_mounting_turns_the_axes_and_keeps_the_norm() -> None:
    line = empty_line()
    line.add(REST, 20.0, sway=0.0)
    turn = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]])
    plain, turned = play(line, person())[0], play(line, person(), mount=turn)[0]
    assert turned.mean(axis=0) == pytest.approx(turn @ plain.mean(axis=0), abs=0.003)


@pytest.mark.parametrize("kind", ["trip_forward", "slip_backward", "lateral", "faint", "from_chair"])
@pytest.mark.parametrize("rate_hz", [20.0, 50.0, 100.0])
def test_a_fall_is_free_fall_then_an_impact_then_another_posture_at_rest(kind: str, rate_hz: float) -> None:
    who = person("frail")
    line = Timeline(3000.0, rate_hz, np.random.default_rng(5), STILL)
    fall(line, who, kind)
    accel, _ = play(line, who, rate_hz)
    norm = np.linalg.norm(accel, axis=1)
    true = line.falls[0]
    at = round(true.impact_s * rate_hz)
    around = slice(at - int(2 * rate_hz), at + int(2 * rate_hz))
    assert 2.5 <= true.peak_g <= 8.0
    assert norm[around].max() == pytest.approx(true.peak_g, rel=0.06)
    assert abs(int(norm[around].argmax()) - int(2 * rate_hz)) <= 1
    assert norm[at - int(0.3 * rate_hz) : at].min() < 0.75
    begin = round(true.onset_s * rate_hz)
    before = accel[begin - int(2 * rate_hz) : begin].mean(axis=0)
    lying = accel[at + int(3 * rate_hz) : at + int(5 * rate_hz)]
    after = lying.mean(axis=0)
    cosine = before @ after / np.linalg.norm(before) / np.linalg.norm(after)
    assert np.degrees(np.arccos(cosine)) > 45.0
    assert lying.std(axis=0).max() < 0.08


def test_a_fall_that_is_recovered_ends_soon_and_on_the_feet() -> None:
    who = replace(person(), phenotype=replace(ROBUST, recovers=1.0))
    line = empty_line()
    fall(line, who, "lateral")
    true = line.falls[0]
    assert true.recovered
    assert true.lying_s <= 25.0
    assert line.posture == STANDING
    assert [a.activity for a in line.activities][-2:] == ["get_up", "standing"]


@pytest.mark.parametrize("kind", CONFUSERS)
def test_a_confuser_is_labelled_and_is_no_fall(kind: str) -> None:
    line = empty_line()
    confuser(line, person(), kind, "waist")
    assert kind in {a.activity for a in line.activities}
    assert not line.falls
    accel, _ = play(line, person())
    if kind in ("sit_down_hard", "jumping", "device_dropped", "flop_on_bed"):
        assert np.linalg.norm(accel, axis=1).max() > 1.4


@given(
    seed=st.integers(0, 2**32 - 1),
    hours=st.floats(0.1, 6.0),
    start_h=st.floats(0.0, 23.9),
    name=st.sampled_from(sorted(PHENOTYPES)),
)
@settings(max_examples=25, deadline=None)
def test_a_day_fills_its_session_without_hole_or_overlap_and_holds_every_planned_event(
    seed: int, hours: float, start_h: float, name: str
) -> None:
    plan = DayPlan(
        round(hours * 3600),
        start_h,
        int(hours >= 1.0),
        int(hours >= 1.0),
        int(hours >= 1.0),
        hours > 3,
        "waist",
    )
    line = live_through(person(name), plan, RATE_HZ, np.random.default_rng(seed))
    segments, step_times, _ = line.record()
    assert segments["start_s"][0] == 0.0
    assert (segments["start_s"][1:] == segments["end_s"][:-1]).all()
    assert segments["end_s"][-1] >= plan.length_s - 1 / RATE_HZ
    assert (segments["end_s"] > segments["start_s"]).all()
    assert len(line.falls) == plan.falls
    if plan.confuser_rounds:
        assert set(CONFUSERS) <= {a.activity for a in line.activities}
    steps = sum(a.steps for a in line.activities)
    bouts = sum(1 for a in line.activities if a.cadence_spm is not None)
    assert len(step_times) in (steps + bouts, 2)
    assert line.activities[-1].end_s <= segments["end_s"][-1] + 1e-6
    assert segments["end_s"][-1] <= plan.length_s + 1 / RATE_HZ


def test_any_stretch_of_samples_can_be_made_alone() -> None:
    who = person("parkinsonian")
    line = live_through(
        who, DayPlan(1800.0, 10.0, 1, 1, 1, False, "waist"), RATE_HZ, np.random.default_rng(2)
    )
    accel, gyro = play(line, who, n=90_000)
    for first, n in ((1, 10), (12_345, 2_000), (89_990, 10)):
        some_accel, some_gyro = play(line, who, first=first, n=n)
        assert (some_accel == accel[first : first + n]).all()
        assert (some_gyro == gyro[first : first + n]).all()


def test_people_asleep_at_night_lie_and_rise_now_and_then() -> None:
    night = DayPlan(7 * 3600.0, 23.0, 0, 0, 0, False, "waist")
    risings = 0
    for seed in range(4):
        line = live_through(person(), night, 20.0, np.random.default_rng(seed))
        lying = sum(a.end_s - a.start_s for a in line.activities if a.activity == "lying")
        risings += sum(a.activity == "night_rising" for a in line.activities)
        assert lying > 0.75 * night.length_s
    assert risings > 0
