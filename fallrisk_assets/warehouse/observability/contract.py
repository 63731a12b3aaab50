"""Tables of the warehouse on the house itself.

Here: what they are. Not here: how their rows are made (`data_quality.py`).
"""

from fallrisk_assets.contract import Contract, Date, Int32, Int64, String, column, table

CHECK, REFUSAL, TABLE, DEVICE = "check", "refusal", "table", "device"
PASSED, FAILED, NOT_RUN = "passed", "failed", "not run"


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


TABLES = (MartDataQuality,)
