"""The resources of each patient's day: rows of the day's tables in, resources in bundle order out.

Here: which rows become which resources, and how they refer to each other. Not here: what a resource looks
like (`mapping/`) or where rows come from (`assets.py`).
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from fallrisk_assets.fhir import clinic_day, mapping
from fallrisk_assets.fhir.clinic_day import ClinicDay
from fallrisk_assets.fhir.identifiers import resource_id
from fallrisk_assets.fhir.terminology import MEASURES
from fallrisk_assets.mobility.local_days import local_day_ending_in

Row = Mapping[str, Any]
Resource = dict[str, Any]

PIPELINE = ("Fall risk lakehouse", "1")
"""Name and version of the software that writes the resources; part of its Device's identity."""
DETECTOR, INDEX, ALERTING = "Fall detector", "12-month fall risk index", "Fall risk alerting"

FLAG_GRID = timedelta(days=90)
_EPOCH = date(1970, 1, 1)
_REVIEWS = {"CLOSED_CONFIRMED": "confirmed", "CLOSED_FALSE": "false"}
_INDEX_RULES = ("INDEX_LEVEL", "INDEX_CHANGE")


@dataclass(frozen=True, slots=True)
class DayRows:
    """Rows that one day's bundles are made of, each sequence as its table's contract says.

    Attributes:
        patients: `patients`, one row per patient as of the day; both ids.
        identities: `patient_identity`, one row per patient as of the day: names.
        gait: `daily_gait` of the day; ids of the wearables from here on.
        falls: `fall_events` of the day's hours, and of the days that `falls_reviewed_later` names.
        index: `fall_risk_index` of the day.
        index_history: `fall_risk_index` of earlier days, from `flag_history_start` on.
        alerts: `alerts` of the day's hours; an alert may be there once an hour, the last one counts.
        index_alerts: `index_alerts` of the day.
        appointments: `appointments` of the day; ids of the clinic from here on.
        feedback: `feedback` of the day.
        specialties: Specialty by provider, as the newest list of providers tells it.
    """

    patients: Sequence[Row]
    identities: Sequence[Row]
    gait: Sequence[Row]
    falls: Sequence[Row]
    index: Sequence[Row]
    index_history: Sequence[Row]
    alerts: Sequence[Row]
    index_alerts: Sequence[Row]
    appointments: Sequence[Row] = ()
    feedback: Sequence[Row] = ()
    specialties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PatientDays:
    """Resources by patient of the clinic, and what could not become one.

    Attributes:
        resources: Clinic's patient id → resources, referred-to before referring; patients in order of id.
        unplaced: Table and reason code → rows that became no resource.
        told: Resource type → how many of it the rows of a table must have become, each row one.
        known: References that resolve though their resource is in the bundle of another day.
    """

    resources: dict[str, list[Resource]]
    unplaced: Counter[str]
    known: frozenset[str]
    told: Mapping[str, int] = field(default_factory=dict)


def flag_history_start(day: date) -> date:
    """Return the first day whose index the flag of `day` looks at: 90 to 180 days before.

    It moves once in 90 days, so that a flag that began before it keeps its identity for as long.
    """
    return _EPOCH + FLAG_GRID * ((day - _EPOCH) // FLAG_GRID - 1)


def high_risk_period(history: Iterable[Row], day: date) -> tuple[date, date | None] | None:
    """Return since when a patient has stood at high risk, and the day on which that ended if it is this day.

    A day that was not scored changes nothing: no score is not a low score.

    Args:
        history: Rows of `fall_risk_index` of one patient up to `day`, in any order.
        day: The day.

    Returns:
        `(since, None)` while it stands, `(since, day)` on the day on which it is cleared, else None.
    """
    since: date | None = None
    ended: tuple[date, date | None] | None = None
    for row in sorted(history, key=lambda r: r["day"]):
        if row["status"] != "SCORED" or row["day"] > day:
            continue
        ended = None
        if row["band"] == "high":
            since = since or row["day"]
        elif since is not None:
            ended, since = (since, row["day"]), None
    if since is not None:
        return since, None
    return ended if ended and ended[1] == day else None


def falls_reviewed_later(alerts: Iterable[Row], day: date) -> list[date]:
    """Return the earlier days whose falls a person judged on this day: their Observations are written again.

    Args:
        alerts: Rows of `alerts` of the day's hours.
        day: The day.
    """
    judged = [a for a in alerts if a["rule"] == "FALL_DETECTED" and a["state"] in _REVIEWS]
    days = {moment.date() for a in judged for moment in (a["opened_at"], a["last_seen_at"])}
    return sorted(d for d in days if d < day)


def patient_days(day: date, rows: DayRows, *, test_data: bool) -> PatientDays:
    """Return the resources of every patient with a row that day.

    Args:
        day: The day of the bundles.
        rows: The day's rows.
        test_data: Whether the data are simulated: then each resource is labelled HTEST.
    """
    clinic_id = {p["wearable_patient_id"]: p["patient_id"] for p in rows.patients if p["wearable_patient_id"]}
    patients = {p["patient_id"]: p for p in rows.patients}
    unplaced: Counter[str] = Counter()
    gathered: dict[str, _Day] = defaultdict(_Day)

    def place(table: str, found: Iterable[Row]) -> None:
        for row in found:
            patient_id = clinic_id.get(row["patient_id"]) if row["patient_id"] else None
            if patient_id is None:
                unplaced[f"{table}: {'NO_PATIENT' if not row['patient_id'] else 'NO_CLINIC_ID'}"] += 1
            else:
                getattr(gathered[patient_id], table).append(row)

    place("gait", rows.gait)
    place("falls", _falls_to_tell(day, rows))
    place("index", rows.index)
    place("alerts", _last_versions([*rows.alerts, *rows.index_alerts]))
    history: dict[str, list[Row]] = defaultdict(list)
    for row in (*rows.index_history, *rows.index):
        history[row["patient_id"]].append(row)
    of_clinic, left_out = clinic_day.placed(rows.appointments, rows.feedback, patients)
    identities = {i["patient_id"]: i for i in rows.identities}
    resources: dict[str, list[Resource]] = {}
    known: set[str] = set()
    for patient_id in sorted({*gathered, *of_clinic}):
        builder = _Builder(day, patients[patient_id], identities.get(patient_id), test_data)
        resources[patient_id] = builder.build(
            gathered[patient_id], history[patients[patient_id]["wearable_patient_id"]]
        )
        resources[patient_id] += clinic_day.resources(
            of_clinic.get(patient_id, ClinicDay()),
            builder.patient,
            rows.specialties,
            left_out,
            test_data=test_data,
        )
        known |= builder.known
    told = {
        kind: len(of_table) - sum(n for why, n in left_out.items() if why.startswith(f"{table}:"))
        for kind, table, of_table in (
            ("Appointment", "appointments", rows.appointments),
            ("QuestionnaireResponse", "feedback", rows.feedback),
        )
    }
    return PatientDays(resources, unplaced + left_out, frozenset(known), told)


@dataclass(slots=True)
class _Day:
    """Rows of one patient-day."""

    gait: list[Row] = field(default_factory=list)
    falls: list[Row] = field(default_factory=list)
    index: list[Row] = field(default_factory=list)
    alerts: list[Row] = field(default_factory=list)


def _last_versions(alerts: Iterable[Row]) -> list[Row]:
    """Return each alert once, as the last hour of the day left it."""
    last: dict[str, Row] = {}
    for row in sorted(alerts, key=lambda r: r.get("hour", r["as_of"])):
        last[row["alert_id"]] = row
    return sorted(last.values(), key=lambda r: (r["opened_at"], r["alert_id"]))


def _sources(alert: Row) -> list[str]:
    return (
        json.loads(alert["source_ids"]) if isinstance(alert["source_ids"], str) else list(alert["source_ids"])
    )


def _falls_to_tell(day: date, rows: DayRows) -> list[Row]:
    """Return the falls decided on the day, and earlier ones that a person judged on it, with the review."""
    reviews = {
        source: _REVIEWS[alert["state"]]
        for alert in _last_versions(rows.alerts)
        if alert["rule"] == "FALL_DETECTED" and alert["state"] in _REVIEWS
        for source in _sources(alert)
    }
    return [
        {**fall, "review": reviews.get(fall["event_id"])}
        for fall in sorted(rows.falls, key=lambda f: (f["impact_at"], f["event_id"]))
        if fall["decided_at"].date() == day or fall["event_id"] in reviews
    ]


class _Builder:
    """Builds one patient-day; keeps the devices that its resources refer to."""

    def __init__(
        self,
        day: date,
        row: Row,
        identity: Row | None,
        test_data: bool,
    ) -> None:
        self.day = day
        self.local = local_day_ending_in(day, row["time_zone"])
        self.test_data = test_data
        self.patient = mapping.patient(row, identity, test_data=test_data)
        self.devices: dict[str, Resource] = {}
        self.known: set[str] = set()

    def build(self, found: _Day, history: Sequence[Row]) -> list[Resource]:
        """Return the resources, referred-to before referring."""
        gait = [o for row in found.gait for o in self._gait(row)]
        falls = {
            row["event_id"]: mapping.fall_observation(
                row, self.patient, self._wearable(row["device_id"]), row["review"], test_data=self.test_data
            )
            for row in found.falls
        }
        risk = [
            mapping.risk_assessment(
                row,
                self.local,
                self.patient,
                self._software(INDEX, row["model_version"]),
                [o for o in gait if "valueQuantity" in o],
                test_data=self.test_data,
            )
            for row in found.index
        ]
        flags = self._flags(found.index, history)
        issues = [
            self._high_score(row, r)
            for row, r in zip(found.index, risk, strict=True)
            if row["band"] == "high"
        ]
        alerts = [r for row in found.alerts for r in self._alert(row)]
        self._software(*PIPELINE)
        devices = sorted(self.devices.values(), key=lambda d: d["identifier"][0]["value"])
        return [self.patient, *devices, *gait, *falls.values(), *risk, *flags, *issues, *alerts]

    def _keep(self, device: Resource) -> Resource:
        return self.devices.setdefault(device["id"], device)

    def _wearable(self, device_id: str) -> Resource:
        return self._keep(mapping.wearable(device_id, test_data=self.test_data))

    def _software(self, name: str, version: str) -> Resource:
        return self._keep(mapping.model_software(name, version, test_data=self.test_data))

    def _gait(self, row: Row) -> list[Resource]:
        worn = [self._wearable(device_id) for device_id in row["devices"].split(",")]
        device = worn[0] if len(worn) == 1 else None
        return [
            mapping.gait_observation(row, measure, self.patient, device, test_data=self.test_data)
            for measure in MEASURES
        ]

    def _flags(self, index: Sequence[Row], history: Sequence[Row]) -> list[Resource]:
        period = high_risk_period(history, self.day)
        if period is None or not index:
            return []
        model = self._software(INDEX, index[0]["model_version"])
        return [mapping.high_risk_flag(self.patient, model, *period, test_data=self.test_data)]

    def _alert(self, row: Row) -> list[Resource]:
        sender = self._software(ALERTING, PIPELINE[1])
        code, about = self._about(row)
        request = mapping.communication_request(row, self.patient, sender, about, test_data=self.test_data)
        told = []
        if (at := row["acknowledged_at"]) is not None:
            told.append(
                mapping.communication(row, request, self.patient, sender, at, test_data=self.test_data)
            )
        if code is None:
            return [request, *told]
        issue = mapping.detected_issue(
            (row["alert_id"],),
            code,
            row["severity"],
            row["opened_at"],
            self.patient,
            sender,
            about,
            alert_state=row["state"],
            test_data=self.test_data,
        )
        return [issue, request, *told]

    def _about(self, row: Row) -> tuple[str | None, list[Resource]]:
        """Return the code of the issue behind an alert (none for a device's state) and what it rests on."""
        if row["rule"] == "FALL_DETECTED":
            falls = [self._elsewhere("Observation", "detected-fall", s) for s in _sources(row)]
            return "detected-fall", falls
        if row["rule"] in _INDEX_RULES:
            days = sorted({row["opened_at"].date(), row["last_seen_at"].date()})
            key = ("index-12m", self.patient["id"])
            return "index-alert", [self._elsewhere("RiskAssessment", *key, d.isoformat()) for d in days]
        return None, []

    def _high_score(self, row: Row, risk: Resource) -> Resource:
        return mapping.detected_issue(
            (self.patient["id"], row["day"].isoformat()),
            "high-fall-risk",
            "high",
            self.local.end,
            self.patient,
            self._software(INDEX, row["model_version"]),
            [risk],
            test_data=self.test_data,
        )

    def _elsewhere(self, kind: str, *natural_key: str) -> Resource:
        """Return what a reference needs of a resource that may be in another day's bundle."""
        found = {"resourceType": kind, "id": resource_id(kind, *natural_key)}
        self.known.add(f"{kind}/{found['id']}")
        return found
