"""Files of actions that say nothing are told about in the check of their hour."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from fallrisk_assets.alerts.actions import Action, append_action
from fallrisk_assets.alerts.assets import alert_actions
from fallrisk_assets.alerts.checks import FILES_CHECK
from fallrisk_assets.alerts.contract import AlertActions
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import Landing

SEVEN, EIGHT = "2026-01-05-07:00", "2026-01-05-08:00"
AT = datetime(2026, 1, 5, 7, 12, tzinfo=UTC)
GOOD = Action("a", "pt-1", "FALL_DETECTED", AT, "note", "nurse-7", AT, text="on the floor")


class World:
    """A folder of actions with one good file in the hour of seven."""

    def __init__(self, folder: Path) -> None:
        self.lake = Lake(root=str(folder / "lake"))
        self.landing = Landing(root=str(folder / "landing"))
        self.folder = folder / "landing" / "alert_actions"
        self.good = append_action(self.folder, GOOD)

    def run(self, first: str, last: str) -> dict[str | None, dg.AssetCheckEvaluation]:
        """Materialise a range; the evaluations of the files' check by partition."""
        where = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        with dg.DagsterInstance.ephemeral() as instance:
            result = dg.materialize(
                [alert_actions],
                tags=where if first != last else {"dagster/partition": first},
                resources={"lake": self.lake, "landing": self.landing},
                instance=instance,
            )
            assert result.success
            records = instance.get_event_records(
                dg.EventRecordsFilter(dg.DagsterEventType.ASSET_CHECK_EVALUATION)
            )
            found = [r.event_log_entry.dagster_event.asset_check_evaluation_data for r in records]  # type: ignore[union-attr]
        return {e.partition: e for e in found if e.check_name == FILES_CHECK}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_hour_whose_files_are_all_actions_passes(world: World) -> None:
    (told,) = world.run(SEVEN, SEVEN).values()
    assert told.passed
    assert world.lake.read(AlertActions, [SEVEN]).num_rows == 1


def test_a_refused_file_is_a_warning_of_its_hour_that_gives_its_name_and_not_its_content(
    world: World,
) -> None:
    torn = world.folder / world.good.name.replace("T0712", "T0713")
    torn.write_text('{"kind": "Erika Mustermann fell"')
    told = world.run(SEVEN, EIGHT)
    assert (told[SEVEN].passed, told[EIGHT].passed) == (False, True)
    assert (told[SEVEN].severity, told[SEVEN].blocking) == (dg.AssetCheckSeverity.WARN, False)
    assert told[SEVEN].metadata["refused"].value == 1
    shown = str(told[SEVEN].metadata)
    assert torn.name in shown
    assert "Mustermann" not in shown
    assert world.lake.read(AlertActions, [SEVEN])["text"].to_pylist() == ["on the floor"]


@pytest.mark.parametrize("content", ['"rule":"FELL"', '"text":7', '"at":"2026-01-05T09:00:00+00:00"'])
def test_a_file_that_the_table_could_not_hold_costs_itself_and_not_its_hour(
    content: str, world: World
) -> None:
    field = content.partition(":")[0]
    fields = GOOD.to_json().removeprefix("{").removesuffix("}").split(",")
    words = ",".join([*(f for f in fields if not f.startswith(field)), content])
    (world.folder / world.good.name.replace("T0712", "T0713")).write_text("{" + words + "}")
    (told,) = world.run(SEVEN, SEVEN).values()
    assert (told.passed, told.metadata["refused"].value) == (False, 1)
    assert world.lake.read(AlertActions, [SEVEN]).num_rows == 1


def test_a_misnamed_file_is_a_warning_of_every_hour_that_is_run(world: World) -> None:
    (world.folder / "note-from-nurse.json").write_text(GOOD.to_json())
    told = world.run(SEVEN, EIGHT)
    assert [told[key].passed for key in (SEVEN, EIGHT)] == [False, False]
    assert [told[key].metadata["misnamed"].value for key in (SEVEN, EIGHT)] == [1, 1]
    assert "note-from-nurse.json" in str(told[EIGHT].metadata)
