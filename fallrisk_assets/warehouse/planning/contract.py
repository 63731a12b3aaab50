"""Tables of the warehouse on the days ahead.

Here: what they are. Not here: how their rows are made (`day_ahead.py`), the probabilities (`clinic/no_show`).
"""

from fallrisk_assets.clinic.no_show.model import BASES
from fallrisk_assets.contract import Contract, Date, Float64, Int64, String, column, table


@table(
    name="mart_day_ahead",
    namespace="warehouse",
    grain="one row per UTC day and provider",
    key=("day", "provider_id"),
    slice_column="day",
    slicing="day",
    person=None,
    sort=("provider_id",),
)
class MartDayAhead(Contract):
    """What each provider has booked for the next day and the next seven, and how many will probably not come.

    As known at the end of the day. An appointment that was not judged is in no expectation: it is counted. No
    patient, no appointment.
    """

    day: Date = column(1, "UTC day at whose end this lay ahead")
    provider_id: String = column(2, "Provider")
    specialty: String = column(3, "Specialty on the day; null of a provider not active then", nullable=True)
    booked: Int64 = column(4, "Appointments of the next day", ge=0)
    judged: Int64 = column(5, "Those of them with a probability", ge=0)
    expected_no_shows: Float64 = column(
        6, "Sum of those probabilities; null if there are none", nullable=True, ge=0
    )
    planned_minutes: Float64 = column(
        7, "Their planned minutes, where known", unit="min", nullable=True, ge=0
    )
    booked_7d: Int64 = column(8, "Appointments of the next seven days", ge=0)
    planned_minutes_7d: Float64 = column(
        9, "Their planned minutes, where known", unit="min", nullable=True, ge=0
    )
    without_minutes_7d: Int64 = column(10, "Those of which no planned minutes are known", ge=0)
    available_minutes_7d: Float64 = column(11, "Minutes offered a week", unit="min", nullable=True, ge=0)
    model_version: String = column(12, "Version of the model that judged", nullable=True)
    model_basis: String = column(13, "What that version was trained on", nullable=True, isin=BASES)


TABLES = (MartDayAhead,)
