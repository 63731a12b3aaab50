"""How long rows of the warehouse are kept, and taking away what is older.

Here: the periods, what they concern on a day, and the deletion. Not here: the job (`retention_job.py`),
snapshots and files of the lake (`maintenance.py`).

Dimensions are folded anew from all snapshots every day, so an expired version is left out where they are
folded (`history.kept`), by the same period; here it goes also where nothing has been folded since.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from fallrisk_assets.contract import ContractType
from fallrisk_assets.warehouse.store import EVERY_TABLE, AnyWarehouse, Session

FACT_DAYS = 730
"""Facts and what is made of them day by day."""
VERSION_DAYS = 1825
"""Versions of patients and providers, from their end."""
OTHER_DAYS = 3650

_PEOPLE = ("dim_patient", "dim_provider")


@dataclass(frozen=True)
class Period:
    """What is too old in a table on a day.

    Attributes:
        table: name.
        column: column that says how old a row is.
        days: days for which a row is kept.
    """

    table: str
    column: str
    days: int


def periods() -> list[Period]:
    """Return the period of each table whose rows grow old.

    Small fixed dimensions and marts that are computed anew from the facts do not: they forget with the facts.
    """
    found = []
    for model in EVERY_TABLE:
        name = model.spec.name
        if model.spec.slice_column is not None:
            days = FACT_DAYS if name.startswith(("fact_", "mart_")) else OTHER_DAYS
            found.append(Period(name, model.spec.slice_column, days))
        elif _has_versions(model):
            found.append(Period(name, "valid_to", VERSION_DAYS if name in _PEOPLE else OTHER_DAYS))
    return found


def _has_versions(model: ContractType) -> bool:
    return "valid_to" in model.to_schema().columns


def expired(warehouse: AnyWarehouse, today: date) -> dict[str, int]:
    """Return how many rows of each table are too old on a day; tables without any are left out."""
    return warehouse.transact(lambda connection: _count(connection, today))


def enforce(warehouse: AnyWarehouse, today: date) -> dict[str, int]:
    """Delete what is too old on a day, all tables in one transaction; returns the rows by table."""

    def delete(connection: Session) -> dict[str, int]:
        counts = _count(connection, today)
        for period in periods():
            oldest = today - timedelta(days=period.days)
            connection.execute(
                f'DELETE FROM "{period.table}" WHERE CAST("{period.column}" AS DATE) < ?', [oldest]
            )
            connection.execute(
                "DELETE FROM partition_ledger WHERE table_name = ? AND partition_key < ?",
                [f"warehouse.{period.table}", str(oldest)],  # days as ISO dates; "all" is after them
            )
        return counts

    return warehouse.transact(delete)


def _count(connection: Session, today: date) -> dict[str, int]:
    counts = {}
    for period in periods():
        oldest = today - timedelta(days=period.days)
        query = f'SELECT COUNT(*) FROM "{period.table}" WHERE CAST("{period.column}" AS DATE) < ?'
        ((rows,),) = connection.execute(query, [oldest]).fetchall()
        if rows:
            counts[period.table] = rows
    return counts


def told(counts: Mapping[str, int], today: date, dry_run: bool) -> str:
    """Return in words what was deleted, or would be."""
    if not counts:
        return f"{today}: nothing is too old"
    rows = ", ".join(f"{n:,} of {table}" for table, n in sorted(counts.items()))
    return f"{today}: {'would delete' if dry_run else 'deleted'} {rows}"
