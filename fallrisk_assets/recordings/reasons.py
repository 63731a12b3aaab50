"""Why a recording, or a part of one, is not used, and what to do about it.

Belongs here: the codes and their meaning; those that telemetry knows have its names. Does not belong here:
the rules that find them (`quality`, the readers).
"""

from enum import StrEnum


class Reason(StrEnum):
    """Reason code of a `Skipped`."""

    FILE_UNREADABLE = "FILE_UNREADABLE"
    FILE_NAME_INVALID = "FILE_NAME_INVALID"
    FIELD_MISSING = "FIELD_MISSING"
    NUMBER_CORRUPTED = "NUMBER_CORRUPTED"
    POSITION_NOT_RECORDED = "POSITION_NOT_RECORDED"
    POSITION_UNKNOWN = "POSITION_UNKNOWN"
    LABEL_MISSING = "LABEL_MISSING"
    LABEL_INVALID = "LABEL_INVALID"
    BLOCK_CORRUPTED = "BLOCK_CORRUPTED"
    TIME_BACKWARDS = "TIME_BACKWARDS"
    TOO_SHORT = "TOO_SHORT"
    RATE_IMPLAUSIBLE = "RATE_IMPLAUSIBLE"
    VALUE_NOT_FINITE = "VALUE_NOT_FINITE"
    VALUE_OUT_OF_RANGE = "VALUE_OUT_OF_RANGE"
    UNIT_MISMATCH = "UNIT_MISMATCH"
    FLAT = "FLAT"
    SATURATED = "SATURATED"
    ORIENTATION_JUMP = "ORIENTATION_JUMP"


WHAT_TO_DO: dict[Reason, str] = {
    Reason.FILE_UNREADABLE: "Not what its name says, or cut off: fetch the file again from its publisher.",
    Reason.FILE_NAME_INVALID: "The name does not tell what was recorded: name it as the data set does.",
    Reason.FIELD_MISSING: "A column is absent: check that this is the data set's own version of the file.",
    Reason.NUMBER_CORRUPTED: "Cells are no numbers (spreadsheets do this): fetch the file again.",
    Reason.POSITION_NOT_RECORDED: "The trial has no sensor at this position: nothing to do.",
    Reason.POSITION_UNKNOWN: "The file does not tell where it was worn: say it with a position.",
    Reason.LABEL_MISSING: "No label tells what this is, or when the impact was: add it to the label file.",
    Reason.LABEL_INVALID: "The label lies outside the recording or contradicts itself: mend the label file.",
    Reason.BLOCK_CORRUPTED: "A block's checksum is wrong, its samples are left out: copy the device again.",
    Reason.TIME_BACKWARDS: "The clock was set back while recording, the order is unknown: leave it out.",
    Reason.TOO_SHORT: "Too short to tell a rate or a movement: leave it out.",
    Reason.RATE_IMPLAUSIBLE: "The rate is outside 15 to 220 Hz: check the unit of time.",
    Reason.VALUE_NOT_FINITE: "NaN or infinity among the accelerations: leave it out.",
    Reason.VALUE_OUT_OF_RANGE: "Beyond what the sensor can measure: check the units.",
    Reason.UNIT_MISMATCH: "Gravity is not 1 g: check the unit of acceleration.",
    Reason.FLAT: "The sensor's values do not change: it was stuck.",
    Reason.SATURATED: "Accelerations are cut at the sensor's range: use a sensor of wider range.",
    Reason.ORIENTATION_JUMP: "The axes turn without the body turning: the sensor was remounted or remapped.",
}


class Unusable(Exception):
    """A file or recording cannot be used; caught where files are read one by one and made a `Skipped`."""

    def __init__(self, reason: Reason, detail: str, rows: int = 0, bad_rows: int = 0) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail, self.rows, self.bad_rows = reason, detail, rows, bad_rows
