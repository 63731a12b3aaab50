"""The registry as files and tables: events in the landing zone, assignments in the lake, kept fresh.

What belongs here: reading and putting them. What does not: what they mean (`registry.py`).
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from fallrisk_assets.clinic.contract import DeviceAssignment
from fallrisk_assets.clinic.identity import Assignment, resolve_assignments
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import RECEIVED_AT_FORMAT, Landing
from fallrisk_assets.streams.registry import Registry, RegistryEvent, as_line, entries, read_events

logger = logging.getLogger(__name__)

REGISTRY_FOLDER = "registry"
REFRESH_S = 30.0


def put_events(landing: Landing, events: Sequence[RegistryEvent], received_at: datetime) -> str:
    """Put events into the landing zone as one file; returns its key."""
    content = b"".join(as_line(event) for event in events)
    stamp = received_at.astimezone(UTC).strftime(RECEIVED_AT_FORMAT)
    key = f"{REGISTRY_FOLDER}/{stamp}-devices-{hashlib.sha256(content).hexdigest()[:8]}.jsonl"
    landing.put_if_absent(key, content)
    return key


def read_registry(landing: Landing, keys: Iterable[str]) -> tuple[list[RegistryEvent], list[str]]:
    """Read registry files; returns their events, and what is wrong with lines that are none."""
    events: list[RegistryEvent] = []
    problems: list[str] = []
    for key in keys:
        found, wrong = read_events(landing.read(key))
        events += found
        problems += [f"{key}, {problem}" for problem in wrong]
    return events, problems


def assignments_in(lake: Lake) -> Mapping[str, Sequence[Assignment]]:
    """Return who wore each device when, from every snapshot that was published."""
    return resolve_assignments(lake.read(DeviceAssignment, lake.ledger.keys(DeviceAssignment)))


class RegistrySource:
    """The registry as it is now: read again every so often, and kept as it was while that fails.

    Args:
        landing: Where registry events are.
        assignments: Gives who wore each device when.
        refresh_s: How old the registry may be.
        clock: Seconds that only ever increase.
    """

    def __init__(
        self,
        landing: Landing,
        assignments: Callable[[], Mapping[str, Sequence[Assignment]]],
        refresh_s: float = REFRESH_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._landing, self._assignments = landing, assignments
        self._refresh_s, self._clock = refresh_s, clock
        self._events: dict[str, list[RegistryEvent]] = {}
        self._held = self._read()
        self._read_at = clock()

    def __call__(self) -> Registry:
        """Return the registry, at most `refresh_s` old while it can be read."""
        if self._clock() - self._read_at >= self._refresh_s:
            self._read_at = self._clock()
            try:
                self._held = self._read()
            except OSError as failed:
                logger.error("the registry cannot be read, what was known of it holds: %s", failed)
        return self._held

    def _read(self) -> Registry:
        for file in self._landing.list(REGISTRY_FOLDER):
            if file.key not in self._events:
                self._events[file.key], problems = read_registry(self._landing, [file.key])
                for problem in problems:
                    logger.error("%s: left out; put a mended line in a new file", problem)
        return Registry(entries(_all(self._events.values())), self._assignments())


def _all(parts: Iterable[list[RegistryEvent]]) -> Iterable[RegistryEvent]:
    for part in parts:
        yield from part
