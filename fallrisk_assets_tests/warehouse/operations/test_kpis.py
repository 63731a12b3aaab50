"""Each indicator has the denominator that the clinic agreed on, and what nobody measured is in none."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fallrisk_assets.warehouse.operations.kpis import KPIS, daily_kpis_sql, dim_kpi
from fallrisk_assets.warehouse.resource import Warehouse
from fallrisk_assets_tests.warehouse.operations.rows import answer, at, known, load, provider, state


def indicators(warehouse: Warehouse, day: int = 5) -> dict[str, tuple]:
    rows = warehouse.query(daily_kpis_sql()).to_pylist()
    return {
        row["kpi"]: (row["numerator"], row["denominator"], row["value"])
        for row in rows
        if row["day"] == date(2026, 1, day)
    }


def test_each_rate_has_its_own_denominator(warehouse):
    load(
        warehouse,
        *[state(f"APT{n}") for n in range(4)],
        state("APT4", "No-show"),
        state("APT5", "Cancelled"),
        state("APT6", "Rescheduled"),
        state("APT7", "Completed", refusal="PROVIDER_INACTIVE"),
    )
    found = indicators(warehouse)
    assert found["booked"] == (7, None, 7)
    assert found["no_show_rate"] == (1, 5, 0.2)
    assert found["cancellation_rate"] == (1, 7, pytest.approx(1 / 7))
    assert found["completion_rate"] == (4, 7, pytest.approx(4 / 7))


def test_nulls_are_never_turned_into_zeros(warehouse):
    load(
        warehouse,
        state("APT1", duration_minutes=40.0, wait_minutes=10.0),
        state("APT2", duration_minutes=None, wait_minutes=None, had_technical_issue=None),
        state("APT3", "No-show"),
        state("APT4", "Cancelled"),
        answer("FB1", overall_satisfaction=None),
        answer("FB2", overall_satisfaction=5),
    )
    found = indicators(warehouse)
    assert found["mean_duration_minutes"] == (40, 1, 40)
    assert found["mean_wait_minutes"] == (10, 1, 10)
    assert found["technical_issue_rate"] == (0, 1, 0)
    assert found["mean_satisfaction"] == (5, 1, 5)
    assert found["mean_connection_score"] == (None, 0, None)


def test_an_empty_denominator_gives_null(warehouse):
    load(warehouse, state("APT1", "Cancelled"))
    found = indicators(warehouse)
    assert found["no_show_rate"] == (0, 0, None)
    assert found["mean_duration_minutes"] == (None, 0, None)
    assert "mean_satisfaction" not in found


def test_technical_issues_count_by_sessions_started_and_waits_by_arrivals(warehouse):
    load(
        warehouse,
        state("APT1", had_technical_issue=True),
        state("APT2"),
        state(
            "APT3",
            "In progress",
            session_started_at=at(5),
            patient_arrived=True,
            had_technical_issue=True,
            wait_minutes=2.0,
        ),
        state("APT4", "Cancelled", patient_arrived=True),  # came and was not seen
        state("APT5", "No-show"),
    )
    found = indicators(warehouse)
    assert found["technical_issue_rate"] == (2, 3, pytest.approx(2 / 3))
    assert found["mean_wait_minutes"] == (14, 3, pytest.approx(14 / 3))


def test_a_late_change_restates_the_day_of_the_visit_and_counts_once(warehouse):
    load(warehouse, state("APT1", "No-show"), state("APT2"))
    assert indicators(warehouse)["no_show_rate"] == (1, 2, 0.5)
    moved = {"scheduled_start_at": at(5), "scheduled_date": date(2026, 1, 5)}
    load(warehouse, state("APT1", "Completed", day=7, **moved))
    assert indicators(warehouse)["no_show_rate"] == (0, 2, 0)
    load(warehouse, state("APT1", "Completed", day=8, refusal="NOT_SCHEDULED", **moved))
    assert indicators(warehouse)["booked"] == (1, None, 1)


def test_an_answer_that_was_corrected_counts_once(warehouse):
    load(
        warehouse,
        state(),
        answer("FB1", overall_satisfaction=1),
        answer("FB1", overall_satisfaction=5, given_at=at(5, 13), content_hash="1" * 32),
        answer("FB2", overall_satisfaction=3),
    )
    assert indicators(warehouse)["mean_satisfaction"] == (8, 2, 4)


def test_days_to_come_are_no_days_of_indicators(warehouse):
    ahead = {"scheduled_start_at": at(9), "scheduled_date": date(2026, 1, 9)}
    load(warehouse, state("APT1"), state("APT2", "Scheduled", **ahead))
    assert indicators(warehouse, 9) == {}
    rows = warehouse.query(daily_kpis_sql()).to_pylist()
    assert {(row["day"].day, row["is_final"]) for row in rows} == {(5, False)}
    load(warehouse, state("APT3", day=6))
    rows = warehouse.query(daily_kpis_sql()).to_pylist()
    assert {(row["day"].day, row["is_final"]) for row in rows} == {(5, True), (6, False)}


def test_utilisation_is_a_week_s_minutes_of_a_week_s_hours_of_active_providers(tmp_path):
    warehouse = known(
        Warehouse(folder=str(tmp_path)),
        provider(available_hours_per_week=10.0),
        provider("PROV0002", available_hours_per_week=20.0),
        provider("PROV0003", active=False),
        provider("PROV0004", available_hours_per_week=None),
    )
    load(
        warehouse,
        state("APT0", day=5, duration_minutes=50.0),
        state("APT1", day=6, duration_minutes=60.0),
        state("APT2", day=12, duration_minutes=30.0),
        state("APT3", day=12, duration_minutes=15.0, provider_id="PROV0004"),
        state("APT4", "Cancelled", day=12),
    )
    assert "utilisation_7d" not in indicators(warehouse, 10)  # the log tells of less than seven days
    assert indicators(warehouse, 11)["utilisation_7d"] == (110, 1800, pytest.approx(110 / 1800))
    assert indicators(warehouse, 12)["utilisation_7d"] == (90, 1800, pytest.approx(0.05))


def test_every_indicator_is_defined_once_and_says_what_it_is():
    names = [kpi.kpi for kpi in KPIS]
    assert len(set(names)) == len(names)
    rows = dim_kpi().to_pylist()
    assert sorted(names) == [row["kpi"] for row in rows]
    assert all(row["definition"] and row["numerator_sql"] for row in rows)
    assert [row["kpi"] for row in rows if row["denominator_sql"] is None] == [
        "alerts_opened",
        "booked",
        "delivered_revenue",
        "falls_detected",
        "lost_revenue",
        "rows_refused",
    ]


_STATES = st.builds(
    lambda status, day, wait, duration, issue: {
        "status": status,
        "day": day,
        "wait_minutes": wait if status == "Completed" else None,
        "duration_minutes": duration if status == "Completed" else None,
        "had_technical_issue": issue if status == "Completed" else None,
    },
    st.sampled_from(["Completed", "Completed", "No-show", "Cancelled", "Rescheduled", "Scheduled"]),
    st.integers(5, 7),
    st.sampled_from([None, 0.0, 4.0, 12.0]),
    st.sampled_from([None, 10.0, 35.5]),
    st.sampled_from([None, True, False]),
)


@settings(max_examples=20, deadline=None)
@given(drawn=st.lists(_STATES, min_size=1, max_size=12))
def test_indicators_are_what_a_reader_of_the_definitions_would_count(drawn, fresh):
    warehouse = fresh()
    load(warehouse, *(state(f"APT{n}", **columns) for n, columns in enumerate(drawn)))
    for day in (5, 6, 7):
        rows = [row for row in drawn if row["day"] == day]
        if not rows:
            assert indicators(warehouse, day).keys() <= {"utilisation_7d"}
            continue
        found = indicators(warehouse, day)
        count = {s: sum(row["status"] == s for row in rows) for s in ("Completed", "No-show", "Cancelled")}

        def mean(values: list) -> float | None:
            told = [value for value in values if value is not None]
            return pytest.approx(sum(told) / len(told)) if told else None

        kept = count["Completed"] + count["No-show"]
        assert found["no_show_rate"][2] == (pytest.approx(count["No-show"] / kept) if kept else None)
        assert found["completion_rate"][2] == pytest.approx(count["Completed"] / len(rows))
        assert found["cancellation_rate"][2] == pytest.approx(count["Cancelled"] / len(rows))
        assert found["mean_wait_minutes"][2] == mean([row["wait_minutes"] for row in rows])
        assert found["mean_duration_minutes"][2] == mean([row["duration_minutes"] for row in rows])
        assert found["technical_issue_rate"][2] == mean([row["had_technical_issue"] for row in rows])
