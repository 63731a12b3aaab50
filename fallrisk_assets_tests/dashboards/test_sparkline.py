"""Small SVG previews: valid, small, deterministic and honest about gaps."""

import base64
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.dashboards.sparkline import MAX_SVG_BYTES, as_markdown, bars, heat_strip, sparkline

SVG = "{http://www.w3.org/2000/svg}"
VALUES = st.lists(st.none() | st.floats(width=32), max_size=2000)
# A character that XML cannot hold (a control) is not a label.
LABELS = st.text(st.characters(min_codepoint=32, exclude_categories=("Cs", "Cc", "Cn")), max_size=60)


@given(VALUES, LABELS)
def test_a_sparkline_is_small_valid_svg_whatever_the_values(values: list[float | None], title: str) -> None:
    svg = sparkline(values, title=title, unit="steps")
    assert len(svg.encode()) <= MAX_SVG_BYTES
    ElementTree.fromstring(svg)


@given(
    st.lists(st.tuples(LABELS, st.floats(min_value=0, max_value=1e12) | st.just(float("nan"))), max_size=40)
)
def test_bars_are_small_valid_svg_whatever_the_labels(rows: list[tuple[str, float]]) -> None:
    svg = bars([label for label, _ in rows], [value for _, value in rows], title="&" * 200, unit="rows")
    assert len(svg.encode()) <= MAX_SVG_BYTES
    ElementTree.fromstring(svg)


@given(VALUES)
def test_a_heat_strip_is_small_valid_svg_whatever_the_values(values: list[float | None]) -> None:
    svg = heat_strip(values, first="00:00", last="23:00")
    assert len(svg.encode()) <= MAX_SVG_BYTES
    ElementTree.fromstring(svg)


def test_a_sparkline_does_not_bridge_a_gap() -> None:
    root = ElementTree.fromstring(sparkline([1, 2, 3, None, 2, 1]))
    lines = [line.attrib["points"].split() for line in root.iter(f"{SVG}polyline")]
    assert [len(points) for points in lines] == [3, 2]


def test_a_peak_survives_reduction() -> None:
    values = [1.0] * 5000
    values[3217] = 99.0
    assert ">99<" in sparkline(values)
    root = ElementTree.fromstring(sparkline(values, height=48))
    heights = [
        float(point.split(",")[1])
        for line in root.iter(f"{SVG}polyline")
        for point in line.attrib["points"].split()
    ]
    assert min(heights) == 4.0


def test_bars_are_as_long_as_their_values_and_carry_them_as_text() -> None:
    root = ElementTree.fromstring(bars(["A", "B", "C"], [10, 5, 0]))
    lengths = [float(bar.attrib["width"]) for bar in root.iter(f"{SVG}rect")]
    assert lengths[0] == pytest.approx(2 * lengths[1])
    assert lengths[2] == 0
    assert [text.text for text in root.iter(f"{SVG}text")] == ["A", "10", "B", "5", "C", "0"]


def test_a_bar_without_a_value_says_so_instead_of_zero() -> None:
    texts = [text.text for text in ElementTree.fromstring(bars(["A"], [float("nan")])).iter(f"{SVG}text")]
    assert texts == ["A", "no value"]


def test_bars_beyond_the_limit_are_summed_not_dropped() -> None:
    svg = bars([f"r{i}" for i in range(30)], [1.0] * 30)
    assert "17 others" in svg
    assert ">17<" in svg


def test_bars_refuse_what_they_cannot_show() -> None:
    with pytest.raises(ValueError, match="2 labels but 1 values"):
        bars(["a", "b"], [1])
    with pytest.raises(ValueError, match="negative"):
        bars(["a"], [-1])


def test_a_heat_strip_tells_no_data_from_zero() -> None:
    cells = list(ElementTree.fromstring(heat_strip([None, 0.0, 1.0])).iter(f"{SVG}rect"))
    assert [cell.attrib.get("class") for cell in cells] == ["n", None, None]
    assert float(cells[2].attrib["height"]) > 10 * float(cells[1].attrib["height"])


def test_nothing_to_show_is_said() -> None:
    for svg in (sparkline([]), sparkline([None]), bars([], []), heat_strip([])):
        assert "no data" in svg


def test_labels_are_escaped() -> None:
    assert "<script>" not in bars(["<script>"], [1], title="<script>")


def test_the_markdown_holds_the_same_svg_and_no_character_that_ends_it() -> None:
    svg = sparkline([1, 2, 3])
    markdown = as_markdown(svg, "a](javascript:x) [b")
    assert markdown.startswith("![ajavascript:x b](data:image/svg+xml;base64,")
    assert base64.b64decode(markdown.split("base64,")[1].rstrip(")")).decode() == svg
