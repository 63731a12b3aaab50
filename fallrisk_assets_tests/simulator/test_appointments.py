"""The simulated clinic behaves like a real one where it was configured to."""

import csv
import math
import os
from collections import Counter
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from simulator.appointments import CANCELLED, COMPLETED, NO_SHOW, RESCHEDULED, Visit, plan_appointments
from simulator.clinic_feedback import answers_of
from simulator.clinic_people import draw_other_patients, draw_providers, draw_visitors
from simulator.clinic_rates import LEAD_TIMES, NHS_MODES

SHARED = Path(os.environ.get("FALLRISK_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
NHS = SHARED / "nhs_gp"
START = date(2026, 1, 5)
POINTS = 0.03
"""Three percentage points."""
SPACES = {
    "15  to 21 Days": "15 to 21 Days",
    "22  to 28 Days": "22 to 28 Days",
    "8  to 14 Days": "8 to 14 Days",
}


@pytest.fixture(scope="module")
def visits() -> list[Visit]:
    people = draw_visitors(draw_other_patients(2500, 7, START), 7, 0, 9.0)
    return plan_appointments(people, draw_providers(50, 7), date(2025, 4, 1), START, 7, "nhs")


@pytest.fixture(scope="module")
def real() -> dict[str, Counter[str]]:
    """Counts of the regional files by column, and no-shows and attended visits by lead time."""
    if not NHS.is_dir():
        pytest.skip(f"no appointments of general practices in {NHS} (set FALLRISK_SHARED_DATA)")
    found = {name: Counter() for name in ("mode", "lead", "status", "missed", "kept")}
    for path in sorted(NHS.glob("*.csv")):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                n = int(row["COUNT_OF_APPOINTMENTS"])
                lead = SPACES.get(row["TIME_BETWEEN_BOOK_AND_APPT"], row["TIME_BETWEEN_BOOK_AND_APPT"])
                found["mode"]["" if row["APPT_MODE"] == "Unknown" else row["APPT_MODE"]] += n
                found["status"][row["APPT_STATUS"]] += n
                if not lead.startswith("Unknown"):
                    found["lead"][lead] += n
                    if row["APPT_STATUS"] in ("Attended", "DNA"):
                        found["kept"][lead] += n
                        found["missed"][lead] += n if row["APPT_STATUS"] == "DNA" else 0
    return found


def shares(counts: Counter[str]) -> dict[str, float]:
    total = sum(counts.values())
    return {name: n / total for name, n in counts.items()}


def kept(visits: list[Visit]) -> list[Visit]:
    return [visit for visit in visits if visit.status in (COMPLETED, NO_SHOW)]


def test_modes_lead_times_and_no_shows_are_within_three_points_of_the_real_ones(visits, real):
    of_visits = kept(visits)
    assert len(of_visits) > 10_000
    simulated = {
        "mode": shares(Counter(visit.mode for visit in of_visits)),
        "lead": shares(Counter(visit.lead.name for visit in of_visits)),
    }
    for column, found in simulated.items():
        expected = shares(real[column])
        assert found.keys() == expected.keys()
        assert {
            name: round(abs(found[name] - expected[name]), 3)
            for name in found
            if abs(found[name] - expected[name]) > POINTS
        } == {}
    no_show = sum(visit.status == NO_SHOW for visit in of_visits) / len(of_visits)
    status = real["status"]
    assert abs(no_show - status["DNA"] / (status["DNA"] + status["Attended"])) < POINTS


def test_the_committed_numbers_are_those_of_the_files(real):
    leads, modes = shares(real["lead"]), shares(real["mode"])
    for lead in LEAD_TIMES:
        assert math.isclose(lead.share, leads[lead.name], abs_tol=0.0005), lead.name
        assert math.isclose(lead.no_show, real["missed"][lead.name] / real["kept"][lead.name], abs_tol=0.0005)
    for name, share in NHS_MODES.items():
        assert math.isclose(share, modes[name], abs_tol=0.0005), name


def test_who_booked_long_ahead_or_missed_visits_before_comes_less_often(visits):
    def rate(of_visits: list[Visit]) -> float:
        return sum(visit.status == NO_SHOW for visit in of_visits) / len(of_visits)

    soon = [visit for visit in kept(visits) if visit.lead.last_day <= 1]
    later = [visit for visit in kept(visits) if visit.lead.first_day >= 15]
    assert rate(later) > 2 * rate(soon)
    missed: Counter[str] = Counter()
    first, again = [], []
    for visit in sorted(kept(visits), key=lambda visit: visit.booked_at):
        (again if missed[visit.visitor.clinic_id] else first).append(visit)
        missed[visit.visitor.clinic_id] += visit.status == NO_SHOW
    assert rate(again) > 1.3 * rate(first)


def test_no_provider_is_at_two_visits_at_once_and_none_works_beyond_the_offered_hours(visits):
    booked: dict[tuple[str, date], list[tuple]] = {}
    for visit in visits:
        end = visit.starts_at + timedelta(minutes=15 * math.ceil(visit.planned_minutes / 15))
        booked.setdefault((visit.provider.provider_id, visit.starts_at.date()), []).append(
            (visit.starts_at, end)
        )
    for (provider, _), times in booked.items():
        times.sort()
        assert all(one[1] <= other[0] for one, other in pairwise(times)), provider
    minutes = Counter()
    for visit in visits:
        minutes[visit.provider.provider_id, visit.starts_at.date()] += visit.planned_minutes
        assert visit.provider.active
    offered = {visit.provider.provider_id: visit.provider.minutes_a_day for visit in visits}
    assert all(total <= offered[who] for (who, _), total in minutes.items())


def test_an_appointment_that_is_rescheduled_names_the_one_that_takes_its_place(visits):
    by_id = {visit.appointment_id: visit for visit in visits}
    moved = [visit for visit in visits if visit.status == RESCHEDULED]
    assert moved
    for visit in moved:
        other = by_id[visit.rescheduled_to]
        assert other.rescheduled_from == visit.appointment_id
        assert other.booked_at == visit.changed_at
        assert other.visitor == visit.visitor
    assert any(by_id[visit.rescheduled_to].status == RESCHEDULED for visit in moved)  # chains exist


def test_times_of_a_visit_follow_each_other(visits):
    for visit in visits:
        assert visit.booked_at < visit.starts_at
        assert visit.visitor.registered_on <= visit.starts_at.date()
        if visit.status == COMPLETED:
            assert visit.provider_login_at < visit.began_at < visit.ended_at
            assert visit.login_at <= visit.began_at
        if visit.status in (NO_SHOW, RESCHEDULED):
            assert visit.login_at is None
        if visit.changed_at is not None:
            assert visit.status in (CANCELLED, RESCHEDULED)
            assert visit.booked_at < visit.changed_at < visit.starts_at


@pytest.fixture(scope="module")
def video_visits() -> list[Visit]:
    people = draw_visitors(draw_other_patients(1200, 3, START), 3, 0, 9.0)
    return plan_appointments(people, draw_providers(30, 3), date(2025, 6, 1), START, 3)


def test_technical_issues_drive_satisfaction_and_bad_connections_drive_issues(video_visits):
    held = [visit for visit in video_visits if visit.connection is not None and visit.began_at is not None]
    by_connection = {
        name: [bool(visit.issues) for visit in held if visit.connection == name]
        for name in ("Excellent", "Fair", "Very Poor")
    }
    excellent, fair, very_poor = (sum(found) / len(found) for found in by_connection.values())
    assert excellent < fair < very_poor
    answers = [answer for visit in held for answer in answers_of(visit, 3)]
    with_issue = [a.overall_satisfaction for a in answers if a.visit.issues]
    without = [a.overall_satisfaction for a in answers if not a.visit.issues]
    assert sum(without) / len(without) - sum(with_issue) / len(with_issue) > 0.5


def test_comments_fit_the_ratings(video_visits):
    praise, blame = ("Excellent", "Very happy", "Could not have been"), ("Very bad", "I would not", "A waste")
    answers = [answer for visit in video_visits for answer in answers_of(visit, 3) if answer.comments]
    assert {answer.overall_satisfaction for answer in answers} == {1, 2, 3, 4, 5}
    for answer in answers:
        assert answer.comments.startswith(praise) == (answer.overall_satisfaction == 5)
        assert answer.comments.startswith(blame) == (answer.overall_satisfaction == 1)
        if "hear" in answer.comments:
            assert answer.visit.issues[0].type == "Audio Problems"
        assert answer.would_recommend or answer.overall_satisfaction < 4


def test_a_visit_by_telephone_has_no_picture_to_rate(video_visits):
    answers = [answer for visit in video_visits for answer in answers_of(visit, 3)]
    by_phone = [answer for answer in answers if answer.visit.mode == "Telephone"]
    assert by_phone
    assert all(answer.video_quality_rating is None for answer in by_phone)
