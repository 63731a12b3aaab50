"""The device registry: which devices there are, which were revoked, and who may publish for whom.

What belongs here: registry events, and decisions made from them and from the clinic's assignments. What does
not: landing zone and lake (`registry_files.py`, `assets.py`), brokers.

A device is what its certificate says. It may publish if it is registered and not revoked, under its own name,
and for patients to whom it was ever assigned: who wore it at the time of a sample is for cleaning to judge,
because an assignment may be corrected later. A registered device without any assignment may publish too; its
samples wait in the quarantine until somebody completes the assignment.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from fallrisk_assets.clinic.identity import Assignment

DEVICE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
REGISTERED, REVOKED, REINSTATED, CONFIGURED = "registered", "revoked", "reinstated", "configured"
KINDS = (REGISTERED, REVOKED, REINSTATED, CONFIGURED)
_ORDER = (REGISTERED, CONFIGURED, REINSTATED, REVOKED)

_DEVICE_NAMED = re.compile(rb'"deviceId"\s*:\s*"([^"\\]*)"')
_PATIENT_NAMED = re.compile(rb'"patientId"\s*:\s*"([^"\\]*)"')


class Refused(StrEnum):
    """Why a message is not taken."""

    UNKNOWN_DEVICE = "UNKNOWN_DEVICE"
    DEVICE_REVOKED = "DEVICE_REVOKED"
    DEVICE_MISMATCH = "DEVICE_MISMATCH"
    PATIENT_MISMATCH = "PATIENT_MISMATCH"
    TOO_LARGE = "TOO_LARGE"


@dataclass(frozen=True, slots=True, order=True)
class RegistryEvent:
    """Something that was decided about a device.

    Attributes:
        at: When, UTC.
        device_id: The name in its certificate (CN).
        kind: One of `KINDS`.
        by: Staff id.
        certificate_sha256: Fingerprint of the certificate, where it is known.
        config: What the device is told (retained), as JSON; of CONFIGURED.
    """

    at: datetime
    device_id: str
    kind: str
    by: str
    certificate_sha256: str = ""
    config: str = ""


@dataclass(frozen=True, slots=True)
class DeviceEntry:
    """What the registry says of a device; `revoked_at` is None while it may publish."""

    device_id: str
    registered_at: datetime
    revoked_at: datetime | None = None
    certificate_sha256: str = ""
    config: str = ""


def read_events(content: bytes) -> tuple[list[RegistryEvent], list[str]]:
    """Read a registry file, one event a line.

    Returns:
        The events, and what is wrong with lines that are none, by line number.
    """
    events, problems = [], []
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            events.append(_event(json.loads(line)))
        except (ValueError, TypeError, KeyError) as error:
            problems.append(f"line {number}: {error}")
    return events, problems


def _event(found: Any) -> RegistryEvent:
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    at = datetime.fromisoformat(found["at"])
    if at.tzinfo is None:
        raise ValueError("at has no zone")
    event = RegistryEvent(
        at,
        found["device_id"],
        found["event"],
        found["by"],
        found.get("certificate_sha256", ""),
        json.dumps(found["config"], sort_keys=True) if "config" in found else "",
    )
    if not DEVICE_ID.fullmatch(event.device_id):
        raise ValueError("device_id is no device's name")
    if event.kind not in KINDS:
        raise ValueError(f"event is none of {', '.join(KINDS)}")
    return event


def as_line(event: RegistryEvent) -> bytes:
    """Return an event as `read_events` reads it."""
    found: dict[str, Any] = {"at": event.at.isoformat(), "device_id": event.device_id, "event": event.kind}
    found["by"] = event.by
    if event.certificate_sha256:
        found["certificate_sha256"] = event.certificate_sha256
    if event.config:
        found["config"] = json.loads(event.config)
    return json.dumps(found, separators=(",", ":")).encode() + b"\n"


def entries(events: Iterable[RegistryEvent]) -> dict[str, DeviceEntry]:
    """Fold events into what holds now; the order in which they were received does not matter.

    What was decided about a device before it was registered does not count. Of what was decided at the same
    instant the revocation holds.
    """
    found: dict[str, DeviceEntry] = {}
    for event in sorted(set(events), key=lambda e: (e.at, e.device_id, _ORDER.index(e.kind), e)):
        known = found.get(event.device_id)
        if event.kind == REGISTERED:
            known = known or DeviceEntry(event.device_id, event.at)
            known = replace(known, certificate_sha256=event.certificate_sha256 or known.certificate_sha256)
        elif known is None:
            continue
        elif event.kind == REVOKED:
            known = replace(known, revoked_at=known.revoked_at or event.at)
        elif event.kind == REINSTATED:
            known = replace(known, revoked_at=None)
        else:
            known = replace(known, config=event.config)
        found[event.device_id] = known
    return found


class Registry:
    """Decides who may publish for whom.

    Args:
        devices: As of `entries`.
        assignments: Who wore each device when, as of `resolve_assignments`.
    """

    def __init__(
        self, devices: Mapping[str, DeviceEntry], assignments: Mapping[str, Sequence[Assignment]]
    ) -> None:
        self.devices = dict(devices)
        self.assignments = dict(assignments)
        self._patients = {
            device: {a.patient_id.encode() for a in assigned} for device, assigned in assignments.items()
        }

    def refusal(self, device_id: str, payload: bytes) -> Refused | None:
        """Tell why a device may not publish this, None if it may.

        Args:
            device_id: Who publishes, by certificate.
            payload: Telemetry lines; what is no telemetry at all names nobody else, and is not refused here.
        """
        entry = self.devices.get(device_id)
        if entry is None:
            return Refused.UNKNOWN_DEVICE
        if entry.revoked_at is not None:
            return Refused.DEVICE_REVOKED
        if set(_DEVICE_NAMED.findall(payload)) - {device_id.encode()}:
            return Refused.DEVICE_MISMATCH
        own = self._patients.get(device_id)
        if own and set(_PATIENT_NAMED.findall(payload)) - own:
            return Refused.PATIENT_MISMATCH
        return None

    def worn_by(self, device_id: str, at_us: int) -> Assignment | None:
        """Return who wears a device where at a time, microseconds since the epoch; None: nobody."""
        for one in self.assignments.get(device_id, ()):
            if one.from_us <= at_us < one.to_us:
                return one
        return None
