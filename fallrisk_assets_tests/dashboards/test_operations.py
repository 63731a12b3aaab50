"""The operations page as a file: what is in it, what must not be, and the asset that writes it."""

import re
from pathlib import Path

import dagster as dg
import pytest

from fallrisk_assets.dashboards import clinic_pages
from fallrisk_assets.dashboards.assets import FOLDER
from fallrisk_assets.dashboards.clinic_assets import operations_page
from fallrisk_assets.dashboards.clinic_pages import PageTooLargeError, render_operations
from fallrisk_assets.dashboards.cubes import packed, unpacked
from fallrisk_assets.dashboards.indicators import UnknownIndicatorError
from fallrisk_assets.dashboards.operations import read_operations
from fallrisk_assets.lake.reports import Reports
from fallrisk_assets.warehouse.operations.contract import DimKpi
from fallrisk_assets.warehouse.resource import WHOLE_TABLE, Warehouse, open_snapshot
from fallrisk_assets_tests.dashboards.synthetic_clinic import AWKWARD, a_clinic
from fallrisk_assets_tests.warehouse.operations.rows import known

DAY = "2026-01-30"


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return a_clinic(tmp_path_factory.mktemp("clinic"), days=40, a_day=5)


def rendered(warehouse: Warehouse) -> str:
    with open_snapshot(warehouse.snapshot_path) as connection:
        return render_operations(read_operations(connection))


def everything_in(html: str) -> str:
    """Return the file's text with what is packed in it laid open."""
    (inside,) = re.findall(r'<script type="text/plain" id="content">([^<]*)</script>', html)
    return html + str(unpacked(inside))


def test_no_patient_and_no_appointment_is_in_the_file(warehouse: Warehouse) -> None:
    text = everything_in(rendered(warehouse))
    ids = warehouse.query("SELECT appointment_id, patient_id, patient_key FROM fact_appointment").to_pylist()
    assert "PROV0001" in text
    for row in ids:
        for secret in row.values():
            assert str(secret) not in text


def test_the_same_warehouse_gives_the_same_bytes(warehouse: Warehouse) -> None:
    assert rendered(warehouse) == rendered(warehouse)


def test_names_that_would_break_out_of_the_page_are_not_in_its_html(warehouse: Warehouse) -> None:
    html = rendered(warehouse)
    assert AWKWARD in everything_in(html).replace("\\'", "'")
    assert AWKWARD not in html


def test_the_page_forbids_every_request(warehouse: Warehouse) -> None:
    html = rendered(warehouse)
    assert "default-src 'none'" in html
    own = html.replace(str(clinic_pages.static("plotly", clinic_pages.PLOTLY)), "")
    assert set(re.findall(r'(?:src|href)="([^"#]+)"', own)) == {"data:,", "index.html"}
    assert "://" not in own


def test_every_indicator_states_its_only_definition(warehouse: Warehouse) -> None:
    html = rendered(warehouse)
    for row in warehouse.read(DimKpi).to_pylist():
        if row["source"] in ("v_appointment", "v_utilisation_7d") and not row["kpi"].endswith(
            "_missing_rate"
        ):
            assert f"<h3>{row['title']}</h3>" in html
            assert row["definition"] in html


def test_a_page_whose_indicator_nobody_defines_is_refused(tmp_path: Path) -> None:
    warehouse = a_clinic(tmp_path, days=8, a_day=2)
    rows = warehouse.read(DimKpi)
    fewer = rows.filter([name != "no_show_rate" for name in rows["kpi"].to_pylist()])
    warehouse.replace_slice(DimKpi, WHOLE_TABLE, fewer)
    warehouse.export_snapshot()
    with pytest.raises(UnknownIndicatorError, match="no_show_rate is not in dim_kpi"):
        rendered(warehouse)


def test_a_page_beyond_the_budget_is_refused(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clinic_pages, "MAX_PAGE_BYTES", 1_000_000)
    with pytest.raises(PageTooLargeError, match="operations page"):
        rendered(warehouse)


def test_what_is_packed_comes_out_the_same() -> None:
    content = {"b": [1, 2.5, None, "ü<>&"], "a": {}}
    assert unpacked(packed(content)) == content
    assert packed({"a": {}, "b": content["b"]}) == packed(content)


def test_a_clinic_without_appointments_has_a_page_that_says_so(tmp_path: Path) -> None:
    warehouse = known(Warehouse(folder=str(tmp_path)))
    warehouse.export_snapshot()
    assert "No appointment is known yet." in rendered(warehouse)


def test_the_asset_writes_the_same_page_for_whichever_day_and_the_index_links_it(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    resources = {"warehouse": warehouse, "reports": Reports(root=str(tmp_path))}
    result = dg.materialize([operations_page], partition_key=DAY, resources=resources)
    page = tmp_path / FOLDER / "operations.html"
    (event,) = result.asset_materializations_for_node("operations_page")
    assert event.metadata["page"].value == str(page)
    assert event.metadata["size"].value == page.stat().st_size
    assert event.metadata["tells of"].value == "days to 2026-02-12"
    written = page.read_bytes()
    index = (tmp_path / FOLDER / "index.html").read_text(encoding="utf-8")
    assert '<a href="operations.html">Clinic operations</a>' in index
    days = {
        "dagster/asset_partition_range_start": "2026-01-05",
        "dagster/asset_partition_range_end": "2026-01-07",
    }
    again = dg.materialize([operations_page], tags=days, resources=resources)
    assert len(again.asset_materializations_for_node("operations_page")) == 3
    assert page.read_bytes() == written


def test_without_a_snapshot_the_asset_says_how_to_get_one(tmp_path: Path) -> None:
    resources = {"warehouse": Warehouse(folder=str(tmp_path)), "reports": Reports(root=str(tmp_path))}
    with pytest.raises(FileNotFoundError, match="materialise warehouse_snapshot"):
        dg.materialize([operations_page], partition_key=DAY, resources=resources)
