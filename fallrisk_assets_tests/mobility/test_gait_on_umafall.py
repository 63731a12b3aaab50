"""Gait on real people at 20 Hz: UMAFall (Casilari et al. 2017), where it is at hand."""

import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from fallrisk_assets.mobility.gait import device_gait
from fallrisk_assets.mobility.gait_signal import add_samples, empty_grid
from fallrisk_assets_tests.mobility.motion import EIGHT, device

SHARED = Path(os.environ.get("FALLRISK_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
SAMPLES = SHARED / "umafall" / "umafall_waist_wrist_acc_gyr.parquet"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SAMPLES.exists(), reason=f"UMAFall is not at {SAMPLES}; set FALLRISK_SHARED_DATA"),
]


@pytest.fixture(scope="module")
def bouts() -> dict[tuple[str, str], list]:
    """What is found in every trial of a movement, by movement and position."""
    rows = pq.read_table(SAMPLES, filters=[("type", "=", 0)]).to_pandas()
    found: dict[tuple[str, str], list] = {}
    for (trial, position), part in rows.groupby(["trial", "pos"], observed=True):
        if "_ADL_" not in trial or position not in ("WAIST", "WRIST"):
            continue
        part = part.sort_values("t_ms").drop_duplicates("t_ms")
        if len(part) < 60:
            continue
        t = EIGHT + part["t_ms"].to_numpy().astype(np.int64) * 1000
        grid = empty_grid(int(t[0]), int(t[-1]) + 1)
        add_samples(grid, device(t, part[["x", "y", "z"]].to_numpy().T))
        movement = trial.split("_ADL_")[1].rsplit("_", 3)[0]
        found.setdefault((movement, position.lower()), []).append(
            device_gait(grid, "imu-1", position.lower(), [])
        )
    return found


def walked(devices: list) -> float:
    """Share of trials with a bout."""
    return float(np.mean([bool(d.bouts) for d in devices]))


def cadence(devices: list) -> float:
    return float(np.median([60 * n / s for d in devices for n, s in [d.step_intervals] if n]))


def test_most_walks_are_found_at_a_human_cadence(bouts):
    assert walked(bouts["Walking", "waist"]) > 0.85
    assert 85 < cadence(bouts["Walking", "waist"]) < 115
    assert 140 < cadence(bouts["Jogging", "waist"]) < 180


def test_the_wrist_tells_the_cadence_that_the_waist_tells(bouts):
    assert walked(bouts["Walking", "wrist"]) > 0.7
    assert cadence(bouts["Walking", "wrist"]) == pytest.approx(cadence(bouts["Walking", "waist"]), abs=10)


@pytest.mark.parametrize("movement", ["Sitting_GettingUpOnAChair", "MakingACall", "Aplausing", "HandsUp"])
def test_movements_without_steps_seldom_look_like_walking(bouts, movement):
    assert walked(bouts[movement, "waist"]) < 0.1
