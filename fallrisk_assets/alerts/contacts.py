"""Whom to reach about a patient, and when not to.

Belongs here: contacts as the outbox sees them, joined over the two worlds of ids; quiet hours. Does not
belong here: choosing a contact for an alert (`notifications`).
"""

import uuid
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "fallrisk-assets/contact")


@dataclass(frozen=True)
class Contact:
    """One way to reach one person about one patient.

    Attributes:
        contact_id: uuid5 of patient, order, role and channel; the address is left out, so that a corrected
            address is used by what is already waiting.
        role: patient, relative, nurse, on-call.
        channel: email, sms, phone, webhook or file.
        address: address on that channel; personal data.
        order: 1 is reached first.
        quiet_from: local time at which quiet hours begin; None: no quiet hours.
        quiet_to: local time at which they end.
        time_zone: IANA zone of the quiet hours.
    """

    contact_id: str
    role: str
    channel: str
    address: str
    order: int = 1
    quiet_from: time | None = None
    quiet_to: time | None = None
    time_zone: str = "UTC"

    def quiet_until(self, at: datetime) -> datetime | None:
        """The end of the quiet hours that hold at a UTC time, in UTC; None when none hold."""
        if self.quiet_from is None or self.quiet_to is None or self.quiet_from == self.quiet_to:
            return None
        local = at.astimezone(ZoneInfo(self.time_zone))
        overnight = self.quiet_from > self.quiet_to
        late, early = local.time() >= self.quiet_from, local.time() < self.quiet_to
        if not (late or early if overnight else late and early):
            return None
        day = local.date() + timedelta(days=1 if overnight and late else 0)
        return datetime.combine(day, self.quiet_to, ZoneInfo(self.time_zone)).astimezone(at.tzinfo)


def contact_id(patient_id: str, order: int, role: str, channel: str) -> str:
    """Identity of a contact: uuid5 of patient, order, role and channel."""
    return str(uuid.uuid5(_NAMESPACE, f"{patient_id}|{order}|{role}|{channel}"))


def contacts_by_patient(care_contacts: pa.Table, patients: pa.Table) -> dict[str, list[Contact]]:
    """Contacts by wearable patient id, in order of call.

    Args:
        care_contacts: one snapshot of `care_contacts` (clinic patient ids).
        patients: one snapshot of `patients`: patient_id, wearable_patient_id, time_zone.

    Returns:
        Contacts of the patients that have a wearable id; a patient without contacts is not in it.
    """
    wearable: dict[str, tuple[str, str]] = {
        row["patient_id"]: (row["wearable_patient_id"], row["time_zone"])
        for row in patients.select(["patient_id", "wearable_patient_id", "time_zone"]).to_pylist()
        if row["wearable_patient_id"]
    }
    found: dict[str, list[Contact]] = defaultdict(list)
    for row in care_contacts.to_pylist():
        if row["patient_id"] not in wearable:
            continue
        wearable_id, zone = wearable[row["patient_id"]]
        order, role, channel = row["contact_order"], row["role"], row["channel"]
        found[wearable_id].append(
            Contact(
                contact_id=contact_id(wearable_id, order, role, channel),
                role=role,
                channel=channel,
                address=row["address"],
                order=order,
                quiet_from=_time(row["quiet_from"]),
                quiet_to=_time(row["quiet_to"]),
                time_zone=zone,
            )
        )
    return {
        patient: sorted(contacts, key=lambda c: (c.order, c.role, c.channel))
        for patient, contacts in sorted(found.items())
    }


def time_zones(patients: pa.Table) -> dict[str, str]:
    """IANA zone by wearable patient id, of one snapshot of `patients`."""
    pairs = zip(patients["wearable_patient_id"].to_pylist(), patients["time_zone"].to_pylist(), strict=True)
    return {patient: zone for patient, zone in pairs if patient}


def address_book(contacts: Mapping[str, list[Contact]], *more: Contact) -> dict[str, Contact]:
    """Contacts by id: what the outbox looks addresses up in at the moment of sending."""
    book = {c.contact_id: c for of_patient in contacts.values() for c in of_patient}
    return book | {c.contact_id: c for c in more}


def _time(text: str | None) -> time | None:
    return time.fromisoformat(text) if text else None
