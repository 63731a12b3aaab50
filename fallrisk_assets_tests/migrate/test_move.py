"""What a move promises, on small tables: nothing lost, nothing put away, nothing called equal unproven."""

import gzip
from datetime import date
from pathlib import Path

import pyarrow.fs as pafs
import pytest

from fallrisk_assets.equality import held_in_lake, held_in_warehouse
from fallrisk_assets.lake import Lake, adoption, tables
from fallrisk_assets.lake.ledger import Ledger
from fallrisk_assets.migrate import files
from fallrisk_assets.migrate import lake as lake_tables
from fallrisk_assets.migrate.files import Folders, Place
from fallrisk_assets.migrate.journal import Journal
from fallrisk_assets.migrate.lake import LakeTables
from fallrisk_assets.migrate.move import conflicts, move, wanted
from fallrisk_assets.migrate.warehouse import WarehouseTables
from fallrisk_assets.warehouse.contract import DimSite, FactRiskScore
from fallrisk_assets.warehouse.dimensions import Wearers, patient_versions
from fallrisk_assets.warehouse.facts import fact_risk_score
from fallrisk_assets.warehouse.resource import Warehouse
from fallrisk_assets_tests.samples import Days, Readings, days, readings
from fallrisk_assets_tests.warehouse.rows import index, indices, patient, patients

H7, H8, H9 = (f"2026-01-05-{hour:02d}:00" for hour in (7, 8, 9))
DAY = "2026-01-05"


class Killed(BaseException):
    """What a killed process looks like to the code that it was in: nothing catches it."""


def publish(lake: Lake, model, parts, bucket=None, run_id="run-1") -> None:
    with lake.publication(model, list(parts), run_id) as publication:
        for key, data in parts.items():
            publication.note_input(key, "raw.drops", f"hash of {key}")
            publication.mark(key, bucket, input_hash=f"inputs of {key}", seen=3)
            publication.add(key, data, bucket)
        publication.commit()


@pytest.fixture
def source(tmp_path) -> Lake:
    lake = Lake(root=str(tmp_path / "source"))
    publish(lake, Readings, {H7: readings(H7), H8: readings(H8, rows=0), H9: readings(H9, seed=3)}, 1)
    publish(lake, Days, {DAY: days(DAY)})
    return lake


@pytest.fixture
def target(tmp_path) -> Lake:
    return Lake(root=str(tmp_path / "target"))


def lakes(source: Lake, target: Lake) -> LakeTables:
    return LakeTables(source, target, [Readings, Days], chunk=2)


def journal(tmp_path: Path, *components) -> Journal:
    return Journal(tmp_path / "journal", {one.name: one.places for one in components})


def moved(tmp_path, *components):
    silent = lambda *_: None  # noqa: E731
    return {one.group: one for one in move(components, journal(tmp_path, *components), silent)}


def wrong(results):
    return {(one.group, key): why for one in results.values() for key, why in one.wrong.items()}


def test_a_moved_lake_holds_the_same_and_its_ledger_tells_the_same_story(tmp_path, source, target):
    results = moved(tmp_path, lakes(source, target))
    assert wrong(results) == {}
    assert results["clean.readings"].count == 40, "rows"
    for model, keys in ((Readings, [H7, H8, H9]), (Days, [DAY])):
        assert held_in_lake(source, model) == held_in_lake(target, model)
        for key in keys:
            one, other = source.ledger.get(model, key), target.ledger.get(model, key)
            assert (one.run_id, one.inputs, one.buckets) == (other.run_id, other.inputs, other.buckets)
    assert target.ledger.get(Readings, H7).buckets["1"].facts == {"seen": 3}


def test_the_targets_catalog_shows_what_its_ledger_vouches_for(tmp_path, source, target):
    moved(tmp_path, lakes(source, target))
    listed = tables.list_files(target.table(Readings), Readings, [H7, H8, H9])
    assert {file.path.removeprefix("file://") for file in listed} == target.vouched(Readings)
    assert target.table(Readings).scan().to_arrow().num_rows == 40


def test_a_second_move_copies_and_reads_nothing(tmp_path, source, target, monkeypatch):
    moved(tmp_path, lakes(source, target))

    def never(*_):
        raise AssertionError("nothing changed")

    monkeypatch.setattr(LakeTables, "copy", never)
    monkeypatch.setattr(LakeTables, "prove", never)
    assert wrong(moved(tmp_path, lakes(source, target))) == {}


def test_what_the_source_published_meanwhile_is_all_that_a_second_move_copies(tmp_path, source, target):
    moved(tmp_path, lakes(source, target))
    publish(source, Readings, {H8: readings(H8, seed=9)}, 1, "run-2")
    pair = lakes(source, target)
    assert conflicts([pair], journal(tmp_path, pair)) == [], "what is there now this move has put there"
    assert wanted(pair, "clean.readings") == [H8]
    assert wrong(moved(tmp_path, pair)) == {}
    assert held_in_lake(source, Readings) == held_in_lake(target, Readings)


def test_a_target_that_has_a_version_of_its_own_is_noticed_before_anything_is_copied(
    tmp_path, source, target
):
    publish(target, Readings, {H7: readings(H7, seed=5)}, 1, "theirs")
    pair = lakes(source, target)
    assert [(one.group, one.key) for one in conflicts([pair], journal(tmp_path, pair))] == [
        ("clean.readings", H7)
    ]


def test_a_partition_that_only_the_target_has_is_a_difference(tmp_path, source, target):
    publish(target, Days, {"2026-01-06": days("2026-01-06")})
    assert wrong(moved(tmp_path, lakes(source, target))) == {
        ("curated.days", "2026-01-06"): "not in the source"
    }


@pytest.mark.parametrize("damage", ["a byte", "the end", "the file is gone"])
def test_a_damaged_target_is_not_called_equal_and_moving_again_mends_it(tmp_path, source, target, damage):
    moved(tmp_path, lakes(source, target))
    (path,) = map(Path, target.vouched(Days))
    raw = path.read_bytes()
    if damage == "the file is gone":
        path.unlink()
    else:
        path.write_bytes(raw[:9] + b"!" + raw[10:] if damage == "a byte" else raw + b"PAR1")
    pair = lakes(source, target)
    assert not pair.prove("curated.days", [DAY])[DAY].equal
    (tmp_path / "journal").rename(tmp_path / "lost")
    assert wrong(moved(tmp_path, pair)) == {}
    assert path.read_bytes() == raw


def test_files_that_only_the_targets_catalog_has_are_a_difference(tmp_path, source, target):
    moved(tmp_path, lakes(source, target))
    everything = tables.slice_filter(Days, [DAY], None)
    tables.replace_slices(lambda: target.table(Days), Days, everything, [], {})
    proof = lakes(source, target).prove("curated.days", [DAY])[DAY]
    assert proof.trouble == "the target's catalog has other files than its ledger names"


@pytest.mark.parametrize("chunk", [1, 48])
def test_a_move_that_is_killed_anywhere_leaves_whole_partitions_and_the_next_one_completes_it(
    tmp_path, source, monkeypatch, chunk
):
    """Kill it at the first write, at the second and so on, until it survives."""
    steps = [
        (lake_tables, "copy_file"),
        (adoption.tables, "replace_slices"),
        (Ledger, "put"),
    ]
    complete = {model: held_in_lake(source, model) for model in (Readings, Days)}
    for n in range(200):
        lake = Lake(root=str(tmp_path / f"target-{n}"))
        pair = LakeTables(source, lake, [Readings, Days], chunk=chunk)
        left = [n]
        with monkeypatch.context() as patch:
            for owner, name in steps:
                real = getattr(owner, name)

                def counted(*arguments, real=real, left=left, **named):
                    left[0] -= 1
                    if left[0] == -1:
                        raise Killed
                    result = real(*arguments, **named)
                    left[0] -= 1
                    if left[0] == -1:
                        raise Killed
                    return result

                patch.setattr(owner, name, counted)
            try:
                moved(tmp_path / f"{n}", pair)
                survived = True
            except Killed:
                survived = False
        for model in (Readings, Days):
            for key in lake.ledger.keys(model):
                assert lake.read(model, [key]).equals(source.read(model, [key])), "no part of a partition"
        pair = LakeTables(source, lake, [Readings, Days], chunk=chunk)
        assert wrong(moved(tmp_path / f"{n}", pair)) == {}
        assert {model: held_in_lake(lake, model) for model in complete} == complete
        if survived:
            break
    else:
        pytest.fail("it never survived")
    assert n > 10


def test_the_way_back_is_the_same_command(tmp_path, source, target):
    moved(tmp_path, lakes(source, target))
    publish(target, Readings, {H8: readings(H8, seed=11)}, 1, "after the cut-over")
    back = lakes(target, source)
    assert [one.key for one in conflicts([back], journal(tmp_path, back))] == [H8]
    assert wrong(moved(tmp_path, back)) == {}
    assert held_in_lake(source, Readings) == held_in_lake(target, Readings)


def place(folder: Path) -> Place:
    folder.mkdir(parents=True, exist_ok=True)
    return Place(pafs.LocalFileSystem(), str(folder))


def test_files_arrive_byte_for_byte_whatever_their_names_promise(tmp_path):
    here, there = place(tmp_path / "here"), place(tmp_path / "there")
    packed = gzip.compress(b"line\n" * 1000)
    contents = {"a/whole.json.gz": packed, "a/cut.json.gz": packed[:20], "b/deep/er/x": b"", "top": b"\0\1"}
    for name, raw in contents.items():
        path = tmp_path / "here" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    (tmp_path / "here" / "a" / ".being-written").write_bytes(b"half")
    results = moved(tmp_path, Folders("landing", here, there))
    assert wrong(results) == {}
    assert {name: (tmp_path / "there" / name).read_bytes() for name in contents} == contents
    assert sorted(there.list()) == sorted(contents)
    assert results["landing"].count == 4


def test_a_received_file_is_never_replaced_and_a_page_is(tmp_path):
    for side in ("here", "there"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "x").write_text(f"{side:5}")
    pair = place(tmp_path / "here"), place(tmp_path / "there")
    assert wrong(moved(tmp_path, Folders("landing", *pair))) == {("landing", ""): "x differs"}
    assert (tmp_path / "there" / "x").read_text() == "there"
    assert wrong(moved(tmp_path, Folders("reports", *pair, replaceable=True))) == {}
    assert (tmp_path / "there" / "x").read_text() == "here "


def test_a_received_file_of_another_size_is_a_conflict(tmp_path):
    here, there = place(tmp_path / "here"), place(tmp_path / "there")
    (tmp_path / "here" / "x").write_text("one")
    (tmp_path / "there" / "x").write_text("another")
    tree = Folders("landing", here, there)
    assert [one.group for one in conflicts([tree], journal(tmp_path, tree))] == ["landing"]


def test_a_decision_about_models_that_only_the_target_knows_is_a_difference(tmp_path):
    here, there = place(tmp_path / "here"), place(tmp_path / "there")
    (tmp_path / "there" / "decisions").mkdir()
    (tmp_path / "there" / "decisions" / "000001.json").write_text("{}")
    results = moved(tmp_path, Folders("models", here, there, exact=True))
    assert wrong(results) == {("models", "decisions"): "decisions/000001.json differs"}


def test_a_file_that_cannot_be_copied_whole_is_not_there(tmp_path, monkeypatch):
    here, there = place(tmp_path / "here"), place(tmp_path / "there")
    (tmp_path / "here" / "x").write_bytes(b"x" * 100)

    def broken(*_):
        yield b"x" * 50
        raise OSError("connection reset")

    monkeypatch.setattr(files, "_pieces", broken)
    with pytest.raises(OSError, match="connection reset"):
        moved(tmp_path, Folders("landing", here, there))
    assert there.list() == {}


def test_a_moved_warehouse_holds_the_same_under_the_same_runs(tmp_path):
    day = date.fromisoformat(DAY)
    wearers = Wearers(patient_versions(patients(patient()), day))
    source, target = (Warehouse(folder=str(tmp_path / name)) for name in ("one", "other"))
    for number, key in enumerate((DAY, "2026-01-06")):
        when = date.fromisoformat(key)
        rows = fact_risk_score(indices(index("pt-1", when, 0.2 + number / 10)), when, wearers)
        source.replace_slice(FactRiskScore, key, rows, f"run-{number}")
    pair = WarehouseTables(source, target)
    results = moved(tmp_path, pair)
    assert wrong(results) == {}
    assert results["warehouse.fact_risk_score"].count == 2
    assert held_in_warehouse(source, FactRiskScore) == held_in_warehouse(target, FactRiskScore)
    identifier = FactRiskScore.spec.identifier
    assert target.ledger()[identifier, "2026-01-06"].run_id == "run-1"
    assert target.query_export("SELECT COUNT(*) AS n FROM fact_risk_score")["n"].to_pylist() == [2]
    assert results[DimSite.spec.identifier].partitions == 0


def test_a_warehouse_slice_that_differs_is_named(tmp_path):
    day = date.fromisoformat(DAY)
    wearers = Wearers(patient_versions(patients(patient()), day))
    source, target = (Warehouse(folder=str(tmp_path / name)) for name in ("one", "other"))
    for warehouse, probability in ((source, 0.2), (target, 0.3)):
        rows = fact_risk_score(indices(index("pt-1", day, probability)), day, wearers)
        warehouse.replace_slice(FactRiskScore, DAY, rows, "run")
    pair = WarehouseTables(source, target)
    assert [one.key for one in conflicts([pair], journal(tmp_path, pair))] == [DAY]
    assert not pair.prove("warehouse.fact_risk_score", [DAY])[DAY].equal


def test_a_journal_whose_last_line_was_cut_off_forgets_that_line_only(tmp_path, source, target):
    moved(tmp_path, lakes(source, target))
    (path,) = (tmp_path / "journal").iterdir()
    whole = path.read_text()
    path.write_text(whole[:-20])
    pair = lakes(source, target)
    known = journal(tmp_path, pair)
    states = pair.states("clean.readings")
    assert all(known.proof("lake", "clean.readings", key, states[key]) for key in (H7, H8, H9))
    assert known.proof("lake", "curated.days", DAY, pair.states("curated.days")[DAY]) is None
    assert wrong(moved(tmp_path, pair)) == {}
