"""The detector and three baselines on a data set, in one table: `make detect-bench SOURCE=… DATASET=…`.

Belongs here: which methods judge which data, trained on what, and the printed report. Not here: the methods
(`baselines.py`), the figures (`evaluation.py`), what a data set's files look like (its reader).

Nothing is tuned to the data that is judged. On the data that the released model was trained on, every person
is judged by models (and a forest) that never saw them; on any other the released model is judged as it is.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fallrisk_assets.recordings.recording import Skipped, Trial, dataset_of, read_dataset
from fallrisk_assets.recordings.recording import read_trials as read_usable
from fallrisk_assets.risk.baselines import (
    THRESHOLD_G,
    Method,
    fixed_threshold,
    impact_and_orientation,
    random_forest,
)
from fallrisk_assets.risk.cross_validation import (
    Trainer,
    cross_validate,
    held_out_estimates,
    people_splits,
    without_gyroscope,
)
from fallrisk_assets.risk.detector import FallModel, released_model
from fallrisk_assets.risk.evaluation import (
    Judged,
    StreamTable,
    TrialTable,
    judge_streams,
    judge_with,
    tabulate,
)
from fallrisk_assets.risk.metrics import area_under_curve, bootstrap_of, reliability
from fallrisk_assets.risk.streams import Stream, read_drops, read_truth
from fallrisk_assets.risk.training import SYNTHETIC_PER_GROUP, group_of, recorded_impacts, synthetic_impacts
from fallrisk_assets.risk.training_impacts import join

SIMULATOR = "simulator"
#: Data sets whose recordings trained the released model.
TRAINED_ON = ("umafall",)
TRAINED_AT = ("waist", "wrist")
_KNOWN_AT = {"trunk": "waist", "wrist": "wrist"}
_HOURS_A_DAY = 24


@dataclass(frozen=True, slots=True)
class TrialsRead:
    """Trials of one position, and how many recordings were left out for which reason."""

    position: str
    trials: list[Trial]
    skipped: dict[str, int]


def read_trials(source: Path, dataset: str, position: str | None = None) -> list[TrialsRead]:
    """Read a data set's trials, position by position.

    Args:
        source: Folder with the data set as it was published.
        dataset: Its name.
        position: Only this position.

    Raises:
        ValueError: no reader of that name, or the data set was not recorded at the position.
        FileNotFoundError: the folder does not hold the data set.
    """
    found = []
    for where in (position,) if position else dataset_of(dataset).positions:
        trials: list[Trial] = []
        skipped: Counter[str] = Counter()
        for item in read_dataset(dataset, source, where):
            if isinstance(item, Skipped):
                skipped[item.reason] += 1
            else:
                trials.append(item)
        found.append(TrialsRead(where, trials, dict(skipped)))
    return found


def _detector(position: str, model: FallModel) -> Method:
    return lambda trial: judge_with(trial, position, model)


def held_out_tables(
    trials: Sequence[Trial], position: str, synthetic_per_group: int = SYNTHETIC_PER_GROUP
) -> list[TrialTable]:
    """The detector and the baselines on training data: people are judged by what never saw them.

    Args:
        trials: What is judged, and trains.
        position: Where the sensor was worn.
        synthetic_per_group: How many scripted motions train as well.
    """
    trainer = Trainer(trials, position, synthetic_per_group)
    found = held_out_estimates(trainer)
    forests: dict[int, Judged] = {}
    for train, test in people_splits(trials):
        forest = random_forest(join(trainer.parts(train)))
        forests |= {i: forest(trials[i]) for i in np.flatnonzero(test).tolist()}
    plain = [without_gyroscope(t) for t in trials]
    return [
        tabulate("detector, people held out", trials, found.people),
        tabulate("… nor threshold and ridge chosen on them", trials, found.nested),
        tabulate("… nor their movement seen", trials, found.movements),
        tabulate(
            "… accelerometer only, people held out",
            plain,
            Trainer(plain, position, synthetic_per_group).judge(people_splits(plain)),
        ),
        *_plain_baselines(trials),
        tabulate("random forest, people held out", trials, [forests[i] for i in range(len(trials))]),
    ]


def transfer_tables(
    trials: Sequence[Trial], position: str, model: FallModel, known: Sequence[Trial]
) -> list[TrialTable]:
    """A model as it is, and the baselines, on data that trained neither.

    Args:
        trials: What is judged.
        position: Where the sensor was worn.
        model: The detector's numbers.
        known: Recordings that train the forest, beside the sketches.
    """
    group = group_of(position)
    forest = random_forest(join([*recorded_impacts(known), synthetic_impacts(group)]))
    taught = "UMAFall and sketches" if known else "sketches"
    return [
        tabulate(f"detector {model.version}", trials, [judge_with(t, position, model) for t in trials]),
        *_plain_baselines(trials),
        tabulate(f"random forest on {taught}", trials, [forest(t) for t in trials]),
    ]


def _plain_baselines(trials: Sequence[Trial]) -> list[TrialTable]:
    return [
        tabulate(f"threshold {THRESHOLD_G} g", trials, [fixed_threshold(t) for t in trials]),
        tabulate("impact + orientation", trials, [impact_and_orientation(t) for t in trials]),
    ]


def report(tables: Sequence[TrialTable]) -> list[str]:
    """Printed lines: one a method, then the first method by age group and by movement."""
    lines = [
        f"{'method':<42}{'trials':>7}{'events':>7}  {'sensitivity':<21}{'specificity':<21}{'AUC':<7}"
        f"{'false alarms an hour':<24}{'a patient-day':<15}latency s (median/95 %/most)"
    ]
    for t in tables:
        a, b = t.sensitivity_interval
        c, d = t.specificity_interval
        e, f = t.false_alarms_interval
        lines.append(
            f"{t.method:<42}{t.trials:>7}{t.events:>7}  "
            f"{f'{t.sensitivity:.3f} [{a:.3f}, {b:.3f}]':<21}{f'{t.specificity:.3f} [{c:.3f}, {d:.3f}]':<21}"
            f"{t.auc:<7.4f}{f'{t.false_alarms_per_hour:.2f} [{e:.2f}, {f:.2f}]':<24}"
            f"{t.false_alarms_per_hour * _HOURS_A_DAY:<15.1f}" + " / ".join(f"{s:.2f}" for s in t.latency_s)
        )
    first = tables[0]
    lines.append(
        f"  {first.hours:.2f} h without a fall; a patient-day of nothing but such scripts is no daily life. "
        f"Second alarms within one fall's recording: {first.second_events}"
    )
    for title, groups in (("age", first.by_age), ("movement", first.by_movement)):
        for name, g in groups.items():
            told = []
            if g.falls:
                told.append(f"{g.falls_found} of {g.falls} falls found")
            if g.others:
                told.append(f"{g.others_alarmed} of {g.others} others alarm")
            lines.append(f"  {title} {name:<34} {', '.join(told)}")
    return lines


def calibration_lines(trials: Sequence[Trial], scores: np.ndarray) -> list[str]:
    """Printed lines: area under the curve with interval, and said against seen."""
    fall = np.array([t.is_fall for t in trials])
    low, high = bootstrap_of(area_under_curve, [t.subject for t in trials], scores, fall)
    lines = [
        f"  AUC {area_under_curve(scores, fall):.4f} [{low:.4f}, {high:.4f}]; calibration (classes balanced):"
    ]
    lines += [
        f"    said {b.said:.3f}, seen {b.seen:.3f} in [{b.low:.2f}, {b.high:.2f}), {b.n} trials"
        for b in reliability(scores, fall)
    ]
    return lines


def _as_trial(stream: Stream) -> Trial:
    """A stream as a recording that a trial method can judge."""
    return Trial(
        dataset=SIMULATOR,
        name=stream.device_id,
        subject=stream.patient_id,
        age=None,
        sex=None,
        movement="",
        description="",
        is_fall=False,
        position=stream.position,
        ts_us=stream.ts_us,
        accel_g=stream.accel_g,
        gyro_dps=stream.gyro_dps,
    )


def stream_tables(folder: Path, model: FallModel) -> list[tuple[str, StreamTable]]:
    """The detector and the baselines on drops with truth files; methods are trained without them.

    Raises:
        ValueError: the folder holds no drop.
    """
    streams = read_drops(folder)
    if not streams:
        raise ValueError(f"{folder} holds no drop (telemetry/*.jsonl.gz or .parquet)")
    truth, activities = read_truth(folder)
    forests = {
        g: random_forest(synthetic_impacts(g)) for g in sorted({group_of(s.position) for s in streams})
    }
    methods: list[tuple[str, Callable[[Stream], Sequence[tuple[int, int]]] | None]] = [
        (f"detector {model.version}", None),
        (f"threshold {THRESHOLD_G} g", lambda s: fixed_threshold(_as_trial(s)).events),
        ("impact + orientation", lambda s: impact_and_orientation(_as_trial(s)).events),
        ("random forest on sketches", lambda s: forests[group_of(s.position)](_as_trial(s)).events),
    ]
    return [(name, judge_streams(streams, truth, activities, model, find)) for name, find in methods]


def trial_lines(
    source: Path,
    dataset: str,
    model: FallModel,
    position: str | None = None,
    train_source: Path | None = None,
) -> Iterator[str]:
    """Yield printed lines: for each position what was read, the table, and calibration.

    Args:
        source: Folder with the data set.
        dataset: Its name.
        model: The detector's numbers.
        position: Only this position.
        train_source: UMAFall's folder, whose recordings then train the forest beside the sketches.
    """
    for part in read_trials(source, dataset, position):
        about = f"{dataset}, {part.position}: {len(part.trials)} recordings"
        if part.skipped:
            about += "; left out " + ", ".join(f"{n} {reason}" for reason, n in sorted(part.skipped.items()))
        yield about
        if not part.trials:
            continue
        if dataset in TRAINED_ON and part.position in TRAINED_AT:
            yield from report(held_out_tables(part.trials, part.position))
            scores = cross_validate(part.trials, part.position)
        else:
            known: list[Trial] = []
            group = group_of(part.position)
            if train_source is not None and group in _KNOWN_AT:
                known = read_usable("umafall", train_source, _KNOWN_AT[group])
            yield from report(transfer_tables(part.trials, part.position, model, known))
            scores = np.array([judge_with(t, part.position, model).score for t in part.trials])
        yield from calibration_lines(part.trials, scores)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of a data set."""
    parser = argparse.ArgumentParser(
        description="Judge the released fall detector and three baselines on a data set."
    )
    parser.add_argument("--source", type=Path, required=True, help="folder with the data set as published")
    parser.add_argument(
        "--dataset",
        required=True,
        help=f"name of its reader (umafall, …), or {SIMULATOR} for drops with truth",
    )
    parser.add_argument("--position", help="only this wearing position")
    parser.add_argument("--train-source", type=Path, help="UMAFall's folder, to train the forest on it")
    options = parser.parse_args(arguments)
    model = released_model()
    try:
        if options.dataset == SIMULATOR:
            for name, table in stream_tables(options.source, model):
                print(name)
                print("\n".join(table.lines()))
        else:
            for line in trial_lines(
                options.source, options.dataset, model, options.position, options.train_source
            ):
                print(line, flush=True)
    except (ValueError, FileNotFoundError) as error:
        print(f"detect-bench: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
