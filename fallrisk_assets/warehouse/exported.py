"""What Redshift unloaded, read through DuckDB: pages ask it in the SQL that they ask a snapshot in.

Here: Parquet files as tables, and the views on them. Not here: unloading and which export is the current one
(`redshift.py`), the pages' queries (`dashboards/`).

Files are read while a query runs, and only the columns that it names: an export may be larger than memory.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.fs as pafs

from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.warehouse.store import EVERY_TABLE, views

LEDGER = "partition_ledger"
_LEDGER_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("table_name", "partition_key")]
    + [("rows", pa.int64())]
    + [(name, pa.string()) for name in ("content_hash", "run_id")]
)


@contextmanager
def open_exported(filesystem: pafs.FileSystem, prefix: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the export below a prefix to read; nothing that is typed into it can reach anything else.

    Args:
        filesystem: Where it is.
        prefix: The folder with a folder of Parquet files for each table; a table without rows may have none.
    """
    connection = duckdb.connect(config={"enable_external_access": "false"})
    try:
        connection.execute("SET TimeZone = 'UTC'")
        schemas = {model.spec.name: arrow_schema(model) for model in EVERY_TABLE}
        for name, schema in {**schemas, LEDGER: _LEDGER_SCHEMA}.items():
            files = filesystem.get_file_info(pafs.FileSelector(f"{prefix}/{name}", allow_not_found=True))
            paths = [info.path for info in files if info.type == pafs.FileType.File]
            # Redshift unloads instants without a zone, in UTC; the contract's schema puts it back.
            rows = pads.dataset(paths, schema, "parquet", filesystem) if paths else schema.empty_table()
            connection.register(name, rows)
        for view in views():
            connection.execute(view.replace("CREATE OR REPLACE VIEW", "CREATE OR REPLACE TEMP VIEW"))
        yield connection
    finally:
        connection.close()
