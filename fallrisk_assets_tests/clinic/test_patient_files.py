"""What is remembered of patients' files changes what reading costs, and nothing else."""

import csv
import io
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.clinic import patient_files
from fallrisk_assets.clinic.csv_file import read_records
from fallrisk_assets.clinic.day import files_to_read, snapshot_of_day
from fallrisk_assets.clinic.files import ClinicFolder
from fallrisk_assets.clinic.intake import parse_patients
from fallrisk_assets.clinic.patient_files import PatientFiles

HEADER = "patient_id,wearable_patient_id,birth_date,gender,registration_date,time_zone,site_id"
DAY = date(2026, 1, 5)


def line(number: int, wearable: str = "", birth: str = "1941-03-05", registered: str = "2020-02-29") -> str:
    return f"PAT{number:06d},{wearable},{birth},F,{registered},Europe/Madrid,SITE01"


LINES = st.one_of(
    st.builds(
        line,
        st.integers(1, 4),
        st.sampled_from(["", "", "pt-1", "pt-2", " pt-1", "x"]),
        st.sampled_from(["1941-03-05", "1901-06-01", "2026-01-06", "1941-99-05"]),
        st.sampled_from(["2020-02-29", "2026-01-06"]),
    ),
    st.sampled_from(["", "rubbish", '"PAT000001', line(1) + "\r", " " + line(1), line(2).replace("F", "?")]),
)
FILES = st.lists(
    st.tuples(
        st.sampled_from([HEADER, HEADER, HEADER, "\ufeff" + HEADER, "nothing"]), st.lists(LINES, max_size=7)
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=400, deadline=None)
@given(FILES, st.lists(st.integers(0, 400), min_size=5, max_size=5))
def test_files_read_one_after_the_other_give_what_each_gives_by_itself(files, days):
    reader = PatientFiles(lambda key: b"")
    for (header, lines), after in zip(files, days, strict=False):
        data, day = "\n".join([header, *lines]).encode(), DAY + timedelta(days=after - 200)
        found, alone = reader.parse("f", data, day), parse_patients("f", data, day)
        assert found.patients.equals(alone.patients)
        assert found.identities.equals(alone.identities)
        assert found.refusals.equals(alone.refusals)


def test_only_lines_that_are_new_are_judged_again(monkeypatch):
    judged: list[int] = []

    def counted(file: str, data: bytes, day: date):
        judged.append(sum(bool(one.strip()) for one in data.split(b"\n")) - 1)
        return parse_patients(file, data, day)

    monkeypatch.setattr(patient_files, "parse_patients", counted)
    reader = PatientFiles(lambda key: b"")
    first = [line(n, f"pt-{n}") for n in range(1, 300)]
    for lines in (first, first, [*first[:-1], line(299, "pt-900"), line(300)]):
        reader.parse("f", "\n".join([HEADER, *lines, ""]).encode(), DAY)
    assert judged == [299, 0, 2]


def test_a_day_whose_files_name_nobody_by_id_asks_no_earlier_file():
    contacts = b"patient_id,role,channel,address,order\nPAT000001,nurse,email,n@c.example,1\n"
    content = {
        "clinic/20260105T060000Z-patients.csv": "\n".join([HEADER, line(1)]).encode(),
        "clinic/20260106T060000Z-patients.csv": "\n".join([HEADER, line(2)]).encode(),
        "clinic/20260107T060000Z-care_contacts.csv": contacts,
    }
    asked: list[str] = []

    def read(key: str) -> bytes:
        asked.append(key)
        return content[key]

    folder, reader = ClinicFolder(content), PatientFiles(read)
    for number in range(3):
        day = DAY + timedelta(days=number)
        snapshot_of_day(day, *files_to_read(folder, day), content, reader)
        assert asked == ([] if number < 2 else sorted(content)[:2])


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet='a, "\r\x00é\u2028', max_size=9))
def test_a_line_is_split_as_the_csv_reader_splits_it(text):
    def cells_of() -> list[str] | None:
        try:
            rows = list(csv.reader(io.StringIO(text.rstrip("\r"), newline=""), strict=True))
        except csv.Error:
            return None
        return rows[0] if len(rows) == 1 and "\x00" not in text.rstrip("\r") else None

    expected = cells_of()
    if not text.strip():
        return
    names = [f"c{n}" for n in range(len(expected or ["one"]))]
    records, refusals = read_records(f"{','.join(names)}\n{text}".encode(), names, {})
    if expected is None:
        assert [one.reason for one in refusals] == ["LINE_NOT_CSV"]
    else:
        assert [list(one.cells.values()) for one in records] == [[cell.strip() for cell in expected]]
