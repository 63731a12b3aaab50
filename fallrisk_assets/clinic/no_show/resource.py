"""Which bookings a no-show model is trained on, as a Dagster resource.

Here: the settings. Not here: reading bookings (`clinic_bookings.py`, `public_set.py`).
"""

import os

import dagster as dg

from fallrisk_assets.clinic.no_show.model import OWN, PUBLIC, SIMULATED
from fallrisk_assets.fhir.resource import FhirSettings

SET_VARIABLE = "FALLRISK_NO_SHOW_SET"


class NoShowSource(dg.ConfigurableResource):
    """What a training run reads.

    Attributes:
        file: File in the layout of the public set; empty: what `FALLRISK_NO_SHOW_SET` names when it is used,
            and where that is not set, the clinic's own appointments.
        test_data: Whether the clinic's appointments are simulated; None: as `FALLRISK_TEST_DATA` says, and
            yes where that is not set. Real data are told by saying so, never by forgetting to.
    """

    file: str = ""
    test_data: bool | None = None

    @property
    def place(self) -> str:
        """The file, as configured or from the environment; empty for the clinic's own appointments."""
        return self.file or os.environ.get(SET_VARIABLE, "")

    def basis(self) -> str:
        """Return what a version is that is trained on this source."""
        if self.place:
            return PUBLIC
        return SIMULATED if FhirSettings(test_data=self.test_data).labels_test_data() else OWN
