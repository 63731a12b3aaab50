"""Reading the clinic's daily snapshots from the lake.

Here: which published day answers for a day. Not here: what the rows mean together (`identity.py`).
"""

from datetime import date

import pyarrow as pa

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
    keys = [key for key in _published(lake, model, until) if lake.ledger.get(model, key).rows]
    return lake.read(model, keys)


def _published(lake: Lake, model: ContractType, until: date | str | None) -> list[str]:
    last = until if isinstance(until, str) or until is None else day_key(until)
    keys = [key for key in lake.ledger.keys(model) if last is None or key <= last]
    if not keys:
        raise MissingPartition(model.spec.identifier, last or "any day")
    return keys
