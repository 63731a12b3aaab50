"""Which resources each environment uses: a readable dictionary for each.

What belongs here: names of resources and where their settings come from. What does not: anything that is
read at import (an `EnvVar` is looked up when a run starts).

Who is told and how (mail server, webhooks, the platform's own contact) is the same in each: `OutboxResource`
takes it from the variables `FALLRISK_SMTP_HOST` … `FALLRISK_ALERT_LINK` when it sends; none has to be set. So
is whether FHIR resources are labelled as test data (`FALLRISK_TEST_DATA`; they are, unless it says false).
"""

from typing import Any, Literal

import dagster as dg

from fallrisk_assets.alerts.resource import OutboxResource
from fallrisk_assets.fhir.resource import FhirSettings
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.lake.reports import Reports
from fallrisk_assets.mobility.resource import WindowSettings
from fallrisk_assets.models.resource import Recordings
from fallrisk_assets.risk.resource import Rescoring
from fallrisk_assets.warehouse.resource import Warehouse

Environment = Literal["local", "aws"]


def resources_for(environment: Environment) -> dict[str, Any]:
    """Return fresh resources for an environment.

    Raises:
        ValueError: there is no such environment.
    """
    if environment == "local":
        return {
            "lake": Lake(),
            "landing": Landing(watch_s=4.8),
            "reports": Reports(),
            "warehouse": Warehouse(),
            "windows": WindowSettings(),
            "outbox": OutboxResource(),
            "fhir": FhirSettings(),
            "recordings": Recordings(),
            "rescoring": Rescoring(),
        }
    if environment == "aws":
        return {
            "lake": Lake(
                root=dg.EnvVar("FALLRISK_LAKE"),
                catalog={"type": "glue", "warehouse": dg.EnvVar("FALLRISK_LAKE")},
            ),
            "landing": Landing(root=dg.EnvVar("FALLRISK_LANDING")),
            "reports": Reports(),
            "warehouse": Warehouse(),
            "windows": WindowSettings(),
            "outbox": OutboxResource(),
            "fhir": FhirSettings(),
            "recordings": Recordings(),
            "rescoring": Rescoring(),
        }
    raise ValueError(f"no environment {environment!r}: local or aws")
