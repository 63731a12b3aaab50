"""Which version of the detector re-scores history, as a Dagster resource.

Here: the setting. Not here: what re-scoring is (`rescoring.py`).
"""

import os

import dagster as dg

RESCORE_VARIABLE = "FALLRISK_RESCORE_VERSION"


class Rescoring(dg.ConfigurableResource):
    """The version that looks at old hours.

    Attributes:
        version: A version of the registry; empty: what `FALLRISK_RESCORE_VERSION` says when it is used, else
            the version in use.
    """

    version: str = ""

    @property
    def wanted(self) -> str:
        """The version as configured or from the environment; empty: the version in use."""
        return self.version or os.environ.get(RESCORE_VARIABLE, "")
