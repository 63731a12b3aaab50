"""What the hours of states and alerts were made of, and which of them have to be made again.

Belongs here: hashes of the hours that one hour looks back on. Does not belong here: asking for runs (sensors)
and what people do, which asks for its hours itself.

An hour of alerts depends on the hours before it, so a drop that comes late for one hour changes later ones.
Each published hour keeps the hash of the content that its look-back had; where the look-back has another
content now, the hour is stale. An hour that was published empty counts like one that was never published.
"""

from collections.abc import Collection, Iterable

from fallrisk_assets.alerts.contract import Alerts, DeviceStates
from fallrisk_assets.alerts.device_states import LOOK_BACK_HOURS
from fallrisk_assets.alerts.rules import HOURLY_LOOK_BACK
from fallrisk_assets.contract import ContractType
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.files import combined_hash
from fallrisk_assets.partitions import HOUR, hour_key, hour_range, window_of
from fallrisk_assets.risk.contract import FallEvents
from fallrisk_assets.telemetry.contract import DeviceHourCoverage

ALERTS_VERSION = "2"
"""Part of what an hour of alerts is made of: raise it when the fold's results change."""

_SOURCES: dict[ContractType, tuple[tuple[ContractType, ...], int]] = {
    DeviceStates: ((DeviceHourCoverage,), LOOK_BACK_HOURS),
    Alerts: ((FallEvents, DeviceStates), HOURLY_LOOK_BACK // HOUR),
}
"""By table: what an hour of it is made of, and of how many hours, its own included."""


def input_hashes(lake: Lake, model: ContractType, keys: Collection[str]) -> dict[str, str]:
    """The hash of what each hour looks back on, as published now; only ledger entries are read.

    Args:
        lake: where the ledger is.
        model: `DeviceStates` or `Alerts`.
        keys: hourly keys.
    """
    sources, hours = _SOURCES[model]
    seen = {key: _hours_until(key, hours) for key in keys}
    content = {
        hour: _content(lake, sources, hour) for hour in {h for of_key in seen.values() for h in of_key}
    }
    version = [ALERTS_VERSION] if model is Alerts else []
    return {
        key: combined_hash([*version, *(content[hour] for hour in of_key)]) for key, of_key in seen.items()
    }


def stale_alert_hours(lake: Lake, changed_keys: Iterable[str]) -> list[str]:
    """Published hours of states or alerts whose look-back has another content now than when they were made.

    Making them again may change states and so later alerts: ask again with the hours that were made, until
    there are none; the same content is never stale.

    Args:
        lake: where the ledger is.
        changed_keys: hours whose coverage, falls or device states were published since the last time.

    Returns:
        Hourly keys in order, of which `device_states`, `alerts` and `alert_deliveries` are to be run.
    """
    changed = set(changed_keys)
    stale: set[str] = set()
    for model, (_, hours) in _SOURCES.items():
        reached = {key for start in changed for key in _hours_from(start, hours)}
        keys = sorted(reached & set(lake.ledger.keys(model)))
        now = input_hashes(lake, model, keys)
        for key in keys:
            entry = lake.ledger.get(model, key)
            if any(bucket.input_hash != now[key] for bucket in entry.buckets.values()):
                stale.add(key)
    return sorted(stale)


def _content(lake: Lake, sources: Iterable[ContractType], key: str) -> str:
    entries = [lake.ledger.find(model, key) for model in sources]
    return "|".join(entry.content_hash if entry and entry.rows else "" for entry in entries)


def _hours_until(key: str, hours: int) -> list[str]:
    return hour_range(hour_key(window_of(key)[0] - (hours - 1) * HOUR), key)


def _hours_from(key: str, hours: int) -> list[str]:
    return hour_range(key, hour_key(window_of(key)[0] + (hours - 1) * HOUR))
