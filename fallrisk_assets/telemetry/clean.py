"""Rows of one device and hour, judged: clean samples, duplicates, quarantined lines; together all that came.

Belongs here: whose sample it is, which copies are one sample, units and ranges. Does not belong here: reading
lines (`parse.py`), what the hour is worth (`coverage.py`).

Law: lines in = clean samples + duplicates + quarantined lines, for each patient and in sum; and apart from
the drop that a line is reported under, the result does not depend on how rows were split over drops.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fallrisk_assets.telemetry.copies import find_copies, keys_increase, time_order
from fallrisk_assets.telemetry.gather import DeviceRows
from fallrisk_assets.telemetry.reasons import Reason
from fallrisk_assets.telemetry.units import (
    G_PER_UNIT,
    MAX_ACCEL_G,
    MAX_GYRO_DPS,
    UnitFinding,
    declared_unit,
    judge_unit,
    out_of_range,
)

UNASSIGNED = -1

# Which rows, in time order. The whole hour as it came is a slice: then nothing is copied.
Order = slice | np.ndarray
WHOLE = slice(None)


@dataclass(frozen=True, slots=True)
class Assignment:
    """A device worn by a patient during [from_us, to_us), epoch microseconds; `to_us` None: still worn."""

    patient_id: str
    from_us: int
    to_us: int | None
    position: str


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Refused lines of an hour, ordered by drop and line.

    `finding` indexes `findings` (reason, detail). `patient` is the patient that the message claims, empty
    where it could not be read. `payload` is None where the drop must be asked (`gather.line_payloads`).
    """

    drop_index: np.ndarray
    line_number: np.ndarray
    ts_us: np.ndarray
    finding: np.ndarray
    findings: list[tuple[Reason, str]]
    patient: list[str]
    payload: list[str | None]

    def by_reason(self) -> dict[str, int]:
        """Number of lines by reason code, sorted by code."""
        counts: dict[str, int] = {}
        for finding, n in enumerate(np.bincount(self.finding, minlength=len(self.findings)).tolist()):
            reason = self.findings[finding][0].value
            counts[reason] = counts.get(reason, 0) + n
        return {reason: n for reason, n in sorted(counts.items()) if n}


@dataclass(frozen=True, slots=True)
class PatientLines:
    """Line counts of one patient in the hour; the empty id is for lines that nobody is assigned to."""

    received: int
    duplicates: int
    quarantined: int
    unit_mismatches: int


@dataclass(frozen=True, slots=True)
class CleanedHour:
    """Clean samples of one device and hour, sorted by (ts, boot, seq), unique on (boot, seq).

    `accel_g` (n, 3) is in g, `gyro_dps` (n, 3) in deg/s, NaN where `has_gyro` is False. `patient_code`
    indexes `patients` (by the assignment), `position_code` indexes `positions`. `lines` counts per patient
    id; `units` holds what gravity said per firmware, of its refused minutes where there are any.
    """

    device_id: str
    hour_start_us: int
    ts_us: np.ndarray
    boot: np.ndarray
    seq: np.ndarray
    accel_g: np.ndarray
    gyro_dps: np.ndarray
    has_gyro: np.ndarray
    battery: np.ndarray
    patient_code: np.ndarray
    patients: list[str]
    position_code: np.ndarray
    positions: list[str]
    firmware_code: np.ndarray
    firmwares: list[str]
    drop_keys: list[str]
    drop_received_us: np.ndarray
    drop_last_ts_us: np.ndarray
    assignments: list[Assignment]
    received_lines: int
    duplicate_lines: int
    quarantine: Quarantine
    lines: dict[str, PatientLines]
    units: dict[str, UnitFinding]

    @property
    def rows(self) -> int:
        """Number of clean samples."""
        return int(self.ts_us.size)


class _Verdicts:
    """The first fault found in each row: -1 none yet."""

    def __init__(self, n: int):
        self.finding = np.full(n, -1, np.int32)
        self.findings: list[tuple[Reason, str]] = []

    def refuse(self, rows: Order, reason: Reason, detail: str) -> None:
        """Refuse the rows of an index array, mask or slice."""
        self.finding[rows] = len(self.findings)
        self.findings.append((reason, detail))

    @property
    def good(self) -> Order:
        return np.flatnonzero(self.finding < 0) if self.findings else WHOLE


def clean_device_hour(rows: DeviceRows, assignments: Sequence[Assignment], hour_start_us: int) -> CleanedHour:
    """Judge the rows of one device and hour.

    In this order, a row is quarantined when its message names another device than the drop
    (DEVICE_MISMATCH), no assignment knows the device (UNKNOWN_DEVICE), nobody or more than one patient is
    assigned at its time (DEVICE_NOT_ASSIGNED), it claims another patient than the assigned one
    (PATIENT_MISMATCH), rows with its (boot, seq) differ in time, values, battery or firmware
    (DUPLICATE_CONFLICT, all of them), gravity in its minute says another unit than its firmware is declared
    to send (UNIT_MISMATCH), or a value exceeds any sensor (VALUE_OUT_OF_RANGE). Of equal rows the first by
    (received_at, drop key, line) stays. Lines of a log's message that an earlier drop holds are duplicates
    before any of this.

    Args:
        rows: from `gather_device_hour`.
        assignments: all of this device, of any time, in any order; empty when nothing knows it.
        hour_start_us: start of the hour in epoch microseconds.
    """
    known = sorted(set(assignments), key=lambda a: (a.from_us, a.patient_id, a.to_us or 0, a.position))
    verdicts = _Verdicts(rows.rows)
    who, patients, where, positions = _assign(rows, known, verdicts)
    order = _in_time_order(rows, verdicts.good)
    order, duplicates = _unique(rows, order, verdicts)
    picked = {
        "ts_us": rows.ts_us,
        "boot": rows.boot,
        "seq": rows.seq,
        "accel_g": rows.accel,
        "gyro_dps": rows.gyro_dps,
        "has_gyro": rows.has_gyro,
        "battery": rows.battery,
        "patient_code": who,
        "position_code": where,
        "firmware_code": rows.firmware_code,
    }
    if not isinstance(order, slice):
        picked = {name: np.take(values, order, axis=0) for name, values in picked.items()}
    units, good = _to_g(picked, rows.firmwares, order, verdicts)
    outside = good & out_of_range(picked["accel_g"], picked["gyro_dps"], picked["has_gyro"])
    if outside.any():
        limits = f"an axis exceeds {MAX_ACCEL_G:g} g or {MAX_GYRO_DPS:g} deg/s"
        verdicts.refuse(_indices(order, rows.rows)[outside], Reason.VALUE_OUT_OF_RANGE, limits)
        good &= ~outside
    if not good.all():
        picked = {name: values[good] for name, values in picked.items()}
    quarantine = _quarantine(rows, verdicts)
    return CleanedHour(
        device_id=rows.device_id,
        hour_start_us=hour_start_us,
        patients=patients,
        positions=positions,
        firmwares=rows.firmwares,
        drop_keys=rows.drop_keys,
        drop_received_us=rows.drop_received_us,
        drop_last_ts_us=rows.drop_last_ts_us,
        assignments=known,
        received_lines=rows.rows + len(rows.refused) + rows.repeated_us.size,
        duplicate_lines=int(duplicates.size) + rows.repeated_us.size,
        quarantine=quarantine,
        lines=_count_lines(rows, known, who, patients, duplicates, verdicts),
        units=units,
        **picked,
    )


def assigned_patient(assignments: Sequence[Assignment], ts_us: int) -> str:
    """Patient who wore the device at a time; empty when nobody did or the assignments contradict."""
    found = {a.patient_id for a in assignments if a.from_us <= ts_us and (a.to_us is None or ts_us < a.to_us)}
    return found.pop() if len(found) == 1 else ""


def _assign(
    rows: DeviceRows, known: Sequence[Assignment], verdicts: _Verdicts
) -> tuple[np.ndarray, list[str], np.ndarray, list[str]]:
    """Who wore the device where, row by row; refuses rows of other devices, of nobody, and wrong claims."""
    n = rows.rows
    patients = sorted({a.patient_id for a in known})
    positions = sorted({a.position for a in known})
    who = np.full(n, UNASSIGNED, np.int16)
    where = np.zeros(n, np.int16)
    contradicted = np.zeros(n, np.bool_)
    first_us, last_us = (int(rows.ts_us.min()), int(rows.ts_us.max())) if n else (0, -1)
    for a in known:
        to_us = last_us + 1 if a.to_us is None else a.to_us
        if a.from_us > last_us or to_us <= first_us:
            continue
        at = (rows.ts_us >= a.from_us) & (rows.ts_us < to_us)
        code = patients.index(a.patient_id)
        contradicted |= at & (who != UNASSIGNED) & (who != code)
        who[at] = code
        where[at] = positions.index(a.position)
    who[contradicted] = UNASSIGNED
    for code, device in enumerate(rows.devices):
        if device != rows.device_id:
            foreign = rows.device_code == code
            if foreign.any():
                verdicts.refuse(foreign, Reason.DEVICE_MISMATCH, f"the message names device {device[:64]!r}")
    open_rows = verdicts.finding < 0
    if not known:
        if open_rows.any():
            verdicts.refuse(open_rows, Reason.UNKNOWN_DEVICE, f"no assignment knows device {rows.device_id}")
        return who, patients, where, positions
    for rows_at, detail in (
        (open_rows & contradicted, "the assignments name more than one patient at this time"),
        (open_rows & (who == UNASSIGNED) & ~contradicted, "no patient is assigned at this time"),
    ):
        if rows_at.any():
            verdicts.refuse(rows_at, Reason.DEVICE_NOT_ASSIGNED, detail)
    right_code = np.array([rows.patients.index(p) if p in rows.patients else -2 for p in patients], np.int16)
    wrong = (right_code[who] != rows.patient_code) & (verdicts.finding < 0)
    if wrong.any():
        # The claimed id is in its own column: a detail is no place for two patients' ids.
        verdicts.refuse(
            wrong, Reason.PATIENT_MISMATCH, "the message claims another patient than the assignment"
        )
    return who, patients, where, positions


def _patients_at(ts_us: np.ndarray, known: Sequence[Assignment], patients: Sequence[str]) -> np.ndarray:
    """Code of the patient who wore the device at each time, `UNASSIGNED` as of `assigned_patient`."""
    who = np.full(ts_us.size, UNASSIGNED, np.int16)
    contradicted = np.zeros(ts_us.size, np.bool_)
    for a in known:
        at = ts_us >= a.from_us if a.to_us is None else (ts_us >= a.from_us) & (ts_us < a.to_us)
        code = patients.index(a.patient_id)
        contradicted |= at & (who != UNASSIGNED) & (who != code)
        who[at] = code
    who[contradicted] = UNASSIGNED
    return who


def _indices(order: Order, n: int) -> np.ndarray:
    return np.arange(n) if isinstance(order, slice) else order


def _in_time_order(rows: DeviceRows, good: Order) -> Order:
    """Rows by (ts, boot, seq), equal ones by provenance, which is the row order."""
    order = time_order(rows.ts_us[good], rows.boot[good], rows.seq[good])
    return good if order is None else _indices(good, rows.rows)[order]


def _unique(rows: DeviceRows, order: Order, verdicts: _Verdicts) -> tuple[Order, np.ndarray]:
    """Rows that stay, in time order, and the duplicates among them; refuses conflicting copies."""
    if keys_increase(rows.boot[order], rows.seq[order]):
        return order, np.empty(0, np.int64)
    indices = _indices(order, rows.rows)
    duplicates, conflicting = find_copies(rows, indices)
    if conflicting.size:
        verdicts.refuse(
            conflicting, Reason.DUPLICATE_CONFLICT, "lines with the same device, boot and seq differ"
        )
    gone = np.zeros(rows.rows, np.bool_)
    gone[duplicates] = True
    gone[conflicting] = True
    return indices[~gone[indices]], duplicates


def _to_g(
    picked: dict[str, np.ndarray], firmwares: list[str], order: Order, verdicts: _Verdicts
) -> tuple[dict[str, UnitFinding], np.ndarray]:
    """Convert the picked acceleration to g, and tell which of the picked rows are in a declared unit.

    Refuses the minutes of a firmware in which the unit is not what is declared.
    """
    units: dict[str, UnitFinding] = {}
    codes = picked["firmware_code"]
    good = np.ones(codes.size, np.bool_)
    for code in np.flatnonzero(np.bincount(codes, minlength=len(firmwares))).tolist():
        firmware = firmwares[code]
        mine: Order = WHOLE if len(firmwares) == 1 else np.flatnonzero(codes == code)
        unit = declared_unit(firmware)
        wrong, units[firmware] = judge_unit(picked["ts_us"][mine], picked["accel_g"][mine], unit)
        if wrong is not None:
            detail = f"firmware {firmware[:32]!r} should send {unit}, but {units[firmware].explain()}"
            refused = np.flatnonzero(wrong) if isinstance(mine, slice) else mine[wrong]
            verdicts.refuse(_indices(order, verdicts.finding.size)[refused], Reason.UNIT_MISMATCH, detail)
            good[refused] = False
        if unit != "g":
            # A copy: without an order, the picked rows are the drop's own.
            picked["accel_g"] = picked["accel_g"].copy()
            picked["accel_g"][mine] *= np.float32(G_PER_UNIT[unit])
    return units, good


def _quarantine(rows: DeviceRows, verdicts: _Verdicts) -> Quarantine:
    bad = np.flatnonzero(verdicts.finding >= 0)
    findings = list(verdicts.findings)
    codes = {finding: code for code, finding in enumerate(findings)}
    refused_codes = []
    for line in rows.refused:
        finding = (line.reason, line.detail)
        if finding not in codes:
            codes[finding] = len(findings)
            findings.append(finding)
        refused_codes.append(codes[finding])
    refused = rows.refused
    drop_index = np.r_[rows.drop_index[bad], np.array([r.drop_index for r in refused], np.int32)]
    line_number = np.r_[rows.line_number[bad], np.array([r.line_number for r in refused], np.int32)]
    ts_us = np.r_[rows.ts_us[bad], np.array([r.ts_us for r in refused], np.int64)]
    finding_code = np.r_[verdicts.finding[bad], np.array(refused_codes, np.int32)]
    patient = [rows.patients[code] for code in rows.patient_code[bad].tolist()] + [""] * len(refused)
    unread: list[str | None] = [None] * bad.size
    payload = unread + [r.payload for r in refused]
    order = np.lexsort((line_number, drop_index))
    return Quarantine(
        drop_index=drop_index[order],
        line_number=line_number[order],
        ts_us=ts_us[order],
        finding=finding_code[order],
        findings=findings,
        patient=[patient[i] for i in order.tolist()],
        payload=[payload[i] for i in order.tolist()],
    )


def _count_lines(
    rows: DeviceRows,
    known: Sequence[Assignment],
    who: np.ndarray,
    patients: list[str],
    duplicates: np.ndarray,
    verdicts: _Verdicts,
) -> dict[str, PatientLines]:
    """Line counts by patient id; unassigned lines under the empty id."""
    bins = len(patients) + 1
    quarantined = verdicts.finding >= 0
    mismatch = [code for code, (reason, _) in enumerate(verdicts.findings) if reason is Reason.UNIT_MISMATCH]

    def count(codes: np.ndarray) -> np.ndarray:
        return np.bincount(codes.astype(np.int64) + 1, minlength=bins)

    repeated = count(_patients_at(rows.repeated_us, known, patients))
    received, dup, bad = count(who) + repeated, count(who[duplicates]) + repeated, count(who[quarantined])
    unit = count(who[np.isin(verdicts.finding, mismatch)] if mismatch else who[:0])
    for line in rows.refused:
        patient = assigned_patient(known, line.ts_us)
        place = patients.index(patient) + 1 if patient else 0
        received[place] += 1
        bad[place] += 1
    return {
        patient: PatientLines(int(received[i]), int(dup[i]), int(bad[i]), int(unit[i]))
        for i, patient in enumerate(["", *patients])
        if received[i]
    }
