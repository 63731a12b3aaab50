"""Files that another lake vouches for become part of this one.

What belongs here: entering files and their ledger entries. What does not: copying the files, and judging rows
(they were judged when they were published).
"""

from collections.abc import Mapping

from fallrisk_assets.contract import ContractType
from fallrisk_assets.lake import tables
from fallrisk_assets.lake.ledger import LedgerEntry
from fallrisk_assets.lake.publication import WHOLE
from fallrisk_assets.lake.resource import Lake


def adopt(lake: Lake, model: ContractType, entries: Mapping[str, LedgerEntry], origin: str) -> None:
    """Publish partitions as another lake published them: in one commit, with their runs, inputs and facts.

    Args:
        lake: The lake that takes them; the entries' files are at `lake.file_path` already.
        model: The table.
        entries: The other lake's entries by key, with a file named for every bucket that has rows.
        origin: Address of the other lake, written into the snapshot's summary.
    """
    files = [
        tables.NewFile(
            uri=lake.uri(path),
            key=key,
            bucket=None if name == WHOLE else int(name),
            rows=bucket.rows,
            size=lake.filesystem.get_file_info(path).size,
        )
        for key, entry in entries.items()
        for name, bucket in sorted(entry.buckets.items())
        if bucket.file is not None
        for path in [lake.file_path(model, key, bucket.file)]
    ]
    with lake.ledger.locked(model):
        lake.ledger.finish(model)
        snapshot_id = tables.replace_slices(
            lambda: lake.table(model),
            model,
            tables.slice_filter(model, list(entries), None),
            files,
            {"fallrisk.migrated-from": origin},
        )
        adopted = {
            key: entry.with_snapshot(snapshot_id) if snapshot_id is not None else entry
            for key, entry in entries.items()
        }
        lake.ledger.put_all(model, {key: (entry, None) for key, entry in adopted.items()})
