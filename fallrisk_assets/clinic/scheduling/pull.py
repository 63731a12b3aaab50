"""One pull of the scheduling API: what changed since the last one, and what lies two weeks ahead.

Here: the order of the questions and what their answers must hold. Not here: HTTP (`client.py`), what is kept
(`spool.py`), judging the records, which is the same as for a file's (`operations/log.py`).

The API's contract, as the simulator's server speaks it:

- `GET appointments?updated_since=…&limit=…&cursor=…`: `{"as_of", "items": [{"appointment_id"}], "next"}`, by
  time of change; `as_of` is up to when the list tells, by the API's own clock.
- `GET appointments/{id}`: an appointment in the form of one record, with its status.
- `GET providers?limit=…&cursor=…`: `{"items": [{"provider_id"}], "next"}`.
- `GET providers/{id}/schedule?days=14`: `{"items": [{"appointment_id"}]}`.

The schedules find what the list of changes missed; what both name is asked for once.
"""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fallrisk_assets.clinic.scheduling.client import Refused, SchedulingApi
from fallrisk_assets.clinic.scheduling.spool import Page, Spool
from fallrisk_assets.lake import objects

DAYS_AHEAD = 14
PAGE_SIZE = 100
CHANGES, SCHEDULES = "appointments", "providers"


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull gave.

    Attributes:
        key: The drop; None where nothing changed and nothing lies ahead.
        appointments: Lines of it.
        gone: Appointments that were named and were not there any more when they were asked for.
        pages_resumed: Pages that an unfinished pull had received before.
        as_of: Up to when everything is dropped now.
    """

    key: str | None
    appointments: int
    gone: int
    pages_resumed: int
    as_of: str


def pull(
    api: SchedulingApi, spool: Spool, now: Callable[[], dt.datetime], page_size: int = PAGE_SIZE
) -> Pulled:
    """Pull what changed, and drop it; an unfinished pull is gone on with.

    Args:
        api: Whom to ask.
        spool: What is kept between pulls.
        now: The time, asked when the drop is complete: its time of receipt.
        page_size: Appointments or providers a page.

    Raises:
        SchedulingApiError: the API gave no usable answer; the pages received so far are kept.
    """
    with objects.locked(spool.filesystem, spool.lock_path) as still_mine:
        pages = spool.pages()
        resumed = len(pages)
        seen = {one for page in pages for one in page.appointment_ids}
        since = spool.mark()
        while (question := _next_question(pages)) is not None:
            page = _asked(api, *question, since, page_size, seen)
            still_mine()
            pages.append(page)
            spool.keep(len(pages), page)
        as_of = next(page.as_of for page in pages if page.as_of)
        still_mine()
        key = spool.finish(pages, as_of, now())
    lines, gone = sum(len(page.lines) for page in pages), sum(page.gone for page in pages)
    return Pulled(key, lines, gone, resumed, as_of)


def _next_question(pages: list[Page]) -> tuple[str, str | None] | None:
    """Return the list to ask for and where its page begins; None where everything was asked."""
    if not pages:
        return CHANGES, None
    last = pages[-1]
    if last.next_cursor is not None:
        return last.feed, last.next_cursor
    return (SCHEDULES, None) if last.feed == CHANGES else None


def _asked(
    api: SchedulingApi, feed: str, cursor: str | None, since: str | None, size: int, seen: set[str]
) -> Page:
    answer = _there(
        api.get(feed, updated_since=since if feed == CHANGES else None, limit=size, cursor=cursor), feed
    )
    cursor_after = answer.get("next")
    if cursor_after is not None and (not isinstance(cursor_after, str) or cursor_after == cursor):
        raise Refused(f"scheduling API: the page of {feed} after this one cannot be told; it would not end")
    as_of = _text(answer, "as_of", feed) if feed == CHANGES else None
    named = _ids(answer, "appointment_id", feed) if feed == CHANGES else _scheduled(api, answer)
    ids, lines = [], []
    for one in named:
        if one in seen:
            continue
        seen.add(one)
        ids.append(one)
        details = api.get(f"appointments/{one}")
        if details is not None:
            if details.get("appointment_id") != one:
                raise Refused("scheduling API: details of another appointment than was asked for")
            lines.append(json.dumps(details, ensure_ascii=False, sort_keys=True))
    return Page(feed, cursor_after, as_of, tuple(ids), tuple(lines), len(ids) - len(lines))


def _scheduled(api: SchedulingApi, providers: dict[str, Any]) -> Iterator[str]:
    for provider_id in _ids(providers, "provider_id", SCHEDULES):
        path = f"providers/{provider_id}/schedule"
        schedule = api.get(path, days=DAYS_AHEAD)
        yield from _ids(schedule, "appointment_id", path) if schedule is not None else ()


def _there(answer: dict[str, Any] | None, path: str) -> dict[str, Any]:
    if answer is None:
        raise Refused(f"scheduling API: there is no {path}; is the address right?")
    return answer


def _text(answer: dict[str, Any], name: str, path: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise Refused(f"scheduling API: the answer to {path} has no text {name}")
    return value


def _ids(answer: dict[str, Any], name: str, path: str) -> list[str]:
    items = answer.get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Refused(f"scheduling API: the answer to {path} has no list of items")
    return [_text(item, name, path) for item in items]
