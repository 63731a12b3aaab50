"""The page about the index says the numbers that are shipped."""

import math
import re
import tomllib
from pathlib import Path

import pytest

from fallrisk_assets.risk import index_model as model
from fallrisk_assets.risk.index import INDEX_REASONS
from fallrisk_assets.risk.index_evaluation import synthetic_people_rows
from fallrisk_assets.risk.person_year_table import FIELDS, read_map

PAGE = Path(__file__).parents[2] / "docs" / "risk_index.md"


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text(encoding="utf-8")


def test_the_page_is_about_the_shipped_version_its_bands_and_reasons(page):
    assert f"`{model.VERSION}`" in page
    assert (
        f"low below {model.MEDIUM_FROM:g}, medium from {model.MEDIUM_FROM:g}, high from {model.HIGH_FROM:g}"
        in page
    )
    assert all(f"`{reason}`" in page for reason in INDEX_REASONS)


def test_every_term_of_history_is_on_the_page_with_its_numbers(page):
    for t in model.YES_NO_TERMS:
        row = f"| {t.name} | {t.odds_ratio:.2f} ({t.lower:.2f} to {t.upper:.2f}) | {t.prevalence:.2f} ("
        assert row in page, row
    ratio = f"{model.MEDICINE_ODDS_RATIO:.2f} ({model.MEDICINE_LOWER:.2f} to {model.MEDICINE_UPPER:.2f})"
    spread = f"mean {model.MEDICINE_MEAN:g}, sd {model.MEDICINE_SD:.1f}"
    assert f"| medicine_count | {ratio} for each | {spread}" in page


def test_every_term_of_gait_is_on_the_page_with_its_numbers(page):
    for t in model.GAIT_TERMS:
        (row,) = re.findall(rf"^\| {t.name} \| (.*)$", page, re.M)
        reference, size = (cell.strip() for cell in row.split("|")[:2])
        mean = math.exp(t.mean) if t.logarithmic else t.mean
        assert float(re.match(r"[\d.]+", reference).group()) in (
            pytest.approx(mean),
            pytest.approx(100 * mean),
        )
        assert float(re.search(r"sd ([\d.]+)", reference).group(1)) == pytest.approx(t.sd)
        assert float(size.replace("−", "-")) == t.log_odds_per_sd


def test_the_synthetic_figures_are_those_of_the_shipped_index(page):
    said = {
        "auc": r"area under the curve \| ([\d.]+)",
        "calibration_slope": r"calibration slope \| ([\d.]+)",
        "calibration_in_the_large": r"calibration in the large \| ([\d.]+)",
        "brier": r"Brier score \| ([\d.]+)",
    }
    for row in synthetic_people_rows():
        if row["measure"] in said:
            (value,) = re.findall(said[row["measure"]], page)
            assert float(value) == pytest.approx(row["value"], abs=6e-4), row["measure"]


def test_the_map_on_the_page_can_be_used(page, tmp_path):
    (block,) = re.findall(r"```toml\n(.*?)```", page, re.S)
    path = tmp_path / "columns.toml"
    path.write_text(block)
    assert set(read_map(path).columns) <= set(FIELDS)
    assert tomllib.loads(block)["values"]["sex"] == {"1": "male", "2": "female"}
