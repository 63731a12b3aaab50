"""Answers of surveys judged one by one: ratings, and what patients wrote.

Here: an object of a feedback drop to a row or a refusal. Not here: JSON itself (`json_file.py`), repeated
answers (`day.py`), what comments mean.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from fallrisk_assets.clinic.contract import PATIENT_ID
from fallrisk_assets.clinic.csv_file import CellError, Cells, Record, Refusal, each_row
from fallrisk_assets.clinic.json_file import read_json_objects
from fallrisk_assets.clinic.operations.contract import APPOINTMENT_ID, PROVIDER_ID, TEXT_ID
from fallrisk_assets.clinic.operations.lines import check_past, content_hash, instant

RATINGS = (
    "provider_rating",
    "ease_of_use_rating",
    "audio_quality_rating",
    "video_quality_rating",
    "overall_satisfaction",
)
_LONGEST_COMMENT = 5_000
_ALIASES = {"comment": "comments", "recommend": "would_recommend", "satisfaction": "overall_satisfaction"}


def parse_feedback(
    file: str, data: bytes, received_date: date, received_at: datetime, zones: Mapping[str, str]
) -> tuple[list[dict[str, Any]], list[Refusal], int]:
    """Judge a drop of feedback: one object, an array, or a line for each.

    A rating is a whole number from 1 to 5, or absent; 0 is no answer that anybody could have given
    (RATING_INVALID). An answer without any rating, recommendation or comment says nothing (FEEDBACK_EMPTY).

    Args:
        file: name of the drop.
        data: its bytes.
        received_date: UTC day of its receipt.
        received_at: time of its receipt.
        zones: IANA zone by provider, for times without an offset.

    Returns:
        Rows of `Feedback`, the refused objects, and how many objects there were.
    """
    lines, refusals = read_json_objects(data, _ALIASES)
    received = len(lines) + len(refusals)

    def read(cells: Cells) -> dict[str, Any]:
        return _answer(cells, received_at, zones)

    rows, refused = each_row(lines, read, "patient_id")
    return [_placed(file, received_date, *row) for row in rows], [*refusals, *refused], received


def _placed(file: str, received_date: date, line: Record, row: dict[str, Any]) -> dict[str, Any]:
    return {"received_date": received_date, "file": file, "line": line.line, **row}


def _answer(cells: Cells, received_at: datetime, zones: Mapping[str, str]) -> dict[str, Any]:
    provider_id = cells.optional_matching("provider_id", PROVIDER_ID)
    zone = zones.get(provider_id or "")
    given_at, flag = None, None
    if cells.optional_text("timestamp") is not None:
        given_at, flag = instant(cells, "timestamp", zone)
        check_past("timestamp", given_at, received_at)
    row: dict[str, Any] = {
        "feedback_id": cells.matching("feedback_id", TEXT_ID),
        "appointment_id": cells.matching("appointment_id", APPOINTMENT_ID),
        "patient_id": cells.matching("patient_id", PATIENT_ID),
        "provider_id": provider_id,
        "feedback_date": _day(cells, given_at, zone, received_at),
        **{name: _rating(cells, name) for name in RATINGS},
        "would_recommend": cells.optional_flag("would_recommend"),
        "comments": cells.short_text("comments", _LONGEST_COMMENT),
        "given_at": given_at,
        "time_flag": flag,
    }
    if all(row[name] is None for name in (*RATINGS, "would_recommend", "comments")):
        raise CellError("FEEDBACK_EMPTY", "no rating, no recommendation and no comment")
    return {**row, "content_hash": content_hash(row)}


def _rating(cells: Cells, column: str) -> int | None:
    try:
        rating = cells.optional_count(column, 5)
    except CellError as error:
        raise CellError("RATING_INVALID", f"{column} is no whole number from 1 to 5") from error
    if rating == 0:
        raise CellError("RATING_INVALID", f"{column} is 0; leave it out where there is no answer")
    return rating


def _day(cells: Cells, given_at: datetime | None, zone: str | None, received_at: datetime) -> date:
    if cells.optional_text("feedback_date") is None and given_at is not None:
        return (given_at.astimezone(ZoneInfo(zone)) if zone else given_at).date()
    day = cells.day("feedback_date")
    if (day - received_at.date()).days > 1:  # a day ahead of UTC is one in the far east
        raise CellError("TIME_IN_FUTURE", "feedback_date is after the receipt of the drop")
    return day
