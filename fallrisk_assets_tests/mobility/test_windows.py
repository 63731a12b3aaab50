"""Windows: where they lie, whose hour they are, and what they never bridge."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.mobility.windows import (
    DEVICE_RESTARTED,
    GAP,
    HOUR_US,
    PATIENT_CHANGED,
    QUALITY_REASONS,
    RATE_IMPLAUSIBLE,
    TOO_FEW_SAMPLES,
    WindowConfig,
    cut_windows,
    nominal_rate_hz,
    not_worn,
    window_starts_us,
)
from fallrisk_assets_tests.mobility.motion import EIGHT, device, keep, standing, still, times

CONFIG = WindowConfig()
S = 1_000_000


def reasons(windows) -> dict[float, str | None]:
    """Reason by window start, in seconds from eight o'clock."""
    return {
        (start - EIGHT) / S: QUALITY_REASONS[r] if r >= 0 else None
        for start, r in zip(windows.start_us, windows.reason, strict=True)
    }


def test_a_window_that_ends_exactly_at_the_hour_belongs_to_the_hour_before():
    seven, eight = (window_starts_us(EIGHT + h * HOUR_US, CONFIG) + CONFIG.length_us for h in (-1, 0))
    assert seven[-1] == EIGHT
    assert eight[0] == EIGHT + CONFIG.hop_us
    assert len(seven) == len(eight) == 720


@settings(max_examples=60, deadline=None)
@given(
    hop_ms=st.integers(50, 60_000),
    factor=st.floats(1, 8),
    hour=st.integers(480_000, 500_000),
)
def test_every_window_belongs_to_exactly_one_hour_and_starts_at_a_multiple_of_the_hop(hop_ms, factor, hour):
    config = WindowConfig(length_s=round(hop_ms * factor) / 1000, hop_s=hop_ms / 1000)
    hours = [window_starts_us((hour + i) * HOUR_US, config) for i in range(3)]
    together = np.concatenate(hours)
    assert (together % config.hop_us == 0).all()
    assert (np.diff(together) == config.hop_us).all()


def test_windows_are_the_same_wherever_the_recording_begins():
    whole = cut_windows(standing(EIGHT - 600 * S, 4200), EIGHT, CONFIG)
    short = cut_windows(
        standing(EIGHT - 600 * S, 4200).between(EIGHT - 10 * S, EIGHT + HOUR_US), EIGHT, CONFIG
    )
    assert (whole.start_us == short.start_us).all()
    assert (whole.reason == short.reason).all()
    assert (whole.n_samples == short.n_samples).all()
    late = cut_windows(standing(EIGHT + 123 * S + 440_000, 300), EIGHT, CONFIG)
    assert (late.start_us % CONFIG.hop_us == 0).all()


def test_a_gapless_hour_with_its_tail_has_all_its_windows():
    windows = cut_windows(standing(), EIGHT, CONFIG)
    assert len(windows) == 720
    assert (windows.reason < 0).all()
    assert (windows.n_samples == 500).all()
    assert windows.rate_hz == pytest.approx(50)


def test_an_hour_without_samples_of_its_own_has_no_windows():
    assert len(cut_windows(standing(EIGHT - 60 * S, 60), EIGHT, CONFIG)) == 0


@settings(max_examples=25, deadline=None)
@given(at_s=st.floats(1, 290), gap_s=st.floats(0.3, 40))
def test_no_described_window_bridges_a_gap(at_s, gap_s):
    whole = standing(EIGHT, 300)
    lo, hi = EIGHT + at_s * S, EIGHT + (at_s + gap_s) * S
    windows = cut_windows(keep(whole, (whole.time_us < lo) | (whole.time_us >= hi)), EIGHT, CONFIG)
    good = windows.reason < 0
    inside = (windows.start_us < hi - 0.26 * S) & (windows.end_us > lo + 0.26 * S)
    assert not (good & inside).any()
    untouched = (windows.end_us <= lo) | (windows.start_us >= hi)
    full = (windows.end_us <= EIGHT + 300 * S) & (windows.start_us >= EIGHT)
    assert good[untouched & full].all()


def test_a_lost_packet_is_no_gap():
    whole = standing(EIGHT, 60)
    lost = (whole.time_us >= EIGHT + 31 * S) & (whole.time_us < EIGHT + 31 * S + 200_000)
    assert reasons(cut_windows(keep(whole, ~lost), EIGHT, CONFIG))[25.0] is None


def test_no_window_mixes_two_patients():
    t = times(EIGHT, 60)
    wearer = (t >= EIGHT + 32 * S).astype(np.int32)
    windows = cut_windows(device(t, still(len(t)), wearer=wearer), EIGHT, CONFIG)
    found = reasons(windows)
    assert found[20.0] is None
    assert found[25.0] == found[30.0] == PATIENT_CHANGED
    assert found[35.0] is None
    changed = windows.reason == QUALITY_REASONS.index(PATIENT_CHANGED)
    assert (windows.wearer[changed] == 1).all(), "the wearer at the end of the window"


def test_no_window_bridges_a_restart():
    t = times(EIGHT, 60)
    boot = 1 + (t >= EIGHT + 32 * S).astype(np.int32)
    found = reasons(cut_windows(device(t, still(len(t)), boot=boot), EIGHT, CONFIG))
    assert [s for s, r in found.items() if r == DEVICE_RESTARTED] == [25.0, 30.0]


@pytest.mark.parametrize("rate_hz", [5, 12, 260, 400])
def test_an_implausible_rate_is_told(rate_hz):
    found = reasons(cut_windows(standing(EIGHT, 60, rate_hz), EIGHT, CONFIG))
    assert set(found.values()) == {RATE_IMPLAUSIBLE}


@pytest.mark.parametrize("rate_hz", [20, 25, 31.25, 50, 100, 200])
def test_plausible_rates_are_found_from_millisecond_clocks(rate_hz):
    windows = cut_windows(standing(EIGHT, 60, rate_hz), EIGHT, CONFIG)
    middle = (windows.start_us >= EIGHT) & (windows.end_us <= EIGHT + 60 * S)
    assert (windows.reason[middle] < 0).all()
    assert windows.rate_hz[middle] == pytest.approx(rate_hz, rel=0.002)


def test_windows_that_lost_too_many_samples_are_told():
    whole = standing(EIGHT, 60)
    thinned = (whole.time_us < EIGHT + 30 * S) | (np.arange(len(whole)) % 3 > 0)
    found = reasons(cut_windows(keep(whole, thinned), EIGHT, CONFIG))
    assert found[20.0] is None
    assert found[40.0] == TOO_FEW_SAMPLES


def test_the_ends_of_a_recording_are_gaps():
    found = reasons(cut_windows(standing(EIGHT + 3 * S, 60), EIGHT, CONFIG))
    assert found[0.0] == GAP
    assert found[60.0] == GAP
    assert found[5.0] is None


def test_lost_samples_do_not_lower_the_nominal_rate():
    t = times(EIGHT, 60)
    assert nominal_rate_hz(t[np.random.default_rng(0).random(len(t)) > 0.2]) == pytest.approx(50, rel=0.001)


def test_stillness_makes_a_device_unworn_only_when_it_lasts():
    windows = cut_windows(standing(), EIGHT, CONFIG)
    still_windows = np.zeros(len(windows), bool)
    still_windows[100:300] = True
    still_windows[400:450] = True
    told = not_worn(windows, still_windows, CONFIG)
    assert told[100:300].all()
    assert told.sum() == 200


@pytest.mark.parametrize("wrong", [{"hop_s": 0}, {"hop_s": 11}, {"min_fill": 0}, {"length_s": 4000}])
def test_windows_that_cannot_be_are_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        WindowConfig(**wrong)
