"""Previews are small, honest and safe, whatever they are given."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.previews import INLINE_CHARACTERS, as_markdown, bars


@given(
    st.dictionaries(st.text(max_size=40), st.none() | st.floats(min_value=0), max_size=60),
    st.sampled_from(["", "%", "steps"]),
)
def test_bars_are_shown_inline_whatever_the_labels_and_values(
    amounts: dict[str, float | None], unit: str
) -> None:
    text = bars(amounts, unit=unit)
    assert len(text) <= INLINE_CHARACTERS
    assert all(line.count("|") == 4 for line in text.splitlines()) or text == "none"


def test_bars_are_as_long_as_their_values_and_carry_them_as_text() -> None:
    rows = bars({"high": 1200, "low": 600, "NOT_SCORED": 0}).splitlines()[2:]
    assert rows[0] == "| high | 1,200 | " + "█" * 12 + " |"
    assert rows[1] == "| low | 600 | " + "█" * 6 + " |"
    assert rows[2] == "| NOT_SCORED | 0 |  |"


def test_a_few_among_many_are_seen() -> None:
    assert "▏" in bars({"many": 1e6, "few": 1})


def test_shares_are_of_the_whole_not_of_the_largest() -> None:
    assert bars({"imu-1": 0.5}, unit="%", most=1.0).endswith("| imu-1 | 50 % | " + "█" * 6 + " |")


def test_a_bar_without_a_value_says_so_instead_of_zero() -> None:
    assert "| b | no value |" in bars({"a": 1, "b": float("nan")})


def test_bars_beyond_the_limit_are_summed_not_dropped() -> None:
    rows = bars({f"d{i}": 1 for i in range(20)}).splitlines()[2:]
    assert len(rows) == 14
    assert rows[-1].startswith("| 7 others | 7 |")


def test_a_negative_amount_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        bars({"a": -1})


def test_nothing_to_show_is_said() -> None:
    assert bars({}) == "none"


def test_the_markdown_holds_the_same_svg_and_no_character_that_ends_it() -> None:
    markdown = as_markdown("<svg/>", "a](javascript:x) [b")
    alt, _, rest = markdown.partition("](data:image/svg+xml;base64,")
    assert not set(alt.removeprefix("![")) & set("[]()")
    assert base64.b64decode(rest.rstrip(")")) == b"<svg/>"
