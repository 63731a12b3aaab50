"""The data-quality part of a day's model: rows, refusals, coverage, lateness, checks.

Belongs here: pure reductions of coverage, quarantine, drops, states and ledger counts. Does not
belong here: what patients did or how they scored (`data.py`).
"""

import datetime as dt
from collections import defaultdict
from typing import Any

import pyarrow as pa

from fallrisk_assets.dashboards.model import Cell, DayInputs, DeviceDay, Quality, Refused
from fallrisk_assets.dashboards.values import finite, natural, share
from fallrisk_assets.warehouse.observability.data_quality import CheckOutcome

LATE_AFTER = dt.timedelta(hours=1)
"""A drop is late when it arrives more than this after the end of the hour that it holds."""

_HOUR = dt.timedelta(hours=1)
_MAX_EXAMPLE = 200


def build_quality(inputs: DayInputs) -> Quality:
    """Return the data quality of the day.

    Args:
        inputs: the day's tables; None where a table was not there.
    """
    coverage = None if inputs.coverage is None else inputs.coverage.to_pylist()
    drops = None if inputs.drops is None else _drops(inputs.drops)
    delays = [drop["delay"] for drop in drops or () if drop["delay"] is not None]
    return Quality(
        row_counts=tuple(sorted(inputs.row_counts, key=lambda count: count.table)),
        refused=None if inputs.quarantine is None else _refused(inputs.quarantine),
        devices=None
        if coverage is None
        else _devices(coverage, drops or [], inputs.device_states, inputs.day),
        checks=tuple(sorted(inputs.checks, key=_check_order)),
        received_lines=_total(coverage, "received_lines"),
        clean_samples=_total(coverage, "clean_samples"),
        duplicate_lines=_total(coverage, "duplicate_lines"),
        late_drops=None if drops is None else len({drop["key"] for drop in drops if drop["late"]}),
        drops=None if drops is None else len({drop["key"] for drop in drops}),
        latest_drop_hours=max(delays) / _HOUR if delays else None,
        provisional_hours=None
        if coverage is None
        else sum(row.get("state") == "PROVISIONAL" for row in coverage),
        missing=tuple((table, tuple(sorted(keys))) for table, keys in sorted(inputs.missing) if keys),
    )


def quarantine_counts(quarantine: pa.Table) -> pa.Table:
    """Reduce quarantined lines to one row for each reason and device. Payloads are not looked at.

    Args:
        quarantine: rows with reason, device_id (null when unreadable) and detail.

    Returns:
        Table of reason, device_id ("" when unknown), rows and detail (the smallest text of the
        group, so that the order of rows does not matter).
    """
    columns = {
        "reason": quarantine["reason"].cast(pa.string()),
        "device_id": quarantine["device_id"].cast(pa.string()).fill_null(""),
        "detail": quarantine["detail"].cast(pa.string()).fill_null(""),
    }
    reduced = (
        pa.table(columns)
        .group_by(["reason", "device_id"], use_threads=False)
        .aggregate([([], "count_all"), ("detail", "min")])
    )
    return reduced.select(["reason", "device_id", "count_all", "detail_min"]).rename_columns(
        ["reason", "device_id", "rows", "detail"]
    )


def _refused(counts: pa.Table) -> tuple[Refused, ...]:
    rows: dict[str, int] = defaultdict(int)
    devices: dict[str, set[str]] = defaultdict(set)
    details: dict[str, set[str]] = defaultdict(set)
    for row in counts.to_pylist():
        reason = str(row["reason"])
        rows[reason] += int(row["rows"])
        if row["device_id"]:
            devices[reason].add(row["device_id"])
        if row["detail"]:
            details[reason].add(row["detail"])
    refused = [
        Refused(reason, count, len(devices[reason]), _clip(min(details[reason])) if details[reason] else "")
        for reason, count in rows.items()
    ]
    return tuple(sorted(refused, key=lambda item: (-item.rows, item.reason)))


def _drops(table: pa.Table) -> list[dict[str, Any]]:
    """Return (key, device, late, delay) of each drop row; delay counts from the end of its hour."""
    rows = []
    for row in table.select(["drop_key", "device_id", "event_hour", "received_at"]).to_pylist():
        delay = None
        if row["event_hour"] is not None and row["received_at"] is not None:
            delay = row["received_at"] - (row["event_hour"] + _HOUR)
        rows.append(
            {
                "key": row["drop_key"],
                "device": str(row["device_id"] or ""),
                "delay": delay,
                "late": delay is not None and delay > LATE_AFTER,
            }
        )
    return rows


def _devices(
    coverage: list[dict[str, Any]], drops: list[dict[str, Any]], states: pa.Table | None, day: dt.date
) -> tuple[DeviceDay, ...]:
    late: dict[str, set[str]] = defaultdict(set)
    for drop in drops:
        if drop["late"]:
            late[drop["device"]].add(drop["key"])
    last_state = _last_states(states)
    by_device: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in coverage:
        by_device[str(row["device_id"])].append(row)
    devices = []
    for device_id in sorted({*by_device, *late} - {""}, key=natural):
        rows = sorted(by_device[device_id], key=lambda row: (row["hour"], str(row["patient_id"])))
        state = last_state.get(device_id, {})
        devices.append(
            DeviceDay(
                device_id=device_id,
                patients=tuple(
                    sorted({str(row["patient_id"]) for row in rows if row["patient_id"]}, key=natural)
                ),
                cells=_cells(rows, day),
                duplicates=sum(row.get("duplicate_lines") or 0 for row in rows),
                quarantined=sum(row.get("quarantined_lines") or 0 for row in rows),
                late_drops=len(late[device_id]),
                battery_fraction=_last_known(rows, "battery_fraction"),
                firmware=next((str(row["firmware"]) for row in rows[::-1] if row.get("firmware")), None),
                state=state.get("state"),
                state_detail=state.get("detail"),
            )
        )
    return tuple(devices)


def _cells(rows: list[dict[str, Any]], day: dt.date) -> tuple[Cell | None, ...]:
    """Return 24 cells; a device with two patients in an hour shows the one with more samples."""
    chosen: list[dict[str, Any] | None] = [None] * 24
    duplicates = [0] * 24
    for row in rows:
        if row["hour"].date() != day:
            continue
        hour = row["hour"].hour
        duplicates[hour] += row.get("duplicate_lines") or 0
        kept = chosen[hour]
        if kept is None or (row.get("clean_samples") or 0) > (kept.get("clean_samples") or 0):
            chosen[hour] = row
    return tuple(
        None
        if row is None
        else Cell(
            verdict=str(row.get("verdict") or "NO_DATA"),
            received_share=share(row.get("clean_samples"), row.get("expected_samples")),
            wear_fraction=finite(row.get("wear_fraction")),
            duplicates=duplicates[hour],
            provisional=row.get("state") == "PROVISIONAL",
        )
        for hour, row in enumerate(chosen)
    )


def _last_states(states: pa.Table | None) -> dict[str, dict[str, Any]]:
    last: dict[str, dict[str, Any]] = {}
    for row in [] if states is None else states.to_pylist():
        device_id = str(row["device_id"])
        if device_id not in last or (row["hour"], str(row.get("state"))) > (
            last[device_id]["hour"],
            str(last[device_id].get("state")),
        ):
            last[device_id] = row
    return last


def _last_known(rows: list[dict[str, Any]], name: str) -> float | None:
    known = [finite(row.get(name)) for row in rows]
    return next((value for value in reversed(known) if value is not None), None)


def _total(rows: list[dict[str, Any]] | None, name: str) -> int | None:
    return None if rows is None else int(sum(row.get(name) or 0 for row in rows))


def _check_order(check: CheckOutcome) -> tuple[int, str, str]:
    rank = {False: 0, None: 1, True: 2}[check.passed]
    return rank, check.asset, check.check


def _clip(text: str) -> str:
    return text if len(text) <= _MAX_EXAMPLE else text[: _MAX_EXAMPLE - 1] + "…"
