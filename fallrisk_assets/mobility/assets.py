"""The mobility domain as assets: window features by the hour, gait by the day.

Here: the Dagster skin, and what is read from the lake in which order. Not here: windows, features and gait
themselves.
"""

import datetime as dt
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from fallrisk_assets.clinic.contract import Patients
from fallrisk_assets.clinic.identity import current_patients
from fallrisk_assets.clinic.snapshots import snapshots
from fallrisk_assets.contract import ContractType, conform
from fallrisk_assets.lake import Lake, Publication
from fallrisk_assets.lake.files import combined_hash
from fallrisk_assets.lake.ledger import BucketEntry
from fallrisk_assets.lake.tables import DataFile
from fallrisk_assets.mobility.contract import DailyGait, WindowFeatures
from fallrisk_assets.mobility.hours import hour_features, hour_start_us
from fallrisk_assets.mobility.patient_days import DeviceHours, fold_patient_day, patient_days
from fallrisk_assets.mobility.resource import WindowSettings
from fallrisk_assets.mobility.samples import DeviceSamples, device_samples, split_devices
from fallrisk_assets.mobility.windows import WindowConfig
from fallrisk_assets.partitions import (
    daily,
    device_bucket,
    hourly,
    hours_of_day,
    local_day_hours,
    previous_key,
    window_of,
)
from fallrisk_assets.publishing import contract_asset, show, show_bars
from fallrisk_assets.telemetry.contract import DeviceHourCoverage, Telemetry
from fallrisk_assets.telemetry.ingest import TAIL_FACT

#: Raised whenever the same samples give other features: every hour then counts as changed.
FEATURES_VERSION = "2"
GAIT_VERSION = "2"

_STEP_CLASSES = (0, 500, 1_000, 2_500, 5_000, 7_500, 10_000)
_COLUMNS = [
    "device_id",
    "patient_id",
    "position",
    "ts",
    "boot",
    *(f"accel_{axis}_g" for axis in "xyz"),
    *(f"gyro_{axis}_dps" for axis in "xyz"),
]
_hour_and_the_one_before = dg.TimeWindowPartitionMapping(
    start_offset=-1, end_offset=0, allow_nonexistent_upstream_partitions=True
)


class _HourlyFeatures:
    """One run over some hours: describes the buckets whose samples, or whose tail, changed."""

    def __init__(self, lake: Lake, publication: Publication, config: WindowConfig) -> None:
        self._lake = lake
        self._publication = publication
        self._config = config
        keys = sorted(publication.keys)
        before = sorted({previous_key(key) for key in keys} - set(keys))
        self._keys = keys
        self._entries = lake.ledger.get_all(Telemetry, keys)
        self._entries |= {
            key: e for key, e in lake.ledger.find_all(Telemetry, before).items() if e is not None
        }
        self._files: dict[tuple[str, int], list[DataFile]] = {}
        for file in lake.files_of(Telemetry, self._entries.values()):
            self._files.setdefault((file.key, file.bucket or 0), []).append(file)
        self.windows = dict.fromkeys(keys, 0)
        self.unscored: dict[str, dict[str, int]] = {key: {} for key in keys}
        self.kept = dict.fromkeys(keys, 0)

    def run(self) -> None:
        """Go through the buckets, each in order of time, so that the tail of an hour is still at hand."""
        for key in self._keys:
            self._publication.note_input(key, Telemetry.spec.identifier, self._entries[key].content_hash)
        buckets = {int(b) for entry in self._entries.values() for b in entry.buckets if b != "-"}
        for bucket in sorted(
            buckets | {b for key in self._keys for b in self._publication.previous_buckets(key)}
        ):
            tails: dict[str, pa.Table] | None = None
            for key in self._keys:
                tails = self._bucket_hour(key, bucket, tails)
            self._publication.finish(bucket)

    def _bucket_hour(
        self, key: str, bucket: int, tails: dict[str, pa.Table] | None
    ) -> dict[str, pa.Table] | None:
        """Publish one bucket of one hour; returns its tails by device, None where it was not read."""
        before = self._entries.get(previous_key(key))
        mine = self._entries[key].buckets.get(str(bucket))
        earlier = before.buckets.get(str(bucket)) if before else None
        tail_hash = str(earlier.facts.get(TAIL_FACT, "")) if earlier else ""
        input_hash = self._input_hash(mine, tail_hash)
        known = self._publication.previous(key, bucket)
        if known is not None and known.input_hash == input_hash:
            self._publication.keep(key, bucket)
            self.kept[key] += 1
            return None
        self._publication.mark(key, bucket, input_hash=input_hash, **{TAIL_FACT: tail_hash})
        if tails is None:
            start = window_of(key)[0] - dt.timedelta(seconds=self._config.length_s)
            before_it = self._devices(previous_key(key), bucket) if tail_hash else ()
            tails = {device_id: _since(rows, start) for device_id, rows in before_it}
        described, own_tails = self._describe(key, bucket, tails)
        if not described:
            return {}
        table = pa.concat_tables(described).combine_chunks()
        self._publication.add(key, table, bucket, measures=True)
        self._publication.finish(bucket, key)
        self.windows[key] += table.num_rows
        counts = pc.value_counts(table["quality"].drop_null()).to_pylist()
        for count in counts:
            total = self.unscored[key]
            total[count["values"]] = total.get(count["values"], 0) + count["counts"]
        return own_tails

    def _describe(
        self, key: str, bucket: int, tails: dict[str, pa.Table]
    ) -> tuple[list[pa.Table], dict[str, pa.Table]]:
        """Return the features of each device of a bucket, and the tails that the next hour needs."""
        cut = window_of(key)[1] - dt.timedelta(seconds=self._config.length_s)
        start_us = hour_start_us(key)
        described, own_tails = [], {}
        for device_id, rows in self._devices(key, bucket):
            own_tails[device_id] = _since(rows, cut)
            if device_id in tails:
                rows = pa.concat_tables([tails[device_id], rows])
            described.append(hour_features(device_samples(rows), start_us, self._config))
        return described, own_tails

    def _input_hash(self, mine: BucketEntry | None, tail_hash: str) -> str:
        samples = mine.content_hash if mine else ""
        return combined_hash([FEATURES_VERSION, str(self._config), samples, tail_hash])

    def _devices(self, key: str, bucket: int) -> Iterator[tuple[str, pa.Table]]:
        """Yield each device of a bucket and its rows, one device in memory at a time."""
        for piece in self._pieces(self._files.get((key, bucket), [])):
            for rows in split_devices(piece):
                yield rows["device_id"][0].as_py(), rows

    def _pieces(self, files: list[DataFile]) -> Iterable[pa.Table]:
        """Return rows in order of devices."""
        if len(files) == 1:
            return self._lake.read_in_order(Telemetry, files[0], "device_id", _COLUMNS)
        pieces = [self._lake.read_file(Telemetry, f, columns=_COLUMNS, coded=True) for f in files]
        return [pa.concat_tables(pieces)] if pieces else []


def _since(rows: pa.Table, start: dt.datetime) -> pa.Table:
    """Return a copy of the rows from a time on, so that the rest can be forgotten."""
    return rows.filter(pc.greater_equal(rows["ts"], pa.scalar(start, pa.timestamp("us", "UTC"))))


@contract_asset(
    WindowFeatures,
    partitions_def=hourly,
    group_name="mobility",
    kinds=("python", "iceberg", "numba"),
    resource_keys=("windows",),
    deps=[dg.AssetDep("telemetry", partition_mapping=_hour_and_the_one_before)],
)
def window_features(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """Windows are anchored to the epoch; an hour reads the tail of the hour before.

    Only the device buckets whose samples, or whose tail, changed are described anew.
    """
    settings: WindowSettings = context.resources.windows
    run = _HourlyFeatures(lake, publication, settings.config())
    run.run()
    for key, windows in run.windows.items():
        unscored = run.unscored[key]
        scored = {"to be scored": windows - sum(unscored.values())} if windows else {}
        show_bars(publication, key, {**scored, **unscored}, name="windows by quality")
        show(
            publication,
            key,
            windows=windows,
            **{"buckets left as they were": run.kept[key]},
            **{f"not to be scored: {reason}": n for reason, n in sorted(unscored.items())},
        )
        _show_withdrawn(publication, key)
    context.log.info("%s windows described in %s hours", sum(run.windows.values()), len(run.windows))


@contract_asset(
    DailyGait,
    partitions_def=daily,
    group_name="mobility",
    kinds=("python", "iceberg", "numba"),
    deps=[
        dg.AssetDep("telemetry", partition_mapping=local_day_hours),
        dg.AssetDep("device_hour_coverage", partition_mapping=local_day_hours),
        "patients",
    ],
)
def daily_gait(context: dg.AssetExecutionContext, lake: Lake, publication: Publication) -> None:
    """One row for each patient whose local day ends in this UTC day, from samples at 50 Hz.

    One device's day is in memory at a time. The hours of the UTC day and of the day before must have been
    published, but for those before the record begins.
    """
    for key in publication.keys:
        rows = _patient_rows(lake, publication, key)
        table = conform(DailyGait, {name: [r[name] for r in rows] for name in _gait_columns()})
        publication.add(key, table, measures=True)
        _show_withdrawn(publication, key)
        steps = [n for n in table["steps"].to_pylist() if n is not None]
        show(publication, key, patients=len(rows), steps=int(sum(steps)))
        # How many people, not who: metadata is read by those who need not know.
        labels = [f"{low:,} to {high:,}" for low, high in pairwise(_STEP_CLASSES)] + ["more"]
        shares = dict.fromkeys(labels, 0.0)
        for count in steps:
            shares[labels[bisect_right(_STEP_CLASSES, count) - 1]] += 1
        show_bars(publication, key, shares if steps else {}, name="patients by steps")
        context.log.info("%s: gait of %s patients", key, len(rows))


def _show_withdrawn(publication: Publication, key: str) -> None:
    """Say how many measures came out impossible and are null."""
    found = publication.reports[key].withdrawn
    show(publication, key, **{f"impossible, hence null: {name}": n for name, n in sorted(found.items())})


def _gait_columns() -> list[str]:
    return list(DailyGait.to_schema().columns)


def _patient_rows(lake: Lake, publication: Publication, key: str) -> list[dict]:
    """Return the rows of one UTC day, by patient."""
    utc_day = window_of(key)[0].date()
    both_days = [*hours_of_day(previous_key(key)), *hours_of_day(key)]
    hours = _since_the_record_began(lake, Telemetry, both_days, key)
    entries = {hour: lake.ledger.get(Telemetry, hour) for hour in hours}
    for hour, entry in entries.items():
        publication.note_input(key, f"{Telemetry.spec.identifier} {hour}", entry.content_hash)
    made_of = (f"{hour} {entry.content_hash}" for hour, entry in entries.items())
    publication.mark(key, input_hash=combined_hash([GAIT_VERSION, *made_of]))
    columns = ["patient_id", "device_id", "hour", "clean_samples", "position"]
    covered = _since_the_record_began(lake, DeviceHourCoverage, both_days, key)
    coverage = lake.read(DeviceHourCoverage, covered, columns=columns)
    files: dict[tuple[str, int], list[DataFile]] = {}
    for file in lake.files_of(Telemetry, entries.values()):
        files.setdefault((file.key, file.bucket or 0), []).append(file)
    read = _reader(lake, files)
    rows = []
    for plan in patient_days(utc_day, coverage, _zones(lake, key)):
        row = fold_patient_day(plan, read)
        if row is not None:
            rows.append({"day": utc_day, **row})
    return rows


def _since_the_record_began(lake: Lake, model: ContractType, hours: list[str], day: str) -> list[str]:
    """Return the hours that must be there: those of the day, and of the day before from the first published.

    Law: what is missing raises and is never empty. A day before of which nothing was published is before the
    record (its first day, or the first after a pause): its hours are lawfully absent.
    """
    published = set(lake.ledger.keys(model))
    begin = hours_of_day(day)[0]
    first = min((hour for hour in hours if hour in published), default=begin)
    return [hour for hour in hours if hour >= min(first, begin)]


def _reader(
    lake: Lake, files: dict[tuple[str, int], list[DataFile]]
) -> Callable[[DeviceHours], Iterable[DeviceSamples]]:
    """Return a function that reads a device's samples hour by hour."""

    def read(hours: DeviceHours) -> Iterator[DeviceSamples]:
        bucket = device_bucket(hours.device_id)
        for key in hours.keys:
            for file in files.get((key, bucket), []):
                where = pc.field("device_id") == hours.device_id
                rows = lake.read_file(Telemetry, file, columns=_COLUMNS, where=where)
                if rows.num_rows:
                    yield device_samples(rows)

    return read


def _zones(lake: Lake, key: str) -> dict[str, str]:
    """Return the zone of each patient whom the clinic knows by the wearable's id, as of a day."""
    patients = current_patients(snapshots(lake, Patients, key), window_of(key)[0].date())
    known = patients.select(["wearable_patient_id", "time_zone"]).to_pylist()
    return {row["wearable_patient_id"]: row["time_zone"] for row in known if row["wearable_patient_id"]}
