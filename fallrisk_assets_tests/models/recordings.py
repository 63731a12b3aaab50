"""A small source in UMAFall's layout, sketched: eight people, falls and other movements, waist and wrist."""

import numpy as np
import pandas as pd

from fallrisk_assets.models.held_out import HeldOut
from fallrisk_assets.recordings.umafall import FILES
from fallrisk_assets.risk import synthetic_motion as motion
from fallrisk_assets.risk.streams import Stream

PEOPLE = 8
MOVEMENTS_EACH = 14
QUIET_DAYS = 15
_AGES = (67, 22, 68, 27, 31, 24, 55, 23)
_START_US = 1_767_600_000_000_000


def _motions(rng):
    """Plain falls and plain other movements, in turn: what any detector worth the name tells apart."""
    u = rng.uniform
    others = (
        lambda: motion.sitting_hard(peak_g=u(1.9, 2.5), angle_deg=u(0, 15)),
        lambda: motion.jumping(times=3, peak_g=u(3.0, 4.5)),
        lambda: motion.walking(cadence_hz=u(2.3, 2.7), amplitude_g=u(0.7, 1.2)),
    )
    for k in range(PEOPLE * MOVEMENTS_EACH):
        if (k // PEOPLE) % 2 == 0:
            fallen = motion.fall(peak_g=u(4.5, 6.5), angle_deg=u(80, 100), azimuth_deg=u(0, 360))
            yield fallen, True, "falling"
        else:
            kind = int(rng.integers(len(others)))
            yield others[kind](), False, ("sitting", "jumping", "running")[kind]


def write_source(folder):
    """Write the two files of the layout into a folder, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    listed, rows = [], []
    for position, seed in (("waist", 91), ("wrist", 92)):
        drawn = _motions(np.random.default_rng(seed))
        for k, (movement, is_fall, what) in enumerate(drawn):
            person = k % PEOPLE
            name = f"Subject_{person + 1:02d}_{position}_{k:03d}"
            ts_us, accel, gyro = movement.sample(50.0, seed=seed + k)
            listed.append(
                {
                    "trial": name,
                    "subject": person + 1,
                    "kind": "Fall" if is_fall else "ADL",
                    "movement": what,
                    "age": _AGES[person],
                    "sex": "F" if person % 2 else "M",
                    "start": f"2016-06-10_{k:06d}",
                    "rows": 2 * len(ts_us),
                    "bad_rows": 0,
                }
            )
            for kind, values in ((0, accel), (1, gyro)):
                part = pd.DataFrame(np.asarray(values, np.float64), columns=["x", "y", "z"])
                part.insert(0, "t_ms", ts_us // 1000)
                rows.append(part.assign(trial=name, pos=position.upper(), type=kind))
    pd.concat(rows).to_parquet(folder / FILES[0], index=False)
    pd.DataFrame(listed).to_csv(folder / FILES[1], index=False)
    return folder


def sketched_wear(falls=24):
    """A quiet fortnight, sampled once a second to be quick, and after it one fall for each device."""
    streams, truth = [], {}
    quiet_s = int(QUIET_DAYS * 86400 / falls)
    for k in range(falls):
        start = _START_US + quiet_s * 1_000_000 + 5_000_000
        ts, accel, gyro = motion.fall(at_s=20.0).sample(50.0, seed=7000 + k, start_us=start)
        still = _START_US + np.arange(quiet_s, dtype=np.int64) * 1_000_000
        rest = np.tile(np.float32([0, 0, 1]), (quiet_s, 1))
        device = f"imu-{k:05d}"
        streams.append(
            Stream(
                device,
                f"pt-{k}",
                "waist",
                np.concatenate([still, ts]),
                np.ascontiguousarray(np.concatenate([rest, accel]), np.float32),
                np.ascontiguousarray(np.concatenate([np.zeros_like(rest), gyro]), np.float32),
            )
        )
        truth[device] = [(start + 20_000_000, "trip_forward")]
    return HeldOut(streams, truth, {}, ("clapping",))
