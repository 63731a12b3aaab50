"""Samples as Arrow rows, for Parquet drops, and the faults that a typed file can carry.

What belongs here: columns. What does not: text lines (`json_lines`, `faults`).
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator.drops import PARQUET_SCHEMA
from simulator.faults import ALL_FAULTS, JUMPED_LINES, REORDERED_LINES, Damage, LineFault

YEAR_MS = 365 * 86_400_000


def sample_table(
    device_id: str,
    patient_id: str,
    first_seq: int,
    ts_ms: np.ndarray,
    accel: np.ndarray,
    gyro: np.ndarray | None,
    battery_ppm: np.ndarray,
    firmware: str,
    position: str,
    boot: int,
    schema_version: int = 1,
) -> pa.Table:
    """Samples as rows of `PARQUET_SCHEMA`; arguments and values are those of `json_lines`."""
    n = len(ts_ms)

    def same(value: object, kind: pa.DataType) -> pa.Array:
        return pa.repeat(pa.scalar(value, kind), n)

    columns = {
        "deviceId": same(device_id, pa.string()),
        "patientId": same(patient_id, pa.string()),
        "seq": pa.array(np.arange(first_seq, first_seq + n)),
        "ts": pa.array(ts_ms).cast(pa.timestamp("ms", "UTC")),
        "fw": same(firmware, pa.string()),
        "battery": pa.array((battery_ppm // 1000 / 1000.0).astype(np.float32)),
        "schemaVersion": same(schema_version, pa.int32()),
        "position": same(position, pa.string()),
        "boot": same(boot, pa.int32()),
    }
    for k, axis in enumerate("xyz"):
        columns[f"accel_{axis}"] = pa.array((accel[:, k] / 1e4).astype(np.float32))
        columns[f"gyro_{axis}"] = (
            pa.nulls(n, pa.float32()) if gyro is None else pa.array((gyro[:, k] / 1e2).astype(np.float32))
        )
    return pa.table(columns).select(PARQUET_SCHEMA.names).cast(PARQUET_SCHEMA)


_CELLS: dict[str, tuple[str, object, str]] = {
    "nan_value": ("accel_x", float("nan"), "accel_x is NaN"),
    "out_of_range": ("accel_x", 999.5, "accel_x is 999.5 g"),
    "unknown_schema": ("schemaVersion", 99, "schemaVersion is 99"),
    "device_mismatch": ("deviceId", "imu-00000", "deviceId is imu-00000"),
    "patient_mismatch": ("patientId", "pt-9999", "patientId is pt-9999"),
    "duplicate_conflict": ("accel_x", 0.4321, "same key as the row before, other accel_x"),
}


def damage_rows(
    tables: list[pa.Table],
    wanted: dict[str, int],
    rng: np.random.Generator,
    keep_clear: list[tuple[int, int]],
    rate_hz: float,
) -> tuple[pa.Table, Damage]:
    """Apply the faults that fit into typed rows; as `damage_lines`, line numbers counting rows from 1."""
    table = pa.concat_tables(tables).combine_chunks()
    n = table.num_rows
    damage = Damage(n, rng, keep_clear)
    order = np.arange(n)
    removed = np.zeros(n, bool)
    done = damage.done
    notes: dict[int, tuple[str, str]] = {}
    extra_of: list[int] = []
    changes: dict[str, dict[int, object]] = {}
    inserts: list[tuple[int, int]] = []

    def extra(at: int, fault: str, detail: str, column: str | None = None, value: object = None) -> int:
        extra_of.append(at)
        row = n + len(extra_of) - 1
        notes[row] = (fault, detail)
        if column is not None:
            changes.setdefault(column, {})[row] = value
        return row

    for _ in range(wanted.get("clock_jump", 0)):
        if (found := damage.stretch("clock_jump", JUMPED_LINES)) is not None:
            years = int(rng.choice([-30, -5, 6, 40]))
            for at in range(found[0], sum(found)):
                moment = table["ts"][at].value + years * YEAR_MS
                order[at] = extra(at, "clock_jump", f"{years:+d} years", "ts", moment)
    for _ in range(wanted.get("gap", 0)):
        if (found := damage.stretch("gap", int(rng.uniform(20.0, 120.0) * rate_hz))) is not None:
            removed[found[0] : sum(found)] = True
            done.append(LineFault("gap", None, found[1], "", f"{found[1] / rate_hz:.2f} s removed"))
    for _ in range(wanted.get("out_of_order", 0)):
        if (found := damage.stretch("out_of_order", REORDERED_LINES)) is not None:
            rows = np.arange(found[0], sum(found))
            order[rows] = rng.permutation(rows)
            moved = int((order[rows] != rows).sum())
            done.append(LineFault("out_of_order", None, moved, "", f"{len(rows)} rows shuffled"))
    for fault in ("duplicate", *_CELLS):
        for _ in range(wanted.get(fault, 0)):
            line = damage.line(fault)
            if line is None:
                continue
            if fault == "duplicate":
                inserts.append((line + 1, extra(line, fault, "exact copy of the row before")))
                continue
            column, value, detail = _CELLS[fault]
            row = extra(line, fault, detail, column, value)
            if fault == "duplicate_conflict":
                inserts.append((line + 1, row))
            else:
                order[line] = row
    positions = [at for at, _ in inserts]
    order = np.insert(order, positions, [row for _, row in inserts])
    order = order[~np.insert(removed, positions, False)]
    if extra_of:
        table = pa.concat_tables([table, table.take(pa.array(extra_of))]).combine_chunks()
    for name, cells in changes.items():
        mask = np.zeros(table.num_rows, bool)
        mask[list(cells)] = True
        kind = table.schema.field(name).type
        values = [cells[row] for row in sorted(cells)]
        new = pa.array(values, pa.int64()).cast(kind) if name == "ts" else pa.array(values, kind)
        column = pc.replace_with_mask(table[name].combine_chunks(), pa.array(mask), new)
        table = table.set_column(table.schema.get_field_index(name), name, column)
    if len(order) != n or extra_of or done:
        for position in np.nonzero(order >= n)[0]:
            fault, detail = notes[int(order[position])]
            done.append(LineFault(fault, int(position) + 1, 1, ALL_FAULTS[fault][0], detail))
        table = table.take(pa.array(order))
    return table, damage
