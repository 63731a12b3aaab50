import datetime as dt

import pytest

from fallrisk_assets import maintenance
from fallrisk_assets.lake import Lake
from fallrisk_assets_tests.samples import Readings, readings

KEY = "2026-01-05-07:00"


@pytest.fixture
def lake(tmp_path):
    lake = Lake(root=str(tmp_path / "lake"))
    for rows in (5, 7, 9):
        with lake.publication(Readings, [KEY], f"run-{rows}") as publication:
            publication.add(KEY, readings(KEY, rows=rows), 1)
            publication.commit()
    return lake


def test_what_a_day_ended_with_stays_readable_when_the_steps_in_between_expire(lake):
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=60)
    ended_with = lake.snapshots(Readings)[-1]["snapshot_id"]
    with lake.publication(Readings, [KEY], "after") as publication:
        publication.add(KEY, readings(KEY, rows=2), 1)
        publication.commit()
    (tag,) = [*maintenance.keep_for_audit(lake, Readings, later)]
    tagged = lake.table(Readings).metadata.refs[tag].snapshot_id
    maintenance.expire_snapshots(lake, Readings, later)
    assert lake.read(Readings, [KEY], as_of=tagged).num_rows == 2
    assert ended_with not in {s["snapshot_id"] for s in lake.snapshots(Readings)}
    assert lake.read(Readings, [KEY]).num_rows == 2


def test_tags_go_after_the_audit_period(lake):
    now = dt.datetime.now(dt.UTC)
    assert maintenance.keep_for_audit(lake, Readings, now + dt.timedelta(days=2))
    maintenance.keep_for_audit(lake, Readings, now + maintenance.AUDIT_PERIOD + dt.timedelta(days=3))
    assert not [name for name in lake.table(Readings).metadata.refs if name.startswith("audit-")]


def test_files_that_no_snapshot_names_are_found_once_they_are_old_enough(lake, tmp_path):
    stray = next((tmp_path / "lake").rglob("*.parquet")).parent / "all-stray.parquet"
    stray.write_bytes(b"left behind")
    now = dt.datetime.now(dt.UTC)
    assert maintenance.orphans(lake, Readings, now) == []
    assert maintenance.orphans(lake, Readings, now + dt.timedelta(days=2)) == [str(stray)]


def test_a_file_that_the_ledger_vouches_for_stays_whatever_iceberg_says(lake, monkeypatch):
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, lake.publication(Readings, [KEY], "killed") as publication:
        patch.setattr(type(lake.ledger), "put_all", killed)
        publication.add(KEY, readings(KEY, rows=2), 1)
        with pytest.raises(KeyboardInterrupt):
            publication.commit()
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=60)
    maintenance.expire_snapshots(lake, Readings, later)
    for path in maintenance.orphans(lake, Readings, later):
        lake.filesystem.delete_file(path)
    assert lake.read(Readings, [KEY]).num_rows == 9
