"""Where the clinic's database is, and what of it is read.

Here: settings. Not here: the pull (`pull.py`).
"""

import datetime as dt
import os

import dagster as dg

from fallrisk_assets.clinic.database.agreed import VIEWS
from fallrisk_assets.clinic.database.pull import Pulled, pull
from fallrisk_assets.clinic.database.source import (
    DATABASE_VARIABLE,
    PASSWORD_VARIABLE,
    RESOURCE,
    opened_database,
)
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.lake.s3 import Misconfigured

SCHEMA_VARIABLE = "FALLRISK_CLINIC_DATABASE_SCHEMA"
VIEWS_VARIABLE = "FALLRISK_CLINIC_DATABASE_VIEWS"
_DEFAULT_VIEWS = ("patients", "providers", "appointments", "feedback")


class ClinicDatabase(dg.ConfigurableResource):
    """Where the clinic's database is.

    Attributes:
        address: `postgresql://user@host:5432/database`; empty: `FALLRISK_CLINIC_DATABASE`, and where that is
            not set, there is no such source.
        password: Of the user, or a reference to it; empty: `FALLRISK_CLINIC_DATABASE_PASSWORD`.
        schema_name: In which the views are; empty: `FALLRISK_CLINIC_DATABASE_SCHEMA`, else `fallrisk`.
        views: Names of the views, with commas; empty: `FALLRISK_CLINIC_DATABASE_VIEWS`, else patients,
            providers, appointments, feedback.
    """

    address: str = ""
    password: str = ""
    schema_name: str = ""
    views: str = ""

    def pull(self, landing: Landing, received_at: dt.datetime) -> Pulled:
        """Drop what is new.

        Raises:
            Misconfigured: the database is not configured, or does not let us in.
            DatabaseUnavailable: it does not answer.
        """
        names = self.views or os.environ.get(VIEWS_VARIABLE, "")
        chosen = [name.strip() for name in names.split(",") if name.strip()] or list(_DEFAULT_VIEWS)
        if unknown := sorted(set(chosen) - VIEWS.keys()):
            what = f"{', '.join(unknown)}: choose from {', '.join(VIEWS)}"
            raise Misconfigured(RESOURCE, VIEWS_VARIABLE, what)
        address = self.address or os.environ.get(DATABASE_VARIABLE, "")
        password = self.password or os.environ.get(PASSWORD_VARIABLE, "")
        schema = self.schema_name or os.environ.get(SCHEMA_VARIABLE, "") or "fallrisk"
        with opened_database(address, password, schema) as database:
            return pull(database, landing, chosen, received_at)
