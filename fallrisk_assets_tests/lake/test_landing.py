import datetime as dt

import pytest

from fallrisk_assets.lake.landing import Landing, received_at_of
from fallrisk_assets.lake.reports import Reports


def test_files_are_listed_by_key_and_half_written_ones_are_not(tmp_path):
    (tmp_path / "telemetry").mkdir()
    (tmp_path / "telemetry" / "b.jsonl").write_bytes(b"xy")
    (tmp_path / "telemetry" / ".c.jsonl").write_bytes(b"half")
    (tmp_path / "telemetry" / "a.jsonl").write_bytes(b"x")
    landing = Landing(root=str(tmp_path))
    assert [(f.key, f.size) for f in landing.list("telemetry")] == [
        ("telemetry/a.jsonl", 1),
        ("telemetry/b.jsonl", 2),
    ]
    assert landing.list("clinic") == []


def test_a_compressed_file_is_handed_out_as_it_is(tmp_path):
    (tmp_path / "x.jsonl.gz").write_bytes(b"\x1f\x8bnot really gzip")
    assert Landing(root=str(tmp_path)).read("x.jsonl.gz") == b"\x1f\x8bnot really gzip"


def test_the_time_of_receipt_is_read_from_the_name():
    assert received_at_of("clinic/20260105T070312Z-patients.csv") == dt.datetime(
        2026, 1, 5, 7, 3, 12, tzinfo=dt.UTC
    )
    with pytest.raises(ValueError):
        received_at_of("clinic/patients.csv")


def test_a_report_folder_appears_whole_or_not_at_all(tmp_path):
    reports = Reports(root=str(tmp_path))
    with reports.replace_folder("fhir/2026-01-05") as folder:
        (folder / "a").write_text("1")

    def fail_halfway() -> None:
        with reports.replace_folder("fhir/2026-01-05") as folder:
            (folder / "b").write_text("2")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert [p.name for p in (tmp_path / "fhir" / "2026-01-05").iterdir()] == ["a"]
    assert [p.name for p in (tmp_path / "fhir").iterdir()] == ["2026-01-05"]
