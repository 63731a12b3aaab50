"""Which tables of a day are counted, and which checks speak of a day.

Belongs here: the lists. Does not belong here: what is counted of them (`data_quality.py`), what a check said
(`check_history.py`).
"""

from collections.abc import Sequence

import dagster as dg
from dagster._check import CheckError
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from fallrisk_assets.alerts.contract import Alerts, DeviceStates, IndexAlerts
from fallrisk_assets.clinic.contract import CareContacts, DeviceAssignment, IdentityQuarantine, Patients
from fallrisk_assets.contract import ContractType
from fallrisk_assets.fhir.contract import FhirResources
from fallrisk_assets.mobility.contract import DailyGait, WindowFeatures
from fallrisk_assets.publishing import CONTRACT_CHECK
from fallrisk_assets.risk.contract import (
    FallEvents,
    FallIndexEvaluation,
    FallRiskIndex,
    FallRiskTrend,
    WindowScores,
)
from fallrisk_assets.telemetry.contract import (
    DeviceHourCoverage,
    Telemetry,
    TelemetryDrops,
    TelemetryQuarantine,
)

HOURLY: tuple[ContractType, ...] = (
    TelemetryDrops,
    TelemetryQuarantine,
    Telemetry,
    DeviceHourCoverage,
    WindowFeatures,
    FallEvents,
    WindowScores,
    DeviceStates,
    Alerts,
)
DAILY: tuple[ContractType, ...] = (
    Patients,
    DeviceAssignment,
    CareContacts,
    IdentityQuarantine,
    DailyGait,
    FallRiskIndex,
    FallRiskTrend,
    FallIndexEvaluation,
    IndexAlerts,
    FhirResources,
)
"""Tables whose rows are counted by day, by how they are partitioned."""

_KEYS: dict[ContractType, str] = {TelemetryDrops: "raw_telemetry"}


def asset_key(model: ContractType) -> str:
    """Return the asset key of a table, which is its name but for the index of drops."""
    return _KEYS.get(model, model.spec.name)


def known_checks(context: dg.AssetExecutionContext) -> Sequence[dg.AssetCheckKey]:
    """Return the checks of hours and days of the code location; without one, those of the contracts."""
    try:
        return checks_with_partitions(context.repository_def.asset_graph)
    except CheckError:  # a job that was built in memory has no repository
        return [
            dg.AssetCheckKey(dg.AssetKey(asset_key(model)), CONTRACT_CHECK) for model in (*HOURLY, *DAILY)
        ]


def checks_with_partitions(graph: AssetGraph) -> list[dg.AssetCheckKey]:
    """Return the checks that are run for an hour or a day; one of a whole asset says nothing about a day."""
    keys = [key for key in graph.asset_check_keys if graph.get_check_spec(key).partitions_def is not None]
    return sorted(keys, key=lambda key: (key.asset_key.path, key.name))
