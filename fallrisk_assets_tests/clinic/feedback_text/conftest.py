"""A simulated clinic's answers in a lake, judged, made once for the tests of the assets."""

import json
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from fallrisk_assets.clinic.feedback_text.assets import feedback_sentiment, feedback_topics
from fallrisk_assets.clinic.operations.assets import clinic_operations
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import Landing
from simulator.clinic_operations import OperationsOptions, simulate_clinic

DAYS = ("2026-01-05", "2026-01-06", "2026-01-07")
CANARY = "zebrafishhh"
"""A word of one patient that must be nowhere but in the drop and in `clean.feedback`."""
NO_COMMENT = "FB-no-comment"


def judge(lake: Lake, first: str, last: str | None = None) -> dg.ExecuteInProcessResult:
    """Run both assets for a day, or a range in one run."""
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    return dg.materialize(
        [feedback_sentiment, feedback_topics],
        partition_key=None if last else first,
        tags=tags if last else None,
        resources={"lake": lake},
    )


def answer(feedback_id: str, comments: str | None) -> dict[str, object]:
    """An answer as the survey's system writes it."""
    return {
        "feedback_id": feedback_id,
        "appointment_id": "APT0000001",
        "patient_id": "PAT100001",
        "provider_id": "PROV0001",
        "feedback_date": "2026-01-07",
        "overall_satisfaction": 5,
        "comments": comments,
        "timestamp": "2026-01-07T12:00:00Z",
    }


@pytest.fixture(scope="session")
def judged_lake(tmp_path_factory) -> Lake:
    folder: Path = tmp_path_factory.mktemp("feedback_text_clinic")
    simulate_clinic(folder / "landing", None, 150, OperationsOptions(date(2026, 1, 5), 3, 5, 4, 30.0))
    extra = [
        answer("FB-terrible", "Terrible sound, very bad picture"),
        answer("FB-canary", f"{CANARY} was very good and helpful and {CANARY} was kind"),
        answer("FB-unknown", f"{CANARY} xyzzy plugh"),
        answer(NO_COMMENT, None),
    ]
    drop = folder / "landing" / "clinic" / "20260107T120500Z-feedback.json"
    drop.write_text(json.dumps(extra))
    lake = Lake(root=str(folder / "lake"))
    tags = {"dagster/asset_partition_range_start": DAYS[0], "dagster/asset_partition_range_end": DAYS[-1]}
    dg.materialize(
        [clinic_operations],
        tags=tags,
        resources={"lake": lake, "landing": Landing(root=str(folder / "landing"))},
    )
    assert judge(lake, DAYS[0], DAYS[-1]).success
    return lake
