"""Device: the wearable on the body, and the software that judges its data.

A device is shared by bundles: it changes patients. So it names no patient (each Observation names both), and
it is the same bytes in every bundle; otherwise the last bundle written would decide.
"""

from typing import Any

from fallrisk_assets.fhir.mapping.resource import head
from fallrisk_assets.fhir.terminology import DEVICE_IDENTIFIER, FALL_SENSOR, MODEL_IDENTIFIER


def wearable(device_id: str, *, test_data: bool) -> dict[str, Any]:
    """Return the Device of a wearable: a fall sensor of IEEE 11073."""
    return head("Device", "wearable", device_id, test_data=test_data) | {
        "identifier": [{"system": DEVICE_IDENTIFIER, "value": device_id}],
        "status": "active",
        "deviceName": [{"name": device_id, "type": "user-friendly-name"}],
        "type": {"coding": [FALL_SENSOR], "text": "Wearable fall sensor"},
    }


def model_software(name: str, version: str, *, test_data: bool) -> dict[str, Any]:
    """Return the Device of a piece of software in one version, for instance the scoring model.

    Args:
        name: What it is, for people.
        version: The version that made the result; another version is another Device.
        test_data: Whether the data are simulated.
    """
    return head("Device", "software", name, version, test_data=test_data) | {
        "identifier": [{"system": MODEL_IDENTIFIER, "value": f"{name}/{version}"}],
        "status": "active",
        "deviceName": [{"name": name, "type": "model-name"}],
        "type": {"text": "Software"},
        "version": [{"value": version}],
    }
