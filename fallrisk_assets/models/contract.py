"""Tables of the models domain: what the fall detector is trained on, what came out, how good it is.

Here: what the tables are. Not here: how they are made (`training_set.py`, `artefacts.py`, `measures.py`), the
artefacts themselves (plain JSON in the registry).
"""

from typing import Any

from fallrisk_assets.contract import (
    Bool,
    Contract,
    Date,
    Float64,
    Int64,
    Rule,
    String,
    column,
    table,
)
from fallrisk_assets.risk.impact_kernels import FEATURES

SHA256 = r"[0-9a-f]{64}"
#: Field ids of the features start here, in the order of `FEATURES`; smaller ones are the columns before them.
FIRST_FEATURE_ID = 101

HELD_OUT_SUBJECTS = "held_out_subjects"
RECORDINGS = "recordings"
SIMULATED_WEAR = "simulated_wear"
#: What a figure was measured on. Recordings and simulator are never mixed.
DATA = (HELD_OUT_SUBJECTS, RECORDINGS, SIMULATED_WEAR)

CANDIDATE = "candidate"
IN_USE = "in_use"
ROLES = (CANDIDATE, IN_USE)

SENSITIVITY = "sensitivity"
SPECIFICITY = "specificity"
AUC = "area_under_curve"
BRIER = "brier_score"
CALIBRATION_ERROR = "calibration_error"
FALSE_ALARMS = "false_alarms_per_patient_week"
CONFUSER_ALARMS = "confuser_alarms_per_patient_week"
METRICS = (SENSITIVITY, SPECIFICITY, AUC, BRIER, CALIBRATION_ERROR, FALSE_ALARMS, CONFUSER_ALARMS)


class _ImpactColumns(Contract):
    """What a candidate impact is, besides its features."""

    trained_on: Date = column(1, "Day of training; the partition")
    impact_id: String = column(2, "Source, position, recording and number of the impact in it")
    source: String = column(3, "Data set that the recording is from")
    licence: String = column(4, "Licence of the source")
    may_ship_model: Bool = column(5, "Whether that licence allows shipping a model trained on it")
    source_sha256: String = column(6, "SHA-256 of the source's files as read", matches=SHA256)
    position: String = column(7, "Where the sensor was worn")
    recording: String = column(8, "Name of the recording in its source", pii="pseudonym")
    subject: String = column(9, "Person, as the source numbers them; nobody if synthetic", pii="pseudonym")
    movement: String = column(10, "What was done")
    is_fall: Bool = column(11, "The label: whether this impact is a fall's")
    weight: Float64 = column(12, "Weight in the fit", unit="1", gt=0)


_model: Any = type(Contract)

FallTrainingSet: Any = table(
    name="fall_training_set",
    namespace="curated",
    grain="one row per candidate impact of a recording",
    key=("impact_id",),
    slice_column="trained_on",
    slicing="day",
    person="subject",
    sort=("impact_id",),
    on_demand=True,
)(
    _model(
        "FallTrainingSet",
        (_ImpactColumns,),
        {
            "__module__": __name__,
            "__doc__": "Labelled impacts that the fall detector is trained on, with the licence of each "
            "source.\n\n    Of a fall only its largest impact counts; of other movements all. A feature is "
            "null where its sensor\n    is missing.\n    ",
            "__annotations__": dict.fromkeys(FEATURES, Float64),
            **{
                name: column(
                    FIRST_FEATURE_ID + i, f"Feature of the impact: {name.replace('_', ' ')}", nullable=True
                )
                for i, name in enumerate(FEATURES)
            },
        },
    )
)


@table(
    name="fall_detector",
    namespace="curated",
    grain="one row per version that was trained",
    key=("model_version",),
    slice_column="trained_on",
    slicing="day",
    person=None,
    sort=("model_version",),
    on_demand=True,
)
class FallDetector(Contract):
    """Versions of the fall detector that were trained here, with what each was made from.

    The artefact is plain JSON in the registry, where it stays though the day is trained again.
    """

    trained_on: Date = column(1, "Day of training; the partition")
    model_version: String = column(2, "Name, day, inputs and parameters of the version")
    artefact_sha256: String = column(3, "SHA-256 of the artefact", matches=SHA256)
    parameters_sha256: String = column(4, "SHA-256 of its parameters in canonical JSON", matches=SHA256)
    training_set_sha256: String = column(5, "Content hash of the training set", matches=SHA256)
    code_sha256: String = column(
        6, "SHA-256 of the training's source and its numeric libraries' versions", matches=SHA256
    )
    sources: String = column(7, "Data sets, separated by commas")
    impacts: Int64 = column(8, "Impacts it was trained on", ge=1)
    falls: Int64 = column(9, "Falls among them", ge=1)
    subjects: Int64 = column(10, "People among them", ge=0)


@table(
    name="fall_detector_evaluation",
    namespace="curated",
    grain="one row per figure of a version on one kind of data",
    key=("model_version", "data", "position", "subgroup", "metric"),
    slice_column="evaluated_on",
    slicing="day",
    person=None,
    sort=("data", "position", "metric", "subgroup", "model_version"),
    rules=(Rule("upper", "ge", "lower", "INTERVAL_REVERSED"),),
    on_demand=True,
)
class FallDetectorEvaluation(Contract):
    """How good the version of a day is, with 95 % intervals, beside the version in use on the same data.

    `held_out_subjects`: each recording judged by a model that never saw its person. `recordings`: the
    artefact itself on recordings that it may have been trained on, good for comparing versions only.
    `simulated_wear`: the artefact on streams of the cohort simulator, on which nothing is ever trained.
    """

    evaluated_on: Date = column(1, "Day of training of the candidate; the partition")
    model_version: String = column(2, "Version that was judged")
    role: String = column(3, "The day's candidate, or the version in use", isin=ROLES)
    data: String = column(4, "What it was judged on", isin=DATA)
    position: String = column(5, "Where the sensor was worn, or all")
    subgroup: String = column(6, "all, an age group, a movement, or a kind of fall")
    metric: String = column(7, "What was measured", isin=METRICS)
    value: Float64 = column(8, "The figure", ge=0)
    lower: Float64 = column(9, "Lower end of the 95 % interval", ge=0)
    upper: Float64 = column(10, "Upper end of the 95 % interval", ge=0)
    n: Float64 = column(11, "Recordings, falls or patient-days that it rests on", gt=0)
