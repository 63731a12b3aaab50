"""Samples of hours, bucket by bucket, each hour with the tail of the hour before: what the detector looks at.

Here: what is read from the lake in which order, and what an hour's falls are made from. Not here: how falls
are found (`detector.py`, `falls.py`), what is published (`assets.py`).
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.lake import Lake, LedgerEntry, Publication
from fallrisk_assets.lake.files import written_schema
from fallrisk_assets.lake.tables import DataFile
from fallrisk_assets.mobility.samples import split_devices
from fallrisk_assets.partitions import previous_key, window_of
from fallrisk_assets.risk.detector import LOOKBACK_S, FallEvent, FallModel
from fallrisk_assets.risk.falls import SAMPLE_COLUMNS, device_falls
from fallrisk_assets.telemetry.contract import Telemetry
from fallrisk_assets.telemetry.ingest import STATE_FACT, TAIL_FACT

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

#: An event with time (s from impact) and norm (g) around it.
Surroundings = tuple[FallEvent, np.ndarray, np.ndarray]


class HourlySamples:
    """Samples of some hours. Ask for a bucket's hours in order: the tail of one is at hand for the next."""

    def __init__(self, lake: Lake, keys: Iterable[str]) -> None:
        """List what is published of the hours and of the hours before them.

        Raises:
            MissingPartition: samples of an hour have not been published.
        """
        self._lake = lake
        self.keys = sorted(keys)
        before = sorted({previous_key(key) for key in self.keys} - set(self.keys))
        self._entries = lake.ledger.get_all(Telemetry, self.keys)
        self._entries |= {
            key: e for key, e in lake.ledger.find_all(Telemetry, before).items() if e is not None
        }
        self._files: dict[tuple[str, int], list[DataFile]] = {}
        for file in lake.files(Telemetry, self.keys) + lake.files(Telemetry, before, optional=True):
            self._files.setdefault((file.key, file.bucket or 0), []).append(file)
        self._held: tuple[str, int, pa.Table] | None = None

    def note_inputs(self, publication: Publication) -> None:
        """Record the samples in the lineage of what is made from them."""
        for key in self.keys:
            for used in (previous_key(key), key):
                if used in self._entries:
                    name = f"{Telemetry.spec.identifier} {used}"
                    publication.note_input(key, name, self._entries[used].content_hash)

    def buckets(self, publication: Publication) -> list[int]:
        """Device buckets that have samples, or had when the hours were published before."""
        found = {int(b) for entry in self._entries.values() for b in entry.buckets if b != "-"}
        return sorted(found | {b for key in self.keys for b in publication.previous_buckets(key)})

    def made_from(self, key: str, bucket: int) -> list[str]:
        """What a bucket's falls of an hour are made from: samples, whether they are all, the tail before."""
        mine, tail = self._entries[key].buckets.get(str(bucket)), self._tail_hash(key, bucket)
        return [mine.content_hash if mine else "", str(self._is_final(key, bucket)), tail]

    def falls(
        self, key: str, bucket: int, model: FallModel
    ) -> Iterator[tuple[pa.Table, Sequence[Surroundings]]]:
        """Yield each device's falls of an hour, and the signal around them.

        A device whose record ended with the hour before may have fallen: its tail is looked at as well.
        """
        start, end = window_of(key)
        tail = self._tail(key, bucket) if self._tail_hash(key, bucket) else _no_samples()
        rows = self._read(key, bucket)
        here, before = _by_device(rows), _by_device(tail)
        final = self._is_final(key, bucket)
        for device in sorted(here.keys() | before.keys()):
            device_rows = pa.concat_tables(part[device] for part in (before, here) if device in part)
            yield device_falls(device_rows, model, _us(start), _us(end), final=final)
        self._held = key, bucket, _since(rows, end)

    def _is_final(self, key: str, bucket: int) -> bool:
        mine = self._entries[key].buckets.get(str(bucket))
        return mine is None or mine.facts.get(STATE_FACT) != "PROVISIONAL"

    def _tail_hash(self, key: str, bucket: int) -> str:
        before: LedgerEntry | None = self._entries.get(previous_key(key))
        earlier = before.buckets.get(str(bucket)) if before else None
        return str(earlier.facts.get(TAIL_FACT, "")) if earlier else ""

    def _tail(self, key: str, bucket: int) -> pa.Table:
        before = previous_key(key)
        if self._held is not None and self._held[:2] == (before, bucket):
            return self._held[2]
        since = window_of(key)[0] - dt.timedelta(seconds=LOOKBACK_S)
        return self._read(before, bucket, pc.field("ts") >= pa.scalar(since, pa.timestamp("us", "UTC")))

    def _read(self, key: str, bucket: int, where: pc.Expression | None = None) -> pa.Table:
        files = self._files.get((key, bucket), [])
        if not files:
            return _no_samples()
        return pa.concat_tables(
            [
                self._lake.read_file(Telemetry, f, columns=SAMPLE_COLUMNS, where=where, coded=True)
                for f in files
            ]
        )


def _us(moment: dt.datetime) -> int:
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)


def _by_device(rows: pa.Table) -> dict[str, pa.Table]:
    return {part["device_id"][0].as_py(): part for part in split_devices(rows)}


def _no_samples() -> pa.Table:
    schema = written_schema(Telemetry)
    return pa.schema([schema.field(name) for name in SAMPLE_COLUMNS]).empty_table()


def _since(rows: pa.Table, end: dt.datetime) -> pa.Table:
    """A copy of the last `LOOKBACK_S` before an end, so that the rest can be forgotten."""
    start = pa.scalar(end - dt.timedelta(seconds=LOOKBACK_S), pa.timestamp("us", "UTC"))
    return rows.filter(pc.greater_equal(rows["ts"], start))
