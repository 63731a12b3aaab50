"""One look at what has happened since the last, and telling it to every sink.

What belongs here: finding what is new in the lake's ledger and among the pages, and sending what waits. What
does not: the sensor that does it (`sensor.py`).

The lake's ledger and the pages' are what happened; both are there whatever became of an event. So nothing has
to be told in the moment it happens, and a sink that was away is told later.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from fallrisk_assets.alerts.outbox import Ledger
from fallrisk_assets.alerts.rules import RULES
from fallrisk_assets.events.ledger import EventLedger
from fallrisk_assets.events.sinks import Sink, SinkUnavailable
from fallrisk_assets.events.stages import ALERT_STAGES, STAGES, StageEvent, paged, published
from fallrisk_assets.lake import Lake

_SENT_AT_ONCE = 500


@dataclass
class Told:
    """What one look found and sent.

    Attributes:
        new: Events that were not known before.
        sent: Events taken, by sink.
        waiting: Why a sink did not take all, by sink.
    """

    new: int = 0
    sent: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)


def look(lake: Lake, pages: Ledger, cursor: str | None) -> tuple[list[StageEvent], str]:
    """Return what has happened since a cursor, and the next cursor.

    Without a cursor nothing has: what was there before events were switched on is no news. What has the
    cursor's own time is looked at again, and is the same event.
    """
    before: Mapping[str, int] | None = json.loads(cursor) if cursor else None
    after: dict[str, int] = {}
    found: list[StageEvent] = []
    for stage, model in STAGES.items():
        changes = lake.ledger.changes(model)
        since_ns = before.get(stage, 0) if before is not None else max(changes.values(), default=0)
        after[stage] = max([since_ns, *changes.values()])
        if before is None:
            continue
        for key, changed_ns in sorted(changes.items()):
            entry = lake.ledger.find(model, key) if changed_ns >= since_ns else None
            if entry is not None:
                found.append(published(stage, entry, datetime.fromtimestamp(changed_ns / 1e9, UTC)))
    since = before.get("pages") if before is not None else None
    first, newest = pages.first_pages(since)
    after["pages"] = newest
    if before is not None:
        found += [paged(p) for p in first if p.rule in RULES and p.transition in ALERT_STAGES]
    return found, json.dumps(after, sort_keys=True)


def tell(ledger: EventLedger, sinks: Sequence[Sink], events: Sequence[StageEvent], now: datetime) -> Told:
    """Note events and send each sink what it has not taken yet; a sink that is away keeps no other waiting.

    Raises:
        Misconfigured: a sink refuses for good; what the others take is noted, and nothing is lost.
    """
    told = Told()
    ledger.meet(sink.name for sink in sinks)
    told.new = ledger.note(events)
    refused: list[ValueError] = []
    for sink in sinks:
        while waiting := ledger.waiting(sink.name, _SENT_AT_ONCE):
            taken: Sequence[StageEvent] = waiting
            try:
                sink.send(waiting)
            except (SinkUnavailable, OSError) as away:
                taken = away.taken if isinstance(away, SinkUnavailable) else ()
                told.waiting[sink.name] = str(away)
            except ValueError as error:
                taken = ()
                refused.append(error)
            ledger.taken(sink.name, taken, now)
            told.sent[sink.name] = told.sent.get(sink.name, 0) + len(taken)
            if len(taken) < len(waiting):
                break
    if refused:
        raise refused[0]
    return told
