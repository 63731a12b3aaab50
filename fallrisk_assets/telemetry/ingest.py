"""From drops to published hours: which drops an hour consists of, read once, device by device.

Here: deciding which buckets of which hours changed, and streaming them through parsing, cleaning and
coverage into publications. Not here: the index (`drop_index.py`), how a line is judged (`parse.py`,
`clean.py`), Dagster (`assets.py`).
"""

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.clinic.identity import Assignment as IdentityAssignment
from fallrisk_assets.contract import conform, empty_table
from fallrisk_assets.lake import Lake, Publication
from fallrisk_assets.lake.files import combined_hash, content_hash
from fallrisk_assets.lake.landing import LandedFile, Landing
from fallrisk_assets.partitions import device_bucket, hour_key, window_of
from fallrisk_assets.telemetry.clean import Assignment, CleanedHour, clean_device_hour
from fallrisk_assets.telemetry.contract import (
    DeviceHourCoverage,
    Telemetry,
    TelemetryDrops,
    TelemetryQuarantine,
)
from fallrisk_assets.telemetry.coverage import device_hour_coverage
from fallrisk_assets.telemetry.drop_index import IndexRow, index_rows, index_table, register
from fallrisk_assets.telemetry.drops import (
    BadDropName,
    DropName,
    UnreadableDrop,
    drop_pieces,
    parse_drop_name,
    read_drop_bytes,
)
from fallrisk_assets.telemetry.gather import gather_device_hour, line_payloads
from fallrisk_assets.telemetry.hour_tables import coverage_table, quarantine_table, samples_table
from fallrisk_assets.telemetry.parse import ParsedDrop, parse_pieces
from fallrisk_assets.telemetry.parsed import HOUR_US
from fallrisk_assets.telemetry.reasons import Reason
from fallrisk_assets.telemetry.requests import wearers_hash
from fallrisk_assets.telemetry.shelf import DropShelf

#: Raised whenever a rule changes what the same drops give: every hour then counts as changed.
RULES_VERSION = "2"
#: Samples this close to the hour's end are what the next hour reads of it.
TAIL_S = 15

REREAD_TAG = "fallrisk/reread"
FORCE_TAG = "fallrisk/force"
DROPS_FACT, TAIL_FACT, STATE_FACT, WEARERS_FACT = "drops", "tail", "state", "wearers"

_PAYLOADS_PER_DROP_AND_REASON = 10_000
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(slots=True)
class HourCounts:
    """What became of an hour's lines, for metadata and the conservation check."""

    received: int = 0
    clean: int = 0
    duplicates: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    devices: int = 0
    samples: dict[str, int] = field(default_factory=dict)
    verdicts: dict[str, int] = field(default_factory=dict)

    @property
    def refused(self) -> int:
        """Lines and files in the quarantine."""
        return sum(self.quarantined.values())

    def add(self, device: str, cleaned: CleanedHour, verdicts: Iterable[str]) -> None:
        """Count one device."""
        self.samples[device] = cleaned.rows
        for verdict in verdicts:
            self.verdicts[verdict] = self.verdicts.get(verdict, 0) + 1
        self.received += cleaned.received_lines
        self.clean += cleaned.rows
        self.duplicates += cleaned.duplicate_lines
        self.devices += 1
        for reason, count in cleaned.quarantine.by_reason().items():
            self.quarantined[reason] = self.quarantined.get(reason, 0) + count


class Ingest:
    """One run over some hours: registers what landed and publishes what changed.

    Args:
        lake: Where index and samples are.
        landing: Where the drops are.
        publications: Of the four telemetry tables, for the hours of the run.
        assignments: Who wore each device when, from `resolve_assignments`.
        until: End of the newest partition. A drop whose name says that it was received later is from a clock
            that runs ahead: it completes no hour.
        reread: Drops that changed and must be read although they are registered.
        force: Publish every bucket anew, changed or not.
    """

    def __init__(
        self,
        lake: Lake,
        landing: Landing,
        publications: Mapping[type, Publication],
        assignments: Mapping[str, Sequence[IdentityAssignment]],
        *,
        until: dt.datetime,
        reread: Sequence[str] = (),
        force: bool = False,
    ) -> None:
        self._lake = lake
        self._landing = landing
        self._index = publications[TelemetryDrops]
        self._quarantine = publications[TelemetryQuarantine]
        self._samples = publications[Telemetry]
        self._coverage = publications[DeviceHourCoverage]
        self._assignments = assignments
        self._until = until
        self._reread = set(reread)
        self._force = force
        self.keys: list[str] = list(self._samples.keys)
        self.counts: dict[str, HourCounts] = {key: HourCounts() for key in self.keys}
        self.registered = 0
        self._shelf = DropShelf()
        self._unreadable: dict[str, str] = {}
        self._tails: dict[tuple[str, int], list[str]] = {}

    def run(self) -> None:
        """Register the pending drops, then gather every changed bucket of every hour for publication."""
        ahead = hour_key(window_of(self.keys[-1])[1])
        looked_at = sorted({*self.keys, ahead})
        known = index_rows(self._lake.read(TelemetryDrops, looked_at, optional=True))
        pending = self._pending(looked_at, known)
        self._rows = [r for r in known if r.drop_key not in pending]
        by_bucket: dict[int, list[str]] = {}
        for device in self._devices(pending):
            by_bucket.setdefault(device_bucket(device), []).append(device)
        for key in self.keys:
            for publication in (self._index, self._samples):
                for bucket in publication.previous_buckets(key):
                    by_bucket.setdefault(bucket, [])
        new_rows: list[IndexRow] = []
        for bucket, devices in sorted(by_bucket.items()):
            new_rows += self._bucket(bucket, sorted(devices), pending)
        elsewhere = [r for r in new_rows if r.event_hour not in self.keys]
        self._publish_elsewhere(elsewhere, self._formerly_elsewhere(pending, known), set(pending))
        self.registered = len(pending)

    def _pending(
        self, looked_at: Sequence[str], known: Sequence[IndexRow]
    ) -> dict[str, tuple[LandedFile, DropName]]:
        """Return landed drops received in these hours that the index does not know as they are."""
        sizes = {r.drop_key: r.bytes for r in known}
        wanted = set(looked_at)
        pending = {}
        # The newest receipt is the watermark, whichever hours the run is about: what had been received before
        # it was there to be read.
        self._watermark = _EPOCH
        for file in self._landing.list("telemetry"):
            try:
                name = parse_drop_name(file.key)
            except BadDropName:
                continue  # stays in the landing zone; the sensor and `make status` report it
            if name.received_at < self._until:
                self._watermark = max(self._watermark, name.received_at)
            if hour_key(name.received_at) not in wanted:
                continue
            if file.key in self._reread or sizes.get(file.key) != file.size:
                pending[file.key] = (file, name)
        return pending

    def _devices(self, pending: Mapping[str, tuple[LandedFile, DropName]]) -> set[str]:
        """Return devices with drops in these hours, and those that somebody should be wearing."""
        start_us = _us(window_of(self.keys[0])[0])
        end_us = _us(window_of(self.keys[-1])[1])
        devices = {r.device_id for r in self._rows} | {name.device_id for _, name in pending.values()}
        for device, assigned in self._assignments.items():
            if any(a.from_us < end_us and start_us < a.to_us for a in assigned):
                devices.add(device)
        return devices

    def _bucket(
        self, bucket: int, devices: Sequence[str], pending: Mapping[str, tuple[LandedFile, DropName]]
    ) -> list[IndexRow]:
        """Go through one bucket; returns the index rows of its newly registered drops."""
        fresh = self._force or all(self._coverage.previous(key, bucket) is None for key in self.keys)
        found: list[IndexRow] = []
        index: dict[str, list[IndexRow]] = {key: [] for key in self.keys}
        for row in self._rows:
            if row.event_hour in index and row.bucket == bucket:
                index[row.event_hour].append(row)
        for device in devices:
            for drop_key, (_, name) in pending.items():
                if name.device_id == device:
                    rows = self._register(drop_key, name)
                    found += rows
                    for row in rows:
                        if row.event_hour in index:
                            index[row.event_hour].append(row)
            if fresh:  # every hour is new: work while the device's drops are at hand
                for key in self.keys:
                    self._device_hour(key, bucket, device, index[key])
                self._shelf.clear()
        changed = {key: self._note(key, bucket, devices, index[key], fresh) for key in self.keys}
        if not fresh:
            for device in devices:
                for key in (k for k in self.keys if changed[k]):
                    self._device_hour(key, bucket, device, index[key])
        self._shelf.clear()
        for publication in (self._index, self._quarantine, self._samples, self._coverage):
            publication.finish(bucket)
        return found

    def _note(
        self, key: str, bucket: int, devices: Sequence[str], rows: Sequence[IndexRow], fresh: bool
    ) -> bool:
        """Record what a bucket of an hour is made from; tell whether that differs from what is published."""
        table = index_table(rows)
        indexed = content_hash(table)
        registered = self._index.previous(key, bucket)
        if registered is not None and registered.content_hash == indexed:
            self._index.keep(key, bucket)
        else:
            self._index.add(key, table, bucket)
            self._index.mark(key, bucket, input_hash=indexed)
        final = self._watermark >= window_of(key)[1]
        start_us = _us(window_of(key)[0])
        worn = {d: wearers_hash(self._assignments.get(d, ()), start_us) for d in devices}
        who = [f"{device} {found}" for device, found in sorted(worn.items()) if found]
        sending = sorted({r.device_id for r in rows})
        who += [f"{device} {'known' if device in self._assignments else 'unknown'}" for device in sending]
        input_hash = combined_hash([RULES_VERSION, indexed, str(final), *who])
        made = (self._samples, self._quarantine, self._coverage)
        # All three: a run killed between two of them has left the others as they were.
        known = [publication.previous(key, bucket) for publication in made]
        if not fresh and all(e is not None and e.input_hash == input_hash for e in known):
            for publication in made:
                publication.keep(key, bucket)
            return False
        for publication in made:
            publication.mark(key, bucket, input_hash=input_hash)
        facts: dict[str, Any] = {
            DROPS_FACT: indexed,
            STATE_FACT: "FINAL" if final else "PROVISIONAL",
            WEARERS_FACT: {d: found for d, found in worn.items() if found},
        }
        self._samples.mark(key, bucket, **facts)
        return True

    def _register(self, drop_key: str, name: DropName) -> list[IndexRow]:
        """Read a drop for the first time."""
        raw = self._read(drop_key)
        digest = hashlib.sha256(raw).hexdigest()
        return register(drop_key, name, digest, len(raw), self._parse(drop_key, name, raw, digest))

    def _read(self, drop_key: str) -> bytes:
        """Return a drop's bytes.

        Raises:
            FileNotFoundError: it is registered but gone: drops are immutable, and what was published from
                it must not vanish with it.
        """
        try:
            return self._landing.read(drop_key)
        except FileNotFoundError as gone:
            raise FileNotFoundError(
                f"{drop_key} is registered but no longer in the landing zone; restore it, then run again"
            ) from gone

    def _parse(
        self, drop_key: str, name: DropName, raw: bytes | None = None, digest: str = ""
    ) -> ParsedDrop | None:
        """Return a drop's lines, or None where the file cannot be read (its fault is kept)."""
        if drop_key in self._shelf:
            return self._shelf.get(drop_key)
        if drop_key in self._unreadable:
            return None
        held = self._read(drop_key) if raw is None else raw
        digest = digest or hashlib.sha256(held).hexdigest()
        if not digest.startswith(name.sha8):
            self._unreadable[drop_key] = f"content has SHA-256 {digest[:8]}…, the name says {name.sha8}"
            return None
        try:
            parsed = parse_pieces(lambda: drop_pieces(held, name.format), name)
        except UnreadableDrop as fault:
            self._unreadable[drop_key] = str(fault)
            return None
        self._shelf.put(drop_key, parsed)
        return parsed

    def _device_hour(self, key: str, bucket: int, device: str, index: Sequence[IndexRow]) -> None:
        """Gather, clean and describe one device in one hour, and add it to the publications."""
        start_us = _us(window_of(key)[0])
        drops: list[tuple[str, ParsedDrop]] = []
        broken: list[str] = []
        for row in sorted(index, key=lambda r: r.drop_key):
            if row.device_id != device or (row.status == "READ" and not row.rows and not row.unplaceable):
                continue  # received in this hour, but nothing in it is of this hour
            parsed = self._parse(row.drop_key, parse_drop_name(row.drop_key))
            if parsed is not None:
                drops.append((row.drop_key, parsed))
            elif hour_key(row.received_at) == key:
                broken.append(row.drop_key)
        assigned = [
            Assignment(a.patient_id, a.from_us, a.to_us, a.position)
            for a in self._assignments.get(device, ())
        ]
        cleaned = clean_device_hour(gather_device_hour(device, drops, start_us), assigned, start_us)
        self._samples.add(key, samples_table(cleaned, bucket), bucket)
        refused = quarantine_table(cleaned, bucket, self._payloads(cleaned))
        self._quarantine.add(
            key, pa.concat_tables([refused, self._broken(key, bucket, device, broken)]), bucket
        )
        rows = device_hour_coverage(cleaned, start_us, _us(self._complete_until(key, index)))
        self._coverage.add(key, coverage_table(rows, bucket), bucket)
        self.counts[key].add(device, cleaned, (row["verdict"] for row in rows))
        tail = cleaned.ts_us >= start_us + HOUR_US - TAIL_S * 1_000_000
        if tail.any():
            # Everything that the next hour looks at: values, restarts, and who wore it where.
            seen = hashlib.sha256(device.encode())
            for values in (cleaned.ts_us, cleaned.boot, cleaned.accel_g, cleaned.gyro_dps):
                seen.update(np.ascontiguousarray(values[tail]).tobytes())
            for codes, words in (
                (cleaned.patient_code, cleaned.patients),
                (cleaned.position_code, cleaned.positions),
            ):
                seen.update("\0".join(words[code] for code in codes[tail].tolist()).encode())
            tails = self._tails.setdefault((key, bucket), [])
            tails.append(seen.hexdigest()[:16])
            self._samples.mark(key, bucket, **{TAIL_FACT: "-".join(tails)})

    def _complete_until(self, key: str, index: Sequence[IndexRow]) -> dt.datetime:
        """Return up to when a bucket's hour is complete: its end, once anything was received after it.

        Until then only the bucket's own drops count, so that one device's drop does not make every other
        bucket of the running hour anew.
        """
        start, end = window_of(key)
        if self._watermark >= end:
            return end
        return max((r.received_at for r in index if r.received_at < self._until), default=start)

    def _payloads(self, cleaned: CleanedHour) -> dict[tuple[int, int], str]:
        """Return the text of refused lines that had been parsed, the first of each drop and reason.

        A whole hour in a wrong unit is not copied out of its drop; the contract's column says where it ends.
        """
        found: dict[tuple[int, int], str] = {}
        refused = cleaned.quarantine
        reasons = [reason for reason, _ in refused.findings]
        wanted: dict[int, list[int]] = {}
        taken: dict[tuple[int, Reason], int] = {}
        for i in np.flatnonzero([p is None for p in refused.payload]).tolist():
            kind = int(refused.drop_index[i]), reasons[refused.finding[i]]
            if taken.get(kind, 0) < _PAYLOADS_PER_DROP_AND_REASON:
                taken[kind] = taken.get(kind, 0) + 1
                wanted.setdefault(kind[0], []).append(int(refused.line_number[i]))
        for drop, lines in wanted.items():
            key = cleaned.drop_keys[drop]
            shape = parse_drop_name(key).format
            content = read_drop_bytes(self._landing.read(key), shape)
            texts = line_payloads(content, np.array(lines), shape)
            found.update({(drop, line): text for line, text in zip(lines, texts, strict=True)})
        return found

    def _broken(self, key: str, bucket: int, device: str, drop_keys: Sequence[str]) -> pa.Table:
        """Return the quarantine rows of files that could not be read at all."""
        if not drop_keys:
            return empty_table(TelemetryQuarantine)
        counted = self.counts[key].quarantined
        counted[Reason.FILE_UNREADABLE] = counted.get(Reason.FILE_UNREADABLE, 0) + len(drop_keys)
        n = len(drop_keys)
        return conform(
            TelemetryQuarantine,
            {
                "device_bucket": [bucket] * n,
                "quarantine_hour": [window_of(key)[0]] * n,
                "drop_key": list(drop_keys),
                "line_number": [0] * n,
                "reason": [Reason.FILE_UNREADABLE.value] * n,
                "detail": [self._unreadable[k] for k in drop_keys],
                "payload": [None] * n,
                "device_id": [device] * n,
                "patient_id": [None] * n,
            },
        )

    def _formerly_elsewhere(
        self, pending: Mapping[str, tuple[LandedFile, DropName]], known: Sequence[IndexRow]
    ) -> list[IndexRow]:
        """Return the index rows outside the run that changed drops had before: they no longer hold."""
        registered = {r.drop_key for r in known} | self._reread
        changed = sorted(registered & set(pending))
        if not changed:
            return []
        hours = [key for key in self._lake.ledger.keys(TelemetryDrops) if key not in self.keys]
        named = pc.field("drop_key").isin(changed)
        return index_rows(self._lake.read(TelemetryDrops, hours, where=named))

    def _publish_elsewhere(
        self, rows: Sequence[IndexRow], former: Sequence[IndexRow], registered: set[str]
    ) -> None:
        """Renew index rows of hours outside the run, so that a sensor sees that those hours changed."""
        for key in sorted({r.event_hour for r in (*rows, *former)}):
            mine = [r for r in rows if r.event_hour == key]
            touched = sorted({r.bucket for r in (*rows, *former) if r.event_hour == key})
            with self._lake.publication(TelemetryDrops, [key]) as publication:
                old = index_rows(self._lake.read(TelemetryDrops, [key], optional=True, buckets=touched))
                for bucket in publication.previous_buckets(key):
                    if bucket not in touched:
                        publication.keep(key, bucket)
                for bucket in touched:
                    merged = [r for r in old if r.bucket == bucket and r.drop_key not in registered]
                    merged += [r for r in mine if r.bucket == bucket]
                    table = index_table(merged)
                    publication.add(key, table, bucket)
                    publication.mark(key, bucket, input_hash=content_hash(table))
                publication.commit()


def _us(moment: dt.datetime) -> int:
    return round((moment - _EPOCH) / dt.timedelta(microseconds=1))
