"""Falls found live become alerts in the outbox: the ones that the hourly assets give from the same samples.

What belongs here: the person's earlier falls and what was done about them, the fold, telling. What does not:
finding falls (`live.py`), how alerts fold (`alerts/episodes.py`), how pages are sent (`alerts/delivery.py`).

Nobody is called twice. From the same samples the same alert follows, under the same id, and the ledger knows
its pages. Where late samples move an impact, the hourly alert has another id and overlapping time, and its
page is a duplicate to the ledger. A fall that the hourly assets know already (device, and impact within 2 s)
is theirs.
"""

import logging
import queue
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

import pyarrow.compute as pc

from fallrisk_assets.alerts.actions import ACTIONS_FOLDER, Action, files_by_hour, read_actions
from fallrisk_assets.alerts.contract import Alerts
from fallrisk_assets.alerts.delivery import deliver
from fallrisk_assets.alerts.episodes import fold
from fallrisk_assets.alerts.observations import fall_observations
from fallrisk_assets.alerts.outbox import Ledger, OutboxBusy
from fallrisk_assets.alerts.resource import OutboxResource
from fallrisk_assets.alerts.rules import (
    FALL_DETECTED,
    FALL_PROBABILITY_CRITICAL,
    HOURLY_ACTIONS_LOOK_BACK,
    HOURLY_LOOK_BACK,
    OPENED,
)
from fallrisk_assets.alerts.slices import alerts_table
from fallrisk_assets.alerts.values import Observation
from fallrisk_assets.lake import Lake
from fallrisk_assets.lake.landing import Landing
from fallrisk_assets.partitions import HOUR, hour_key, hour_range, window_of
from fallrisk_assets.risk.contract import FallEvents
from fallrisk_assets.streams.live import SAME_IMPACT_US, LiveFall

logger = logging.getLogger(__name__)

_SAME = timedelta(microseconds=SAME_IMPACT_US)
_NAMES = ("event_id", "device_id", "patient_id", "impact_at", "decided_at", "probability")
_QUEUE = 1_000
_DELAYS = 10_000
#: How long a process that shall end goes on trying.
_LAST_TRIES_S = 20.0


class LiveAlerts:
    """Tells falls; belongs to one thread.

    Args:
        lake: Where the falls of the hourly assets are, patients and contacts.
        landing: Where people's actions are.
        outbox: Ledger, channels and clock.
    """

    def __init__(self, lake: Lake, landing: Landing, outbox: OutboxResource) -> None:
        self._lake, self._landing, self._outbox = lake, landing, outbox
        self._found: dict[str, dict[str, LiveFall]] = defaultdict(dict)

    def tell(self, falls: Sequence[LiveFall]) -> set[str]:
        """Put the alerts of falls into the outbox, and send; returns the alerts' ids.

        Telling a fall again changes nothing.

        Raises:
            OutboxBusy: another process is delivering; what is enqueued leaves with it, or when told again.
            OSError: lake or landing zone cannot be read; tell again.
        """
        if not falls:
            return set()
        last = max(_at(fall.decided_us) for fall in falls)
        end = window_of(hour_key(last))[1]
        start = end - HOURLY_LOOK_BACK
        for fall in falls:
            self._found[fall.patient_id][fall.event_id] = fall
        self._forget(start)
        patients = sorted({fall.patient_id for fall in falls})
        observations = self._observations(patients, start, end)
        actions = self._actions(end)
        alerts = fold(observations, actions, end=end, as_of=last, look_back=HOURLY_LOOK_BACK)
        news = {fall.event_id: _at(fall.received_us) for fall in falls}
        heard = {
            alert.alert_id: max(news[source] for source in alert.source_ids if source in news)
            for alert in alerts
            if news.keys() & set(alert.source_ids)
        }
        told = [alert for alert in alerts if alert.alert_id in heard]
        rows = alerts_table(Alerts, told, start=end - HOUR, as_of=last).to_pylist()
        deliver(self._lake, self._outbox, rows, heard=heard)
        return set(heard)

    def _observations(self, patients: Sequence[str], start: datetime, end: datetime) -> list[Observation]:
        """Falls of these patients: those of the lake, those found here, those that somebody was told of."""
        table = self._lake.read(
            FallEvents,
            hour_range(hour_key(start), hour_key(end - HOUR)),
            columns=list(_NAMES),
            where=pc.field("patient_id").isin(patients),
            optional=True,
        )
        found = fall_observations(table)
        impacts = defaultdict(list)
        for device, impact in zip(
            table["device_id"].to_pylist(), table["impact_at"].to_pylist(), strict=True
        ):
            impacts[device].append(impact)
        for fall in (f for patient in patients for f in self._found[patient].values()):
            own = _at(fall.impact_us)
            if all(abs(own - impact) > _SAME for impact in impacts[fall.device_id]):
                found.append(_observation(fall))
        with self._outbox.ledger() as ledger:
            told = [o for patient in patients for o in _told(ledger, patient) if start <= o.at < end]
        known = [(o.subject, o.at) for o in found]
        found += [o for o in told if all(s != o.subject or abs(at - o.at) > _SAME for s, at in known)]
        return found

    def _actions(self, end: datetime) -> list[Action]:
        files, _ = files_by_hour(file.key for file in self._landing.list(ACTIONS_FOLDER))
        hours = hour_range(hour_key(end - HOURLY_ACTIONS_LOOK_BACK), hour_key(end - HOUR))
        names = [name for hour in hours for name in files.get(hour, ())]
        actions, _ = read_actions((name, self._landing.read(name)) for name in names)
        return [action for action in actions if action.rule == FALL_DETECTED]

    def _forget(self, before: datetime) -> None:
        for patient, falls in list(self._found.items()):
            kept = {name: fall for name, fall in falls.items() if _at(fall.decided_us) >= before}
            if kept:
                self._found[patient] = kept
            else:
                del self._found[patient]


class Teller:
    """A thread that tells falls, so that finding them never waits for a mail server; it forgets none.

    Args:
        tell: `LiveAlerts.tell`.
        clock: Seconds since the epoch.
        pause: Waits for some seconds.

    Attributes:
        delays_s: From a fall's message to its alert in the outbox, the latest ones.
    """

    def __init__(
        self,
        tell: Callable[[Sequence[LiveFall]], object],
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._tell, self._clock, self._pause = tell, clock, pause
        self._waiting: queue.Queue[LiveFall | None] = queue.Queue(_QUEUE)
        self._thread = threading.Thread(target=self._run, name="teller", daemon=True)
        self._failed: BaseException | None = None
        self._ends_at: float | None = None
        self.delays_s: deque[float] = deque(maxlen=_DELAYS)
        self.told = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def put(self, falls: Iterable[LiveFall]) -> None:
        """Have falls told; waits while very many do.

        Raises:
            RuntimeError: telling has ended for good.
        """
        for fall in falls:
            while True:
                self._check()
                try:
                    self._waiting.put(fall, timeout=1.0)
                    break
                except queue.Full:
                    continue

    @property
    def is_idle(self) -> bool:
        """Whether all falls were told."""
        self._check()
        return self._waiting.unfinished_tasks == 0

    def stop(self) -> None:
        """Tell what waits, and end.

        Raises:
            RuntimeError: some could not be told; the hourly assets find them in the drops.
        """
        self._ends_at = self._clock() + _LAST_TRIES_S
        self._waiting.put(None)
        self._thread.join()
        self._check()

    def _check(self) -> None:
        if self._failed is not None:
            raise RuntimeError(f"falls are told no more: {self._failed}") from self._failed

    def _run(self) -> None:
        try:
            ended = False
            while not ended:
                taken = [self._waiting.get()]
                while not self._waiting.empty():
                    taken.append(self._waiting.get())
                ended = None in taken
                if falls := [fall for fall in taken if fall is not None]:
                    self._until_told(falls)
                for _ in taken:
                    self._waiting.task_done()
        except BaseException as failed:
            self._failed = failed
            raise

    def _until_told(self, falls: list[LiveFall]) -> None:
        wait_s = 0.2
        while True:
            try:
                self._tell(falls)
                break
            except OutboxBusy:
                logger.info("another process is delivering, again in %.1f s", wait_s)
            except OSError as failed:
                logger.error("%s falls not told, again in %.1f s: %s", len(falls), wait_s, failed)
            if self._ends_at is not None and self._clock() > self._ends_at:
                raise RuntimeError(
                    f"{len(falls)} falls were found and not told: {[f.event_id for f in falls]}"
                )
            self._pause(wait_s)
            wait_s = min(2 * wait_s, 10.0)
        now = self._clock()
        self.told += len(falls)
        self.delays_s.extend(now - fall.received_us / 1e6 for fall in falls)


def _observation(fall: LiveFall) -> Observation:
    return Observation(
        at=_at(fall.decided_us),
        rule=FALL_DETECTED,
        source_id=fall.event_id,
        patient_id=fall.patient_id,
        device_id=fall.device_id,
        severity="critical" if fall.probability >= FALL_PROBABILITY_CRITICAL else "high",
    )


def _told(ledger: Ledger, patient: str) -> list[Observation]:
    """Falls that a person's pages are about: a process that was restarted knows no others."""
    return [
        Observation(page.opened_at, FALL_DETECTED, f"page|{page.alert_id}", patient, severity=page.severity)
        for page in (delivery.page for delivery in ledger.deliveries(subject=patient))
        if page.rule == FALL_DETECTED and page.transition == OPENED and page.level == 0
    ]


def _at(moment_us: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=moment_us)
