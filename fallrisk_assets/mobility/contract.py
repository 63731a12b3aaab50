"""Tables of the mobility domain: features of windows, and gait day by day.

Here: what the tables are. Not here: how a feature is defined (`feature_names.py`, `features.py`), how gait is
measured (`gait.py`).
"""

from typing import Any

from fallrisk_assets.contract import (
    Bool,
    Contract,
    Date,
    Float32,
    Int32,
    Rule,
    String,
    Timestamp,
    column,
    table,
)
from fallrisk_assets.mobility.feature_names import FEATURES, Feature
from fallrisk_assets.mobility.gait_config import POSITION_ORDER
from fallrisk_assets.mobility.windows import QUALITY_REASONS

#: Field ids of the features start here, in the order of `FEATURES`; smaller ones are the columns before them.
FIRST_FEATURE_ID = 101


class _WindowColumns(Contract):
    """What a window is, besides its features."""

    device_bucket: Int32 = column(1, "Stable hash bucket of device_id", ge=0, lt=32)
    device_id: String = column(2, "Device", pii="pseudonym")
    patient_id: String = column(3, "Who wore it at the end of the window", pii="pseudonym")
    position: String = column(4, "Where it was worn", isin=POSITION_ORDER)
    hour: Timestamp = column(
        5, "Hour in which the window's last instant lies: one that ends exactly at 08:00 belongs to 07:00"
    )
    window_start: Timestamp = column(6, "Start of the window, a multiple of the hop since the epoch")
    window_end: Timestamp = column(7, "Exclusive end of the window")
    rate_hz: Float32 = column(8, "Sampling rate inside the window", unit="Hz", nullable=True, gt=0)
    n_samples: Int32 = column(9, "Samples in the window", ge=1)
    worn: Bool = column(10, "False where stillness has lasted too long for a living wearer")
    quality: String = column(
        11, "Why the window must not be scored, null where it may", nullable=True, isin=QUALITY_REASONS
    )


def _feature_column(field_id: int, feature: Feature) -> Any:
    """Return the column of a feature: null where it has no meaning, sensitive as any measure of a person."""
    return column(
        field_id,
        feature.description,
        unit=feature.unit,
        pii="sensitive",
        nullable=True,
        ge=feature.minimum,
        le=feature.maximum,
        reason="FEATURE_OUT_OF_RANGE",
    )


_model: Any = type(Contract)

WindowFeatures: Any = table(
    name="window_features",
    namespace="curated",
    grain="one row per device and window that holds a sample of its hour",
    key=("device_id", "window_start"),
    slice_column="hour",
    slicing="hour",
    bucketed=True,
    person="patient_id",
    sort=("device_id", "window_start"),
    rules=(
        Rule("window_end", "gt", "window_start", "WINDOW_EMPTY"),
        Rule("window_end", "gt", "hour", "WINDOW_BEFORE_ITS_HOUR"),
    ),
)(
    _model(
        "WindowFeatures",
        (_WindowColumns,),
        {
            "__module__": __name__,
            "__doc__": "Features of windows of movement: seventeen statistics of eight channels, and those "
            "across channels.\n\n    All features are null where a gap, a restart, a change of wearer, an "
            "implausible rate or too few\n    samples leave nothing to describe; those of the gyroscope "
            "where there is none.\n    ",
            "__annotations__": {f.name: Float32 for f in FEATURES},
            **{f.name: _feature_column(FIRST_FEATURE_ID + i, f) for i, f in enumerate(FEATURES)},
        },
    )
)


@table(
    name="daily_gait",
    namespace="curated",
    grain="one row per patient and local day with samples",
    key=("patient_id", "local_day"),
    slice_column="day",
    slicing="day",
    person="patient_id",
    sort=("patient_id",),
    rules=(
        Rule("day_end", "gt", "day_start", "DAY_EMPTY"),
        Rule("wear_minutes", "le", "recorded_minutes", "WORN_LONGER_THAN_RECORDED"),
        Rule("walking_minutes", "le", "recorded_minutes", "WALKED_LONGER_THAN_RECORDED"),
    ),
)
class DailyGait(Contract):
    """Gait and posture of a patient's local day.

    A measure that the day or the wearing position cannot tell is null, never zero.
    """

    day: Date = column(1, "UTC day in which the local day ends; the partition")
    patient_id: String = column(2, "Patient, as the wearables know them", pii="pseudonym")
    local_day: Date = column(3, "The patient's calendar day")
    time_zone: String = column(4, "IANA zone of the local day", pii="quasi")
    day_start: Timestamp = column(5, "Start of the local day")
    day_end: Timestamp = column(6, "Exclusive end of the local day, 23 to 25 hours after its start")
    devices: String = column(7, "Devices that were worn, separated by commas", pii="pseudonym")
    position: String = column(
        8, "Best position worn, by which the measures are to be read", isin=POSITION_ORDER
    )
    recorded_minutes: Float32 = column(9, "Time with samples", unit="min", ge=0, le=1501)
    wear_minutes: Float32 = column(10, "Time worn", unit="min", pii="sensitive", ge=0, le=1501)
    walking_minutes: Float32 = column(
        11,
        "Time in bouts of walking of five steps and more",
        unit="min",
        pii="sensitive",
        nullable=True,
        ge=0,
    )
    walking_bouts: Int32 = column(12, "Bouts of walking", pii="sensitive", nullable=True, ge=0)
    longest_bout_s: Float32 = column(13, "Longest bout", unit="s", pii="sensitive", nullable=True, ge=0)
    steps: Int32 = column(14, "Steps in bouts", pii="sensitive", nullable=True, ge=0, le=100_000)
    cadence_spm: Float32 = column(
        15, "Steps a minute while walking", unit="/min", pii="sensitive", nullable=True, ge=30, le=220
    )
    stride_time_s: Float32 = column(
        16, "Median stride time", unit="s", pii="sensitive", nullable=True, gt=0, le=4
    )
    stride_time_cv: Float32 = column(
        17,
        "Variability of stride time within bouts, standard deviation over mean (Hausdorff et al. 2001)",
        unit="1",
        pii="sensitive",
        nullable=True,
        ge=0,
        le=1,
    )
    step_regularity: Float32 = column(
        18,
        "Autocorrelation of vertical trunk acceleration one step apart (Moe-Nilssen & Helbostad 2004)",
        unit="1",
        pii="sensitive",
        nullable=True,
        ge=-1.5,
        le=1.5,
    )
    stride_regularity: Float32 = column(
        19,
        "Autocorrelation of vertical trunk acceleration one stride apart (Moe-Nilssen & Helbostad 2004)",
        unit="1",
        pii="sensitive",
        nullable=True,
        ge=-1.5,
        le=1.5,
    )
    harmonic_ratio: Float32 = column(
        20,
        "Even over odd harmonics of vertical trunk acceleration in a stride, median (Menz et al. 2003)",
        unit="1",
        pii="sensitive",
        nullable=True,
        ge=0,
    )
    sway_g: Float32 = column(
        21,
        "RMS of horizontal acceleration in quiet stance near walking, median (Mancini et al. 2012)",
        unit="g",
        pii="sensitive",
        nullable=True,
        ge=0,
    )
    turns: Int32 = column(
        22,
        "Turns of 45 degrees and more while walking (El-Gohary et al. 2013)",
        pii="sensitive",
        nullable=True,
        ge=0,
    )
    turn_duration_s: Float32 = column(
        23, "Median duration of a turn", unit="s", pii="sensitive", nullable=True, ge=0, le=10
    )
    turn_angle_deg: Float32 = column(
        24, "Median angle of a turn", unit="deg", pii="sensitive", nullable=True, ge=0
    )
    sit_to_stands: Int32 = column(
        25, "Times stood up from sitting, by the tilt of the pelvis", pii="sensitive", nullable=True, ge=0
    )
    night_risings: Int32 = column(
        26,
        "Times got up from lying and walked between 23:00 and 6:00 local",
        pii="sensitive",
        nullable=True,
        ge=0,
    )
    upright_minutes: Float32 = column(
        27, "Time upright, by the tilt of the pelvis", unit="min", pii="sensitive", nullable=True, ge=0
    )
    lying_minutes: Float32 = column(
        28, "Time lying, by the tilt of the pelvis", unit="min", pii="sensitive", nullable=True, ge=0
    )
    withdrawn: String = column(
        29,
        "Measures that came out impossible and are therefore null, separated by commas",
        nullable=True,
    )
