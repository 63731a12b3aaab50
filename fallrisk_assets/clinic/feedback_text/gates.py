"""What a version of a text model must show before it may judge what patients write.

Here: the gates as pure functions of evaluation rows. Not here: measuring (`measures.py`), what follows from a
verdict (`checks.py`, `models.promotion`).

A figure that was not measured does not pass: a gate that cannot see is closed.
"""

from collections.abc import Callable, Sequence

from fallrisk_assets.clinic.feedback_text.measures import (
    ALL,
    CALIBRATION,
    FEWEST_PEOPLE,
    GUESSED_F1,
    JUDGED_SHARE,
    MACRO_F1,
)
from fallrisk_assets.clinic.feedback_text.training import LEAST_PEOPLE
from fallrisk_assets.clinic.feedback_text.vocabulary import SIMULATED, SUPPLIED
from fallrisk_assets.models.gates import Row, Verdict

CANDIDATE, IN_USE = "candidate", "in_use"
LEAST_F1 = 0.60
LEAST_GAIN = 0.10
"""So much better than the most frequent answer, at the least."""
MOST_CALIBRATION_ERROR = 0.15
LEAST_JUDGED = 0.5
LEAST_COMMENTS = 100
"""Comments that a verdict rests on, at the least."""
MARGIN = 0.02

NOBODY = "no_word_is_one_persons"
BETTER = "better_than_the_most_frequent_answer"
CALIBRATED = "probabilities_mean_what_they_say"
NOT_WORSE = "no_worse_than_the_version_in_use"


def _find(rows: Sequence[Row], model: str, role: str) -> dict[str, Row]:
    return {
        row["metric"]: row
        for row in rows
        if row["model"] == model and row["role"] == role and row["subgroup"] == ALL
    }


def _line(
    rows: dict[str, Row], metric: str, holds: Callable[[float], bool], limit: str, least: int = LEAST_COMMENTS
) -> tuple[bool, str]:
    row = rows.get(metric)
    if row is None:
        return False, f"{metric} was not measured"
    said = f"{metric} {row['value']:.3f} [{row['lower']:.3f}, {row['upper']:.3f}]"
    if row["n"] < least:
        return False, f"{said} rests on {row['n']}, needs {least}"
    return holds(row["value"]), f"{said}, {limit}"


def _verdict(gate: str, lines: Sequence[tuple[bool, str]]) -> Verdict:
    return Verdict(gate, all(good for good, _ in lines), tuple(text for _, text in lines))


def no_word_is_one_persons(rows: Sequence[Row], model: str) -> Verdict:
    """Each word and pair of words that the version knows was written by several people."""
    mine = _find(rows, model, CANDIDATE)
    limit = f"at least {LEAST_PEOPLE}"
    return _verdict(NOBODY, [_line(mine, FEWEST_PEOPLE, lambda v: v >= LEAST_PEOPLE, limit, LEAST_PEOPLE)])


def better_than_guessing(rows: Sequence[Row], model: str) -> Verdict:
    """The version tells more than the most frequent answer does, of at least half of the comments."""
    mine = _find(rows, model, CANDIDATE)
    if GUESSED_F1 not in mine:
        return Verdict(BETTER, False, (f"{GUESSED_F1} was not measured",))
    floor = max(LEAST_F1, mine[GUESSED_F1]["value"] + LEAST_GAIN)
    return _verdict(
        BETTER,
        [
            _line(mine, MACRO_F1, lambda v: v >= floor, f"at least {floor:.3f}"),
            _line(mine, JUDGED_SHARE, lambda v: v >= LEAST_JUDGED, f"at least {LEAST_JUDGED}"),
        ],
    )


def calibrated(rows: Sequence[Row], model: str) -> Verdict:
    """Of the answers with a probability of 0.8, about eight in ten are right."""
    mine = _find(rows, model, CANDIDATE)
    most = MOST_CALIBRATION_ERROR
    return _verdict(CALIBRATED, [_line(mine, CALIBRATION, lambda v: v <= most, f"at most {most}")])


def not_worse(rows: Sequence[Row], model: str, in_use: str) -> Verdict:
    """No worse than the version in use on the same comments, beyond a margin.

    A version that learnt from simulated text never takes the place of one that learnt from real comments:
    on simulated text the former looks better than it is.

    Args:
        rows: The evaluation of a candidate, with the version in use beside it.
        model: Which of the two models.
        in_use: The version in use now; an evaluation beside another one is out of date.
    """
    of_model = [row for row in rows if row["model"] == model]
    if in_use in {row["model_version"] for row in of_model if row["role"] == CANDIDATE}:
        return Verdict(NOT_WORSE, True, (f"{in_use} is itself in use",))
    compared = {row["model_version"]: row for row in of_model if row["role"] == IN_USE}
    if set(compared) != {in_use}:
        named = ", ".join(sorted(compared)) or "nothing"
        return Verdict(NOT_WORSE, False, (f"compared with {named}, in use is {in_use}: evaluate it again",))
    if compared[in_use]["learnt_from"] == SUPPLIED and any(
        row["learnt_from"] == SIMULATED for row in of_model if row["role"] == CANDIDATE
    ):
        return Verdict(NOT_WORSE, False, (f"{in_use} learnt from real comments, the candidate did not",))
    theirs = _find(rows, model, IN_USE).get(MACRO_F1)
    if theirs is None:
        return Verdict(NOT_WORSE, False, (f"{in_use} was not measured",))
    least = theirs["value"] - MARGIN
    mine = _find(rows, model, CANDIDATE)
    return _verdict(NOT_WORSE, [_line(mine, MACRO_F1, lambda v: v >= least, f"at least {least:.3f}")])


def verdicts(rows: Sequence[Row], model: str, in_use: str) -> list[Verdict]:
    """What every gate says about the candidate of an evaluation.

    Args:
        rows: Rows of `FeedbackTextEvaluation` of one day.
        model: Which of the two models.
        in_use: The version of it that is in use now.
    """
    return [
        no_word_is_one_persons(rows, model),
        better_than_guessing(rows, model),
        calibrated(rows, model),
        not_worse(rows, model, in_use),
    ]


def verdicts_of(model: str) -> Callable[[Sequence[Row], str], list[Verdict]]:
    """Return the gates of one of the two models, as promotion asks them: rows and the version in use."""
    return lambda rows, in_use: verdicts(rows, model, in_use)
