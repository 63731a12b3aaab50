import datetime as dt
import json
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.contract import arrow_schema
from fallrisk_assets.lake import Lake, MissingPartition, PublishedMeanwhile, publication, tables
from fallrisk_assets.lake.ledger import Ledger
from fallrisk_assets.publishing import is_transient
from fallrisk_assets.validation import KEY_NOT_UNIQUE, OUTSIDE_SLICE, KeysSeen
from fallrisk_assets_tests.samples import Days, Readings, days, readings

H7, H8, H9 = "2026-01-05-07:00", "2026-01-05-08:00", "2026-01-05-09:00"


@pytest.fixture
def lake(tmp_path):
    return Lake(root=str(tmp_path / "lake"))


def publish(lake, keys, tables_by_key, run_id="run"):
    with lake.publication(Readings, keys, run_id) as p:
        for key, parts in tables_by_key.items():
            for bucket, data in parts.items():
                p.add(key, data, bucket)
        p.commit()
        return p


def test_what_was_published_is_read_back_by_name_and_partition(lake):
    publish(lake, [H7, H8], {H7: {1: readings(H7, 1), 2: readings(H7, 2)}, H8: {1: readings(H8, 1)}})
    assert lake.read(Readings, [H7]).num_rows == 40
    assert lake.read(Readings, [H7, H8]).num_rows == 60
    assert (
        lake.read(Readings, [H7], buckets=[2], columns=["device_id"])["device_id"].to_pylist()
        == ["imu-2"] * 20
    )


def test_a_partition_that_nobody_published_raises_and_is_never_an_empty_table(lake):
    publish(lake, [H7], {H7: {1: readings(H7)}})
    with pytest.raises(MissingPartition, match=r"clean\.readings 2026-01-05-08:00"):
        lake.read(Readings, [H7, H8])
    assert lake.read(Readings, [H7, H8], optional=True).num_rows == 20


def test_a_partition_published_without_rows_is_there_and_empty(lake):
    publish(lake, [H7], {})
    assert lake.read(Readings, [H7]).num_rows == 0
    assert lake.ledger.get(Readings, H7).rows == 0


def test_publishing_again_replaces_the_partition_and_leaves_its_neighbours(lake):
    publish(lake, [H7, H8], {H7: {1: readings(H7, rows=20)}, H8: {1: readings(H8)}})
    publish(lake, [H7], {H7: {1: readings(H7, rows=5)}})
    assert lake.read(Readings, [H7]).num_rows == 5
    assert lake.read(Readings, [H8]).num_rows == 20


def test_the_same_rows_give_the_same_content_hash_one_by_one_or_as_a_range(lake, tmp_path):
    other = Lake(root=str(tmp_path / "other"))
    publish(lake, [H7, H8], {H7: {1: readings(H7), 2: readings(H7, 2)}, H8: {1: readings(H8)}})
    publish(other, [H8], {H8: {1: readings(H8)}})
    publish(other, [H7], {H7: {2: readings(H7, 2), 1: readings(H7)}})
    for key in (H7, H8):
        assert lake.ledger.get(Readings, key).content_hash == other.ledger.get(Readings, key).content_hash


def test_a_kept_bucket_stays_as_it_was_and_the_others_are_replaced(lake):
    publish(lake, [H7], {H7: {1: readings(H7, 1), 2: readings(H7, 2), 3: readings(H7, 3)}})
    before = {f.path for f in lake.files(Readings, [H7], buckets=[1])}
    with lake.publication(Readings, [H7]) as p:
        assert p.keep(H7, 1)
        assert not p.keep(H7, 9)
        p.add(H7, readings(H7, 2, rows=4), 2)
        p.commit()
    assert {f.path for f in lake.files(Readings, [H7], buckets=[1])} == before
    assert {b: e.rows for b, e in lake.ledger.get(Readings, H7).buckets.items()} == {"1": 20, "2": 4}
    assert lake.read(Readings, [H7]).num_rows == 24


def test_rows_that_the_contract_refuses_are_not_published_and_the_good_partitions_are(lake):
    publish(lake, [H7, H8], {H7: {1: readings(H7, rows=7)}, H8: {1: readings(H8, rows=7)}})
    bad = readings(H8, lowest=np.full(20, 99, np.float32))
    p = publish(lake, [H7, H8], {H7: {1: readings(H7)}, H8: {1: bad}})
    assert list(p.bad) == [H8]
    assert "20 × lowest: TOO_FAR" in p.bad[H8].sentence()
    assert lake.read(Readings, [H7]).num_rows == 20
    assert lake.read(Readings, [H8]).num_rows == 7, "the old version stays"


def test_rows_outside_their_partition_or_bucket_are_refused(lake):
    with lake.publication(Readings, [H7]) as p:
        report = p.add(H7, readings(H8), 1)
        assert report.counts == {f"ts: {OUTSIDE_SLICE}": 20}
    with lake.publication(Readings, [H7]) as p:
        assert p.add(H7, readings(H7, 2), 1).counts == {f"device_bucket: {OUTSIDE_SLICE}": 20}


def test_of_a_piece_with_one_row_outside_its_partition_that_row_is_counted_and_shown(lake):
    rows = readings(H7)
    times = [rows["ts"][0].as_py() - dt.timedelta(hours=3), *rows["ts"].to_pylist()[1:]]
    with lake.publication(Readings, [H7]) as p:
        report = p.add(H7, readings(H7, ts=times), 1)
    assert (report.counts, report.failed_rows) == ({f"ts: {OUTSIDE_SLICE}": 1}, 1)
    assert [(e["row"], e["name"]) for e in report.examples] == [("0", "•••")]


def test_a_key_that_comes_again_in_another_piece_keeps_the_partition_from_being_published(lake):
    publish(lake, [H7], {H7: {1: readings(H7, rows=3)}})
    with lake.publication(Readings, [H7, H8]) as p:
        p.add(H7, readings(H7), 1)
        p.add(H7, readings(H7, seq=list(range(19, 39))), 1)
        p.add(H8, readings(H8), 1)
        p.finish(1)
        p.commit()
    assert list(p.bad) == [H7]
    assert p.bad[H7].counts == {f"device_id, seq: {KEY_NOT_UNIQUE}": 1}
    assert p.bad[H7].examples[0]["seq"] == "19"
    assert (lake.read(Readings, [H7]).num_rows, lake.read(Readings, [H8]).num_rows) == (3, 20)


def test_pieces_that_overlap_without_a_common_key_are_published(lake):
    with lake.publication(Readings, [H7]) as p:
        p.add(H7, readings(H7, seq=list(range(0, 40, 2))), 1)
        p.add(H7, readings(H7, seq=list(range(1, 41, 2))), 1)
        p.add(H7, readings(H7, device_id=["imu-77"] * 20), 1)
        p.commit()
    assert not p.bad
    assert lake.read(Readings, [H7]).num_rows == 60


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), min_size=1, max_size=4, unique=True),
        max_size=5,
    ),
    st.booleans(),
)
def test_a_piece_whose_keys_were_there_before_is_always_doubted(pieces, coded):
    seen, known = KeysSeen(("name", "n")), set()
    for piece in pieces:
        names = pa.array([name for name, _ in piece])
        table = pa.table({"name": names.dictionary_encode() if coded else names, "n": [n for _, n in piece]})
        assert not (seen.add(table) and known & set(piece))
        known |= set(piece)


@pytest.mark.parametrize(
    ("added", "pieces"), [((1, 2, 3), [20, 20, 20]), ((1, 1, 2), [40, 20]), ((1, 3, 2), [60])]
)
def test_a_file_is_read_device_by_device_where_it_was_written_so_and_else_whole(lake, added, pieces):
    with lake.publication(Readings, [H7]) as p:
        for turn, device in enumerate(added):
            seq = range(20 * turn, 20 * turn + 20)
            p.add(H7, readings(H7, device_id=[f"imu-{device}"] * 20, seq=list(seq)), 1)
        p.commit()
    (file,) = lake.files(Readings, [H7])
    read = list(lake.read_in_order(Readings, file, "device_id", ["ts", "device_id"]))
    assert [piece.num_rows for piece in read] == pieces
    assert pa.types.is_dictionary(read[0].schema.field("device_id").type)
    plain = [
        piece.cast(arrow_schema(Readings).empty_table().select(["ts", "device_id"]).schema) for piece in read
    ]
    assert (
        pa.concat_tables(plain)
        .combine_chunks()
        .equals(lake.read(Readings, [H7], columns=["ts", "device_id"]))
    )


def test_leaving_without_a_commit_publishes_nothing_and_leaves_no_file(lake, tmp_path):
    with lake.publication(Readings, [H7]) as p:
        p.add(H7, readings(H7), 1)
    assert not list((tmp_path / "lake").rglob("*.parquet"))
    with pytest.raises(MissingPartition):
        lake.read(Readings, [H7])


def test_a_reader_can_look_at_the_table_as_of_an_earlier_snapshot(lake):
    publish(lake, [H7], {H7: {1: readings(H7, rows=20)}}, "first")
    publish(lake, [H7], {H7: {1: readings(H7, rows=3)}}, "second")
    first, second = lake.snapshots(Readings)
    assert (first["run_id"], second["run_id"]) == ("first", "second")
    assert lake.read(Readings, [H7], as_of=first["snapshot_id"]).num_rows == 20
    assert lake.read(Readings, [H7], as_of=second["snapshot_id"]).num_rows == 3


def test_lineage_keeps_every_publication_with_its_inputs(lake):
    for run, rows in (("aaaaaaaa", 3), ("bbbbbbbb", 4)):
        with lake.publication(Readings, [H7], run) as p:
            p.note_input(H7, "raw.drops", f"hash-{run}")
            p.add(H7, readings(H7, rows=rows), 1)
            p.commit()
    found = lake.ledger.lineage(Readings, H7)
    assert sorted((e["run_id"], e["rows"], e["inputs"]["raw.drops"]) for e in found) == [
        ("aaaaaaaa", 3, "hash-aaaaaaaa"),
        ("bbbbbbbb", 4, "hash-bbbbbbbb"),
    ]


def test_a_measure_outside_its_limits_is_withdrawn_only_where_it_may_be_null_and_only_on_request(lake):
    lowest = np.full(20, -1, np.float32)
    lowest[3], lowest[4] = -99, np.nan
    odd = readings(H7, lowest=pa.array(lowest), seq=[-1, *range(1, 20)])
    with lake.publication(Readings, [H7]) as p:
        assert p.add(H7, odd, 1).counts.keys() >= {"lowest: TOO_FAR", "lowest: VALUE_NOT_FINITE"}
    with lake.publication(Readings, [H7]) as p:
        report = p.add(H7, odd, 1, measures=True)
    assert report.withdrawn == {"lowest": 2}
    assert list(report.counts) == ["seq: VALUE_OUT_OF_RANGE"], "what must not be null is refused"


def test_a_column_that_the_contract_has_gained_is_null_in_older_files(lake, tmp_path):
    with lake.publication(Days, ["2026-01-05"]) as p:
        p.add("2026-01-05", days("2026-01-05"))
        p.commit()
    (path,) = (tmp_path / "lake").rglob("*.parquet")
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["steps"]), path)
    for where in (None, pc.field("patient_id") == "pt-1"):
        old = lake.read(Days, ["2026-01-05"], where=where)
        assert old.schema.names == ["day", "patient_id", "steps"]
        assert old["steps"].null_count == old.num_rows > 0
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["patient_id"]), path)
    with pytest.raises((KeyError, pa.ArrowInvalid)):
        lake.read(Days, ["2026-01-05"])


def test_daily_tables_are_sliced_by_their_date(lake):
    with lake.publication(Days, ["2026-01-05", "2026-01-06"]) as p:
        p.add("2026-01-05", days("2026-01-05"))
        p.add("2026-01-06", days("2026-01-06", 5))
        p.commit()
    assert lake.read(Days, ["2026-01-06"]).num_rows == 5
    assert lake.ledger.keys(Days) == ["2026-01-05", "2026-01-06"]


def test_a_commit_that_another_writer_forestalls_is_tried_again_on_the_fresh_table(lake, monkeypatch):
    publish(lake, [H7], {H7: {1: readings(H7)}})
    stale = lake.table(Readings)
    publish(lake, [H8], {H8: {1: readings(H8)}})
    handed_out = iter([stale])
    load = lake.table

    def first_a_stale_table(model):
        return next(handed_out, None) or load(model)

    monkeypatch.setattr(Lake, "table", lambda self, model: first_a_stale_table(model))
    publish(lake, [H9], {H9: {1: readings(H9)}})
    assert lake.read(Readings, [H7, H8, H9]).num_rows == 60


def test_buckets_published_by_two_runs_at_once_are_both_on_record(lake):
    publish(lake, [H7], {H7: {1: readings(H7, 1), 2: readings(H7, 2)}})
    one, two = lake.publication(Readings, [H7]), lake.publication(Readings, [H7])
    one.keep(H7, 2)
    one.add(H7, readings(H7, 1, rows=3), 1)
    two.keep(H7, 1)
    two.add(H7, readings(H7, 2, rows=4), 2)
    one.commit()
    two.commit()
    assert {b: e.rows for b, e in lake.ledger.get(Readings, H7).buckets.items()} == {"1": 3, "2": 4}
    assert lake.read(Readings, [H7]).num_rows == 7


def test_expiry_forgets_old_snapshots_and_keeps_the_rows(lake):
    publish(lake, [H7], {H7: {1: readings(H7)}})
    publish(lake, [H7], {H7: {1: readings(H7, rows=3)}})
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    assert tables.expire(lake.table(Readings), later) >= 1
    assert lake.read(Readings, [H7]).num_rows == 3
    assert len(lake.snapshots(Readings)) == 1


def _killed_between(root: str, where: str) -> None:
    lake = Lake(root=root)
    if where == "before the commit":
        publication.tables.replace_slices = lambda *_: os._exit(9)
    else:
        lake.ledger.put = lambda *_: os._exit(9)
    with lake.publication(Readings, [H7]) as p:
        p.add(H7, readings(H7, rows=11), 1)
        p.commit()


@pytest.mark.parametrize("where", ["before the commit", "between commit and ledger"])
def test_a_killed_publication_leaves_the_old_version_and_can_be_run_again(lake, tmp_path, where):
    publish(lake, [H7], {H7: {1: readings(H7, rows=20)}})
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_killed_between, args=(str(tmp_path / "lake"), where))
    process.start()
    process.join()
    assert process.exitcode == 9
    assert lake.read(Readings, [H7]).num_rows == 20 == lake.ledger.get(Readings, H7).rows
    publish(lake, [H7], {H7: {1: readings(H7, rows=11)}})
    undisturbed = Lake(root=str(tmp_path / "undisturbed"))
    publish(undisturbed, [H7], {H7: {1: readings(H7, rows=11)}})
    assert lake.read(Readings, [H7]).equals(undisturbed.read(Readings, [H7]))
    assert lake.ledger.get(Readings, H7).content_hash == undisturbed.ledger.get(Readings, H7).content_hash


def test_pandera_has_the_last_word_on_what_the_masks_let_through(lake, monkeypatch):
    monkeypatch.setattr("fallrisk_assets.validation.row_masks", lambda *_: {})
    bad = readings(H8, lowest=np.full(20, 99, np.float32))
    p = publish(lake, [H7, H8], {H7: {1: readings(H7)}, H8: {1: bad}})
    assert list(p.bad) == [H8]
    assert "PANDERA" in p.bad[H8].sentence()


def test_what_another_run_published_meanwhile_is_never_taken_away(lake):
    publish(lake, [H7], {H7: {1: readings(H7, 1, rows=5)}})
    slow = lake.publication(Readings, [H7], "slow")
    slow.add(H7, readings(H7, 1, rows=6), 1)
    publish(lake, [H7], {H7: {1: readings(H7, 1, rows=9)}}, "fast")
    with slow, pytest.raises(PublishedMeanwhile, match="bucket 1"):
        slow.commit()
    assert lake.read(Readings, [H7]).num_rows == 9
    assert is_transient(PublishedMeanwhile("t", "k", "1")), "the step computes again"


def test_the_first_publication_of_a_partition_does_not_take_another_runs_buckets_away(lake):
    slow = lake.publication(Readings, [H7], "slow")
    slow.add(H7, readings(H7, 2), 2)
    publish(lake, [H7], {H7: {1: readings(H7, 1)}}, "fast")
    with slow, pytest.raises(PublishedMeanwhile):
        slow.commit()
    assert lake.read(Readings, [H7]).num_rows == 20


def described(lake, keys, rows: int) -> None:
    """Publish buckets 1 and 2 as an asset does that keeps what was made from the same input: here, `rows`."""
    with lake.publication(Readings, keys, f"rows-{rows}") as p:
        for key in keys:
            for bucket in {1, 2} | set(p.previous_buckets(key)):
                known = p.previous(key, bucket)
                if known is not None and known.input_hash == str(rows):
                    p.keep(key, bucket)
                    continue
                p.mark(key, bucket, input_hash=str(rows))
                p.add(key, readings(key, bucket, rows=rows), bucket)
        p.commit()


def killed_at(monkeypatch, step: int, work) -> None:
    """Run something that dies after its commit, when the ledger is about to write its n-th object."""
    write, seen = Ledger._write, []

    def one_too_many(*given):
        if len(seen) == step:
            raise KeyboardInterrupt
        seen.append(given)
        return write(*given)

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "_write", one_too_many)
        with pytest.raises(KeyboardInterrupt):
            work()


def in_iceberg(lake, keys) -> int:
    """Rows that those see who read Iceberg without the ledger."""
    return sum(f.rows for f in tables.list_files(lake.table(Readings), Readings, keys))


@pytest.mark.parametrize("again", [6, 4])
@pytest.mark.parametrize("step", range(7))
def test_readers_see_what_the_ledger_says_wherever_a_run_is_killed_and_a_run_again_is_an_undisturbed_one(
    lake, tmp_path, monkeypatch, step, again
):
    keys = [H7, H8, H9]
    described(lake, keys, 4)
    killed_at(monkeypatch, step, lambda: described(lake, keys, 6))
    for key in keys:
        seen = lake.read(Readings, [key])
        assert seen.num_rows == (12 if step else 8) == lake.ledger.get(Readings, key).rows, "all or none"
        assert lake.read(Readings, [key], optional=True).equals(seen)
    described(lake, keys, again)
    undisturbed = Lake(root=str(tmp_path / "undisturbed"))
    described(undisturbed, keys, again)
    assert lake.read(Readings, keys).equals(undisturbed.read(Readings, keys))
    assert in_iceberg(lake, keys) == 6 * again, "what reads Iceberg alone sees the same"
    assert lake.read(Readings, keys, as_of=lake.snapshots(Readings)[-1]["snapshot_id"]).num_rows == 6 * again
    assert not list(Path(lake.base).glob("_ledger/_unfinished/*/*"))
    for key in keys:
        one, other = lake.ledger.get(Readings, key), undisturbed.ledger.get(Readings, key)
        assert (one.content_hash, one.buckets) == (other.content_hash, other.buckets)


def test_a_device_that_only_a_killed_run_saw_is_gone_from_iceberg_after_the_next_run(lake, monkeypatch):
    described(lake, [H7], 4)

    def with_a_third() -> None:
        with lake.publication(Readings, [H7]) as p:
            p.keep(H7, 1)
            p.keep(H7, 2)
            p.add(H7, readings(H7, 3), 3)
            p.commit()

    killed_at(monkeypatch, 0, with_a_third)
    assert (lake.read(Readings, [H7]).num_rows, in_iceberg(lake, [H7])) == (8, 28)
    described(lake, [H7], 4)
    assert (lake.read(Readings, [H7]).num_rows, in_iceberg(lake, [H7])) == (8, 8)


def test_a_killed_run_of_a_table_without_buckets_is_put_right_by_one_that_keeps_its_partition(
    lake, monkeypatch
):
    def publish_days(patients: int) -> None:
        with lake.publication(Days, ["2026-01-05"]) as p:
            known = p.previous("2026-01-05")
            if known is not None and known.input_hash == str(patients):
                p.keep("2026-01-05")
            else:
                p.mark("2026-01-05", input_hash=str(patients))
                p.add("2026-01-05", days("2026-01-05", patients))
            p.commit()

    publish_days(3)
    killed_at(monkeypatch, 0, lambda: publish_days(5))
    publish_days(3)
    assert lake.read(Days, ["2026-01-05"]).num_rows == 3
    assert sum(f.rows for f in tables.list_files(lake.table(Days), Days, ["2026-01-05"])) == 3


def test_the_lake_knows_the_files_that_its_ledger_vouches_for(lake, monkeypatch):
    described(lake, [H7], 4)
    before = lake.vouched(Readings)
    killed_at(monkeypatch, 0, lambda: described(lake, [H7], 6))
    assert lake.vouched(Readings) == before
    assert len(before) == 2
    assert all(os.path.exists(path) for path in before)


def test_entries_from_before_files_were_named_are_read_and_kept_as_iceberg_has_them(lake):
    described(lake, [H7, H8], 4)
    for path in Path(lake.base).glob("_ledger/**/*.json"):
        entry = json.loads(path.read_text())
        for bucket in entry["buckets"].values():
            del bucket["file"]
        path.write_text(json.dumps(entry))
    assert lake.read(Readings, [H7, H8]).num_rows == 16
    assert lake.read(Readings, [H8], buckets=[2]).num_rows == 4
    with lake.publication(Readings, [H7]) as p:
        p.keep(H7, 1)
        p.add(H7, readings(H7, 2, rows=3), 2)
        p.commit()
    assert lake.read(Readings, [H7]).num_rows == 7 == in_iceberg(lake, [H7])


def test_the_first_publication_of_several_partitions_counts_whole_or_not_at_all(lake, monkeypatch):
    killed_at(monkeypatch, 0, lambda: described(lake, [H7, H8], 4))
    assert lake.ledger.keys(Readings) == []
    with pytest.raises(MissingPartition):
        lake.read(Readings, [H7])
    killed_at(monkeypatch, 3, lambda: described(lake, [H7, H8], 4))
    assert lake.ledger.keys(Readings) == [H7, H8]
    assert lake.read(Readings, [H7, H8]).num_rows == 16


def test_an_error_after_the_commit_leaves_the_old_version_or_the_new_one_and_can_be_run_again(
    lake, monkeypatch
):
    def full_disk(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Ledger, "put", full_disk)
    with pytest.raises(OSError, match="no space"):
        publish(lake, [H7, H8], {H7: {1: readings(H7)}, H8: {1: readings(H8)}})
    monkeypatch.undo()
    assert lake.read(Readings, [H7, H8], optional=True).num_rows in (0, 40)
    publish(lake, [H7, H8], {H7: {1: readings(H7)}, H8: {1: readings(H8)}})
    assert lake.read(Readings, [H7, H8]).num_rows == 40


def test_a_partition_is_withheld_when_a_table_that_belongs_with_it_was_refused(lake):
    publish(lake, [H7, H8], {H7: {1: readings(H7, rows=3)}, H8: {1: readings(H8, rows=3)}})
    with lake.publication(Readings, [H7, H8]) as p:
        p.add(H7, readings(H7), 1)
        p.add(H8, readings(H8), 1)
        p.withhold([H8])
        assert list(p.commit()) == [H7]
        assert p.incomplete
    assert (lake.read(Readings, [H7]).num_rows, lake.read(Readings, [H8]).num_rows) == (20, 3)
