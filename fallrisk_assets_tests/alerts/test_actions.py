"""Actions as append-only files."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallrisk_assets.alerts.actions import (
    Action,
    ActionRefused,
    action_from_json,
    append_action,
    hour_of_action_file,
    read_actions,
)

T0 = datetime(2026, 1, 5, 7, 59, 58, tzinfo=UTC)


def action(kind: str = "acknowledge", **more: object) -> Action:
    fields = {
        "alert_id": "a",
        "subject": "pt-1",
        "rule": "FALL_DETECTED",
        "opened_at": T0,
        "by": "nurse-7",
        "at": T0,
    }
    return Action(kind=kind, **fields | more)  # type: ignore[arg-type]


@given(
    st.one_of(
        st.just(action()),
        st.builds(lambda t: action("note", text=t), st.text(min_size=1)),
        st.builds(lambda m: action("snooze", until=T0 + timedelta(minutes=m)), st.integers(1, 1000)),
        st.builds(lambda o: action("close", outcome=o), st.sampled_from(["confirmed", "false", "device"])),
    )
)
def test_an_action_survives_its_file(one: Action) -> None:
    assert action_from_json(one.to_json()) == one


def test_the_same_deed_twice_is_one_file(tmp_path: Path) -> None:
    assert append_action(tmp_path / "new" / "folder", action()) == append_action(
        tmp_path / "new" / "folder", action()
    )
    assert len(list((tmp_path / "new" / "folder").iterdir())) == 1


def test_two_deeds_in_the_same_second_are_two_files(tmp_path: Path) -> None:
    append_action(tmp_path, action(by="nurse-7"))
    append_action(tmp_path, action(by="nurse-8"))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def power_cut(_: int) -> None:
        raise OSError("power cut")

    monkeypatch.setattr(os, "fsync", power_cut)
    with pytest.raises(OSError, match="power cut"):
        append_action(tmp_path, action())
    assert [p for p in tmp_path.iterdir() if not p.name.startswith(".")] == []


def test_the_hour_of_an_action_is_read_from_its_name() -> None:
    assert hour_of_action_file(action().file_name) == T0.replace(minute=0, second=0)
    assert hour_of_action_file("notes.txt") is None
    assert hour_of_action_file(action().file_name.replace("20260105", "20260631")) is None


def test_a_bad_file_costs_that_file_and_is_named() -> None:
    no_patient = json.loads(action().to_json())
    del no_patient["subject"]
    files = [
        ("good.json", action().to_json().encode()),
        ("torn.json", action().to_json().encode()[:40]),
        ("missing.json", json.dumps(no_patient).encode()),
        ("again.json", action().to_json().encode()),
    ]
    actions, refused = read_actions(files)
    assert actions == [action()]
    assert [r.split(":")[0] for r in refused] == ["missing.json", "torn.json"]


def test_a_file_whose_name_says_another_hour_than_its_content_is_refused() -> None:
    name = action().file_name.replace("T0759", "T0859")
    assert read_actions([(name, action().to_json().encode())])[0] == []
    assert read_actions([(action().file_name, action().to_json().encode())])[0] == [action()]


@pytest.mark.parametrize(
    ("kind", "more", "named"),
    [
        ("shout", {}, "must be one of acknowledge"),
        ("assign", {}, "to is required"),
        ("snooze", {}, "until is required"),
        ("snooze", {"until": T0}, "must be after"),
        ("close", {}, "outcome is required"),
        ("close", {"outcome": "maybe"}, "confirmed, false, device"),
        ("note", {}, "text is required"),
        ("acknowledge", {"by": ""}, "by is required"),
        ("acknowledge", {"rule": "FELL"}, "rule must be one of FALL_DETECTED"),
        ("note", {"text": 7}, "text must be text"),
        ("acknowledge", {"at": datetime(2026, 1, 5)}, "time zone"),  # noqa: DTZ001
    ],
)
def test_an_action_that_cannot_be_folded_is_refused_with_what_is_allowed(
    kind: str, more: dict, named: str
) -> None:
    with pytest.raises(ActionRefused, match=named):
        action(kind, **more)
