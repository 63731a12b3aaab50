"""Tables of the risk domain: falls that happened, window scores, and the 12-month index.

Here: what the tables are. Not here: how a fall is found (`detector.py`), a window is scored
(`window_scores.py`) or a year's risk is put together (`index.py`). The window score and the index are two
scales and never mixed.
"""

from fallrisk_assets.contract import (
    Bool,
    Contract,
    Date,
    Float32,
    Float64,
    Int32,
    Rule,
    String,
    Timestamp,
    column,
    table,
)
from fallrisk_assets.partitions import DEVICE_BUCKETS

POSITIONS = ("waist", "wrist", "pocket", "chest", "lowback", "ankle")
WINDOW_BANDS = ("low", "medium", "high", "NOT_SCORED")
INDEX_BANDS = ("low", "medium", "high", "NOT_SCORED")
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


@table(
    name="fall_events",
    namespace="curated",
    grain="one row per detected fall",
    key=("event_id",),
    slice_column="decided_at",
    slicing="hour",
    bucketed=True,
    person="patient_id",
    sort=("device_id", "decided_at"),
    rules=(Rule("decided_at", "ge", "impact_at", "DECIDED_BEFORE_IMPACT"),),
)
class FallEvents(Contract):
    """A fall that the detector decided on, at most 4 s after the impact.

    An event belongs to the hour in which it was decided: an impact at 07:59:58 that was decided at 08:00:01
    is a row of hour 8.
    """

    device_bucket: Int32 = column(1, "Stable hash bucket of device_id", ge=0, lt=DEVICE_BUCKETS)
    event_id: String = column(2, "uuid5 of device and impact time", pii="pseudonym", matches=UUID)
    device_id: String = column(3, "Device")
    patient_id: String = column(4, "Who wore the device", pii="pseudonym")
    position: String = column(5, "Where on the body it was worn", isin=POSITIONS)
    impact_at: Timestamp = column(6, "Time of the impact's peak")
    decided_at: Timestamp = column(7, "Time at which the samples allowed the decision")
    probability: Float32 = column(8, "Probability that this impact is a fall", unit="1", ge=0, le=1)
    peak_g: Float32 = column(
        9, "Largest acceleration norm", unit="g", ge=0, le=64, reason="PEAK_OUT_OF_RANGE"
    )
    free_fall_s: Float32 = column(10, "Time below 0.7 g in the second before", unit="s", ge=0, le=1.5)
    posture_change_deg: Float32 = column(
        11, "Angle between gravity before and after", unit="deg", ge=0, le=180
    )
    stillness_s: Float32 = column(12, "Still time up to the decision", unit="s", ge=0, le=4)
    recovered: Bool = column(13, "Back in the old posture in the second before the decision")
    model_version: String = column(14, "Version and parameters' hash of the detector")


@table(
    name="rescored_fall_events",
    namespace="curated",
    grain="one row per fall that a version of the detector decided on",
    key=("event_id", "model_version"),
    slice_column="decided_at",
    slicing="hour",
    bucketed=True,
    person="patient_id",
    sort=("device_id", "decided_at", "model_version"),
    rules=(Rule("decided_at", "ge", "impact_at", "DECIDED_BEFORE_IMPACT"),),
    on_demand=True,
)
class RescoredFallEvents(FallEvents):
    """What other versions of the detector say about hours that are published, beside `fall_events`.

    For comparison only: alerts, FHIR, warehouse and pages read `fall_events`, where an hour has one version.
    A published fall that a version did not find is in `fall_events` and has no row here.
    """

    published_event_id: String = column(
        15,
        "The fall in `fall_events` that this one is, nearest impact within 5 s; null if there is none",
        pii="pseudonym",
        nullable=True,
        matches=UUID,
    )


@table(
    name="window_scores",
    namespace="curated",
    grain="one row per device and window",
    key=("device_id", "window_end"),
    slice_column="hour",
    slicing="hour",
    bucketed=True,
    person="patient_id",
    sort=("device_id", "window_end"),
)
class WindowScores(Contract):
    """How unstable the movement in a window was, 0 to 1; a window without ground has a reason and no number.

    A description of ten seconds, not a probability of a fall and never a cause of an alert. Steady walking is
    low; stumbling, groping and falling are high.
    """

    device_bucket: Int32 = column(1, "Stable hash bucket of device_id", ge=0, lt=DEVICE_BUCKETS)
    device_id: String = column(2, "Device")
    patient_id: String = column(3, "Who wore the device", pii="pseudonym")
    window_end: Timestamp = column(4, "Exclusive end of the window")
    hour: Timestamp = column(5, "Hour that holds the window's last instant")
    score: Float32 = column(
        6, "Instability of movement; null if not scored", unit="1", nullable=True, ge=0, le=1
    )
    band: String = column(7, "low, medium (from 0.5), high (from 0.8) or NOT_SCORED", isin=WINDOW_BANDS)
    reason: String = column(8, "Why there is no score", nullable=True, matches=r"[A-Z][A-Z_]+")
    model_version: String = column(9, "Version of the score's numbers")


@table(
    name="fall_risk_index",
    namespace="curated",
    grain="one row per patient and local day",
    key=("patient_id", "day"),
    slice_column="day",
    slicing="day",
    person="patient_id",
    sort=("patient_id",),
    rules=(
        Rule("lower_12m", "le", "probability_12m", "INTERVAL_ABOVE_PROBABILITY"),
        Rule("upper_12m", "ge", "probability_12m", "INTERVAL_BELOW_PROBABILITY"),
    ),
)
class FallRiskIndex(Contract):
    """Probability of at least one fall within 12 months, for people of 65 and over living at home.

    A transparent sum on the logit scale of clinical history and measured gait: decision support, not a
    diagnosis. Without ground there is a reason and no number.
    """

    patient_id: String = column(1, "Wearables' id of the patient", pii="pseudonym")
    day: Date = column(2, "UTC day in which the patient's local day ends")
    probability_12m: Float64 = column(
        3, "Probability of a fall in 12 months", unit="1", pii="sensitive", nullable=True, ge=0, le=1
    )
    lower_12m: Float64 = column(
        4, "Lower end of the 90 % interval", unit="1", pii="sensitive", nullable=True, ge=0, le=1
    )
    upper_12m: Float64 = column(
        5, "Upper end of the 90 % interval", unit="1", pii="sensitive", nullable=True, ge=0, le=1
    )
    band: String = column(6, "Band by frozen cut-points, or NOT_SCORED", pii="sensitive", isin=INDEX_BANDS)
    status: String = column(7, "Whether there is a number", isin=("SCORED", "NOT_SCORED"))
    reason: String = column(8, "Why there is no number", nullable=True, matches=r"[A-Z][A-Z_]+")
    confidence: Float32 = column(
        9, "Share of the index's reference spread that was observed", unit="1", nullable=True, ge=0, le=1
    )
    components: String = column(
        10, "JSON: name to contribution on the logit scale; they sum to the logit", pii="sensitive"
    )
    model_version: String = column(11, "Version of the index's numbers")
    input_hash: String = column(12, "sha256 of the history and gait that went in", matches=r"[0-9a-f]{64}")


@table(
    name="fall_risk_index_versions",
    namespace="curated",
    grain="one row per patient, local day and version of the index that scored it",
    key=("patient_id", "day", "model_version"),
    slice_column="day",
    slicing="day",
    person="patient_id",
    sort=("patient_id", "model_version"),
    rules=(
        Rule("lower_12m", "le", "probability_12m", "INTERVAL_ABOVE_PROBABILITY"),
        Rule("upper_12m", "ge", "probability_12m", "INTERVAL_BELOW_PROBABILITY"),
    ),
)
class FallRiskIndexVersions(FallRiskIndex):
    """What each version of the index said of a day, beside each other.

    The row of the version that is published equals that of `fall_risk_index`; a day that is scored by a new
    version keeps the rows of the versions before, as they last were. For comparison: alerts, trends, FHIR,
    warehouse and pages read `fall_risk_index`, where a day has one version.
    """


@table(
    name="fall_risk_trend",
    namespace="curated",
    grain="one row per patient and local day with a row of the index",
    key=("patient_id", "day"),
    slice_column="day",
    slicing="day",
    person="patient_id",
    sort=("patient_id",),
    rules=(
        Rule("change_lower", "le", "change", "INTERVAL_ABOVE_CHANGE"),
        Rule("change_upper", "ge", "change", "INTERVAL_BELOW_CHANGE"),
    ),
)
class FallRiskTrend(Contract):
    """How a person's 12-month index moves: smoothed, and against the person's own baseline.

    Days without a number are left out, never taken for zero; only days of the same model version count.
    """

    patient_id: String = column(1, "Wearables' id of the patient", pii="pseudonym")
    day: Date = column(2, "UTC day in which the patient's local day ends")
    probability_7d: Float64 = column(
        3,
        "Mean of the last 7 days' indices on the logit scale; null below 3 scored days",
        unit="1",
        pii="sensitive",
        nullable=True,
        ge=0,
        le=1,
    )
    days_7d: Int32 = column(4, "Scored days among the last 7", ge=0, le=7)
    probability_28d: Float64 = column(
        5,
        "Mean of the last 28 days' indices on the logit scale; null below 7 scored days",
        unit="1",
        pii="sensitive",
        nullable=True,
        ge=0,
        le=1,
    )
    days_28d: Int32 = column(6, "Scored days among the last 28", ge=0, le=28)
    baseline_12m: Float64 = column(
        7,
        "Median of the scored days in the 28 days that end 3 days before; null below 7 of them",
        unit="1",
        pii="sensitive",
        nullable=True,
        ge=0,
        le=1,
    )
    baseline_days: Int32 = column(8, "Scored days in the baseline", ge=0, le=28)
    change: Float64 = column(
        9, "The day's probability minus the baseline", unit="1", pii="sensitive", nullable=True, ge=-1, le=1
    )
    change_lower: Float64 = column(
        10, "Lower end of the change's 90 % interval", unit="1", pii="sensitive", nullable=True
    )
    change_upper: Float64 = column(11, "Upper end", unit="1", pii="sensitive", nullable=True)
    trend: String = column(
        12,
        "RISING or FALLING where the interval excludes 0 and the change is at least 0.03",
        pii="sensitive",
        isin=("RISING", "FALLING", "STEADY", "NOT_JUDGED"),
    )
    reason: String = column(13, "Why the change is not judged", nullable=True, matches=r"[A-Z][A-Z_]+")
    model_version: String = column(14, "Version of the index's numbers, of all the days that count")
    input_hash: String = column(15, "sha256 of the days and indices that went in", matches=r"[0-9a-f]{64}")


@table(
    name="fall_index_evaluation",
    namespace="curated",
    grain="one row per day, cohort, measure and part",
    key=("day", "cohort", "measure", "part"),
    slice_column="day",
    slicing="day",
    person=None,
    sort=("cohort", "measure", "part"),
)
class FallIndexEvaluation(Contract):
    """How the 12-month index behaves: against synthetic falls, and from day to day.

    Calibration and discrimination are of synthetic falls and show that the arithmetic is right; they validate
    nothing. Stability is of the patients' own days. A clinic's real falls are evaluated by
    `python -m fallrisk_assets.risk.person_years`.
    """

    day: Date = column(1, "Day of the evaluation")
    cohort: String = column(
        2,
        "SYNTHETIC_PEOPLE: drawn people and falls; SYNTHETIC_FALLS: the day's patients, drawn falls; "
        "PATIENT_DAYS: the patients' last 28 days",
        isin=("SYNTHETIC_PEOPLE", "SYNTHETIC_FALLS", "PATIENT_DAYS"),
    )
    measure: String = column(3, "What was measured", matches=r"[a-z][a-z0-9_]+")
    part: String = column(4, "all, or the fifth of predicted risk")
    value: Float64 = column(5, "The measure; null where there is too little", unit="1", nullable=True)
    lower: Float64 = column(6, "Lower end of its 95 % interval", unit="1", nullable=True)
    upper: Float64 = column(7, "Upper end", unit="1", nullable=True)
    people: Int32 = column(8, "People in it", ge=0)
    events: Int32 = column(9, "Falls (or days, for stability) in it", nullable=True, ge=0)
    reason: String = column(10, "Why there is no value", nullable=True, matches=r"[A-Z][A-Z_]+")
    model_version: String = column(11, "Version of the index's numbers")
