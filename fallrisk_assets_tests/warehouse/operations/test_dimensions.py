"""Dimensions of the clinic's operations: history in any order, and times that keep their zeros."""

from datetime import date
from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.validation import validate
from fallrisk_assets.warehouse.history import kept
from fallrisk_assets.warehouse.operations import dimensions
from fallrisk_assets.warehouse.operations.contract import (
    DimAppointmentType,
    DimKpi,
    DimProvider,
    DimStatus,
    DimTime,
)
from fallrisk_assets.warehouse.operations.kpis import dim_kpi
from fallrisk_assets_tests.warehouse.operations.rows import provider, providers


def test_a_change_of_price_begins_a_version_and_a_change_of_name_does_not():
    rows = [provider(), provider(day=6, last_name="Other"), provider(day=7, hourly_rate=130.0)]
    table = dimensions.dim_provider(dimensions.provider_versions(providers(*rows)))
    assert validate(DimProvider, table).passed
    assert [(r["hourly_rate"], r["valid_from"].date(), r["is_current"]) for r in table.to_pylist()] == [
        (120.0, date(1900, 1, 1), False),
        (130.0, date(2026, 1, 7), True),
    ]


def test_snapshots_in_any_order_give_the_same_history():
    rows = [provider(day=5), provider(day=6, active=False), provider(day=7), provider("PROV0002", day=6)]
    tables = [
        dimensions.dim_provider(dimensions.provider_versions(providers(*order)))
        for order in permutations(rows)
    ]
    assert all(table.equals(tables[0]) for table in tables)
    assert tables[0].num_rows == 4


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(5, 20), st.booleans(), st.sampled_from([None, 100.0])), min_size=1, max_size=8
    )
)
def test_versions_cover_all_time_and_never_overlap(drawn):
    rows = {day: provider(day=day, active=active, hourly_rate=rate) for day, active, rate in drawn}
    versions = dimensions.provider_versions(providers(*rows.values()))
    assert versions[0].valid_from == dimensions.BEGINNING
    assert [one.valid_to for one in versions[:-1]] == [one.valid_from for one in versions[1:]]
    assert versions[-1].valid_to is None


def test_the_keys_of_a_provider_do_not_depend_on_what_came_later():
    early = dimensions.provider_versions(providers(provider()))
    late = dimensions.provider_versions(providers(provider(), provider(day=9, active=False)))
    one, other = (dimensions.dim_provider(v)["provider_version_key"][0].as_py() for v in (early, late))
    assert one == other


def test_versions_that_ended_long_ago_are_forgotten_and_current_ones_never():
    versions = dimensions.provider_versions(
        providers(provider(), provider(day=7, hourly_rate=130.0), provider(day=8, hourly_rate=140.0))
    )
    ends = [one.valid_to and one.valid_to.date() for one in kept(versions, date(2026, 1, 17), 10)]
    assert ends == [date(2026, 1, 7), date(2026, 1, 8), None]
    assert [one.valid_to for one in kept(versions, date(2036, 1, 17), 10)] == [None]


def test_a_day_has_96_quarter_hours_whose_ids_are_texts():
    table = dimensions.dim_time()
    assert validate(DimTime, table).passed
    ids = table["time_id"].to_pylist()
    assert (len(ids), ids[0], ids[33], ids[-1]) == (96, "0000", "0815", "2345")
    parts = dict(zip(ids, table["part_of_day"].to_pylist(), strict=True))
    assert [parts[t] for t in ("0545", "0600", "1200", "1800", "2200")] == [
        "night",
        "morning",
        "afternoon",
        "evening",
        "night",
    ]


def test_fixed_dimensions_keep_their_contracts():
    assert validate(DimStatus, dimensions.dim_status()).passed
    assert validate(DimAppointmentType, dimensions.dim_appointment_type()).passed
    assert validate(DimKpi, dim_kpi()).passed
    kept_in_rate = {row["status"] for row in dimensions.dim_status().to_pylist() if row["is_kept"]}
    assert kept_in_rate == {"Completed", "No-show"}
