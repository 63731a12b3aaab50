"""Made movements with known answers, for the tests of this domain."""

import datetime as dt

import numpy as np
import pyarrow as pa

from fallrisk_assets.contract import conform
from fallrisk_assets.mobility.local_days import microseconds
from fallrisk_assets.mobility.samples import DeviceSamples, Wearer
from fallrisk_assets.partitions import device_bucket
from fallrisk_assets.telemetry.contract import Telemetry

HOUR_US = 3_600_000_000
EIGHT = microseconds(dt.datetime(2026, 1, 5, 8, tzinfo=dt.UTC))


def times(start_us: int, seconds: float, rate_hz: float = 50.0) -> np.ndarray:
    """Sample times of a device whose clock counts milliseconds."""
    return start_us + np.round(np.arange(round(seconds * rate_hz)) * 1000 / rate_hz).astype(np.int64) * 1000


def rotation(seed: int) -> np.ndarray:
    """A random rotation matrix."""
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else -q


def still(n: int, seed: int = 0, noise_g: float = 0.02) -> np.ndarray:
    """Acceleration of somebody who stands, shape (3, n)."""
    a = np.random.default_rng(seed).normal(0, noise_g, (3, n))
    a[2] += 1
    return a.astype(np.float32)


def device(
    time_us: np.ndarray,
    accel_g: np.ndarray,
    gyro_dps: np.ndarray | None = None,
    *,
    device_id: str = "imu-1",
    boot: np.ndarray | int = 1,
    wearer: np.ndarray | int = 0,
    wearers: tuple[Wearer, ...] = (Wearer("pt-1", "waist"), Wearer("pt-2", "waist")),
) -> DeviceSamples:
    """Samples of a device."""
    n = len(time_us)
    return DeviceSamples(
        device_id,
        time_us,
        np.broadcast_to(np.int32(boot), n).astype(np.int32),
        np.broadcast_to(np.int32(wearer), n).astype(np.int32),
        wearers,
        np.ascontiguousarray(accel_g, np.float32),
        None if gyro_dps is None else np.ascontiguousarray(gyro_dps, np.float32),
    )


def standing(
    start_us: int = EIGHT - 60_000_000, seconds: float = 3660, rate_hz: float = 50.0, **kw
) -> DeviceSamples:
    """A device on somebody who stands, with gyroscope."""
    t = times(start_us, seconds, rate_hz)
    gyro = np.random.default_rng(1).normal(0, 1, (3, len(t)))
    return device(t, still(len(t)), gyro, **kw)


def keep(samples: DeviceSamples, mask: np.ndarray) -> DeviceSamples:
    """The samples where a mask holds."""
    return DeviceSamples(
        samples.device_id,
        samples.time_us[mask],
        samples.boot[mask],
        samples.wearer[mask],
        samples.wearers,
        np.ascontiguousarray(samples.accel_g[:, mask]),
        None if samples.gyro_dps is None else np.ascontiguousarray(samples.gyro_dps[:, mask]),
    )


def walk(
    steps: int,
    cadence_spm: float,
    rate_hz: float = 50.0,
    strength_g: float = 0.25,
    cv: float = 0.0,
    seed: int = 0,
) -> np.ndarray:
    """Acceleration of a walker with the trunk upright (z up), shape (3, n): two seconds of stance around it.

    Vertical acceleration carries the step frequency and its double, sideways the stride, as Menz et al. 2003
    describe them.
    """
    rng = np.random.default_rng(seed)
    step_s = 60 / cadence_spm * (1 + cv * rng.standard_normal(steps))
    edges = np.concatenate([[0], np.cumsum(step_s)])
    t = np.arange(round((edges[-1] + 4) * rate_hz)) / rate_hz - 2
    phase = np.interp(t, edges, np.arange(steps + 1), left=np.nan, right=np.nan)
    moving = ~np.isnan(phase)
    phase = np.where(moving, phase, 0)
    envelope = np.where(moving, np.clip(np.minimum(phase + 0.4, steps - phase + 0.4), 0, 1), 0)
    a = rng.normal(0, 0.004, (3, len(t)))
    a[2] += 1 + strength_g * envelope * (np.cos(2 * np.pi * (phase - 0.1)) + 0.4 * np.cos(4 * np.pi * phase))
    a[0] += 0.6 * strength_g * envelope * np.sin(2 * np.pi * phase + 0.4)
    a[1] += 0.4 * strength_g * envelope * np.sin(np.pi * phase)
    return a.astype(np.float32)


def telemetry_rows(samples: DeviceSamples) -> pa.Table:
    """Samples as rows of `clean.telemetry`."""
    n = len(samples)
    missing = np.full(n, np.nan, np.float32)
    gyro = samples.gyro_dps if samples.gyro_dps is not None else np.stack([missing] * 3)
    return conform(
        Telemetry,
        {
            "device_bucket": np.full(n, device_bucket(samples.device_id), np.int32),
            "device_id": [samples.device_id] * n,
            "patient_id": [samples.wearers[w].patient_id for w in samples.wearer],
            "position": [samples.wearers[w].position for w in samples.wearer],
            "ts": pa.array(samples.time_us).view(pa.timestamp("us", "UTC")),
            "boot": samples.boot,
            "seq": np.arange(n),
            **{f"accel_{axis}_g": samples.accel_g[i] for i, axis in enumerate("xyz")},
            **{f"gyro_{axis}_dps": gyro[i] for i, axis in enumerate("xyz")},
        },
    )
