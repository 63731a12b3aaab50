"""Structured logs: one JSON object a line, each with its run, job, step and partition.

What belongs here: how a log record is written down. What does not: what is logged.

`dagster.yaml` names the handler; lines go to `<data folder>/logs/events.jsonl`, which rotates. A message
never quotes a row, so no personal data gets here.
"""

import json
import logging
import logging.handlers
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fallrisk_assets.lake.resource import data_folder

_MAX_BYTES = 20_000_000
_FILES = 5


class JsonFormatter(logging.Formatter):
    """Formats a record, Dagster's or any other, as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line."""
        meta: dict[str, Any] = getattr(record, "dagster_meta", None) or {}
        tags = meta.get("job_tags") or {}
        event = meta.get("dagster_event")
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "run": meta.get("run_id") or getattr(record, "run", None),
            "job": meta.get("job_name"),
            "step": meta.get("step_key"),
            "partition": getattr(record, "partition", None) or partition_of(tags, event),
            "event": getattr(getattr(event, "event_type", None), "value", None),
            "logger": record.name,
            "message": meta.get("orig_message") or record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps({k: v for k, v in line.items() if v is not None}, default=str)


def partition_of(tags: dict[str, str], event: Any = None) -> str | None:
    """Return the partition, or the range of partitions, that a record is about."""
    if event is not None and getattr(event, "partition", None):
        return event.partition
    if "dagster/partition" in tags:
        return tags["dagster/partition"]
    first, last = (tags.get(f"dagster/asset_partition_range_{end}") for end in ("start", "end"))
    return f"{first}…{last}" if first and last else None


class JsonFileHandler(logging.handlers.RotatingFileHandler):
    """Appends JSON lines to `<data folder>/logs/events.jsonl`, opened at the first record."""

    def __init__(self) -> None:
        folder = Path(data_folder()) / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder / "events.jsonl", maxBytes=_MAX_BYTES, backupCount=_FILES, delay=True)
        self.setFormatter(JsonFormatter())
