"""Promises of the clinic's own evaluation: every row accounted for, leaks and miscalibration seen."""

import csv
import re
from dataclasses import fields
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.dashboards.index_report import render_evaluation
from fallrisk_assets.dashboards.page import PLOTLY
from fallrisk_assets.dashboards.rendering import static
from fallrisk_assets.risk.person_year_table import (
    FOLLOW_UP_TOO_SHORT,
    MapRefused,
    read_map,
    read_person_years,
)
from fallrisk_assets.risk.person_years import as_text, evaluate, main
from fallrisk_assets.risk.reference_population import reference_population
from fallrisk_assets.risk.synthetic_outcomes import draw_falls, fall_model

N = 1_200
FACTORS = ("walking_aid", "falls_past_12_months", "gait_problem", "vertigo", "medicine_count")
GAIT = ("stride_time_cv", "cadence_spm", "stride_regularity", "walking_minutes", "sit_to_stands")


@pytest.fixture(scope="module")
def cohort():
    """Rows of a clinic's table with synthetic falls, as dicts by our names."""
    people = reference_population(N, seed=3)
    fell = draw_falls(people, fall_model(seed=1), seed=4)
    rng = np.random.default_rng(5)
    return [
        {
            "person_id": f"P{i}",
            "fell": bool(f),
            "age_years": int(rng.integers(65, 95)),
            "sex": ["female", "male"][i % 2],
            "site": "north" if i < 400 else "south",
            **{name: getattr(history, name) for name in FACTORS},
            **{name: getattr(gait, name) for name in GAIT},
        }
        for i, ((history, gait), f) in enumerate(zip(people, fell, strict=True))
    ]


def write(folder, rows, *, names=None, values=""):
    """Write a table and its map; returns their paths."""
    names = names or list(rows[0])
    table, columns = folder / "years.csv", folder / "columns.toml"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([f"their {name}" for name in names])
        writer.writerows([[("" if row[n] is None else row[n]) for n in names] for row in rows])
    lines = [f'{name} = "their {name}"' for name in names]
    columns.write_text("[columns]\n" + "\n".join(lines) + "\n" + values)
    return table, columns


def evaluated(folder, rows, **options):
    table, path = write(folder, rows, **options)
    columns = read_map(path)
    return evaluate(*read_person_years(table, columns), columns, table.name)


def test_a_sound_table_is_calibrated_and_raises_no_flag(cohort, tmp_path):
    found = evaluated(tmp_path, cohort)
    assert found.used == N
    assert not [w for w in found.warnings if "LEAK" in w]
    assert 0.6 < found.auc.value < 0.72
    assert found.calibration.slope.lower < 1 < found.calibration.slope.upper
    assert found.calibration.in_the_large.lower < 0 < found.calibration.in_the_large.upper
    best = next(b for b in found.benefit if b.threshold == 0.3)
    assert best.model > max(best.everybody, 0.0)
    assert {(g.kind, g.name) for g in found.subgroups} == {
        *(("age", a) for a in ("65 to 74", "75 to 84", "85 and over")),
        *(("sex", s) for s in ("female", "male")),
        *(("site", s) for s in ("north", "south")),
    }
    assert all(sum(g.observed.n for g in found.subgroups if g.kind == k) == N for k in ("age", "sex", "site"))


def test_a_planted_leak_is_flagged_with_its_column(cohort, tmp_path):
    rng = np.random.default_rng(0)
    after = [row | {"falls_past_12_months": int(row["fell"] ^ (rng.random() < 0.05))} for row in cohort]
    said = [w for w in evaluated(tmp_path, after).warnings if w.startswith("LIKELY LEAK")]
    assert any("falls_past_12_months (column their falls_past_12_months) alone" in w for w in said)


def test_an_area_that_no_index_can_reach_is_flagged(cohort, tmp_path):
    rng = np.random.default_rng(0)
    knowing = [
        row | {"probability_12m": round(0.2 + 0.5 * row["fell"] + 0.25 * rng.random(), 3)} for row in cohort
    ]
    found = evaluated(tmp_path, knowing, names=["person_id", "fell", "probability_12m"])
    assert found.predictor.startswith("the table's own probability")
    assert found.warnings[0].startswith("LIKELY LEAK: an area under the curve of")


def test_gait_alone_has_a_lower_ceiling(cohort, tmp_path):
    rng = np.random.default_rng(1)
    good = [row | {"stride_time_cv": 0.03 + 0.01 * row["fell"] + 0.015 * rng.random()} for row in cohort]
    found = evaluated(tmp_path, good, names=["person_id", "fell", *GAIT])
    assert 0.6 < found.auc.value < 0.75
    assert any("above the 0.6 that gait alone" in w for w in found.warnings)


def test_answers_that_were_filled_in_after_the_outcome_are_flagged(cohort, tmp_path):
    asked = [row | {"vertigo": row["vertigo"] if row["fell"] else None} for row in cohort]
    said = evaluated(tmp_path, asked).warnings
    assert any("whether vertigo" in w and "filled in after the outcome" in w for w in said)


def test_a_planted_miscalibration_is_seen(cohort, tmp_path):
    rng = np.random.default_rng(2)
    doubled = [row | {"fell": row["fell"] or bool(rng.random() < 0.35)} for row in cohort]
    fitted = evaluated(tmp_path, doubled).calibration
    assert fitted.in_the_large.lower > 0.5
    assert fitted.observed_over_expected.lower > 1.3


def test_unknown_answers_are_unknown_and_counted(cohort, tmp_path):
    words = [None, "unknown", "NA", "?"]
    rows = [row | {"vertigo": words[i % 4]} for i, row in enumerate(cohort)]
    found = evaluated(tmp_path, rows)
    assert found.used == N
    assert found.unknown["vertigo"] == 1.0
    assert found.unknown["walking_aid"] == 0.0


def test_every_row_is_used_or_refused_with_a_reason_and_its_line(cohort, tmp_path):
    good = cohort[:40]
    bad = [
        good[0],  # line 42: again
        good[1] | {"person_id": None},
        good[2] | {"person_id": "A", "fell": "perhaps"},
        good[3] | {"person_id": "B", "fell": None},
        good[4] | {"person_id": "C", "medicine_count": -3},
        good[5] | {"person_id": "D", "age_years": 50},
        good[6] | {"person_id": "E", "cadence_spm": "inf"},
    ]
    table, columns = write(tmp_path, [*good, *bad])
    with table.open("a") as file:
        file.write("torn,line\n")
    used, refused = read_person_years(table, read_map(columns))
    found = evaluate(used, refused, read_map(columns), "t")
    assert found.used == 40
    assert [(r.line, r.reason) for r in found.refused] == [
        (42, "DUPLICATE_PERSON_YEAR"),
        (43, "PERSON_MISSING"),
        (44, "VALUE_UNREADABLE"),
        (45, "OUTCOME_UNKNOWN"),
        (46, "VALUE_UNREADABLE"),
        (47, "TOO_YOUNG"),
        (48, "VALUE_UNREADABLE"),
        (49, "LINE_UNREADABLE"),
    ]
    assert "perhaps" not in str(found.refused)  # a refusal names the column, never the cell
    for reason in {r.reason for r in found.refused}:
        assert reason in as_text(found)
        assert f"<td>{reason}</td>" in render_evaluation(found)


@given(st.lists(st.lists(st.text('ab1,;"-\n yesno?', max_size=6), min_size=0, max_size=4), max_size=12))
def test_no_row_is_lost_whatever_the_file_holds(tmp_path_factory, cells):
    folder = tmp_path_factory.mktemp("wild")
    table, columns = folder / "t.csv", folder / "m.toml"
    columns.write_text('[columns]\nperson_id = "a"\nfell = "b"\nage_years = "c"\n')
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([["a", "b", "c"], *cells])
    with table.open(newline="") as file:
        rows = sum(bool(row) for row in csv.reader(file)) - 1
    used, refused = read_person_years(table, read_map(columns))
    assert len(used) + len(refused) == rows
    lines = [item.line for item in (*used, *refused)]
    assert len(set(lines)) == rows


def test_who_was_not_followed_for_a_year_is_no_person_without_a_fall(cohort, tmp_path):
    rows = [row | {"follow_up_days": 120 if i % 3 == 0 else 365} for i, row in enumerate(cohort)]
    found = evaluated(tmp_path, rows)
    short = sum(i % 3 == 0 and not row["fell"] for i, row in enumerate(cohort))
    assert sum(r.reason == FOLLOW_UP_TOO_SHORT for r in found.refused) == short
    assert any("not followed for a year" in w for w in found.warnings)


def test_too_few_falls_give_no_estimate_and_say_so(cohort, tmp_path):
    found = evaluated(tmp_path, [row | {"fell": False} for row in cohort[:60]])
    assert found.auc is found.calibration is found.accuracy is None
    assert any("Too few people" in w for w in found.warnings)
    assert "no estimate" in as_text(found)


def test_parquet_and_csv_and_the_clinics_own_codes_give_the_same(cohort, tmp_path):
    coded = [
        {f"their {k}": v for k, v in row.items()}
        | {"their fell": "ja" if row["fell"] else "nein", "their index": date(2025, 1, 1)}
        for row in cohort
    ]
    plain = evaluated(tmp_path, cohort)
    pq.write_table(pa.Table.from_pylist(coded), tmp_path / "years.parquet")
    path = tmp_path / "columns.toml"
    path.write_text(path.read_text() + 'index_date = "their index"\n[values.fell]\nja = "yes"\nNEIN = "no"\n')
    columns = read_map(path)
    other = evaluate(*read_person_years(tmp_path / "years.parquet", columns), columns, "years.csv")
    for field in fields(plain):
        if field.name != "groups":
            assert getattr(other, field.name) == getattr(plain, field.name), field.name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[columns", "not a TOML file"),
        ('[columns]\nperson_id = "a"\nfell = "b"\nshoe_size = "c"\n', "no field shoe_size"),
        ('[columns]\nperson_id = "a"\n', "must name a column for fell"),
        ('[columns]\nperson_id = "a"\nfell = "z"\n', "no column z; there are a, b"),
    ],
)
def test_a_map_that_does_not_fit_says_what_to_mend(tmp_path, capsys, text, said):
    (tmp_path / "t.csv").write_text("a,b\n1,yes\n")
    (tmp_path / "m.toml").write_text(text)
    assert main(["--table", str(tmp_path / "t.csv"), "--columns", str(tmp_path / "m.toml")]) == 2
    assert said in capsys.readouterr().err
    if said.startswith(("no field", "must name")):
        with pytest.raises(MapRefused, match=said):
            read_map(tmp_path / "m.toml")


def test_the_command_prints_the_evaluation_and_writes_one_page_that_asks_for_nothing(
    cohort, tmp_path, capsys
):
    hostile = [row | {"site": "<script>alert(1)</script>"} for row in cohort]
    table, columns = write(tmp_path, hostile)
    assert main(["--table", str(table), "--columns", str(columns)]) == 0
    said = capsys.readouterr().out
    assert re.search(r"AUC +0\.6\d\d \(0\.\d+ to 0\.\d+\)", said)
    page = (tmp_path / "years-evaluation.html").read_text()
    assert "<script>alert" not in page
    assert "default-src 'none'" in page
    own = page.replace(static("plotly", PLOTLY), "")
    assert not re.findall(r'(?:src|href)="(?!data:,)[^"#]*"', own)
    assert len(page) < 1_500_000
    assert main(["--table", str(table), "--columns", str(columns)]) == 0
    assert (tmp_path / "years-evaluation.html").read_text() == page
