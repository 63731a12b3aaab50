"""History that the warehouse has forgotten, read from the lake by Redshift Spectrum.

Here: the external schema over the lake's curated tables, and a view of each that holds what is older than the
warehouse keeps it. Not here: how long that is (`retention.py`), who may read (`infra/`).

    python -m fallrisk_assets.warehouse.spectrum            print the statements
    python -m fallrisk_assets.warehouse.spectrum --apply    run them in the warehouse that FALLRISK_ENV names

Spectrum reads what the catalog has, and knows nothing of the lake's ledger: of a run that died between its
commit and its entry it shows the rows, until the partition is made again.
https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_EXTERNAL_SCHEMA.html
https://docs.aws.amazon.com/redshift/latest/dg/querying-iceberg.html
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from fallrisk_assets.alerts.contract import Alerts
from fallrisk_assets.clinic.operations.contract import Appointments
from fallrisk_assets.contract import ContractType, columns_of
from fallrisk_assets.environments import opened
from fallrisk_assets.lake import s3
from fallrisk_assets.risk.contract import FallRiskIndex
from fallrisk_assets.warehouse.redshift import ROLE_VARIABLE, RedshiftWarehouse
from fallrisk_assets.warehouse.redshift_sql import name_of, quoted
from fallrisk_assets.warehouse.retention import FACT_DAYS
from fallrisk_assets.warehouse.store import Session

SCHEMA = "lake_curated"
_NAMESPACE = "curated"


@dataclass(frozen=True)
class History:
    """A curated table whose older rows can be asked for.

    Attributes:
        view: name of the view.
        model: the lake's table.
        age: column that says how old a row is: a day, or an instant.
        thing: column of what has a row for each time it changed, of which the last counts; empty: every row
            counts.
    """

    view: str
    model: ContractType
    age: str
    thing: str = ""


HISTORIES = (
    History("history_risk_score", FallRiskIndex, "day"),
    History("history_alert", Alerts, "opened_at", "alert_id"),
    History("history_appointment", Appointments, "scheduled_date", "appointment_id"),
)


def external_schema(role: str, region: str, database: str = _NAMESPACE) -> str:
    """Return the statement that makes the lake's curated tables known.

    Args:
        role: ARN of a role that may read the catalog and the curated files.
        region: of the catalog.
        database: what the catalog calls the namespace.
    """
    return (
        f"CREATE EXTERNAL SCHEMA IF NOT EXISTS {SCHEMA} FROM DATA CATALOG DATABASE {quoted(database)} "
        f"REGION {quoted(region)} IAM_ROLE {quoted(role)}"
    )


def history_view(history: History) -> str:
    """Return the statement that makes a view of what is older than the warehouse keeps it.

    Columns are named one by one: a view on an external table is bound when it is read.
    """
    columns = ", ".join(name_of(c.name) for c in columns_of(history.model) if c.pii != "direct")
    rows = f"{SCHEMA}.{name_of(history.model.spec.name)}"
    if history.thing:
        changed = name_of(history.model.spec.slice_column or "")
        rows = (
            f"(SELECT *, ROW_NUMBER() OVER (PARTITION BY {name_of(history.thing)} ORDER BY {changed} DESC) "
            f"AS newest FROM {rows}) AS changes"
        )
    newest = " AND newest = 1" if history.thing else ""
    return (
        f"CREATE OR REPLACE VIEW {history.view} AS SELECT {columns} FROM {rows} "
        f"WHERE {name_of(history.age)} < CURRENT_DATE - {FACT_DAYS}{newest} WITH NO SCHEMA BINDING"
    )


def statements(role: str, region: str) -> list[str]:
    """Return everything that a warehouse has to be told, in order; telling it again changes nothing."""
    return [external_schema(role, region), *(history_view(history) for history in HISTORIES)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the statements, or run them."""
    parser = argparse.ArgumentParser(prog="python -m fallrisk_assets.warehouse.spectrum", description=__doc__)
    parser.add_argument("--apply", action="store_true", help="run the statements in one transaction")
    options = parser.parse_args(arguments)
    try:
        warehouse = opened("warehouse")
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if not isinstance(warehouse, RedshiftWarehouse):
        print(f"the warehouse is not Redshift: set FALLRISK_ENV=aws and {ROLE_VARIABLE}", file=sys.stderr)
        return 2
    said = statements(warehouse.role, s3.region())
    if not options.apply:
        print(";\n\n".join(said) + ";")
        return 0

    def work(session: Session) -> None:
        for statement in said:
            session.execute(statement)

    warehouse.transact(work)
    print(f"{SCHEMA} and {', '.join(history.view for history in HISTORIES)} are there")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
