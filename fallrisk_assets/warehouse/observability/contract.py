"""Tables of the warehouse on the house itself.

Here: what they are. Not here: how their rows are made (`data_quality.py`, `run_history.py`,
`kpi_versions.py`).
"""

from fallrisk_assets.contract import (
    Bool,
    Contract,
    Date,
    Float64,
    Int32,
    Int64,
    Rule,
    String,
    Timestamp,
    column,
    table,
)

CHECK, REFUSAL, TABLE, DEVICE = "check", "refusal", "table", "device"
PASSED, FAILED, NOT_RUN = "passed", "failed", "not run"
RUN_ENDS = ("SUCCESS", "FAILURE", "CANCELED")


@table(
    name="mart_data_quality",
    namespace="warehouse",
    grain="one row per UTC day and check, reason of refusal, table or device",
    key=("day", "kind", "table_name", "name"),
    slice_column="day",
    slicing="day",
    person=None,
    sort=("kind", "table_name", "name"),
)
class MartDataQuality(Contract):
    """How good a day's data are: checks, refused rows by reason, what was published, what devices sent.

    As known when the row was made: a day that is made again tells anew. No payload, no person.
    """

    day: Date = column(1, "UTC day that the row is about")
    kind: String = column(2, "What the row is about", isin=(CHECK, REFUSAL, TABLE, DEVICE))
    table_name: String = column(3, "Table, or the asset of a check")
    name: String = column(4, "Check, reason code or device; empty for a table as a whole")
    outcome: String = column(
        5, "Latest outcome of a check for the day", nullable=True, isin=(PASSED, FAILED, NOT_RUN)
    )
    severity: String = column(6, "Severity of a check", nullable=True)
    rows: Int64 = column(
        7, "Rows refused, or published, or samples kept of a device", unit="1", nullable=True, ge=0
    )
    expected_samples: Int64 = column(
        8, "Samples of a device's gapless day; null on a silent day", unit="1", nullable=True, ge=0
    )
    partitions: Int32 = column(9, "Partitions of the day that are published", nullable=True, ge=0)
    expected_partitions: Int32 = column(10, "Partitions that a day has", nullable=True, ge=1)
    detail: String = column(11, "What a check said, or an example of what was wrong", nullable=True)


@table(
    name="mart_pipeline_runs",
    namespace="warehouse",
    grain="one row per run that has ended",
    key=("run_id",),
    slice_column=None,
    slicing="none",
    person=None,
    sort=("ended_at", "run_id"),
    rules=(Rule("ended_at", "ge", "started_at", "ENDED_BEFORE_STARTED"),),
    of_runs=True,
)
class MartPipelineRuns(Contract):
    """Runs of all jobs: how they ended, how long they took, what failed. Kept for two years.

    What Dagster has forgotten since stays. No error's text, which may quote rows: its class.
    """

    day: Date = column(1, "UTC day on which it started, or was asked for if it never did")
    run_id: String = column(2, "Id of the run")
    job: String = column(3, "Job")
    partition_key: String = column(
        4, "Hour or day that was made, or the first and last of a range", nullable=True
    )
    is_range: Bool = column(5, "Whether it made a range of hours or days")
    status: String = column(6, "How it ended", isin=RUN_ENDS)
    started_by: String = column(7, "Schedule, sensor or backfill with its name, or a person")
    created_at: Timestamp = column(8, "When it was asked for")
    started_at: Timestamp = column(9, "When it started; null if it never did", nullable=True)
    ended_at: Timestamp = column(10, "When it ended")
    queued_s: Float64 = column(11, "Time between asking and start", unit="s", ge=0)
    duration_s: Float64 = column(12, "Time between start and end", unit="s", nullable=True, ge=0)
    retry_of: String = column(13, "Run that it repeats", nullable=True)
    steps: Int32 = column(14, "Steps that were started", ge=0)
    steps_failed: Int32 = column(15, "Steps that failed", ge=0)
    step_restarts: Int32 = column(16, "Times that a step was tried again", ge=0)
    failed_step: String = column(17, "The step that failed first", nullable=True)
    error_class: String = column(18, "Class of its error", nullable=True)
    slowest_step: String = column(19, "The step that took longest", nullable=True)
    slowest_step_s: Float64 = column(20, "How long", unit="s", nullable=True, ge=0)
    slowest_mart: String = column(
        21, "The mart that took longest to be asked of the warehouse", nullable=True
    )
    slowest_mart_s: Float64 = column(22, "How long", unit="s", nullable=True, ge=0)


@table(
    name="kpi_versions",
    namespace="warehouse",
    grain="one row per day, indicator and version",
    key=("day", "kpi", "version"),
    slice_column=None,
    slicing="none",
    person=None,
    sort=("day", "kpi", "version"),
    of_runs=True,
)
class KpiVersions(Contract):
    """The figures of whole days as they were first known, and each time that late data made them others.

    Never made anew: what was once shown stays on record for two years. `v_kpi_restatement` shows the changes.
    """

    day: Date = column(1, "Day of the indicator")
    kpi: String = column(2, "Indicator, defined in dim_kpi")
    version: Int32 = column(3, "1 as it was first known, then one more for each change", ge=1)
    numerator: Float64 = column(4, "Numerator", nullable=True)
    denominator: Float64 = column(5, "Denominator; null for a count or a sum", nullable=True)
    value: Float64 = column(6, "Numerator by denominator", nullable=True)
    known_at: Timestamp = column(7, "Since when it was known so")
    run_id: String = column(8, "Run that found it")


TABLES = (MartDataQuality, MartPipelineRuns, KpiVersions)
