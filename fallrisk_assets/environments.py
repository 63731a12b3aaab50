"""Which resources each environment uses: a readable dictionary for each.

What belongs here: names of resources and where their settings come from. What does not: anything that is
read at import (an `EnvVar` is looked up when a run starts).

`FALLRISK_ENV` says which: `local` (the default), `aws`, or one of them with single resources taken from the
other, so that a clinic moves one component at a time: `local,landing=aws`, `aws,reports=local`. What the
variables of `aws` mean is told in `docs/aws.md`.

Who is told and how (mail server, webhooks, the platform's own contact) is the same in each: `OutboxResource`
takes it from the variables `FALLRISK_SMTP_HOST` … `FALLRISK_ALERT_LINK` when it sends; none has to be set. So
are the sinks of events (`FALLRISK_EVENT_BUS`, `_TOPIC`, `_QUEUE`: `EventSinks`), and so is whether FHIR
resources are labelled as test data (`FALLRISK_TEST_DATA`; they are, unless it says false).
"""

import os
from typing import Any

import dagster as dg

from fallrisk_assets.alerts.resource import OutboxResource
from fallrisk_assets.clinic.database.resource import ClinicDatabase
from fallrisk_assets.clinic.feedback_text.resource import FeedbackTextSource
from fallrisk_assets.clinic.no_show.resource import NoShowSource
from fallrisk_assets.clinic.scheduling.resource import SchedulingSource
from fallrisk_assets.events.resource import EventSinks
from fallrisk_assets.fhir.resource import FhirSettings
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import LANDING_VARIABLE, Landing
from fallrisk_assets.lake.reports import REPORTS_VARIABLE, Reports
from fallrisk_assets.lake.resource import (
    CATALOG_SIGNING_VARIABLE,
    CATALOG_VARIABLE,
    CATALOG_WAREHOUSE_VARIABLE,
    LAKE_VARIABLE,
)
from fallrisk_assets.lake.s3 import Misconfigured
from fallrisk_assets.mobility.resource import WindowSettings
from fallrisk_assets.models.resource import Recordings
from fallrisk_assets.risk.resource import Rescoring
from fallrisk_assets.warehouse.redshift import (
    ADDRESS_VARIABLE,
    PASSWORD_VARIABLE,
    ROLE_VARIABLE,
    STAGING_VARIABLE,
    RedshiftWarehouse,
)
from fallrisk_assets.warehouse.resource import Warehouse

ENVIRONMENT_VARIABLE = "FALLRISK_ENV"
ENVIRONMENTS = ("local", "aws")


def _local() -> dict[str, Any]:
    return {
        "lake": Lake(),
        "landing": Landing(watch_s=4.8),
        "reports": Reports(),
        "warehouse": Warehouse(),
        "windows": WindowSettings(),
        "outbox": OutboxResource(),
        "events": EventSinks(),
        "fhir": FhirSettings(),
        "recordings": Recordings(),
        "feedback_text_source": FeedbackTextSource(),
        "clinic_database": ClinicDatabase(),
        "scheduling_api": SchedulingSource(),
        "no_show_source": NoShowSource(),
        "rescoring": Rescoring(),
    }


def _aws() -> dict[str, Any]:
    """Return what is on AWS; every other resource is the local one."""
    return {
        "lake": Lake(
            root=dg.EnvVar(LAKE_VARIABLE),
            catalog_uri=dg.EnvVar(CATALOG_VARIABLE),
            catalog_warehouse=dg.EnvVar(CATALOG_WAREHOUSE_VARIABLE),
            catalog_signing=dg.EnvVar(CATALOG_SIGNING_VARIABLE),
        ),
        "landing": Landing(root=dg.EnvVar(LANDING_VARIABLE)),
        "reports": Reports(root=dg.EnvVar(REPORTS_VARIABLE)),
        "warehouse": RedshiftWarehouse(
            address=dg.EnvVar(ADDRESS_VARIABLE),
            password=dg.EnvVar(PASSWORD_VARIABLE),
            role=dg.EnvVar(ROLE_VARIABLE),
            staging=dg.EnvVar(STAGING_VARIABLE),
        ),
    }


def resources_for(environment: str) -> dict[str, Any]:
    """Return fresh resources for an environment.

    Args:
        environment: As `FALLRISK_ENV` spells it: `local`, `aws`, `local,landing=aws` and so on.

    Raises:
        ValueError: there is no such environment, no such resource, or the resource has no such version.
    """
    base, *single = [word.strip() for word in environment.split(",")]
    if base not in ENVIRONMENTS:
        raise ValueError(
            f"{ENVIRONMENT_VARIABLE}={environment}: {base!r} is none of {', '.join(ENVIRONMENTS)}"
        )
    local, aws = _local(), _aws()
    chosen = {**local, **aws} if base == "aws" else dict(local)
    for word in single:
        name, _, of = word.partition("=")
        source = {"local": local, "aws": aws}.get(of, {})
        if name not in source:
            raise ValueError(
                f"{ENVIRONMENT_VARIABLE}={environment}: {word!r} says nothing that can be; on aws are "
                f"{', '.join(aws)}, local can be {', '.join(local)}"
            )
        chosen[name] = source[name]
    return chosen


def environment() -> str:
    """Return what `FALLRISK_ENV` says; `local` where it says nothing."""
    return os.environ.get(ENVIRONMENT_VARIABLE, "").strip() or ENVIRONMENTS[0]


def opened(name: str, of: str | None = None) -> Any:
    """Return a resource of an environment, ready for use outside of a run.

    Args:
        name: The resource.
        of: The environment; None for the one that `FALLRISK_ENV` names.

    Raises:
        Misconfigured: a variable that it needs is not set, or says what cannot be used.
        ValueError: there is no such environment.
    """
    resource = resources_for(environment() if of is None else of)[name]
    settings = {field: getattr(resource, field) for field in type(resource).model_fields}
    for field, value in settings.items():
        if isinstance(value, dg.EnvVar):
            settings[field] = value.get_value()
            if settings[field] is None:
                raise Misconfigured(name, value.env_var_name, "is not set")
    ready = type(resource)(**settings)
    if hasattr(ready, "check"):
        ready.check()  # as a run does before its first step
    return ready
