"""Trained here, judged there: the honest proxy for data that nobody holds.

`python -m fallrisk_assets.risk.transfers --source UMAFALL` fits the detector on sketches alone, on recordings
alone and on both, and judges each on all sources that did not train it. Features, ridge and weights were
chosen on these tables. Not here: the fit (`training.py`) and the figures (`evaluation.py`).
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from fallrisk_assets.recordings.recording import Trial, read_trials
from fallrisk_assets.risk.evaluation import StreamTable, judge_streams, judge_with, tabulate
from fallrisk_assets.risk.fall_model import FallModel
from fallrisk_assets.risk.simulated_wear import simulated_wear
from fallrisk_assets.risk.training import SEED, fit_model, synthetic_trials

RATES_HZ = (25.0, 50.0, 100.0, 200.0)
_GROUP = {"waist": "trunk", "wrist": "wrist", "pocket": "limb"}
#: Sketches that are judged are drawn anew.
_OTHER_SEED = SEED + 1
_SESSION_H = 1.0
_FALLS = 6


def simulated_table(
    model: FallModel, position: str, rate_hz: float, patients: int, seed: int = 11
) -> StreamTable:
    """Judge an hour of simulated wear of some people, dense with falls and planted confusers."""
    wear = list(
        simulated_wear(
            patients, 1, rate_hz=rate_hz, hours=_SESSION_H, seed=seed, falls=_FALLS, position=position
        )
    )
    return judge_streams(
        [w.stream for w in wear],
        {w.stream.device_id: w.falls for w in wear},
        {w.stream.device_id: w.activities for w in wear},
        model,
    )


def _line(trained: str, judged: str, trials: Sequence[Trial], position: str, model: FallModel) -> str:
    t = tabulate("", trials, [judge_with(trial, position, model) for trial in trials])
    (a, b), (c, d) = t.sensitivity_interval, t.specificity_interval
    wrong = [
        f"{name} {g.falls - g.falls_found + g.others_alarmed}/{g.falls + g.others}"
        for name, g in t.by_movement.items()
        if g.falls - g.falls_found + g.others_alarmed
    ]
    return (
        f"{trained:<24}{judged:<22}{t.sensitivity:.3f} [{a:.3f}, {b:.3f}]  {t.specificity:.3f} "
        f"[{c:.3f}, {d:.3f}]  {t.auc:.4f}  {', '.join(wrong)}"
    )


def _simulator_line(trained: str, position: str, rate_hz: float, model: FallModel, patients: int) -> str:
    t = simulated_table(model, position, rate_hz, patients)
    (a, b) = t.sensitivity_interval
    alarms = ", ".join(f"{name} {n}" for name, n in sorted(t.alarms_by_activity.items()))
    return (
        f"{trained:<24}{f'simulator {position} {rate_hz:.0f} Hz':<22}"
        f"{t.found / t.falls:.3f} [{a:.3f}, {b:.3f}]  "
        f"{t.false_alarms} false alarms in {t.days * 24:.0f} h: {alarms or 'none'}"
    )


def transfer_lines(
    source: Path | None, patients: int = 16, positions: Sequence[str] = ("waist", "wrist", "pocket")
) -> Iterator[str]:
    """Yield printed lines, model by model; without a source only the sketches train.

    Args:
        source: UMAFall's folder.
        patients: Simulated people for each rate and position.
        positions: Which positions are judged.
    """
    held = [p for p in positions if p in ("waist", "wrist")] if source else []
    recordings: dict[str, Sequence[Trial]] = {p: read_trials("umafall", Path(source or "."), p) for p in held}
    models = {"sketches": fit_model({}, "sketches")}
    if recordings:
        models["UMAFall"] = fit_model(recordings, "umafall", synthetic_per_group=0)
        models["both"] = fit_model(recordings, "both")
    yield (
        f"{'trained on':<24}{'judged on':<22}{'sensitivity':<23}{'specificity':<23}AUC     wrong by movement"
    )
    for name, model in models.items():
        for position in positions:
            if _GROUP[position] not in model.models:
                continue
            if name == "sketches" and position in recordings:
                yield _line(name, f"UMAFall {position}", recordings[position], position, model)
            if name != "sketches":
                drawn = synthetic_trials(_GROUP[position], 1000, _OTHER_SEED)
                yield _line(name, f"new sketches {position}", drawn, position, model)
            for rate_hz in RATES_HZ:
                yield _simulator_line(name, position, rate_hz, model, patients)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the transfers."""
    parser = argparse.ArgumentParser(description="Train on one source, judge on the others.")
    parser.add_argument("--source", type=Path, help="UMAFall's folder; without it only sketches train")
    parser.add_argument(
        "--patients", type=int, default=16, help="simulated people per rate and position (16)"
    )
    options = parser.parse_args(arguments)
    np.seterr(all="raise", under="ignore")
    for line in transfer_lines(options.source, options.patients):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
