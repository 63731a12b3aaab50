"""The lake as a Dagster resource: local disk with SQLite, or S3 with a REST catalog, by configuration.

What belongs here: where the lake is and how a table is read by its name. What does not: how it is
written (`publication.py`) and what pyiceberg needs (`tables.py`).
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.table import Table as IcebergTable

from fallrisk_assets.contract import ContractType, arrow_schema
from fallrisk_assets.lake import s3, tables
from fallrisk_assets.lake.files import read_rows, written_schema
from fallrisk_assets.lake.lease import LEASE_S
from fallrisk_assets.lake.ledger import Ledger, LedgerEntry, MissingPartition
from fallrisk_assets.lake.memory import reuse_blocks
from fallrisk_assets.lake.publication import WHOLE, Publication
from fallrisk_assets.secrets import revealed, without_passwords

DATA_VARIABLE = "FALLRISK_DATA"
LAKE_VARIABLE = "FALLRISK_LAKE"
CATALOG_VARIABLE = "FALLRISK_CATALOG"
CATALOG_WAREHOUSE_VARIABLE = "FALLRISK_CATALOG_WAREHOUSE"
CATALOG_SIGNING_VARIABLE = "FALLRISK_CATALOG_SIGNING"
#: Services in whose name requests to a REST catalog can be signed (SigV4).
SIGNING_NAMES = ("glue", "s3tables", "none")


def data_folder(configured: str = "") -> str:
    """Return the data folder: as configured, else from `FALLRISK_DATA`, else `data`; read when used."""
    return configured or os.environ.get(DATA_VARIABLE, "") or "data"


class Lake(dg.ConfigurableResource):
    """Iceberg tables, their ledger and the lake's files, reached by contract.

    Attributes:
        root: Folder or `s3://` address of the lake; empty means `<data folder>/lake`.
        catalog_uri: Address of the Iceberg catalog: `https://…` for a REST catalog (Glue, S3 Tables and
            others), else an SQLAlchemy address; empty means SQLite beside a local lake.
        catalog_warehouse: What a REST catalog calls our part of it: the account's number (Glue), the ARN of a
            table bucket (S3 Tables). For an SQL catalog empty: the lake.
        catalog_signing: In whose name requests to a REST catalog are signed: glue, s3tables, or none.
        lease_s: How long a run on S3 may be silent before another takes the lock of a table over, in seconds.
    """

    root: str = ""
    catalog_uri: str = ""
    catalog_warehouse: str = ""
    catalog_signing: str = "none"
    lease_s: float = LEASE_S

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Look at everything that is configured before a step runs; a local lake needs no look."""
        self.check()

    def check(self) -> None:
        """Find out whether the lake can be used as it is configured.

        Raises:
            Misconfigured: it cannot; names the resource, the variable and what is wrong.
        """
        if "://" not in self.address:
            return
        s3.check(self.address, "lake", LAKE_VARIABLE)
        try:
            self._catalog.list_namespaces()
        except s3.Misconfigured:
            raise
        except Exception as error:
            where = f"{self.catalog_uri} ({self.catalog_warehouse})"
            what = without_passwords(f"the catalog at {where} does not let us in: {error}")
            raise s3.Misconfigured("lake", CATALOG_VARIABLE, what) from error

    @cached_property
    def address(self) -> str:
        """Absolute address of the lake: a local path or an `s3://` address."""
        root = self.root or str(Path(data_folder()) / "lake")
        return root.rstrip("/") if "://" in root else str(Path(root).absolute())

    @cached_property
    def _located(self) -> tuple[pafs.FileSystem, str]:
        if "://" in self.address:
            return s3.locate(self.address, "lake", LAKE_VARIABLE)
        Path(self.address).mkdir(parents=True, exist_ok=True)
        return pafs.LocalFileSystem(), self.address

    @property
    def filesystem(self) -> pafs.FileSystem:
        """The file system that holds the lake."""
        return self._located[0]

    @property
    def base(self) -> str:
        """The lake's folder inside `filesystem`."""
        return self._located[1]

    def uri(self, path: str) -> str:
        """Return the address that Iceberg stores for a path inside `filesystem`."""
        return path if isinstance(self.filesystem, pafs.LocalFileSystem) else f"s3://{path}"

    def file_path(self, model: ContractType, key: str, name: str) -> str:
        """Return where in `filesystem` a file of a partition is."""
        spec = model.spec
        return f"{self.base}/{spec.namespace}/{spec.name}/{key.replace(':', '')}/{name}"

    def _path(self, uri: str) -> str:
        return uri.removeprefix("file://").removeprefix("s3://")

    @cached_property
    def _catalog(self) -> Catalog:
        return load_catalog("fallrisk", **self.catalog_properties())

    def catalog_properties(self) -> dict[str, str]:
        """Return what pyiceberg needs to reach the catalog and the files that it writes itself.

        Raises:
            Misconfigured: a lake on S3 without a catalog, or one that nobody can sign for.
        """
        on_s3 = s3.is_s3(self.address)
        files = {"s3.region": s3.region(), **({"s3.endpoint": s3.endpoint()} if s3.endpoint() else {})}
        if not self.catalog_uri:
            if on_s3:
                raise s3.Misconfigured("lake", CATALOG_VARIABLE, "is empty, and a lake on S3 needs a catalog")
            uri = f"sqlite:///{self.base}/catalog.db"
            return {"type": "sql", "uri": uri, "warehouse": f"file://{self.base}"}
        address = revealed(self.catalog_uri, "lake", CATALOG_VARIABLE)
        if not address.startswith(("http://", "https://")):
            warehouse = self.catalog_warehouse or (self.address if on_s3 else f"file://{self.base}")
            return {
                "type": "sql",
                "uri": address,
                "warehouse": warehouse,
                **(files if on_s3 else {}),
            }
        if self.catalog_signing not in SIGNING_NAMES:
            what = f"{self.catalog_signing!r} is none of {', '.join(SIGNING_NAMES)}"
            raise s3.Misconfigured("lake", CATALOG_SIGNING_VARIABLE, what)
        signed = {
            "rest.sigv4-enabled": "true",
            "rest.signing-name": self.catalog_signing,
            "rest.signing-region": s3.region(),
        }
        return {
            "type": "rest",
            "uri": address,
            "warehouse": self.catalog_warehouse,
            **(signed if self.catalog_signing != "none" else {}),
            **files,
        }

    @cached_property
    def ledger(self) -> Ledger:
        """What has been published for which partition."""
        return Ledger(self.filesystem, self.base, self.lease_s)

    def table(self, model: ContractType) -> IcebergTable:
        """Return the Iceberg table of a contract as it is now, created where it does not exist."""
        return tables.evolve(tables.open_table(self._catalog, model), model)

    def publication(self, model: ContractType, keys: Sequence[str], run_id: str = "") -> Publication:
        """Begin to publish partitions; see `Publication`."""
        reuse_blocks()
        return Publication(self, model, keys, run_id)

    def files(
        self,
        model: ContractType,
        keys: Sequence[str],
        *,
        buckets: Sequence[int] | None = None,
        optional: bool = False,
        as_of: int | None = None,
    ) -> list[tables.DataFile]:
        """List the files that the ledger vouches for, never what a killed run committed and did not enter.

        Args:
            model: The table.
            keys: Partition keys; for a table without slices any single text.
            buckets: Only these device buckets.
            optional: Take a partition that was never published for an empty one.
            as_of: Snapshot to look at instead of the newest (the ledger is then not asked).

        Raises:
            MissingPartition: a partition has never been published and is not `optional`.
        """
        if as_of is not None:
            return tables.list_files(self.table(model), model, keys, buckets, as_of)
        entries = self.ledger.find_all(model, keys)
        for key, entry in entries.items():
            if entry is None and not optional:
                raise MissingPartition(model.spec.identifier, key)
        return self.files_of(model, [e for e in entries.values() if e is not None], buckets)

    def files_of(
        self, model: ContractType, entries: Iterable[LedgerEntry], buckets: Sequence[int] | None = None
    ) -> list[tables.DataFile]:
        """List the files that ledger entries vouch for; of entries that name none, those in Iceberg."""
        by_key = {entry.key: entry for entry in entries}
        wanted = None if buckets is None else {str(b) for b in buckets}
        found: list[tables.DataFile] = []
        unnamed: set[tuple[str, int | None]] = set()
        for key, entry in by_key.items():
            for name, part in entry.buckets.items():
                if wanted is not None and name not in wanted:
                    continue
                bucket = None if name == WHOLE else int(name)
                if part.unnamed:
                    unnamed.add((key, bucket))
                elif part.file is not None:
                    uri = self.uri(self.file_path(model, key, part.file))
                    found.append(tables.DataFile(uri, key, bucket, part.rows))
        if unnamed:
            asked = sorted({key for key, _ in unnamed})
            listed = tables.list_files(self.table(model), model, asked, buckets)
            found += [file for file in listed if (file.key, file.bucket) in unnamed]
        return sorted(found, key=lambda f: (f.key, f.bucket or 0, f.path))

    def vouched(self, model: ContractType) -> set[str]:
        """Return the paths of all files that the ledger vouches for; no clean-up may take them away."""
        return {self._path(file.path) for file in self.files(model, self.ledger.keys(model))}

    def read(
        self,
        model: ContractType,
        keys: Sequence[str],
        *,
        columns: list[str] | None = None,
        where: Any = None,
        buckets: Sequence[int] | None = None,
        optional: bool = False,
        as_of: int | None = None,
    ) -> pa.Table:
        """Read whole partitions into one table, in the order of keys, buckets and rows as written.

        Args:
            model: The table.
            keys: Partition keys.
            columns: Only these columns, in this order.
            where: pyarrow filter expression.
            buckets: Only these device buckets.
            optional: Take a partition that was never published for an empty one.
            as_of: Snapshot to read instead of the newest.

        Raises:
            MissingPartition: a partition has never been published and is not `optional`.
        """
        schema = arrow_schema(model)
        if columns:
            schema = pa.schema([schema.field(name) for name in columns])
        found = self.files(model, keys, buckets=buckets, optional=optional, as_of=as_of)
        pieces = [self.read_file(model, f, columns=columns, where=where) for f in found]
        return pa.concat_tables([schema.empty_table(), *pieces]).combine_chunks()

    def read_file(
        self,
        model: ContractType,
        file: tables.DataFile,
        columns: list[str] | None = None,
        where: Any = None,
        *,
        coded: bool = False,
    ) -> pa.Table:
        """Read one listed file; `coded` leaves texts dictionary-coded, which is cheaper.

        A column that the contract has gained since the file was written is null in it.
        """
        path, schema = self._path(file.path), arrow_schema(model)
        names = columns or schema.names
        try:
            return read_rows(model, path, self.filesystem, names, where, coded=coded)
        except (KeyError, pa.ArrowInvalid):
            there = set(pq.read_schema(path, filesystem=self.filesystem).names)
            gained = [name for name in names if name not in there]
            if not gained or not all(schema.field(name).nullable for name in gained):
                raise
        data = read_rows(model, path, self.filesystem, [n for n in names if n in there], where, coded=coded)
        for name in gained:
            data = data.append_column(schema.field(name), pa.nulls(data.num_rows, schema.field(name).type))
        return data.select(names)

    def read_in_order(
        self, model: ContractType, file: tables.DataFile, by: str, columns: list[str]
    ) -> Iterator[pa.Table]:
        """Yield a listed file piece by piece, texts dictionary-coded, so that it need not be in memory whole.

        No two pieces have a value of the text column `by` in common, and values increase from piece to piece:
        the pieces are those in which the rows were added, where they were added in that order; else the whole
        file is one.
        """
        schema = written_schema(model)
        wanted = pa.schema([schema.field(name) for name in columns])
        texts = [field.name for field in wanted if pa.types.is_dictionary(field.type)]
        with self.open_file(file) as source:
            parquet = pq.ParquetFile(source, read_dictionary=texts, pre_buffer=False)
            if pieces := _pieces_apart(parquet.metadata, by):
                for groups in pieces:
                    rows = parquet.read_row_groups(groups, columns=columns, use_threads=False)
                    yield rows.select(columns).cast(wanted)
                return
        yield self.read_file(model, file, columns, coded=True)

    def open_file(self, file: tables.DataFile) -> pa.NativeFile:
        """Open a listed file for random access; the caller closes it."""
        return self.filesystem.open_input_file(self._path(file.path))

    def snapshots(self, model: ContractType) -> list[dict[str, Any]]:
        """Return the table's snapshots, oldest first."""
        return tables.summary_of(self.table(model))

    def by_bucket(
        self, model: ContractType, keys: Sequence[str], *, optional: bool = False
    ) -> Iterator[tuple[int, list[tables.DataFile]]]:
        """Yield each device bucket with its files, so that a range is read device by device."""
        grouped: dict[int, list[tables.DataFile]] = {}
        for file in self.files(model, keys, optional=optional):
            grouped.setdefault(file.bucket or 0, []).append(file)
        yield from sorted(grouped.items())


def _pieces_apart(file: pq.FileMetaData, by: str) -> list[list[int]]:
    """Return the row groups, together where they share a value of a column; none where values decrease."""
    column = file.schema.names.index(by)
    pieces: list[list[int]] = []
    last = ""
    for group in range(file.num_row_groups):
        found = file.row_group(group).column(column).statistics
        if found is None or not found.has_min_max or found.min < last:
            return []
        if pieces and found.min == last:
            pieces[-1].append(group)
        else:
            pieces.append([group])
        last = found.max
    return pieces
