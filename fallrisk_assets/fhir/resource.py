"""The FHIR export's settings as a Dagster resource, so that an environment can set them.

Here: the settings and where they come from. Not here: what a FHIR resource is (`mapping/`).
"""

import os

import dagster as dg

TEST_DATA_VARIABLE = "FALLRISK_TEST_DATA"
_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


class FhirSettings(dg.ConfigurableResource):
    """How resources are written.

    Attributes:
        test_data: Whether each resource is labelled HTEST; None: as `FALLRISK_TEST_DATA` says when it is
            used, and yes where that is not set. Real data are told from test data by saying so, never by
            forgetting to.
    """

    test_data: bool | None = None

    def labels_test_data(self) -> bool:
        """Return whether each resource is labelled as test data.

        Raises:
            ValueError: the variable is neither true nor false; names it.
        """
        if self.test_data is not None:
            return self.test_data
        given = os.environ.get(TEST_DATA_VARIABLE, "").strip().lower() or "true"
        if given not in (*_YES, *_NO):
            raise ValueError(f"{TEST_DATA_VARIABLE}={given}: must be true or false")
        return given in _YES
