"""Devices that do not behave: reassigned mid-day, unknown, no longer assigned, wrong units, wrong rate.

What belongs here: faults of whole devices, as changes to a plan. What does not: faults of lines and files
(`faults`).
"""

from dataclasses import replace

from simulator.day import DayPlan
from simulator.devices import FIRMWARE_MS2, STANDARD_GRAVITY, Assignment, Plan, Session, Wearer, rng_of

EXTRA_MINUTES = 2
HANDOVER_MS = 120_000


def add_misfits(plan: Plan, wanted: dict[str, int], seed: int) -> list[str]:
    """Change `plan` for each wanted device fault; returns the faults that found no room."""
    missing = []
    if wanted.get("reassigned_device") and not _reassign(plan, seed):
        missing.append("reassigned_device")
    first = plan.sessions[0] if plan.sessions else None
    if first is None:
        return missing
    month_ms = 30 * 86_400_000
    after = _second_device_time(plan)
    if wanted.get("unknown_device"):
        _extra(plan, "imu-99901", first, first.start_ms + 600_000, "unknown_device", seed)
    if wanted.get("unassigned_device"):
        _extra(plan, "imu-99902", first, first.start_ms + 900_000, "unassigned_device", seed)
        begin = first.start_ms - 2 * month_ms
        plan.assignments.append(
            Assignment("imu-99902", first.wearer.patient_id, begin, begin + month_ms, "waist")
        )
    owner, at_ms = after
    if wanted.get("ms2_firmware"):
        _extra(plan, "imu-99904", owner, at_ms, "ms2_firmware", seed)
        plan.assignments.append(
            Assignment("imu-99904", owner.wearer.patient_id, at_ms - 3_600_000, None, "waist")
        )
    if wanted.get("implausible_rate"):
        at_ms += 1_800_000
        _extra(plan, "imu-99903", owner, at_ms, "implausible_rate", seed)
        plan.assignments.append(
            Assignment("imu-99903", owner.wearer.patient_id, at_ms - 3_600_000, None, "waist")
        )
    return missing


def _second_device_time(plan: Plan) -> tuple[Session, int]:
    """The session with the earliest end, and a time after it at which its wearer tries a second device."""
    session = min(plan.sessions, key=lambda s: s.end_ms)
    return session, session.end_ms + 600_000


def _extra(plan: Plan, device_id: str, like: Session, start_ms: int, fault: str, seed: int) -> None:
    rate_hz = 1.0 if fault == "implausible_rate" else like.rate_hz
    seconds = EXTRA_MINUTES * 60
    start_ms -= start_ms % 60_000
    session = replace(
        like,
        device_id=device_id,
        boot=1,
        start_ms=start_ms,
        samples=int(seconds * rate_hz),
        rate_hz=rate_hz,
        plan=replace(
            like.plan, length_s=float(seconds), falls=0, near_falls=0, confuser_rounds=0, shower=False
        ),
        seed=int(rng_of(seed, fault).integers(0, 2**63)),
        labelled=False,
        fault=fault,
    )
    if fault == "ms2_firmware":
        session = replace(session, firmware=FIRMWARE_MS2, unit=STANDARD_GRAVITY)
    plan.sessions.append(session)


def _reassign(plan: Plan, seed: int) -> bool:
    """Give the last wearer's device to somebody else in the middle of its last session."""
    sessions = [s for s in plan.sessions if s.samples / s.rate_hz >= 900.0]
    if not sessions:
        return False
    device_id = sessions[-1].device_id
    old = max((s for s in sessions if s.device_id == device_id), key=lambda s: s.start_ms)
    receiver = _receiver(plan, old)
    if receiver is None:
        return False
    half = old.samples // 2
    pause = int(HANDOVER_MS * old.rate_hz / 1000)
    rest = old.samples - half - pause
    first = replace(old, samples=half, plan=replace(old.plan, length_s=half / old.rate_hz, shower=False))
    begin_ms = first.end_ms + HANDOVER_MS
    second = replace(
        old,
        wearer=receiver,
        boot=old.boot + 1,
        start_ms=begin_ms,
        samples=rest,
        plan=DayPlan(rest / old.rate_hz, old.plan.local_start_h, 0, 0, 1, False, old.position),
        seed=int(rng_of(seed, "reassigned").integers(0, 2**63)),
        battery=old.battery - old.drain_per_h * half / old.rate_hz / 3600.0,
        fault="reassigned_device",
    )
    at = plan.sessions.index(old)
    plan.sessions[at : at + 1] = [first, second]
    for i, row in enumerate(plan.assignments):
        if row.device_id == device_id and row.to_ms is None:
            plan.assignments[i] = replace(row, to_ms=first.end_ms)
    plan.assignments.append(
        Assignment(device_id, receiver.patient_id, first.end_ms + HANDOVER_MS // 2, None, old.position)
    )
    return True


def _receiver(plan: Plan, old: Session) -> Wearer | None:
    """Somebody who wears nothing else at that time."""
    for wearer in plan.wearers:
        busy = any(
            s.wearer is wearer and s.start_ms < old.end_ms and s.end_ms > old.start_ms for s in plan.sessions
        )
        if wearer is not old.wearer and not busy:
            return wearer
    return None
