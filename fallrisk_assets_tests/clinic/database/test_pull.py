"""What a pull of the clinic's database promises: every change arrives, once, and only what was agreed on."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from fallrisk_assets.clinic.contract import PatientIdentity
from fallrisk_assets.clinic.database import pull as pulling
from fallrisk_assets.clinic.database.pull import pull
from fallrisk_assets.clinic.database.source import DatabaseUnavailable, look_at, opened_database
from fallrisk_assets.clinic.files import clinic_file
from fallrisk_assets.clinic.intake import parse_patients
from fallrisk_assets.clinic.operations.feedback import parse_feedback
from fallrisk_assets.clinic.operations.log import parse_log
from fallrisk_assets.clinic.operations.providers import parse_providers
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.lake.s3 import Misconfigured

VIEWS = ("patients", "providers", "appointments", "feedback")
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
TODAY = date(2026, 1, 5)


def pulled(clinic, landing, now=NOW, **how):
    with clinic.opened() as database:
        return pull(database, landing, VIEWS, now, **how)


def lines(landing, kind):
    """Every line of every drop of a kind, as an object."""
    files = [clinic_file(file.key) for file in landing.list("clinic")]
    texts = [landing.read(file.key).decode() for file in files if file.kind == kind]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def statuses(landing):
    return sorted((one["appointment_id"], one["status"]) for one in lines(landing, "appointment_events"))


def test_the_clinics_readers_take_every_row_as_it_is(clinic, landing):
    found = pulled(clinic, landing)
    assert found.rows == {"patients": 2, "providers": 1, "appointments": 2, "feedback": 1}
    assert found.differences == []
    drops = {clinic_file(key).kind: landing.read(key) for key in found.drops}
    people = parse_patients("x", drops["patients"], TODAY)
    assert (people.patients.num_rows, people.refusals.num_rows) == (2, 0)
    names = set(people.identities.select(PatientIdentity.spec.key).column_names)
    assert names <= set(people.identities.column_names)
    assert people.identities["given_name"].to_pylist() == ["Ana", 'Él, "Bo"']
    rows, refusals, _ = parse_providers("x", drops["providers"], TODAY)
    assert (len(rows), refusals) == (1, [])
    zones = {"PROV0001": "Europe/Madrid"}
    log = parse_log("x", drops["appointment_events"], TODAY, NOW, zones)
    assert (len(log.records), log.refusals, log.events) == (2, [], [])
    first = next(one for one in log.records if one["appointment_id"] == "APT0000001")
    assert first["scheduled_start_at"] == datetime(2026, 1, 5, 9, tzinfo=UTC)
    assert (first["wait_minutes"], first["duration_minutes"]) == (2.25, 14.5)
    answers, refused, _ = parse_feedback("x", drops["feedback"], TODAY, NOW, zones)
    assert (len(answers), refused) == (1, [])
    assert answers[0]["comments"] == "two\nlines"


def test_what_has_not_changed_is_not_dropped_again(clinic, landing):
    pulled(clinic, landing)
    again = pulled(clinic, landing, NOW + timedelta(minutes=15))
    assert (again.drops, sum(again.rows.values())) == ([], 0)


def test_a_changed_row_of_a_log_is_dropped_alone_and_a_changed_list_whole(clinic, landing):
    pulled(clinic, landing)
    clinic.say(
        "UPDATE appointments SET status = 'Completed', updated_at = '2026-01-05 11:00Z' "
        "WHERE appointment_id = 'APT0000002'",
        "DELETE FROM patients WHERE patient_id = 'PAT000002'",
    )
    again = pulled(clinic, landing, NOW + timedelta(minutes=15))
    assert again.rows == {"patients": 1, "providers": 0, "appointments": 1, "feedback": 0}
    assert statuses(landing) == [
        ("APT0000001", "Completed"),
        ("APT0000002", "Completed"),
        ("APT0000002", "No-show"),
    ]


def test_a_row_that_was_committed_late_with_an_earlier_time_is_found(clinic, landing):
    pulled(clinic, landing)
    clinic.say(
        "INSERT INTO appointments VALUES ('APT0000003', 'PROV0001', 'PAT000001', '2026-01-05 09:00Z', "
        "'Cancelled', NULL, NULL, 'Video', '2026-01-05 09:30Z')"
    )
    assert pulled(clinic, landing, NOW + timedelta(minutes=15)).rows["appointments"] == 1
    assert pulled(clinic, landing, NOW + timedelta(minutes=30)).rows["appointments"] == 0


def test_however_changes_and_pulls_take_turns_each_version_arrives_once(clinic, landing):
    """Rows of one moment, more of them than a drop has, and changes within the hour that is read again."""
    clinic.say("DELETE FROM appointments")
    expected = []
    for turn in range(6):
        for number in range(turn, 6):
            status = ("Cancelled", "No-show")[turn % 2]
            name = f"APT1{number:06d}"
            clinic.say(
                "INSERT INTO appointments (appointment_id, provider_id, patient_id, scheduled_start_at, "
                f"status, updated_at) VALUES ('{name}', 'PROV0001', 'PAT000001', '2026-01-05 09:00Z', "
                f"'{status}', timestamptz '2026-01-05 09:00Z' + {turn} * interval '20 minutes') "
                "ON CONFLICT (appointment_id) "
                "DO UPDATE SET status = EXCLUDED.status, updated_at = EXCLUDED.updated_at"
            )
            expected.append((name, status))
        pulled(clinic, landing, NOW + timedelta(minutes=turn), drop_rows=4)
    assert statuses(landing) == sorted(expected)


def test_a_pull_that_stops_before_its_mark_loses_nothing(clinic, landing, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pulling.objects, "write_whole", killed)
        with pytest.raises(KeyboardInterrupt):
            pulled(clinic, landing)
    found = pulled(clinic, landing, NOW + timedelta(minutes=1))
    assert found.rows == {"patients": 2, "providers": 1, "appointments": 2, "feedback": 1}


def test_a_pull_sees_one_moment_of_the_database(clinic, landing):
    with clinic.opened() as database:
        before = [row["patient_id"] for row in database.rows(pulling.VIEWS["patients"], ["patient_id"])]
        clinic.say("DELETE FROM patients", "DELETE FROM appointments")
        found = pull(database, landing, VIEWS, NOW)
    assert len(before) == found.rows["patients"] == found.rows["appointments"] == 2


@pytest.mark.parametrize(
    ("change", "column", "agreed", "there"),
    [
        ("ALTER TABLE patients DROP COLUMN birth_date", "birth_date", "date", "nothing"),
        ("ALTER TABLE patients RENAME COLUMN site_id TO site", "site_id", "text", "nothing"),
        ("ALTER TABLE patients ALTER birth_date TYPE text", "birth_date", "date", "text"),
        ("ALTER TABLE patients ALTER medicine_count TYPE text", "medicine_count", "number", "text"),
        ("DROP TABLE patients", "", "a view or table", "nothing of that name, or no right to read it"),
    ],
)
def test_a_view_that_is_not_as_agreed_is_left_alone_and_the_others_are_read(
    clinic, landing, change, column, agreed, there
):
    clinic.say(change)
    found = pulled(clinic, landing)
    assert [(d.view, d.column, d.agreed, d.found) for d in found.differences] == [
        ("patients", column, agreed, there)
    ]
    assert found.rows == {"providers": 1, "appointments": 2, "feedback": 1}


def test_a_list_that_is_empty_all_at_once_is_told_and_does_not_make_everybody_vanish(clinic, landing):
    pulled(clinic, landing)
    clinic.say("DELETE FROM patients")
    found = pulled(clinic, landing, NOW + timedelta(minutes=15))
    assert found.drops == []
    assert [(d.view, d.agreed, d.found) for d in found.differences] == [
        ("patients", "rows, as before", "no rows")
    ]


def test_a_column_that_nobody_agreed_on_is_told_and_never_read(clinic, landing):
    clinic.say("ALTER TABLE patients ADD COLUMN passport text DEFAULT 'X1234567'")
    found = pulled(clinic, landing)
    assert found.not_read == {"patients": ["passport"]}
    assert not any(b"X1234567" in landing.read(key) for key in found.drops)


def test_a_server_that_is_gone_is_an_outage_and_not_an_empty_clinic(landing):
    with (
        pytest.raises(DatabaseUnavailable, match="pull again later"),
        opened_database("postgresql://fallrisk@127.0.0.1:1/clinic", "x", "fallrisk"),
    ):
        pass


def test_a_connection_that_breaks_in_the_middle_is_an_outage(clinic, landing):
    def pull_and_lose_it():
        with clinic.opened() as database:
            clinic.say(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'fallrisk'"
            )
            pull(database, landing, VIEWS, NOW)

    with pytest.raises(DatabaseUnavailable):
        pull_and_lose_it()
    assert [file.key for file in landing.list("clinic")] == []


def test_a_wrong_password_is_named_and_not_told(clinic):
    with (
        pytest.raises(Misconfigured, match="FALLRISK_CLINIC_DATABASE_PASSWORD") as refused,
        opened_database(clinic.address, "hunter2", clinic.schema),
    ):
        pass
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("mysql://user@host/clinic", "is no address"),
        ("postgresql://user:hunter2@host/clinic", "is seen in logs"),
        ("postgresql://user@host/clinic?password=hunter2", "is seen in logs"),
        ("postgresql://user@localhost/clinic?host=far.example", "lead elsewhere"),
        ("postgresql://user@host/clinic?sslmode=disable", "in clear"),
        ("postgresql://user@host/clinic?sslmode=prefer", "in clear"),
    ],
)
def test_an_address_that_tells_or_risks_too_much_is_refused(address, said):
    with pytest.raises(Misconfigured, match=said) as refused:
        look_at(address)
    assert "hunter2" not in str(refused.value)


def test_nothing_of_a_pull_but_its_drops_looks_like_a_drop(clinic, landing: Landing):
    pulled(clinic, landing)
    assert all(clinic_file(file.key).kind for file in landing.list("clinic"))
