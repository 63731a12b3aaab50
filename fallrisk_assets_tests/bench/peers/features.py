"""tsfel, tsfresh and SKDH describe windows: the statistics of ours that they have.

python features.py tsfel|tsfel_all|tsfresh|skdh <windows.npy> <rate>    windows: (w, 8, n) float32
"""

import json
import sys
import warnings
from typing import Any

import numpy as np
from clock import cpu_of

#: Statistics of ours that tsfel has. It has no power of a named band: power bandwidth and roll-off stand in.
TSFEL = {
    "statistical": [
        "Interquartile range",
        "Kurtosis",
        "Max",
        "Mean",
        "Median",
        "Median absolute deviation",
        "Min",
        "Root mean square",
        "Skewness",
        "Standard deviation",
    ],
    "temporal": ["Autocorrelation", "Peak to peak distance", "Zero crossing rate"],
    "spectral": ["Fundamental frequency", "Power bandwidth", "Spectral entropy", "Spectral roll-off"],
}


def tsfel_config(everything: bool) -> dict[str, Any]:
    """Return tsfel's configuration: the statistics of ours, or all that it has."""
    import tsfel

    config = tsfel.get_features_by_domain()
    if everything:
        return config
    chosen: dict[str, Any] = {}
    for wanted in TSFEL.values():
        for name in wanted:
            for domain, features in config.items():
                if name in features:
                    chosen.setdefault(domain, {})[name] = features[name]
    return chosen


def with_tsfel(windows: np.ndarray, rate: float, everything: bool) -> tuple[float, int]:
    """Return CPU seconds for all windows, and features a window."""
    import pandas as pd
    import tsfel

    config = tsfel_config(everything)
    w, channels, n = windows.shape
    long = pd.DataFrame(
        windows.transpose(0, 2, 1).reshape(w * n, channels), columns=[f"c{i}" for i in range(channels)]
    )

    def run() -> Any:
        return tsfel.time_series_features_extractor(
            config, long, fs=rate, window_size=n, overlap=0, n_jobs=None, verbose=0
        )

    seconds, frame = cpu_of(run)
    return seconds, frame.shape[1]


def with_tsfresh(windows: np.ndarray, rate: float) -> tuple[float, int]:
    """Return CPU seconds for all windows, and features a window."""
    import pandas as pd
    from tsfresh import extract_features

    parameters: dict[str, Any] = dict.fromkeys(
        (
            "mean",
            "standard_deviation",
            "minimum",
            "maximum",
            "root_mean_square",
            "median",
            "skewness",
            "kurtosis",
            "absolute_maximum",
            "mean_abs_change",
        )
    )
    parameters["quantile"] = [{"q": 0.25}, {"q": 0.75}]
    parameters["number_crossing_m"] = [{"m": 0}]
    parameters["fourier_entropy"] = [{"bins": 10}]
    parameters["fft_aggregated"] = [{"aggtype": "centroid"}, {"aggtype": "variance"}]
    parameters["agg_autocorrelation"] = [{"f_agg": "mean", "maxlag": 40}]
    w, channels, n = windows.shape
    long = pd.DataFrame(
        windows.transpose(0, 2, 1).reshape(w * n, channels), columns=[f"c{i}" for i in range(channels)]
    )
    long["id"] = np.repeat(np.arange(w), n)

    def run() -> Any:
        return extract_features(
            long,
            column_id="id",
            default_fc_parameters=parameters,
            n_jobs=0,
            disable_progressbar=True,
        )

    seconds, frame = cpu_of(run)
    return seconds, frame.shape[1]


def with_skdh(windows: np.ndarray, rate: float) -> tuple[float, int]:
    """Return CPU seconds for all windows, and features a window."""
    import skdh.features as f

    bank = f.Bank()
    bank.add(
        [
            f.Mean(),
            f.StdDev(),
            f.Skewness(),
            f.Kurtosis(),
            f.Range(),
            f.IQR(),
            f.RMS(),
            f.MeanCrossRate(),
            f.Autocorrelation(lag=int(rate // 2)),
            f.DominantFrequency(padlevel=2, low_cutoff=0.3, high_cutoff=10.0),
            f.DominantFrequencyValue(padlevel=2, low_cutoff=0.3, high_cutoff=10.0),
            f.PowerSpectralSum(padlevel=2, low_cutoff=0.5, high_cutoff=3.0),
            f.RangePowerSum(padlevel=2, low_cutoff=3.0, high_cutoff=8.0),
            f.SpectralEntropy(padlevel=2, low_cutoff=0.3, high_cutoff=10.0),
            f.JerkMetric(),
        ]
    )
    values = windows.astype(np.float64)
    seconds, out = cpu_of(lambda: bank.compute(values, fs=rate, axis=-1))
    return seconds, int(np.prod(np.asarray(out).shape)) // len(windows)


def main() -> None:
    """Measure what the command line names."""
    warnings.simplefilter("ignore")
    what, path, rate = sys.argv[1], sys.argv[2], float(sys.argv[3])
    windows = np.load(path)
    if what == "skdh":
        seconds, features = with_skdh(windows, rate)
    elif what == "tsfresh":
        windows = windows[:20]
        seconds, features = with_tsfresh(windows, rate)
    else:
        windows = windows[:20]
        seconds, features = with_tsfel(windows, rate, what == "tsfel_all")
    print(
        json.dumps(
            {"us_a_window": seconds / len(windows) * 1e6, "features": features, "windows": len(windows)}
        )
    )


if __name__ == "__main__":
    main()
