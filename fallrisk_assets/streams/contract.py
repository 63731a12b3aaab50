"""The device register as a table.

Here: what is known of each device on each day. Not here: what the gateway decides by, which is never a day
old (`registry.py`).
"""

from fallrisk_assets.clinic.contract import POSITIONS
from fallrisk_assets.contract import Contract, Date, Int32, Int64, Rule, String, Timestamp, column, table

CONNECTIONS = ("online", "offline", "lost", "unknown")


@table(
    name="devices",
    namespace="curated",
    grain="one row per device, stretch of wear and day; one where nobody has worn it",
    key=("device_id", "assignment_no", "day"),
    slice_column="day",
    slicing="day",
    person="patient_id",
    sort=("device_id", "assignment_no"),
    rules=(Rule("assigned_to", "gt", "assigned_from", "ASSIGNMENT_ENDS_BEFORE_IT_BEGINS"),),
)
class Devices(Contract):
    """Each device as the register knew it at the day's end: identity, wearers over time, what was heard."""

    day: Date = column(1, "UTC day at whose end this holds")
    device_id: String = column(2, "Device, as its certificate names it", pii="pseudonym")
    assignment_no: Int32 = column(3, "Stretches of wear in order of time; 0: nobody has worn it", ge=0)
    patient_id: String = column(
        4, "Wearable id of the patient who wears it in this stretch", pii="pseudonym", nullable=True
    )
    position: String = column(5, "Where it is worn in this stretch", nullable=True, isin=POSITIONS)
    assigned_from: Timestamp = column(6, "First instant of the stretch", nullable=True)
    assigned_to: Timestamp = column(7, "First instant after the stretch; null while it lasts", nullable=True)
    registered_at: Timestamp = column(8, "When it was registered; null: it was not", nullable=True)
    revoked_at: Timestamp = column(9, "When it was revoked; null while it may publish", nullable=True)
    certificate_sha256: String = column(10, "Fingerprint of its certificate, where known", nullable=True)
    config: String = column(11, "What it is told, as JSON", nullable=True)
    firmware: String = column(12, "Firmware of the day's last sample; null without samples", nullable=True)
    last_seen_at: Timestamp = column(13, "Last sample of the day; null without samples", nullable=True)
    connection: String = column(
        14,
        "What it, or its last will, said last; null: nothing",
        nullable=True,
        isin=CONNECTIONS,
    )
    connection_at: Timestamp = column(15, "When that was heard", nullable=True)
    refused_messages: Int64 = column(16, "Messages that the gateway refused on the day", unit="1", ge=0)
    refused_for: String = column(17, "JSON of the refused messages by reason code")
