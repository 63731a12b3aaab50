"""What the lake promises, on local disk and on S3 alike."""

import datetime as dt
import multiprocessing
import threading

import numpy as np
import pytest

from fallrisk_assets.environments import opened
from fallrisk_assets.lake import Lake, MissingPartition, PublishedMeanwhile, objects
from fallrisk_assets.maintenance import expire_snapshots, keep_for_audit, orphans
from fallrisk_assets_tests.samples import Days, Readings, days, readings

H7, H8, H9 = "2026-01-05-07:00", "2026-01-05-08:00", "2026-01-05-09:00"


@pytest.fixture
def lake(environment):
    return opened("lake")


def publish(lake, parts, run_id="run", keys=None):
    with lake.publication(Readings, keys or list(parts), run_id) as p:
        for key, buckets in parts.items():
            for bucket, data in buckets.items():
                p.add(key, data, bucket)
        p.commit()
    return p


def data_files(lake):
    import pyarrow.fs as pafs

    folder = pafs.FileSelector(f"{lake.base}/clean/readings", recursive=True, allow_not_found=True)
    found = lake.filesystem.get_file_info(folder)
    return sorted(i.path for i in found if i.type == pafs.FileType.File and i.extension == "parquet")


def test_rows_come_back_by_name_partition_and_bucket_as_they_were_published(lake):
    seven = {1: readings(H7, 1), 2: readings(H7, 2)}
    publish(lake, {H7: seven, H8: {1: readings(H8, 1)}})
    assert lake.read(Readings, [H7], buckets=[2]).equals(seven[2])
    assert lake.read(Readings, [H7, H8], columns=["device_id", "seq"]).num_rows == 60
    assert lake.ledger.keys(Readings) == [H7, H8]
    again = opened("lake")
    assert again.read(Readings, [H7], buckets=[1]).equals(seven[1]), "another process sees the same"


def test_what_nobody_published_is_missing_and_what_was_published_empty_is_empty(lake):
    publish(lake, {}, keys=[H7])
    assert lake.read(Readings, [H7]).num_rows == 0
    with pytest.raises(MissingPartition, match=r"clean\.readings 2026-01-05-08:00"):
        lake.read(Readings, [H8])
    assert lake.read(Readings, [H8], optional=True).num_rows == 0


def test_a_partition_is_replaced_whole_and_its_neighbours_stay(lake):
    publish(lake, {H7: {1: readings(H7)}, H8: {1: readings(H8)}})
    first = lake.ledger.get(Readings, H8)
    publish(lake, {H7: {1: readings(H7, rows=5)}})
    assert lake.read(Readings, [H7]).num_rows == 5
    assert lake.ledger.get(Readings, H8) == first
    assert lake.table(Readings).scan().to_arrow().num_rows == 25, "Iceberg alone says the same"


def test_a_kept_bucket_stays_and_the_others_are_replaced_or_gone(lake):
    publish(lake, {H7: {1: readings(H7, 1), 2: readings(H7, 2), 3: readings(H7, 3)}})
    with lake.publication(Readings, [H7]) as p:
        p.keep(H7, 1)
        p.add(H7, readings(H7, 2, rows=4), 2)
        p.commit()
    assert {b: e.rows for b, e in lake.ledger.get(Readings, H7).buckets.items()} == {"1": 20, "2": 4}
    assert lake.table(Readings).scan().to_arrow().num_rows == 24


def test_what_the_contract_refuses_is_not_published_and_leaves_no_file(lake):
    publish(lake, {H7: {1: readings(H7, rows=7)}})
    before = data_files(lake)
    p = publish(lake, {H7: {1: readings(H7, lowest=np.full(20, 99, np.float32))}})
    assert list(p.bad) == [H7]
    assert lake.read(Readings, [H7]).num_rows == 7
    assert data_files(lake) == before


def test_a_table_by_day_without_buckets_is_published_too(lake):
    with lake.publication(Days, ["2026-01-05"]) as p:
        p.add("2026-01-05", days("2026-01-05"))
        p.commit()
    assert lake.read(Days, ["2026-01-05"]).equals(days("2026-01-05"))


def test_earlier_snapshots_can_be_read_and_lineage_names_every_publication(lake):
    first = publish(lake, {H7: {1: readings(H7, rows=3)}}, "run-a").entries[H7]
    publish(lake, {H7: {1: readings(H7, rows=9)}}, "run-b")
    assert lake.read(Readings, [H7], as_of=first.snapshot_id).num_rows == 3
    assert sorted(e["run_id"] for e in lake.ledger.lineage(Readings, H7)) == ["run-a", "run-b"]


@pytest.mark.parametrize("writes", range(6))
def test_wherever_a_run_dies_readers_see_the_old_version_or_the_new_and_the_rerun_the_new(
    lake, monkeypatch, writes
):
    """A publication of two hours writes a batch, and a lineage and an entry for each: five objects."""
    publish(lake, {H7: {1: readings(H7, rows=3)}, H8: {1: readings(H8, rows=3)}})
    left, write_whole = [writes], objects.write_whole

    def die(*arguments):
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        write_whole(*arguments)

    new = {H7: {1: readings(H7, rows=9)}, H8: {1: readings(H8, rows=9)}}
    with monkeypatch.context() as patch:
        patch.setattr(objects, "write_whole", die)
        if writes < 5:
            with pytest.raises(KeyboardInterrupt):
                publish(lake, new)
        else:
            publish(lake, new)
    fresh = opened("lake")
    rows = {fresh.read(Readings, [key]).num_rows for key in (H7, H8)}
    assert rows == ({3} if writes == 0 else {9})
    publish(fresh, new)
    assert fresh.read(Readings, [H7, H8]).num_rows == 18
    assert fresh.table(Readings).scan().to_arrow().num_rows == 18


def _publish_bucket(root, settings, bucket, start):
    lake = Lake(root=root, **settings)
    with lake.publication(Readings, [H7, H8], f"run-{bucket}") as p:
        for key in (H7, H8):
            p.keep(key, 3 - bucket)
            p.add(key, readings(key, bucket), bucket)
        start.wait()
        p.commit()


def test_two_processes_that_commit_at_once_are_both_on_record(aws):
    """Each replaces another bucket of the same hours: neither may take the other's rows away."""
    lake = opened("lake")
    publish(lake, {key: {b: readings(key, b, rows=2) for b in (1, 2)} for key in (H7, H8)})
    settings = {f: getattr(lake, f) for f in ("catalog_uri", "catalog_warehouse", "catalog_signing")}
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    workers = [
        context.Process(target=_publish_bucket, args=(lake.address, settings, b, start)) for b in (1, 2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    fresh = opened("lake")
    for key in (H7, H8):
        assert {b: e.rows for b, e in fresh.ledger.get(Readings, key).buckets.items()} == {"1": 20, "2": 20}
    assert fresh.table(Readings).scan().to_arrow().num_rows == 80


def test_who_commits_while_another_writes_its_entries_waits_for_it(lake, monkeypatch):
    """An entry is read, merged and written: who came in between would be forgotten."""
    publish(lake, {H7: {b: readings(H7, b, rows=2) for b in (1, 2)}})
    write_whole, second = objects.write_whole, []

    def commit_bucket_2():
        other = opened("lake")
        with other.publication(Readings, [H7], "second") as p:
            p.keep(H7, 1)
            p.add(H7, readings(H7, 2), 2)
            p.commit()

    def write_slowly(*arguments):
        if not second:
            second.append(threading.Thread(target=commit_bucket_2))
            second[0].start()
            second[0].join(1.0)  # time enough for it to come in between, if it could
        write_whole(*arguments)

    monkeypatch.setattr(objects, "write_whole", write_slowly)
    with lake.publication(Readings, [H7], "first") as p:
        p.keep(H7, 2)
        p.add(H7, readings(H7, 1), 1)
        p.commit()
    second[0].join(60)
    entry = opened("lake").ledger.get(Readings, H7)
    assert {b: e.rows for b, e in entry.buckets.items()} == {"1": 20, "2": 20}


def test_what_another_run_published_meanwhile_is_never_taken_away(lake):
    publish(lake, {H7: {1: readings(H7, rows=2)}})
    with lake.publication(Readings, [H7]) as slow:
        slow.add(H7, readings(H7, rows=3), 1)
        publish(opened("lake"), {H7: {1: readings(H7, rows=8)}})
        with pytest.raises(PublishedMeanwhile):
            slow.commit()
    assert opened("lake").read(Readings, [H7]).num_rows == 8


def test_maintenance_forgets_old_snapshots_and_orphans_and_keeps_rows_and_audit_days(lake):
    for rows in (1, 2, 3):
        publish(lake, {H7: {1: readings(H7, rows=rows)}})
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=40)
    assert keep_for_audit(lake, Readings, later)
    assert expire_snapshots(lake, Readings, later) > 0
    assert len(lake.snapshots(Readings)) == 1, "what the day ended with"
    assert orphans(lake, Readings, dt.datetime.now(dt.UTC)) == [], "too young to be judged"
    stray = orphans(lake, Readings, later)
    assert len(stray) == 2
    for path in stray:
        lake.filesystem.delete_file(path)
    assert lake.read(Readings, [H7]).num_rows == 3
    assert orphans(lake, Readings, later) == []


def test_the_same_rows_have_the_same_content_hash_on_disk_and_on_s3(aws, tmp_path):
    disk, cloud = Lake(root=str(tmp_path / "lake")), opened("lake")
    parts = {H7: {1: readings(H7, 1), 2: readings(H7, 2)}, H8: {1: readings(H8, 1)}}
    for lake in (disk, cloud):
        publish(lake, parts)
    for key in parts:
        assert disk.ledger.get(Readings, key).content_hash == cloud.ledger.get(Readings, key).content_hash
        assert disk.read(Readings, [key]).equals(cloud.read(Readings, [key]))
