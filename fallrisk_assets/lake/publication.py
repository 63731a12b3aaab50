"""Publishing partitions of one table: validate, write files, commit all good ones at once, then vouch.

What belongs here: law "nothing is published that its contract refuses", all or nothing for each
partition, and the ledger entry that follows a commit. What does not: Dagster (see `publishing.py`).
"""

import logging
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from fallrisk_assets.contract import ContractType, arrow_schema, schema_relaxed
from fallrisk_assets.lake import tables
from fallrisk_assets.lake.files import ContentHasher, parquet_writer, read_rows, write_rows
from fallrisk_assets.lake.ledger import BucketEntry, LedgerEntry
from fallrisk_assets.lake.memory import give_back
from fallrisk_assets.partitions import window_of
from fallrisk_assets.validation import (
    SAMPLE_ROWS,
    ContractReport,
    KeysSeen,
    judge_rows,
    outside_slice,
    pandera_refusals,
    repeated_keys,
    sample_of,
    withdraw,
)

if TYPE_CHECKING:
    from fallrisk_assets.lake.resource import Lake

logger = logging.getLogger(__name__)

WHOLE = "-"
_SAMPLED_OF_A_PIECE = 4


class SliceRefused(ValueError):
    """The contract refused rows of one or more partitions, which were therefore not published."""

    def __init__(self, model: ContractType, reports: Mapping[str, ContractReport]) -> None:
        said = "; ".join(f"{key}: {report.sentence()}" for key, report in sorted(reports.items()))
        super().__init__(f"{model.spec.identifier} not published for {said}")
        self.reports = dict(reports)


@dataclass(slots=True)
class _OpenSlice:
    """A file being written for one partition and bucket; its name goes into the ledger."""

    path: str
    writer: pq.ParquetWriter | None
    hasher: ContentHasher
    keys: KeysSeen
    doubtful: bool = False
    input_hash: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    given_away: bool = False

    def close(self) -> None:
        """Complete the file and forget its writer, which holds half a megabyte even when it is closed."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None


class Publication:
    """New contents of some partitions of one table, gathered piece by piece and committed once.

    Rows of one partition and bucket are added in their final order. A partition of `keys` that gets no
    rows is published empty. Use as a context manager: leaving it without `commit` discards the files.
    """

    def __init__(self, lake: "Lake", model: ContractType, keys: Iterable[str], run_id: str = "") -> None:
        self.model = model
        self.keys = list(keys)
        self.reports = {key: ContractReport(model) for key in self.keys}
        self.entries: dict[str, LedgerEntry] = {}
        self._sampled: list[tuple[str, pa.Table]] = []
        self.shown: dict[str, dict[str, Any]] = {}
        self._lake = lake
        self._run_id = run_id
        self._open: dict[tuple[str, str], _OpenSlice] = {}
        self._kept: set[tuple[str, str]] = set()
        self._marked: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
        self._previous = lake.ledger.find_all(model, self.keys)
        self._inputs: dict[str, dict[str, str]] = {key: {} for key in self.keys}
        self._withheld: set[str] = set()
        self._judged = False

    def __enter__(self) -> "Publication":
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        for part in self._open.values():
            try:
                part.close()
                if not part.given_away:
                    self._lake.filesystem.delete_file(part.path)
            except OSError as error:
                if failure is None:
                    raise
                # A store that fails at this too must not hide why; maintenance removes what is left.
                logger.warning("%s: left behind: %s", part.path, error)
        self._open.clear()

    @property
    def bad(self) -> dict[str, ContractReport]:
        """Verdicts of the partitions that the contract refused."""
        return {key: report for key, report in self.reports.items() if not report.passed}

    @property
    def incomplete(self) -> bool:
        """Whether some partitions stay unpublished: refused here or in a table that belongs with this."""
        return bool(self.bad or self._withheld)

    def previous(self, key: str, bucket: int | None = None) -> BucketEntry | None:
        """Return what is published now of a partition (and bucket), or None."""
        entry = self._previous[key]
        return entry.buckets.get(_name(bucket)) if entry else None

    def previous_buckets(self, key: str) -> list[int]:
        """Return the device buckets that are published now of a partition."""
        entry = self._previous[key]
        return sorted(int(b) for b in entry.buckets if b != WHOLE) if entry else []

    def keep(self, key: str, bucket: int | None = None) -> bool:
        """Leave a partition (or bucket) as it is published; False where there is nothing to keep."""
        if self.previous(key, bucket) is None:
            return False
        self._kept.add((key, _name(bucket)))
        return True

    def note_input(self, key: str, table: str, content_hash: str) -> None:
        """Record what a partition was made from, for its lineage."""
        self._inputs[key][table] = content_hash

    def mark(self, key: str, bucket: int | None = None, *, input_hash: str = "", **facts: Any) -> None:
        """Set the input hash and small facts of a partition (or bucket), rows or no rows."""
        old_hash, old_facts = self._marked.get((key, _name(bucket)), ("", {}))
        self._marked[key, _name(bucket)] = (input_hash or old_hash, {**old_facts, **facts})

    def add(
        self, key: str, data: pa.Table, bucket: int | None = None, *, measures: bool = False
    ) -> ContractReport:
        """Validate rows and write them to the partition's new file.

        Args:
            key: One of the publication's partition keys.
            data: Rows in the contract's schema, in their final order.
            bucket: Device bucket, for bucketed tables.
            measures: The rows are derived: a measure that the contract refuses becomes null, and counts as
                withdrawn, instead of keeping everybody's partition from being published.

        Returns:
            The verdict on these rows; a refused one keeps the whole partition from being published.
        """
        report = judge_rows(self.model, data)
        if measures and not report.passed and data.schema.names == arrow_schema(self.model).names:
            data, withdrawn = withdraw(self.model, data)
            report = judge_rows(self.model, data)
            report.withdrawn = withdrawn
        self._check_slice(key, data, bucket, report)
        self.reports[key].merge(report)
        if not report.passed or data.num_rows == 0:
            return report
        if sum(rows.num_rows for _, rows in self._sampled) < SAMPLE_ROWS:
            self._sampled.append((key, sample_of(data, _SAMPLED_OF_A_PIECE)))
        part = self._open.get((key, _name(bucket)))
        if part is None:
            part = self._start(key, bucket)
        if part.writer is None:
            raise ValueError(f"{self.model.spec.identifier} {key}: bucket {bucket} was finished before")
        part.doubtful = not part.keys.add(data) or part.doubtful
        write_rows(part.writer, self.model, data)
        part.hasher.update(data)
        return report

    def finish(self, bucket: int, key: str | None = None) -> None:
        """Complete a device bucket's files, of one partition or of all: they get no more rows.

        An open file holds half a megabyte, or more where columns are many, and who writes a partition has
        read another: closing, and giving back what reading left behind, keeps memory flat.
        """
        for (of, name), part in self._open.items():
            if name == str(bucket) and key in (None, of):
                part.close()
        give_back(heap=key is None)

    def commit(self) -> dict[str, LedgerEntry]:
        """Publish every partition whose rows the contract accepted, in one commit; then vouch for them.

        Returns:
            The new ledger entries by key, without the refused partitions (see `bad`).
        """
        self.judge()
        good = [key for key in self.keys if self.reports[key].passed and key not in self._withheld]
        for part in self._open.values():
            part.close()
        plans = {key: self._entry(key) for key in good}
        with self._lake.ledger.locked(self.model):
            self._lake.ledger.finish(self.model)
            self._lake.ledger.check_unchanged(
                self.model, {key: (self._previous[key], replaced) for key, (_, replaced) in plans.items()}
            )
            snapshot_id = self._commit_files(good, self._displaced(good))
            if snapshot_id is not None:
                plans = {
                    key: (entry.with_snapshot(snapshot_id), rest) for key, (entry, rest) in plans.items()
                }
            self.entries |= self._lake.ledger.put_all(self.model, plans)
        return self.entries

    def withhold(self, keys: Iterable[str]) -> None:
        """Do not publish these partitions: a table that belongs with this one was refused."""
        self._withheld.update(keys)

    def judge(self) -> None:
        """Finish judging: afterwards `bad` is final."""
        if not self._judged:
            self._judged = True
            self._ask_pandera()
            self._ask_for_repeated_keys()

    def _displaced(self, good: list[str]) -> dict[tuple[str, str], tables.NewFile | None]:
        """Return kept buckets in which Iceberg has other files than the ledger names, and the right one.

        A run that was killed between its commit and its entries left them so. Readers never saw it; what
        looks at Iceberg alone does, until the vouched file (None: no rows) is back in its place.
        """
        keys = sorted({key for key, _ in self._kept} & set(good))
        if not keys:
            return {}
        found: dict[tuple[str, str], set[str]] = {}
        for listed in tables.list_files(self._lake.table(self.model), self.model, keys):
            found.setdefault((listed.key, _name(listed.bucket)), set()).add(listed.path)
        wrong: dict[tuple[str, str], tables.NewFile | None] = {}
        for key in keys:
            entry = self._lake.ledger.get(self.model, key)
            kept = {b for k, b in self._kept if k == key}
            strays = {b for k, b in found if k == key} - set(entry.buckets)
            for name in sorted(kept | strays):
                vouched = entry.buckets.get(name)
                if vouched is not None and vouched.unnamed:
                    continue
                file = self._vouched_file(key, name, vouched)
                if found.get((key, name), set()) != ({file.uri} if file else set()):
                    wrong[key, name] = file
        return wrong

    def _vouched_file(self, key: str, name: str, entry: BucketEntry | None) -> tables.NewFile | None:
        """Return the file that the ledger vouches for, as Iceberg wants to know it."""
        if entry is None or entry.file is None:
            return None
        path = self._lake.file_path(self.model, key, entry.file)
        size = self._lake.filesystem.get_file_info(path).size
        return tables.NewFile(
            self._lake.uri(path), key, None if name == WHOLE else int(name), entry.rows, size
        )

    def _commit_files(
        self, good: list[str], displaced: Mapping[tuple[str, str], tables.NewFile | None]
    ) -> int | None:
        """Commit the new files, group by group; a file that Iceberg may know is no longer ours to delete.

        Args:
            good: Partitions to publish.
            displaced: Kept buckets to put right, with their files.
        """
        snapshot_id = None
        for keys, buckets in self._replaced(good, displaced):
            chosen = {
                (key, bucket): part
                for (key, bucket), part in self._open.items()
                if key in keys and (buckets is None or int(bucket) in buckets)
            }
            files = [self._new_file(key, bucket, part) for (key, bucket), part in chosen.items()]
            files += [file for (key, _), file in displaced.items() if file is not None and key in keys]
            for part in chosen.values():
                part.given_away = True
            snapshot_id = tables.replace_slices(
                lambda: self._lake.table(self.model),
                self.model,
                tables.slice_filter(self.model, keys, buckets),
                files,
                {"fallrisk.run-id": self._run_id, "fallrisk.partitions": f"{keys[0]}…{keys[-1]}"},
            )
        return snapshot_id

    def _new_file(self, key: str, bucket: str, part: _OpenSlice) -> tables.NewFile:
        return tables.NewFile(
            uri=self._lake.uri(part.path),
            key=key,
            bucket=None if bucket == WHOLE else int(bucket),
            rows=part.hasher.rows,
            size=self._lake.filesystem.get_file_info(part.path).size,
        )

    def _ask_pandera(self) -> None:
        """Let the pandera model judge a few rows of the publication: it has the last word on them."""
        if not self._sampled:
            return
        relaxed = schema_relaxed(self.model)
        owners = [key for key, rows in self._sampled for _ in range(rows.num_rows)]
        pieces = pa.concat_tables(rows.cast(relaxed) for _, rows in self._sampled)
        for row, reason in pandera_refusals(self.model, pieces).items():
            self.reports[owners[row]].refuse({row: reason})

    def _ask_for_repeated_keys(self) -> None:
        """Look at all the keys of files whose pieces may have some in common."""
        for (key, _), part in self._open.items():
            if part.doubtful:
                part.close()
                columns = list(self.model.spec.key)
                rows = read_rows(self.model, part.path, self._lake.filesystem, columns)
                self.reports[key].merge(repeated_keys(self.model, rows))

    def _replaced(
        self, good: list[str], displaced: Iterable[tuple[str, str]]
    ) -> list[tuple[list[str], list[int] | None]]:
        """Group partitions by the buckets that are replaced in them: usually one group, one commit."""
        groups: dict[tuple[int, ...] | None, list[str]] = {}
        for key in good:
            wrong = {b for k, b in displaced if k == key}
            kept = {b for k, b in self._kept if k == key} - wrong
            if WHOLE in kept:
                continue
            if not kept and not (self.model.spec.bucketed and wrong):
                groups.setdefault(None, []).append(key)
                continue
            touched = {b for k, b in self._open if k == key} | {b for k, b in self._marked if k == key}
            touched |= {str(b) for b in self.previous_buckets(key)} | wrong
            if chosen := sorted(int(b) for b in touched - kept):
                groups.setdefault(tuple(chosen), []).append(key)
        return [(keys, list(buckets) if buckets is not None else None) for buckets, keys in groups.items()]

    def _entry(self, key: str) -> tuple[LedgerEntry, frozenset[str] | None]:
        """Return a partition's new entry, and which buckets it replaces (None: all of them)."""
        previous = self._previous[key]
        buckets: dict[str, BucketEntry] = {}
        names = {b for k, b in (*self._open, *self._marked, *self._kept) if k == key} or {WHOLE}
        for name in names:
            if (key, name) in self._kept and previous is not None:
                buckets[name] = previous.buckets[name]
                continue
            part = self._open.get((key, name))
            input_hash, facts = self._marked.get((key, name), ("", {}))
            hasher = part.hasher if part else ContentHasher(arrow_schema(self.model))
            file = part.path.rpartition("/")[2] if part else None
            buckets[name] = BucketEntry(hasher.rows, hasher.hexdigest(), input_hash, facts, file)
        entry = LedgerEntry.of_buckets(
            self.model.spec.identifier,
            key,
            buckets,
            previous.snapshot_id if previous else None,
            self._run_id,
            self._inputs[key],
        )
        kept = {bucket for k, bucket in self._kept if k == key}
        known = {str(b) for b in self.previous_buckets(key)}
        return entry, (frozenset(buckets) | known) - kept if kept else None

    def _start(self, key: str, bucket: int | None) -> _OpenSlice:
        name = f"{_name(bucket).replace(WHOLE, 'all')}-{uuid.uuid4().hex}.parquet"
        path = self._lake.file_path(self.model, key, name)
        if isinstance(self._lake.filesystem, pafs.LocalFileSystem):  # S3 has no folders
            self._lake.filesystem.create_dir(path.rpartition("/")[0], recursive=True)
        writer = parquet_writer(self.model, path, self._lake.filesystem)
        hasher = ContentHasher(arrow_schema(self.model))
        part = _OpenSlice(path, writer, hasher, KeysSeen(self.model.spec.key))
        self._open[key, _name(bucket)] = part
        return part

    def _check_slice(self, key: str, data: pa.Table, bucket: int | None, report: ContractReport) -> None:
        """Refuse rows outside the partition or of another bucket."""
        spec = self.model.spec
        if data.num_rows == 0 or not report.passed:
            return
        if spec.slice_column is not None:
            start, end = window_of(key)
            low, high = (start, end) if spec.slicing == "hour" else (start.date(), end.date())
            report.merge(outside_slice(self.model, data, spec.slice_column, low, high))
        if spec.bucketed != (bucket is not None):
            raise ValueError(f"{spec.identifier}: bucketed tables, and only they, are written by bucket")
        if bucket is not None:
            report.merge(outside_slice(self.model, data, "device_bucket", bucket, bucket + 1))


def _name(bucket: int | None) -> str:
    return WHOLE if bucket is None else str(bucket)
