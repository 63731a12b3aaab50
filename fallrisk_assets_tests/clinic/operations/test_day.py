"""A day's drops together: nothing is counted twice, nothing is lost."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.clinic.files import ClinicFolder, clinic_file
from fallrisk_assets.clinic.operations.contract import (
    AppointmentEvents,
    AppointmentRecords,
    ClinicDrops,
    Feedback,
    OperationsQuarantine,
    Providers,
)
from fallrisk_assets.clinic.operations.day import files_to_read, operations_of_day
from fallrisk_assets.clinic.operations.providers import parse_providers
from fallrisk_assets.validation import validate
from fallrisk_assets_tests.clinic.operations.rows import (
    DAY,
    PROVIDER,
    PROVIDERS_HEADER,
    answer,
    event,
    lines,
    record,
)


def judge(content: dict[str, bytes]):
    content = {f"clinic/{name}": data for name, data in content.items()}
    return operations_of_day(DAY, *files_to_read(ClinicFolder(content), DAY), content)


def csv(*rows: str, header: str = PROVIDERS_HEADER) -> bytes:
    return "\n".join([header, *rows, ""]).encode()


def test_a_line_received_twice_on_a_day_is_there_once():
    again = event(event_id="other")
    tables = judge(
        {
            "20260105T100000Z-providers.csv": csv(PROVIDER),
            "20260106T100000Z-appointment_events.jsonl": lines(event(event_id="e1"), again, record()),
            "20260106T110000Z-appointments.jsonl": lines(record(), event("patient_login")),
            "20260106T110000Z-feedback.json": lines(answer(), answer()),
        }
    )
    assert sorted(tables[AppointmentEvents]["event_type"].to_pylist()) == [
        "appointment_scheduled",
        "patient_login",
    ]
    assert "e1" in tables[AppointmentEvents]["event_id"].to_pylist()
    assert (tables[AppointmentRecords].num_rows, tables[Feedback].num_rows) == (1, 1)
    assert dict(
        zip(tables[ClinicDrops]["file"].to_pylist(), tables[ClinicDrops]["duplicate_lines"].to_pylist())
    ) == {
        "20260106T100000Z-appointment_events.jsonl": 1,
        "20260106T110000Z-appointments.jsonl": 1,
        "20260106T110000Z-feedback.json": 1,
    }


def test_several_answers_about_one_visit_are_kept():
    tables = judge({"20260106T100000Z-feedback.json": lines(answer(), answer(feedback_id="FB2"))})
    assert tables[Feedback].num_rows == 2


def test_the_providers_received_last_hold_unless_all_are_refused():
    tables = judge(
        {
            "20260106T080000Z-providers.csv": csv(PROVIDER),
            "20260106T090000Z-providers.csv": csv(PROVIDER.replace("true", "false"), "rubbish"),
            "20260106T100000Z-providers.csv": csv("rubbish"),
        }
    )
    assert tables[Providers]["active"].to_pylist() == [False]
    drops = {row["file"][9:11]: row for row in tables[ClinicDrops].to_pylist()}
    assert (drops["08"]["superseded_lines"], drops["09"]["clean_lines"]) == (1, 1)
    assert drops["10"]["quarantined_lines"] == 1


def test_a_header_that_cannot_be_used_costs_the_file_which_counts_as_one_line():
    tables = judge({"20260106T080000Z-providers.csv": csv(PROVIDER, header="a,b")})
    assert tables[OperationsQuarantine]["reason"].to_pylist() == ["COLUMN_MISSING"]
    assert tables[ClinicDrops]["received_lines"].to_pylist() == [1]


def test_a_clock_is_known_from_an_earlier_file_but_not_from_a_later_one():
    old, new = csv(PROVIDER), csv(PROVIDER.replace("NY", "CA"))
    local = lines(event(timestamp="2026-01-02T10:00:00"))
    content = {
        "20260105T080000Z-providers.csv": old,
        "20260106T080000Z-appointment_events.jsonl": local,
        "20260107T080000Z-providers.csv": new,
    }
    assert judge(content)[AppointmentEvents]["occurred_at"].to_pylist()[0].hour == 15
    del content["20260105T080000Z-providers.csv"]
    assert judge(content)[OperationsQuarantine]["reason"].to_pylist() == ["TIME_ZONE_UNKNOWN"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (PROVIDER.replace("PROV0001", "7"), "ID_INVALID"),
        (PROVIDER.replace("Cardiology", "Astrology"), "VALUE_INVALID"),
        (PROVIDER.replace("true", ""), "FIELD_MISSING"),
        (PROVIDER.replace("150.5", "0"), "VALUE_OUT_OF_RANGE"),
        (PROVIDER.replace(",30,", ",169,"), "VALUE_OUT_OF_RANGE"),
    ],
)
def test_a_provider_that_cannot_be_is_refused_with_its_reason(row, reason):
    rows, refused, received = parse_providers("p", csv(row), DAY)
    assert ([r.reason for r in refused], rows, received) == ([reason], [], 1)


def test_a_provider_listed_twice_with_different_words_is_refused_on_each_line():
    _, refused, _ = parse_providers("p", csv(PROVIDER, PROVIDER.replace("NY", "CA")), DAY)
    assert [r.reason for r in refused] == ["PROVIDER_DUPLICATE"] * 2


def test_a_state_with_two_times_tells_no_clock_and_a_named_zone_wins():
    header = PROVIDERS_HEADER + ",time_zone"
    rows, _, _ = parse_providers(
        "p",
        csv(
            PROVIDER + ",",
            PROVIDER.replace("PROV0001,", "PROV0002,").replace("NY", "TX") + ",",
            PROVIDER.replace("PROV0001,", "PROV0003,") + ",Europe/Madrid",
            header=header,
        ),
        DAY,
    )
    assert [row["time_zone"] for row in rows] == ["America/New_York", None, "Europe/Madrid"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("20260106T080000Z-feedback.json", "feedback"),
        ("20260106T080000Z-feedback-0a1b2c3d.jsonl", "feedback"),
        ("20260106T080000Z-appointments.jsonl", "appointment_events"),
        ("20260106T080000Z-feedback-late.json", None),
        ("20260106T080000Z-notes.txt", None),
    ],
)
def test_a_name_says_what_a_file_holds(name, kind):
    found = clinic_file(f"clinic/{name}")
    assert found is not None
    assert found.kind == kind


def test_a_name_without_a_time_is_no_file_of_any_day():
    assert clinic_file("clinic/feedback.json") is None
    assert clinic_file("clinic/20261306T080000Z-feedback.json") is None


_LINES = st.sampled_from(
    [
        lines(event()),
        lines(event(event_id="e2")),
        lines(event("patient_login")),
        lines(record()),
        lines(record(status="Cancelled")),
        b"rubbish\n",
        b"\n",
    ]
)
_ANSWERS = st.sampled_from([lines(answer()), lines(answer(comments=None)), lines(answer(provider_rating=9))])


@settings(max_examples=50, deadline=None)
@given(
    logs=st.lists(st.lists(_LINES, max_size=6), min_size=1, max_size=3),
    answers=st.lists(_ANSWERS, max_size=5),
    providers=st.lists(st.sampled_from([PROVIDER, "rubbish"]), max_size=3),
)
def test_every_line_of_each_drop_is_in_a_table_a_duplicate_superseded_or_refused(logs, answers, providers):
    content = {f"20260106T1{i}0000Z-appointment_events.jsonl": b"".join(log) for i, log in enumerate(logs)}
    content["20260106T180000Z-feedback.jsonl"] = b"".join(answers)
    content["20260106T190000Z-providers.csv"] = csv(*providers)
    tables = judge(content)
    for drop in tables[ClinicDrops].to_pylist():
        name = drop["file"]
        given_lines = [line for line in content[name].split(b"\n") if line.strip()]
        assert drop["received_lines"] == len(given_lines) - name.endswith(".csv")
        clean = sum(
            tables[model]["file"].to_pylist().count(name)
            for model in (Providers, AppointmentEvents, AppointmentRecords, Feedback)
        )
        refused = tables[OperationsQuarantine]["file"].to_pylist().count(name)
        assert (clean, refused) == (drop["clean_lines"], drop["quarantined_lines"])
        gone = drop["duplicate_lines"] + drop["superseded_lines"]
        assert drop["received_lines"] == clean + refused + gone
    for model, table in tables.items():
        assert validate(model, table).passed, validate(model, table).sentence()


def test_a_day_without_drops_gives_empty_tables():
    tables = operations_of_day(date(2026, 1, 6), [], [], {})
    assert {table.num_rows for table in tables.values()} == {0}
