"""Tables of the alerts domain.

Here: device states, the alerts folded from falls, states and index, and what people did about them. Not here:
the delivery ledger, which is append-only and never rebuilt (`outbox.py`).
"""

from fallrisk_assets.alerts.rules import RULES, SEVERITIES, STATES
from fallrisk_assets.contract import (
    Contract,
    Date,
    Float32,
    Int32,
    Int64,
    Rule,
    String,
    Timestamp,
    column,
    table,
)

DEVICE_STATES = ("OK", "LOW_BATTERY", "NOT_WORN", "SILENT", "UNREGISTERED")


@table(
    name="device_states",
    namespace="curated",
    grain="one row per device, patient it is assigned to, and hour",
    key=("device_id", "patient_id", "hour"),
    slice_column="hour",
    slicing="hour",
    person="patient_id",
    sort=("device_id", "patient_id"),
)
class DeviceStates(Contract):
    """How each device does at the end of each hour, as far as the watermark allows to say.

    The facts of the hour itself are kept beside the judgement, so that later hours read one small file for it
    and not the coverage of the whole fleet.
    """

    hour: Timestamp = column(1, "Start of the hour")
    device_id: String = column(2, "Device")
    patient_id: String = column(
        3, "Wearable id of the patient it is assigned to; null when nobody", pii="pseudonym", nullable=True
    )
    state: String = column(4, "The gravest state that holds", isin=DEVICE_STATES)
    since: Timestamp = column(5, "Since when it holds, at most the look-back ago")
    detail: String = column(6, "The reason in words, with figures")
    as_of: Timestamp = column(7, "Up to when the hour was known: its end or the watermark")
    received_lines: Int64 = column(8, "Lines received in this hour", unit="1", ge=0)
    wear_fraction: Float32 = column(9, "Share of the sampled time worn", unit="1", nullable=True, ge=0, le=1)
    battery_fraction: Float32 = column(10, "Battery at the last sample", unit="1", nullable=True, ge=0, le=1)


class _AlertColumns(Contract):
    """The columns that hourly and daily alerts share; field ids 1 to 18."""

    alert_id: String = column(1, "uuid5 of patient (device, scope), rule and opening")
    patient_id: String = column(
        2, "Wearable patient id; null for a device that nobody wears", pii="pseudonym", nullable=True
    )
    device_id: String = column(3, "Device seen first; null when none is involved", nullable=True)
    rule: String = column(4, "What was seen", isin=tuple(RULES))
    severity: String = column(5, "Gravest of its observations", isin=SEVERITIES)
    opened_at: Timestamp = column(6, "Time of the first observation")
    last_seen_at: Timestamp = column(7, "Time of the last observation")
    n: Int32 = column(8, "Observations: falls, device-hours or days", ge=1)
    state: String = column(9, "State as of `as_of`", isin=STATES)
    escalation_level: Int32 = column(10, "0: first contact; each level is the next one", ge=0)
    acknowledged_at: Timestamp = column(11, "First acknowledgement or assignment", nullable=True)
    assigned_to: String = column(12, "Staff id of who has it", pii="pseudonym", nullable=True)
    snoozed_until: Timestamp = column(13, "End of the running or last snooze", nullable=True)
    closed_at: Timestamp = column(14, "When it was closed or resolved", nullable=True)
    notes: Int32 = column(15, "Notes that people added", ge=0)
    source_ids: String = column(16, "JSON list of the observations' ids")
    transitions: String = column(17, "JSON list of all transitions so far: kind, at, level, by")
    as_of: Timestamp = column(18, "Up to when time counted: slice end or watermark")


_RULES = (
    Rule("last_seen_at", "ge", "opened_at", "SEEN_BEFORE_OPENED"),
    Rule("closed_at", "ge", "opened_at", "CLOSED_BEFORE_OPENED"),
)


@table(
    name="alerts",
    namespace="curated",
    grain="one row per alert and hour in which it was unfinished or changed; the last row is its latest",
    key=("alert_id", "hour"),
    slice_column="hour",
    slicing="hour",
    person="patient_id",
    sort=("opened_at", "alert_id"),
    rules=_RULES,
)
class Alerts(_AlertColumns):
    """Alerts from detected falls and device states."""

    hour: Timestamp = column(23, "Start of the hour that this row describes")


@table(
    name="index_alerts",
    namespace="curated",
    grain="one row per alert and day on which it was unfinished or changed; the last row is its latest",
    key=("alert_id", "day"),
    slice_column="day",
    slicing="day",
    person="patient_id",
    sort=("opened_at", "alert_id"),
    rules=_RULES,
)
class IndexAlerts(_AlertColumns):
    """Alerts on the 12-month index: its level, and its change against the person's baseline."""

    day: Date = column(23, "Day that this row describes")


@table(
    name="operations_alerts",
    namespace="curated",
    grain="one row per alert and day on which it was unfinished or changed; the last row is its latest",
    key=("alert_id", "day"),
    slice_column="day",
    slicing="day",
    person="patient_id",
    sort=("opened_at", "alert_id"),
    rules=_RULES,
)
class OperationsAlerts(_AlertColumns):
    """Alerts on the clinic's running: monitoring rules that fire. They concern no patient and no device."""

    day: Date = column(23, "Day that this row describes")
    scope: String = column(24, "Indicator or table that it is about")


ALERT_TABLES = (Alerts, IndexAlerts, OperationsAlerts)
"""Every table of alerts; people act on all of them in the same way."""


@table(
    name="alert_actions",
    namespace="curated",
    grain="one row per action of a person",
    key=("action_id",),
    slice_column="at",
    slicing="hour",
    person="subject",
    sort=("at", "action_id"),
)
class AlertActions(Contract):
    """What people did about alerts: append-only, folded into the alerts' states."""

    action_id: String = column(1, "uuid5 of the whole action")
    alert_id: String = column(2, "Alert as the person saw it")
    subject: String = column(3, "Its wearable patient id, else device id, else scope", pii="pseudonym")
    rule: String = column(4, "Its rule", isin=tuple(RULES))
    opened_at: Timestamp = column(5, "Its opening as the person saw it")
    kind: String = column(
        6, "What was done", isin=("acknowledge", "assign", "note", "snooze", "close"), reason="ACTION_UNKNOWN"
    )
    by: String = column(7, "Staff id of who did it", pii="pseudonym")
    at: Timestamp = column(8, "When")
    to: String = column(9, "Assigned to whom", pii="pseudonym", nullable=True)
    until: Timestamp = column(10, "Snoozed until", nullable=True)
    outcome: String = column(
        11, "Closed as confirmed, false or device", nullable=True, isin=("confirmed", "false", "device")
    )
    text: String = column(12, "Free text", pii="sensitive", nullable=True)
