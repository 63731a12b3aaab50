"""A clinic's operations over some days: everything is played, the drops and the truth are written.

What belongs here: putting the parts together. What does not: the parts. Same options give the same bytes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from simulator.appointments import COMPLETED, Visit, plan_appointments
from simulator.clinic_day import (
    EXPORT_DROP,
    FEEDBACK_DROP,
    LOG_DROPS,
    Drops,
    Line,
    event_lines,
    record_line,
    write_array,
    write_lines,
)
from simulator.clinic_faults import (
    IN_TABLES,
    LATE_LINE,
    MAKERS,
    REPEATED_LINE,
    ClinicFault,
    late,
    other_record,
)
from simulator.clinic_feedback import Answer, answers_of
from simulator.clinic_log import ClinicPatient, patients_csv
from simulator.clinic_people import (
    Provider,
    draw_other_patients,
    draw_providers,
    draw_visitors,
    on_day,
    providers_csv,
)
from simulator.clinic_rates import MODES
from simulator.drops import stamp, write_atomically
from simulator.truth import csv_text, write_rows

_BOOKED_BEFORE = timedelta(days=120)
_EXPORTED = timedelta(days=60)
_TRUTH_COLUMNS = (
    "appointment_id",
    "patient_id",
    "provider_id",
    "booked_at",
    "scheduled_start_at",
    "appointment_type",
    "mode",
    "lead_time",
    "no_show_probability",
    "status",
    "told_as",
    "wait_minutes",
    "duration_minutes",
    "technical_issues",
    "rescheduled_from",
    "rescheduled_to",
)


@dataclass(frozen=True)
class OperationsOptions:
    """What to simulate.

    `providers` of them work in the clinic; `visits_per_year` is the mean of a patient without a device (a
    wearer's is twice that); `modes` is one of `clinic_rates.MODES`; `faults` counts mistakes by name.
    """

    start: date
    days: int
    seed: int
    providers: int
    visits_per_year: float = 12.0
    modes: str = "telemedicine"
    faults: dict[str, int] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse options that make no sense, saying which and why."""
        if self.providers < 1 or self.days < 1 or self.visits_per_year <= 0:
            raise ValueError("providers, days and visits per year must be positive")
        if self.modes not in MODES:
            raise ValueError(f"modes {self.modes!r} are none of {', '.join(MODES)}")


@dataclass(frozen=True)
class OperationsResult:
    """What was written: appointments, answers, faults by name, faults without room, and drops."""

    appointments: int
    answers: int
    faults: dict[str, int]
    faults_without_room: dict[str, int]
    keys: list[str] = field(repr=False)


def write_operations(
    landing: Path,
    truth: Path | None,
    patients: Sequence[ClinicPatient],
    wearers: int,
    options: OperationsOptions,
) -> OperationsResult:
    """Play a clinic's operations and write its drops, and the truth beside them.

    On the first day the older system's appointments of two months are exported in the older form; everything
    booked for later comes as events.

    Args:
        landing: landing zone; drops go to `clinic/` below it.
        truth: folder of the truth, or None.
        patients: rows of `patients.csv`, wearers first.
        wearers: how many of them wear a device.
        options: what to simulate.

    Raises:
        ValueError: an option makes no sense.
    """
    providers, visits = planned_visits(patients, wearers, options)
    begin = datetime.combine(options.start, EXPORT_DROP, UTC)
    old = [visit for visit in visits if begin - _EXPORTED <= visit.starts_at < begin - timedelta(hours=5)]
    new = [visit for visit in visits if visit.starts_at >= begin - timedelta(hours=5)]
    answers = [answer for visit in (*old, *new) for answer in answers_of(visit, options.seed)]
    drops = Drops(options.start, options.days)
    faults, without_room, extra_answers = _fill(drops, new, providers, options)
    keys = _write_providers(landing, providers, options)
    keys.append(write_lines(landing, begin, "appointments.jsonl", [record_line(visit) for visit in old]))
    keys += [
        write_lines(landing, at, "appointment_events.jsonl", drops.lines.get(at, [])) for at in drops.times
    ]
    keys += _write_feedback(landing, answers, extra_answers, options)
    if truth is not None:
        _write_truth(truth, old, new, answers, faults)
    counts: dict[str, int] = {}
    for fault in faults:
        counts[fault.fault] = counts.get(fault.fault, 0) + fault.count
    return OperationsResult(len(old) + len(new), len(answers), counts, without_room, sorted(keys))


def planned_visits(
    patients: Sequence[ClinicPatient], wearers: int, options: OperationsOptions
) -> tuple[list[Provider], list[Visit]]:
    """Return who sees patients and all appointments that are played, whoever tells of them afterwards.

    Args:
        patients: rows of `patients.csv`, wearers first.
        wearers: how many of them wear a device.
        options: what to simulate.

    Raises:
        ValueError: an option makes no sense.
    """
    options.check()
    providers = draw_providers(options.providers, options.seed)
    visitors = draw_visitors(list(patients), options.seed, wearers, options.visits_per_year)
    last_day = options.start + timedelta(days=options.days - 1)
    visits = plan_appointments(
        visitors, providers, options.start - _BOOKED_BEFORE, last_day, options.seed, options.modes
    )
    return providers, visits


def simulate_clinic(
    landing: Path, truth: Path | None, patients: int, options: OperationsOptions
) -> OperationsResult:
    """Play a clinic whose patients wear no devices; its `patients.csv` comes on the first day and on Mondays.

    Raises:
        ValueError: an option makes no sense, or the truth lies inside the landing zone.
    """
    options.check()
    if patients < 1:
        raise ValueError("patients must be at least 1")
    if truth is not None and landing.resolve() in [truth.resolve(), *truth.resolve().parents]:
        raise ValueError(
            f"truth folder {truth} lies inside the landing zone {landing}: nobody may see it there"
        )
    people = draw_other_patients(patients, options.seed, options.start)
    for number in range(options.days):
        day = options.start + timedelta(days=number)
        if number == 0 or day.weekday() == 0:
            at = datetime.combine(day, EXPORT_DROP, UTC) - timedelta(minutes=1)
            key = f"clinic/{stamp(int(at.timestamp()))}-patients.csv"
            write_atomically(landing / key, patients_csv(people).encode())
    return write_operations(landing, truth, people, 0, options)


def _fill(
    drops: Drops, visits: Sequence[Visit], providers: Sequence[Provider], options: OperationsOptions
) -> tuple[list[ClinicFault], dict[str, int], list[str]]:
    """Put all lines into their drops, mistakes included."""
    faults: list[ClinicFault] = []
    without_room: dict[str, int] = {}
    answers: list[str] = []
    noon = drops.times[1]
    night = drops.times[len(LOG_DROPS) - 1]
    held = [v for v in visits if v.status == COMPLETED and v.ended_at is not None and v.ended_at < night]
    taken = iter(held)
    lines = {visit.appointment_id: event_lines(visit) for visit in visits}
    extra: list[Line] = []
    for name, count in options.faults.items():
        for number in range(count):
            visit = next(taken, None) if name not in MAKERS else None
            if name in MAKERS:
                made = _mistake(name, number, visits, providers, noon)
                if made is None:
                    without_room[name] = without_room.get(name, 0) + 1
                    continue
                truth, log, feedback = made
                extra += log
                answers += feedback
                faults.append(truth)
                continue
            if visit is None or (name == LATE_LINE and options.days < 2):
                without_room[name] = without_room.get(name, 0) + 1
                continue
            one = visit.appointment_id
            if name == REPEATED_LINE:
                extra.append(lines[one][-1])
            elif name == LATE_LINE:
                lines[one] = late(lines[one], timedelta(days=1))
            else:
                extra.append(other_record(visit))
            faults.append(ClinicFault(name, one, IN_TABLES, "", 1))
    drops.put([*(line for of_visit in lines.values() for line in of_visit), *extra])
    return faults, without_room, answers


def _mistake(
    name: str, number: int, visits: Sequence[Visit], providers: Sequence[Provider], noon: datetime
) -> tuple[ClinicFault, tuple[Line, ...], tuple[str, ...]] | None:
    if not visits:
        return None
    like = visits[number % len(visits)]
    idle = [provider for provider in providers if not provider.active]
    if name == "inactive_provider" and idle:
        like = replace(like, provider=idle[number % len(idle)])
    own = replace(like, appointment_id=f"APT-{name.replace('_', '-')}-{number + 1}", rescheduled_from=None)
    made = MAKERS[name](own, noon - timedelta(minutes=30))
    return None if made is None else (made.truth, made.log, made.feedback)


def _write_providers(landing: Path, providers: list[Provider], options: OperationsOptions) -> list[str]:
    keys = []
    for number in range(options.days):
        at = datetime.combine(options.start + timedelta(days=number), EXPORT_DROP, UTC) - timedelta(minutes=1)
        key = f"clinic/{stamp(int(at.timestamp()))}-providers.csv"
        write_atomically(landing / key, providers_csv(on_day(providers, number)).encode())
        keys.append(key)
    return keys


def _write_feedback(
    landing: Path, answers: Sequence[Answer], extra: Sequence[str], options: OperationsOptions
) -> list[str]:
    """Write each day's answers: an array on the first day, lines on the others."""
    keys = []
    since = datetime.min.replace(tzinfo=UTC)
    for number in range(options.days):
        at = datetime.combine(options.start + timedelta(days=number), FEEDBACK_DROP, UTC)
        given = sorted(
            (one for one in answers if since < one.given_at <= at),
            key=lambda one: (one.given_at, one.feedback_id),
        )
        texts = [json.dumps(one.as_line()) for one in given]
        if number == 0:
            keys.append(write_array(landing, at, "feedback.json", [*texts, *extra]))
        else:
            keys.append(write_lines(landing, at, "feedback.jsonl", texts))
        since = at
    return keys


def _write_truth(
    folder: Path,
    old: Sequence[Visit],
    new: Sequence[Visit],
    answers: Sequence[Answer],
    faults: Sequence[ClinicFault],
) -> None:
    rows = [
        (
            visit.appointment_id,
            visit.visitor.clinic_id,
            visit.provider.provider_id,
            visit.booked_at.isoformat(),
            visit.starts_at.isoformat(),
            visit.type,
            visit.mode,
            visit.lead.name,
            round(visit.no_show_probability, 5),
            visit.status,
            told_as,
            None if visit.wait_minutes is None else round(visit.wait_minutes, 4),
            None if visit.duration_minutes is None else round(visit.duration_minutes, 4),
            len(visit.issues),
            visit.rescheduled_from,
            visit.rescheduled_to,
        )
        for told_as, visits in (("record", old), ("events", new))
        for visit in visits
    ]
    write_atomically(folder / "appointments.csv", csv_text(_TRUTH_COLUMNS, rows).encode())
    columns = [name.name for name in fields(Answer) if name.name not in ("visit", "comments")]
    given = [[a.visit.appointment_id, *(getattr(a, name) for name in columns)] for a in answers]
    write_atomically(folder / "feedback.csv", csv_text(["appointment_id", *columns], given).encode())
    write_rows(folder / "clinic_faults.csv", ClinicFault, faults)
