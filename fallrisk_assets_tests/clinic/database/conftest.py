"""A PostgreSQL on loopback, and in it one clinic for each test."""

import tempfile
import uuid
from pathlib import Path

import pytest

from fallrisk_assets.clinic.database.source import opened_database
from fallrisk_assets.lake.landing import Landing
from simulator.redshift import DATABASE, NOT_INSTALLED, USER, postgres, programs

TABLES = """
CREATE TABLE patients (patient_id text PRIMARY KEY, birth_date date, gender text, registration_date date,
    time_zone text, site_id text, wearable_patient_id text, given_name text, family_name text,
    has_insurance boolean, medicine_count smallint);
CREATE TABLE providers (provider_id varchar(20) PRIMARY KEY, specialty text, active boolean,
    hourly_rate numeric(8, 2), time_zone text);
CREATE TABLE appointments (appointment_id text PRIMARY KEY, provider_id text, patient_id text,
    scheduled_start_at timestamptz, status text, wait_minutes numeric(6, 2), duration_minutes float8,
    mode text, updated_at timestamptz);
CREATE TABLE feedback (feedback_id text PRIMARY KEY, appointment_id text, patient_id text, provider_id text,
    overall_satisfaction integer, comments text, "timestamp" timestamptz, updated_at timestamptz);
INSERT INTO patients VALUES
    ('PAT000001', '1941-02-03', 'female', '2020-01-02', 'Europe/Madrid', 'SITE01', 'pt-1', 'Ana', 'Ruiz',
     true, 4),
    ('PAT000002', '1950-12-31', 'male', '2021-03-04', 'America/New_York', 'SITE02', NULL, 'Él, "Bo"',
     'O''Neil', NULL, NULL);
INSERT INTO providers VALUES ('PROV0001', 'Cardiology', true, 167.50, 'Europe/Madrid');
INSERT INTO appointments VALUES
    ('APT0000001', 'PROV0001', 'PAT000001', '2026-01-05 10:00+01', 'Completed', 2.25, 14.5, 'Video/Online',
     '2026-01-05 09:20Z'),
    ('APT0000002', 'PROV0001', 'PAT000002', '2026-01-05 11:00+01', 'No-show', NULL, NULL, 'Video/Online',
     '2026-01-05 10:20Z');
INSERT INTO feedback VALUES ('FB1', 'APT0000001', 'PAT000001', 'PROV0001', 4, E'two\\nlines',
    '2026-01-05 09:40Z', '2026-01-05 09:40Z');
"""


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL: its address, its password."""
    found = programs()
    if found is None:
        pytest.skip(NOT_INSTALLED)
    pytest.importorskip("psycopg2", reason="the driver is not installed: pip install psycopg2-binary")
    with (
        tempfile.TemporaryDirectory(prefix="clinic-") as folder,
        postgres(found, Path(folder), kept=False) as (port, password),
    ):
        yield f"postgresql://{USER}@127.0.0.1:{port}/{DATABASE}", password


class Clinic:
    """A schema with a clinic in it, and somebody who changes it."""

    def __init__(self, server, schema: str) -> None:
        import psycopg2

        self.address, self.password = server
        self.schema = schema
        self._connection = psycopg2.connect(self.address, password=self.password)
        self._connection.autocommit = True
        self.say(f"CREATE SCHEMA {schema}", f"SET search_path TO {schema}", TABLES)

    def say(self, *statements: str) -> None:
        with self._connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def opened(self):
        return opened_database(self.address, self.password, self.schema)

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def clinic(server):
    """A clinic of two patients, a provider, two appointments and an answer."""
    one = Clinic(server, f"clinic_{uuid.uuid4().hex[:12]}")
    yield one
    one.close()


@pytest.fixture
def landing(tmp_path):
    """An empty landing zone."""
    return Landing(root=str(tmp_path / "landing"))
