"""What the landing zone and the reports promise, on local disk and on S3 alike."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from fallrisk_assets.environments import opened
from fallrisk_assets.lake import s3


@pytest.fixture
def landing(environment):
    return opened("landing")


@pytest.fixture
def drop(landing):
    """Puts a file into the landing zone as a device would."""
    filesystem, base = landing.located

    def put(key, raw=b"x"):
        if "/" in key and landing.root == "":
            filesystem.create_dir(f"{base}/{key.rpartition('/')[0]}", recursive=True)
        with filesystem.open_output_stream(f"{base}/{key}", compression=None) as stream:
            stream.write(raw)

    return put


def test_files_are_listed_by_key_with_their_size_and_half_written_ones_are_not(landing, drop):
    for key, raw in (("telemetry/b.jsonl", b"xy"), ("telemetry/a.jsonl", b"x"), ("telemetry/.c.jsonl", b"")):
        drop(key, raw)
    drop("telemetry/deeper/d.jsonl")
    listed = landing.list("telemetry")
    assert [(f.key, f.size) for f in listed] == [("telemetry/a.jsonl", 1), ("telemetry/b.jsonl", 2)]
    assert all(f.modified_ns > 1_600_000_000 * 10**9 for f in listed)
    assert landing.list("clinic") == []


def test_a_file_is_read_as_it_was_dropped_and_a_missing_one_is_an_error(landing, drop):
    drop("telemetry/x.jsonl.gz", b"\x1f\x8bnot really gzip")
    assert landing.read("telemetry/x.jsonl.gz") == b"\x1f\x8bnot really gzip"
    with pytest.raises(FileNotFoundError):
        landing.read("telemetry/y.jsonl.gz")


def test_a_folder_of_more_than_a_thousand_files_is_listed_whole(landing, drop):
    keys = [f"telemetry/20260105T07{i // 60 % 60:02}{i % 60:02}Z-imu-{i:04}.jsonl" for i in range(1203)]
    drop(keys[0])
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(drop, keys[1:]))
    assert [f.key for f in landing.list("telemetry")] == sorted(keys)


def test_on_s3_the_second_thousand_is_asked_for(aws):
    """The stand-in answers a thousand at a time, as S3 does: else the test above would prove nothing."""
    landing = opened("landing")
    filesystem, base = landing.located

    def put(i):
        with filesystem.open_output_stream(f"{base}/telemetry/{i:04}") as stream:
            stream.write(b"x")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(1001)))
    bucket, _, prefix = base.partition("/")
    page = s3.client().list_objects_v2(Bucket=bucket, Prefix=prefix)
    assert (page["KeyCount"], page["IsTruncated"]) == (1000, True)
    assert len(landing.list("telemetry")) == 1001


def test_a_file_is_put_once_whole_and_never_replaced(landing):
    key = "telemetry/20260105T070000Z-imu-1-0a1b2c3d.jsonl"
    assert landing.put_if_absent(key, b"first") is True
    assert landing.put_if_absent(key, b"second") is False
    assert landing.read(key) == b"first"
    assert [file.key for file in landing.list("telemetry")] == [key]


def test_of_many_that_put_one_file_at_once_exactly_one_does(landing):
    with ThreadPoolExecutor(8) as pool:
        put = list(
            pool.map(lambda i: landing.put_if_absent("telemetry/x.jsonl", b"%d" % i * 9_000), range(24))
        )
    assert sum(put) == 1
    assert landing.read("telemetry/x.jsonl") == b"%d" % put.index(True) * 9_000
    assert len(landing.list("telemetry")) == 1


@pytest.fixture
def reports(environment):
    return opened("reports")


def test_a_report_is_written_read_listed_and_replaced(reports):
    address = reports.write("pages/2026-01-05.html", "<p>é")
    reports.write("pages/index.html", b"old")
    reports.write("pages/index.html", b"new")
    assert address == reports.address("pages/2026-01-05.html")
    assert reports.names("pages") == ["2026-01-05.html", "index.html"]
    assert reports.read("pages/index.html") == b"new"
    assert reports.read("pages/2026-01-05.html", 3) == b"<p>"
    assert reports.names("nothing") == []


def test_a_folder_of_reports_is_replaced_with_all_that_was_in_it(reports):
    for names in (("a", "deep/b"), ("a", "deep/c")):
        with reports.replace_folder("fhir/2026-01-05") as folder:
            for name in names:
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_text(f"{name} of {names[-1]}")
    assert reports.read("fhir/2026-01-05/a") == b"a of deep/c"
    assert reports.names("fhir/2026-01-05/deep") == ["c"]


def test_a_folder_that_fails_halfway_leaves_what_was_there(reports):
    with reports.replace_folder("fhir/2026-01-05") as folder:
        (folder / "a").write_text("1")

    def fail_halfway():
        with reports.replace_folder("fhir/2026-01-05") as folder:
            (folder / "b").write_text("2")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert reports.names("fhir/2026-01-05") == ["a"]


def test_a_page_on_s3_is_shown_by_a_browser_and_not_saved(aws):
    reports = opened("reports")
    reports.write("pages/index.html", "<p>")
    bucket, _, prefix = reports.address("pages/index.html").removeprefix("s3://").partition("/")
    assert s3.client().head_object(Bucket=bucket, Key=prefix)["ContentType"] == "text/html"
