"""A clinic's year loaded as the telemedicine pipeline before this one would: pandas, row by row, into SQLite.

python clinic.py <landing zone> <database>

What it does for less: it believes every line, keeps no history of patients and providers (the newest
file of each is loaded, not all of them), keeps no earlier state of an appointment, and computes the
indicators once, at the end.
"""

import json
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
from clock import cpu_of

_SCHEMA = """
CREATE TABLE dim_provider (provider_key INTEGER PRIMARY KEY, provider_id TEXT UNIQUE, specialty TEXT,
    hourly_rate REAL, available_hours REAL, active INTEGER);
CREATE TABLE dim_patient (patient_key INTEGER PRIMARY KEY, patient_id TEXT UNIQUE, birth_date TEXT,
    gender TEXT, has_insurance INTEGER, registration_date TEXT);
CREATE TABLE fact_appointment (appointment_id TEXT PRIMARY KEY, provider_key INTEGER, patient_key INTEGER,
    date_id TEXT, time_id TEXT, scheduled_at TEXT, booked_at TEXT, status TEXT, appointment_type TEXT,
    planned_minutes REAL, login_at TEXT, started_at TEXT, ended_at TEXT,
    wait_minutes REAL, duration_minutes REAL, device_type TEXT, connection_quality TEXT,
    had_technical_issues INTEGER, technical_issue_type TEXT);
CREATE TABLE fact_feedback (feedback_id TEXT PRIMARY KEY, appointment_id TEXT, provider_key INTEGER,
    patient_key INTEGER, date_id TEXT, provider_rating REAL, ease_of_use_rating REAL,
    audio_quality_rating REAL, video_quality_rating REAL, overall_satisfaction REAL,
    would_recommend INTEGER, comments TEXT);
"""
_FINISH = """
UPDATE fact_appointment SET
    duration_minutes = (JULIANDAY(ended_at) - JULIANDAY(started_at)) * 1440,
    wait_minutes = MAX((JULIANDAY(started_at) - JULIANDAY(MAX(login_at, scheduled_at))) * 1440, 0),
    status = 'Completed'
WHERE started_at IS NOT NULL AND ended_at IS NOT NULL;
UPDATE fact_appointment SET status = 'No-show'
WHERE status = 'Scheduled' AND started_at IS NULL AND login_at IS NULL
    AND JULIANDAY(scheduled_at) + 30.0 / 1440 <= JULIANDAY(:until);
UPDATE fact_appointment SET status = 'Cancelled'
WHERE status = 'Scheduled' AND started_at IS NULL AND login_at IS NOT NULL
    AND JULIANDAY(scheduled_at) + 4.0 / 24 <= JULIANDAY(:until);
"""
_KPIS = (
    """
    SELECT date_id, COUNT(*),
        SUM(status = 'No-show') * 1.0 / NULLIF(SUM(status IN ('Completed', 'No-show')), 0),
        AVG(status = 'Cancelled'), AVG(status = 'Completed'), AVG(wait_minutes), AVG(duration_minutes),
        SUM(had_technical_issues) * 1.0 / NULLIF(SUM(status = 'Completed'), 0)
    FROM fact_appointment GROUP BY date_id
    """,
    """
    SELECT date_id, AVG(overall_satisfaction), AVG(would_recommend), COUNT(*)
    FROM fact_feedback GROUP BY date_id
    """,
    """
    SELECT p.provider_id, STRFTIME('%Y-%W', a.scheduled_at),
        SUM(a.duration_minutes) / (p.available_hours * 60)
    FROM fact_appointment AS a JOIN dim_provider AS p ON p.provider_key = a.provider_key
    WHERE a.status = 'Completed' GROUP BY 1, 2
    """,
    """
    SELECT a.date_id, p.provider_id, SUM(CASE WHEN a.status = 'Completed' THEN a.duration_minutes END
        / 60 * p.hourly_rate),
        SUM(CASE WHEN a.status = 'No-show' THEN a.planned_minutes END / 60 * p.hourly_rate)
    FROM fact_appointment AS a JOIN dim_provider AS p ON p.provider_key = a.provider_key GROUP BY 1, 2
    """,
    """
    SELECT d.patient_id, COUNT(*), SUM(a.status = 'No-show'), MAX(CASE WHEN a.status = 'Completed'
        THEN a.scheduled_at END) FROM fact_appointment AS a
    JOIN dim_patient AS d ON d.patient_key = a.patient_key GROUP BY 1
    """,
)


def known(value: Any) -> Any:
    """Return a cell as SQLite takes it."""
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


def load_dimension(
    connection: sqlite3.Connection, table: str, path: Path, columns: list[str]
) -> dict[str, int]:
    """Insert the rows of a CSV file one by one and return their keys by id."""
    keys: dict[str, int] = {}
    places = ", ".join("?" * (len(columns) + 1))
    for index, row in pd.read_csv(path).iterrows():
        values = [known(row[name]) for name in columns]
        connection.execute(f"INSERT INTO {table} VALUES ({places})", [index + 1, *values])
        keys[row[columns[0]]] = index + 1
    return keys


def load_log(
    connection: sqlite3.Connection, path: Path, providers: dict[str, int], patients: dict[str, int]
) -> None:
    """Insert or update an appointment for each line of a drop."""
    for _, row in pd.read_json(path, lines=True, dtype=False, convert_dates=False).iterrows():
        one, kind = row["appointment_id"], row.get("event_type")
        if kind is None or pd.isna(kind):
            scheduled_at = (
                f"{row['appointment_date']}T{row['scheduled_time'][:2]}:{row['scheduled_time'][2:]}:00Z"
            )
            values = [one, providers.get(row["provider_id"]), patients.get(row["patient_id"])]
            values += [row["appointment_date"].replace("-", ""), row["scheduled_time"], scheduled_at, None]
            values += [row["status"], known(row["appointment_type"]), None, None, None, None]
            values += [known(row["wait_time_minutes"]), known(row["duration_minutes"])]
            values += [known(row["device_type"]), known(row["connection_quality"])]
            values += [known(row["had_technical_issues"]), known(row["technical_issue_type"])]
            connection.execute(
                f"INSERT OR REPLACE INTO fact_appointment VALUES ({', '.join('?' * 19)})", values
            )
        elif kind == "appointment_scheduled":
            at = row["scheduled_start_at"]
            values = [one, providers.get(row["provider_id"]), patients.get(row["patient_id"])]
            values += [at[:10].replace("-", ""), at[11:13] + at[14:16], at, row["timestamp"], "Scheduled"]
            values += [known(row["appointment_type"]), known(row["planned_minutes"]), *[None] * 9]
            connection.execute(
                f"INSERT OR IGNORE INTO fact_appointment VALUES ({', '.join('?' * 19)})", values
            )
        elif kind == "appointment_rescheduled":
            if known(row.get("new_appointment_id")) is not None:
                sql, values = "status = 'Rescheduled'", []
            else:
                at = row["scheduled_start_at"]
                sql = "scheduled_at = ?, date_id = ?, time_id = ?"
                values = [at, at[:10].replace("-", ""), at[11:13] + at[14:16]]
            connection.execute(f"UPDATE fact_appointment SET {sql} WHERE appointment_id = ?", [*values, one])
        else:
            columns = {
                "appointment_cancelled": {"status": "Cancelled"},
                "patient_login": {"login_at": row["timestamp"], "device_type": known(row.get("device_type"))},
                "session_started": {"started_at": row["timestamp"]},
                "session_ended": {"ended_at": row["timestamp"]},
                "technical_issue": {
                    "had_technical_issues": 1,
                    "technical_issue_type": known(row.get("issue_type")),
                },
            }.get(kind, {})
            if columns:
                sets = ", ".join(f"{name} = ?" for name in columns)
                sql = f"UPDATE fact_appointment SET {sets} WHERE appointment_id = ?"
                connection.execute(sql, [*columns.values(), one])
    connection.commit()


def load_feedback(
    connection: sqlite3.Connection, path: Path, providers: dict[str, int], patients: dict[str, int]
) -> None:
    """Insert an answer for each object of a drop."""
    lines = path.suffix == ".jsonl"
    for _, row in pd.read_json(path, lines=lines, dtype=False, convert_dates=False).iterrows():
        values = [row["feedback_id"], row["appointment_id"], providers.get(row["provider_id"])]
        values += [patients.get(row["patient_id"]), row["feedback_date"].replace("-", "")]
        values += [known(row[f"{name}_rating"]) for name in ("provider", "ease_of_use", "audio_quality")]
        values += [known(row["video_quality_rating"]), known(row["overall_satisfaction"])]
        values += [known(row["would_recommend"]), known(row["comments"])]
        connection.execute(f"INSERT OR REPLACE INTO fact_feedback VALUES ({', '.join('?' * 12)})", values)
    connection.commit()


def run(landing: Path, database: Path) -> dict[str, Any]:
    """Load everything and compute the indicators; return what there is and how long a query takes."""
    database.unlink(missing_ok=True)
    connection = sqlite3.connect(database)
    connection.executescript(_SCHEMA)
    files = sorted(path for path in (landing / "clinic").iterdir() if path.stat().st_size)
    newest = {
        kind: [f for f in files if f.name.endswith(f"-{kind}.csv")][-1] for kind in ("patients", "providers")
    }
    provider_columns = ["provider_id", "specialty", "hourly_rate", "available_hours", "active"]
    patient_columns = ["patient_id", "birth_date", "gender", "has_insurance", "registration_date"]
    providers = load_dimension(connection, "dim_provider", newest["providers"], provider_columns)
    patients = load_dimension(connection, "dim_patient", newest["patients"], patient_columns)
    logs = [
        file for file in files if file.name.endswith(("-appointment_events.jsonl", "-appointments.jsonl"))
    ]
    for file in logs:
        load_log(connection, file, providers, patients)
    for file in files:
        if "-feedback" in file.name:
            load_feedback(connection, file, providers, patients)
    stamp = logs[-1].name.partition("-")[0]
    until = f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}T{stamp[9:11]}:{stamp[11:13]}:{stamp[13:15]}"
    for statement in _FINISH.split(";")[:-1]:
        connection.execute(statement, {"until": until} if ":until" in statement else {})
    connection.commit()
    query_ms = []
    for query in _KPIS:
        begun = time.perf_counter()
        connection.execute(query).fetchall()
        query_ms.append((time.perf_counter() - begun) * 1e3)
    counted = dict(
        connection.execute("SELECT status, COUNT(*) FROM fact_appointment GROUP BY status").fetchall()
    )
    (answers,) = connection.execute("SELECT COUNT(*) FROM fact_feedback").fetchone()
    return {"statuses": counted, "answers": answers, "kpi_ms": query_ms}


if __name__ == "__main__":
    cpu_s, found = cpu_of(lambda: run(Path(sys.argv[1]), Path(sys.argv[2])))
    print(json.dumps({"cpu_s": cpu_s, **found}))
