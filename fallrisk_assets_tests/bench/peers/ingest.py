"""pandas and DuckDB read a drop; eager pandera judges all its rows.

python ingest.py pandas|duckdb|pandera <drop.jsonl.gz>
"""

import json
import sys
from typing import Any

from clock import cpu_of


def flat_frame(path: str) -> Any:
    """Read a drop with pandas into the columns of the clean table: what people write."""
    import pandas as pd

    lines = pd.read_json(path, lines=True, compression="gzip", convert_dates=["ts"])
    parts = [lines[["deviceId", "patientId", "seq", "ts"]]]
    for name in ("accel", "gyro", "meta"):
        parts.append(pd.json_normalize(lines[name].tolist()).add_prefix(f"{name}_"))
    frame = pd.concat(parts, axis=1)
    return frame.drop_duplicates(["deviceId", "meta_boot", "seq"]).sort_values("ts", ignore_index=True)


def eager_schema() -> Any:
    """Return the contract of the clean table as a pandera schema."""
    import pandera.pandas as pa

    axes = {f"accel_{a}": pa.Column(float, pa.Check.in_range(-32, 32)) for a in "xyz"}
    axes |= {f"gyro_{a}": pa.Column(float, pa.Check.in_range(-4000, 4000), nullable=True) for a in "xyz"}
    positions = ["waist", "wrist", "pocket", "chest", "lowback", "ankle"]
    return pa.DataFrameSchema(
        {
            "deviceId": pa.Column(str, pa.Check.str_matches(r"^imu-\d+$")),
            "patientId": pa.Column(str, pa.Check.str_matches(r"^pt-\d+$")),
            "seq": pa.Column(int, pa.Check.ge(0)),
            **axes,
            "meta_battery": pa.Column(float, pa.Check.in_range(0, 1)),
            "meta_position": pa.Column(str, pa.Check.isin(positions)),
            "meta_boot": pa.Column(int, pa.Check.ge(0)),
        },
        unique=["deviceId", "meta_boot", "seq"],
    )


def with_duckdb(path: str) -> Any:
    """Read a drop with DuckDB's own JSON reader, columns declared, on one thread."""
    import duckdb

    connection = duckdb.connect(config={"threads": 1})
    columns = (
        "{deviceId: 'VARCHAR', patientId: 'VARCHAR', seq: 'BIGINT', ts: 'TIMESTAMP', "
        "accel: 'STRUCT(x FLOAT, y FLOAT, z FLOAT)', gyro: 'STRUCT(x FLOAT, y FLOAT, z FLOAT)', "
        "meta: 'STRUCT(fw VARCHAR, battery FLOAT, schemaVersion INT, \"position\" VARCHAR, boot INT)'}"
    )
    return connection.execute(
        "SELECT deviceId, patientId, seq, ts, accel.x, accel.y, accel.z, gyro.x, gyro.y, gyro.z, meta.* "
        f"FROM read_json('{path}', format = 'newline_delimited', columns = {columns})"
    ).to_arrow_table()


def main() -> None:
    """Measure what the command line names."""
    what, path = sys.argv[1:3]
    if what == "pandas":
        seconds, frame = cpu_of(lambda: flat_frame(path), least_s=2)
    elif what == "duckdb":
        seconds, frame = cpu_of(lambda: with_duckdb(path), least_s=2)
    else:
        schema, frame = eager_schema(), flat_frame(path)
        seconds, _ = cpu_of(lambda: schema.validate(frame, lazy=True))
    print(json.dumps({"cpu_s": seconds, "rows": len(frame)}))


if __name__ == "__main__":
    main()
