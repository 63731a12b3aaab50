"""Recordings judged by models that never saw them: their person, their movement, nor the choice of settings.

Belongs here: which recordings train the model that judges which. Does not belong here: the fit
(`training.py`), the figures (`evaluation.py`).
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fallrisk_assets.recordings.recording import Trial
from fallrisk_assets.risk.evaluation import Judged, judge_with, trial_score
from fallrisk_assets.risk.fall_model import FallModel
from fallrisk_assets.risk.training import (
    OTHER_SENSORS_WEIGHT,
    RIDGE,
    SEED,
    SYNTHETIC_PER_GROUP,
    THRESHOLDS,
    fit_group,
    group_of,
    synthetic_impacts,
)
from fallrisk_assets.risk.training_impacts import (
    Impacts,
    as_other_sensors_see,
    balanced,
    gather_impacts,
    join,
)

#: Trials that train, and trials that are judged, as masks (n,) without overlap.
Split = tuple[np.ndarray, np.ndarray]
FOLDS = 6
_INNER_FOLDS = 4
#: What the inner loop of the nested estimate chooses among.
RIDGES = (0.003, 0.01, 0.03, 0.1)
LIMITS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


def subject_folds(trials: Sequence[Trial], folds: int = FOLDS) -> np.ndarray:
    """Fold (n,) of each trial: people are dealt to folds, those with most falls first."""
    falls: dict[str, int] = defaultdict(int)
    for t in trials:
        falls[t.subject] += t.is_fall
    order = sorted(falls, key=lambda s: (-falls[s], s))
    fold_of = {subject: k % folds for k, subject in enumerate(order)}
    return np.array([fold_of[t.subject] for t in trials])


def people_splits(trials: Sequence[Trial], folds: int = FOLDS) -> list[Split]:
    """Everybody is judged once, by what the others train."""
    fold = subject_folds(trials, folds)
    return [(fold != k, fold == k) for k in np.unique(fold)]


def movement_splits(trials: Sequence[Trial], folds: int = 3) -> list[Split]:
    """Every movement of everybody is judged once, by what other people's other movements train."""
    fold = subject_folds(trials, folds)
    movement = np.array([t.movement for t in trials])
    return [
        ((fold != k) & (movement != m), (fold == k) & (movement == m))
        for m in np.unique(movement)
        for k in range(folds)
        if ((fold == k) & (movement == m)).any()
    ]


def without_gyroscope(trial: Trial) -> Trial:
    """The recording of a device that has an accelerometer only."""
    return replace(trial, gyro_dps=np.full_like(trial.gyro_dps, np.nan))


class Trainer:
    """Models of one position from any choice of its recordings, whose impacts are gathered once."""

    def __init__(
        self, trials: Sequence[Trial], position: str, synthetic_per_group: int = SYNTHETIC_PER_GROUP
    ) -> None:
        """Gather the impacts of the trials at one position.

        Args:
            trials: Recordings.
            position: Where the sensor was worn.
            synthetic_per_group: How many scripted motions train as well.
        """
        self.trials = trials
        self.position = position
        self._group = group_of(position)
        self._extra = [synthetic_impacts(self._group, synthetic_per_group)] if synthetic_per_group > 0 else []
        self._own = [gather_impacts([t]) for t in trials]
        self._others = [gather_impacts([t]) for t in as_other_sensors_see(trials, SEED)]

    def parts(self, train: np.ndarray) -> list[Impacts]:
        """Training sources of the trials chosen by a mask (n,), weighed as `training.fit_model` does."""
        chosen = np.flatnonzero(train).tolist()
        return [
            balanced(join([self._own[i] for i in chosen])),
            balanced(join([self._others[i] for i in chosen]), OTHER_SENSORS_WEIGHT),
            *self._extra,
        ]

    def model(self, train: np.ndarray, ridge: float = RIDGE, threshold: float | None = None) -> FallModel:
        """The model that the trials chosen by a mask (n,) train; the threshold is by default what ships."""
        limit = THRESHOLDS[self._group] if threshold is None else threshold
        fitted = fit_group(self._group, self.parts(train), ridge)
        return FallModel("held-out", {self._group: limit}, {self._group: fitted})

    def scores(self, splits: Sequence[Split], ridge: float = RIDGE) -> np.ndarray:
        """Scores (n,), NaN for trials that no split judges."""
        out = np.full(len(self.trials), np.nan)
        for train, test in splits:
            model = self.model(train, ridge)
            for i in np.flatnonzero(test).tolist():
                out[i] = trial_score(self.trials[i], self.position, model)
        return out

    def judge(
        self, splits: Sequence[Split], trained_by: Callable[[np.ndarray], FallModel] | None = None
    ) -> list[Judged]:
        """The judgement on every trial, in order.

        Args:
            splits: Together they judge each trial once.
            trained_by: Mask (n,) of training trials to a model; by default `model`.

        Raises:
            ValueError: a trial is judged never or twice.
        """
        times = np.sum([test for _, test in splits], axis=0)
        if not (times == 1).all():
            raise ValueError(f"{int((times != 1).sum())} of {len(times)} trials are not judged exactly once")
        out: dict[int, Judged] = {}
        for train, test in splits:
            model = self.model(train) if trained_by is None else trained_by(train)
            for i in np.flatnonzero(test).tolist():
                out[i] = judge_with(self.trials[i], self.position, model)
        return [out[i] for i in range(len(self.trials))]

    def chosen_model(self, train: np.ndarray) -> FallModel:
        """A model whose ridge and threshold were chosen among the training people alone.

        The choice is the best balanced accuracy of an inner cross-validation; of equals, the one nearest to
        what ships.
        """
        fall = np.array([t.is_fall for t in self.trials])
        fold = np.full(len(self.trials), -1)
        fold[train] = subject_folds([self.trials[i] for i in np.flatnonzero(train).tolist()], _INNER_FOLDS)
        inner = [(train & (fold != k), fold == k) for k in np.unique(fold[train])]
        best: tuple[tuple[float, float], float, float] | None = None
        for ridge in RIDGES:
            scores = self.scores(inner, ridge)
            for limit in LIMITS:
                right = 0.5 * float(
                    (scores[train & fall] >= limit).mean() + (scores[train & ~fall] < limit).mean()
                )
                away = abs(np.log(ridge / RIDGE)) + abs(limit - THRESHOLDS[self._group])
                rank = (round(right, 9), -float(away))
                if best is None or rank > best[0]:
                    best = (rank, ridge, limit)
        assert best is not None
        return self.model(train, best[1], best[2])


@dataclass(frozen=True, slots=True)
class HeldOutEstimates:
    """Judgements (n,) of the same trials by what never saw the person, nor the settings, nor the movement."""

    people: list[Judged]
    nested: list[Judged]
    movements: list[Judged]


def held_out_estimates(trainer: Trainer) -> HeldOutEstimates:
    """All three estimates of how the detector does on people, settings and movements that are new to it."""
    people = people_splits(trainer.trials)
    return HeldOutEstimates(
        people=trainer.judge(people),
        nested=trainer.judge(people, trainer.chosen_model),
        movements=trainer.judge(movement_splits(trainer.trials)),
    )


def cross_validate(
    trials: Sequence[Trial], position: str, use_gyro: bool = True, folds: int = FOLDS
) -> np.ndarray:
    """Scores (trials,) from models that never saw the trial's subject.

    Args:
        trials: Trials of one position.
        position: Where the sensor was worn.
        use_gyro: Whether the gyroscope may be used.
        folds: Subjects are dealt to this many folds, those with most falls first.
    """
    seen = trials if use_gyro else [without_gyroscope(t) for t in trials]
    return Trainer(seen, position).scores(people_splits(seen, folds))


def leave_one_movement_out(trials: Sequence[Trial], position: str, folds: int = 3) -> np.ndarray:
    """Scores (trials,) from models that saw neither the trial's movement nor its subject."""
    return Trainer(trials, position).scores(movement_splits(trials, folds))
