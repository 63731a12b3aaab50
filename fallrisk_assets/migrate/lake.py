"""The lake's tables: data files move byte for byte, the ledger's entries follow with the target's commit.

Belongs here: partitions of Iceberg tables. Does not belong here: the lake's other files (`files`).
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pyarrow.parquet as pq

from fallrisk_assets.contract import ContractType
from fallrisk_assets.lake import Lake, LedgerEntry, tables
from fallrisk_assets.lake.adoption import adopt
from fallrisk_assets.lake.files import combined_hash
from fallrisk_assets.migrate.components import Proof, State
from fallrisk_assets.migrate.files import Place, copy_file

_AT_ONCE = 8


@dataclass(slots=True)
class LakeTables:
    """All tables of a lake, partition by partition.

    Attributes:
        source: The lake that is copied.
        target: The lake that becomes its equal.
        models: Contracts of the tables.
        chunk: Partitions that one commit publishes.
    """

    source: Lake
    target: Lake
    models: Sequence[ContractType]
    name: str = "lake"
    chunk: int = 48

    @property
    def places(self) -> tuple[str, str]:
        """Addresses of source and target."""
        return self.source.address, self.target.address

    def groups(self) -> list[str]:
        """Return the tables."""
        return sorted(model.spec.identifier for model in self.models)

    def states(self, group: str) -> Mapping[str, State]:
        """Compare the ledgers' entries."""
        model = self._model(group)
        here, there = (
            {key: fingerprint(entry) for key, entry in _entries(lake, model).items()}
            for lake in (self.source, self.target)
        )
        return {
            key: State(
                one := here.get(key),
                other := there.get(key),
                alike=one == other,
                conflict=other is not None and one != other,
            )
            for key in sorted({*here, *there})
        }

    def copy(self, group: str, keys: Sequence[str]) -> None:
        """Copy the data files, then publish the partitions in one commit."""
        model = self._model(group)
        entries = {
            key: self._named(model, entry) for key, entry in _entries(self.source, model, keys).items()
        }
        paths = [
            lake_path
            for key, entry in entries.items()
            for bucket in entry.buckets.values()
            if bucket.file is not None
            for lake_path in [(key, bucket.file)]
        ]
        here, there = (Place(lake.filesystem, lake.base) for lake in (self.source, self.target))

        def copy_one(wanted: tuple[str, str]) -> None:
            names = [
                lake.file_path(model, *wanted).removeprefix(f"{lake.base}/")
                for lake in (self.source, self.target)
            ]
            copy_file(here, there, *names)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(copy_one, paths))
        adopt(self.target, model, entries, self.source.address)

    def prove(self, group: str, keys: Sequence[str]) -> Mapping[str, Proof]:
        """Read every file back from both sides, as the ledgers name them, and ask the target's catalog, too.

        The files were copied whole, so equal bytes are equal rows. Row counts are read from the target's
        files, not from what its ledger says.
        """
        model = self._model(group)
        here, there = (_entries(lake, model, keys) for lake in (self.source, self.target))
        listed: dict[str, list[str]] = {}
        for file in tables.list_files(self.target.table(model), model, sorted(there)):
            listed.setdefault(file.key, []).append(file.path)
        return {key: self._proof(model, here.get(key), there.get(key), listed.get(key, [])) for key in keys}

    def finish(self) -> None:
        """Nothing more is needed: each commit is complete."""

    def _proof(
        self,
        model: ContractType,
        one: LedgerEntry | None,
        other: LedgerEntry | None,
        in_catalog: Sequence[str],
    ) -> Proof:
        if one is None or other is None:
            side = "source" if one is None else "target"
            return Proof(0, fingerprint(one), fingerprint(other), f"not in the {side}")
        files = self.target.files_of(model, [other])
        here, there = self._digest(self.source, model, one), self._digest(self.target, model, other)
        trouble = []
        if sorted(_path_of(path) for path in in_catalog) != sorted(_path_of(file.path) for file in files):
            trouble.append("the target's catalog has other files than its ledger names")
        if here != there:
            return Proof(0, here, there, "; ".join(["content differs", *trouble]))
        rows = sum(
            pq.read_metadata(_path_of(file.path), filesystem=self.target.filesystem).num_rows
            for file in files
        )
        if rows != one.rows:
            trouble.append(f"{one.rows} rows in the source, {rows} in the target's files")
        return Proof(rows, here, there, "; ".join(trouble))

    def _digest(self, lake: Lake, model: ContractType, entry: LedgerEntry) -> str:
        """Return a hash of what an entry says and of the bytes of its files; a lost file has none."""
        place, parts = Place(lake.filesystem, lake.base), [fingerprint(entry)]
        for file in lake.files_of(model, [entry]):
            name = _path_of(file.path).removeprefix(f"{place.base}/")
            parts += [str(file.bucket), place.sha256_or_none(name)]
        return combined_hash(parts)

    def _named(self, model: ContractType, entry: LedgerEntry) -> LedgerEntry:
        """Return an entry whose buckets all name their files: those of older ones only Iceberg knows."""
        if not any(bucket.unnamed for bucket in entry.buckets.values()):
            return entry
        known = {file.bucket: file.path.rpartition("/")[2] for file in self.source.files_of(model, [entry])}
        return entry.with_buckets(
            {
                name: replace(bucket, file=known[int(name) if name.isdigit() else None])
                if bucket.unnamed
                else bucket
                for name, bucket in entry.buckets.items()
            }
        )

    def _model(self, group: str) -> ContractType:
        return next(model for model in self.models if model.spec.identifier == group)


def _entries(lake: Lake, model: ContractType, keys: Sequence[str] | None = None) -> dict[str, LedgerEntry]:
    wanted = lake.ledger.keys(model) if keys is None else keys
    found = lake.ledger.find_all(model, wanted)
    return {key: entry for key, entry in found.items() if entry is not None}


def fingerprint(entry: LedgerEntry | None) -> str:
    """Return a hash of all that an entry says of its partition, save which snapshot and file hold it."""
    if entry is None:
        return ""
    said = entry.as_dict()
    buckets = {
        name: {what: value for what, value in bucket.items() if what != "file"}
        for name, bucket in said["buckets"].items()
    }
    return combined_hash([entry.key, repr(sorted((said | {"buckets": buckets, "snapshot_id": 0}).items()))])


def _path_of(uri: str) -> str:
    return uri.removeprefix("file://").removeprefix("s3://")
