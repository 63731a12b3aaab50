"""From the clinic's facts to alerts on its running: one alert an episode, told to who runs the platform."""

from datetime import date, datetime, timedelta

import dagster as dg
import pytest

from fallrisk_assets.alerts.__main__ import main
from fallrisk_assets.alerts.actions import Action, append_action
from fallrisk_assets.alerts.assets import alert_actions
from fallrisk_assets.alerts.contract import AlertActions, OperationsAlerts
from fallrisk_assets.alerts.monitoring_rules import APPOINTMENTS, FIRING, SAMPLES
from fallrisk_assets.alerts.resource import OutboxResource
from fallrisk_assets.clinic.identity import Assignment
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.warehouse.contract import FactAlert, FactDeviceDay
from fallrisk_assets.warehouse.dimensions import Wearers
from fallrisk_assets.warehouse.facts import fact_alert, fact_device_day
from fallrisk_assets.warehouse.monitoring import assets
from fallrisk_assets.warehouse.monitoring.assets import rows_by_day
from fallrisk_assets.warehouse.monitoring.contract import RuleStates
from fallrisk_assets.warehouse.observability.assets import mart_pipeline_runs
from fallrisk_assets.warehouse.resource import Warehouse
from fallrisk_assets_tests.warehouse.operations.rows import at, load, state
from fallrisk_assets_tests.warehouse.rows import (
    DAY,
    alert,
    alerts,
    coverage,
    device_hour,
    index_alerts,
    operations_alerts,
)

STEPS = [mart_pipeline_runs, *dg.load_assets_from_modules([assets])]
NOBODY = Wearers([])


class FixedOutbox(OutboxResource):
    """An outbox whose clock stands where the test puts it."""

    at: str = ""

    def now(self) -> datetime:
        return datetime.fromisoformat(self.at)


def day(number: int) -> str:
    return str(date(2026, 1, number))


class Clinic:
    """Visits of January, of which some were missed, and what is made of them."""

    def __init__(self, folder, warehouse: Warehouse) -> None:
        self.folder = folder
        self.lake = Lake(root=str(folder / "lake"))
        self.warehouse = warehouse

    def visits(self, number: int, completed: int, missed: int) -> None:
        rows = [state(f"D{number}C{i:03}", day=number, connection_score=4) for i in range(completed)]
        rows += [state(f"D{number}N{i:03}", "No-show", day=number) for i in range(missed)]
        load(self.warehouse, *rows)

    def run(self, first: int, last: int, now: datetime, steps=STEPS) -> None:
        outbox = FixedOutbox(
            path=str(self.folder / "outbox.db"), messages=str(self.folder / "told.jsonl"), at=now.isoformat()
        )
        result = dg.materialize(
            steps,
            tags={
                "dagster/asset_partition_range_start": day(first),
                "dagster/asset_partition_range_end": day(last),
            },
            resources={
                "lake": self.lake,
                "warehouse": self.warehouse,
                "outbox": outbox,
                "landing": Landing(root=str(self.folder / "landing")),
            },
        )
        assert result.success

    def told(self) -> list[str]:
        file = self.folder / "told.jsonl"
        return file.read_text().splitlines() if file.exists() else []

    def alerts(self, number: int) -> list[dict]:
        return self.lake.read(OperationsAlerts, [day(number)]).to_pylist()


@pytest.fixture
def clinic(tmp_path, warehouse) -> Clinic:
    """A week of 9 of 10 kept, then a week of 5 of 10, then calm again."""
    made = Clinic(tmp_path, warehouse)
    for number in range(5, 26):
        missed = 5 if 12 <= number < 19 else 0
        made.visits(number, 10 - missed, missed)
    return made


def test_a_bad_week_is_one_alert_from_when_it_is_known_to_when_it_is_over(clinic):
    clinic.run(5, 25, at(26))
    by_day = {number: [a["rule"] for a in clinic.alerts(number)] for number in range(5, 26)}
    assert [number for number, found in by_day.items() if "NO_SHOW_HIGH" in found] == list(range(14, 26))
    ends = [a for a in clinic.alerts(25) if a["rule"] == "NO_SHOW_HIGH"]
    assert [(a["scope"], a["state"], a["severity"]) for a in ends] == [("no_show_rate", "RESOLVED", "low")]
    assert ends[0]["closed_at"] == at(25, 0)
    (first,) = [a for a in clinic.alerts(14) if a["rule"] == "NO_SHOW_HIGH"]
    assert first["opened_at"] == at(14, 0)


def test_days_that_are_made_one_by_one_say_what_a_range_says(clinic, tmp_path):
    clinic.run(5, 20, at(26))
    range_of_days = [clinic.alerts(number) for number in range(5, 21)]
    other = Clinic(tmp_path / "other", clinic.warehouse)
    for number in range(5, 21):
        other.run(number, number, at(26))
    assert [other.alerts(number) for number in range(5, 21)] == range_of_days


def test_who_runs_the_platform_is_told_once_of_an_alert_and_never_of_an_old_one(clinic):
    for number in range(12, 18):
        clinic.run(number, number, at(number + 1, 2))
    first = [line for line in clinic.told() if "no_show_rate" in line]
    assert len(first) == 1
    assert "Many no-shows" in first[0]
    assert "PAT" not in first[0]
    old = Clinic(clinic.folder / "later", clinic.warehouse)
    old.run(12, 18, at(25))
    assert [line for line in old.told() if "no_show_rate" in line] == []


def test_an_alert_on_the_running_is_acknowledged_like_any_other(clinic):
    clinic.run(5, 15, at(16))
    (seen,) = [a for a in clinic.alerts(15) if a["rule"] == "NO_SHOW_HIGH"]
    append_action(
        clinic.folder / "landing" / "alert_actions",
        Action(
            seen["alert_id"], "no_show_rate", seen["rule"], seen["opened_at"], "acknowledge", "s-1", at(15, 9)
        ),
    )
    hour = "2026-01-15-09:00"
    done = dg.materialize(
        [alert_actions],
        partition_key=hour,
        resources={"lake": clinic.lake, "landing": Landing(root=str(clinic.folder / "landing"))},
    )
    assert done.success
    assert clinic.lake.read(AlertActions, [hour]).num_rows == 1
    clinic.run(15, 15, at(16))
    (seen,) = [a for a in clinic.alerts(15) if a["rule"] == "NO_SHOW_HIGH"]
    assert (seen["state"], seen["acknowledged_at"]) == ("ACKNOWLEDGED", at(15, 9))


def test_the_command_line_lists_it_with_its_scope(clinic, capsys):
    clinic.run(5, 15, at(16))
    assert main(["--data", str(clinic.folder), "list"]) == 0
    (line,) = [text for text in capsys.readouterr().out.splitlines() if "NO_SHOW_HIGH" in text]
    assert "no_show_rate" in line


def test_in_the_warehouse_they_are_apart_from_people_s_alerts(warehouse):
    on = date(2026, 1, 5)
    running = operations_alerts(alert("o1", rule="NO_SHOW_HIGH", scope="no_show_rate"))
    rows = fact_alert(alerts(alert("a1", patient=None)), index_alerts(), running, on, NOBODY)
    warehouse.replace_slice(FactAlert, str(on), rows)
    assert warehouse.query("SELECT alert_id FROM v_alert").to_pylist() == [{"alert_id": "a1"}]
    found = warehouse.query("SELECT alert_id, scope FROM v_operations_alert").to_pylist()
    assert found == [{"alert_id": "o1", "scope": "no_show_rate"}]


def test_a_published_day_without_rows_counts_as_none_and_an_unpublished_one_not_at_all(warehouse):
    worn = fact_device_day(coverage(device_hour(), device_hour(hour=1)), DAY, NOBODY, NO_ASSIGNMENTS)
    warehouse.replace_slice(FactDeviceDay, str(DAY), worn)
    following = DAY + timedelta(days=1)
    warehouse.replace_slice(FactDeviceDay, str(following), worn.slice(0, 0))
    load(warehouse, state("A1"), state("A2"))
    found = rows_by_day(warehouse)
    assert found[SAMPLES] == {DAY: 360_020.0, following: 0.0}
    assert found[APPOINTMENTS] == {DAY: 2.0}


def test_a_late_event_changes_what_is_said_of_a_day(clinic):
    clinic.run(5, 20, at(26))
    clinic.visits(12, 10, 0)
    clinic.visits(13, 10, 0)
    clinic.run(20, 20, at(26))
    firing = clinic.warehouse.query(
        "SELECT day FROM v_rule_state WHERE rule = 'NO_SHOW_HIGH' AND state = 'FIRING' AND threshold = 0.1 "
        "ORDER BY 1"
    )
    assert firing.to_pylist()[0] == {"day": date(2026, 1, 16)}
    assert clinic.warehouse.read(RuleStates).num_rows == 21 * 15
    assert FIRING in clinic.warehouse.read(RuleStates)["state"].to_pylist()


NO_ASSIGNMENTS: dict[str, list[Assignment]] = {}
