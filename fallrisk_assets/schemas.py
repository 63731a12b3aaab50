"""What other systems call a contract: Iceberg schema, DuckDB DDL, the UI's column table, a dictionary.

What belongs here: translations of a `Contract`, each a pure function. What does not: rules about rows.
"""

from collections.abc import Iterable
from typing import Any

import dagster as dg
import pyarrow as pa
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import HourTransform, IdentityTransform
from pyiceberg.types import (
    BooleanType,
    DateType,
    DoubleType,
    FloatType,
    IcebergType,
    IntegerType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)

from fallrisk_assets.contract import ColumnInfo, ContractType, columns_of

_ICEBERG: dict[pa.DataType, IcebergType] = {
    pa.bool_(): BooleanType(),
    pa.int32(): IntegerType(),
    pa.int64(): LongType(),
    pa.float32(): FloatType(),
    pa.float64(): DoubleType(),
    pa.string(): StringType(),
    pa.date32(): DateType(),
    pa.timestamp("us", "UTC"): TimestamptzType(),
}

_DUCKDB: dict[pa.DataType, str] = {
    pa.bool_(): "BOOLEAN",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float32(): "REAL",
    pa.float64(): "DOUBLE",
    pa.string(): "VARCHAR",
    pa.date32(): "DATE",
    pa.timestamp("us", "UTC"): "TIMESTAMPTZ",
}


def iceberg_schema(model: ContractType) -> Schema:
    """Return the Iceberg schema, with the contract's field ids."""
    return Schema(
        *(
            NestedField(c.field_id, c.name, _ICEBERG[c.type], required=not c.nullable, doc=c.description)
            for c in columns_of(model)
        )
    )


def iceberg_partition_spec(model: ContractType) -> PartitionSpec:
    """Return hour (of a time) or identity (of a date) of the slice column, then the device bucket."""
    by_name = {c.name: c for c in columns_of(model)}
    fields = []
    if model.spec.slice_column is not None:
        transform = HourTransform() if model.spec.slicing == "hour" else IdentityTransform()
        name = f"{model.spec.slice_column}_{'hour' if model.spec.slicing == 'hour' else 'slice'}"
        fields.append(PartitionField(by_name[model.spec.slice_column].field_id, 1000, transform, name))
    if model.spec.bucketed:
        fields.append(
            PartitionField(by_name["device_bucket"].field_id, 1001, IdentityTransform(), "device_bucket")
        )
    return PartitionSpec(*fields)


def duckdb_ddl(model: ContractType, schema: str = "main") -> str:
    """Return `CREATE TABLE IF NOT EXISTS` for DuckDB, with the columns' order, types and nullability."""
    lines = [
        f'    "{c.name}" {_DUCKDB[c.type]}{"" if c.nullable else " NOT NULL"}' for c in columns_of(model)
    ]
    return f'CREATE TABLE IF NOT EXISTS {schema}."{model.spec.name}" (\n' + ",\n".join(lines) + "\n)"


def dagster_column_schema(model: ContractType) -> dg.TableSchema:
    """Return the column schema that the UI shows: types, units, descriptions, tags, constraints."""
    unique = model.spec.key[0] if len(model.spec.key) == 1 else None
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=c.name,
                type=str(c.type),
                description=_described(c),
                constraints=dg.TableColumnConstraints(
                    nullable=c.nullable,
                    unique=c.name == unique,
                    other=[_words(name, stats) for name, stats in c.checks],
                ),
                tags={
                    **({"unit": _tag(c.unit)} if c.unit not in ("", "1") else {}),
                    **({"personal-data": c.pii} if c.pii != "none" else {}),
                },
            )
            for c in columns_of(model)
        ]
    )


def _described(c: ColumnInfo) -> str:
    """Return what a column means, in which unit, and the code of rows that break its rules."""
    unit = f" [{c.unit}]" if c.unit not in ("", "1") else ""
    refused = f". Else refused: {c.reason}" if c.checks and c.reason != "VALUE_OUT_OF_RANGE" else ""
    return f"{c.description}{unit}{refused}"


def _tag(text: str) -> str:
    """Return a unit as Dagster's tag alphabet allows it."""
    spelled = text.replace("/", "-per-").replace("%", "percent").replace("²", "2").strip("{}")
    return "".join(ch if ch.isalnum() or ch in "-_." else "_" for ch in spelled)[:63].strip("-_.")


def _words(name: str, stats: dict[str, Any]) -> str:
    """Return a check as a person reads it."""
    sign = {
        "greater_than_or_equal_to": "≥",
        "greater_than": ">",
        "less_than_or_equal_to": "≤",
        "less_than": "<",
        "isin": "one of",
        "str_matches": "matches",
    }[name]
    value = next(iter(stats.values()))
    return f"{sign} {', '.join(map(str, value)) if isinstance(value, list | tuple | set) else value}"


def _row(info: ColumnInfo) -> str:
    rules = "; ".join(_words(name, stats) for name, stats in info.checks)
    cells = [
        str(info.field_id),
        f"`{info.name}`",
        str(info.type),
        info.unit,
        "" if info.nullable else "yes",
        info.pii,
        f"`{rules}` → {info.reason}" if rules else "",
        info.description,
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def data_dictionary(models: Iterable[ContractType]) -> str:
    """Return the data dictionary of tables as Markdown, a section each, in the order given."""
    parts = [
        "# Data dictionary",
        "",
        "Made from the contracts by `make dictionary`; a test keeps it current. "
        "Times are UTC, intervals `[start, end)`.",
        "",
    ]
    for model in models:
        spec = model.spec
        where = f"{spec.slicing} of `{spec.slice_column}`" if spec.slice_column else "not sliced"
        facts = [
            f"Grain: {spec.grain}.",
            f"Key: {', '.join(f'`{k}`' for k in spec.key)}.",
            f"Partition: {where}{', device bucket' if spec.bucketed else ''}.",
            f"Person: {f'`{spec.person}`' if spec.person else 'none'}.",
        ]
        summary = (model.__doc__ or "").strip().splitlines()[0]
        parts += [f"## {spec.identifier}", "", summary, "", " ".join(facts), ""]
        parts += ["| id | column | type | unit | required | personal data | rule → reason | meaning |"]
        parts += ["|---|---|---|---|---|---|---|---|"]
        parts += [_row(c) for c in columns_of(model)]
        if spec.rules:
            parts += [""] + [f"- `{r.left}` {r.operator} `{r.right}`, else {r.reason}" for r in spec.rules]
        parts.append("")
    return "\n".join(parts)
