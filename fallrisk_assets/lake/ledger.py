"""The partition ledger: what has been published for which partition, zero rows included.

What belongs here: entries (one small JSON object for each table and partition, replaced in one step) and
lineage (one immutable object for each publication). What does not: the rows.

The entry is written after the Iceberg commit and names the files that it vouches for; readers take those
and no others. A run killed between the two has changed nothing for them: the old entry still names the old
files, which stay on disk, and the next publication of the partition puts Iceberg right. Entries of several
partitions take effect together: one object holds them all until each has its own.
"""

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow.fs as pafs

from fallrisk_assets.contract import ContractType
from fallrisk_assets.lake import objects
from fallrisk_assets.lake.files import combined_hash
from fallrisk_assets.lake.lease import LEASE_S
from fallrisk_assets.partitions import is_hour_key


class MissingPartition(LookupError):
    """A partition was read that nobody has published."""

    def __init__(self, table: str, key: str) -> None:
        super().__init__(
            f"{table} {key}: nothing has been published for this partition; materialise it first"
        )
        self.table = table
        self.key = key


class PublishedMeanwhile(RuntimeError):
    """Another run published the same partition while this one was computing it."""

    def __init__(self, table: str, key: str, bucket: str) -> None:
        super().__init__(
            f"{table} {key}, bucket {bucket}: published by another run meanwhile; compute again from there"
        )


@dataclass(frozen=True, slots=True)
class BucketEntry:
    """What is published of one device bucket ("-" for tables without buckets) of a partition.

    Attributes:
        rows: Rows.
        content_hash: Hash of the rows.
        input_hash: Hash of what they were made from.
        facts: Small facts that the publication noted.
        file: Name of the file that holds the rows, in the partition's folder. None without rows, and in
            entries from before files were named: then what Iceberg has counts. Random, hence no part of
            comparisons.
    """

    rows: int
    content_hash: str
    input_hash: str
    facts: dict[str, Any] = field(default_factory=dict)
    file: str | None = field(default=None, compare=False)

    @property
    def unnamed(self) -> bool:
        """Whether there are rows and only Iceberg knows in which file."""
        return bool(self.rows) and self.file is None


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What is published of one partition of a table."""

    table: str
    key: str
    content_hash: str
    rows: int
    buckets: dict[str, BucketEntry]
    snapshot_id: int | None
    run_id: str
    inputs: dict[str, str]

    @classmethod
    def of_buckets(
        cls,
        table: str,
        key: str,
        buckets: dict[str, BucketEntry],
        snapshot_id: int | None,
        run_id: str,
        inputs: dict[str, str],
    ) -> "LedgerEntry":
        """Return an entry whose rows and content hash follow from its buckets; empty ones do not count."""
        total = combined_hash(f"{name}={e.content_hash}" for name, e in sorted(buckets.items()) if e.rows)
        rows = sum(e.rows for e in buckets.values())
        return cls(table, key, total, rows, buckets, snapshot_id, run_id, inputs)

    def with_buckets(self, buckets: dict[str, BucketEntry]) -> "LedgerEntry":
        """Return this entry with other buckets."""
        return self.of_buckets(self.table, self.key, buckets, self.snapshot_id, self.run_id, self.inputs)

    def with_snapshot(self, snapshot_id: int) -> "LedgerEntry":
        """Return this entry as published by a snapshot."""
        return replace(self, snapshot_id=snapshot_id)

    @classmethod
    def of_dict(cls, raw: dict[str, Any]) -> "LedgerEntry":
        """Return the entry that `as_dict` described."""
        return cls(**{**raw, "buckets": {b: BucketEntry(**e) for b, e in raw["buckets"].items()}})

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "table": self.table,
            "key": self.key,
            "rows": self.rows,
            "content_hash": self.content_hash,
            "snapshot_id": self.snapshot_id,
            "run_id": self.run_id,
            "inputs": self.inputs,
            "buckets": {
                b: {
                    "rows": e.rows,
                    "content_hash": e.content_hash,
                    "input_hash": e.input_hash,
                    "facts": e.facts,
                    "file": e.file,
                }
                for b, e in sorted(self.buckets.items())
            },
        }


class Ledger:
    """Entries under `<root>/_ledger/<table>/<key>.json`, lineage under `<root>/_lineage/`."""

    def __init__(self, filesystem: pafs.FileSystem, root: str, lease_s: float = LEASE_S) -> None:
        self._fs = filesystem
        self._root = root
        self._lease_s = lease_s
        self._held: dict[str, Callable[[], None]] = {}

    @property
    def settles_ns(self) -> int:
        """How long after a change another one may still get the same time or an earlier one (ns).

        Local disk counts nanoseconds. S3 counts whole seconds, and its clock is not ours: some seconds more.
        """
        return 5_000_000_000 if isinstance(self._fs, pafs.S3FileSystem) else 0

    def _path(self, table: str, key: str) -> str:
        return f"{self._root}/_ledger/{table}/{key.replace(':', '')}.json"

    def find(self, model: ContractType, key: str) -> LedgerEntry | None:
        """Return the entry of a partition, or None where nothing has been published."""
        return self.find_all(model, [key])[key]

    def find_all(self, model: ContractType, keys: Iterable[str]) -> dict[str, LedgerEntry | None]:
        """Return the entries of partitions, None where nothing has been published."""
        wanted = list(keys)
        before = self._unfinished(model)
        while True:
            unfinished = {e.key: e for entries in before.values() for e in entries}
            found: dict[str, LedgerEntry | None] = {}
            for key in wanted:
                found[key] = unfinished.get(key)
                if found[key] is None and (raw := self._read(self._path(model.spec.identifier, key))):
                    found[key] = LedgerEntry.of_dict(raw)
            after = self._unfinished(model) if len(wanted) > 1 else before
            if after.keys() <= before.keys():
                return found
            before = after  # another commit took effect while its entries were being read one by one

    def get(self, model: ContractType, key: str) -> LedgerEntry:
        """Return the entry of a partition.

        Raises:
            MissingPartition: nothing has been published.
        """
        return self.get_all(model, [key])[key]

    def get_all(self, model: ContractType, keys: Iterable[str]) -> dict[str, LedgerEntry]:
        """Return the entries of partitions; asked for together, they cost fewer requests than one by one.

        Raises:
            MissingPartition: nothing has been published for one of them.
        """
        found = {}
        for key, entry in self.find_all(model, keys).items():
            if entry is None:
                raise MissingPartition(model.spec.identifier, key)
            found[key] = entry
        return found

    def put_all(
        self, model: ContractType, entries: Mapping[str, tuple[LedgerEntry, frozenset[str] | None]]
    ) -> dict[str, LedgerEntry]:
        """Replace the entries of one commit so that all count or none, and append their lineage.

        What one drop or one run says of several partitions would otherwise be half known after a kill.

        Args:
            model: The table.
            entries: What is published now, by key, and the buckets that this publication replaced; the others
                stay as another run may have published them meanwhile. None replaces the whole entry.

        Returns:
            The entries as stored.
        """
        whole = [self._merged(model, entry, replaced) for entry, replaced in entries.values()]
        batch = f"{self._batches(model)}/{uuid.uuid4().hex}.json"
        together = len(whole) > 1
        if together:
            self._keep_lock(model)
            self._write(batch, json.dumps([entry.as_dict() for entry in whole]).encode())
        for entry in whole:
            self.put(model, entry)
        if together:
            self._fs.delete_file(batch)
        return {entry.key: entry for entry in whole}

    def finish(self, model: ContractType) -> None:
        """Complete what killed runs began: entries that count already get their own objects."""
        for batch, entries in self._unfinished(model).items():
            for entry in entries:
                self.put(model, entry)
            self._fs.delete_file(batch)

    def _batches(self, model: ContractType) -> str:
        return f"{self._root}/_ledger/_unfinished/{model.spec.identifier}"

    def _unfinished(self, model: ContractType) -> dict[str, list[LedgerEntry]]:
        """Return entries that count though not all of them have their own objects yet, by batch."""
        found = {}
        for info in objects.list_folder(self._fs, self._batches(model)):
            if not info.base_name.startswith("."):
                found[info.path] = [LedgerEntry.of_dict(raw) for raw in self._read(info.path) or ()]
        return found

    def _merged(
        self, model: ContractType, entry: LedgerEntry, replaced: frozenset[str] | None
    ) -> LedgerEntry:
        """Return an entry with the buckets that this publication did not replace as they are now."""
        if replaced is None or (current := self.find(model, entry.key)) is None:
            return entry
        others = {b: e for b, e in current.buckets.items() if b not in replaced}
        return entry.with_buckets({**others, **{b: e for b, e in entry.buckets.items() if b in replaced}})

    def put(self, model: ContractType, entry: LedgerEntry) -> None:
        """Replace an entry in one step, and append its lineage."""
        self._keep_lock(model)
        raw = json.dumps(entry.as_dict(), indent=1, sort_keys=True).encode()
        lineage = f"{self._root}/_lineage/{entry.table}/{entry.key.replace(':', '')}"
        self._write(f"{lineage}/{entry.snapshot_id or 0}-{entry.run_id[:8] or 'none'}.json", raw)
        self._write(self._path(entry.table, entry.key), raw)

    def check_unchanged(
        self, model: ContractType, seen: Mapping[str, tuple[LedgerEntry | None, frozenset[str] | None]]
    ) -> None:
        """Refuse to replace what another run has published since it was looked at.

        Call it with the table `locked`, before the commit: what was computed from the older state would
        take the other run's rows away.

        Args:
            model: The table.
            seen: By partition, the entry when the publication began, and the buckets that are about to be
                replaced; None for the whole partition.

        Raises:
            PublishedMeanwhile: another run was faster; compute again from fresh inputs.
        """
        for key, now in self.find_all(model, seen).items():
            then, names = seen[key]
            if names is None:
                names = frozenset(now.buckets if now else ()) | frozenset(then.buckets if then else ())
            for name in names:
                before = then.buckets.get(name) if then else None
                after = now.buckets.get(name) if now else None
                if before != after:
                    raise PublishedMeanwhile(model.spec.identifier, key, name)

    @contextmanager
    def locked(self, model: ContractType) -> Iterator[None]:
        """Hold a table against other processes while it is compared and replaced."""
        table = model.spec.identifier
        with objects.locked(self._fs, f"{self._root}/_ledger/.{table}.lock", self._lease_s) as keep:
            self._held[table] = keep
            try:
                yield
            finally:
                del self._held[table]

    def _keep_lock(self, model: ContractType) -> None:
        """Refuse to write what a lock protected that was lost meanwhile."""
        if keep := self._held.get(model.spec.identifier):
            keep()

    def keys(self, model: ContractType) -> list[str]:
        """Return all published partition keys of a table, sorted."""
        return sorted(self.changes(model))

    def changes(self, model: ContractType) -> dict[str, int]:
        """Return when each published partition's entry last changed (ns since the epoch), by key."""
        folder = f"{self._root}/_ledger/{model.spec.identifier}"
        infos = [i for i in objects.list_folder(self._fs, folder) if not i.base_name.startswith(".")]
        found = {_key_of(i.base_name): i.mtime_ns or 0 for i in sorted(infos, key=lambda i: i.base_name)}
        for batch, entries in self._unfinished(model).items():
            changed_ns = self._fs.get_file_info(batch).mtime_ns or 0
            found |= {e.key: max(changed_ns, found.get(e.key, 0)) for e in entries}
        return found

    def lineage(self, model: ContractType, key: str) -> list[dict[str, Any]]:
        """Return every publication of a partition, as recorded, sorted by snapshot and run."""
        folder = f"{self._root}/_lineage/{model.spec.identifier}/{key.replace(':', '')}"
        infos = objects.list_folder(self._fs, folder)
        found = []
        for info in sorted(infos, key=lambda i: i.path):
            with self._fs.open_input_stream(info.path) as stream:
                found.append(json.loads(stream.read()))
        return found

    def _read(self, path: str) -> Any:
        """Return what an object says, None where there is none (any more)."""
        raw = objects.read_whole(self._fs, path)
        return None if raw is None else json.loads(raw)

    def _write(self, path: str, raw: bytes) -> None:
        objects.write_whole(self._fs, path, raw)


def _key_of(file_name: str) -> str:
    """Return the partition key that an entry's file name spells without its colon."""
    plain = file_name.removesuffix(".json")
    return f"{plain[:-2]}:{plain[-2:]}" if is_hour_key(plain) else plain
