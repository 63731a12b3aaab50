"""The code location: the only place that binds assets, checks, jobs, sensors, schedules and resources.

What belongs here: the binding. What does not: anything else.
"""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import dagster as dg

from fallrisk_assets.alerts import assets as alerts
from fallrisk_assets.alerts import run_failure
from fallrisk_assets.clinic import assets as clinic
from fallrisk_assets.clinic.database.assets import (
    clinic_database,
    clinic_database_pull,
    pull_clinic_database,
)
from fallrisk_assets.clinic.feedback_text import assets as feedback_text
from fallrisk_assets.clinic.feedback_text import checks as feedback_text_checks
from fallrisk_assets.clinic.feedback_text import training_assets as feedback_text_training
from fallrisk_assets.clinic.no_show import assets as no_show
from fallrisk_assets.clinic.no_show import checks as no_show_checks
from fallrisk_assets.clinic.no_show import training_assets as no_show_training
from fallrisk_assets.clinic.operations import assets as operations
from fallrisk_assets.clinic.operations import checks as operations_checks
from fallrisk_assets.clinic.scheduling.assets import (
    pull_scheduling_api,
    scheduling_api,
    scheduling_api_pull,
)
from fallrisk_assets.dashboards import assets as dashboards
from fallrisk_assets.dashboards import clinic_assets as clinic_dashboards
from fallrisk_assets.environments import environment as chosen_environment
from fallrisk_assets.environments import resources_for
from fallrisk_assets.events.sensor import stage_events
from fallrisk_assets.fhir import assets as fhir
from fallrisk_assets.health import failed_partition_checks, health_job
from fallrisk_assets.jobs import ON_DEMAND, partitioned_jobs
from fallrisk_assets.maintenance import lake_maintenance
from fallrisk_assets.mobility import assets as mobility
from fallrisk_assets.models import assets as models
from fallrisk_assets.models import checks as models_checks
from fallrisk_assets.risk import assets as risk
from fallrisk_assets.risk import checks as risk_checks
from fallrisk_assets.risk import index_assets as risk_index
from fallrisk_assets.schedules import (
    close_the_day,
    fill_silent_hours,
    forget_old_rows,
    look_for_failures,
    read_identities,
    tidy_the_lake,
)
from fallrisk_assets.sensors import assignment_sensor, clinic_sensor, landing_sensor, look_back_sensor
from fallrisk_assets.streams import assets as streams
from fallrisk_assets.streams.lag_job import stream_lag, watch_stream_lag
from fallrisk_assets.telemetry import assets as telemetry
from fallrisk_assets.telemetry import checks as telemetry_checks
from fallrisk_assets.warehouse import assets as warehouse
from fallrisk_assets.warehouse.monitoring import assets as warehouse_monitoring
from fallrisk_assets.warehouse.observability import assets as warehouse_observability
from fallrisk_assets.warehouse.operations import assets as warehouse_operations
from fallrisk_assets.warehouse.planning import assets as warehouse_planning
from fallrisk_assets.warehouse.retention_job import warehouse_retention

DOMAINS: tuple[ModuleType, ...] = (
    telemetry,
    mobility,
    risk,
    risk_index,
    models,
    alerts,
    clinic,
    operations,
    feedback_text,
    feedback_text_training,
    no_show,
    no_show_training,
    fhir,
    warehouse,
    warehouse_operations,
    warehouse_observability,
    warehouse_planning,
    warehouse_monitoring,
    dashboards,
    clinic_dashboards,
    streams,
)
CHECKS: tuple[ModuleType, ...] = (
    telemetry_checks,
    risk_checks,
    models_checks,
    operations_checks,
    feedback_text_checks,
    no_show_checks,
)


def build_defs(environment: str = "local", overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Return fresh definitions for an environment.

    Args:
        environment: Which resources are used; see `environments.resources_for`.
        overrides: Resources that take the place of the environment's, by name.
    """
    assets = [a for domain in DOMAINS for a in dg.load_assets_from_modules([domain])]
    checks = [c for domain in (*DOMAINS, *CHECKS) for c in dg.load_asset_checks_from_modules([domain])]
    bound = [a for a in assets if isinstance(a, dg.AssetsDefinition)]
    # Who asks for a run sees what became of it; the platform watches what runs by the clock.
    health = failed_partition_checks(a for a in bound if not {s.group_name for s in a.specs} & set(ON_DEMAND))
    return dg.Definitions(
        assets=[*assets, clinic_database, scheduling_api],
        asset_checks=[*checks, health],
        jobs=[
            *partitioned_jobs(bound, without=health),
            health_job(health),
            lake_maintenance,
            warehouse_retention,
            stream_lag,
            clinic_database_pull,
            scheduling_api_pull,
        ],
        sensors=[
            landing_sensor,
            clinic_sensor,
            assignment_sensor,
            look_back_sensor,
            stage_events,
            *run_failure.sensors,
        ],
        schedules=[
            fill_silent_hours,
            read_identities,
            close_the_day,
            look_for_failures,
            tidy_the_lake,
            forget_old_rows,
            watch_stream_lag,
            pull_clinic_database,
            pull_scheduling_api,
        ],
        resources={**resources_for(environment), **(overrides or {})},
    )


defs = build_defs(chosen_environment())
