"""A table that was made from an older contract follows the newer one."""

from pyiceberg.schema import Schema
from pyiceberg.types import NestedField

from fallrisk_assets.lake import Lake
from fallrisk_assets.schemas import iceberg_partition_spec, iceberg_schema
from fallrisk_assets_tests.samples import Readings, readings

KEY = "2026-01-05-07:00"


def test_columns_that_a_contract_gains_or_lets_be_null_are_so_in_a_table_that_exists(tmp_path):
    lake = Lake(root=str(tmp_path / "lake"))
    older = [
        NestedField(f.field_id, f.name, f.field_type, required=f.required or f.name == "lowest")
        for f in iceberg_schema(Readings).fields
        if f.name != "highest"
    ]
    lake._catalog.create_namespace("clean")
    lake._catalog.create_table(
        Readings.spec.identifier, Schema(*older), partition_spec=iceberg_partition_spec(Readings)
    )
    found = {f.name: f.required for f in lake.table(Readings).schema().fields}
    assert found == {f.name: f.required for f in iceberg_schema(Readings).fields}
    with lake.publication(Readings, [KEY]) as publication:
        publication.add(KEY, readings(KEY, rows=3), 1)
        publication.commit()
    assert lake.read(Readings, [KEY]).num_rows == 3
