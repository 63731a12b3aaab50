"""Where the recordings are and how a detector is judged, as a Dagster resource.

Here: the settings. Not here: what a source is (`sources.py`), what is measured (`measures.py`).
"""

import os

import dagster as dg

from fallrisk_assets.models.held_out import Wear

RECORDINGS_VARIABLE = "FALLRISK_RECORDINGS"


class Recordings(dg.ConfigurableResource):
    """What a training run reads.

    Attributes:
        folder: Folder that holds a folder for each source, or the only source's files; empty: what
            `FALLRISK_RECORDINGS` says when it is used.
        sources: Names of the sources to train on.
        wear_patients: Simulated people that a detector is judged on.
        wear_days: Days that each of them is simulated.
        wear_hours: Hours a day that each wears the device.
        wear_rate_hz: Sampling rate of their devices.
    """

    folder: str = ""
    sources: list[str] = ["umafall"]
    wear_patients: int = 24
    wear_days: int = 1
    wear_hours: float = 16.0
    wear_rate_hz: float = 25.0

    @property
    def place(self) -> str:
        """The folder, as configured or from the environment; may be empty."""
        return self.folder or os.environ.get(RECORDINGS_VARIABLE, "")

    @property
    def wear(self) -> Wear:
        """The simulated wear that a detector is judged on."""
        return Wear(self.wear_patients, self.wear_days, self.wear_hours, self.wear_rate_hz)
