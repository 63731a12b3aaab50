"""What a pull has received so far, kept so that the next one goes on where this one stopped.

Here: pages, marks and the drop, each written whole, beside the landing zone's drops. Not here: asking
(`client.py`), the order of a pull (`pull.py`).

`scheduling_api/` in the landing zone has `mark.json` (up to when everything is dropped) and, while a pull is
unfinished, `pull/` with one file a page and, once the drop's name is chosen, `drop.json`. They hold people's
data for as long as a pull is unfinished, as the drops do for ever.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.fs as pafs

from fallrisk_assets.clinic.files import FOLDER, SCHEDULING_API
from fallrisk_assets.lake import objects
from fallrisk_assets.lake.landing import RECEIVED_AT_FORMAT, Landing

PLACE = "scheduling_api"


@dataclass(frozen=True, slots=True)
class Page:
    """What one page of the API gave.

    Attributes:
        feed: Which list it is a page of.
        next_cursor: Where the next page begins; None after the last.
        as_of: Up to when the API's list tells; None where it does not say.
        appointment_ids: Appointments that it named and that were asked for, found or not.
        lines: Their details, one JSON text each.
        gone: How many of them were not there any more.
    """

    feed: str
    next_cursor: str | None
    as_of: str | None
    appointment_ids: tuple[str, ...]
    lines: tuple[str, ...]
    gone: int


class Spool:
    """The unfinished pull and the mark of the last finished one, in a landing zone."""

    def __init__(self, landing: Landing) -> None:
        self._filesystem, base = landing.located
        self._landing, self._base = base, f"{base}/{PLACE}"

    @property
    def lock_path(self) -> str:
        """Of the lock that lets one pull run at a time."""
        return f"{self._base}/.lock"

    @property
    def filesystem(self) -> pafs.FileSystem:
        """Where the landing zone is."""
        return self._filesystem

    def mark(self) -> str | None:
        """Return up to when everything was dropped, None before the first pull."""
        found = self._read("mark.json")
        return None if found is None else found["as_of"]

    def pages(self) -> list[Page]:
        """Return the pages of the unfinished pull, in order; none where there is no such pull."""
        selector = pafs.FileSelector(f"{self._base}/pull", allow_not_found=True)
        names = sorted(
            info.base_name
            for info in self._filesystem.get_file_info(selector)
            if info.base_name.startswith("page-")
        )
        return [_page(self._read(f"pull/{name}") or {}) for name in names]

    def keep(self, number: int, page: Page) -> None:
        """Keep a page, the first being 1."""
        content = {name: getattr(page, name) for name in Page.__dataclass_fields__}
        self._write(f"pull/page-{number:06d}.json", content)

    def finish(self, pages: Sequence[Page], as_of: str, finished_at: dt.datetime) -> str | None:
        """Drop what the pages hold, advance the mark, forget the pages; returns the drop's key.

        Whoever stops in the middle of it does the same again: the drop's name is kept before the drop is
        written. A pull without an appointment gives no drop.
        """
        text = "".join(f"{line}\n" for page in pages for line in page.lines)
        key = None
        if text:
            chosen = self._read("pull/drop.json")
            if chosen is None:
                stamp = finished_at.astimezone(dt.UTC).strftime(RECEIVED_AT_FORMAT)
                sha8 = hashlib.sha256(text.encode()).hexdigest()[:8]
                chosen = {"key": f"{FOLDER}/{stamp}-{SCHEDULING_API}-{sha8}.jsonl"}
                self._write("pull/drop.json", chosen)
            key = str(chosen["key"])
            objects.write_whole(self._filesystem, f"{self._landing}/{key}", text.encode())
        self._write("mark.json", {"as_of": as_of})
        self._filesystem.delete_dir_contents(f"{self._base}/pull", missing_dir_ok=True)
        return key

    def _read(self, name: str) -> dict[str, Any] | None:
        raw = objects.read_whole(self._filesystem, f"{self._base}/{name}")
        return None if raw is None else json.loads(raw)

    def _write(self, name: str, content: dict[str, Any]) -> None:
        objects.write_whole(self._filesystem, f"{self._base}/{name}", json.dumps(content).encode())


def _page(content: dict[str, Any]) -> Page:
    return Page(
        content["feed"],
        content["next_cursor"],
        content["as_of"],
        tuple(content["appointment_ids"]),
        tuple(content["lines"]),
        content["gone"],
    )
