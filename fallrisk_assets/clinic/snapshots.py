"""Reading the clinic's daily snapshots from the lake.

Here: which published day answers for a day, and what changed between days. Not here: what the rows mean
together (`identity.py`).
"""

from collections.abc import Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.contract import ContractType, arrow_schema
from fallrisk_assets.lake import Lake, MissingPartition
from fallrisk_assets.partitions import day_key


def latest_snapshot(lake: Lake, model: ContractType, day: date | str | None = None) -> pa.Table:
    """Return the newest snapshot with rows that was received on a day or before it.

    Args:
        lake: where the snapshots are.
        model: a table of the clinic, such as `Patients`.
        day: the day (or its partition key); None for the newest of all, which is what `DeviceAssignment`
        wants
            when hours are computed again because a later file corrected who wore a device.

    Returns:
        Its rows; none if every day published so far came without a file.

    Raises:
        MissingPartition: no day up to this one has been published.
    """
    keys = _published(lake, model, day)
    for key in reversed(keys):
        if lake.ledger.get(model, key).rows:
            return lake.read(model, [key])
    return arrow_schema(model).empty_table()


def snapshots(lake: Lake, model: ContractType, until: date | str | None = None) -> pa.Table:
    """Return the rows of every snapshot up to a day (all of them by default), by day.

    Raises:
        MissingPartition: no day up to this one has been published.
    """
    entries = lake.ledger.get_all(model, _published(lake, model, until))
    keys = [key for key, entry in entries.items() if entry.rows]
    return lake.read(model, keys)


def changes(rows: pa.Table, member: str, at: str, tracked: Sequence[str]) -> pa.Table:
    """Return the rows in which a member differs from the snapshot before, by member and day.

    Most days change nothing: looking at whole columns here spares whoever folds them a row a member and day.

    Args:
        rows: snapshots of any number of days, in any order.
        member: column that names whom a row is about.
        at: column with the day of the snapshot.
        tracked: columns of which a change counts.
    """
    rows = rows.select([member, at, *tracked])
    rows = rows.sort_by([(member, "ascending"), (at, "ascending")]).combine_chunks()
    if rows.num_rows < 2:
        return rows
    changed = pa.array([False] * (rows.num_rows - 1))
    for name in (member, *tracked):
        before, after = rows[name].slice(0, rows.num_rows - 1), rows[name].slice(1)
        same = pc.fill_null(pc.equal(before, after), False)
        both_unknown = pc.and_(pc.is_null(before), pc.is_null(after))
        changed = pc.or_(changed, pc.invert(pc.or_(same, both_unknown)))
    return rows.filter(pa.chunked_array([pa.array([True]), *changed.chunks]))


def _published(lake: Lake, model: ContractType, until: date | str | None) -> list[str]:
    last = until if isinstance(until, str) or until is None else day_key(until)
    keys = [key for key in lake.ledger.keys(model) if last is None or key <= last]
    if not keys:
        raise MissingPartition(model.spec.identifier, last or "any day")
    return keys
