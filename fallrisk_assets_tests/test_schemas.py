import duckdb
from pyiceberg.io.pyarrow import schema_to_pyarrow

from fallrisk_assets.contract import arrow_schema, columns_of
from fallrisk_assets.dictionary import DICTIONARY, SNAPSHOT, all_contracts, incompatible_changes, snapshot
from fallrisk_assets.schemas import (
    dagster_column_schema,
    data_dictionary,
    duckdb_ddl,
    iceberg_partition_spec,
    iceberg_schema,
)
from fallrisk_assets.warehouse.store import EVERY_TABLE
from fallrisk_assets_tests.samples import Days, Readings, readings


def test_the_iceberg_schema_has_the_contracts_columns_types_and_field_ids():
    schema = iceberg_schema(Readings)
    assert [f.field_id for f in schema.fields] == [c.field_id for c in columns_of(Readings)]
    types = [f.type for f in schema_to_pyarrow(schema)]
    assert [str(t).replace("large_", "") for t in types] == [str(c.type) for c in columns_of(Readings)]
    assert [f.required for f in schema.fields] == [not c.nullable for c in columns_of(Readings)]


def test_hourly_tables_are_partitioned_by_hour_and_bucket_and_daily_ones_by_date():
    hour, bucket = iceberg_partition_spec(Readings).fields
    assert (str(hour.transform), hour.source_id) == ("hour", 5)
    assert (str(bucket.transform), bucket.name) == ("identity", "device_bucket")
    (day,) = iceberg_partition_spec(Days).fields
    assert (str(day.transform), day.source_id) == ("identity", 1)


def test_the_duckdb_ddl_takes_the_contracts_rows_and_refuses_a_null():
    with duckdb.connect() as connection:
        connection.execute(duckdb_ddl(Readings))
        rows = readings("2026-01-05-07:00")
        connection.register("rows", rows)
        connection.execute("INSERT INTO readings SELECT * FROM rows")
        stored = connection.execute("SELECT count(*), min(lowest) FROM readings").fetchone()
        assert stored is not None
        assert stored[0] == rows.num_rows
        try:
            connection.execute("INSERT INTO readings (device_bucket) VALUES (1)")
        except duckdb.ConstraintException:
            return
    raise AssertionError("a null was accepted")


def test_the_ui_shows_units_rules_and_classes_of_personal_data():
    by_name = {c.name: c for c in dagster_column_schema(Readings).columns}
    assert by_name["lowest"].description == "Lowest [g]. Else refused: TOO_FAR"
    assert by_name["lowest"].constraints.other == ["≥ -32", "≤ 32"]
    assert by_name["name"].tags["personal-data"] == "direct"
    assert not by_name["seq"].constraints.nullable


def test_every_table_of_the_lakehouse_gives_all_derived_schemas():
    models = all_contracts()
    assert len(models) > 20
    with duckdb.connect() as connection:
        for model in models:
            assert iceberg_schema(model).fields
            assert dagster_column_schema(model).columns
            assert len(arrow_schema(model)) == len(columns_of(model))
            connection.execute(duckdb_ddl(model))


def test_every_table_that_knows_a_person_names_the_column():
    for model in all_contracts():
        has_person = any(c.name == "patient_id" for c in columns_of(model))
        assert not has_person or model.spec.person, model.spec.identifier


def test_names_of_people_live_in_one_table_and_in_fhir_only():
    holding = {
        m.spec.identifier
        for m in all_contracts()
        for c in columns_of(m)
        if c.name in ("given_name", "family_name")
    }
    assert holding == {"clean.patient_identity"}


def test_the_committed_data_dictionary_is_current():
    assert DICTIONARY.read_text() == data_dictionary(all_contracts()), "run make dictionary"


def test_the_committed_schema_snapshot_is_current_and_compatible():
    import json

    committed = json.loads(SNAPSHOT.read_text())
    now = snapshot(all_contracts())
    assert incompatible_changes(committed, now) == []
    assert committed == now, "run make dictionary"


def test_incompatible_changes_are_told_and_compatible_ones_are_not():
    old = {"a.t": {"1": {"name": "x", "type": "int32", "nullable": True}}}
    renamed = {"a.t": {"1": {"name": "y", "type": "int32", "nullable": True}}}
    stricter = {"a.t": {"1": {"name": "x", "type": "int32", "nullable": False}}}
    added = {"a.t": {**old["a.t"], "2": {"name": "z", "type": "string", "nullable": True}}}
    demanded = {"a.t": {**old["a.t"], "2": {"name": "z", "type": "string", "nullable": False}}}
    assert incompatible_changes(old, added) == []
    assert incompatible_changes(old, renamed) == ["a.t.x: name changed from x to y"]
    assert incompatible_changes(old, stricter) == ["a.t.x: null is no longer allowed"]
    assert incompatible_changes(old, demanded) == ["a.t.z: a new column must be nullable"]
    assert incompatible_changes(old, {}) == ["a.t: the table is gone"]
    assert incompatible_changes(old, {"a.t": {}}) == ["a.t.x: field id 1 is gone"]


def test_every_table_of_the_warehouse_is_in_the_dictionary():
    assert set(EVERY_TABLE) <= set(all_contracts())
