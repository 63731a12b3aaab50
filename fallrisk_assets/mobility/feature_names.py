"""Names of the window features, and the constants of their definitions.

Here: what is computed, in words. Not here: how (`features.py` is the reference, `features_numba.py` the
default). The order of `FEATURES` fixes the columns' field ids for ever: append, never insert or reuse.
"""

from dataclasses import dataclass

CHANNELS = (
    "accel_x",
    "accel_y",
    "accel_z",
    "accel_norm",
    "gyro_x",
    "gyro_y",
    "gyro_z",
    "gyro_norm",
)

#: Band in which spectra are read: down to a third of a hertz (three cycles in ten seconds), up to the
#: Nyquist frequency of the slowest device, so that spectral features do not depend on the rate.
SPECTRUM_HZ = (0.3, 10.0)
#: Locomotion and its first harmonics at elderly speeds; then tremor, impacts and the upper harmonics.
LOCOMOTOR_BAND_HZ = (0.5, 3.0)
TREMOR_BAND_HZ = (3.0, 8.0)
#: Lags at which a stride or a step repeats, from 200 steps a minute to strides of two seconds.
AUTOCORRELATION_LAGS_S = (0.3, 2.0)
#: Autocorrelation is read on block means of at least this rate: gait has nothing above its half.
AUTOCORRELATION_MIN_RATE_HZ = 20.0
#: Below this standard deviation (in the channel's unit) a channel is constant, and shape has no meaning.
CONSTANT_BELOW = 1e-5

STATISTICS = {
    "mean": "Mean",
    "sd": "Standard deviation",
    "min": "Smallest value",
    "max": "Largest value",
    "range": "Largest minus smallest value",
    "rms": "Root mean square",
    "median": "Median",
    "iqr": "Interquartile range",
    "mad": "Median absolute deviation from the median",
    "skewness": "Skewness, m3 / m2^1.5; null for a constant",
    "kurtosis": "Excess kurtosis, m4 / m2^2 - 3; null for a constant",
    "crossing_rate": "Crossings of the mean a second",
    "dominant_frequency": "Frequency of the largest spectral line in [0.3, 10) Hz; null for a constant",
    "spectral_entropy": "Shannon entropy of the spectrum in [0.3, 10) Hz over its maximum; null for a "
    "constant",
    "locomotor_power": "Variance carried by [0.5, 3) Hz",
    "tremor_power": "Variance carried by [3, 8) Hz",
    "autocorrelation_peak": "Highest peak of the unbiased autocorrelation at lags of 0.3 to 2 s, 0 without "
    "one; null for a constant",
}

_UNIT_POWER = {"crossing_rate": "Hz", "dominant_frequency": "Hz"}
_DIMENSIONLESS = {"skewness", "kurtosis", "spectral_entropy", "autocorrelation_peak"}
_SQUARED = {"locomotor_power", "tremor_power"}
_NEVER_NEGATIVE = {
    "sd",
    "range",
    "rms",
    "iqr",
    "mad",
    "crossing_rate",
    "dominant_frequency",
    "spectral_entropy",
    "locomotor_power",
    "tremor_power",
    "autocorrelation_peak",
}


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature: its column's name, meaning, UCUM unit, and whether it needs a gyroscope."""

    name: str
    description: str
    unit: str
    needs_gyro: bool
    minimum: float | None = None
    maximum: float | None = None


def _unit(statistic: str, channel: str) -> str:
    base = "g" if channel.startswith("accel") else "deg/s"
    if statistic in _DIMENSIONLESS:
        return "1"
    if statistic in _SQUARED:
        return "g2" if base == "g" else "(deg/s)2"
    return _UNIT_POWER.get(statistic, base)


def _statistic(statistic: str, channel: str) -> Feature:
    where = channel.replace("accel", "acceleration").replace("gyro", "angular velocity").replace("_", " ")
    return Feature(
        f"{statistic}_{channel}",
        f"{STATISTICS[statistic]}; {where}",
        _unit(statistic, channel),
        channel.startswith("gyro"),
        0.0 if statistic in _NEVER_NEGATIVE else None,
    )


_ACROSS = (
    Feature("correlation_accel_xy", "Pearson correlation of acceleration x and y", "1", False, -1.01, 1.01),
    Feature("correlation_accel_xz", "Pearson correlation of acceleration x and z", "1", False, -1.01, 1.01),
    Feature("correlation_accel_yz", "Pearson correlation of acceleration y and z", "1", False, -1.01, 1.01),
    Feature("correlation_gyro_xy", "Pearson correlation of angular velocity x and y", "1", True, -1.01, 1.01),
    Feature("correlation_gyro_xz", "Pearson correlation of angular velocity x and z", "1", True, -1.01, 1.01),
    Feature("correlation_gyro_yz", "Pearson correlation of angular velocity y and z", "1", True, -1.01, 1.01),
    Feature("sma_accel", "Signal magnitude area: mean of |x| + |y| + |z| around each mean", "g", False, 0.0),
    Feature(
        "sma_gyro", "Signal magnitude area: mean of |x| + |y| + |z| around each mean", "deg/s", True, 0.0
    ),
    Feature(
        "enmo_accel", "Euclidean norm minus one, negative as 0, mean (van Hees et al. 2013)", "g", False, 0.0
    ),
    Feature("jerk_rms_accel", "Root mean square of the acceleration vector's derivative", "g/s", False, 0.0),
    Feature("jerk_max_accel", "Largest norm of the acceleration vector's derivative", "g/s", False, 0.0),
    Feature(
        "tilt_change",
        "Angle between mean acceleration of the first and last second",
        "deg",
        False,
        0.0,
        180.0,
    ),
    Feature(
        "sd_accel_vertical", "Standard deviation of acceleration along the mean acceleration", "g", False, 0.0
    ),
    Feature(
        "rms_gyro_vertical",
        "Root mean square angular velocity about the mean acceleration",
        "deg/s",
        True,
        0.0,
    ),
)

#: Seventeen statistics of eight channels (channel by channel), then the features across channels.
FEATURES = tuple(_statistic(s, c) for c in CHANNELS for s in STATISTICS) + _ACROSS
FEATURE_NAMES = tuple(f.name for f in FEATURES)
FEATURE_INDEX = {name: i for i, name in enumerate(FEATURE_NAMES)}
