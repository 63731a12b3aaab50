"""The statements that only Redshift is told: tables with their keys, loading, unloading, locking.

Here: SQL as pure functions of contracts and addresses. Not here: views, marts and checks (one text for both
engines, in `views/`, `checks/` and `operations/`), connections (`redshift_session.py`).

Names come from contracts and quotes are doubled; values that anybody else gives are bound.
https://docs.aws.amazon.com/redshift/latest/dg/cm_chap_SQLCommandRef.html
"""

from collections.abc import Iterable, Sequence

import pyarrow as pa

from fallrisk_assets.contract import ColumnInfo, ContractType, columns_of

#: A VARCHAR without a length holds 256 bytes; contracts limit texts by their vocabulary, not by their length.
_TYPES: dict[pa.DataType, str] = {
    pa.bool_(): "BOOLEAN",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float32(): "REAL",
    pa.float64(): "DOUBLE PRECISION",
    pa.string(): "VARCHAR(65535)",
    pa.date32(): "DATE",
    pa.timestamp("us", "UTC"): "TIMESTAMPTZ",
}
_STAGED = {**_TYPES, pa.timestamp("us", "UTC"): "TIMESTAMP"}
STAGING_TABLE = "incoming"
_PERSON_KEY = "patient_key"
#: Writers take it in turns; readers, whom a locked table would keep waiting, never touch it.
LOCK = "LOCK writer_turn"
BOOKKEEPING = (
    """
CREATE TABLE IF NOT EXISTS partition_ledger (
    table_name VARCHAR(256) NOT NULL, partition_key VARCHAR(64) NOT NULL, rows BIGINT NOT NULL,
    content_hash VARCHAR(256) NOT NULL, run_id VARCHAR(256) NOT NULL
) DISTSTYLE ALL SORTKEY (table_name, partition_key)
""",
    "CREATE TABLE IF NOT EXISTS applied_schema (fingerprint VARCHAR(256) NOT NULL) DISTSTYLE ALL",
)
LOCK_TABLE = "CREATE TABLE IF NOT EXISTS writer_turn (turn INTEGER)"
FORGET_ENTRY = "DELETE FROM partition_ledger WHERE table_name = ? AND partition_key = ?"
ADD_ENTRY = (
    "INSERT INTO partition_ledger (table_name, partition_key, rows, content_hash, run_id) "
    "VALUES (?, ?, ?, ?, ?)"
)
LEDGER = (
    "SELECT table_name, partition_key, rows, content_hash, run_id FROM partition_ledger "
    "ORDER BY table_name, partition_key"
)
COLUMNS = (
    "SELECT column_name, data_type FROM information_schema.columns "
    "WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position"
)


def quoted(text: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def name_of(identifier: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def table_ddl(model: ContractType) -> str:
    """Return `CREATE TABLE IF NOT EXISTS` with the contract's columns and the keys that lay rows out.

    Rows of a patient lie together, where joins by `patient_key` find them (DISTKEY); what has no patient and
    no slices is small and lies everywhere (DISTSTYLE ALL). Rows are sorted by slice, versions by their begin.
    No column is NOT NULL, since Redshift cannot take that back when a contract does; the contract refuses
    nulls before.
    """
    spec = model.spec
    names = [c.name for c in columns_of(model)]
    if _PERSON_KEY in names:
        distribution = f"DISTKEY ({name_of(_PERSON_KEY)})"
    else:
        distribution = "DISTSTYLE ALL" if spec.slice_column is None else "DISTSTYLE EVEN"
    sort = spec.slice_column or ("valid_from" if "valid_from" in names else spec.key[0])
    columns = _columns(columns_of(model), _TYPES)
    return (
        f"CREATE TABLE IF NOT EXISTS {name_of(spec.name)} (\n{columns}\n) {distribution} "
        f"SORTKEY ({name_of(sort)})"
    )


def staging_ddl(model: ContractType) -> str:
    """Return the temporary table that is loaded: instants as UTC without a zone, as Parquet is read."""
    return f"CREATE TEMP TABLE {STAGING_TABLE} (\n{_columns(columns_of(model), _STAGED)}\n)"


def add_column(model: ContractType, column: str) -> str:
    """Return the statement that adds a column which the contract has gained."""
    (info,) = (c for c in columns_of(model) if c.name == column)
    return f"ALTER TABLE {name_of(model.spec.name)} ADD COLUMN {name_of(column)} {_TYPES[info.type]}"


def standard_types(model: ContractType) -> dict[str, str]:
    """Return columns and their types as the information schema calls them."""
    said = {"VARCHAR(65535)": "character varying", "TIMESTAMPTZ": "timestamp with time zone"}
    return {c.name: said.get(_TYPES[c.type], _TYPES[c.type].lower()) for c in columns_of(model)}


def copy(address: str, role: str) -> str:
    """Return the statement that loads the Parquet files below an `s3://` address into the staging table."""
    return f"COPY {STAGING_TABLE} FROM {quoted(address)} IAM_ROLE {quoted(role)} FORMAT AS PARQUET"


def delete_slices(model: ContractType, count: int) -> str:
    """Return the statement that deletes so many slices; the whole table, of one without slices."""
    spec = model.spec
    if spec.slice_column is None:
        return f"DELETE FROM {name_of(spec.name)}"
    return f"DELETE FROM {name_of(spec.name)} WHERE {name_of(spec.slice_column)} IN ({_marks(count)})"


def insert_staged(model: ContractType) -> str:
    """Return the statement that puts what was loaded into the table."""
    infos = columns_of(model)
    names = ", ".join(name_of(c.name) for c in infos)
    values = ", ".join(
        f"{name_of(c.name)} AT TIME ZONE 'UTC'" if _is_instant(c) else name_of(c.name) for c in infos
    )
    return f"INSERT INTO {name_of(model.spec.name)} ({names}) SELECT {values} FROM {STAGING_TABLE}"


def select(model: ContractType, count: int | None) -> str:
    """Return the query for so many slices, or for all rows.

    A REAL is read as DOUBLE PRECISION: as text Redshift gives it two digits less than it takes to tell it.
    """
    spec = model.spec
    values = ", ".join(
        f"CAST({name_of(c.name)} AS DOUBLE PRECISION) AS {name_of(c.name)}"
        if c.type == pa.float32()
        else name_of(c.name)
        for c in columns_of(model)
    )
    where = ""
    if count is not None and spec.slice_column is not None:
        where = f" WHERE {name_of(spec.slice_column)} IN ({_marks(count)})"
    return f"SELECT {values} FROM {name_of(spec.name)}{where}"


def exported(model: ContractType) -> str:
    """Return the query for what is exported of a table: instants in UTC, as Parquet has them."""
    values = ", ".join(
        f"{name_of(c.name)} AT TIME ZONE 'UTC' AS {name_of(c.name)}" if _is_instant(c) else name_of(c.name)
        for c in columns_of(model)
    )
    return f"SELECT {values} FROM {name_of(model.spec.name)}"


def unload(query: str, address: str, role: str) -> str:
    """Return the statement that writes a query's rows as Parquet; an `s3://` address begins files' names."""
    return f"UNLOAD ({quoted(query)}) TO {quoted(address)} IAM_ROLE {quoted(role)} FORMAT AS PARQUET"


def _columns(infos: Iterable[ColumnInfo], types: dict[pa.DataType, str]) -> str:
    return ",\n".join(f"    {name_of(c.name)} {types[c.type]}" for c in infos)


def _marks(count: int) -> str:
    return ", ".join(["?"] * count)


def _is_instant(info: ColumnInfo) -> bool:
    return bool(pa.types.is_timestamp(info.type))


def schema_statements(tables: Sequence[ContractType], views: Sequence[str]) -> list[str]:
    """Return everything that makes an empty schema a warehouse, in order."""
    return [*BOOKKEEPING, *(table_ddl(model) for model in tables), *views]
