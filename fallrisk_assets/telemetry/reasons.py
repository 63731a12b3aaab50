"""The reasons for which a telemetry file, line or sample is refused, and what to do about each.

Belongs here: the codes and their meaning. Does not belong here: the rules that find them.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Reason code of a refusal, as written to the quarantine."""

    LINE_NOT_JSON = "LINE_NOT_JSON"
    FIELD_MISSING = "FIELD_MISSING"
    FIELD_WRONG_TYPE = "FIELD_WRONG_TYPE"
    VALUE_NOT_FINITE = "VALUE_NOT_FINITE"
    VALUE_OUT_OF_RANGE = "VALUE_OUT_OF_RANGE"
    TIME_IMPLAUSIBLE = "TIME_IMPLAUSIBLE"
    DEVICE_MISMATCH = "DEVICE_MISMATCH"
    UNKNOWN_DEVICE = "UNKNOWN_DEVICE"
    DEVICE_NOT_ASSIGNED = "DEVICE_NOT_ASSIGNED"
    PATIENT_MISMATCH = "PATIENT_MISMATCH"
    DUPLICATE_CONFLICT = "DUPLICATE_CONFLICT"
    UNIT_MISMATCH = "UNIT_MISMATCH"
    SCHEMA_VERSION_UNKNOWN = "SCHEMA_VERSION_UNKNOWN"
    FILE_UNREADABLE = "FILE_UNREADABLE"
    FILE_NAME_INVALID = "FILE_NAME_INVALID"


WHAT_TO_DO: dict[Reason, str] = {
    Reason.LINE_NOT_JSON: "Cut off, garbled, or a key twice in it: ask the gateway to send the drop again.",
    Reason.FIELD_MISSING: "A required field is absent: check the firmware's message version.",
    Reason.FIELD_WRONG_TYPE: "A field has a wrong type: check the firmware's message version.",
    Reason.VALUE_NOT_FINITE: "The sensor reported NaN or infinity: check the device.",
    Reason.VALUE_OUT_OF_RANGE: "Beyond what a sensor can measure: check the device and its units.",
    Reason.TIME_IMPLAUSIBLE: "The device clock disagrees with the time of receipt: set the device's clock.",
    Reason.DEVICE_MISMATCH: "The message names another device than the drop: check the gateway's routing.",
    Reason.UNKNOWN_DEVICE: "No assignment knows this device: register it, then replay the quarantine.",
    Reason.DEVICE_NOT_ASSIGNED: "Nobody wore the device at that time: complete the assignment, then replay.",
    Reason.PATIENT_MISMATCH: "It claims another patient than the assignment: correct one, then replay.",
    Reason.DUPLICATE_CONFLICT: "Different samples share (device, boot, seq): check the device's counters.",
    Reason.UNIT_MISMATCH: "Gravity is not 1 g, and no firmware rule says why: declare it, then replay.",
    Reason.SCHEMA_VERSION_UNKNOWN: "This version cannot be read yet: update the reader, then replay.",
    Reason.FILE_UNREADABLE: "The file is truncated or corrupt: ask the gateway to send it again.",
    Reason.FILE_NAME_INVALID: "Not <receivedAt>-<deviceId>-<sha8>.<format>: rename and drop again.",
}
