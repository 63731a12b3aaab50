"""The page as text: its size, what it must never hold, and the same bytes for the same day."""

import dataclasses
import datetime as dt
import json
import re
from html import unescape

import pyarrow as pa
import pytest

from fallrisk_assets.dashboards import figures
from fallrisk_assets.dashboards.data import build_day
from fallrisk_assets.dashboards.index import HEAD_CHARACTERS, LABELS, DayEntry, read_entry, render_index
from fallrisk_assets.dashboards.model import Component, DayInputs
from fallrisk_assets.dashboards.page import MAX_PAGE_BYTES, render_day, summary
from fallrisk_assets.dashboards.rendering import json_for_script, static
from fallrisk_assets.dashboards.timeline import timeline
from fallrisk_assets.dashboards.wording import (
    REASON_MEANINGS,
    compact,
    number,
    plural,
    probability,
    sentence_case,
)
from fallrisk_assets.telemetry.reasons import Reason
from fallrisk_assets_tests.dashboards.synthetic_day import DAY, HOSTILE, NAMES, a_day


@pytest.fixture(scope="module")
def html() -> str:
    return render_day(build_day(a_day()))


def test_the_same_day_gives_the_same_bytes(html: str) -> None:
    assert render_day(build_day(a_day())) == html


def test_no_name_and_no_payload_is_on_the_page(html: str) -> None:
    assert "pt-1" in html
    for name in NAMES:
        assert name not in html


def test_the_page_asks_for_nothing_outside_itself(html: str) -> None:
    own = html.replace(static("plotly", "plotly-basic-4.1.1.min.js"), "")
    links = re.findall(r'(?:src|href)="([^"]*)"', own)
    assert {link for link in links if not link.startswith("#")} == {"data:,", "index.html"}
    assert "url(" not in own
    assert "default-src 'none'" in own


def test_plotly_keeps_its_licence_note(html: str) -> None:
    assert "plotly.js (basic - minified) v4.1.1" in html
    assert "Licensed under the MIT license" in html


def test_the_embedded_plotly_is_the_one_that_the_figures_were_checked_against() -> None:
    import plotly.offline

    assert plotly.offline.get_plotlyjs_version() == "4.1.1"


def test_hostile_texts_appear_only_escaped() -> None:
    page = render_day(build_day(a_day(hostile=True)))
    assert HOSTILE not in page
    assert "<img" not in page
    assert page.count("</script>") == page.count("<script")


def test_json_inside_a_script_cannot_end_it() -> None:
    text = json_for_script({"a": "</script><!--&\u2028"})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"a": "</script><!--&\u2028"}


def test_a_number_that_json_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_for_script([float("nan")])


@pytest.mark.slow
def test_a_clinic_of_hundreds_stays_under_five_megabytes_and_says_what_it_left_out() -> None:
    page = render_day(build_day(a_day(900)))
    assert len(page.encode()) < MAX_PAGE_BYTES
    rows = re.findall(r'<th scope="row" data-v=', page)
    assert len(rows) == 900
    detailed = page.count('<article class="patient"')
    assert 250 < detailed < 900
    assert f"Details of {detailed} of 900 patients fit on this page" in page


def test_a_day_without_anything_is_a_page_that_says_so() -> None:
    page = render_day(build_day(DayInputs(DAY)))
    assert "No patient has data on this day." in page
    assert "Coverage was not computed for this day." in page
    assert "The quarantine was not there to be read." in page


def test_unknown_is_a_dash_and_not_a_zero() -> None:
    page = render_day(build_day(dataclasses.replace(a_day(), daily_gait=None, fall_events=None, alerts=None)))
    assert re.search(r"<b>–</b> falls detected", page)
    assert re.search(r"<b>–</b> open alerts", page)
    assert "Fall events were not computed for this day." in page
    row = page.split('id="cohort-table"')[1].split("</tr>")[1]
    assert [cell.strip() for cell in re.findall(r'<td class="num" data-v="">([^<]*)</td>', row)] == ["–"] * 3


def test_the_index_reads_back_what_the_page_says(html: str) -> None:
    entry = read_entry(DAY, html[:HEAD_CHARACTERS])
    expected = summary(build_day(a_day()))
    assert dict(entry.figures) == {name: expected[name] for name in LABELS}


def test_a_page_without_key_figures_is_still_linked() -> None:
    assert read_entry(DAY, "<html>").figures == {}
    assert 'href="2026-01-05.html"' in render_index([DayEntry(DAY)])


def test_the_index_lists_each_day_once_newest_first() -> None:
    days = [DayEntry(DAY), DayEntry(DAY + dt.timedelta(days=2)), DayEntry(DAY)]
    found = re.findall(r'href="(\d{4}-\d\d-\d\d)\.html"', render_index(days))
    assert found == ["2026-01-07", "2026-01-05"]
    assert render_index(days) == render_index(days[::-1])


def test_every_reason_of_the_quarantine_is_explained() -> None:
    assert {reason.value for reason in Reason} <= set(REASON_MEANINGS)


def test_the_waterfall_ends_at_the_sum_of_all_parts() -> None:
    parts = [Component("base", "Base", -1.0)]
    parts += [Component(f"p{i}", f"P{i}", 0.5 - 0.07 * i) for i in range(20)]
    figure = figures.waterfall(parts)
    assert figure is not None
    ends = figure["data"][1]["x"]
    assert ends == pytest.approx([-1.0, sum(part.logit for part in parts)], abs=1e-3)
    steps = figure["data"][0]
    assert len(steps["x"]) < len(parts)
    assert steps["base"][-1] + steps["x"][-1] == pytest.approx(ends[1], abs=1e-3)


def test_checks_are_counted_and_only_those_that_did_not_pass_stand_open(html: str) -> None:
    assert "1 of 3 checks passed, 1 failed, 1 did not run for this day." in html
    table = html.split('id="checks-table"')[1].split("</table>")[0]
    assert "✕ failed" in table
    assert "– not run" in table
    assert "✓ passed" not in table


def test_nobody_who_is_not_scored_is_drawn_in_the_overview() -> None:
    figure = figures.overview(build_day(a_day()).patients)
    assert figure is not None
    drawn = [name for trace in figure["data"] for name in trace["y"]]
    assert sorted(drawn) == ["pt-1", "pt-2", "pt-3", "pt-5"]
    assert figure["layout"]["yaxis"]["categoryarray"] == ["pt-3", "pt-5", "pt-2", "pt-1"]


def test_an_hour_that_is_not_scored_is_drawn_apart_and_never_at_a_score() -> None:
    patient = build_day(a_day()).patients[0]
    first, *rest = patient.hours
    silent = dataclasses.replace(first, score_max=None, windows_scored=0, windows_not_scored=7)
    drawn = timeline(dataclasses.replace(patient, hours=(silent, *rest)))
    assert drawn is not None
    trace = next(t for t in drawn["data"] if "NOT_SCORED" in t.get("hovertemplate", ""))
    axis = drawn["layout"][f"yaxis{trace['yaxis'][1:]}"]
    strip = dict(zip(axis["ticktext"], axis["tickvals"], strict=True))["not scored"]
    assert list(trace["x"]) == [first.hour + 0.5]
    assert list(trace["y"]) == [strip]
    assert strip < -0.1
    assert axis["range"][0] < strip
    scored = timeline(patient)
    assert scored is not None
    assert not any("NOT_SCORED" in t.get("hovertemplate", "") for t in scored["data"])


def test_colours_of_figures_are_those_of_the_style() -> None:
    page = render_day(build_day(a_day()))
    used = set(re.findall(r'"var\((--[a-z-]+)\)"', unescape(page)))
    assert used
    for name in used:
        assert f"{name}:" in static("page.css"), name


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (probability(0.042), "4.2 %"),
        (probability(0.31), "31 %"),
        (probability(None), "–"),
        (compact(21_502_440), "21.5 M"),
        (compact(8_640), "8,640"),
        (number(0.0), "0"),
        (number(3.14159, "s"), "3.14 s"),
        (plural(1, "fall"), "1 fall"),
        (plural(None, "fall"), "– falls"),
        (sentence_case("TOO_LITTLE_WEAR"), "Too little wear"),
        (sentence_case("OK"), "OK"),
        (sentence_case(None), ""),
    ],
)
def test_values_are_written_for_people(shown: str, expected: str) -> None:
    assert shown == expected


def test_the_page_says_how_the_index_moves_and_when_that_was_not_judged() -> None:
    day = a_day()
    assert day.fall_risk_index is not None
    people = sorted({str(p) for p in day.fall_risk_index["patient_id"].to_pylist()})[:2]
    moved = {"probability_7d": 0.31, "probability_28d": 0.29, "baseline_12m": 0.28, "change": 0.041}
    judged = moved | {"change_lower": 0.012, "change_upper": 0.07, "trend": "RISING", "reason": None}
    short = {"trend": "NOT_JUDGED", "reason": "SHORT_BASELINE"}
    trends = [{"patient_id": p, **row} for p, row in zip(people, (judged, short), strict=True)]
    page = render_day(build_day(dataclasses.replace(day, fall_risk_trend=pa.Table.from_pylist(trends))))
    assert "baseline of 28 %: +4.1 points (interval +1.2 points to +7.0 points)" in page
    assert "▲ rising" in page
    assert "Change not judged: fewer than 7 scored days in the four weeks before." in page
    assert "Over a week –, over four weeks –" in page
